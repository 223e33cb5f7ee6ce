//! How a cache is made.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::memory::Memory;
use super::tally::Tally;
use super::{Cache, Shared, Warnings, check_namespace};
use crate::disk;
use crate::error::Result;
use crate::store::{Durability, Store};

/// How long somebody else's computation is waited for, unless a cache is told otherwise.
const WAIT: Duration = Duration::from_secs(3600);
/// For how long the tier in memory hands out an entry without a look at the disk.
const TRUST: Duration = Duration::from_secs(1);

/// How a cache is made.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let store = ndstash::Store::create(dir.path().join("results"))?;
/// use std::time::Duration;
/// let cache = ndstash::CacheOptions::new().memory(64 << 20).wait(Duration::from_secs(60)).open(store, "model/fit")?;
/// assert_eq!(cache.get::<f64>(&("a", 1))?, None);
/// # Ok::<(), ndstash::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CacheOptions {
    memory: u64,
    trust: Duration,
    wait: Duration,
    enabled: bool,
    durability: Option<Durability>,
}

impl Default for CacheOptions {
    fn default() -> Self {
        CacheOptions { memory: 0, trust: TRUST, wait: WAIT, enabled: true, durability: None }
    }
}

impl CacheOptions {
    /// No tier in memory, an hour's wait for another's computation, switched on, deferred durability.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps values that were read open in memory, up to so many bytes: mapped arrays weigh next to nothing, others
    /// what they are. Every hit still hands out a value of its own.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// For how long a value in memory is handed out without a look whether another process has replaced or removed it.
    /// One second by default. What is done through this cache and its clones is seen at once.
    #[must_use]
    pub fn memory_trust(mut self, time: Duration) -> Self {
        self.trust = time;
        self
    }

    /// How long somebody else's computation of a key is waited for before the value is computed here as well. An hour
    /// by default; while this thread is itself computing another key's value, ten minutes at most, and in a worker of a
    /// thread pool a second.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Switched off, a cache has the same interface, finds nothing, stores nothing and computes everything.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Whether a put returns once its entry is on disk or before. By default what was asked for when the store was opened,
    /// and if nothing was, [`Durability::Deferred`]: what a cache loses with the power can be computed again, and
    /// a computation that waits for the disk each time is what people switch caches off for.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// Makes the cache. Nothing is written: a namespace is there as soon as something is in it.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a namespace with an empty component, control characters, or more
    /// than 256 bytes. The empty one is allowed: it is what all others are in.
    pub fn open(&self, store: Store, namespace: &str) -> Result<Cache> {
        check_namespace(namespace)?;
        let store = match self.durability {
            Some(durability) => store.with_durability(durability),
            None => store.with_default_durability(Durability::Deferred),
        };
        let shared = Shared {
            memory: (self.memory > 0).then(|| Memory::new(self.memory, self.trust)),
            tally: Tally::new(store.clone()),
            store,
            wait: self.wait,
            enabled: AtomicBool::new(self.enabled),
            warnings: Warnings::default(),
            host: disk::host_name(),
            user: disk::user_name(),
        };
        Ok(Cache { shared: Arc::new(shared), namespace: namespace.into() })
    }
}
