//! What an entry is asked for by: a name, or a key.

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::key::Key;
use crate::text::utf8;

/// A name or a key that was given.
pub(crate) enum Address {
    Name(String),
    Key(ndstash::Key),
}

impl Address {
    pub(crate) fn as_core(&self) -> ndstash::Address<'_> {
        match self {
            Address::Name(name) => ndstash::Address::Name(name),
            Address::Key(key) => ndstash::Address::Key(*key),
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for Address {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(key) = object.cast::<Key>() {
            return Ok(Address::Key(key.get().key()));
        }
        Ok(Address::Name(utf8(&*object.cast::<PyString>()?)?.to_owned()))
    }
}
