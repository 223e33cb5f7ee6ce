//! The tier in memory: hits without the disk, never older than it may be, never larger than it may be.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use ndarray::{Array1, Ix1};
use ndstash::{Cache, CacheOptions, MappedArray, Recall, Store, StoreOptions, Tree};

use super::{LONG, cache, cache_with, computes};
use crate::common::{Child, Dir, Record, bytes_array, modified_ns, trusted};

const FOR_EVER: Duration = Duration::from_secs(10_000);

fn tier(bytes: u64, trust: Duration) -> CacheOptions {
    CacheOptions::new().memory(bytes).memory_trust(trust)
}

#[test]
fn a_hit_needs_no_disk() {
    let dir = Dir::new();
    drop(dir.blobs_only());
    for mapped in [false, true] {
        let record = Record::default();
        let mut options = StoreOptions::new().seam(record.seam());
        if mapped {
            options = options.mapping(trusted());
        }
        let cache = tier(10 << 20, FOR_EVER).open(options.open(dir.path()).unwrap(), "test").unwrap();
        cache.clear().unwrap();
        assert!(computes(&cache, 1) && !computes(&cache, 1));
        record.take();
        for _ in 0..10 {
            assert!(!computes(&cache, 1));
        }
        assert_eq!(record.take(), []);
    }
}

#[test]
fn what_others_do_is_seen_when_the_time_of_trust_is_over() {
    let dir = Dir::new();
    let other = cache(&dir);
    let trusting = cache_with(&dir, &tier(10 << 20, FOR_EVER));
    let short = cache_with(&dir, &tier(10 << 20, Duration::from_millis(100)));
    let wary = cache_with(&dir, &tier(10 << 20, Duration::ZERO));
    other.insert(&1, &1).unwrap();
    let all = || [&trusting, &short, &wary].map(|cache| cache.get::<i32>(&1).unwrap());
    assert_eq!(all(), [Some(1); 3]);
    other.insert(&1, &2).unwrap();
    assert_eq!(wary.get(&1).unwrap(), Some(2));
    thread::sleep(Duration::from_millis(120));
    assert_eq!(all(), [Some(1), Some(2), Some(2)]);
    let key = other.info(&1).unwrap().unwrap().key();
    std::fs::remove_file(dir.entry(key)).unwrap();
    assert_eq!(wary.get::<i32>(&1).unwrap(), None);
    thread::sleep(Duration::from_millis(120));
    assert_eq!(all(), [Some(1), None, None]);
}

#[test]
fn what_is_done_through_a_cache_and_its_clones_is_seen_at_once() {
    let dir = Dir::new();
    let cache = cache_with(&dir, &tier(10 << 20, FOR_EVER));
    let clone = cache.clone();
    for number in 0..20 {
        clone.insert(&1, &number).unwrap();
        assert_eq!([cache.get(&1).unwrap(), cache.get(&1).unwrap()], [Some(number); 2]);
    }
    assert!(clone.forget(&1).unwrap());
    assert_eq!(cache.get::<i32>(&1).unwrap(), None);
    clone.insert(&1, &1).unwrap();
    assert_eq!(cache.get(&1).unwrap(), Some(1));
    clone.clear().unwrap();
    assert_eq!(cache.get::<i32>(&1).unwrap(), None);
}

