//! Lock files: shared or exclusive, with a bounded wait, gone with their holder.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fs2::FileExt;
use rustix::fs::{Mode, OFlags};

use super::inherited::LockFile;
use super::seam::{Flow, Step, Verb};
use super::{Root, Stat, open};
use crate::error::{At, Error, Result};
use crate::layout::Rel;

/// The first pause between two tries, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_micros(20), Duration::from_millis(2));

/// How long a lock that is held for a few system calls is waited for.
const SHORT_WAIT: Duration = Duration::from_millis(500);

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

#[derive(Debug)]
struct Held {
    root: Root,
    rel: Rel,
    file: LockFile,
    /// The length of the file when it was locked.
    len: u64,
    process: u32,
}

/// A lock file may have content, which is changed under its lock alone, and never synced.
impl ExclusiveGuard {
    /// How long the content was when the lock was taken.
    pub(crate) fn content_len(&self) -> u64 {
        self.0.len
    }

    /// The content, of at most `limit` bytes.
    pub(crate) fn content(&self, limit: u64) -> Result<Vec<u8>> {
        self.0.root.read_opened(self.0.file.file(), &self.0.rel, limit)
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
        let Held { root, rel, file, .. } = &self.0;
        let step = Step { verb: Verb::Amend, path: rel.as_str(), from: None, file: Some(file.file()) };
        root.run(&step, || change(file.file()))
    }
}

impl Drop for Held {
    /// Unlocks explicitly, because a forked child may still have the file open; and only in the process that
    /// locked, because the child's unlock would take the lock from its parent.
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        let step = Step { verb: Verb::Unlock, path: self.rel.as_str(), from: None, file: Some(self.file.file()) };
        // An unlock that fails or is stopped by a test still ends with the descriptor.
        drop(self.root.run(&step, || FileExt::unlock(self.file.file())));
    }
}

/// Unlocks a file that is its own lock.
pub(super) struct Unlock {
    file: File,
    process: u32,
}

impl Drop for Unlock {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            drop(FileExt::unlock(&self.file));
        }
    }
}

impl Root {
    pub(crate) fn lock_shared(&self, rel: &Rel, wait: Duration) -> Result<SharedGuard> {
        self.lock(rel, LockMode::Shared, wait).map(SharedGuard)
    }

    pub(crate) fn lock_exclusive(&self, rel: &Rel, wait: Duration) -> Result<ExclusiveGuard> {
        self.lock(rel, LockMode::Exclusive, wait).map(ExclusiveGuard)
    }

    /// Takes a lock, trying again with growing pauses until `wait` is over.
    fn lock(&self, rel: &Rel, mode: LockMode, wait: Duration) -> Result<Held> {
        let start = Instant::now();
        let (mut pause, mut ask) = (PAUSE.0, ASK);
        loop {
            if let Some(held) = self.try_lock(rel, mode)? {
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

    fn try_lock(&self, rel: &Rel, mode: LockMode) -> Result<Option<Held>> {
        loop {
            let path = self.full(rel);
            let lock = LockFile::new(self.open_lock_file(rel).at("open lock", &path)?);
            let file = lock.file();
            let step = Step { verb: mode.verb(), path: rel.as_str(), from: None, file: Some(file) };
            let locked = match self.0.seam.before(&step).at("lock", &path)? {
                Flow::Skip => true,
                Flow::Go | Flow::Half => try_flock(file, mode).at("lock", &path)?,
            };
            if !locked {
                return Ok(None);
            }
            let Stat { id, len, .. } = self.look_at(file, rel)?;
            let held = Held { root: self.clone(), rel: rel.clone(), file: lock, len, process: std::process::id() };
            // Somebody may have unlinked the file between the opening and the locking: a lock on a file without
            // a name excludes nobody.
            let named = super::absent(self.stat(rel)).at("look at", &path)?.flatten().map(|stat| stat.id);
            if named == Some(id) {
                return Ok(Some(held));
            }
        }
    }

    /// Opens a file that is its own lock, and takes it. It is held for a few system calls only, so a wait that does not
    /// end soon means that its holder was stopped.
    pub(super) fn lock_file_itself(&self, rel: &Rel) -> io::Result<(File, Unlock)> {
        let start = Instant::now();
        loop {
            let file = self.open_lock_file(rel)?;
            if try_flock(&file, LockMode::Exclusive)? {
                let lock = Unlock { file: file.try_clone()?, process: std::process::id() };
                return Ok((file, lock));
            }
            if start.elapsed() >= SHORT_WAIT {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "its lock was not obtained"));
            }
            std::thread::sleep(PAUSE.0);
        }
    }

    pub(super) fn open_lock_file(&self, rel: &Rel) -> io::Result<File> {
        match open::regular(&self.0.fd, rel.as_str(), OFlags::RDWR, Mode::empty()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let file = open::regular(&self.0.fd, rel.as_str(), OFlags::RDWR | OFlags::CREATE, self.lock_mode())?;
        // The umask may have taken bits of the mode that the group needs; only its owner can give them.
        if file.metadata()?.len() == 0 && rustix::fs::fchmod(&file, self.lock_mode()).is_ok() {
            self.give(&file)?;
        }
        Ok(file)
    }
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
