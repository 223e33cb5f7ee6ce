//! Hints: which large blobs may be there, told by a few of their bytes. A table that is written in place, without a lock,
//! and never synced. Nothing but time depends on it: who is told wrongly hashes once too often, or writes what is there
//! and finds out.

use crate::digest::{Digest, Domain, domain};

/// The shortest blob that hints tell of.
pub(crate) const FROM: u64 = 4 << 20;

/// The bytes that are looked at: so many places, from the first to the last, so many bytes at each.
const PLACES: u64 = 64;
pub(crate) const PLACE_LEN: usize = 256;

/// The table: buckets of slots, a slot for each hint that was left.
const BUCKETS: u64 = 1 << 14;
const SLOTS: u64 = 8;
const SLOT_LEN: usize = 8;
pub(crate) const BUCKET_LEN: usize = 64;

static HINTS: Domain = domain!("ndstash 0 hint");

/// What a blob shows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hint(u64);

impl Hint {
    /// The hint of a blob of this length, if it is a large one. `read` adds [`PLACE_LEN`] bytes from a place on to a sample.
    pub(crate) fn of<E>(len: u64, mut read: impl FnMut(u64, &mut Vec<u8>) -> Result<(), E>) -> Option<Result<Self, E>> {
        let last = len.checked_sub(PLACE_LEN as u64).filter(|_| len >= FROM)?;
        let mut sample = len.to_le_bytes().to_vec();
        let places = (0..PLACES - 1).map(|place| last / (PLACES - 1) * place).chain([last]);
        Some(
            places
                .into_iter()
                .try_for_each(|place| read(place, &mut sample))
                .map(|()| Self::new(&HINTS.digest(&sample))),
        )
    }

    /// No hint is 0, which stands for none.
    fn new(digest: &Digest) -> Self {
        let (first, _) = digest.as_bytes().split_first_chunk().expect("a digest is longer");
        Hint(u64::from_le_bytes(*first).max(1))
    }

    /// Where its bucket lies in the file.
    pub(crate) fn bucket(self) -> u64 {
        self.0 % BUCKETS * BUCKET_LEN as u64
    }

    /// Whether it was left in its bucket. What is missing of that is as good as empty.
    pub(crate) fn is_in(self, bucket: &[u8]) -> bool {
        bucket.chunks_exact(SLOT_LEN).any(|slot| slot == self.bytes())
    }

    /// Where in its bucket to leave it: in an empty slot, or in the place of another.
    pub(crate) fn slot(self, bucket: &[u8]) -> u64 {
        let is_free = |slot: &u64| {
            let at = usize::try_from(*slot).unwrap_or(usize::MAX).saturating_mul(SLOT_LEN);
            bucket.get(at..at.saturating_add(SLOT_LEN)).is_none_or(|slot| slot == [0; SLOT_LEN])
        };
        (0..SLOTS).find(is_free).unwrap_or(self.0 / BUCKETS % SLOTS) * SLOT_LEN as u64
    }

    pub(crate) fn bytes(self) -> [u8; SLOT_LEN] {
        self.0.to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn hint(bytes: &[u8]) -> Option<Hint> {
        let read = |place: u64, sample: &mut Vec<u8>| {
            let at = usize::try_from(place).expect("it is in memory");
            sample.extend_from_slice(&bytes[at..at + PLACE_LEN]);
            Ok::<(), Infallible>(())
        };
        Hint::of(bytes.len() as u64, read).map(|hint| hint.expect("nothing fails"))
    }

    fn large(extra: usize) -> Vec<u8> {
        (0..usize::try_from(FROM).expect("it is small") + extra)
            .map(|i| u8::try_from(i % 251).expect("it is less"))
            .collect()
    }

    #[test]
    fn length_first_and_last_byte_count() {
        let bytes = large(1000);
        let same = hint(&bytes).expect("it is large");
        assert_eq!(hint(&bytes.clone()), Some(same));
        for at in [0, bytes.len() - 1] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(hint(&other), Some(same), "at {at}");
        }
        assert_ne!(hint(&large(1001)), Some(same));
        assert_eq!(hint(&bytes[..usize::try_from(FROM).unwrap() - 1]), None);
    }

    #[test]
    fn a_hint_is_found_where_it_was_left_until_others_take_its_place() {
        let mut bucket = Vec::new();
        let hints: Vec<Hint> = (1..=9).map(|i| Hint(i * BUCKETS + 5)).collect();
        for hint in &hints {
            assert!(!hint.is_in(&bucket));
            assert_eq!(hint.bucket(), 5 * BUCKET_LEN as u64);
            let at = usize::try_from(hint.slot(&bucket)).unwrap();
            bucket.resize(bucket.len().max(at + SLOT_LEN), 0);
            bucket[at..at + SLOT_LEN].copy_from_slice(&hint.bytes());
            assert!(hint.is_in(&bucket));
        }
        assert_eq!(bucket.len(), BUCKET_LEN);
        assert_eq!(hints.iter().filter(|hint| hint.is_in(&bucket)).count(), 8, "the last took the place of one");
    }
}
