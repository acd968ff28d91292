//! Lines to the person or the program that reads them. A reader who went away (a closed
//! pipe) is no reason to fail.

use std::fmt;
use std::io::Write;

/// A line of what was asked for.
pub(crate) fn line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line about how it went.
pub(crate) fn error(text: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A command line that asks for something impossible: exit status 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\nFor more information, try '--help'.", self.0)
    }
}

impl std::error::Error for Usage {}
