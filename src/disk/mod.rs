//! The file system: every call of `std::fs` and its like, beneath one directory descriptor. Knows nothing of blobs or entries.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this module is the room that the fence is around"
)]

mod byte;
mod given;
mod host;
mod inherited;
mod lock;
mod open;
mod owner;
mod positioned;
mod private;
mod scan;
pub(crate) mod seam;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

pub(crate) use given::open_given;
pub(crate) use host::{
    available_space, boot_id, forbids_deferring, host_name, is_local, now_ns, open_files_limit, random_bits,
    untrusted_file_system, user_name,
};
pub(crate) use inherited::{for_each_lock, null_device, redirect};
pub use lock::on_wait;
pub(crate) use lock::{ExclusiveGuard, OneOfMany, SharedGuard};
pub(crate) use owner::Owner;
pub(crate) use positioned::{Positioned, WriterAt, copy_range};
pub(crate) use private::{Linked, PrivateDir, PrivateFile, SealedFile, Time, Unsynced, remove_dead_private_dirs};
pub(crate) use scan::{Listed, tree_bytes};

use crate::error::{At, Error, Result};
use crate::layout::Rel;
use seam::{Flow, Seam, Step, Verb};

/// The mode of a published file that is on disk, whatever happens to the power.
const CERTIFIED_MODE: u32 = 0o444;
/// The mode of a published file that is not known to be on disk yet: one that no editor and no `chmod -R` gives.
const UNCERTIFIED_MODE: u32 = 0o544;
/// The mode that a private file is made with, for the same reason.
const PRIVATE_MODE: u32 = 0o500;
/// The modification time of every published blob: 1980-01-01 00:00 UTC, a time that archives can hold, too.
const PUBLISHED_TIME: i64 = 315_532_800;

/// A store's directory, held by descriptor: every path is opened beneath it, and no link is followed.
#[derive(Clone, Debug)]
pub(crate) struct Root(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fd: OwnedFd,
    path: PathBuf,
    seam: Seam,
    shared: bool,
    /// The user and group that new files are given to, when root writes into the store of another.
    owner: Option<(rustix::fs::Uid, rustix::fs::Gid)>,
    idle: lock::Idle,
}

/// What tells one file from another for as long as one of them is held open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

/// What a look at a regular file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) id: FileId,
    pub(crate) len: u64,
    /// Seconds of the last modification since 1970.
    pub(crate) modified: i64,
    pub(crate) seal: Seal,
    pub(crate) owner: Owner,
}

/// What mode and time of a blob's file say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seal {
    /// They are those of a blob whose content is on disk.
    Certified,
    /// They are those of a blob that was published before it was synced, and nobody has said since that it is on disk.
    Uncertified,
    /// The mode is that of a private file: as power loss may leave one that was published before it was synced.
    Unsettled,
    /// Somebody has changed them, or the content.
    Broken,
}

impl Seal {
    /// Whether power loss may have cut the content short.
    pub(crate) fn is_uncertain(self) -> bool {
        matches!(self, Seal::Uncertified | Seal::Unsettled)
    }

    fn of(mode: u32, modified: i64, nanoseconds: i64) -> Self {
        match mode & 0o7777 {
            PRIVATE_MODE => Seal::Unsettled,
            CERTIFIED_MODE if (modified, nanoseconds) == (PUBLISHED_TIME, 0) => Seal::Certified,
            UNCERTIFIED_MODE if (modified, nanoseconds) == (PUBLISHED_TIME, 0) => Seal::Uncertified,
            _ => Seal::Broken,
        }
    }
}

impl Stat {
    #[allow(
        clippy::unnecessary_cast,
        clippy::useless_conversion,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap,
        reason = "the types differ by platform"
    )]
    fn new(stat: &rustix::fs::Stat) -> Option<Self> {
        let regular = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile;
        regular.then(|| Stat {
            id: FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 },
            len: stat.st_size as u64,
            modified: stat.st_mtime as i64,
            seal: Seal::of(u32::from(stat.st_mode), stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            owner: Owner::new(stat),
        })
    }
}

