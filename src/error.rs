//! The one error type: facts about what was being done to which path, never text with its cause inside.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// What every fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed.
///
/// Absence is never an error: functions that may find nothing return an `Option` or a `bool`.
/// The text is one line without the cause; walk [`source`](std::error::Error::source) for the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb: "open", "sync", ...
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Content does not match the name it is stored under, or a checksum.
    #[error("{} is damaged: {detail}", path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// What was expected and what was found.
        detail: String,
        /// The digest that the content should have had, where one was expected.
        digest: Option<Box<Digest>>,
    },
    /// Bytes that no writer of this format makes.
    #[error("{} is malformed: {field}: {reason}", path.display())]
    Malformed {
        /// The file they are in.
        path: PathBuf,
        /// Which part of it.
        field: &'static str,
        /// What was expected and what was found.
        reason: String,
    },
    /// A format version or feature this build does not know, or an operation this handle or system does not offer.
    #[error("{}: {what} is not supported", path.display())]
    Unsupported {
        /// The file or store that needs it.
        path: PathBuf,
        /// What it needs.
        what: String,
    },
    /// The stored value is not of the type that was asked for.
    #[error("{}expected {expected}, found {found}", place(at))]
    WrongType {
        /// Where in the value, as in `.layers[3].weights`; empty if it is the whole value.
        at: String,
        /// What was asked for.
        expected: String,
        /// What is stored.
        found: String,
    },
    /// A length beyond a limit, on disk or in memory.
    #[error("{what} is {size}, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        size: u64,
        /// How large it may be.
        limit: u64,
    },
    /// A lock was not to be had in time.
    #[error("{} is busy: not obtained within {waited_ms} ms ({mode})", path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How it was wanted.
        mode: &'static str,
        /// How long was waited, in milliseconds.
        waited_ms: u64,
    },
    /// What the caller gave cannot be used.
    #[error("{what} {given:?}: {reason}")]
    Invalid {
        /// What kind of thing was given: "name", "store", ...
        what: &'static str,
        /// The thing itself.
        given: String,
        /// What was expected.
        reason: &'static str,
    },
}

fn place(at: &str) -> String {
    if at.is_empty() { String::new() } else { format!("{at}: ") }
}

impl Error {
    /// The file or directory the error is about, where there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Error::Io { path, .. }
            | Error::Corrupt { path, .. }
            | Error::Malformed { path, .. }
            | Error::Unsupported { path, .. }
            | Error::Busy { path, .. } => Some(path),
            Error::WrongType { .. } | Error::TooLarge { .. } | Error::Invalid { .. } => None,
        }
    }

    /// The digest that damaged content should have had.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Error::Corrupt { digest, .. } => digest.as_deref().copied(),
            _ => None,
        }
    }

    /// Whether stored bytes are damaged: they fail a digest or a checksum, or no writer makes them.
    pub fn is_damage(&self) -> bool {
        matches!(self, Error::Corrupt { .. } | Error::Malformed { .. })
    }

    /// Whether a lock was not to be had in time; trying again later may succeed.
    pub fn is_busy(&self) -> bool {
        matches!(self, Error::Busy { .. })
    }

    /// Whether the disk, a quota or the supply of inodes is exhausted.
    pub fn is_full(&self) -> bool {
        matches!(self, Error::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

/// Adds the action and the path to an I/O result: the only way to make an [`Error::Io`].
pub(crate) trait At<T> {
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T>;

    /// The same where the path is yet to be made.
    fn at_made(self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T>;
}

impl<T, E: Into<io::Error>> At<T> for std::result::Result<T, E> {
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T> {
        self.at_made(action, || path.as_ref().to_owned())
    }

    fn at_made(self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T> {
        self.map_err(|source| Error::Io { action, path: path(), source: source.into() })
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What a parser found wrong, before anybody knows in which file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No writer makes such bytes.
    Malformed { field: &'static str, reason: String },
    /// A checksum does not match.
    Damaged { detail: String },
    /// Written by a version this one does not know.
    Unsupported { what: String },
}

impl Fault {
    pub(crate) fn malformed(field: &'static str, reason: impl Into<String>) -> Self {
        Fault::Malformed { field, reason: reason.into() }
    }

    pub(crate) fn at(self, path: impl Into<PathBuf>) -> Error {
        let path = path.into();
        match self {
            Fault::Malformed { field, reason } => Error::Malformed { path, field, reason },
            Fault::Damaged { detail } => Error::Corrupt { path, detail, digest: None },
            Fault::Unsupported { what } => Error::Unsupported { path, what },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_stays_small() {
        assert!(size_of::<Error>() <= 128, "{}", size_of::<Error>());
    }

    #[test]
    fn the_text_has_no_cause_and_the_chain_has_it_once() {
        let missing: std::result::Result<(), _> = Err(io::Error::other("the cause"));
        let error = missing.at("open", "/somewhere").unwrap_err();
        assert_eq!(error.to_string(), "cannot open /somewhere");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the cause");
        assert_eq!(error.path(), Some(Path::new("/somewhere")));
    }
}
