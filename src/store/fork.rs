//! What a forked child does so that it disturbs neither its parent nor the collectors.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{disk, mem, threads};

static FORKS: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between this process and the first of its line, as far as it was told of them.
pub(crate) fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// To be called in a child that was made by `fork` and goes on without `exec`, before it uses a store; by
/// `pthread_atfork` or Python's `os.register_at_fork`, say. Elsewhere, do not call it: it gives up every lock that
/// this process holds.
///
/// A child has the locks of its parent open, and so would keep them locked after the parent has died: here they are
/// closed. Stores that the parent opened may be used in the child: it makes private directories and threads of its
/// own. Arrays and entries that the parent was making belong to the parent; what they have on disk stays when the
/// child drops them.
///
/// Takes no lock and allocates no memory, so it may be called whatever other threads did at the moment of the fork.
pub fn after_fork_in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    threads::leave_common_pool();
    let Some(null) = disk::null_device() else { return };
    disk::for_each_lock(|descriptor| mem::with_descriptor(descriptor, |lock| disk::redirect(lock, &null)));
}

/// Something of which every process of a line of forks has its own: what is inside may be locked by another thread of the
/// parent at the moment of a fork, and then is so in the child for ever.
#[derive(Debug)]
pub(crate) struct PerProcess<T> {
    forks: u32,
    own: T,
    /// Of a later process. What this one had is left alone there.
    later: OnceLock<Box<PerProcess<T>>>,
}

impl<T> PerProcess<T> {
    /// The first one, of this process.
    pub(crate) fn new(own: T) -> Self {
        Self::of(forks(), own)
    }

    fn of(forks: u32, own: T) -> Self {
        PerProcess { forks, own, later: OnceLock::new() }
    }

    /// This process's own, made if there is none yet.
    pub(crate) fn get(&self, make: impl FnOnce() -> T) -> &T {
        self.after(forks(), make)
    }

    fn after(&self, forks: u32, make: impl FnOnce() -> T) -> &T {
        let mut last = self;
        while let Some(later) = last.later.get() {
            last = later;
        }
        if last.forks != forks {
            last = last.later.get_or_init(|| Box::new(Self::of(forks, make())));
        }
        &last.own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_of_a_line_has_its_own() {
        let held = PerProcess::of(0, 0);
        for (forks, made) in [(0, 0), (1, 1), (3, 3)] {
            assert_eq!((*held.after(forks, || made), *held.after(forks, || 9)), (made, made));
        }
    }
}
