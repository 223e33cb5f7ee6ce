//! Loading a value and nothing else: what only people and queries look at is not even decoded.

use serde::de::{Deserialize, DeserializeOwned};

use super::entry::{Opened, resolve};
use super::{StoredArray, load};
use crate::error::Result;
use crate::format::body::Content;
use crate::format::head::Head;
use crate::format::tree::Tree;
use crate::key::{Address, Key};
use crate::store::{Manifest, Store};

/// A value that can be loaded, whatever happens to its entry meanwhile: all its blobs are open. What else the entry says
/// of itself was not looked at.
#[derive(Debug)]
pub struct Loadable {
    pub(crate) head: Head,
    tree: Tree,
    arrays: Vec<StoredArray>,
}

impl Loadable {
    /// The value: its arrays are named where they were.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The array that a node of the tree refers to.
    pub fn resolve(&self, node: &Tree) -> Option<&StoredArray> {
        resolve(&self.arrays, node)
    }

    /// As [`Entry::value`](super::Entry::value).
    pub(crate) fn value<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        load::value(&self.tree, &self.arrays)
    }

    /// What holding it costs: bytes of ordinary memory once it is [in memory](Self::into_memory), and number of maps.
    pub(crate) fn footprint(&self) -> (u64, u64) {
        let arrays = self.arrays.iter();
        let (maps, heap): (Vec<_>, Vec<_>) =
            arrays.map(|array| (array, array.is_mapped())).partition(|(_, mapped)| *mapped);
        let heap: u64 = heap.iter().map(|(array, _)| array.len_bytes()).sum();
        (self.tree.footprint() + heap, maps.len() as u64)
    }

    /// Reads every array that is neither mapped nor in the manifest, and checks it, so that no file stays open.
    pub(crate) fn into_memory(self) -> Result<Self> {
        let arrays = self.arrays.into_iter().map(StoredArray::into_memory).collect::<Result<_>>()?;
        Ok(Loadable { arrays, ..self })
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
    /// was found. [`Error::Unsupported`](crate::Error::Unsupported) if it is encoded in another way than as a tree, by
    /// another program. [`Error::Corrupt`](crate::Error::Corrupt) or [`Error::Malformed`](crate::Error::Malformed) if
    /// manifest or blob are damaged.
    pub fn get<'a, T: DeserializeOwned>(&self, address: impl Into<Address<'a>>) -> Result<Option<T>> {
        match self.loadable(&address.into().key()?, false)? {
            Some(found) => found.value().map(Some),
            None => Ok(None),
        }
    }

    /// As [`entry`](Self::entry), of what loading the value takes; the use is not noted if it was a moment ago.
    pub(crate) fn loadable(&self, key: &Key, noted: bool) -> Result<Option<Loadable>> {
        let opened = self.open_by(Content::parse, |content| &content.arrays, key)?;
        let Some((Manifest { head, body, file }, Opened { arrays, .. })) = opened else { return Ok(None) };
        load::check_encoding(self, key, &body.encoding)?;
        if !noted {
            self.note_use(key, &file)?;
        }
        Ok(Some(Loadable { head, tree: body.value, arrays }))
    }

    /// Whether a value that was read before is still the one under its key; if so, that counts as a use.
    pub(crate) fn is_still(&self, found: &Loadable) -> Result<bool> {
        let key = found.head.key;
        let Some((head, file)) = Manifest::open_head(self, &key)? else { return Ok(false) };
        if head.id != found.head.id {
            return Ok(false);
        }
        self.note_use(&key, &file)?;
        Ok(true)
    }
}
