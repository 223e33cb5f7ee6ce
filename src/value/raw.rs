//! Arrays that are produced in place by callers that have no types for them: through a pointer.

use std::io::Read;

use super::Writer;
use super::sealed::Sealed;
use super::writer::{check_raw, checked_elements, expected_len};
use crate::digest::Digest;
use crate::disk::{Positioned, PrivateFile};
use crate::dtype::DType;
use crate::error::{At, Error, Result};
use crate::format::tree::Tree;
use crate::key::Address;
use crate::layout;
use crate::mem::{self, MappedBytes, RawMemory};
use crate::store::{PutReport, Staged, Store};

/// An array that is being produced through a pointer: zeros in C order, writable. Otherwise like
/// [`WritableArray`](crate::WritableArray): a private file lies beneath, where that can be. Dropping it leaves nothing
/// on disk.
#[derive(Debug)]
pub struct RawArray {
    memory: RawMemory,
    place: Place,
    store: Store,
    dtype: DType,
    shape: Vec<u64>,
}

/// Where the elements lie.
#[derive(Debug)]
enum Place {
    /// In a map of this file.
    Mapped(PrivateFile),
    /// In ordinary memory; to be written into this file, if there is one.
    Heap(Option<PrivateFile>),
}

impl Store {
    /// Makes an array of zeros to be filled in place through a pointer; see [`RawArray`].
    ///
    /// # Errors
    /// [`Error::TooLarge`] if there can be no such array, or memory is wanted and there is not enough;
    /// [`Error::Io`] if the disk has no room for it ([`Error::is_full`]) or fails. Nothing is left then.
    pub fn create_raw(&self, dtype: DType, shape: &[u64]) -> Result<RawArray> {
        self.check_writable()?;
        let size = expected_len(dtype, shape)?;
        let too_large = || Error::TooLarge { what: "the array", size, limit: isize::MAX.unsigned_abs() as u64 };
        let len = isize::try_from(size).map_err(|_| too_large())?.unsigned_abs();
        let file = if size > self.arrays().inline_max { Some(self.private_dir()?.file()?) } else { None };
        let (memory, place) = match file {
            Some(file) if file.allocate(size)? && self.mapping().allows_maps() => {
                let memory = RawMemory::on_file(file.file(), len, self.mapping());
                (memory.at("map", self.root().full(&layout::TMP))?, Place::Mapped(file))
            }
            file => (RawMemory::anonymous(len).map_err(|_| too_large())?, Place::Heap(file)),
        };
        Ok(RawArray { memory, place, store: self.clone(), dtype, shape: shape.to_vec() })
    }
}

impl RawArray {
    /// The memory that its elements lie in. It stays for as long as a clone of it is held: whoever shows it to others
    /// holds one.
    pub fn memory(&self) -> &RawMemory {
        &self.memory
    }

    /// Where the elements begin; as [`RawMemory::as_mut_ptr`].
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.memory.as_mut_ptr()
    }

    /// How many bytes the elements take.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The extents; empty for a scalar.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Whether the elements lie in a map of a file (else in ordinary memory).
    pub fn is_mapped(&self) -> bool {
        matches!(self.place, Place::Mapped(_))
    }

    /// Hashes the bytes on all cores and puts them on disk. What is written to the memory after that reaches nobody;
    /// what is written meanwhile becomes part of the array, or does not.
    ///
    /// A process that was forked while the array was being filled shares its memory, and may help to fill it. While one
    /// is there that could still write to it, the bytes are copied.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk is full or fails, or an element of a boolean array is neither 0 nor 1. Nothing is left
    /// on disk then; clones of the memory stay readable.
    pub fn seal(self) -> Result<SealedRaw> {
        let RawArray { memory, place, store, dtype, shape } = self;
        let sealed = match place {
            Place::Mapped(file) => seal_mapped(&store, dtype, &shape, &memory, file)?,
            Place::Heap(Some(file)) => {
                let staged = Staged::read_into(file, &mut checked_elements(dtype, memory.reader()))?;
                Sealed::of_staged(&store, dtype, &shape, staged)?
            }
            Place::Heap(None) => {
                let mut bytes = Vec::with_capacity(memory.len());
                memory.reader().read_to_end(&mut bytes).at("take", "the input")?;
                check_raw(dtype, &shape, &bytes)?;
                Sealed::of_bytes(&store, dtype, &shape, &bytes, None)?
            }
        };
        Ok(SealedRaw { sealed, memory })
    }
}

/// Seals the file beneath a map. From the first step on nothing that this process writes to the memory reaches the file,
/// and if nobody else has it open for writing either, nobody's does.
fn seal_mapped(store: &Store, dtype: DType, shape: &[u64], memory: &RawMemory, file: PrivateFile) -> Result<Sealed> {
    let (len, tmp) = (memory.len() as u64, || store.root().full(&layout::TMP));
    let file = file.into_read_only()?;
    memory.detach(file.file(), store.mapping()).at("map", tmp())?;
    if mem::nobody_writes(file.file()) {
        let sealed = Sealed::of_staged(store, dtype, shape, store.stage_filled(file, len)?)?;
        if let Some(bytes) = sealed.array.mapped() {
            check_raw(dtype, shape, bytes)?;
        }
        return Ok(sealed);
    }
    let mut bytes = checked_elements(dtype, Positioned::new(file.file()));
    let staged = store.stage_reader(&mut bytes, Some(len))?.seal(store.durability())?;
    memory.detach(&staged.open()?, store.mapping()).at("map", tmp())?;
    Sealed::of_staged(store, dtype, shape, staged)
}

/// An array that was produced through a pointer: complete, from [`RawArray::seal`]. It becomes part of an entry by
/// [`Writer::sealed_raw`] or [`put`](Self::put); dropping it leaves nothing.
#[derive(Debug)]
pub struct SealedRaw {
    sealed: Sealed,
    memory: RawMemory,
}

impl SealedRaw {
    /// The memory that it was produced in: what it held stays readable, and what is written reaches nobody, for as long
    /// as a clone of it is held.
    pub fn memory(&self) -> &RawMemory {
        &self.memory
    }

    /// The digest of the bytes: the name that the blob will have.
    pub fn digest(&self) -> Digest {
        self.sealed.array.digest()
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.sealed.array.dtype()
    }

    /// The extents; empty for a scalar.
    pub fn shape(&self) -> &[u64] {
        self.sealed.array.shape()
    }

    /// The bytes, for reading: mapped at no cost where the store maps and the array is not one of the small ones, else
    /// read into memory.
    ///
    /// # Errors
    /// As [`StoredArray::map_bytes`](crate::StoredArray::map_bytes).
    pub fn map_bytes(&self) -> Result<MappedBytes> {
        self.sealed.array.map_bytes()
    }

    /// Publishes an entry whose value is this array, replacing what is there; as [`Writer::put`].
    pub fn put<'a>(self, address: impl Into<Address<'a>>) -> Result<PutReport> {
        self.sealed.put(address.into())
    }
}

impl Writer {
    /// Adds an array that was produced through a pointer; otherwise like [`sealed`](Self::sealed).
    pub fn sealed_raw(&mut self, sealed: SealedRaw) -> Result<Tree> {
        sealed.sealed.add_to(self)
    }
}
