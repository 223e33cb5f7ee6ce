//! How much a store may hold, as a dict.

use ndstash::{Limits, Policy};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::dicts::pairs;
use crate::error::{Fault, Result};
use crate::text::{Text, utf8};

/// The limits as a dict.
pub(crate) fn dict(py: Python<'_>, limits: Limits) -> Result<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("bytes", limits.bytes)?;
    dict.set_item("entries", limits.entries)?;
    dict.set_item("age", limits.age)?;
    dict.set_item("policy", limits.policy.name())?;
    Ok(dict)
}

/// A change of one limit.
pub(crate) enum Change {
    Bytes(Option<u64>),
    Entries(Option<u64>),
    Age(Option<u64>),
    Policy(Policy),
}

impl Change {
    pub(crate) fn apply(self, limits: &mut Limits) {
        match self {
            Change::Bytes(bytes) => limits.bytes = bytes,
            Change::Entries(entries) => limits.entries = entries,
            Change::Age(age) => limits.age = age,
            Change::Policy(policy) => limits.policy = policy,
        }
    }
}

/// The changes that keywords stand for.
pub(crate) fn changes(keywords: &Bound<'_, PyDict>) -> Result<Vec<Change>> {
    pairs(keywords)?.iter().map(|(name, value)| change(utf8(name.cast::<PyString>()?)?, value)).collect()
}

fn change(name: &str, value: &Bound<'_, PyAny>) -> Result<Change> {
    Ok(match name {
        "bytes" => Change::Bytes(value.extract()?),
        "entries" => Change::Entries(value.extract()?),
        "age" => Change::Age(whole_seconds(value.extract()?)?),
        "policy" => Change::Policy(value.extract::<Text>()?.0.parse()?),
        _ => return Err(PyTypeError::new_err(format!("there is no limit {name:?}")).into()),
    })
}

/// At least as many seconds as were given.
fn whole_seconds(seconds: Option<f64>) -> Result<Option<u64>> {
    let Some(seconds) = seconds else { return Ok(None) };
    match std::time::Duration::try_from_secs_f64(seconds.ceil()) {
        Ok(age) => Ok(Some(age.as_secs())),
        Err(_) => Err(Fault::invalid("age", seconds.to_string(), "a number of seconds, not negative, is expected")),
    }
}
