//! A tree with its open arrays into any serde value. Arrays and vectors of known types are filled with their bytes; all
//! else is deserialised part by part.

mod access;
mod elements;

use serde::de::value::SeqDeserializer;
use serde::de::{Deserialize, Deserializer, Unexpected, Visitor};

use super::{Entry, StoredArray, Value};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::format::body::TREE;
use crate::format::tree::{Tag, Tree};
use crate::key::Key;
use crate::layout;
use crate::mem::{self, Failure, Form};
use crate::store::Store;
use access::{Form as ArrayForm, Items, Pairs, Variant};
pub(super) use elements::numbers;
use elements::{Elements, Number};

/// The name under which arrays that are annotated, and mapped ones, go through serde.
pub(super) const ARRAY: &str = "$ndstash::array";
/// The name under which dynamic values do.
pub(super) const VALUE: &str = "$ndstash::Value";

impl Entry {
    /// The value as a `T`. Arrays are loaded into memory of their own and checked against their digest, unless the type
    /// asks for a [`MappedArray`](crate::MappedArray). Texts may be borrowed from the entry, and so may byte strings of
    /// up to 1024 bytes; longer ones are kept like arrays.
    ///
    /// # Errors
    /// [`Error::WrongType`], with the place, if the value is not a `T`;
    /// [`Error::Unsupported`] if its [encoding](crate::EntryInfo::encoding) is not `tree`; what
    /// [`StoredArray::to_array`] fails with.
    pub fn value<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        check_encoding(&self.store, &self.key(), self.encoding())?;
        value(self.tree(), self.stored_arrays())
    }
}

/// Only a value that is its tree can be loaded: what a tree stands for otherwise is for others to know.
///
/// # Errors
/// [`Error::Unsupported`] otherwise.
pub(super) fn check_encoding(store: &Store, key: &Key, encoding: &str) -> Result<()> {
    if encoding == TREE {
        return Ok(());
    }
    let path = store.root().full(&layout::entry(key));
    Err(Error::Unsupported { path, what: format!("the encoding {encoding:?} of its value") })
}

/// A tree with its arrays as a `T`; see [`Entry::value`].
pub(super) fn value<'a, T: Deserialize<'a>>(tree: &'a Tree, arrays: &'a [StoredArray]) -> Result<T> {
    T::deserialize(Loader { node: tree, arrays }).map_err(Failure::of_load::<T>)
}

/// The deserializer: a node of the tree.
#[derive(Clone, Copy)]
pub(super) struct Loader<'de> {
    node: &'de Tree,
    arrays: &'de [StoredArray],
}

impl<'de> Loader<'de> {
    fn at(self, node: &'de Tree) -> Self {
        Loader { node, ..self }
    }

