//! One array of an open entry: loaded into memory, mapped, or streamed.

use std::io::Write;
use std::sync::Arc;

use ndarray::{Array, Dimension};

use super::array::Layout;
use crate::digest::{Digest, Hasher};
use crate::disk::{self, Positioned};
use crate::dtype::{DType, Element};
use crate::error::{At, Error, Result};
use crate::format::body::{ArrayRecord, Order};
use crate::format::head::BlobRef;
use crate::layout;
use crate::mem::{self, MappedArray};
use crate::store::{OpenBlob, Store, VerifyOnRead, for_each_piece};

#[expect(clippy::disallowed_types, reason = "a file that `disk` opened")]
type File = std::fs::File;

/// An array in a store, its bytes open: loading it cannot fail for want of them.
#[derive(Clone, Debug)]
pub struct StoredArray {
    pub(super) store: Store,
    dtype: DType,
    shape: Vec<u64>,
    order: Order,
    pub(super) source: Source,
    /// What the entry says that names it: which boot it was made in.
    pub(super) boot: [u8; 16],
}

#[derive(Clone, Debug)]
pub(super) enum Source {
    Inline(Arc<[u8]>),
    Blob(BlobRef, OpenBlob),
}

impl StoredArray {
    pub(super) fn inline(store: &Store, record: &ArrayRecord, bytes: &[u8]) -> Self {
        Self::new(store, record, Source::Inline(bytes.into()), store.boot())
    }

    pub(super) fn blob_of(store: &Store, record: &ArrayRecord, blob: BlobRef, open: OpenBlob, boot: [u8; 16]) -> Self {
        Self::new(store, record, Source::Blob(blob, open), boot)
    }

    fn new(store: &Store, record: &ArrayRecord, source: Source, boot: [u8; 16]) -> Self {
        let (dtype, shape, order) = (record.dtype, record.shape.clone(), record.order);
        StoredArray { store: store.clone(), dtype, shape, order, source, boot }
    }

    pub(super) fn is_mapped(&self) -> bool {
        self.mapped().is_some()
    }

