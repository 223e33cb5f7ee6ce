//! When a put returns: once its entry is on disk, or before.

use std::sync::{Arc, Mutex, MutexGuard, Weak};

use super::flush::{Flusher, Owed};
use super::{Inner, Store};
use crate::digest::Digest;
use crate::disk::{self, FileId};
use crate::error::Result;
use crate::fork::PerProcess;

/// When a put returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Once the entry and all its blobs are on disk: from then on power loss does not take it.
    #[default]
    Full,
    /// Once everybody can read the entry. It is put on disk behind, together with others, a second later or so;
    /// [`Store::flush`] waits for that, and so does whoever drops the last handle. If power is lost before, the
    /// entry is a miss after, and if it replaced another, that may be gone, too. A wrong value it never is: what
    /// was not known to be on disk is compared with its digest before it is handed out again. A process that dies,
    /// however it does, loses nothing.
    ///
    /// What changes an entry that is there (rename, copy, labels) is always full, since it would put at risk what
    /// is safe; so are all puts where the system does not tell one boot from another, and on file systems of which
    /// several machines have a part, or which can be pulled out: that is said once, as a warning.
    Deferred,
}

/// What this process owes, by the directory.
static FLUSHERS: PerProcess<Mutex<Flushers>> = PerProcess::of_first(Mutex::new(Vec::new()));

type Flushers = Vec<(FileId, Weak<Flusher>)>;

fn flushers() -> MutexGuard<'static, Flushers> {
    FLUSHERS.lock(Vec::new)
}

impl Store {
    /// When puts through this handle return, as far as its file system allows.
    pub fn durability(&self) -> Durability {
        if self.defers() { Durability::Deferred } else { Durability::Full }
    }

    /// Waits until all that this process has put into the store is on disk. At once, if nothing is deferred.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the disk failed, now or behind since this was last called. What could not be
    /// put on disk is no longer there: its entries have been removed. [`Error::Busy`](crate::Error::Busy) if a lock is
    /// not to be had in time; then the entries stay, and are as safe as deferred ones are.
    pub fn flush(&self) -> Result<()> {
        let flusher = self.inner.flusher();
        flusher.map_or(Ok(()), |flusher| flusher.flush())
    }

    /// The same store, of another durability unless one was asked for when it was opened.
    pub(crate) fn with_default_durability(self, durability: Durability) -> Self {
        let durability = self.inner.durability.unwrap_or(durability);
        self.with_durability(durability)
    }

    /// The same store, of another durability.
    pub(crate) fn with_durability(self, durability: Durability) -> Self {
        Store { durability, ..self }
    }

    /// Whether syncs may wait.
    pub(super) fn defers(&self) -> bool {
        self.durability == Durability::Deferred && *self.inner.may_defer.get_or_init(|| self.may_defer())
    }

    fn may_defer(&self) -> bool {
        let reason = match disk::forbids_deferring(self.root()) {
            Ok(None) => return true,
            Ok(Some(reason)) => reason,
            Err(error) => error.to_string(),
        };
        let store = self.path().display();
        tracing::warn!("{store}: every put waits until it is on disk, although it need not: {reason}");
        false
    }

    /// Whether a file under a blob's name is one that this process wrote, and is going to put on disk.
    pub(super) fn owes(&self, digest: &Digest, id: FileId) -> bool {
        self.inner.flusher().is_some_and(|flusher| flusher.owes(digest, id))
    }

    /// Takes over what a commit has published and not synced.
    ///
    /// # Errors
    /// As [`flush`](Self::flush), if there is so much of it that it has to be put on disk at once.
    pub(super) fn owe(&self, owed: Owed) -> Result<()> {
        self.inner.make_flusher().add(owed)
    }
}

impl Inner {
    /// What this process owes to the directory, if it ever did. A forked child has its parent's, which is not its business.
    fn flusher(&self) -> Option<Arc<Flusher>> {
        let ours = self.flusher_slot().as_ref().filter(|flusher| flusher.is_ours()).cloned();
        ours.or_else(|| find(&flushers(), self.shared_as()?))
    }

    fn make_flusher(&self) -> Arc<Flusher> {
        let made = self.flusher().unwrap_or_else(|| self.flusher_of_process());
        Arc::clone(self.flusher_slot().insert(made))
    }

    fn flusher_slot(&self) -> MutexGuard<'_, Option<Arc<Flusher>>> {
        self.flusher.lock(|| None)
    }

    /// That of all handles by which this process has the directory open: what one wrote, the others may rely on.
    fn flusher_of_process(&self) -> Arc<Flusher> {
        let make = |by_itself| Arc::new(Flusher::new(self.root.clone(), self.lock_wait, by_itself));
        let Some(id) = self.shared_as() else { return make(false) };
        let mut all = flushers();
        all.retain(|(_, flusher)| flusher.strong_count() > 0);
        find(&all, id).unwrap_or_else(|| {
            let made = make(true);
            all.push((id, Arc::downgrade(&made)));
            made
        })
    }

    /// By what all handles of this process know the directory. `None` for one that keeps to itself.
    fn shared_as(&self) -> Option<FileId> {
        #[cfg(feature = "seam")]
        if !self.flushes_by_itself {
            return None;
        }
        self.root.id().ok()
    }
}

/// One of this process: a forked child finds its parent's as well.
fn find(all: &[(FileId, Weak<Flusher>)], id: FileId) -> Option<Arc<Flusher>> {
    let mut open = all.iter().filter(|(other, _)| *other == id).filter_map(|(_, flusher)| flusher.upgrade());
    open.find(|flusher| flusher.is_ours())
}

impl Drop for Inner {
    fn drop(&mut self) {
        let flusher = self.flusher_slot().take();
        if let Some(flusher) = flusher.filter(|flusher| flusher.is_ours()) {
            flusher.flush_and_tell();
        }
    }
}
