//! Marking: which blobs entries name, and which others there are.

use std::sync::Mutex;

use rayon::prelude::*;

use super::remember::{Remembered, Use};
use crate::digest::Digest;
use crate::disk::ExclusiveGuard;
use crate::error::Result;
use crate::format::head::{BlobRef, Head};
use crate::key::Key;
use crate::layout;
use crate::store::{Manifest, Store};
use crate::threads;

/// What the heads of all entries say.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    pub(crate) entries: u64,
    /// Every blob that is named, ascending, each once.
    pub(crate) live: Vec<BlobRef>,
    /// Bytes as entries name them: a blob that two name counts twice.
    pub(crate) named_bytes: u64,
    /// Bytes of all manifests.
    pub(crate) manifest_bytes: u64,
    /// What power loss has left of entries that were not on disk yet. They count as absent.
    pub(crate) torn: Vec<Key>,
}

impl Marks {
    pub(crate) fn is_live(&self, digest: &Digest) -> bool {
        self.live.binary_search_by_key(digest, |blob| blob.digest).is_ok()
    }

    pub(crate) fn live_bytes(&self) -> u64 {
        self.live.iter().map(|blob| blob.len).sum()
    }

    pub(crate) fn of_heads(heads: Vec<Head>) -> Self {
        heads.into_iter().map(|head| (head.manifest_len(), head.blobs)).collect()
    }

    /// What all shards say, read on all cores. It goes into one list as it comes: no blob is in memory twice for long.
    pub(crate) fn gather(read: impl Fn(u8) -> Result<Marks> + Sync) -> Result<Self> {
        const WHOLE: &str = "a thread that panicked has ended the run";
        let all = Mutex::new(Marks::default());
        let take = |shard| {
            let part = read(shard)?;
            all.lock().expect(WHOLE).add(part);
            Ok(())
        };
        threads::spread(|| (0..=u8::MAX).into_par_iter().try_for_each(take))?;
        let mut all = all.into_inner().expect(WHOLE);
        all.live.sort_unstable();
        all.live.dedup();
        Ok(all)
    }

    fn add(&mut self, part: Marks) {
        self.entries += part.entries;
        self.named_bytes += part.named_bytes;
        self.manifest_bytes += part.manifest_bytes;
        self.live.extend(part.live);
        self.torn.extend(part.torn);
    }
}

/// Of entries, the length of the manifest and the blobs of each.
impl FromIterator<(u64, Vec<BlobRef>)> for Marks {
    fn from_iter<I: IntoIterator<Item = (u64, Vec<BlobRef>)>>(entries: I) -> Self {
        let mut marks = Marks::default();
        for (manifest_len, blobs) in entries {
            marks.entries += 1;
            marks.manifest_bytes += manifest_len;
            marks.named_bytes += blobs.iter().map(|blob| blob.len).sum::<u64>();
            marks.live.extend(blobs);
        }
        marks.live.sort_unstable();
        marks.live.dedup();
        marks
    }
}

impl Store {
    /// Reads the head of every entry, but for those that an earlier collector has read and that are the same. One that
    /// cannot be read ends it: fail closed. Without the collector's lock it writes nothing and takes no lock.
    pub(crate) fn mark(&self, collector: Option<&ExclusiveGuard>) -> Result<Marks> {
        let how = Use::of(self, collector);
        Marks::gather(|shard| self.mark_shard(shard, how))
    }

    fn mark_shard(&self, shard: u8, how: Use<'_>) -> Result<Marks> {
        let listed = self.files_in(shard)?;
        let mut torn = Vec::new();
        if let Some(remembered) = Remembered::recall(self, shard, listed.len(), how) {
            let marks = remembered.complete(listed, how, &mut torn)?;
            let marks = marks.into_iter().map(|mark| (mark.manifest_len, mark.blobs)).collect();
            return Ok(Marks { torn, ..marks });
        }
        let heads = listed.iter().filter_map(|(key, _)| self.mark_head(key, &mut torn).transpose());
        let heads = heads.collect::<Result<_>>()?;
        Ok(Marks { torn, ..Marks::of_heads(heads) })
    }

    /// The head of an entry. `None` if it has gone since it was listed: it was removed, or replaced by a commit that told
    /// the journal; or if power loss has left of it what is no entry.
    pub(super) fn mark_head(&self, key: &Key, torn: &mut Vec<Key>) -> Result<Option<Head>> {
        let head = Manifest::read_head(self, key)?;
        if head.is_none() && Manifest::is_torn(self, key)? {
            torn.push(*key);
        }
        Ok(head)
    }

    /// The blobs that are there and not marked, with their lengths.
    pub(crate) fn candidates(&self, marks: &Marks) -> Result<Vec<BlobRef>> {
        let shards = || (0..=u8::MAX).into_par_iter().map(|shard| self.candidates_in(shard, marks)).collect();
        let parts: Result<Vec<Vec<BlobRef>>> = threads::spread(shards);
        parts.map(|parts| parts.into_iter().flatten().collect())
    }

    fn candidates_in(&self, shard: u8, marks: &Marks) -> Result<Vec<BlobRef>> {
        let mut dead = self.blobs_in(shard)?;
        dead.retain(|digest| !marks.is_live(digest));
        let names: Vec<_> = dead.iter().map(layout::blob).collect();
        let stats = self.root().look_within(&layout::blob_shard(shard), &names)?;
        let there = dead.into_iter().zip(stats);
        Ok(there.filter_map(|(digest, stat)| Some(BlobRef { digest, len: stat?.len })).collect())
    }

    /// The blobs in one shard; strays are passed over.
    pub(crate) fn blobs_in(&self, shard: u8) -> Result<Vec<Digest>> {
        let listed = self.root().list(&layout::blob_shard(shard))?;
        Ok(listed.iter().filter(|file| file.regular).filter_map(|file| layout::parse_blob(shard, &file.name)).collect())
    }
}
