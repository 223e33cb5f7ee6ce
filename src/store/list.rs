//! Listing entries, one shard at a time.

use rayon::prelude::*;

use super::{EntryInfo, Manifest, Store};
use crate::error::Result;
use crate::key::Key;
use crate::{layout, threads};

/// How many entries are read ahead, on all cores.
const AHEAD: usize = 64;
/// Of fewer, one core has read them before another has begun.
const FEW: usize = 8;

/// The entries of a store, in no particular order. Holds the names of one shard in 256 at a time, and reads up to 64
/// entries ahead.
///
/// Entries that come or go meanwhile may or may not be seen; the others are seen exactly once.
#[derive(Debug)]
pub struct Entries {
    store: Store,
    prefix: String,
    next_shard: Option<u8>,
    keys: Vec<Key>,
    read: Vec<Result<EntryInfo>>,
}

impl Iterator for Entries {
    type Item = Result<EntryInfo>;

    fn next(&mut self) -> Option<Result<EntryInfo>> {
        loop {
            if let Some(read) = self.read.pop() {
                return Some(read);
            }
            if !self.keys.is_empty() {
                let next = self.keys.split_off(self.keys.len().saturating_sub(AHEAD));
                self.read = self.read(&next);
                continue;
            }
            let shard = self.next_shard?;
            self.next_shard = shard.checked_add(1);
            match self.store.keys_in(shard) {
                Ok(keys) => self.keys = keys,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Entries {
    /// Those of the entries that are there and have the prefix, and what cannot be read.
    fn read(&self, keys: &[Key]) -> Vec<Result<EntryInfo>> {
        let has_prefix = |info: &EntryInfo| info.name().unwrap_or_default().starts_with(&self.prefix);
        let read = |key: &Key| self.store.info(*key).map(|info| info.filter(has_prefix)).transpose();
        if keys.len() < FEW {
            return keys.iter().filter_map(read).collect();
        }
        threads::spread(|| keys.par_iter().filter_map(read).collect())
    }
}

impl Store {
    /// Lists the entries whose name begins with `prefix`; with an empty one all, also those without a name.
    ///
    /// Reads on all cores. An entry that cannot be read is an item that is an error; the listing goes on after it.
    pub fn entries(&self, prefix: &str) -> Entries {
        Entries {
            store: self.clone(),
            prefix: prefix.to_owned(),
            next_shard: Some(0),
            keys: Vec::new(),
            read: Vec::new(),
        }
    }

    /// How many entries there are. Reads names only.
    pub fn count(&self) -> Result<u64> {
        (0..=u8::MAX).map(|shard| Ok(self.keys_in(shard)?.len() as u64)).sum()
    }

    /// The keys filed in one shard; strays are passed over.
    pub(crate) fn keys_in(&self, shard: u8) -> Result<Vec<Key>> {
        Ok(self.files_in(shard)?.into_iter().map(|(key, _)| key).collect())
    }

    /// The same, with the number that the listing gives each file.
    pub(crate) fn files_in(&self, shard: u8) -> Result<Vec<(Key, u64)>> {
        let listed = self.root().list(&layout::entry_shard(shard))?;
        let named = listed.iter().filter(|file| file.regular);
        Ok(named.filter_map(|file| Some((layout::parse_entry(shard, &file.name)?, file.inode))).collect())
    }

    /// What an entry says of itself; `None` if there is none. Opens no blob, and does not count as a use.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) or [`Error::Malformed`](crate::Error::Malformed) if the manifest is damaged,
    /// [`Error::Unsupported`](crate::Error::Unsupported) if it is of a later version.
    pub fn info<'a>(&self, address: impl Into<crate::Address<'a>>) -> Result<Option<EntryInfo>> {
        let key = address.into().key()?;
        Manifest::read(self, &key)?.map(|manifest| manifest.into_info(self)).transpose()
    }

    /// Whether an entry is there, readable, and every blob it needs as well. Does not check their content, but for
    /// what power loss may have cut short.
    pub fn contains<'a>(&self, address: impl Into<crate::Address<'a>>) -> Result<bool> {
        let key = address.into().key()?;
        match Manifest::read_head(self, &key) {
            Ok(None) => Ok(false),
            Ok(Some(head)) => {
                for blob in &head.blobs {
                    if !self.is_there(blob, &head.boot)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Err(error) if error.is_damage() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
