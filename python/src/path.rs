//! Paths as Python has them: `str`, `bytes`, or anything with `__fspath__`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// A path that was given.
pub(crate) struct Given(pub(crate) PathBuf);

impl<'py> FromPyObject<'_, 'py> for Given {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Some(text) = object.cast_exact::<PyString>().ok().and_then(|text| text.to_str().ok().map(PathBuf::from))
        {
            return Ok(Given(text));
        }
        let py = object.py();
        let bytes = py.import(intern!(py, "os"))?.call_method1(intern!(py, "fsencode"), (object,))?;
        Ok(Given(OsStr::from_bytes(bytes.cast::<PyBytes>()?.as_bytes()).into()))
    }
}
