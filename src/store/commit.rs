//! The commit of one entry: blobs first, then, inside the gate, the manifest.

use std::collections::BTreeSet;
use std::time::Instant;

use rayon::prelude::*;

use super::blob::{Held, MAX_HELD, Presence, Staged, seal};
use super::flush::{Owed, OwedBlob, OwedEntry};
use super::{Durability, EntryInfo, Manifest, Store};
use crate::disk::{FileId, Linked, SealedFile, SharedGuard, Time, Unsynced, random_bits};
use crate::error::{Error, Result};
use crate::format::body::{Body, TOO_DEEP};
use crate::format::codec::{Packed, pack};
use crate::format::head::{BlobRef, EntryId, Facts, Head, MAX_BLOBS, MAX_BODY_LEN};
use crate::format::journal;
use crate::key::Key;
use crate::layout;
use crate::threads;

/// How often a commit starts over because a collector took a blob from under it. Each time costs the collector a
/// whole run, so a handful would do.
const MAX_ROUNDS: usize = 64;

/// What must lie under the key for the commit to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Anything,
    Absent,
    Same(EntryId),
}

/// What must lie under a name or key for a put to go on; see [`Writer::put_if`](crate::Writer::put_if).
#[derive(Clone, Copy, Debug)]
pub enum Expect<'a> {
    /// Anything, or nothing.
    Anything,
    /// No entry, or one that lacks a blob and so is a miss to whoever gets it.
    Absent,
    /// The entry that was read. One that was put again, renamed over or relabelled since is another one.
    Same(&'a EntryInfo),
}

impl Expect<'_> {
    pub(crate) fn condition(self) -> Condition {
        match self {
            Expect::Anything => Condition::Anything,
            Expect::Absent => Condition::Absent,
            Expect::Same(info) => Condition::Same(info.head.id),
        }
    }
}

/// An entry about to be published.
pub(crate) struct Commit {
    pub(crate) key: Key,
    pub(crate) facts: Facts,
    pub(crate) body: Packed,
    pub(crate) blobs: Blobs,
    pub(crate) expect: Condition,
    /// An entry to remove in the same gate section, once the new one is visible.
    pub(crate) remove: Option<Key>,
}

/// Where the blobs of an entry come from.
pub(crate) enum Blobs {
    /// They were staged: ascending by digest, each once.
    Staged(Vec<Staged>),
    /// They are those of another entry. As long as that one is visible they are there and on disk.
    Of { entry: Key, id: EntryId, blobs: Vec<BlobRef> },
}

/// How a commit ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Published {
        replaced: bool,
    },
    /// What lies under the key, or the entry whose blobs were to be used, is not what was expected.
    Changed,
}

/// What a put did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutReport {
    /// The key of the entry.
    pub key: Key,
    /// Whether an entry was replaced.
    pub replaced: bool,
    /// Number of blobs that were written.
    pub new_blobs: u64,
    /// Bytes of blobs that were written.
    pub new_bytes: u64,
    /// Number of blobs that were there already.
    pub shared_blobs: u64,
    /// Bytes of blobs that were there already.
    pub shared_bytes: u64,
    /// Bytes of arrays that lie in the manifest.
    pub inline_bytes: u64,
}

impl Blobs {
    fn refs(&self) -> Vec<BlobRef> {
        match self {
            Blobs::Staged(staged) => staged.iter().map(|staged| staged.blob).collect(),
            Blobs::Of { blobs, .. } => blobs.clone(),
        }
    }
}

impl Store {
    /// Publishes an entry by the order of blobs-format.md section 8. One that changes another is not deferred: it would put
    /// at risk what is on disk.
    pub(crate) fn commit(&self, commit: Commit) -> Result<Outcome> {
        match commit.blobs {
            Blobs::Staged(_) => self.commit_now(commit),
            Blobs::Of { .. } => self.clone().with_durability(Durability::Full).commit_now(commit),
        }
    }

