//! Entries to measure with: the same ones for every way of keeping them.

use std::ops::Range;

/// Bytes of a manifest.
pub const MANIFEST: usize = 700;
/// Where the list of blobs begins in a manifest, and how long it is: one blob, as in blobs-format.md section 5.3.
pub const BLOBS: Range<usize> = 160..200;
/// Where the name lies in a manifest: its length, one byte, then itself.
const NAME: usize = 232;
/// How many entries share a prefix.
pub const FEW: u64 = 100;

/// A well mixed number (splitmix64).
pub fn mixed(i: u64) -> u64 {
    let z = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A key that looks random.
pub fn key(i: u64) -> [u8; 32] {
    let mut key = [0; 32];
    for (at, part) in key.chunks_exact_mut(8).enumerate() {
        part.copy_from_slice(&mixed(i * 4 + at as u64).to_le_bytes());
    }
    key
}

/// The name of an entry in a store of so many: groups of [`FEW`] have a prefix.
pub fn name(i: u64, count: u64) -> String {
    format!("{}/{i}", i % groups(count))
}

pub fn groups(count: u64) -> u64 {
    (count / FEW).max(1)
}

/// A manifest: a head with the key and one blob, a name, and bytes that do not compress.
pub fn manifest(i: u64, count: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..MANIFEST as u64 / 8 + 1).flat_map(|at| mixed(i ^ (at << 40)).to_le_bytes()).collect();
    bytes.truncate(MANIFEST);
    bytes[16..48].copy_from_slice(&key(i));
    bytes[BLOBS.start..BLOBS.start + 32].copy_from_slice(&key(i + (1 << 50)));
    let name = name(i, count);
    bytes[NAME] = name.len() as u8;
    bytes[NAME + 1..=NAME + name.len()].copy_from_slice(name.as_bytes());
    bytes
}

/// The name that a manifest gives.
pub fn name_in(manifest: &[u8]) -> &[u8] {
    let len = usize::from(manifest[NAME]);
    &manifest[NAME + 1..=NAME + len]
}
