//! Blobs: looking at them, staging new ones, opening and checking old ones.

use std::io::Read;
use std::sync::Arc;

use super::stream::{hash, write_hashed};
use super::{Durability, Store};
use crate::digest::Hasher;
use crate::disk::{FileId, Owner, Positioned, PrivateFile, Seal, SealedFile, Stat, Time};
use crate::error::{At, Error, Result};
use crate::format::head::BlobRef;
use crate::layout;
use crate::mem::Mapping;
use crate::threads;

#[expect(clippy::disallowed_types, reason = "a file that `disk` opened")]
type File = std::fs::File;

/// How much of a map is hashed at a time.
const MAP_PIECE: usize = 64 << 20;

/// How many files of blobs that are there already one writer keeps open. Each lets it put the blob back should it be
/// collected before the commit; for more than these it writes private files instead.
pub(crate) const MAX_HELD: usize = 128;

/// How long who has found damage waits for the gate before it leaves a mark instead.
const QUARANTINE_WAIT: std::time::Duration = std::time::Duration::from_millis(100);

/// What lies under a blob's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Absent,
    /// Size, mode or time are not as published.
    Suspect,
    /// It is not known to be on disk, and this process does not owe that; or it does, and the handle does not defer.
    Uncertain(FileId),
    Good(FileId),
}

/// A blob that an entry is going to name, and what keeps its bytes at hand until it does.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) blob: BlobRef,
    pub(crate) held: Held,
}

impl Staged {
    /// Writes what a reader yields into a private file that has no content yet, in one pass.
    pub(crate) fn read_into(mut file: PrivateFile, reader: &mut dyn Read) -> Result<Self> {
        let blob = write_hashed(&mut file, reader)?;
        Ok(Staged { blob, held: Held::Written(file) })
    }

    /// Whether its bytes had to be written.
    pub(crate) fn is_new(&self) -> bool {
        !matches!(self.held, Held::Open(_))
    }

    /// Makes the file ready to be published: its content is on disk then, or is owed where syncs may wait.
    pub(crate) fn seal(self, durability: Durability) -> Result<Self> {
        let held = match (self.held, durability) {
            (Held::Written(file), _) => Held::Private(seal(file, Time::Fixed, durability)?),
            (Held::Private(mut file), Durability::Full) => {
                file.make_sure()?;
                Held::Private(file)
            }
            (held, _) => held,
        };
        Ok(Staged { held, ..self })
    }

    /// Opens its bytes for reading.
    pub(crate) fn open(&self) -> Result<File> {
        match &self.held {
            Held::Written(file) => file.file().try_clone().at("open", "a private file"),
            Held::Private(file) => file.open(),
            Held::Open(file) => file.try_clone().at("open", "a blob"),
        }
    }
}

/// Makes a private file ready to be published.
pub(super) fn seal(file: PrivateFile, time: Time, durability: Durability) -> Result<SealedFile> {
    match durability {
        Durability::Full => file.seal(time),
        Durability::Deferred => file.seal_unsynced(time),
    }
}

#[derive(Debug)]
pub(crate) enum Held {
    /// A private file that is not sealed yet: that is done for all files of an entry at once.
    Written(PrivateFile),
    /// A private file, not published yet or published by a link.
    Private(SealedFile),
    /// The file that was found under the name.
    Open(File),
}

impl Store {
    pub(crate) fn presence(&self, blob: &BlobRef) -> Result<Presence> {
        Ok(match self.root().look(&layout::blob(&blob.digest))? {
            None => Presence::Absent,
            Some(stat) => self.presence_of(blob, &stat),
        })
    }

    /// Whether a file counts as the blob to who is going to name it. One that is not known to be on disk does only where
    /// this process owes that: who else wrote it may have been cut short by the last power loss.
    fn presence_of(&self, blob: &BlobRef, stat: &Stat) -> Presence {
        match stat.seal {
            _ if stat.len != blob.len => Presence::Suspect,
            Seal::Certified => Presence::Good(stat.id),
            Seal::Uncertified if self.defers() && self.owes(&blob.digest, stat.id) => Presence::Good(stat.id),
            Seal::Uncertified => Presence::Uncertain(stat.id),
            Seal::Unsettled | Seal::Broken => Presence::Suspect,
        }
    }

