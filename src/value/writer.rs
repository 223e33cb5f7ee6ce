//! Putting a value: its arrays are staged one by one, then the entry is committed.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::OnceLock;
use std::time::Duration;

use ndarray::{ArrayRef, Dimension};
use serde::Serialize;

use super::{Entry, StoredArray};
use crate::digest::Digest;
use crate::disk;
use crate::dtype::{DType, Element};
use crate::error::{At, Error, Result};
use crate::format::body::{
    ArrayRecord, Body, Data, Inline, MAX_DEPTH, MAX_RANK, Order, Origin, TOO_DEEP, TREE, byte_len, check_encoding, fits,
};
use crate::format::head::{BlobRef, Facts, Head};
use crate::format::tag::outline;
use crate::format::tree::{ArrayIndex, Tree, for_each_tagged};
use crate::key::Address;
use crate::mem;
use crate::store::{
    Blobs, Commit, Condition, Durability, Expect, Labels, MAX_HELD, Memory, Outcome, PutReport, Staged, Store, hash,
};

/// A source that can be read twice: hashed first, and written only if its bytes are not in the store.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// A source of elements that refuses bytes which are none: a bool is 0 or 1, and whatever could not be loaded again is
/// not taken.
struct Elements<R> {
    source: R,
    dtype: DType,
}

impl<R> Elements<R> {
    fn check(&self, bytes: &[u8]) -> io::Result<()> {
        check_elements(self.dtype, bytes)
    }
}

fn check_elements(dtype: DType, bytes: &[u8]) -> io::Result<()> {
    if dtype != DType::Bool {
        return Ok(());
    }
    match bytes.iter().find(|&&byte| byte > 1) {
        None => Ok(()),
        Some(byte) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("a bool is 0 or 1, found {byte}"))),
    }
}

impl<R: Read> Read for Elements<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let taken = self.source.read(bytes)?;
        self.check(&bytes[..taken])?;
        Ok(taken)
    }
}

impl<R: Seek> Seek for Elements<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.source.seek(to)
    }
}

/// Builds one entry. Arrays are hashed and, if new, written as they are added, with no lock held; nothing is visible
/// before [`put`](Self::put). Dropping the writer leaves nothing.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let store = ndstash::Store::create(dir.path().join("s"))?;
/// use ndarray::array;
/// use ndstash::Tree;
///
/// let mut writer = store.writer();
/// let weights = writer.array(&array![[1.0, 2.0], [3.0, 4.0]])?;
/// let bias = writer.array(&array![0.5f32])?;
/// writer.tag("model");
/// writer.put("model/7", Tree::Map(vec![("weights".into(), weights), ("bias".into(), bias)]))?;
///
/// let model = store.entry("model/7")?.expect("it was just put");
/// assert_eq!(model.field("bias").unwrap().to_array::<f32, ndarray::Ix1>()?, array![0.5f32]);
/// # Ok::<(), ndstash::Error>(())
/// ```
#[derive(Debug)]
pub struct Writer {
    store: Store,
    arrays: Vec<(ArrayRecord, Option<usize>)>,
    staged: Vec<Staged>,
    /// Where in `staged` each blob is.
    places: HashMap<Digest, usize>,
    inline_bytes: u64,
    /// Bytes of the staged blobs.
    blob_bytes: u64,
    /// The store's limit, once an array was held against it.
    limit: OnceLock<Option<u64>>,
    labels: Labels,
    encoding: String,
    origin: Option<Origin>,
    created: Option<i64>,
    compute_ns: u64,
}

impl Writer {
    pub(crate) fn new(store: &Store) -> Self {
        Writer {
            store: store.clone(),
            arrays: Vec::new(),
            staged: Vec::new(),
            places: HashMap::new(),
            inline_bytes: 0,
            blob_bytes: 0,
            limit: OnceLock::new(),
            labels: Labels::default(),
            encoding: TREE.to_owned(),
            origin: None,
            created: None,
            compute_ns: 0,
        }
    }

    /// Adds a tag.
    pub fn tag(&mut self, tag: impl Into<String>) -> &mut Self {
        self.labels.tags.push(tag.into());
        self
    }

