//! Many keys at once: what is missing is computed in as few calls as can be, and nobody waits for one key while
//! holding another.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::flight::Flight;
use super::lookup::Found;
use super::{Cache, IntoCallKey, Trouble};
use crate::callkey::CallKey;
use crate::error::Result;

impl Cache {
    /// The values of many keys, in their order. `compute` is given the keys whose values are missing, and returns as
    /// many values; it is called once for all that nobody else is computing (or for each 128 of them: each is locked by
    /// an open file), and once for each other that is still missing after somebody else was waited for. A key that is
    /// given twice is computed once, if its value can be stored.
    ///
    /// # Errors
    /// Those of `compute`. What was computed before stays stored.
    ///
    /// # Panics
    /// If `compute` returns another number of values than it was given keys.
    pub fn get_or_compute_many<'k, K, T, E>(
        &self,
        keys: &'k [K],
        mut compute: impl FnMut(&[&'k K]) -> Result<Vec<T>, E>,
    ) -> Result<Vec<T>, E>
    where
        K: Serialize,
        T: Serialize + DeserializeOwned,
    {
        let mut batch = Batch {
            cache: self,
            keys,
            made: Vec::new(),
            told: vec![false; keys.len()],
            values: keys.iter().map(|_| None).collect(),
        };
        batch.made = keys.iter().map(|key| self.make_key(key)).collect();
        batch.find();
        let busy = batch.compute_free(&mut compute)?;
        for at in busy {
            batch.compute_one(at, &mut compute)?;
        }
        Ok(batch.values.into_iter().map(|value| value.expect("each was found or computed")).collect())
    }

    fn make_key<K: Serialize>(&self, key: &K) -> Option<CallKey> {
        if !self.is_enabled() {
            return None;
        }
        let made = key.into_call_key(self.namespace());
        made.inspect_err(|error| {
            self.count(None, |stats| stats.failures += 1);
            self.warn(Trouble::Key, None, error);
        })
        .ok()
    }
}

/// How many keys are computed together at most: each keeps a file open.
const MAX_FLIGHTS: usize = 128;

/// Whose it is to compute a value.
enum Taken {
    Not,
    ByAnother,
    ByUs(Option<Flight>),
}

struct Batch<'a, 'k, K, T> {
    cache: &'a Cache,
    keys: &'k [K],
    /// `None` where none could be made: then the value is computed and not stored.
    made: Vec<Option<CallKey>>,
    /// Whether there is something that cannot be used, which was counted.
    told: Vec<bool>,
    values: Vec<Option<T>>,
}

impl<'k, K: Serialize, T: Serialize + DeserializeOwned> Batch<'_, 'k, K, T> {
    fn find(&mut self) {
        for at in 0..self.keys.len() {
            let Some(call) = &self.made[at] else { continue };
            match self.cache.find_value(call, Duration::ZERO) {
                Found::Fresh(value) => self.values[at] = Some(value),
                found => self.told[at] = matches!(found, Found::Unusable),
            }
        }
    }

    /// Computes what is missing and free. Returns the places of what somebody else is computing, or that come a second
    /// time.
    fn compute_free<E>(&mut self, compute: &mut impl FnMut(&[&'k K]) -> Result<Vec<T>, E>) -> Result<Vec<usize>, E> {
        let (mut free, mut flights, mut busy) = (Vec::new(), Vec::new(), Vec::new());
        for at in 0..self.keys.len() {
            match self.take(at) {
                Taken::Not => {}
                Taken::ByAnother => busy.push(at),
                Taken::ByUs(flight) => {
                    free.push(at);
                    flights.extend(flight);
                }
            }
            if flights.len() == MAX_FLIGHTS {
                self.compute(&std::mem::take(&mut free), compute)?;
                flights.clear();
            }
        }
        self.compute(&free, compute)?;
        drop(flights);
        Ok(busy)
    }

    /// Takes the flight of what is missing, if it is free, and looks again.
    fn take(&mut self, at: usize) -> Taken {
        if self.values[at].is_some() {
            return Taken::Not;
        }
        let Some(call) = &self.made[at] else { return Taken::ByUs(None) };
        let flight = match Flight::take(self.cache.store(), call.key(), Duration::ZERO) {
            Ok(Some(flight)) => Some(flight),
            Ok(None) if self.cache.store().is_read_only() => None,
            // This thread has it: the key came before in this batch, or somewhere up the stack.
            Ok(None) => return Taken::ByAnother,
            Err(error) if error.is_busy() => return Taken::ByAnother,
            Err(error) => {
                self.cache.note_unlocked(call, &error);
                return Taken::ByUs(None);
            }
        };
        self.values[at] = self.cache.find_again(call, self.told[at]);
        if self.values[at].is_some() { Taken::Not } else { Taken::ByUs(flight) }
    }

    fn compute_one<E>(&mut self, at: usize, compute: &mut impl FnMut(&[&'k K]) -> Result<Vec<T>, E>) -> Result<(), E> {
        let call = self.made[at].as_ref().expect("only what has a key has a flight");
        let flight = Flight::take(self.cache.store(), call.key(), self.cache.shared.wait);
        self.values[at] = self.cache.find_again(call, self.told[at]);
        if self.values[at].is_none() {
            if let Err(error) = &flight {
                self.cache.note_unlocked(call, error);
            }
            self.compute(&[at], compute)?;
        }
        drop(flight);
        Ok(())
    }

    fn compute<E>(
        &mut self,
        places: &[usize],
        compute: &mut impl FnMut(&[&'k K]) -> Result<Vec<T>, E>,
    ) -> Result<(), E> {
        if places.is_empty() {
            return Ok(());
        }
        let missed = places.iter().filter(|&&at| self.made[at].is_some()).count();
        if missed > 0 {
            self.cache.count(None, |stats| stats.misses += missed as u64);
        }
        let keys: Vec<&K> = places.iter().map(|&at| &self.keys[at]).collect();
        let start = Instant::now();
        let values = compute(&keys)?;
        assert_eq!(values.len(), keys.len(), "a batch computes one value for each key");
        // Nobody knows how the time was spent; each gets an equal part.
        let time = start.elapsed() / u32::try_from(values.len()).unwrap_or(u32::MAX);
        for (&at, value) in places.iter().zip(values) {
            if let Some(key) = &self.made[at] {
                self.cache.keep_plain(key, &value, time);
            }
            self.values[at] = Some(value);
        }
        Ok(())
    }
}
