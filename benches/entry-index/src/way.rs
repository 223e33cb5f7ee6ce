//! What is asked of every way of keeping entries.

use std::ops::Range;

/// Keys are filed under their first byte.
pub const ALL: u16 = 256;

pub trait Way: Sync {
    /// Puts each entry by itself; with `sync` it is on disk before the next.
    fn put(&self, numbers: Range<u64>, sync: bool);
    /// Puts all of them, and syncs once; `false` if this way cannot.
    fn put_together(&self, numbers: Range<u64>, sync: bool) -> bool;
    /// Reads one entry into memory of its own; returns its length.
    fn hit(&self, i: u64) -> usize;
    /// Goes over all keys; returns how many.
    fn keys(&self) -> u64;
    /// Reads the entries whose name begins so; returns how many.
    fn with_prefix(&self, prefix: &str) -> u64;
    /// Collects the blobs that the entries in the first so many of [`ALL`] shards name; returns how many entries these are.
    fn mark(&self, shards: u16) -> u64;
    /// Removes so many entries, one by one, nothing synced.
    fn remove_each(&self, limit: usize);
}
