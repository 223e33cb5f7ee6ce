//! Two "runs" of some work on the originals: bundles that hold the originals again and what was made of them.

use ndarray::{Array1, Array2, Axis, Ix2, Ix3};
use ndstash::{DType, Entry, PutReport, Store, StoredArray, Tree, Writer};

use super::DATA;
use crate::cli::failure::{Failure, Result};

/// How long the record of a run is: enough not to lie inside the entry.
const RECORD_LEN: usize = 50_000;

/// Puts a bundle. What it holds beside the originals depends on `threshold` only in part, so two runs share most.
pub(super) fn put(store: &Store, name: &str, threshold: f32) -> Result<PutReport> {
    let mut writer = store.writer();
    writer.tag("run").meta("threshold", f64::from(threshold));
    let mut pairs = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for info in store.entries(&format!("{DATA}/")) {
        names.push(info?.label());
    }
    names.sort();
    for name in &names {
        let entry = store.entry(name)?.ok_or_else(|| Failure::new(format!("{name} has gone")))?;
        if let Some(array) = entry.array() {
            pairs.push((short(name).to_owned(), writer.stored(array)?));
            derive(&entry, short(name), threshold, &mut writer, &mut pairs)?;
        }
    }
    pairs.push(("record".to_owned(), writer.array(&record(threshold))?));
    let value = pairs.into_iter().map(|(name, node)| (Tree::Str(name), node)).collect();
    Ok(writer.put(name, Tree::Map(value))?)
}

fn short(name: &str) -> &str {
    name.strip_prefix(DATA).unwrap_or(name).trim_start_matches('/')
}

/// Of a colour image its brightness and where that is above the threshold; of a table its standardised columns.
fn derive(
    entry: &Entry,
    name: &str,
    threshold: f32,
    writer: &mut Writer,
    pairs: &mut Vec<(String, Tree)>,
) -> Result<()> {
    let Some(array) = entry.array() else { return Ok(()) };
    match (array.dtype(), array.shape()) {
        (DType::UInt8, [_, _, 3 | 4]) => {
            let brightness = brightness(array)?;
            let bright = brightness.mapv(|value| value > 255.0 * threshold);
            pairs.push((format!("{name}/brightness"), writer.array(&brightness)?));
            pairs.push((format!("{name}/bright"), writer.array(&bright)?));
        }
        (DType::Float64, [rows, _]) if *rows > 1 => {
            let table = array.to_array::<f64, Ix2>()?;
            pairs.push((format!("{name}/standardised"), writer.array(&standardised(table))?));
        }
        _ => {}
    }
    Ok(())
}

fn brightness(image: &StoredArray) -> Result<Array2<f32>> {
    let channels = image.to_array::<u8, Ix3>()?.mapv(f32::from);
    channels.mean_axis(Axis(2)).ok_or_else(|| Failure::new("an image has no channels"))
}

fn standardised(table: Array2<f64>) -> Array2<f64> {
    let spread = table.std_axis(Axis(0), 0.0).mapv(|spread| if spread > 0.0 { spread } else { 1.0 });
    match table.mean_axis(Axis(0)) {
        Some(mean) => (table - mean) / spread,
        None => table,
    }
}

/// Something that each run has for itself: a logistic map's orbit.
fn record(threshold: f32) -> Array1<f64> {
    let start = f64::from(threshold);
    std::iter::successors(Some(start), |last| Some(3.9 * last * (1.0 - last))).take(RECORD_LEN).collect()
}
