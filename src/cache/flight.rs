//! Single flight: whoever computes the value of a key holds its lock; the others wait for the value.

use std::cell::RefCell;
use std::time::Duration;

use crate::disk::{ExclusiveGuard, FileId};
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
    /// The flights this thread holds, of all stores: two handles of one store must not wait for one another.
    static HELD: RefCell<Vec<(FileId, Key)>> = const { RefCell::new(Vec::new()) };
}

/// The right to compute the value of a key, until dropped. It ends with its holder, however that ends.
#[derive(Debug)]
pub(super) struct Flight {
    store: Store,
    key: (FileId, Key),
    lock: ExclusiveGuard,
    process: u32,
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
        let id = (store.root().id()?, key);
        let (nested, own) = HELD.with_borrow(|held| (!held.is_empty(), held.contains(&id)));
        if own {
            return Ok(None);
        }
        let wait = match nested {
            true if threads::is_worker() => wait.min(WORKER_WAIT),
            true => wait.min(NESTED_WAIT),
            false => wait,
        };
        let lock = store.root().lock_exclusive(&layout::flight(&key), wait)?;
        HELD.with_borrow_mut(|held| held.push(id));
        Ok(Some(Flight { store: store.clone(), key: id, lock, process: std::process::id() }))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // Whoever has opened the file meanwhile finds, once it has the lock, that the name leads elsewhere, and starts
        // over. A file that stays behind is in nobody's way. In a forked child the lock is still the parent's.
        if self.process == std::process::id() {
            drop(self.store.root().unlink(&layout::flight(&self.key.1), &self.lock));
        }
        HELD.with_borrow_mut(|held| held.retain(|other| *other != self.key));
    }
}
