//! The store: blobs and manifests in a directory, published, read and removed by the rules of blobs-format.md section 8.

mod blob;
mod commit;
mod counters;
mod create;
mod durability;
mod edit;
mod entry;
mod flush;
mod fork;
mod gate;
mod hints;
mod ledger;
mod limits;
mod list;
mod load;
mod memory;
mod query;
mod stream;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::disk::seam::Seam;
use crate::disk::{self, PrivateDir, PrivateFile, Root};
use crate::error::{Error, Result};
use crate::fork::PerProcess;
use crate::format::FORMAT_VERSION;
use crate::format::head::MAX_BODY_LEN;
use crate::format::settings::{ArraySettings, MAX_SETTINGS_LEN, Settings};
use crate::layout;
use crate::mem::MapPolicy;

use flush::Flusher;

pub(crate) use blob::{MAX_HELD, OpenBlob, Staged, quarantine_name};
pub(crate) use commit::{Blobs, Commit, Condition, Outcome};
pub use commit::{Expect, PutReport};
pub(crate) use create::make_reserve;
pub use durability::Durability;
pub use edit::Labels;
pub use entry::{ArrayInfo, EntryInfo};
pub(crate) use entry::{Manifest, Parse};
pub use fork::after_fork_in_child;
pub use list::Entries;
pub(crate) use memory::Memory;
pub use query::Query;
pub(crate) use query::is_within;
pub(crate) use stream::{for_each_piece, hash};

/// How long a committer waits for a lock unless it is told otherwise.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Whether bytes that are read into memory are checked against their digest before they are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerifyOnRead {
    /// They are. Damage is an [`Error::Corrupt`], and is remembered so that the next put writes the bytes anew.
    #[default]
    Always,
    /// They are not; [`Store::verify`] still finds damage.
    Never,
}

/// How a store is opened or created.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// let store = ndstash::StoreOptions::new().inline_limits(1024, 8192).create(dir.path().join("results"))?;
/// assert!(store.info("nothing")?.is_none());
/// # Ok::<(), ndstash::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StoreOptions {
    read_only: bool,
    mapping: MapPolicy,
    verify: VerifyOnRead,
    lock_wait: Duration,
    durability: Option<Durability>,
    arrays: ArraySettings,
    shared: bool,
    group: Option<u32>,
    seam: Seam,
    #[cfg(feature = "seam")]
    flushes_by_itself: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            read_only: false,
            mapping: MapPolicy::never(),
            verify: VerifyOnRead::Always,
            lock_wait: LOCK_WAIT,
            durability: None,
            arrays: ArraySettings::default(),
            shared: false,
            group: None,
            seam: Seam::default(),
            #[cfg(feature = "seam")]
            flushes_by_itself: true,
        }
    }
}

impl StoreOptions {
    /// The defaults: reading and writing, no maps, every read checked, full durability.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens for reading alone: nothing is written, not even the time of last use.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Whether arrays are mapped; see [`MapPolicy`].
    #[must_use]
    pub fn mapping(mut self, policy: MapPolicy) -> Self {
        self.mapping = policy;
        self
    }

    /// Whether reads into memory check the digest.
    #[must_use]
    pub fn verify_on_read(mut self, verify: VerifyOnRead) -> Self {
        self.verify = verify;
        self
    }

    /// How long a put or a removal waits for a lock before it fails with [`Error::Busy`]. 30 seconds by default.
    #[must_use]
    pub fn lock_timeout(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// Whether a put returns once its entry is on disk or before. [`Durability::Full`] by default, but for caches:
    /// those that are told nothing else defer.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// For a store that is created: arrays of at most `each` bytes lie inside the manifest, as long as they take no
    /// more than `total` bytes together. 64 KiB and 256 KiB by default, 32 MiB at most.
    #[must_use]
    pub fn inline_limits(mut self, each: u64, total: u64) -> Self {
        const MOST: u64 = MAX_BODY_LEN / 2;
        self.arrays = ArraySettings { inline_max: each.min(MOST), inline_total: total.min(MOST) };
        self
    }

    /// For a store that is created: the directory's group, or the group of this id, may read and write.
    #[must_use]
    pub fn shared(mut self, group: Option<u32>) -> Self {
        self.shared = true;
        self.group = group;
        self
    }

    /// For this crate's own tests.
    #[cfg(feature = "seam")]
    #[doc(hidden)]
    #[must_use]
    pub fn seam(mut self, seam: Seam) -> Self {
        self.seam = seam;
        self
    }

    /// For this crate's own tests: what is deferred is synced by [`Store::flush`] alone.
    #[cfg(feature = "seam")]
    #[doc(hidden)]
    #[must_use]
    pub fn flush_by_hand(mut self) -> Self {
        self.flushes_by_itself = false;
        self
    }

    /// Opens an existing store. Takes the same short time whatever the store holds.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the path is no store, [`Error::Unsupported`] if its format is unknown to this version,
    /// [`Error::Malformed`] if its settings cannot be read, [`Error::Io`] if the system refuses.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Store> {
        let path = path.as_ref();
        let not_a_store = |reason| Error::Invalid { what: "store", given: path.display().to_string(), reason };
        let root = match Root::open(path, self.seam.clone()) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(not_a_store("there is no such directory; `ndstash init` makes a store"));
            }
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(not_a_store("a directory is expected, this is a file"));
            }
            opened => opened?,
        };
        match root.read(&layout::SETTINGS, MAX_SETTINGS_LEN)? {
            None => Err(not_a_store("a directory with a file ndstash.toml is expected, there is none")),
            Some(bytes) => self.open_with(root, &bytes),
        }
    }

    fn open_with(&self, root: Root, settings: &[u8]) -> Result<Store> {
        let settings = Settings::parse(settings).map_err(|fault| fault.at(root.full(&layout::SETTINGS)))?;
        let root = root.with_sharing(settings.access.shared);
        let refused_feature = settings.forbids_writing().map(str::to_owned);
        let inner = Inner {
            boot: disk::boot_id(&root),
            root,
            limits: PerProcess::new(Mutex::new(limits::Known::new(settings.limits))),
            settings,
            read_only: self.read_only,
            refused_feature,
            mapping: self.mapping,
            verify: self.verify,
            lock_wait: self.lock_wait,
            durability: self.durability,
            private: PerProcess::new(Mutex::new(None)),
            flusher: PerProcess::new(Mutex::new(None)),
            may_defer: OnceLock::new(),
            #[cfg(feature = "seam")]
            flushes_by_itself: self.flushes_by_itself,
            longest_commit: AtomicU64::new(0),
        };
        Ok(Store { inner: Arc::new(inner), durability: self.durability.unwrap_or_default() })
    }

    /// Opens a store, making it first if the path does not exist or is an empty directory.
    pub fn open_or_create(&self, path: impl AsRef<Path>) -> Result<Store> {
        match self.create(path.as_ref()) {
            Err(Error::Invalid { reason, .. }) if reason == create::ALREADY => self.open(path),
            created => created,
        }
    }
}

