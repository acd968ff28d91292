//! What the ranks have measured, on its way to the first of them.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use ugatit::io::Picture;

use crate::ranks::Crew;

use super::results::{Failure, Measures, Pair, Shown};

/// One picture with what was measured on it, and what a sheet shows of it.
pub(super) struct Finished {
    pub(super) index: usize,
    pub(super) measures: Measures,
    pub(super) group: Option<Vec<Picture>>,
}

/// All that was measured of one direction, in the order of the pictures.
pub(super) struct Sent {
    pub(super) finished: Vec<Finished>,
    pub(super) failures: Vec<Failure>,
}

/// Numbers go as bits, so that they arrive as they are.
#[derive(Serialize, Deserialize)]
struct Letter {
    pictures: Vec<Line>,
    failures: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    index: usize,
    name: String,
    cycle_l1: Option<u64>,
    identity_l1: Option<u64>,
    pair: Option<[u64; 4]>,
    files: Vec<(String, String)>,
    group: Option<Vec<Image>>,
}

#[derive(Serialize, Deserialize)]
struct Image {
    width: usize,
    height: usize,
    channels: usize,
    pixels: Vec<u8>,
}

/// What all ranks have measured, on the first; nothing on the others.
///
/// # Errors
/// Where a rank has sent what cannot be read, which is a bug.
pub(super) fn of_all(crew: &Crew, own: Vec<Finished>, failures: Vec<Failure>) -> anyhow::Result<Sent> {
    if crew.count() == 1 {
        return Ok(Sent { finished: own, failures });
    }
    let letter = Letter {
        pictures: own.into_iter().map(line).collect(),
        failures: failures
            .into_iter()
            .map(|failure| (failure.input.to_string_lossy().into_owned(), failure.error))
            .collect(),
    };
    let mut all = Sent { finished: vec![], failures: vec![] };
    for bytes in crew.gather(serde_json::to_vec(&letter)?).unwrap_or_default() {
        let letter: Letter = serde_json::from_slice(&bytes).context("what a rank has measured")?;
        for line in letter.pictures {
            all.finished.push(finished(line)?);
        }
        let failure = |(input, error): (String, String)| Failure { input: input.into(), error };
        all.failures.extend(letter.failures.into_iter().map(failure));
    }
    all.finished.sort_by_key(|finished| finished.index);
    all.failures.sort_by(|a, b| a.input.cmp(&b.input));
    Ok(all)
}

fn line(finished: Finished) -> Line {
    let Finished { index, measures, group } = finished;
    let Measures { name, cycle_l1, identity_l1, pair, files } = measures;
    let image = |picture: Picture| Image {
        width: picture.width,
        height: picture.height,
        channels: picture.channels,
        pixels: picture.pixels,
    };
    Line {
        index,
        name,
        cycle_l1: cycle_l1.map(f64::to_bits),
        identity_l1: identity_l1.map(f64::to_bits),
        pair: pair.map(|p| [p.psnr, p.psnr_untouched, p.ssim, p.ssim_untouched].map(f64::to_bits)),
        files: files.into_iter().map(|shown| (shown.what.to_owned(), shown.file)).collect(),
        group: group.map(|group| group.into_iter().map(image).collect()),
    }
}

fn finished(line: Line) -> anyhow::Result<Finished> {
    let pair = line.pair.map(|bits| {
        let [psnr, psnr_untouched, ssim, ssim_untouched] = bits.map(f64::from_bits);
        Pair { psnr, psnr_untouched, ssim, ssim_untouched }
    });
    let shown = |(what, file): (String, String)| {
        let known = Shown::KINDS.into_iter().find(|kind| *kind == what);
        Ok(Shown { what: known.with_context(|| format!("a rank has sent a picture {what:?}"))?, file })
    };
    let measures = Measures {
        name: line.name,
        cycle_l1: line.cycle_l1.map(f64::from_bits),
        identity_l1: line.identity_l1.map(f64::from_bits),
        pair,
        files: line.files.into_iter().map(shown).collect::<anyhow::Result<_>>()?,
    };
    let picture = |image: Image| Picture::new(image.width, image.height, image.channels, image.pixels);
    let group = line.group.map(|group| group.into_iter().map(picture).collect::<ugatit::Result<_>>());
    Ok(Finished { index: line.index, measures, group: group.transpose()? })
}
