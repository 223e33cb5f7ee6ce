//! An array on its way into any serde format: whole into this crate's own, in ndarray's form into others.

use std::borrow::Cow;

use ndarray::{ArrayViewD, IxDyn, ShapeBuilder};
use serde::ser::{Serialize, SerializeStruct, SerializeTuple, Serializer};

use super::known::{Elements, Form};
use crate::digest::Digest;
use crate::dtype::Element;
use crate::format::body::Order;

/// Elements that lie without gaps, and what array they are.
pub(crate) struct Offered<'a, A: Element> {
    pub(crate) shape: Vec<usize>,
    pub(crate) order: Order,
    /// As many as the shape says.
    pub(crate) elements: Cow<'a, [A]>,
    /// The rank is part of the type: then ndarray writes extents as a tuple.
    pub(crate) ranked: bool,
    /// The blob that it is: digest and length.
    pub(crate) blob: Option<(Digest, u64)>,
}

impl<A: Element> Offered<'_, A> {
    pub(super) fn elements(&self) -> Elements<'_> {
        Elements {
            dtype: A::DTYPE,
            shape: self.shape.iter().map(|&extent| extent as u64).collect(),
            order: self.order,
            bytes: Cow::Borrowed(bytemuck::cast_slice(&self.elements)),
            form: Form::Array,
            blob: self.blob,
        }
    }
}

impl<A: Element> Serialize for Offered<'_, A> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let shape = IxDyn(&self.shape).set_f(self.order == Order::F);
        let view = ArrayViewD::from_shape(shape, &self.elements).map_err(serde::ser::Error::custom)?;
        let mut form = to.serialize_struct("Array", 3)?;
        form.serialize_field("v", &1u8)?;
        form.serialize_field("dim", &Extents(&self.shape, self.ranked))?;
        form.serialize_field("data", &Iter(view))?;
        form.end()
    }
}

struct Extents<'a>(&'a [usize], bool);

impl Serialize for Extents<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if !self.1 {
            return to.collect_seq(self.0);
        }
        let mut tuple = to.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|extent| tuple.serialize_element(extent))?;
        tuple.end()
    }
}

/// The elements in logical order, whatever order they lie in.
struct Iter<'a, A>(ArrayViewD<'a, A>);

impl<A: Serialize> Serialize for Iter<'_, A> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter())
    }
}
