//! Stores.

use std::sync::Arc;

use ndstash::{CacheOptions, CullOptions, Digest, Durability, GcOptions, Limits, MergeOptions, StoreOptions};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::address::Address;
use crate::buffer::{Buffer, mapped};
use crate::cache::Cache;
use crate::canvas::Canvas;
use crate::entry::{Entry, Info};
use crate::error::{Fault, Result, detached};
use crate::home::Home;
use crate::mode::Mode;
use crate::path::Given;
use crate::text::Text;
use crate::writer::Writer;
use crate::{limits, times, verify};

const FULL: &str = "full";
const DEFERRED: &str = "deferred";

fn named(word: &str) -> Result<Durability> {
    match word {
        FULL => Ok(Durability::Full),
        DEFERRED => Ok(Durability::Deferred),
        other => Err(Fault::invalid("durability", other, "\"full\" or \"deferred\" is expected")),
    }
}

/// A directory of results.
#[pyclass(frozen, weakref, module = "ndstash._core")]
pub(crate) struct Store {
    store: ndstash::Store,
    home: Arc<Home>,
}

#[pymethods]
impl Store {
    /// Opens a store, making it first if it is not there and `create` says so.
    #[staticmethod]
    #[pyo3(signature = (path, *, create = true, read_only = false, memory_map = true, shared = false, group = None, lock_timeout = None, inline = None, durability = None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords")]
    #[expect(clippy::fn_params_excessive_bools, reason = "they are keywords")]
    fn open(
        py: Python<'_>,
        path: Given,
        create: bool,
        read_only: bool,
        memory_map: bool,
        shared: bool,
        group: Option<u32>,
        lock_timeout: Option<f64>,
        inline: Option<(u64, u64)>,
        durability: Option<&str>,
    ) -> Result<Self> {
        let mut options = StoreOptions::new().read_only(read_only);
        if memory_map {
            options = options.mapping(mapped());
        }
        if shared {
            options = options.shared(group);
        }
        if let Some(seconds) = lock_timeout {
            options = options.lock_timeout(times::duration(seconds)?);
        }
        if let Some((each, total)) = inline {
            options = options.inline_limits(each, total);
        }
        if let Some(word) = durability {
            options = options.durability(named(word)?);
        }
        let path = path.0;
        let open = || if create && !read_only { options.open_or_create(&path) } else { options.open(&path) };
        let store = detached(py, open)?;
        let home = Arc::new(Home::of(&store));
        Ok(Store { store, home })
    }

    #[getter]
    fn path(&self) -> &std::ffi::OsStr {
        self.home.path.as_os_str()
    }

    #[getter]
    fn read_only(&self) -> bool {
        self.store.is_read_only()
    }

    /// When a put returns: "full" or "deferred", as far as the file system allows.
    #[getter]
    fn durability(&self, py: Python<'_>) -> &'static str {
        match py.detach(|| self.store.durability()) {
            Durability::Full => FULL,
            Durability::Deferred => DEFERRED,
        }
    }

    /// What tells this boot of this machine from others.
    #[getter]
    fn boot(&self) -> &[u8] {
        &self.home.boot
    }

    /// Waits until all that this process has put is on disk.
    fn flush(&self, py: Python<'_>) -> Result<()> {
        detached(py, || self.store.flush())
    }

    /// The cache of a namespace.
    #[pyo3(signature = (namespace, *, wait = None, memory = 0, memory_trust = None))]
    fn cache(
        slf: Bound<'_, Self>,
        namespace: Text,
        wait: Option<f64>,
        memory: u64,
        memory_trust: Option<f64>,
    ) -> Result<Cache> {
        let mut options = CacheOptions::new().memory(memory);
        if let Some(seconds) = memory_trust {
            options = options.memory_trust(times::duration(seconds)?);
        }
        if let Some(seconds) = wait {
            options = options.wait(times::duration(seconds)?);
        }
        let cache = options.open(slf.get().store.clone(), &namespace.0)?;
        let home = Arc::clone(&slf.get().home);
        Ok(Cache::new(cache, slf.unbind(), home))
    }

    /// Reads an entry and opens its blobs; None if there is none.
    fn entry(&self, py: Python<'_>, address: Address) -> Result<Option<Py<Entry>>> {
        let Some(entry) = detached(py, || self.store.entry(address.as_core()))? else { return Ok(None) };
        Entry::new(py, Arc::new(entry), Arc::clone(&self.home), false).map(Some)
    }

    /// What an entry says of itself; None if there is none.
    fn info(&self, py: Python<'_>, address: Address) -> Result<Option<Info>> {
        Ok(detached(py, || self.store.info(address.as_core()))?.map(Info::new))
    }

    /// Removes an entry; whether there was one.
    fn remove(&self, py: Python<'_>, address: Address) -> Result<bool> {
        detached(py, || self.store.remove(address.as_core()))
    }

    /// Starts an entry.
    fn writer(&self, py: Python<'_>, address: Address) -> Writer {
        py.detach(|| Writer::new(&self.store, address))
    }

    /// Memory for an array that is produced in place: zeros.
    fn array(&self, py: Python<'_>, dtype: &str, shape: Vec<u64>) -> Result<Canvas> {
        Canvas::new(py, &self.store, self.home.path.clone(), dtype, &shape)
    }

    /// Opens a blob by its name; None if it is not there. `boot`: that of the handle through which it was seen.
    fn buffer(&self, py: Python<'_>, digest: &str, nbytes: u64, mode: Mode, boot: [u8; 16]) -> Result<Option<Buffer>> {
        let digest: Digest = digest.parse()?;
        match detached(py, || self.store.blob(&digest, nbytes, boot))? {
            Some(blob) => mode.buffer(py, &blob, &self.home).map(Some),
            None => Ok(None),
        }
    }

    /// How much it may hold.
    fn limits<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        limits::dict(py, detached(py, || self.store.limits())?)
    }

