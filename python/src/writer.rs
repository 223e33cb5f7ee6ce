//! Entries in the making.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ndstash::{CallKey, Expect, PutReport, Tree};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::address::Address;
use crate::canvas::Canvas;
use crate::entry::{Info, TREE};
use crate::error::{Fault, Result, detached};
use crate::portable::{note, note_plain};
use crate::staging::Memory;
use crate::text::Text;
use crate::times;

/// Builds one entry.
#[pyclass(frozen, module = "ndstash._core")]
pub(crate) struct Writer(Mutex<Option<Draft>>);

/// What a writer has so far.
pub(crate) struct Draft {
    writer: ndstash::Writer,
    address: Address,
    value: Option<Tree>,
    /// The cache that counts what is put.
    cache: Option<ndstash::Cache>,
}

impl Writer {
    pub(crate) fn new(store: &ndstash::Store, address: Address) -> Self {
        Writer::of(Draft { writer: store.writer(), address, value: None, cache: None })
    }

    pub(crate) fn cached(cache: &ndstash::Cache, key: &CallKey) -> Self {
        let (writer, address) = (cache.writer(key), Address::Key(key.key()));
        Writer::of(Draft { writer, address, value: None, cache: Some(cache.clone()) })
    }

    fn of(draft: Draft) -> Self {
        Writer(Mutex::new(Some(draft)))
    }

    /// Takes the draft out, so that nobody waits for who works on it.
    fn take(&self) -> Result<Draft> {
        let draft = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        draft.ok_or_else(|| Fault::invalid("writer", "", "one that was not put and is not being used is expected"))
    }

    fn give_back(&self, draft: Draft) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(draft);
    }

    /// Does something to the draft.
    fn with<T>(&self, change: impl FnOnce(&mut Draft) -> Result<T>) -> Result<T> {
        let mut draft = self.take()?;
        let done = change(&mut draft);
        self.give_back(draft);
        done
    }

    /// Sets the value, which `make` makes without the interpreter lock.
    fn set(
        &self,
        py: Python<'_>,
        make: impl FnOnce(&mut ndstash::Writer) -> ndstash::Result<Tree> + Send,
    ) -> Result<()> {
        self.with(|draft| {
            if draft.value.is_some() {
                return Err(Fault::invalid("writer", "", "its value is set once"));
            }
            let Draft { writer, value, .. } = draft;
            *value = Some(detached(py, || make(writer))?);
            Ok(())
        })
    }
}

#[pymethods]
impl Writer {
    fn tag(&self, tag: Text) -> Result<()> {
        self.with(|draft| {
            draft.writer.tag(tag.0);
            Ok(())
        })
    }

    /// Sets metadata: a plain value without arrays.
    fn meta(&self, name: Text, value: &Bound<'_, PyAny>) -> Result<()> {
        let value = note_plain(value)?;
        self.with(|draft| {
            draft.writer.meta(name.0, value);
            Ok(())
        })
    }

    /// Sets when the time of the entry is over, from now; None: never.
    fn expires_in(&self, seconds: Option<f64>) -> Result<()> {
        let time = times::from_now(seconds)?;
        self.with(|draft| {
            draft.writer.expires(time);
            Ok(())
        })
    }

    /// Sets when the value was made; what is still to come counts as now.
    fn created(&self, seconds: f64) -> Result<()> {
        let time = times::nanoseconds(seconds)?;
        self.with(|draft| {
            draft.writer.created(time);
            Ok(())
        })
    }

    /// Keeps every policy from removing the entry.
    fn pin(&self, pinned: bool) -> Result<()> {
        self.with(|draft| {
            draft.writer.pin(pinned);
            Ok(())
        })
    }

    /// Notes how long the value took to compute.
    fn compute_time(&self, seconds: f64) -> Result<()> {
        let time: Duration = times::duration(seconds)?;
        self.with(|draft| {
            draft.writer.compute_time(time);
            Ok(())
        })
    }

