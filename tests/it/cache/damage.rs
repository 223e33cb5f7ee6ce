//! Damage behind the cache's back is noticed, counted and computed away; never a wrong value.

use std::path::PathBuf;

use ndstash::{Cache, CacheOptions};

use super::{cache, cache_with, computes};
use crate::common::{Dir, rot, truncate, verify, warnings};

fn only_blob(dir: &Dir) -> PathBuf {
    let names = dir.blob_names();
    assert_eq!(names.len(), 1);
    dir.inside(&format!("blobs/{}/{}", &names[0][..2], names[0]))
}

fn only_entry(dir: &Dir, cache: &Cache) -> PathBuf {
    // What is not on disk yet and damaged is no entry; see `deferred`.
    cache.store().flush().unwrap();
    let mut entries = cache.entries();
    let entry = entries.next().unwrap().unwrap();
    assert!(entries.next().is_none());
    dir.entry(entry.key())
}

/// Does damage, and expects a value to be computed once more; so many times damage is counted.
fn is_computed_again(options: &CacheOptions, damaged: u64, damage: impl Fn(&Dir, &Cache)) {
    let dir = Dir::new();
    let first = cache(&dir);
    assert!(computes(&first, 1));
    damage(&dir, &first);
    let cache = cache_with(&dir, options);
    let (computed, warned) = warnings(|| computes(&cache, 1));
    assert!(computed);
    assert_eq!((warned.len() as u64, cache.stats().damaged), (damaged, damaged), "{warned:?}");
    assert!(!computes(&cache, 1) && !computes(&first, 1), "and is whole again");
    assert!(verify(cache.store()).problems.is_empty());
}

fn with_and_without_memory(damaged: u64, damage: impl Fn(&Dir, &Cache)) {
    is_computed_again(&CacheOptions::new(), damaged, &damage);
    is_computed_again(&CacheOptions::new().memory(10 << 20), damaged, &damage);
}

#[test]
fn payload_byte_flipped_noticed_recomputed() {
    with_and_without_memory(1, |dir, _| rot(&only_blob(dir), |bytes| bytes[50_000] ^= 4));
}

#[test]
fn value_file_cut_short_recomputed() {
    with_and_without_memory(1, |dir, _| truncate(&only_blob(dir), 50_000));
    with_and_without_memory(1, |dir, _| truncate(&only_blob(dir), 0));
}

#[test]
fn value_file_missing_manifest_present_recomputed() {
    with_and_without_memory(0, |dir, _| std::fs::remove_file(only_blob(dir)).unwrap());
}

#[test]
fn manifest_damaged_or_cut_short_recomputed() {
    for at in [0, 20, 130, 200] {
        with_and_without_memory(1, |dir, cache| rot(&only_entry(dir, cache), |bytes| bytes[at] ^= 4));
        with_and_without_memory(1, |dir, cache| truncate(&only_entry(dir, cache), at));
    }
}

#[test]
fn a_damaged_entry_does_not_keep_the_others_from_being_cleared_or_expired() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert!(computes(&cache, 0));
    rot(&only_entry(&dir, &cache), |bytes| bytes[200] ^= 4);
    assert!((1..20).all(|key| computes(&cache, key)));
    drop(cache.expire(&ndstash::Query::new()));
    assert!((1..20).all(|key| computes(&cache, key)), "all had expired");
    drop(cache.clear());
    assert!((0..20).all(|key| computes(&cache, key)), "all were cleared");
    assert!((0..20).all(|key| !computes(&cache, key)));
}
