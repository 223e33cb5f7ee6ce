//! A file for each entry against an index in an embedded store.
//!
//! `entry-index bench DIR COUNT...` measures, with 10,000 entries or more; `entry-index faults DIR [WHICH...]` finds out
//! what LMDB and redb do when things go wrong. DIR is made, and needs about 14 GB for 10^6 entries. What a run that was
//! stopped has filled is used by the next; what was measured is left there. Caches are dropped where that is allowed.
//!
//! All ways take turns, round by round. A line gives the median of the rounds in microseconds an entry, fastest and
//! slowest, and the processor time.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "bare files are what is measured")]

mod bench;
mod faults;
mod files;
mod lmdb;
mod redbs;
mod sample;
mod store;
mod way;

use std::path::Path;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match &words[..] {
        ["bench", dir, counts @ ..] => {
            for count in counts {
                bench::run(Path::new(dir), count.parse().expect("a number of entries"));
            }
        }
        ["faults", dir, which @ ..] => faults::run(Path::new(dir), which),
        ["worker", rest @ ..] => bench::worker(rest),
        ["fault", rest @ ..] => faults::child(rest),
        _ => panic!("entry-index bench DIR COUNT... | faults DIR [WHICH...]"),
    }
}
