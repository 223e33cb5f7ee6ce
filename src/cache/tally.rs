//! Counting in memory, written down now and then.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::fork::PerProcess;
use crate::format::counters::{CacheStats, Counters};
use crate::key::Key;
use crate::store::Store;

/// How long counts are kept in memory before they are written down.
const INTERVAL: Duration = Duration::from_secs(5);

/// What was counted since it was last written down.
#[derive(Debug)]
pub(super) struct Tally {
    store: Store,
    pending: PerProcess<Mutex<Pending>>,
}

#[derive(Debug)]
struct Pending {
    counters: Counters,
    written: Instant,
    /// A forked child that nobody told of the fork has its parent's counts, which are not its own to write down.
    process: u32,
}

impl Pending {
    fn new() -> Self {
        Pending { counters: Counters::default(), written: Instant::now(), process: std::process::id() }
    }
}

impl Tally {
    pub(super) fn new(store: Store) -> Self {
        Tally { store, pending: PerProcess::new(Mutex::new(Pending::new())) }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock(Pending::new)
    }

    /// Counts in a namespace, and a hit of an entry if `hit` names one.
    pub(super) fn count(&self, namespace: &str, hit: Option<Key>, count: impl FnOnce(&mut CacheStats)) {
        if self.note(namespace, hit, count) {
            self.flush();
        }
    }

    /// The same, without ever going to the disk; whether what was counted is to be [written](Self::flush) now.
    pub(super) fn note(&self, namespace: &str, hit: Option<Key>, count: impl FnOnce(&mut CacheStats)) -> bool {
        let mut pending = self.pending();
        match pending.counters.namespaces.get_mut(namespace) {
            Some(stats) => count(stats),
            None => count(pending.counters.namespaces.entry(namespace.to_owned()).or_default()),
        }
        if let Some(key) = hit {
            *pending.counters.hits.entry(key).or_default() += 1;
        }
        pending.written.elapsed() >= INTERVAL
    }

    /// Whether a hit of the entry was counted a moment ago.
    pub(super) fn has_lately(&self, key: &Key) -> bool {
        let pending = self.pending();
        pending.written.elapsed() < INTERVAL && pending.counters.hits.contains_key(key)
    }

    pub(super) fn flush(&self) {
        self.write(self.pending());
    }

    fn write(&self, mut pending: MutexGuard<'_, Pending>) {
        let Pending { counters, process, .. } = std::mem::replace(&mut *pending, Pending::new());
        drop(pending);
        // A child that nobody told of the fork lets its own first counts go with its parent's.
        if process == std::process::id() && !self.store.add_counters(&counters) {
            // The hits of entries are let go: there is no bound to their number.
            let kept = Counters { namespaces: counters.namespaces, ..Counters::default() };
            self.pending().counters.add(&kept);
        }
    }

    /// What was counted here and is not written down, or cannot be.
    pub(super) fn unwritten(&self) -> BTreeMap<String, CacheStats> {
        self.pending().counters.namespaces.clone()
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.flush();
    }
}
