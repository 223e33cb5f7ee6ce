//! What a collector remembers of the entries of a shard, so that the next one need not read their heads again.
//!
//! ```text
//! offset  size   field
//!      0     8   magic "NDM0", then zeros
//!      8    32   place: what tells this very shard, in this boot, from all others
//!     40     8   number of entries, n
//!     48         the entries, ascending by key
//!    end    32   BLAKE3 of everything before
//! ```
//!
//! An entry:
//!
//! ```text
//!      0    32   key
//!     32     8   number that the listing gave its file
//!     40     8   its stamp
//!     48     8   length of its manifest
//!     56     4   number of blobs, m
//!     60   40m   blobs: digest (32), length (8); as in the head
//! ```

use super::head::{BlobRef, MAX_BLOBS};
use super::stamps::Stamp;
use super::wire::Wire;
use crate::digest::Digest;
use crate::error::Fault;
use crate::key::Key;

const MAGIC: [u8; 8] = *b"NDM0\0\0\0\0";
const FIXED_LEN: usize = 48;
const ENTRY_LEN: usize = 60;
const BLOB_LEN: usize = Digest::LEN + 8;

/// One entry, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) key: Key,
    pub(crate) inode: u64,
    pub(crate) stamp: Stamp,
    pub(crate) manifest_len: u64,
    pub(crate) blobs: Vec<BlobRef>,
}

/// The file for these entries, which must ascend by key.
pub(crate) fn encode(place: &Digest, marks: &[Mark]) -> Vec<u8> {
    debug_assert!(marks.is_sorted_by(|a, b| a.key < b.key), "keys ascend and do not repeat");
    let blobs: usize = marks.iter().map(|mark| mark.blobs.len()).sum();
    let len = FIXED_LEN + ENTRY_LEN * marks.len() + BLOB_LEN * blobs + Digest::LEN;
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(place.as_bytes());
    out.extend_from_slice(&(marks.len() as u64).to_le_bytes());
    marks.iter().for_each(|mark| mark.encode(&mut out));
    let sum = Digest::of(&out);
    out.extend_from_slice(sum.as_bytes());
    out
}

/// The entries of a file that was written at this very place; of a file from elsewhere none.
///
/// # Errors
/// If it is not whole.
pub(crate) fn parse(bytes: &[u8], place: &Digest) -> Result<Vec<Mark>, Fault> {
    let Some((content, sum)) = bytes.split_last_chunk() else {
        return Err(Fault::malformed("length", format!("32 bytes at least are expected, found {}", bytes.len())));
    };
    if Digest::of(content).as_bytes() != sum {
        return Err(Fault::Damaged { detail: "it does not match its checksum".into() });
    }
    let mut wire = Wire::new(content);
    if wire.array::<8>("magic")? != MAGIC {
        return Err(Fault::malformed("magic", "NDM0 is expected"));
    }
    if wire.array("place")? != *place.as_bytes() {
        return Ok(Vec::new());
    }
    let count = wire.u64("number of entries")?;
    let mut marks: Vec<Mark> = Vec::new();
    for _ in 0..count {
        let mark = Mark::parse(&mut wire)?;
        if marks.last().is_some_and(|last| last.key >= mark.key) {
            return Err(Fault::malformed("key", "keys that ascend are expected"));
        }
        marks.push(mark);
    }
    match wire.left() {
        0 => Ok(marks),
        left => Err(Fault::malformed("length", format!("{left} bytes lie behind the last entry"))),
    }
}

impl Mark {
    fn encode(&self, out: &mut Vec<u8>) {
        let count = u32::try_from(self.blobs.len()).expect("an entry names at most MAX_BLOBS blobs");
        out.extend_from_slice(self.key.as_bytes());
        out.extend_from_slice(&self.inode.to_le_bytes());
        out.extend_from_slice(&self.stamp);
        out.extend_from_slice(&self.manifest_len.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        for blob in &self.blobs {
            out.extend_from_slice(blob.digest.as_bytes());
            out.extend_from_slice(&blob.len.to_le_bytes());
        }
    }

    fn parse(wire: &mut Wire<'_>) -> Result<Self, Fault> {
        let key = Key::from_bytes(wire.array("key")?);
        let (inode, stamp) = (wire.u64("file number")?, wire.array("stamp")?);
        let (manifest_len, count) = (wire.u64("length of the manifest")?, wire.u32("number of blobs")?);
        if count > MAX_BLOBS {
            return Err(Fault::malformed("number of blobs", format!("{count}, at most {MAX_BLOBS} are allowed")));
        }
        let listed = wire.take(BLOB_LEN * count as usize, "blobs")?;
        let blobs = listed.chunks_exact(BLOB_LEN).map(parse_blob).collect::<Result<_, _>>()?;
        Ok(Mark { key, inode, stamp, manifest_len, blobs })
    }
}

fn parse_blob(bytes: &[u8]) -> Result<BlobRef, Fault> {
    let mut wire = Wire::new(bytes);
    Ok(BlobRef { digest: Digest::from_bytes(wire.array("digest")?), len: wire.u64("length of a blob")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<Mark> {
        let blob = |byte: u8| BlobRef { digest: Digest::of(&[byte]), len: byte.into() };
        let mark = |byte: u8, blobs: &[u8]| Mark {
            key: Key::from_bytes([byte; 32]),
            inode: u64::from(byte) << 40,
            stamp: [byte; 8],
            manifest_len: 300,
            blobs: blobs.iter().copied().map(blob).collect(),
        };
        vec![mark(1, &[1, 2, 3]), mark(2, &[]), mark(9, &[2])]
    }

    #[test]
    fn what_was_written_is_read_in_its_own_place_alone() {
        let place = Digest::of(b"here");
        let bytes = encode(&place, &some());
        assert_eq!(bytes.len(), FIXED_LEN + 3 * ENTRY_LEN + 4 * BLOB_LEN + 32);
        assert_eq!(parse(&bytes, &place).unwrap(), some());
        assert_eq!(parse(&bytes, &Digest::of(b"elsewhere")).unwrap(), []);
        assert_eq!(parse(&encode(&place, &[]), &place).unwrap(), []);
    }

    #[test]
    fn every_damage_is_refused() {
        let place = Digest::of(b"here");
        let bytes = encode(&place, &some());
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            parse(&flipped, &place).unwrap_err();
            parse(&bytes[..at], &place).unwrap_err();
        }
        parse(&[&bytes[..], &[0]].concat(), &place).unwrap_err();
    }

    /// Whole by its checksum, and not what a collector writes.
    #[test]
    fn content_that_no_collector_writes_is_refused() {
        let place = Digest::of(b"here");
        let refused = |change: fn(&mut Vec<u8>)| {
            let mut bytes = encode(&place, &some());
            bytes.truncate(bytes.len() - 32);
            change(&mut bytes);
            let sum = Digest::of(&bytes);
            bytes.extend_from_slice(sum.as_bytes());
            parse(&bytes, &place).unwrap_err();
        };
        refused(|bytes| bytes[0] = 0);
        refused(|bytes| bytes[40] = 2);
        refused(|bytes| bytes[40] = 4);
        refused(|bytes| bytes[40..48].fill(0xff));
        refused(|bytes| bytes[48] = 3);
        refused(|bytes| bytes[48..80].fill(2));
        refused(|bytes| bytes[104..108].fill(0xff));
        refused(|bytes| bytes.push(0));
        refused(|bytes| bytes.truncate(20));
    }
}
