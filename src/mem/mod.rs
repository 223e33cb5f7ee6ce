//! Arrays in memory, mapped and known by their type: all unsafe code of the crate.
//!
//! A map is sound as long as nobody changes or truncates the file beneath it. ndstash itself never does: blobs are
//! published complete, read-only, and are only ever unlinked or replaced by another inode. That nobody *else* does
//! is a promise that only the caller can make, once, through [`MapPolicy::trusted`].

#![expect(unsafe_code, reason = "this module is the one that has it")]
#![expect(clippy::disallowed_types, reason = "this module is the one that maps")]

mod build;
mod bytes;
mod copy;
mod descriptor;
mod failure;
mod handed;
mod known;
mod lease;
mod offered;
mod operators;
mod raw;
mod writable;
mod writeback;

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::Arc;

use bytemuck::checked;
use memmap2::{Mmap, UncheckedAdvice};
use ndarray::{Array, ArrayRef, ArrayView, Dimension, IxDyn, ShapeBuilder};

use crate::digest::Digest;
use crate::dtype::Element;
use crate::format::body::Order;

pub(crate) use build::{Source, builder_of, extents, load, load_array, load_raw, not_viewable};
pub(crate) use bytes::Heap;
pub use bytes::{MappedBytes, PrivateBytes};
pub(crate) use copy::{copy, fill};
pub(crate) use descriptor::with_descriptor;
pub(crate) use failure::Failure;
pub(crate) use handed::{Handed, Shown, hand, shown, wants_handed};
pub(crate) use known::{Elements, Form, lie, recognise, scalar_bytes};
pub(crate) use lease::nobody_writes;
pub(crate) use offered::Offered;
pub use raw::RawMemory;
pub(crate) use writable::Canvas;
pub(crate) use writeback::start_writeback;

/// Whether a store may map its blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MapPolicy {
    map: bool,
}

impl MapPolicy {
    /// Blobs are read into memory and checked against their digest. The default.
    pub const fn never() -> Self {
        MapPolicy { map: false }
    }

    /// Blobs are mapped: constant time, no copy, memory shared between processes.
    ///
    /// # Safety
    /// The caller promises that for as long as anything mapped is alive no process changes or truncates the files in
    /// the store's `blobs` directory in place, nor those of this process in its `tmp` directory. ndstash never does; blobs are written read-only, and collecting only
    /// unlinks, which leaves maps valid. A store that only its owner can write (the default mode, 0700) and that
    /// nobody edits by hand keeps the promise. If it is broken, mapped arrays change under their readers, and reading
    /// one whose file was truncated kills the process (SIGBUS).
    pub const unsafe fn trusted() -> Self {
        MapPolicy { map: true }
    }

    pub(crate) const fn allows_maps(self) -> bool {
        self.map
    }
}

/// A blob in memory: a read-only map of its file, or bytes that were read.
#[derive(Debug)]
pub(crate) struct Mapping(Option<Mmap>);

impl Mapping {
    /// Maps the first `len` bytes of a file, which the caller has found to be that long.
    pub(crate) fn new(file: &File, len: usize, policy: MapPolicy) -> io::Result<Self> {
        assert!(policy.allows_maps(), "maps are made only under the caller's promise");
        if len == 0 {
            return Ok(Mapping(None));
        }
        // SAFETY: the file will not be changed or truncated while the map lives: whoever constructed the policy has
        // promised that for all writers but ndstash, and ndstash only unlinks and replaces files.
        let map = unsafe { memmap2::MmapOptions::new().len(len).map(file) }?;
        // What is not in memory yet is read in huge pages then, from the one that is asked for on: less of a file of which
        // little is looked at, and for a tenth of the work. What is in memory is found as before.
        build::advise_huge(map.as_ptr().cast_mut(), len);
        Ok(Mapping(Some(map)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Says that nobody is about to look at a part again: it no longer counts as memory of this process, until somebody
    /// does.
    pub(crate) fn leave(&self, from: usize, len: usize) {
        let Some(map) = self.0.as_ref().filter(|map| from.saturating_add(len) <= map.len()) else { return };
        // SAFETY: the map is a shared one of a file, so whoever looks at the part finds there what the file holds, as
        // before; nobody can have written to it through this map, which is read-only.
        let left = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, from, len) };
        // Advice that is refused changes nothing.
        drop(left);
    }
}

/// What keeps the elements of a [`MappedArray`] alive.
#[derive(Debug)]
enum Backing<A> {
    /// Under a map, and which blob it is, if the array is all of it: digest and length.
    Map(Arc<Mapping>, Option<(Digest, u64)>),
    Heap(Arc<Vec<A>>),
}

impl<A> Clone for Backing<A> {
    fn clone(&self) -> Self {
        match self {
            Backing::Map(map, blob) => Backing::Map(Arc::clone(map), *blob),
            Backing::Heap(elements) => Backing::Heap(Arc::clone(elements)),
        }
    }
}

/// A read-only array in the store's own memory map, usable wherever ndarray takes an [`ArrayRef`] or a view.
///
/// Cloning shares the memory. The array stays valid when the store is closed, the entry replaced, or the blob
/// collected. Arrays that lie inside their manifest, and all arrays of a store without [`MapPolicy::trusted`], are
/// held in ordinary memory instead.
pub struct MappedArray<A: Element, D: Dimension> {
    /// Points into `backing`. Lent out only for the lifetime of a borrow of `self`.
    view: ArrayView<'static, A, D>,
    backing: Backing<A>,
}

impl<A: Element, D: Dimension> MappedArray<A, D> {
    /// Views a map as an array; `None` if its bytes are not that many valid elements of that rank. `digest` is the name
    /// of the blob that is mapped, all of it.
    pub(crate) fn from_map(map: Arc<Mapping>, digest: Digest, shape: &[usize], order: Order) -> Option<Self> {
        let elements: &[A] = checked::try_cast_slice(map.bytes()).ok()?;
        let view = view(elements, shape, order)?;
        // SAFETY: the view points into the map, which `backing` keeps alive and at the same address for as long as
        // this struct lives; no method lets the view out for longer than a borrow of the struct.
        let view = unsafe { extend(&view) };
        let blob = (digest, map.bytes().len() as u64);
        Some(MappedArray { view, backing: Backing::Map(map, Some(blob)) })
    }