    /// Sets the value, if it is portable; whether it is.
    fn portable(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> Result<bool> {
        let Some(node) = note(value)? else { return Ok(false) };
        self.set(py, |writer| node.write(writer))?;
        Ok(true)
    }

    /// Sets the value to a byte string and the buffers beside it, in an encoding of the caller's.
    fn payload(
        &self,
        py: Python<'_>,
        encoding: &str,
        data: &Bound<'_, PyAny>,
        buffers: Vec<Bound<'_, PyAny>>,
    ) -> Result<()> {
        if encoding == TREE {
            return Err(Fault::invalid("encoding", encoding, "another word than that of portable values is expected"));
        }
        let (data, buffers) = (Memory::bytes(data)?, buffers.iter().map(Memory::exported).collect::<Result<Vec<_>>>()?);
        self.set(py, |writer| {
            writer.encoding(encoding)?;
            let mut nodes = vec![data.write_bytes(writer)?];
            for buffer in &buffers {
                nodes.push(buffer.write(writer)?);
            }
            Ok(Tree::List(nodes))
        })
    }

    /// Sets the value to the bytes that a file yields from where it is to its end.
    fn stream(&self, py: Python<'_>, file: &Bound<'_, PyAny>) -> Result<()> {
        let mut file = File { file: file.clone().unbind(), raised: None };
        let done = if file.is_seekable(py) {
            self.set(py, |writer| writer.bytes_from_seekable(&mut file))
        } else {
            self.set(py, |writer| writer.bytes_from_reader(&mut file))
        };
        match file.raised {
            Some(raised) => Err(raised.into()),
            None => done,
        }
    }

    /// Sets the value to an array that was produced in place, and is sealed.
    fn canvas(&self, py: Python<'_>, canvas: &Bound<'_, Canvas>) -> Result<()> {
        let sealed = canvas.get().sealed()?;
        self.set(py, |writer| writer.sealed_raw(sealed))
    }

    /// Publishes the entry; None if what is there is not what is expected.
    #[pyo3(signature = (*, expect = Expected::Anything), text_signature = "($self, *, expect='any')")]
    fn put<'py>(&self, py: Python<'py>, expect: Expected<'py>) -> Result<Option<Bound<'py, PyDict>>> {
        let draft = self.take()?;
        if draft.value.is_none() {
            self.give_back(draft);
            return Err(Fault::invalid("writer", "", "its value is set before it is put"));
        }
        let expect = expect.get();
        let Some(report) = detached(py, || draft.put(expect))? else { return Ok(None) };
        let dict = PyDict::new(py);
        dict.set_item(intern!(py, "new_blobs"), report.new_blobs)?;
        dict.set_item(intern!(py, "new_bytes"), report.new_bytes)?;
        dict.set_item(intern!(py, "shared_blobs"), report.shared_blobs)?;
        dict.set_item(intern!(py, "shared_bytes"), report.shared_bytes)?;
        Ok(Some(dict))
    }
}

impl Draft {
    fn put(self, expect: Expect<'_>) -> ndstash::Result<Option<PutReport>> {
        let Draft { writer, address, value, cache } = self;
        let report = writer.put_if(address.as_core(), value.unwrap_or(Tree::Nil), expect)?;
        if let (Some(cache), Some(report)) = (&cache, &report) {
            cache.stored(report);
        }
        Ok(report)
    }
}

/// What has to be there for a value to be put.
enum Expected<'py> {
    Anything,
    Absent,
    Same(Bound<'py, Info>),
}

impl<'py> FromPyObject<'_, 'py> for Expected<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(info) = object.cast::<Info>() {
            return Ok(Expected::Same(info.to_owned()));
        }
        let reason = "\"any\", \"absent\" or an Info is expected";
        match object.cast::<PyString>().map(|word| word.to_string_lossy().into_owned()).as_deref() {
            Ok("any") => Ok(Expected::Anything),
            Ok("absent") => Ok(Expected::Absent),
            _ => Err(Fault::invalid("expect", object.repr()?.to_string_lossy(), reason).into()),
        }
    }
}

impl Expected<'_> {
    fn get(&self) -> Expect<'_> {
        match self {
            Expected::Anything => Expect::Anything,
            Expected::Absent => Expect::Absent,
            Expected::Same(info) => Expect::Same(info.get().get()),
        }
    }
}

/// A binary file of Python's. What it raises is kept, and the core is told that reading failed.
struct File {
    file: Py<PyAny>,
    raised: Option<PyErr>,
}

impl File {
    fn is_seekable(&self, py: Python<'_>) -> bool {
        self.file.bind(py).call_method0("seekable").and_then(|answer| answer.is_truthy()).unwrap_or(false)
    }

    fn call<T>(&mut self, call: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> io::Result<T> {
        Python::attach(|py| call(self.file.bind(py))).map_err(|error| {
            self.raised = Some(error);
            io::Error::other("a file of Python's raised an exception")
        })
    }
}

impl Read for File {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.call(|file| {
            let found = file.call_method1(intern!(file.py(), "read"), (bytes.len(),))?;
            let found = found.cast::<PyBytes>()?.as_bytes();
            match bytes.get_mut(..found.len()) {
                Some(place) => place.copy_from_slice(found),
                None => return Err(Fault::invalid("file", "", "it reads at most as much as it is asked for").into()),
            }
            Ok(found.len())
        })
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.call(|file| {
            let arguments: (Bound<'_, PyAny>, i32) = match to {
                SeekFrom::Start(at) => (at.into_pyobject(file.py())?.into_any(), 0),
                SeekFrom::Current(by) => (by.into_pyobject(file.py())?.into_any(), 1),
                SeekFrom::End(by) => (by.into_pyobject(file.py())?.into_any(), 2),
            };
            file.call_method1(intern!(file.py(), "seek"), arguments)?.extract()
        })
    }
}
