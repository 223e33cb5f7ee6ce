//! The cache: values under what was asked, computed once, whatever happens to the store beneath.
//!
//! A failure of the store never fails who computes: the value is computed and handed out, one warning is given, and a
//! counter moves.

mod batch;
mod flight;
mod lookup;
mod memory;
mod options;
mod pieces;
mod request;
mod tally;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::callkey::{self, CallKey, KeyBuilder};
use crate::disk;
use crate::error::{Error, Result};
use crate::format::counters::CacheStats;
use crate::store::{EntryInfo, Labels, PutReport, Query, Store};
pub use flight::Flight;
use memory::Memory;
pub use options::CacheOptions;
pub use pieces::{Lookup, Recall};
pub use request::Request;
use tally::Tally;

/// The longest namespace, in bytes.
const MAX_NAMESPACE: usize = 256;

/// Computed values in a store, under keys made of what was asked.
///
/// A key is made of anything that can be serialized: see [`CallKey`] for what tells two apart. Keys of different
/// namespaces never meet. Cheap to clone; may be used from many threads, and the store from many processes.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let store = ndstash::Store::create(dir.path().join("results"))?;
/// use ndarray::Array2;
/// use ndstash::Cache;
///
/// let cache = Cache::new(store, "simulate")?;
/// let simulate = |n: usize, dt: f64| Array2::from_shape_fn((n, n), |(i, j)| dt * (i * j) as f64);
///
/// let field: Array2<f64> = cache.get_or_insert_with(&(300, 0.1), || simulate(300, 0.1));
/// let again: Array2<f64> = cache.get_or_insert_with(&(300, 0.1), || unreachable!("it is there"));
/// assert_eq!(field, again);
/// assert_eq!(cache.stats().hits, 1);
/// # Ok::<(), ndstash::Error>(())
/// ```
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
    namespace: Arc<str>,
}

struct Shared {
    store: Store,
    memory: Option<Memory>,
    tally: Tally,
    wait: Duration,
    enabled: AtomicBool,
    warnings: Warnings,
    host: Option<String>,
    user: Option<String>,
}

/// Anything a cache takes for a key: a reference to a value that can be serialized, or what [`Cache::key`] built.
pub trait IntoCallKey {
    /// The key, in a namespace; a key that was built has its own.
    ///
    /// # Errors
    /// If the value cannot be serialized, or a file it stands for cannot be read.
    fn into_call_key(self, namespace: &str) -> Result<CallKey>;
}

impl<T: Serialize + ?Sized> IntoCallKey for &T {
    fn into_call_key(self, namespace: &str) -> Result<CallKey> {
        CallKey::of(namespace, self)
    }
}

impl IntoCallKey for CallKey {
    fn into_call_key(self, _: &str) -> Result<CallKey> {
        Ok(self)
    }
}

impl IntoCallKey for KeyBuilder {
    fn into_call_key(self, _: &str) -> Result<CallKey> {
        self.finish()
    }
}

impl Cache {
    /// A cache with the default options; see [`CacheOptions::open`].
    pub fn new(store: Store, namespace: &str) -> Result<Self> {
        CacheOptions::new().open(store, namespace)
    }

    /// The cache of a namespace nested in this one's, sharing everything else with it.
    ///
    /// # Errors
    /// As [`CacheOptions::open`].
    pub fn sub(&self, name: &str) -> Result<Self> {
        let namespace = if self.namespace.is_empty() { name.to_owned() } else { format!("{}/{name}", self.namespace) };
        check_namespace(&namespace)?;
        Ok(Cache { shared: Arc::clone(&self.shared), namespace: namespace.into() })
    }

    /// The store beneath, as durable as the cache.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// The namespace, its components separated by `/`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Starts a key of several named parts, in this namespace, for a function.
    pub fn key(&self, function: impl Into<String>) -> KeyBuilder {
        KeyBuilder::new(&*self.namespace).function(function)
    }

    /// Whether it is switched on.
    pub fn is_enabled(&self) -> bool {
        self.shared.enabled.load(Ordering::Relaxed)
    }

    /// Switches it, its clones and its nested caches on or off: a cache that is off finds nothing and stores nothing.
    pub fn set_enabled(&self, enabled: bool) {
        self.shared.enabled.store(enabled, Ordering::Relaxed);
    }

