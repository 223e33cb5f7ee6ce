//! What the program fails with: a cause, and what was being done, from the outside in.

use std::error::Error;
use std::fmt;
use std::io;

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// An error with what was being done when it came up. Prints as one line, then one line for each cause.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The innermost first.
    contexts: Vec<String>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Failure { contexts: vec![text.into()], cause: None }
    }

    /// Whether the reader of our output has gone.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.causes().any(|cause| {
            cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        })
    }

    fn causes(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        let first = self.cause.as_deref().map(|cause| -> &(dyn Error + 'static) { cause });
        std::iter::successors(first, |cause| (*cause).source())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.contexts.iter().rev().cloned().chain(self.causes().map(ToString::to_string));
        let mut last = String::new();
        for (at, line) in lines.enumerate() {
            // Some errors of other crates print their cause themselves.
            if at > 0 && last.ends_with(&line) {
                continue;
            }
            f.write_str(if at == 0 { "" } else { "\n  because: " })?;
            f.write_str(&line)?;
            last = line;
        }
        Ok(())
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(cause: E) -> Self {
        Failure { contexts: Vec::new(), cause: Some(Box::new(cause)) }
    }
}

/// Adds what was being done to an error.
pub(crate) trait Context<T> {
    fn context(self, text: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Failure>> Context<T> for std::result::Result<T, E> {
    fn context(self, text: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| {
            let mut failure = error.into();
            failure.contexts.push(text());
            failure
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_stands_on_a_line_of_its_own_once() {
        let inner = io::Error::other("the cause");
        let outer: Result<(), _> = Err(io::Error::other(zip::result::ZipError::Io(inner)));
        let failure = outer.context(|| "inside".into()).context(|| "outside".into()).unwrap_err();
        assert_eq!(failure.to_string(), "outside\n  because: inside\n  because: i/o error: the cause");
    }

    #[test]
    fn a_broken_pipe_is_seen_through_its_contexts() {
        let broken: Result<(), _> = Err(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(broken.context(|| "writing".into()).unwrap_err().is_broken_pipe());
        assert!(!Failure::new("another").is_broken_pipe());
    }
}
