//! Where work is spread over all cores: one pool of threads, and another in a process that was forked.
//!
//! A forked child has its parent's pool without the threads: what is given to that waits for ever.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// No process has this number, and none spreads work with the common pool after it was set.
const NOBODY: u32 = u32::MAX;

/// The process whose threads the common pool has; 0 before anybody knows.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// The pool of a process that has no part in the common one, and which process that is. Locked for moments only: a
/// fork in such a moment would leave the lock closed in the child.
static OWN: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// Does work whose parts may run on all cores.
pub(crate) fn spread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let process = std::process::id();
    match OWNER.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => work(),
        Err(owner) if owner == process => work(),
        Err(_) => own_pool(process).install(work),
    }
}

/// Whether this thread is a worker of a pool: then it may do other tasks while it waits for parts of its own.
pub(crate) fn is_worker() -> bool {
    rayon::current_thread_index().is_some()
}

/// Makes this process, a forked child, spread its work over threads of its own.
pub(crate) fn leave_common_pool() {
    OWNER.store(NOBODY, Ordering::Relaxed);
}

fn own_pool(process: u32) -> Arc<ThreadPool> {
    let lock = || OWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((owner, pool)) = &*lock()
        && *owner == process
    {
        return Arc::clone(pool);
    }
    let made = ThreadPoolBuilder::new().build().expect("a process that can make no thread cannot spread work");
    let (mut slot, made) = (lock(), Arc::new(made));
    match &*slot {
        Some((owner, pool)) if *owner == process => Arc::clone(pool),
        _ => {
            // Dropping the parent's pool would speak to its threads, which are not here.
            std::mem::forget(slot.replace((process, Arc::clone(&made))));
            made
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_one_pool_of_its_own() {
        let (first, second) = (own_pool(1), own_pool(1));
        assert!(Arc::ptr_eq(&first, &second));
        assert!(!Arc::ptr_eq(&first, &own_pool(2)));
        assert_eq!(first.install(|| rayon::join(|| 1, || 2)), (1, 2));
    }
}
