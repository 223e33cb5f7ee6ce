//! Removing entries by policy, so that a store stays within its limits.
//!
//! Evicting removes entries; only collecting frees what their blobs take. *Culling* is both in one run, under the
//! collector's lock, so that there is one culler at a time.

mod census;
mod choose;

use std::time::{Duration, Instant};

use census::Census;
pub use choose::Reason;
use choose::{Rules, choose};

use crate::disk::{self, ExclusiveGuard};
use crate::error::Result;
use crate::format::head::EntryId;
use crate::format::ledger::Ledger;
use crate::format::settings::Limits;
use crate::gc::{GcOptions, GcReport};
use crate::key::Key;
use crate::layout;
use crate::store::Store;
use crate::threads::{REMOVALS, beside};

/// How long a put that finds the store over its limit waits for whoever culls or collects.
const CULL_WAIT: Duration = Duration::from_secs(5);
/// How long until it looks whether that has helped.
const CULL_PAUSE: Duration = Duration::from_millis(5);

/// How a culler runs.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// let store = ndstash::Store::create(dir.path().join("results"))?;
/// for n in 0..10 {
///     store.put(&format!("run/{n}"), &ndarray::Array1::<f64>::from_elem(100_000, f64::from(n)))?;
/// }
/// store.set_limits(|limits| limits.bytes = Some(4_000_000))?;
/// let report = store.cull(&ndstash::CullOptions::new())?;
/// assert_eq!(report.evicted.len(), 6);
/// assert!(store.usage()?.blob_bytes < 4_000_000);
/// assert!(store.contains("run/9")?, "the least recently used went first");
/// # Ok::<(), ndstash::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CullOptions {
    limits: Option<Limits>,
    gc: GcOptions,
    newest: Option<u64>,
}

impl CullOptions {
    /// The store's own limits, and the defaults of [`GcOptions`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Other limits than the store's own, for this run alone.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// How locks are waited for, and whether this process is alone; see [`GcOptions`].
    #[must_use]
    pub fn gc(mut self, gc: GcOptions) -> Self {
        self.gc = gc;
        self
    }
}

/// An entry that a culler removed, or would remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evicted {
    /// The key it was filed under.
    pub key: Key,
    /// Why it had to go.
    pub reason: Reason,
    /// Bytes of its manifest and of all its blobs, shared or not.
    pub bytes: u64,
    /// How long its value had taken to compute, where that is known.
    pub compute_time: Option<Duration>,
}

/// What a culler did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CullReport {
    /// The entries that went, in that order. One that was replaced, renamed or relabelled meanwhile stays.
    pub evicted: Vec<Evicted>,
    /// Bytes of blobs that entries name, each once, and of manifests, before.
    pub bytes_before: u64,
    /// The same after. Of a plan, what is to be expected.
    pub bytes_after: u64,
    /// Number of entries before.
    pub entries_before: u64,
    /// The store is still over a limit: what is left is pinned or came just now.
    pub still_over: bool,
    /// What collecting did. Nothing, in a plan.
    pub gc: GcReport,
}

/// What a culler has decided.
struct Judged {
    /// But for what was done.
    report: CullReport,
    /// Which publication of each entry is to go.
    victims: Vec<(Evicted, EntryId)>,
    /// All that stays is pinned: there is nothing for the next culler either.
    is_all_pinned: bool,
}

impl Store {
    /// Removes entries whose time is over, and those that the limits say are too many, and collects what only they
    /// kept. Entries put since it began are never removed; those put since the last cull only if there is no other way.
    /// Safe beside every other use of the store; whoever has a removed value open or mapped keeps it.
    ///
    /// # Errors
    /// As [`gc`](Self::gc): what a damaged entry keeps is not known, so nothing is removed.
    pub fn cull(&self, options: &CullOptions) -> Result<CullReport> {
        self.check_writable()?;
        self.check_locks(options.gc.alone)?;
        let collector = self.root().lock_exclusive(&layout::COLLECTOR, options.gc.wait)?;
        self.cull_holding(&collector, options)
    }

    fn cull_holding(&self, collector: &ExclusiveGuard, options: &CullOptions) -> Result<CullReport> {
        let before = self.ledger();
        let Judged { mut report, victims, is_all_pinned } = self.judge(options, &before)?;
        let evicted = beside(&victims, REMOVALS, |(victim, id)| self.evict_judged(victim.key, *id));
        for ((victim, _), evicted) in victims.into_iter().zip(evicted) {
            if evicted? {
                report.evicted.push(victim);
            }
        }
        report.gc = self.gc_holding(collector, &options.gc)?;
        report.bytes_after = report.gc.bytes_kept + report.gc.manifest_bytes;
        let limits = self.limits()?;
        // What is over a limit and stayed because it came just now can go next time: the next put is to try.
        let counted = |count: u64, limit: Option<u64>| match limit {
            Some(limit) if !is_all_pinned => count.min(limit),
            _ => count,
        };
        self.amend_ledger(|ledger| {
            (ledger.culled_before, ledger.culled) = (ledger.culled, before.sequence);
            ledger.counted_bytes = counted(ledger.bytes, limits.bytes);
            ledger.counted_entries = counted(ledger.entries, limits.entries);
        });
        let gone: std::collections::HashSet<Key> = report.evicted.iter().map(|victim| victim.key).collect();
        self.compact_counters(|key| !gone.contains(key));
        Ok(report)
    }

