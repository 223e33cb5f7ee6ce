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

/// Whether the order of what is inside does not count, and nothing of it is rounded.
fn is_set(kind: Container) -> bool {
    matches!(kind, Container::Set | Container::FrozenSet)
}

/// A container that is being filled. Its items stand in the encoding as they come; the end puts them in order.
#[derive(Debug)]
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
        let how = if is_set(kind) { how.as_key() } else { how.inside() };
        Inside { out, how, whole: None, kind: Kind::Container(kind), at, count: 0, pieces: Vec::new() }
    }

    pub(super) fn complex(out: &'a mut Canonical, how: How, dtype: DType) -> Self {
        let (at, kind) = (out.len(), Kind::Complex(dtype));
        Inside { out, how: how.bare(), whole: how.rounding(), kind, at, count: 0, pieces: Vec::new() }
    }

    /// Adds an item, which `append` appends as it is told to.
    pub(super) fn item<E>(&mut self, append: impl FnOnce(&mut Canonical, How) -> Result<(), E>) -> Result<(), E> {
        let piece = self.piece(self.how, append)?;
        self.count += 1;
        if matches!(self.kind, Kind::Container(kind) if is_set(kind)) {
            self.pieces.push(piece);
        }
        Ok(())
    }

    /// Adds the key of a pair, whose value comes next.
    pub(super) fn key<E>(&mut self, append: impl FnOnce(&mut Canonical, How) -> Result<(), E>) -> Result<(), E> {
        let piece = self.piece(self.how.as_key(), append)?;
        self.pieces.push(piece);
        Ok(())
    }

    /// Adds the value of a pair, whose key came before; takes the key back if that fails.
    pub(super) fn value<E>(&mut self, append: impl FnOnce(&mut Canonical, How) -> Result<(), E>) -> Result<(), E> {
        let added = self.piece(self.how, append);
        if let (Some(pair), Ok(value)) = (self.pieces.last_mut(), &added) {
            pair.end = value.end;
        } else if let Some(pair) = self.pieces.pop() {
            self.out.truncate(pair.start);
        }
        added.map(drop)
    }

    /// Appends a value; nothing is appended if that fails.
    fn piece<E>(&mut self, how: How, append: impl FnOnce(&mut Canonical, How) -> Result<(), E>) -> Result<Piece, E> {
        let start = self.out.len();
        match append(self.out, how) {
            Ok(()) => Ok(Piece { start, key_end: self.out.len(), end: self.out.len() }),
            Err(error) => {
                self.out.truncate(start);
                Err(error)
            }
        }
    }

    pub(super) fn finish(self) -> Result<(), Flaw> {
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
        self.item(|out, how| encode(value, how, out))
    }

    fn end(self) -> Result<(), Flaw> {
        self.finish()
    }
}

impl ser::SerializeTuple for Inside<'_> {
    type Ok = ();
    type Error = Flaw;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Flaw> {
        self.item(|out, how| encode(value, how, out))
    }

    fn end(self) -> Result<(), Flaw> {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Inside<'_> {
    type Ok = ();
    type Error = Flaw;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Flaw> {
        self.item(|out, how| encode(value, how, out))
    }

    fn end(self) -> Result<(), Flaw> {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for Inside<'_> {
    type Ok = ();
    type Error = Flaw;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Flaw> {
        self.item(|out, how| encode(value, how, out))
    }

    fn end(self) -> Result<(), Flaw> {
        self.finish()
    }
}

impl ser::SerializeMap for Inside<'_> {
    type Ok = ();
    type Error = Flaw;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Flaw> {
        self.key(|out, how| encode(key, how, out))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Flaw> {
        self.value(|out, how| encode(value, how, out))
    }

    fn end(self) -> Result<(), Flaw> {
        self.finish()
    }
}

impl ser::SerializeStruct for Inside<'_> {
    type Ok = ();
    type Error = Flaw;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Flaw> {
        self.key(|out, how| encode(name, how, out))?;
        self.value(|out, how| encode(value, how, out))
    }

    fn end(self) -> Result<(), Flaw> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Inside<'_> {
    type Ok = ();
    type Error = Flaw;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Flaw> {
        self.key(|out, how| encode(name, how, out))?;
        self.value(|out, how| encode(value, how, out))
    }

    fn end(self) -> Result<(), Flaw> {
        self.finish()
    }
}
