//! The pictures of the page.

use std::path::{Path, PathBuf};

use ugatit::io::{Picture, PictureFormat, write_picture};
use ugatit::model::Direction;

use super::results::Shown;

/// Where pictures go: `pictures/A2B-0001-source.png` and so on, which any system and any
/// address takes, whatever the test pictures are called.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) folder: PathBuf,
    pub(super) force: bool,
}

impl Folder {
    /// Writes what belongs to the picture `index` (from 0) of a direction.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub(super) fn write(
        &self,
        direction: Direction,
        index: usize,
        pictures: &[(&'static str, &Picture)],
    ) -> ugatit::Result<Vec<Shown>> {
        let each = pictures.iter().map(|&(what, picture)| {
            let file = format!("pictures/{direction}-{:04}-{what}.png", index + 1);
            write_picture(self.folder.join(Path::new(&file)), picture, PictureFormat::Png, self.force)?;
            Ok(Shown { what, file })
        });
        each.collect()
    }
}
