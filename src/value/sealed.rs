//! An array that was produced piece by piece: complete, on disk, not yet part of an entry.

use std::fmt;
use std::marker::PhantomData;

use ndarray::Dimension;

use super::{StoredArray, Writer};
use crate::digest::Digest;
use crate::disk::PrivateFile;
use crate::dtype::Element;
use crate::error::Result;
use crate::format::body::{ArrayRecord, Data, Inline, Order};
use crate::format::head::BlobRef;
use crate::format::tree::Tree;
use crate::key::Address;
use crate::mem::MappedArray;
use crate::store::{PutReport, Staged, Store};

/// An array that is complete and on disk, from [`WritableArray::seal`](crate::WritableArray::seal) or
/// [`GrowingArray::finish`](crate::GrowingArray::finish). It becomes part of an entry by [`Writer::sealed`] or
/// [`put`](Self::put); dropping it leaves nothing.
pub struct SealedArray<A: Element, D: Dimension> {
    store: Store,
    array: StoredArray,
    /// What keeps the bytes at hand until the commit; `None` for an array that is short enough to lie in a manifest.
    staged: Option<Staged>,
    kind: PhantomData<fn() -> (A, D)>,
}

impl<A: Element, D: Dimension> SealedArray<A, D> {
    /// Seals elements in memory, in C order; into a private file that was made for them, if there is one.
    pub(super) fn of_elements(store: &Store, shape: &[u64], bytes: &[u8], file: Option<PrivateFile>) -> Result<Self> {
        if bytes.len() as u64 <= store.arrays().inline_max {
            let record = record::<A>(shape, Data::Inline(Inline(Vec::new())));
            return Ok(Self::new(store, StoredArray::inline(store, &record, bytes), None));
        }
        let blob = BlobRef { digest: Digest::of(bytes), len: bytes.len() as u64 };
        let staged = match store.stage_known(blob, true)? {
            Some(there) => there,
            None => store.stage_bytes_into(file, blob, bytes)?,
        };
        Self::of_staged(store, shape, staged)
    }

    /// Seals a blob: its content is on disk after.
    pub(super) fn of_staged(store: &Store, shape: &[u64], staged: Staged) -> Result<Self> {
        let staged = staged.seal()?;
        let open = store.open_bytes(staged.blob.len, staged.open()?)?;
        let record = record::<A>(shape, Data::Blob(0));
        Ok(Self::new(store, StoredArray::blob_of(store, &record, staged.blob, open), Some(staged)))
    }

    fn new(store: &Store, array: StoredArray, staged: Option<Staged>) -> Self {
        SealedArray { store: store.clone(), array, staged, kind: PhantomData }
    }

    /// The digest of the bytes: the name that the blob will have.
    pub fn digest(&self) -> Digest {
        self.array.digest()
    }

    /// The extents.
    pub fn shape(&self) -> &[u64] {
        self.array.shape()
    }

    /// The array, for reading: mapped at no cost where the store maps and the array is not one of the small ones, else
    /// read into memory. It stays valid whatever becomes of `self`.
    ///
    /// # Errors
    /// As [`StoredArray::map`].
    pub fn map(&self) -> Result<MappedArray<A, D>> {
        self.array.map()
    }

    /// Publishes an entry whose value is this array, replacing what is there; as [`Writer::put`].
    pub fn put<'a>(self, address: impl Into<Address<'a>>) -> Result<PutReport> {
        let mut writer = self.store.writer();
        let value = writer.sealed(self)?;
        writer.put(address, value)
    }
}

fn record<A: Element>(shape: &[u64], data: Data) -> ArrayRecord {
    ArrayRecord { dtype: A::DTYPE, shape: shape.to_vec(), order: Order::C, data }
}

impl Writer {
    /// Adds an array that was produced in this store, without hashing, writing or copying it again. A small one lies
    /// in the manifest like any array; one whose bytes are in the store by now shares them.
    ///
    /// One that was produced through another handle than this writer's is copied.
    pub fn sealed<A: Element, D: Dimension>(&mut self, sealed: SealedArray<A, D>) -> Result<Tree> {
        match sealed.staged {
            Some(staged) if sealed.store.is_clone_of(self.store()) => self.staged(&sealed.array, staged),
            _ => self.stored(&sealed.array),
        }
    }
}

impl<A: Element, D: Dimension> fmt::Debug for SealedArray<A, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedArray")
            .field("dtype", &A::DTYPE)
            .field("shape", &self.shape())
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}
