//! Many keys in one call: what is missing is computed together and once, and nobody waits while holding a key.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use ndstash::{Cache, Store};

use super::{cache, note, notes, wait_until};
use crate::common::{Child, Dir};

/// Asks for squares; the values, and the keys of each call that computed.
fn squares(cache: &Cache, keys: &[u64]) -> (Vec<u64>, Vec<Vec<u64>>) {
    let calls = RefCell::new(Vec::new());
    let values = cache.get_or_compute_many(keys, |keys| {
        calls.borrow_mut().push(keys.iter().map(|&&key| key).collect::<Vec<_>>());
        Ok::<_, ()>(keys.iter().map(|&&key| key * key).collect())
    });
    (values.unwrap(), calls.into_inner())
}

#[test]
fn only_what_is_missing_is_computed_and_in_one_call() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert_eq!(cache.get_or_insert_with(&3_u64, || 9_u64), 9);
    assert_eq!(squares(&cache, &[1, 3, 2]), (vec![1, 9, 4], vec![vec![1, 2]]));
    assert_eq!(squares(&cache, &[2, 1, 4]), (vec![4, 1, 16], vec![vec![4]]));
    assert_eq!(squares(&cache, &[]), (vec![], vec![]));
    assert_eq!(cache.get(&4_u64).unwrap(), Some(16_u64), "they are values like all others");
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (1 + 2 + 1, 1 + 2 + 1));
    assert_eq!(dir.flights(), Vec::<String>::new());
}

#[test]
fn a_key_that_is_given_twice_is_computed_once() {
    let dir = Dir::new();
    let (values, calls) = squares(&cache(&dir), &[5, 6, 5, 5]);
    assert_eq!((values, calls), (vec![25, 36, 25, 25], vec![vec![5, 6]]));
}

#[test]
fn an_error_in_a_batch_is_handed_on_and_frees_its_keys() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let failed = cache.get_or_compute_many(&[1, 2], |_| Err::<Vec<u64>, _>("mine"));
    assert_eq!((failed, dir.flights().len()), (Err("mine"), 0));
    assert_eq!(squares(&cache, &[1, 2]).1, [vec![1, 2]]);
}

#[test]
fn another_number_of_values_than_keys_is_a_panic_that_frees_them() {
    let dir = Dir::new();
    let cache = cache(&dir);
    for wrong in [vec![], vec![1_u64], vec![1, 2, 3]] {
        let ask = || cache.get_or_compute_many(&[1, 2], |_| Ok::<_, ()>(wrong.clone()));
        assert!(catch_unwind(AssertUnwindSafe(ask)).is_err());
    }
    assert_eq!((dir.flights().len(), cache.entries().count()), (0, 0));
    assert_eq!(squares(&cache, &[1, 2]).1, [vec![1, 2]]);
}

#[test]
fn what_another_computes_is_waited_for_after_the_rest_was_computed() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let inside = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            cache.get_or_insert_with(&1_u64, || {
                inside.wait();
                wait_until("the other key is there", || cache.contains(&2_u64).unwrap());
                1_u64
            })
        });
        inside.wait();
        assert_eq!(squares(&cache, &[1, 2]), (vec![1, 4], vec![vec![2]]));
    });
}

#[test]
fn what_another_failed_to_compute_is_computed_after_all() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let inside = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            cache.get_or_compute(&1_u64, || {
                inside.wait();
                wait_until("the other key is there", || cache.contains(&2_u64).unwrap());
                Err::<u64, _>(())
            })
        });
        inside.wait();
        assert_eq!(squares(&cache, &[1, 2]), (vec![1, 4], vec![vec![2], vec![1]]));
    });
}

const KEYS: u64 = 40;

#[test]
fn two_processes_with_the_same_keys_in_opposite_order_compute_each_once_and_wait_for_nobody_in_vain() {
    let dir = Dir::new();
    drop(dir.store());
    let spawn = |test: &str| -> process::Child { Child::alone(test, &dir.path()).spawn() };
    let start = Instant::now();
    let children = [spawn("cache::batch::one_that_goes_up"), spawn("cache::batch::one_that_goes_down")];
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    assert!(start.elapsed() < Duration::from_secs(30));
    let computed = notes(&dir.beside("computed"));
    assert_eq!(computed.len() as u64, KEYS, "{computed:?}");
}

fn in_batches(keys: &[u64]) {
    let room = Child::room();
    let beside = room.parent().unwrap();
    let cache = Cache::new(Store::open(&room).unwrap(), "test").unwrap();
    note(&beside.join("ready"), "");
    wait_until("both are ready", || notes(&beside.join("ready")).len() == 2);
    for keys in keys.chunks(keys.len() / 2) {
        let values = cache.get_or_compute_many(keys, |keys| {
            thread::sleep(Duration::from_millis(50));
            keys.iter().for_each(|key| note(&beside.join("computed"), &key.to_string()));
            Ok::<_, ()>(keys.iter().map(|&&key| key * key).collect())
        });
        assert_eq!(values.unwrap(), keys.iter().map(|key| key * key).collect::<Vec<_>>());
    }
}

#[test]
#[ignore = "a process of the test above"]
fn one_that_goes_up() {
    in_batches(&(0..KEYS).collect::<Vec<_>>());
}

#[test]
#[ignore = "a process of the test above"]
fn one_that_goes_down() {
    in_batches(&(0..KEYS).rev().collect::<Vec<_>>());
}

#[test]
fn a_batch_of_more_keys_than_files_can_be_open() {
    Child::with_few_files("cache::batch::child_with_few_files", 400).passes();
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn child_with_few_files() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let keys: Vec<u64> = (0..1000).collect();
    let (values, warned) = crate::common::warnings(|| squares(&cache, &keys).0);
    assert_eq!(values, keys.iter().map(|key| key * key).collect::<Vec<_>>());
    assert_eq!((warned, cache.entries().count()), (vec![], 1000));
    let (_, calls) = squares(&cache, &keys);
    assert!(calls.is_empty());
}
