//! Python objects in the canonical encoding: what keys are made of (blobs-format.md section 6.2).

use ndstash::{Encoded, Encoder, Items};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyComplex, PyFloat, PyList, PyString, PyTuple};

use crate::LARGE;
use crate::buffer::View;
use crate::dicts::pairs_of;
use crate::error::{Fault, Result};
use crate::kind::Kind;
use crate::named::{Content, Named};
use crate::numpy::Lying;
use crate::text::{integer_bytes, utf8};

/// How deep values may hold each other, what was described counted.
const MAX_DEPTH: usize = 64;

/// What is done about objects that have no encoding.
pub(crate) enum Others<'a, 'py> {
    /// This is called, and returns one that has, or raises.
    Described(&'a Bound<'py, PyAny>),
    /// The name of their class stands for them: the value is shown, and no part of a key.
    Shown,
    /// They are not taken.
    Refused,
}

/// A walk through one value.
pub(crate) struct Walk<'a, 'py> {
    others: Others<'a, 'py>,
    /// The containers and described objects that hold what is looked at now.
    path: Vec<*mut pyo3::ffi::PyObject>,
}

impl<'a, 'py> Walk<'a, 'py> {
    pub(crate) fn new(others: Others<'a, 'py>) -> Self {
        Walk { others, path: Vec::new() }
    }

    /// Encodes a value.
    ///
    /// # Errors
    /// `Invalid` for what can be no part of a key; `TypeError` for what holds itself; what describing raises.
    pub(crate) fn value<'e>(&mut self, value: &Bound<'py, PyAny>, to: Encoder<'e>) -> Result<Encoded<'e>> {
        Ok(match Kind::of(value)? {
            Kind::None => to.nil(),
            Kind::Bool => to.bool(value.is_truthy()?),
            Kind::Int => integer(value, to)?,
            Kind::Float => to.float(value.cast::<PyFloat>()?.value()),
            Kind::Complex => {
                let value = value.cast::<PyComplex>()?;
                to.complex(value.real(), value.imag())
            }
            Kind::Str => to.text(utf8(value.cast::<PyString>()?)?),
            Kind::Bytes => bytes(value.cast::<PyBytes>()?, to),
            Kind::Array => match Lying::of(value)? {
                Some(array) => elements(value.py(), &array, to)?,
                None => self.other(value, to)?,
            },
            Kind::Scalar(dtype) => to.scalar(dtype, View::of(value)?.bytes())?,
            Kind::Time(_) | Kind::Ticks | Kind::Other => self.other(value, to)?,
            kind => self.inside(value, |walk| walk.container(kind, value, to))?,
        })
    }

    fn container<'e>(&mut self, kind: Kind, value: &Bound<'py, PyAny>, to: Encoder<'e>) -> Result<Encoded<'e>> {
        match kind {
            Kind::List => {
                let list = value.cast::<PyList>()?;
                to.list(|items| list.iter().try_for_each(|item| self.item(items, &item)))
            }
            Kind::Tuple => {
                let tuple = value.cast::<PyTuple>()?;
                to.tuple(|items| tuple.iter().try_for_each(|item| self.item(items, &item)))
            }
            Kind::Set => to.set(|items| self.all(items, value)),
            Kind::FrozenSet => to.frozenset(|items| self.all(items, value)),
            _ => to.map(|pairs| {
                pairs_of(value)?.iter().try_for_each(|(key, value)| {
                    // One walk serves both, one after the other.
                    let walk = std::cell::RefCell::new(&mut *self);
                    pairs.pair(|to| walk.borrow_mut().value(key, to), |to| walk.borrow_mut().value(value, to))
                })
            }),
        }
    }

    fn item(&mut self, items: &mut Items<'_>, item: &Bound<'py, PyAny>) -> Result<()> {
        items.item(|to| self.value(item, to))
    }

    fn all(&mut self, items: &mut Items<'_>, set: &Bound<'py, PyAny>) -> Result<()> {
        set.try_iter()?.try_for_each(|item| self.item(items, &item?))
    }

    fn other<'e>(&mut self, value: &Bound<'py, PyAny>, to: Encoder<'e>) -> Result<Encoded<'e>> {
        if let Ok(named) = value.cast_exact::<Named>() {
            let (py, named) = (value.py(), named.get());
            let name = named.name.bind(py);
            return self.inside(value, |walk| to.named(utf8(name)?, |to| walk.value(named.value.bind(py), to)));
        }
        if let Ok(content) = value.cast_exact::<Content>() {
            let content = content.get();
            return Ok(to.file(&content.content, content.path.as_deref()));
        }
        match self.others {
            Others::Shown => Ok(to.text(&value.get_type().fully_qualified_name()?.to_string_lossy())),
            Others::Refused => {
                let name = value.get_type().fully_qualified_name()?;
                Err(Fault::invalid("key part", name.to_string_lossy(), "a plain value is expected"))
            }
            Others::Described(describe) => self.inside(value, |walk| {
                let described = describe.call1((value,))?;
                walk.value(&described, to)
            }),
        }
    }

    /// Goes into something that holds others.
    fn inside<T>(&mut self, value: &Bound<'py, PyAny>, walk: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.path.contains(&value.as_ptr()) {
            let name = value.get_type().fully_qualified_name()?;
            return Err(PyTypeError::new_err(format!("a {name} that holds itself can be no part of a key")).into());
        }
        if self.path.len() == MAX_DEPTH {
            let name = value.get_type().fully_qualified_name()?;
            return Err(Fault::invalid("key part", name.to_string_lossy(), "values hold each other at most 64 deep"));
        }
        self.path.push(value.as_ptr());
        let walked = walk(self);
        self.path.pop();
        walked
    }
}

fn integer<'e>(value: &Bound<'_, PyAny>, to: Encoder<'e>) -> Result<Encoded<'e>> {
    Ok(match value.extract::<i64>() {
        Ok(value) => to.int(value.into()),
        Err(_) => to.integer(&integer_bytes(value)?),
    })
}

fn bytes<'e>(value: &Bound<'_, PyBytes>, to: Encoder<'e>) -> Encoded<'e> {
    let bytes = value.as_bytes();
    if bytes.len() < LARGE { to.bytes(bytes) } else { value.py().detach(|| to.bytes(bytes)) }
}

fn elements<'e>(py: Python<'_>, array: &Lying, to: Encoder<'e>) -> Result<Encoded<'e>> {
    let Lying { view, dtype, order } = array;
    let (shape, bytes) = (view.shape(), view.bytes());
    if bytes.len() < LARGE {
        return Ok(to.array(*dtype, &shape, *order, bytes)?);
    }
    let blob = view.blob(py);
    let known = blob.as_ref().and_then(|buffer| buffer.get().blob(view));
    Ok(py.detach(|| match known {
        Some(known) => to.array_known(*dtype, &shape, *order, known),
        None => to.array(*dtype, &shape, *order, bytes),
    })?)
}
