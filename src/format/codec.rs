//! How a body lies in its manifest: as it is, or compressed.

use std::borrow::Cow;
use std::io::Read;

use super::head::MAX_BODY_LEN;
use crate::error::Fault;

/// The body as it is.
const RAW: u8 = 0;
/// One zstd frame, without a dictionary.
const ZSTD: u8 = 1;

/// From this length on compression is tried: what is shorter takes one block of the file system either way.
const WORTH: usize = 4096;
/// Fast, and most of the ratio that text has to give.
const LEVEL: i32 = 1;

/// A body as it lies in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) codec: u8,
    pub(crate) bytes: Vec<u8>,
}

/// Compresses a body where that saves at least an eighth of it.
pub(crate) fn pack(body: Vec<u8>) -> Packed {
    if body.len() >= WORTH
        && let Ok(bytes) = zstd::bulk::compress(&body, LEVEL)
        && bytes.len() <= body.len() - body.len() / 8
    {
        return Packed { codec: ZSTD, bytes };
    }
    Packed { codec: RAW, bytes: body }
}

/// Undoes [`pack`]. Memory grows with what comes out, up to the limit of a body, whatever the frame claims.
pub(crate) fn unpack(codec: u8, bytes: &[u8]) -> Result<Cow<'_, [u8]>, Fault> {
    match codec {
        RAW => Ok(Cow::Borrowed(bytes)),
        ZSTD => decompress(bytes).map(Cow::Owned),
        _ => Err(Fault::Unsupported { what: format!("codec {codec} of the body") }),
    }
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let malformed = |error: std::io::Error| Fault::malformed("body", format!("not one zstd frame: {error}"));
    let mut rest = bytes;
    let mut frame = zstd::stream::read::Decoder::with_buffer(&mut rest).map_err(malformed)?.single_frame();
    frame.window_log_max(MAX_BODY_LEN.ilog2()).map_err(malformed)?;
    let mut body = Vec::new();
    frame.by_ref().take(MAX_BODY_LEN + 1).read_to_end(&mut body).map_err(malformed)?;
    drop(frame);
    if body.len() as u64 > MAX_BODY_LEN {
        return Err(Fault::malformed("body", format!("more than {MAX_BODY_LEN} bytes when decompressed")));
    }
    match rest.len() {
        0 => Ok(body),
        left => Err(Fault::malformed("body", format!("{left} bytes follow the zstd frame"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 64 << 20;

    #[test]
    fn what_pays_is_compressed_and_comes_back() {
        let text = b"the same words again and again, ".repeat(1000);
        let packed = pack(text.clone());
        assert_eq!(packed.codec, ZSTD);
        assert!(packed.bytes.len() < text.len() / 10);
        assert_eq!(*unpack(ZSTD, &packed.bytes).unwrap(), *text);
    }

    #[test]
    fn what_does_not_pay_stays_as_it_is() {
        assert_eq!(pack(vec![7; WORTH - 1]).codec, RAW);
        let noise: Vec<u8> = (0..10_000u32).flat_map(|i| *crate::Digest::of(&i.to_le_bytes()).as_bytes()).collect();
        assert_eq!(pack(noise.clone()), Packed { codec: RAW, bytes: noise });
    }

    #[test]
    fn a_small_frame_that_claims_or_holds_too_much_is_refused() {
        let bomb = zstd::bulk::compress(&vec![0; MOST + 1], 19).unwrap();
        assert!(bomb.len() < 10_000);
        assert!(unpack(ZSTD, &bomb).is_err());
        let most = zstd::bulk::compress(&vec![0; MOST], 1).unwrap();
        assert_eq!(unpack(ZSTD, &most).unwrap().len() as u64, MAX_BODY_LEN);
    }

    #[test]
    fn torn_flipped_and_followed_frames_never_panic_and_unknown_codecs_are_named() {
        let frame = pack(b"abcdefgh".repeat(1000)).bytes;
        for len in 0..frame.len() {
            assert!(unpack(ZSTD, &frame[..len]).is_err(), "length {len}");
        }
        for at in 0..frame.len() {
            let mut bad = frame.clone();
            bad[at] ^= 0x55;
            drop(unpack(ZSTD, &bad));
        }
        assert!(unpack(ZSTD, &[frame.clone(), vec![0]].concat()).is_err());
        assert!(unpack(ZSTD, &[frame.clone(), frame].concat()).is_err());
        assert!(matches!(unpack(2, &[]), Err(Fault::Unsupported { .. })));
    }
}
