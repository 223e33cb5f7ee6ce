//! The pieces that a request is made of, for callers that put them together in a way of their own: decorators of other
//! languages, batches, tasks.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use super::flight::Flight;
use super::{Cache, Trouble};
use crate::callkey::CallKey;
use crate::disk;
use crate::error::{Error, Result};
use crate::format::body::Origin;
use crate::key::Key;
use crate::store::{EntryInfo, PutReport};
use crate::value::{Entry, Loadable, Writer};

/// What lies under a key, as [`Cache::look`] finds it.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// An entry whose time is not over.
    Fresh(Arc<Entry>),
    /// One whose time is over, but not for as long as was asked for.
    Stale(Arc<Entry>),
    /// There is none.
    Missing,
    /// There is something that cannot be used.
    Unusable,
}

/// What the short way to a value finds, [`Cache::recall`].
#[derive(Clone, Debug)]
pub enum Recall {
    /// A value whose time is not over.
    Value(Arc<Loadable>),
    /// There is no entry.
    Absent,
    /// Something that this way does not lead to, or the cache is switched off; [`Cache::look`] says what it is.
    Other,
}

/// The pieces of a request. What they do is counted only by the `note_` methods and [`stored`](Cache::stored), which
/// count nothing in a cache that is switched off.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let cache = ndstash::Cache::new(ndstash::Store::create(dir.path().join("results"))?, "n")?;
/// use std::time::{Duration, Instant};
///
/// use ndstash::{Error, Lookup, Tree};
///
/// let key = cache.key("square").arg("x", &7).finish()?;
/// let look = || match cache.look(&key, Duration::ZERO) {
///     Lookup::Fresh(entry) => Some(entry),
///     _ => None,
/// };
/// let mut found = look();
/// if found.is_none() {
///     let _flight = cache.flight(&key, None)?;
///     found = look(); // somebody else may have been faster
///     if found.is_none() {
///         cache.note_miss();
///         let (start, square) = (Instant::now(), 7 * 7);
///         let mut writer = cache.writer(&key);
///         writer.compute_time(start.elapsed());
///         cache.stored(&writer.put(key.key(), Tree::from(square))?);
///         found = look();
///     }
/// }
/// assert_eq!(found.expect("it was put").value::<i64>()?, 49);
/// assert_eq!((cache.stats().misses, cache.stats().hits), (1, 0));
/// # Ok::<(), Error>(())
/// ```
impl Cache {
    /// Opens the entry of a key; one whose time has been over for `stale` or longer is missing, as is every one if the
    /// cache is switched off. Counts neither hit nor miss. What is wrong with an entry is counted and told, as in
    /// [`get_or_compute`](Self::get_or_compute); that its value may be of another type shows later. The tier in memory is
    /// passed by.
    pub fn look(&self, key: &CallKey, stale: Duration) -> Lookup {
        self.try_look(key, stale).unwrap_or_else(|error| {
            self.note_unusable(key, &error);
            Lookup::Unusable
        })
    }

    /// The same for who has looked before, and looks again once it has the key's flight: what is wrong with an entry is
    /// not counted and told again.
    pub fn look_again(&self, key: &CallKey, stale: Duration) -> Lookup {
        self.try_look(key, stale).unwrap_or(Lookup::Unusable)
    }

    /// The short way to a value that is its tree and whose time is not over: what else the entry says is not looked at.
    /// The tier in memory is looked into first. Counts no hit: see [`note_loaded`](Self::note_loaded).
    ///
    /// # Errors
    /// What is wrong with the entry, neither counted nor told.
    pub fn recall(&self, key: &Key) -> Result<Recall> {
        if !self.is_enabled() {
            return Ok(Recall::Other);
        }
        match self.open(key) {
            Ok(Some(found)) if is_fresh(&found) => Ok(Recall::Value(found)),
            Ok(None) => Ok(Recall::Absent),
            Ok(Some(_)) | Err(Error::Unsupported { .. }) => Ok(Recall::Other),
            Err(error) => Err(error),
        }
    }

    /// The same, of what the tier in memory has and needs not look for on disk: never waits for anything. `None` as well
    /// if there is no such tier.
    pub fn held(&self, key: &Key) -> Option<Arc<Loadable>> {
        let memory = self.shared.memory.as_ref().filter(|_| self.is_enabled())?;
        let held = memory.trusted(key)?;
        is_fresh(&held.found).then(|| Arc::clone(&held.found))
    }

    fn try_look(&self, key: &CallKey, stale: Duration) -> Result<Lookup> {
        if !self.is_enabled() {
            return Ok(Lookup::Missing);
        }
        let Some(entry) = self.store().entry(key.key())? else { return Ok(Lookup::Missing) };
        Ok(match lateness(entry.expires(), stale) {
            Lateness::Fresh => Lookup::Fresh(entry.into()),
            Lateness::Stale => Lookup::Stale(entry.into()),
            Lateness::Over => Lookup::Missing,
        })
    }

