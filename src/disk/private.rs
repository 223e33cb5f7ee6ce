//! Private files: what a live process writes before anybody can see it, and how it is published.
//!
//! The order is in the types: only a [`SealedFile`] has a way to a final name. Its content is on disk, or its mode says
//! that it is not known to be, and an [`Unsynced`] is left over that makes up for it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, Timespec};
use rustix::io::Errno;

use super::inherited::LockFile;
use super::seam::{Flow, Step, Verb};
use super::{
    CERTIFIED_MODE, ExclusiveGuard, FileId, PRIVATE_MODE, PUBLISHED_TIME, Root, UNCERTIFIED_MODE, WriterAt, absent,
    lock, open, random_bits, set_modified,
};
use crate::error::{At, Error, Result};
use crate::layout::{self, Rel, TMP};
use crate::mem::start_writeback;

/// The length of one write call. The kernel keeps pieces of 2 MiB and more in large folios, which makes the first
/// touch of a mapped array ten times cheaper than pieces of 4 KiB do.
const PIECE: usize = 8 << 20;

/// From this length on, space is reserved before the first write.
const RESERVE_FROM: u64 = 1 << 20;

/// From this length on, the kernel is told to begin with the writing: below, the sync comes at once.
const WRITEBACK_FROM: u64 = PIECE as u64;

/// How often a private directory is made until one is locked before a collector sees it. One loss is rare.
const MAX_TRIES: usize = 50;

/// A directory of its own for one live handle, locked as long as it lives: who finds it unlocked may remove it.
#[derive(Debug)]
pub(crate) struct PrivateDir {
    root: Root,
    rel: Rel,
    /// The directory itself, which is its own lock.
    lock: LockFile,
    process: u32,
    next: AtomicU64,
}

impl PrivateDir {
    pub(crate) fn create(root: &Root) -> Result<Arc<Self>> {
        for _ in 1..MAX_TRIES {
            match Self::try_create(root) {
                Ok(Some(made)) => return Ok(Arc::new(made)),
                Ok(None) => {}
                Err(error) if fails_with(&error, &[Errno::NOENT]) => {}
                Err(error) => return Err(error),
            }
        }
        let busy = || io::Error::new(io::ErrorKind::NotFound, "it is taken away as soon as it is made");
        Self::try_create(root)?.map(Arc::new).ok_or_else(busy).at("make a private directory in", root.full(&TMP))
    }

    /// Makes and locks a directory. A collector that comes between the two takes it for a dead process's and removes it:
    /// then it is missing at one step or another, and the next try makes another.
    fn try_create(root: &Root) -> Result<Option<Self>> {
        let rel = TMP.child(&layout::random_name(random_bits()));
        root.make_dir(&rel)?;
        let dir = open::directory(&root.0.fd, rel.as_str()).at("open", root.full(&rel))?;
        let dir = LockFile::new(dir.into());
        if !lock::try_lock_dir(&dir).at("lock", root.full(&rel))? || !is_named(root, &rel, dir.file())? {
            return Ok(None);
        }
        let (root, process) = (root.clone(), std::process::id());
        Ok(Some(PrivateDir { root, rel, lock: dir, process, next: AtomicU64::new(0) }))
    }

