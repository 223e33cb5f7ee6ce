//! The elements of an array one by one, in logical order, as serde sees them.

use std::borrow::Cow;

use half::{bf16, f16};
use serde::de::value::SeqDeserializer;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};

use super::{VALUE, Value};
use crate::dtype::DType;
use crate::error::Result;
use crate::format::body::Order;
use crate::format::tree::Tree;
use crate::mem::{self, Failure};
use crate::value::StoredArray;

/// The extents of an array.
pub(super) struct Extents<'a>(pub(super) &'a [u64]);

/// The elements of an array, in C order whatever order they lie in.
pub(super) struct Elements<'a> {
    dtype: DType,
    bytes: Cow<'a, [u8]>,
    places: Places,
    next: usize,
}

impl<'a> Elements<'a> {
    /// Loads the bytes, and checks them as for an owned array.
    pub(super) fn of(stored: &StoredArray) -> Result<Elements<'static>> {
        let (dtype, bytes) = (stored.dtype(), stored.to_bytes()?);
        let places = Places::new(&mem::extents(stored)?, stored.order());
        if dtype == DType::Bool && bytes.iter().any(|byte| *byte > 1) {
            return Err(mem::not_viewable(stored));
        }
        Ok(Elements { dtype, bytes: bytes.into(), places, next: 0 })
    }

    pub(super) fn bytes(bytes: &'a [u8]) -> Self {
        let places = Places::new(&[bytes.len()], Order::C);
        Elements { dtype: DType::UInt8, bytes: bytes.into(), places, next: 0 }
    }

    /// What was made, if all elements were taken.
    pub(super) fn end<T>(&self, value: T) -> Result<T, Failure> {
        match self.places.left {
            0 => Ok(value),
            left => Err(Failure::wrong(format!("a list of {}", self.next), format!("one of {}", self.next + left))),
        }
    }

    fn next(&mut self) -> Option<Number> {
        let at = self.places.next()?;
        self.next += 1;
        let width = width(self.dtype);
        Some(Number::new(self.dtype, self.bytes.get(at * width..(at + 1) * width)?))
    }
}

fn width(dtype: DType) -> usize {
    usize::try_from(dtype.item_size()).expect("an element has at most 16 bytes")
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        let at = self.next;
        let Some(number) = self.next() else { return Ok(None) };
        seed.deserialize(number).map(Some).map_err(|error| error.below(|| format!("[{at}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.places.left)
    }
}

impl<'de> Deserializer<'de> for Elements<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Failure> {
        let value = visitor.visit_seq(&mut self)?;
        self.end(value)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Where the elements of an array lie, in C order of their indices.
struct Places {
    /// Index, extent and step of each dimension.
    dims: Vec<(usize, usize, usize)>,
    at: usize,
    left: usize,
}

impl Places {
    fn new(shape: &[usize], order: Order) -> Self {
        let mut dims: Vec<_> = shape.iter().map(|&extent| (0, extent, 0)).collect();
        let mut step = 1_usize;
        let mut lay = |dim: &mut (usize, usize, usize)| {
            dim.2 = step;
            step = step.saturating_mul(dim.1);
        };
        match order {
            Order::C => dims.iter_mut().rev().for_each(&mut lay),
            Order::F => dims.iter_mut().for_each(&mut lay),
        }
        let left = if shape.contains(&0) { 0 } else { step };
        Places { dims, at: 0, left }
    }

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        for (index, extent, step) in self.dims.iter_mut().rev() {
            *index += 1;
            self.at += *step;
            if *index < *extent {
                break;
            }
            self.at -= *index * *step;
            *index = 0;
        }
        Some(at)
    }
}

/// One element.
#[derive(Clone, Copy)]
pub(super) struct Number {
    dtype: DType,
    bytes: [u8; 16],
}

impl Number {
    /// From at most 16 bytes.
    pub(super) fn new(dtype: DType, from: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        Number { dtype, bytes }
    }

    fn first<const N: usize>(&self) -> [u8; N] {
        *self.bytes.first_chunk().expect("no element has more than 16 bytes")
    }

    pub(super) fn is_complex(self) -> bool {
        matches!(self.dtype, DType::Complex64 | DType::Complex128)
    }

    /// Whether it is a half float of the type of this name, which takes its bits.
    pub(super) fn is_half_of(self, name: &str) -> bool {
        matches!((self.dtype, name), (DType::Float16, "f16") | (DType::BFloat16, "bf16"))
    }

    /// Shows it to who takes any number: a half float as a float, not its bits.
    pub(super) fn show<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match (self.dtype, self.float()) {
            (DType::Float16 | DType::BFloat16, Some(value)) => visitor.visit_f64(value),
            _ => self.deserialize_any(visitor),
        }
    }

    /// Both parts of a complex number.
    fn parts(self) -> [f64; 2] {
        let [re, im] = if self.dtype == DType::Complex64 {
            let part = |at: usize| f32::from_le_bytes(std::array::from_fn(|byte| self.bytes[at + byte]));
            [f64::from(part(0)), f64::from(part(4))]
        } else {
            let part = |at: usize| f64::from_le_bytes(std::array::from_fn(|byte| self.bytes[at + byte]));
            [part(0), part(8)]
        };
        [re, im]
    }

    /// The float that is exactly this number, if there is one.
    fn float(self) -> Option<f64> {
        match (self.dtype, self.tree()) {
            (DType::Float16, _) => Some(f16::from_le_bytes(self.first()).to_f64()),
            (DType::BFloat16, _) => Some(bf16::from_le_bytes(self.first()).to_f64()),
            (_, Tree::Float(value)) => Some(value),
            (_, Tree::Int(value)) => float(value.into()),
            (_, Tree::UInt(value)) => float(value.into()),
            _ => None,
        }
    }

    fn cannot_be(self, kind: &str) -> Failure {
        match self.tree() {
            Tree::Int(value) => cannot_be(kind, value),
            Tree::UInt(value) => cannot_be(kind, value),
            _ => cannot_be(kind, self.float().unwrap_or(f64::NAN)),
        }
    }

    /// As serde shows such a number, in a tree.
    fn tree(self) -> Tree {
        match self.dtype {
            DType::Bool => Tree::Bool(self.bytes[0] != 0),
            DType::Int8 => Tree::Int(i8::from_le_bytes(self.first()).into()),
            DType::Int16 => Tree::Int(i16::from_le_bytes(self.first()).into()),
            DType::Int32 => Tree::Int(i32::from_le_bytes(self.first()).into()),
            DType::Int64 => Tree::Int(i64::from_le_bytes(self.first())),
            DType::UInt8 => Tree::Int(self.bytes[0].into()),
            // A half float shows its bits.
            DType::UInt16 | DType::Float16 | DType::BFloat16 => Tree::Int(u16::from_le_bytes(self.first()).into()),
            DType::UInt32 => Tree::Int(u32::from_le_bytes(self.first()).into()),
            DType::UInt64 => {
                let value = u64::from_le_bytes(self.first());
                i64::try_from(value).map_or(Tree::UInt(value), Tree::Int)
            }
            DType::Float32 => Tree::Float(f32::from_le_bytes(self.first()).into()),
            DType::Float64 => Tree::Float(f64::from_le_bytes(self.first())),
            DType::Complex64 | DType::Complex128 => Tree::List(self.parts().map(Tree::Float).into()),
        }
    }
}

/// The elements of an array in memory as trees, in the order they lie.
pub(in crate::value) fn numbers(dtype: DType, bytes: &[u8]) -> impl Iterator<Item = Tree> + '_ {
    bytes.chunks_exact(width(dtype)).map(move |bytes| Number::new(dtype, bytes).tree())
}

