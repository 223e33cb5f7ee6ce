//! Memory that an array is produced in: a writable map of a private file, or the heap.

use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};

use memmap2::{MmapMut, MmapOptions};
use ndarray::{Array, ArrayRef, ArrayViewMut, Dimension};

use super::MapPolicy;
use crate::dtype::Element;

/// An array of zeros in C order, to be filled. Whoever changes how the array is viewed (its axes, say) does not change
/// which element lies where in memory.
#[derive(Debug)]
pub(crate) struct Canvas<A: Element, D: Dimension>(Memory<A, D>);

#[derive(Debug)]
enum Memory<A: Element, D: Dimension> {
    Heap(Array<A, D>),
    /// The view points into the map, and is lent out only for the lifetime of a borrow of the canvas.
    Map {
        view: ArrayViewMut<'static, A, D>,
        _map: MmapMut,
    },
}

impl<A: Element, D: Dimension> Canvas<A, D> {
    /// Zeros in ordinary memory; `None` if there is not enough of it.
    pub(crate) fn on_heap(shape: D) -> Option<Self> {
        let zeros = bytemuck::allocation::try_zeroed_vec::<A::Raw>(shape.size_checked()?).ok()?;
        Array::from_shape_vec(shape, A::from_checked(zeros)).ok().map(|array| Canvas(Memory::Heap(array)))
    }

    /// A writable map of a file of zeros, which must be as long as the array and have space for all of it: a page that
    /// the disk has no room for kills the process that writes to it.
    pub(crate) fn on_file(file: &File, shape: D, policy: MapPolicy) -> io::Result<Self> {
        assert!(policy.allows_maps(), "maps are made only under the caller's promise");
        let len = shape.size_checked().and_then(|count| count.checked_mul(size_of::<A>()));
        let len = len.filter(|&len| file.metadata().is_ok_and(|meta| meta.len() == len as u64));
        let len = len.ok_or_else(|| io::Error::other("the file is not as long as the array"))?;
        // SAFETY: the file is a private one that this process has just made. It maps it once, here, and neither
        // writes it otherwise nor truncates it while the map lives; whoever constructed the policy has promised the
        // same for all others.
        let mut map = unsafe { MmapOptions::new().len(len).map_mut(file) }?;
        let start = map.as_mut_ptr().cast::<A>();
        // SAFETY: the map is as long as the array, begins at a page and so is aligned, and is held by the same struct
        // as the view, so that it stays where it is for as long as the view is used; nothing else refers to it. All
        // its bytes are zeros, which are a valid element of every type.
        let view = unsafe { ArrayViewMut::from_shape_ptr(shape, start) };
        Ok(Canvas(Memory::Map { view, _map: map }))
    }

    /// Whether the elements lie in a map of a file (else in ordinary memory).
    pub(crate) fn is_mapped(&self) -> bool {
        matches!(self.0, Memory::Map { .. })
    }

    /// The elements in the order they lie in, if they are in ordinary memory. A map is taken down: what was written
    /// through it is in the file.
    pub(crate) fn into_elements(self) -> Option<Vec<A>> {
        match self.0 {
            Memory::Heap(array) => Some(array.into_raw_vec_and_offset().0),
            Memory::Map { .. } => None,
        }
    }
}

impl<A: Element, D: Dimension> Deref for Canvas<A, D> {
    type Target = ArrayRef<A, D>;

    fn deref(&self) -> &ArrayRef<A, D> {
        match &self.0 {
            Memory::Heap(array) => array,
            Memory::Map { view, .. } => view,
        }
    }
}

impl<A: Element, D: Dimension> DerefMut for Canvas<A, D> {
    fn deref_mut(&mut self) -> &mut ArrayRef<A, D> {
        match &mut self.0 {
            Memory::Heap(array) => array,
            Memory::Map { view, .. } => view,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Axis, Dim, Ix2, IxDyn};
    use std::io::Read;

    #[test]
    fn what_is_written_lies_in_c_order_however_the_axes_are_swapped() {
        let mut canvas = Canvas::<i32, Ix2>::on_heap(Dim([2, 3])).unwrap();
        canvas.swap_axes(0, 1);
        canvas[[2, 0]] = 7;
        assert_eq!(canvas.dim(), (3, 2));
        assert_eq!(canvas.into_elements().unwrap(), [0, 0, 7, 0, 0, 0]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri maps no files")]
    fn a_file_shows_what_is_written_to_its_map() {
        // SAFETY: the file has no name, and this test alone has it open.
        let policy = unsafe { MapPolicy::trusted() };
        let file = tempfile::tempfile().unwrap();
        file.set_len(6).unwrap();
        let mut canvas = Canvas::<bool, IxDyn>::on_file(&file, IxDyn(&[2, 3]), policy).unwrap();
        assert!(canvas.is_mapped() && canvas.iter().all(|element| !element));
        canvas.index_axis_mut(Axis(0), 1).fill(true);
        assert!(canvas.into_elements().is_none());
        let mut bytes = Vec::new();
        (&file).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [0, 0, 0, 1, 1, 1]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri maps no files")]
    fn a_file_of_another_length_is_refused() {
        // SAFETY: the file has no name, and this test alone has it open.
        let policy = unsafe { MapPolicy::trusted() };
        let file = tempfile::tempfile().unwrap();
        file.set_len(15).unwrap();
        assert!(Canvas::<u64, Ix2>::on_file(&file, Dim([1, 2]), policy).is_err());
    }
}
