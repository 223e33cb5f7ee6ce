//! Repairing what was found wrong: by identity, inside the gate, with a journal, as a collector does.

use std::time::Duration;

use super::check::{self, Findings, JudgedBlob, JudgedEntry, Unfit};
use super::{Repair, VerifyEvent, VerifyReport};
use crate::disk::ExclusiveGuard;
use crate::error::Result;
use crate::format::head::BlobRef;
use crate::gc::Journal;
use crate::layout::{self, Rel};
use crate::store::{Manifest, Store, quarantine_name};

/// How long a repair waits for collectors and committers.
const WAIT: Duration = Duration::from_secs(30);

type Observe<'a> = &'a (dyn Fn(VerifyEvent<'_>) + Sync);

pub(super) fn run(store: &Store, observe: Observe<'_>) -> Result<VerifyReport> {
    let collector = store.root().lock_exclusive(&layout::COLLECTOR, WAIT)?;
    // Opened before anything is judged: what commits since then need is in it.
    let journal = Journal::open(store, &store.close_gate(WAIT)?)?;
    let repaired = check::run(store, observe).and_then(|findings| Repairer { store, observe, journal, findings }.run());
    Journal::close(store, &collector)?;
    repaired
}

struct Repairer<'a> {
    store: &'a Store,
    observe: Observe<'a>,
    journal: Journal,
    findings: Findings,
}

impl Repairer<'_> {
    fn run(mut self) -> Result<VerifyReport> {
        let blobs = std::mem::take(&mut self.findings.blobs);
        let entries = std::mem::take(&mut self.findings.entries);
        let (suspect, damaged): (Vec<_>, Vec<_>) = blobs.into_iter().partition(|blob| blob.sound);
        suspect.iter().try_for_each(|blob| self.certify(blob))?;
        if !damaged.is_empty() || !entries.is_empty() {
            self.journal.read_ahead(self.store)?;
            let gate = self.store.close_gate(WAIT)?;
            self.journal.read_rest(self.store, &gate)?;
            // Entries before their blobs, here as everywhere.
            entries.iter().try_for_each(|entry| self.drop_entry(entry, &damaged, &gate))?;
            damaged.iter().try_for_each(|blob| self.quarantine(blob, &gate))?;
            drop(gate);
            self.sync(&entries, &damaged)?;
        }
        for path in std::mem::take(&mut self.findings.not_held) {
            self.leave(path, "there was more damage than one run handles: run the repair again");
        }
        Ok(self.findings.report)
    }

    fn announce(&self, rel: &Rel, action: &str) -> Repair {
        let repair = Repair { path: self.store.root().full(rel), action: action.to_owned() };
        (self.observe)(VerifyEvent::Repairing(&repair));
        repair
    }

    fn leave(&mut self, path: std::path::PathBuf, why: &str) {
        self.findings.report.left.push(Repair { path, action: why.to_owned() });
    }

    /// Sets mode and time of a blob whose content was found right, through the file that was hashed.
    fn certify(&mut self, blob: &JudgedBlob) -> Result<()> {
        let rel = layout::blob(&blob.digest);
        let repair = self.announce(&rel, "its content is right: set mode and time");
        self.store.root().certify_found(&blob.file, &rel)?;
        self.findings.report.repaired.push(repair);
        Ok(())
    }

    /// Moves an entry into quarantine, if it is still the one that was judged and still cannot stay. The closed gate
    /// stands in for its key's lock: changes of entries happen inside the gate.
    fn drop_entry(&mut self, entry: &JudgedEntry, damaged: &[JudgedBlob], gate: &ExclusiveGuard) -> Result<()> {
        let rel = layout::entry(&entry.key);
        let (same, action) = match &entry.why {
            Unfit::Damaged(file) => {
                // It was opened after the damage was met, when the name may have led to another manifest already.
                let damaged = Manifest::read(self.store, &entry.key).is_err_and(|error| error.is_damage());
                let same = damaged && self.store.root().leads_to(&rel, file)?;
                (same, "move the damaged manifest to quarantine".to_owned())
            }
            Unfit::Lacks(id, blobs) => {
                let same = self.store.entry_id(&entry.key)? == Some(*id) && self.still_lacks(blobs, damaged)?;
                (same, format!("move entry {:?} to quarantine: blobs it needs are damaged or missing", entry.label))
            }
        };
        if same {
            let repair = self.announce(&rel, &action);
            self.store.root().rename(&rel, &quarantine_name(rel.split().1), gate)?;
            self.findings.report.repaired.push(repair);
        }
        Ok(())
    }

    /// Whether at least one blob that an entry lacked is lacking still: it may have been put anew meanwhile.
    fn still_lacks(&self, blobs: &[BlobRef], damaged: &[JudgedBlob]) -> Result<bool> {
        for blob in blobs {
            let rel = layout::blob(&blob.digest);
            let Some(stat) = self.store.root().look(&rel)? else { return Ok(true) };
            let judged = damaged.iter().find(|judged| judged.digest == blob.digest);
            if stat.len != blob.len || judged.is_some_and(|judged| self.leads_to(&rel, judged)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn leads_to(&self, rel: &Rel, judged: &JudgedBlob) -> bool {
        self.store.root().leads_to(rel, &judged.file).unwrap_or(false)
    }

    /// Moves a damaged blob into quarantine, unless a commit has relied on it or replaced it since it was judged.
    fn quarantine(&mut self, blob: &JudgedBlob, gate: &ExclusiveGuard) -> Result<()> {
        let rel = layout::blob(&blob.digest);
        if self.journal.needs(&blob.digest) {
            // The mark makes the next put write it anew, however often it is relied on.
            drop(self.store.root().mark_suspect(&blob.file, &rel));
            self.leave(self.store.root().full(&rel), "a commit has just relied on it: verify again");
        } else if self.store.root().look(&rel)?.is_some() && self.leads_to(&rel, blob) {
            let repair = self.announce(&rel, "move the damaged blob to quarantine");
            self.store.root().rename(&rel, &quarantine_name(rel.split().1), gate)?;
            self.findings.report.repaired.push(repair);
        }
        Ok(())
    }

    fn sync(&self, entries: &[JudgedEntry], blobs: &[JudgedBlob]) -> Result<()> {
        let root = self.store.root();
        self.store.sync_entries(entries.iter().map(|entry| entry.key))?;
        blobs.iter().try_for_each(|blob| root.sync_dir(&layout::blob_shard(blob.digest.shard())))?;
        root.sync_dir(&layout::QUARANTINE)
    }
}
