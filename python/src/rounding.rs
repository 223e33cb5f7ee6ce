//! How floats of a key are rounded.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::error::Result;
use crate::text::utf8;

/// How floats of a key are rounded.
#[pyclass(frozen, module = "ndstash._core")]
pub(crate) struct Rounding(pub(crate) ndstash::Rounding);

impl Rounding {
    fn of(rounding: ndstash::Rounding, deep: bool) -> Self {
        Rounding(if deep { rounding.deep() } else { rounding })
    }
}

#[pymethods]
impl Rounding {
    /// To so many digits after the point; negative: before it.
    #[staticmethod]
    #[pyo3(signature = (n, *, deep = true))]
    fn decimals(n: i32, deep: bool) -> Self {
        Rounding::of(ndstash::Rounding::decimals(n), deep)
    }

    /// To so many digits.
    #[staticmethod]
    #[pyo3(signature = (k, *, deep = true))]
    fn significant(k: u32, deep: bool) -> Self {
        Rounding::of(ndstash::Rounding::significant(k), deep)
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// One rounding for all parts of a key, or one for some.
pub(crate) enum Roundings<'py> {
    All(ndstash::Rounding),
    By(Bound<'py, PyDict>),
}

impl<'py> FromPyObject<'_, 'py> for Roundings<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(rounding) = object.cast::<Rounding>() {
            return Ok(Roundings::All(rounding.get().0));
        }
        if let Ok(by_name) = object.cast::<PyDict>() {
            return Ok(Roundings::By(by_name.to_owned()));
        }
        let by_name = object.py().get_type::<PyDict>().call1((object,))?;
        Ok(Roundings::By(by_name.cast_into()?))
    }
}

impl Roundings<'_> {
    /// That of a part.
    pub(crate) fn of(&self, name: &Bound<'_, PyString>) -> Result<Option<ndstash::Rounding>> {
        Ok(match self {
            Roundings::All(rounding) => Some(*rounding),
            Roundings::By(by_name) => match by_name.get_item(name)? {
                Some(found) => Some(found.cast::<Rounding>()?.get().0),
                None => None,
            },
        })
    }
}

/// The same, kept.
pub(crate) struct Rounded {
    all: Option<ndstash::Rounding>,
    by_name: BTreeMap<String, ndstash::Rounding>,
}

impl Rounded {
    pub(crate) fn of(given: Option<Roundings<'_>>) -> Result<Self> {
        let (mut all, mut by_name) = (None, BTreeMap::new());
        match given {
            Some(Roundings::All(rounding)) => all = Some(rounding),
            Some(Roundings::By(given)) => {
                for (name, rounding) in given.iter() {
                    by_name.insert(utf8(name.cast()?)?.to_owned(), rounding.cast::<Rounding>()?.get().0);
                }
            }
            None => {}
        }
        Ok(Rounded { all, by_name })
    }

    /// That of a part.
    pub(crate) fn of_part(&self, name: &str) -> Option<ndstash::Rounding> {
        self.all.or_else(|| self.by_name.get(name).copied())
    }
}