    /// The array that the node names.
    fn stored(self) -> Option<&'de StoredArray> {
        match self.node {
            Tree::Array(index) | Tree::Payload(index) | Tree::Sequence(index) => self.arrays.get(index.0 as usize),
            _ => None,
        }
    }

    /// What the node is, in a few words.
    fn found(self) -> String {
        let array = || self.stored().map_or_else(|| "an array".to_owned(), StoredArray::describe);
        match self.node {
            Tree::Nil => "nothing".into(),
            Tree::Bool(value) => Unexpected::Bool(*value).to_string(),
            Tree::Int(value) => Unexpected::Signed(*value).to_string(),
            Tree::UInt(value) => Unexpected::Unsigned(*value).to_string(),
            Tree::Float(value) => Unexpected::Float(*value).to_string(),
            Tree::Str(text) if text.len() <= 100 => Unexpected::Str(text).to_string(),
            Tree::Str(text) => format!("a string of {} bytes", text.len()),
            Tree::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Tree::List(items) => format!("a list of {}", items.len()),
            Tree::Map(pairs) => format!("a map of {}", pairs.len()),
            Tree::Array(_) => array(),
            Tree::Payload(_) => format!("a byte string, {}", array()),
            Tree::Sequence(_) => format!("a sequence, {}", array()),
            Tree::Tagged(tag, items) => match (tag, &items[..]) {
                (Tag::DateTime | Tag::Date | Tag::Time, [Tree::Str(text), ..]) => format!("the moment {text}"),
                (Tag::Scalar, [Tree::Str(dtype), ..]) => format!("a single {dtype}"),
                _ => format!("a value of the kind {tag:?}"),
            },
        }
    }

    fn wrong<T>(self, expected: &dyn serde::de::Expected) -> Result<T, Failure> {
        Err(Failure::wrong(expected.to_string(), self.found()))
    }

    /// The number that the node is, if that keeps its type.
    fn number(self) -> Option<Number> {
        match self.node {
            Tree::Tagged(Tag::Scalar, items) => match &items[..] {
                [Tree::Str(dtype), Tree::Bytes(bytes)] => Some(Number::new(dtype.parse().ok()?, bytes)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Builds an array of a known type; `None` if the type is not known.
    fn build<T>(self, form: Form) -> Option<Result<T, Failure>> {
        let builder = mem::builder_of::<T>().filter(|builder| builder.form == form)?;
        let stored = self.stored()?;
        let built = stored.check_type(builder.dtype, builder.rank).and_then(|()| builder.build(stored));
        Some(built.map_err(Failure::from))
    }

    /// Whether a vector may be made of the node as a whole: else its items are converted one by one.
    fn is_vector_of<T>(self) -> bool {
        let Some(stored) = self.stored() else { return false };
        mem::builder_of::<T>().is_some_and(|builder| {
            builder.form == Form::Sequence && builder.dtype == stored.dtype() && stored.shape().len() == 1
        })
    }

    /// Shows one thing; what holds several is none, and says itself what it is.
    fn single<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node {
            Tree::List(_) | Tree::Map(_) | Tree::Array(_) | Tree::Sequence(_) => self.wrong(&visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    /// Shows a number to who asks for a float: an integer only if a float can be that number.
    fn float<V: Visitor<'de>>(self, visitor: V, kind: &str, fits: fn(f64) -> bool) -> Result<V::Value, Failure> {
        let fits = |integer: i128| elements::float(integer).is_some_and(fits);
        match self.node {
            Tree::Int(value) if !fits((*value).into()) => Err(elements::cannot_be(kind, value)),
            Tree::UInt(value) if !fits((*value).into()) => Err(elements::cannot_be(kind, value)),
            _ => self.single(visitor),
        }
    }

    fn items<V: Visitor<'de>>(self, items: &'de [Tree], visitor: V) -> Result<V::Value, Failure> {
        let mut items = Items::new(self, items);
        let value = visitor.visit_seq(&mut items)?;
        items.end(value)
    }

    /// What reads as a sequence: lists, the tagged ones, and what lies in one dimension.
    fn sequence<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match (self.node, self.stored()) {
            (
                Tree::List(items)
                | Tree::Tagged(
                    Tag::Tuple | Tag::Set | Tag::FrozenSet | Tag::Complex | Tag::TimeDelta | Tag::Ticks,
                    items,
                ),
                _,
            ) => self.items(items, visitor),
            (Tree::Tagged(Tag::Scalar, _), _) if self.number().is_some_and(Number::is_complex) => {
                self.deserialize_any(visitor)
            }
            (Tree::Bytes(bytes), _) => visitor.visit_seq(Elements::bytes(bytes)),
            (_, Some(stored)) if stored.shape().len() == 1 => Elements::of(stored)?.deserialize_any(visitor),
            _ => self.wrong(&visitor),
        }
    }

    fn integer<V: Visitor<'de>>(self, bytes: &[u8], visitor: V) -> Result<V::Value, Failure> {
        match wide(bytes) {
            Some(Wide::Signed(value)) => visitor.visit_i128(value),
            Some(Wide::Unsigned(value)) => visitor.visit_u128(value),
            None => self.wrong(&visitor),
        }
    }
}

/// Seconds and nanoseconds of a span of time that is not negative.
fn duration(parts: &[Tree]) -> Option<[u64; 2]> {
    let &[Tree::Int(days), Tree::Int(seconds), Tree::Int(microseconds)] = parts else { return None };
    Some([u64::try_from(days * 86_400 + seconds).ok()?, u64::try_from(microseconds * 1000).ok()?])
}

/// An integer in the widest types that there are.
pub(super) enum Wide {
    Signed(i128),
    /// One that the other cannot hold.
    Unsigned(u128),
}

/// Reads two's complement, little-endian, of any length.
pub(super) fn wide(bytes: &[u8]) -> Option<Wide> {
    let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 17];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    let (low, sign) = wide.split_first_chunk::<16>()?;
    match (i128::from_le_bytes(*low), sign[0]) {
        (value @ 0.., 0) | (value @ ..0, 0xff) => Some(Wide::Signed(value)),
        (value, 0) => Some(Wide::Unsigned(value.cast_unsigned())),
        _ => None,
    }
}

