//! Values in a few words.

use std::fmt::Write;

use ndstash::{ArrayInfo, EntryInfo, Tag, Tree};

/// How many items of a container are named.
const NAMED: usize = 3;
/// How many characters of a text are shown.
const SHOWN: usize = 40;

/// What the value of an entry is.
pub(crate) fn entry(info: &EntryInfo) -> String {
    match info.encoding() {
        "tree" => tree(info.tree(), &|node| array_of(info, node)),
        other => {
            let arrays = info.arrays();
            let large: Vec<String> = arrays.iter().skip(1).take(NAMED).map(array).collect();
            let more = if arrays.len() > NAMED + 1 { ", ..." } else { "" };
            if large.is_empty() { other.to_owned() } else { format!("{other} with {}{more}", large.join(", ")) }
        }
    }
}

/// A tree that names no arrays.
pub(crate) fn plain(value: &Tree) -> String {
    tree(value, &|_| None)
}

fn array_of(info: &EntryInfo, node: &Tree) -> Option<ArrayInfo> {
    match node {
        Tree::Array(index) | Tree::Payload(index) | Tree::Sequence(index) => info.array(*index),
        _ => None,
    }
}

/// As NumPy has it: `float64 (3, 4)`.
fn array(info: &ArrayInfo) -> String {
    outline(info.dtype.name(), &info.shape)
}

fn outline(dtype: &str, shape: &[u64]) -> String {
    let extents: Vec<String> = shape.iter().map(u64::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    format!("{dtype} ({}{comma})", extents.join(", "))
}

fn tree(value: &Tree, look: &dyn Fn(&Tree) -> Option<ArrayInfo>) -> String {
    match value {
        Tree::Nil => "None".into(),
        Tree::Bool(value) => if *value { "True" } else { "False" }.into(),
        Tree::Int(value) => value.to_string(),
        Tree::UInt(value) => value.to_string(),
        Tree::Float(value) => format!("{value:?}"),
        Tree::Str(text) => quoted(text),
        Tree::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Tree::List(items) => several("list", items, look),
        Tree::Map(pairs) => map(pairs, look),
        Tree::Tagged(tag, items) => tagged(*tag, items, look),
        Tree::Payload(_) => look(value).map_or_else(|| "bytes".into(), |info| format!("{} bytes", info.bytes)),
        Tree::Sequence(_) => {
            look(value).map_or_else(|| "list".into(), |info| format!("list of {}", info.shape.iter().product::<u64>()))
        }
        _ => look(value).as_ref().map_or_else(|| "array".into(), array),
    }
}

fn tagged(tag: Tag, items: &[Tree], look: &dyn Fn(&Tree) -> Option<ArrayInfo>) -> String {
    match (tag, items) {
        (Tag::Tuple, _) => several("tuple", items, look),
        (Tag::Set, _) => several("set", items, look),
        (Tag::FrozenSet, _) => several("frozenset", items, look),
        (Tag::Complex, [Tree::Float(re), Tree::Float(im)]) => format!("({re:?}{im:+?}j)"),
        (Tag::Integer, [Tree::Bytes(bytes)]) => format!("integer of {} bytes", bytes.len()),
        (Tag::Some, [value]) => tree(value, look),
        (Tag::Omitted, [Tree::Str(dtype), Tree::List(shape), Tree::Bytes(digest)]) => omitted(dtype, shape, digest),
        (Tag::Scalar, [Tree::Str(dtype), _]) => {
            let number = Tree::Tagged(tag, items.to_vec()).number();
            number.map_or_else(|| dtype.clone(), |number| format!("{dtype} {}", tree(&number, look)))
        }
        (Tag::DateTime | Tag::Date | Tag::Time, [Tree::Str(text), ..]) => text.clone(),
        (Tag::TimeDelta, [days, seconds, microseconds]) => {
            let part = |part| tree(part, look);
            format!("timedelta({}, {}, {})", part(days), part(seconds), part(microseconds))
        }
        (Tag::Ticks, [Tree::Str(dtype), count]) => format!("{dtype} {}", tree(count, look)),
        _ => "value".into(),
    }
}

/// With the beginning of its digest, so that two can be told apart.
fn omitted(dtype: &str, shape: &[Tree], digest: &[u8]) -> String {
    let extent = |extent: &Tree| match extent {
        Tree::Int(extent) => u64::try_from(*extent).ok(),
        Tree::UInt(extent) => Some(*extent),
        _ => None,
    };
    let mut text = outline(dtype, &shape.iter().filter_map(extent).collect::<Vec<_>>()) + " ";
    for byte in digest.iter().take(6) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn several(kind: &str, items: &[Tree], look: &dyn Fn(&Tree) -> Option<ArrayInfo>) -> String {
    let shown: Vec<String> = items.iter().take(NAMED).map(|item| tree(item, look)).collect();
    let more = if items.len() > NAMED { ", ..." } else { "" };
    format!("{kind} of {}: {}{more}", items.len(), shown.join(", ")).trim_end_matches(": ").to_owned()
}

fn map(pairs: &[(Tree, Tree)], look: &dyn Fn(&Tree) -> Option<ArrayInfo>) -> String {
    let pair = |(key, value): &(Tree, Tree)| format!("{}: {}", tree(key, look), tree(value, look));
    let shown: Vec<String> = pairs.iter().take(NAMED).map(pair).collect();
    format!("{{{}{}}}", shown.join(", "), if pairs.len() > NAMED { ", ..." } else { "" })
}

fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).collect();
    if shown.len() == text.len() { format!("'{shown}'") } else { format!("'{shown}...'") }
}
