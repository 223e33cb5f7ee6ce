//! Whether what an entry holds is this user's own work: for encodings that run code when they are loaded.

use super::Entry;
use crate::disk::Owner;
use crate::error::Result;
use crate::layout::{self, Rel};

impl Entry {
    /// Why somebody else may have written the entry or its blobs, in one sentence; `None` if only this user and root may
    /// have: store, shards and files belong to one of them, and nobody else can write them. What runs code when it is
    /// loaded, as pickle does, should not be loaded otherwise.
    ///
    /// Files count as they were when they were opened, directories as they are now. The user that stands for all unknown
    /// ones (65534, mostly) owns nothing.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if a directory cannot be looked at.
    pub fn distrust(&self) -> Result<Option<String>> {
        let entry = layout::entry(&self.key());
        let mut files = vec![(&entry, self.owner)];
        let blobs: Vec<Rel> = self.blobs().map(|(digest, _)| layout::blob(&digest)).collect();
        files.extend(blobs.iter().zip(self.blob_owners.iter().copied()));
        let mut dirs = vec![layout::ROOT];
        for (file, _) in &files {
            let shard = file.parent();
            let above = shard.parent();
            for dir in [above, shard] {
                if !dirs.contains(&dir) {
                    dirs.push(dir);
                }
            }
        }
        for dir in &dirs {
            if let Some(reason) = self.say(dir, self.store.root().owner_of_dir(dir)?) {
                return Ok(Some(reason));
            }
        }
        Ok(files.into_iter().find_map(|(file, owner)| self.say(file, owner)))
    }

    fn say(&self, rel: &Rel, owner: Owner) -> Option<String> {
        owner.distrust().map(|reason| format!("{} {reason}", self.store.root().full(rel).display()))
    }
}
