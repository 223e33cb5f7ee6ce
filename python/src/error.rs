//! Errors: those of the core as exceptions, with all that they know.

use std::path::Path;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::interrupt;

/// What a function of this crate returns.
pub(crate) type Result<T, E = Fault> = std::result::Result<T, E>;

/// Why something did not work: the core says so, or Python does.
pub(crate) enum Fault {
    Core(Box<ndstash::Error>),
    Python(PyErr),
}

impl Fault {
    /// What was given cannot be used.
    pub(crate) fn invalid(what: &'static str, given: impl Into<String>, reason: &'static str) -> Self {
        ndstash::Error::Invalid { what, given: given.into(), reason }.into()
    }
}

impl From<ndstash::Error> for Fault {
    fn from(error: ndstash::Error) -> Self {
        Fault::Core(Box::new(error))
    }
}

impl From<PyErr> for Fault {
    fn from(error: PyErr) -> Self {
        Fault::Python(error)
    }
}

impl From<pyo3::CastError<'_, '_>> for Fault {
    fn from(error: pyo3::CastError<'_, '_>) -> Self {
        Fault::Python(error.into())
    }
}

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Python(error) => error,
            Fault::Core(error) => Python::attach(|py| exception(py, &error).unwrap_or_else(|error| error)),
        }
    }
}

/// Does work of the core's without the interpreter lock. What Python's signal handlers raised meanwhile comes first.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> ndstash::Result<T> + Send) -> Result<T> {
    let done = py.detach(work);
    interrupt::raised()?;
    Ok(done?)
}

/// The exception classes.
struct Classes {
    error: Py<PyType>,
    damaged: Py<PyType>,
    busy: Py<PyType>,
    unsupported: Py<PyType>,
    too_large: Py<PyType>,
    invalid: Py<PyType>,
    io_failed: Py<PyType>,
}

static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();

impl Classes {
    fn get(py: Python<'_>) -> PyResult<&Self> {
        CLASSES.get_or_try_init(py, || Classes::make(py))
    }

    fn make(py: Python<'_>) -> PyResult<Self> {
        let builtin = |name: &str| py.import("builtins")?.getattr(name);
        let error = class(py, "Error", &[builtin("Exception")?], "Something did not work.")?;
        let under_error = |name, other: Option<&str>, doc| {
            let bases: PyResult<Vec<_>> =
                std::iter::once(Ok(error.clone().into_any())).chain(other.map(builtin)).collect();
            class(py, name, &bases?, doc).map(Bound::unbind)
        };
        Ok(Classes {
            damaged: under_error("Damaged", None, "Content that is not what it was when it was stored.")?,
            busy: under_error("Busy", Some("TimeoutError"), "A lock was not to be had in time.")?,
            unsupported: under_error("Unsupported", None, "A version, feature or operation that is not known here.")?,
            too_large: under_error("TooLarge", Some("ValueError"), "A value larger than the store's limit.")?,
            invalid: under_error("Invalid", Some("ValueError"), "What was given cannot be used.")?,
            io_failed: under_error("IOFailed", Some("OSError"), "A system call failed.")?,
            error: error.clone().unbind(),
        })
    }

    fn all(&self) -> [&Py<PyType>; 7] {
        let Classes { error, damaged, busy, unsupported, too_large, invalid, io_failed } = self;
        [error, damaged, busy, unsupported, too_large, invalid, io_failed]
    }
}

/// Makes a class. It names the module of its public name, where pickle looks for it.
fn class<'py>(py: Python<'py>, name: &str, bases: &[Bound<'py, PyAny>], doc: &str) -> PyResult<Bound<'py, PyType>> {
    let members = PyDict::new(py);
    members.set_item("__module__", "ndstash.errors")?;
    members.set_item("__doc__", doc)?;
    members.set_item("path", py.None())?;
    let made = py.get_type::<PyType>().call1((name, PyTuple::new(py, bases)?, members))?;
    Ok(made.cast_into()?)
}

/// Adds the classes to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    Classes::get(py)?.all().into_iter().try_for_each(|class| module.add(class.bind(py).name()?, class.clone_ref(py)))
}

/// The exception that an error of the core's is.
fn exception(py: Python<'_>, error: &ndstash::Error) -> PyResult<PyErr> {
    use ndstash::Error as E;
    let classes = Classes::get(py)?;
    let class = match error {
        E::Io { action, path, source } => return io_failed(py, classes, action, path, source),
        E::Corrupt { .. } | E::Malformed { .. } => &classes.damaged,
        E::Unsupported { .. } => &classes.unsupported,
        E::TooLarge { .. } => &classes.too_large,
        E::Busy { .. } => &classes.busy,
        E::Invalid { .. } | E::WrongType { .. } => &classes.invalid,
        _ => &classes.error,
    };
    let made = class.bind(py).call1((chain(error),))?;
    if let Some(path) = error.path() {
        made.setattr(intern!(py, "path"), path.as_os_str())?;
    }
    Ok(PyErr::from_value(made))
}

/// With what an `OSError` has; its path is `filename`, and not in the text twice.
fn io_failed(py: Python<'_>, classes: &Classes, action: &str, path: &Path, source: &std::io::Error) -> PyResult<PyErr> {
    let class = classes.io_failed.bind(py);
    let made = match source.raw_os_error() {
        Some(number) => {
            let reason = py.import("os")?.call_method1("strerror", (number,))?;
            class.call1((number, format!("cannot {action}: {reason}"), path.as_os_str()))?
        }
        None => class.call1((format!("cannot {action} {}: {}", path.display(), chain(source)),))?,
    };
    made.setattr(intern!(py, "path"), path.as_os_str())?;
    Ok(PyErr::from_value(made))
}

/// The text of an error and of all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(found) = cause {
        text = format!("{text}: {found}");
        cause = found.source();
    }
    text
}
