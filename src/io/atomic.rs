//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use tempfile::{NamedTempFile, PersistError};

use crate::error::{Error, Result};

/// Writes `path` through a temporary file beside it that is renamed when it is complete, so
/// that nobody ever sees half a file: not after an error, a full disk, a killed process or a power cut.
/// Missing folders are made. File systems without hard links will do.
///
/// # Errors
/// [`Error::Output`] where the file cannot be written; [`Error::Exists`] where it is there already and `overwrite`
/// is false; whatever `write` reports.
pub fn write_atomically(
    path: &Path,
    overwrite: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let refuse = |problem: String| Error::Output { path: path.into(), problem };
    let exists = || Error::Exists { path: path.into() };
    if !overwrite && path.exists() {
        return Err(exists());
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)
        .map_err(|e| refuse(format!("the folder {} cannot be made ({e})", folder.display())))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
    // A temporary file is private by default; the result has the rights of any new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder
        .tempfile_in(folder)
        .map_err(|e| refuse(format!("the folder {} cannot be written to ({e})", folder.display())))?;
    let mut out = BufWriter::with_capacity(1 << 16, file);
    write(&mut out).map_err(|e| refuse(e.to_string()))?;
    let file = out.into_inner().map_err(|e| refuse(e.to_string()))?;
    file.as_file().sync_data().map_err(|e| refuse(e.to_string()))?;
    if overwrite {
        replace(file, path).map_err(|e| refuse(e.to_string()))?;
    } else {
        put(file, path, NamedTempFile::persist_noclobber).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => exists(),
            _ => refuse(e.to_string()),
        })?;
    }
    sync_folder(folder);
    Ok(())
}

/// The beginning and the end of a temporary file's name.
const TEMPORARY: (&str, &str) = (".ugatit-", ".tmp");

/// Deletes what killed processes have left in `folder` of files that they were writing. Nobody else may be
/// writing there.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be read, or a file cannot be deleted.
#[cfg(any(feature = "pictures", test))]
pub(crate) fn remove_temporaries(folder: &Path) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::io(folder))?,
    };
    for entry in entries {
        let entry = entry.map_err(Error::io(folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = entry.path();
        if name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1) && path.is_file() {
            fs::remove_file(&path).map_err(Error::io(path))?;
        }
    }
    Ok(())
}

/// Renames a complete file to `path`, over a file that is there.
fn replace(mut file: NamedTempFile, path: &Path) -> io::Result<()> {
    /// On Windows a scanner or an indexer may hold a new file, or the old one, for a moment.
    const TRIES: u32 = if cfg!(windows) { 10 } else { 1 };
    const PAUSE: Duration = Duration::from_millis(50);
    let mut tries = 1;
    loop {
        match file.persist(path) {
            Ok(_) => return Ok(()),
            Err(refused) if tries < TRIES && refused.error.kind() == io::ErrorKind::PermissionDenied => {
                file = refused.file;
                std::thread::sleep(tries * PAUSE);
                tries += 1;
            }
            Err(refused) => return Err(refused.error),
        }
    }
}

/// Renames a complete file to `path`, where there is none. `rename` is a rename that replaces nothing.
fn put<'a>(
    file: NamedTempFile,
    path: &'a Path,
    rename: impl FnOnce(NamedTempFile, &'a Path) -> std::result::Result<File, PersistError>,
) -> io::Result<()> {
    let refused = match rename(file, path) {
        Ok(_) => return Ok(()),
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => return Err(refused.error),
        Err(refused) => refused,
    };
    // Drives in the cloud, network shares and exFAT have neither a rename that replaces nothing nor hard
    // links. There an empty file takes the name first, which only one process can make.
    match File::create_new(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => return Err(refused.error),
    }
    replace(refused.file, path).inspect_err(|_| {
        // The empty file is ours. Where it cannot be deleted, the first error says more.
        let _ = fs::remove_file(path);
    })
}

/// Has the folder itself written to the disk, so that a power cut does not take back the rename. Some file
/// systems cannot do that, and Windows does it by itself.
fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.bin");
        let failed = write_atomically(&path, false, |out| {
            out.write_all(&[1; 100_000])?;
            Err(io::Error::other("the encoder gave up"))
        });
        assert!(failed.unwrap_err().to_string().contains("gave up"));
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);

        write_atomically(&path, false, |out| out.write_all(b"one")).unwrap();
        let again = write_atomically(&path, false, |out| out.write_all(b"two"));
        assert!(matches!(again, Err(Error::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_atomically(&path, true, |out| out.write_all(b"two")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".ugatit-a1.tmp", ".ugatit-a1.safetensors", "mine.tmp", "a.bin"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join(".ugatit-folder.tmp")).unwrap();
        remove_temporaries(folder.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".ugatit-a1.safetensors", ".ugatit-folder.tmp", "a.bin", "mine.tmp"]);
        remove_temporaries(&folder.path().join("none")).unwrap();
    }

    /// As `renameat2` and `linkat` answer on file systems that have neither.
    #[test]
    fn file_systems_without_links_will_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        let refuse = |file, _: &Path| Err(PersistError { error: io::ErrorKind::Unsupported.into(), file });
        let write = |text: &[u8]| {
            let mut file = tempfile::Builder::new().tempfile_in(folder.path()).unwrap();
            file.write_all(text).unwrap();
            put(file, &path, refuse)
        };
        write(b"one").unwrap();
        assert_eq!(write(b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_folder_below_a_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let path = folder.path().join("file/out/a.bin");
        assert!(matches!(write_atomically(&path, true, |_| Ok(())), Err(Error::Output { .. })));
    }
}
