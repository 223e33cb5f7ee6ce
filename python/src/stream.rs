//! A file of Python's over bytes of a store.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::buffer::{Buffer, copy_into, rest};
use crate::error::{Fault, Result};

/// The unbuffered reader, with what `io.BufferedReader` asks of one.
#[pyclass(frozen, module = "ndstash._core")]
pub(crate) struct Stream {
    bytes: Buffer,
    position: AtomicUsize,
    closed: AtomicBool,
}

impl Stream {
    /// A buffered reader of all bytes.
    pub(crate) fn of(py: Python<'_>, bytes: Buffer) -> Result<Bound<'_, PyAny>> {
        let stream = Stream { bytes, position: AtomicUsize::new(0), closed: AtomicBool::new(false) };
        Ok(py.import("io")?.call_method1("BufferedReader", (Bound::new(py, stream)?,))?)
    }
}

#[pymethods]
#[expect(clippy::unused_self, reason = "they are methods in Python")]
impl Stream {
    #[getter]
    fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    fn flush(&self) {}

    fn readable(&self) -> bool {
        true
    }

    fn writable(&self) -> bool {
        false
    }

    fn seekable(&self) -> bool {
        true
    }

    fn tell(&self) -> usize {
        self.position.load(Ordering::Relaxed)
    }

    #[pyo3(signature = (offset, whence = 0))]
    fn seek(&self, offset: i64, whence: i32) -> Result<usize> {
        let from = match whence {
            0 => 0,
            1 => self.tell(),
            2 => self.bytes.len(),
            _ => return Err(Fault::invalid("whence", whence.to_string(), "0, 1 or 2 is expected")),
        };
        let to = i64::try_from(from).ok().and_then(|from| usize::try_from(from.checked_add(offset)?).ok());
        let to = to.ok_or_else(|| Fault::invalid("offset", offset.to_string(), "a place in the file is expected"))?;
        self.position.store(to, Ordering::Relaxed);
        Ok(to)
    }

    fn readall<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
        let at = self.tell();
        let made = rest(py, &self.bytes, at)?;
        self.position.store(at.max(self.bytes.len()), Ordering::Relaxed);
        Ok(made)
    }

    fn readinto(&self, target: &Bound<'_, PyAny>) -> Result<usize> {
        let at = self.tell();
        let copied = copy_into(&self.bytes, at, target)?;
        self.position.store(at + copied, Ordering::Relaxed);
        Ok(copied)
    }
}
