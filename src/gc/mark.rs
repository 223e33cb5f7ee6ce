//! Marking: which blobs entries name, and which others there are. Writes nothing and takes no lock.

use rayon::prelude::*;

use crate::digest::Digest;
use crate::error::Result;
use crate::format::head::{BlobRef, Head};
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
}

impl Marks {
    pub(crate) fn is_live(&self, digest: &Digest) -> bool {
        self.live.binary_search_by_key(digest, |blob| blob.digest).is_ok()
    }

    pub(crate) fn live_bytes(&self) -> u64 {
        self.live.iter().map(|blob| blob.len).sum()
    }

    fn of_heads(heads: Vec<Head>) -> Self {
        let (entries, manifest_bytes) = (heads.len() as u64, heads.iter().map(Head::manifest_len).sum());
        let mut live: Vec<BlobRef> = heads.into_iter().flat_map(|head| head.blobs).collect();
        let named_bytes = live.iter().map(|blob| blob.len).sum();
        live.sort_unstable();
        live.dedup();
        Marks { entries, live, named_bytes, manifest_bytes }
    }

    fn merge(parts: Vec<Marks>) -> Self {
        let mut all = Marks::default();
        for part in parts {
            all.entries += part.entries;
            all.named_bytes += part.named_bytes;
            all.manifest_bytes += part.manifest_bytes;
            all.live.extend(part.live);
        }
        all.live.sort_unstable();
        all.live.dedup();
        all
    }
}

impl Store {
    /// Reads the head of every entry. One that cannot be read ends it: fail closed.
    pub(crate) fn mark(&self) -> Result<Marks> {
        let shards = || (0..=u8::MAX).into_par_iter().map(|shard| self.mark_shard(shard)).collect();
        let parts: Result<Vec<Marks>> = threads::spread(shards);
        parts.map(Marks::merge)
    }

    fn mark_shard(&self, shard: u8) -> Result<Marks> {
        let heads: Result<Vec<_>> = self
            .keys_in(shard)?
            .iter()
            // An entry that has gone since it was listed was removed, or replaced by a commit that told the journal.
            .filter_map(|key| Manifest::read_head(self, key).transpose())
            .collect();
        heads.map(Marks::of_heads)
    }

    /// The blobs that are there and not marked, with their lengths.
    pub(crate) fn candidates(&self, marks: &Marks) -> Result<Vec<BlobRef>> {
        let shards = || (0..=u8::MAX).into_par_iter().map(|shard| self.candidates_in(shard, marks)).collect();
        let parts: Result<Vec<Vec<BlobRef>>> = threads::spread(shards);
        parts.map(|parts| parts.into_iter().flatten().collect())
    }

    fn candidates_in(&self, shard: u8, marks: &Marks) -> Result<Vec<BlobRef>> {
        let mut found = Vec::new();
        for digest in self.blobs_in(shard)? {
            if !marks.is_live(&digest)
                && let Some(stat) = self.root().look(&layout::blob(&digest))?
            {
                found.push(BlobRef { digest, len: stat.len });
            }
        }
        Ok(found)
    }

    /// The blobs in one shard; strays are passed over.
    pub(crate) fn blobs_in(&self, shard: u8) -> Result<Vec<Digest>> {
        let listed = self.root().list(&layout::blob_shard(shard))?;
        Ok(listed.iter().filter(|file| file.regular).filter_map(|file| layout::parse_blob(shard, &file.name)).collect())
    }
}
