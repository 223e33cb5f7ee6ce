//! The head of a manifest: fixed shape, its own checksum, all that a collector needs.
//!
//! ```text
//! offset  size   field
//!      0     8   magic
//!      8     4   format version
//!     12     1   codec of the body
//!     13     1   flags: bit 0, pinned; the others are reserved
//!     14     2   reserved, zero
//!     16    32   key
//!     48    16   id: random, new at every publication
//!     64    16   boot id of the writer, zeros where unknown
//!     80     8   length of the body
//!     88     4   number of blobs, n
//!     92     4   reserved, zero
//!     96    32   BLAKE3 of the body
//!    128     8   sequence number
//!    136     8   created, nanoseconds since 1970, signed
//!    144     8   expires, likewise; the largest number: never
//!    152     8   nanoseconds the value took to compute, 0 where unknown
//!    160   40n   blobs: digest (32), length (8); ascending by digest, no digest twice
//! 160+40n  32    BLAKE3 of everything before
//! ```

use std::borrow::Cow;

use super::FORMAT_VERSION;
use super::codec::{Packed, unpack};
use super::wire::Wire;
use crate::digest::Digest;
use crate::error::Fault;
use crate::key::Key;

const MAGIC: [u8; 8] = *b"\x89ndstash";
const FIXED_LEN: usize = 160;
const BLOB_LEN: usize = Digest::LEN + 8;
const SUM_LEN: usize = Digest::LEN;

/// The most blobs one entry may name.
pub(crate) const MAX_BLOBS: u32 = 250_000;
/// The longest body of a manifest, in bytes.
pub(crate) const MAX_BODY_LEN: u64 = 64 << 20;
/// The flag of an entry that no policy removes.
const PINNED: u8 = 1;
/// The time of expiry of an entry that has none.
const NEVER: i64 = i64::MAX;

/// A blob as a head names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlobRef {
    pub(crate) digest: Digest,
    pub(crate) len: u64,
}

/// Which publication of an entry this is: two entries with one id are the same file content.
///
/// It stands in for the inode: an inode number may be given to another file as soon as the first is gone, these
/// 128 random bits are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EntryId(pub(crate) [u8; 16]);

/// What policies need to know of an entry: found in the head, so that no body has to be read for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The order of publication in this store; a new value gets a new number.
    pub(crate) sequence: u64,
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    pub(crate) created: i64,
    /// Likewise; `None`: never.
    pub(crate) expires: Option<i64>,
    /// Nanoseconds that computing the value took; 0 where that is not known.
    pub(crate) compute_ns: u64,
    /// No policy removes it.
    pub(crate) pinned: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) codec: u8,
    pub(crate) facts: Facts,
    pub(crate) key: Key,
    pub(crate) id: EntryId,
    pub(crate) boot: [u8; 16],
    pub(crate) body_len: u64,
    pub(crate) body_sum: Digest,
    pub(crate) blobs: Vec<BlobRef>,
}

impl Head {
    /// The head of a manifest with this body. `blobs` must be sorted and without repetition.
    pub(crate) fn of_body(
        key: Key,
        id: EntryId,
        boot: [u8; 16],
        facts: Facts,
        blobs: Vec<BlobRef>,
        body: &Packed,
    ) -> Self {
        debug_assert!(blobs.is_sorted_by(|a, b| a.digest < b.digest), "blobs ascend and do not repeat");
        let (body_len, body_sum) = (body.bytes.len() as u64, Digest::of(&body.bytes));
        Head { codec: body.codec, facts, key, id, boot, body_len, body_sum, blobs }
    }

    /// The length of a head with so many blobs.
    pub(crate) fn len(blobs: usize) -> u64 {
        (FIXED_LEN + BLOB_LEN * blobs + SUM_LEN) as u64
    }

    /// The length of the whole manifest in bytes.
    pub(crate) fn manifest_len(&self) -> u64 {
        Head::len(self.blobs.len()) + self.body_len
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.blobs.len()).expect("the number of blobs was checked against MAX_BLOBS");
        let mut out = Vec::with_capacity(FIXED_LEN + BLOB_LEN * self.blobs.len() + SUM_LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&[self.codec, if self.facts.pinned { PINNED } else { 0 }, 0, 0]);
        out.extend_from_slice(self.key.as_bytes());
        out.extend_from_slice(&self.id.0);
        out.extend_from_slice(&self.boot);
        out.extend_from_slice(&self.body_len.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(self.body_sum.as_bytes());
        out.extend_from_slice(&self.facts.sequence.to_le_bytes());
        out.extend_from_slice(&self.facts.created.to_le_bytes());
        out.extend_from_slice(&self.facts.expires.unwrap_or(NEVER).to_le_bytes());
        out.extend_from_slice(&self.facts.compute_ns.to_le_bytes());
        for blob in &self.blobs {
            out.extend_from_slice(blob.digest.as_bytes());
            out.extend_from_slice(&blob.len.to_le_bytes());
        }
        let sum = Digest::of(&out);
        out.extend_from_slice(sum.as_bytes());
        out
    }

    /// How many bytes the head has, told by its first 160 bytes.
    pub(crate) fn len_from_prefix(prefix: &[u8]) -> Result<usize, Fault> {
        let mut wire = Wire::new(prefix);
        check_magic_and_version(&mut wire)?;
        wire.take(76, "head")?;
        let count = wire.u32("number of blobs")?;
        if count > MAX_BLOBS {
            return Err(Fault::malformed("number of blobs", format!("{count}, at most {MAX_BLOBS} are allowed")));
        }
        Ok(FIXED_LEN + BLOB_LEN * count as usize + SUM_LEN)
    }

