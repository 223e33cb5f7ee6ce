//! Arrays whose first dimension grows while they are produced: written and hashed row by row, in one pass.

use std::fmt;
use std::io;

use ndarray::{ArrayRef, Dimension, IntoDimension};

use super::SealedArray;
use super::writer::expected_len;
use crate::digest::Hasher;
use crate::disk::PrivateFile;
use crate::dtype::Element;
use crate::error::{At, Error, Result};
use crate::key::Address;
use crate::layout;
use crate::store::{PutReport, Store};

/// How many bytes are gathered before they are hashed and written.
const PIECE: u64 = 8 << 20;

/// An array that grows by rows: `[n, row...]`, in C order, with `n` known when it is finished. Rows go to disk as they
/// come, so the array may be larger than memory; at most 8 MiB of it are in memory at a time (or as many as the store
/// keeps inside manifests, if that is more). Dropping it leaves nothing.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let store = ndstash::Store::create(dir.path().join("s"))?;
/// use ndarray::{Array1, Array2, Ix2};
///
/// let mut history = store.append_array::<f64, _>(3)?; // rows of three elements
/// history.push(&Array1::from(vec![0.0, 1.0, 2.0]))?;
/// history.extend(&Array2::ones((4, 3)))?;
/// history.put("history")?;
///
/// let stored = store.entry("history")?.unwrap().array().unwrap().to_array::<f64, Ix2>()?;
/// assert_eq!((stored.dim(), stored.sum()), ((5, 3), 15.0));
/// # Ok::<(), ndstash::Error>(())
/// ```
pub struct GrowingArray<A: Element, D: Dimension> {
    store: Store,
    row: D,
    rows: u64,
    /// What was pushed since the last piece was written; shorter than `room`.
    buffer: Vec<A>,
    room: usize,
    /// What was written so far, from the first piece on.
    written: Option<(PrivateFile, Hasher)>,
    /// A piece was not taken whole: what is in the file is not known.
    broken: bool,
}

impl Store {
    /// Starts an array whose rows have this shape (`()` for one number a row); see [`GrowingArray`].
    ///
    /// # Errors
    /// [`Error::TooLarge`] if there can be no such rows.
    pub fn append_array<A: Element, D: Dimension>(
        &self,
        row: impl IntoDimension<Dim = D>,
    ) -> Result<GrowingArray<A, D>> {
        self.check_writable()?;
        let (row, size) = (row.into_dimension(), size_of::<A>() as u64);
        expected_len(A::DTYPE, &shape(1, &row))?;
        let room = usize::try_from(PIECE.max(self.arrays().inline_max).div_ceil(size)).unwrap_or(usize::MAX);
        Ok(GrowingArray { store: self.clone(), row, rows: 0, buffer: Vec::new(), room, written: None, broken: false })
    }
}

fn shape(rows: u64, row: &impl Dimension) -> Vec<u64> {
    std::iter::once(rows).chain(row.slice().iter().map(|&extent| extent as u64)).collect()
}

impl<A: Element, D: Dimension> GrowingArray<A, D> {
    /// How many rows were pushed.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends one row, in any memory order.
    ///
    /// # Errors
    /// [`Error::WrongType`] if its shape is not that of the rows, and [`Error::TooLarge`] if there can be no array with
    /// one row more: what was pushed before stays, and others may be. [`Error::Io`] if the disk is full or fails: then
    /// every later call fails.
    pub fn push(&mut self, row: &ArrayRef<A, D>) -> Result<()> {
        if row.shape() != self.row.slice() {
            return Err(self.misshapen(format!("a row of shape {:?}", row.shape())));
        }
        self.append(1, row)
    }

    /// Appends several rows at once: an array of one dimension more. Errors are those of [`push`](Self::push).
    pub fn extend(&mut self, rows: &ArrayRef<A, D::Larger>) -> Result<()> {
        match rows.shape().split_first() {
            Some((&count, row)) if row == self.row.slice() => self.append(count as u64, rows),
            _ => Err(self.misshapen(format!("shape {:?}", rows.shape()))),
        }
    }

    fn misshapen(&self, found: String) -> Error {
        Error::WrongType { at: String::new(), expected: format!("rows of shape {:?}", self.row.slice()), found }
    }

    fn append<E: Dimension>(&mut self, count: u64, rows: &ArrayRef<A, E>) -> Result<()> {
        let sum = self.rows.saturating_add(count);
        expected_len(A::DTYPE, &shape(sum, &self.row))?;
        self.check_sound()?;
        match rows.as_slice() {
            Some(elements) => self.take(elements)?,
            None => self.gather(&mut rows.iter().copied())?,
        }
        self.rows = sum;
        Ok(())
    }

    fn check_sound(&self) -> Result<()> {
        let failed = if self.broken { Err(io::Error::other("an earlier write failed")) } else { Ok(()) };
        failed.at("go on with an array in", self.store.root().full(&layout::TMP))
    }

    /// Takes elements that do not lie in order.
    fn gather(&mut self, elements: &mut impl Iterator<Item = A>) -> Result<()> {
        loop {
            self.buffer.extend(elements.take(self.room - self.buffer.len()));
            if self.buffer.len() < self.room {
                return Ok(());
            }
            self.flush()?;
        }
    }

    fn take(&mut self, mut elements: &[A]) -> Result<()> {
        while !elements.is_empty() {
            let (now, later) = elements.split_at(elements.len().min(self.room - self.buffer.len()));
            elements = later;
            if now.len() == self.room {
                self.write(now)?;
                continue;
            }
            self.buffer.extend_from_slice(now);
            if self.buffer.len() == self.room {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let mut piece = std::mem::take(&mut self.buffer);
        self.write(&piece)?;
        piece.clear();
        self.buffer = piece;
        Ok(())
    }

    fn write(&mut self, piece: &[A]) -> Result<()> {
        self.broken = true;
        let (file, hasher) = match &mut self.written {
            Some(written) => written,
            None => self.written.insert((self.store.private_dir()?.file()?, Hasher::new())),
        };
        let bytes = bytemuck::cast_slice(piece);
        hasher.update(bytes);
        file.write(bytes)?;
        self.broken = false;
        Ok(())
    }

    /// Puts what was pushed on disk: an array of shape `[rows, row...]`. Without a row the first extent is 0.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk is full or fails, or did before. Nothing is left then.
    pub fn finish(mut self) -> Result<SealedArray<A, D::Larger>> {
        self.check_sound()?;
        let shape = shape(self.rows, &self.row);
        let rest = bytemuck::cast_slice(&self.buffer);
        let Some((mut file, mut hasher)) = self.written.take() else {
            return SealedArray::of_elements(&self.store, &shape, rest, None);
        };
        hasher.update(rest);
        file.write(rest)?;
        SealedArray::of_staged(&self.store, &shape, self.store.stage_written(file, &hasher)?)
    }

    /// Finishes the array and publishes an entry whose value it is, replacing what is there; as
    /// [`Writer::put`](crate::Writer::put).
    pub fn put<'a>(self, address: impl Into<Address<'a>>) -> Result<PutReport> {
        self.finish()?.put(address)
    }
}

impl<A: Element, D: Dimension> fmt::Debug for GrowingArray<A, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrowingArray")
            .field("dtype", &A::DTYPE)
            .field("row", &self.row)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}
