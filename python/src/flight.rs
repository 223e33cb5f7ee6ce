//! The right to compute the value of a key.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

/// The right to compute the value of a key, until it is released.
#[pyclass(frozen, module = "ndstash._core")]
pub(crate) struct Flight(Mutex<Option<ndstash::Flight>>);

impl Flight {
    pub(crate) fn new(flight: ndstash::Flight) -> Self {
        Flight(Mutex::new(Some(flight)))
    }

    fn take(&self) -> Option<ndstash::Flight> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[pymethods]
impl Flight {
    /// Gives it back. Again is not wrong. Any thread may.
    fn release(&self, py: Python<'_>) {
        let flight = self.take();
        py.detach(|| drop(flight));
    }

    /// Makes it nobody's own: the thread that took it then waits for the key like any other. For tasks that change
    /// threads, or share one.
    fn detach(&self) {
        if let Some(flight) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            flight.detach();
        }
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (_kind, _error, _trace, /))]
    fn __exit__(&self, py: Python<'_>, _kind: &Bound<'_, PyAny>, _error: &Bound<'_, PyAny>, _trace: &Bound<'_, PyAny>) {
        self.release(py);
    }
}