    /// Opens a blob that an entry may name; `None` if it is absent, suspect, or not certain to be on disk.
    pub(crate) fn open_published(&self, blob: &BlobRef) -> Result<Option<File>> {
        let rel = layout::blob(&blob.digest);
        let opened = match self.root().open_and_look(&rel) {
            // A link or a pipe, say: it is replaced like any other file that is not as published.
            Err(_) if self.root().look(&rel)?.is_none() => None,
            opened => opened?,
        };
        let Some((file, stat)) = opened else { return Ok(None) };
        Ok(matches!(self.presence_of(blob, &stat), Presence::Good(_)).then_some(file))
    }

    /// Opens a blob again that an entry of this boot named when it was opened; `None` if it is absent, or its content has
    /// to be looked at first.
    pub(crate) fn open_certain(&self, blob: &BlobRef, boot: &[u8; 16]) -> Result<Option<File>> {
        let opened = self.root().open_and_look(&layout::blob(&blob.digest))?;
        let is_certain = |stat: &Stat| match stat.seal {
            Seal::Certified => true,
            Seal::Uncertified => self.vouches(boot),
            Seal::Unsettled | Seal::Broken => false,
        };
        Ok(opened.filter(|(_, stat)| stat.len == blob.len && is_certain(stat)).map(|(file, _)| file))
    }

    /// Stages a blob whose digest is known, if it is there.
    pub(crate) fn stage_known(&self, blob: BlobRef, may_hold: bool) -> Result<Option<Staged>> {
        if !may_hold {
            return Ok(None);
        }
        Ok(self.open_published(&blob)?.map(|file| Staged { blob, held: Held::Open(file) }))
    }

    /// Stages bytes in memory that are not there.
    pub(crate) fn stage_bytes(&self, blob: BlobRef, bytes: &[u8]) -> Result<Staged> {
        self.stage_bytes_into(None, blob, bytes)
    }

    /// The same, into a private file that has no content yet, if there is one.
    pub(crate) fn stage_bytes_into(&self, file: Option<PrivateFile>, blob: BlobRef, bytes: &[u8]) -> Result<Staged> {
        let mut file = match file {
            Some(file) => file,
            None => self.private_file()?,
        };
        file.reserve(blob.len)?;
        file.write(bytes)?;
        Ok(Staged { blob, held: Held::Written(file) })
    }

    /// Stages what a reader yields, in one pass: the private file is written while the digest is computed. Who knows how
    /// much that will be says so.
    pub(crate) fn stage_reader(&self, reader: &mut dyn Read, len: Option<u64>) -> Result<Staged> {
        let file = self.private_file()?;
        len.map_or(Ok(()), |len| file.reserve(len))?;
        Staged::read_into(file, reader)
    }

    /// Stages a private file that was written and hashed; if its bytes are in the store, those instead.
    pub(crate) fn stage_written(&self, file: PrivateFile, hasher: &Hasher) -> Result<Staged> {
        let blob = BlobRef { digest: hasher.finish(), len: file.len() };
        let there = self.stage_known(blob, true)?;
        Ok(there.unwrap_or(Staged { blob, held: Held::Written(file) }))
    }

    /// Stages a private file of this length that was filled through a map, which is no more: hashes it on all cores
    /// while the disk writes it.
    pub(crate) fn stage_filled(&self, mut file: PrivateFile, len: u64) -> Result<Staged> {
        file.filled(len);
        let content = self.open_bytes(len, file.file().try_clone().at("open", "a private file")?)?;
        let seal = || seal(file, Time::Fixed, self.durability());
        let (hashed, sealed) = threads::spread(|| rayon::join(|| hash_open(&content), seal));
        Ok(Staged { blob: hashed?, held: Held::Private(sealed?) })
    }

    /// Stages a blob anew from a file that was it until a collector unlinked it.
    pub(crate) fn stage_again(&self, blob: BlobRef, file: &File) -> Result<Staged> {
        let staged = self.stage_reader(&mut Positioned::new(file), None)?.seal(self.durability())?;
        if staged.blob == blob { Ok(staged) } else { Err(self.corrupt(&blob, &staged.blob)) }
    }

    fn corrupt(&self, expected: &BlobRef, found: &BlobRef) -> Error {
        let detail = if expected.len == found.len {
            format!("its digest is {}", found.digest)
        } else {
            format!("{} bytes are expected, found {}", expected.len, found.len)
        };
        let path = self.root().full(&layout::blob(&expected.digest));
        Error::Corrupt { path, detail, digest: Some(Box::new(expected.digest)) }
    }

