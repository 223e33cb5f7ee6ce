//! Arrays that are produced where they will lie: writable memory of a private file.

use std::fmt;
use std::ops::{Deref, DerefMut};

use ndarray::{ArrayRef, Dimension, IntoDimension};

use super::SealedArray;
use super::writer::expected_len;
use crate::disk::PrivateFile;
use crate::dtype::Element;
use crate::error::{At, Error, Result};
use crate::key::Address;
use crate::layout;
use crate::mem::Canvas;
use crate::store::{PutReport, Store};

/// An array that is being produced: zeros in C order, writable, and a private file beneath. It derefs to ndarray's
/// [`ArrayRef`], so it is filled like any array, by many threads at once if need be. Dropping it leaves nothing.
///
/// Its memory is a map of the file, and so may be larger than the machine's, if the store was opened with
/// [`MapPolicy::trusted`](crate::MapPolicy::trusted) and its file system can reserve space: all of it is reserved
/// first, since a disk that becomes full under a writable map kills the process (SIGBUS): a file system that promises
/// space must keep its word. Else, and for arrays short enough to lie in a manifest, it is ordinary memory, written when
/// the array is sealed.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let store = ndstash::Store::create(dir.path().join("s"))?;
/// use ndarray::Axis;
///
/// let mut table = store.create_array::<f64, _>((1000, 500))?;
/// std::thread::scope(|threads| {
///     for mut rows in table.axis_chunks_iter_mut(Axis(0), 250) {
///         threads.spawn(move || rows.fill(1.5));
///     }
/// });
/// let report = table.put("table")?;
/// assert_eq!(report.new_bytes, 1000 * 500 * 8);
/// # Ok::<(), ndstash::Error>(())
/// ```
pub struct WritableArray<A: Element, D: Dimension> {
    // Before the file: the map is taken down first.
    canvas: Canvas<A, D>,
    file: Option<PrivateFile>,
    store: Store,
    shape: Vec<u64>,
    len: u64,
}

impl Store {
    /// Makes an array of zeros to be filled in place; see [`WritableArray`].
    ///
    /// # Errors
    /// [`Error::TooLarge`] if there can be no such array, or memory is wanted and there is not enough;
    /// [`Error::Io`] if the disk has no room for it ([`Error::is_full`]) or fails. Nothing is left then.
    pub fn create_array<A: Element, D: Dimension>(
        &self,
        shape: impl IntoDimension<Dim = D>,
    ) -> Result<WritableArray<A, D>> {
        self.check_writable()?;
        let dim = shape.into_dimension();
        let shape: Vec<u64> = dim.slice().iter().map(|&extent| extent as u64).collect();
        let len = expected_len(A::DTYPE, &shape)?;
        let file = if len > self.arrays().inline_max { Some(self.private_dir()?.file()?) } else { None };
        let canvas = self.canvas(dim, len, file.as_ref())?;
        Ok(WritableArray { canvas, file, store: self.clone(), shape, len })
    }

    fn canvas<A: Element, D: Dimension>(&self, dim: D, len: u64, file: Option<&PrivateFile>) -> Result<Canvas<A, D>> {
        if let Some(file) = file
            && file.allocate(len)?
            && self.mapping().allows_maps()
        {
            return Canvas::on_file(file.file(), dim, self.mapping()).at("map", self.root().full(&layout::TMP));
        }
        let limit = isize::MAX.unsigned_abs() as u64;
        Canvas::on_heap(dim).ok_or(Error::TooLarge { what: "the size of the array in bytes", size: len, limit })
    }
}

impl<A: Element, D: Dimension> WritableArray<A, D> {
    /// Whether the elements lie in a map of a file (else in ordinary memory).
    pub fn is_mapped(&self) -> bool {
        self.canvas.is_mapped()
    }

    /// Takes the writable memory down, hashes the bytes on all cores and puts them on disk. What is sealed is the
    /// array as it was made, however its axes were turned since.
    ///
    /// A process that was forked while the array was being filled has the same memory. It may help to fill it, and
    /// must not write to it once the array is sealed: that would break the promise that maps rest on.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk is full or fails. Nothing is left then.
    pub fn seal(self) -> Result<SealedArray<A, D>> {
        let WritableArray { canvas, file, store, shape, len } = self;
        match (canvas.into_elements(), file) {
            (None, Some(file)) => SealedArray::of_staged(&store, &shape, store.stage_filled(file, len)?),
            (elements, file) => {
                let elements = elements.unwrap_or_default();
                SealedArray::of_elements(&store, &shape, bytemuck::cast_slice(&elements), file)
            }
        }
    }

    /// Seals the array and publishes an entry whose value it is, replacing what is there; as
    /// [`Writer::put`](crate::Writer::put).
    pub fn put<'a>(self, address: impl Into<Address<'a>>) -> Result<PutReport> {
        self.seal()?.put(address)
    }
}

impl<A: Element, D: Dimension> Deref for WritableArray<A, D> {
    type Target = ArrayRef<A, D>;

    fn deref(&self) -> &ArrayRef<A, D> {
        &self.canvas
    }
}

impl<A: Element, D: Dimension> DerefMut for WritableArray<A, D> {
    fn deref_mut(&mut self) -> &mut ArrayRef<A, D> {
        &mut self.canvas
    }
}

impl<A: Element, D: Dimension> fmt::Debug for WritableArray<A, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WritableArray")
            .field("dtype", &A::DTYPE)
            .field("shape", &self.shape)
            .field("mapped", &self.is_mapped())
            .finish_non_exhaustive()
    }
}
