//! `MappedArray` as a field of any serde type.

use ndarray::Dimension;
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::array::{Layout, Taken, fail, offer, take};
use crate::dtype::Element;
use crate::mem::{self, MappedArray, Offered};

/// Into a store, the array it is: one that is a whole blob of that store is neither hashed nor copied. Into other
/// formats, ndarray's form.
impl<A: Element, D: Dimension> Serialize for MappedArray<A, D> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (order, elements) = mem::lie(&self.view());
        let ranked = D::NDIM.is_some();
        offer(&Offered { shape: self.shape().to_vec(), order, elements, ranked, blob: self.blob() }, to)
    }
}

/// From a store, a map where the store maps; else, and from other formats, an array in ordinary memory.
impl<'de, A: Element, D: Dimension> Deserialize<'de> for MappedArray<A, D> {
    fn deserialize<F: Deserializer<'de>>(from: F) -> Result<Self, F::Error> {
        match take::<A, F>(from, D::NDIM)? {
            Taken::Stored(stored) => stored.map().map_err(fail),
            Taken::Plain(Layout { shape, order }, elements) => MappedArray::from_elements(elements, &shape, order)
                .ok_or_else(|| de::Error::custom(format_args!("ndarray takes no shape {shape:?}"))),
        }
    }
}
