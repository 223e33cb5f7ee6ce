//! The tier in memory: entries that are open, in front of those on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::{self, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::error::Result;
use crate::fork::PerProcess;
use crate::key::Key;
use crate::store::Store;
use crate::value::Loadable;

/// What an entry weighs besides its content, and each of its maps: about what the kernel and this crate keep for them.
/// It bounds the number of maps, too, of which a process may have some ten thousand.
const BASE_WEIGHT: u64 = 1 << 10;
const MAP_WEIGHT: u64 = 16 << 10;

type Entries = sync::Cache<Key, Arc<Held>, ByWeight>;

/// Open entries, bounded by their weight in bytes.
#[derive(Debug)]
pub(super) struct Memory {
    held: PerProcess<Entries>,
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
    pub(super) found: Arc<Loadable>,
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
        let (held, start) = (PerProcess::new(room(capacity)), Instant::now());
        Memory { held, capacity, trust, start, forgotten: AtomicU64::new(0) }
    }

    fn held(&self) -> &Entries {
        self.held.get(|| room(self.capacity))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// An entry that is held, and was seen on disk a moment ago: nothing is looked at there.
    pub(super) fn trusted(&self, key: &Key) -> Option<Arc<Held>> {
        self.held().get(key).filter(|held| self.trusts(held, self.now()))
    }

    /// An entry that is held, and is still the one on disk, as far as that was looked at lately.
    pub(super) fn get(&self, store: &Store, key: &Key) -> Option<Arc<Held>> {
        let held = self.held().get(key)?;
        let now = self.now();
        if self.trusts(&held, now) {
            return Some(held);
        }
        if store.is_still(&held.found).unwrap_or(false) {
            held.seen.store(now, Ordering::SeqCst);
            return Some(held);
        }
        self.forget(key);
        None
    }

    fn trusts(&self, held: &Held, now: u64) -> bool {
        let seen = held.seen.load(Ordering::SeqCst);
        seen != UNSEEN && u128::from(now.saturating_sub(seen)) < self.trust.as_millis()
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
        let held = Arc::new(Held { found: Arc::new(found), weight, seen: AtomicU64::new(UNSEEN) });
        if fits {
            let now = self.now();
            self.held().insert(key, Arc::clone(&held));
            if self.mark() == mark {
                held.seen.store(now, Ordering::SeqCst);
            } else {
                self.held().remove(&key);
            }
        }
        Ok(held)
    }

    pub(super) fn forget(&self, key: &Key) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.held().remove(key);
    }

    pub(super) fn clear(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.held().clear();
    }
}

/// Room for entries of so much weight.
fn room(capacity: u64) -> Entries {
    let items = usize::try_from(capacity / (4 * BASE_WEIGHT)).unwrap_or(usize::MAX).clamp(16, 1 << 16);
    // Of several shards none would take what weighs more than its part.
    let options = OptionsBuilder::new()
        .shards(1)
        .estimated_items_capacity(items)
        .weight_capacity(capacity)
        .build()
        .expect("both capacities are given");
    sync::Cache::with_options(options, ByWeight, DefaultHashBuilder::default(), DefaultLifecycle::default())
}