/// A directory of results: values under names or keys, their large arrays as blobs that are stored once.
///
/// Cheap to clone; clones share everything. May be used from many threads, and the directory from many processes,
/// at the same time.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    durability: Durability,
}

struct Inner {
    root: Root,
    settings: Settings,
    limits: PerProcess<Mutex<limits::Known>>,
    read_only: bool,
    refused_feature: Option<String>,
    mapping: MapPolicy,
    verify: VerifyOnRead,
    lock_wait: Duration,
    boot: [u8; 16],
    /// What was asked for, if anything was.
    durability: Option<Durability>,
    /// Made when first needed, so that a store that only reads writes nothing.
    private: PerProcess<Mutex<Option<Arc<PrivateDir>>>>,
    /// The same.
    flusher: PerProcess<Mutex<Option<Arc<Flusher>>>>,
    /// Whether this file system lets syncs wait, once that was looked at.
    may_defer: OnceLock<bool>,
    #[cfg(feature = "seam")]
    flushes_by_itself: bool,
    /// Nanoseconds this handle has kept the gate at most.
    longest_commit: AtomicU64,
}

impl Store {
    /// Opens an existing store with the default options; see [`StoreOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        StoreOptions::new().open(path)
    }

    /// Creates a store with the default options; see [`StoreOptions::create`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        StoreOptions::new().create(path)
    }

    /// Opens or creates a store with the default options; see [`StoreOptions::open_or_create`].
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self> {
        StoreOptions::new().open_or_create(path)
    }

    /// The store's directory.
    pub fn path(&self) -> &Path {
        self.inner.root.path()
    }

    /// The version of the format the store is in.
    pub fn format_version(&self) -> u32 {
        FORMAT_VERSION
    }

    /// Whether members of the directory's group may use the store.
    pub fn is_shared(&self) -> bool {
        self.inner.settings.access.shared
    }

    /// Whether this handle was opened for reading alone.
    pub fn is_read_only(&self) -> bool {
        self.inner.read_only || self.inner.refused_feature.is_some()
    }

    /// What tells this boot of this machine, and this mounting of the file system, from others: as long as it is the
    /// same, nothing that was put is lost, on disk or not. Zeros where the system does not tell.
    pub fn boot(&self) -> [u8; 16] {
        self.inner.boot
    }

    /// Whether two handles are clones of one another.
    pub(crate) fn is_clone_of(&self, other: &Store) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn root(&self) -> &Root {
        &self.inner.root
    }

    pub(crate) fn arrays(&self) -> &ArraySettings {
        &self.inner.settings.arrays
    }

    pub(crate) fn mapping(&self) -> MapPolicy {
        self.inner.mapping
    }

    pub(crate) fn verify_on_read(&self) -> VerifyOnRead {
        self.inner.verify
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        let what = match &self.inner.refused_feature {
            Some(feature) => format!("writing with feature {feature:?}"),
            None if self.inner.read_only => "writing through a handle that was opened read-only".into(),
            None => return Ok(()),
        };
        Err(Error::Unsupported { path: self.path().to_owned(), what })
    }

    /// This handle's own directory for private files. A forked child makes another than its parent's.
    pub(crate) fn private_dir(&self) -> Result<Arc<PrivateDir>> {
        self.check_writable()?;
        let slot = || self.inner.private.lock(|| None);
        let ours = |slot: &Option<Arc<PrivateDir>>| slot.as_ref().filter(|dir| dir.is_ours()).cloned();
        if let Some(dir) = ours(&slot()) {
            return Ok(dir);
        }
        let made = PrivateDir::create(&self.inner.root)?;
        let mut slot = slot();
        Ok(ours(&slot).unwrap_or_else(|| Arc::clone(slot.insert(made))))
    }

    /// A private file for a blob.
    fn private_file(&self) -> Result<PrivateFile> {
        let file = self.private_dir()?.file()?;
        Ok(if self.defers() { file.unhurried() } else { file })
    }

    /// The longest time for which a put through this handle has kept collectors waiting.
    pub fn longest_commit(&self) -> Duration {
        Duration::from_nanos(self.inner.longest_commit.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.path()).finish()
    }
}
