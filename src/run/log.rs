//! The plain log of a run.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result};

use super::clock::utc;

/// `log.txt`: what happened, a line each with its time (UTC), added to by every run of the
/// program. A line is handed to the operating system at once.
#[derive(Debug)]
pub struct RunLog {
    path: PathBuf,
    file: File,
}

impl RunLog {
    /// Opens `path` to add to it; it and its folder are made where they are missing.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        let mut options = File::options();
        let mut file = options.create(true).read(true).append(true).open(path).map_err(Error::io(path))?;
        // A process that was killed, or a full disk, may have left half a line.
        if file.seek(SeekFrom::End(0)).map_err(Error::io(path))? > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1)).map_err(Error::io(path))?;
            file.read_exact(&mut last).map_err(Error::io(path))?;
            if last != *b"\n" {
                file.write_all(b"\n").map_err(Error::io(path))?;
            }
        }
        Ok(Self { path: path.into(), file })
    }

    /// Adds a line. Further lines of `text` are indented; control characters, which a terminal
    /// would obey, are left out.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<()> {
        let mut line = utc(SystemTime::now());
        let mut pad = "  ";
        for part in text.as_ref().lines() {
            line.push_str(pad);
            line.extend(part.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !c.is_control()));
            pad = "\n    ";
        }
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(Error::io(&self.path))
    }
}
