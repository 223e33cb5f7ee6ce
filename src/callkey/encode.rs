//! From Rust values to the canonical encoding, by serde: arrays by their type, everything else part by part.

use std::any::type_name;
use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use super::container::Inside;
use super::{Rounding, elements, single};
use crate::dtype::DType;
use crate::error::Error;
use crate::format::canonical::{Canonical, Container, Content, EqualKeys};
use crate::format::tree::Tree;
use crate::mem::{self, Elements, recognise};

/// The names of newtypes by which a value says what it is: a set of the sequence inside, one that cannot change, an
/// integer of the bytes inside.
pub(crate) const SET: &str = "$ndstash::Set";
pub(crate) const FROZEN_SET: &str = "$ndstash::FrozenSet";
pub(crate) const INTEGER: &str = "$ndstash::Integer";

/// How deep values may hold each other.
const MAX_DEPTH: u16 = 128;

/// Why a value has no encoding.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    EqualKeys,
    TooDeep,
    /// The value's own `Serialize` says so.
    Refused(String),
}

impl Flaw {
    fn reason(&self) -> &'static str {
        match self {
            Flaw::EqualKeys => "two of its keys or items are equal",
            Flaw::TooDeep => "values hold each other at most 128 deep",
            Flaw::Refused(_) => "it does not let itself be serialised",
        }
    }

    /// The error that tells it of a part of a key.
    pub(super) fn of_part(self, name: &str) -> Error {
        let reason = self.reason();
        let given = if let Flaw::Refused(refusal) = self { format!("{name}: {refusal}") } else { name.to_owned() };
        Error::Invalid { what: "key part", given, reason }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Refused(refusal) => f.write_str(refusal),
            flaw => f.write_str(flaw.reason()),
        }
    }
}

impl std::error::Error for Flaw {}

impl ser::Error for Flaw {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Flaw::Refused(reason.to_string())
    }
}

impl From<EqualKeys> for Flaw {
    fn from(EqualKeys: EqualKeys) -> Self {
        Flaw::EqualKeys
    }
}

/// What is to be done with a value on the way.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    rounding: Option<Rounding>,
    /// Arrays are not hashed: the value is shown to people, and no part of a key.
    shown_only: bool,
    /// Numbers are appended as bare little-endian bytes: something is made of them when all are there.
    bare: bool,
    depth: u16,
}

impl How {
    pub(super) const PLAIN: How = How { rounding: None, shown_only: false, bare: false, depth: 0 };
    pub(super) const SHOWN_ONLY: How = How { shown_only: true, ..Self::PLAIN };

    pub(super) fn of(rounding: Option<Rounding>) -> Self {
        How { rounding, ..Self::PLAIN }
    }

    /// For what a value holds.
    pub(super) fn inside(self) -> Self {
        How { rounding: self.rounding.filter(|rounding| rounding.is_deep()), ..self }
    }

    /// For the keys of a map and the items of a set.
    pub(super) fn as_key(self) -> Self {
        How { rounding: None, ..self }
    }

    pub(super) fn rounding(self) -> Option<Rounding> {
        self.rounding
    }

    pub(super) fn bare(self) -> Self {
        How { bare: true, rounding: None, ..self }
    }

    /// For a value, which lies deeper than what holds it.
    pub(super) fn deeper(self) -> Result<Self, Flaw> {
        if self.depth < MAX_DEPTH { Ok(How { depth: self.depth + 1, ..self }) } else { Err(Flaw::TooDeep) }
    }
}

/// Appends the encoding of a value.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T, how: How, out: &mut Canonical) -> Result<(), Flaw> {
    let how = how.deeper()?;
    match recognise(value) {
        Some(found) => array(&found, how, out),
        None => return value.serialize(Encoder { out, how, hint: Hint::of::<T>() }),
    }
    Ok(())
}

/// Appends an array.
pub(super) fn array(found: &Elements<'_>, how: How, out: &mut Canonical) {
    if how.shown_only {
        out.text(&format!("{} array of shape {:?}", found.dtype, found.shape));
    } else {
        elements::encode(found, how.inside().rounding, out);
    }
}

/// Appends a byte string of this length.
pub(super) fn bytes<'a>(len: usize, content: impl FnOnce() -> Content<'a>, how: How, out: &mut Canonical) {
    if how.shown_only {
        out.text(&format!("{len} bytes"));
    } else {
        out.bytes(content());
    }
}

/// What serde does not tell of a type, and its name does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    None,
    /// The order of its items does not count.
    Set,
    FrozenSet,
    /// Its bytes are an integer in two's complement.
    Integer,
    /// Its two numbers are one.
    Complex(DType),
    /// Its integer stands for the bits of a float.
    Half(DType),
}

impl Hint {
    /// What the name of a newtype says.
    fn named(name: &str) -> Option<Self> {
        match name {
            SET => Some(Hint::Set),
            FROZEN_SET => Some(Hint::FrozenSet),
            INTEGER => Some(Hint::Integer),
            _ => None,
        }
    }