    /// Parses exactly one head, which must fill `bytes`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let len = Head::len_from_prefix(bytes)?;
        if bytes.len() != len {
            return Err(Fault::malformed("head", format!("{len} bytes are expected, found {}", bytes.len())));
        }
        check_sum(bytes)?;
        let mut wire = Wire::new(bytes);
        check_magic_and_version(&mut wire)?;
        let codec = wire.array::<1>("codec")?[0];
        let pinned = parse_flags(wire.array::<1>("flags")?[0])?;
        wire.zeros::<2>("reserved bytes 14..16")?;
        let key = Key::from_bytes(wire.array("key")?);
        let id = EntryId(wire.array("id")?);
        let boot = wire.array("boot id")?;
        let body_len = wire.u64("length of the body")?;
        if body_len > MAX_BODY_LEN {
            return Err(Fault::malformed(
                "length of the body",
                format!("{body_len}, at most {MAX_BODY_LEN} is allowed"),
            ));
        }
        let count = wire.u32("number of blobs")?;
        wire.zeros::<4>("reserved bytes 92..96")?;
        let body_sum = Digest::from_bytes(wire.array("checksum of the body")?);
        let facts = Facts {
            sequence: wire.u64("sequence number")?,
            created: wire.i64("time of creation")?,
            expires: Some(wire.i64("time of expiry")?).filter(|&time| time != NEVER),
            compute_ns: wire.u64("compute time")?,
            pinned,
        };
        let blobs = parse_blobs(&mut wire, count)?;
        Ok(Head { codec, facts, key, id, boot, body_len, body_sum, blobs })
    }

    /// Checks the rest of the file against the head, and unpacks it.
    pub(crate) fn open_body<'a>(&self, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Fault> {
        if body.len() as u64 != self.body_len {
            let reason = format!("{} bytes are expected, found {}", self.body_len, body.len());
            return Err(Fault::malformed("body", reason));
        }
        if Digest::of(body) != self.body_sum {
            return Err(Fault::Damaged { detail: "the body does not match its checksum".into() });
        }
        unpack(self.codec, body)
    }
}

fn parse_flags(flags: u8) -> Result<bool, Fault> {
    match flags {
        0 | PINNED => Ok(flags == PINNED),
        _ => Err(Fault::malformed("flags", format!("bits beyond the first are reserved, found {flags:#04x}"))),
    }
}

fn check_magic_and_version(wire: &mut Wire<'_>) -> Result<(), Fault> {
    let magic = wire.array::<8>("magic")?;
    if magic != MAGIC {
        return Err(Fault::malformed("magic", format!("{MAGIC:02x?} is expected, found {magic:02x?}")));
    }
    match wire.u32("format version")? {
        FORMAT_VERSION => Ok(()),
        version => Err(Fault::Unsupported { what: format!("format version {version} (this is {FORMAT_VERSION})") }),
    }
}

fn check_sum(bytes: &[u8]) -> Result<(), Fault> {
    let (content, sum) = bytes.split_at(bytes.len() - SUM_LEN);
    if Digest::of(content).as_bytes() == sum {
        Ok(())
    } else {
        Err(Fault::Damaged { detail: "the head does not match its checksum".into() })
    }
}

fn parse_blobs(wire: &mut Wire<'_>, count: u32) -> Result<Vec<BlobRef>, Fault> {
    debug_assert!(wire.left() >= BLOB_LEN * count as usize, "the length was checked before");
    let mut blobs: Vec<BlobRef> = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let digest = Digest::from_bytes(wire.array("digest of a blob")?);
        let len = wire.u64("length of a blob")?;
        if blobs.last().is_some_and(|last| last.digest >= digest) {
            return Err(Fault::malformed("blobs", "digests must ascend"));
        }
        blobs.push(BlobRef { digest, len });
    }
    Ok(blobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(blobs: usize) -> Head {
        let mut refs: Vec<_> =
            (0..blobs as u64).map(|i| BlobRef { digest: Digest::of(&i.to_le_bytes()), len: i }).collect();
        refs.sort();
        let facts = Facts { sequence: 3, created: -1, expires: Some(5), compute_ns: u64::MAX, pinned: true };
        let body = Packed { codec: 0, bytes: b"body".to_vec() };
        Head::of_body(Key::from_name("x").unwrap(), EntryId([7; 16]), [9; 16], facts, refs, &body)
    }

    #[test]
    fn what_is_encoded_is_parsed() {
        for blobs in [0, 1, 2, 100] {
            let head = sample(blobs);
            let bytes = head.encode();
            assert_eq!(Head::len_from_prefix(&bytes[..FIXED_LEN]).unwrap(), bytes.len());
            assert_eq!(Head::parse(&bytes).unwrap(), head);
            assert_eq!(bytes.len() as u64 + head.body_len, head.manifest_len());
        }
        let never = Head { facts: Facts::default(), ..sample(1) };
        assert_eq!(Head::parse(&never.encode()).unwrap(), never);
    }

    #[test]
    fn every_flipped_byte_and_every_shorter_length_is_refused() {
        let bytes = sample(2).encode();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(Head::parse(&bad).is_err(), "byte {at}");
            assert!(Head::parse(&bytes[..at]).is_err(), "length {at}");
        }
    }

    #[test]
    fn a_later_version_is_named() {
        let mut bytes = sample(0).encode();
        bytes[8] = 9;
        match Head::parse(&bytes) {
            Err(Fault::Unsupported { what }) => assert!(what.contains("version 9"), "{what}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_huge_count_is_refused_before_anything_is_allocated() {
        let mut bytes = sample(0).encode();
        bytes[88..92].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(Head::parse(&bytes), Err(Fault::Malformed { field: "number of blobs", .. })));
    }
}
