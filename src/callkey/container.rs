//! The encoding of what holds other values: lists, tuples, maps, sets.

use serde::ser::{self, Serialize};

use super::Rounding;
use super::encode::{Flaw, How, encode, scalar};
use crate::dtype::DType;
use crate::format::canonical::{Canonical, Container, Piece};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Container(Container),
    /// Two numbers that are one.
    Complex(DType),
}

/// A container that is being filled. Its items stand in the encoding as they come; the end puts them in order.
pub(super) struct Inside<'a> {
    out: &'a mut Canonical,
    how: How,
    /// The rounding of a complex number: of its parts, when both are there.
    whole: Option<Rounding>,
    kind: Kind,
    /// Where it begins.
    at: usize,
    count: u64,
    /// Its pairs or items, if their order does not count.
    pieces: Vec<Piece>,
}

impl<'a> Inside<'a> {
    pub(super) fn new(out: &'a mut Canonical, how: How, kind: Container) -> Self {
        let at = out.begin(kind);
        let how = if kind == Container::Set { how.as_key() } else { how.inside() };
        Inside { out, how, whole: None, kind: Kind::Container(kind), at, count: 0, pieces: Vec::new() }
    }

    pub(super) fn complex(out: &'a mut Canonical, how: How, dtype: DType) -> Self {
        let (at, kind) = (out.len(), Kind::Complex(dtype));
        Inside { out, how: how.bare(), whole: how.rounding(), kind, at, count: 0, pieces: Vec::new() }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Flaw> {
        let start = self.out.len();
        encode(value, self.how, self.out)?;
        self.count += 1;
        if self.kind == Kind::Container(Container::Set) {
            let end = self.out.len();
            self.pieces.push(Piece { start, key_end: end, end });
        }
        Ok(())
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Flaw> {
        let start = self.out.len();
        encode(key, self.how.as_key(), self.out)?;
        let end = self.out.len();
        self.pieces.push(Piece { start, key_end: end, end });
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Flaw> {
        encode(value, self.how, self.out)?;
        if let Some(piece) = self.pieces.last_mut() {
            piece.end = self.out.len();
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Flaw> {
        match self.kind {
            Kind::Container(Container::List | Container::Tuple) => self.out.end(self.at, self.count),
            Kind::Container(_) => self.out.end_sorted(self.at, self.pieces)?,
            Kind::Complex(dtype) => self.finish_complex(dtype)?,
        }
        Ok(())
    }

    /// A pair of `f64` is a number of the languages themselves, a pair of `f32` is one of arrays only.
    fn finish_complex(self, dtype: DType) -> Result<(), Flaw> {
        let mut bytes = self.out.take_raw(self.at);
        if dtype == DType::Complex64 {
            scalar(dtype, bytes, self.whole, self.out);
            return Ok(());
        }
        if let Some(rounding) = self.whole {
            rounding.apply_to(dtype, &mut bytes);
        }
        match bytes.as_chunks().0 {
            &[re, im] => self.out.complex(f64::from_le_bytes(re), f64::from_le_bytes(im)),
            _ => return Err(Flaw::Refused("a complex number has two parts".to_owned())),
        }
        Ok(())
    }
}

impl ser::SerializeSeq for Inside<'_> {
    type Ok = ();
    type Error = Flaw;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Flaw> {
        self.item(value)
    }

    fn end(self) -> Result<(), Flaw> {
        self.finish()
    }
}

impl ser::SerializeTuple for Inside<'_> {
    type Ok = ();
    type Error = Flaw;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Flaw> {
        self.item(value)
    }

    fn end(self) -> Result<(), Flaw> {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Inside<'_> {
    type Ok = ();
    type Error = Flaw;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Flaw> {
        self.item(value)
    }

    fn end(self) -> Result<(), Flaw> {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for Inside<'_> {
    type Ok = ();
    type Error = Flaw;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Flaw> {
        self.item(value)
    }

    fn end(self) -> Result<(), Flaw> {
        self.finish()
    }
}

impl ser::SerializeMap for Inside<'_> {
    type Ok = ();
    type Error = Flaw;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Flaw> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Flaw> {
        self.value(value)
    }

    fn end(self) -> Result<(), Flaw> {
        self.finish()
    }
}

impl ser::SerializeStruct for Inside<'_> {
    type Ok = ();
    type Error = Flaw;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Flaw> {
        self.key(name)?;
        self.value(value)
    }

    fn end(self) -> Result<(), Flaw> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Inside<'_> {
    type Ok = ();
    type Error = Flaw;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Flaw> {
        self.key(name)?;
        self.value(value)
    }

    fn end(self) -> Result<(), Flaw> {
        self.finish()
    }
}