    /// Views elements in memory as an array; `None` if they are not that many or the rank is another.
    pub(crate) fn from_elements(elements: Vec<A>, shape: &[usize], order: Order) -> Option<Self> {
        let elements = Arc::new(elements);
        let view = view(&elements, shape, order)?;
        // SAFETY: the view points into the vector's heap memory, which `backing` keeps alive and never changes for
        // as long as this struct lives; no method lets the view out for longer than a borrow of the struct.
        let view = unsafe { extend(&view) };
        Some(MappedArray { view, backing: Backing::Heap(elements) })
    }

    /// The array as a view.
    pub fn view(&self) -> ArrayView<'_, A, D> {
        self.view.view()
    }

    /// A part of the array that shares its memory and lives on its own: `choose` cuts a view, as in
    /// `mapped.slice_owned(|view| view.slice_move(s![1..;2, ..]))`.
    pub fn slice_owned<E: Dimension>(
        &self,
        choose: impl for<'a> FnOnce(ArrayView<'a, A, D>) -> ArrayView<'a, A, E>,
    ) -> MappedArray<A, E> {
        let part = choose(self.view());
        let backing = match &self.backing {
            Backing::Map(map, _) => Backing::Map(Arc::clone(map), None),
            Backing::Heap(elements) => Backing::Heap(Arc::clone(elements)),
        };
        // SAFETY: whatever `choose` does, it works for every lifetime, so what it returns points into the view it was
        // given, or into memory that lives for ever. The part's backing keeps the elements alive.
        let view = unsafe { extend(&part) };
        MappedArray { view, backing }
    }

    /// The blob that the array is, all of it and under a read-only map: digest and length.
    pub(crate) fn blob(&self) -> Option<(Digest, u64)> {
        match &self.backing {
            Backing::Map(_, blob) => *blob,
            Backing::Heap(_) => None,
        }
    }

    /// Whether the elements lie in a map of the store (else in ordinary memory).
    pub fn is_mapped(&self) -> bool {
        matches!(self.backing, Backing::Map(..))
    }
}

/// In ordinary memory. The elements are copied only if they lie with gaps.
impl<A: Element, D: Dimension> From<Array<A, D>> for MappedArray<A, D> {
    fn from(array: Array<A, D>) -> Self {
        let shape = array.shape().to_vec();
        let (order, copy) = match lie(&array.view()) {
            (order, Cow::Borrowed(_)) => (order, None),
            (order, Cow::Owned(copy)) => (order, Some(copy)),
        };
        let elements = copy.unwrap_or_else(|| whole(array));
        Self::from_elements(elements, &shape, order).expect("an array is as large as its shape says")
    }
}

/// The elements of an array that lies without gaps.
fn whole<A: Element, D: Dimension>(array: Array<A, D>) -> Vec<A> {
    let len = array.len();
    let (mut elements, offset) = array.into_raw_vec_and_offset();
    drop(elements.drain(..offset.unwrap_or(0)));
    elements.truncate(len);
    elements
}

/// Forgets how long a view may live.
///
/// # Safety
/// The elements must stay where and as they are for as long as the result, or anything made from it, is used.
unsafe fn extend<A, D: Dimension>(view: &ArrayView<'_, A, D>) -> ArrayView<'static, A, D> {
    // SAFETY: pointer, shape and strides are those of a valid view; the caller vouches for the time.
    unsafe { view.raw_view().deref_into_view() }
}

fn view<'a, A, D: Dimension>(elements: &'a [A], shape: &[usize], order: Order) -> Option<ArrayView<'a, A, D>> {
    let shape = IxDyn(shape).set_f(order == Order::F);
    ArrayView::from_shape(shape, elements).ok()?.into_dimensionality().ok()
}

