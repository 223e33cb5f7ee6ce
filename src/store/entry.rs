//! Entries: reading manifests, and what they say.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use super::Store;
use crate::digest::Digest;
use crate::disk::Positioned;
use crate::dtype::DType;
use crate::error::{At, Error, Fault, Result};
use crate::format::body::{Body, Data, Inline, Order};
use crate::format::head::Head;
use crate::format::tree::{ArrayIndex, Tree};
use crate::key::Key;
use crate::layout;

#[expect(clippy::disallowed_types, reason = "a file that `disk` opened")]
type File = std::fs::File;

/// A manifest that was read and checked.
pub(crate) struct Manifest<B = Body> {
    pub(crate) head: Head,
    pub(crate) body: B,
    pub(crate) file: File,
}

/// A way of parsing a body, and of checking it against its head.
pub(crate) type Parse<B> = fn(&[u8], &Head) -> Result<B, Fault>;

/// How much of a manifest is read at once: most are shorter, and take one read.
const FIRST_READ: usize = 2048;

impl Manifest {
    /// Reads and checks an entry's manifest; `None` if there is no such entry.
    pub(crate) fn read(store: &Store, key: &Key) -> Result<Option<Self>> {
        Self::read_by(Body::parse, store, key)
    }
}

impl<B> Manifest<B> {
    /// The same, its body parsed in a way of the caller's.
    pub(crate) fn read_by(parse: Parse<B>, store: &Store, key: &Key) -> Result<Option<Self>> {
        let rel = layout::entry(key);
        let Some(file) = store.root().open_unseen(&rel)? else { return Ok(None) };
        match read_whole(parse, &file, &rel, store, key) {
            Ok((head, body)) => Ok(Some(Manifest { head, body, file })),
            Err(error) => none_if_torn(error, &file, &rel, store),
        }
    }
}

fn read_whole<B>(parse: Parse<B>, file: &File, rel: &layout::Rel, store: &Store, key: &Key) -> Result<(Head, B)> {
    let path = || store.root().full(rel);
    let (mut source, mut first) = (Positioned::new(file), [0; FIRST_READ]);
    let Start { head, rest, ended } = read_head(&mut source, &mut first, rel, store, key)?;
    let mut rest = Cow::Borrowed(rest);
    // One byte more than there should be, so that what follows is found.
    let missing = (head.body_len + 1).saturating_sub(rest.len() as u64);
    if !ended {
        source.take(missing).read_to_end(rest.to_mut()).at_made("read", path)?;
    }
    let checked = head.open_body(&rest).and_then(|body| parse(&body, &head));
    Ok((head, checked.map_err(|fault| fault.at(path()))?))
}

/// What power loss has left of an entry that was not on disk yet is no entry.
fn none_if_torn<T>(error: Error, file: &File, rel: &layout::Rel, store: &Store) -> Result<Option<T>> {
    if error.is_damage() && store.root().is_uncertified(file, rel)? { Ok(None) } else { Err(error) }
}

impl Manifest {
    /// What the entry says of itself.
    pub(crate) fn into_info(self, store: &Store) -> Result<EntryInfo> {
        let used = store.last_used(&self.head.key, &self.file)?;
        Ok(EntryInfo::new(self.head, self.body, used))
    }

    /// Reads and checks the head alone.
    pub(crate) fn read_head(store: &Store, key: &Key) -> Result<Option<Head>> {
        Ok(Self::open_head(store, key)?.map(|(head, _)| head))
    }

    /// Whether power loss has left something under the key that is no entry: one that was not on disk yet.
    pub(crate) fn is_torn(store: &Store, key: &Key) -> Result<bool> {
        let rel = layout::entry(key);
        Ok(Self::read(store, key)?.is_none() && store.root().look(&rel)?.is_some())
    }

    /// Reads and checks the head, and the time of last use.
    pub(crate) fn read_head_and_use(store: &Store, key: &Key) -> Result<Option<(Head, i64)>> {
        let Some((head, file)) = Self::open_head(store, key)? else { return Ok(None) };
        let used = store.last_used(key, &file)?;
        Ok(Some((head, used)))
    }

