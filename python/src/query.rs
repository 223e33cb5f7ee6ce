//! Conditions on entries, given as keywords.

use ndstash::Query;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::dicts::pairs;
use crate::error::Result;
use crate::text::{Text, utf8};
use crate::times::nanoseconds;

/// The query that keywords stand for. One that is None is no condition.
pub(crate) fn query(conditions: Option<&Bound<'_, PyDict>>) -> Result<Query> {
    let mut query = Query::new();
    for (name, value) in conditions.map_or(Ok(Vec::new()), pairs)? {
        if !value.is_none() {
            query = with(query, utf8(name.cast::<PyString>()?)?, &value)?;
        }
    }
    Ok(query)
}

fn with(query: Query, name: &str, value: &Bound<'_, PyAny>) -> Result<Query> {
    let text = || value.extract::<Text>().map(|text| text.0);
    let time = || nanoseconds(value.extract()?);
    Ok(match name {
        "prefix" => query.prefix(text()?),
        "function" => query.function(text()?),
        "tag" => query.tag(text()?),
        "created_before" => query.created_before(time()?),
        "created_after" => query.created_after(time()?),
        "used_before" => query.used_before(time()?),
        "expired_at" => query.expired_at(time()?),
        "at_least" => query.at_least_bytes(value.extract()?),
        "pinned" => query.pinned(value.extract()?),
        _ => return Err(PyTypeError::new_err(format!("there is no condition {name:?}")).into()),
    })
}
