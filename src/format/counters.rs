//! Counters that caches keep: frames of sums, appended by every process, added up by whoever reads. Losing one loses
//! nothing but a figure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::wire::Wire;
use crate::digest::Digest;
use crate::key::Key;

const MAGIC: [u8; 4] = *b"NDC0";
const SUM_LEN: usize = 8;
/// How many frames that are not whole are passed over: each costs a look at all that follows.
const MAX_BAD: usize = 64;

/// What caches did, in one namespace or altogether.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CacheStats {
    /// Values that were there.
    pub hits: u64,
    /// Values that were not.
    pub misses: u64,
    /// Of the hits, values whose time was over, handed out while somebody else computed a new one.
    pub stale: u64,
    /// Of the misses, entries that could not be used: damaged, of another type, of an unknown encoding or version.
    pub damaged: u64,
    /// Values that were computed and handed out although they could not be stored, or read, or locked.
    pub failures: u64,
    /// Values that were not stored because they are larger than the limit, or because `keep` said so.
    pub refused: u64,
    /// Nanoseconds spent on computing.
    pub computed_ns: u64,
    /// Nanoseconds that computing the values of hits had taken.
    pub saved_ns: u64,
    /// Bytes of blobs that were written.
    pub new_bytes: u64,
    /// Bytes of blobs that were there already when a value was put.
    pub shared_bytes: u64,
}

impl CacheStats {
    /// Adds another's figures.
    pub fn add(&mut self, other: &CacheStats) {
        let pairs = self.fields().into_iter().zip(other.clone().fields().map(|field| *field));
        pairs.for_each(|(field, more)| *field = field.saturating_add(more));
    }

    fn fields(&mut self) -> [&mut u64; 10] {
        [
            &mut self.hits,
            &mut self.misses,
            &mut self.stale,
            &mut self.damaged,
            &mut self.failures,
            &mut self.refused,
            &mut self.computed_ns,
            &mut self.saved_ns,
            &mut self.new_bytes,
            &mut self.shared_bytes,
        ]
    }

    /// The time that hits have saved.
    pub fn time_saved(&self) -> Duration {
        Duration::from_nanos(self.saved_ns)
    }

    /// The time spent on computing.
    pub fn time_computed(&self) -> Duration {
        Duration::from_nanos(self.computed_ns)
    }
}

/// Sums by namespace and by entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counters {
    pub(crate) namespaces: BTreeMap<String, CacheStats>,
    pub(crate) hits: BTreeMap<Key, u64>,
}

impl Counters {
    pub(crate) fn is_empty(&self) -> bool {
        self.namespaces.is_empty() && self.hits.is_empty()
    }

    pub(crate) fn add(&mut self, other: &Counters) {
        for (namespace, stats) in &other.namespaces {
            self.namespaces.entry(namespace.clone()).or_default().add(stats);
        }
        for (key, hits) in &other.hits {
            let sum = self.hits.entry(*key).or_default();
            *sum = sum.saturating_add(*hits);
        }
    }

    pub(crate) fn encode_frame(&self) -> Vec<u8> {
        let payload = rmp_serde::to_vec(self).expect("counters hold nothing that MessagePack cannot say");
        let len = u32::try_from(payload.len()).expect("counters are flushed long before they have 4 GiB");
        let sum = Digest::of(&payload);
        [&MAGIC[..], &len.to_le_bytes(), &sum.as_bytes()[..SUM_LEN], &payload].concat()
    }

    /// Adds up the frames that are whole, passing over a few that are not. Returns the sums and where the first whole
    /// frame ends.
    pub(crate) fn parse_frames(mut bytes: &[u8]) -> (Counters, usize) {
        let (mut sums, mut first, mut bad, all) = (Counters::default(), 0, 0, bytes.len());
        while let Some(at) = bytes.windows(MAGIC.len()).position(|bytes| bytes == MAGIC)
            && bad < MAX_BAD
        {
            let mut wire = Wire::new(&bytes[at..]);
            let Some(frame) = parse_frame(&mut wire) else {
                (bytes, bad) = (&bytes[at + 1..], bad + 1);
                continue;
            };
            sums.add(&frame);
            bytes = &bytes[bytes.len() - wire.left()..];
            if first == 0 {
                first = all - bytes.len();
            }
        }
        (sums, first)
    }
}

fn parse_frame(wire: &mut Wire<'_>) -> Option<Counters> {
    if wire.array("magic").ok()? != MAGIC {
        return None;
    }
    let len = wire.u32("length").ok()?;
    let sum: [u8; SUM_LEN] = wire.array("checksum").ok()?;
    let payload = wire.take(usize::try_from(len).ok()?, "payload").ok()?;
    if Digest::of(payload).as_bytes()[..SUM_LEN] != sum {
        return None;
    }
    rmp_serde::from_slice(payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(hits: u64) -> Counters {
        let stats = CacheStats { hits, saved_ns: u64::MAX - 1, ..CacheStats::default() };
        Counters { namespaces: [("a/b".into(), stats)].into(), hits: [(Key::from_bytes([1; 32]), hits)].into() }
    }

    #[test]
    fn frames_add_up_and_a_torn_or_damaged_one_is_passed_over() {
        let frames = [sample(1), sample(2), Counters::default()].map(|counters| counters.encode_frame());
        let bytes = frames.concat();
        let (sums, first) = Counters::parse_frames(&bytes);
        assert_eq!((sums.namespaces["a/b"].hits, sums.namespaces["a/b"].saved_ns), (3, u64::MAX));
        assert_eq!((sums.hits[&Key::from_bytes([1; 32])], first), (3, frames[0].len()));
        for len in 0..bytes.len() {
            let whole = Counters::parse_frames(&bytes[..len]).0;
            assert!(whole == Counters::default() || whole == sample(1) || whole.hits == sums.hits, "length {len}");
        }
        for at in 0..frames[0].len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert_eq!(Counters::parse_frames(&bad).0, sample(2), "byte {at}");
        }
        let torn = [&frames[0][..], &frames[0][..30], &frames[1], b"NDC0"].concat();
        assert_eq!(Counters::parse_frames(&torn), (sums, frames[0].len()));
        let hostile = MAGIC.repeat(100_000);
        assert_eq!(Counters::parse_frames(&hostile), (Counters::default(), 0));
    }
}
