//! The chapters of the demo. Each does something, checks that it came out right, and says what it was.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use ndarray::IxDyn;
use ndstash::{
    DType, Element, Entry, EntryInfo, GcOptions, MapPolicy, Store, StoreOptions, StoredArray, VerifyOptions,
};
use serde_json::{Map, Value};

use super::{DATA, runs};
use crate::cli::app::App;
use crate::cli::failure::{Failure, Result};
use crate::cli::format::{Report, count, size, time};
use crate::cli::source::Item;
use crate::cli::{describe, ls, stats};

/// How many entries the list shows.
const LISTED: usize = 8;

/// What [`total`] takes.
const SUMMED: [DType; 8] = [
    DType::Int8,
    DType::Int16,
    DType::Int32,
    DType::UInt8,
    DType::UInt16,
    DType::UInt32,
    DType::Float32,
    DType::Float64,
];

pub(super) struct Story<'a> {
    app: &'a mut App,
    store: Store,
    /// What a program that asked for JSON is told in the end.
    facts: Map<String, Value>,
}

impl<'a> Story<'a> {
    pub(super) fn new(app: &'a mut App, store: Store) -> Self {
        Story { app, store, facts: Map::new() }
    }

    fn tell(&mut self, line: impl Display) -> Result<()> {
        if !self.app.json {
            writeln!(self.app.out, "{line}")?;
        }
        Ok(())
    }

    fn note(&mut self, fact: &str, value: impl Into<Value>) {
        self.facts.insert(fact.to_owned(), value.into());
    }

    /// Puts every array under its own name, and checks that it reads back as it was.
    pub(super) fn originals(&mut self, items: &[Item]) -> Result<()> {
        let started = Instant::now();
        for item in items {
            let mut writer = self.store.writer();
            writer.tag("original");
            let value = item.source.add(&mut writer, &ProgressBar::hidden())?;
            writer.put(&item.name, value)?;
        }
        let elapsed = started.elapsed();
        self.same(items)?;
        self.note("originals", items.len());
        self.note("put_seconds", elapsed.as_secs_f64());
        let usage = self.store.usage()?;
        let arrays = count(items.len() as u64, "array");
        self.tell(format_args!(
            "1. Put {arrays} ({}) in {}; each reads back as it was.",
            size(usage.logical_bytes),
            time(elapsed)
        ))
    }

    /// Checks every original against its file.
    fn same(&self, items: &[Item]) -> Result<()> {
        for item in items {
            let entry = get(&self.store, &item.name)?;
            let stored = entry.array().map(StoredArray::to_bytes).transpose()?;
            check(stored == Some(item.source.content()?), || format!("{} reads back as it was put", item.name))?;
        }
        Ok(())
    }

    pub(super) fn runs(&mut self) -> Result<()> {
        for (name, threshold) in [("runs/1", 0.5), ("runs/2", 0.6)] {
            let put = runs::put(&self.store, name, threshold)?;
            let (new, shared) = (size(put.new_bytes), size(put.shared_bytes));
            let chapter = if name == "runs/1" { "2." } else { "  " };
            self.tell(format_args!("{chapter} Put {name}, the originals again with what was made of them: {new} are written, {shared} were there already."))?;
        }
        let usage = self.store.usage()?;
        check(usage.saved_bytes > 0, || "equal arrays are stored once".into())?;
        let (logical, stored) = (size(usage.logical_bytes), size(stats::stored(&usage)));
        self.note("logical_bytes", usage.logical_bytes);
        self.note("stored_bytes", stats::stored(&usage));
        self.note("saved_bytes", usage.saved_bytes);
        self.tell(format_args!(
            "   In all {logical} of arrays are kept in {stored}: {} saved.",
            size(usage.saved_bytes)
        ))
    }

    pub(super) fn list(&mut self) -> Result<()> {
        let mut infos = self.store.entries("").collect::<Result<Vec<EntryInfo>, _>>()?;
        infos.sort_by_cached_key(EntryInfo::label);
        let rest = infos.len().saturating_sub(LISTED);
        infos.truncate(LISTED);
        let mut report = Report::new();
        ls::table(&mut report, &infos, &ls::Hits::new());
        self.tell(format_args!("3. The list begins like this; {rest} more follow.\n{report}"))
    }

    /// Maps the largest array, and sums it up where it lies.
    pub(super) fn map(&mut self) -> Result<()> {
        let name = self.largest()?;
        let mapped = open_mapped(self.store.path())?;
        let started = Instant::now();
        let entry = get(&mapped, &name)?;
        let array = entry.array().ok_or_else(|| Failure::new(format!("{name} is no array")))?;
        let open = started.elapsed();
        let sum = total(array, true)?;
        let elapsed = started.elapsed();
        let owned = get(&self.store, &name)?;
        let expected = owned.array().map(|array| total(array, false)).transpose()?;
        check(expected == Some(sum), || format!("{name} has the same sum mapped and loaded"))?;
        self.note("map_seconds", open.as_secs_f64());
        let (dtype, bytes) = (describe::holds(&entry), size(array.len_bytes()));
        self.tell(format_args!(
            "4. Mapped {name}, {dtype} ({bytes}), in {}; its sum, {sum}, took {} without loading it.",
            time(open),
            time(elapsed.saturating_sub(open))
        ))
    }

    /// The largest original that is a blob and has numbers that can be summed up.
    fn largest(&self) -> Result<String> {
        let infos = self.store.entries(&format!("{DATA}/")).collect::<Result<Vec<EntryInfo>, _>>()?;
        let suitable = infos
            .iter()
            .filter(|info| matches!(&*info.arrays(), [array] if !array.inline && SUMMED.contains(&array.dtype)));
        let largest = suitable.max_by_key(|info| info.logical_bytes());
        largest.map(EntryInfo::label).ok_or_else(|| Failure::new("the demo needs an array of more than 64 KiB"))
    }

