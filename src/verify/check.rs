//! Finding what is wrong. Takes no lock and changes nothing.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Mutex;

use rayon::prelude::*;

use super::{Problem, ProblemKind, VerifyEvent, VerifyReport};
use crate::digest::Digest;
use crate::disk::Seal;
use crate::error::{Error, Result, chain};
use crate::format::head::{BlobRef, EntryId};
use crate::key::Key;
use crate::layout::{self, Rel};
use crate::store::{Manifest, Store};
use crate::threads;

#[expect(clippy::disallowed_types, reason = "files that `disk` opened")]
type File = std::fs::File;

type Observe<'a> = &'a (dyn Fn(VerifyEvent<'_>) + Sync);

/// How many judged files are held open for a repair: so that each is still known to be the one that was judged.
const MAX_HELD: usize = 256;

/// What was found, with all that a repair must know of what was judged.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) report: VerifyReport,
    pub(super) blobs: Vec<JudgedBlob>,
    pub(super) entries: Vec<JudgedEntry>,
    /// Damaged files that were too many to hold.
    pub(super) not_held: Vec<PathBuf>,
}

/// A blob whose content or metadata are wrong.
pub(super) struct JudgedBlob {
    pub(super) digest: Digest,
    pub(super) file: File,
    /// Only mode or time are wrong.
    pub(super) sound: bool,
}

/// An entry that cannot stay.
pub(super) struct JudgedEntry {
    pub(super) key: Key,
    pub(super) label: String,
    pub(super) why: Unfit,
}

pub(super) enum Unfit {
    /// The manifest is damaged: this open file.
    Damaged(File),
    /// It needs blobs that are damaged or missing.
    Lacks(EntryId, Vec<BlobRef>),
}

/// The blobs that were listed, once they have been looked at.
struct Judged {
    /// Those that are there, ascending, and for all that is known sound.
    sound: Vec<BlobRef>,
    damaged: HashSet<Digest>,
}

/// What is wrong with a blob.
enum Verdict {
    Sound,
    Suspect(File, String),
    Damaged(File, String),
    Unreadable(Error),
    Gone,
}

pub(super) fn run(store: &Store, observe: Observe<'_>) -> Result<Findings> {
    let check = Check { store, observe, findings: Mutex::default() };
    check.layout()?;
    let judged = check.blobs(check.list_blobs()?);
    check.entries(&judged)?;
    check.name_entries();
    let mut findings = check.findings.into_inner().expect("a thread that panicked has ended the run");
    findings.report.problems.sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
    Ok(findings)
}

struct Check<'a> {
    store: &'a Store,
    observe: Observe<'a>,
    findings: Mutex<Findings>,
}

