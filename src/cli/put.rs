//! `put`: files, folders and streams become entries.

use indicatif::ProgressBar;
use ndstash::{PutReport, Store};
use serde_json::{Value, json};

use crate::cli::app::{App, Verdict, say};
use crate::cli::args::PutArgs;
use crate::cli::failure::{Context, Failure, Result};
use crate::cli::format::{Report, clean, count, size};
use crate::cli::progress;
use crate::cli::source::{self, Item, Plan};

pub(crate) fn run(app: &mut App, args: &PutArgs) -> Result<Verdict> {
    let store = app.open()?;
    let Plan { items, passed_over } = source::plan(&args.name, &args.file, args.raw)?;
    if passed_over > 0 {
        say(format_args!("passed over {}: neither .npy nor .npz", count(passed_over, "file")));
    }
    for item in &items {
        item.check()?;
        check_new(&store, args, item)?;
    }
    let reports = put_all(&store, args, &items)?;
    app.report(&json(&items, &reports), &people(&items, &reports))?;
    Ok(Verdict::Fine)
}

/// Before anything is read: `--new` is decided when the entry is published, but a large file should not be read in vain.
fn check_new(store: &Store, args: &PutArgs, item: &Item) -> Result<()> {
    if args.new && store.info(&item.name)?.is_some() { Err(taken(item)) } else { Ok(()) }
}

fn taken(item: &Item) -> Failure {
    Failure::new(format!("there is an entry {:?} already, and --new is given", item.name))
}

fn put_all(store: &Store, args: &PutArgs, items: &[Item]) -> Result<Vec<PutReport>> {
    let mut reports = Vec::new();
    let all = if items.len() > 1 { progress::items("put", items.len()) } else { ProgressBar::hidden() };
    for item in items {
        let bar = if items.len() > 1 { ProgressBar::hidden() } else { progress::bytes("put", item.source.len()) };
        let report = put_one(store, args, item, &bar);
        bar.finish_and_clear();
        reports.push(report.context(|| failed(item, reports.len()))?);
        all.inc(1);
    }
    all.finish_and_clear();
    Ok(reports)
}

fn failed(item: &Item, before: usize) -> String {
    let rest = if before == 0 { String::new() } else { format!("; {before} entries before it are put") };
    format!("cannot put {} as {:?}{rest}", item.source.label(), item.name)
}

fn put_one(store: &Store, args: &PutArgs, item: &Item, bar: &ProgressBar) -> Result<PutReport> {
    let mut writer = store.writer();
    for tag in &args.tags {
        writer.tag(tag);
    }
    for (key, text) in &args.meta {
        writer.meta(key, text.as_str());
    }
    let value = item.source.add(&mut writer, bar)?;
    if args.new {
        writer.add(&item.name, value)?.ok_or_else(|| taken(item))
    } else {
        Ok(writer.put(&item.name, value)?)
    }
}

fn json(items: &[Item], reports: &[PutReport]) -> Value {
    let entry = |(item, report): (&Item, &PutReport)| {
        json!({
            "name": item.name,
            "key": report.key.to_string(),
            "replaced": report.replaced,
            "new_blobs": report.new_blobs,
            "new_bytes": report.new_bytes,
            "shared_blobs": report.shared_blobs,
            "shared_bytes": report.shared_bytes,
            "inline_bytes": report.inline_bytes,
        })
    };
    json!({ "entries": items.iter().zip(reports).map(entry).collect::<Vec<_>>() })
}

fn people(items: &[Item], reports: &[PutReport]) -> Report {
    let sum = |of: fn(&PutReport) -> u64| reports.iter().map(of).sum::<u64>();
    let what = match items {
        [item] => clean(&item.name).into_owned(),
        many => count(many.len() as u64, "entry"),
    };
    let part = |blobs, bytes, how: &str| match blobs {
        0 => None,
        blobs => Some(format!("{} ({}) {how}", count(blobs, "blob"), size(bytes))),
    };
    let inline = sum(|report| report.inline_bytes);
    let parts = [
        part(sum(|report| report.new_blobs), sum(|report| report.new_bytes), "written"),
        part(sum(|report| report.shared_blobs), sum(|report| report.shared_bytes), "there already"),
        (inline > 0).then(|| format!("{} inside the entry", size(inline))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let mut report = Report::new();
    report.line(format_args!("put {what}: {}", if parts.is_empty() { "empty".into() } else { parts.join(", ") }));
    report
}
