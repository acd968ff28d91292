//! What a file is that was taken for a model and is none, and what to do about it.

use std::path::Path;

/// What the bytes that a file begins with say it is, with what to do. `None` where nothing is recognised.
///
/// `bytes` may be the whole file or its first kilobyte; some kinds are known by the file's name only.
pub(super) fn what_it_is(path: &Path, bytes: &[u8]) -> Option<String> {
    by_content(bytes).or_else(|| by_name(path)).map(str::to_owned).or_else(|| text(bytes))
}

/// What a part of a TensorFlow checkpoint is told that is not read by itself.
const TENSORFLOW: &str = "it is a part of a TensorFlow checkpoint; those are imported by the name of their folder or of the file that ends in .index";

const ONNX: &str =
    "it is an ONNX model; those are written here, not read: use the checkpoint that it was made of";

const WEB_PAGE: &str = "it is a web page (HTML), not the file itself: the download was answered by a page, for example one that asks to confirm or to log in; download the file again";

/// The bytes that formats begin with, and how far from the beginning.
const BEGINNINGS: [(usize, &[u8], &str); 19] = [
    (
        0,
        b"version https://git-lfs.github.com/spec/",
        "it is a Git LFS pointer, not the file itself; fetch the file with `git lfs pull`",
    ),
    (
        0,
        b"\x89HDF\r\n\x1a\n",
        "it is an HDF5 file, as Keras writes them, which is not read; export its weights as a state_dict (.pt) or safetensors",
    ),
    (4, b"TFL3", "it is a TensorFlow Lite model, which is not read; use the checkpoint that it was made of"),
    (0, b"GGUF", "it is a GGUF file, which holds language models"),
    (0, b"\x93NUMPY", "it is one NumPy array (.npy), not a model"),
    (0, b"\xff\xd8\xff", "it is a JPEG picture, not a model"),
    (0, b"\x89PNG\r\n\x1a\n", "it is a PNG picture, not a model"),
    (0, b"GIF8", "it is a GIF picture, not a model"),
    (8, b"WEBP", "it is a WebP picture, not a model"),
    (0, b"%PDF", "it is a PDF document, not a model"),
    (
        0,
        b"PK\x03\x04",
        "it is a zip archive that torch.save did not write; where the model lies in it, unpack it first",
    ),
    (0, b"PK\x05\x06", "it is an empty zip archive"),
    (0, b"\x1f\x8b", "it is compressed (gzip); unpack it first"),
    (0, b"BZh", "it is compressed (bzip2); unpack it first"),
    (0, b"\xfd7zXZ\0", "it is compressed (xz); unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "it is compressed (Zstandard); unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "it is a 7z archive; unpack it first"),
    (0, b"Rar!", "it is a RAR archive; unpack it first"),
    (257, b"ustar", "it is a tar archive; where the model lies in it, unpack it first"),
];

/// The bytes that the index of a TensorFlow checkpoint ends with (a LevelDB table).
pub(super) const TABLE_END: [u8; 8] = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];

fn by_content(bytes: &[u8]) -> Option<&'static str> {
    let begins =
        |(at, magic, _): &&(usize, &[u8], &str)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic));
    if let Some((.., what)) = BEGINNINGS.iter().find(begins) {
        return Some(what);
    }
    if bytes.ends_with(&TABLE_END) {
        return Some(TENSORFLOW);
    }
    let start = bytes.trim_ascii_start();
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let begins =
        |tag: &str| start.get(..tag.len()).is_some_and(|found| found.eq_ignore_ascii_case(tag.as_bytes()));
    if ["<!doctype html", "<html", "<head", "<body"].into_iter().any(begins) {
        return Some(WEB_PAGE);
    }
    if begins("<?xml") || begins("<error") {
        return Some("it is an XML text, as servers answer with when a file is not there; download it again");
    }
    if matches!(bytes, [0x80, 1..=5, ..]) {
        return Some("it is a Python pickle that torch.save did not write, which is not read");
    }
    // An ONNX file is a protobuf message that begins with its version (field 1) and its producer (field 2).
    if matches!(bytes, [0x08, 1..=20, 0x12, ..]) {
        return Some(ONNX);
    }
    None
}

/// Files that have no beginning of their own.
fn by_name(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let data = || name.split_once(".data-").is_some_and(|(_, rest)| rest.contains("-of-"));
    let tensorflow = name == "checkpoint" || name.ends_with(".index") || name.ends_with(".meta") || data();
    if tensorflow {
        return Some(TENSORFLOW);
    }
    name.ends_with(".onnx").then_some(ONNX)
}

/// A short text: it may say itself what went wrong.
fn text(bytes: &[u8]) -> Option<String> {
    const SHOWN: usize = 60;
    let start = bytes.get(..bytes.len().min(1024))?;
    let readable = |c: char| !c.is_control() || c.is_whitespace();
    let text = std::str::from_utf8(start).ok()?.trim();
    if text.len() < 4 || !text.chars().all(readable) {
        return None;
    }
    let line = text.lines().next().unwrap_or_default();
    let shown: String = line.chars().take(SHOWN).collect();
    let more = if shown.len() < text.len() { " ..." } else { "" };
    Some(format!("it is a text that begins {shown:?}{more}, not a model; download the file again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_content() {
        let of = |bytes: &[u8]| what_it_is(Path::new("A2B.safetensors"), bytes).unwrap_or_default();
        assert!(of(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n").contains("git lfs pull"));
        for page in [&b"<!DOCTYPE html><html>"[..], b"\r\n  <HTML lang=en>", b"\xef\xbb\xbf<!doctype HTML>"] {
            assert!(of(page).contains("web page"), "{page:?}");
        }
        assert!(of(b"\x89HDF\r\n\x1a\n\0").contains("HDF5"));
        assert!(of(b"\x1c\0\0\0TFL3").contains("TensorFlow Lite"));
        assert!(of(b"RIFF\0\0\0\0WEBPVP8 ").contains("WebP"));
        assert!(of(&[&[0_u8; 257][..], b"ustar\0"].concat()).contains("tar archive"));
        assert!(of(&[&[1_u8; 40][..], &TABLE_END].concat()).contains("TensorFlow checkpoint"));
        assert!(of(b"\x08\x08\x12\x07pytorch").contains("ONNX"));
        assert!(of(b"\x80\x04\x95").contains("pickle"));
        assert_eq!(
            of(b"Access denied.\nrequest id 5"),
            "it is a text that begins \"Access denied.\" ..., not a model; download the file again"
        );
        for nothing in [&b""[..], b"\0\0\0\0\0\0", b"\xc3\x28\xff\xfe 1234", b"abc"] {
            assert_eq!(of(nothing), "", "{nothing:?}");
        }
    }

    #[test]
    fn what_has_no_beginning_of_its_own_is_known_by_name() {
        let of = |name: &str| what_it_is(Path::new(name), &[7, 8, 9]);
        for name in ["UGATIT.model-1000000.index", "a/checkpoint", "m.DATA-00000-of-00001", "m.meta"] {
            assert_eq!(of(name).as_deref(), Some(TENSORFLOW), "{name}");
        }
        assert!(of("model.ONNX").is_some());
        assert_eq!(of("model.safetensors"), None);
    }
}
