//! Single flight over processes: one computes, the others wait, and whatever ends the one frees the others.

use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ndarray::Array1;
use ndstash::{Cache, Store};

use super::{LONG, cache, note, notes, wait_until};
use crate::common::{Child, Dir, bytes_array};

/// Tells a child process which it is.
const NUMBER: &str = "NDSTASH_TEST_NUMBER";
const PROCESSES: usize = 6;

fn number() -> u64 {
    std::env::var(NUMBER).unwrap().parse().unwrap()
}

/// In a child: the store, and the directory beside it, once all children are ready.
fn meet(count: usize) -> (Store, PathBuf) {
    let room = Child::room();
    let beside = room.parent().unwrap().to_owned();
    let store = Store::open(&room).unwrap();
    note(&beside.join("ready"), "");
    wait_until("all are ready", || notes(&beside.join("ready")).len() == count);
    (store, beside)
}

fn spawn(test: &str, dir: &Dir, number: usize) -> process::Child {
    Child::alone(test, &dir.path()).env(NUMBER, Path::new(&number.to_string())).spawn()
}

/// Runs a test in several processes at the same time, and expects each to pass. Returns how long they took from when
/// all were ready.
fn together(test: &str, dir: &Dir, count: usize) -> Duration {
    let children: Vec<_> = (0..count).map(|number| spawn(test, dir, number)).collect();
    wait_until("all are ready", || notes(&dir.beside("ready")).len() == count);
    let start = Instant::now();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    start.elapsed()
}

#[test]
fn many_processes_one_key_one_computation() {
    let dir = Dir::new();
    drop(dir.store());
    together("cache::processes::one_of_many_for_one_key", &dir, PROCESSES);
    assert_eq!(notes(&dir.beside("computed")), ["one"]);
    assert_eq!(dir.flights(), Vec::<String>::new());
}

#[test]
#[ignore = "a process of the test above"]
fn one_of_many_for_one_key() {
    let (store, beside) = meet(PROCESSES);
    let cache = Cache::new(store, "test").unwrap();
    let value: Array1<u8> = cache.get_or_insert_with("one", || {
        note(&beside.join("computed"), "one");
        thread::sleep(Duration::from_millis(300));
        bytes_array(LONG, 1)
    });
    assert_eq!(value, bytes_array(LONG, 1));
}

#[test]
fn many_processes_distinct_slow_keys_in_parallel() {
    let alone = Dir::new();
    drop(alone.store());
    std::fs::write(alone.beside("alone"), b"").unwrap();
    let one = together("cache::processes::one_with_a_slow_key", &alone, 1);
    let dir = Dir::new();
    drop(dir.store());
    let six = together("cache::processes::one_with_a_slow_key", &dir, PROCESSES);
    assert!(one > Duration::from_millis(900) && six < 3 * one, "one alone {one:?}, six together {six:?}");
    assert_eq!(notes(&dir.beside("computed")).len(), PROCESSES);
}

#[test]
#[ignore = "a process of the test above"]
fn one_with_a_slow_key() {
    let number = number();
    let room = Child::room();
    let alone = room.parent().unwrap().join("alone").exists();
    let (store, beside) = meet(if alone { 1 } else { PROCESSES });
    let cache = Cache::new(store, "test").unwrap();
    let value: u64 = cache.get_or_insert_with(&number, || {
        note(&beside.join("computed"), &number.to_string());
        thread::sleep(Duration::from_secs(1));
        number
    });
    assert_eq!(value, number);
}

#[test]
fn many_processes_distinct_keys_nothing_lost() {
    let dir = Dir::new();
    let store = dir.store();
    together("cache::processes::one_with_many_keys", &dir, PROCESSES);
    let cache = Cache::new(store, "test").unwrap();
    for key in 0..PROCESSES as u64 * 100 {
        assert_eq!(cache.get::<u64>(&key).unwrap(), Some(key * key));
    }
}

#[test]
#[ignore = "a process of the test above"]
fn one_with_many_keys() {
    let (store, _) = meet(PROCESSES);
    let cache = Cache::new(store, "test").unwrap();
    for key in (0..100).map(|at| number() * 100 + at) {
        assert_eq!(cache.get_or_insert_with(&key, || key * key), key * key);
    }
}

#[test]
fn holder_of_a_lock_killed_next_one_proceeds() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let mut holder = spawn("cache::processes::one_that_computes_for_ever", &dir, 0);
    wait_until("it computes", || dir.beside("computed").exists());
    let started = AtomicBool::new(false);
    thread::scope(|scope| {
        let next = scope.spawn(|| {
            cache.get_or_insert_with("slow", || {
                started.store(true, Ordering::Relaxed);
                1
            })
        });
        thread::sleep(Duration::from_millis(200));
        assert!(!started.load(Ordering::Relaxed), "the other one has the key");
        holder.kill().unwrap();
        let start = Instant::now();
        assert_eq!(next.join().unwrap(), 1);
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    });
    holder.wait().unwrap();
    assert_eq!(dir.flights(), Vec::<String>::new());
}

#[test]
#[ignore = "a process of the test above"]
fn one_that_computes_for_ever() {
    let room = Child::room();
    let cache = Cache::new(Store::open(&room).unwrap(), "test").unwrap();
    let _: i32 = cache.get_or_insert_with("slow", || {
        note(&room.parent().unwrap().join("computed"), "");
        thread::sleep(Duration::from_secs(60));
        0
    });
}
