//! Arrays that are produced in place.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ndstash::{RawArray, SealedRaw, Store};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::buffer::Buffer;
use crate::error::{Fault, Result, detached};

/// Writable memory of an array that is produced in place.
#[pyclass(frozen, module = "ndstash._core")]
pub(crate) struct Canvas {
    #[pyo3(get)]
    buffer: Py<Buffer>,
    dtype: &'static str,
    shape: Vec<u64>,
    state: Mutex<State>,
}

enum State {
    Open(RawArray),
    Sealed(SealedRaw),
    /// Dropped, given to an entry, or being sealed.
    Gone,
}

impl Canvas {
    pub(crate) fn new(py: Python<'_>, store: &Store, path: PathBuf, dtype: &str, shape: &[u64]) -> Result<Self> {
        let dtype: ndstash::DType = dtype.parse()?;
        let array = detached(py, || store.create_raw(dtype, shape))?;
        let buffer = Py::new(py, Buffer::canvas(&array, path))?;
        Ok(Canvas { buffer, dtype: dtype.name(), shape: shape.to_vec(), state: Mutex::new(State::Open(array)) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Locked for moments only, and not while anything is waited for.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn swap(&self, state: State) -> State {
        std::mem::replace(&mut *self.state(), state)
    }

    /// What was sealed, for an entry; the canvas has it no more.
    pub(crate) fn sealed(&self) -> Result<SealedRaw> {
        match self.swap(State::Gone) {
            State::Sealed(sealed) => Ok(sealed),
            other => {
                let found = if matches!(other, State::Open(_)) { "not sealed" } else { "dropped, or given away" };
                drop(self.swap(other));
                Err(Fault::invalid("canvas", found, "one that is sealed is expected"))
            }
        }
    }
}

#[pymethods]
impl Canvas {
    #[getter]
    fn dtype(&self) -> &'static str {
        self.dtype
    }

    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.shape)
    }

    /// Hashes, and puts on disk.
    fn seal(&self, py: Python<'_>) -> Result<()> {
        match self.swap(State::Gone) {
            State::Open(array) => {
                let sealed = detached(py, || array.seal())?;
                drop(self.swap(State::Sealed(sealed)));
                Ok(())
            }
            other => {
                drop(self.swap(other));
                Err(Fault::invalid("canvas", "sealed or dropped", "one that is being filled is expected"))
            }
        }
    }

    /// Lets go of what was not put. What is looked at stays.
    fn drop(&self, py: Python<'_>) {
        let state = self.swap(State::Gone);
        py.detach(|| drop(state));
    }
}
