//! How stored arrays come to Python.

use ndstash::{DType, StoredArray};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::LARGE;
use crate::buffer::{Buffer, fill};
use crate::error::{Fault, Result, detached};
use crate::home::Home;
use crate::numpy::NumPy;

/// How stored arrays come to Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Read-only, mapped where the store maps.
    Read,
    /// Writable, mapped copy-on-write where the store maps.
    Private,
    /// In memory of their own, checked.
    Own,
}

impl<'py> FromPyObject<'_, 'py> for Mode {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.is_none() {
            return Ok(Mode::Own);
        }
        let reason = "\"r\", \"c\" or None is expected";
        match object.cast::<PyString>().map(|mode| mode.to_string_lossy().into_owned()).as_deref() {
            Ok("r") => Ok(Mode::Read),
            Ok("c") => Ok(Mode::Private),
            _ => Err(Fault::invalid("mmap_mode", object.repr()?.to_string_lossy(), reason).into()),
        }
    }
}

impl Mode {
    /// The bytes of an array.
    pub(crate) fn buffer(self, py: Python<'_>, array: &StoredArray, home: &Home) -> Result<Buffer> {
        let store = home.public();
        Ok(match self {
            Mode::Read => Buffer::shared(by_size(py, array, || array.map_bytes())?, store),
            Mode::Private => Buffer::private(by_size(py, array, || array.map_private())?, store),
            Mode::Own => Buffer::own(by_size(py, array, || array.to_bytes())?),
        })
    }

    /// The array, as NumPy has it.
    pub(crate) fn array<'py>(self, py: Python<'py>, array: &StoredArray, home: &Home) -> Result<Bound<'py, PyAny>> {
        let (numpy, dtype, shape, order) = (NumPy::get(py)?, array.dtype(), array.shape(), array.order());
        let made = if self == Mode::Own {
            let made = numpy.empty(py, dtype, shape, order)?;
            fill(&made, |bytes| array.read_into(bytes))??;
            made
        } else {
            let buffer = Bound::new(py, self.buffer(py, array, home)?)?;
            numpy.over(buffer.as_any(), dtype, shape, order)?
        };
        if dtype == DType::BFloat16 { NumPy::as_bfloat16(&made) } else { Ok(made) }
    }
}

/// Does work whose time goes with the size of an array: without the interpreter lock, if that is worth it.
fn by_size<T: Send>(
    py: Python<'_>,
    array: &StoredArray,
    work: impl FnOnce() -> ndstash::Result<T> + Send,
) -> Result<T> {
    if array.len_bytes() < LARGE as u64 { Ok(work()?) } else { detached(py, work) }
}

/// A stored byte string, checked.
pub(crate) fn bytes<'py>(py: Python<'py>, stored: &StoredArray) -> Result<Bound<'py, PyBytes>> {
    let len =
        usize::try_from(stored.len_bytes()).map_err(|_| Fault::invalid("bytes", "", "they do not fit into memory"))?;
    Ok(PyBytes::new_with(py, len, |bytes| Ok(by_size(py, stored, || stored.read_into(bytes))?))?)
}
