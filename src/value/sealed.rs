//! An array that was produced piece by piece: complete, on disk, not yet part of an entry.

use std::fmt;
use std::marker::PhantomData;

use ndarray::Dimension;

use super::{StoredArray, Writer};
use crate::digest::Digest;
use crate::disk::PrivateFile;
use crate::dtype::{DType, Element};
use crate::error::Result;
use crate::format::body::{ArrayRecord, Data, Inline, Order};
use crate::format::head::BlobRef;
use crate::format::tree::Tree;
use crate::key::Address;
use crate::mem::MappedArray;
use crate::store::{PutReport, Staged, Store};

/// An array that is complete and on disk, whatever its type.
pub(super) struct Sealed {
    store: Store,
    pub(super) array: StoredArray,
    /// What keeps the bytes at hand until the commit; `None` for an array that is short enough to lie in a manifest.
    staged: Option<Staged>,
}

impl Sealed {
    /// Seals elements in memory, in C order; into a private file that was made for them, if there is one.
    pub(super) fn of_bytes(
        store: &Store,
        dtype: DType,
        shape: &[u64],
        bytes: &[u8],
        file: Option<PrivateFile>,
    ) -> Result<Self> {
        if bytes.len() as u64 <= store.arrays().inline_max {
            let record = record(dtype, shape, Data::Inline(Inline(Vec::new())));
            let array = StoredArray::inline(store, &record, bytes);
            return Ok(Sealed { store: store.clone(), array, staged: None });
        }
        let blob = BlobRef { digest: Digest::of(bytes), len: bytes.len() as u64 };
        let staged = match store.stage_known(blob, true)? {
            Some(there) => there,
            None => store.stage_bytes_into(file, blob, bytes)?,
        };
        Self::of_staged(store, dtype, shape, staged)
    }

    /// Seals a blob: its content is on disk after, or owed where syncs may wait.
    pub(super) fn of_staged(store: &Store, dtype: DType, shape: &[u64], staged: Staged) -> Result<Self> {
        let staged = staged.seal(store.durability())?;
        let open = store.open_bytes(staged.blob.len, staged.open()?)?;
        let record = record(dtype, shape, Data::Blob(0));
        let array = StoredArray::blob_of(store, &record, staged.blob, open, store.boot());
        Ok(Sealed { store: store.clone(), array, staged: Some(staged) })
    }

    pub(super) fn add_to(self, writer: &mut Writer) -> Result<Tree> {
        match self.staged {
            Some(staged) if self.store.is_clone_of(writer.store()) => writer.staged(&self.array, staged),
            _ => writer.stored(&self.array),
        }
    }

    pub(super) fn put(self, address: Address<'_>) -> Result<PutReport> {
        let mut writer = self.store.writer();
        let value = self.add_to(&mut writer)?;
        writer.put(address, value)
    }
}

fn record(dtype: DType, shape: &[u64], data: Data) -> ArrayRecord {
    ArrayRecord { dtype, shape: shape.to_vec(), order: Order::C, data }
}

/// An array that is complete, from [`WritableArray::seal`](crate::WritableArray::seal) or
/// [`GrowingArray::finish`](crate::GrowingArray::finish). It becomes part of an entry by [`Writer::sealed`] or
/// [`put`](Self::put); dropping it leaves nothing.
pub struct SealedArray<A: Element, D: Dimension> {
    sealed: Sealed,
    kind: PhantomData<fn() -> (A, D)>,
}

impl<A: Element, D: Dimension> SealedArray<A, D> {
    /// Seals elements in memory, in C order; into a private file that was made for them, if there is one.
    pub(super) fn of_elements(store: &Store, shape: &[u64], bytes: &[u8], file: Option<PrivateFile>) -> Result<Self> {
        Ok(Self::new(Sealed::of_bytes(store, A::DTYPE, shape, bytes, file)?))
    }

    /// Seals a blob: its content is on disk after, or owed where syncs may wait.
    pub(super) fn of_staged(store: &Store, shape: &[u64], staged: Staged) -> Result<Self> {
        Ok(Self::new(Sealed::of_staged(store, A::DTYPE, shape, staged)?))
    }

    fn new(sealed: Sealed) -> Self {
        SealedArray { sealed, kind: PhantomData }
    }

    /// The digest of the bytes: the name that the blob will have.
    pub fn digest(&self) -> Digest {
        self.sealed.array.digest()
    }

    /// The extents.
    pub fn shape(&self) -> &[u64] {
        self.sealed.array.shape()
    }

    /// The array, for reading: mapped at no cost where the store maps and the array is not one of the small ones, else
    /// read into memory. It stays valid whatever becomes of `self`.
    ///
    /// # Errors
    /// As [`StoredArray::map`].
    pub fn map(&self) -> Result<MappedArray<A, D>> {
        self.sealed.array.map()
    }

    /// Publishes an entry whose value is this array, replacing what is there; as [`Writer::put`].
    pub fn put<'a>(self, address: impl Into<Address<'a>>) -> Result<PutReport> {
        self.sealed.put(address.into())
    }
}

impl Writer {
    /// Adds an array that was produced in this store, without hashing, writing or copying it again. A small one lies
    /// in the manifest like any array; one whose bytes are in the store by now shares them.
    ///
    /// One that was produced through another handle than this writer's is copied.
    pub fn sealed<A: Element, D: Dimension>(&mut self, sealed: SealedArray<A, D>) -> Result<Tree> {
        sealed.sealed.add_to(self)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dtype, shape) = (self.array.dtype(), self.array.shape());
        f.debug_struct("Sealed")
            .field("dtype", &dtype)
            .field("shape", &shape)
            .field("staged", &self.staged)
            .finish_non_exhaustive()
    }
}

impl<A: Element, D: Dimension> fmt::Debug for SealedArray<A, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealedArray").field(&self.sealed).finish()
    }
}
