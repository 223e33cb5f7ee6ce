//! Single flight: whoever computes the value of a key holds its lock; the others wait for the value.

use std::cell::RefCell;
use std::time::Duration;

use crate::disk::ExclusiveGuard;
use crate::error::Result;
use crate::key::Key;
use crate::layout;
use crate::store::Store;

/// How long one that holds a flight waits for another at most: two that hold one each and want the other's would
/// wait for ever.
const NESTED_WAIT: Duration = Duration::from_secs(600);

thread_local! {
    /// The flights this thread holds.
    static HELD: RefCell<Vec<Key>> = const { RefCell::new(Vec::new()) };
}

/// The right to compute the value of a key, until dropped. It ends with its holder, however that ends.
#[derive(Debug)]
pub(super) struct Flight {
    store: Store,
    key: Key,
    lock: ExclusiveGuard,
}

impl Flight {
    /// Takes the flight of a key, or waits until it is free; `None` if this thread has it already, somewhere up its
    /// stack.
    ///
    /// # Errors
    /// [`Error::Busy`](crate::Error::Busy) if somebody else computes for longer than `wait`.
    pub(super) fn take(store: &Store, key: Key, wait: Duration) -> Result<Option<Self>> {
        let (nested, own) = HELD.with_borrow(|held| (!held.is_empty(), held.contains(&key)));
        if own {
            return Ok(None);
        }
        let wait = if nested { wait.min(NESTED_WAIT) } else { wait };
        let lock = store.root().lock_exclusive(&layout::flight(&key), wait)?;
        HELD.with_borrow_mut(|held| held.push(key));
        Ok(Some(Flight { store: store.clone(), key, lock }))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // Whoever has opened the file meanwhile finds, once it has the lock, that the name leads elsewhere, and starts
        // over. A file that stays behind is in nobody's way.
        drop(self.store.root().unlink(&layout::flight(&self.key), &self.lock));
        HELD.with_borrow_mut(|held| held.retain(|other| *other != self.key));
    }
}