/// An integer as a float, if that is exactly the same number.
pub(super) fn float(integer: i128) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "what is lost is looked for")]
    let float = integer as f64;
    #[expect(clippy::cast_possible_truncation, reason = "a float that was made of a whole number is one")]
    let back = float as i128;
    (back == integer).then_some(float)
}

/// What to say of a number that a float of some kind cannot be.
pub(super) fn cannot_be(kind: &str, number: impl std::fmt::Display) -> Failure {
    Failure::wrong(kind, format!("{number}, which is none"))
}

/// A float as a narrower one, if no bit of its value is lost.
pub(super) fn narrow(value: f64) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "what is lost is looked for")]
    let narrow = value as f32;
    (value.is_nan() || f64::from(narrow).to_bits() == value.to_bits()).then_some(narrow)
}

/// Dtype and rank in a few words.
pub(super) fn array_of(dtype: DType, rank: Option<usize>) -> String {
    rank.map_or_else(|| format!("an array of {dtype}"), |rank| format!("{dtype} of {rank} dimensions"))
}

impl<'de> Deserializer<'de> for Number {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.dtype {
            DType::Bool => visitor.visit_bool(self.bytes[0] != 0),
            DType::Int8 => visitor.visit_i8(i8::from_le_bytes(self.first())),
            DType::Int16 => visitor.visit_i16(i16::from_le_bytes(self.first())),
            DType::Int32 => visitor.visit_i32(i32::from_le_bytes(self.first())),
            DType::Int64 => visitor.visit_i64(i64::from_le_bytes(self.first())),
            DType::UInt8 => visitor.visit_u8(self.bytes[0]),
            DType::UInt16 | DType::Float16 | DType::BFloat16 => visitor.visit_u16(u16::from_le_bytes(self.first())),
            DType::UInt32 => visitor.visit_u32(u32::from_le_bytes(self.first())),
            DType::UInt64 => visitor.visit_u64(u64::from_le_bytes(self.first())),
            DType::Float32 => visitor.visit_f32(f32::from_le_bytes(self.first())),
            DType::Float64 => visitor.visit_f64(f64::from_le_bytes(self.first())),
            DType::Complex64 | DType::Complex128 => visitor.visit_seq(SeqDeserializer::new(self.parts().into_iter())),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.dtype {
            DType::Float32 | DType::Bool | DType::Complex64 | DType::Complex128 => self.deserialize_any(visitor),
            _ => visitor.visit_f32(self.float().and_then(narrow).ok_or_else(|| self.cannot_be("a float32"))?),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.dtype {
            DType::Bool | DType::Complex64 | DType::Complex128 => self.deserialize_any(visitor),
            _ => visitor.visit_f64(self.float().ok_or_else(|| self.cannot_be("a float64"))?),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        if name == VALUE && mem::wants_handed::<V::Value>() {
            let handed = mem::hand(Value::of(&self.tree(), &[]));
            return handed.ok_or_else(|| Failure::wrong("a value", "a number"));
        }
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
