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

/// Nothing, where no cache has counted.
pub(crate) fn people(report: &mut Report, namespaces: &Namespaces) {
    if namespaces.is_empty() {
        return;
    }
    let named = |(name, stats): (&String, &CacheStats)| row(if name.is_empty() { "(none)" } else { name }, stats);
    let mut rows: Vec<_> = namespaces.iter().map(named).collect();
    if namespaces.len() > 1 {
        rows.push(row("all", &total(namespaces)));
    }
    let head = ["namespace", "hits", "misses", "ratio", "time saved", "time computed", "written", "there already"];
    report.line("");
    report.table(&head, &[1, 2, 3, 4, 5, 6, 7], rows);
}

fn row(name: &str, stats: &CacheStats) -> Vec<String> {
    let ratio = percent(stats.hits, stats.hits.saturating_add(stats.misses));
    vec![
        name.to_owned(),
        stats.hits.to_string(),
        stats.misses.to_string(),
        ratio.unwrap_or_default(),
        span(stats.time_saved()),
        span(stats.time_computed()),
        size(stats.new_bytes),
        size(stats.shared_bytes),
    ]
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