    /// Reads and checks the head, and keeps the file open.
    pub(crate) fn open_head(store: &Store, key: &Key) -> Result<Option<(Head, File)>> {
        let rel = layout::entry(key);
        let Some(file) = store.root().open_unseen(&rel)? else { return Ok(None) };
        let mut first = [0; FIRST_READ];
        let read = read_head(&mut Positioned::new(&file), &mut first, &rel, store, key);
        let read = read.map(|Start { head, .. }| head).and_then(|head| {
            // Power loss may have left the head and no body: that is no entry, whoever looks.
            if !store.vouches(&head.boot) && store.root().is_uncertified(&file, &rel)? {
                read_whole(Body::parse, &file, &rel, store, key)?;
            }
            Ok(head)
        });
        match read {
            Ok(head) => Ok(Some((head, file))),
            Err(error) => none_if_torn(error, &file, &rel, store),
        }
    }
}

impl Store {
    /// When an entry was last used whose manifest is open, in seconds since 1970.
    pub(crate) fn last_used(&self, key: &Key, file: &File) -> Result<i64> {
        Ok(self.root().look_at(file, &layout::entry(key))?.modified)
    }
}

/// A head, and what of the body came along.
struct Start<'a> {
    head: Head,
    rest: &'a [u8],
    /// The file has no more.
    ended: bool,
}

/// Reads as much as the head says it has, and no more than the file holds.
fn read_head<'a>(
    source: &mut Positioned<'_>,
    first: &'a mut [u8; FIRST_READ],
    rel: &layout::Rel,
    store: &Store,
    key: &Key,
) -> Result<Start<'a>> {
    let path = || store.root().full(rel);
    let found = source.read(first).at_made("read", path)?;
    let first = &first[..found];
    let len = Head::len_from_prefix(first).map_err(|fault| fault.at(path()))?;
    let (start, rest) = first.split_at(len.min(found));
    let parsed = if start.len() == len {
        Head::parse(start)
    } else {
        let mut bytes = start.to_vec();
        source.take((len - start.len()) as u64).read_to_end(&mut bytes).at_made("read", path)?;
        Head::parse(&bytes)
    };
    let head = parsed.map_err(|fault| fault.at(path()))?;
    if head.key == *key {
        // A regular file gives less than was asked for only at its end.
        return Ok(Start { head, rest, ended: found < FIRST_READ });
    }
    let reason = format!("{key} is expected, as the file is named; found {}", head.key);
    Err(Error::Malformed { path: path(), field: "key", reason })
}

/// What an entry says of one of its arrays.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArrayInfo {
    /// The type of its elements.
    pub dtype: DType,
    /// Its extents; empty for a scalar.
    pub shape: Vec<u64>,
    /// How its elements lie.
    pub order: Order,
    /// Its size in bytes.
    pub bytes: u64,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Whether the bytes lie in the manifest itself; else they are a blob.
    pub inline: bool,
}

/// What an entry says of itself; reading it opens no blob.
#[derive(Clone, Debug)]
pub struct EntryInfo {
    pub(crate) head: Head,
    pub(crate) body: Body,
    modified: i64,
}

impl EntryInfo {
    pub(crate) fn new(head: Head, body: Body, modified: i64) -> Self {
        EntryInfo { head, body, modified }
    }

    /// The key it is filed under.
    pub fn key(&self) -> Key {
        self.head.key
    }

    /// The name it was put under; `None` if it was put under a key.
    pub fn name(&self) -> Option<&str> {
        self.body.name.as_deref()
    }

    /// The name, or the key in hex.
    pub fn label(&self) -> String {
        self.name().map_or_else(|| self.key().to_string(), str::to_owned)
    }

    /// When its value was put, in nanoseconds since 1970-01-01 00:00 UTC. Changing labels or name keeps it.
    pub fn created(&self) -> i64 {
        self.head.facts.created
    }

    /// When a cache stops handing it out, in nanoseconds since 1970-01-01 00:00 UTC; `None`: never. A store hands it
    /// out all the same, until it is culled.
    pub fn expires(&self) -> Option<i64> {
        self.head.facts.expires
    }