    /// Starts a request with options of its own: tags, expiry, conditions, waiting.
    pub fn request<'a, T: 'a>(&self, key: impl IntoCallKey) -> Request<'a, T> {
        Request::new(self, key.into_call_key(&self.namespace))
    }

    /// The value of a key; `None` if there is none, its time is over, or its entry cannot be used (damaged, of an unknown
    /// encoding or version, not readable: counted, with a warning).
    ///
    /// # Errors
    /// If the key cannot be made; [`Error::WrongType`], which says what differs, if the value is of another type than
    /// `T`.
    pub fn get<T: DeserializeOwned>(&self, key: impl IntoCallKey) -> Result<Option<T>> {
        self.request(key).get()
    }

    /// Puts a value under a key, replacing what is there.
    ///
    /// # Errors
    /// If the key cannot be made or the value not stored: unlike [`get_or_compute`](Self::get_or_compute), this says so.
    pub fn insert<T: Serialize>(&self, key: impl IntoCallKey, value: &T) -> Result<Option<PutReport>> {
        self.request(key).insert(value)
    }

    /// The value of a key, computed if it is not there. Over all threads and processes, one computes; the others wait
    /// for its value. Values of different keys are computed at the same time, and `compute` may itself use the cache
    /// for other keys. If it fails or panics nothing is stored, and the next one computes.
    ///
    /// # Errors
    /// Those of `compute` alone: whatever is wrong with the store, the value is computed and returned.
    pub fn get_or_compute<T, E>(&self, key: impl IntoCallKey, compute: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
    {
        self.request(key).get_or_compute(compute)
    }

    /// [`get_or_compute`](Self::get_or_compute) for what cannot fail.
    pub fn get_or_insert_with<T>(&self, key: impl IntoCallKey, compute: impl FnOnce() -> T) -> T
    where
        T: Serialize + DeserializeOwned,
    {
        self.request(key).get_or_insert_with(compute)
    }

    /// Whether a value is there whose time is not over. Does not look at its content, and does not count as a use.
    ///
    /// # Errors
    /// If the key cannot be made, or the store not be read.
    pub fn contains(&self, key: impl IntoCallKey) -> Result<bool> {
        let key = key.into_call_key(&self.namespace)?.key();
        if !self.is_enabled() || !self.store().contains(key)? {
            return Ok(false);
        }
        Ok(self.store().info(key)?.is_some_and(|info| !info.is_expired_at(disk::now_ns())))
    }

    /// What is known of a value; `None` if there is none. Its time may be over.
    ///
    /// # Errors
    /// If the key cannot be made, or the entry not be read.
    pub fn info(&self, key: impl IntoCallKey) -> Result<Option<EntryInfo>> {
        self.store().info(key.into_call_key(&self.namespace)?.key())
    }

    /// Removes a value; whether there was one.
    ///
    /// # Errors
    /// If the key cannot be made, or the store not be changed.
    pub fn forget(&self, key: impl IntoCallKey) -> Result<bool> {
        let key = key.into_call_key(&self.namespace)?.key();
        let removed = self.store().remove(key);
        self.drop_from_memory(&key);
        removed
    }

    /// Makes a value's time end so long from now; `None`: never. Returns whether there is such a value.
    ///
    /// # Errors
    /// As [`forget`](Self::forget).
    pub fn touch(&self, key: impl IntoCallKey, expires_in: Option<Duration>) -> Result<bool> {
        self.relabel(key, |labels| labels.expires = expires_in.map(after_now))
    }

    /// Keeps every policy from removing a value, or no longer does. Returns whether there is such a value.
    ///
    /// # Errors
    /// As [`forget`](Self::forget).
    pub fn pin(&self, key: impl IntoCallKey, pinned: bool) -> Result<bool> {
        self.relabel(key, |labels| labels.pinned = pinned)
    }

    /// Changes tags, metadata, expiry and pin of a value; see [`Store::relabel`].
    ///
    /// # Errors
    /// As [`forget`](Self::forget).
    pub fn relabel(&self, key: impl IntoCallKey, change: impl FnMut(&mut Labels)) -> Result<bool> {
        let key = key.into_call_key(&self.namespace)?.key();
        let changed = self.store().relabel(key, change);
        self.drop_from_memory(&key);
        changed
    }

    /// The entries of this namespace and of those nested in it, in no particular order.
    pub fn entries(&self) -> impl Iterator<Item = Result<EntryInfo>> + use<> {
        self.find(&Query::new())
    }

    /// The same, of those that meet the conditions.
    pub fn find(&self, query: &Query) -> impl Iterator<Item = Result<EntryInfo>> + use<> {
        self.store().find(&query.clone().namespace(&*self.namespace))
    }

    /// Removes all values of this namespace and of those nested in it; returns how many. What they took on disk is
    /// freed by the next [`Store::gc`].
    ///
    /// # Errors
    /// The first error of reading or removing an entry, after all the others have been dealt with.
    pub fn clear(&self) -> Result<u64> {
        self.evict(&Query::new())
    }

    /// The same, of those that meet the conditions: a tag, say.
    ///
    /// # Errors
    /// As [`clear`](Self::clear).
    pub fn evict(&self, query: &Query) -> Result<u64> {
        let removed = self.store().evict(&query.clone().namespace(&*self.namespace));
        self.clear_memory();
        removed
    }

    /// Ends the time of the values that meet the conditions: they are computed anew when they are asked for next, and a
    /// request that may take stale ones still gets them meanwhile. Returns how many there were.
    ///
    /// # Errors
    /// As [`clear`](Self::clear).
    pub fn expire(&self, query: &Query) -> Result<u64> {
        let now = disk::now_ns();
        self.store().for_each(&query.clone().namespace(&*self.namespace), |info| {
            if info.is_expired_at(now) {
                return Ok(false);
            }
            let expired = self.store().relabel(info.key(), |labels| labels.expires = Some(now));
            self.drop_from_memory(&info.key());
            // An entry that lacks a blob cannot be changed. It would be good again as soon as another puts that blob.
            Ok(expired? || self.store().remove_if(info)?)
        })
    }

    /// Lets go of what the tier in memory holds, as after changes that were made past the cache.
    pub fn clear_memory(&self) {
        if let Some(memory) = &self.shared.memory {
            memory.clear();
        }
    }

    /// What the caches of this namespace and of those nested in it did, in all processes: in others, up to a few
    /// seconds ago. What this one did counts even where nothing can be written.
    pub fn stats(&self) -> CacheStats {
        self.shared.tally.flush();
        let mut sum = CacheStats::default();
        for (namespace, stats) in self.store().cache_stats().into_iter().chain(self.shared.tally.unwritten()) {
            if crate::store::is_within(&namespace, &self.namespace) {
                sum.add(&stats);
            }
        }
        sum
    }

    fn drop_from_memory(&self, key: &crate::Key) {
        if let Some(memory) = &self.shared.memory {
            memory.forget(key);
        }
    }

    fn count(&self, hit: Option<crate::Key>, count: impl FnOnce(&mut CacheStats)) {
        self.shared.tally.count(&self.namespace, hit, count);
    }

    fn warn(&self, what: Trouble, function: Option<&str>, error: &Error) {
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        self.tell(what, function, error, &cause);
    }

    /// Says once, loudly, that something did not work; after that, quietly.
    fn tell(&self, what: Trouble, function: Option<&str>, error: &dyn fmt::Display, cause: &str) {
        let (store, namespace) = (self.store().path().display(), &self.namespace);
        if self.shared.warnings.is_first(what) {
            tracing::warn!(%store, %namespace, function, %error, cause, "{}; further ones are logged at debug level", what.text());
        } else {
            tracing::debug!(%store, %namespace, function, %error, cause, "{}", what.text());
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (store, namespace) = (self.store().path(), &self.namespace);
        f.debug_struct("Cache").field("store", &store).field("namespace", namespace).finish_non_exhaustive()
    }
}

/// What can go wrong without failing a computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A key could not be made.
    Key,
    /// A stored value could not be used.
    Load,
    /// A value could not be stored.
    Store,
    /// A computation could not be locked.
    Lock,
    /// A value was larger than the store's limit.
    Refused,
}

impl Trouble {
    const fn text(self) -> &'static str {
        match self {
            Trouble::Key => "a key could not be made; the value is computed and not stored",
            Trouble::Load => "a stored value could not be used; it is computed anew",
            Trouble::Store => "a value could not be stored; it is handed out all the same",
            Trouble::Lock => "a computation could not be locked; it may run more than once",
            Trouble::Refused => "a value is larger than the store's limit; it is handed out and not stored",
        }
    }
}

/// Which warnings were given already.
#[derive(Debug, Default)]
struct Warnings(AtomicU8);

impl Warnings {
    fn is_first(&self, what: Trouble) -> bool {
        let bit = 1 << what as u8;
        self.0.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

/// A namespace of a cache is shorter than one of a key may be, and otherwise the same.
fn check_namespace(namespace: &str) -> Result<()> {
    if namespace.len() > MAX_NAMESPACE {
        let reason = "a namespace has at most 256 bytes";
        return Err(Error::Invalid { what: "namespace", given: namespace.to_owned(), reason });
    }
    callkey::check_namespace(namespace)
}

/// A time so long from now, in nanoseconds since 1970-01-01 00:00 UTC.
fn after_now(time: Duration) -> i64 {
    disk::now_ns().saturating_add(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}
