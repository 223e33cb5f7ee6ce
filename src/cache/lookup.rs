//! Looking for a value: in memory, then on disk, with its time.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::pieces::{Lateness, lateness};
use super::{Cache, Trouble};
use crate::callkey::CallKey;
use crate::error::{Error, Result};
use crate::format::counters::CacheStats;
use crate::key::Key;
use crate::value::Loadable;

/// What was found under a key.
pub(super) enum Found<T> {
    Fresh(T),
    /// Its time is over, but not for longer than the request allows.
    Stale(Stale<T>),
    Missing,
    /// There is something that cannot be used. It was counted and told.
    Unusable,
}

/// A value whose time is over. It counts as a hit when it is handed out.
pub(super) struct Stale<T> {
    value: T,
    saved_ns: u64,
}

impl Cache {
    /// Looks for a value. Counts hits of fresh values; a miss is for the caller to count, who may find more.
    ///
    /// # Errors
    /// Whatever is wrong with the entry; nothing is counted then.
    pub(super) fn look_up<T: DeserializeOwned>(&self, key: Key, stale: Duration) -> Result<Found<T>> {
        self.open(&key)?.map_or(Ok(Found::Missing), |found| self.take(&found, stale))
    }

    /// The entry of a key, from memory if it is there; what is read is held there, if there is such a tier.
    pub(super) fn open(&self, key: &Key) -> Result<Option<Arc<Loadable>>> {
        let Some(memory) = &self.shared.memory else {
            return Ok(self.store().loadable(key, self.shared.tally.has_lately(key))?.map(Arc::new));
        };
        if let Some(held) = memory.get(self.store(), key) {
            return Ok(Some(Arc::clone(&held.found)));
        }
        let mark = memory.mark();
        match self.store().loadable(key, false)? {
            Some(found) => Ok(Some(Arc::clone(&memory.hold(found, mark)?.found))),
            None => Ok(None),
        }
    }

    /// The same for who computes: nothing is wrong enough to be an error.
    pub(super) fn find_value<T: DeserializeOwned>(&self, call: &CallKey, stale: Duration) -> Found<T> {
        self.look_up(call.key(), stale).unwrap_or_else(|error| {
            self.note_unusable(call, &error);
            Found::Unusable
        })
    }

    /// Looks once more, under the key's lock or after waiting for it. What is found unusable again is not counted again.
    pub(super) fn find_again<T: DeserializeOwned>(&self, call: &CallKey, told: bool) -> Option<T> {
        match self.look_up(call.key(), Duration::ZERO) {
            Ok(Found::Fresh(value)) => return Some(value),
            Err(error) if !told => self.note_unusable(call, &error),
            _ => {}
        }
        None
    }

    /// Counts and tells what keeps an entry from being used.
    pub(super) fn note_unusable(&self, call: &CallKey, error: &Error) {
        let damaged = error.is_damage() || matches!(error, Error::Unsupported { .. } | Error::WrongType { .. });
        self.count(None, |stats| *if damaged { &mut stats.damaged } else { &mut stats.failures } += 1);
        self.warn(Trouble::Load, call.function(), error);
    }

    fn take<T: DeserializeOwned>(&self, found: &Loadable, stale: Duration) -> Result<Found<T>> {
        let facts = &found.head.facts;
        let late = lateness(facts.expires, stale);
        if late == Lateness::Over {
            return Ok(Found::Missing);
        }
        let (value, saved_ns) = (found.value()?, facts.compute_ns);
        if late == Lateness::Stale {
            return Ok(Found::Stale(Stale { value, saved_ns }));
        }
        self.count_hit(found.head.key, saved_ns, 0);
        Ok(Found::Fresh(value))
    }

    /// Hands out a stale value.
    pub(super) fn hand_out<T>(&self, key: Key, stale: Stale<T>) -> T {
        self.count_hit(key, stale.saved_ns, 1);
        stale.value
    }

    pub(super) fn count_hit(&self, key: Key, saved_ns: u64, stale: u64) {
        self.count(Some(key), |stats| add_hit(stats, saved_ns, stale));
    }

    /// Counts a hit of a fresh value; whether what was counted is to be written now.
    pub(super) fn note_hit_of(&self, key: Key, saved_ns: u64) -> bool {
        self.shared.tally.note(&self.namespace, Some(key), |stats| add_hit(stats, saved_ns, 0))
    }
}

fn add_hit(stats: &mut CacheStats, saved_ns: u64, stale: u64) {
    stats.hits += 1;
    stats.stale += stale;
    stats.saved_ns = stats.saved_ns.saturating_add(saved_ns);
}
