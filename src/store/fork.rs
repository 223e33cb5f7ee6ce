//! What a forked child does so that it disturbs neither its parent nor the collectors.

use crate::{disk, fork, mem, threads};

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
    fork::count();
    threads::leave_common_pool();
    let Some(null) = disk::null_device() else { return };
    disk::for_each_lock(|descriptor| mem::with_descriptor(descriptor, |lock| disk::redirect(lock, &null)));
}
