//! Single flight over threads: one computes, the others wait, and nobody waits for itself or for ever.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ndarray::Array1;
use ndstash::seam::{Flow, Verb};
use ndstash::{Cache, CacheOptions, StoreOptions};

use super::{LONG, cache, cache_with};
use crate::common::{Dir, Noise, bytes_array, seam, warnings};

/// A cache on a system, or a file system, that locks no bytes of a file.
fn without_locks_of_bytes(dir: &Dir) -> Cache {
    drop(dir.blobs_only());
    let seam = seam(|step| match (step.verb, step.path) {
        (Verb::LockExclusive, "flights.lock") => Err(rustix::io::Errno::INVAL.into()),
        _ => Ok(Flow::Go),
    });
    Cache::new(StoreOptions::new().seam(seam).open(dir.path()).unwrap(), "test").unwrap()
}

#[test]
fn of_many_threads_one_computes_with_one_handle_and_with_handles_of_their_own() {
    one_of_many_computes(cache);
}

#[test]
fn one_computes_where_no_bytes_can_be_locked() {
    one_of_many_computes(without_locks_of_bytes);
}

#[test]
fn a_computation_is_a_locked_byte_and_where_there_is_none_a_file() {
    let taken = |cache: fn(&Dir) -> Cache| {
        let dir = Dir::new();
        let during = cache(&dir).get_or_insert_with(&1, || dir.flights());
        assert_eq!(dir.flights(), Vec::<String>::new());
        during
    };
    if cfg!(target_os = "linux") {
        assert_eq!(taken(cache), ["a byte"]);
    }
    let files = taken(without_locks_of_bytes);
    assert_eq!((files.len(), files[0].len()), (1, 64), "{files:?}");
}

fn one_of_many_computes(cache: fn(&Dir) -> Cache) {
    let dir = Dir::new();
    let shared = cache(&dir);
    for own in [false, true] {
        let (computed, barrier) = (AtomicU32::new(0), Barrier::new(8));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let cache = if own { cache(&dir) } else { shared.clone() };
                    barrier.wait();
                    let value: u32 = cache.get_or_insert_with(&own, || {
                        thread::sleep(Duration::from_millis(100));
                        computed.fetch_add(1, Ordering::Relaxed)
                    });
                    assert_eq!(value, 0);
                });
            }
        });
        assert_eq!(computed.into_inner(), 1);
    }
}

#[test]
fn an_error_is_handed_on_frees_the_key_and_stores_nothing() {
    #[derive(Debug, PartialEq)]
    struct Mine(u8);
    let dir = Dir::new();
    let cache = cache(&dir);
    assert_eq!(cache.get_or_compute(&1, || Err::<u8, _>(Mine(7))), Err(Mine(7)));
    assert!(!cache.contains(&1).unwrap() && dir.flights().is_empty());
    assert_eq!(cache.get_or_compute(&1, || Ok::<u8, Mine>(8)), Ok(8));
    assert_eq!(cache.get_or_compute(&1, || Err::<u8, _>(Mine(9))), Ok(8));
}

#[test]
fn a_panic_frees_the_key_and_stores_nothing() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let compute = || cache.get_or_insert_with(&1, || -> u8 { panic!("on purpose") });
    assert!(catch_unwind(AssertUnwindSafe(compute)).is_err());
    assert!(!cache.contains(&1).unwrap() && dir.flights().is_empty());
    assert_eq!(cache.get_or_insert_with(&1, || 8), 8);
}

#[test]
fn others_that_wait_compute_after_one_that_failed() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let tries = AtomicU32::new(0);
    thread::scope(|scope| {
        let ask = || {
            cache.get_or_compute(&1, || {
                thread::sleep(Duration::from_millis(50));
                if tries.fetch_add(1, Ordering::Relaxed) == 0 { Err(()) } else { Ok(5) }
            })
        };
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        let found: Vec<_> = asked.into_iter().map(|asked| asked.join().unwrap()).collect();
        assert_eq!(found.iter().filter(|found| found.is_err()).count(), 1);
    });
    assert_eq!(tries.into_inner(), 2);
}

#[test]
fn a_computation_may_use_the_cache_for_other_keys() {
    fn fibonacci(cache: &Cache, n: u64) -> u64 {
        cache.get_or_insert_with(&n, || match n {
            0 | 1 => n,
            _ => fibonacci(cache, n - 1) + fibonacci(cache, n - 2),
        })
    }
    let dir = Dir::new();
    let cache = cache(&dir);
    assert_eq!(fibonacci(&cache, 40), 102_334_155);
    assert_eq!((cache.stats().misses, cache.entries().count()), (41, 41));
}

