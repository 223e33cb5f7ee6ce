//! Arrays of other types than ndarray's: `#[serde(with = "ndstash::array")]`.
//!
//! ndarray's own types and vectors need no annotation. For any other array type [`ArrayLike`] says how to get at its
//! elements; a field of such a type that is annotated is then kept as an array, at the speed of memory. Through any
//! other format (JSON, `rmp-serde`) it goes in the form that ndarray has there.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! # let store = ndstash::Store::create(dir.path().join("s"))?;
//! use std::borrow::Cow;
//!
//! use ndstash::array::{ArrayLike, Layout};
//! use serde::{Deserialize, Serialize};
//!
//! /// A matrix with rows of equal length.
//! struct Matrix {
//!     columns: usize,
//!     cells: Vec<f64>,
//! }
//!
//! impl ArrayLike for Matrix {
//!     type Element = f64;
//!
//!     fn layout(&self) -> Layout {
//!         Layout { shape: vec![self.cells.len() / self.columns, self.columns], order: ndstash::Order::C }
//!     }
//!
//!     fn elements(&self) -> Cow<'_, [f64]> {
//!         Cow::Borrowed(&self.cells)
//!     }
//!
//!     fn from_parts(layout: Layout, cells: Vec<f64>) -> Option<Self> {
//!         let [_, columns] = layout.shape[..] else { return None };
//!         (layout.order == ndstash::Order::C).then_some(Matrix { columns, cells })
//!     }
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Model {
//!     name: String,
//!     #[serde(with = "ndstash::array")]
//!     weights: Matrix,
//! }
//!
//! let model = Model { name: "first".into(), weights: Matrix { columns: 2, cells: vec![1.0, 2.0, 3.0, 4.0] } };
//! store.put("model", &model)?;
//! let loaded: Model = store.get("model")?.expect("it was put");
//! assert_eq!(loaded.weights.cells, model.weights.cells);
//! # Ok::<(), ndstash::Error>(())
//! ```

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use ndarray::{ArcArray, Array, Dimension, IxDyn, ShapeBuilder};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;

use super::StoredArray;
use super::load::ARRAY;
use crate::dtype::Element;
use crate::error::{Error, Result};
use crate::format::body::Order;
use crate::mem::{self, Failure, Handed, Offered};

/// Shape and order of elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The extents; empty for a scalar.
    pub shape: Vec<usize>,
    /// How the elements lie.
    pub order: Order,
}

/// An array type whose elements lie in memory without gaps, or can be copied so.
pub trait ArrayLike: Sized {
    /// What it holds.
    type Element: Element;

    /// The number of dimensions, if that is part of the type.
    const RANK: Option<usize> = None;

    /// Shape and order of what [`elements`](Self::elements) returns.
    fn layout(&self) -> Layout;

    /// The elements, as many as the shape says: borrowed if they lie without gaps.
    fn elements(&self) -> Cow<'_, [Self::Element]>;

    /// The array made of elements, as many as the shape says; `None` if this type takes no such shape or order.
    fn from_parts(layout: Layout, elements: Vec<Self::Element>) -> Option<Self>;
}

macro_rules! like {
    ($($array:ident),*) => {$(
        impl<A: Element, D: Dimension> ArrayLike for $array<A, D> {
            type Element = A;
            const RANK: Option<usize> = D::NDIM;

            fn layout(&self) -> Layout {
                Layout { shape: self.shape().to_vec(), order: mem::lie(&self.view()).0 }
            }

            fn elements(&self) -> Cow<'_, [A]> {
                mem::lie(&self.view()).1
            }

            fn from_parts(layout: Layout, elements: Vec<A>) -> Option<Self> {
                array(&layout, elements).map(Into::into)
            }
        }
    )*};
}

like!(Array, ArcArray);

fn array<A, D: Dimension>(layout: &Layout, elements: Vec<A>) -> Option<Array<A, D>> {
    let shape = IxDyn(&layout.shape).set_f(layout.order == Order::F);
    Array::from_shape_vec(shape, elements).ok()?.into_dimensionality().ok()
}

/// Serialises an array: whole into a store, in ndarray's form into other formats.
pub fn serialize<T: ArrayLike, S: Serializer>(array: &T, to: S) -> Result<S::Ok, S::Error> {
    let Layout { shape, order } = array.layout();
    offer(&Offered { shape, order, elements: array.elements(), ranked: T::RANK.is_some(), blob: None }, to)
}

pub(super) fn offer<A: Element, S: Serializer>(array: &Offered<'_, A>, to: S) -> Result<S::Ok, S::Error> {
    if array.shape.iter().product::<usize>() != array.elements.len() {
        let (shape, len) = (&array.shape, array.elements.len());
        return Err(serde::ser::Error::custom(format_args!("{len} elements for the shape {shape:?}")));
    }
    to.serialize_newtype_struct(ARRAY, array)
}