    /// Takes the right to compute the value of a key, which it is until it is dropped, and waits while somebody else has
    /// it: for `wait`, or as long as the cache is told to. `None`: the handle may not write, or the cache is switched
    /// off, or this thread has it already; then the value is computed without it.
    ///
    /// See [`Flight`] for threads and tasks.
    ///
    /// # Errors
    /// [`Error::Busy`] if somebody else has it for longer, [`Error::Io`] if it cannot be locked. The value may be computed
    /// all the same.
    pub fn flight(&self, key: &CallKey, wait: Option<Duration>) -> Result<Option<Flight>> {
        if !self.is_enabled() {
            return Ok(None);
        }
        Flight::take(self.store(), key.key(), wait.unwrap_or(self.shared.wait))
    }

    /// Starts an entry that says where its value comes from. It is to be put under the key's own address,
    /// [`CallKey::key`], and told to [`stored`](Self::stored) after.
    pub fn writer(&self, key: &CallKey) -> Writer {
        let mut writer = self.store().writer();
        writer.origin(Origin {
            namespace: key.namespace().to_owned(),
            function: key.function().map(str::to_owned),
            version: key.version().map(str::to_owned),
            key: Some(key.parts().clone()),
            host: self.shared.host.clone(),
            user: self.shared.user.clone(),
        });
        writer
    }

    /// Counts what a put has written, and forgets what memory has of the entry that was there.
    pub fn stored(&self, report: &PutReport) {
        self.drop_from_memory(&report.key);
        self.note(None, |stats| {
            stats.new_bytes += report.new_bytes;
            stats.shared_bytes += report.shared_bytes;
        });
    }

    /// Removes a value only if it is still the one that was judged; whether it was removed. See
    /// [`Store::remove_if`](crate::Store::remove_if).
    ///
    /// # Errors
    /// If the store cannot be changed.
    pub fn forget_if(&self, judged: &EntryInfo) -> Result<bool> {
        let removed = self.store().remove_if(judged);
        self.drop_from_memory(&judged.key());
        removed
    }

    /// Counts a hit, a stale one if the entry's time is over.
    pub fn note_hit(&self, entry: &Entry) {
        if self.is_enabled() {
            let stale = entry.is_expired_at(disk::now_ns());
            self.count_hit(entry.key(), entry.info().head.facts.compute_ns, stale.into());
        }
    }

    /// Counts a hit of a value that was found the short way, and does not go to the disk for it; whether it is time for
    /// [`write_counts`](Self::write_counts).
    pub fn note_loaded(&self, found: &Loadable) -> bool {
        self.is_enabled() && self.note_hit_of(found.head.key, found.head.facts.compute_ns)
    }

    /// Writes down what was counted, which is done now and then anyway.
    pub fn write_counts(&self) {
        self.shared.tally.flush();
    }

    /// Counts a miss.
    pub fn note_miss(&self) {
        self.note(None, |stats| stats.misses += 1);
    }

    /// Counts and tells that an entry turned out to be damaged, or of another type or encoding, when its value was
    /// loaded.
    pub fn note_damaged(&self, key: &CallKey, reason: &dyn Display) {
        self.note(Some((Trouble::Load, key.function(), reason)), |stats| stats.damaged += 1);
    }

    /// Counts a value that was handed out and not stored, because it was not to be.
    pub fn note_refused(&self) {
        self.note(None, |stats| stats.refused += 1);
    }

    /// Counts and tells what went wrong without failing the computation: as refused if the value was too large, else as
    /// a failure. Of each kind the first is a warning, and others are logged at debug level.
    pub fn note_failure(&self, what: Trouble, function: Option<&str>, reason: &dyn Display) {
        self.note(Some((what, function, reason)), |stats| match what {
            Trouble::Refused => stats.refused += 1,
            _ => stats.failures += 1,
        });
    }

    /// Counts the time that computing a value took.
    pub fn note_computed(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.note(None, |stats| stats.computed_ns = stats.computed_ns.saturating_add(ns));
    }

    fn note(
        &self,
        told: Option<(Trouble, Option<&str>, &dyn Display)>,
        count: impl FnOnce(&mut crate::format::counters::CacheStats),
    ) {
        if !self.is_enabled() {
            return;
        }
        self.count(None, count);
        if let Some((what, function, reason)) = told {
            self.tell(what, function, reason, "");
        }
    }
}

/// Whether the time of what was found is not over.
fn is_fresh(found: &Loadable) -> bool {
    lateness(found.head.facts.expires, Duration::ZERO) == Lateness::Fresh
}

/// Whether the time of an entry is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lateness {
    Fresh,
    Stale,
    Over,
}

/// Judges the time of an entry where it may be over for less than `stale`.
pub(super) fn lateness(expires: Option<i64>, stale: Duration) -> Lateness {
    let late = expires.map_or(-1, |time| disk::now_ns().saturating_sub(time));
    match u128::try_from(late) {
        Err(_) => Lateness::Fresh,
        Ok(late) if late < stale.as_nanos() => Lateness::Stale,
        Ok(_) => Lateness::Over,
    }
}
