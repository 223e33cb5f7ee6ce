//! What a Python object is: by its class, exactly. A subclass is none of these.

use ndstash::{DType, Tag};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple};

use crate::moment::Times;
use crate::numpy::NumPy;

/// The kinds of values that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    None,
    Bool,
    Int,
    Float,
    Complex,
    Str,
    Bytes,
    List,
    Tuple,
    Dict,
    Set,
    FrozenSet,
    Array,
    Scalar(DType),
    /// A count of a unit of time.
    Ticks,
    /// What `datetime` has, by the tag of its tree.
    Time(Tag),
    Other,
}

impl Kind {
    pub(crate) fn of(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(if value.is_exact_instance_of::<PyString>() {
            Kind::Str
        } else if value.is_exact_instance_of::<PyInt>() {
            Kind::Int
        } else if value.is_exact_instance_of::<PyFloat>() {
            Kind::Float
        } else if value.is_none() {
            Kind::None
        } else if value.is_exact_instance_of::<PyBool>() {
            Kind::Bool
        } else if value.is_exact_instance_of::<PyDict>() {
            Kind::Dict
        } else if value.is_exact_instance_of::<PyList>() {
            Kind::List
        } else if value.is_exact_instance_of::<PyTuple>() {
            Kind::Tuple
        } else if value.is_exact_instance_of::<PyBytes>() {
            Kind::Bytes
        } else if value.is_exact_instance_of::<PyComplex>() {
            Kind::Complex
        } else if value.is_exact_instance_of::<PySet>() {
            Kind::Set
        } else if value.is_exact_instance_of::<PyFrozenSet>() {
            Kind::FrozenSet
        } else {
            match Times::get(value.py())?.kind(value.get_type_ptr()) {
                Some(time) => Kind::Time(time),
                None => Kind::of_numpy(value)?,
            }
        })
    }

    fn of_numpy(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (numpy, class) = (NumPy::get(value.py())?, value.get_type_ptr());
        if numpy.is_array(class) {
            return Ok(Kind::Array);
        }
        if numpy.is_ticks(class) {
            return Ok(Kind::Ticks);
        }
        Ok(numpy.scalar(class).map_or(Kind::Other, Kind::Scalar))
    }
}
