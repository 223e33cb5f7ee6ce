//! How many forks there were, and what every process has of its own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

static FORKS: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between this process and the first of its line, as far as it was told of them.
fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Says that this process is a forked child.
pub(crate) fn count() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// Something of which every process of a line of forks has its own: what is inside may be locked by another thread of the
/// parent at the moment of a fork, and then is so in the child for ever.
#[derive(Debug)]
pub struct PerProcess<T> {
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

    /// The first one, of the first process of its line.
    pub const fn of_first(own: T) -> Self {
        Self::of(0, own)
    }

    const fn of(forks: u32, own: T) -> Self {
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

impl<T> PerProcess<Mutex<T>> {
    /// Locks this process's own, made if there is none yet.
    pub fn lock(&self, make: impl FnOnce() -> T) -> MutexGuard<'_, T> {
        self.get(|| Mutex::new(make())).lock().unwrap_or_else(PoisonError::into_inner)
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