    /// Replaces an entry. Returns what somebody holds who opened it before.
    pub(super) fn replace(&mut self) -> Result<Entry> {
        self.store.copy("runs/1", "runs/latest", false)?;
        let before = get(&self.store, "runs/latest")?;
        let replaced = self.store.copy("runs/2", "runs/latest", true)?;
        let after = get(&self.store, "runs/latest")?;
        let record = |entry: &Entry| entry.field("record").map(StoredArray::digest);
        let runs = [record(&get(&self.store, "runs/1")?), record(&get(&self.store, "runs/2")?)];
        check(replaced && [record(&before), record(&after)] == runs, || "an entry is replaced whole".into())?;
        self.tell("5. Replaced runs/latest, which was runs/1, by runs/2: whole, in one step.")?;
        Ok(before)
    }

    /// Removes a run and collects; `reader` holds it open.
    pub(super) fn collect(&mut self, reader: &Entry) -> Result<()> {
        check(self.store.remove("runs/1")?, || "runs/1 is there to be removed".into())?;
        let plan = self.store.plan_gc()?;
        let (blobs, bytes) = (plan.garbage.len() as u64, plan.garbage_bytes);
        check(blobs > 0, || "the removed run leaves garbage".into())?;
        self.tell(format_args!(
            "6. Removed runs/1. A dry run says: {} ({}) are named by nobody now.",
            count(blobs, "blob"),
            size(bytes)
        ))?;
        let report = self.store.gc(&GcOptions::new())?;
        let freed = (report.blobs_removed, report.bytes_freed);
        check(freed == (blobs, bytes), || format!("gc removed {freed:?}, the plan said {:?}", (blobs, bytes)))?;
        let held = reader.field("record").map(StoredArray::to_bytes).transpose()?;
        check(held.is_some_and(|held| !held.is_empty()), || "who had opened the run still reads it".into())?;
        self.note("planned_bytes", bytes);
        self.note("freed_bytes", report.bytes_freed);
        self.note("gc_seconds", report.elapsed.as_secs_f64());
        self.tell(format_args!(
            "   gc removed just these in {}, keeping writers out for {} at most. Who had opened the run still reads it.",
            time(report.elapsed),
            time(report.longest_hold)
        ))
    }

    /// Verifies everything, and sums up.
    pub(super) fn end(&mut self, items: &[Item], started: Instant, kept: Option<&Path>) -> Result<()> {
        let report = self.store.verify(&VerifyOptions::new(), &|_| {})?;
        check(report.problems.is_empty(), || format!("verify finds nothing wrong: {:?}", report.problems))?;
        self.same(items)?;
        let (blobs, entries) = (count(report.blobs, "blob"), count(report.entries, "entry"));
        self.tell(format_args!("7. Verified {blobs} and {entries}: all is well, and the originals are as they were."))?;
        let usage = self.store.usage()?;
        check(usage.garbage_blobs == 0, || "no garbage is left".into())?;
        self.tell(format_args!("\n{}", stats::people(&usage)))?;
        self.finish(started.elapsed(), kept)
    }

    fn finish(&mut self, elapsed: Duration, kept: Option<&Path>) -> Result<()> {
        if let Some(kept) = kept {
            self.tell(format_args!("The store is kept in {}.", kept.display()))?;
        }
        self.tell(format_args!("All of it took {}.", time(elapsed)))?;
        self.note("elapsed_seconds", elapsed.as_secs_f64());
        let facts = Value::Object(std::mem::take(&mut self.facts));
        if self.app.json { self.app.report(&facts, &Report::new()) } else { Ok(()) }
    }
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Failure::new(format!("the demo's own check failed: {}", what()))) }
}

fn get(store: &Store, name: &str) -> Result<Entry> {
    store.entry(name)?.ok_or_else(|| Failure::new(format!("the demo's own check failed: {name} is there")))
}

#[expect(unsafe_code, reason = "mapping needs a promise that only the program can make")]
fn open_mapped(path: &Path) -> Result<Store> {
    // SAFETY: this process has just made the store, nobody else has been told of it, and only its user can write to
    // it. The maps are dropped before the demo ends, and nothing in it changes blobs in place.
    let policy = unsafe { MapPolicy::trusted() };
    Ok(StoreOptions::new().mapping(policy).open(path)?)
}

/// The sum of all elements: of the map if there is one, or loaded.
fn total(array: &StoredArray, mapped: bool) -> Result<f64> {
    match array.dtype() {
        DType::Int8 => sum::<i8>(array, mapped),
        DType::Int16 => sum::<i16>(array, mapped),
        DType::Int32 => sum::<i32>(array, mapped),
        DType::UInt8 => sum::<u8>(array, mapped),
        DType::UInt16 => sum::<u16>(array, mapped),
        DType::UInt32 => sum::<u32>(array, mapped),
        DType::Float32 => sum::<f32>(array, mapped),
        DType::Float64 => sum::<f64>(array, mapped),
        other => Err(Failure::new(format!("the demo does not sum {other}"))),
    }
}

fn sum<A: Element + Into<f64> + Copy>(array: &StoredArray, mapped: bool) -> Result<f64> {
    if !mapped {
        return Ok(array.to_array::<A, IxDyn>()?.iter().map(|&element| element.into()).sum());
    }
    let map = array.map::<A, IxDyn>()?;
    check(map.is_mapped(), || "a blob is mapped, not loaded".into())?;
    Ok(map.iter().map(|&element| element.into()).sum())
}