    fn commit_now(&self, mut commit: Commit) -> Result<Outcome> {
        self.check_writable()?;
        let head = self.new_head(&commit)?;
        let manifest = self.seal(&mut commit, &head)?;
        let seen = match &mut commit.blobs {
            Blobs::Staged(staged) => self.publish_blobs(staged)?,
            Blobs::Of { .. } => Vec::new(),
        };
        let (outcome, unsynced) = self.commit_manifest(&mut commit, seen, &head, manifest)?;
        match unsynced {
            Some(file) => self.owe(owed(commit, &head, file))?,
            None if matches!(outcome, Outcome::Published { .. }) => {
                self.sync_entries([commit.key].into_iter().chain(commit.remove))?;
            }
            None => {}
        }
        Ok(outcome)
    }

    /// Encodes the body of an entry, if it is within the limits of the format.
    pub(crate) fn encode(body: &Body, key: &Key) -> Result<Packed> {
        let given = || body.name.clone().unwrap_or_else(|| key.to_string());
        let refused = |_| Error::Invalid { what: "value", given: given(), reason: TOO_DEEP };
        let bytes = body.encode().map_err(refused)?;
        check_limit("the size of the manifest in bytes", bytes.len() as u64, MAX_BODY_LEN)?;
        Ok(pack(bytes))
    }

    fn new_head(&self, commit: &Commit) -> Result<Head> {
        let blobs = commit.blobs.refs();
        check_limit("the number of blobs", blobs.len() as u64, u64::from(MAX_BLOBS))?;
        Ok(Head::of_body(commit.key, EntryId(random_bits()), self.inner.boot, commit.facts, blobs, &commit.body))
    }

    /// Puts the content of all new files on disk, beside one another: a disk that syncs several at once takes little
    /// longer than for one.
    fn seal(&self, commit: &mut Commit, head: &Head) -> Result<SealedFile> {
        let write_manifest = || self.write_manifest(head, &commit.body);
        let Blobs::Staged(staged) = &mut commit.blobs else { return write_manifest() };
        if !staged.iter().any(Staged::is_new) {
            return write_manifest();
        }
        let durability = self.durability();
        let seal = |staged: Vec<Staged>| {
            staged.into_par_iter().map(|staged| staged.seal(durability)).collect::<Result<Vec<_>>>()
        };
        let taken = std::mem::take(staged);
        let (sealed, manifest) = threads::spread(|| rayon::join(|| seal(taken), write_manifest));
        *staged = sealed?;
        manifest
    }

    fn write_manifest(&self, head: &Head, body: &Packed) -> Result<SealedFile> {
        let mut bytes = head.encode();
        bytes.extend_from_slice(&body.bytes);
        let (dir, durability) = (self.private_dir()?, self.durability());
        let mut file = match durability {
            Durability::Full => dir.file()?,
            Durability::Deferred => dir.uncertified_file()?,
        };
        file.write(&bytes)?;
        seal(file, Time::Now, durability)
    }

    /// Makes every blob visible, then, with no lock held, its name durable, also of those that others published: who
    /// did may not have synced the directory yet. Returns which file each name led to before that sync.
    ///
    /// Names in `blobs` change hands inside the gate only: a repair or quarantine that holds it whole can judge what a
    /// name leads to, and act on it, without anybody in between.
    pub(super) fn publish_blobs(&self, staged: &mut [Staged]) -> Result<Vec<FileId>> {
        let gate = if staged.iter().any(Staged::is_new) { Some(self.enter_gate()?) } else { None };
        let entered = Instant::now();
        let mut open = staged.iter().filter(|staged| matches!(staged.held, Held::Open(_))).count();
        let seen: Result<Vec<FileId>> = staged.iter_mut().map(|staged| self.publish_blob(staged, &mut open)).collect();
        if gate.is_some() {
            drop(gate);
            self.note_commit(entered);
        }
        if self.defers() {
            return seen;
        }
        let mut last = None;
        for Staged { blob, .. } in staged {
            let shard = blob.digest.shard();
            if last.replace(shard) != Some(shard) {
                self.root().sync_dir(&layout::blob_shard(shard))?;
            }
        }
        seen
    }

