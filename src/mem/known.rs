//! Arrays and vectors known by their type: whatever a serializer is shown, their bytes as they lie, no element visited.

use std::any::TypeId;
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use bytemuck::{CheckedBitPattern, NoUninit, Pod};
use ndarray::{ArcArray, Array, ArrayBase, ArrayView, CowArray, Data, Dimension};

use super::{MappedArray, Offered};
use crate::digest::Digest;
use crate::dtype::{DType, Element};
use crate::format::body::Order;

/// The elements of an array or vector in memory, as they lie.
pub(crate) struct Elements<'a> {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<u64>,
    pub(crate) order: Order,
    /// Borrowed if they lie in C or Fortran order without gaps, else copied to C order.
    pub(crate) bytes: Cow<'a, [u8]>,
    pub(crate) form: Form,
    /// Of a [`MappedArray`] that is a whole blob of a store, under a read-only map: its digest and length.
    pub(crate) blob: Option<(Digest, u64)>,
}

/// What elements were held in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// An array of any rank.
    Array,
    /// A vector or slice.
    Sequence,
}

/// What an array that is recognised may hold: every [`Element`], and integers as wide as a pointer, which are stored
/// as 64 bits and therefore known only where they have as many.
pub(crate) trait Scalar: NoUninit + CheckedBitPattern<Bits = Self::Bytes> + Send + Sync + 'static {
    const TYPE: DType;

    /// The same bytes before their values are known to be valid.
    type Bytes: Pod + Send + Sync;

    fn from_valid(raw: Vec<Self::Bytes>) -> Vec<Self>;
}

impl<A: Element> Scalar for A {
    const TYPE: DType = A::DTYPE;
    type Bytes = A::Raw;

    fn from_valid(raw: Vec<A::Raw>) -> Vec<A> {
        A::from_checked(raw)
    }
}

macro_rules! pointer_wide {
    ($($type:ty => $dtype:ident;)*) => {$(
        #[cfg(target_pointer_width = "64")]
        impl Scalar for $type {
            const TYPE: DType = DType::$dtype;
            type Bytes = $type;

            fn from_valid(raw: Vec<$type>) -> Vec<$type> {
                raw
            }
        }
    )*};
}

pointer_wide! { usize => UInt64; isize => Int64; }

/// Calls a macro with every [`Element`].
macro_rules! for_each_element {
    ($call:ident) => {
        $call!(bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
        $call!(half::f16 half::bf16 num_complex::Complex32 num_complex::Complex64);
    };
}
pub(super) use for_each_element;

/// Calls a macro with the dimension type of every rank.
macro_rules! for_each_rank {
    ($call:ident) => {
        $call!(ndarray::Ix0 ndarray::Ix1 ndarray::Ix2 ndarray::Ix3);
        $call!(ndarray::Ix4 ndarray::Ix5 ndarray::Ix6 ndarray::IxDyn);
    };
}
pub(super) use for_each_rank;

/// Recognises arrays and vectors of known element types, and references and smart pointers to them, by type id.
/// `None`: it is something else, to be serialised part by part.
pub(crate) fn recognise<T: ?Sized>(value: &T) -> Option<Elements<'_>> {
    let at = Place::of(value);
    let id = typeid::of::<T>();
    if size_of::<&T>() != size_of::<*const ()>() {
        let read = TABLE.slices.get(&id)?;
        // SAFETY: the type id is that of the slice type which the function was filed under.
        return Some(unsafe { read(at, size_of_val(value)) });
    }
    if align_of_val(value) != align_of::<usize>() || size_of_val(value) < size_of::<usize>() {
        return None;
    }
    let known = TABLE.types.get(&id)?;
    // What types are filed under has 'static where `T` may have a shorter lifetime; the result borrows from `value`
    // alone, so it ends before that.
    // SAFETY: by its type id the value is a reference, if the table says so.
    let at = if known.referenced { unsafe { at.pointee() } } else { at };
    // SAFETY: by its type id what lies here is what the function was filed under.
    let array = unsafe { (known.reach)(at) };
    // SAFETY: and that leads to an array or vector of the type that this one was filed with.
    Some(unsafe { (known.read)(array) })
}

