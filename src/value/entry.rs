//! Getting a value: an entry with all its blobs open.

use std::ops::Deref;

use super::StoredArray;
use crate::disk::{self, Owner, Stat};
use crate::error::Result;
use crate::format::body::{ArrayRecord, Body, Data, Inline};
use crate::format::head::Head;
use crate::format::tree::{ArrayIndex, Tree};
use crate::key::{Address, Key};
use crate::layout;
use crate::store::{EntryInfo, Manifest, Parse, Store};

#[expect(clippy::disallowed_types, reason = "a file that `disk` opened")]
type File = std::fs::File;

/// How old the time of last use must be before it is set anew, in seconds.
const USE_GRAIN: i64 = 60;

/// A value whose arrays can be loaded, whatever happens to its entry meanwhile: all its blobs are open.
///
/// Derefs to [`EntryInfo`] for names, times and labels.
#[derive(Debug)]
pub struct Entry {
    info: EntryInfo,
    arrays: Vec<StoredArray>,
    pub(super) store: Store,
    /// Whose its file was when it was read, and those of its blobs, in the order of the head.
    pub(super) owner: Owner,
    pub(super) blob_owners: Vec<Owner>,
}

/// The arrays of an entry, and whose work their blobs may be, in the order of its head.
pub(super) struct Opened {
    pub(super) arrays: Vec<StoredArray>,
    owners: Vec<Owner>,
}

impl Entry {
    /// What the entry says of itself.
    pub fn info(&self) -> &EntryInfo {
        &self.info
    }

    /// The array, if the value is one array or byte string and nothing else.
    pub fn array(&self) -> Option<&StoredArray> {
        self.resolve(self.info.tree())
    }

    /// An array by its name, if the value is a map.
    pub fn field(&self, name: &str) -> Option<&StoredArray> {
        self.resolve(self.info.tree().get(name)?)
    }

    /// The array that a node of the value's tree refers to.
    pub fn resolve(&self, node: &Tree) -> Option<&StoredArray> {
        resolve(&self.arrays, node)
    }

    /// Every array of the value, in the order they were added.
    pub fn stored_arrays(&self) -> &[StoredArray] {
        &self.arrays
    }
}

/// The array that a node of a tree refers to.
pub(super) fn resolve<'a>(arrays: &'a [StoredArray], node: &Tree) -> Option<&'a StoredArray> {
    match node {
        Tree::Array(ArrayIndex(at)) | Tree::Payload(ArrayIndex(at)) | Tree::Sequence(ArrayIndex(at)) => {
            arrays.get(*at as usize)
        }
        _ => None,
    }
}

impl Deref for Entry {
    type Target = EntryInfo;

    fn deref(&self) -> &EntryInfo {
        &self.info
    }
}

impl Store {
    /// Reads an entry and opens all its blobs; `None` if there is none, or if a blob it needs is missing.
    ///
    /// With [`MapPolicy::trusted`](crate::MapPolicy::trusted) blobs are mapped, in a time that does not depend on
    /// their size, and only size, mode and time of the file are checked; content is checked when an array is loaded
    /// into memory, or by [`Store::verify`]. An entry that is replaced while it is read is seen as it was before or after.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) or [`Error::Malformed`](crate::Error::Malformed) if manifest or blob are damaged.
    pub fn entry<'a>(&self, address: impl Into<Address<'a>>) -> Result<Option<Entry>> {
        let key = address.into().key()?;
        let Some((manifest, opened)) = self.open_by(Body::parse, |body| &body.arrays, &key)? else { return Ok(None) };
        let stat = self.note_use(&key, &manifest.file)?;
        let info = EntryInfo::new(manifest.head, manifest.body, stat.modified);
        let Opened { arrays, owners } = opened;
        Ok(Some(Entry { info, arrays, store: self.clone(), owner: stat.owner, blob_owners: owners }))
    }

    /// Reads a manifest, its body parsed in a way of the caller's, and opens all its blobs.
    pub(super) fn open_by<B>(
        &self,
        parse: Parse<B>,
        records: fn(&B) -> &Vec<ArrayRecord>,
        key: &Key,
    ) -> Result<Option<(Manifest<B>, Opened)>> {
        loop {
            let Some(manifest) = Manifest::read_by(parse, self, key)? else { return Ok(None) };
            if let Some(opened) = self.open_arrays(&manifest.head, records(&manifest.body))? {
                return Ok(Some((manifest, opened)));
            }
            // A blob is missing. If the entry is another one by now, that one counts; else it is a miss.
            if self.entry_id(key)? == Some(manifest.head.id) {
                return Ok(None);
            }
        }
    }

    fn open_arrays(&self, head: &Head, records: &[ArrayRecord]) -> Result<Option<Opened>> {
        let mut blobs = Vec::with_capacity(head.blobs.len());
        let mut owners = Vec::with_capacity(head.blobs.len());
        for blob in &head.blobs {
            let Some((open, owner)) = self.open_blob(blob, &head.boot)? else { return Ok(None) };
            blobs.push((*blob, open));
            owners.push(owner);
        }
        let arrays = records.iter().map(|record| match &record.data {
            Data::Inline(Inline(bytes)) => StoredArray::inline(self, record, bytes),
            Data::Blob(at) => {
                let (blob, open) = &blobs[*at as usize];
                StoredArray::blob_of(self, record, *blob, open.clone(), head.boot)
            }
        });
        Ok(Some(Opened { arrays: arrays.collect(), owners }))
    }

    /// Notes the use, coarsely, and returns how the file was found. That it cannot be noted (another user's entry, say)
    /// is nobody's concern.
    pub(super) fn note_use(&self, key: &Key, file: &File) -> Result<Stat> {
        let (stat, now) = (self.root().look_at(file, &layout::entry(key))?, disk::now_ns() / 1_000_000_000);
        if !self.is_read_only() && now - stat.modified >= USE_GRAIN {
            drop(self.root().touch(file, &layout::entry(key)));
        }
        Ok(stat)
    }
}
