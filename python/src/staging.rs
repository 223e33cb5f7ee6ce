//! Memory of Python objects on its way into a store.

use ndstash::{DType, Order, Tree, Writer};
use pyo3::prelude::*;

use crate::buffer::{Buffer, View};
use crate::error::{Fault, Result};
use crate::numpy::Lying;

/// Memory that is to be stored, and what it is.
pub(crate) struct Memory {
    view: View,
    dtype: DType,
    shape: Vec<u64>,
    order: Order,
    /// The buffer whose whole blob it is.
    known: Option<Py<Buffer>>,
    /// Nobody can change it.
    fixed: bool,
}

impl Memory {
    /// The bytes of an object that cannot change.
    pub(crate) fn fixed(view: View) -> Self {
        Memory { fixed: true, ..Memory::plain(view) }
    }

    /// Bytes in a row, whatever they are.
    fn plain(view: View) -> Self {
        let shape = vec![view.len() as u64];
        Memory { view, dtype: DType::UInt8, shape, order: Order::C, known: None, fixed: false }
    }

    /// An array; `None` if it is not one of ndstash's.
    pub(crate) fn array(array: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let Some(Lying { view, dtype, order }) = Lying::of(array)? else { return Ok(None) };
        if !are_elements(dtype, view.bytes()) {
            return Ok(None);
        }
        let (shape, known) = (view.shape(), view.blob(array.py()).map(Bound::unbind));
        Ok(Some(Memory { view, dtype, shape, order, known, fixed: false }))
    }

    /// What an object exports: an array if it looks like one of ndstash's, else bytes in a row.
    ///
    /// # Errors
    /// `Invalid` if there are gaps in it.
    pub(crate) fn exported(object: &Bound<'_, PyAny>) -> Result<Self> {
        let view = View::of(object)?;
        let known = view.blob(object.py()).map(Bound::unbind);
        match (view.dtype(), view.order()) {
            (Some(dtype), Some(order)) if are_elements(dtype, view.bytes()) => {
                Ok(Memory { dtype, shape: view.shape(), order, known, ..Memory::plain(view) })
            }
            (_, Some(_)) => Ok(Memory { known, ..Memory::plain(view) }),
            (_, None) => Err(Fault::invalid("buffer", "", "memory without gaps is expected")),
        }
    }

    /// The same, as bytes in a row.
    pub(crate) fn bytes(object: &Bound<'_, PyAny>) -> Result<Self> {
        let Memory { view, known, .. } = Memory::exported(object)?;
        Ok(Memory { known, ..Memory::plain(view) })
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.view.bytes().to_vec()
    }

    /// Adds it as an array.
    pub(crate) fn write(&self, writer: &mut Writer) -> ndstash::Result<Tree> {
        let Memory { view, dtype, shape, order, known, fixed } = self;
        if let Some(known) = known.as_ref().and_then(|buffer| buffer.get().blob(view)) {
            return writer.raw_known(*dtype, shape, *order, known);
        }
        let bytes = view.bytes();
        if *fixed {
            return writer.raw_array(*dtype, shape, *order, bytes);
        }
        writer.raw_array_volatile(*dtype, shape, *order, bytes)
    }

    /// Adds it as a byte string.
    pub(crate) fn write_bytes(&self, writer: &mut Writer) -> ndstash::Result<Tree> {
        let Memory { view, known, fixed, .. } = self;
        if let Some(known) = known.as_ref().and_then(|buffer| buffer.get().blob(view)) {
            return writer.payload_known(known);
        }
        let bytes = view.bytes();
        if *fixed { writer.bytes(bytes) } else { writer.bytes_volatile(bytes) }
    }
}

/// A bool is 0 or 1; of every other type all bytes are good.
fn are_elements(dtype: DType, bytes: &[u8]) -> bool {
    dtype != DType::Bool || bytes.iter().all(|&byte| byte <= 1)
}
