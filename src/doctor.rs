//! Doctor: whether the place where a store lies gives what the store needs.

use std::time::Duration;

use crate::disk;
use crate::error::{Error, Result};
use crate::layout;
use crate::store::Store;

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindingStatus {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// To be mended.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// How it is to be taken.
    pub status: FindingStatus,
    /// What was found.
    pub detail: String,
}

type Check = fn(&Store) -> Result<(FindingStatus, String)>;

const CHECKS: [(&str, Check); 6] = [
    ("format", |store| Ok((FindingStatus::Good, format!("version {}", store.format_version())))),
    ("file system", file_system),
    ("locks", locks),
    ("access", access),
    ("free space", free_space),
    ("leftovers", leftovers),
];

impl Store {
    /// Looks whether file system, locks, access rights and space are as the store needs them. Writes nothing but lock files.
    pub fn doctor(&self) -> Vec<Finding> {
        CHECKS.iter().map(|(name, check)| finding(name, check(self))).collect()
    }
}

fn finding(name: &'static str, checked: Result<(FindingStatus, String)>) -> Finding {
    let (status, detail) = checked.unwrap_or_else(|error| (FindingStatus::Bad, error.to_string()));
    Finding { name, status, detail }
}

fn file_system(store: &Store) -> Result<(FindingStatus, String)> {
    Ok(match disk::untrusted_file_system(store.root())? {
        None => (FindingStatus::Good, "locks hold between all processes that use it".into()),
        Some(name) => (
            FindingStatus::Bad,
            format!(
                "{name}: locks may not hold between machines; collect only with --alone, while nobody else uses the store"
            ),
        ),
    })
}

/// Takes the gate twice, as two processes would: the second must be refused.
fn locks(store: &Store) -> Result<(FindingStatus, String)> {
    if store.is_read_only() {
        return Ok((FindingStatus::Note, "not tried: the store is opened read-only".into()));
    }
    let _held = match store.close_gate(Duration::from_secs(1)) {
        Err(Error::Busy { .. }) => return Ok((FindingStatus::Note, "the gate is in use: not tried".into())),
        held => held?,
    };
    Ok(match store.root().lock_exclusive(&layout::GATE, Duration::ZERO) {
        Err(Error::Busy { .. }) => (FindingStatus::Good, "a second holder of the gate is refused".into()),
        Err(error) => return Err(error),
        Ok(_) => (FindingStatus::Bad, "two holders had the gate at once: collecting is not safe here".into()),
    })
}

fn access(store: &Store) -> Result<(FindingStatus, String)> {
    let mode = store.root().mode()?;
    Ok(match (mode & 0o022, store.is_shared()) {
        (0, _) => (FindingStatus::Good, format!("mode {mode:04o}: only the owner can write")),
        (0o020, true) => (FindingStatus::Good, format!("mode {mode:04o}: shared with the group")),
        _ => (FindingStatus::Bad, format!("mode {mode:04o}: others than the owner can write")),
    })
}

fn free_space(store: &Store) -> Result<(FindingStatus, String)> {
    const LITTLE: u64 = 1 << 30;
    let free = disk::available_space(store.root())?;
    let status = if free < LITTLE { FindingStatus::Note } else { FindingStatus::Good };
    Ok((status, format!("{} MiB", free >> 20)))
}

fn leftovers(store: &Store) -> Result<(FindingStatus, String)> {
    let (bytes, files) = disk::tree_bytes(store.root(), &layout::TRASH);
    let journal = store.root().look(&layout::JOURNAL)?.is_some();
    Ok(if journal || files > 0 {
        let detail =
            format!("a collector is at work or was stopped: {files} files of {bytes} bytes in the trash; gc tidies up");
        (FindingStatus::Note, detail)
    } else {
        (FindingStatus::Good, "none".into())
    })
}
