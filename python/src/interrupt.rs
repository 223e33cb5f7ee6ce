//! Ctrl-C while the core waits for a lock.

use std::cell::RefCell;

use pyo3::prelude::*;

thread_local! {
    /// What a signal handler raised while this thread waited.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Runs the signal handlers that are due, if this is the thread to do so; whether one of them raised something. The core
/// calls this now and then while it waits, and gives up waiting if it says yes.
pub(crate) fn poll() -> bool {
    let error = Python::try_attach(|py| py.check_signals().err()).flatten();
    let raised = error.is_some();
    if raised {
        RAISED.set(error);
    }
    raised
}

/// What was raised since this was last asked.
pub(crate) fn raised() -> PyResult<()> {
    RAISED.take().map_or(Ok(()), Err)
}
