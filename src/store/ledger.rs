//! The store's side of the ledger: sequence numbers, and how much was put since somebody counted.

use std::io::Read;

use super::Store;
use crate::disk::{self, Positioned};
use crate::error::Result;
use crate::format::ledger::Ledger;
use crate::layout;

impl Store {
    /// Gives the entry about to be published its sequence number, and adds what it brings to the count.
    ///
    /// A ledger that cannot be written, or was lost or damaged, is no reason to fail: numbers are never below the clock,
    /// so they go on ascending without it, as long as the clock does.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::error::Error::Unsupported) if the handle may not write.
    pub(crate) fn register_put(&self, bytes: u64) -> Result<u64> {
        self.check_writable()?;
        let now = disk::now_ns().cast_unsigned();
        let moved = self.amend_ledger(|ledger| {
            ledger.sequence = now.max(ledger.sequence.saturating_add(1));
            ledger.bytes = ledger.bytes.saturating_add(bytes);
            ledger.entries = ledger.entries.saturating_add(1);
        });
        Ok(moved.map_or(now, |ledger| ledger.sequence))
    }

    /// Changes the ledger under its lock and returns it as it is then; `None` if it cannot be written.
    pub(crate) fn amend_ledger(&self, change: impl FnOnce(&mut Ledger)) -> Option<Ledger> {
        let mut after = None;
        let amended = self.root().amend(&layout::LEDGER, Ledger::LEN, |bytes| {
            // A damaged ledger is as good as none.
            let mut ledger = Ledger::parse(bytes).unwrap_or_default();
            change(&mut ledger);
            after = Some(ledger);
            Some(ledger.encode().to_vec())
        });
        amended.ok().and(after)
    }

    /// Puts what a collector counted in the place of what was added up, and keeps what came since it began. What the last
    /// culler could not remove may be less by now.
    pub(crate) fn note_count(&self, before: &Ledger, bytes: u64, entries: u64) {
        self.amend_ledger(|ledger| {
            ledger.bytes = bytes.saturating_add(ledger.bytes.saturating_sub(before.bytes));
            ledger.entries = entries.saturating_add(ledger.entries.saturating_sub(before.entries));
            ledger.counted_bytes = ledger.counted_bytes.min(ledger.bytes);
            ledger.counted_entries = ledger.counted_entries.min(ledger.entries);
        });
    }

    /// The ledger as it is; that of a new store if it cannot be read.
    pub(crate) fn ledger(&self) -> Ledger {
        let read = || {
            let file = self.root().open_file(&layout::LEDGER).ok()??;
            let mut bytes = Vec::new();
            Positioned::new(&file).take(Ledger::LEN as u64).read_to_end(&mut bytes).ok()?;
            Ledger::parse(&bytes).ok()
        };
        read().unwrap_or_default()
    }
}
