//! Choosing entries by what they say of themselves.

use super::{EntryInfo, Store};
use crate::disk;
use crate::error::Result;
use crate::key::Key;

/// Conditions on entries; one that is not set lets every entry pass. Times are nanoseconds since 1970-01-01 00:00 UTC.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// let store = ndstash::Store::create(dir.path().join("results"))?;
/// let mut writer = store.writer();
/// let value = writer.array(&ndarray::arr1(&[1.0, 2.0]))?;
/// writer.tag("draft");
/// writer.put("runs/1", value)?;
/// let drafts = ndstash::Query::new().tag("draft");
/// assert_eq!(store.find(&drafts).count(), 1);
/// assert_eq!(store.evict(&drafts)?, 1);
/// # Ok::<(), ndstash::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    prefix: Option<String>,
    namespace: Option<String>,
    function: Option<String>,
    tags: Vec<String>,
    created_before: Option<i64>,
    created_after: Option<i64>,
    used_before: Option<i64>,
    expired_at: Option<i64>,
    at_least: Option<u64>,
    pinned: Option<bool>,
}

impl Query {
    /// Every entry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Entries whose name begins so. Entries without a name have the empty one.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Entries of a cache's namespace, or of one nested in it; of the empty one: of every cache.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Entries computed by this function.
    #[must_use]
    pub fn function(mut self, function: impl Into<String>) -> Self {
        self.function = Some(function.into());
        self
    }

    /// Entries with this tag; said several times, with all of them.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Entries put before this time.
    #[must_use]
    pub fn created_before(mut self, time: i64) -> Self {
        self.created_before = Some(time);
        self
    }

    /// Entries put at this time or after.
    #[must_use]
    pub fn created_after(mut self, time: i64) -> Self {
        self.created_after = Some(time);
        self
    }

    /// Entries last used before this time. Use is noted once a minute at most.
    #[must_use]
    pub fn used_before(mut self, time: i64) -> Self {
        self.used_before = Some(time);
        self
    }

    /// Entries whose time is over then.
    #[must_use]
    pub fn expired_at(mut self, time: i64) -> Self {
        self.expired_at = Some(time);
        self
    }

    /// Entries whose time is over now.
    #[must_use]
    pub fn expired(self) -> Self {
        self.expired_at(disk::now_ns())
    }

    /// Entries whose arrays have so many bytes or more, as if nothing were shared.
    #[must_use]
    pub fn at_least_bytes(mut self, bytes: u64) -> Self {
        self.at_least = Some(bytes);
        self
    }

    /// Entries that are pinned, or that are not.
    #[must_use]
    pub fn pinned(mut self, pinned: bool) -> Self {
        self.pinned = Some(pinned);
        self
    }

    /// Whether an entry meets all conditions.
    pub fn matches(&self, info: &EntryInfo) -> bool {
        let used = info.last_used().saturating_mul(1_000_000_000);
        passes(self.prefix.as_deref(), |prefix| info.name().unwrap_or_default().starts_with(prefix))
            && passes(self.namespace.as_deref(), |outer| info.namespace().is_some_and(|inner| is_within(inner, outer)))
            && passes(self.function.as_deref(), |function| info.function() == Some(function))
            && self.tags.iter().all(|tag| info.tags().contains(tag))
            && passes(self.created_before, |time| info.created() < time)
            && passes(self.created_after, |time| info.created() >= time)
            && passes(self.used_before, |time| used < time)
            && passes(self.expired_at, |time| info.is_expired_at(time))
            && passes(self.at_least, |bytes| info.logical_bytes() >= bytes)
            && passes(self.pinned, |pinned| info.is_pinned() == pinned)
    }
}

fn passes<T>(condition: Option<T>, test: impl FnOnce(T) -> bool) -> bool {
    condition.is_none_or(test)
}

/// Whether a namespace is another or nested in it. Everything is in the empty one.
pub(crate) fn is_within(inner: &str, outer: &str) -> bool {
    outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Store {
    /// The entries that meet the conditions, in no particular order. Reads every manifest; see
    /// [`entries`](Self::entries) for what is seen of entries that come or go meanwhile.
    pub fn find(&self, query: &Query) -> impl Iterator<Item = Result<EntryInfo>> + use<> {
        let query = query.clone();
        self.entries("").filter(move |info| info.as_ref().map_or(true, |info| query.matches(info)))
    }

    /// The keys of all entries in the order in which their values were put. Reads every head; holds 40 bytes for each.
    pub fn keys_in_order(&self) -> Result<Vec<Key>> {
        let mut keys = Vec::new();
        for shard in 0..=u8::MAX {
            for key in self.keys_in(shard)? {
                if let Some(head) = super::Manifest::read_head(self, &key)? {
                    keys.push((head.facts.sequence, key));
                }
            }
        }
        keys.sort_unstable();
        Ok(keys.into_iter().map(|(_, key)| key).collect())
    }

    /// Removes the entries that meet the conditions, pinned ones too; returns how many. What their blobs take is freed
    /// by the next [`gc`](Self::gc). Entries that are put again meanwhile stay.
    ///
    /// # Errors
    /// The first error of reading or removing an entry, after all the others have been dealt with.
    pub fn evict(&self, query: &Query) -> Result<u64> {
        self.check_writable()?;
        let mut gone = Vec::new();
        let done = self.for_each(query, |info| {
            let removed = self.evict_judged(info.key(), info.head.id)?;
            gone.extend(removed.then_some(info.key()));
            Ok(removed)
        });
        self.sync_entries(gone)?;
        done
    }

    /// Does something with every entry that meets the conditions; returns of how many it was true. An entry that cannot
    /// be read, or with which it fails, does not keep it from the others; the first error comes at the end.
    pub(crate) fn for_each(&self, query: &Query, mut act: impl FnMut(&EntryInfo) -> Result<bool>) -> Result<u64> {
        let (mut count, mut fault) = (0, None);
        for info in self.find(query) {
            match info.and_then(|info| act(&info)) {
                Ok(done) => count += u64::from(done),
                Err(error) => drop(fault.get_or_insert(error)),
            }
        }
        fault.map_or(Ok(count), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::is_within;

    #[test]
    fn namespaces_nest_by_whole_components() {
        assert!(is_within("a/b", "a") && is_within("a", "a") && is_within("a/b/c", "a/b") && is_within("a", ""));
        assert!(!is_within("ab", "a") && !is_within("a", "a/b") && !is_within("", "a"));
    }
}
