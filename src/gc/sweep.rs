//! A collector's run, step by step as in blobs-format.md section 8.

use std::time::{Duration, Instant};

use super::{GcOptions, GcReport, Journal};
use crate::disk::{ExclusiveGuard, Listed, remove_dead_private_dirs};
use crate::error::Result;
use crate::format::head::BlobRef;
use crate::key::Key;
use crate::layout;
use crate::store::{Manifest, Store, make_reserve};
use crate::threads::{REMOVALS, beside};

/// For how long a batch keeps committers out.
const BATCH: Duration = Duration::from_millis(5);

pub(super) fn run(store: &Store, collector: &ExclusiveGuard, options: &GcOptions) -> Result<GcReport> {
    let start = Instant::now();
    let mut sweep = Sweep { store, options, collector, report: GcReport::default() };
    let before = store.ledger();
    let swept = sweep.sweep();
    // Also after a failure: nothing is being swept any more, so nobody needs to tell; and what is in the trash was
    // garbage when it was put there, inside the gate.
    let closed = sweep.finish();
    swept.and(closed)?;
    let report = &sweep.report;
    store.note_count(&before, report.bytes_kept + report.manifest_bytes, report.entries);
    sweep.report.elapsed = start.elapsed();
    Ok(sweep.report)
}

struct Sweep<'a> {
    store: &'a Store,
    options: &'a GcOptions,
    collector: &'a ExclusiveGuard,
    report: GcReport,
}

impl Sweep<'_> {
    fn sweep(&mut self) -> Result<()> {
        self.empty_trash()?;
        self.report.private_dirs_removed = remove_dead_private_dirs(self.store.root(), self.collector)?;
        match self.sweep_beside_others() {
            Err(error) if error.is_full() => {
                self.store.root().unlink(&layout::RESERVE, self.collector)?;
                match self.sweep_beside_others() {
                    Err(error) if error.is_full() => self.sweep_at_once(),
                    swept => swept,
                }
            }
            swept => swept,
        }
    }

    fn finish(&mut self) -> Result<()> {
        Journal::close(self.store, self.collector)?;
        self.empty_trash()?;
        make_reserve(self.store.root(), self.collector)
    }

    fn sweep_beside_others(&mut self) -> Result<()> {
        let mut journal = self.inside_gate(|sweep, gate| Journal::open(sweep.store, gate))?;
        let (mut candidates, torn) = self.find(Some(self.collector))?;
        if !torn.is_empty() {
            self.inside_gate(|sweep, gate| sweep.remove_torn(&torn, gate))?;
        }
        while !candidates.is_empty() {
            journal.read_ahead(self.store)?;
            self.inside_gate(|sweep, gate| sweep.take_batch(&mut candidates, &mut journal, gate))?;
            self.empty_trash()?;
        }
        Ok(())
    }

    /// Marks, lists, and makes sure that what was seen of the entries is what power loss leaves: else a removal that is
    /// undone would bring back an entry whose blobs are gone.
    fn find(&mut self, remembers: Option<&ExclusiveGuard>) -> Result<(Vec<BlobRef>, Vec<Key>)> {
        let marks = self.store.mark(remembers)?;
        let candidates = self.store.candidates(&marks)?;
        if !candidates.is_empty() {
            for shard in 0..=u8::MAX {
                self.store.root().sync_dir(&layout::entry_shard(shard))?;
            }
        }
        let live_bytes = marks.live_bytes();
        self.report.entries = marks.entries;
        self.report.blobs_kept = marks.live.len() as u64;
        self.report.bytes_kept = live_bytes;
        self.report.manifest_bytes = marks.manifest_bytes;
        self.report.bytes_shared = marks.named_bytes - live_bytes;
        Ok((candidates, marks.torn))
    }

    /// Removes what power loss has left of entries, unless they were put again since they were looked at.
    fn remove_torn(&mut self, torn: &[Key], gate: &ExclusiveGuard) -> Result<()> {
        for key in torn {
            if Manifest::is_torn(self.store, key)? && self.store.root().unlink(&layout::entry(key), gate)? {
                self.report.torn_removed += 1;
            }
        }
        Ok(())
    }

    /// Runs something inside the closed gate and notes how long it took to get it and how long it was held.
    fn inside_gate<T>(&mut self, work: impl FnOnce(&mut Self, &ExclusiveGuard) -> Result<T>) -> Result<T> {
        let asked = Instant::now();
        let gate = self.store.close_gate(self.options.wait)?;
        let entered = Instant::now();
        let done = work(self, &gate);
        drop(gate);
        self.report.longest_wait = self.report.longest_wait.max(entered - asked);
        self.report.longest_hold = self.report.longest_hold.max(entered.elapsed());
        done
    }

    /// Moves candidates that no commit has needed into the trash, until there are none or the time is over.
    fn take_batch(&mut self, from: &mut Vec<BlobRef>, journal: &mut Journal, gate: &ExclusiveGuard) -> Result<()> {
        let start = Instant::now();
        journal.read_rest(self.store, gate)?;
        while let Some(blob) = from.pop() {
            if journal.needs(&blob.digest) {
                self.report.blobs_spared += 1;
            } else if self.to_trash(&blob, gate)? {
                self.count_removed(&blob);
            }
            if start.elapsed() >= BATCH {
                break;
            }
        }
        Ok(())
    }

    fn to_trash(&self, blob: &BlobRef, gate: &ExclusiveGuard) -> Result<bool> {
        let rel = layout::blob(&blob.digest);
        match self.store.root().rename(&rel, &layout::TRASH.child(rel.split().1), gate) {
            Ok(()) => Ok(true),
            // Quarantined since it was listed.
            Err(_) if self.store.root().look(&rel)?.is_none() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn count_removed(&mut self, blob: &BlobRef) {
        self.report.blobs_removed += 1;
        self.report.bytes_freed += blob.len;
    }

    fn empty_trash(&self) -> Result<()> {
        let root = self.store.root();
        let remove = |listed: &Listed| root.unlink(&layout::TRASH.child(&listed.name), self.collector).map(drop);
        beside(&root.list(&layout::TRASH)?, REMOVALS, remove).into_iter().collect()
    }

    /// The way out when the disk has no room for a journal or a name in the trash: everything inside one closed gate,
    /// where no commit can come in between, and blobs are unlinked where they lie.
    fn sweep_at_once(&mut self) -> Result<()> {
        self.report.full_disk = true;
        self.inside_gate(|sweep, gate| {
            let (candidates, torn) = sweep.find(None)?;
            sweep.remove_torn(&torn, gate)?;
            for blob in candidates {
                if sweep.store.root().unlink(&layout::blob(&blob.digest), gate)? {
                    sweep.count_removed(&blob);
                }
            }
            Ok(())
        })
    }
}
