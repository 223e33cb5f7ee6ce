//! Keys of entries.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use ndstash::{CallKey, KeyBuilder};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

use crate::compose::plain;
use crate::dicts::pairs_of;
use crate::encode::{Others, Walk};
use crate::error::Result;
use crate::rounding::{Rounding, Roundings};
use crate::text::{Text, utf8};

/// The key of an entry; with its parts, if it was made here.
#[pyclass(frozen, module = "ndstash._core")]
pub(crate) struct Key {
    key: ndstash::Key,
    /// What it was made of, if that is known.
    call: Option<CallKey>,
}

impl Key {
    /// A key that is known by its digest alone.
    pub(crate) fn bare(key: ndstash::Key) -> Self {
        Key { key, call: None }
    }

    fn made(call: CallKey) -> Self {
        Key { key: call.key(), call: Some(call) }
    }

    pub(crate) fn key(&self) -> ndstash::Key {
        self.key
    }

    /// With the namespace, which is that of whoever asks if the key knows none.
    pub(crate) fn call(&self, namespace: &str) -> Result<Cow<'_, CallKey>> {
        match &self.call {
            Some(call) => Ok(Cow::Borrowed(call)),
            None => Ok(Cow::Owned(CallKey::bare(namespace, self.key)?)),
        }
    }
}

#[pymethods]
impl Key {
    #[new]
    fn new(digest: &str) -> Result<Self> {
        Ok(Key::bare(digest.parse()?))
    }

    /// The key of a call: of the function, its version, and its arguments.
    #[staticmethod]
    #[pyo3(signature = (namespace, function, version, args, *, describe, rounding = None, ignored = None))]
    fn of_call(
        namespace: Text,
        function: Option<Text>,
        version: Option<Text>,
        args: &Bound<'_, PyAny>,
        describe: &Bound<'_, PyAny>,
        rounding: Option<Roundings<'_>>,
        ignored: Option<&Bound<'_, PyAny>>,
    ) -> Result<Self> {
        let mut key = KeyBuilder::new(namespace.0);
        if let Some(function) = function {
            key = key.function(function.0);
        }
        if let Some(version) = version {
            key = key.version(version.0);
        }
        for (name, value) in parts(args)? {
            let mut walk = Walk::new(Others::Described(describe));
            let rounding = rounding.as_ref().map_or(Ok(None), |rounding| rounding.of(&name))?;
            key = match (utf8(&name)?, rounding) {
                ("", rounding) => key.encoded_alone(rounding, |to| walk.value(&value, to))?,
                (name, rounding) => key.encoded(name, rounding, |to| walk.value(&value, to))?,
            };
        }
        for (name, value) in ignored.map_or(Ok(Vec::new()), parts)? {
            key = key.ignored_encoded(utf8(&name)?, |to| Walk::new(Others::Shown).value(&value, to));
        }
        Ok(Key::made(key.finish()?))
    }

    /// The key of one value.
    #[staticmethod]
    #[pyo3(signature = (namespace, item, *, describe))]
    fn of_item(namespace: Text, item: &Bound<'_, PyAny>, describe: &Bound<'_, PyAny>) -> Result<Self> {
        let mut walk = Walk::new(Others::Described(describe));
        let key = KeyBuilder::new(namespace.0).encoded_alone(None, |to| walk.value(item, to))?;
        Ok(Key::made(key.finish()?))
    }

    /// The key of an entry that was put under a name.
    #[staticmethod]
    fn of_name(name: Text) -> Result<Self> {
        Ok(Key::bare(ndstash::Key::from_name(&name.0)?))
    }

    #[getter]
    fn digest(&self) -> String {
        self.key.to_string()
    }

    /// The namespace; empty if it is known by its digest alone.
    #[getter]
    fn namespace(&self) -> &str {
        self.call.as_ref().map_or("", CallKey::namespace)
    }

    #[getter]
    fn function(&self) -> Option<&str> {
        self.call.as_ref()?.function()
    }

    #[getter]
    fn version(&self) -> Option<&str> {
        self.call.as_ref()?.version()
    }

    /// What it was made of, for people: cut where it is long.
    #[getter]
    fn parts<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        self.call.as_ref().map(|call| plain(py, call.parts())).transpose()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Key>().is_ok_and(|other| other.get().key == self.key)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.key.hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        format!("Key('{}')", self.key)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, (String,)) {
        (py.get_type::<Key>(), (self.digest(),))
    }
}

/// The pairs of a mapping from names to values.
fn parts<'py>(mapping: &Bound<'py, PyAny>) -> Result<Vec<(Bound<'py, PyString>, Bound<'py, PyAny>)>> {
    pairs_of(mapping)?.into_iter().map(|(name, value)| Ok((name.cast_into().map_err(PyErr::from)?, value))).collect()
}

/// The canonical encoding of a value.
#[pyfunction]
#[pyo3(signature = (value, describe, rounding = None))]
pub(crate) fn canonical(
    value: &Bound<'_, PyAny>,
    describe: &Bound<'_, PyAny>,
    rounding: Option<&Bound<'_, Rounding>>,
) -> Result<Vec<u8>> {
    let mut walk = Walk::new(Others::Described(describe));
    ndstash::Encoder::standalone(rounding.map(|rounding| rounding.get().0), |to| walk.value(value, to))
}