/// Deserialises an array that [`serialize`] or ndarray has written.
pub fn deserialize<'de, T: ArrayLike, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    let (layout, elements) = match take::<T::Element, D>(from, T::RANK)? {
        Taken::Stored(stored) => stored.parts(T::RANK).map_err(fail)?,
        Taken::Plain(layout, elements) => (layout, elements),
    };
    let shape = layout.shape.clone();
    T::from_parts(layout, elements)
        .ok_or_else(|| de::Error::custom(format_args!("{} takes no shape {shape:?}", std::any::type_name::<T>())))
}

/// An error of the store as one of a deserializer.
pub(super) fn fail<E: de::Error>(error: Error) -> E {
    Failure::from(error).pass(|failure| E::custom(failure))
}

/// An array from a deserializer: from a store, not loaded yet, or from another format.
pub(super) enum Taken<A> {
    Stored(Box<StoredArray>),
    Plain(Layout, Vec<A>),
}

pub(super) fn take<'de, A: Element, D: Deserializer<'de>>(from: D, rank: Option<usize>) -> Result<Taken<A>, D::Error> {
    let handed = from.deserialize_newtype_struct(ARRAY, PlainVisitor::<A>(rank, PhantomData))?;
    match handed.0.downcast::<StoredArray>() {
        Ok(stored) => Ok(Taken::Stored(stored)),
        Err(other) => match other.downcast::<(Layout, Vec<A>)>() {
            Ok(plain) => Ok(Taken::Plain(plain.0, plain.1)),
            Err(_) => Err(de::Error::custom("neither an array of a store nor one of ndarray's form")),
        },
    }
}

/// Takes what this crate's own deserializer hands over; of others, ndarray's form.
struct PlainVisitor<A>(Option<usize>, PhantomData<A>);

impl<'de, A: Element> Visitor<'de> for PlainVisitor<A> {
    type Value = Handed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(rank) => write!(f, "{} of {rank} dimensions", A::DTYPE),
            None => write!(f, "an array of {}", A::DTYPE),
        }
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Handed, D::Error> {
        from.deserialize_struct("Array", &FIELDS, self)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Handed, S::Error> {
        let missing = |at| de::Error::invalid_length(at, &"3 fields");
        let version: u8 = seq.next_element()?.ok_or_else(|| missing(0))?;
        let shape = seq.next_element_seed(Extents(self.0))?.ok_or_else(|| missing(1))?;
        let elements: Vec<A> = seq.next_element()?.ok_or_else(|| missing(2))?;
        plain(version, shape, elements)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Handed, M::Error> {
        let (mut version, mut shape, mut elements) = (None, None, None);
        while let Some(field) = map.next_key::<Field>()? {
            match field {
                Field::V => version = Some(map.next_value()?),
                Field::Dim => shape = Some(map.next_value_seed(Extents(self.0))?),
                Field::Data => elements = Some(map.next_value::<Vec<A>>()?),
            }
        }
        let version = version.ok_or_else(|| de::Error::missing_field("v"))?;
        let shape = shape.ok_or_else(|| de::Error::missing_field("dim"))?;
        plain(version, shape, elements.ok_or_else(|| de::Error::missing_field("data"))?)
    }
}

const FIELDS: [&str; 3] = ["v", "dim", "data"];

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Field {
    V,
    Dim,
    Data,
}

fn plain<A: Element, E: de::Error>(version: u8, shape: Vec<usize>, elements: Vec<A>) -> Result<Handed, E> {
    if version != 1 {
        return Err(de::Error::custom(format_args!("version {version} of ndarray's form is not known")));
    }
    let count = shape.iter().try_fold(1_usize, |count, &extent| count.checked_mul(extent));
    if count != Some(elements.len()) {
        return Err(de::Error::custom(format_args!("{} elements for the shape {shape:?}", elements.len())));
    }
    let layout = Layout { shape, order: Order::C };
    Ok(Handed(Box::new((layout, elements))))
}

/// Extents: a tuple where the rank is known, as ndarray has it.
struct Extents(Option<usize>);

impl<'de> de::DeserializeSeed<'de> for Extents {
    type Value = Vec<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<usize>, D::Error> {
        match self.0 {
            Some(rank) => from.deserialize_tuple(rank, self),
            None => Vec::deserialize(from),
        }
    }
}

impl<'de> Visitor<'de> for Extents {
    type Value = Vec<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the extents of an array")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Vec<usize>, S::Error> {
        let mut extents = Vec::new();
        while let Some(extent) = seq.next_element()? {
            extents.push(extent);
        }
        match self.0 {
            Some(rank) if rank != extents.len() => Err(de::Error::invalid_length(extents.len(), &self)),
            _ => Ok(extents),
        }
    }
}