    /// Makes one blob visible. The file that has the name after is held, so that its inode cannot be given to another;
    /// if that would be one open file too many, the private one's is returned, and the commit takes the name for changed.
    fn publish_blob(&self, staged: &mut Staged, open: &mut usize) -> Result<FileId> {
        let rel = layout::blob(&staged.blob.digest);
        if let Held::Private(file) = &mut staged.held {
            match file.link(&rel)? {
                Linked::Both => {}
                Linked::Moved(file) => staged.held = Held::Open(file),
                Linked::Taken if self.replace_unfit(&staged.blob, file)? => {}
                // Somebody else was faster. Its file is held instead of the private one.
                Linked::Taken => {
                    if let Some(theirs) = self.stage_known(staged.blob, *open < MAX_HELD)? {
                        staged.held = theirs.held;
                        *open += 1;
                    }
                }
            }
        }
        match &staged.held {
            Held::Open(file) => Ok(self.root().look_at(file, &rel)?.id),
            Held::Private(file) => Ok(file.id()),
            Held::Written(_) => unreachable!("every file is sealed before it is published"),
        }
    }

    /// Inside the gate: puts a private file in the place of one that does not count as the blob; whether that was so. It is
    /// looked at under the lock under which it would be certified: one that is on disk is never replaced by one that
    /// may not be.
    fn replace_unfit(&self, blob: &BlobRef, file: &mut SealedFile) -> Result<bool> {
        let _lock = self.lock_shard(blob.digest.shard())?;
        let unfit = !matches!(self.presence(blob)?, Presence::Good(_));
        if unfit {
            file.replace(&layout::blob(&blob.digest))?;
        }
        Ok(unfit)
    }

    /// Goes into the gate as often as it takes to find every blob there.
    fn commit_manifest(
        &self,
        commit: &mut Commit,
        mut seen: Vec<FileId>,
        head: &Head,
        manifest: SealedFile,
    ) -> Result<(Outcome, Option<Unsynced>)> {
        for _ in 0..MAX_ROUNDS {
            let gate = self.enter_gate()?;
            let entered = Instant::now();
            let missing = self.secure_blobs(&mut commit.blobs, &seen, head, &gate)?;
            if missing.is_empty() {
                let outcome = self.publish_entry(commit, manifest, head.id, &gate);
                drop(gate);
                self.note_commit(entered);
                return outcome;
            }
            drop(gate);
            self.note_commit(entered);
            let Blobs::Staged(staged) = &mut commit.blobs else { return Ok((Outcome::Changed, None)) };
            for index in missing {
                let Held::Open(file) = &staged[index].held else { continue };
                staged[index] = self.stage_again(staged[index].blob, file)?;
            }
            seen = self.publish_blobs(staged)?;
        }
        Err(Error::Busy { path: self.root().full(&layout::GATE), mode: "shared", waited_ms: 0 })
    }

    /// Inside the gate: tells a running collector what this entry needs, then looks at every blob again. Returns the
    /// places of those that are gone and have no private file.
    fn secure_blobs(&self, blobs: &mut Blobs, seen: &[FileId], head: &Head, gate: &SharedGuard) -> Result<Vec<usize>> {
        let digests: Vec<_> = head.blobs.iter().map(|blob| blob.digest).collect();
        if digests.is_empty() {
            return Ok(Vec::new());
        }
        self.root().append(&layout::JOURNAL, &journal::encode_frame(&digests))?;
        let mut missing = Vec::new();
        match blobs {
            Blobs::Of { blobs, .. } => {
                for (index, blob) in blobs.iter().enumerate() {
                    if matches!(self.presence(blob)?, Presence::Absent | Presence::Uncertain(_)) {
                        missing.push(index);
                    }
                }
            }
            Blobs::Staged(staged) => {
                for (index, (staged, seen)) in staged.iter_mut().zip(seen).enumerate() {
                    if !self.secure_blob(staged, *seen, gate)? {
                        missing.push(index);
                    }
                }
            }
        }
        Ok(missing)
    }

    /// Inside the gate, where nobody can take a blob away: makes sure that one is there and its name on disk, or owed.
    fn secure_blob(&self, staged: &mut Staged, seen: FileId, _: &SharedGuard) -> Result<bool> {
        let rel = layout::blob(&staged.blob.digest);
        match (self.presence(&staged.blob)?, &mut staged.held) {
            // What was seen is what was published here, or counted as there before.
            (Presence::Good(id) | Presence::Uncertain(id), _) if id == seen => return Ok(true),
            // Published by another since: present, but perhaps not yet durable.
            (Presence::Good(_), _) => {}
            (Presence::Absent, Held::Private(file)) => match file.link(&rel)? {
                Linked::Moved(file) => staged.held = Held::Open(file),
                Linked::Both => {}
                // Another committer has published the same meanwhile.
                Linked::Taken => _ = self.replace_unfit(&staged.blob, file)?,
            },
            (Presence::Suspect | Presence::Uncertain(_), Held::Private(file)) => {
                self.replace_unfit(&staged.blob, file)?;
            }
            (_, Held::Open(_) | Held::Written(_)) => return Ok(false),
        }
        if !self.defers() {
            self.root().sync_dir(&rel.parent())?;
        }
        Ok(true)
    }

