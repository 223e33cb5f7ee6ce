//! Caches: namespaces of a store, with counters.

use std::sync::{Arc, Mutex, PoisonError};

use ndstash::{EntryInfo, Labels, Lookup, Query, Recall, Trouble};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyEllipsis, PyString};

use crate::calls::Calls;
use crate::compose::value;
use crate::dicts::pairs_of;
use crate::entry::{Entry, Info};
use crate::error::{Fault, Result, detached};
use crate::flight::Flight;
use crate::home::Home;
use crate::key::Key;
use crate::mode::Mode;
use crate::portable::note_plain;
use crate::query::query;
use crate::store::Store;
use crate::text::{Text, utf8};
use crate::writer::Writer;
use crate::{interrupt, show, times};

/// A namespace of a store, with counters.
#[pyclass(frozen, weakref, module = "ndstash._core")]
pub(crate) struct Cache {
    core: ndstash::Cache,
    #[pyo3(get)]
    store: Py<Store>,
    home: Arc<Home>,
}

impl Cache {
    pub(crate) fn new(core: ndstash::Cache, store: Py<Store>, home: Arc<Home>) -> Self {
        Cache { core, store, home }
    }

    /// The value that was found, counted as a hit if it is one.
    fn found<'py>(
        &self,
        py: Python<'py>,
        found: &Recall,
        mode: Mode,
        absent: Bound<'py, PyAny>,
        default: Bound<'py, PyAny>,
        count: bool,
    ) -> Result<Bound<'py, PyAny>> {
        let found = match found {
            Recall::Value(found) => found,
            Recall::Absent => return Ok(absent),
            Recall::Other => return Ok(default),
        };
        let value = value(py, found.tree(), &|node| found.resolve(node), mode, &self.home)?;
        if count && self.core.note_loaded(found) {
            py.detach(|| self.core.write_counts());
        }
        Ok(value)
    }
}

#[pymethods]
impl Cache {
    #[getter]
    fn namespace(&self) -> &str {
        self.core.namespace()
    }

    #[getter]
    fn enabled(&self) -> bool {
        self.core.is_enabled()
    }

    #[setter]
    fn set_enabled(&self, enabled: bool) {
        self.core.set_enabled(enabled);
    }

    /// The cache of a namespace nested in this one's.
    fn sub(&self, py: Python<'_>, name: Text) -> Result<Self> {
        Ok(Cache::new(self.core.sub(&name.0)?, self.store.clone_ref(py), Arc::clone(&self.home)))
    }

    /// The entry, if its time is not over for `stale` seconds or longer.
    #[pyo3(signature = (key, stale = 0.0, *, again = false))]
    fn look(&self, py: Python<'_>, key: &Bound<'_, Key>, stale: f64, again: bool) -> Result<Option<Py<Entry>>> {
        let (call, stale) = (key.get().call(self.core.namespace())?, times::duration(stale)?);
        let look = || if again { self.core.look_again(&call, stale) } else { self.core.look(&call, stale) };
        let found = py.detach(look);
        interrupt::raised()?;
        let (entry, stale) = match found {
            Lookup::Fresh(entry) => (entry, false),
            Lookup::Stale(entry) => (entry, true),
            _ => return Ok(None),
        };
        Entry::new(py, entry, Arc::clone(&self.home), stale).map(Some)
    }