    /// Adds metadata under a key of the user's choice; a later value replaces an earlier one.
    pub fn meta(&mut self, key: impl Into<String>, value: impl Into<Tree>) -> &mut Self {
        self.labels.meta.insert(key.into(), value.into());
        self
    }

    /// Sets when caches stop handing the value out, in nanoseconds since 1970-01-01 00:00 UTC; `None`, the default: never.
    pub fn expires(&mut self, time: Option<i64>) -> &mut Self {
        self.labels.expires = time;
        self
    }

    /// Keeps every policy from removing the entry.
    pub fn pin(&mut self, pinned: bool) -> &mut Self {
        self.labels.pinned = pinned;
        self
    }

    /// Sets when the value was made, in nanoseconds since 1970-01-01 00:00 UTC, where that was before it is put: elsewhere,
    /// say, and it is brought here. What is still to come counts as now.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = ndstash::Store::create(dir.path().join("s"))?;
    /// let mut writer = store.writer();
    /// writer.created(1_000_000_000 * 86_400);
    /// writer.put("old", 1.into())?;
    /// assert_eq!(store.info("old")?.expect("it was put").created(), 1_000_000_000 * 86_400);
    /// # Ok::<(), ndstash::Error>(())
    /// ```
    pub fn created(&mut self, time: i64) -> &mut Self {
        self.created = Some(time);
        self
    }

    /// Notes how long computing the value took: what a hit saves, and what a policy by cost weighs.
    pub fn compute_time(&mut self, time: Duration) -> &mut Self {
        self.compute_ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self
    }

    /// Notes where the value comes from.
    pub(crate) fn origin(&mut self, origin: Origin) -> &mut Self {
        self.origin = Some(origin);
        self
    }

    /// Says that the tree stands for the value in a way of its own, which only who knows that word can undo: a list of
    /// a byte string and the buffers beside it, for instance. `tree`, the default, is the value itself.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless the word has 1 to 64 bytes of ASCII letters, digits, `-`, `.` and `_`.
    pub fn encoding(&mut self, word: &str) -> Result<&mut Self> {
        check_encoding(word)?;
        word.clone_into(&mut self.encoding);
        Ok(self)
    }

    /// Adds an array of any rank. One that lies in C or Fortran order without gaps is stored as it lies, without a
    /// copy in memory; any other is copied to C order first.
    pub fn array<A: Element, D: Dimension>(&mut self, array: &ArrayRef<A, D>) -> Result<Tree> {
        let shape: Vec<u64> = array.shape().iter().map(|&extent| extent as u64).collect();
        let (order, elements) = mem::lie(&array.view());
        self.bytes_of(A::DTYPE, shape, order, bytemuck::cast_slice(&elements)).map(Tree::Array)
    }

    /// Adds an array whose little-endian elements are at hand as bytes.
    ///
    /// # Errors
    /// [`Error::WrongType`] if the bytes are not as many as dtype and shape take.
    pub fn raw_array(&mut self, dtype: DType, shape: &[u64], order: Order, bytes: &[u8]) -> Result<Tree> {
        self.checked(dtype, shape, order, bytes).map(Tree::Array)
    }

    pub(super) fn checked(&mut self, dtype: DType, shape: &[u64], order: Order, bytes: &[u8]) -> Result<ArrayIndex> {
        check_raw(dtype, shape, bytes)?;
        self.bytes_of(dtype, shape.to_vec(), order, bytes)
    }

    /// The same where somebody else may write to the memory meanwhile, as threads of Python may: what is stored is hashed
    /// as it is written, and so has its own name, whatever it is.
    ///
    /// # Errors
    /// As [`raw_array`](Self::raw_array).
    pub fn raw_array_volatile(&mut self, dtype: DType, shape: &[u64], order: Order, bytes: &[u8]) -> Result<Tree> {
        check_raw(dtype, shape, bytes)?;
        if self.fits_inline(bytes.len() as u64) {
            return self.raw_array(dtype, shape, order, bytes);
        }
        let place = self.stage_memory(dtype, Memory::Volatile(bytes))?;
        Ok(Tree::Array(self.push_blob(dtype, shape.to_vec(), order, place)))
    }

