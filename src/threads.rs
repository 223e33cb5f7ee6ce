//! Where work is spread over all cores: one pool of threads, and another in a process that was forked. Work that waits for
//! the disk has threads of its own, more than there are cores.
//!
//! A forked child has its parent's pool without the threads: what is given to that waits for ever.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::fork::PerProcess;

/// How many threads wait for the disk at the same time.
const AT_A_TIME: usize = 16;

/// Of how many removals of files a thread is worth its making.
pub(crate) const REMOVALS: usize = 16;

/// No process has this number, and none spreads work with the common pool after it was set.
const NOBODY: u32 = u32::MAX;

/// The process whose threads the common pool has; 0 before anybody knows.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// The pool of a process that has no part in the common one, and which process that is: a child that was forked without
/// a word has its parent's.
static OWN: PerProcess<Mutex<Option<Pool>>> = PerProcess::of_first(Mutex::new(None));

type Pool = (u32, Arc<ThreadPool>);

/// Does work whose parts may run on all cores.
pub(crate) fn spread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let process = std::process::id();
    match OWNER.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => work(),
        Err(owner) if owner == process => work(),
        Err(_) => own_pool(process).install(work),
    }
}

/// Does something with each of many that is mostly waiting for the disk, several at a time: a disk that is asked to flush
/// by many at once does it once, and a file system that frees files does it beside. No thread is made for less than `each`
/// of them. Returns what came of each, in their order.
pub(crate) fn beside<T: Sync, R: Send>(all: &[T], each: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(all.len())));
    let take = || {
        while let Some((at, one)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, all.get(at)?))) {
            let result = work(one);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..(all.len() / each).min(AT_A_TIME) {
            // Without another thread, those that are there do all of it.
            drop(thread::Builder::new().spawn_scoped(scope, take));
        }
        take();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
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
    let lock = || OWN.lock(|| None);
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
    fn each_of_many_is_done_once_and_few_in_one_thread() {
        let many: Vec<usize> = (0..1000).collect();
        let here = thread::current().id();
        let done = beside(&many, 1, |&number| (number, thread::current().id()));
        assert!(done.iter().map(|(number, _)| *number).eq(0..1000));
        assert!(beside(&many[..19], 10, |_| thread::current().id()).iter().all(|id| *id == here));
        assert_eq!(beside(&many[..0], 1, |_| ()), []);
    }

    #[test]
    fn what_waits_is_done_beside_one_another() {
        let all = std::sync::Barrier::new(AT_A_TIME);
        assert_eq!(beside(&[(); 10 * AT_A_TIME], 10, |()| all.wait()).len(), 10 * AT_A_TIME);
    }

    #[test]
    fn a_process_has_one_pool_of_its_own() {
        let (first, second) = (own_pool(1), own_pool(1));
        assert!(Arc::ptr_eq(&first, &second));
        assert!(!Arc::ptr_eq(&first, &own_pool(2)));
        assert_eq!(first.install(|| rayon::join(|| 1, || 2)), (1, 2));
    }
}