    /// Inside the gate, every blob there: makes the entry visible under its key's lock.
    fn publish_entry(
        &self,
        commit: &Commit,
        manifest: SealedFile,
        new: EntryId,
        _: &SharedGuard,
    ) -> Result<(Outcome, Option<Unsynced>)> {
        const CHANGED: (Outcome, Option<Unsynced>) = (Outcome::Changed, None);
        let mut keys = vec![commit.key];
        keys.extend(commit.remove);
        if let Blobs::Of { entry, .. } = &commit.blobs {
            keys.push(*entry);
        }
        let locks = self.lock_keys(&keys)?;
        if let Blobs::Of { entry, id, .. } = &commit.blobs
            && self.entry_id(entry)? != Some(*id)
        {
            return Ok(CHANGED);
        }
        let is_expected = match commit.expect {
            Condition::Anything => true,
            Condition::Same(id) => self.entry_id(&commit.key)? == Some(id),
            // An entry that lacks a blob is a miss to whoever gets it, so it does not stand in the way.
            Condition::Absent => match Manifest::read_head(self, &commit.key)? {
                Some(head) => !self.is_whole(&head)?,
                None => true,
            },
        };
        if !is_expected {
            return Ok(CHANGED);
        }
        locks.stamp(&commit.key, new)?;
        let (replaced, unsynced) = manifest.rename_over(&layout::entry(&commit.key))?;
        if let Some(key) = &commit.remove {
            // Power loss may keep the removal and lose the new name, unless that is on disk before.
            self.root().sync_dir(&layout::entry_shard(commit.key.shard()))?;
            self.root().unlink(&layout::entry(key), locks.proof())?;
        }
        Ok((Outcome::Published { replaced }, unsynced))
    }

    /// Whether every blob that a manifest names is there, whatever its content.
    pub(crate) fn is_whole(&self, head: &Head) -> Result<bool> {
        for blob in &head.blobs {
            if self.presence(blob)? == Presence::Absent {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Which publication lies under a key now.
    pub(crate) fn entry_id(&self, key: &Key) -> Result<Option<EntryId>> {
        Ok(Manifest::read_head(self, key)?.map(|head| head.id))
    }

    /// Makes durable what was done to the names of some entries: each directory once.
    pub(crate) fn sync_entries(&self, keys: impl IntoIterator<Item = Key>) -> Result<()> {
        let shards: BTreeSet<u8> = keys.into_iter().map(|key| key.shard()).collect();
        shards.into_iter().try_for_each(|shard| self.root().sync_dir(&layout::entry_shard(shard)))
    }

    fn note_commit(&self, entered: Instant) {
        let held = u64::try_from(entered.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.inner.longest_commit.fetch_max(held, std::sync::atomic::Ordering::Relaxed);
    }
}

/// What a commit that did not sync has left to be done.
fn owed(commit: Commit, head: &Head, file: Unsynced) -> Owed {
    let blobs = match commit.blobs {
        Blobs::Staged(staged) => staged.into_iter().filter_map(owed_blob).collect(),
        Blobs::Of { .. } => Vec::new(),
    };
    let named = head.blobs.iter().map(|blob| blob.digest).collect();
    Owed { entry: OwedEntry { key: commit.key, file, blobs: named }, blobs }
}

fn owed_blob(Staged { blob, held }: Staged) -> Option<OwedBlob> {
    let Held::Private(sealed) = held else { return None };
    let file = sealed.unsynced(&layout::blob(&blob.digest))?;
    Some(OwedBlob { blob, sealed, file })
}

fn check_limit(what: &'static str, size: u64, limit: u64) -> Result<()> {
    if size <= limit { Ok(()) } else { Err(Error::TooLarge { what, size, limit }) }
}
