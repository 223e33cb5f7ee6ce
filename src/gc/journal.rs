//! The collector's side of the journal.

use std::collections::HashSet;

use crate::digest::Digest;
use crate::disk::ExclusiveGuard;
use crate::error::Result;
use crate::format::journal::parse_frames;
use crate::layout;
use crate::store::Store;

/// The journal of a running collector: what commits have needed since it was opened.
pub(crate) struct Journal {
    read: u64,
    needed: HashSet<Digest>,
}

impl Journal {
    /// Starts an empty journal. A dead collector's is replaced: the gate is closed, so nobody is writing to it.
    pub(crate) fn open(store: &Store, gate: &ExclusiveGuard) -> Result<Self> {
        store.root().unlink(&layout::JOURNAL, gate)?;
        store.root().create_shared(&layout::JOURNAL, 0, gate)?;
        Ok(Journal { read: 0, needed: HashSet::new() })
    }

    /// Reads what is there while others append, so that less is left to read inside the gate.
    pub(crate) fn read_ahead(&mut self, store: &Store) -> Result<()> {
        let bytes = store.root().read_tail(&layout::JOURNAL, self.read)?;
        let (taken, _) = parse_frames(&bytes, &mut self.needed);
        self.read += taken as u64;
        Ok(())
    }

    /// Reads the rest. Nobody appends while the gate is closed, so what does not parse is torn: then it is not known
    /// what is needed, and nothing may be removed.
    pub(crate) fn read_rest(&mut self, store: &Store, _: &ExclusiveGuard) -> Result<()> {
        let bytes = store.root().read_tail(&layout::JOURNAL, self.read)?;
        let (taken, fault) = parse_frames(&bytes, &mut self.needed);
        self.read += taken as u64;
        match fault {
            None => Ok(()),
            Some(fault) => Err(fault.at(store.root().full(&layout::JOURNAL))),
        }
    }

    pub(crate) fn needs(&self, digest: &Digest) -> bool {
        self.needed.contains(digest)
    }

    /// Ends the journal. Whoever still has it open appends to a file without a name: the sweep is over.
    pub(crate) fn close(store: &Store, collector: &ExclusiveGuard) -> Result<()> {
        store.root().unlink(&layout::JOURNAL, collector).map(drop)
    }
}
