//! What was published before it was synced, and how it gets on disk: many files at a time, behind the puts.
//!
//! Certificates are given in the order in which they are relied on: a blob's once its content and its name are on disk, an
//! entry's after those of all its blobs.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::gate;
use crate::digest::Digest;
use crate::disk::{self, FileId, Root, Seal, SealedFile, Unsynced};
use crate::error::{Error, Result, chain};
use crate::format::head::BlobRef;
use crate::key::Key;
use crate::layout::{self, Rel};
use crate::threads::beside;

/// How long a put waits at most for others to be synced with.
const DELAY: Duration = Duration::from_secs(1);

/// How many files may be owed: each is held open. At most a part of those that a process may have open.
const MOST_OWED: u64 = 4096;
const PART_OF_LIMIT: u64 = 4;

/// What one commit has published and not synced.
pub(super) struct Owed {
    pub(super) entry: OwedEntry,
    pub(super) blobs: Vec<OwedBlob>,
}

pub(super) struct OwedEntry {
    pub(super) key: Key,
    pub(super) file: Unsynced,
    /// All that it names, owed or not.
    pub(super) blobs: Vec<Digest>,
}

pub(super) struct OwedBlob {
    pub(super) blob: BlobRef,
    /// It keeps a private name, so that it can be published again.
    pub(super) sealed: SealedFile,
    pub(super) file: Unsynced,
}

#[derive(Default)]
struct Batch {
    entries: Vec<OwedEntry>,
    blobs: Vec<OwedBlob>,
    oldest: Option<Instant>,
}

impl Batch {
    fn files(&self) -> u64 {
        (self.entries.len() + self.blobs.len()) as u64
    }

    fn take_in(&mut self, owed: Owed) {
        self.entries.push(owed.entry);
        self.blobs.extend(owed.blobs);
        self.oldest.get_or_insert_with(Instant::now);
    }
}

#[derive(Default)]
struct State {
    due: Batch,
    /// The blobs of `due`, and of the batch that is being put on disk.
    owed: HashMap<Digest, FileId>,
    /// Blobs that could not be put on disk: entries that found them before that was known go, too.
    lost: HashSet<Digest>,
    closing: bool,
    /// What went wrong behind, until somebody asks.
    trouble: Option<Error>,
}

/// Who has the name of a blob that is owed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Ours,
    /// A file that is on disk; or nobody, as of a blob that no entry needs any more.
    Settled,
    /// A file that is not known to be on disk.
    Taken,
}

/// What a process owes to one store. Dropping it puts on disk what it owes.
pub(super) struct Flusher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    process: u32,
}

struct Shared {
    root: Root,
    lock_wait: Duration,
    most: u64,
    state: Mutex<State>,
    /// Something is due, or it is closing.
    changed: Condvar,
    /// Held by whoever is putting a batch on disk: who waits for it knows that all batches before are there.
    turn: Mutex<()>,
}

impl Flusher {
    /// `by_itself`: with a thread that flushes now and then.
    pub(super) fn new(root: Root, lock_wait: Duration, by_itself: bool) -> Self {
        let most = (disk::open_files_limit() / PART_OF_LIMIT).clamp(1, MOST_OWED);
        let (state, changed, turn) = (Mutex::default(), Condvar::new(), Mutex::default());
        let shared = Arc::new(Shared { root, lock_wait, most, state, changed, turn });
        let behind = Arc::clone(&shared);
        // Without a thread, what is owed is put on disk when there is much of it, and when the store is closed.
        let start = || thread::Builder::new().name("ndstash flusher".into()).spawn(move || behind.run()).ok();
        let thread = if by_itself { start() } else { None };
        Flusher { shared, thread, process: std::process::id() }
    }

    /// Whether this process made it; else a parent did, and its thread is not here.
    pub(super) fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    pub(super) fn owes(&self, digest: &Digest, id: FileId) -> bool {
        self.shared.lock().owed.get(digest) == Some(&id)
    }

    pub(super) fn add(&self, owed: Owed) -> Result<()> {
        let shared = &self.shared;
        let (before, files) = {
            let mut state = shared.lock();
            let before = state.due.files();
            for OwedBlob { blob, file, .. } in &owed.blobs {
                // One that was owed before was found unfit, or has lost its name: it must not come back over this one.
                if state.owed.insert(blob.digest, file.id()).is_some() {
                    state.due.blobs.retain(|due| due.blob.digest != blob.digest);
                }
                state.lost.remove(&blob.digest);
            }
            state.due.take_in(owed);
            (before, state.due.files())
        };
        // The thread is told of the first, for which it begins to wait, and when there is enough.
        let enough = shared.most / 2;
        if before == 0 || (before <= enough && files > enough) {
            shared.changed.notify_one();
        }
        if files >= shared.most { shared.flush() } else { Ok(()) }
    }

    pub(super) fn flush(&self) -> Result<()> {
        let flushed = self.shared.flush();
        let before = self.shared.lock().trouble.take();
        before.map_or(flushed, Err)
    }

    /// Puts on disk what is owed, for who has nobody to tell of a failure.
    pub(super) fn flush_and_tell(&self) {
        if let Err(error) = self.flush() {
            tell(&self.shared.root, &error);
        }
    }
}

impl Drop for Flusher {
    /// A forked child has its parent's: it owes nothing, and the thread is not here.
    fn drop(&mut self) {
        if !self.is_ours() {
            std::mem::forget(self.thread.take());
            return;
        }
        self.shared.lock().closing = true;
        self.shared.changed.notify_one();
        drop(self.thread.take().map(JoinHandle::join));
        self.flush_and_tell();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while self.wait_until_ripe() {
            if let Err(error) = self.flush() {
                tell(&self.root, &error);
                self.lock().trouble.get_or_insert(error);
            }
        }
    }

