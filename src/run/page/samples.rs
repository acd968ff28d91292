//! The sheets that a run's folder holds.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::model::Direction;

use super::super::sheet::sheet_path;

/// The steps that there are sheets of, by direction, in their order. Those after `last` are of
/// a part of the run that was given up, and are passed over.
pub(super) fn steps(run: &Path, direction: Direction, last: u64) -> Result<Vec<u64>> {
    let folder = run.join("samples");
    let entries = match fs::read_dir(&folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.map_err(Error::io(&folder))?,
    };
    let mut steps = vec![];
    for entry in entries {
        let name = entry.map_err(Error::io(&folder))?.file_name();
        let digits =
            name.to_str().and_then(|n| n.strip_prefix(&format!("{direction}_"))?.strip_suffix(".png"));
        let step = digits.and_then(|d| d.parse().ok()).filter(|&step| step <= last);
        // Only the names that we give ourselves.
        steps.extend(step.filter(|&step| sheet_path(run, direction, step).file_name() == Some(&name)));
    }
    steps.sort_unstable();
    Ok(steps)
}

/// Width and height of a PNG file, so that the page keeps their place while it loads.
pub(super) fn png_size(path: &Path) -> Option<(u32, u32)> {
    let mut head = [0; 24];
    File::open(path).ok()?.read_exact(&mut head).ok()?;
    let side = |at: usize| head.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let known = head.starts_with(b"\x89PNG\r\n\x1a\n") && head.get(12..16) == Some(b"IHDR");
    known.then_some((side(16)?, side(20)?)).filter(|&(w, h)| w > 0 && h > 0)
}
