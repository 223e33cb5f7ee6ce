//! `merge`: the entries of another store are taken over, with what they need.

use ndstash::{MergeOptions, MergeReport, StoreOptions};
use serde_json::{Value, json};

use crate::cli::app::{App, Verdict};
use crate::cli::args::MergeArgs;
use crate::cli::failure::Result;
use crate::cli::format::{Report, count, size};
use crate::cli::progress;

pub(crate) fn run(app: &mut App, args: &MergeArgs) -> Result<Verdict> {
    let into = app.open()?;
    let from = StoreOptions::new().read_only(true).open(&args.from)?;
    let mut options = MergeOptions::new().replace(args.replace);
    if let Some(prefix) = &args.prefix {
        options = options.prefix(prefix);
    }
    let report = progress::during("merging", || into.merge(&from, &options))?;
    app.report(&json(&report), &people(&report))?;
    Ok(Verdict::fine_if(report.damaged.is_empty()))
}

fn json(report: &MergeReport) -> Value {
    let damaged = report.damaged.iter();
    json!({
        "entries_copied": report.entries_copied,
        "entries_replaced": report.entries_replaced,
        "entries_kept": report.entries_kept,
        "entries_same": report.entries_same,
        "blobs_copied": report.blobs_copied,
        "bytes_copied": report.bytes_copied,
        "blobs_shared": report.blobs_shared,
        "bytes_shared": report.bytes_shared,
        "damaged": damaged.map(|entry| json!({ "name": entry.label, "error": entry.error.to_string() })).collect::<Vec<_>>(),
    })
}

fn people(report: &MergeReport) -> Report {
    let mut text = Report::new();
    text.line(format_args!(
        "copied {}, replaced {}, kept {} of this store, {} here already",
        count(report.entries_copied, "entry"),
        report.entries_replaced,
        report.entries_kept,
        report.entries_same
    ));
    text.line(format_args!(
        "wrote {}, {}; {} here already",
        count(report.blobs_copied, "blob"),
        size(report.bytes_copied),
        size(report.bytes_shared)
    ));
    for entry in &report.damaged {
        text.line(format_args!("left behind: {}: {}", entry.label, entry.error));
    }
    text
}
