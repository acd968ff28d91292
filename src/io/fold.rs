//! photo2cartoon's tensors as those of a model: what of its network can be folded into weights, and what its
//! files hold and its network does not use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::error::{Error, Result};

use super::architecture::Source;

/// The parts of a Soft-AdaLIN that become one layer, by the ends of their names behind `NORM.`; G is gamma or
/// beta.
const PARTS: [&str; 5] = ["w_G", "s_G.weight", "s_G.bias", "c_G.2.weight", "c_G.2.bias"];

/// Replaces the tensors of Soft-AdaLIN, `(1 - w) (S style + s) + w (C content + c)` with one w a channel, by those
/// of one layer over both, `NORM.gamma` and `NORM.beta`: `[(1 - w) S | w C]` and `(1 - w) s + w c`. Leaves out
/// convolutions that hourglasses have and do not use. Everything else, also all tensors of other programs,
/// stays as it is. Names may have anything in front.
///
/// # Errors
/// [`Error::ModelFile`] where parts are missing or do not fit each other.
pub(super) fn fold<'a>(path: &Path, sources: Vec<(String, Source<'a>)>) -> Result<Vec<(String, Source<'a>)>> {
    let layers: BTreeSet<(String, &str)> =
        sources.iter().filter_map(|(name, _)| part(name)).map(|(norm, which, _)| (norm, which)).collect();
    let mut parts: BTreeMap<String, Source<'a>> = BTreeMap::new();
    let mut kept = vec![];
    for (name, source) in sources {
        if is_unused(&name) {
            continue;
        }
        // A name given twice is refused where it is not expected.
        match part(&name) {
            Some(_) if !parts.contains_key(&name) => drop(parts.insert(name, source)),
            _ => kept.push((name, source)),
        }
    }
    for (norm, which) in layers {
        let mut take = |ending: &str| {
            let name = format!("{norm}.{}", ending.replace('G', which));
            parts.remove(&name).ok_or_else(|| Error::ModelFile {
                path: path.into(),
                problem: format!("it has tensors of `{norm}`, but no `{name}`; the file is incomplete"),
            })
        };
        let [w, s, s_bias, c, c_bias] = PARTS.map(&mut take);
        let (w, [s, s_bias], [c, c_bias]) = (w?, [s?, s_bias?], [c?, c_bias?]);
        let &[_, features] = w.shape.as_slice() else {
            return Err(unfit(path, &norm, which));
        };
        let matrix = [features, features];
        let fits = w.shape == [1, features] && s.shape == matrix && c.shape == matrix;
        if !fits || s_bias.shape != [features] || c_bias.shape != [features] {
            return Err(unfit(path, &norm, which));
        }
        let (weight, bias) = layer(features, w, [s, c], [s_bias, c_bias]);
        kept.push((format!("{norm}.{which}.weight"), weight));
        kept.push((format!("{norm}.{which}.bias"), bias));
    }
    Ok(kept)
}

/// A part of a Soft-AdaLIN: of which normalisation, gamma or beta, and which part.
fn part(name: &str) -> Option<(String, &'static str, &'static str)> {
    // No other network has such a block.
    if !name.contains("DecodeBlock") {
        return None;
    }
    ["gamma", "beta"].into_iter().find_map(|which| {
        PARTS.into_iter().find_map(|part| {
            let norm = name.strip_suffix(&part.replace('G', which))?.strip_suffix('.')?;
            Some((norm.to_owned(), which, part))
        })
    })
}

/// Whether a tensor is in the file and not in the network: hourglasses add what goes into their blocks as it is.
fn is_unused(name: &str) -> bool {
    name.contains("HourGlass") && name.ends_with(".ConvBlock4.2.weight")
}

fn unfit(path: &Path, norm: &str, which: &str) -> Error {
    Error::ModelFile {
        path: path.into(),
        problem: format!("the tensors of `{norm}` that make its {which} do not fit each other"),
    }
}

