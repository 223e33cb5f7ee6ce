//! The command line program.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command line program with these arguments, without its own name; returns its exit code.
#[pyfunction]
pub(crate) fn run_cli(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| ndstash::cli::main(std::iter::once(OsString::from("ndstash")).chain(arguments)))
}