    /// Whether this process made it; else a parent did, whose it is.
    pub(crate) fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    fn new_name(&self) -> Rel {
        self.rel.child(&self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Creates a private file.
    pub(crate) fn file(self: &Arc<Self>) -> Result<PrivateFile> {
        self.file_of_mode(PRIVATE_MODE)
    }

    /// Creates one that will be published [unsynced](PrivateFile::seal_unsynced), and has that mode from the start. Not for
    /// a blob, whose mode says that its time is set, too.
    pub(crate) fn uncertified_file(self: &Arc<Self>) -> Result<PrivateFile> {
        self.file_of_mode(UNCERTIFIED_MODE)
    }

    fn file_of_mode(self: &Arc<Self>, mode: u32) -> Result<PrivateFile> {
        let (root, rel) = (&self.root, self.new_name());
        let path = root.full(&rel);
        let step = Step { verb: Verb::Create, path: rel.as_str(), from: None, file: None };
        root.0.seam.before(&step).at("create", &path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        // What is made here, and was not there before, is a regular file.
        let made = open::any(self.lock.file(), rel.split().1, flags, Mode::from_raw_mode(mode));
        let file = made.at("create", &path)?;
        let private =
            PrivateFile { name: OwnName { dir: Arc::clone(self), rel, gone: false }, file, len: 0, hurries: true };
        root.give(&private.file).at("give to the owner", path)?;
        Ok(private)
    }
}

fn is_named(root: &Root, rel: &Rel, dir: &File) -> Result<bool> {
    let path = root.full(rel);
    let held = rustix::fs::fstat(dir).at("look at", &path)?;
    let named = absent(open::directory(&root.0.fd, rel.as_str())).at("open", &path)?;
    let Some(named) = named else { return Ok(false) };
    let named = rustix::fs::fstat(named).at("look at", &path)?;
    Ok((held.st_dev, held.st_ino) == (named.st_dev, named.st_ino))
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        if !self.is_ours() {
            return;
        }
        // What cannot be removed now is removed by the next collector, since the lock ends here.
        drop(self.root.step(Verb::RemoveDir, &self.rel, || {
            self.root.beside(&self.rel, |dir, name| rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR))
        }));
    }
}

/// The name of a private file, unlinked when dropped.
#[derive(Debug)]
struct OwnName {
    dir: Arc<PrivateDir>,
    rel: Rel,
    /// It was given up by renaming.
    gone: bool,
}

impl OwnName {
    /// Opens the file for reading.
    fn open(&self) -> Result<File> {
        let root = &self.dir.root;
        let gone = || io::Error::new(io::ErrorKind::NotFound, "somebody has removed the private file");
        root.open_file(&self.rel)?.ok_or_else(gone).at("open", root.full(&self.rel))
    }

    /// Gives the file a place in the store, by an operation that takes the directory and the name of both.
    fn place(
        &self,
        to: &Rel,
        op: impl FnOnce(&File, &str, &OwnedFd, &str) -> rustix::io::Result<()>,
    ) -> io::Result<()> {
        self.dir.root.beside(to, |target, new| op(self.dir.lock.file(), self.rel.split().1, target, new))
    }
}

impl Drop for OwnName {
    fn drop(&mut self) {
        if !self.gone && self.dir.is_ours() {
            drop(self.dir.root.unlink_unguarded(&self.rel));
        }
    }
}

/// A private file that is being written.
#[derive(Debug)]
pub(crate) struct PrivateFile {
    name: OwnName,
    file: File,
    len: u64,
    /// The sync comes next: the kernel is told early to begin with the writing.
    hurries: bool,
}

/// Whether a file's time is fixed when it is published (a blob's) or left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    Fixed,
    Now,
}

impl PrivateFile {
    /// Reserves space, so that a full disk shows before the work, and the file lies in few extents.
    pub(crate) fn reserve(&self, len: u64) -> Result<()> {
        // Where the file system cannot, writing will tell.
        if len < RESERVE_FROM { Ok(()) } else { self.allocate(len).map(drop) }
    }

    /// Makes the file this long, of zeros, with space for all of it; `false` where the file system cannot, and nothing
    /// is changed.
    pub(crate) fn allocate(&self, len: u64) -> Result<bool> {
        let step = Step { verb: Verb::Reserve, path: self.name.rel.as_str(), from: None, file: Some(&self.file) };
        match self.name.dir.root.0.seam.before(&step).and_then(|_| Ok(allocate(&self.file, len)?)) {
            Ok(()) => Ok(true),
            Err(error) if Errno::from_io_error(&error).is_some_and(|errno| CANNOT_ALLOCATE.contains(&errno)) => {
                Ok(false)
            }
            Err(error) => Err(error).at(step.verb.action(), self.path()),
        }
    }

    /// Leaves it to who syncs the file later to begin with the writing.
    pub(crate) fn unhurried(mut self) -> Self {
        self.hurries = false;
        self
    }

    /// Counts bytes that were written at their places, or through a map of the file.
    pub(crate) fn filled(&mut self, len: u64) {
        self.len = len;
    }

