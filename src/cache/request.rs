//! One request: the options of a single call, and what is done about a key.

use std::convert::Infallible;
use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::flight::Flight;
use super::lookup::Found;
use super::{Cache, Trouble, after_now};
use crate::callkey::CallKey;
use crate::error::{Error, Result};
use crate::store::PutReport;

/// A condition on a value, or something made of it.
type Of<'a, T, R> = Box<dyn Fn(&T) -> R + 'a>;

/// One request to a [`Cache`], with options of its own.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let store = ndstash::Store::create(dir.path().join("results"))?;
/// use std::time::Duration;
/// let cache = ndstash::Cache::new(store, "prices")?;
/// let price: f64 = cache
///     .request(&"EUR")
///     .tag("rates")
///     .expires_in(Duration::from_secs(3600))
///     .stale_for(Duration::from_secs(600))
///     .keep_if(|price: &f64| price.is_finite())
///     .get_or_compute(|| Ok::<_, std::io::Error>(1.25))?;
/// assert_eq!(price, 1.25);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Request<'a, T> {
    cache: Cache,
    key: Result<CallKey>,
    options: Options<'a, T>,
}

struct Options<'a, T> {
    tags: Vec<String>,
    meta: Vec<(String, crate::Tree)>,
    expires: Option<Of<'a, T, Option<Duration>>>,
    keep: Option<Of<'a, T, bool>>,
    pinned: bool,
    stale: Duration,
    wait: Option<Duration>,
    refresh: bool,
}

impl<T> Default for Options<'_, T> {
    fn default() -> Self {
        Options {
            tags: Vec::new(),
            meta: Vec::new(),
            expires: None,
            keep: None,
            pinned: false,
            stale: Duration::ZERO,
            wait: None,
            refresh: false,
        }
    }
}

impl<'a, T: 'a> Request<'a, T> {
    pub(super) fn new(cache: &Cache, key: Result<CallKey>) -> Self {
        Request { cache: cache.clone(), key, options: Options::default() }
    }

    /// Adds a tag to the entry, if one is stored.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.options.tags.push(tag.into());
        self
    }

    /// Adds metadata to the entry, if one is stored.
    #[must_use]
    pub fn meta(mut self, name: impl Into<String>, value: impl Into<crate::Tree>) -> Self {
        self.options.meta.push((name.into(), value.into()));
        self
    }

    /// Stops handing the value out so long after it was stored.
    #[must_use]
    pub fn expires_in(self, time: Duration) -> Self {
        self.expires_with(move |_| Some(time))
    }

    /// Stops handing the value out after a time that depends on it; `None`: never.
    #[must_use]
    pub fn expires_with(mut self, time: impl Fn(&T) -> Option<Duration> + 'a) -> Self {
        self.options.expires = Some(Box::new(time));
        self
    }

    /// Stores the value only if this says so. It is handed out either way.
    #[must_use]
    pub fn keep_if(mut self, keep: impl Fn(&T) -> bool + 'a) -> Self {
        self.options.keep = Some(Box::new(keep));
        self
    }

    /// Keeps every policy from removing the entry.
    #[must_use]
    pub fn pin(mut self) -> Self {
        self.options.pinned = true;
        self
    }

    /// Takes a value whose time has been over for less than this, if somebody else is computing a new one: whoever
    /// comes first computes, the others do not wait.
    #[must_use]
    pub fn stale_for(mut self, time: Duration) -> Self {
        self.options.stale = time;
        self
    }

    /// How long somebody else's computation is waited for before the value is computed here as well; zero: not at all.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = Some(wait);
        self
    }

    /// Computes the value even if there is one, and replaces it.
    #[must_use]
    pub fn refresh(mut self) -> Self {
        self.options.refresh = true;
        self
    }
}

impl<'a, T: DeserializeOwned + 'a> Request<'a, T> {
    /// The value, if it is there; see [`Cache::get`]. With [`stale_for`](Self::stale_for), a stale one too.
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub fn get(self) -> Result<Option<T>> {
        let key = self.key?;
        if !self.cache.is_enabled() {
            return Ok(None);
        }
        match self.cache.look_up(key.key(), self.options.stale) {
            Ok(Found::Fresh(value)) => return Ok(Some(value)),
            Ok(Found::Stale(stale)) => return Ok(Some(self.cache.hand_out(key.key(), stale))),
            Ok(Found::Missing | Found::Unusable) => {}
            Err(error @ Error::WrongType { .. }) => return Err(error),
            Err(error) => self.cache.note_unusable(&key, &error),
        }
        self.cache.count(None, |stats| stats.misses += 1);
        Ok(None)
    }
}

impl<'a, T: Serialize + 'a> Request<'a, T> {
    /// Puts a value; see [`Cache::insert`]. `None` if [`keep_if`](Self::keep_if) said no, or the cache is switched off.
    ///
    /// # Errors
    /// As [`Cache::insert`].
    pub fn insert(self, value: &T) -> Result<Option<PutReport>> {
        let key = self.key?;
        if !self.cache.is_enabled() || !self.options.keeps(value) {
            return Ok(None);
        }
        self.cache.put(&key, value, None, &self.options).map(Some)
    }
}

