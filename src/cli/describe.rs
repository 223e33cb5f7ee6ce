//! What an entry says of itself, for programs and for people.

use ndstash::{ArrayIndex, ArrayInfo, EntryInfo, Order, Tag, Tree};
use serde_json::{Value, json};

use crate::cli::format::{count, rfc3339, shape};
use crate::cli::ls::Hits;
use crate::cli::select::now;

const SECOND: i128 = 1_000_000_000;

/// An entry as JSON.
pub(crate) fn entry(info: &EntryInfo, hits: u64) -> Value {
    let meta = info.meta().iter().map(|(key, value)| (key.clone(), tree(value)));
    json!({
        "name": info.name(),
        "key": info.key().to_string(),
        "kind": kind(info.tree()),
        "encoding": info.encoding(),
        "bytes": info.logical_bytes(),
        "sequence": info.sequence(),
        "created": rfc3339(created(info)),
        "last_used": rfc3339(last_used(info)),
        "hits": hits,
        "compute_seconds": info.compute_time().map(|time| time.as_secs_f64()),
        "expires": info.expires().map(|time| rfc3339(time.into())),
        "expired": info.is_expired_at(now()),
        "pinned": info.is_pinned(),
        "namespace": info.namespace(),
        "function": info.function(),
        "version": info.version(),
        "key_parts": info.plain_key_parts().as_ref().map(tree),
        "host": info.host(),
        "user": info.user(),
        "tags": info.tags(),
        "meta": meta.collect::<serde_json::Map<_, _>>(),
        "arrays": leaves(info).iter().map(|leaf| array(&leaf.path, &leaf.info)).collect::<Vec<_>>(),
    })
}

/// How often caches handed the entry out.
pub(crate) fn hits_of(info: &EntryInfo, hits: &Hits) -> u64 {
    hits.get(&info.key()).copied().unwrap_or_default()
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
            Tag::Complex | Tag::Integer | Tag::Scalar => "number",
            Tag::DateTime | Tag::Date | Tag::Time | Tag::TimeDelta | Tag::Ticks => "time",
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
pub(crate) fn key_text(key: &Tree) -> String {
    match key {
        Tree::Str(text) => text.clone(),
        other => tree(other).to_string(),
    }
}

/// A tree of JSON. A number that is no integer of 64 bits is a float.
pub(crate) fn from_json(json: &Value) -> Tree {
    match json {
        Value::Null => Tree::Nil,
        Value::Bool(value) => Tree::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Tree::Int(value),
            (None, Some(value)) => Tree::UInt(value),
            (None, None) => Tree::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Tree::Str(text.clone()),
        Value::Array(items) => Tree::List(items.iter().map(from_json).collect()),
        Value::Object(pairs) => {
            Tree::Map(pairs.iter().map(|(key, value)| (Tree::Str(key.clone()), from_json(value))).collect())
        }
    }
}

/// A tree as JSON. Arrays are left out; bytes are hex; a float that JSON has no number for is text; of a number with a
/// type, the number.
pub(crate) fn tree(node: &Tree) -> Value {
    match node {
        Tree::Bool(value) => json!(value),
        Tree::Int(value) => json!(value),
        Tree::UInt(value) => json!(value),
        Tree::Float(value) => number(*value),
        Tree::Str(text) => json!(text),
        Tree::Bytes(bytes) => json!(hex(bytes)),
        Tree::Tagged(Tag::Scalar, _) => node.number().map_or(Value::Null, |number| tree(&number)),
        Tree::Tagged(Tag::DateTime | Tag::Date | Tag::Time, items) if items.len() == 1 => tree(&items[0]),
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

/// A tree as JSON, cut short: for lines of which it is only a part. An array that is not kept is told in a few words.
pub(crate) fn brief(node: &Tree) -> String {
    match node {
        Tree::Tagged(Tag::Omitted, items) => omitted(items),
        other => cut(tree(other).to_string(), 80),
    }
}

fn omitted(items: &[Tree]) -> String {
    let [Tree::Str(dtype), Tree::List(extents), Tree::Bytes(digest)] = items else { return String::new() };
    let extent = |extent: &Tree| if let Tree::Int(extent) = extent { u64::try_from(*extent).ok() } else { None };
    let extents: Vec<u64> = extents.iter().filter_map(extent).collect();
    format!("{dtype} {} {}", shape(&extents), &hex(digest)[..12])
}

fn cut(text: String, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

/// What the key was made of, part by part, and the parts of maps one by one: how each is called, and its value.
pub(crate) fn parts(info: &EntryInfo) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(parts) = info.plain_key_parts() {
        spread(&parts, String::new(), &mut found);
    }
    found
}

fn spread(node: &Tree, path: String, found: &mut Vec<(String, String)>) {
    match node {
        Tree::Map(pairs) if path.is_empty() || !pairs.is_empty() => {
            for (key, value) in pairs {
                let step = key_text(key);
                spread(value, if path.is_empty() { step } else { format!("{path}.{step}") }, found);
            }
        }
        value => found.push((path, brief(value))),
    }
}

/// What was asked for, in a line: the parts of the key that were given, not what a cache adds to them.
pub(crate) fn call(info: &EntryInfo) -> String {
    let given = |(name, _): &(String, String)| !name.starts_with(['(', '<']);
    let said = |(name, value): (String, String)| match name.rsplit('.').next() {
        Some(name) if !name.is_empty() => format!("{name}={value}"),
        _ => value,
    };
    cut(parts(info).into_iter().filter(given).map(said).collect::<Vec<_>>().join(", "), 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_becomes_a_tree_of_the_same_types() {
        let json = json!({ "i": -1, "u": u64::MAX, "f": 1.0, "l": [null, true, "x"] });
        let list = Tree::List(vec![Tree::Nil, true.into(), "x".into()]);
        let of = from_json(&json);
        assert_eq!([of.get("i"), of.get("l")], [Some(&Tree::Int(-1)), Some(&list)]);
        assert_eq!([of.get("u"), of.get("f")], [Some(&Tree::UInt(u64::MAX)), Some(&Tree::Float(1.0))]);
        assert_eq!(tree(&of), json);
    }

    #[test]
    fn numbers_and_moments_are_shown_without_their_types() {
        let tagged = |tag, items: &[Tree]| Tree::Tagged(tag, items.into());
        let half = tagged(Tag::Scalar, &["float16".into(), Tree::Bytes(vec![0, 0x3e])]);
        let (text, again) = ("2024-05-06T07:08:09+00:00", Tree::Int(1));
        assert_eq!((tree(&half), kind(&half)), (json!(1.5), "number"));
        assert_eq!(tree(&tagged(Tag::DateTime, &[text.into()])), json!(text));
        assert_eq!(tree(&tagged(Tag::DateTime, &[text.into(), again])), json!([text, 1]));
        let span = tagged(Tag::TimeDelta, &[Tree::Int(-1), Tree::Int(2), Tree::Int(3)]);
        assert_eq!((tree(&span), kind(&span)), (json!([-1, 2, 3]), "time"));
        assert_eq!(tree(&tagged(Tag::Ticks, &["datetime64[s]".into(), Tree::Int(5)])), json!(["datetime64[s]", 5]));
    }

    #[test]
    fn long_trees_are_cut_between_characters() {
        assert_eq!(brief(&"short".into()), "\"short\"");
        let long = brief(&Tree::Str("\u{e9}".repeat(200)));
        assert_eq!((long.chars().count(), long.ends_with("...")), (83, true));
    }
}
