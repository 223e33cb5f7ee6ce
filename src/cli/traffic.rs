//! For `stats`: what caches did, and how full the store is.

use std::collections::BTreeMap;

use ndstash::{CacheStats, Limits, Usage};
use serde_json::{Value, json};

use crate::cli::amount::span;
use crate::cli::format::{Report, percent, size};

/// What caches did, by namespace.
pub(crate) type Namespaces = BTreeMap<String, CacheStats>;

pub(crate) fn json(namespaces: &Namespaces) -> Value {
    let mut all = figures(&total(namespaces));
    all["namespaces"] = namespaces.iter().map(|(name, stats)| (name.clone(), figures(stats))).collect();
    all
}

fn total(namespaces: &Namespaces) -> CacheStats {
    let mut total = CacheStats::default();
    namespaces.values().for_each(|stats| total.add(stats));
    total
}

fn figures(stats: &CacheStats) -> Value {
    json!({
        "hits": stats.hits,
        "misses": stats.misses,
        "hit_ratio": hit_ratio(stats),
        "stale": stats.stale,
        "damaged": stats.damaged,
        "failures": stats.failures,
        "refused": stats.refused,
        "seconds_saved": stats.time_saved().as_secs_f64(),
        "seconds_computed": stats.time_computed().as_secs_f64(),
        "new_bytes": stats.new_bytes,
        "shared_bytes": stats.shared_bytes,
    })
}

/// From 0 to 1; `None` if nothing was asked for.
fn hit_ratio(stats: &CacheStats) -> Option<f64> {
    let asked = stats.hits.saturating_add(stats.misses);
    #[expect(clippy::cast_precision_loss, reason = "a ratio is as exact as a float")]
    let ratio = stats.hits as f64 / asked as f64;
    (asked > 0).then_some(ratio)
}

/// What a column is called, and what it says of a namespace.
type Figure = (&'static str, fn(&CacheStats) -> String);

const FIGURES: [Figure; 7] = [
    ("hits", |stats| stats.hits.to_string()),
    ("misses", |stats| stats.misses.to_string()),
    ("ratio", |stats| percent(stats.hits, stats.hits.saturating_add(stats.misses)).unwrap_or_default()),
    ("time saved", |stats| span(stats.time_saved())),
    ("time computed", |stats| span(stats.time_computed())),
    ("written", |stats| size(stats.new_bytes)),
    ("there already", |stats| size(stats.shared_bytes)),
];

/// Those that are left out where all are 0.
const TROUBLES: [Figure; 4] = [
    ("stale", |stats| stats.stale.to_string()),
    ("damaged", |stats| stats.damaged.to_string()),
    ("failures", |stats| stats.failures.to_string()),
    ("refused", |stats| stats.refused.to_string()),
];

/// Nothing, where no cache has counted.
pub(crate) fn people(report: &mut Report, namespaces: &Namespaces) {
    if namespaces.is_empty() {
        return;
    }
    let total = total(namespaces);
    let columns: Vec<&Figure> =
        FIGURES.iter().chain(TROUBLES.iter().filter(|(_, figure)| figure(&total) != "0")).collect();
    let row = |name: &str, stats: &CacheStats| {
        std::iter::once(name.to_owned()).chain(columns.iter().map(|(_, figure)| figure(stats))).collect()
    };
    let named = |(name, stats): (&String, &CacheStats)| row(if name.is_empty() { "(none)" } else { name }, stats);
    let mut rows: Vec<Vec<String>> = namespaces.iter().map(named).collect();
    if namespaces.len() > 1 {
        rows.push(row("all", &total));
    }
    let head: Vec<&str> = std::iter::once("namespace").chain(columns.iter().map(|(head, _)| *head)).collect();
    report.line("");
    report.table(&head, &(1..head.len()).collect::<Vec<_>>(), rows);
}

/// What the limit on bytes is held against: blobs that entries name, each once, and manifests.
pub(crate) fn counted_bytes(usage: &Usage) -> u64 {
    usage.live_bytes + usage.manifest_bytes
}

/// How full the store is, by each limit that it has.
pub(crate) fn fullness(usage: &Usage, limits: &Limits) -> Vec<(&'static str, String)> {
    let full = |part, limit| percent(part, limit).map(|percent| format!(", {percent} full")).unwrap_or_default();
    let bytes = |limit| format!("{} by {}{}", size(limit), limits.policy, full(counted_bytes(usage), limit));
    let entries = |limit| format!("{limit} entries by {}{}", limits.policy, full(usage.entries, limit));
    let age = |seconds| format!("{} since the last use", span(std::time::Duration::from_secs(seconds)));
    let found = [limits.bytes.map(bytes), limits.entries.map(entries), limits.age.map(age)];
    found.into_iter().flatten().map(|text| ("limit", text)).collect()
}