impl Check<'_> {
    fn with<T>(&self, change: impl FnOnce(&mut Findings) -> T) -> T {
        change(&mut self.findings.lock().expect("a thread that panicked has ended the run"))
    }

    fn problem(&self, kind: ProblemKind, rel: &Rel, detail: impl Into<String>, entries: Vec<String>) {
        let problem = Problem { kind, path: self.store.root().full(rel), detail: detail.into(), entries };
        (self.observe)(VerifyEvent::Problem(&problem));
        self.with(|findings| findings.report.problems.push(problem));
    }

    /// Looks for names that do not belong at the top, and for parts that are missing.
    fn layout(&self) -> Result<()> {
        let listed = self.store.root().list(&layout::ROOT)?;
        for file in &listed {
            if !layout::is_top_name(&file.name) {
                self.problem(ProblemKind::Stray, &layout::ROOT.child(&file.name), "no part of a store", Vec::new());
            }
        }
        for rel in &layout::DIRECTORIES {
            if !listed.iter().any(|file| file.name == rel.as_str()) {
                self.problem(ProblemKind::BadLayout, rel, "the directory is missing", Vec::new());
            }
        }
        Ok(())
    }

    fn list_blobs(&self) -> Result<Vec<BlobRef>> {
        let shards = || (0..=u8::MAX).into_par_iter().map(|shard| self.list_blobs_in(shard)).collect();
        let shards: Result<Vec<Vec<BlobRef>>> = threads::spread(shards);
        let blobs = shards?.concat();
        (self.observe)(VerifyEvent::Total {
            blobs: blobs.len() as u64,
            bytes: blobs.iter().map(|blob| blob.len).sum(),
        });
        Ok(blobs)
    }

    fn list_blobs_in(&self, shard: u8) -> Result<Vec<BlobRef>> {
        let (dir, mut digests) = (layout::blob_shard(shard), Vec::new());
        for file in self.list(&dir)? {
            let Some(digest) = layout::parse_blob(shard, &file) else {
                let what = "not named like a blob of this directory";
                self.problem(ProblemKind::Stray, &dir.child(&file), what, Vec::new());
                continue;
            };
            digests.push(digest);
        }
        let names: Vec<_> = digests.iter().map(layout::blob).collect();
        let mut blobs = Vec::with_capacity(names.len());
        for ((digest, rel), stat) in digests.into_iter().zip(&names).zip(self.store.root().look_within(&dir, &names)?) {
            match stat {
                Some(stat) => blobs.push(BlobRef { digest, len: stat.len }),
                None => self.not_regular(rel)?,
            }
        }
        Ok(blobs)
    }

    /// The names in a shard; one that is missing is a problem, not the end.
    fn list(&self, rel: &Rel) -> Result<Vec<String>> {
        match self.store.root().list(rel) {
            Ok(listed) => Ok(listed.into_iter().map(|file| file.name).collect()),
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                self.problem(ProblemKind::BadLayout, rel, "the directory is missing", Vec::new());
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// A name that was listed and is no regular file: gone since, or something else.
    fn not_regular(&self, rel: &Rel) -> Result<()> {
        if self.store.root().list(&rel.parent())?.iter().any(|file| file.name == rel.split().1 && !file.regular) {
            self.problem(ProblemKind::Stray, rel, "a regular file is expected", Vec::new());
        }
        Ok(())
    }

    /// Hashes every blob.
    fn blobs(&self, mut blobs: Vec<BlobRef>) -> Judged {
        let verdicts = || blobs.par_iter().map(|blob| self.blob(blob)).collect();
        let verdicts: Vec<Option<bool>> = threads::spread(verdicts);
        let damaged = blobs.iter().zip(&verdicts).filter(|(_, sound)| **sound == Some(false));
        let damaged = damaged.map(|(blob, _)| blob.digest).collect();
        let mut verdicts = verdicts.into_iter();
        blobs.retain(|_| verdicts.next() == Some(Some(true)));
        blobs.sort_unstable();
        Judged { sound: blobs, damaged }
    }

    /// Whether a blob is sound, as far as is known; `None` if it has gone.
    fn blob(&self, blob: &BlobRef) -> Option<bool> {
        let rel = layout::blob(&blob.digest);
        let verdict = self.judge(blob, &rel).unwrap_or_else(Verdict::Unreadable);
        (self.observe)(VerifyEvent::Checked { bytes: blob.len });
        self.with(|findings| {
            findings.report.blobs += 1;
            findings.report.bytes += blob.len;
        });
        match verdict {
            Verdict::Gone => return None,
            Verdict::Sound => {}
            Verdict::Suspect(file, detail) => {
                self.problem(ProblemKind::SuspectBlob, &rel, detail, Vec::new());
                self.hold(JudgedBlob { digest: blob.digest, file, sound: true }, &rel);
            }
            Verdict::Damaged(file, detail) => {
                self.problem(ProblemKind::DamagedBlob, &rel, detail, Vec::new());
                self.hold(JudgedBlob { digest: blob.digest, file, sound: false }, &rel);
                return Some(false);
            }
            // What cannot be read now may be sound: nobody is to be dropped for it.
            Verdict::Unreadable(error) => self.problem(ProblemKind::DamagedBlob, &rel, chain(&error), Vec::new()),
        }
        Some(true)
    }

    fn judge(&self, blob: &BlobRef, rel: &Rel) -> Result<Verdict> {
        let root = self.store.root();
        let Some((file, stat)) = root.open_and_look(rel)? else { return Ok(Verdict::Gone) };
        let found = self.store.hash_file(blob, &file)?;
        Ok(if found.digest != blob.digest {
            Verdict::Damaged(file, format!("its digest is {}, of {} bytes", found.digest, found.len))
        } else if matches!(stat.seal, Seal::Unsettled | Seal::Broken) {
            Verdict::Suspect(file, "mode 0444 and the time 1980-01-01 00:00 UTC are expected".into())
        } else {
            Verdict::Sound
        })
    }

    fn hold(&self, judged: JudgedBlob, rel: &Rel) {
        self.with(|findings| {
            if findings.blobs.len() < MAX_HELD {
                findings.blobs.push(judged);
            } else {
                findings.not_held.push(self.store.root().full(rel));
            }
        });
    }

    fn entries(&self, judged: &Judged) -> Result<()> {
        threads::spread(|| (0..=u8::MAX).into_par_iter().try_for_each(|shard| self.entries_in(shard, judged)))
    }

    fn entries_in(&self, shard: u8, judged: &Judged) -> Result<()> {
        let rel = layout::entry_shard(shard);
        for file in self.list(&rel)? {
            match layout::parse_entry(shard, &file) {
                None => {
                    self.problem(
                        ProblemKind::Stray,
                        &rel.child(&file),
                        "not named like an entry of this directory",
                        Vec::new(),
                    );
                }
                Some(key) => self.entry(&key, judged)?,
            }
        }
        Ok(())
    }

    fn entry(&self, key: &Key, judged: &Judged) -> Result<()> {
        let rel = layout::entry(key);
        loop {
            let manifest = match Manifest::read(self.store, key) {
                Ok(None) => return self.torn_entry(key, &rel),
                Ok(Some(manifest)) => manifest,
                Err(error) => return self.bad_entry(key, &rel, &error),
            };
            let lacking = self.lacking(&manifest, judged)?;
            // A missing blob counts only if the entry is still the one that was read.
            if !lacking.is_empty() && self.store.entry_id(key).ok() != Some(Some(manifest.head.id)) {
                continue;
            }
            self.with(|findings| findings.report.entries += 1);
            if !lacking.is_empty() {
                let label = manifest.body.name.unwrap_or_else(|| key.to_string());
                let why = Unfit::Lacks(manifest.head.id, lacking);
                self.with(|findings| findings.entries.push(JudgedEntry { key: *key, label, why }));
            }
            return Ok(());
        }
    }

    /// The blobs of an entry that are damaged, missing, or of another length than it says.
    fn lacking(&self, manifest: &Manifest, judged: &Judged) -> Result<Vec<BlobRef>> {
        let mut lacking = Vec::new();
        for blob in &manifest.head.blobs {
            if judged.sound.binary_search(blob).is_ok() {
                continue;
            }
            // It may have come since the blobs were listed.
            let there = self.store.root().look(&layout::blob(&blob.digest))?.is_some_and(|stat| stat.len == blob.len);
            if !there || judged.damaged.contains(&blob.digest) {
                lacking.push(*blob);
            }
        }
        Ok(lacking)
    }

    /// Tells each damaged blob which entries need it, and reports the blobs that they need and that are not there.
    fn name_entries(&self) {
        let mut needed: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        self.with(|findings| {
            for entry in &findings.entries {
                if let Unfit::Lacks(_, blobs) = &entry.why {
                    for blob in blobs {
                        needed.entry(blob.digest).or_default().push(entry.label.clone());
                    }
                }
            }
            for problem in
                findings.report.problems.iter_mut().filter(|problem| problem.kind == ProblemKind::DamagedBlob)
            {
                problem.entries = named_digest(problem).and_then(|digest| needed.remove(&digest)).unwrap_or_default();
            }
        });
        for (digest, entries) in needed {
            self.problem(ProblemKind::MissingBlob, &layout::blob(&digest), "it is not there", entries);
        }
    }

    fn torn_entry(&self, key: &Key, rel: &Rel) -> Result<()> {
        if Manifest::is_torn(self.store, key)? {
            self.problem(ProblemKind::TornEntry, rel, "power was lost before it was on disk", Vec::new());
        }
        Ok(())
    }

    fn bad_entry(&self, key: &Key, rel: &Rel, error: &Error) -> Result<()> {
        self.with(|findings| findings.report.entries += 1);
        if matches!(error, Error::Unsupported { .. }) {
            self.problem(ProblemKind::UnknownEntry, rel, chain(error), Vec::new());
            return Ok(());
        }
        self.problem(ProblemKind::DamagedEntry, rel, fault(error), Vec::new());
        // Only what was read and found wrong may be moved; what could not be read may be sound.
        if error.is_damage()
            && let Some(file) = self.store.root().open_file(rel)?
        {
            let judged = JudgedEntry { key: *key, label: key.to_string(), why: Unfit::Damaged(file) };
            self.with(|findings| {
                if findings.entries.len() < MAX_HELD {
                    findings.entries.push(judged);
                } else {
                    findings.not_held.push(self.store.root().full(rel));
                }
            });
        }
        Ok(())
    }
}

/// The digest that the problem's file is named by.
fn named_digest(problem: &Problem) -> Option<Digest> {
    problem.path.file_name()?.to_str()?.parse().ok()
}

/// What is wrong with a file, without its path, which the problem names already.
fn fault(error: &Error) -> String {
    match error {
        Error::Corrupt { detail, .. } => detail.clone(),
        Error::Malformed { field, reason, .. } => format!("{field}: {reason}"),
        other => chain(other),
    }
}
