//! The core of the Python package: types and errors converted, nothing implemented again.

#![expect(clippy::needless_pass_by_value, reason = "functions of Python are given what was extracted for them alone")]

mod address;
mod buffer;
mod cache;
mod calls;
mod canvas;
mod cli;
mod compose;
mod dicts;
mod encode;
mod entry;
mod error;
mod flight;
mod home;
mod interrupt;
mod key;
mod kind;
mod limits;
mod log;
mod mode;
mod moment;
mod named;
mod numpy;
mod path;
mod portable;
mod query;
mod rounding;
mod show;
mod staging;
mod store;
mod stream;
mod text;
mod times;
mod verify;
mod writer;

use pyo3::prelude::*;

/// From this many bytes on, memory is read, written and hashed without the interpreter lock. Below it, giving the lock
/// away costs more than it brings: another thread may keep it for milliseconds.
const LARGE: usize = 64 << 10;

/// BLAKE3 of a file, on all cores.
#[pyfunction]
fn digest_file(py: Python<'_>, path: path::Given) -> error::Result<String> {
    Ok(error::detached(py, || ndstash::Digest::of_file(&path.0))?.to_string())
}

/// To be called in a child that was made by `fork`.
#[pyfunction]
fn after_fork_in_child() {
    ndstash::after_fork_in_child();
}

/// The module `ndstash._core`.
#[pymodule(gil_used = false)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::{
        after_fork_in_child,
        buffer::{Buffer, digest, known},
        cache::Cache,
        calls::Calls,
        canvas::Canvas,
        cli::run_cli,
        digest_file,
        entry::{Entry, Info},
        flight::Flight,
        key::{Key, canonical},
        log::drain_log,
        named::{Content, Named},
        portable::is_portable,
        rounding::Rounding,
        store::Store,
        writer::Writer,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::log::listen();
        ndstash::on_wait(crate::interrupt::poll);
        crate::error::register(module)?;
        crate::aliases(module)?;
        module.add("FORMAT_VERSION", ndstash::FORMAT_VERSION)?;
        module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
        // It would have every name; nobody imports all of a private module.
        module.delattr("__all__")
    }
}

/// The names of types that the stub has: for annotations, which are looked at when a module is run.
fn aliases(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let literal = py.import("typing")?.getattr("Literal")?.get_item(("r", "c"))?;
    module.add("MmapMode", literal.bitor(py.None())?)?;
    let object = py.import("builtins")?.getattr("object")?;
    let arguments = pyo3::types::PyList::new(py, [&object])?;
    module.add("Describe", py.import("collections.abc")?.getattr("Callable")?.get_item((arguments, &object))?)
}