/// One layer of two, each row of the first times `1 - w`, of the second times `w`; worked out in `f64`.
fn layer<'a>(
    features: usize,
    w: Source<'a>,
    matrices: [Source<'a>; 2],
    biases: [Source<'a>; 2],
) -> (Source<'a>, Source<'a>) {
    let w = std::rc::Rc::new(w);
    let shares = |w: &Source<'_>| -> Result<Vec<[f64; 2]>> {
        Ok((w.read)()?.into_iter().map(f64::from).map(|w| [1.0 - w, w]).collect())
    };
    let own = w.clone();
    let weight = move || {
        let [s, c] = [(matrices[0].read)()?, (matrices[1].read)()?];
        let mut rows = Vec::with_capacity(2 * features * features);
        let pairs = s.chunks(features.max(1)).zip(c.chunks(features.max(1)));
        for (share, (s, c)) in shares(&own)?.into_iter().zip(pairs) {
            for (share, row) in share.into_iter().zip([s, c]) {
                rows.extend(row.iter().map(|&v| (share * f64::from(v)) as f32));
            }
        }
        Ok(rows)
    };
    let bias = move || {
        let [s, c] = [(biases[0].read)()?, (biases[1].read)()?];
        let each = shares(&w)?.into_iter().zip(s.into_iter().zip(c));
        Ok(each.map(|([a, b], (s, c))| (a * f64::from(s) + b * f64::from(c)) as f32).collect())
    };
    (
        Source { shape: vec![features, 2 * features], read: Box::new(weight) },
        Source { shape: vec![features], read: Box::new(bias) },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(shape: &[usize], values: Vec<f32>) -> Source<'static> {
        Source { shape: shape.to_vec(), read: Box::new(move || Ok(values.clone())) }
    }

    fn soft() -> Vec<(String, Source<'static>)> {
        let norm = "module.genA2B.DecodeBlock2.norm1";
        let mut all = vec![];
        for which in ["gamma", "beta"] {
            all.push((format!("{norm}.w_{which}"), source(&[1, 2], vec![0.25, 1.0])));
            all.push((format!("{norm}.s_{which}.weight"), source(&[2, 2], vec![4.0, 8.0, 1.0, 2.0])));
            all.push((format!("{norm}.s_{which}.bias"), source(&[2], vec![4.0, 5.0])));
            all.push((format!("{norm}.c_{which}.2.weight"), source(&[2, 2], vec![-4.0, 4.0, 3.0, 5.0])));
            all.push((format!("{norm}.c_{which}.2.bias"), source(&[2], vec![8.0, 7.0])));
            all.push((format!("{norm}.c_{which}.0.bias"), source(&[2], vec![1.0, 2.0])));
        }
        all.push(("HourGlass1.HG.0.ConvBlock5.ConvBlock4.2.weight".into(), source(&[1], vec![0.0])));
        all.push(("gamma.weight".into(), source(&[1], vec![7.0])));
        all
    }

    #[test]
    fn two_layers_and_a_share_become_one() {
        let folded: BTreeMap<_, _> = fold(Path::new("a.pt"), soft()).unwrap().into_iter().collect();
        let read = |name: &str| (folded[name].read)().unwrap();
        assert_eq!(folded.len(), 2 * 3 + 1);
        let norm = "module.genA2B.DecodeBlock2.norm1";
        assert_eq!(folded[&format!("{norm}.beta.weight")].shape, [2, 4]);
        assert_eq!(read(&format!("{norm}.gamma.weight")), [3.0, 6.0, -1.0, 1.0, 0.0, 0.0, 3.0, 5.0]);
        assert_eq!(read(&format!("{norm}.gamma.bias")), [5.0, 7.0]);
        assert_eq!(read("gamma.weight"), [7.0]);
    }

    #[test]
    fn what_is_incomplete_or_does_not_fit_is_refused() {
        let refused = |sources| match fold(Path::new("a.pt"), sources) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("it was folded"),
        };
        let mut sources = soft();
        let missing = sources.remove(3).0;
        assert!(refused(sources).contains(&missing));
        let mut sources = soft();
        sources[1].1 = source(&[2, 3], vec![0.0; 6]);
        assert!(refused(sources).contains("do not fit each other"));
        let mut sources = soft();
        sources[0].1 = source(&[2], vec![0.0; 2]);
        assert!(refused(sources).contains("do not fit each other"));
    }
}
