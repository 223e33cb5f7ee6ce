//! The tree of a value: what is left when its arrays are taken out. In MessagePack, with four extension types.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::single;
pub use super::tag::Tag;
use crate::error::Fault;

/// Extension type of an array: its payload is the index in the manifest's list of arrays.
const EXT_ARRAY: i8 = 1;
/// Extension type of a byte string that lies in the list of arrays.
const EXT_BYTES: i8 = 2;

/// Extension type of a plain sequence whose elements lie in the list of arrays.
const EXT_SEQUENCE: i8 = 3;
/// Extension type of what stands first in a tagged list: its payload is the tag, one byte.
pub(super) const EXT_TAG: i8 = 4;

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
    /// A sequence of numbers that was large enough to lie beside the arrays, in one dimension.
    Sequence(ArrayIndex),
    /// A list that is more than a list.
    Tagged(Tag, Vec<Tree>),
}

impl Tree {
    /// About how many bytes of memory it takes.
    pub(crate) fn footprint(&self) -> u64 {
        let inside: u64 = match self {
            Tree::Str(text) => text.capacity() as u64,
            Tree::Bytes(bytes) => bytes.capacity() as u64,
            Tree::List(items) | Tree::Tagged(_, items) => items.iter().map(Tree::footprint).sum(),
            Tree::Map(pairs) => pairs.iter().map(|(key, value)| key.footprint() + value.footprint()).sum(),
            _ => 0,
        };
        size_of::<Tree>() as u64 + inside
    }

    /// The value under a text key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        let Tree::Map(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| matches!(name, Tree::Str(text) if text == key)).map(|(_, value)| value)
    }

    /// The number that a [scalar](Tag::Scalar) is, without its type: a truth value, integer, float or complex number.
    pub fn number(&self) -> Option<Tree> {
        match self {
            Tree::Tagged(Tag::Scalar, items) => match &items[..] {
                [Tree::Str(dtype), Tree::Bytes(bytes)] => single::numbers(dtype.parse().ok()?, bytes).pop(),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether lists and maps hold each other in more than so many levels. Looks no deeper than that, so it may be asked
    /// of any tree.
    pub(crate) fn is_deeper_than(&self, levels: usize) -> bool {
        let beyond = |item: &Tree| item.is_deeper_than(levels.saturating_sub(1));
        match self {
            Tree::List(items) | Tree::Tagged(_, items) => levels == 0 || items.iter().any(beyond),
            Tree::Map(pairs) => levels == 0 || pairs.iter().any(|(key, value)| beyond(key) || beyond(value)),
            _ => false,
        }
    }

    /// Calls `visit` with every node in the tree that names an array, and its index, in order.
    pub(crate) fn for_each_array(&self, visit: &mut impl FnMut(&Tree, ArrayIndex)) {
        match self {
            Tree::Array(index) | Tree::Payload(index) | Tree::Sequence(index) => visit(self, *index),
            Tree::List(items) | Tree::Tagged(_, items) => items.iter().for_each(|item| item.for_each_array(visit)),
            Tree::Map(pairs) => pairs.iter().for_each(|(key, value)| {
                key.for_each_array(visit);
                value.for_each_array(visit);
            }),
            _ => {}
        }
    }
}

/// Calls `visit` with every tagged list of a tree.
pub(crate) fn for_each_tagged(tree: &Tree, visit: &mut impl FnMut(Tag, &[Tree])) {
    match tree {
        Tree::Tagged(tag, items) => {
            visit(*tag, items);
            items.iter().for_each(|item| for_each_tagged(item, visit));
        }
        Tree::List(items) => items.iter().for_each(|item| for_each_tagged(item, visit)),
        Tree::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            for_each_tagged(key, visit);
            for_each_tagged(value, visit);
        }),
        _ => {}
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
            Tree::Array(index) => serialize_ext(to, EXT_ARRAY, &index.0.to_le_bytes()),
            Tree::Payload(index) => serialize_ext(to, EXT_BYTES, &index.0.to_le_bytes()),
            Tree::Sequence(index) => serialize_ext(to, EXT_SEQUENCE, &index.0.to_le_bytes()),
            Tree::Tagged(tag, items) => {
                let mut list = to.serialize_seq(Some(items.len() + 1))?;
                list.serialize_element(tag)?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
        }
    }
}

pub(super) fn serialize_ext<S: Serializer>(to: S, kind: i8, payload: &[u8]) -> Result<S::Ok, S::Error> {
    to.serialize_newtype_struct(rmp_serde::MSGPACK_EXT_STRUCT_NAME, &(kind, Raw(payload)))
}

/// Bytes that serde shall take as bytes, not as a sequence.
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

/// What an extension value stands for.
pub(super) enum Ext {
    Node(Tree),
    /// Stands first in a list, or nowhere.
    Tag(Tag),
}

impl Ext {
    pub(super) fn parse(kind: i8, payload: &[u8]) -> Result<Self, Fault> {
        let index = |node: fn(ArrayIndex) -> Tree| match payload.try_into() {
            Ok(bytes) => Ok(Ext::Node(node(ArrayIndex(u32::from_le_bytes(bytes))))),
            Err(_) => Err(malformed(format!("an index of 4 bytes is expected, found {}", payload.len()))),
        };
        match (kind, payload) {
            (EXT_ARRAY, _) => index(Tree::Array),
            (EXT_BYTES, _) => index(Tree::Payload),
            (EXT_SEQUENCE, _) => index(Tree::Sequence),
            (EXT_TAG, [kind]) => {
                Tag::from_kind(*kind).map(Ext::Tag).ok_or_else(|| malformed(format!("tag {kind} is not known")))
            }
            (EXT_TAG, _) => Err(malformed(format!("a tag of 1 byte is expected, found {}", payload.len()))),
            _ => Err(malformed(format!("extension type {kind} is not known"))),
        }
    }
}

fn malformed(reason: String) -> Fault {
    Fault::malformed("value", reason)
}

#[cfg(test)]
mod tests {
    use super::super::decode;
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
        let back = decode::tree(&bytes).unwrap();
        assert_eq!(back, tree);
        assert_eq!(back.get("a"), Some(&Tree::Array(ArrayIndex(0))));
        assert_eq!(rmp_serde::to_vec_named(&Tree::Array(ArrayIndex(1))).unwrap(), [0xd6, 1, 1, 0, 0, 0]);
    }

    #[test]
    fn an_unknown_extension_and_an_index_of_another_length_are_refused() {
        assert!(decode::tree(&[0xd6, 9, 1, 0, 0, 0]).is_err());
        assert!(decode::tree(&[0xd5, 1, 1, 0]).is_err());
    }
}
