//! NumPy's `.npy` files, of matrices only: a magic, a version, the length of a header, a header
//! that is a Python dictionary, the elements.

use std::path::Path;

use crate::Tensor;
use crate::error::{Error, Result};

/// What every file begins with.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header that is parsed. NumPy refuses longer ones than 10000 itself.
const MAX_HEADER: usize = 10_000;

/// A value in the header.
#[derive(Debug, PartialEq)]
enum Value {
    Text(String),
    Flag(bool),
    Shape(Vec<u64>),
}

/// Reads a matrix of `f32` or `f64`; `path` is for messages. Nothing is allocated before the
/// file has proven to have as many bytes.
///
/// # Errors
/// [`Error::Features`] where it is something else, or damaged.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Tensor<f64>> {
    let refuse = |problem: String| Error::Features { path: path.into(), problem };
    let damaged = || refuse("its header cannot be read; it is no .npy file, or damaged".into());
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let (&[major, _], rest) = rest.split_first_chunk::<2>().ok_or_else(damaged)?;
    let (length, rest) = match major {
        1 => rest.split_first_chunk().map(|(n, rest)| (u32::from(u16::from_le_bytes(*n)), rest)),
        2 | 3 => rest.split_first_chunk().map(|(n, rest)| (u32::from_le_bytes(*n), rest)),
        _ => return Err(refuse(format!("its format has version {major}; versions 1 to 3 are read"))),
    }
    .ok_or_else(damaged)?;
    if length as usize > MAX_HEADER {
        return Err(refuse(format!(
            "its header would be {length} bytes long (at most {MAX_HEADER} are read); it is damaged"
        )));
    }
    let (header, data) = rest.split_at_checked(length as usize).ok_or_else(damaged)?;
    let header = std::str::from_utf8(header).ok().and_then(dictionary).ok_or_else(damaged)?;
    let field = |name: &str| header.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let (Some(Value::Text(kind)), Some(Value::Flag(fortran)), Some(Value::Shape(shape))) =
        (field("descr"), field("fortran_order"), field("shape"))
    else {
        return Err(damaged());
    };

    let size = match kind.as_str() {
        "<f4" => 4,
        "<f8" => 8,
        _ => {
            return Err(refuse(format!(
                "its elements are of type {kind:?}; save it as float32 or float64: features.astype('<f4')"
            )));
        }
    };
    let &[rows, columns] = shape.as_slice() else {
        return Err(refuse(format!("it has shape {shape:?}; features are a matrix, [pictures, D]")));
    };
    if *fortran && rows != 1 && columns != 1 {
        return Err(refuse("it is in Fortran order; save numpy.ascontiguousarray(features)".into()));
    }
    let needed = rows.checked_mul(columns).and_then(|n| n.checked_mul(size));
    let (Ok(across), Ok(down), true) =
        (usize::try_from(columns), usize::try_from(rows), needed == Some(data.len() as u64))
    else {
        return Err(refuse(format!(
            "a matrix of {rows}x{columns} {kind} does not have {} bytes; it may be cut off, fetch it again",
            data.len()
        )));
    };
    let values = if size == 4 {
        data.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect()
    } else {
        data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect()
    };
    Tensor::new([down, across], values)
}

/// A Python dictionary of texts, flags and tuples of whole numbers, and nothing else.
fn dictionary(text: &str) -> Option<Vec<(String, Value)>> {
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut entries: Vec<(String, Value)> = vec![];
    while !rest.is_empty() {
        let (key, after) = quoted(rest)?;
        rest = after.trim_start().strip_prefix(':')?.trim_start();
        let (value, after) = value(rest)?;
        if entries.iter().any(|(known, _)| known == key) {
            return None;
        }
        entries.push((key.into(), value));
        rest = after.trim_start();
        if !rest.is_empty() {
            rest = rest.strip_prefix(',')?.trim_start();
        }
    }
    Some(entries)
}

fn value(text: &str) -> Option<(Value, &str)> {
    if let Some(rest) = text.strip_prefix("True") {
        return Some((Value::Flag(true), rest));
    }
    if let Some(rest) = text.strip_prefix("False") {
        return Some((Value::Flag(false), rest));
    }
    if let Some(rest) = text.strip_prefix('(') {
        let (inside, rest) = rest.split_once(')')?;
        // One trailing comma, as in `(3,)`.
        let inside = inside.trim().strip_suffix(',').unwrap_or(inside).trim();
        let numbers = inside.split(',').filter(|_| !inside.is_empty()).map(|n| n.trim().parse().ok());
        return Some((Value::Shape(numbers.collect::<Option<_>>()?), rest));
    }
    let (text, rest) = quoted(text)?;
    Some((Value::Text(text.into()), rest))
}

/// A text in single or double quotes, without escapes.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let (inside, rest) = text[1..].split_once(quote)?;
    (!inside.contains('\\')).then_some((inside, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn header(kind: &str, fortran: &str, shape: &str) -> String {
        format!("{{'descr': {kind}, 'fortran_order': {fortran}, 'shape': {shape}, }}  \n")
    }

    fn problem(bytes: &[u8]) -> String {
        parse(Path::new("f.npy"), bytes).unwrap_err().to_string()
    }

    #[test]
    fn matrices_are_read() {
        let bytes = file(&header("'<f4'", "False", "(2, 1)"), &[0, 0, 128, 63, 0, 0, 0, 64]);
        let read = parse(Path::new("f"), &bytes).unwrap();
        assert_eq!((read.shape().dims(), read.data()), (&[2, 1][..], &[1.0, 2.0][..]));
        let bytes = file(&header("\"<f8\"", "False", "(1,1,)"), &1.5_f64.to_le_bytes());
        assert_eq!(parse(Path::new("f"), &bytes).unwrap().data(), [1.5]);
    }

    #[test]
    fn what_is_no_matrix_is_refused() {
        let plain = |kind, fortran, shape| problem(&file(&header(kind, fortran, shape), &[0; 16]));
        assert!(plain("'|O'", "False", "(2, 2)").contains("astype"));
        assert!(plain("'>f4'", "False", "(2, 2)").contains("astype"));
        assert!(plain("'<f4'", "True", "(2, 2)").contains("Fortran"));
        assert!(plain("'<f4'", "False", "(4,)").contains("matrix"));
        assert!(plain("'<f4'", "False", "()").contains("matrix"));
        assert!(plain("'<f4'", "False", "(3, 2)").contains("cut off"));
        assert!(plain("'<f4'", "False", "(4611686018427387904, 4)").contains("does not have"));
        for shape in ["(2, -2)", "(2, 2", "(2,, 2)", "(99999999999999999999, 2)", "2"] {
            assert!(plain("'<f4'", "False", shape).contains("cannot be read"), "{shape}");
        }
        assert!(plain("[('a', '<f4')]", "False", "(2, 2)").contains("cannot be read"));
        assert!(plain("'<f4', 'descr': '<f4'", "False", "(2, 2)").contains("cannot be read"));
    }

    #[test]
    fn a_cut_off_file_is_refused() {
        let whole = file(&header("'<f4'", "False", "(2, 2)"), &[0; 16]);
        for length in 0..whole.len() {
            assert!(parse(Path::new("f"), &whole[..length]).is_err(), "{length}");
        }
        let mut long = whole.clone();
        long[6] = 2;
        assert!(problem(&long).contains("header would be"));
        long[6] = 9;
        assert!(problem(&long).contains("version 9"));
    }
}