    /// Opens a blob for reading; `None` if it is missing, or was lost with the power before it was on disk. If it is
    /// suspect, or was written before this boot and is not known to be on disk, its content is hashed first. `boot` is what
    /// the entry says that names it. Tells, too, whose it is.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the content is not what the name says; it is quarantined or marked.
    pub(crate) fn open_blob(&self, blob: &BlobRef, boot: &[u8; 16]) -> Result<Option<(OpenBlob, Owner)>> {
        let rel = layout::blob(&blob.digest);
        let Some((file, stat)) = self.root().open_and_look(&rel)? else { return Ok(None) };
        if stat.seal.is_uncertain() && !self.vouches(boot) {
            return self.open_uncertain(blob, file, &stat);
        }
        if stat.len != blob.len {
            return Err(self.condemn(blob, &BlobRef { digest: blob.digest, len: stat.len }, &file));
        }
        if !matches!(stat.seal, Seal::Certified | Seal::Uncertified) {
            self.check_suspect(blob, &file)?;
        }
        Ok(Some((self.open_bytes(blob.len, file)?, stat.owner)))
    }

    /// Whether what the writer of an entry published without a sync is there all the same: as long as its boot lasts.
    pub(super) fn vouches(&self, boot: &[u8; 16]) -> bool {
        *boot == self.inner.boot && *boot != [0; 16]
    }

    /// Opens a blob that power loss may have cut short.
    fn open_uncertain(&self, blob: &BlobRef, file: File, stat: &Stat) -> Result<Option<(OpenBlob, Owner)>> {
        if stat.len != blob.len || self.hash_file(blob, &file)? != *blob {
            return Ok(None);
        }
        self.certify_found(blob, &file);
        Ok(Some((self.open_bytes(blob.len, file)?, stat.owner)))
    }

    /// Whether a blob is there, as far as that shows without reading it; what power loss may have cut short is read.
    pub(super) fn is_there(&self, blob: &BlobRef, boot: &[u8; 16]) -> Result<bool> {
        match self.root().look(&layout::blob(&blob.digest))? {
            Some(stat) if stat.seal.is_uncertain() && !self.vouches(boot) => Ok(self.open_blob(blob, boot)?.is_some()),
            found => Ok(found.is_some_and(|stat| stat.len == blob.len)),
        }
    }

