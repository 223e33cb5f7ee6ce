//! The collector: removes exactly the blobs that no entry names, while others go on writing.
//!
//! The protocol and why it is safe: blobs-format.md sections 8 and 10. In short: committers tell a running collector
//! through its journal, inside the gate, what their entries need; the collector removes, inside the closed gate,
//! only what no entry named when it looked and nobody told it since.

mod journal;
mod mark;
mod remember;
mod sweep;

use std::time::Duration;

use crate::digest::Digest;
use crate::disk::{self, ExclusiveGuard};
use crate::error::{Error, Result};
use crate::layout;
use crate::store::Store;

pub(crate) use journal::Journal;
pub(crate) use mark::Marks;

/// How a collector runs.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// let store = ndstash::Store::create(dir.path().join("results"))?;
/// store.put("a", &ndarray::Array1::<f64>::zeros(100_000))?;
/// store.remove("a")?;
/// assert_eq!(store.plan_gc()?.garbage_bytes, 800_000);
/// assert_eq!(store.gc(&ndstash::GcOptions::new())?.bytes_freed, 800_000);
/// # Ok::<(), ndstash::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GcOptions {
    pub(crate) wait: Duration,
    pub(crate) alone: bool,
}

impl Default for GcOptions {
    fn default() -> Self {
        GcOptions { wait: Duration::from_secs(10), alone: false }
    }
}

impl GcOptions {
    /// The defaults: ten seconds for each lock, refusing file systems whose locks are not to be trusted.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the collector waits for other collectors, and for committers before each batch, until it gives up
    /// with [`Error::Busy`]. What it removed until then stays removed, and the store is whole.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Promises that no other process uses the store: for file systems where locks between machines are not to be
    /// trusted (NFS, SMB, FUSE, cluster file systems), on which collecting is refused otherwise.
    #[must_use]
    pub fn alone(mut self, alone: bool) -> Self {
        self.alone = alone;
        self
    }
}

/// What a collector would remove now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GcPlan {
    /// Number of entries.
    pub entries: u64,
    /// Number of blobs that entries name.
    pub live_blobs: u64,
    /// Bytes of those.
    pub live_bytes: u64,
    /// Digest and length of every blob that no entry names.
    pub garbage: Vec<(Digest, u64)>,
    /// Bytes of those.
    pub garbage_bytes: u64,
}

/// What a collector did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GcReport {
    /// Number of entries.
    pub entries: u64,
    /// Number of blobs that entries name.
    pub blobs_kept: u64,
    /// Bytes of those.
    pub bytes_kept: u64,
    /// Number of blobs removed.
    pub blobs_removed: u64,
    /// Bytes of those.
    pub bytes_freed: u64,
    /// Bytes of all manifests.
    pub manifest_bytes: u64,
    /// Bytes that entries name beyond what is stored: what sharing saves.
    pub bytes_shared: u64,
    /// Number of blobs that no entry named at first, and that a commit needed before they were removed.
    pub blobs_spared: u64,
    /// Number of private directories of dead processes removed.
    pub private_dirs_removed: u64,
    /// Number of entries removed that power loss had cut short before they were on disk: they counted as absent.
    pub torn_removed: u64,
    /// The longest time for which the collector kept committers out.
    pub longest_hold: Duration,
    /// The longest time for which committers kept the collector waiting for the gate.
    pub longest_wait: Duration,
    /// The time of the whole run.
    pub elapsed: Duration,
    /// The disk was so full that everything had to be done in one closed gate.
    pub full_disk: bool,
}

impl Store {
    /// Tells what [`gc`](Self::gc) would remove, by the same code, without writing or locking anything. By the time it is read
    /// it may be out of date.
    ///
    /// # Errors
    /// As [`gc`](Self::gc).
    pub fn plan_gc(&self) -> Result<GcPlan> {
        self.plan_from(&self.mark(None)?)
    }

    /// The plan that follows from what the entries name.
    pub(crate) fn plan_from(&self, marks: &Marks) -> Result<GcPlan> {
        let garbage = self.candidates(marks)?;
        let bytes = garbage.iter().map(|blob| blob.len).sum();
        Ok(GcPlan {
            entries: marks.entries,
            live_blobs: marks.live.len() as u64,
            live_bytes: marks.live_bytes(),
            garbage: garbage.into_iter().map(|blob| (blob.digest, blob.len)).collect(),
            garbage_bytes: bytes,
        })
    }

    /// Removes every blob that no entry names, and what dead writers left behind. Exact, and safe while others put,
    /// replace, remove and read; whoever has a removed blob mapped keeps it.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Malformed`] or [`Error::Unsupported`] if the head of any entry cannot be read: what it names is not known, so nothing is
    /// removed (`ndstash verify --repair` quarantines it). [`Error::Busy`] if another collector runs or committers
    /// do not let go of the gate.
    pub fn gc(&self, options: &GcOptions) -> Result<GcReport> {
        self.check_writable()?;
        self.check_locks(options.alone)?;
        let collector = self.root().lock_exclusive(&layout::COLLECTOR, options.wait)?;
        self.gc_holding(&collector, options)
    }

    /// The same for who holds the collector's lock already.
    pub(crate) fn gc_holding(&self, collector: &ExclusiveGuard, options: &GcOptions) -> Result<GcReport> {
        sweep::run(self, collector, options)
    }

    pub(crate) fn check_locks(&self, alone: bool) -> Result<()> {
        match disk::untrusted_file_system(self.root())? {
            Some(name) if !alone => Err(Error::Unsupported {
                path: self.path().to_owned(),
                what: format!(
                    "collecting beside others on {name}, whose locks are not to be trusted between machines,"
                ),
            }),
            _ => Ok(()),
        }
    }
}
