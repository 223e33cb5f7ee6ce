//! Looking for a value: in memory, then on disk, with its time.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{Cache, Trouble};
use crate::disk;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::value::Entry;

/// What was found under a key.
pub(super) enum Found<T> {
    Fresh(T),
    /// Its time is over, but not for longer than the request allows.
    Stale(T),
    Missing,
}

impl Cache {
    /// Looks for a value. Counts hits of fresh values; a miss is for the caller to count, who may find more.
    ///
    /// # Errors
    /// [`Error::WrongType`] alone. Everything else that is wrong with an entry makes it missing.
    pub(super) fn look<T: DeserializeOwned>(&self, key: Key, stale: Duration) -> Result<Found<T>> {
        let Some(memory) = &self.shared.memory else {
            let entry = self.store().entry(key);
            return self.judge(entry, |entry| self.take(&entry, stale));
        };
        if let Some(held) = memory.get(self.store(), &key) {
            return self.judge(Ok(Some(held)), |held| self.take(&held.entry, stale));
        }
        let mark = memory.mark();
        let held = self.store().entry(key).and_then(|entry| entry.map(|entry| memory.hold(entry, mark)).transpose());
        self.judge(held, |held| self.take(&held.entry, stale))
    }

    fn judge<E, T>(&self, entry: Result<Option<E>>, take: impl FnOnce(E) -> Result<Found<T>>) -> Result<Found<T>> {
        let error = match entry {
            Ok(None) => return Ok(Found::Missing),
            Ok(Some(entry)) => match take(entry) {
                Err(error @ Error::WrongType { .. }) => return Err(error),
                Err(error) => error,
                found => return found,
            },
            Err(error) => error,
        };
        let unusable = error.is_damage() || matches!(error, Error::Unsupported { .. });
        self.count(None, |stats| *if unusable { &mut stats.damaged } else { &mut stats.failures } += 1);
        self.warn(Trouble::Load, &error);
        Ok(Found::Missing)
    }

    fn take<T: DeserializeOwned>(&self, entry: &Entry, stale: Duration) -> Result<Found<T>> {
        let late = entry.expires().map_or(-1, |time| disk::now_ns().saturating_sub(time));
        if late >= 0 && late.unsigned_abs() as u128 >= stale.as_nanos() {
            return Ok(Found::Missing);
        }
        let value = entry.value()?;
        if late >= 0 {
            return Ok(Found::Stale(value));
        }
        self.count_hit(entry, false);
        Ok(Found::Fresh(value))
    }

    fn count_hit(&self, entry: &Entry, stale: bool) {
        let saved = entry.info().head.facts.compute_ns;
        self.count(Some(entry.key()), |stats| {
            stats.hits += 1;
            stats.stale += u64::from(stale);
            stats.saved_ns = stats.saved_ns.saturating_add(saved);
        });
    }
}
