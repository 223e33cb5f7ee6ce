use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ndstash::{CullOptions, GcOptions, Store, VerifyOptions};

use crate::{LIMIT, PASSING_SIZES, SHARED, WRITERS, bytes_of, content_of, put};

/// The longest manifest here: two arrays inside, and what is said of them.
const MANIFEST: u64 = 2000;
/// The first of the passing contents that are largest.
const LARGEST: u64 = SHARED.next_multiple_of(PASSING_SIZES) + PASSING_SIZES - 1;

/// Bytes of what entries name while all are at work. Beyond the limit there are the shared contents, each once, and of
/// each writer two free entries: the one that it is putting, and one that came while somebody was counting. From one
/// count to the next the store has to grow by a tenth of the limit.
pub(crate) fn live_bytes(store: &Store, seed: u64) -> u64 {
    let shared: u64 = (0..SHARED).map(bytes_of).sum();
    let free = bytes_of(LARGEST) * 3 / 2 + MANIFEST;
    let most = LIMIT * 11 / 10 + shared + 2 * WRITERS * free;
    let live = store.plan_gc().expect("a plan").live_bytes;
    assert!(live <= most, "seed {seed}: {live} bytes at one time, {most} at most");
    live
}

pub(crate) fn all(path: &Path, logs: &Path, seed: u64) {
    let store = Store::open(path).expect("the store opens");
    assert_clean(&store, seed, "when all have ended");
    let acknowledged = check_writers(&store, logs, seed);
    assert!(acknowledged > 100, "seed {seed}: only {acknowledged} puts were acknowledged");
    let evicted: u64 = lines(&logs.join("culler")).iter().filter_map(|line| line.parse::<u64>().ok()).sum();
    assert!(evicted > 0, "seed {seed}: the culler has never evicted anything");
    check_limit(&store, seed);
    check_counts(&store, seed);
    assert_clean(&store, seed, "after a last cull");
    check_writers(&store, logs, seed);
    let usage = store.usage().expect("a count");
    println!(
        "soak: {acknowledged} puts acknowledged, {evicted} entries evicted by request, {} entries, {} blobs: no problem",
        usage.entries, usage.blobs
    );
}

fn assert_clean(store: &Store, seed: u64, when: &str) {
    let report = store.verify(&VerifyOptions::new(), &|_| ()).expect("a verification");
    assert!(report.problems.is_empty(), "seed {seed}, {when}: {:#?}", report.problems);
}

/// With nobody else at work, puts keep the store within its limit by themselves, whatever the dead have left.
fn check_limit(store: &Store, seed: u64) {
    store.gc(&GcOptions::new()).expect("a collection");
    let (mut culls, mut before) = (0, 0);
    for n in 0..100 {
        put(store, &format!("last/{n}"), LARGEST + n * PASSING_SIZES, false);
        let bytes = store.plan_cull(&CullOptions::new()).expect("a plan").bytes_before;
        culls += u32::from(bytes < before);
        before = bytes;
        assert!(bytes <= LIMIT, "seed {seed}: {bytes} bytes after a put, the limit is {LIMIT}");
    }
    assert!(culls > 0, "seed {seed}: no put has culled");
}

/// What the culler reports, what a census says, what lies on disk and what the ledger says are one number.
fn check_counts(store: &Store, seed: u64) {
    let report = store.cull(&CullOptions::new()).expect("a cull");
    assert!(!report.still_over && report.bytes_after <= LIMIT, "seed {seed}: {report:?}");
    let usage = store.usage().expect("a count");
    assert_eq!((usage.garbage_blobs, usage.leftover_files), (0, 0), "seed {seed}: something is left");
    let [blobs, manifests] = ["blobs", "entries"].map(|part| bytes_in(&store.path().join(part)));
    assert_eq!((usage.blob_bytes, usage.manifest_bytes), (blobs, manifests), "seed {seed}: bytes on disk");
    let census = store.plan_cull(&CullOptions::new()).expect("a plan").bytes_before;
    let ledger = fs::read(store.path().join("ledger")).expect("a ledger");
    let number = |at: usize| u64::from_le_bytes(ledger[at..at + 8].try_into().expect("eight bytes"));
    let counted = [report.bytes_after, census, number(16)];
    assert_eq!(counted, [blobs + manifests; 3], "seed {seed}: bytes by the culler, the census, the ledger");
    assert_eq!(number(24), usage.entries, "seed {seed}: entries by the ledger");
}

/// Bytes of the files in the shards of one part of the store.
fn bytes_in(part: &Path) -> u64 {
    let shards = fs::read_dir(part).expect("a directory").map(|shard| shard.expect("a directory").path());
    let files = shards.flat_map(|shard| fs::read_dir(shard).expect("a directory"));
    files.map(|file| file.and_then(|file| file.metadata()).expect("a file").len()).sum()
}

fn lines(log: &Path) -> Vec<String> {
    fs::read_to_string(log).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// How many puts and removals were acknowledged to the writers, which find what they were told.
fn check_writers(store: &Store, logs: &Path, seed: u64) -> u64 {
    (0..WRITERS).map(|writer| check_writer(store, &logs.join(writer.to_string()), seed)).sum()
}

/// Every name must hold what was last acknowledged, or what was tried after that. A free one may hold nothing.
fn check_writer(store: &Store, log: &Path, seed: u64) -> u64 {
    let (mut allowed, mut acknowledged): (BTreeMap<String, Vec<Option<u64>>>, u64) = (BTreeMap::new(), 0);
    // A line that a kill cut short was not acknowledged.
    for line in lines(log).iter().filter(|line| line.ends_with('.')) {
        let words: Vec<&str> = line.trim_end_matches('.').split(' ').collect();
        let content = words[2].parse().ok();
        let allowed = allowed.entry(words[1].to_owned()).or_insert_with(|| vec![None]);
        if words[0] == "ack" {
            *allowed = vec![content];
            acknowledged += 1;
        } else {
            allowed.push(content);
        }
    }
    for (name, allowed) in allowed {
        let found = content_of(store, &name);
        let evicted = found.is_none() && name.starts_with("free/");
        assert!(evicted || allowed.contains(&found), "seed {seed}: {name} holds {found:?}, allowed is {allowed:?}");
    }
    acknowledged
}