    /// The value of an entry whose time is not over, if it is portable, counted as a hit unless it is none; `absent` if
    /// there is no entry, else `default`. Raises what is wrong with it, which is not counted.
    #[pyo3(signature = (key, mode, absent, default, *, count = true))]
    fn hit<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, Key>,
        mode: Mode,
        absent: Bound<'py, PyAny>,
        default: Bound<'py, PyAny>,
        count: bool,
    ) -> Result<Bound<'py, PyAny>> {
        let key = key.get().key();
        self.found(py, &detached(py, || self.core.recall(&key))?, mode, absent, default, count)
    }

    /// The same of a call by its parts; `default` as well if they are not few and plain. What is held in memory is found with
    /// the interpreter lock.
    fn recall<'py>(
        &self,
        py: Python<'py>,
        calls: &Bound<'py, Calls>,
        parts: &Bound<'py, PyDict>,
        absent: Bound<'py, PyAny>,
        default: Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>> {
        let calls = calls.get();
        let Some(key) = calls.key(parts)? else { return Ok(default) };
        let found = match self.core.held(&key) {
            Some(held) => Recall::Value(held),
            None => detached(py, || self.core.recall(&key))?,
        };
        self.found(py, &found, calls.mode, absent, default, true)
    }

    /// Counts a hit.
    fn note_hit(&self, py: Python<'_>, entry: &Bound<'_, Entry>) {
        let entry = entry.get();
        py.detach(|| self.core.note_hit(entry.get()));
    }

    /// Counts a miss.
    fn note_miss(&self, py: Python<'_>) {
        py.detach(|| self.core.note_miss());
    }

    /// Counts an entry that could not be used, and tells.
    fn note_damaged(&self, py: Python<'_>, key: &Bound<'_, Key>, reason: Text) -> Result<()> {
        let call = key.get().call(self.core.namespace())?;
        py.detach(|| self.core.note_damaged(&call, &reason.0));
        Ok(())
    }

    /// Counts a value that was not to be stored.
    fn note_refused(&self, py: Python<'_>) {
        py.detach(|| self.core.note_refused());
    }

    /// Counts something that did not work, and tells.
    fn note_failure(&self, py: Python<'_>, what: &str, function: Option<Text>, reason: Text) -> Result<()> {
        let what = match what {
            "key" => Trouble::Key,
            "load" => Trouble::Load,
            "store" => Trouble::Store,
            "lock" => Trouble::Lock,
            _ => return Err(Fault::invalid("failure", what, "key, load, store or lock is expected")),
        };
        let function = function.as_ref().map(|name| name.0.as_str());
        py.detach(|| self.core.note_failure(what, function, &reason.0));
        Ok(())
    }

    /// Counts time that was spent computing.
    fn note_computed(&self, py: Python<'_>, seconds: f64) -> Result<()> {
        let time = times::duration(seconds)?;
        py.detach(|| self.core.note_computed(time));
        Ok(())
    }

    /// Takes the right to compute; None if this thread has it already or the store is read-only.
    #[pyo3(signature = (key, wait = None))]
    fn flight(&self, py: Python<'_>, key: &Bound<'_, Key>, wait: Option<f64>) -> Result<Option<Flight>> {
        let (call, wait) = (key.get().call(self.core.namespace())?, wait.map(times::duration).transpose()?);
        Ok(detached(py, || self.core.flight(&call, wait))?.map(Flight::new))
    }

    /// Starts the entry of a key.
    fn writer(&self, py: Python<'_>, key: &Bound<'_, Key>) -> Result<Writer> {
        let call = key.get().call(self.core.namespace())?;
        Ok(py.detach(|| Writer::cached(&self.core, &call)))
    }

    /// Whether there is a value whose time is not over.
    fn contains(&self, py: Python<'_>, key: &Bound<'_, Key>) -> Result<bool> {
        let call = key.get().call(self.core.namespace())?.into_owned();
        detached(py, || self.core.contains(call))
    }

    /// What an entry says of itself, though its time may be over; None if there is none.
    fn info(&self, py: Python<'_>, key: &Bound<'_, Key>) -> Result<Option<Info>> {
        let key = key.get().key();
        Ok(detached(py, || self.core.store().info(key))?.map(Info::new))
    }

    /// Removes an entry, if `only` is given: if it is still that one; whether it did.
    #[pyo3(signature = (key, only = None))]
    fn forget(&self, py: Python<'_>, key: &Bound<'_, Key>, only: Option<&Bound<'_, Info>>) -> Result<bool> {
        let call = key.get().call(self.core.namespace())?.into_owned();
        match only {
            Some(only) => {
                let only: &EntryInfo = only.get().get();
                detached(py, || self.core.forget_if(only))
            }
            None => detached(py, || self.core.forget(call)),
        }
    }

    /// Changes labels; whether there is such an entry.
    #[pyo3(signature = (key, *, tags = None, meta = None, expires_in = Expiry::Keep, pinned = None))]
    fn relabel(
        &self,
        py: Python<'_>,
        key: &Bound<'_, Key>,
        tags: Option<Vec<Text>>,
        meta: Option<&Bound<'_, PyAny>>,
        expires_in: Expiry,
        pinned: Option<bool>,
    ) -> Result<bool> {
        let call = key.get().call(self.core.namespace())?.into_owned();
        let tags: Option<Vec<String>> = tags.map(|tags| tags.into_iter().map(|tag| tag.0).collect());
        let plain = |(name, value): &_| Ok((utf8(Bound::cast::<PyString>(name)?)?.to_owned(), note_plain(value)?));
        let meta = match meta {
            Some(meta) => Some(pairs_of(meta)?.iter().map(plain).collect::<Result<_>>()?),
            None => None,
        };
        let change = |labels: &mut Labels| {
            labels.tags = tags.clone().unwrap_or_else(|| std::mem::take(&mut labels.tags));
            labels.meta = meta.clone().unwrap_or_else(|| std::mem::take(&mut labels.meta));
            labels.pinned = pinned.unwrap_or(labels.pinned);
            if let Expiry::At(time) = expires_in {
                labels.expires = time;
            }
        };
        detached(py, || self.core.relabel(call, change))
    }

    /// The entries that meet the conditions. Damaged ones are passed over.
    #[pyo3(signature = (**conditions))]
    fn find(&self, conditions: Option<&Bound<'_, PyDict>>) -> Result<Found> {
        Ok(Found(Mutex::new(Box::new(self.core.find(&query(conditions)?)))))
    }

    /// Removes the entries that meet the conditions; how many.
    #[pyo3(signature = (**conditions))]
    fn evict(&self, py: Python<'_>, conditions: Option<&Bound<'_, PyDict>>) -> Result<u64> {
        let query = query(conditions)?;
        detached(py, || self.core.evict(&query))
    }

    /// Ends the time of the entries that meet the conditions; how many.
    #[pyo3(signature = (**conditions))]
    fn expire(&self, py: Python<'_>, conditions: Option<&Bound<'_, PyDict>>) -> Result<u64> {
        let query = query(conditions)?;
        detached(py, || self.core.expire(&query))
    }

    /// Lets go of what is held in memory.
    fn clear_memory(&self, py: Python<'_>) {
        py.detach(|| self.core.clear_memory());
    }

    /// The nearest stored calls, and what differs.
    #[pyo3(signature = (key, n = 3))]
    fn explain<'py>(&self, py: Python<'py>, key: &Bound<'py, Key>, n: usize) -> Result<Vec<Bound<'py, PyDict>>> {
        let call = key.get().call(self.core.namespace())?;
        let mut query = Query::new().namespace(call.namespace());
        if let Some(function) = call.function() {
            query = query.function(function);
        }
        let nearest = detached(py, || self.core.store().explain(&query, call.parts(), n))?;
        nearest.into_iter().map(|neighbour| self::neighbour(py, neighbour)).collect()
    }

    /// What caches of this namespace and of those nested in it did.
    fn stats<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        let stats = py.detach(|| self.core.stats());
        let dict = PyDict::new(py);
        dict.set_item("hits", stats.hits)?;
        dict.set_item("misses", stats.misses)?;
        dict.set_item("stale", stats.stale)?;
        dict.set_item("damaged", stats.damaged)?;
        dict.set_item("failures", stats.failures)?;
        dict.set_item("refused", stats.refused)?;
        dict.set_item("computed_ns", stats.computed_ns)?;
        dict.set_item("saved_ns", stats.saved_ns)?;
        dict.set_item("new_bytes", stats.new_bytes)?;
        dict.set_item("shared_bytes", stats.shared_bytes)?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!("Cache('{}', {:?})", self.home.path.display(), self.core.namespace())
    }
}

