//! The tier in memory: entries that are open, in front of those on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::{self, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::error::Result;
use crate::key::Key;
use crate::store::Store;
use crate::value::Loadable;

/// What an entry weighs besides its content, and each of its maps: about what the kernel and this crate keep for them.
/// It bounds the number of maps, too, of which a process may have some ten thousand.
const BASE_WEIGHT: u64 = 1 << 10;
const MAP_WEIGHT: u64 = 16 << 10;

/// Open entries, bounded by their weight in bytes.
#[derive(Debug)]
pub(super) struct Memory {
    held: sync::Cache<Key, Arc<Held>, ByWeight>,
    capacity: u64,
    /// For how long an entry is handed out without a look whether it is still the one on disk.
    trust: Duration,
    start: Instant,
    /// How often something was forgotten: what was read before that may be old.
    forgotten: AtomicU64,
}

/// When an entry was last seen that may have been replaced before it was held.
const UNSEEN: u64 = u64::MAX;

/// An entry, and when it was last seen on disk.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) found: Loadable,
    weight: u64,
    seen: AtomicU64,
}

#[derive(Clone, Debug)]
struct ByWeight;

impl Weighter<Key, Arc<Held>> for ByWeight {
    fn weight(&self, _: &Key, held: &Arc<Held>) -> u64 {
        held.weight
    }
}

impl Memory {
    pub(super) fn new(capacity: u64, trust: Duration) -> Self {
        let items = usize::try_from(capacity / (4 * BASE_WEIGHT)).unwrap_or(usize::MAX).clamp(16, 1 << 16);
        // Of several shards none would take what weighs more than its part.
        let options = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity(items)
            .weight_capacity(capacity)
            .build()
            .expect("both capacities are given");
        let held =
            sync::Cache::with_options(options, ByWeight, DefaultHashBuilder::default(), DefaultLifecycle::default());
        Memory { held, capacity, trust, start: Instant::now(), forgotten: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// An entry that is held, and is still the one on disk, as far as that was looked at lately.
    pub(super) fn get(&self, store: &Store, key: &Key) -> Option<Arc<Held>> {
        let held = self.held.get(key)?;
        let (now, seen) = (self.now(), held.seen.load(Ordering::SeqCst));
        if seen != UNSEEN && u128::from(now.saturating_sub(seen)) < self.trust.as_millis() {
            return Some(held);
        }
        if store.is_still(&held.found).unwrap_or(false) {
            held.seen.store(now, Ordering::SeqCst);
            return Some(held);
        }
        self.forget(key);
        None
    }

    /// A mark to be taken before an entry is read from disk, and given to [`hold`](Self::hold) with it.
    pub(super) fn mark(&self) -> u64 {
        self.forgotten.load(Ordering::SeqCst)
    }

    /// Holds an entry, its blobs in memory or mapped, unless it is too heavy, or something was forgotten since `mark`.
    /// Hands it back either way.
    pub(super) fn hold(&self, found: Loadable, mark: u64) -> Result<Arc<Held>> {
        let (heap, maps) = found.footprint();
        let weight = BASE_WEIGHT + heap + MAP_WEIGHT * maps;
        let fits = weight <= self.capacity / 2;
        let found = if fits { found.into_memory()? } else { found };
        let key = found.head.key;
        let held = Arc::new(Held { found, weight, seen: AtomicU64::new(UNSEEN) });
        if fits {
            let now = self.now();
            self.held.insert(key, Arc::clone(&held));
            if self.mark() == mark {
                held.seen.store(now, Ordering::SeqCst);
            } else {
                self.held.remove(&key);
            }
        }
        Ok(held)
    }

    pub(super) fn forget(&self, key: &Key) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.held.remove(key);
    }

    pub(super) fn clear(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.held.clear();
    }
}