    /// The file itself, to be mapped.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The same file, open for reading alone: it can still be sealed.
    pub(crate) fn into_read_only(self) -> Result<Self> {
        let file = self.name.open()?;
        Ok(PrivateFile { file, ..self })
    }

    /// Appends bytes. What makes a large file goes to the disk while the rest is written, so that the sync is short.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        for piece in bytes.chunks(PIECE) {
            self.write_piece(piece).at("write", self.path())?;
            let before = self.len;
            self.len += piece.len() as u64;
            if self.hurries && self.len >= WRITEBACK_FROM {
                let from = if before < WRITEBACK_FROM { 0 } else { before };
                start_writeback(&self.file, from, self.len - from);
            }
        }
        Ok(())
    }

    fn write_piece(&self, piece: &[u8]) -> io::Result<()> {
        self.write_with(piece, |bytes| (&self.file).write_all(bytes))
    }

    fn write_with(&self, piece: &[u8], write: impl Fn(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let step = Step { verb: Verb::Write, path: self.name.rel.as_str(), from: None, file: Some(&self.file) };
        match self.name.dir.root.0.seam.before(&step)? {
            Flow::Go => write(piece),
            Flow::Skip => Ok(()),
            Flow::Half => {
                write(&piece[..piece.len() / 2])?;
                Err(io::Error::other("stopped in the middle of a write"))
            }
        }
    }

    /// Writes one piece of a large file at its place, where others may be writing other pieces. Who knows that all are
    /// written says [how much that is](Self::filled).
    pub(crate) fn write_at(&self, at: u64, piece: &[u8]) -> Result<()> {
        self.write_with(piece, |bytes| WriterAt::new(&self.file, at).write_all(bytes)).at("write", self.path())?;
        if self.hurries {
            start_writeback(&self.file, at, piece.len() as u64);
        }
        Ok(())
    }

    /// How many bytes were written.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    fn path(&self) -> std::path::PathBuf {
        self.name.dir.root.full(&self.name.rel)
    }

    /// Sets the published mode and time, checks the length, and syncs: content, size, mode and time are on disk after.
    ///
    /// If the sync fails the file is dropped. It is never synced again or read back: after a failed sync the kernel
    /// reports success although the data is lost.
    pub(crate) fn seal(self, time: Time) -> Result<SealedFile> {
        let id = self.settle(time, CERTIFIED_MODE)?;
        let PrivateFile { name, file, .. } = self;
        sync(&name, &file)?;
        Ok(SealedFile { name, id, unsynced: None })
    }

    /// The same without the sync, which is owed: the mode says so to everybody.
    pub(crate) fn seal_unsynced(self, time: Time) -> Result<SealedFile> {
        let id = self.settle(time, UNCERTIFIED_MODE)?;
        let PrivateFile { name, file, .. } = self;
        Ok(SealedFile { name, id, unsynced: Some(Arc::new(file)) })
    }

    fn settle(&self, time: Time, mode: u32) -> Result<FileId> {
        let PrivateFile { name, file, len, .. } = self;
        let root = &name.dir.root;
        let stat = root.look_at(file, &name.rel)?;
        let step = Step { verb: Verb::Settle, path: name.rel.as_str(), from: None, file: Some(file) };
        root.run(&step, || {
            if stat.owner.mode() != mode {
                rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
            }
            if time == Time::Fixed {
                set_modified(file, Timespec { tv_sec: PUBLISHED_TIME, tv_nsec: 0 })?;
            }
            Ok(())
        })?;
        if stat.len == *len {
            return Ok(stat.id);
        }
        let found = io::Error::other(format!("{len} bytes were written, the file has {}", stat.len));
        Err(found).at("write", root.full(&name.rel))
    }
}

/// Puts the content of a private file on disk, through the descriptor that wrote it.
fn sync(name: &OwnName, file: &File) -> Result<()> {
    let step = Step { verb: Verb::Sync, path: name.rel.as_str(), from: None, file: Some(file) };
    name.dir.root.run(&step, || file.sync_all())
}

/// A private file that is complete: its content is on disk, or is owed.
#[derive(Debug)]
pub(crate) struct SealedFile {
    name: OwnName,
    id: FileId,
    /// The descriptor that wrote it, if it was not synced.
    unsynced: Option<Arc<File>>,
}

