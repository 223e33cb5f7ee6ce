//! Bytes without a type: read-only, or private and writable. For callers that view them in a language of their own.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use memmap2::{MmapMut, MmapOptions};

use super::copy::LINE;
use super::{MapPolicy, Mapping, build};
use crate::digest::Digest;

/// Ordinary memory, aligned for elements of every type, and for whoever fills it.
pub(crate) struct Heap {
    words: Vec<u128>,
    /// The word that it begins with.
    first: usize,
    len: usize,
}

impl Heap {
    /// So many zeros; `None` if there is not enough memory.
    pub(crate) fn zeroed(len: usize) -> Option<Self> {
        const WORD: usize = size_of::<u128>();
        let words = bytemuck::allocation::try_zeroed_vec::<u128>(len.div_ceil(WORD) + LINE / WORD - 1).ok()?;
        let first = words.as_ptr().align_offset(LINE);
        let mut heap = Heap { words, first, len };
        build::advise_huge(heap.as_mut_ptr(), len);
        Some(heap)
    }
}

impl Deref for Heap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words[self.first..])[..self.len]
    }
}

impl DerefMut for Heap {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words[self.first..])[..self.len]
    }
}

/// The bytes of one stored array, as they lie, from [`StoredArray::map_bytes`](crate::StoredArray::map_bytes): under the
/// store's own read-only map, or in ordinary memory. They begin at an address that suits every element type.
///
/// Cloning shares the memory. It stays where and as it is for as long as a clone lives, whatever becomes of the store,
/// the entry or the blob.
#[derive(Clone)]
pub struct MappedBytes(Backing);

#[derive(Clone)]
enum Backing {
    /// All of the blob of that name.
    Map(Arc<Mapping>, Digest),
    Heap(Arc<Heap>),
}

impl MappedBytes {
    /// All of a blob, by its name.
    pub(crate) fn of_map(map: Arc<Mapping>, digest: Digest) -> Self {
        MappedBytes(Backing::Map(map, digest))
    }

    pub(crate) fn of_heap(heap: Heap) -> Self {
        MappedBytes(Backing::Heap(Arc::new(heap)))
    }

    /// The name of the blob that these bytes are, all of it and under a read-only map; `None` in ordinary memory. The
    /// content of a map was not compared with it.
    pub fn blob(&self) -> Option<Digest> {
        match &self.0 {
            Backing::Map(_, digest) => Some(*digest),
            Backing::Heap(_) => None,
        }
    }

    /// Whether they lie in a map of the store (else in ordinary memory).
    pub fn is_mapped(&self) -> bool {
        matches!(self.0, Backing::Map(..))
    }
}

impl Deref for MappedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Backing::Map(map, _) => map.bytes(),
            Backing::Heap(heap) => heap,
        }
    }
}

impl AsRef<[u8]> for MappedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for MappedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedBytes").field("len", &self.len()).field("blob", &self.blob()).finish()
    }
}

/// A private, writable copy of the bytes of one stored array, from
/// [`StoredArray::map_private`](crate::StoredArray::map_private): a copy-on-write map of the blob, of which only what is
/// written to takes memory, or ordinary memory. What is written reaches nobody else. They begin at an address that suits
/// every element type, and stay there for as long as this lives.
pub struct PrivateBytes(Private);

enum Private {
    Map(MmapMut),
    Heap(Heap),
}

impl PrivateBytes {
    /// A copy-on-write map of the first `len` bytes of a file, which the caller has found to be that long.
    pub(crate) fn of_file(file: &File, len: usize, policy: MapPolicy) -> io::Result<Self> {
        assert!(policy.allows_maps(), "maps are made only under the caller's promise");
        // SAFETY: the file will not be changed or truncated while the map lives: whoever constructed the policy has
        // promised that for all writers but ndstash, and ndstash only unlinks and replaces files.
        let map = unsafe { MmapOptions::new().len(len).no_reserve_swap().map_copy(file) }?;
        Ok(PrivateBytes(Private::Map(map)))
    }

    pub(crate) fn of_heap(heap: Heap) -> Self {
        PrivateBytes(Private::Heap(heap))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.0 {
            Private::Map(map) => map,
            Private::Heap(heap) => heap,
        }
    }

    /// Where they begin: valid for reads and writes of [`len`](Self::len) bytes for as long as this lives, also after
    /// it was moved.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        match &mut self.0 {
            Private::Map(map) => map.as_mut_ptr(),
            Private::Heap(heap) => heap.as_mut_ptr(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Private::Map(map) => map.len(),
            Private::Heap(heap) => heap.len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether they lie in a map of the blob (else in ordinary memory).
    pub fn is_mapped(&self) -> bool {
        matches!(self.0, Private::Map(_))
    }
}

impl fmt::Debug for PrivateBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateBytes").field("len", &self.len()).field("mapped", &self.is_mapped()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_suits_every_element_and_is_as_long_as_was_asked() {
        for len in [0, 1, 15, 16, 17, 5 << 20] {
            let mut heap = Heap::zeroed(len).unwrap();
            assert_eq!((heap.len(), heap.as_ptr().align_offset(LINE)), (len, 0));
            assert!(heap.iter().all(|byte| *byte == 0));
            if let Some(last) = heap.last_mut() {
                *last = 7;
            }
            assert_eq!(heap.iter().map(|&byte| u64::from(byte)).sum::<u64>(), if len == 0 { 0 } else { 7 });
        }
        assert!(Heap::zeroed(usize::MAX).is_none());
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri maps no files")]
    fn what_is_written_to_private_bytes_does_not_reach_the_file() {
        use std::io::{Read, Seek, Write};
        // SAFETY: the file has no name, and this test alone has it open.
        let policy = unsafe { MapPolicy::trusted() };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[1; 5000]).unwrap();
        let mut bytes = PrivateBytes::of_file(&file, 5000, policy).unwrap();
        // SAFETY: the pointer is valid for writes of 5000 bytes, and nothing else looks at them now.
        unsafe { bytes.as_mut_ptr().wrapping_add(4999).write(9) };
        assert_eq!((bytes.bytes()[0], bytes.bytes()[4999]), (1, 9));
        file.rewind().unwrap();
        let mut found = Vec::new();
        file.read_to_end(&mut found).unwrap();
        assert_eq!(found, [1; 5000]);
    }
}