    /// Puts blobs on disk that others have published and not synced, before another entry is to rest on them; whether
    /// all are there.
    pub(super) fn make_certain(&self, blobs: &[BlobRef]) -> Result<bool> {
        let full = self.clone().with_durability(Durability::Full);
        for blob in blobs {
            if !matches!(full.presence(blob)?, Presence::Uncertain(_)) {
                continue;
            }
            self.flush()?;
            if let Presence::Uncertain(_) = full.presence(blob)?
                && !full.publish_again(blob)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Publishes a blob anew from what lies under its name; `false` if that is something else.
    fn publish_again(&self, blob: &BlobRef) -> Result<bool> {
        let Some(file) = self.root().open_file(&layout::blob(&blob.digest))? else { return Ok(false) };
        let staged = self.stage_reader(&mut Positioned::new(&file), Some(blob.len))?;
        if staged.blob != *blob {
            return Ok(false);
        }
        self.publish_blobs(&mut [staged.seal(Durability::Full)?]).map(|_| true)
    }

    /// The same where somebody else says how long the blob is: who is wrong, if another length is found, nobody knows.
    pub(crate) fn open_claimed(&self, blob: &BlobRef, boot: &[u8; 16]) -> Result<Option<OpenBlob>> {
        match self.root().look(&layout::blob(&blob.digest))? {
            Some(stat) if stat.len != blob.len => {
                Err(self.corrupt(blob, &BlobRef { digest: blob.digest, len: stat.len }))
            }
            _ => Ok(self.open_blob(blob, boot)?.map(|(open, _)| open)),
        }
    }

    /// Maps an open file of this length, where maps are allowed.
    pub(crate) fn open_bytes(&self, len: u64, file: File) -> Result<OpenBlob> {
        if !self.mapping().allows_maps() {
            return Ok(OpenBlob::File(Arc::new(file)));
        }
        let len = usize::try_from(len).map_err(|_| too_large(len))?;
        let map = Mapping::new(&file, len, self.mapping()).at("map", self.root().full(&layout::BLOBS))?;
        Ok(OpenBlob::Mapped(Arc::new(map)))
    }

    /// Hashes a file whose metadata are not as published, and certifies it if the content is right.
    fn check_suspect(&self, blob: &BlobRef, file: &File) -> Result<()> {
        match self.hash_file(blob, file)? {
            found if found == *blob => self.certify_found(blob, file),
            found => return Err(self.condemn(blob, &found, file)),
        }
        Ok(())
    }

    /// Makes sure that a file whose content was found right is on disk, and says so.
    fn certify_found(&self, blob: &BlobRef, file: &File) {
        if !self.is_read_only() {
            // Who may not change another user's file leaves it as it is; the next reader hashes again.
            drop(self.root().certify_found(file, &layout::blob(&blob.digest)));
        }
    }

    pub(crate) fn hash_file(&self, blob: &BlobRef, file: &File) -> Result<BlobRef> {
        hash(&mut Positioned::new(file)).map_err(|error| self.name_input(error, blob))
    }

    /// Puts the blob's path where a failed read only knew "the input".
    pub(crate) fn name_input(&self, error: Error, blob: &BlobRef) -> Error {
        match error {
            Error::Io { action, source, path } if path == std::path::Path::new("the input") => {
                Error::Io { action, path: self.root().full(&layout::blob(&blob.digest)), source }
            }
            other => other,
        }
    }

    /// Sees to it that a damaged blob is written anew by the next put, and makes the error that says what was found.
    pub(crate) fn condemn(&self, blob: &BlobRef, found: &BlobRef, file: &File) -> Error {
        if !self.is_read_only() {
            let rel = layout::blob(&blob.digest);
            // The mark is enough, needs no lock, and cannot hit another file. It fails only for another user's file;
            // then the gate may still be had.
            drop(self.root().mark_suspect(file, &rel));
            drop(self.quarantine(blob, file));
        }
        self.corrupt(blob, found)
    }

    /// The same where the bytes came from a map: the file is opened again, and hashed before it is judged, since the
    /// name may lead to another file by now.
    pub(crate) fn condemn_by_name(&self, blob: &BlobRef, found: &BlobRef) -> Error {
        if let Ok(Some(file)) = self.root().open_file(&layout::blob(&blob.digest))
            && self.hash_file(blob, &file).is_ok_and(|hashed| hashed != *blob)
        {
            return self.condemn(blob, found, &file);
        }
        self.corrupt(blob, found)
    }

    /// Moves a blob into quarantine, if its name still leads to the file that was judged.
    fn quarantine(&self, blob: &BlobRef, file: &File) -> Result<bool> {
        let gate = self.close_gate(QUARANTINE_WAIT)?;
        let rel = layout::blob(&blob.digest);
        if self.root().look(&rel)?.is_none() || !self.root().leads_to(&rel, file)? {
            return Ok(false);
        }
        self.root().rename(&rel, &quarantine_name(rel.split().1), &gate)?;
        Ok(true)
    }
}

/// A name in quarantine that is not taken: damaged files of one name may come more than once.
pub(crate) fn quarantine_name(name: &str) -> layout::Rel {
    layout::QUARANTINE.child(&format!("{name}.{}", layout::random_name(crate::disk::random_bits())))
}

fn too_large(size: u64) -> Error {
    Error::TooLarge { what: "the size of the blob in bytes", size, limit: usize::MAX as u64 }
}

/// A blob that stays readable whatever happens to its name.
#[derive(Clone, Debug)]
pub(crate) enum OpenBlob {
    Mapped(Arc<Mapping>),
    File(Arc<File>),
}

/// Hashes an open blob, piece by piece: a map larger than memory is read from front to back.
fn hash_open(blob: &OpenBlob) -> Result<BlobRef> {
    match blob {
        OpenBlob::File(file) => hash(&mut Positioned::new(file)),
        OpenBlob::Mapped(map) => {
            let mut hasher = Hasher::new();
            map.bytes().chunks(MAP_PIECE).for_each(|piece| hasher.update(piece));
            Ok(BlobRef { digest: hasher.finish(), len: map.bytes().len() as u64 })
        }
    }
}