/// A published file that is still to be synced, through the descriptor that wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Unsynced {
    root: Root,
    rel: Rel,
    file: Arc<File>,
    id: FileId,
}

impl Unsynced {
    /// Which file this is.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Has the kernel begin with the writing.
    pub(crate) fn start(&self) {
        start_writeback(&self.file, 0, 0);
    }

    /// Puts the content on disk. After a failure it is not tried again: the kernel would report success.
    pub(crate) fn sync(&self) -> Result<()> {
        let step = Step { verb: Verb::Sync, path: self.rel.as_str(), from: None, file: Some(&self.file) };
        self.root.run(&step, || self.file.sync_all())
    }

    /// Says to everybody that content and name are on disk.
    pub(crate) fn certify(&self) -> Result<()> {
        self.root.certify(&self.file, &self.rel)
    }

    /// Says to everybody that the content may be lost.
    pub(crate) fn condemn(&self) -> Result<()> {
        self.root.mark_suspect(&self.file, &self.rel)
    }
}

/// How publishing without replacing went.
#[derive(Debug)]
pub(crate) enum Linked {
    /// The file has the name, and its private one besides.
    Both,
    /// Hard links are refused here: the file has the name and no other. This is it, opened.
    Moved(File),
    /// Another file has the name.
    Taken,
}

impl SealedFile {
    /// Which file this is.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Opens the content for reading.
    pub(crate) fn open(&self) -> Result<File> {
        self.name.open()
    }

    /// What is owed of a file that has this final name, if anything is.
    pub(crate) fn unsynced(&self, rel: &Rel) -> Option<Unsynced> {
        let file = Arc::clone(self.unsynced.as_ref()?);
        Some(Unsynced { root: self.name.dir.root.clone(), rel: rel.clone(), file, id: self.id })
    }

    /// Puts the content on disk, if that is owed, and says so.
    pub(crate) fn make_sure(&mut self) -> Result<()> {
        let Some(file) = self.unsynced.take() else { return Ok(()) };
        sync(&self.name, &file)?;
        self.name.dir.root.certify(&file, &self.name.rel)
    }

    /// Publishes under a name that may be taken. The private name stays where links exist, so that the file can be
    /// published again should the other name go.
    pub(crate) fn link(&mut self, to: &Rel) -> Result<Linked> {
        let root = &self.name.dir.root;
        let step = Step { verb: Verb::Link, path: to.as_str(), from: Some(self.name.rel.as_str()), file: None };
        let linked = root.run(&step, || {
            self.name
                .place(to, |source, old, target, new| rustix::fs::linkat(source, old, target, new, AtFlags::empty()))
        });
        match linked {
            Ok(()) => Ok(Linked::Both),
            Err(error) if fails_with(&error, &[Errno::EXIST]) => Ok(Linked::Taken),
            Err(error) if fails_with(&error, &NO_LINKS) => {
                // It cannot be published again later, so nothing may be owed of it.
                self.make_sure()?;
                self.move_to(to)
            }
            Err(error) => Err(error),
        }
    }

    /// Publishes under a name that may be taken, by giving up the private one.
    fn move_to(&self, to: &Rel) -> Result<Linked> {
        let root = &self.name.dir.root;
        let file = root.open_file(&self.name.rel)?;
        let step = Step { verb: Verb::Rename, path: to.as_str(), from: Some(self.name.rel.as_str()), file: None };
        match (root.run(&step, || self.name.place(to, move_without_replacing)), file) {
            (Ok(()), Some(file)) => Ok(Linked::Moved(file)),
            (Err(error), _) if fails_with(&error, &[Errno::EXIST]) => Ok(Linked::Taken),
            (moved, _) => moved.map(|()| Linked::Both),
        }
    }

    /// Publishes over whatever has the name; maps of the old file keep it. The private name stays, where links exist.
    pub(crate) fn replace(&mut self, to: &Rel) -> Result<()> {
        let root = self.name.dir.root.clone();
        let second = self.name.dir.new_name();
        let linked = root.beside(&self.name.rel, |dir, old| {
            let new = second.split().1;
            rustix::fs::linkat(dir, old, dir, new, AtFlags::empty())
        });
        if linked.is_err() {
            self.make_sure()?;
        }
        let from = if linked.is_ok() { &second } else { &self.name.rel };
        root.rename_unguarded(from, to)
    }