/// Dtype and bytes of one element, if its type is one that arrays hold.
pub(crate) fn scalar_bytes<T: ?Sized>(value: &T) -> Option<(DType, &[u8])> {
    let dtype = *TABLE.scalars.get(&typeid::of::<T>())?;
    let (at, len) = (std::ptr::from_ref(value).cast::<u8>(), size_of_val(value));
    // SAFETY: a known scalar has no padding, so all its bytes may be read for as long as it is borrowed.
    Some((dtype, unsafe { std::slice::from_raw_parts(at, len) }))
}

/// Where a value lies, its type forgotten.
#[derive(Clone, Copy)]
struct Place<'a>(*const (), PhantomData<&'a ()>);

impl<'a> Place<'a> {
    fn of<T: ?Sized>(value: &'a T) -> Self {
        Place(std::ptr::from_ref(value).cast(), PhantomData)
    }

    /// # Safety
    /// An `X` must lie there, except for lifetimes in it, which nothing may rely on.
    unsafe fn get<X>(self) -> &'a X {
        // SAFETY: as the caller vouches; it is borrowed for 'a.
        unsafe { &*self.0.cast() }
    }

    /// # Safety
    /// A reference or a box of something `Sized` must lie there.
    unsafe fn pointee(self) -> Self {
        // SAFETY: both have the layout of a pointer.
        Place(unsafe { *self.0.cast::<*const ()>() }, PhantomData)
    }
}

/// How the elements of a value are taken, whose type the table knows.
struct Known {
    /// It is a reference to what `reach` takes: vectors and maps show their items so.
    referenced: bool,
    /// From a smart pointer to the array.
    reach: for<'a> unsafe fn(Place<'a>) -> Place<'a>,
    read: for<'a> unsafe fn(Place<'a>) -> Elements<'a>,
}

type ReadSlice = for<'a> unsafe fn(Place<'a>, usize) -> Elements<'a>;

#[derive(Default)]
struct Table {
    types: HashMap<TypeId, Known, ById>,
    slices: HashMap<TypeId, ReadSlice, ById>,
    scalars: HashMap<TypeId, DType, ById>,
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

impl Table {
    fn new() -> Self {
        let mut table = Table::default();
        macro_rules! scalars {
            ($($scalar:ty)*) => {$( table.add_scalar::<$scalar>(); )*};
        }
        macro_rules! mapped {
            ($($element:ty)*) => {$( table.add_mapped::<$element>(); )*};
        }
        #[cfg(target_pointer_width = "64")]
        scalars!(usize isize);
        for_each_element!(scalars);
        for_each_element!(mapped);
        table
    }

    fn add_scalar<A: Scalar>(&mut self) {
        self.scalars.insert(TypeId::of::<A>(), A::TYPE);
        self.slices.insert(TypeId::of::<[A]>(), read_slice::<A>);
        self.add::<Vec<A>>();
        self.add::<Box<[A]>>();
        self.add::<&'static [A]>();
        self.add::<Rc<[A]>>();
        self.add::<Arc<[A]>>();
        macro_rules! ranks {
            ($($rank:ty)*) => {$( self.add_rank::<A, $rank>(); )*};
        }
        for_each_rank!(ranks);
    }

    fn add_rank<A: Scalar, D: Dimension + 'static>(&mut self) {
        self.add::<Array<A, D>>();
        self.add::<ArcArray<A, D>>();
        self.add::<CowArray<'static, A, D>>();
        self.add::<ArrayView<'static, A, D>>();
    }

    fn add_mapped<A: Element>(&mut self) {
        self.add::<Offered<'static, A>>();
        macro_rules! ranks {
            ($($rank:ty)*) => {$( self.add::<MappedArray<A, $rank>>(); )*};
        }
        for_each_rank!(ranks);
    }