fn neighbour(py: Python<'_>, neighbour: ndstash::Neighbour) -> Result<Bound<'_, PyDict>> {
    let differences = neighbour.differences.iter().map(|difference| {
        let dict = PyDict::new(py);
        let part = match &difference.part {
            ndstash::Tree::Str(name) => name.clone(),
            other => show::plain(other),
        };
        dict.set_item("part", part)?;
        dict.set_item("here", difference.asked.as_ref().map(show::plain))?;
        dict.set_item("there", difference.stored.as_ref().map(show::plain))?;
        Ok(dict)
    });
    let dict = PyDict::new(py);
    dict.set_item("differences", differences.collect::<PyResult<Vec<_>>>()?)?;
    dict.set_item("info", Info::new(neighbour.info).into_pyobject(py)?)?;
    Ok(dict)
}

/// When a time is to be over.
#[derive(Clone, Copy)]
enum Expiry {
    /// Whenever it is.
    Keep,
    At(Option<i64>),
}

impl<'py> FromPyObject<'_, 'py> for Expiry {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.cast::<PyEllipsis>().is_ok() {
            return Ok(Expiry::Keep);
        }
        Ok(Expiry::At(times::from_now(object.extract()?)?))
    }
}

/// Entries that were found, one after another.
#[pyclass(frozen, module = "ndstash._core")]
pub(crate) struct Found(Mutex<Box<dyn Iterator<Item = ndstash::Result<EntryInfo>> + Send>>);

#[pymethods]
impl Found {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> Result<Option<Info>> {
        // Waited for without the interpreter lock, by several threads that share the iterator.
        let next = || {
            let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            found.find(|info| !matches!(info, Err(error) if error.is_damage())).transpose()
        };
        Ok(detached(py, next)?.map(Info::new))
    }
}
