//! Arrays and vectors made by their type: whatever a deserializer is asked for, filled with bytes, no element visited.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::LazyLock;

use ndarray::{ArcArray, Array, Dimension, IxDyn, ShapeBuilder};

use super::known::{ById, Form, Scalar, for_each_element, for_each_rank};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::format::body::Order;

/// Allocations and maps from this size on ask for huge pages: filling fresh memory is bound by page faults.
const HUGE: usize = 4 << 20;

/// An array whose bytes can be had.
pub(crate) trait Source {
    fn dtype(&self) -> DType;
    fn shape(&self) -> &[u64];
    fn order(&self) -> Order;
    /// Fills memory with the bytes, of which there are as many as dtype and shape take, and checks them.
    fn fill(&self, bytes: &mut [u8]) -> Result<()>;
    /// What to say of content that cannot be.
    fn malformed(&self, reason: String) -> Error;
}

/// How values of one type are made.
pub(crate) struct Builder {
    pub(crate) dtype: DType,
    /// `None`: any.
    pub(crate) rank: Option<usize>,
    pub(crate) form: Form,
    make: fn(&dyn Source) -> Result<Box<dyn Any>>,
}

impl Builder {
    /// Makes the value. Whether dtype and rank are right the caller has found out.
    pub(crate) fn build<T>(&self, source: &dyn Source) -> Result<T> {
        let made = (self.make)(source)?;
        Ok(unbox(made).expect("a builder is looked up by the type that it makes"))
    }
}

/// How values of a type are made out of an array, if it is one that is known.
pub(crate) fn builder_of<T>() -> Option<&'static Builder> {
    static TABLE: LazyLock<Table> = LazyLock::new(Table::new);
    TABLE.0.get(&typeid::of::<T>())
}

#[derive(Default)]
struct Table(HashMap<TypeId, Builder, ById>);

impl Table {
    fn new() -> Self {
        let mut table = Table::default();
        macro_rules! scalars {
            ($($scalar:ty)*) => {$( table.add_scalar::<$scalar>(); )*};
        }
        #[cfg(target_pointer_width = "64")]
        scalars!(usize isize);
        for_each_element!(scalars);
        table
    }

    fn add_scalar<A: Scalar>(&mut self) {
        self.add::<A, Vec<A>>(Form::Sequence, Some(1), |source| Ok(Box::new(load::<A>(source)?)));
        macro_rules! ranks {
            ($($rank:ty)*) => {$( self.add_rank::<A, $rank>(); )*};
        }
        for_each_rank!(ranks);
    }

    fn add_rank<A: Scalar, D: Dimension + 'static>(&mut self) {
        self.add::<A, Array<A, D>>(Form::Array, D::NDIM, |source| Ok(Box::new(load_array::<A, D>(source)?)));
        self.add::<A, ArcArray<A, D>>(Form::Array, D::NDIM, |source| {
            Ok(Box::new(load_array::<A, D>(source)?.into_shared()))
        });
    }

    fn add<A: Scalar, T: 'static>(
        &mut self,
        form: Form,
        rank: Option<usize>,
        make: fn(&dyn Source) -> Result<Box<dyn Any>>,
    ) {
        self.0.insert(TypeId::of::<T>(), Builder { dtype: A::TYPE, rank, form, make });
    }
}

/// Loads an array of elements whose type is the source's. The order is kept.
pub(crate) fn load_array<A: Scalar, D: Dimension>(source: &dyn Source) -> Result<Array<A, D>> {
    let shape = IxDyn(&extents(source)?).set_f(source.order() == Order::F);
    let array = Array::from_shape_vec(shape, load::<A>(source)?).ok();
    let ranked = array.and_then(|array| array.into_dimensionality().ok());
    ranked.ok_or_else(|| not_viewable(source))
}

pub(crate) fn extents(source: &dyn Source) -> Result<Vec<usize>> {
    let fits = source.shape().iter().map(|&extent| usize::try_from(extent)).collect::<Result<_, _>>();
    fits.map_err(|_| Error::TooLarge { what: "an extent", size: u64::MAX, limit: usize::MAX as u64 })
}

/// The bytes were checked for number; what is left are values that are none, and shapes that ndarray does not take.
pub(crate) fn not_viewable(source: &dyn Source) -> Error {
    source.malformed(format!("not a valid {} of shape {:?}", source.dtype(), source.shape()))
}

/// Loads elements whose type is the source's, as they lie.
pub(crate) fn load<A: Scalar>(source: &dyn Source) -> Result<Vec<A>> {
    let raw = load_raw::<A::Bytes>(source)?;
    match raw.iter().position(|bits| !A::is_valid_bit_pattern(bits)) {
        None => Ok(A::from_valid(raw)),
        Some(at) => Err(source.malformed(format!("element {at} is not a valid {}", source.dtype()))),
    }
}

/// Reads the bytes straight into a vector of their type, so that alignment is right by construction.
pub(crate) fn load_raw<R: bytemuck::Pod>(source: &dyn Source) -> Result<Vec<R>> {
    let len = crate::format::body::byte_len(source.dtype(), source.shape()).unwrap_or(u64::MAX);
    let too_large = || Error::TooLarge { what: "the size of the array in bytes", size: len, limit: isize::MAX as u64 };
    let count = usize::try_from(len).map_err(|_| too_large())? / size_of::<R>();
    let mut raw = bytemuck::allocation::try_zeroed_vec::<R>(count).map_err(|()| too_large())?;
    let bytes = bytemuck::cast_slice_mut(&mut raw);
    advise_huge(bytes.as_mut_ptr(), bytes.len());
    source.fill(bytes)?;
    Ok(raw)
}

/// Asks for huge pages beneath memory that is not in use yet, or beneath a map. That the system has none is nobody's concern.
pub(super) fn advise_huge(start: *mut u8, len: usize) {
    const PAGE: usize = 4096;
    let skip = start.align_offset(PAGE);
    if len < HUGE || skip >= len {
        return;
    }
    let whole = (len - skip) / PAGE * PAGE;
    // SAFETY: the advice changes no content, and of pages that are none of this process it is refused.
    let _ = unsafe { rustix::mm::madvise(start.wrapping_add(skip).cast(), whole, rustix::mm::Advice::LinuxHugepage) };
}

/// Takes a value out of its box, if it is of that type.
fn unbox<T>(boxed: Box<dyn Any>) -> Option<T> {
    if (*boxed).type_id() != typeid::of::<T>() {
        return None;
    }
    // SAFETY: the type id says that the box holds a `T`. Every type that a builder makes is free of lifetimes.
    Some(*unsafe { Box::from_raw(Box::into_raw(boxed).cast::<T>()) })
}
