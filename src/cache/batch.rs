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
    /// many values; it is called once for all that nobody else is computing, and once for each other that is still
    /// missing after somebody else was waited for. A key that is given twice is computed once, if its value can be
    /// stored.
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
        let mut batch = Batch { cache: self, keys, made: Vec::new(), values: keys.iter().map(|_| None).collect() };
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
            self.warn(Trouble::Key, error);
        })
        .ok()
    }
}

struct Batch<'a, 'k, K, T> {
    cache: &'a Cache,
    keys: &'k [K],
    /// `None` where none could be made: then the value is computed and not stored.
    made: Vec<Option<CallKey>>,
    values: Vec<Option<T>>,
}

impl<'k, K: Serialize, T: Serialize + DeserializeOwned> Batch<'_, 'k, K, T> {
    fn find(&mut self) {
        for (key, value) in self.made.iter().zip(&mut self.values) {
            if let Some(key) = key
                && let Found::Fresh(found) = self.cache.find_value(key.key(), Duration::ZERO)
            {
                *value = Some(found);
            }
        }
    }

    /// Computes what is missing and free. Returns the places of what somebody else is computing, or that come a second
    /// time.
    fn compute_free<E>(&mut self, compute: &mut impl FnMut(&[&'k K]) -> Result<Vec<T>, E>) -> Result<Vec<usize>, E> {
        let (mut free, mut flights, mut busy) = (Vec::new(), Vec::new(), Vec::new());
        for at in 0..self.keys.len() {
            if self.values[at].is_some() {
                continue;
            }
            let Some(key) = self.made[at].as_ref().map(CallKey::key) else {
                free.push(at);
                continue;
            };
            match Flight::take(self.cache.store(), key, Duration::ZERO) {
                // This thread has it: the key came before in this batch, or somewhere up the stack.
                Ok(None) => busy.push(at),
                Err(error) if error.is_busy() => busy.push(at),
                Err(error) => {
                    self.cache.warn(Trouble::Lock, &error);
                    free.push(at);
                }
                Ok(Some(flight)) => match self.cache.find_value(key, Duration::ZERO) {
                    Found::Fresh(value) => self.values[at] = Some(value),
                    _ => {
                        free.push(at);
                        flights.push(flight);
                    }
                },
            }
        }
        self.compute(&free, compute)?;
        drop(flights);
        Ok(busy)
    }

    fn compute_one<E>(&mut self, at: usize, compute: &mut impl FnMut(&[&'k K]) -> Result<Vec<T>, E>) -> Result<(), E> {
        let key = self.made[at].as_ref().expect("only what has a key has a flight").key();
        let flight = Flight::take(self.cache.store(), key, self.cache.shared.wait);
        if let Err(error) = &flight {
            self.cache.count(None, |stats| stats.failures += 1);
            self.cache.warn(Trouble::Lock, error);
        }
        match self.cache.find_value(key, Duration::ZERO) {
            Found::Fresh(value) => self.values[at] = Some(value),
            _ => self.compute(&[at], compute)?,
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
        self.cache.count(None, |stats| stats.misses += places.len() as u64);
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