    /// Changes the limits that are given.
    #[pyo3(signature = (**change))]
    fn set_limits<'py>(&self, py: Python<'py>, change: Option<&Bound<'py, PyDict>>) -> Result<Bound<'py, PyDict>> {
        let changes = change.map_or(Ok(Vec::new()), limits::changes)?;
        let set = |limits: &mut Limits| changes.into_iter().for_each(|change| change.apply(limits));
        limits::dict(py, detached(py, || self.store.set_limits(set))?)
    }

    /// Removes what the limits say is too much, and what only that kept.
    fn cull<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        let report = detached(py, || self.store.cull(&CullOptions::new()))?;
        let dict = PyDict::new(py);
        dict.set_item("evicted", report.evicted.len())?;
        dict.set_item("bytes_before", report.bytes_before)?;
        dict.set_item("bytes_after", report.bytes_after)?;
        dict.set_item("entries_before", report.entries_before)?;
        dict.set_item("still_over", u8::from(report.still_over))?;
        dict.set_item("blobs_removed", report.gc.blobs_removed)?;
        dict.set_item("bytes_freed", report.gc.bytes_freed)?;
        Ok(dict)
    }

    /// Removes every blob that no entry names.
    fn gc<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        let report = detached(py, || self.store.gc(&GcOptions::new()))?;
        let dict = PyDict::new(py);
        dict.set_item("entries", report.entries)?;
        dict.set_item("blobs_kept", report.blobs_kept)?;
        dict.set_item("bytes_kept", report.bytes_kept)?;
        dict.set_item("blobs_removed", report.blobs_removed)?;
        dict.set_item("bytes_freed", report.bytes_freed)?;
        dict.set_item("manifest_bytes", report.manifest_bytes)?;
        dict.set_item("bytes_shared", report.bytes_shared)?;
        Ok(dict)
    }

    /// Totals.
    fn usage<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        let usage = detached(py, || self.store.usage())?;
        let dict = PyDict::new(py);
        dict.set_item("entries", usage.entries)?;
        dict.set_item("logical_bytes", usage.logical_bytes)?;
        dict.set_item("inline_bytes", usage.inline_bytes)?;
        dict.set_item("manifest_bytes", usage.manifest_bytes)?;
        dict.set_item("blobs", usage.blobs)?;
        dict.set_item("blob_bytes", usage.blob_bytes)?;
        dict.set_item("live_blobs", usage.live_blobs)?;
        dict.set_item("live_bytes", usage.live_bytes)?;
        dict.set_item("garbage_blobs", usage.garbage_blobs)?;
        dict.set_item("garbage_bytes", usage.garbage_bytes)?;
        dict.set_item("saved_bytes", usage.saved_bytes)?;
        dict.set_item("quarantine_files", usage.quarantine_files)?;
        dict.set_item("quarantine_bytes", usage.quarantine_bytes)?;
        dict.set_item("leftover_files", usage.leftover_files)?;
        dict.set_item("leftover_bytes", usage.leftover_bytes)?;
        Ok(dict)
    }

    /// Hashes every blob and reads every manifest.
    #[pyo3(signature = (*, repair = false, progress = None))]
    fn verify<'py>(
        &self,
        py: Python<'py>,
        repair: bool,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyDict>> {
        verify::run(py, &self.store, repair, progress)
    }

    /// Takes over the entries of another store.
    #[pyo3(signature = (other, *, replace = false))]
    fn merge<'py>(&self, py: Python<'py>, other: &Bound<'py, Store>, replace: bool) -> Result<Bound<'py, PyDict>> {
        let (from, options) = (&other.get().store, MergeOptions::new().replace(replace));
        let report = detached(py, || self.store.merge(from, &options))?;
        let dict = PyDict::new(py);
        dict.set_item("entries_copied", report.entries_copied)?;
        dict.set_item("entries_replaced", report.entries_replaced)?;
        dict.set_item("entries_kept", report.entries_kept)?;
        dict.set_item("entries_same", report.entries_same)?;
        dict.set_item("blobs_copied", report.blobs_copied)?;
        dict.set_item("bytes_copied", report.bytes_copied)?;
        dict.set_item("blobs_shared", report.blobs_shared)?;
        dict.set_item("bytes_shared", report.bytes_shared)?;
        dict.set_item("damaged", report.damaged.len())?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!("Store('{}')", self.home.path.display())
    }
}