    /// A name that changes, or belongs to another type, costs no more than a distinction: what comes next must fit.
    fn of<T: ?Sized>() -> Self {
        const POINTERS: [&str; 6] =
            ["&mut ", "&", "alloc::boxed::Box<", "alloc::rc::Rc<", "alloc::sync::Arc<", "alloc::borrow::Cow<"];
        const KNOWN: [(&str, Hint); 7] = [
            ("std::collections::hash::set::HashSet<", Hint::Set),
            ("hashbrown::set::HashSet<", Hint::Set),
            ("alloc::collections::btree::set::BTreeSet<", Hint::Set),
            ("num_complex::Complex<f32>", Hint::Complex(DType::Complex64)),
            ("num_complex::Complex<f64>", Hint::Complex(DType::Complex128)),
            ("half::binary16::f16", Hint::Half(DType::Float16)),
            ("half::bfloat::bf16", Hint::Half(DType::BFloat16)),
        ];
        let mut name = type_name::<T>();
        while let Some(pointee) = POINTERS.iter().find_map(|pointer| name.strip_prefix(pointer)) {
            name = pointee;
        }
        KNOWN.iter().find(|(start, _)| name.starts_with(start)).map_or(Hint::None, |(_, hint)| *hint)
    }
}

struct Encoder<'a> {
    out: &'a mut Canonical,
    how: How,
    hint: Hint,
}

impl<'a> Encoder<'a> {
    fn open(self, kind: Container) -> Inside<'a> {
        Inside::new(self.out, self.how, kind)
    }

    fn variant(self, name: &str, kind: Container) -> Inside<'a> {
        self.out.named(name);
        self.open(kind)
    }
}

/// Appends a number of a type that other languages have only in arrays: an array without dimensions.
pub(super) fn scalar(dtype: DType, mut bytes: Vec<u8>, rounding: Option<Rounding>, out: &mut Canonical) {
    if let Some(rounding) = rounding {
        rounding.apply_to(dtype, &mut bytes);
    }
    out.array(dtype, &[], Content::Short(&bytes));
}

impl<'a> Serializer for Encoder<'a> {
    type Ok = ();
    type Error = Flaw;
    type SerializeSeq = Inside<'a>;
    type SerializeTuple = Inside<'a>;
    type SerializeTupleStruct = Inside<'a>;
    type SerializeTupleVariant = Inside<'a>;
    type SerializeMap = Inside<'a>;
    type SerializeStruct = Inside<'a>;
    type SerializeStructVariant = Inside<'a>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<(), Flaw> {
        self.out.bool(value);
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), Flaw> {
        self.serialize_i128(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Flaw> {
        self.serialize_i128(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Flaw> {
        self.serialize_i128(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Flaw> {
        self.serialize_i128(value.into())
    }

    fn serialize_i128(self, value: i128) -> Result<(), Flaw> {
        self.out.integer(value);
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), Flaw> {
        self.serialize_i128(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Flaw> {
        if !self.how.bare {
            return self.serialize_i128(value.into());
        }
        self.out.raw(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Flaw> {
        self.serialize_i128(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Flaw> {
        self.serialize_i128(value.into())
    }

    fn serialize_u128(self, value: u128) -> Result<(), Flaw> {
        self.out.unsigned(value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Flaw> {
        let bytes = value.to_le_bytes();
        if self.how.bare {
            self.out.raw(&bytes);
        } else {
            scalar(DType::Float32, bytes.to_vec(), self.how.rounding, self.out);
        }
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Flaw> {
        if self.how.bare {
            self.out.raw(&value.to_le_bytes());
        } else {
            self.out.float(self.how.rounding.map_or(value, |rounding| rounding.apply(value)));
        }
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Flaw> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Flaw> {
        self.out.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Flaw> {
        if self.hint == Hint::Integer {
            self.out.integer_bytes(value);
            return Ok(());
        }
        bytes(value.len(), || Content::of(value), self.how, self.out);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Flaw> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Flaw> {
        let at = self.out.len();
        encode(value, self.how, self.out)?;
        self.out.mark_some(at);
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), Flaw> {
        self.out.nil();
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Flaw> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Flaw> {
        self.out.named(variant);
        self.serialize_unit()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Flaw> {
        if let Some(tree) = mem::shown::<T, Tree>(value) {
            let refused = || Flaw::Refused("it is no single value".to_owned());
            return single::encode(tree, self.how.rounding, self.out).ok_or_else(refused);
        }
        if let Some(hint) = Hint::named(name) {
            return value.serialize(Encoder { hint, ..self });
        }
        let Hint::Half(dtype) = self.hint else { return encode(value, self.how, self.out) };
        let at = self.out.len();
        encode(value, self.how.bare(), self.out)?;
        let bytes = self.out.take_raw(at);
        scalar(dtype, bytes, self.how.rounding, self.out);
        Ok(())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Flaw> {
        self.out.named(variant);
        encode(value, self.how.inside(), self.out)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Inside<'a>, Flaw> {
        let kind = match self.hint {
            Hint::Set => Container::Set,
            Hint::FrozenSet => Container::FrozenSet,
            _ => Container::List,
        };
        Ok(self.open(kind))
    }

    fn serialize_tuple(self, len: usize) -> Result<Inside<'a>, Flaw> {
        match self.hint {
            Hint::Complex(dtype) if len == 2 => Ok(Inside::complex(self.out, self.how, dtype)),
            _ => Ok(self.open(Container::Tuple)),
        }
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Inside<'a>, Flaw> {
        Ok(self.open(Container::Tuple))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Inside<'a>, Flaw> {
        Ok(self.variant(variant, Container::Tuple))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Inside<'a>, Flaw> {
        Ok(self.open(Container::Map))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Inside<'a>, Flaw> {
        Ok(self.open(Container::Map))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Inside<'a>, Flaw> {
        Ok(self.variant(variant, Container::Map))
    }
}
