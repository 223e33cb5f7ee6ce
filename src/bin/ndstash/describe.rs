//! What an entry says of itself, for programs and for people.

use ndstash::{ArrayIndex, ArrayInfo, EntryInfo, Order, Tag, Tree};
use serde_json::{Value, json};

use crate::format::{count, rfc3339, shape};

const SECOND: i128 = 1_000_000_000;

/// An entry as JSON.
pub(crate) fn entry(info: &EntryInfo) -> Value {
    let meta = info.meta().iter().map(|(key, value)| (key.clone(), tree(value)));
    json!({
        "name": info.name(),
        "key": info.key().to_string(),
        "kind": kind(info.tree()),
        "bytes": info.logical_bytes(),
        "created": rfc3339(created(info)),
        "last_used": rfc3339(last_used(info)),
        "tags": info.tags(),
        "meta": meta.collect::<serde_json::Map<_, _>>(),
        "arrays": leaves(info).iter().map(|leaf| array(&leaf.path, &leaf.info)).collect::<Vec<_>>(),
    })
}

pub(crate) fn created(info: &EntryInfo) -> i128 {
    i128::from(info.created())
}

pub(crate) fn last_used(info: &EntryInfo) -> i128 {
    i128::from(info.last_used()) * SECOND
}

/// One array as JSON; `field` says where in the value it stands.
fn array(field: &str, info: &ArrayInfo) -> Value {
    json!({
        "field": field,
        "dtype": info.dtype.name(),
        "shape": info.shape,
        "order": order(info.order),
        "bytes": info.bytes,
        "digest": info.digest.to_string(),
        "inline": info.inline,
    })
}

pub(crate) fn order(order: Order) -> &'static str {
    match order {
        Order::C => "C",
        Order::F => "F",
    }
}

/// Which kind of value it is, in one word.
pub(crate) fn kind(value: &Tree) -> &'static str {
    match value {
        Tree::Array(_) => "array",
        Tree::Payload(_) | Tree::Bytes(_) => "bytes",
        Tree::Map(_) => "map",
        Tree::List(_) => "list",
        Tree::Sequence(_) => "sequence",
        Tree::Tagged(tag, _) => match tag {
            Tag::Tuple => "tuple",
            Tag::Set | Tag::FrozenSet => "set",
            Tag::Complex | Tag::Integer => "number",
            _ => "value",
        },
        _ => "value",
    }
}

/// Whether an array of the tree is a byte string.
pub(crate) fn is_bytes(node: &Tree) -> bool {
    matches!(node, Tree::Payload(_))
}

/// What the entry holds, in a few words.
pub(crate) fn holds(info: &EntryInfo) -> String {
    match (info.tree(), &*info.arrays()) {
        (Tree::Array(_) | Tree::Sequence(_), [array]) => format!("{} {}", array.dtype, shape(&array.shape)),
        (Tree::Map(_) | Tree::List(_), arrays) => {
            format!("{} of {}", kind(info.tree()), count(arrays.len() as u64, "array"))
        }
        (value, _) => kind(value).to_owned(),
    }
}

/// An array of a value: where it stands in the tree, and what is known of it.
pub(crate) struct Leaf<'a> {
    /// The keys and places on the way to it, with a slash between; empty if it is the whole value.
    pub(crate) path: String,
    pub(crate) node: &'a Tree,
    pub(crate) info: ArrayInfo,
}

/// Every array and byte string of the value, in the order of the tree.
pub(crate) fn leaves(info: &EntryInfo) -> Vec<Leaf<'_>> {
    let mut found = Vec::new();
    walk(info.tree(), "", &mut |path, node, index| {
        found.extend(info.array(index).map(|info| Leaf { path: path.to_owned(), node, info }));
    });
    found
}

fn walk<'a>(node: &'a Tree, path: &str, visit: &mut impl FnMut(&str, &'a Tree, ArrayIndex)) {
    match node {
        Tree::Array(index) | Tree::Payload(index) | Tree::Sequence(index) => visit(path, node, *index),
        Tree::List(items) | Tree::Tagged(_, items) => {
            for (at, item) in items.iter().enumerate() {
                walk(item, &below(path, &at.to_string()), visit);
            }
        }
        Tree::Map(pairs) => {
            for (key, value) in pairs {
                walk(value, &below(path, &key_text(key)), visit);
            }
        }
        _ => {}
    }
}

fn below(path: &str, step: &str) -> String {
    if path.is_empty() { step.to_owned() } else { format!("{path}/{step}") }
}

/// Keys that are no text are written as JSON.
fn key_text(key: &Tree) -> String {
    match key {
        Tree::Str(text) => text.clone(),
        other => tree(other).to_string(),
    }
}

/// A tree as JSON. Arrays are left out; bytes are hex; a float that JSON has no number for is text.
pub(crate) fn tree(node: &Tree) -> Value {
    match node {
        Tree::Bool(value) => json!(value),
        Tree::Int(value) => json!(value),
        Tree::UInt(value) => json!(value),
        Tree::Float(value) => number(*value),
        Tree::Str(text) => json!(text),
        Tree::Bytes(bytes) => json!(hex(bytes)),
        Tree::List(items) | Tree::Tagged(_, items) => items.iter().map(tree).collect(),
        Tree::Map(pairs) => Value::Object(pairs.iter().map(|(key, value)| (key_text(key), tree(value))).collect()),
        _ => Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    let nibble = |nibble: u8| char::from_digit(u32::from(nibble), 16).expect("four bits are one digit");
    bytes.iter().flat_map(|byte| [nibble(byte >> 4), nibble(byte & 15)]).collect()
}

/// A float as JSON: `nan`, `inf` and `-inf` as text.
pub(crate) fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!(value.to_string().to_lowercase()) }
}

/// A tree as people read it.
pub(crate) fn text(node: &Tree) -> String {
    match node {
        Tree::Str(text) => text.clone(),
        other => tree(other).to_string(),
    }
}