#[test]
fn a_computation_that_asks_for_its_own_key_computes_again_and_does_not_wait_for_itself() {
    let dir = Dir::new();
    let (first, second) = (cache(&dir), cache(&dir));
    let start = Instant::now();
    let value: u8 =
        first.get_or_insert_with(&1, || first.get_or_insert_with(&1, || second.get_or_insert_with(&1, || 3)));
    assert_eq!((value, first.get(&1).unwrap()), (3, Some(3)));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn one_key_of_two_stores_is_two_computations_each_made_once() {
    let dirs = (Dir::new(), Dir::new());
    let (near, far) = (cache(&dirs.0), cache(&dirs.1));
    let (computed, inside) = (AtomicU32::new(0), Barrier::new(2));
    let ask_far = || {
        far.get_or_insert_with(&1, || {
            thread::sleep(Duration::from_millis(100));
            computed.fetch_add(1, Ordering::Relaxed)
        })
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            near.get_or_insert_with(&1, || {
                inside.wait();
                ask_far()
            })
        });
        inside.wait();
        ask_far();
    });
    assert_eq!(computed.into_inner(), 1);
}

#[test]
fn who_waits_longer_than_it_wants_to_computes_as_well() {
    let dir = Dir::new();
    let cache = cache_with(&dir, &CacheOptions::new().wait(Duration::from_millis(100)));
    let (inside, done) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            cache.get_or_insert_with(&1, || {
                inside.wait();
                done.wait();
                1
            })
        });
        inside.wait();
        let start = Instant::now();
        let (value, warned) = warnings(|| cache.get_or_insert_with(&1, || 2));
        assert_eq!((value, warned.len()), (2, 1), "{warned:?}");
        assert!(start.elapsed() >= Duration::from_millis(100) && start.elapsed() < Duration::from_secs(20));
        let patient = super::cache(&dir);
        let own = patient.request(&1).refresh().wait(Duration::ZERO).get_or_insert_with(|| 3);
        assert_eq!(own, 3, "zero: not at all");
        done.wait();
        assert_eq!(first.join().unwrap(), 1);
    });
    assert_eq!(cache.get(&1).unwrap(), Some(1), "the last one stays");
}

#[test]
fn two_that_want_each_others_keys_wait_for_a_bounded_time() {
    let dir = Dir::new();
    let cache = cache_with(&dir, &CacheOptions::new().wait(Duration::from_millis(200)));
    let both = Barrier::new(2);
    let start = Instant::now();
    thread::scope(|scope| {
        for (mine, other) in [(1, 2), (2, 1)] {
            let (cache, both) = (&cache, &both);
            scope.spawn(move || {
                cache.get_or_insert_with(&mine, || {
                    both.wait();
                    cache.get_or_insert_with(&other, || other);
                    mine
                })
            });
        }
    });
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!((cache.get(&1).unwrap(), cache.get(&2).unwrap()), (Some(1), Some(2)));
}

/// While one puts a value on all cores, its thread may begin another task of the same pool.
#[test]
fn tasks_of_a_pool_that_ask_for_the_same_keys_compute_each_once_and_wait_for_nobody_in_vain() {
    use rayon::prelude::*;
    let dir = Dir::new();
    let cache = cache_with(&dir, &CacheOptions::new().wait(Duration::from_secs(20)));
    let computed = AtomicU32::new(0);
    let mut noise = Noise::new(1);
    let keys: Vec<u64> = (0..400).map(|_| noise.next() % 40).collect();
    let start = Instant::now();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    pool.install(|| {
        keys.par_iter().with_max_len(1).for_each(|&key| {
            let value: [Array1<u8>; 3] = cache.get_or_insert_with(&key, || {
                computed.fetch_add(1, Ordering::Relaxed);
                [0, 1, 2].map(|part| bytes_array(600_000, 3 * key + part))
            });
            assert_eq!(value[2].len(), 600_000);
        });
    });
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert_eq!(computed.into_inner(), 40);
}

#[test]
fn overwrite_while_reading_old_or_new_value_never_an_error() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let done = AtomicBool::new(false);
    cache.insert(&1, &bytes_array(LONG, 0)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            (1..100).for_each(|seed| assert!(cache.insert(&1, &bytes_array(LONG, seed)).unwrap().is_some()));
            done.store(true, Ordering::Relaxed);
        });
        let mut last = 0;
        while !done.load(Ordering::Relaxed) {
            let value: Array1<u8> = cache.get(&1).unwrap().expect("there is always one");
            last =
                (last..100).find(|&seed| value == bytes_array(LONG, seed)).expect("one that was put, and none older");
        }
    });
    assert_eq!(cache.stats().damaged, 0);
}