    fn add<X: Held>(&mut self) {
        self.add_both::<X>(TypeId::of::<X>(), TypeId::of::<&'static X>(), here);
        self.add_both::<X>(TypeId::of::<&'static X>(), TypeId::of::<&'static &'static X>(), pointee);
        self.add_both::<X>(TypeId::of::<Box<X>>(), TypeId::of::<&'static Box<X>>(), pointee);
        self.add_both::<X>(TypeId::of::<Rc<X>>(), TypeId::of::<&'static Rc<X>>(), rc::<X>);
        self.add_both::<X>(TypeId::of::<Arc<X>>(), TypeId::of::<&'static Arc<X>>(), arc::<X>);
    }

    fn add_both<X: Held>(&mut self, id: TypeId, reference: TypeId, reach: for<'a> unsafe fn(Place<'a>) -> Place<'a>) {
        self.types.insert(id, Known { referenced: false, reach, read: read::<X> });
        self.types.insert(reference, Known { referenced: true, reach, read: read::<X> });
    }
}

/// # Safety
/// As for [`Place::get`] with `X`.
unsafe fn read<X: Held>(at: Place<'_>) -> Elements<'_> {
    // SAFETY: passed on.
    unsafe { at.get::<X>() }.elements()
}

/// # Safety
/// A slice of `A` of that many bytes must lie there.
unsafe fn read_slice<A: Scalar>(at: Place<'_>, bytes: usize) -> Elements<'_> {
    // SAFETY: as the caller vouches; it is borrowed for as long as the place.
    sequence(unsafe { std::slice::from_raw_parts::<A>(at.0.cast(), bytes / size_of::<A>()) })
}

/// # Safety
/// None is needed.
unsafe fn here(at: Place<'_>) -> Place<'_> {
    at
}

/// # Safety
/// As for [`Place::pointee`].
unsafe fn pointee(at: Place<'_>) -> Place<'_> {
    // SAFETY: passed on.
    unsafe { at.pointee() }
}

/// # Safety
/// As for [`Place::get`] with `Rc<X>`.
unsafe fn rc<X>(at: Place<'_>) -> Place<'_> {
    // SAFETY: passed on. While the pointer is borrowed what it points to stays.
    Place(Rc::as_ptr(unsafe { at.get::<Rc<X>>() }).cast(), PhantomData)
}

/// # Safety
/// As for [`Place::get`] with `Arc<X>`.
unsafe fn arc<X>(at: Place<'_>) -> Place<'_> {
    // SAFETY: passed on. While the pointer is borrowed what it points to stays.
    Place(Arc::as_ptr(unsafe { at.get::<Arc<X>>() }).cast(), PhantomData)
}

/// What has elements that can be taken as they lie.
trait Held: 'static {
    fn elements(&self) -> Elements<'_>;
}

impl<A: Scalar, S: Data<Elem = A> + 'static, D: Dimension + 'static> Held for ArrayBase<S, D> {
    fn elements(&self) -> Elements<'_> {
        array(&self.view())
    }
}

impl<A: Element, D: Dimension + 'static> Held for MappedArray<A, D> {
    fn elements(&self) -> Elements<'_> {
        Elements { blob: self.blob(), ..array(&self.view()) }
    }
}

impl<A: Element> Held for Offered<'static, A> {
    fn elements(&self) -> Elements<'_> {
        self.elements()
    }
}

macro_rules! sequences {
    ($($type:ty),*) => {$(
        impl<A: Scalar> Held for $type {
            fn elements(&self) -> Elements<'_> {
                sequence(self)
            }
        }
    )*};
}

sequences!(Vec<A>, Box<[A]>, &'static [A], Rc<[A]>, Arc<[A]>);

fn sequence<A: Scalar>(elements: &[A]) -> Elements<'_> {
    Elements {
        dtype: A::TYPE,
        shape: vec![elements.len() as u64],
        order: Order::C,
        bytes: Cow::Borrowed(bytemuck::cast_slice(elements)),
        form: Form::Sequence,
        blob: None,
    }
}

fn array<'a, A: Scalar, D: Dimension>(view: &ArrayView<'a, A, D>) -> Elements<'a> {
    let shape = view.shape().iter().map(|&extent| extent as u64).collect();
    let (order, bytes) = match lie(view) {
        (order, Cow::Borrowed(elements)) => (order, Cow::Borrowed(bytemuck::cast_slice(elements))),
        (order, Cow::Owned(copy)) => (order, Cow::Owned(bytemuck::cast_slice(&copy).to_vec())),
    };
    Elements { dtype: A::TYPE, shape, order, bytes, form: Form::Array, blob: None }
}

/// The elements of a view: borrowed if they lie in C or Fortran order without gaps, else copied to C order.
pub(crate) fn lie<'a, A: Copy, D: Dimension>(view: &ArrayView<'a, A, D>) -> (Order, Cow<'a, [A]>) {
    if let Some(elements) = view.to_slice() {
        (Order::C, Cow::Borrowed(elements))
    } else if let Some(elements) = view.clone().reversed_axes().to_slice() {
        (Order::F, Cow::Borrowed(elements))
    } else {
        (Order::C, Cow::Owned(view.iter().copied().collect()))
    }
}

