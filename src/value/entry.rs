//! Getting a value: an entry with all its blobs open.

use std::ops::Deref;

use serde::de::DeserializeOwned;

use super::StoredArray;
use crate::disk;
use crate::error::Result;
use crate::format::body::{Data, Inline};
use crate::format::tree::{ArrayIndex, Tree};
use crate::key::{Address, Key};
use crate::layout;
use crate::store::{EntryInfo, Manifest, Store};

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
        match node {
            Tree::Array(ArrayIndex(at)) | Tree::Payload(ArrayIndex(at)) | Tree::Sequence(ArrayIndex(at)) => {
                self.arrays.get(*at as usize)
            }
            _ => None,
        }
    }

    /// Every array of the value, in the order they were added.
    pub fn stored_arrays(&self) -> &[StoredArray] {
        &self.arrays
    }
}

impl Entry {
    /// What holding it costs: bytes of ordinary memory once it is [in memory](Self::into_memory), and number of maps.
    pub(crate) fn footprint(&self) -> (u64, u64) {
        let arrays = self.arrays.iter();
        let (maps, heap): (Vec<_>, Vec<_>) =
            arrays.map(|array| (array, array.is_mapped())).partition(|(_, mapped)| *mapped);
        let heap: u64 = heap.iter().map(|(array, _)| array.len_bytes()).sum();
        (self.info.manifest_bytes() + heap, maps.len() as u64)
    }

    /// Reads every array that is neither mapped nor in the manifest, and checks it, so that no file stays open.
    pub(crate) fn into_memory(self) -> Result<Self> {
        let arrays = self.arrays.into_iter().map(StoredArray::into_memory).collect::<Result<_>>()?;
        Ok(Entry { arrays, ..self })
    }
}

impl Deref for Entry {
    type Target = EntryInfo;

    fn deref(&self) -> &EntryInfo {
        &self.info
    }
}

impl Store {
    /// Loads the value under a name or key; `None` if there is none, or if a blob it needs is missing.
    ///
    /// Arrays come into memory of their own, checked against their digest, whatever they lie in: `Array` and `ArcArray`
    /// of ndarray, vectors, of every element type. Where the type asks for a [`MappedArray`](crate::MappedArray) and the
    /// store maps, the array is mapped. Aliases are not kept: two [`Rc`](std::rc::Rc) of one value are two values when
    /// they are loaded, though equal arrays are one blob.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = ndstash::Store::create(dir.path().join("s"))?;
    /// use ndarray::{Array1, Array2};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Model {
    ///     name: String,
    ///     layers: Vec<(Array2<f32>, Array1<f32>)>,
    /// }
    ///
    /// let model = Model { name: "first".into(), layers: vec![(Array2::ones((3, 4)), Array1::zeros(3))] };
    /// store.put("model", &model)?;
    /// let loaded: Model = store.get("model")?.expect("it was put");
    /// assert_eq!(loaded.layers, model.layers);
    /// let wrong = store.get::<(Array2<f64>, f64)>("model").unwrap_err();
    /// assert!(matches!(wrong, ndstash::Error::WrongType { .. }));
    /// # Ok::<(), ndstash::Error>(())
    /// ```
    ///
    /// A number may be read as another type that holds exactly that number: an integer as a wider one or as a float, a
    /// float as a narrower one.
    ///
    /// Types that serde has to buffer (`flatten` and enums without a tag outside) come element by element; the arrays in
    /// them take several times their size in memory meanwhile.
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the value is not a `T`: it says where, what was expected and what
    /// was found. [`Error::Corrupt`](crate::Error::Corrupt) or [`Error::Malformed`](crate::Error::Malformed) if manifest
    /// or blob are damaged.
    pub fn get<'a, T: DeserializeOwned>(&self, address: impl Into<Address<'a>>) -> Result<Option<T>> {
        match self.entry(address)? {
            Some(entry) => entry.value().map(Some),
            None => Ok(None),
        }
    }

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
        loop {
            let Some(manifest) = Manifest::read(self, &key)? else { return Ok(None) };
            if let Some(arrays) = self.open_arrays(&manifest)? {
                self.note_use(&key, &manifest.file, manifest.modified);
                return Ok(Some(Entry {
                    info: EntryInfo::new(manifest.head, manifest.body, manifest.modified),
                    arrays,
                }));
            }
            // A blob is missing. If the entry is another one by now, that one counts; else it is a miss.
            if self.entry_id(&key)? == Some(manifest.head.id) {
                return Ok(None);
            }
        }
    }

    fn open_arrays(&self, manifest: &Manifest) -> Result<Option<Vec<StoredArray>>> {
        let mut blobs = Vec::with_capacity(manifest.head.blobs.len());
        for blob in &manifest.head.blobs {
            let Some(open) = self.open_blob(blob)? else { return Ok(None) };
            blobs.push((*blob, open));
        }
        let arrays = manifest.body.arrays.iter().map(|record| match &record.data {
            Data::Inline(Inline(bytes)) => StoredArray::inline(self, record, bytes),
            Data::Blob(at) => {
                let (blob, open) = &blobs[*at as usize];
                StoredArray::blob_of(self, record, *blob, open.clone())
            }
        });
        Ok(Some(arrays.collect()))
    }

    /// Notes the use, coarsely. That it cannot be noted (another user's entry, say) is nobody's concern.
    fn note_use(&self, key: &Key, file: &File, modified: i64) {
        let now = disk::now_ns() / 1_000_000_000;
        if !self.is_read_only() && now - modified >= USE_GRAIN {
            drop(self.root().touch(file, &layout::entry(key)));
        }
    }

    /// Whether an entry that was read before is still the one under its key; if so, that counts as a use.
    pub(crate) fn is_still(&self, entry: &Entry) -> Result<bool> {
        let key = entry.key();
        let Some((head, file, modified)) = Manifest::open_head(self, &key)? else { return Ok(false) };
        if head.id != entry.info.head.id {
            return Ok(false);
        }
        self.note_use(&key, &file, modified);
        Ok(true)
    }
}