/// A reader that read the old entry just before it was replaced does not bring it back.
#[test]
fn a_value_that_was_put_is_never_followed_by_an_older_one() {
    let dir = Dir::new();
    let cache = cache_with(&dir, &tier(10 << 20, FOR_EVER));
    cache.insert(&1, &0_u64).unwrap();
    let (newest, done) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let least = newest.load(Ordering::SeqCst);
                    let found: u64 = cache.get(&1).unwrap().unwrap();
                    assert!(found >= least, "{found} after {least}");
                }
            });
        }
        for number in 1..2000 {
            cache.insert(&1, &number).unwrap();
            newest.store(number, Ordering::SeqCst);
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn more_values_than_fit_are_right_and_do_not_grow_the_process() {
    let dir = Dir::new();
    drop(dir.blobs_only());
    Child::alone("cache::memory::child_with_a_small_tier", &dir.path()).passes();
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn child_with_a_small_tier() {
    let store = Store::open(Child::room()).unwrap();
    let cache = tier(4 << 20, FOR_EVER).open(store, "test").unwrap();
    let len = 500_000;
    let ask = |key: u64| -> Array1<u8> { cache.get_or_insert_with(&key, || bytes_array(len, key)) };
    (0..80).for_each(|key| drop(ask(key)));
    let before = resident();
    for key in (0..80).chain(0..80) {
        assert_eq!(ask(key), bytes_array(len, key));
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes for a tier of 4 MiB");
    assert_eq!(cache.stats().misses, 80);
}

/// Bytes this process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0_u64) * 4096
}

/// A cache with 8 MiB in memory, and what it does to files.
fn watched_tier(dir: &Dir) -> (Cache, Record) {
    drop(dir.blobs_only());
    let record = Record::default();
    let store = StoreOptions::new().seam(record.seam()).open(dir.path()).unwrap();
    (tier(8 << 20, FOR_EVER).open(store, "test").unwrap(), record)
}

/// Whether what is asked for is held in memory, once it was asked for: then no file is touched.
fn is_held(record: &Record, ask: impl Fn()) -> bool {
    ask();
    ask();
    record.take();
    ask();
    record.take().is_empty()
}

#[test]
fn a_value_of_up_to_half_the_tier_is_held_and_a_larger_one_read_each_time() {
    let dir = Dir::new();
    let (cache, record) = watched_tier(&dir);
    for (len, held) in [(3 << 20, true), (5 << 20, false)] {
        let ask = || -> Array1<u8> { cache.get_or_insert_with(&len, || bytes_array(len, 1)) };
        assert_eq!(is_held(&record, || assert_eq!(ask().len(), len)), held, "{len}");
    }
}

#[test]
fn a_value_weighs_what_it_takes_in_memory_and_not_what_it_is_compressed_to() {
    let dir = Dir::new();
    let (cache, record) = watched_tier(&dir);
    for (len, held) in [(3 << 20, true), (5 << 20, false)] {
        let ask = || -> String { cache.get_or_insert_with(&len, || "a".repeat(len)) };
        assert_eq!(is_held(&record, || assert_eq!(ask().len(), len)), held, "{len}");
    }
}

#[test]
fn what_is_held_and_trusted_is_found_without_waiting_for_anything() {
    let dir = Dir::new();
    let (trusting, wary) =
        (cache_with(&dir, &tier(1 << 20, FOR_EVER)), cache_with(&dir, &tier(1 << 20, Duration::ZERO)));
    trusting.insert(&1, &7).unwrap();
    let key = trusting.info(&1).unwrap().unwrap().key();
    let held = |cache: &Cache| cache.held(&key).map(|found| found.tree().clone());
    assert_eq!([held(&trusting), held(&wary)], [None, None], "nobody has read it");
    for cache in [&trusting, &wary] {
        let Ok(Recall::Value(found)) = cache.recall(&key) else { panic!("it is there") };
        assert_eq!(found.tree(), &Tree::Int(7));
    }
    assert_eq!([held(&trusting), held(&wary)], [Some(Tree::Int(7)), None]);
    trusting.set_enabled(false);
    assert_eq!(held(&trusting), None);
    trusting.set_enabled(true);
    trusting.clear_memory();
    assert_eq!(held(&trusting), None);
    trusting.insert(&1, &8).unwrap();
    assert!(matches!(trusting.recall(&key), Ok(Recall::Value(_))) && held(&trusting).is_some());
    trusting.touch(&1, Some(Duration::ZERO)).unwrap();
    assert!(matches!(trusting.recall(&key), Ok(Recall::Other)) && held(&trusting).is_none(), "its time is over");
    trusting.forget(&1).unwrap();
    assert!(matches!(trusting.recall(&key), Ok(Recall::Absent)) && matches!(wary.recall(&key), Ok(Recall::Absent)));
    trusting.set_enabled(false);
    assert!(matches!(trusting.recall(&key), Ok(Recall::Other)), "who is switched off does not know");
    assert_eq!(trusting.stats().hits, 0, "nothing was noted");
}

#[test]
fn mapped_values_weigh_next_to_nothing_and_live_longer_than_their_files() {
    let dir = Dir::new();
    drop(dir.blobs_only());
    let cache = tier(1 << 20, FOR_EVER).open(dir.mapped(), "test").unwrap();
    let ask = || -> MappedArray<u8, Ix1> { cache.get_or_insert_with(&1, || bytes_array(20 << 20, 1).into()) };
    drop((ask(), ask()));
    std::fs::remove_dir_all(dir.path()).unwrap();
    let mapped = ask();
    assert!(mapped.is_mapped() && mapped.view() == bytes_array(20 << 20, 1));
}

/// Else the least recently used would be those that are used most.
#[test]
fn a_use_of_what_is_held_in_memory_is_noted_on_disk() {
    let dir = Dir::new();
    let cache = cache_with(&dir, &tier(10 << 20, Duration::ZERO));
    assert!(computes(&cache, 1) && !computes(&cache, 1));
    let path = dir.entry(cache.entries().next().unwrap().unwrap().key());
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    std::fs::File::open(&path).unwrap().set_modified(long_ago).unwrap();
    let before = modified_ns(&path);
    assert!(!computes(&cache, 1));
    assert!(modified_ns(&path) - before > 3_000_000_000_000);
}

#[test]
fn threads_of_a_tier_that_is_too_small_always_get_the_right_value() {
    let dir = Dir::new();
    let cache: Cache = cache_with(&dir, &tier(3 * LONG as u64, FOR_EVER));
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let cache = &cache;
            scope.spawn(move || {
                (0..200_u64).map(|at| computes(cache, (at * (thread + 3)) % 11)).filter(|&computed| computed).count()
            });
        }
    });
    assert_eq!(cache.stats().misses, 11);
}
