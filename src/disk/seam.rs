//! The seam where a test watches, fails, skips or orders the file-system operations of one store.
//!
//! Without the feature `seam` all of this is empty and compiles to nothing.

#![cfg_attr(not(feature = "seam"), allow(dead_code, unreachable_pub, reason = "only a test looks"))]

use std::io;
#[cfg(feature = "seam")]
use std::{fmt, sync::Arc};

#[expect(clippy::disallowed_types, reason = "a test may want to see which open file is locked or synced")]
type File = std::fs::File;

/// What is about to be done to a file of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// Open for reading.
    Open,
    /// Read the names in a directory.
    List,
    /// Look whether a name is there, and as what.
    Look,
    /// Make a directory.
    MakeDir,
    /// Create a private file, or one of the few fixed files.
    Create,
    /// Reserve space for a private file.
    Reserve,
    /// Write a piece of a private file.
    Write,
    /// Set mode and time of a private file.
    Settle,
    /// Sync a file.
    Sync,
    /// Sync a directory.
    SyncDir,
    /// Say of a published file, by its mode, that it is on disk.
    Certify,
    /// Give a private file a final name that is free.
    Link,
    /// Rename, replacing.
    Rename,
    /// Unlink a file.
    Unlink,
    /// Remove an empty directory.
    RemoveDir,
    /// Append to the journal.
    Append,
    /// Rewrite a small file in place, or append to one, under its own lock.
    Amend,
    /// Read the journal.
    ReadJournal,
    /// Change the time of a file through its descriptor.
    Touch,
    /// Take a lock shared.
    LockShared,
    /// Take a lock exclusive.
    LockExclusive,
    /// A lock was wanted and is held by another.
    Contended,
    /// Release a lock.
    Unlock,
    /// Compare an open file with what its name leads to.
    Compare,
}

impl Verb {
    pub(super) const fn action(self) -> &'static str {
        match self {
            Verb::Open => "open",
            Verb::List => "list",
            Verb::Look | Verb::Compare => "look at",
            Verb::MakeDir => "make directory",
            Verb::Create => "create",
            Verb::Reserve => "reserve space for",
            Verb::Write => "write",
            Verb::Settle => "set mode and time of",
            Verb::Sync => "sync",
            Verb::SyncDir => "sync directory",
            Verb::Certify => "set mode of",
            Verb::Link => "publish",
            Verb::Rename => "rename to",
            Verb::Unlink => "remove",
            Verb::RemoveDir => "remove directory",
            Verb::Append => "append to",
            Verb::Amend => "change",
            Verb::ReadJournal => "read",
            Verb::Touch => "touch",
            Verb::LockShared | Verb::LockExclusive | Verb::Contended => "lock",
            Verb::Unlock => "unlock",
        }
    }
}

/// One operation, before it is done.
#[derive(Debug)]
pub struct Step<'a> {
    /// What will be done.
    pub verb: Verb,
    /// To which path, relative to the store.
    pub path: &'a str,
    /// From which path, where there are two.
    pub from: Option<&'a str>,
    /// Through which open file, where there is one.
    pub file: Option<&'a File>,
}

/// How an operation shall go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// As always.
    Go,
    /// It is left out, and nobody is told: a seeded bug.
    Skip,
    /// Of a write, only the first half is done; then it fails. Of a listing, every file seems to have the number 0, as if
    /// all had been given the same one in turn.
    Half,
}

/// Sees every operation of one store before it is done. An error makes it fail without effect.
#[cfg(feature = "seam")]
pub trait Watch: Send + Sync {
    /// Called before each operation, on the thread that does it.
    fn before(&self, step: &Step<'_>) -> io::Result<Flow>;
}

/// The watcher of a store, if it has one.
#[derive(Clone, Default)]
pub struct Seam {
    #[cfg(feature = "seam")]
    watch: Option<Arc<dyn Watch>>,
    #[cfg(feature = "seam")]
    boot: Option<[u8; 16]>,
}

impl Seam {
    #[cfg(feature = "seam")]
    /// A seam with a watcher.
    pub fn new(watch: Arc<dyn Watch>) -> Self {
        Seam { watch: Some(watch), boot: None }
    }

    #[cfg(feature = "seam")]
    /// The same, on a machine that has another boot id.
    #[must_use]
    pub fn boot_id(mut self, boot: [u8; 16]) -> Self {
        self.boot = Some(boot);
        self
    }

    #[cfg(feature = "seam")]
    pub(super) fn boot(&self) -> Option<[u8; 16]> {
        self.boot
    }

    #[cfg(feature = "seam")]
    pub(super) fn before(&self, step: &Step<'_>) -> io::Result<Flow> {
        self.watch.as_ref().map_or(Ok(Flow::Go), |watch| watch.before(step))
    }

    #[cfg(not(feature = "seam"))]
    #[inline(always)]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the shape of the one that watches")]
    #[expect(clippy::inline_always, reason = "it must vanish")]
    pub(super) fn before(&self, _: &Step<'_>) -> io::Result<Flow> {
        Ok(Flow::Go)
    }
}

#[cfg(feature = "seam")]
impl fmt::Debug for Seam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seam").field("watched", &self.watch.is_some()).field("boot", &self.boot).finish()
    }
}

#[cfg(not(feature = "seam"))]
impl std::fmt::Debug for Seam {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seam")
    }
}