impl<A: Element, D: Dimension> Deref for MappedArray<A, D> {
    type Target = ArrayRef<A, D>;

    fn deref(&self) -> &ArrayRef<A, D> {
        &self.view
    }
}

impl<A: Element, D: Dimension> Clone for MappedArray<A, D> {
    fn clone(&self) -> Self {
        let backing = self.backing.clone();
        // SAFETY: the clone's backing keeps the same elements alive as long as the clone lives.
        let view = unsafe { extend(&self.view) };
        MappedArray { view, backing }
    }
}

impl<A: Element + std::fmt::Debug, D: Dimension> std::fmt::Debug for MappedArray<A, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Ix1, Ix2};

    #[test]
    fn elements_are_viewed_in_either_order() {
        let c = MappedArray::<i32, Ix2>::from_elements((0..6).collect(), &[2, 3], Order::C).unwrap();
        let f = MappedArray::<i32, Ix2>::from_elements((0..6).collect(), &[2, 3], Order::F).unwrap();
        assert_eq!((c[[0, 1]], c[[1, 0]]), (1, 3));
        assert_eq!((f[[0, 1]], f[[1, 0]]), (2, 1));
        assert_eq!(c.sum(), 15);
        let clone = c.clone();
        drop(c);
        assert_eq!(clone.row(1).to_vec(), [3, 4, 5]);
    }

    #[test]
    fn only_a_whole_map_says_which_blob_it_is() {
        let digest = Digest::of(b"");
        let whole = MappedArray::<u8, Ix1>::from_map(Arc::new(Mapping(None)), digest, &[0], Order::C).unwrap();
        let blob_of = |array: &MappedArray<u8, Ix1>| recognise(array).expect("it is known").blob;
        assert_eq!((blob_of(&whole), blob_of(&whole.clone())), (Some((digest, 0)), Some((digest, 0))));
        assert_eq!(recognise(&&whole).and_then(|elements| elements.blob), Some((digest, 0)));
        assert_eq!(blob_of(&whole.slice_owned(|view| view)), None);
        assert_eq!(blob_of(&MappedArray::from(ndarray::arr1(&[]))), None);
        assert!(recognise(&whole.view()).expect("it is known").blob.is_none());
    }

    #[test]
    fn a_slice_outlives_the_array_it_was_cut_from() {
        use ndarray::s;
        let whole = MappedArray::from(Array::from_shape_fn((4, 3), |(i, j)| i * 10 + j).mapv(|i| i as u64));
        let part = whole.slice_owned(|view| view.slice_move(s![1..;2, ..]));
        drop(whole);
        assert_eq!(part.view(), ndarray::arr2(&[[10, 11, 12], [30, 31, 32]]));
        let last = part.slice_owned(|view| view.index_axis_move(ndarray::Axis(0), 1));
        assert_eq!(last.clone().slice_owned(|view| view.slice_move(s![..;-1])).to_vec(), [32, 31, 30]);
        assert_eq!(last.sum(), 93);
    }

    #[test]
    fn an_owned_array_becomes_a_mapped_one_as_it_is() {
        use ndarray::{Array3, s};
        let array = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| i * 100 + j * 10 + k).mapv(|i| i as u64);
        let mut cut = array.clone();
        cut.slice_collapse(s![1.., ..;-1, 1..3]);
        let turned = array.clone().permuted_axes([2, 0, 1]);
        for array in [array.clone(), cut, turned, array.reversed_axes(), Array3::zeros((0, 2, 1))] {
            assert_eq!(MappedArray::from(array.clone()).view(), array);
        }
    }

    #[test]
    fn another_length_or_rank_is_refused() {
        assert!(MappedArray::<u8, Ix1>::from_elements(vec![1, 2], &[3], Order::C).is_none());
        assert!(MappedArray::<u8, Ix2>::from_elements(vec![1, 2], &[2], Order::C).is_none());
    }

    #[test]
    fn empty_and_zero_dimensional_arrays_work() {
        let empty = MappedArray::<f64, Ix2>::from_elements(vec![], &[0, 7], Order::F).unwrap();
        assert_eq!(empty.dim(), (0, 7));
        let scalar = MappedArray::<f64, ndarray::Ix0>::from_elements(vec![2.5], &[], Order::C).unwrap();
        assert_eq!(scalar.first(), Some(&2.5));
        let none =
            MappedArray::<bool, Ix1>::from_map(Arc::new(Mapping(None)), Digest::of(b""), &[0], Order::C).unwrap();
        assert!(none.is_empty() && none.is_mapped());
    }
}
