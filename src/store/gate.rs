//! The gate: shared by committers for a moment, taken whole by a collector for one batch.
//!
//! `flock` is not fair: with committers coming all the time an exclusive lock would never be had. The turnstile makes
//! it so: a committer passes it on its way to the gate, a collector closes it while it waits.

use std::time::{Duration, Instant};

use super::Store;
use crate::disk::{ExclusiveGuard, Root, SharedGuard};
use crate::error::Result;
use crate::format::head::EntryId;
use crate::format::stamps;
use crate::key::Key;
use crate::layout;

/// Enters the gate as a committer.
pub(super) fn enter(root: &Root, wait: Duration) -> Result<SharedGuard> {
    let _turnstile = root.lock_shared(&layout::TURNSTILE, wait)?;
    root.lock_shared(&layout::GATE, wait)
}

impl Store {
    /// Enters the gate as a committer.
    pub(crate) fn enter_gate(&self) -> Result<SharedGuard> {
        enter(self.root(), self.inner.lock_wait)
    }

    /// Takes the gate whole, or gives up after `wait` and lets committers pass again.
    pub(crate) fn close_gate(&self, wait: Duration) -> Result<ExclusiveGuard> {
        let start = Instant::now();
        let root = self.root();
        let _turnstile = root.lock_exclusive(&layout::TURNSTILE, wait)?;
        root.lock_exclusive(&layout::GATE, wait.saturating_sub(start.elapsed()))
    }

    /// Locks one shard, of keys and of blobs.
    pub(super) fn lock_shard(&self, shard: u8) -> Result<ExclusiveGuard> {
        self.root().lock_exclusive(&layout::key_lock(shard), self.inner.lock_wait)
    }

    /// Locks the shards of some keys, in ascending order, each once.
    pub(crate) fn lock_keys(&self, keys: &[Key]) -> Result<KeyGuards> {
        let mut shards: Vec<u8> = keys.iter().map(Key::shard).collect();
        shards.sort_unstable();
        shards.dedup();
        let lock = |shard| Ok((shard, self.lock_shard(shard)?));
        shards.into_iter().map(lock).collect::<Result<_>>().map(KeyGuards)
    }
}

/// The locks of at least one key.
pub(crate) struct KeyGuards(Vec<(u8, ExclusiveGuard)>);

impl KeyGuards {
    /// The proof that deleting asks to see.
    pub(crate) fn proof(&self) -> &ExclusiveGuard {
        &self.0[0].1
    }

    /// Tells the next collector, if one has ever asked, that what it remembers of a key holds no more. Comes before the
    /// entry is visible, under the lock of its key: who holds that lock finds every stamp with its entry.
    pub(crate) fn stamp(&self, key: &Key, id: EntryId) -> Result<()> {
        let locked = self.0.iter().filter(|(shard, _)| *shard == key.shard());
        locked.into_iter().try_for_each(|(_, lock)| match stamps::place(key, lock.content_len()) {
            Some(at) => lock.change_content(&stamps::stamp(id), at),
            None => Ok(()),
        })
    }
}
