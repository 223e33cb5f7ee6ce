//! `stats` and `du`: where the space goes, and what is saved.

use ndstash::{DiskUse, Usage};
use serde_json::{Value, json};

use crate::cli::app::{App, Verdict};
use crate::cli::args::PrefixArgs;
use crate::cli::failure::Result;
use crate::cli::format::{Report, count, percent, size};
use crate::cli::{limit, traffic};

pub(crate) fn run(app: &mut App) -> Result<Verdict> {
    let store = app.open_to_read()?;
    let (usage, limits, namespaces) = (store.usage()?, store.limits()?, store.cache_stats());
    let mut people = Report::new();
    people.facts(facts(&usage).into_iter().chain(traffic::fullness(&usage, &limits)));
    traffic::people(&mut people, &namespaces);
    let mut json = json(&usage);
    json["limit"] = limit::json(&limits);
    json["cache"] = traffic::json(&namespaces);
    app.report(&json, &people)?;
    Ok(Verdict::Fine)
}

fn json(usage: &Usage) -> Value {
    json!({
        "counted_bytes": traffic::counted_bytes(usage),
        "entries": usage.entries,
        "logical_bytes": usage.logical_bytes,
        "stored_bytes": stored(usage),
        "inline_bytes": usage.inline_bytes,
        "manifest_bytes": usage.manifest_bytes,
        "blobs": usage.blobs,
        "blob_bytes": usage.blob_bytes,
        "live_blobs": usage.live_blobs,
        "live_bytes": usage.live_bytes,
        "garbage_blobs": usage.garbage_blobs,
        "garbage_bytes": usage.garbage_bytes,
        "saved_bytes": usage.saved_bytes,
        "quarantine_files": usage.quarantine_files,
        "quarantine_bytes": usage.quarantine_bytes,
        "leftover_files": usage.leftover_files,
        "leftover_bytes": usage.leftover_bytes,
    })
}

/// Blobs and manifests; arrays that lie inline are part of the latter.
pub(crate) fn stored(usage: &Usage) -> u64 {
    usage.blob_bytes + usage.manifest_bytes
}

pub(crate) fn people(usage: &Usage) -> Report {
    let mut report = Report::new();
    report.facts(facts(usage));
    report
}

fn facts(usage: &Usage) -> Vec<(&'static str, String)> {
    let files = |number, noun: &str, bytes| format!("{} ({})", count(number, noun), size(bytes));
    let mut facts = vec![
        ("entries", usage.entries.to_string()),
        ("logical", format!("{} of arrays, as if nothing were shared", size(usage.logical_bytes))),
        ("stored", format!("{} in blobs and manifests", size(stored(usage)))),
        ("saved", format!("{} by storing equal arrays once{}", size(usage.saved_bytes), share(usage))),
        ("live", files(usage.live_blobs, "blob", usage.live_bytes)),
        ("garbage", files(usage.garbage_blobs, "blob", usage.garbage_bytes)),
        ("manifests", format!("{}, with {} of arrays inside", size(usage.manifest_bytes), size(usage.inline_bytes))),
    ];
    if usage.quarantine_files > 0 {
        facts.push(("quarantine", files(usage.quarantine_files, "file", usage.quarantine_bytes)));
    }
    if usage.leftover_files > 0 {
        facts.push(("leftovers", files(usage.leftover_files, "file", usage.leftover_bytes)));
    }
    facts
}

fn share(usage: &Usage) -> String {
    percent(usage.saved_bytes, usage.logical_bytes)
        .map(|percent| format!(" ({percent} of logical)"))
        .unwrap_or_default()
}

pub(crate) fn du(app: &mut App, args: &PrefixArgs) -> Result<Verdict> {
    let uses = app.open_to_read()?.du(&args.prefix)?;
    let json = uses.iter().map(|found| {
        json!({
            "name": found.label,
            "logical_bytes": found.logical_bytes,
            "exclusive_bytes": found.exclusive_bytes,
            "shared_bytes": found.shared_bytes,
        })
    });
    app.report(&json.collect(), &du_people(&uses))?;
    Ok(Verdict::Fine)
}

fn du_people(uses: &[DiskUse]) -> Report {
    let row = |found: &DiskUse| {
        let bytes = [found.logical_bytes, found.exclusive_bytes, found.shared_bytes].map(size);
        bytes.into_iter().chain([found.label.clone()]).collect()
    };
    let mut report = Report::new();
    if !uses.is_empty() {
        report.table(&["logical", "freed by rm and gc", "shared", "name"], &[0, 1, 2], uses.iter().map(row));
    }
    report
}
