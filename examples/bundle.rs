//! A small simulation: each step of it is one entry with several fields and what is worth knowing of them. Fields that
//! do not change from step to step are stored once.

#![allow(clippy::print_stdout, reason = "it tells what it did")]

use std::error::Error;

use ndarray::{Array2, Ix2};
use ndstash::{MapPolicy, PutReport, Store, StoreOptions, Tree};

const SIZE: usize = 256;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    // SAFETY: nobody edits the files of this store by hand.
    #[expect(unsafe_code, reason = "mapping takes a promise that only the program can make")]
    let policy = unsafe { MapPolicy::trusted() };
    let store = StoreOptions::new().mapping(policy).create(dir.path().join("results"))?;

    let conductivity = Array2::from_shape_fn((SIZE, SIZE), |(row, _)| if row < SIZE / 2 { 0.1 } else { 0.2 });
    let mut temperature = Array2::zeros((SIZE, SIZE));
    temperature[[SIZE / 2, SIZE / 2]] = 1000.0;
    for step in 0..10 {
        temperature = diffuse(&temperature, &conductivity);
        let report = put_step(&store, step, &temperature, &conductivity)?;
        assert_eq!(report.shared_blobs, u64::from(step > 0), "the conductivity is written with the first step alone");
    }

    let last = store.entry("heat/009")?.ok_or("it was put")?;
    assert_eq!(last.info().meta()["step"], Tree::Int(9));
    let loaded = last.field("temperature").ok_or("it has that field")?.map::<f64, Ix2>()?;
    assert!(loaded.is_mapped());
    assert_eq!(loaded.view(), temperature.view());

    let usage = store.usage()?;
    assert_eq!((usage.entries, usage.blobs), (10, 11));
    assert_eq!(usage.saved_bytes, 9 * (SIZE * SIZE * 8) as u64);
    println!("{} steps in {} blobs; sharing saves {} bytes", usage.entries, usage.blobs, usage.saved_bytes);
    Ok(())
}

fn put_step(
    store: &Store,
    step: i64,
    temperature: &Array2<f64>,
    conductivity: &Array2<f64>,
) -> Result<PutReport, ndstash::Error> {
    let mut writer = store.writer();
    let fields = [("temperature", temperature), ("conductivity", conductivity)];
    let mut value = Vec::new();
    for (name, field) in fields {
        value.push((name.into(), writer.array(field)?));
    }
    writer.tag("heat").meta("step", step).meta("maximum", temperature.iter().copied().fold(0.0, f64::max));
    writer.put(&format!("heat/{step:03}"), Tree::Map(value))
}

/// One explicit step of the heat equation; the rim stays cold.
fn diffuse(field: &Array2<f64>, conductivity: &Array2<f64>) -> Array2<f64> {
    let last = SIZE - 1;
    Array2::from_shape_fn((SIZE, SIZE), |(row, column)| {
        if row == 0 || row == last || column == 0 || column == last {
            return 0.0;
        }
        let here = field[[row, column]];
        let around =
            field[[row - 1, column]] + field[[row + 1, column]] + field[[row, column - 1]] + field[[row, column + 1]];
        here + conductivity[[row, column]] * (around - 4.0 * here)
    })
}