    /// Adds a byte string.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<Tree> {
        self.bytes_of(DType::UInt8, vec![bytes.len() as u64], Order::C, bytes).map(Tree::Payload)
    }

    /// The same where somebody else may write to the memory meanwhile.
    pub fn bytes_volatile(&mut self, bytes: &[u8]) -> Result<Tree> {
        if self.fits_inline(bytes.len() as u64) {
            return self.bytes(bytes);
        }
        let place = self.stage_memory(DType::UInt8, Memory::Volatile(bytes))?;
        Ok(self.payload(place))
    }

    /// Adds an array whose little-endian elements a stream yields, in one pass. At most 16 MiB of it are in memory at
    /// a time. The stream may not hold more or less than dtype and shape take.
    pub fn array_from_reader(&mut self, dtype: DType, shape: &[u64], order: Order, reader: impl Read) -> Result<Tree> {
        let len = expected_len(dtype, shape)?;
        if self.fits_inline(len) {
            return self.small_array(dtype, shape, order, len, reader);
        }
        let mut elements = Elements { source: reader.take(len.saturating_add(1)), dtype };
        let staged = self.store.stage_reader(&mut elements, Some(len))?;
        check_len(dtype, shape, staged.blob.len)?;
        let place = self.hold_new(staged)?;
        Ok(Tree::Array(self.push_blob(dtype, shape.to_vec(), order, place)))
    }

    /// The same from a source that can be read twice: it is hashed first, and if its bytes are in the store nothing
    /// is written.
    pub fn array_from_seekable(
        &mut self,
        dtype: DType,
        shape: &[u64],
        order: Order,
        mut reader: impl ReadSeek,
    ) -> Result<Tree> {
        let len = expected_len(dtype, shape)?;
        if self.fits_inline(len) {
            return self.small_array(dtype, shape, order, len, reader);
        }
        let place = self.stage_seekable(&mut Elements { source: &mut reader, dtype })?;
        check_len(dtype, shape, self.staged[place].blob.len)?;
        Ok(Tree::Array(self.push_blob(dtype, shape.to_vec(), order, place)))
    }

    /// Adds a byte string that a stream yields to its end, in one pass.
    pub fn bytes_from_reader(&mut self, mut reader: impl Read) -> Result<Tree> {
        let mut start = Vec::new();
        let inline_max = self.store.arrays().inline_max;
        reader.by_ref().take(inline_max.saturating_add(1)).read_to_end(&mut start).at("read", "the input")?;
        if self.fits_inline(start.len() as u64) {
            return self.bytes(&start);
        }
        let staged = self.store.stage_reader(&mut start.as_slice().chain(reader), None)?;
        let place = self.hold_new(staged)?;
        Ok(self.payload(place))
    }

    /// The same from a source that can be read twice: it is hashed first, and if its bytes are in the store nothing
    /// is written.
    pub fn bytes_from_seekable(&mut self, mut reader: impl ReadSeek) -> Result<Tree> {
        let start = reader.stream_position().at("seek in", "the input")?;
        let len = reader.seek(SeekFrom::End(0)).at("seek in", "the input")?.saturating_sub(start);
        reader.seek(SeekFrom::Start(start)).at("seek in", "the input")?;
        if self.fits_inline(len) {
            return self.bytes_from_reader(reader);
        }
        let place = self.stage_seekable(&mut reader)?;
        Ok(self.payload(place))
    }

    /// Adds an array that came out of this store, without hashing or copying it as long as its blob is there.
    pub fn stored(&mut self, array: &StoredArray) -> Result<Tree> {
        self.held(array).map(Tree::Array)
    }

    pub(super) fn held(&mut self, array: &StoredArray) -> Result<ArrayIndex> {
        let (dtype, shape, order) = (array.dtype(), array.shape().to_vec(), array.order());
        if let Some(blob) = array.blob()
            && let Some(place) = self.find(blob)?
        {
            return Ok(self.push_blob(dtype, shape, order, place));
        }
        self.bytes_of(dtype, shape, order, &array.to_bytes()?)
    }

    /// Adds an array that was staged before, in this store.
    pub(super) fn staged(&mut self, array: &StoredArray, staged: Staged) -> Result<Tree> {
        let place = match self.find(staged.blob)? {
            Some(place) => place,
            None => self.hold_new(staged)?,
        };
        Ok(Tree::Array(self.push_blob(array.dtype(), array.shape().to_vec(), array.order(), place)))
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    fn small_array(&mut self, dtype: DType, shape: &[u64], order: Order, len: u64, reader: impl Read) -> Result<Tree> {
        let mut bytes = Vec::new();
        reader.take(len + 1).read_to_end(&mut bytes).at("read", "the input")?;
        self.raw_array(dtype, shape, order, &bytes)
    }

    fn payload(&mut self, place: usize) -> Tree {
        let shape = vec![self.staged[place].blob.len];
        Tree::Payload(self.push_blob(DType::UInt8, shape, Order::C, place))
    }

    /// Adds elements in memory. Those of a blob that is in this store are not hashed.
    pub(super) fn held_elements(&mut self, elements: mem::Elements<'_>) -> Result<ArrayIndex> {
        let mem::Elements { dtype, shape, order, bytes, blob, .. } = elements;
        if let Some((digest, len)) = blob
            && let Some(place) = self.find(BlobRef { digest, len })?
        {
            return Ok(self.push_blob(dtype, shape, order, place));
        }
        self.bytes_of(dtype, shape, order, &bytes)
    }

    pub(super) fn bytes_of(&mut self, dtype: DType, shape: Vec<u64>, order: Order, bytes: &[u8]) -> Result<ArrayIndex> {
        check_rank(&shape)?;
        self.check_limit(bytes.len() as u64)?;
        if self.fits_inline(bytes.len() as u64) {
            self.inline_bytes += bytes.len() as u64;
            let data = Data::Inline(Inline(bytes.to_vec()));
            return Ok(self.push(ArrayRecord { dtype, shape, order, data }, None));
        }
        let place = self.stage_memory(dtype, Memory::Fixed(bytes))?;
        Ok(self.push_blob(dtype, shape, order, place))
    }

    /// A value that alone is over the store's limit is refused before more of it is written.
    fn check_limit(&self, size: u64) -> Result<()> {
        match *self.limit.get_or_init(|| self.store.limits().ok().and_then(|limits| limits.bytes)) {
            Some(limit) if size > limit => Err(Error::TooLarge { what: "the size of the value in bytes", size, limit }),
            _ => Ok(()),
        }
    }

    fn fits_inline(&self, len: u64) -> bool {
        let limits = self.store.arrays();
        len <= limits.inline_max && self.inline_bytes.saturating_add(len) <= limits.inline_total
    }

    fn may_hold(&self) -> bool {
        self.staged.len() < MAX_HELD
    }

    /// The place of a blob that this entry has already, or that is in the store.
    fn find(&mut self, blob: BlobRef) -> Result<Option<usize>> {
        if let Some(&place) = self.places.get(&blob.digest) {
            return Ok(Some(place));
        }
        match self.store.stage_known(blob, self.may_hold())? {
            Some(staged) => self.hold(staged).map(Some),
            None => Ok(None),
        }
    }

    /// Hashes bytes in memory, and writes them only if they are new. Of those that cannot be there, as far as hints tell,
    /// both is done in one pass.
    fn stage_memory(&mut self, dtype: DType, memory: Memory<'_>) -> Result<usize> {
        let bytes = memory.bytes();
        self.check_limit(bytes.len() as u64)?;
        let check = |bytes: &[u8]| check_elements(dtype, bytes);
        if !self.store.may_have(bytes)
            && let Some(staged) = self.store.stage_memory(memory, check)?
        {
            return self.hold_new(staged);
        }
        let blob = BlobRef { digest: Digest::of(bytes), len: bytes.len() as u64 };
        if let Some(place) = self.find(blob)? {
            return Ok(place);
        }
        let staged = match memory {
            Memory::Fixed(bytes) => self.store.stage_bytes(blob, bytes)?,
            // What is written is hashed again.
            Memory::Volatile(_) => match self.store.stage_memory(memory, check)? {
                Some(staged) => staged,
                None => self.store.stage_reader(&mut Elements { source: bytes, dtype }, Some(blob.len))?,
            },
        };
        self.hold_new(staged)
    }

    /// Hashes a source that can be read twice, and reads it again only if its bytes are new. What is written is hashed
    /// again, so a source that changes in between yields the name of what was written.
    fn stage_seekable(&mut self, reader: &mut impl ReadSeek) -> Result<usize> {
        let start = reader.stream_position().at("seek in", "the input")?;
        let blob = hash(reader)?;
        if let Some(place) = self.find(blob)? {
            return Ok(place);
        }
        reader.seek(SeekFrom::Start(start)).at("seek in", "the input")?;
        let staged = self.store.stage_reader(reader, None)?;
        self.hold_new(staged)
    }

    /// Keeps a blob that was staged without a look whether it is there, and lets others know of it.
    fn hold_new(&mut self, staged: Staged) -> Result<usize> {
        self.store.leave_hint(&staged);
        self.hold(staged)
    }

    /// Keeps a staged blob until the commit, each once.
    fn hold(&mut self, staged: Staged) -> Result<usize> {
        if let Some(&place) = self.places.get(&staged.blob.digest) {
            return Ok(place);
        }
        // A file that is not synced is open, and a process may have only so many.
        let staged = if self.may_hold() { staged } else { staged.seal(Durability::Full)? };
        self.blob_bytes += staged.blob.len;
        self.check_limit(self.blob_bytes)?;
        self.places.insert(staged.blob.digest, self.staged.len());
        self.staged.push(staged);
        Ok(self.staged.len() - 1)
    }

    fn push_blob(&mut self, dtype: DType, shape: Vec<u64>, order: Order, place: usize) -> ArrayIndex {
        self.push(ArrayRecord { dtype, shape, order, data: Data::Blob(0) }, Some(place))
    }

    fn push(&mut self, record: ArrayRecord, staged: Option<usize>) -> ArrayIndex {
        self.arrays.push((record, staged));
        ArrayIndex(u32::try_from(self.arrays.len() - 1).expect("four billion arrays do not fit into memory"))
    }

    /// Publishes the entry, replacing one that is there: readers see the old value or the new one. When this returns
    /// the entry is on disk, unless the handle [defers](Durability::Deferred).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name or a value that cannot be, [`Error::Io`] if the disk is full or fails,
    /// [`Error::Busy`] if the gate is not to be had. The entry that was there, if any, is then still there.
    pub fn put<'a>(self, address: impl Into<Address<'a>>, value: Tree) -> Result<PutReport> {
        let (address, path) = (address.into(), self.store.path().to_owned());
        let report = self.publish(address, value, Condition::Anything)?;
        // A commit that expects nothing is not refused.
        report.ok_or(Error::Busy { path, mode: "publish", waited_ms: 0 })
    }

    /// Publishes the entry only if there is none under that name; `None` if there is.
    pub fn add<'a>(self, address: impl Into<Address<'a>>, value: Tree) -> Result<Option<PutReport>> {
        self.put_if(address, value, Expect::Absent)
    }

    /// Publishes the entry only if what lies under that name is what is expected; `None` if it is not, and nothing is
    /// changed. The look and the change are one step: of several that expect the same at most one goes on.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = ndstash::Store::create(dir.path().join("s"))?;
    /// use ndstash::Expect;
    ///
    /// store.put("n", &1)?;
    /// let seen = store.info("n")?.expect("it was put");
    /// assert!(store.writer().put_if("n", 2.into(), Expect::Same(&seen))?.is_some());
    /// assert!(store.writer().put_if("n", 3.into(), Expect::Same(&seen))?.is_none(), "it is another one by now");
    /// assert_eq!(store.get("n")?, Some(2));
    /// # Ok::<(), ndstash::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_if<'a>(
        self,
        address: impl Into<Address<'a>>,
        value: Tree,
        expect: Expect<'_>,
    ) -> Result<Option<PutReport>> {
        self.publish(address.into(), value, expect.condition())
    }

    pub(crate) fn publish(self, address: Address<'_>, value: Tree, expect: Condition) -> Result<Option<PutReport>> {
        let key = address.key()?;
        if value.is_deeper_than(MAX_DEPTH) {
            return Err(Error::Invalid { what: "value", given: address.label(), reason: TOO_DEEP });
        }
        self.labels.check()?;
        self.labels.meta.values().try_for_each(check_tags)?;
        self.check_value(&value)?;
        let shared = self.count_shared();
        let Writer { store, arrays, staged, inline_bytes, labels, encoding, origin, created, compute_ns, .. } = self;
        let (staged, places) = sort(staged);
        let arrays = arrays.into_iter().map(|(record, at)| place(record, at.map(|at| places[at]))).collect();
        let name = address.name().map(str::to_owned);
        let body = Body { name, encoding, tags: labels.tags, meta: labels.meta, origin, arrays, value };
        let body = Store::encode(&body, &key)?;
        let sequence = store.register_put(shared.new_bytes + Head::len(staged.len()) + body.bytes.len() as u64)?;
        let now = disk::now_ns();
        let created = created.map_or(now, |time| time.min(now));
        let facts = Facts { sequence, created, expires: labels.expires, compute_ns, pinned: labels.pinned };
        let commit = Commit { key, facts, body, blobs: Blobs::Staged(staged), expect, remove: None };
        match store.commit(commit)? {
            Outcome::Changed => Ok(None),
            Outcome::Published { replaced } => {
                store.stay_within_limits(sequence);
                Ok(Some(PutReport { key, replaced, inline_bytes, ..shared }))
            }
        }
    }

    fn check_value(&self, value: &Tree) -> Result<()> {
        let mut bad = None;
        value.for_each_array(&mut |node, index| {
            if !self.arrays.get(index.0 as usize).is_some_and(|(record, _)| fits(node, record)) {
                bad = Some(format!("{node:?}"));
            }
        });
        let reason = "it refers to an array of another writer, or takes one for a byte string or sequence";
        bad.map_or_else(|| check_tags(value), |given| Err(Error::Invalid { what: "value", given, reason }))
    }

    fn count_shared(&self) -> PutReport {
        let count = |new: bool| {
            let counted = self.staged.iter().filter(|staged| staged.is_new() == new);
            counted.fold((0, 0), |(blobs, bytes), staged| (blobs + 1, bytes + staged.blob.len))
        };
        let ((new_blobs, new_bytes), (shared_blobs, shared_bytes)) = (count(true), count(false));
        let key = crate::Key::from_bytes([0; 32]);
        PutReport { key, replaced: false, new_blobs, new_bytes, shared_blobs, shared_bytes, inline_bytes: 0 }
    }
}

