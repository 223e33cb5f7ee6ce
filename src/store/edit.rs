//! Changing entries that are there: remove, rename, copy, relabel.

use std::collections::BTreeMap;

use super::commit::Blobs;
use super::{Commit, Condition, EntryInfo, Manifest, Outcome, Store};
use crate::error::{Error, Result};
use crate::format::body::{Body, MAX_DEPTH, TOO_DEEP, has_arrays};
use crate::format::head::{EntryId, Facts};
use crate::format::tree::Tree;
use crate::key::{Address, Key};
use crate::layout;

/// The part of an entry that may change while its value stays.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Labels {
    /// Short words to find the entry by.
    pub tags: Vec<String>,
    /// The user's own metadata. Values name no arrays.
    pub meta: BTreeMap<String, Tree>,
    /// When a cache stops handing the value out, in nanoseconds since 1970-01-01 00:00 UTC; `None`: never.
    pub expires: Option<i64>,
    /// No policy removes the entry.
    pub pinned: bool,
}

impl Labels {
    pub(crate) fn check(&self) -> Result<()> {
        let flaw = |value: &Tree| match value {
            // First: what comes after walks all of the tree.
            deep if deep.is_deeper_than(MAX_DEPTH) => Some(TOO_DEEP),
            other => has_arrays(other).then_some("metadata names no arrays"),
        };
        match self.meta.iter().find_map(|(key, value)| Some((key, flaw(value)?))) {
            None => Ok(()),
            Some((key, reason)) => Err(Error::Invalid { what: "metadata", given: key.clone(), reason }),
        }
    }
}

impl Store {
    /// Removes an entry; whether there was one. Its blobs stay until they are collected.
    ///
    /// Whoever has read or mapped its arrays keeps them.
    pub fn remove<'a>(&self, address: impl Into<Address<'a>>) -> Result<bool> {
        let key = address.into().key()?;
        self.remove_checked(key, None)
    }

    /// Removes an entry only if it is still the one that `judged` describes; whether it was removed.
    ///
    /// An entry that was put again, renamed over or relabelled since is another one.
    pub fn remove_if(&self, judged: &EntryInfo) -> Result<bool> {
        self.remove_checked(judged.key(), Some(judged.head.id))
    }

    /// Removes an entry if it is still the one that was judged, and leaves it to the caller, or to the collector that
    /// comes next, to sync its directory.
    pub(crate) fn evict_judged(&self, key: Key, judged: EntryId) -> Result<bool> {
        self.unlink_entry(key, Some(judged))
    }

    fn unlink_entry(&self, key: Key, judged: Option<EntryId>) -> Result<bool> {
        let _gate = self.enter_gate()?;
        let locks = self.lock_keys(&[key])?;
        let same = match judged {
            None => true,
            Some(id) => self.entry_id(&key)? == Some(id),
        };
        Ok(same && self.root().unlink(&layout::entry(&key), locks.proof())?)
    }

    fn remove_checked(&self, key: Key, judged: Option<EntryId>) -> Result<bool> {
        self.check_writable()?;
        let removed = self.unlink_entry(key, judged)?;
        if removed {
            self.sync_entries([key])?;
        }
        Ok(removed)
    }

    /// Gives an entry another name or key; `false` if there is none, or its blobs are missing. At every moment at
    /// least one of the two can be read. Time of creation and labels stay.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is an entry under `to` and `replace` is not set.
    pub fn rename<'a, 'b>(
        &self,
        from: impl Into<Address<'a>>,
        to: impl Into<Address<'b>>,
        replace: bool,
    ) -> Result<bool> {
        self.transfer(from.into(), to.into(), replace, true)
    }

    /// Puts the value of one entry under another name or key as well, without touching its arrays; otherwise like
    /// [`rename`](Self::rename).
    pub fn copy<'a, 'b>(
        &self,
        from: impl Into<Address<'a>>,
        to: impl Into<Address<'b>>,
        replace: bool,
    ) -> Result<bool> {
        self.transfer(from.into(), to.into(), replace, false)
    }

    fn transfer(&self, from: Address<'_>, to: Address<'_>, replace: bool, remove: bool) -> Result<bool> {
        let (source, target) = (from.key()?, to.key()?);
        if source == target {
            return self.contains(from);
        }
        loop {
            let Some(manifest) = self.read_whole(&source)? else { return Ok(false) };
            let body = Body { name: to.name().map(str::to_owned), ..manifest.body };
            let id = manifest.head.id;
            let mut facts = manifest.head.facts;
            if !remove {
                facts.sequence = self.register_put(manifest.head.manifest_len())?;
            }
            let commit = Commit {
                key: target,
                facts,
                body: Self::encode(&body, &target)?,
                blobs: Blobs::Of { entry: source, id, blobs: manifest.head.blobs },
                expect: if replace { Condition::Anything } else { Condition::Absent },
                remove: remove.then_some(source),
            };
            match self.commit(commit)? {
                Outcome::Published { .. } => return Ok(true),
                Outcome::Changed if !replace && self.contains(to)? => return Err(taken(to)),
                // The source changed while it was copied: read it again.
                Outcome::Changed => {}
            }
        }
    }

    /// Changes the labels of an entry; `false` if there is none. `change` may be called several times, if others
    /// change the entry at the same time: nobody's change is lost.
    pub fn relabel<'a>(&self, address: impl Into<Address<'a>>, mut change: impl FnMut(&mut Labels)) -> Result<bool> {
        let key = address.into().key()?;
        loop {
            let Some(manifest) = self.read_whole(&key)? else { return Ok(false) };
            let Facts { expires, pinned, .. } = manifest.head.facts;
            let mut labels = Labels { tags: manifest.body.tags, meta: manifest.body.meta, expires, pinned };
            change(&mut labels);
            labels.check()?;
            let body = Body { tags: labels.tags, meta: labels.meta, ..manifest.body };
            let id = manifest.head.id;
            let commit = Commit {
                key,
                facts: Facts { expires: labels.expires, pinned: labels.pinned, ..manifest.head.facts },
                body: Self::encode(&body, &key)?,
                blobs: Blobs::Of { entry: key, id, blobs: manifest.head.blobs },
                expect: Condition::Same(id),
                remove: None,
            };
            if let Outcome::Published { .. } = self.commit(commit)? {
                return Ok(true);
            }
        }
    }

    /// Reads an entry whose blobs are all there, and sees to it that they are on disk; `None` if there is no such entry.
    fn read_whole(&self, key: &Key) -> Result<Option<Manifest>> {
        loop {
            let Some(manifest) = Manifest::read(self, key)? else { return Ok(None) };
            if self.make_certain(&manifest.head.blobs)? && self.is_whole(&manifest.head)? {
                return Ok(Some(manifest));
            }
            if self.entry_id(key)? == Some(manifest.head.id) {
                return Ok(None);
            }
        }
    }
}

fn taken(to: Address<'_>) -> Error {
    Error::Invalid { what: "name", given: to.label(), reason: "there is an entry of that name already" }
}