impl<'a, T: Serialize + DeserializeOwned + 'a> Request<'a, T> {
    /// [`get_or_compute`](Self::get_or_compute) for what cannot fail.
    pub fn get_or_insert_with(self, compute: impl FnOnce() -> T) -> T {
        match self.get_or_compute(|| Ok::<T, Infallible>(compute())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// The value, computed if it is not there; see [`Cache::get_or_compute`].
    ///
    /// # Errors
    /// Those of `compute`.
    pub fn get_or_compute<E>(self, compute: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let Request { cache, key, options } = self;
        if !cache.is_enabled() {
            return compute();
        }
        let key = match key {
            Ok(key) => key,
            Err(error) => {
                cache.count(None, |stats| stats.failures += 1);
                cache.warn(Trouble::Key, None, &error);
                return compute();
            }
        };
        let flight = match cache.find_or_fly(&key, &options) {
            Landed::Value(value) => return Ok(value),
            Landed::Flying(flight) => flight,
        };
        cache.count(None, |stats| stats.misses += 1);
        let start = Instant::now();
        let value = compute()?;
        cache.keep(&key, &value, start.elapsed(), &options);
        drop(flight);
        Ok(value)
    }
}

/// Where a request for a value ends.
pub(super) enum Landed<T> {
    Value(T),
    /// It is to be computed; with the key's flight, if that could be had.
    Flying(Option<Flight>),
}

impl Cache {
    /// Finds a value, or takes the flight of its key, waiting for whoever has it and looking again after.
    fn find_or_fly<T: DeserializeOwned>(&self, call: &CallKey, options: &Options<'_, T>) -> Landed<T> {
        let (mut stale, mut told) = (None, false);
        if !options.refresh {
            match self.find_value(call, options.stale) {
                Found::Fresh(value) => return Landed::Value(value),
                Found::Stale(value) => stale = Some(value),
                Found::Missing => {}
                Found::Unusable => told = true,
            }
        }
        let wait = if stale.is_some() { Duration::ZERO } else { options.wait.unwrap_or(self.shared.wait) };
        let (flight, error) = match Flight::take(self.store(), call.key(), wait) {
            Ok(flight) => (flight, None),
            Err(error) => (None, Some(error)),
        };
        if let Some(stale) = stale
            && error.as_ref().is_some_and(Error::is_busy)
        {
            return Landed::Value(self.hand_out(call.key(), stale));
        }
        // Somebody may have stored the value since it was looked for.
        if !options.refresh
            && let Some(value) = self.find_again(call, told)
        {
            return Landed::Value(value);
        }
        if let Some(error) = error {
            self.note_unlocked(call, &error);
        }
        Landed::Flying(flight)
    }

    /// Counts and tells that a value is computed without its key's flight.
    pub(super) fn note_unlocked(&self, call: &CallKey, error: &Error) {
        self.count(None, |stats| stats.failures += 1);
        self.warn(Trouble::Lock, call.function(), error);
    }

    /// Stores what was computed, if it is to be kept and can be.
    fn keep<T: Serialize>(&self, key: &CallKey, value: &T, time: Duration, options: &Options<'_, T>) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.count(None, |stats| stats.computed_ns = stats.computed_ns.saturating_add(ns));
        if !options.keeps(value) {
            return self.count(None, |stats| stats.refused += 1);
        }
        match self.put(key, value, Some(time), options) {
            Ok(_) => {}
            Err(error @ Error::TooLarge { .. }) => {
                self.count(None, |stats| stats.refused += 1);
                self.warn(Trouble::Refused, key.function(), &error);
            }
            Err(error) => {
                self.count(None, |stats| stats.failures += 1);
                self.warn(Trouble::Store, key.function(), &error);
            }
        }
    }

    /// The same where there are no options.
    pub(super) fn keep_plain<T: Serialize>(&self, key: &CallKey, value: &T, time: Duration) {
        self.keep(key, value, time, &Options::default());
    }

    fn put<T: Serialize>(
        &self,
        key: &CallKey,
        value: &T,
        time: Option<Duration>,
        options: &Options<'_, T>,
    ) -> Result<PutReport> {
        let mut writer = self.writer(key);
        for tag in &options.tags {
            writer.tag(tag);
        }
        for (name, value) in &options.meta {
            writer.meta(name, value.clone());
        }
        writer.pin(options.pinned).compute_time(time.unwrap_or_default());
        let tree = writer.value(value)?;
        writer.expires(options.expires.as_ref().and_then(|time| time(value)).map(after_now));
        let report = writer.put(key.key(), tree).inspect_err(|_| self.drop_from_memory(&key.key()))?;
        self.stored(&report);
        Ok(report)
    }
}

impl<T> Options<'_, T> {
    fn keeps(&self, value: &T) -> bool {
        self.keep.as_ref().is_none_or(|keep| keep(value))
    }
}

impl<T> fmt::Debug for Request<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("cache", &self.cache).field("key", &self.key).finish_non_exhaustive()
    }
}
