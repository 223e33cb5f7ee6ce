//! Content names: the plain BLAKE3 digest of raw bytes.

mod pieces;

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

pub(crate) use pieces::{Part, in_pieces, is_cut};

use crate::error::Error;
use crate::threads;

/// From this many bytes on, hashing uses every core. Below it the hand-over costs more than it brings
/// (the BLAKE3 crate's own advice is 128 KiB; measured here the gain starts near 1 MiB).
const PARALLEL_FROM: usize = 1 << 20;

/// The BLAKE3 digest of some bytes, 32 bytes long: the name of a blob.
///
/// Printed and parsed as 64 lower-case hex digits, as `b3sum` does.
///
/// ```
/// let digest = ndstash::Digest::of(b"abc");
/// assert_eq!(digest.to_string(), "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
/// assert_eq!(digest.to_string().parse::<ndstash::Digest>().unwrap(), digest);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; Digest::LEN]);

impl Digest {
    /// The length of a digest in bytes.
    pub const LEN: usize = 32;

    /// Hashes bytes in memory, on every core where there are enough of them.
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.len() < PARALLEL_FROM {
            return Digest(*blake3::hash(bytes).as_bytes());
        }
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The digest as raw bytes.
    pub const fn as_bytes(&self) -> &[u8; Digest::LEN] {
        &self.0
    }

    /// Takes 32 raw bytes as a digest.
    pub const fn from_bytes(bytes: [u8; Digest::LEN]) -> Self {
        Digest(bytes)
    }

    /// 64 lower-case hex digits.
    pub(crate) fn to_hex(self) -> impl std::ops::Deref<Target = str> {
        blake3::Hash::from_bytes(self.0).to_hex()
    }

    /// The directory a blob or entry of this name lies in: the first byte.
    pub(crate) const fn shard(&self) -> u8 {
        self.0[0]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;

    /// Parses exactly 64 hex digits, lower case as they are printed.
    fn from_str(text: &str) -> Result<Self, Error> {
        parse_hex(text.as_bytes()).map(Digest).ok_or_else(|| Error::Invalid {
            what: "digest",
            given: text.to_owned(),
            reason: "64 lower-case hex digits are expected",
        })
    }
}

fn parse_hex(text: &[u8]) -> Option<[u8; Digest::LEN]> {
    if text.len() != 2 * Digest::LEN {
        return None;
    }
    let (mut bytes, mut seen) = ([0; Digest::LEN], 0);
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
        *byte = high << 4 | low & 0xf;
        seen |= high | low;
    }
    (seen & NO_DIGIT == 0).then_some(bytes)
}

/// The bits that no digit's value has.
const NO_DIGIT: u8 = 0xf0;

/// The value of every byte that is a digit. Names by the million are parsed when a store is listed: without branches.
const NIBBLES: [u8; 256] = {
    let (mut table, mut value) = ([NO_DIGIT; 256], 0);
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    table
};

/// Hashes bytes that arrive in pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hasher(blake3::Hasher);

impl Hasher {
    pub(crate) fn new() -> Self {
        Hasher(blake3::Hasher::new())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if bytes.len() >= PARALLEL_FROM {
            threads::spread(|| {
                self.0.update_rayon(bytes);
            });
        } else {
            self.0.update(bytes);
        }
    }

    pub(crate) fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

/// A domain of BLAKE3's key derivation, whose digests can never be a blob's.
pub(crate) struct Domain(LazyLock<blake3::Hasher>);

/// Makes a [`Domain`] of a context, which is a literal.
macro_rules! domain {
    ($context:literal) => {
        $crate::digest::Domain::new(|| blake3::Hasher::new_derive_key($context))
    };
}
pub(crate) use domain;

impl Domain {
    /// The domain of a context; `hasher` is BLAKE3's for it, made when first needed.
    pub(crate) const fn new(hasher: fn() -> blake3::Hasher) -> Self {
        Domain(LazyLock::new(hasher))
    }

    /// The digest of some bytes in this domain.
    pub(crate) fn digest(&self, bytes: &[u8]) -> Digest {
        self.begun_with(bytes).finish()
    }

    /// What hashes bytes in this domain that begin with these.
    pub(crate) fn begun_with(&self, bytes: &[u8]) -> Hasher {
        let mut hasher = Hasher(self.0.clone());
        hasher.update(bytes);
        hasher
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_whole_agree_around_the_parallel_threshold() {
        for len in [0, 1, 1023, 1024, 1025, PARALLEL_FROM - 1, PARALLEL_FROM, PARALLEL_FROM + 1] {
            let bytes: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let mut hasher = Hasher::new();
            bytes.chunks(4099).for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finish(), Digest::of(&bytes), "length {len}");
            assert_eq!(Digest::of(&bytes).0, *blake3::hash(&bytes).as_bytes(), "length {len}");
        }
    }

    #[test]
    fn only_64_lower_case_hex_digits_parse() {
        let good = Digest::of(b"x").to_string();
        assert!(good.parse::<Digest>().is_ok());
        for bad in ["", &good[1..], &format!("{good}0"), &good.to_uppercase(), &good.replace(&good[..1], "g")] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
