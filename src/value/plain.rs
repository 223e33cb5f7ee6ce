//! `Value` through serde: whole into and out of a store, in the plainest form through any other format.

use std::fmt;

use num_complex::Complex64;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{self, Serialize, SerializeMap, SerializeTuple, Serializer};

use super::dynamic::{AnyArray, Value};
use super::load::{VALUE, Wide, wide};
use super::{array, single};
use crate::callkey::{FROZEN_SET, INTEGER, SET};
use crate::dtype::DType;
use crate::mem::{Handed, Shown};

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_newtype_struct(VALUE, &Shown(self))
    }
}

/// The plain form.
impl Serialize for Shown<'_, Value> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Nil => to.serialize_unit(),
            Value::Bool(value) => to.serialize_bool(*value),
            Value::Int(value) => to.serialize_i64(*value),
            Value::UInt(value) => to.serialize_u64(*value),
            Value::Integer(bytes) => match wide(bytes) {
                Some(Wide::Signed(value)) => to.serialize_i128(value),
                Some(Wide::Unsigned(value)) => to.serialize_u128(value),
                None => to.serialize_newtype_struct(INTEGER, &ShownBytes(bytes)),
            },
            Value::Bytes(bytes) => to.serialize_bytes(bytes),
            Value::Float(value) => to.serialize_f64(*value),
            // Keys know the type for one number, and not for two.
            Value::Complex(re, im) => to.serialize_newtype_struct("Complex", &Complex64::new(*re, *im)),
            Value::Str(text) => to.serialize_str(text),
            Value::Tuple(items) => {
                let mut tuple = to.serialize_tuple(items.len())?;
                items.iter().try_for_each(|item| tuple.serialize_element(item))?;
                tuple.end()
            }
            Value::List(items) => to.collect_seq(items),
            Value::Set(items) => to.serialize_newtype_struct(SET, items),
            Value::FrozenSet(items) => to.serialize_newtype_struct(FROZEN_SET, items),
            Value::Map(pairs) => {
                let mut map = to.serialize_map(Some(pairs.len()))?;
                pairs.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
            Value::Some(value) => to.serialize_some(&**value),
            Value::Array(array) => with_elements(array, to),
            Value::Payload(array) => to.serialize_bytes(&array.to_bytes().map_err(ser::Error::custom)?),
            Value::Sequence(array) => sequence(array, to),
            Value::Omitted { dtype, shape, digest } => (dtype, shape, digest.to_string()).serialize(to),
            value => single::serialize(value, to),
        }
    }
}

/// A byte string, not a sequence of numbers.
struct ShownBytes<'a>(&'a [u8]);

impl Serialize for ShownBytes<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

/// Calls a function with the element type that a dtype names.
macro_rules! by_dtype {
    ($dtype:expr, $call:ident($($argument:expr),*)) => {
        match $dtype {
            DType::Bool => $call::<bool, _>($($argument),*),
            DType::Int8 => $call::<i8, _>($($argument),*),
            DType::Int16 => $call::<i16, _>($($argument),*),
            DType::Int32 => $call::<i32, _>($($argument),*),
            DType::Int64 => $call::<i64, _>($($argument),*),
            DType::UInt8 => $call::<u8, _>($($argument),*),
            DType::UInt16 => $call::<u16, _>($($argument),*),
            DType::UInt32 => $call::<u32, _>($($argument),*),
            DType::UInt64 => $call::<u64, _>($($argument),*),
            DType::Float16 => $call::<half::f16, _>($($argument),*),
            DType::BFloat16 => $call::<half::bf16, _>($($argument),*),
            DType::Float32 => $call::<f32, _>($($argument),*),
            DType::Float64 => $call::<f64, _>($($argument),*),
            DType::Complex64 => $call::<num_complex::Complex32, _>($($argument),*),
            DType::Complex128 => $call::<num_complex::Complex64, _>($($argument),*),
        }
    };
}

fn with_elements<S: Serializer>(array: &AnyArray, to: S) -> Result<S::Ok, S::Error> {
    fn typed<A: crate::Element, S: Serializer>(array: &AnyArray, to: S) -> Result<S::Ok, S::Error> {
        array::serialize(&array.elements::<A>().map_err(ser::Error::custom)?, to)
    }
    by_dtype!(array.dtype(), typed(array, to))
}

fn sequence<S: Serializer>(array: &AnyArray, to: S) -> Result<S::Ok, S::Error> {
    fn typed<A: crate::Element, S: Serializer>(array: &AnyArray, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(array.elements::<A>().map_err(ser::Error::custom)?)
    }
    by_dtype!(array.dtype(), typed(array, to))
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let handed = from.deserialize_newtype_struct(VALUE, HandedVisitor)?;
        handed.0.downcast().map(|value| *value).map_err(|_| de::Error::custom("no value"))
    }
}

/// Takes what this crate's own deserializer hands over; of others, whatever they have.
struct HandedVisitor;

impl<'de> Visitor<'de> for HandedVisitor {
    type Value = Handed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Handed, D::Error> {
        from.deserialize_any(PlainVisitor).map(|value| Handed(Box::new(value)))
    }
}

/// Takes the plain form.
struct PlainVisitor;

macro_rules! visits {
    ($($method:ident $type:ty => $value:expr;)*) => {$(
        fn $method<E>(self, value: $type) -> Result<Value, E> {
            Ok($value(value))
        }
    )*};
}

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    visits! {
        visit_bool bool => Value::Bool;
        visit_i64 i64 => Value::Int;
        visit_u64 u64 => |value| i64::try_from(value).map_or(Value::UInt(value), Value::Int);
        visit_i128 i128 => |value: i128| Value::Integer(value.to_le_bytes().to_vec());
        visit_u128 u128 => |value: u128| Value::Integer([&value.to_le_bytes()[..], &[0]].concat());
        visit_f64 f64 => Value::Float;
        visit_str &str => Value::from;
        visit_string String => Value::Str;
        visit_bytes &[u8] => |bytes: &[u8]| Value::Bytes(bytes.to_owned());
        visit_byte_buf Vec<u8> => Value::Bytes;
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        Value::deserialize(from)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        Value::deserialize(from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Value::Map(pairs))
    }
}