/// Sorts by digest, as a manifest lists blobs; returns also the new place of each.
fn sort(staged: Vec<Staged>) -> (Vec<Staged>, Vec<u32>) {
    let mut numbered: Vec<(usize, Staged)> = staged.into_iter().enumerate().collect();
    numbered.sort_by_key(|(_, staged)| staged.blob);
    let mut places = vec![0; numbered.len()];
    for (place, (at, _)) in (0..).zip(&numbered) {
        places[*at] = place;
    }
    (numbered.into_iter().map(|(_, staged)| staged).collect(), places)
}

fn place(record: ArrayRecord, blob: Option<u32>) -> ArrayRecord {
    match blob {
        Some(blob) => ArrayRecord { data: Data::Blob(blob), ..record },
        None => record,
    }
}

/// Whether every tagged list may have the items that it has: a reader would refuse others.
fn check_tags(value: &Tree) -> Result<()> {
    let mut bad = None;
    for_each_tagged(value, &mut |tag, items| {
        if !tag.takes(items) {
            bad = Some((tag, outline(items)));
        }
    });
    bad.map_or(Ok(()), |(tag, found)| {
        Err(Error::Invalid { what: "tag", given: format!("{tag:?} of {found}"), reason: tag.wants() })
    })
}

fn check_rank(shape: &[u64]) -> Result<()> {
    let (size, limit) = (shape.len() as u64, MAX_RANK as u64);
    if size <= limit { Ok(()) } else { Err(Error::TooLarge { what: "the number of dimensions", size, limit }) }
}

