//! The collector's journal: framed, checksummed lists of digests, appended by committers.
//!
//! ```text
//! offset  size   field
//!      0     4   magic "NDJ0"
//!      4     4   number of digests, n
//!      8   32n   digests
//!  8+32n    32   BLAKE3 of everything before
//! ```

use super::head::MAX_BLOBS;
use super::wire::Wire;
use crate::digest::Digest;
use crate::error::Fault;

const MAGIC: [u8; 4] = *b"NDJ0";

/// One frame, to be appended by a single write.
pub(crate) fn encode_frame(digests: &[Digest]) -> Vec<u8> {
    let count = u32::try_from(digests.len()).expect("an entry names at most MAX_BLOBS blobs");
    let mut out = Vec::with_capacity(8 + Digest::LEN * (digests.len() + 1));
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&count.to_le_bytes());
    for digest in digests {
        out.extend_from_slice(digest.as_bytes());
    }
    let sum = Digest::of(&out);
    out.extend_from_slice(sum.as_bytes());
    out
}

/// Reads whole frames from the front of `bytes`. Returns how many bytes they took, and what is wrong with the rest, if
/// anything is left: while others append, the last frame may be half there.
pub(crate) fn parse_frames(bytes: &[u8], digests: &mut impl Extend<Digest>) -> (usize, Option<Fault>) {
    let mut rest = bytes;
    while !rest.is_empty() {
        match parse_frame(rest, digests) {
            Ok(after) => rest = after,
            Err(fault) => return (bytes.len() - rest.len(), Some(fault)),
        }
    }
    (bytes.len(), None)
}

fn parse_frame<'a>(bytes: &'a [u8], digests: &mut impl Extend<Digest>) -> Result<&'a [u8], Fault> {
    let mut wire = Wire::new(bytes);
    if wire.array::<4>("frame magic")? != MAGIC {
        return Err(Fault::malformed("frame magic", "NDJ0 is expected"));
    }
    let count = wire.u32("number of digests")?;
    if count > MAX_BLOBS {
        return Err(Fault::malformed("number of digests", format!("{count}, at most {MAX_BLOBS} are allowed")));
    }
    let listed = wire.take(Digest::LEN * count as usize, "digests")?;
    let content_len = bytes.len() - wire.left();
    if Digest::of(&bytes[..content_len]).as_bytes() != &wire.array::<32>("frame checksum")? {
        return Err(Fault::Damaged { detail: "a frame does not match its checksum".into() });
    }
    digests.extend(listed.as_chunks().0.iter().copied().map(Digest::from_bytes));
    Ok(&bytes[bytes.len() - wire.left()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_follow_one_another() {
        let digests: Vec<Digest> = (0..5u8).map(|i| Digest::of(&[i])).collect();
        let mut bytes = encode_frame(&digests[..2]);
        bytes.extend(encode_frame(&[]));
        bytes.extend(encode_frame(&digests[2..]));
        let mut found = Vec::new();
        assert_eq!(parse_frames(&bytes, &mut found), (bytes.len(), None));
        assert_eq!(found, digests);
        assert_eq!(parse_frames(b"", &mut found), (0, None));
    }

    #[test]
    fn a_torn_or_flipped_frame_is_refused_and_those_before_it_count() {
        let first = encode_frame(&[Digest::of(b"a")]);
        let mut bytes = first.clone();
        bytes.extend(encode_frame(&[Digest::of(b"b"), Digest::of(b"c")]));
        for at in first.len()..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            for torn in [&bad[..], &bytes[..at]] {
                let mut found = Vec::new();
                let (taken, fault) = parse_frames(torn, &mut found);
                assert_eq!((taken, found), (first.len(), vec![Digest::of(b"a")]), "byte {at}");
                assert_eq!(fault.is_some(), torn.len() > first.len(), "byte {at}");
            }
        }
    }
}
