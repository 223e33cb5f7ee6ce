//! The census: every entry, what a policy needs to know of it, and which blobs it keeps.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::digest::Digest;
use crate::error::Result;
use crate::format::head::{EntryId, Facts, Head};
use crate::key::Key;
use crate::store::{Manifest, Store};
use crate::threads;

/// One entry.
#[derive(Debug)]
pub(super) struct Resident {
    pub(super) key: Key,
    pub(super) id: EntryId,
    pub(super) facts: Facts,
    /// Seconds since 1970 of its last use.
    pub(super) used: i64,
    pub(super) hits: u64,
    pub(super) manifest_len: u64,
    /// Its blobs, as places in [`Census::blobs`].
    pub(super) blobs: Vec<u32>,
}

/// A blob, and who keeps it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    pub(super) len: u64,
    pub(super) keepers: u32,
    /// The places of its keepers in [`Census::entries`], by exclusive or: of one keeper, its place.
    pub(super) keepers_xor: u32,
}

/// Every entry that could be read, and their blobs, each once.
#[derive(Debug, Default)]
pub(super) struct Census {
    pub(super) entries: Vec<Resident>,
    pub(super) blobs: Vec<Shared>,
    pub(super) bytes: u64,
}

impl Census {
    /// Reads the head of every entry. One that cannot be read ends it: what it keeps is not known.
    pub(super) fn take(store: &Store) -> Result<Self> {
        let heads = || (0..=u8::MAX).into_par_iter().map(|shard| heads_in(store, shard)).collect();
        let shards: Result<Vec<Vec<(Head, i64)>>> = threads::spread(heads);
        let hits = store.hits();
        let mut census = Census::default();
        let mut places = HashMap::new();
        for (head, used) in shards?.into_iter().flatten() {
            census.add(&head, used, hits.get(&head.key).copied().unwrap_or_default(), &mut places);
        }
        Ok(census)
    }

    fn add(&mut self, head: &Head, used: i64, hits: u64, places: &mut HashMap<Digest, u32>) {
        let at = u32::try_from(self.entries.len()).expect("four billion heads do not fit into memory");
        let mut blobs = Vec::with_capacity(head.blobs.len());
        for blob in &head.blobs {
            let place = *places.entry(blob.digest).or_insert_with(|| {
                self.bytes += blob.len;
                self.blobs.push(Shared { len: blob.len, keepers: 0, keepers_xor: 0 });
                u32::try_from(self.blobs.len() - 1).expect("four billion blobs do not fit into memory")
            });
            let shared = &mut self.blobs[place as usize];
            shared.keepers += 1;
            shared.keepers_xor ^= at;
            blobs.push(place);
        }
        let (id, facts, manifest_len) = (head.id, head.facts, head.manifest_len());
        self.bytes += manifest_len;
        self.entries.push(Resident { key: head.key, id, facts, used, hits, manifest_len, blobs });
    }

    /// Bytes that removing one entry frees, as long as the others stay.
    pub(super) fn freed_by(&self, at: usize) -> u64 {
        let entry = &self.entries[at];
        let own = entry.blobs.iter().map(|&blob| self.blobs[blob as usize]).filter(|blob| blob.keepers == 1);
        entry.manifest_len + own.map(|blob| blob.len).sum::<u64>()
    }

    /// Takes one entry out of the count. Returns the places of entries that from now on keep a blob alone.
    pub(super) fn leave(&mut self, at: usize) -> Vec<usize> {
        let freed = self.freed_by(at);
        self.bytes -= freed;
        let mut alone = Vec::new();
        for place in 0..self.entries[at].blobs.len() {
            let blob = &mut self.blobs[self.entries[at].blobs[place] as usize];
            blob.keepers -= 1;
            blob.keepers_xor ^= u32::try_from(at).expect("it was given as one");
            if blob.keepers == 1 {
                alone.push(blob.keepers_xor as usize);
            }
        }
        alone
    }
}

fn heads_in(store: &Store, shard: u8) -> Result<Vec<(Head, i64)>> {
    let keys = store.keys_in(shard)?;
    keys.iter().filter_map(|key| Manifest::read_head_and_use(store, key).transpose()).collect()
}
