//! Numbers of one type, collected element by element out of what is no known array.

use serde::ser::{Impossible, Serialize, SerializeSeq, Serializer};

use super::refused;
use crate::dtype::DType;
use crate::format::tree::Tree;
use crate::mem::{self, Failure};
use crate::value::Value;
use crate::value::load::numbers;

/// Numbers of one type, as bytes.
#[derive(Default)]
pub(super) struct Flat {
    /// Unknown as long as there are none.
    pub(super) dtype: Option<DType>,
    pub(super) bytes: Vec<u8>,
    pub(super) count: u64,
}

impl Flat {
    /// Takes a number, or a struct around one, of the type of those before; `false` if it is none.
    pub(super) fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> bool {
        if let Some((dtype, bytes)) = mem::scalar_bytes(value) {
            return self.add(dtype, bytes);
        }
        value.serialize(Number(self)).is_ok()
    }

    fn add(&mut self, dtype: DType, bytes: &[u8]) -> bool {
        if *self.dtype.get_or_insert(dtype) != dtype {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        self.count += 1;
        true
    }

    /// The numbers as they are in a tree.
    pub(super) fn to_trees(&self) -> Vec<Tree> {
        self.dtype.map_or_else(Vec::new, |dtype| numbers(dtype, &self.bytes).collect())
    }
}

/// Collects a sequence of numbers of one type. Whatever is another thing is refused, and may be serialised again.
pub(super) fn collect<T: Serialize + ?Sized>(data: &T) -> Result<Flat, Failure> {
    // A vector in a field `data` belongs to a struct of the user's: ndarray shows a type of its own there.
    if mem::recognise(data).is_some() {
        return Err(refused());
    }
    let mut flat = Flat::default();
    data.serialize(Sequence(&mut flat))?;
    Ok(flat)
}

macro_rules! refuse {
    ($($method:ident ($($type:ty),*))*) => {$(
        fn $method(self, $(_: $type),*) -> Result<(), Failure> {
            Err(refused())
        }
    )*};
}

macro_rules! refuse_compound {
    ($($method:ident ($($type:ty),*) -> $compound:ident;)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<Self::$compound, Failure> {
            Err(refused())
        }
    )*};
}

macro_rules! refuse_others {
    () => {
        refuse! {
            serialize_i128(i128) serialize_u128(u128) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
            serialize_none() serialize_unit() serialize_unit_struct(&'static str)
            serialize_unit_variant(&'static str, u32, &'static str)
        }

        refuse_compound! {
            serialize_tuple(usize) -> SerializeTuple;
            serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
            serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
            serialize_map(Option<usize>) -> SerializeMap;
            serialize_struct(&'static str, usize) -> SerializeStruct;
            serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
        }

        fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Failure> {
            Err(refused())
        }

        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<(), Failure> {
            Err(refused())
        }

        fn is_human_readable(&self) -> bool {
            false
        }
    };
}

macro_rules! nothing_inside {
    ($($compound:ident)*) => {$( type $compound = Impossible<(), Failure>; )*};
}

/// A serializer that takes one number.
struct Number<'a>(&'a mut Flat);

macro_rules! numbers {
    ($($method:ident $type:ty => $dtype:ident),*) => {$(
        fn $method(self, value: $type) -> Result<(), Failure> {
            if self.0.add(DType::$dtype, &value.to_le_bytes()) { Ok(()) } else { Err(refused()) }
        }
    )*};
}

impl Serializer for Number<'_> {
    type Ok = ();
    type Error = Failure;
    nothing_inside!(SerializeSeq SerializeTuple SerializeTupleStruct SerializeTupleVariant SerializeMap);
    nothing_inside!(SerializeStruct SerializeStructVariant);

    numbers!(serialize_i8 i8 => Int8, serialize_i16 i16 => Int16, serialize_i32 i32 => Int32, serialize_i64 i64 => Int64);
    numbers!(serialize_u8 u8 => UInt8, serialize_u16 u16 => UInt16, serialize_u32 u32 => UInt32);
    numbers!(serialize_u64 u64 => UInt64, serialize_f32 f32 => Float32, serialize_f64 f64 => Float64);

    fn serialize_bool(self, value: bool) -> Result<(), Failure> {
        if self.0.add(DType::Bool, &[value.into()]) { Ok(()) } else { Err(refused()) }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Failure> {
        // A dynamic value is not only its number.
        if mem::shown::<T, Value>(value).is_none() && self.0.push(value) { Ok(()) } else { Err(refused()) }
    }

    refuse_compound! { serialize_seq(Option<usize>) -> SerializeSeq; }
    refuse_others!();
}

/// A serializer that takes a sequence of numbers.
struct Sequence<'a>(&'a mut Flat);

impl SerializeSeq for Sequence<'_> {
    type Ok = ();
    type Error = Failure;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Failure> {
        if self.0.push(item) { Ok(()) } else { Err(refused()) }
    }

    fn end(self) -> Result<(), Failure> {
        Ok(())
    }
}

impl<'a> Serializer for Sequence<'a> {
    type Ok = ();
    type Error = Failure;
    type SerializeSeq = Sequence<'a>;
    nothing_inside!(SerializeTuple SerializeTupleStruct SerializeTupleVariant SerializeMap);
    nothing_inside!(SerializeStruct SerializeStructVariant);

    refuse! {
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_u8(u8) serialize_u16(u16)
        serialize_u32(u32) serialize_u64(u64) serialize_f32(f32) serialize_f64(f64) serialize_bool(bool)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<(), Failure> {
        Err(refused())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Sequence<'a>, Failure> {
        Ok(self)
    }

    refuse_others!();
}
