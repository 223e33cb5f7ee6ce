//! Lists, maps and variants of a tree as serde walks them; each error learns where it was.

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer, U8Deserializer};
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess};
use serde::de::{VariantAccess, Visitor};

use super::Loader;
use super::elements::{Elements, Extents};
use crate::format::tree::Tree;
use crate::mem::Failure;
use crate::value::StoredArray;

/// The items of a list.
pub(super) struct Items<'de> {
    of: Loader<'de>,
    all: &'de [Tree],
    next: usize,
}

impl<'de> Items<'de> {
    pub(super) fn new(of: Loader<'de>, items: &'de [Tree]) -> Self {
        Items { of, all: items, next: 0 }
    }

    /// What was made, if all items were taken.
    pub(super) fn end<T>(&self, value: T) -> Result<T, Failure> {
        if self.next == self.all.len() {
            return Ok(value);
        }
        Err(Failure::wrong(format!("a list of {}", self.next), format!("one of {}", self.all.len())))
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        let Some(item) = self.all.get(self.next) else { return Ok(None) };
        let at = self.next;
        self.next += 1;
        seed.deserialize(self.of.at(item)).map(Some).map_err(|error| error.below(|| format!("[{at}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.all.len() - self.next)
    }
}

/// The pairs of a map.
pub(super) struct Pairs<'de> {
    of: Loader<'de>,
    left: std::slice::Iter<'de, (Tree, Tree)>,
    value: Option<(&'de Tree, &'de Tree)>,
}

impl<'de> Pairs<'de> {
    pub(super) fn new(of: Loader<'de>, pairs: &'de [(Tree, Tree)]) -> Self {
        Pairs { of, left: pairs.iter(), value: None }
    }

    /// What was made, if all pairs were taken.
    pub(super) fn end<T>(&self, value: T) -> Result<T, Failure> {
        match self.left.len() {
            0 => Ok(value),
            left => Err(Failure::wrong("a map", format!("a map with {left} pairs more"))),
        }
    }
}

impl<'de> MapAccess<'de> for &mut Pairs<'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let Some((key, value)) = self.left.next() else { return Ok(None) };
        self.value = Some((key, value));
        let at = |error: Failure| error.below(|| format!("{} (a key)", step(key)));
        seed.deserialize(self.of.at(key)).map(Some).map_err(at)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Failure> {
        let (key, value) =
            self.value.take().ok_or_else(|| <Failure as de::Error>::custom("a map's value comes after its key"))?;
        seed.deserialize(self.of.at(value)).map_err(|error| error.below(|| step(key)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

/// How a place behind a key is written.
fn step(key: &Tree) -> String {
    match key {
        Tree::Str(text) if text.len() <= 100 && text.chars().all(|c| c.is_alphanumeric() || c == '_') => {
            format!(".{text}")
        }
        Tree::Str(text) if text.len() <= 100 => format!("[{text:?}]"),
        Tree::Bool(value) => format!("[{value}]"),
        Tree::Int(value) => format!("[{value}]"),
        Tree::UInt(value) => format!("[{value}]"),
        Tree::Float(value) => format!("[{value}]"),
        _ => "[..]".into(),
    }
}

/// A variant: its name, and what is in it.
pub(super) struct Variant<'de> {
    pub(super) of: Loader<'de>,
    pub(super) name: &'de str,
    pub(super) content: Option<&'de Tree>,
}

impl<'de> Variant<'de> {
    fn content(&self, expected: &str) -> Result<Loader<'de>, Failure> {
        match self.content {
            Some(content) => Ok(self.of.at(content)),
            None => Err(Failure::wrong(expected, format!("the bare variant {:?}", self.name))),
        }
    }

    fn below(name: &str, error: Failure) -> Failure {
        error.below(|| format!(".{name}"))
    }
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Failure> {
        let name = BorrowedStrDeserializer::<Failure>::new(self.name);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match self.content {
            None => Ok(()),
            Some(content) => {
                Err(Failure::wrong(format!("the bare variant {:?}", self.name), self.of.at(content).found()))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        let content = self.content("a variant with a value")?;
        seed.deserialize(content).map_err(|error| Self::below(self.name, error))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Failure> {
        let content = self.content("a variant with values")?;
        content.deserialize_tuple(len, visitor).map_err(|error| Self::below(self.name, error))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        let content = self.content("a variant with fields")?;
        content.deserialize_struct("", fields, visitor).map_err(|error| Self::below(self.name, error))
    }
}

/// An array in ndarray's own form: a map of `v`, `dim` and `data`.
pub(super) struct Form<'a> {
    stored: &'a StoredArray,
    next: usize,
}

const FIELDS: [&str; 3] = ["v", "dim", "data"];

impl<'a> Form<'a> {
    pub(super) fn new(stored: &'a StoredArray) -> Self {
        Form { stored, next: 0 }
    }
}

impl<'de> MapAccess<'de> for Form<'_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let Some(field) = FIELDS.get(self.next) else { return Ok(None) };
        seed.deserialize(StrDeserializer::<Failure>::new(field)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Failure> {
        self.next += 1;
        match self.next {
            1 => seed.deserialize(U8Deserializer::new(1)),
            2 => seed.deserialize(Extents(self.stored.shape())),
            _ => seed.deserialize(Elements::of(self.stored)?),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(FIELDS.len() - self.next)
    }
}

impl<'de> Deserializer<'de> for Extents<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let extents = self.0.iter().copied().map(IntoDeserializer::<Failure>::into_deserializer);
        visitor.visit_seq(de::value::SeqDeserializer::new(extents))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}