    /// Tells what [`cull`](Self::cull) would remove, without writing or locking anything.
    ///
    /// # Errors
    /// As [`cull`](Self::cull).
    pub fn plan_cull(&self, options: &CullOptions) -> Result<CullReport> {
        let Judged { mut report, victims, .. } = self.judge(options, &self.ledger())?;
        report.evicted = victims.into_iter().map(|(victim, _)| victim).collect();
        Ok(report)
    }

    fn judge(&self, options: &CullOptions, ledger: &Ledger) -> Result<Judged> {
        let limits = options.limits.map_or_else(|| self.limits(), Ok)?;
        let now = disk::now_ns();
        // A ledger that is lost knows of no number; none that is drawn from now on is below the clock.
        let highest = if ledger.sequence == 0 { now.cast_unsigned() } else { ledger.sequence };
        let exempt_from = options.newest.unwrap_or(highest.saturating_add(1));
        // Who asks for a cull means all there is. One that a put has called spares what came lately: since the cull
        // before the last, because what was on its way when the last began was not seen by it.
        let late_from = options.newest.map(|_| ledger.culled_before.saturating_add(1));
        let rules = Rules { limits, now, exempt_from, late_from };
        let mut census = Census::take(self)?;
        let mut report = CullReport { bytes_before: census.bytes, ..CullReport::default() };
        report.entries_before = census.entries.len() as u64;
        let victims = choose(&mut census, &rules);
        report.bytes_after = census.bytes;
        let left = census.entries.len() - victims.len();
        report.still_over = rules.is_over(census.bytes, left, 100);
        let is_all_pinned = left == census.entries.iter().filter(|entry| entry.facts.pinned).count();
        let victims = victims.into_iter().map(|(at, reason)| (census.describe(at, reason), census.entries[at].id));
        Ok(Judged { report, victims: victims.collect(), is_all_pinned })
    }

    /// After a put: culls, if the ledger says that the store is over a limit. Whoever comes while another culls waits
    /// for that one, for a while: else those who put would run away from the one who culls. Nothing that goes wrong
    /// here is the put's concern.
    pub(crate) fn stay_within_limits(&self, sequence: u64) {
        let store = self.path().display();
        match self.cull_if_due(sequence) {
            Ok(Some(report)) if report.still_over => {
                tracing::warn!(%store, bytes = report.bytes_after, "still over its limit: the rest is pinned or new");
            }
            Ok(_) => {}
            Err(error) if error.is_busy() => tracing::debug!(%store, %error, "over its limit, and not culled"),
            Err(error) => tracing::warn!(%store, %error, "over its limit, and could not be culled"),
        }
    }

    fn cull_if_due(&self, sequence: u64) -> Result<Option<CullReport>> {
        let limits = self.limits()?;
        if limits == (Limits { policy: limits.policy, ..Limits::default() }) {
            return Ok(None);
        }
        // A cull that began after this put has seen what it brought.
        let is_due = |ledger: Ledger| ledger.culled < sequence && is_due(&limits, &ledger);
        let start = Instant::now();
        while is_due(self.ledger()) {
            self.check_locks(false)?;
            match self.root().lock_exclusive(&layout::COLLECTOR, CULL_PAUSE) {
                Ok(collector) if is_due(self.ledger()) => {
                    let options = CullOptions { newest: Some(sequence), ..CullOptions::default() };
                    return self.cull_holding(&collector, &options).map(Some);
                }
                Ok(_) => break,
                Err(error) if error.is_busy() && start.elapsed() < CULL_WAIT => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl Census {
    fn describe(&self, at: usize, reason: Reason) -> Evicted {
        let entry = &self.entries[at];
        let blobs: u64 = entry.blobs.iter().map(|&blob| self.blobs[blob as usize].len).sum();
        let compute_time = Some(entry.facts.compute_ns).filter(|&ns| ns > 0).map(Duration::from_nanos);
        Evicted { key: entry.key, reason, bytes: entry.manifest_len + blobs, compute_time }
    }
}

/// Whether a put should cull: the ledger is over a limit, and if it was so after the last count, which found that nothing
/// more can go, it has grown since.
fn is_due(limits: &Limits, ledger: &Ledger) -> bool {
    let over = |now: u64, counted: u64, limit: Option<u64>| {
        limit.is_some_and(|limit| now > limit && (counted <= limit || now.saturating_sub(counted) >= limit / 10))
    };
    let aged = limits.age.is_some()
        && ledger.entries.saturating_sub(ledger.counted_entries) > 100 + ledger.counted_entries / 10;
    over(ledger.bytes, ledger.counted_bytes, limits.bytes)
        || over(ledger.entries, ledger.counted_entries, limits.entries)
        || aged
}