    /// Publishes over whatever has the name, by giving up the private name. Returns whether there was something, for who
    /// holds the lock under which it changes, and what is owed.
    pub(crate) fn rename_over(mut self, to: &Rel) -> Result<(bool, Option<Unsynced>)> {
        let from = Some(self.name.rel.as_str());
        let step = Step { verb: Verb::Rename, path: to.as_str(), from, file: None };
        let mut replaced = false;
        self.name.dir.root.run(&step, || {
            self.name.place(to, |source, old, target, new| {
                replaced = move_over(source, old, target, new)?;
                Ok(())
            })
        })?;
        self.name.gone = true;
        let owed = self.unsynced(to);
        Ok((replaced, owed))
    }
}

/// What a file system says that reserves no space.
const CANNOT_ALLOCATE: [Errno; 3] = [Errno::OPNOTSUPP, Errno::INVAL, Errno::NOSYS];

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn allocate(file: &File, len: u64) -> rustix::io::Result<()> {
    rustix::io::retry_on_intr(|| rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, len))
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn allocate(_: &File, _: u64) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

/// What a file system says that has no hard links, or none for this file.
const NO_LINKS: [Errno; 4] = [Errno::PERM, Errno::OPNOTSUPP, Errno::MLINK, Errno::NOSYS];

fn fails_with(error: &Error, errnos: &[Errno]) -> bool {
    matches!(error, Error::Io { source, .. } if Errno::from_io_error(source).is_some_and(|errno| errnos.contains(&errno)))
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn move_without_replacing(source: &File, old: &str, target: &OwnedFd, new: &str) -> rustix::io::Result<()> {
    rustix::fs::renameat_with(source, old, target, new, rustix::fs::RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn move_without_replacing(source: &File, old: &str, target: &OwnedFd, new: &str) -> rustix::io::Result<()> {
    // Replacing equal bytes by equal bytes is harmless: only blobs are linked.
    rustix::fs::renameat(source, old, target, new)
}

/// Renames over what has the name, if anything has; whether it had. Most names are new: then one call does for both.
fn move_over(source: &File, old: &str, target: &OwnedFd, new: &str) -> rustix::io::Result<bool> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    if move_without_replacing(source, old, target, new).is_ok() {
        return Ok(false);
    }
    let replaced = rustix::fs::statat(target, new, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    rustix::fs::renameat(source, old, target, new)?;
    Ok(replaced)
}

/// Removes the private directories of dead processes; returns how many.
pub(crate) fn remove_dead_private_dirs(root: &Root, guard: &ExclusiveGuard) -> Result<u64> {
    let mut removed = 0;
    for listed in root.list(&TMP)? {
        let rel = TMP.child(&listed.name);
        let Ok(dir) = open::directory(&root.0.fd, rel.as_str()) else { continue };
        let dir = LockFile::new(dir.into());
        if lock::try_lock_dir(&dir).at("lock", root.full(&rel))? {
            remove_dir(root, &rel, guard)?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn remove_dir(root: &Root, rel: &Rel, guard: &ExclusiveGuard) -> Result<()> {
    for listed in root.list(rel)? {
        root.unlink(&rel.child(&listed.name), guard)?;
    }
    root.step(Verb::RemoveDir, rel, || {
        root.beside(rel, |dir, name| rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR))
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn moving_without_replacing_refuses_a_taken_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::open(dir.path()).unwrap();
        let fd = OwnedFd::from(file.try_clone().unwrap());
        std::fs::write(dir.path().join("a"), b"a").unwrap();
        std::fs::write(dir.path().join("b"), b"b").unwrap();
        assert_eq!(move_without_replacing(&file, "a", &fd, "b").unwrap_err(), Errno::EXIST);
        move_without_replacing(&file, "a", &fd, "c").unwrap();
        assert_eq!(std::fs::read(dir.path().join("c")).unwrap(), b"a");
    }
}
