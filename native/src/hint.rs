//! What a person at the command line can do about an error of the library, which knows of no command line.

use ugatit::Error;

/// The options or the command that help, if there are any.
fn hint(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Exists { .. } => "--force replaces it",
        Error::GpuLimit { .. } => "--size, --tile, --device cpu",
        Error::OutOfMemory { .. } => "--size, in training --batch-size; --device cpu",
        Error::DeviceLost { .. } => "run the command again",
        Error::NoAdapter { .. } | Error::OnlySoftware { .. } => "--device cpu",
        Error::NonFinite { .. } => "--lr; `ugatit data check`",
        Error::OtherDataset { .. } => "--force goes on with them",
        Error::DiskSpace { .. } => "-o, --keep",
        Error::Memory { .. } => "--img-size, --ch, --batch-size",
        _ => return None,
    })
}

/// The error with its hint.
pub(crate) fn told(error: &Error) -> String {
    with(error.to_string(), error)
}

/// `text`, which tells of `error`, with the hint.
pub(crate) fn with(text: String, error: &Error) -> String {
    match hint(error) {
        Some(hint) => format!("{text} ({hint})"),
        None => text,
    }
}