pub(super) fn expected_len(dtype: DType, shape: &[u64]) -> Result<u64> {
    check_rank(shape)?;
    let (what, size, limit) = ("the size of the array in bytes", u64::MAX, i64::MAX as u64);
    byte_len(dtype, shape).ok_or(Error::TooLarge { what, size, limit })
}

/// What a source yields, as long as it is elements.
pub(super) fn checked_elements(dtype: DType, source: impl Read) -> impl Read {
    Elements { source, dtype }
}

/// Whether bytes are the elements of an array.
pub(super) fn check_raw(dtype: DType, shape: &[u64], bytes: &[u8]) -> Result<()> {
    check_len(dtype, shape, bytes.len() as u64)?;
    Elements { source: bytes, dtype }.check(bytes).at("take", "the input")
}

pub(super) fn check_len(dtype: DType, shape: &[u64], found: u64) -> Result<()> {
    match expected_len(dtype, shape)? {
        expected if expected == found => Ok(()),
        expected => Err(Error::WrongType {
            at: String::new(),
            expected: format!("{expected} bytes for {dtype} of shape {shape:?}"),
            found: format!("{found} bytes{}", if found > expected { " or more" } else { "" }),
        }),
    }
}

impl Store {
    /// Starts an entry.
    pub fn writer(&self) -> Writer {
        Writer::new(self)
    }

