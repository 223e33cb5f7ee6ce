//! Entries: what they say of themselves, and the values in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndstash::{EntryInfo, Order, StoredArray, Tree};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::buffer::Buffer;
use crate::compose::{plain, value};
use crate::error::{Fault, Result, detached};
use crate::home::Home;
use crate::key::Key;
use crate::mode::Mode;
use crate::stream::Stream;
use crate::{show, times};

/// How a value is encoded that is its tree.
pub(crate) const TREE: &str = "tree";

/// What an entry says of itself.
#[pyclass(frozen, subclass, module = "ndstash._core")]
pub(crate) struct Info(About);

enum About {
    Info(Box<EntryInfo>),
    Entry(Arc<ndstash::Entry>),
}

impl Info {
    pub(crate) fn new(info: EntryInfo) -> Self {
        Info(About::Info(Box::new(info)))
    }

    pub(crate) fn get(&self) -> &EntryInfo {
        match &self.0 {
            About::Info(info) => info,
            About::Entry(entry) => entry,
        }
    }
}

#[pymethods]
impl Info {
    #[getter]
    fn key(&self) -> Key {
        Key::bare(self.get().key())
    }

    /// The name it was put under; None if it was put under a key.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.get().name()
    }

    #[getter]
    fn created(&self) -> f64 {
        times::seconds(self.get().created())
    }

    /// When its time is over; None: never.
    #[getter]
    fn expires(&self) -> Option<f64> {
        self.get().expires().map(times::seconds)
    }

    /// Noted once a minute at most.
    #[getter]
    #[expect(clippy::cast_precision_loss, reason = "whole seconds of this age are floats")]
    fn last_used(&self) -> f64 {
        self.get().last_used() as f64
    }

    #[getter]
    fn compute_time(&self) -> Option<f64> {
        self.get().compute_time().map(|time| time.as_secs_f64())
    }

    #[getter]
    fn pinned(&self) -> bool {
        self.get().is_pinned()
    }

    /// Its place in the order in which the values of the store were put.
    #[getter]
    fn sequence(&self) -> u64 {
        self.get().sequence()
    }

    #[getter]
    fn encoding(&self) -> &str {
        self.get().encoding()
    }

    #[getter]
    fn namespace(&self) -> Option<&str> {
        self.get().namespace()
    }

    #[getter]
    fn function(&self) -> Option<&str> {
        self.get().function()
    }

    #[getter]
    fn version(&self) -> Option<&str> {
        self.get().version()
    }

    /// What its key was made of, for people.
    #[getter]
    fn parts<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        match self.get().plain_key_parts() {
            None | Some(Tree::Nil) => Ok(None),
            Some(parts) => plain(py, &parts).map(Some),
        }
    }

    #[getter]
    fn host(&self) -> Option<&str> {
        self.get().host()
    }

    #[getter]
    fn user(&self) -> Option<&str> {
        self.get().user()
    }

    #[getter]
    fn tags(&self) -> Vec<&str> {
        self.get().tags().iter().map(String::as_str).collect()
    }

    #[getter]
    fn meta<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        let (dict, meta): (_, &BTreeMap<String, Tree>) = (PyDict::new(py), self.get().meta());
        for (name, value) in meta {
            dict.set_item(name, plain(py, value)?)?;
        }
        Ok(dict)
    }

    /// Bytes of all arrays, as if nothing were shared.
    #[getter]
    fn logical_bytes(&self) -> u64 {
        self.get().logical_bytes()
    }

    #[getter]
    fn manifest_bytes(&self) -> u64 {
        self.get().manifest_bytes()
    }

    /// What is known of each array.
    #[getter]
    fn arrays<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyList>> {
        let arrays = self.get().arrays();
        let known = arrays.iter().map(|array| {
            let dict = PyDict::new(py);
            dict.set_item("dtype", array.dtype.name())?;
            dict.set_item("shape", pyo3::types::PyTuple::new(py, &array.shape)?)?;
            dict.set_item("order", if array.order == Order::C { "C" } else { "F" })?;
            dict.set_item("nbytes", array.bytes)?;
            dict.set_item("digest", array.digest.to_string())?;
            dict.set_item("inline", array.inline)?;
            Ok(dict)
        });
        Ok(PyList::new(py, known.collect::<PyResult<Vec<_>>>()?)?)
    }

    /// What the value is in a few words.
    #[getter]
    fn description(&self) -> String {
        show::entry(self.get())
    }

    fn __repr__(&self) -> String {
        format!("<{} {}>", self.get().label(), show::entry(self.get()))
    }
}

