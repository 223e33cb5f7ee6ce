//! Where the space goes: totals, per entry, and which entries keep a blob.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::digest::Digest;
use crate::disk;
use crate::error::{Error, Result};
use crate::gc::Marks;
use crate::key::Key;
use crate::layout;
use crate::store::{EntryInfo, Manifest, Store};
use crate::threads;

/// Totals of a store. All figures are bytes of content or numbers of files, not blocks of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Number of entries.
    pub entries: u64,
    /// Bytes of all arrays of all entries, as if nothing were shared.
    pub logical_bytes: u64,
    /// Bytes of arrays that lie inside manifests.
    pub inline_bytes: u64,
    /// Bytes of all manifests.
    pub manifest_bytes: u64,
    /// Number of blobs.
    pub blobs: u64,
    /// Bytes of all blobs.
    pub blob_bytes: u64,
    /// Number of blobs that entries name.
    pub live_blobs: u64,
    /// Bytes of those.
    pub live_bytes: u64,
    /// Number of blobs that no entry names.
    pub garbage_blobs: u64,
    /// Bytes of those.
    pub garbage_bytes: u64,
    /// Bytes that would be stored in addition if equal arrays were stored each time.
    pub saved_bytes: u64,
    /// Number of files in quarantine.
    pub quarantine_files: u64,
    /// Bytes of those.
    pub quarantine_bytes: u64,
    /// Number of private files, of the living and the dead, and of files waiting to be unlinked.
    pub leftover_files: u64,
    /// Bytes of those.
    pub leftover_bytes: u64,
}

/// The space one entry takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskUse {
    /// The entry's name, or its key in hex.
    pub label: String,
    /// Bytes of its arrays as if nothing were shared.
    pub logical_bytes: u64,
    /// Bytes that removing this entry alone, and collecting, would free; its manifest included.
    pub exclusive_bytes: u64,
    /// Bytes of its blobs that other entries name as well.
    pub shared_bytes: u64,
}

impl Store {
    /// Adds up what is stored. Reads every manifest; takes no lock, so figures may be of slightly different moments.
    ///
    /// # Errors
    /// If a manifest cannot be read.
    pub fn usage(&self) -> Result<Usage> {
        let (logical, inline) = (AtomicU64::new(0), AtomicU64::new(0));
        // Each manifest is read once: for what it says, and for what it names.
        let marks = Marks::gather(|shard| {
            let mut heads = Vec::new();
            for key in self.keys_in(shard)? {
                let Some(Manifest { head, body, .. }) = Manifest::read(self, &key)? else { continue };
                logical.fetch_add(body.logical_bytes(), Ordering::Relaxed);
                inline.fetch_add(body.inline_bytes(), Ordering::Relaxed);
                heads.push(head);
            }
            Ok(Marks::of_heads(heads))
        })?;
        let plan = self.plan_from(&marks)?;
        let mut usage = Usage {
            entries: plan.entries,
            logical_bytes: logical.into_inner(),
            inline_bytes: inline.into_inner(),
            manifest_bytes: marks.manifest_bytes,
            live_blobs: plan.live_blobs,
            live_bytes: plan.live_bytes,
            garbage_blobs: plan.garbage.len() as u64,
            garbage_bytes: plan.garbage_bytes,
            ..Usage::default()
        };
        usage.blobs = plan.live_blobs + usage.garbage_blobs;
        usage.blob_bytes = plan.live_bytes + plan.garbage_bytes;
        usage.saved_bytes = usage.logical_bytes.saturating_sub(usage.inline_bytes).saturating_sub(plan.live_bytes);
        (usage.quarantine_bytes, usage.quarantine_files) = disk::tree_bytes(self.root(), &layout::QUARANTINE);
        for rel in [layout::TMP, layout::TRASH] {
            let (bytes, files) = disk::tree_bytes(self.root(), &rel);
            usage.leftover_bytes += bytes;
            usage.leftover_files += files;
        }
        Ok(usage)
    }

    /// The space each entry takes whose name begins with `prefix`, largest first.
    pub fn du(&self, prefix: &str) -> Result<Vec<DiskUse>> {
        let mut entries = Vec::new();
        let mut owners: HashMap<Digest, u64> = HashMap::new();
        for info in self.entries("") {
            let info = info?;
            info.blobs().for_each(|(digest, _)| *owners.entry(digest).or_default() += 1);
            if info.name().unwrap_or_default().starts_with(prefix) {
                entries.push(info);
            }
        }
        let mut uses: Vec<DiskUse> = entries.iter().map(|info| disk_use(info, &owners)).collect();
        uses.sort_by(|a, b| b.logical_bytes.cmp(&a.logical_bytes).then_with(|| a.label.cmp(&b.label)));
        Ok(uses)
    }

    /// The entries that keep a blob, in no particular order.
    pub fn why(&self, digest: &Digest) -> Result<Vec<EntryInfo>> {
        let keepers = || (0..=u8::MAX).into_par_iter().map(|shard| self.keepers_in(shard, digest)).collect();
        let shards: Result<Vec<Vec<EntryInfo>>> = threads::spread(keepers);
        shards.map(|shards| shards.into_iter().flatten().collect())
    }

    fn keepers_in(&self, shard: u8, digest: &Digest) -> Result<Vec<EntryInfo>> {
        let infos = self.keys_in(shard)?.into_iter().filter_map(|key| self.info(key).transpose());
        infos
            .filter(|info| info.as_ref().map_or(true, |info| info.blobs().any(|(named, _)| named == *digest)))
            .collect()
    }

    /// The blobs whose digest, in hex, begins with `prefix`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the prefix is empty or not lower-case hex.
    pub fn resolve(&self, prefix: &str) -> Result<Vec<Digest>> {
        found(prefix, "digest", |shard| self.blobs_in(shard))
    }

    /// The entries whose key, in hex, begins with `prefix`, also those that have a name. Reads names only.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_key(&self, prefix: &str) -> Result<Vec<Key>> {
        found(prefix, "key", |shard| self.keys_in(shard))
    }
}

/// What begins with some hex digits, of all that lies in the shards that may have it.
fn found<T: Ord + ToString>(prefix: &str, what: &'static str, list: impl Fn(u8) -> Result<Vec<T>>) -> Result<Vec<T>> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if prefix.is_empty() || prefix.len() > 2 * Digest::LEN || !prefix.bytes().all(is_hex) {
        let reason = "1 to 64 lower-case hex digits are expected";
        return Err(Error::Invalid { what, given: prefix.to_owned(), reason });
    }
    let shards = (0..=u8::MAX).filter(|shard| {
        let name = format!("{shard:02x}");
        name.starts_with(prefix) || prefix.starts_with(&name)
    });
    let mut found = Vec::new();
    for shard in shards {
        found.extend(list(shard)?.into_iter().filter(|one| one.to_string().starts_with(prefix)));
    }
    found.sort_unstable();
    Ok(found)
}

fn disk_use(info: &EntryInfo, owners: &HashMap<Digest, u64>) -> DiskUse {
    let (mut exclusive, mut shared) = (info.manifest_bytes(), 0);
    for (digest, len) in info.blobs() {
        *if owners[&digest] == 1 { &mut exclusive } else { &mut shared } += len;
    }
    DiskUse {
        label: info.label(),
        logical_bytes: info.logical_bytes(),
        exclusive_bytes: exclusive,
        shared_bytes: shared,
    }
}
