//! What stands for values that have no encoding of their own: `Named` and `Content`.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::error::Result;

/// A value of a type that has a name.
#[pyclass(frozen, module = "ndstash._core")]
pub(crate) struct Named {
    #[pyo3(get)]
    pub(crate) name: Py<PyString>,
    #[pyo3(get)]
    pub(crate) value: Py<PyAny>,
}

#[pymethods]
impl Named {
    #[new]
    fn new(name: Bound<'_, PyString>, value: Py<PyAny>) -> Self {
        Named { name: name.unbind(), value }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Named({}, {})", self.name.bind(py).repr()?, self.value.bind(py).repr()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        visit.call(&self.value)
    }
}

/// Content that is known by its digest.
#[pyclass(frozen, module = "ndstash._core")]
pub(crate) struct Content {
    pub(crate) content: ndstash::Digest,
    #[pyo3(get)]
    pub(crate) path: Option<String>,
}

#[pymethods]
impl Content {
    #[new]
    #[pyo3(signature = (digest, path = None))]
    fn new(digest: &str, path: Option<String>) -> Result<Self> {
        Ok(Content { content: digest.parse()?, path })
    }

    #[getter]
    fn digest(&self) -> String {
        self.content.to_string()
    }

    fn __repr__(&self) -> String {
        match &self.path {
            Some(path) => format!("Content('{}', {path:?})", self.content),
            None => format!("Content('{}')", self.content),
        }
    }
}
