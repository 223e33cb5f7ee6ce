//! Lock files: shared or exclusive, with a bounded wait, gone with their holder.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use fs2::FileExt;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::byte;
use super::inherited::LockFile;
use super::seam::{Flow, Step, Verb};
use super::{FileId, Root, Stat, open};
use crate::error::{At, Error, Result};
use crate::fork::PerProcess;
use crate::layout::Rel;

/// The first pause between two tries, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_micros(20), Duration::from_millis(2));

/// How long a lock that is held for a few system calls is waited for.
const SHORT_WAIT: Duration = Duration::from_millis(500);

/// How many lock files a store keeps open for the next time.
const MAX_IDLE: usize = 16;

/// How often who waits for a lock asks whether to give up.
const ASK: Duration = Duration::from_millis(50);

static GIVES_UP: OnceLock<fn() -> bool> = OnceLock::new();

/// Has every wait for a lock, of all stores of this process, call `poll` about every 50 ms, on the thread that waits. If
/// it says `true` the wait ends at once, as if its time were over: with [`Error::Busy`]. For programs that handle signals
/// themselves; the first call counts.
pub fn on_wait(poll: fn() -> bool) {
    GIVES_UP.get_or_init(|| poll);
}

/// How a lock is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockMode {
    Shared,
    Exclusive,
}

/// What of a file is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Whole,
    /// One byte, which need not be there. Locks of bytes and of the whole pass each other by.
    Byte(u64),
}

impl LockMode {
    const fn verb(self) -> Verb {
        match self {
            LockMode::Shared => Verb::LockShared,
            LockMode::Exclusive => Verb::LockExclusive,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            LockMode::Shared => "shared",
            LockMode::Exclusive => "exclusive",
        }
    }
}

/// A lock that others may hold at the same time. Released when dropped.
#[derive(Debug)]
pub(crate) struct SharedGuard(#[expect(dead_code, reason = "held, not read")] Held);

/// A lock that nobody else holds: what deleting asks to see. Released when dropped.
#[derive(Debug)]
pub(crate) struct ExclusiveGuard(Held);

/// A lock of which there are as many as somebody has names for. Released when dropped.
#[derive(Debug)]
pub(crate) struct OneOfMany {
    lock: ExclusiveGuard,
    /// A file of its own, where bytes cannot be locked.
    file: Option<Rel>,
}

impl Drop for OneOfMany {
    fn drop(&mut self) {
        // Whoever has opened the file meanwhile finds, once it has the lock, that the name leads elsewhere, and starts
        // over. A file that stays behind is in nobody's way. In a forked child the lock is still the parent's.
        if let Some(rel) = &self.file
            && self.lock.0.is_ours()
        {
            drop(self.lock.0.root.unlink(rel, &self.lock));
        }
    }
}

#[derive(Debug)]
struct Held(Taken);

impl std::ops::Deref for Held {
    type Target = Taken;

    fn deref(&self) -> &Taken {
        &self.0
    }
}

/// A lock file may have content, which is changed under its lock alone, and never synced.
impl ExclusiveGuard {
    /// How long the content was when the lock was taken.
    pub(crate) fn content_len(&self) -> u64 {
        self.0.len
    }

    /// The content, of at most `limit` bytes.
    pub(crate) fn content(&self, limit: u64) -> Result<Vec<u8>> {
        self.0.root.read_opened(self.0.file(), &self.0.rel, limit)
    }

    /// Changes a part of the content.
    pub(crate) fn change_content(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.amend(|file| file.write_all_at(bytes, offset))
    }

    /// Puts other content in the place of all of it. Whoever dies in between leaves the first part of the new.
    pub(crate) fn replace_content(&self, bytes: &[u8]) -> Result<()> {
        self.amend(|file| {
            file.set_len(0)?;
            file.write_all_at(bytes, 0)
        })
    }

    fn amend(&self, change: impl FnOnce(&File) -> io::Result<()>) -> Result<()> {
        let (Taken { root, rel, .. }, file) = (&*self.0, self.0.file());
        let step = Step { verb: Verb::Amend, path: rel.as_str(), from: None, file: Some(file) };
        root.run(&step, || change(file))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.is_ours() {
            return;
        }
        let step = Step { verb: Verb::Unlock, path: self.rel.as_str(), from: None, file: Some(self.file()) };
        // An unlock that is stopped by a test still ends with the descriptor.
        if self.root.0.seam.before(&step).is_ok_and(|flow| flow != Flow::Skip) {
            self.0.release();
        }
    }
}

/// A lock file that is open and locked.
#[derive(Debug)]
struct Taken {
    root: Root,
    rel: Rel,
    extent: Extent,
    lock: Option<LockFile>,
    id: FileId,
    /// The length of the file once it was locked.
    len: u64,
    process: u32,
}

impl Taken {
    fn file(&self) -> &File {
        self.lock.as_ref().expect("it is released only when it is dropped").file()
    }

    fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    /// Unlocks explicitly, because a forked child may still have the file open; and only in the process that
    /// locked, because the child's unlock would take the lock from its parent. An unlock that fails ends with the
    /// descriptor.
    fn release(&mut self) {
        let Some(lock) = self.lock.take() else { return };
        if self.is_ours() && unlock(lock.file(), self.extent).is_ok() {
            self.root.0.idle.give(Opened { rel: self.rel.clone(), lock, id: self.id, process: self.process });
        }
    }
}

/// A file that is its own lock, locked. Released when dropped.
pub(super) struct OwnLock(Taken);

impl OwnLock {
    pub(super) fn file(&self) -> &File {
        self.0.file()
    }

    /// How long it was when it was locked.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.0.len).unwrap_or(usize::MAX)
    }
}

