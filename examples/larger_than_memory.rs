//! Two results that need not fit into memory: the history of a heat equation, made in place in a map of the store, and
//! its way to rest, frame after frame, nobody knowing beforehand how many.
//!
//! `cargo run --release --example larger_than_memory [STEPS]`: a step takes 512 KiB, 64 are made by default.

#![allow(clippy::print_stdout, reason = "it tells what it did")]

use std::error::Error;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Ix2, Ix3, s};
use ndstash::{MapPolicy, Store, StoreOptions};
use rayon::prelude::*;

const SIZE: usize = 256;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let steps = std::env::args().nth(1).and_then(|arg| arg.parse().ok()).unwrap_or(64).max(2);
    let dir = tempfile::tempdir()?;
    // SAFETY: nobody edits the files of this store by hand.
    #[expect(unsafe_code, reason = "mapping takes a promise that only the program can make")]
    let policy = unsafe { MapPolicy::trusted() };
    let store = StoreOptions::new().mapping(policy).create(dir.path().join("results"))?;

    in_place(&store, steps)?;
    let entry = store.entry("heat/history")?.ok_or("it was put")?;
    let history = entry.array().ok_or("its value is one array")?.map::<f64, Ix3>()?;
    let (first, last) = (history.index_axis(Axis(0), 0), history.index_axis(Axis(0), steps - 1));
    let maximum = |field: &ArrayView2<'_, f64>| field.iter().copied().fold(0.0, f64::max);
    assert!(history.is_mapped() && maximum(&last) < maximum(&first), "heat spreads");

    let frames = by_rows(&store)?;
    let means = store.entry("heat/profile")?.ok_or("it was put")?.array().ok_or("one array")?.map::<f64, Ix2>()?;
    assert_eq!(means.dim(), (frames, SIZE));
    println!("{steps} fields made in place, {frames} profiles row by row, {} bytes", store.usage()?.blob_bytes);
    Ok(())
}

/// Every field of the history is computed from the one before, on all cores, where it will lie.
fn in_place(store: &Store, steps: usize) -> Result<(), ndstash::Error> {
    let mut history = store.create_array::<f64, _>((steps, SIZE, SIZE))?;
    history[[0, SIZE / 2, SIZE / 2]] = 1000.0;
    for step in 1..steps {
        let (before, after) = history.multi_slice_mut((s![step - 1, .., ..], s![step, .., ..]));
        diffuse(&before.view(), after);
    }
    let sealed = history.seal()?; // from here on it is read-only, and on disk
    println!("sealed {}", sealed.digest());
    sealed.put("heat/history").map(drop)
}

/// The mean of every column, step after step, until next to nothing changes.
fn by_rows(store: &Store) -> Result<usize, ndstash::Error> {
    let mut field = Array2::zeros((SIZE, SIZE));
    field.row_mut(SIZE / 2).fill(1000.0);
    let mut profile = store.append_array::<f64, _>(SIZE)?;
    loop {
        let mut next = Array2::zeros((SIZE, SIZE));
        diffuse(&field.view(), next.view_mut());
        let change = (&next - &field).fold(0.0, |most: f64, difference| most.max(difference.abs()));
        profile.push(&next.mean_axis(Axis(0)).expect("there are rows"))?;
        if change < 1.0 {
            break;
        }
        field = next;
    }
    let frames = usize::try_from(profile.rows()).expect("they were counted one by one");
    profile.put("heat/profile")?;
    Ok(frames)
}

/// One explicit step of the heat equation; the rim stays cold.
fn diffuse(field: &ArrayView2<'_, f64>, mut into: ArrayViewMut2<'_, f64>) {
    let rows = into.as_slice_mut().expect("one field lies in one piece").par_chunks_mut(SIZE);
    rows.enumerate().filter(|(row, _)| (1..SIZE - 1).contains(row)).for_each(|(row, into)| {
        for column in 1..SIZE - 1 {
            let here = field[[row, column]];
            let around = field[[row - 1, column]]
                + field[[row + 1, column]]
                + field[[row, column - 1]]
                + field[[row, column + 1]];
            into[column] = here + 0.2 * (around - 4.0 * here);
        }
    });
}