/// A type id is a hash already.
#[derive(Default)]
pub(super) struct IdHasher(u64);

pub(super) type ById = BuildHasherDefault<IdHasher>;

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 ^= value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2, ArrayD, Ix0, Ix6, IxDyn, arr0, arr1, arr2, s};

    fn bytes_of<T: ?Sized>(value: &T) -> Option<Vec<u8>> {
        recognise(value).map(|elements| elements.bytes.into_owned())
    }

    #[test]
    fn arrays_behind_any_pointer_are_recognised_without_a_copy() {
        fn check<T: ?Sized>(value: &T, at: *const f64, form: Form) {
            let found = recognise(value).expect("it is known");
            assert_eq!((found.bytes.as_ptr().cast(), found.dtype, found.form), (at, DType::Float64, form));
            assert!(matches!(found.bytes, Cow::Borrowed(_)) && found.blob.is_none());
        }
        let array = Array2::<f64>::ones((3, 4));
        let at = array.as_ptr();
        check(&array, at, Form::Array);
        check(&&array, at, Form::Array);
        check(&&&array, at, Form::Array);
        check(&array.view(), at, Form::Array);
        check(&CowArray::from(array.view()), at, Form::Array);
        let array = array.into_dyn();
        check(&array, at, Form::Array);
        let boxed = Box::new(array);
        check(&boxed, at, Form::Array);
        check(&&boxed, at, Form::Array);
        let counted = Rc::new(*boxed);
        check(&&counted, at, Form::Array);
        check(&counted, at, Form::Array);
        let shared = Arc::new(Rc::into_inner(counted).unwrap());
        check(&&shared, at, Form::Array);
        let vector = Arc::into_inner(shared).unwrap().into_raw_vec_and_offset().0;
        check(&vector, at, Form::Sequence);
        check(&&vector, at, Form::Sequence);
        check(&&vector[..], at, Form::Sequence);
        check(&vector[..], at, Form::Sequence);
        let boxed: Box<[f64]> = vector.into();
        check(&boxed, at, Form::Sequence);
        let shared: Arc<[f64]> = boxed.into();
        check(&&shared, shared.as_ptr(), Form::Sequence);
    }

    #[test]
    fn order_shape_and_gaps_are_seen() {
        let array = arr2(&[[1u16, 2, 3], [4, 5, 6]]);
        let flipped = array.t().to_owned();
        let shown = |elements: Elements<'_>| (elements.shape, elements.order, elements.bytes.into_owned());
        assert_eq!(shown(recognise(&array).unwrap()), (vec![2, 3], Order::C, vec![1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0]));
        assert_eq!(
            shown(recognise(&array.t()).unwrap()),
            (vec![3, 2], Order::F, vec![1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0])
        );
        assert_eq!(recognise(&flipped).unwrap().order, Order::F);
        let strided = recognise(&array.slice(s![.., ..;2])).map(shown);
        assert_eq!(strided, Some((vec![2, 2], Order::C, vec![1, 0, 3, 0, 4, 0, 6, 0])));
        let reversed = recognise(&array.slice(s![..;-1, ..])).map(shown);
        assert_eq!(reversed.unwrap().2, [4, 0, 5, 0, 6, 0, 1, 0, 2, 0, 3, 0]);
    }

    #[test]
    fn empty_arrays_and_scalars_keep_type_and_shape() {
        let empty = Array2::<f32>::zeros((0, 7));
        let found = recognise(&empty).unwrap();
        assert_eq!((found.dtype, found.shape, found.bytes.len()), (DType::Float32, vec![0, 7], 0));
        let found = recognise(&arr0(2i8)).unwrap().shape;
        assert!(found.is_empty());
        assert_eq!(recognise(&Vec::<bool>::new()).unwrap().dtype, DType::Bool);
    }

    #[test]
    fn pointer_wide_integers_are_64_bits() {
        assert_eq!(recognise(&arr1(&[1usize])).unwrap().dtype, DType::UInt64);
        assert_eq!(recognise(&vec![-1isize]).unwrap().dtype, DType::Int64);
        assert_eq!(bytes_of(&[1usize, 2][..]).unwrap(), bytes_of(&vec![1u64, 2]).unwrap());
    }

    #[test]
    fn what_is_no_array_is_not_taken_for_one() {
        struct Alike(#[expect(dead_code, reason = "only its layout counts")] Array1<f64>);
        assert!(recognise(&1.5f64).is_none() && recognise("text").is_none() && recognise(&String::new()).is_none());
        assert!(recognise(&Alike(arr1(&[1.0]))).is_none());
        assert!(recognise(&Some(arr1(&[1.0]))).is_none());
        assert!(recognise(&vec![String::new()]).is_none());
        assert!(recognise(&arr1(&['a'])).is_none());
        assert!(recognise(&()).is_none());
        assert!(recognise(&(&[1u8][..], 0u8)).is_none());
    }

    #[test]
    fn every_element_type_and_rank_is_known() {
        fn check<A: Element + num_traits_free::Zero>() {
            let one = |shape: &[usize]| ArrayD::from_elem(IxDyn(shape), A::ZERO);
            let of = |found: Option<Elements<'_>>| found.map(|found| (found.dtype, found.shape.len()));
            assert_eq!(of(recognise(&one(&[2, 1, 3]))), Some((A::DTYPE, 3)));
            assert_eq!(of(recognise(&one(&[]).into_dimensionality::<Ix0>().unwrap())), Some((A::DTYPE, 0)));
            assert_eq!(of(recognise(&one(&[1; 6]).into_dimensionality::<Ix6>().unwrap())), Some((A::DTYPE, 6)));
            let element = scalar_bytes(&A::ZERO).map(|(dtype, bytes)| (dtype, bytes.len()));
            assert_eq!(element, Some((A::DTYPE, size_of::<A>())));
        }
        mod num_traits_free {
            pub(super) trait Zero {
                const ZERO: Self;
            }
            macro_rules! zeros {
                ($($type:ty: $zero:expr),*) => {$( impl Zero for $type { const ZERO: Self = $zero; } )*};
            }
            zeros!(bool: false, i8: 0, i16: 0, i32: 0, i64: 0, u8: 0, u16: 0, u32: 0, u64: 0, f32: 0.0, f64: 0.0);
            zeros!(half::f16: half::f16::ZERO, half::bf16: half::bf16::ZERO);
            zeros!(num_complex::Complex32: num_complex::Complex::new(0.0, 0.0));
            zeros!(num_complex::Complex64: num_complex::Complex::new(0.0, 0.0));
        }
        macro_rules! check_all {
            ($($type:ty)*) => {$( check::<$type>(); )*};
        }
        check_all!(bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 half::f16 half::bf16);
        check_all!(num_complex::Complex32 num_complex::Complex64);
    }
}
