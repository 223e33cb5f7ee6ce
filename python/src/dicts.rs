//! Dicts, gone through without a thought for who else may change them.

use std::cell::RefCell;

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A pair of a dict.
pub(crate) type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// The pairs as they are now.
pub(crate) fn pairs<'py>(dict: &Bound<'py, PyDict>) -> PyResult<Vec<Pair<'py>>> {
    let pairs = RefCell::new(Vec::with_capacity(dict.len()));
    dict.locked_for_each(|key, value| {
        pairs.borrow_mut().push((key, value));
        Ok(())
    })?;
    Ok(pairs.into_inner())
}

/// The same of any mapping.
pub(crate) fn pairs_of<'py>(mapping: &Bound<'py, PyAny>) -> PyResult<Vec<Pair<'py>>> {
    match mapping.cast_exact::<PyDict>() {
        Ok(dict) => pairs(dict),
        Err(_) => pairs(&mapping.py().get_type::<PyDict>().call1((mapping,))?.cast_into()?),
    }
}
