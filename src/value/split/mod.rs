//! Any serde value into a tree and staged arrays. Arrays and vectors are recognised by type wherever they lie, and
//! their bytes taken as they are; everything else is serialised part by part.

mod compound;
mod flat;

use serde::ser::{self, Serialize, Serializer};

use super::{Value, Writer};
use crate::error::{Error, Result};
use crate::format::body::TOO_DEEP;
use crate::format::tree::{Tag, Tree};
use crate::mem::{self, Elements, Failure, Form};
use compound::{Fields, Items, Pairs, Parts};

/// Vectors of fewer bytes stay lists in the tree.
pub(super) const MIN_SEQUENCE: usize = 1024;
/// Byte strings of at most so many bytes stay in the tree.
const MAX_BYTES: usize = 1024;
/// How deep values may be nested: more than a manifest takes, since some levels leave no trace in it.
const MAX_DEPTH: u16 = 256;

impl Writer {
    /// Adds any value that serde can serialise, and returns what stands for it in a tree. Arrays are taken out wherever
    /// they lie: ndarray's own types and [`MappedArray`](crate::MappedArray), of every [`Element`](crate::Element), also
    /// behind references and smart pointers, without annotations, at the speed of [`array`](Self::array).
    ///
    /// # Errors
    /// [`Error::Invalid`] if the type refuses to be serialised or the value is nested too deeply, and what
    /// [`array`](Self::array) fails with.
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<Tree> {
        split(self, value, MAX_DEPTH).map_err(Failure::of_put)
    }

    /// Adds elements as they lie; those of a blob that is in this store without hashing.
    fn recognised(&mut self, elements: Elements<'_>) -> Result<Tree> {
        let node = if elements.form == Form::Sequence { Tree::Sequence } else { Tree::Array };
        self.held_elements(elements).map(node)
    }
}

/// How many levels may follow a `T` that is one of `depth`.
pub(super) fn deeper<T: ?Sized>(depth: u16) -> Result<u16> {
    let given = || std::any::type_name::<T>().to_owned();
    depth.checked_sub(1).ok_or_else(|| Error::Invalid { what: "value", given: given(), reason: TOO_DEEP })
}

fn split<T: Serialize + ?Sized>(writer: &mut Writer, value: &T, depth: u16) -> Result<Tree, Failure> {
    let depth = deeper::<T>(depth)?;
    match mem::recognise(value) {
        Some(elements) if elements.form == Form::Array || elements.bytes.len() >= MIN_SEQUENCE => {
            Ok(writer.recognised(elements)?)
        }
        _ => value.serialize(Splitter { writer, depth }),
    }
}

/// The serializer.
struct Splitter<'a> {
    writer: &'a mut Writer,
    /// How many levels may still follow.
    depth: u16,
}

impl Splitter<'_> {
    fn inner<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<Tree, Failure> {
        split(self.writer, value, self.depth)
    }
}

/// A variant with its content.
fn variant(name: &str, content: Tree) -> Tree {
    Tree::Map(vec![(name.into(), content)])
}

/// An integer in its shortest form.
pub(super) fn integer(value: i128) -> Tree {
    i64::try_from(value).map(Tree::Int).or_else(|_| u64::try_from(value).map(Tree::UInt)).unwrap_or_else(|_| {
        let mut bytes = value.to_le_bytes().to_vec();
        shorten(&mut bytes);
        Tree::Tagged(Tag::Integer, vec![Tree::Bytes(bytes)])
    })
}

/// Takes off the bytes of a little-endian two's complement that say nothing.
pub(super) fn shorten(bytes: &mut Vec<u8>) {
    while let [.., next, last] = bytes[..]
        && ((last == 0 && next & 0x80 == 0) || (last == 0xff && next & 0x80 != 0))
    {
        bytes.pop();
    }
}

macro_rules! integers {
    ($($method:ident $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result<Tree, Failure> {
            Ok(Tree::Int(value.into()))
        }
    )*};
}

impl<'a> Serializer for Splitter<'a> {
    type Ok = Tree;
    type Error = Failure;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Pairs<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    integers!(serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64);
    integers!(serialize_u8 u8, serialize_u16 u16, serialize_u32 u32);

    fn serialize_bool(self, value: bool) -> Result<Tree, Failure> {
        Ok(Tree::Bool(value))
    }

    fn serialize_u64(self, value: u64) -> Result<Tree, Failure> {
        Ok(integer(value.into()))
    }

    fn serialize_i128(self, value: i128) -> Result<Tree, Failure> {
        Ok(integer(value))
    }

    fn serialize_u128(self, value: u128) -> Result<Tree, Failure> {
        if let Ok(value) = i128::try_from(value) {
            return Ok(integer(value));
        }
        // The top bit is set: a byte more keeps it from being a sign.
        let bytes = [&value.to_le_bytes()[..], &[0]].concat();
        Ok(Tree::Tagged(Tag::Integer, vec![Tree::Bytes(bytes)]))
    }

    fn serialize_f32(self, value: f32) -> Result<Tree, Failure> {
        Ok(Tree::Float(value.into()))
    }

    fn serialize_f64(self, value: f64) -> Result<Tree, Failure> {
        Ok(Tree::Float(value))
    }

    fn serialize_char(self, value: char) -> Result<Tree, Failure> {
        Ok(Tree::Str(value.into()))
    }

    fn serialize_str(self, value: &str) -> Result<Tree, Failure> {
        Ok(value.into())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Tree, Failure> {
        if value.len() <= MAX_BYTES { Ok(Tree::Bytes(value.to_owned())) } else { Ok(self.writer.bytes(value)?) }
    }

    fn serialize_none(self) -> Result<Tree, Failure> {
        Ok(Tree::Nil)
    }

    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Tree, Failure> {
        Ok(match self.inner(value)? {
            hidden @ (Tree::Nil | Tree::Tagged(Tag::Some, _)) => Tree::Tagged(Tag::Some, vec![hidden]),
            plain => plain,
        })
    }

    fn serialize_unit(self) -> Result<Tree, Failure> {
        Ok(Tree::Nil)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Tree, Failure> {
        Ok(Tree::Nil)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<Tree, Failure> {
        Ok(name.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(mut self, _: &'static str, value: &T) -> Result<Tree, Failure> {
        match mem::shown::<T, Value>(value) {
            Some(value) => Ok(value.split(self.writer, self.depth)?),
            None => self.inner(value),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Tree, Failure> {
        Ok(variant(name, self.inner(value)?))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Items<'a>, Failure> {
        Ok(Items::new(self, len))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, Failure> {
        Ok(Parts::new(self, None))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Failure> {
        Ok(Parts::new(self, None))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Failure> {
        Ok(Parts::new(self, Some(name)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Pairs<'a>, Failure> {
        Ok(Pairs::new(self))
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Fields<'a>, Failure> {
        Ok(Fields::new(self, None, name == "Array" && len == 3))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Fields<'a>, Failure> {
        Ok(Fields::new(self, Some(name), false))
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<Tree, Failure> {
        Ok(Tree::Str(value.to_string()))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// What a serializer says that refuses what it is shown.
fn refused() -> Failure {
    ser::Error::custom("no number")
}
