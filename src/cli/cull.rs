//! `cull`: what has expired and what is over the limits goes, and what only that kept is collected.

use std::collections::HashMap;

use ndstash::{CullOptions, CullReport, EvictReason, Evicted, Key, Limits, Store};
use serde_json::{Value, json};

use crate::cli::amount::span;
use crate::cli::app::{App, Verdict};
use crate::cli::failure::Result;
use crate::cli::format::{Report, count, size};
use crate::cli::gc;
use crate::cli::policy_args::CullArgs;
use crate::cli::progress;

/// What each entry was called. Those that a cull did not plan to remove, and then did, are told of by their keys.
type Names = HashMap<Key, String>;

pub(crate) fn run(app: &mut App, args: &CullArgs) -> Result<Verdict> {
    let store = if args.dry_run { app.open_to_read()? } else { app.open()? };
    let limits = limits(&store, args)?;
    let options = CullOptions::new().limits(limits).gc(gc::options(&args.locks));
    let plan = gc::refused(&store, progress::during("planning", || store.plan_cull(&options)))?;
    let names = names(&store, &plan.evicted)?;
    let report =
        if args.dry_run { plan } else { gc::refused(&store, progress::during("culling", || store.cull(&options)))? };
    app.report(&json(&report, &names, args.dry_run), &people(&report, &names, args.dry_run))?;
    Ok(Verdict::Fine)
}

/// The store's own limits, but for what the command line says.
fn limits(store: &Store, args: &CullArgs) -> Result<Limits> {
    let mut limits = store.limits()?;
    limits.bytes = args.to.or(limits.bytes);
    if let Some(policy) = &args.policy {
        limits.policy = policy.parse()?;
    }
    Ok(limits)
}

fn names(store: &Store, planned: &[Evicted]) -> Result<Names> {
    let mut names = Names::new();
    for evicted in planned {
        if let Some(info) = store.info(evicted.key)? {
            names.insert(evicted.key, info.label());
        }
    }
    Ok(names)
}

fn name_of(evicted: &Evicted, names: &Names) -> String {
    names.get(&evicted.key).cloned().unwrap_or_else(|| evicted.key.to_string())
}

fn reason(reason: EvictReason) -> &'static str {
    match reason {
        EvictReason::Expired => "expired",
        EvictReason::Unused => "unused",
        EvictReason::Limit => "limit",
    }
}

fn json(report: &CullReport, names: &Names, dry_run: bool) -> Value {
    let evicted = |evicted: &Evicted| {
        json!({
            "name": name_of(evicted, names),
            "key": evicted.key.to_string(),
            "reason": reason(evicted.reason),
            "bytes": evicted.bytes,
            "compute_seconds": evicted.compute_time.map(|time| time.as_secs_f64()),
        })
    };
    json!({
        "dry_run": dry_run,
        "evicted": report.evicted.iter().map(evicted).collect::<Vec<_>>(),
        "entries_before": report.entries_before,
        "bytes_before": report.bytes_before,
        "bytes_after": report.bytes_after,
        "still_over": report.still_over,
        "gc": (!dry_run).then(|| gc::json(&report.gc)),
    })
}

fn people(report: &CullReport, names: &Names, dry_run: bool) -> Report {
    let mut lines = Report::new();
    let row = |evicted: &Evicted| {
        let took = evicted.compute_time.map(span).unwrap_or_default();
        vec![name_of(evicted, names), reason(evicted.reason).to_owned(), size(evicted.bytes), took]
    };
    if !report.evicted.is_empty() {
        lines.table(&["name", "reason", "size", "took"], &[2, 3], report.evicted.iter().map(row));
    }
    let (what, is) = if dry_run { ("would evict", "would go") } else { ("evicted", "went") };
    let evicted = count(report.evicted.len() as u64, "entry");
    lines.line(format_args!("{what} {evicted} of {}", report.entries_before));
    let (before, after) = (size(report.bytes_before), size(report.bytes_after));
    lines.line(format_args!("what entries need {is} from {before} to {after}"));
    if !dry_run {
        lines.line(gc::people(&report.gc).to_string().trim_end());
    }
    if report.still_over {
        lines.line("still over the limit: what is left is pinned or came just now");
    }
    lines
}
