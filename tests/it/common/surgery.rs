//! Manifests that are whole by every checksum and say what no writer says. The offsets are those of blobs-format.md
//! section 5.3, written down once more: the library's own are not used.

use std::path::Path;

const BODY_LEN: std::ops::Range<usize> = 80..88;
const BLOB_COUNT: std::ops::Range<usize> = 88..92;
const BODY_SUM: std::ops::Range<usize> = 96..128;
const FIXED: usize = 160;
const PER_BLOB: usize = 40;
const SUM: usize = 32;

/// Changes the body of a manifest, and makes length and checksums right again.
pub(crate) fn rewrite_body(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    super::rot(path, |bytes| {
        let (mut head, mut body) = split(bytes);
        change(&mut body);
        head[BODY_LEN].copy_from_slice(&(body.len() as u64).to_le_bytes());
        head[BODY_SUM].copy_from_slice(blake3::hash(&body).as_bytes());
        *bytes = join(&head, &body);
    });
}

/// Changes the head of a manifest, without its checksum, which is then made right again.
pub(crate) fn rewrite_head(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    super::rot(path, |bytes| {
        let (mut head, body) = split(bytes);
        change(&mut head);
        *bytes = join(&head, &body);
    });
}

fn split(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let blobs = u32::from_le_bytes(bytes[BLOB_COUNT].try_into().unwrap()) as usize;
    let end = FIXED + PER_BLOB * blobs;
    (bytes[..end].to_vec(), bytes[end + SUM..].to_vec())
}

fn join(head: &[u8], body: &[u8]) -> Vec<u8> {
    [head, blake3::hash(head).as_bytes(), body].concat()
}

/// Where some bytes stand in others, which hold them once.
pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    let places: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(wanted)).collect();
    assert_eq!(places.len(), 1, "{wanted:02x?} stands in {bytes:02x?} at {places:?}");
    places[0]
}
