//! Single flight: whoever computes the value of a key holds its lock; the others wait for the value.

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::disk::{FileId, OneOfMany};
use crate::error::Result;
use crate::key::Key;
use crate::layout;
use crate::store::Store;
use crate::threads;

/// How long one that holds a flight waits for another at most: two that hold one each and want the other's would
/// wait for ever.
const NESTED_WAIT: Duration = Duration::from_secs(600);

/// The same in a worker of a thread pool, which, while it waits for its own parts, may be given a task that asks for what
/// another worker computes, and that one a task that asks for this one's.
const WORKER_WAIT: Duration = Duration::from_secs(1);

thread_local! {
    /// The flights this thread has taken, of all stores: two handles of one store must not wait for one another. Those
    /// whose ticket is gone were released.
    static TAKEN: RefCell<Vec<(FileId, Key, Weak<()>)>> = const { RefCell::new(Vec::new()) };
}

/// The right to compute the value of a key, until dropped, over all threads and processes; from
/// [`Cache::flight`](crate::Cache::flight). It ends with its process, however that ends.
///
/// It may be dropped in any thread. Until then it counts as held by the thread that took it: asked for the same key
/// again, that thread gets `None` instead of waiting for itself, and for others it waits ten minutes at most (in a
/// worker of a thread pool a second), since two that hold one each and want the other's would wait for ever. A task that
/// goes on in other threads, or shares one with other tasks, [detaches](Self::detach) its flight.
#[derive(Debug)]
pub struct Flight {
    /// What the thread that took it knows it by.
    ticket: Option<Arc<()>>,
    _lock: OneOfMany,
}

impl Flight {
    /// Takes the flight of a key, or waits until it is free; `None` if this thread has it already, somewhere up its
    /// stack, or the handle may not write: then nothing is computed for others anyway.
    ///
    /// # Errors
    /// [`Error::Busy`](crate::Error::Busy) if somebody else computes for longer than `wait`.
    pub(super) fn take(store: &Store, key: Key, wait: Duration) -> Result<Option<Self>> {
        if store.is_read_only() {
            return Ok(None);
        }
        let id = store.root().id()?;
        let (nested, own) = TAKEN.with_borrow_mut(|taken| {
            taken.retain(|(_, _, ticket)| ticket.strong_count() > 0);
            (!taken.is_empty(), taken.iter().any(|(of, other, _)| (*of, *other) == (id, key)))
        });
        if own {
            return Ok(None);
        }
        let wait = match nested {
            true if threads::is_worker() => wait.min(WORKER_WAIT),
            true => wait.min(NESTED_WAIT),
            false => wait,
        };
        let (all, byte, own) = (&layout::FLIGHT_LOCKS, layout::flight_byte(&key), layout::flight(&key));
        let lock = store.root().lock_one_of_many(all, byte, &own, wait)?;
        let ticket = Arc::new(());
        TAKEN.with_borrow_mut(|taken| taken.push((id, key, Arc::downgrade(&ticket))));
        Ok(Some(Flight { ticket: Some(ticket), _lock: lock }))
    }

    /// Makes it belong to no thread: who asks for the key in the thread that took it waits like any other, and nothing
    /// tells any more whether that waits for itself.
    pub fn detach(&mut self) {
        self.ticket = None;
    }
}
