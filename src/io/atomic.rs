//! Files that are there whole or not at all.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes `path` through a temporary file beside it that is renamed when it is complete, so
/// that nobody ever sees half a file: not after an error, a full disk or a killed process.
/// Missing folders are made.
///
/// # Errors
/// [`Error::Output`] where the file cannot be written, or is there already and `overwrite`
/// is false; whatever `write` reports.
pub fn write_atomically(
    path: &Path,
    overwrite: bool,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    let refuse = |problem: String| Error::Output { path: path.into(), problem };
    let exists = || refuse("it exists already; use --force to replace it".into());
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
    builder.prefix(".ugatit-").suffix(".tmp");
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
        file.persist(path).map_err(|e| refuse(e.error.to_string()))?;
    } else {
        file.persist_noclobber(path).map_err(|e| match e.error.kind() {
            std::io::ErrorKind::AlreadyExists => exists(),
            _ => refuse(e.error.to_string()),
        })?;
    }
    Ok(())
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
            Err(std::io::Error::other("the encoder gave up"))
        });
        assert!(failed.unwrap_err().to_string().contains("gave up"));
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);

        write_atomically(&path, false, |out| out.write_all(b"one")).unwrap();
        let again = write_atomically(&path, false, |out| out.write_all(b"two"));
        assert!(again.unwrap_err().to_string().contains("--force"));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_atomically(&path, true, |out| out.write_all(b"two")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }

    #[test]
    fn a_folder_below_a_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let path = folder.path().join("file/out/a.bin");
        assert!(matches!(write_atomically(&path, true, |_| Ok(())), Err(Error::Output { .. })));
    }
}
