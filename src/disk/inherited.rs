//! The descriptors that hold locks: a forked child must find and close them, whatever moment the fork came at.
//!
//! Therefore a table of numbers without a lock of its own. One that finds no room in it is not closed by children;
//! its owner unlocks it all the same.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::fs::{CWD, Mode, OFlags};

/// How many locks a process holds at the same time, at most, of those that children close.
const ROOM: usize = 4096;

const FREE: RawFd = -1;

static LOCKS: [AtomicI32; ROOM] = [const { AtomicI32::new(FREE) }; ROOM];

/// An open file that holds a lock, or is about to. A forked child closes it.
#[derive(Debug)]
pub(super) struct LockFile {
    slot: Option<&'static AtomicI32>,
    file: File,
}

impl LockFile {
    pub(super) fn new(file: File) -> Self {
        let number = file.as_raw_fd();
        // Two open files have two numbers, so the first place looked at is free as a rule.
        let start = usize::try_from(number).unwrap_or_default() % ROOM;
        let take = |slot: &&AtomicI32| slot.compare_exchange(FREE, number, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        let slot = LOCKS[start..].iter().chain(&LOCKS[..start]).find(take);
        LockFile { slot, file }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for LockFile {
    /// The number is given back before the file is closed: until then it is nobody else's.
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            slot.store(FREE, Ordering::SeqCst);
        }
    }
}

/// Calls `work` with the number of every descriptor that holds a lock, in a process where no other thread runs.
pub(crate) fn for_each_lock(mut work: impl FnMut(RawFd)) {
    LOCKS.iter().map(|slot| slot.load(Ordering::SeqCst)).filter(|&number| number != FREE).for_each(&mut work);
}

/// A file that holds nothing; `None` if this process can open none.
pub(crate) fn null_device() -> Option<OwnedFd> {
    rustix::fs::openat(CWD, c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Makes a descriptor lead elsewhere: the file it led to is closed, its number stays taken. If that cannot be, it stays
/// as it was.
pub(crate) fn redirect(descriptor: &mut OwnedFd, to: &OwnedFd) {
    rustix::io::dup2(to, descriptor).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers() -> Vec<RawFd> {
        let mut found = Vec::new();
        for_each_lock(|number| found.push(number));
        found
    }

    #[test]
    fn a_lock_file_is_in_the_table_for_as_long_as_it_is_open() {
        let file = tempfile::tempfile().unwrap();
        let number = file.as_raw_fd();
        let held = LockFile::new(file);
        assert!(numbers().contains(&number));
        let slot = held.slot.unwrap();
        drop(held);
        assert_ne!(slot.load(Ordering::SeqCst), number);
    }
}