impl Drop for OwnLock {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// A lock file that is open, and not locked.
#[derive(Debug)]
struct Opened {
    rel: Rel,
    lock: LockFile,
    id: FileId,
    process: u32,
}

/// Lock files that are open and that nobody holds. Who wants such a lock next need not open the file; each is had by one at
/// a time, for whoever has the same open file has the same lock.
#[derive(Debug)]
pub(super) struct Idle(PerProcess<Mutex<Vec<Opened>>>);

impl Default for Idle {
    fn default() -> Self {
        Idle(PerProcess::new(Mutex::default()))
    }
}

impl Idle {
    fn all(&self) -> MutexGuard<'_, Vec<Opened>> {
        self.0.lock(Vec::new)
    }

    fn take(&self, rel: &Rel) -> Option<Opened> {
        let mut all = self.all();
        let at = all.iter().position(|idle| idle.rel == *rel)?;
        // A forked child has its parent's, and would share the parent's locks.
        Some(all.remove(at)).filter(|idle| idle.process == std::process::id())
    }

    fn give(&self, idle: Opened) {
        let mut all = self.all();
        // The one that was wanted longest ago goes: locks of keys are many, and seldom wanted twice.
        let oldest = (all.len() >= MAX_IDLE).then(|| all.remove(0));
        all.push(idle);
        drop(all);
        drop(oldest);
    }
}

impl Root {
    pub(crate) fn lock_shared(&self, rel: &Rel, wait: Duration) -> Result<SharedGuard> {
        self.lock(rel, Extent::Whole, LockMode::Shared, wait).map(SharedGuard)
    }

    pub(crate) fn lock_exclusive(&self, rel: &Rel, wait: Duration) -> Result<ExclusiveGuard> {
        self.lock(rel, Extent::Whole, LockMode::Exclusive, wait).map(ExclusiveGuard)
    }

    /// Takes a lock of which there are many: a byte of a file, which is made if it is missing; or, where the system or the
    /// file system has no locks of bytes that end with their holder, a file of its own, which is unlinked after.
    pub(crate) fn lock_one_of_many(&self, all: &Rel, byte: u64, own: &Rel, wait: Duration) -> Result<OneOfMany> {
        match self.lock(all, Extent::Byte(byte), LockMode::Exclusive, wait) {
            Ok(held) => Ok(OneOfMany { lock: ExclusiveGuard(held), file: None }),
            Err(error) if is_unknown(&error) => {
                Ok(OneOfMany { lock: self.lock_exclusive(own, wait)?, file: Some(own.clone()) })
            }
            Err(error) => Err(error),
        }
    }

