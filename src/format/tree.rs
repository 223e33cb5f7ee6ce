//! The tree of a value: what is left when its arrays are taken out. In MessagePack, with two extension types.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Extension type of an array: its payload is the index in the manifest's list of arrays.
const EXT_ARRAY: i8 = 1;
/// Extension type of a byte string that lies in the list of arrays.
const EXT_BYTES: i8 = 2;

/// Where an array stands in its manifest's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArrayIndex(pub(crate) u32);

/// A value whose arrays are taken out: plain data, with references where arrays were.
///
/// Maps keep the order they were written in. Of a number that fits both, `Int` is the form.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Tree {
    /// Nothing.
    Nil,
    /// A truth value.
    Bool(bool),
    /// An integer from -2^63 to 2^63 - 1.
    Int(i64),
    /// An integer from 2^63 to 2^64 - 1.
    UInt(u64),
    /// A double-precision float, every bit kept.
    Float(f64),
    /// Text.
    Str(String),
    /// Bytes that lie in the tree itself.
    Bytes(Vec<u8>),
    /// A sequence.
    List(Vec<Tree>),
    /// Pairs in the order they were written.
    Map(Vec<(Tree, Tree)>),
    /// An array of the manifest.
    Array(ArrayIndex),
    /// A byte string that was large enough to lie beside the arrays.
    Payload(ArrayIndex),
}

impl Tree {
    /// The value under a text key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        let Tree::Map(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| matches!(name, Tree::Str(text) if text == key)).map(|(_, value)| value)
    }

    /// Calls `visit` with every array and payload node in the tree and its index, in order.
    pub(crate) fn for_each_array(&self, visit: &mut impl FnMut(&Tree, ArrayIndex)) {
        match self {
            Tree::Array(index) | Tree::Payload(index) => visit(self, *index),
            Tree::List(items) => items.iter().for_each(|item| item.for_each_array(visit)),
            Tree::Map(pairs) => pairs.iter().for_each(|(key, value)| {
                key.for_each_array(visit);
                value.for_each_array(visit);
            }),
            _ => {}
        }
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Tree::Str(text.to_owned())
    }
}

impl From<i64> for Tree {
    fn from(value: i64) -> Self {
        Tree::Int(value)
    }
}

impl From<f64> for Tree {
    fn from(value: f64) -> Self {
        Tree::Float(value)
    }
}

impl From<bool> for Tree {
    fn from(value: bool) -> Self {
        Tree::Bool(value)
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Tree::Nil => to.serialize_unit(),
            Tree::Bool(value) => to.serialize_bool(*value),
            Tree::Int(value) => to.serialize_i64(*value),
            Tree::UInt(value) => to.serialize_u64(*value),
            Tree::Float(value) => to.serialize_f64(*value),
            Tree::Str(text) => to.serialize_str(text),
            Tree::Bytes(bytes) => to.serialize_bytes(bytes),
            Tree::List(items) => to.collect_seq(items),
            Tree::Map(pairs) => {
                let mut map = to.serialize_map(Some(pairs.len()))?;
                pairs.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
            Tree::Array(index) => serialize_ext(to, EXT_ARRAY, *index),
            Tree::Payload(index) => serialize_ext(to, EXT_BYTES, *index),
        }
    }
}

fn serialize_ext<S: Serializer>(to: S, tag: i8, index: ArrayIndex) -> Result<S::Ok, S::Error> {
    to.serialize_newtype_struct(rmp_serde::MSGPACK_EXT_STRUCT_NAME, &(tag, Raw(&index.0.to_le_bytes())))
}

/// Bytes that serde shall take as bytes, not as a sequence.
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a MessagePack value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nil)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(i64::try_from(value).map_or(Tree::UInt(value), Tree::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Str(text.to_owned()))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Tree, E> {
        Ok(Tree::Bytes(bytes.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Tree::Map(pairs))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Tree, D::Error> {
        let Ext(tag, index) = Ext::deserialize(from)?;
        match tag {
            EXT_ARRAY => Ok(Tree::Array(index)),
            EXT_BYTES => Ok(Tree::Payload(index)),
            _ => Err(de::Error::custom(format_args!("extension type {tag} is not known"))),
        }
    }
}

/// An extension value: rmp-serde shows one as the pair of its type and its bytes.
struct Ext(i8, ArrayIndex);

impl<'de> Deserialize<'de> for Ext {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ExtVisitor;
        impl<'de> Visitor<'de> for ExtVisitor {
            type Value = Ext;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an extension value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Ext, A::Error> {
                let tag = seq.next_element()?.ok_or_else(|| de::Error::custom("an extension has a type"))?;
                let index =
                    seq.next_element::<IndexBytes>()?.ok_or_else(|| de::Error::custom("an extension has bytes"))?;
                Ok(Ext(tag, index.0))
            }
        }
        from.deserialize_seq(ExtVisitor)
    }
}

struct IndexBytes(ArrayIndex);

impl<'de> Deserialize<'de> for IndexBytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct BytesVisitor;
        impl Visitor<'_> for BytesVisitor {
            type Value = IndexBytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a 4-byte index")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<IndexBytes, E> {
                let bytes = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
                Ok(IndexBytes(ArrayIndex(u32::from_le_bytes(bytes))))
            }
        }
        from.deserialize_bytes(BytesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_node_round_trips() {
        let tree = Tree::Map(vec![
            (Tree::from("a"), Tree::Array(ArrayIndex(0))),
            (Tree::from("b"), Tree::Payload(ArrayIndex(u32::MAX))),
            (Tree::Int(-3), Tree::List(vec![Tree::Nil, Tree::Bool(true), Tree::Int(i64::MIN), Tree::UInt(u64::MAX)])),
            (Tree::Bytes(vec![0xff, 0]), Tree::Float(-0.0)),
        ]);
        let bytes = rmp_serde::to_vec_named(&tree).unwrap();
        let back: Tree = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(back, tree);
        assert_eq!(back.get("a"), Some(&Tree::Array(ArrayIndex(0))));
        assert_eq!(rmp_serde::to_vec_named(&Tree::Array(ArrayIndex(1))).unwrap(), [0xd6, 1, 1, 0, 0, 0]);
    }

    #[test]
    fn an_unknown_extension_and_an_index_of_another_length_are_refused() {
        assert!(rmp_serde::from_slice::<Tree>(&[0xd6, 9, 1, 0, 0, 0]).is_err());
        assert!(rmp_serde::from_slice::<Tree>(&[0xd5, 1, 1, 0]).is_err());
    }
}