    /// Whether there is something to be done; `false` when it is closing.
    fn wait_until_ripe(&self) -> bool {
        let mut state = self.lock();
        loop {
            let rest = match state.due.oldest {
                _ if state.closing => return false,
                None => None,
                Some(oldest) if oldest.elapsed() >= DELAY || state.due.files() > self.most / 2 => return true,
                Some(oldest) => Some(DELAY.saturating_sub(oldest.elapsed())),
            };
            state = match rest {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(rest) => self.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    fn flush(&self) -> Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = std::mem::take(&mut self.lock().due);
        let done = self.put_on_disk(&mut batch);
        let mut state = self.lock();
        for blob in &batch.blobs {
            // A later put may have written it anew.
            if state.owed.get(&blob.blob.digest) == Some(&blob.file.id()) {
                state.owed.remove(&blob.blob.digest);
            }
        }
        drop(state);
        // Of a store that was removed nothing is owed.
        done.or_else(|error| if self.root.is_removed()? { Ok(()) } else { Err(error) })
    }

    /// Puts a batch on disk, as far as that goes, and says what is there. Returns what went wrong first.
    fn put_on_disk(&self, batch: &mut Batch) -> Result<()> {
        // All are on their way before the first is waited for: one wait then does for most.
        batch.blobs.iter().for_each(|blob| blob.file.start());
        batch.entries.iter().for_each(|entry| entry.file.start());
        let mut trouble = None;
        let synced = beside(&batch.blobs, 1, |blob| blob.file.sync());
        for (blob, synced) in batch.blobs.iter().zip(synced) {
            if let Err(error) = synced {
                // That it cannot be marked either changes nothing: its entries go.
                drop(blob.file.condemn());
                self.lock().lost.insert(blob.blob.digest);
                trouble.get_or_insert(error);
            }
        }
        let lost = self.lock().lost.clone();
        // Also of the blobs that were there: who made them may not have synced their names.
        let named = batch.entries.iter().flat_map(|entry| &entry.blobs);
        self.sync_dirs(named.map(Digest::shard), layout::blob_shard)?;
        batch
            .blobs
            .iter_mut()
            .filter(|blob| !lost.contains(&blob.blob.digest))
            .try_for_each(|blob| self.certify(blob))?;
        let mut safe = Vec::new();
        let synced = beside(&batch.entries, 1, |entry| entry.file.sync());
        for (entry, synced) in batch.entries.iter().zip(synced) {
            let lacks = entry.blobs.iter().any(|digest| lost.contains(digest));
            match synced {
                Ok(()) if !lacks => safe.push(entry),
                synced => {
                    trouble = trouble.or(synced.err());
                    self.withdraw(entry)?;
                }
            }
        }
        self.sync_dirs(batch.entries.iter().map(|entry| entry.key.shard()), layout::entry_shard)?;
        safe.iter().try_for_each(|entry| entry.file.certify())?;
        trouble.map_or(Ok(()), Err)
    }

    /// Syncs the directories of some shards, each once.
    fn sync_dirs(&self, shards: impl Iterator<Item = u8>, dir: fn(u8) -> Rel) -> Result<()> {
        let shards: BTreeSet<u8> = shards.collect();
        let dirs: Vec<Rel> = shards.into_iter().map(dir).collect();
        beside(&dirs, 1, |dir| self.root.sync_dir(dir)).into_iter().collect()
    }

    /// Says that a blob is on disk. Another process, which could not rely on this file, may have put its own in the
    /// place of it; then this one takes the place again, unless that one is on disk by now.
    ///
    /// The key lock is what keeps the two from passing each other: who replaces a blob looks at it again under the same.
    fn certify(&self, blob: &mut OwedBlob) -> Result<()> {
        let lock = || self.root.lock_exclusive(&layout::key_lock(blob.blob.digest.shard()), self.lock_wait);
        {
            let _locked = lock()?;
            match self.who_has_the_name_of(blob)? {
                Name::Ours => return blob.file.certify(),
                Name::Settled => return Ok(()),
                Name::Taken => {}
            }
        }
        let _gate = gate::enter(&self.root, self.lock_wait)?;
        let _locked = lock()?;
        if self.who_has_the_name_of(blob)? == Name::Settled {
            return Ok(());
        }
        blob.file.certify()?;
        blob.sealed.replace(&layout::blob(&blob.blob.digest))?;
        self.root.sync_dir(&layout::blob_shard(blob.blob.digest.shard()))
    }

    fn who_has_the_name_of(&self, blob: &OwedBlob) -> Result<Name> {
        Ok(match self.root.look(&layout::blob(&blob.blob.digest))? {
            None => Name::Settled,
            Some(stat) if stat.id == blob.file.id() => Name::Ours,
            Some(stat) if stat.seal == Seal::Certified && stat.len == blob.blob.len => Name::Settled,
            Some(_) => Name::Taken,
        })
    }

    /// Removes an entry whose content, or a blob of which, is lost, if it is still there.
    fn withdraw(&self, entry: &OwedEntry) -> Result<()> {
        let _gate = gate::enter(&self.root, self.lock_wait)?;
        let locked = self.root.lock_exclusive(&layout::key_lock(entry.key.shard()), self.lock_wait)?;
        let rel = layout::entry(&entry.key);
        if self.root.look(&rel)?.is_some_and(|stat| stat.id == entry.file.id()) {
            self.root.unlink(&rel, &locked)?;
        }
        Ok(())
    }
}

fn tell(root: &Root, error: &Error) {
    let store = root.path().display();
    tracing::warn!("{store}: what was put lately could not be put on disk: {}", chain(error));
}
