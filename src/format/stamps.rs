//! Stamps: which entry was last published under any of the keys that share a slot. They lie in the lock file of the
//! keys' shard, and whoever holds that lock sets one before the entry becomes visible.
//!
//! ```text
//! offset  size   field
//!     8i     8   the first 8 bytes of the id of that entry, or random bytes where there was none since the file was made
//! ```

use super::head::EntryId;
use crate::key::Key;

/// The length of a stamp in bytes.
const LEN: usize = 8;

/// What the bytes of one slot are.
pub(crate) type Stamp = [u8; LEN];

/// The stamp that publishing an entry leaves.
pub(crate) fn stamp(id: EntryId) -> Stamp {
    *id.0.first_chunk().expect("an id is longer than a stamp")
}

/// Where the stamp of a key lies in a file of this length; `None` if it has no room for any.
pub(crate) fn place(key: &Key, len: u64) -> Option<u64> {
    // A remainder is below the number of slots, so the product is below the length.
    Some(hash(key).checked_rem(len / LEN as u64)? * LEN as u64)
}

/// FNV-1a of 64 bits: keys that users give may count up, at either end.
fn hash(key: &Key) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    key.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// All stamps of a shard, as they were at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamps(Vec<u8>);

impl Stamps {
    /// Those of a lock file. What lies behind the last whole one has no meaning.
    pub(crate) fn parse(bytes: Vec<u8>) -> Self {
        Stamps(bytes)
    }

    /// New ones for about so many keys. The base has to be random: stamps that are new are no older ones.
    pub(crate) fn fresh(keys: usize, base: Stamp) -> Self {
        Stamps(base.repeat(keys.next_power_of_two()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether so few keys share a slot that a change of one does not bring many others under suspicion.
    pub(crate) fn are_enough_for(&self, keys: usize) -> bool {
        self.0.len() / LEN >= keys.div_ceil(2).max(1)
    }

    /// The stamp of a key; `None` if there are none at all.
    pub(crate) fn of(&self, key: &Key) -> Option<Stamp> {
        let at = usize::try_from(place(key, self.0.len() as u64)?).ok()?;
        self.0.get(at..)?.first_chunk().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(last: u8) -> Key {
        let mut bytes = [7; 32];
        bytes[31] = last;
        Key::from_bytes(bytes)
    }

    #[test]
    fn a_stamp_is_read_where_it_was_written() {
        let mut bytes = Stamps::fresh(5, [1; 8]).bytes().to_vec();
        assert_eq!(bytes, [1; 64]);
        let id = EntryId(*b"a new entry's id");
        let at = usize::try_from(place(&key(3), 64).unwrap()).unwrap();
        bytes[at..at + LEN].copy_from_slice(&stamp(id));
        let stamps = Stamps::parse(bytes);
        assert_eq!(stamps.of(&key(3)), Some(*b"a new en"));
        assert_eq!(stamps.of(&key(4)), Some([1; 8]));
        assert_eq!(stamps.of(&key(11)), Some(*b"a new en"), "eight slots: every eighth key shares one");
    }

    #[test]
    fn files_of_any_length_are_read() {
        for len in 0..100 {
            let stamps = Stamps::parse(vec![9; len]);
            for last in 0..30 {
                assert_eq!(stamps.of(&key(last)), (len >= LEN).then_some([9; 8]), "{len}");
                assert!(place(&key(last), len as u64).is_none_or(|at| at + 8 <= len as u64));
            }
        }
    }

    #[test]
    fn keys_that_count_up_have_slots_of_their_own() {
        let slots: std::collections::BTreeSet<_> = (0..=255).map(|last| place(&key(last), 256 * 8)).collect();
        assert_eq!(slots.len(), 256);
    }

    /// The test vectors of the hash's authors are for other lengths; this one was worked out apart.
    #[test]
    fn the_slot_of_a_key_is_that_of_the_format() {
        assert_eq!(hash(&Key::from_bytes([0; 32])), 0x0c82_1078_4d8a_f5a5);
        assert_eq!(hash(&Key::from_bytes(std::array::from_fn(|at| u8::try_from(at).unwrap()))), 0xe6cb_594c_1a14_8ac5);
    }

    #[test]
    fn twice_as_many_keys_as_slots_are_the_most() {
        assert!(!Stamps::parse(Vec::new()).are_enough_for(0));
        let stamps = Stamps::fresh(8, [0; 8]);
        assert!(stamps.are_enough_for(16) && !stamps.are_enough_for(17));
    }
}
