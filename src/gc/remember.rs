//! What collectors remember of entries from one run to the next, so that heads that did not change are not read again.
//!
//! Why that is safe: blobs-format.md section 8. In short: whoever publishes an entry stamps its key, and makes it visible,
//! under one hold of the key's lock; a collector looks at the stamps under that lock before it reads any head. As long as
//! a stamp is the same, what was read then is what is there. Whatever is missing, damaged, of another boot or of another
//! place is not believed: then heads are read.

use std::time::Duration;

use crate::digest::Digest;
use crate::disk::{self, ExclusiveGuard};
use crate::error::Result;
use crate::format::marks::{self, Mark};
use crate::format::stamps::Stamps;
use crate::key::Key;
use crate::layout;
use crate::store::Store;

/// Of fewer entries in a shard nothing is remembered: it would take more room than they do.
const FEWEST: usize = 8;
/// How much room the disk must have left before a collector takes any to remember.
const ROOM: u64 = 64 << 20;
/// How long a collector waits for the lock of a shard before it does without.
const WAIT: Duration = Duration::from_millis(500);
/// What is longer no collector has written.
const MAX_STAMPS_LEN: u64 = 64 << 20;
const MAX_MARKS_LEN: u64 = 1 << 30;

/// How a run uses what is remembered.
#[derive(Clone, Copy)]
pub(super) enum Use<'a> {
    /// Not at all.
    No,
    /// It believes what holds, and writes nothing.
    Believe,
    /// It remembers in turn what it reads.
    Renew(&'a ExclusiveGuard),
}

impl<'a> Use<'a> {
    /// The best that can be done by who holds, or does not hold, the collector's lock.
    pub(super) fn of(store: &Store, collector: Option<&'a ExclusiveGuard>) -> Self {
        // Of what another machine wrote and lost with its power, this one's boot tells nothing.
        if store.boot() == [0; 16] || !disk::is_local(store.root()) {
            return Use::No;
        }
        let roomy = || disk::available_space(store.root()).is_ok_and(|room| room >= ROOM);
        match collector {
            Some(guard) if roomy() => Use::Renew(guard),
            _ => Use::Believe,
        }
    }
}

/// What is known of the entries of one shard before any head is read.
pub(super) struct Remembered<'a> {
    store: &'a Store,
    shard: u8,
    here: Here,
    /// The stamps as they were found, which tell what holds.
    found: Stamps,
    /// Those that publishers have from now on, where there were not enough.
    fresh: Option<Stamps>,
    marks: Vec<Mark>,
}

impl<'a> Remembered<'a> {
    /// For who has listed the shard before: an entry that is listed, and whose stamp is the same after, has been what it
    /// is from the time it was remembered until it was listed. `None` if nothing is, or can be, remembered here.
    pub(super) fn recall(store: &'a Store, shard: u8, entries: usize, how: Use<'_>) -> Option<Self> {
        if entries < FEWEST {
            return None;
        }
        // What cannot be read, or is damaged, is as good as missing.
        let (here, found, fresh) = match how {
            Use::No => return None,
            Use::Believe => {
                let stamps = store.root().read(&layout::key_lock(shard), MAX_STAMPS_LEN).ok()??;
                (Here::of(store, shard)?, Stamps::parse(stamps), None)
            }
            Use::Renew(_) => look_at_stamps(store, shard, entries)?,
        };
        let place = here.with(&found);
        let marks = || marks::parse(&store.root().read(&layout::marks(shard), MAX_MARKS_LEN).ok()??, &place).ok();
        let marks = marks().unwrap_or_default();
        Some(Remembered { store, shard, here, found, fresh, marks })
    }

    /// The marks of all entries that were listed: those that hold, and of the others what their heads say.
    pub(super) fn complete(self, mut listed: Vec<(Key, u64)>, how: Use<'_>, torn: &mut Vec<Key>) -> Result<Vec<Mark>> {
        listed.sort_unstable();
        let Remembered { store, shard, here, found, fresh, marks } = self;
        let (before, new) = (marks.len(), fresh.as_ref().unwrap_or(&found));
        let (mut marks, mut read, mut all) = (marks.into_iter().peekable(), 0, Vec::with_capacity(listed.len()));
        for (key, inode) in listed {
            while marks.next_if(|mark| mark.key < key).is_some() {}
            let stamp = new.of(&key).unwrap_or_default();
            let holds = |mark: &Mark| mark.inode == inode && found.of(&key) == Some(mark.stamp);
            if let Some(mark) = marks.next_if(|mark| mark.key == key).filter(holds) {
                all.push(Mark { stamp, ..mark });
            } else if let Some(head) = store.mark_head(&key, torn)? {
                read += 1;
                all.push(Mark { key, inode, stamp, manifest_len: head.manifest_len(), blobs: head.blobs });
            }
        }
        let gone = before.saturating_sub(all.len() - read);
        if let Use::Renew(guard) = how
            && (read > 0 || fresh.is_some() || gone > before / 2)
        {
            // A collector that cannot remember collects all the same.
            drop(store.root().overwrite(&layout::marks(shard), &marks::encode(&here.with(new), &all), guard));
        }
        Ok(all)
    }
}

/// Looks at the stamps of a shard while no publisher is between its stamp and its entry, and makes new ones if they are
/// too few. What was remembered with the old ones is believed by these alone.
fn look_at_stamps(store: &Store, shard: u8, entries: usize) -> Option<(Here, Stamps, Option<Stamps>)> {
    let lock = store.root().lock_exclusive(&layout::key_lock(shard), WAIT).ok()?;
    let here = Here::of(store, shard)?;
    let found = Stamps::parse(lock.content(MAX_STAMPS_LEN).unwrap_or_default());
    if found.are_enough_for(entries) {
        return Some((here, found, None));
    }
    let base = *disk::random_bits().first_chunk().expect("sixteen bytes are more than eight");
    let fresh = Stamps::fresh(entries, base);
    lock.replace_content(fresh.bytes()).ok()?;
    Some((here, found, Some(fresh)))
}

/// What tells this boot, the mounted file system, the directory that is listed and the file that is stamped from all
/// others: what was remembered elsewhere, or before something could get lost, is not believed.
struct Here {
    boot: [u8; 16],
    files: Vec<u8>,
}

impl Here {
    fn of(store: &Store, shard: u8) -> Option<Self> {
        let mut files = Vec::new();
        for rel in [layout::entry_shard(shard), layout::key_lock(shard)] {
            files.extend_from_slice(&store.root().identity(&rel).ok()??);
        }
        Some(Here { boot: store.boot(), files })
    }

    /// The place of marks that were made with these stamps.
    fn with(&self, stamps: &Stamps) -> Digest {
        let len = stamps.bytes().len() as u64;
        Digest::of(&[&self.boot[..], &len.to_le_bytes(), &self.files].concat())
    }
}