/// What is one thing, and not several.
macro_rules! forward {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.single(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Loader<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node {
            Tree::Nil => visitor.visit_unit(),
            Tree::Bool(value) => visitor.visit_bool(*value),
            Tree::Int(value) => match u64::try_from(*value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_i64(*value),
            },
            Tree::UInt(value) => visitor.visit_u64(*value),
            Tree::Float(value) => visitor.visit_f64(*value),
            Tree::Str(text) => visitor.visit_borrowed_str(text),
            Tree::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Tree::Map(pairs) => self.map(pairs, visitor),
            Tree::Payload(_) => self.deserialize_byte_buf(visitor),
            Tree::Array(_) => self.array_form(visitor),
            Tree::Tagged(Tag::Some, items) => match &items[..] {
                [item] => visitor.visit_some(self.at(item)),
                _ => self.wrong(&visitor),
            },
            Tree::Tagged(Tag::Integer, items) => match &items[..] {
                [Tree::Bytes(bytes)] => self.integer(bytes, visitor),
                _ => self.wrong(&visitor),
            },
            Tree::Tagged(Tag::Scalar, _) => match self.number() {
                Some(number) => number.show(visitor),
                None => self.wrong(&visitor),
            },
            Tree::Tagged(Tag::DateTime | Tag::Date | Tag::Time, items) => match &items[..] {
                [Tree::Str(text), ..] => visitor.visit_borrowed_str(text),
                _ => self.wrong(&visitor),
            },
            Tree::List(_) | Tree::Sequence(_) | Tree::Tagged(..) => self.sequence(visitor),
        }
    }

    forward! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_u128 deserialize_char deserialize_str deserialize_string deserialize_unit
        deserialize_identifier
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if let Some(number) = self.number() {
            return number.deserialize_f64(visitor);
        }
        self.float(visitor, "a float64", |_| true)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node {
            Tree::Int(value) => visitor.visit_i128((*value).into()),
            Tree::UInt(value) => visitor.visit_i128((*value).into()),
            _ => self.single(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if let Some(number) = self.number() {
            return number.deserialize_f32(visitor);
        }
        match self.node {
            Tree::Float(value) => match elements::narrow(*value) {
                Some(value) => visitor.visit_f32(value),
                None => Err(elements::cannot_be("a float32", value)),
            },
            _ => self.float(visitor, "a float32", |value| elements::narrow(value).is_some()),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match (self.node, self.stored()) {
            (Tree::Bytes(bytes), _) => visitor.visit_borrowed_bytes(bytes),
            (Tree::Str(text), _) => visitor.visit_borrowed_str(text),
            (_, Some(stored)) if stored.dtype() == DType::UInt8 && stored.shape().len() == 1 => {
                visitor.visit_byte_buf(stored.to_bytes()?)
            }
            _ => self.sequence(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node {
            Tree::Nil => visitor.visit_none(),
            Tree::Tagged(Tag::Some, _) => self.deserialize_any(visitor),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        self.single(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        if !mem::wants_handed::<V::Value>() {
            return match self.number() {
                Some(half) if half.is_half_of(name) => visitor.visit_newtype_struct(half),
                _ => visitor.visit_newtype_struct(self),
            };
        }
        let handed = match (name, self.node) {
            (VALUE, node) => mem::hand(Value::of(node, self.arrays)),
            (_, Tree::Array(_)) => self.stored().and_then(|stored| mem::hand(stored.clone())),
            _ => None,
        };
        handed.map_or_else(|| self.wrong(&visitor), Ok)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.is_vector_of::<V::Value>()
            && let Some(built) = self.build(Form::Sequence)
        {
            return built;
        }
        self.sequence(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.sequence(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.sequence(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node {
            Tree::Map(pairs) => self.map(pairs, visitor),
            _ => self.wrong(&visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let array = name == "Array" && fields == ["v", "dim", "data"];
        let known = mem::builder_of::<V::Value>().filter(|builder| builder.form == Form::Array);
        match self.node {
            // Arrays of what is no element are maps in ndarray's own form; other maps are none.
            Tree::Map(pairs) if known.is_none() || self.node.get("data").is_some() => self.map(pairs, visitor),
            Tree::Array(_) if array => match self.build(Form::Array) {
                Some(built) => built,
                None => self.array_form(visitor),
            },
            Tree::List(items) if known.is_none() => self.items(items, visitor),
            Tree::Tagged(Tag::TimeDelta, items) if (name, fields) == ("Duration", &["secs", "nanos"]) => {
                match duration(items) {
                    Some(parts) => visitor.visit_seq(SeqDeserializer::new(parts.into_iter())),
                    None => self.wrong(&visitor),
                }
            }
            _ => match known {
                Some(builder) => Err(Failure::wrong(elements::array_of(builder.dtype, builder.rank), self.found())),
                None => self.wrong(&visitor),
            },
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match self.node {
            Tree::Str(name) => visitor.visit_enum(Variant { of: self, name, content: None }),
            Tree::Map(pairs) => match &pairs[..] {
                [(Tree::Str(name), content)] => visitor.visit_enum(Variant { of: self, name, content: Some(content) }),
                _ => self.wrong(&visitor),
            },
            _ => self.wrong(&visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl<'de> Loader<'de> {
    fn map<V: Visitor<'de>>(self, pairs: &'de [(Tree, Tree)], visitor: V) -> Result<V::Value, Failure> {
        let mut pairs = Pairs::new(self, pairs);
        let value = visitor.visit_map(&mut pairs)?;
        pairs.end(value)
    }

    /// Shows an array in ndarray's own form, element by element: to buffers, to other versions of ndarray, and to types
    /// that look alike.
    fn array_form<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.stored() {
            Some(stored) => visitor.visit_map(ArrayForm::new(stored)),
            None => self.wrong(&visitor),
        }
    }
}
