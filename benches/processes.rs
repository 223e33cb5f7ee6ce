//! How processes get on beside one another: `cargo bench --bench processes [-- SECONDS]`.
//!
//! 1, 2, 4 and 8 processes put and read small entries, and now and then one with a blob, for a while: all in one store,
//! and, in turn with that, each in a store of its own, where nobody waits for anybody's lock. What one store does, in parts of what
//! so many stores do, is what the gate and the other locks cost; the machine and its disk cost the same in both. The exit
//! code tells whether the targets were met. `NDSTASH_BENCH_DIR` names the directory to work in.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "stores are made and removed from outside")]
#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a report of ratios")]
#![deny(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use ndstash::{Cache, CacheOptions, Durability, Store, StoreOptions};

const PROCESSES: [usize; 4] = [1, 2, 4, 8];
const ROUNDS: usize = 5;
/// How much of what they do in stores of their own they must do in one, at least.
const AT_LEAST: f64 = 0.8;
/// Of so many requests one is a put; the others are hits of what was put before.
const MIX: u64 = 5;
/// Of so many puts one has a blob.
const BLOBS: u64 = 10;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if let [verb, store, durability, number, seconds] = &args[..]
        && verb == "work"
    {
        let seconds: f64 = seconds.parse().expect("seconds");
        println!("{}", work(Path::new(store), durability, number, Duration::from_secs_f64(seconds)));
        return ExitCode::SUCCESS;
    }
    let seconds = args.first().map_or(1.0, |text| text.parse().expect("seconds"));
    let base =
        std::env::var_os("NDSTASH_BENCH_DIR").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = tempfile::tempdir_in(base).expect("a directory to work in");
    let mut missed = false;
    for durability in ["deferred", "full"] {
        println!(
            "{durability:<10}  in one store, requests a second   in a store each   one / each   gate held at most"
        );
        for processes in PROCESSES {
            missed |= !compare(dir.path(), durability, processes, seconds);
        }
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// One line of the report; whether its target was met.
fn compare(dir: &Path, durability: &str, processes: usize, seconds: f64) -> bool {
    let (mut one, mut each, mut held) = (Vec::new(), Vec::new(), Duration::ZERO);
    for round in 0..ROUNDS {
        for shared in [round % 2 == 0, round % 2 != 0] {
            let (done, longest) = together(dir, durability, processes, seconds, shared);
            if shared { &mut one } else { &mut each }.push(done / seconds);
            held = if shared { held.max(longest) } else { held };
        }
    }
    let (one, each) = (median(one), median(each));
    let met = one / each >= AT_LEAST;
    println!(
        "{processes:>2} processes {one:>32.0} {each:>17.0} {:>12.2} {held:>19.1?}  [at least {AT_LEAST}: {}]",
        one / each,
        if met { "met" } else { "MISSED" }
    );
    met
}

/// Lets processes work, in one store or in one each; how many requests they did, and the longest that any kept the gate.
fn together(dir: &Path, durability: &str, processes: usize, seconds: f64, shared: bool) -> (f64, Duration) {
    let stores: Vec<PathBuf> = (0..if shared { 1 } else { processes }).map(|i| dir.join(i.to_string())).collect();
    stores.iter().for_each(|store| drop(StoreOptions::new().create(store).expect("a new store")));
    let start = |number: usize| -> Child {
        let store = &stores[number % stores.len()];
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("work").arg(store).args([durability, &number.to_string(), &seconds.to_string()]);
        command.stdout(Stdio::piped()).spawn().expect("this program runs")
    };
    let children: Vec<Child> = (0..processes).map(start).collect();
    let (mut done, mut longest) = (0.0, Duration::ZERO);
    for child in children {
        let output = child.wait_with_output().expect("its output");
        let text = String::from_utf8(output.stdout).expect("numbers");
        let mut numbers = text.split_whitespace().map(|text| text.parse::<f64>().expect("a number"));
        done += numbers.next().expect("requests");
        longest = longest.max(Duration::from_secs_f64(numbers.next().expect("seconds")));
    }
    stores.iter().for_each(|store| std::fs::remove_dir_all(store).expect("the bench made it"));
    (done, longest)
}

/// Puts and reads for so long; tells how many requests were done, and for how many seconds the gate was held at most.
fn work(store: &Path, durability: &str, number: &str, time: Duration) -> String {
    let store = Store::open(store).expect("the store");
    let durability = if durability == "full" { Durability::Full } else { Durability::Deferred };
    let cache = CacheOptions::new().durability(durability).open(store, "bench").expect("a cache");
    let (start, mut requests, mut puts) = (Instant::now(), 0u64, 0u64);
    while start.elapsed() < time {
        if requests.is_multiple_of(MIX) {
            put(&cache, number, puts);
            puts += 1;
        } else {
            let wanted = requests.wrapping_mul(7919) % puts;
            assert!(cache.get::<(u64, Vec<f64>)>(&(number, wanted)).expect("a read").is_some(), "{number} {wanted}");
        }
        requests += 1;
    }
    let held = cache.store().longest_commit().as_secs_f64();
    format!("{requests} {held}")
}

fn put(cache: &Cache, number: &str, i: u64) {
    let len = if i.is_multiple_of(BLOBS) { 16 << 10 } else { 16 };
    cache.insert(&(number, i), &(i, vec![i as f64; len])).expect("a put");
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
