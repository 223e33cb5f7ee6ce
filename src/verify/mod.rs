//! Verification: every blob against its name, every entry against its blobs; and repair.

mod check;
mod repair;

use std::fmt;
use std::path::PathBuf;

use crate::error::Result;
use crate::store::Store;

/// How a store is verified.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    pub(crate) repair: bool,
    pub(crate) alone: bool,
}

impl VerifyOptions {
    /// Reports, and changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves damaged blobs and manifests into quarantine, and the entries that needed the blobs before them. Each
    /// step is announced before it is done. Nothing is deleted.
    #[must_use]
    pub fn repair(mut self, repair: bool) -> Self {
        self.repair = repair;
        self
    }

    /// As [`GcOptions::alone`](crate::GcOptions::alone), for repairs.
    #[must_use]
    pub fn alone(mut self, alone: bool) -> Self {
        self.alone = alone;
        self
    }
}

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ProblemKind {
    /// A blob's content is not what its name says.
    DamagedBlob,
    /// An entry names a blob that is not there.
    MissingBlob,
    /// A blob's content is right, but somebody changed its mode or time; repair sets them again.
    SuspectBlob,
    /// A manifest that no writer made, or that was changed.
    DamagedEntry,
    /// What power loss has left of an entry that was not on disk yet. It counts as absent; the next collector removes it.
    TornEntry,
    /// A manifest of a later version. Repair leaves it alone.
    UnknownEntry,
    /// A file that does not belong where it lies. Repair leaves it alone.
    Stray,
    /// A part of the store's own layout is missing.
    BadLayout,
}

impl ProblemKind {
    /// The kind in words.
    pub const fn name(self) -> &'static str {
        match self {
            ProblemKind::DamagedBlob => "damaged blob",
            ProblemKind::MissingBlob => "missing blob",
            ProblemKind::SuspectBlob => "suspect blob",
            ProblemKind::DamagedEntry => "damaged entry",
            ProblemKind::TornEntry => "torn entry",
            ProblemKind::UnknownEntry => "unknown entry",
            ProblemKind::Stray => "stray",
            ProblemKind::BadLayout => "bad layout",
        }
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// What kind of thing.
    pub kind: ProblemKind,
    /// Where.
    pub path: PathBuf,
    /// What was expected and what was found.
    pub detail: String,
    /// The entries that need it, by name or key.
    pub entries: Vec<String>,
}

/// One step of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repair {
    /// The file it is about.
    pub path: PathBuf,
    /// What is done to it, or why it was not.
    pub action: String,
}

/// What goes on while a store is verified. Events come from several threads.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum VerifyEvent<'a> {
    /// How much there is to hash.
    Total {
        /// Number of blobs.
        blobs: u64,
        /// Bytes of those.
        bytes: u64,
    },
    /// So many bytes more were hashed.
    Checked {
        /// How many.
        bytes: u64,
    },
    /// Something is wrong.
    Problem(&'a Problem),
    /// A step of repair is about to be done.
    Repairing(&'a Repair),
}

/// What a verification found and did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Number of entries read.
    pub entries: u64,
    /// Number of blobs hashed.
    pub blobs: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// All that is wrong, or was before the repair.
    pub problems: Vec<Problem>,
    /// What was repaired.
    pub repaired: Vec<Repair>,
    /// What should have been repaired and could not be now: somebody was using it, or there was too much of it for one run.
    pub left: Vec<Repair>,
}

impl Store {
    /// Hashes every blob, reads every manifest, and looks for what does not belong. Goes on after each problem. Uses every core;
    /// may run beside readers, writers and collectors.
    ///
    /// With [`repair`](VerifyOptions::repair) it keeps collectors out, and takes the gate for a moment at the end.
    ///
    /// # Errors
    /// Only if the verification itself cannot go on: a directory that cannot be listed, a lock that is not to be had.
    pub fn verify(&self, options: &VerifyOptions, observe: &(dyn Fn(VerifyEvent<'_>) + Sync)) -> Result<VerifyReport> {
        if options.repair {
            self.check_writable()?;
            self.check_locks(options.alone)?;
            repair::run(self, observe)
        } else {
            Ok(check::run(self, observe)?.report)
        }
    }
}
