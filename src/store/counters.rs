//! The store's side of the counters: appended to, added up, compacted.

use std::collections::BTreeMap;

use super::Store;
use crate::format::counters::{CacheStats, Counters};
use crate::key::Key;
use crate::layout;

/// From this length on the file is worth compacting, if its first frame, what the last compaction left, is small in it.
const COMPACT_FROM: u64 = 1 << 20;
/// The longest file that is read.
const MAX_LEN: usize = 256 << 20;

impl Store {
    /// Adds to the counters of all processes; whether that could be done.
    pub(crate) fn add_counters(&self, counters: &Counters) -> bool {
        if counters.is_empty() || self.is_read_only() {
            return counters.is_empty();
        }
        let Ok(len) = self.root().append_locked(&layout::COUNTERS, &counters.encode_frame()) else { return false };
        if len >= COMPACT_FROM {
            self.compact_counters(|_| true);
        }
        true
    }

    /// What all processes have counted; nothing, if the file is missing or cannot be read.
    pub(crate) fn counters(&self) -> Counters {
        let bytes = self.root().read(&layout::COUNTERS, MAX_LEN as u64).ok().flatten().unwrap_or_default();
        Counters::parse_frames(&bytes).0
    }

    /// Puts one frame in the place of many, and leaves out the entries that are not to be kept, unless little would be won.
    pub(crate) fn compact_counters(&self, keep: impl Fn(&Key) -> bool) {
        drop(self.root().amend(&layout::COUNTERS, MAX_LEN, |bytes| {
            let (mut sums, first) = Counters::parse_frames(bytes);
            if first > bytes.len() / 4 {
                return None;
            }
            sums.hits.retain(|key, _| keep(key));
            Some(sums.encode_frame())
        }));
    }

    /// How often caches have handed out each entry, as far as that was written down: every few seconds, and when a
    /// cache is dropped. What cannot be read counts as nothing.
    pub fn hits(&self) -> BTreeMap<Key, u64> {
        self.counters().hits
    }

    /// What caches did, by namespace; written down like [`hits`](Self::hits).
    pub fn cache_stats(&self) -> BTreeMap<String, CacheStats> {
        self.counters().namespaces
    }
}