impl Root {
    /// Opens an existing directory; the path itself may lead through links.
    pub(crate) fn open(path: &Path, seam: Seam) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty()).at("open store", path)?;
        let owner = host::other_owner(&fd).at("look at", path)?;
        let path = std::path::absolute(path).at("resolve", path)?;
        Ok(Root(Arc::new(Inner { fd, path, seam, shared: false, owner, idle: lock::Idle::default() })))
    }

    /// The same directory, with the modes of a store that a group shares.
    pub(crate) fn with_sharing(self, shared: bool) -> Self {
        let inner = Arc::into_inner(self.0).expect("called while the store is being opened, before any clone");
        Root(Arc::new(Inner { shared, ..inner }))
    }

    /// Makes a directory and its parents where they are missing, and syncs what was made.
    pub(crate) fn create(path: &Path) -> Result<()> {
        let missing: Vec<&Path> =
            path.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
        std::fs::create_dir_all(path).at("make directory", path)?;
        for dir in missing {
            let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(parent).and_then(|parent| parent.sync_all()).at("sync directory", parent)?;
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    /// The full path, for messages only.
    pub(crate) fn full(&self, rel: &Rel) -> PathBuf {
        if rel.as_str().is_empty() { self.0.path.clone() } else { self.0.path.join(rel.as_str()) }
    }

    /// What tells the store's directory from every other.
    pub(crate) fn id(&self) -> Result<FileId> {
        let stat = rustix::fs::fstat(&self.0.fd).at("look at", &self.0.path)?;
        #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "the types differ by platform")]
        Ok(FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 })
    }

    /// Whether the store's directory has been removed.
    pub(crate) fn is_removed(&self) -> Result<bool> {
        Ok(rustix::fs::fstat(&self.0.fd).at("look at", &self.0.path)?.st_nlink == 0)
    }

    /// The permission bits of the store's directory.
    pub(crate) fn mode(&self) -> Result<u32> {
        let stat = rustix::fs::fstat(&self.0.fd).at("look at", &self.0.path)?;
        #[allow(clippy::useless_conversion, reason = "the type differs by platform")]
        Ok(u32::from(stat.st_mode) & 0o7777)
    }

    fn dir_mode(&self) -> Mode {
        Mode::from_raw_mode(if self.0.shared { 0o2770 } else { 0o700 })
    }

    fn lock_mode(&self) -> Mode {
        Mode::from_raw_mode(if self.0.shared { 0o660 } else { 0o600 })
    }

    /// Does one operation after the seam has seen it. An operation that a test leaves out yields the default.
    fn run<T: Default>(&self, step: &Step<'_>, op: impl FnOnce() -> io::Result<T>) -> Result<T> {
        self.run_seen(step, |_| op())
    }

    /// The same, of an operation that a test may want done in part.
    fn run_seen<T: Default>(&self, step: &Step<'_>, op: impl FnOnce(Flow) -> io::Result<T>) -> Result<T> {
        match self.0.seam.before(step) {
            Ok(Flow::Skip) => Ok(T::default()),
            Ok(flow) => op(flow),
            Err(error) => Err(error),
        }
        .at_made(step.verb.action(), || self.0.path.join(step.path))
    }

    fn step<T: Default>(&self, verb: Verb, rel: &Rel, op: impl FnOnce() -> io::Result<T>) -> Result<T> {
        self.run(&Step { verb, path: rel.as_str(), from: None, file: None }, op)
    }

    /// Opens the directory that `rel` lies in and calls `op` with it and the last component.
    fn beside<T>(&self, rel: &Rel, op: impl FnOnce(&OwnedFd, &str) -> rustix::io::Result<T>) -> io::Result<T> {
        match rel.split() {
            ("", name) => Ok(op(&self.0.fd, name)?),
            (parent, name) => Ok(op(&open::directory(&self.0.fd, parent)?, name)?),
        }
    }

    /// Renames within the store.
    fn rename_beside(&self, from: &Rel, to: &Rel) -> io::Result<()> {
        self.beside(from, |source, old| {
            let done = self.beside(to, |target, new| rustix::fs::renameat(source, old, target, new));
            done.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        })
    }

    /// Opens a regular file for reading; `None` if there is none.
    pub(crate) fn open_file(&self, rel: &Rel) -> Result<Option<File>> {
        Ok(self.open_and_look(rel)?.map(|(file, _)| file))
    }

    /// The same, and looks at it.
    pub(crate) fn open_and_look(&self, rel: &Rel) -> Result<Option<(File, Stat)>> {
        let open = || open::regular_and_stat(&self.0.fd, rel.as_str(), OFlags::RDONLY, Mode::empty());
        let opened = self.step(Verb::Open, rel, || absent(open()))?;
        Ok(opened.and_then(|(file, stat)| Some((file, Stat::new(&stat)?))))
    }

    /// Opens what lies there for reading, if anything does: for who checks all that is read, and reads at places, which
    /// what could block does not have.
    pub(crate) fn open_unseen(&self, rel: &Rel) -> Result<Option<File>> {
        self.step(Verb::Open, rel, || absent(open::any(&self.0.fd, rel.as_str(), OFlags::RDONLY, Mode::empty())))
    }

    /// Reads a whole file of at most `limit` bytes; `None` if there is none.
    pub(crate) fn read(&self, rel: &Rel, limit: u64) -> Result<Option<Vec<u8>>> {
        match self.open_file(rel)? {
            Some(file) => self.read_opened(&file, rel, limit).map(Some),
            None => Ok(None),
        }
    }

    /// The same of a file that is open.
    pub(crate) fn read_opened(&self, file: &File, rel: &Rel, limit: u64) -> Result<Vec<u8>> {
        let path = self.full(rel);
        let len = file.metadata().at("look at", &path)?.len();
        if len > limit {
            return Err(Error::Malformed {
                path,
                field: "length",
                reason: format!("{len}, at most {limit} is allowed"),
            });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
        Positioned::new(file).take(limit).read_to_end(&mut bytes).at("read", path)?;
        Ok(bytes)
    }

    /// Looks at a regular file without opening it; `None` if there is none of that kind.
    pub(crate) fn look(&self, rel: &Rel) -> Result<Option<Stat>> {
        self.step(Verb::Look, rel, || absent(self.stat(rel)).map(Option::flatten))
    }

    /// Looks at names in one directory, which is opened once for all of them.
    pub(crate) fn look_within(&self, dir: &Rel, names: &[Rel]) -> Result<Vec<Option<Stat>>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let opened = open::directory(&self.0.fd, dir.as_str()).at("open directory", self.full(dir))?;
        let look = |rel: &Rel| {
            debug_assert_eq!(rel.split().0, dir.as_str(), "the name lies in the directory");
            self.step(Verb::Look, rel, || {
                absent(stat_in(&opened, rel.split().1).map_err(io::Error::from)).map(Option::flatten)
            })
        };
        names.iter().map(look).collect()
    }

    fn stat(&self, rel: &Rel) -> io::Result<Option<Stat>> {
        self.beside(rel, stat_in)
    }

    /// What tells the file or directory that has this name from every other of this boot; `None` where that is not known.
    pub(crate) fn identity(&self, rel: &Rel) -> Result<Option<[u8; host::IDENTITY_LEN]>> {
        self.step(Verb::Look, rel, || Ok(absent(self.beside(rel, host::identity))?.flatten()))
    }

    /// Looks at an open file.
    pub(crate) fn look_at(&self, file: &File, rel: &Rel) -> Result<Stat> {
        let stat = rustix::fs::fstat(file).at("look at", self.full(rel))?;
        Stat::new(&stat).ok_or_else(|| io::Error::other("not a regular file")).at("look at", self.full(rel))
    }

    /// Whether a name still leads to this open file. A test that leaves it out makes it say yes.
    pub(crate) fn leads_to(&self, rel: &Rel, file: &File) -> Result<bool> {
        let judged = self.look_at(file, rel)?.id;
        let step = Step { verb: Verb::Compare, path: rel.as_str(), from: None, file: Some(file) };
        let other = self.run(&step, || Ok(absent(self.stat(rel))?.flatten().is_none_or(|stat| stat.id != judged)))?;
        Ok(!other)
    }

    /// Makes a directory with the store's mode; it may be there already.
    pub(crate) fn make_dir(&self, rel: &Rel) -> Result<()> {
        self.step(Verb::MakeDir, rel, || {
            self.beside(rel, |dir, name| match rustix::fs::mkdirat(dir, name, self.dir_mode()) {
                Err(Errno::EXIST) => Ok(()),
                made => made,
            })?;
            let dir = open::directory(&self.0.fd, rel.as_str())?;
            self.give(&dir)?;
            Ok(rustix::fs::fchmod(&dir, self.dir_mode())?)
        })
    }

    /// Gives the store's directory itself its mode, and its group where one is named.
    pub(crate) fn adopt(&self, group: Option<u32>) -> Result<()> {
        let gid = group.map(rustix::fs::Gid::from_raw);
        rustix::fs::fchown(&self.0.fd, None, gid).at("give to the group", &self.0.path)?;
        rustix::fs::fchmod(&self.0.fd, self.dir_mode()).at("set mode of", &self.0.path)
    }

    /// Gives a new file to the store's owner, when root writes into the store of another.
    fn give(&self, fd: impl std::os::fd::AsFd) -> io::Result<()> {
        match self.0.owner {
            Some((user, group)) => Ok(rustix::fs::fchown(fd, Some(user), Some(group))?),
            None => Ok(()),
        }
    }

    /// Makes the names in a directory durable.
    pub(crate) fn sync_dir(&self, rel: &Rel) -> Result<()> {
        self.step(Verb::SyncDir, rel, || match rel.as_str() {
            "" => Ok(rustix::fs::fsync(&self.0.fd)?),
            path => Ok(rustix::fs::fsync(open::directory(&self.0.fd, path)?)?),
        })
    }

    /// Renames within the store, replacing what is there.
    pub(crate) fn rename(&self, from: &Rel, to: &Rel, _: &ExclusiveGuard) -> Result<()> {
        self.rename_unguarded(from, to)
    }

    fn rename_unguarded(&self, from: &Rel, to: &Rel) -> Result<()> {
        let step = Step { verb: Verb::Rename, path: to.as_str(), from: Some(from.as_str()), file: None };
        self.run(&step, || self.rename_beside(from, to))
    }

    /// Unlinks a file. Returns whether it was there.
    pub(crate) fn unlink(&self, rel: &Rel, _: &ExclusiveGuard) -> Result<bool> {
        self.unlink_unguarded(rel)
    }

    fn unlink_unguarded(&self, rel: &Rel) -> Result<bool> {
        self.step(Verb::Unlink, rel, || {
            let gone = self.beside(rel, |dir, name| rustix::fs::unlinkat(dir, name, AtFlags::empty()));
            Ok(absent(gone)?.is_some())
        })
    }

    /// Creates an empty file that is not there yet, of the kind that every user of the store may write.
    pub(crate) fn create_shared(&self, rel: &Rel, reserve: u64, _: &ExclusiveGuard) -> Result<()> {
        self.step(Verb::Create, rel, || {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
            let file = open::regular(&self.0.fd, rel.as_str(), flags, self.lock_mode())?;
            rustix::fs::fchmod(&file, self.lock_mode())?;
            self.give(&file)?;
            if reserve > 0 { fs2::FileExt::allocate(&file, reserve) } else { Ok(()) }
        })
    }

    /// Appends to a file by one write; `false` if there is no such file. A write that took less is an error.
    pub(crate) fn append(&self, rel: &Rel, bytes: &[u8]) -> Result<bool> {
        self.step(Verb::Append, rel, || {
            let flags = OFlags::WRONLY | OFlags::APPEND;
            let Some(mut file) = absent(open::regular(&self.0.fd, rel.as_str(), flags, Mode::empty()))? else {
                return Ok(false);
            };
            match file.write(bytes)? {
                taken if taken == bytes.len() => Ok(true),
                taken => Err(io::Error::new(
                    io::ErrorKind::StorageFull,
                    format!("only {taken} of {} bytes were taken", bytes.len()),
                )),
            }
        })
    }

    /// Rewrites a small file in place, under its own lock: `change` is shown what is there, at most `len` bytes, and
    /// gives back what shall be, or `None` to leave it. The file is made if it is missing, and not synced.
    pub(crate) fn amend(&self, rel: &Rel, len: usize, change: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Result<()> {
        self.step(Verb::Amend, rel, || {
            let lock = self.lock_file_itself(rel)?;
            let (file, mut bytes) = (lock.file(), Vec::with_capacity(len.min(lock.len())));
            Positioned::new(file).take(len as u64).read_to_end(&mut bytes)?;
            let Some(changed) = change(&bytes) else { return Ok(()) };
            file.write_all_at(&changed, 0)?;
            if changed.len() < bytes.len() { file.set_len(changed.len() as u64) } else { Ok(()) }
        })
    }

    /// Puts other content into a file that may be lost or torn at any time, making it if it is missing. Not synced. What
    /// could be written of content that did not fit is taken back.
    pub(crate) fn overwrite(&self, rel: &Rel, bytes: &[u8], _: &ExclusiveGuard) -> Result<()> {
        self.step(Verb::Amend, rel, || {
            let (file, _) = self.open_lock_file(rel)?;
            file.set_len(0)?;
            file.write_all_at(bytes, 0).inspect_err(|_| drop(file.set_len(0)))
        })
    }

    /// Appends to a file under its own lock, making it if it is missing. Not synced. Returns its length after.
    pub(crate) fn append_locked(&self, rel: &Rel, bytes: &[u8]) -> Result<u64> {
        self.step(Verb::Amend, rel, || {
            let lock = self.lock_file_itself(rel)?;
            let file = lock.file();
            let end = file.metadata()?.len();
            file.write_all_at(bytes, end)?;
            Ok(end + bytes.len() as u64)
        })
    }

    /// Writes a few bytes in place into a file that every user of the store may write, making it if it is missing: without a
    /// lock, and not synced. Of several who write the same bytes at a time anyone's may stay.
    pub(crate) fn patch(&self, rel: &Rel, at: u64, bytes: &[u8]) -> Result<()> {
        self.step(Verb::Amend, rel, || self.open_lock_file(rel)?.0.write_all_at(bytes, at))
    }

    /// Everything from `offset` to the end of a file that others may be appending to.
    pub(crate) fn read_tail(&self, rel: &Rel, offset: u64) -> Result<Vec<u8>> {
        self.step(Verb::ReadJournal, rel, || {
            use std::io::Seek;
            let mut file = open::regular(&self.0.fd, rel.as_str(), OFlags::RDONLY, Mode::empty())?;
            file.seek(io::SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        })
    }

    /// Sets the time of an open file to now: of an entry, its last use.
    pub(crate) fn touch(&self, file: &File, rel: &Rel) -> Result<()> {
        let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        self.set_time(file, rel, now)
    }

    /// Marks an open blob as suspect: from now on its time is not the one that publishing sets.
    pub(crate) fn mark_suspect(&self, file: &File, rel: &Rel) -> Result<()> {
        self.set_time(file, rel, Timespec { tv_sec: PUBLISHED_TIME + 1, tv_nsec: 0 })
    }

    /// Gives an open blob whose content was found right the time and mode of one that is on disk, after seeing to it that
    /// it is.
    pub(crate) fn certify_found(&self, file: &File, rel: &Rel) -> Result<()> {
        let step = |verb| Step { verb, path: rel.as_str(), from: None, file: Some(file) };
        self.run(&step(Verb::Sync), || file.sync_all())?;
        self.sync_dir(&rel.parent())?;
        self.set_time(file, rel, Timespec { tv_sec: PUBLISHED_TIME, tv_nsec: 0 })?;
        self.certify(file, rel)
    }

    /// Says of an open file that it is on disk: its mode is the certificate.
    fn certify(&self, file: &File, rel: &Rel) -> Result<()> {
        let step = Step { verb: Verb::Certify, path: rel.as_str(), from: None, file: Some(file) };
        self.run(&step, || Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(CERTIFIED_MODE))?))
    }

    /// Whether nobody has said of a file that it is on disk.
    pub(crate) fn is_uncertified(&self, file: &File, rel: &Rel) -> Result<bool> {
        let stat = rustix::fs::fstat(file).at("look at", self.full(rel))?;
        #[allow(clippy::useless_conversion, reason = "the type differs by platform")]
        Ok(matches!(u32::from(stat.st_mode) & 0o7777, UNCERTIFIED_MODE | PRIVATE_MODE))
    }

    fn set_time(&self, file: &File, rel: &Rel, modified: Timespec) -> Result<()> {
        let step = Step { verb: Verb::Touch, path: rel.as_str(), from: None, file: Some(file) };
        self.run(&step, || Ok(set_modified(file, modified)?))
    }
}

/// What lies under a name in an open directory; `None` if that is no regular file.
fn stat_in(dir: &OwnedFd, name: &str) -> rustix::io::Result<Option<Stat>> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(Stat::new(&stat))
}

fn set_modified(file: &File, modified: Timespec) -> rustix::io::Result<()> {
    let keep = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    rustix::fs::futimens(file, &Timestamps { last_access: keep, last_modification: modified })
}

/// Turns "no such file" into `None`. Every other error stays one: only absence may look like absence.
fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
