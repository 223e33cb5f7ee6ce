//! Tagged lists: what a list is that is more than a list, and which items it may have.

use serde::ser::{Serialize, Serializer};

use super::tree::{EXT_TAG, Tree, serialize_ext};
use super::{iso, single};
use crate::dtype::DType;

/// How many days a span of time has at most, either way.
const MAX_DAYS: i64 = 999_999_999;

/// What a list is that is no plain list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tag {
    /// A tuple, of the languages that tell it from a list: its items.
    Tuple,
    /// A set: its items.
    Set,
    /// A set that cannot change: its items.
    FrozenSet,
    /// A complex number: real and imaginary part, both [`Tree::Float`].
    Complex,
    /// An integer outside of what [`Tree::Int`] and [`Tree::UInt`] hold: its bytes in two's complement, little-endian,
    /// as few as can be.
    Integer,
    /// An optional value that is there, where it would look as if it were not: the value, nil or such a list itself.
    Some,
    /// An array that is not kept, only described: dtype, shape, digest of its bytes.
    Omitted,
    /// A single number of one of the types of arrays, as NumPy has them: dtype, bytes.
    Scalar,
    /// A date and a time of day: its text in ISO 8601; and 1, if it is the second that clocks show alike.
    DateTime,
    /// A date: its text in ISO 8601.
    Date,
    /// A time of day: as of a date and a time of day.
    Time,
    /// A span of time: days, seconds of a day, microseconds of a second.
    TimeDelta,
    /// A count of a unit of time, as NumPy has them: the name of its type, and the count.
    Ticks,
}

impl Tag {
    const ALL: [(u8, Tag); 13] = [
        (1, Tag::Tuple),
        (2, Tag::Set),
        (3, Tag::FrozenSet),
        (4, Tag::Complex),
        (5, Tag::Integer),
        (6, Tag::Some),
        (7, Tag::Omitted),
        (8, Tag::Scalar),
        (9, Tag::DateTime),
        (10, Tag::Date),
        (11, Tag::Time),
        (12, Tag::TimeDelta),
        (13, Tag::Ticks),
    ];

    fn kind(self) -> u8 {
        Tag::ALL.iter().find(|(_, tag)| *tag == self).expect("the table has every tag").0
    }

    pub(super) fn from_kind(kind: u8) -> Option<Self> {
        Tag::ALL.iter().find(|(number, _)| *number == kind).map(|(_, tag)| *tag)
    }

    /// Whether a list of this tag may have these items: [`Writer::put`](crate::Writer::put) refuses others, and so does
    /// who reads them.
    pub fn takes(self, items: &[Tree]) -> bool {
        match (self, items) {
            (Tag::Tuple | Tag::Set | Tag::FrozenSet, _)
            | (Tag::Complex, [Tree::Float(_), Tree::Float(_)])
            | (Tag::Some, [Tree::Nil | Tree::Tagged(Tag::Some, _)]) => true,
            (Tag::Integer, [Tree::Bytes(bytes)]) => is_large_integer(bytes),
            (Tag::Omitted, [Tree::Str(dtype), Tree::List(shape), Tree::Bytes(digest)]) => {
                let extents = shape.iter().all(|extent| matches!(extent, Tree::Int(0..) | Tree::UInt(_)));
                extents && digest.len() == 32 && dtype.parse::<DType>().is_ok()
            }
            (Tag::Scalar, [Tree::Str(dtype), Tree::Bytes(bytes)]) => single::is_scalar(dtype, bytes),
            (Tag::DateTime, [Tree::Str(text)] | [Tree::Str(text), Tree::Int(1)]) => iso::date_time(text).is_some(),
            (Tag::Date, [Tree::Str(text)]) => iso::is_date(text),
            (Tag::Time, [Tree::Str(text)] | [Tree::Str(text), Tree::Int(1)]) => iso::time(text).is_some(),
            (Tag::TimeDelta, [Tree::Int(days), Tree::Int(seconds), Tree::Int(microseconds)]) => {
                (-MAX_DAYS..=MAX_DAYS).contains(days)
                    && (0..86_400).contains(seconds)
                    && (0..1_000_000).contains(microseconds)
            }
            (Tag::Ticks, [Tree::Str(dtype), Tree::Int(_)]) => single::is_time_unit(dtype),
            _ => false,
        }
    }

    /// What its items must be, for who gave others.
    pub(crate) fn wants(self) -> &'static str {
        match self {
            Tag::Tuple | Tag::Set | Tag::FrozenSet => "any items",
            Tag::Complex => "two floats",
            Tag::Integer => "the shortest bytes of an integer of more than 64 bits",
            Tag::Some => "nil or an optional value",
            Tag::Omitted => "dtype, shape and digest",
            Tag::Scalar => "a dtype and the bytes of one element",
            Tag::DateTime => "YYYY-MM-DDTHH:MM:SS in its one form, alone or with 1",
            Tag::Date => "YYYY-MM-DD",
            Tag::Time => "HH:MM:SS in its one form, alone or with 1",
            Tag::TimeDelta => "days from -999999999 to 999999999, seconds below 86400, microseconds below 1000000",
            Tag::Ticks => "datetime64 or timedelta64 with a unit, and a count of 64 bits",
        }
    }
}

