//! The cache: one computation per key over threads and processes, values handed out whatever happens to the store.
//!
//! The cases in which other stores of results fail, and where they are tested here:
//!
//! | case | where |
//! |---|---|
//! | two large arrays that differ only in the middle; equal arrays in C and Fortran order, strided, copied; equal bytes of another type or shape | `keys` |
//! | `f(-1)` and `f(-2)`; texts cut elsewhere; `1` and `"1"`; two processes with other hash seeds | `keys` |
//! | two functions of one store, equal arguments | `keys`, `cached` |
//! | constant changed in the body, comment or layout changed, changed back; helper changed | `cached` |
//! | two nested functions of one name, same name in two modules or types; two instances, one method | `cached` |
//! | script moved | `cached`: a name was chosen |
//! | overwrite while reading | `entries`, `flight` |
//! | many processes and distinct keys, one key, distinct slow keys; holder of a lock killed | `processes` |
//! | payload byte flipped, value file cut short or missing, cache folder removed while in use | `damage` |
//! | byte limit near the size of one value; one value larger than the limit | `evict`, `failure` |
//! | clear a function: its unshared blobs become collectable | `labels` |
//! | ordered maps and shared parts of a result | `values`: order stays; an alias becomes two values, equal arrays one blob |
//! | first and second call return the same types; mapping asked for; mapped address a multiple of 64 | `types` |
//! | disk full, folder read-only, path too long; value that cannot be stored | `failure` |
//! | read-only open of a store; a store of a newer format | `failure`, `access` |
//!
//! What does not apply: `f(1)`, `f(x=1)` and a default argument are one call in Rust; a closure is no key, and nothing can
//! be cached without naming what it depends on, so two closures or lambdas cannot meet; a function is not redefined in
//! a running program; an argument that is written into is `&mut`, which the attribute refuses (`cached`); there are no named
//! tuples; there is no hash seed.

mod batch;
mod damage;
mod failure;
mod flight;
mod labels;
mod memory;
mod pieces;
mod processes;
mod stale;
mod stats;
mod types;

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use ndarray::Array1;
use ndstash::{Cache, CacheOptions};

use crate::common::{Dir, bytes_array};

/// So long that it becomes a blob in a store with the default settings.
const LONG: usize = 100_000;

/// A cache whose store keeps every array in a blob.
fn cache(dir: &Dir) -> Cache {
    Cache::new(dir.blobs_only(), "test").unwrap()
}

fn cache_with(dir: &Dir, options: &CacheOptions) -> Cache {
    options.open(dir.blobs_only(), "test").unwrap()
}

/// Asks for an array that depends on a number; whether it had to be computed.
fn computes(cache: &Cache, key: u64) -> bool {
    let computed = Cell::new(false);
    let value: Array1<u8> = cache.get_or_insert_with(&key, || {
        computed.set(true);
        bytes_array(LONG, key)
    });
    assert_eq!(value, bytes_array(LONG, key), "a wrong value of {key}");
    computed.get()
}

/// Writes a line into a file that several processes write into.
fn note(path: &Path, line: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// The lines of such a file, in ascending order.
fn notes(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn wait_until(what: &str, reached: impl Fn() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
