//! What a forked child does so that it disturbs neither its parent nor the collectors.

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
