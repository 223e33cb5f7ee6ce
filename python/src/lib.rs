//! The core of the Python package: types and errors converted, nothing implemented again.

use pyo3::prelude::*;

/// The module `ndstash._core`.
#[pymodule(gil_used = false)]
mod _core {
    use super::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("FORMAT_VERSION", ndstash::FORMAT_VERSION)?;
        module.add("VERSION", env!("CARGO_PKG_VERSION"))
    }
}