/// Whether bytes are the shortest form of an integer that neither 64-bit form holds.
fn is_large_integer(bytes: &[u8]) -> bool {
    match bytes {
        [low @ .., next, last] if low.len() >= 7 => {
            let spare = (*last == 0 && next & 0x80 == 0) || (*last == 0xff && next & 0x80 != 0);
            !(spare || bytes.len() == 9 && *last == 0)
        }
        _ => false,
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        serialize_ext(to, EXT_TAG, &[self.kind()])
    }
}

/// Items in a few words, however many and large they are.
pub(crate) fn outline(items: &[Tree]) -> String {
    const NAMED: usize = 4;
    let item = |item: &Tree| match item {
        Tree::Nil => "nil".to_owned(),
        Tree::Bool(value) => value.to_string(),
        Tree::Int(value) => value.to_string(),
        Tree::UInt(value) => value.to_string(),
        Tree::Float(value) => format!("{value:?}"),
        Tree::Str(text) if text.len() <= 64 => format!("{text:?}"),
        Tree::Str(text) => format!("a string of {} bytes", text.len()),
        Tree::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Tree::List(items) => format!("a list of {}", items.len()),
        Tree::Map(pairs) => format!("a map of {}", pairs.len()),
        Tree::Tagged(tag, _) => format!("a {tag:?}"),
        Tree::Array(_) | Tree::Payload(_) | Tree::Sequence(_) => "an array".to_owned(),
    };
    let shown: Vec<String> = items.iter().take(NAMED).map(item).collect();
    let more = if items.len() > NAMED { format!(" and {} more", items.len() - NAMED) } else { String::new() };
    if items.is_empty() { "nothing".to_owned() } else { shown.join(", ") + &more }
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::super::tree::ArrayIndex;
    use super::*;

    #[test]
    fn tagged_lists_round_trip_and_wrong_ones_are_refused() {
        let large = |bytes: &[u8]| Tree::Tagged(Tag::Integer, vec![Tree::Bytes(bytes.to_vec())]);
        let omitted = vec![Tree::from("float64"), Tree::List(vec![Tree::Int(3)]), Tree::Bytes(vec![7; 32])];
        let good = [
            Tree::Tagged(Tag::Tuple, vec![]),
            Tree::Tagged(Tag::Set, vec![Tree::Int(1), Tree::Sequence(ArrayIndex(2))]),
            Tree::Tagged(Tag::FrozenSet, vec![Tree::Tagged(Tag::Tuple, vec![Tree::Nil])]),
            Tree::Tagged(Tag::Complex, vec![Tree::Float(1.0), Tree::Float(-0.0)]),
            Tree::Tagged(Tag::Some, vec![Tree::Tagged(Tag::Some, vec![Tree::Nil])]),
            Tree::Tagged(Tag::Omitted, omitted.clone()),
            large(&[0, 0, 0, 0, 0, 0, 0, 0, 1]),
            large(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff]),
            large(&[0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0]),
        ];
        for tree in good {
            let bytes = rmp_serde::to_vec_named(&tree).unwrap();
            assert_eq!(decode::tree(&bytes).unwrap(), tree);
            let list = [&[0x91], &bytes[..]].concat();
            assert_eq!(decode::tree(&list).unwrap(), Tree::List(vec![tree]));
        }
        let bad = [
            Tree::Tagged(Tag::Complex, vec![Tree::Float(1.0), Tree::Int(1)]),
            Tree::Tagged(Tag::Complex, vec![Tree::Float(1.0)]),
            Tree::Tagged(Tag::Some, vec![Tree::Int(1)]),
            Tree::Tagged(Tag::Some, vec![]),
            Tree::Tagged(Tag::Omitted, omitted[..2].to_vec()),
            large(&[]),
            large(&[0, 0, 0, 0, 0, 0, 0, 0x80]),
            large(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0]),
            large(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0xff]),
            large(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 0]),
        ];
        for tree in bad {
            let bytes = rmp_serde::to_vec_named(&tree).unwrap();
            assert!(decode::tree(&bytes).is_err(), "{tree:?}");
        }
    }

    #[test]
    fn a_tag_stands_first_in_a_list_and_nowhere_else() {
        for bytes in [
            &[0xd4, 4, 1][..],               // alone
            &[0x92, 0xc0, 0xd4, 4, 1],       // second
            &[0x92, 0xd4, 4, 1, 0xd4, 4, 1], // twice
            &[0x81, 0xd4, 4, 1, 0xc0],       // as a key
            &[0x91, 0xd4, 4, 0],             // unknown
            &[0x91, 0xd4, 4, 14],            // unknown
            &[0x91, 0xd5, 4, 1, 1],          // of another length
            &[0x91, 0xd4, 3, 1],             // a sequence with an index of one byte
        ] {
            assert!(decode::tree(bytes).is_err(), "{bytes:02x?}");
        }
    }
}
