//! Puts an array under two names, loads it mapped, and collects it when nothing names it any more. Then computes one
//! through the cache, once.

#![allow(clippy::print_stdout, reason = "it tells what it did")]

use std::error::Error;

use ndarray::{Array1, Array2, Ix2};
use ndstash::{Cache, GcOptions, MapPolicy, MappedArray, Store, StoreOptions};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let store = open(&dir.path().join("results"))?;

    let field: Array2<f64> = Array1::linspace(0.0, 1.0, 200_000).into_shape_with_order((500, 400))?;
    let first = store.put("runs/1/field", &field)?;
    let second = store.put("runs/2/field", &field)?;
    assert_eq!((first.new_bytes, second.new_bytes), (1_600_000, 0), "equal bytes are written once");

    let mapped: MappedArray<f64, Ix2> = store.get("runs/2/field")?.ok_or("it was put")?;
    assert!(mapped.is_mapped());
    assert_eq!(mapped.row(3), field.row(3), "it is used like any array");

    for info in store.entries("runs/") {
        store.remove_if(&info?)?; // only if nobody has replaced it meanwhile
    }
    let report = store.gc(&GcOptions::new())?;
    assert_eq!((report.blobs_removed, report.bytes_freed), (1, 1_600_000));
    assert_eq!(mapped.view(), field.view(), "what is mapped stays valid");
    println!("stored {} bytes under two names, mapped them, freed them", report.bytes_freed);

    let cache = Cache::new(store, "simulate")?;
    let simulate = |size: usize| cache.get_or_insert_with(&size, || Array2::<f64>::eye(size));
    assert_eq!(simulate(300), simulate(300)); // the second one is read, in this process or the next
    println!("computed {} time, read {} time", cache.stats().misses, cache.stats().hits);
    Ok(())
}

#[expect(unsafe_code, reason = "mapping takes a promise that only the program can make")]
fn open(path: &std::path::Path) -> Result<Store, ndstash::Error> {
    // SAFETY: nobody edits the files of this store by hand.
    let policy = unsafe { MapPolicy::trusted() };
    StoreOptions::new().mapping(policy).open_or_create(path)
}
