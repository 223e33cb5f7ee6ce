//! The bytes of a stored array without its type, for callers that view them in a language of their own; and back into
//! entries, by their name.

use std::borrow::Cow;
use std::sync::Arc;

use super::Writer;
use super::stored::{Source, StoredArray};
use super::writer::{check_len, check_raw};
use crate::digest::Digest;
use crate::dtype::DType;
use crate::error::{At, Error, Result};
use crate::format::body::{ArrayRecord, Data, Order};
use crate::format::head::BlobRef;
use crate::format::tree::{ArrayIndex, Tree};
use crate::mem::{self, Elements, Form, Heap, MappedBytes, PrivateBytes};
use crate::store::{OpenBlob, Store};

impl StoredArray {
    /// Loads the bytes, in the order they are stored in, into memory of the caller's, checked like
    /// [`to_array`](Self::to_array). If it fails the memory has anything in it.
    ///
    /// # Errors
    /// [`Error::WrongType`] if the memory is not [as long](Self::len_bytes) as the bytes; else as
    /// [`to_array`](Self::to_array).
    pub fn read_into(&self, bytes: &mut [u8]) -> Result<()> {
        check_len(self.dtype(), self.shape(), bytes.len() as u64)?;
        mem::Source::fill(self, bytes)?;
        self.check_elements(bytes)
    }

    /// The bytes, in the order they are stored in: mapped, where [`map`](Self::map) maps, else loaded like
    /// [`read_into`](Self::read_into).
    ///
    /// The content of a map is not compared with its digest; of booleans, all are looked at.
    ///
    /// # Errors
    /// As [`to_array`](Self::to_array).
    pub fn map_bytes(&self) -> Result<MappedBytes> {
        let Source::Blob(blob, OpenBlob::Mapped(map)) = &self.source else {
            return self.load().map(MappedBytes::of_heap);
        };
        let bytes = MappedBytes::of_map(Arc::clone(map), blob.digest);
        self.check_elements(&bytes)?;
        Ok(bytes)
    }

    /// A private, writable copy of the bytes: under a copy-on-write map of the blob, at no cost, where
    /// [`map`](Self::map) maps and the blob is still there; else loaded like [`read_into`](Self::read_into). What is
    /// written to it never reaches the store.
    ///
    /// The content of a map is not compared with its digest; of booleans, all are looked at.
    ///
    /// # Errors
    /// As [`to_array`](Self::to_array).
    pub fn map_private(&self) -> Result<PrivateBytes> {
        let Source::Blob(blob, OpenBlob::Mapped(map)) = &self.source else {
            return self.load().map(PrivateBytes::of_heap);
        };
        let len = map.bytes().len();
        let bytes = match self.store.open_certain(blob, &self.boot)? {
            Some(file) if len > 0 => {
                PrivateBytes::of_file(&file, len, self.store.mapping()).at("map", self.path(blob))?
            }
            _ => return self.load().map(PrivateBytes::of_heap),
        };
        self.check_elements(bytes.bytes())?;
        Ok(bytes)
    }

    fn load(&self) -> Result<Heap> {
        let (size, limit) = (self.len_bytes(), isize::MAX.unsigned_abs() as u64);
        let heap = usize::try_from(size).ok().and_then(Heap::zeroed);
        let mut heap = heap.ok_or(Error::TooLarge { what: "the array", size, limit })?;
        self.read_into(&mut heap)?;
        Ok(heap)
    }

    /// A bool is 0 or 1; of every other type all bytes are good.
    fn check_elements(&self, bytes: &[u8]) -> Result<()> {
        let bad = if self.dtype() == DType::Bool { bytes.iter().position(|&byte| byte > 1) } else { None };
        bad.map_or(Ok(()), |at| Err(mem::Source::malformed(self, format!("element {at} is not a valid bool"))))
    }
}

impl Store {
    /// A blob by its name, as an array of bytes; `None` if it is missing. Nothing keeps it from being collected but an
    /// entry that names it; what is open stays readable. `boot`: what [`boot`](Self::boot) was where the blob was seen
    /// to be there; if it is not that of this handle, a blob that was not on disk then is read and hashed first.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it has another length, or is damaged as far as that shows when it is opened.
    pub fn blob(&self, digest: &Digest, len: u64, boot: [u8; 16]) -> Result<Option<StoredArray>> {
        let blob = BlobRef { digest: *digest, len };
        let record = ArrayRecord { dtype: DType::UInt8, shape: vec![len], order: Order::C, data: Data::Blob(0) };
        Ok(self.open_claimed(&blob, &boot)?.map(|open| StoredArray::blob_of(self, &record, blob, open, boot)))
    }
}

impl Writer {
    /// Adds an array whose little-endian elements are at hand as bytes that came out of a store. Those of a whole blob
    /// that is in this store are neither hashed nor copied; else as [`raw_array`](Self::raw_array).
    ///
    /// # Errors
    /// As [`raw_array`](Self::raw_array).
    pub fn raw_known(&mut self, dtype: DType, shape: &[u64], order: Order, bytes: &MappedBytes) -> Result<Tree> {
        self.known(dtype, shape, order, bytes).map(Tree::Array)
    }

    /// Adds a byte string that came out of a store; one that is a whole blob of this store is neither hashed nor copied.
    pub fn payload_known(&mut self, bytes: &MappedBytes) -> Result<Tree> {
        self.known(DType::UInt8, &[bytes.len() as u64], Order::C, bytes).map(Tree::Payload)
    }

    fn known(&mut self, dtype: DType, shape: &[u64], order: Order, bytes: &MappedBytes) -> Result<ArrayIndex> {
        check_raw(dtype, shape, bytes)?;
        let blob = bytes.blob().map(|digest| (digest, bytes.len() as u64));
        let (shape, bytes) = (shape.to_vec(), Cow::Borrowed(&**bytes));
        self.held_elements(Elements { dtype, shape, order, bytes, form: Form::Array, blob })
    }
}
