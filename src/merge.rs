//! Merging: the entries of one store are taken over into another, with their blobs.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::Positioned;
use crate::error::{Error, Result};
use crate::format::body::Body;
use crate::format::codec::Packed;
use crate::format::head::{BlobRef, Facts};
use crate::key::Key;
use crate::layout;
use crate::store::{Blobs, Commit, Condition, Durability, EntryInfo, MAX_HELD, Manifest, Outcome, Staged, Store};

/// How many entries are copied beside one another: so that a disk that syncs several files at once may.
const WORKERS: usize = 4;

/// How many files of blobs one worker keeps open: all together as many as one writer does.
const HELD: usize = MAX_HELD / WORKERS;

type Choice = Arc<dyn Fn(&EntryInfo) -> bool + Send + Sync>;

/// Which entries a merge takes, and what it does where the store has another entry of the same name.
#[derive(Clone, Default)]
pub struct MergeOptions {
    prefix: String,
    choice: Option<Choice>,
    replace: bool,
}

impl MergeOptions {
    /// Every entry; where the store has one of the same name already, that one stays.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only entries whose name begins with this; with an empty one all, also those without a name.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Only entries of which this says yes. Several threads may ask at once.
    #[must_use]
    pub fn only(mut self, choice: impl Fn(&EntryInfo) -> bool + Send + Sync + 'static) -> Self {
        self.choice = Some(Arc::new(choice));
        self
    }

    /// Whether an entry of the other store replaces one of the same name and other content.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    fn takes(&self, info: &EntryInfo) -> bool {
        info.name().unwrap_or_default().starts_with(&self.prefix)
            && self.choice.as_ref().is_none_or(|choice| choice(info))
    }
}

impl fmt::Debug for MergeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeOptions")
            .field("prefix", &self.prefix)
            .field("chosen", &self.choice.is_some())
            .field("replace", &self.replace)
            .finish()
    }
}

/// What a merge did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct MergeReport {
    /// Entries that the store had not, and has now.
    pub entries_copied: u64,
    /// Entries that the store had, with other content or without a blob they need, and that were replaced.
    pub entries_replaced: u64,
    /// Entries that the store has with other content, and keeps.
    pub entries_kept: u64,
    /// Entries that the store has with the same content.
    pub entries_same: u64,
    /// Number of blobs that were written.
    pub blobs_copied: u64,
    /// Bytes of blobs that were written.
    pub bytes_copied: u64,
    /// How often an entry that was copied named a blob that the store had already.
    pub blobs_shared: u64,
    /// Bytes of those.
    pub bytes_shared: u64,
    /// Entries that were left behind because they cannot be read as they were written, in the order of their labels.
    pub damaged: Vec<DamagedEntry>,
}

/// An entry that a merge left behind.
#[derive(Debug)]
#[non_exhaustive]
pub struct DamagedEntry {
    /// Its name, or its key in hex.
    pub label: String,
    /// What is wrong with the entry, with a blob it needs, or with the entry of the same name in the store merged into.
    pub error: Error,
}

impl Store {
    /// Takes over the entries of another store with all their blobs: names, keys, labels and times of creation stay.
    /// What is here already is not copied. Each blob is checked against its digest while it is copied.
    ///
    /// An entry is taken over whole or not at all. One that is damaged, or of a later version, or lacks a blob, is
    /// reported and left behind; the rest goes on. Both stores may be used by others meanwhile, collectors included: of
    /// entries that come, change or go it takes what it meets. Merging again copies nothing twice, so one that was
    /// stopped may simply be run again.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use ndstash::{MergeOptions, Store};
    ///
    /// let (here, there) = (Store::create(dir.path().join("here"))?, Store::create(dir.path().join("there"))?);
    /// there.put("runs/1", &ndarray::Array1::<f64>::ones(100_000))?;
    /// let report = here.merge(&there, &MergeOptions::new().prefix("runs/"))?;
    /// assert_eq!((report.entries_copied, report.bytes_copied), (1, 800_000));
    /// assert_eq!(here.merge(&there, &MergeOptions::new())?.entries_same, 1);
    /// # Ok::<(), ndstash::Error>(())
    /// ```
    ///
    /// # Errors
    /// If this store is read-only, its disk is full, or either of the two cannot be reached. What was taken over
    /// before stays.
    pub fn merge(&self, from: &Store, options: &MergeOptions) -> Result<MergeReport> {
        self.check_writable()?;
        let merge = Merge { from, into: self, options, next: AtomicU16::new(0), report: Mutex::default() };
        let stop = AtomicBool::new(false);
        let ends: Vec<Result<()>> = std::thread::scope(|threads| {
            let workers: Vec<_> = (0..WORKERS).map(|_| threads.spawn(|| merge.run(&stop))).collect();
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        ends.into_iter().collect::<Result<()>>()?;
        let mut report = merge.report.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.damaged.sort_by(|a, b| a.label.cmp(&b.label));
        Ok(report)
    }
}

struct Merge<'a> {
    from: &'a Store,
    into: &'a Store,
    options: &'a MergeOptions,
    /// The next shard of entries that nobody has taken yet.
    next: AtomicU16,
    report: Mutex<MergeReport>,
}

/// What is done with an entry, by what the store has under its key.
enum Judgement {
    Same,
    Keep,
    Copy(Condition),
}

impl Merge<'_> {
    /// Takes shard after shard until there are none, or another worker has failed.
    fn run(&self, stop: &AtomicBool) -> Result<()> {
        while let Ok(shard) = u8::try_from(self.next.fetch_add(1, Ordering::Relaxed)) {
            for key in self.from.keys_in(shard)? {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                self.entry(&key).inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
            }
        }
        Ok(())
    }

