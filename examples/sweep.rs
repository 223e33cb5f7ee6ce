//! A sweep over the parameters of a simulation, through the cache: the second run computes nothing, a third one that
//! asks for more computes only what is new, and runs that come to rest at the same state share its bytes.

#![allow(clippy::print_stdout, reason = "it tells what it did")]

use std::error::Error;
use std::path::Path;

use ndarray::{Array1, Array2, Axis, s};
use ndstash::{Cache, CacheStats, Store, cached};
use serde::{Deserialize, Serialize};

const SIZE: usize = 128;

/// What a run depends on: how fast two substances feed and decay, after Gray and Scott.
#[derive(Clone, Copy, Debug, Serialize)]
struct Parameters {
    feed: f64,
    kill: f64,
}

/// What a run gives.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Outcome {
    /// The second substance in the end, in a square with sides that meet.
    pattern: Array2<f64>,
    /// Its mean, every ten steps.
    mean: Array1<f64>,
}

#[cached(cache = cache, tag = "gray-scott")]
fn simulate(cache: &Cache, start: &(Array2<f64>, Array2<f64>), parameters: Parameters, steps: usize) -> Outcome {
    let Parameters { feed, kill } = parameters;
    let (mut u, mut v) = start.clone();
    let mut mean = Vec::new();
    for step in 0..steps {
        let reaction = &u * &v * &v;
        u = &u + &(laplacian(&u) * 0.16 - &reaction + (1.0 - &u) * feed);
        v = &v + &(laplacian(&v) * 0.08 + &reaction - &v * (feed + kill));
        // What is next to nothing is nothing.
        v.mapv_inplace(|value| if value < 1e-6 { 0.0 } else { value });
        if step % 10 == 0 {
            mean.push(v.mean().unwrap_or_default());
        }
    }
    Outcome { pattern: v, mean: mean.into() }
}

fn laplacian(field: &Array2<f64>) -> Array2<f64> {
    let shifted = |axis: usize, first: usize| {
        let (head, tail) = field.view().split_at(Axis(axis), first);
        ndarray::concatenate(Axis(axis), &[tail, head]).expect("both have the same other side")
    };
    shifted(0, 1) + shifted(0, SIZE - 1) + shifted(1, 1) + shifted(1, SIZE - 1) - field * 4.0
}

fn start() -> (Array2<f64>, Array2<f64>) {
    let (mut u, mut v) = (Array2::ones((SIZE, SIZE)), Array2::zeros((SIZE, SIZE)));
    let middle = SIZE / 2 - 8..SIZE / 2 + 8;
    u.slice_mut(s![middle.clone(), middle.clone()]).fill(0.5);
    v.slice_mut(s![middle.clone(), middle]).fill(0.25);
    (u, v)
}

/// Runs all combinations, as a program that is started anew does.
fn sweep(store: &Path, feeds: &[f64], kills: &[f64]) -> Result<(Vec<Outcome>, CacheStats), ndstash::Error> {
    let cache = Cache::new(Store::open_or_create(store)?, "sweep")?;
    let start = start();
    let all = feeds.iter().flat_map(|&feed| kills.iter().map(move |&kill| Parameters { feed, kill }));
    let outcomes = all.map(|parameters| simulate(&cache, &start, parameters, 200)).collect();
    Ok((outcomes, cache.stats()))
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let store = dir.path().join("results");
    let (feeds, kills) = ([0.01, 0.03, 0.05], [0.05, 0.06, 0.30]);

    let (first, stats) = sweep(&store, &feeds, &kills)?;
    assert_eq!((stats.hits, stats.misses), (0, 9));
    println!("9 runs: {:.2?} computed, {} bytes shared", stats.time_computed(), stats.shared_bytes);
    assert_eq!(stats.shared_bytes, 2 * (SIZE * SIZE * 8) as u64, "three died out, and nothing is stored once");

    let (second, stats) = sweep(&store, &feeds, &kills)?;
    assert_eq!((stats.hits, stats.misses), (9, 9));
    assert_eq!(first, second);
    println!("again:  {:.2?} saved, nothing computed", stats.time_saved());

    let (third, stats) = sweep(&store, &feeds, &[0.05, 0.06, 0.062])?;
    assert_eq!((stats.hits, stats.misses), (15, 12), "three are new");
    assert_eq!(third[0], first[0]);
    println!("more:   {:.2?} saved in all, 3 of 9 computed", stats.time_saved());
    Ok(())
}
