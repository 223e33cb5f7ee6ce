//! `gc`: what no entry names is removed.

use ndstash::{Error, GcOptions, GcPlan, GcReport, Store};
use serde_json::{Value, json};

use crate::cli::app::{App, Verdict};
use crate::cli::args::{GcArgs, LockArgs};
use crate::cli::failure::{Context, Result};
use crate::cli::format::{Report, count, size, time};
use crate::cli::progress;

pub(crate) fn run(app: &mut App, args: &GcArgs) -> Result<Verdict> {
    if args.dry_run {
        let plan = app.open_to_read()?.plan_gc()?;
        app.report(&plan_json(&plan), &plan_people(&plan))?;
        return Ok(Verdict::Fine);
    }
    let report = collect(&app.open()?, &args.locks)?;
    app.report(&json(&report), &people(&report))?;
    Ok(Verdict::Fine)
}

pub(crate) fn collect(store: &Store, locks: &LockArgs) -> Result<GcReport> {
    refused(store, progress::during("collecting", || store.gc(&options(locks))))
}

pub(crate) fn options(locks: &LockArgs) -> GcOptions {
    let options = GcOptions::new().alone(locks.alone);
    locks.wait.map_or(options.clone(), |wait| options.wait(wait))
}

/// Says of a collection that failed what that means.
pub(crate) fn refused<T>(store: &Store, collected: ndstash::Result<T>) -> Result<T> {
    let damaged = collected.as_ref().is_err_and(Error::is_damage);
    collected.context(|| refusal(store, damaged))
}

/// What was refused. As long as it is not known what a damaged entry names, nothing is removed: then what to do.
fn refusal(store: &Store, damaged: bool) -> String {
    let path = store.path().display();
    if damaged {
        format!("cannot collect in {path}: no blob was removed; `ndstash verify --repair` quarantines what is damaged")
    } else {
        format!("cannot collect in {path}")
    }
}

fn plan_json(plan: &GcPlan) -> Value {
    let blob = |(digest, bytes): &(ndstash::Digest, u64)| json!({ "digest": digest.to_string(), "bytes": bytes });
    json!({
        "dry_run": true,
        "entries": plan.entries,
        "live_blobs": plan.live_blobs,
        "live_bytes": plan.live_bytes,
        "garbage_blobs": plan.garbage.len(),
        "garbage_bytes": plan.garbage_bytes,
        "garbage": plan.garbage.iter().map(blob).collect::<Vec<_>>(),
    })
}

pub(crate) fn plan_people(plan: &GcPlan) -> Report {
    let mut report = Report::new();
    for (digest, bytes) in &plan.garbage {
        report.line(format_args!("would remove {digest} {}", size(*bytes)));
    }
    let (removed, kept) = (count(plan.garbage.len() as u64, "blob"), count(plan.live_blobs, "blob"));
    report.line(format_args!("would remove {removed} ({})", size(plan.garbage_bytes)));
    report.line(format_args!("would keep {kept} ({}) of {}", size(plan.live_bytes), count(plan.entries, "entry")));
    report
}

pub(crate) fn json(report: &GcReport) -> Value {
    json!({
        "dry_run": false,
        "entries": report.entries,
        "blobs_kept": report.blobs_kept,
        "bytes_kept": report.bytes_kept,
        "blobs_removed": report.blobs_removed,
        "bytes_freed": report.bytes_freed,
        "bytes_shared": report.bytes_shared,
        "blobs_spared": report.blobs_spared,
        "private_dirs_removed": report.private_dirs_removed,
        "torn_removed": report.torn_removed,
        "longest_hold_seconds": report.longest_hold.as_secs_f64(),
        "longest_wait_seconds": report.longest_wait.as_secs_f64(),
        "elapsed_seconds": report.elapsed.as_secs_f64(),
        "full_disk": report.full_disk,
    })
}

pub(crate) fn people(report: &GcReport) -> Report {
    let blobs = |number, bytes| format!("{} ({})", count(number, "blob"), size(bytes));
    let mut lines = Report::new();
    lines.line(format_args!("removed {} in {}", blobs(report.blobs_removed, report.bytes_freed), time(report.elapsed)));
    let kept = blobs(report.blobs_kept, report.bytes_kept);
    lines.line(format_args!(
        "kept {kept} of {}; sharing saves {}",
        count(report.entries, "entry"),
        size(report.bytes_shared)
    ));
    if report.blobs_spared > 0 {
        lines.line(format_args!("spared {} that others needed meanwhile", count(report.blobs_spared, "blob")));
    }
    if report.private_dirs_removed > 0 {
        lines.line(format_args!("tidied up after {}", count(report.private_dirs_removed, "dead writer")));
    }
    if report.torn_removed > 0 {
        let torn = count(report.torn_removed, "entry");
        lines.line(format_args!("removed {torn} that power loss had cut short before being on disk"));
    }
    if report.full_disk {
        lines.line("the disk is full: writers had to wait for the whole run");
    }
    lines.line(format_args!("writers had to wait {} at most", time(report.longest_hold)));
    lines
}