    fn note(&self, change: impl FnOnce(&mut MergeReport)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn leave_behind(&self, label: String, error: Error) {
        self.note(|report| report.damaged.push(DamagedEntry { label, error }));
    }

    /// Takes one entry over. What changes meanwhile, on either side, is looked at again.
    fn entry(&self, key: &Key) -> Result<()> {
        loop {
            let manifest = match Manifest::read(self.from, key) {
                Ok(Some(manifest)) => manifest,
                Ok(None) => return Ok(()),
                Err(error) if is_of_the_entry(&error) => {
                    // Its name is not known, so no prefix leaves it out.
                    self.leave_behind(key.to_string(), error);
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let info = manifest.into_info(self.from)?;
            if !self.options.takes(&info) {
                return Ok(());
            }
            match self.take_over(&info) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if is_of_the_entry(&error) => {
                    if self.from.entry_id(key).ok().flatten() == Some(info.head.id) {
                        self.leave_behind(info.label(), error);
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns whether it is done; `false` if another has changed the entry here meanwhile.
    fn take_over(&self, info: &EntryInfo) -> Result<bool> {
        let expect = match self.judge(info)? {
            Judgement::Same => {
                self.note(|report| report.entries_same += 1);
                return Ok(true);
            }
            Judgement::Keep => {
                self.note(|report| report.entries_kept += 1);
                return Ok(true);
            }
            Judgement::Copy(expect) => expect,
        };
        let staged = info.head.blobs.iter().enumerate().map(|(at, blob)| self.stage(blob, at));
        let staged = staged.collect::<Result<Vec<Staged>>>()?;
        let copied: Vec<(bool, u64)> = staged.iter().map(|staged| (staged.is_new(), staged.blob.len)).collect();
        if self.write_as_it_was(info, staged, expect)? == Outcome::Changed {
            return Ok(false);
        }
        self.note(|report| {
            *if expect == Condition::Absent { &mut report.entries_copied } else { &mut report.entries_replaced } += 1;
            for (new, len) in copied {
                *if new { &mut report.blobs_copied } else { &mut report.blobs_shared } += 1;
                *if new { &mut report.bytes_copied } else { &mut report.bytes_shared } += len;
            }
        });
        Ok(true)
    }

    fn judge(&self, info: &EntryInfo) -> Result<Judgement> {
        let Some(ours) = Manifest::read(self.into, &info.key())? else { return Ok(Judgement::Copy(Condition::Absent)) };
        // To whoever gets an entry that lacks a blob there is none.
        let whole = self.into.is_whole(&ours.head)?;
        Ok(
            if whole
                && ours.head.blobs == info.head.blobs
                && content(&ours.body, ours.head.facts)? == content(&info.body, info.head.facts)?
            {
                Judgement::Same
            } else if self.options.replace || !whole {
                Judgement::Copy(Condition::Same(ours.head.id))
            } else {
                Judgement::Keep
            },
        )
    }

    /// Stages a blob: the one that is here, or a copy whose digest was checked.
    fn stage(&self, blob: &BlobRef, held: usize) -> Result<Staged> {
        if let Some(there) = self.into.stage_known(*blob, held < HELD)? {
            return Ok(there);
        }
        let rel = layout::blob(&blob.digest);
        let Some(file) = self.from.root().open_file(&rel)? else { return Err(missing(self.from, blob)) };
        let staged = self.into.stage_reader(&mut Positioned::new(&file), None);
        let staged = staged.map_err(|error| self.from.name_input(error, blob))?;
        match staged.blob == *blob {
            // A file that is not synced is open, and a process may have only so many.
            true if held < HELD => Ok(staged),
            true => staged.seal(Durability::Full),
            false => Err(self.from.condemn(blob, &staged.blob, &file)),
        }
    }

    /// Publishes the entry here with all that it says of itself.
    fn write_as_it_was(&self, info: &EntryInfo, staged: Vec<Staged>, expect: Condition) -> Result<Outcome> {
        let key = info.key();
        let body = Store::encode(&info.body, &key)?;
        let new: u64 = staged.iter().filter(|staged| staged.is_new()).map(|staged| staged.blob.len).sum();
        let sequence = self.into.register_put(new + info.manifest_bytes())?;
        let facts = Facts { sequence, ..info.head.facts };
        let outcome =
            self.into.commit(Commit { key, facts, body, blobs: Blobs::Staged(staged), expect, remove: None })?;
        self.into.stay_within_limits(sequence);
        Ok(outcome)
    }
}

/// What two entries have in common that count as the same: all but their places in the order of putting, and the time
/// of it.
fn content(body: &Body, facts: Facts) -> Result<(Packed, Facts)> {
    let body = Store::encode(body, &Key::from_bytes([0; 32]))?;
    Ok((body, Facts { sequence: 0, created: 0, ..facts }))
}

/// Whether an error says that an entry, not the store, is at fault.
fn is_of_the_entry(error: &Error) -> bool {
    error.is_damage() || matches!(error, Error::Unsupported { .. })
}

fn missing(store: &Store, blob: &BlobRef) -> Error {
    let path = store.root().full(&layout::blob(&blob.digest));
    Error::Corrupt { path, detail: "it is not there".into(), digest: Some(Box::new(blob.digest)) }
}