    /// Takes a lock, trying again with growing pauses until `wait` is over.
    fn lock(&self, rel: &Rel, extent: Extent, mode: LockMode, wait: Duration) -> Result<Held> {
        let start = Instant::now();
        let (mut pause, mut ask) = (PAUSE.0, ASK);
        loop {
            if let Some(held) = self.try_lock(rel, extent, mode)? {
                return Ok(held);
            }
            let waited = start.elapsed();
            let mut over = waited >= wait;
            if waited >= ask {
                ask = waited + ASK;
                over |= GIVES_UP.get().is_some_and(|poll| poll());
            }
            if over {
                let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
                return Err(Error::Busy { path: self.full(rel), mode: mode.name(), waited_ms });
            }
            self.step(Verb::Contended, rel, || Ok(()))?;
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    fn try_lock(&self, rel: &Rel, extent: Extent, mode: LockMode) -> Result<Option<Held>> {
        loop {
            let path = || self.full(rel);
            let opened = self.open_lock(rel).at_made("open lock", path)?;
            let file = opened.lock.file();
            let step = Step { verb: mode.verb(), path: rel.as_str(), from: None, file: Some(file) };
            let locked = match self.0.seam.before(&step).at_made("lock", path)? {
                Flow::Skip => true,
                Flow::Go | Flow::Half => try_take(file, extent, mode).at_made("lock", path)?,
            };
            if !locked {
                self.0.idle.give(opened);
                return Ok(None);
            }
            if let Some(taken) = self.taken(opened, extent).at_made("look at", path)? {
                return Ok(Some(Held(taken)));
            }
        }
    }

    fn open_lock(&self, rel: &Rel) -> io::Result<Opened> {
        if let Some(idle) = self.0.idle.take(rel) {
            return Ok(idle);
        }
        let (file, stat) = self.open_lock_file(rel)?;
        let id = Stat::new(&stat).ok_or_else(|| io::Error::other("not a regular file"))?.id;
        Ok(Opened { rel: rel.clone(), lock: LockFile::new(file), id, process: std::process::id() })
    }

    /// What was locked, if the path still names it. Somebody may have unlinked the file between the opening and the
    /// locking: a lock on a file without a name excludes nobody.
    fn taken(&self, opened: Opened, extent: Extent) -> io::Result<Option<Taken>> {
        let Opened { rel, lock, id, process } = opened;
        // Only the number is compared, so a link on the way there does no harm.
        let named = rustix::fs::statat(&self.0.fd, rel.as_str(), AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from);
        let named = super::absent(named)?.and_then(|stat| Stat::new(&stat));
        let Some(Stat { len, .. }) = named.filter(|stat| stat.id == id) else { return Ok(None) };
        Ok(Some(Taken { root: self.clone(), rel, extent, lock: Some(lock), id, len, process }))
    }

    /// Opens a file that is its own lock, and takes it. It is held for a few system calls only, so a wait that does not
    /// end soon means that its holder was stopped.
    pub(super) fn lock_file_itself(&self, rel: &Rel) -> io::Result<OwnLock> {
        let start = Instant::now();
        loop {
            let opened = self.open_lock(rel)?;
            if !try_flock(opened.lock.file(), LockMode::Exclusive)? {
                self.0.idle.give(opened);
                if start.elapsed() >= SHORT_WAIT {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "its lock was not obtained"));
                }
                std::thread::sleep(PAUSE.0);
            } else if let Some(taken) = self.taken(opened, Extent::Whole)? {
                return Ok(OwnLock(taken));
            }
        }
    }

    pub(super) fn open_lock_file(&self, rel: &Rel) -> io::Result<(File, rustix::fs::Stat)> {
        match open::regular_and_stat(&self.0.fd, rel.as_str(), OFlags::RDWR, Mode::empty()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let flags = OFlags::RDWR | OFlags::CREATE;
        let (file, stat) = open::regular_and_stat(&self.0.fd, rel.as_str(), flags, self.lock_mode())?;
        // The umask may have taken bits of the mode that the group needs; only its owner can give them.
        if stat.st_size == 0 && rustix::fs::fchmod(&file, self.lock_mode()).is_ok() {
            self.give(&file)?;
        }
        Ok((file, stat))
    }
}

fn try_take(file: &File, extent: Extent, mode: LockMode) -> io::Result<bool> {
    match (extent, mode) {
        (Extent::Whole, mode) => try_flock(file, mode),
        (Extent::Byte(at), LockMode::Exclusive) => byte::try_lock(file, at),
        (Extent::Byte(_), LockMode::Shared) => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn unlock(file: &File, extent: Extent) -> io::Result<()> {
    match extent {
        Extent::Whole => FileExt::unlock(file),
        Extent::Byte(at) => byte::unlock(file, at),
    }
}

/// Whether an error says that there are no such locks here.
fn is_unknown(error: &Error) -> bool {
    let Error::Io { source, .. } = error else { return false };
    let unknown = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP];
    source.kind() == io::ErrorKind::Unsupported
        || Errno::from_io_error(source).is_some_and(|errno| unknown.contains(&errno))
}

fn try_flock(file: &File, mode: LockMode) -> io::Result<bool> {
    let tried = match mode {
        LockMode::Shared => FileExt::try_lock_shared(file),
        LockMode::Exclusive => FileExt::try_lock_exclusive(file),
    };
    match tried {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Locks an open directory for its owner, if nobody else has.
pub(super) fn try_lock_dir(dir: &LockFile) -> io::Result<bool> {
    try_flock(dir.file(), LockMode::Exclusive)
}