    /// The bytes of a map.
    pub(super) fn mapped(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Blob(_, OpenBlob::Mapped(map)) => Some(map.bytes()),
            _ => None,
        }
    }

    /// The same array, its bytes mapped or in memory.
    pub(super) fn into_memory(self) -> Result<Self> {
        if !matches!(self.source, Source::Blob(_, OpenBlob::File(_))) {
            return Ok(self);
        }
        let bytes = self.to_bytes()?;
        Ok(StoredArray { source: Source::Inline(bytes.into()), ..self })
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The extents; empty for a scalar.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// How the elements lie.
    pub fn order(&self) -> Order {
        self.order
    }

    /// The size in bytes.
    pub fn len_bytes(&self) -> u64 {
        match &self.source {
            Source::Inline(bytes) => bytes.len() as u64,
            Source::Blob(blob, _) => blob.len,
        }
    }

    /// The digest of the bytes: of a blob, its name.
    pub fn digest(&self) -> Digest {
        match &self.source {
            Source::Inline(bytes) => Digest::of(bytes),
            Source::Blob(blob, _) => blob.digest,
        }
    }

    pub(super) fn blob(&self) -> Option<BlobRef> {
        match &self.source {
            Source::Inline(_) => None,
            Source::Blob(blob, _) => Some(*blob),
        }
    }

    /// Loads the array into memory of its own, in the order it was stored in, and checks its digest unless the store
    /// was opened with [`VerifyOnRead::Never`].
    ///
    /// # Errors
    /// [`Error::WrongType`] if dtype or rank are not those asked for, [`Error::Corrupt`] if the bytes are damaged,
    /// [`Error::Malformed`] if a bool is neither 0 nor 1, [`Error::TooLarge`] if they do not fit into memory.
    pub fn to_array<A: Element, D: Dimension>(&self) -> Result<Array<A, D>> {
        self.check_type(A::DTYPE, D::NDIM)?;
        mem::load_array(self)
    }

    /// Maps the array: constant time, no copy. Without the caller's promise that maps are safe (see
    /// [`MapPolicy`](crate::MapPolicy)), and for arrays inside the manifest, the array is loaded into memory instead.
    ///
    /// The content of a map is not checked against its digest: that would read all of it.
    /// # Errors
    /// As [`to_array`](Self::to_array).
    pub fn map<A: Element, D: Dimension>(&self) -> Result<MappedArray<A, D>> {
        self.check_type(A::DTYPE, D::NDIM)?;
        let shape = mem::extents(self)?;
        let mapped = match &self.source {
            Source::Blob(blob, OpenBlob::Mapped(map)) => {
                MappedArray::from_map(Arc::clone(map), blob.digest, &shape, self.order)
            }
            _ => MappedArray::from_elements(mem::load::<A>(self)?, &shape, self.order),
        };
        mapped.ok_or_else(|| mem::not_viewable(self))
    }

    /// Loads layout and elements, checked like [`to_array`](Self::to_array).
    pub(super) fn parts<A: Element>(&self, rank: Option<usize>) -> Result<(Layout, Vec<A>)> {
        self.check_type(A::DTYPE, rank)?;
        Ok((Layout { shape: mem::extents(self)?, order: self.order }, mem::load(self)?))
    }

    /// The bytes, in the order they are stored in, checked like [`to_array`](Self::to_array).
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        mem::load_raw::<u8>(self)
    }

    /// Writes the bytes, in the order they are stored in, piece by piece. If they turn out to be damaged the error
    /// comes at the end, when they have been written: what was made of them is to be dropped.
    pub fn write_to(&self, to: &mut impl Write) -> Result<()> {
        let mut hasher = Hasher::new();
        let mut len = 0;
        let mut take = |piece: &[u8]| {
            hasher.update(piece);
            len += piece.len() as u64;
            to.write_all(piece).at("write", "the output")
        };
        match &self.source {
            Source::Inline(bytes) => return take(bytes),
            Source::Blob(_, OpenBlob::Mapped(map)) => map.bytes().chunks(8 << 20).try_for_each(take)?,
            Source::Blob(blob, OpenBlob::File(file)) => {
                for_each_piece(&mut Positioned::new(file), take).map_err(|error| self.store.name_input(error, blob))?;
            }
        }
        match self.blob() {
            Some(blob) => self.judge(&blob, BlobRef { digest: hasher.finish(), len }),
            None => Ok(()),
        }
    }

    /// Writes the bytes into a file from `offset` on, after checking their digest. Where the file system can share
    /// blocks between files, and `offset` is a multiple of their size, no block is copied.
    #[expect(clippy::disallowed_types, reason = "the caller's file, which the caller opened")]
    pub fn copy_to_file(&self, to: &std::fs::File, offset: u64) -> Result<()> {
        if let Source::Blob(blob, _) = &self.source
            && let Some(file) = self.reopen(blob)?
        {
            if self.store.verify_on_read() == VerifyOnRead::Always {
                self.judge(blob, self.store.hash_file(blob, &file)?)?;
            }
            return disk::copy_range(&file, to, offset, blob.len).at("copy", self.path(blob));
        }
        let mut to = disk::WriterAt::new(to, offset);
        self.write_to(&mut to)
    }

    /// The blob's open file; of a mapped one, the file under its name, if it is still there.
    fn reopen(&self, blob: &BlobRef) -> Result<Option<Arc<File>>> {
        match &self.source {
            Source::Blob(_, OpenBlob::File(file)) => Ok(Some(Arc::clone(file))),
            _ => Ok(self.store.root().open_file(&layout::blob(&blob.digest))?.map(Arc::new)),
        }
    }

    fn judge(&self, blob: &BlobRef, found: BlobRef) -> Result<()> {
        if found == *blob || self.store.verify_on_read() == VerifyOnRead::Never {
            return Ok(());
        }
        Err(match &self.source {
            Source::Blob(_, OpenBlob::File(file)) => self.store.condemn(blob, &found, file),
            _ => self.store.condemn_by_name(blob, &found),
        })
    }

    pub(super) fn check_type(&self, dtype: DType, rank: Option<usize>) -> Result<()> {
        check_type(self, dtype, rank)
    }

    /// Dtype and shape in a few words.
    pub(super) fn describe(&self) -> String {
        describe(self)
    }

    fn any_path(&self) -> std::path::PathBuf {
        self.blob().map_or_else(|| self.store.path().to_owned(), |blob| self.path(&blob))
    }

    pub(super) fn path(&self, blob: &BlobRef) -> std::path::PathBuf {
        self.store.root().full(&layout::blob(&blob.digest))
    }
}

/// # Errors
/// [`Error::WrongType`] if dtype or rank are others.
pub(super) fn check_type(array: &dyn mem::Source, dtype: DType, rank: Option<usize>) -> Result<()> {
    if dtype == array.dtype() && rank.is_none_or(|rank| rank == array.shape().len()) {
        return Ok(());
    }
    let expected = match rank {
        Some(rank) => format!("{dtype} of {rank} dimensions"),
        None => dtype.to_string(),
    };
    Err(Error::WrongType { at: String::new(), expected, found: describe(array) })
}

fn describe(array: &dyn mem::Source) -> String {
    format!("{} of shape {:?}", array.dtype(), array.shape())
}

impl mem::Source for StoredArray {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn order(&self) -> Order {
        self.order
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        match &self.source {
            Source::Inline(inline) => bytes.copy_from_slice(inline),
            Source::Blob(blob, open) => self.store.load_blob(blob, open, bytes)?,
        }
        Ok(())
    }

    fn malformed(&self, reason: String) -> Error {
        Error::Malformed { path: self.any_path(), field: "elements", reason }
    }
}
