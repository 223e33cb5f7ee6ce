//! Making a store.

use std::path::Path;

use super::{Store, StoreOptions};
use crate::disk::{ExclusiveGuard, Linked, PrivateDir, Root, Time};
use crate::error::{Error, Result};
use crate::format::settings::Settings;
use crate::layout::{self, Rel};

/// Why a store is not made where one is.
pub(super) const ALREADY: &str = "there is a store already";

/// The reserve, which gives a collector room on a full disk: enough for journal and directory blocks.
pub(crate) const RESERVE_LEN: u64 = 256 << 10;

const CACHEDIR_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
# This file marks a cache directory, made by ndstash. See https://bford.info/cachedir/\n";
const GITIGNORE: &[u8] = b"*\n";

impl StoreOptions {
    /// Makes a store: in a directory that does not exist, or is empty, or holds the beginnings of one.
    ///
    /// The settings file is published last, so a store is either there or not; of several processes that make the
    /// same store one succeeds.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is a store already, the path is a file, or the directory holds anything else.
    pub fn create(&self, path: impl AsRef<Path>) -> Result<Store> {
        let path = path.as_ref();
        let refuse = |reason| Error::Invalid { what: "store", given: path.display().to_string(), reason };
        match Root::create(path) {
            Err(Error::Io { source, .. })
                if matches!(source.kind(), std::io::ErrorKind::AlreadyExists | std::io::ErrorKind::NotADirectory) =>
            {
                return Err(refuse("a directory is expected, this is a file"));
            }
            made => made?,
        }
        let root = Root::open(path, self.seam.clone())?.with_sharing(self.shared);
        let listed = root.list(&layout::ROOT)?;
        if listed.iter().any(|file| file.name == layout::SETTINGS.as_str()) {
            return Err(refuse(ALREADY));
        }
        if !listed.iter().all(|file| layout::is_top_name(&file.name)) {
            return Err(refuse("an empty directory is expected, this one holds other files"));
        }
        let settings = Settings::new(self.arrays.clone(), self.shared).encode().into_bytes();
        make(&root, self.group, &settings)?.then_some(()).ok_or_else(|| refuse(ALREADY))?;
        self.open_with(root, &settings)
    }
}

/// Makes everything, the settings last. Returns whether they were the first.
fn make(root: &Root, group: Option<u32>, settings: &[u8]) -> Result<bool> {
    root.adopt(group)?;
    for rel in &layout::DIRECTORIES {
        root.make_dir(rel)?;
    }
    for shard in 0..=u8::MAX {
        root.make_dir(&layout::blob_shard(shard))?;
        root.make_dir(&layout::entry_shard(shard))?;
    }
    make_locks(root)?;
    let guard = root.lock_exclusive(&layout::COLLECTOR, super::LOCK_WAIT)?;
    make_reserve(root, &guard)?;
    for rel in [layout::BLOBS, layout::ENTRIES] {
        root.sync_dir(&rel)?;
    }
    publish(root, &layout::CACHEDIR_TAG, CACHEDIR_TAG)?;
    publish(root, &layout::GITIGNORE, GITIGNORE)?;
    root.sync_dir(&layout::ROOT)?;
    let first = publish(root, &layout::SETTINGS, settings)?;
    root.sync_dir(&layout::ROOT)?;
    Ok(first)
}

/// Makes the lock files now, so that removing and collecting need no new file on a full disk.
fn make_locks(root: &Root) -> Result<()> {
    let fixed = [layout::COLLECTOR, layout::TURNSTILE, layout::GATE];
    let locks = fixed.into_iter().chain((0..=u8::MAX).map(layout::key_lock));
    locks.into_iter().try_for_each(|rel| root.lock_shared(&rel, super::LOCK_WAIT).map(drop))
}

fn publish(root: &Root, rel: &Rel, bytes: &[u8]) -> Result<bool> {
    let mut file = PrivateDir::create(root)?.file()?;
    file.write(bytes)?;
    let mut sealed = file.seal(Time::Now)?;
    Ok(matches!(sealed.link(rel)?, Linked::Both | Linked::Moved(_)))
}

/// Makes the reserve if it is missing. That there is no room for it is no error: it is made when there is.
pub(crate) fn make_reserve(root: &Root, guard: &ExclusiveGuard) -> Result<()> {
    if root.look(&layout::RESERVE)?.is_some() {
        return Ok(());
    }
    match root.create_shared(&layout::RESERVE, RESERVE_LEN, guard) {
        Err(error) if error.is_full() => root.unlink(&layout::RESERVE, guard).map(drop),
        made => made,
    }
}