    /// Whether its time is over at `now`, in nanoseconds since 1970-01-01 00:00 UTC.
    pub fn is_expired_at(&self, now: i64) -> bool {
        self.expires().is_some_and(|time| time <= now)
    }

    /// How long computing the value took; `None` where that is not known.
    pub fn compute_time(&self) -> Option<Duration> {
        Some(self.head.facts.compute_ns).filter(|&ns| ns > 0).map(Duration::from_nanos)
    }

    /// Whether no policy removes it.
    pub fn is_pinned(&self) -> bool {
        self.head.facts.pinned
    }

    /// Its place in the order in which the values of this store were put: later ones have higher numbers, also across
    /// processes. Replacing a value gives a new number; renaming and relabelling keep it.
    pub fn sequence(&self) -> u64 {
        self.head.facts.sequence
    }

    /// How the value is encoded: `tree` for what this library loads, else a word of another program.
    pub fn encoding(&self) -> &str {
        &self.body.encoding
    }

    /// The cache namespace the value was computed in; `None` if it was just put.
    pub fn namespace(&self) -> Option<&str> {
        self.body.origin.as_ref().map(|origin| &*origin.namespace)
    }

    /// The function that computed it, as it was named to the cache.
    pub fn function(&self) -> Option<&str> {
        self.body.origin.as_ref()?.function.as_deref()
    }

    /// The version of that function's code.
    pub fn version(&self) -> Option<&str> {
        self.body.origin.as_ref()?.version.as_deref()
    }

    /// What its key was made of, as far as that is kept.
    pub fn key_parts(&self) -> Option<&Tree> {
        self.body.origin.as_ref()?.key.as_ref()
    }

    /// The machine it was computed on.
    pub fn host(&self) -> Option<&str> {
        self.body.origin.as_ref()?.host.as_deref()
    }

    /// The user who computed it.
    pub fn user(&self) -> Option<&str> {
        self.body.origin.as_ref()?.user.as_deref()
    }

    /// When it was last read, in seconds since 1970-01-01 00:00 UTC: noted once a minute at most, and may be lost.
    pub fn last_used(&self) -> i64 {
        self.modified
    }

    /// Its tags, in the order they were given.
    pub fn tags(&self) -> &[String] {
        &self.body.tags
    }

    /// The user's own metadata.
    pub fn meta(&self) -> &BTreeMap<String, Tree> {
        &self.body.meta
    }

    /// The value, its arrays replaced by references into [`arrays`](Self::arrays).
    pub fn tree(&self) -> &Tree {
        &self.body.value
    }

    /// Bytes of all its arrays, as if nothing were shared.
    pub fn logical_bytes(&self) -> u64 {
        self.body.logical_bytes()
    }

    /// The length of the manifest itself, in bytes.
    pub fn manifest_bytes(&self) -> u64 {
        self.head.manifest_len()
    }

    /// Digest and length of every blob the entry needs, each once.
    pub fn blobs(&self) -> impl Iterator<Item = (Digest, u64)> + '_ {
        self.head.blobs.iter().map(|blob| (blob.digest, blob.len))
    }

    /// What is known of each array without opening its blob.
    pub fn arrays(&self) -> Vec<ArrayInfo> {
        (0..self.body.arrays.len()).filter_map(|at| self.array(ArrayIndex(u32::try_from(at).ok()?))).collect()
    }

    /// What is known of one array; `None` for an index of another entry.
    pub fn array(&self, index: ArrayIndex) -> Option<ArrayInfo> {
        let record = self.body.arrays.get(index.0 as usize)?;
        let (digest, bytes, inline) = match &record.data {
            Data::Inline(Inline(bytes)) => (Digest::of(bytes), bytes.len() as u64, true),
            Data::Blob(at) => {
                let blob = self.head.blobs.get(*at as usize)?;
                (blob.digest, blob.len, false)
            }
        };
        Some(ArrayInfo { dtype: record.dtype, shape: record.shape.clone(), order: record.order, bytes, digest, inline })
    }
}
