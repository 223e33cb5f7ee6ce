//! Where a value came from.

use std::path::PathBuf;

/// The store that a value was loaded from.
pub(crate) struct Home {
    pub(crate) path: PathBuf,
    /// What its handle knows this boot of this machine by.
    pub(crate) boot: [u8; 16],
    read_only: bool,
}

impl Home {
    pub(crate) fn of(store: &ndstash::Store) -> Self {
        Home { path: store.path().to_owned(), boot: store.boot(), read_only: store.is_read_only() }
    }

    /// Where the value may be looked for by others, who keep it from being collected there: nowhere, if the store is only
    /// read.
    pub(crate) fn public(&self) -> Option<PathBuf> {
        (!self.read_only).then(|| self.path.clone())
    }
}