/// An entry with its blobs open.
#[pyclass(frozen, extends = Info, module = "ndstash._core")]
pub(crate) struct Entry {
    open: Arc<ndstash::Entry>,
    home: Arc<Home>,
    /// Its time is over.
    #[pyo3(get)]
    stale: bool,
}

impl Entry {
    pub(crate) fn new(py: Python<'_>, entry: Arc<ndstash::Entry>, home: Arc<Home>, stale: bool) -> Result<Py<Self>> {
        let info = Info(About::Entry(Arc::clone(&entry)));
        Ok(Py::new(py, PyClassInitializer::from(info).add_subclass(Entry { open: entry, home, stale }))?)
    }

    pub(crate) fn get(&self) -> &ndstash::Entry {
        &self.open
    }

    /// The nodes that a payload is made of: the byte string, then the buffers.
    fn nodes(&self) -> Result<(&StoredArray, Vec<&StoredArray>)> {
        let resolve = |node| self.open.resolve(node);
        let Tree::List(nodes) = self.open.tree() else { return Err(self.unsupported("a payload")) };
        let arrays: Option<Vec<_>> = nodes.iter().map(resolve).collect();
        match arrays.as_deref().filter(|_| self.open.encoding() != TREE) {
            Some([data, buffers @ ..]) => Ok((data, buffers.to_vec())),
            _ => Err(self.unsupported("a payload")),
        }
    }

    fn unsupported(&self, wanted: &str) -> Fault {
        let (entry, encoding) = (self.open.label(), self.open.encoding());
        let what = format!("taking entry {entry}, a value of encoding {encoding:?}, for {wanted},");
        ndstash::Error::Unsupported { path: self.home.path.clone(), what }.into()
    }
}

#[pymethods]
impl Entry {
    /// Why a pickle in it should not be loaded; None if it may be.
    fn distrust(&self, py: Python<'_>) -> Result<Option<String>> {
        detached(py, || self.open.distrust())
    }

    /// The value.
    fn portable<'py>(&self, py: Python<'py>, mode: Mode) -> Result<Bound<'py, PyAny>> {
        if self.open.encoding() != TREE {
            return Err(self.unsupported("a portable one"));
        }
        value(py, self.open.tree(), &|node| self.open.resolve(node), mode, &self.home)
    }

    /// The byte string and the buffers of a payload.
    fn payload(&self, py: Python<'_>, mode: Mode) -> Result<(Buffer, Vec<Buffer>)> {
        let (data, buffers) = self.nodes()?;
        let open = |array: &StoredArray| mode.buffer(py, array, &self.home);
        Ok((open(data)?, buffers.into_iter().map(open).collect::<Result<_>>()?))
    }

    /// A reader of a byte string.
    fn stream<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        match self.open.tree() {
            Tree::Bytes(bytes) => Stream::of(py, Buffer::own(bytes.clone())),
            node @ Tree::Payload(_) => match self.open.resolve(node) {
                Some(array) => Stream::of(py, Mode::Read.buffer(py, array, &self.home)?),
                None => Err(self.unsupported("a byte string")),
            },
            _ => Err(self.unsupported("a byte string")),
        }
    }

    /// A buffer of the payload, by its number, under a private map.
    fn writable(&self, py: Python<'_>, index: usize) -> Result<Buffer> {
        let (_, buffers) = self.nodes()?;
        match buffers.get(index) {
            Some(array) => Mode::Private.buffer(py, array, &self.home),
            None => Err(pyo3::exceptions::PyIndexError::new_err(format!("there are {} buffers", buffers.len())).into()),
        }
    }
}
