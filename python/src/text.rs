//! Text and integers, taken from Python objects that are known to be such.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::error::{Fault, Result};

/// The text of a string.
///
/// # Errors
/// `Invalid` if it has surrogates that are not in pairs: there is no UTF-8 for them.
pub(crate) fn utf8<'a>(value: &'a Bound<'_, PyString>) -> Result<&'a str> {
    value.to_str().map_err(|_| {
        let shown = value.repr().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        Fault::invalid("text", shown, "it has lone surrogates, for which there is no UTF-8")
    })
}

/// A text that was given as an argument.
pub(crate) struct Text(pub(crate) String);

impl<'py> FromPyObject<'_, 'py> for Text {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let text = object.cast::<PyString>()?;
        Ok(Text(utf8(&text)?.to_owned()))
    }
}

/// The bytes of an integer of any size: two's complement, little-endian.
pub(crate) fn integer_bytes(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let py = value.py();
    let bits: usize = value.call_method0(intern!(py, "bit_length"))?.extract()?;
    let signed = PyDict::new(py);
    signed.set_item(intern!(py, "signed"), true)?;
    let bytes = value.call_method(intern!(py, "to_bytes"), (bits / 8 + 1, intern!(py, "little")), Some(&signed))?;
    Ok(bytes.cast::<PyBytes>()?.as_bytes().to_vec())
}

/// An integer of any size, from its bytes.
pub(crate) fn integer<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let signed = PyDict::new(py);
    signed.set_item(intern!(py, "signed"), true)?;
    let class = py.get_type::<pyo3::types::PyInt>();
    class.call_method(intern!(py, "from_bytes"), (PyBytes::new(py, bytes), intern!(py, "little")), Some(&signed))
}