    /// Puts a value of any type that serde can serialise under a name or key, replacing what is there. Arrays and
    /// vectors of numbers are taken out wherever they lie; those above the store's inline limit become blobs.
    /// [`Store::get`] loads it again.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// let store = ndstash::Store::create(dir.path().join("results"))?;
    /// store.put("answer", &ndarray::arr1(&[1.0, 2.0]))?;
    /// let back: ndarray::Array1<f64> = store.get("answer")?.expect("it was put");
    /// assert_eq!(back.sum(), 3.0);
    /// # Ok::<(), ndstash::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Writer::value`] and [`Writer::put`].
    pub fn put<'a, T: Serialize + ?Sized>(&self, address: impl Into<Address<'a>>, value: &T) -> Result<PutReport> {
        self.check_writable()?;
        let mut writer = self.writer();
        let value = writer.value(value)?;
        writer.put(address, value)
    }

    /// Reads an entry, lets `change` build another value from it (or from nothing, if there is none), and publishes
    /// that only if nobody changed the entry meanwhile; else starts over, so no change by others is lost. If `change`
    /// returns `None` nothing is published. No lock is held while it runs.
    ///
    /// Tags and metadata are those that `change` gives the writer.
    pub fn update<'a, E: From<Error>>(
        &self,
        address: impl Into<Address<'a>>,
        mut change: impl FnMut(Option<&Entry>, &mut Writer) -> Result<Option<Tree>, E>,
    ) -> Result<Option<PutReport>, E> {
        let address = address.into();
        self.check_writable()?;
        loop {
            let expected = self.entry_id(&address.key()?)?;
            let entry = self.entry(address)?;
            let expect = match (&entry, expected) {
                (Some(entry), _) => Condition::Same(entry.info().head.id),
                // It is there but lacks a blob: what replaces it is judged by its identity all the same.
                (None, Some(id)) => Condition::Same(id),
                (None, None) => Condition::Absent,
            };
            let mut writer = self.writer();
            let Some(value) = change(entry.as_ref(), &mut writer)? else { return Ok(None) };
            if let Some(report) = writer.publish(address, value, expect)? {
                return Ok(Some(report));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_may_go_from_thread_to_thread_and_be_looked_at_by_several() {
        fn can_be_shared<T: Send + Sync>(_: &T) {}
        let dir = tempfile::tempdir().unwrap();
        can_be_shared(&Store::create(dir.path().join("store")).unwrap().writer());
    }
}
