//! The independent reader, `tools/read_store.py`, on stores and vectors that the library wrote: two programs that share
//! nothing but blobs-format.md agree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use ndarray::{Array1, Array2, ArrayD, IxDyn};
use ndstash::{Element, EntryInfo, Key, Order, Store, StoreOptions, Tag, Tree};
use num_complex::{Complex32, Complex64};
use serde_json::{Value, json};

use crate::common::{
    Dir, bytes_array, edit, find, hex, json_of, listing, noise, read_store, reader_code, rewrite_body, rewrite_head,
    rot, text, tree_map, verify,
};

/// An array as the reader reports it.
fn facts(info: &EntryInfo, at: ndstash::ArrayIndex) -> Value {
    let array = info.array(at).unwrap();
    let mut facts = json!({
        "dtype": array.dtype.name(),
        "shape": array.shape,
        "order": if array.order == Order::C { "C" } else { "F" },
        "bytes": array.bytes,
    });
    if array.inline {
        facts["inline"] = true.into();
    } else {
        facts["digest"] = array.digest.to_string().into();
    }
    facts
}

/// A tree as the reader spells it in JSON.
pub(crate) fn tree_json(info: &EntryInfo, tree: &Tree) -> Value {
    match tree {
        Tree::Nil => Value::Null,
        Tree::Bool(value) => (*value).into(),
        Tree::Int(value) => (*value).into(),
        Tree::UInt(value) => (*value).into(),
        Tree::Float(value) if value.is_nan() => json!({ "$float": "nan" }),
        Tree::Float(value) if value.is_infinite() => json!({ "$float": value.to_string() }),
        Tree::Float(value) => (*value).into(),
        Tree::Str(text) => text.as_str().into(),
        Tree::Bytes(bytes) => json!({ "$binary": hex(bytes) }),
        Tree::List(items) => items.iter().map(|item| tree_json(info, item)).collect(),
        Tree::Map(pairs) => {
            let pairs: Vec<(Value, Value)> =
                pairs.iter().map(|(key, value)| (tree_json(info, key), tree_json(info, value))).collect();
            let text: BTreeMap<String, Value> = pairs
                .iter()
                .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.clone())))
                .filter(|(key, _)| !key.starts_with('$'))
                .collect();
            if text.len() == pairs.len() { json!(text) } else { json!({ "$map": pairs }) }
        }
        Tree::Array(at) => json!({ "$array": facts(info, *at) }),
        Tree::Payload(at) => json!({ "$bytes": facts(info, *at) }),
        Tree::Sequence(at) => json!({ "$sequence": facts(info, *at) }),
        Tree::Tagged(tag, items) => {
            let name = match tag {
                Tag::Tuple => "$tuple",
                Tag::Set => "$set",
                Tag::FrozenSet => "$frozenset",
                Tag::Complex => "$complex",
                Tag::Integer => "$integer",
                Tag::Some => "$some",
                Tag::Omitted => "$omitted",
                Tag::Scalar => "$scalar",
                Tag::DateTime => "$datetime",
                Tag::Date => "$date",
                Tag::Time => "$time",
                Tag::TimeDelta => "$timedelta",
                Tag::Ticks => "$ticks",
                other => panic!("{other:?}"),
            };
            let items: Vec<Value> = items.iter().map(|item| tree_json(info, item)).collect();
            json!({ name: items })
        }
        other => panic!("{other:?}"),
    }
}

fn origin_json(info: &EntryInfo) -> Value {
    let Some(namespace) = info.namespace() else { return Value::Null };
    json!({
        "namespace": namespace,
        "function": info.function(),
        "version": info.version(),
        "key": info.key_parts().map_or(Value::Null, |parts| tree_json(info, parts)),
        "host": info.host(),
        "user": info.user(),
    })
}

/// What `list --json` must print, by key.
fn expected_list(store: &Store) -> BTreeMap<String, Value> {
    let item = |info: &EntryInfo| {
        let meta: BTreeMap<&String, Value> =
            info.meta().iter().map(|(key, value)| (key, tree_json(info, value))).collect();
        let mut item = json!({
            "key": info.key().to_string(),
            "name": info.name(),
            "encoding": info.encoding(),
            "sequence": info.sequence(),
            "created": info.created(),
            "expires": info.expires(),
            "compute_ns": info.compute_time().map_or(0, |time| u64::try_from(time.as_nanos()).unwrap()),
            "pinned": info.is_pinned(),
            "tags": info.tags(),
            "meta": meta,
            "origin": origin_json(info),
        });
        if info.encoding() == "tree" {
            item["value"] = tree_json(info, info.tree());
        }
        item
    };
    store.entries("").map(|info| info.unwrap()).map(|info| (info.key().to_string(), item(&info))).collect()
}

/// What the reader says of every entry, without the id, which the library does not show.
fn found_list(store: &Path) -> BTreeMap<String, Value> {
    let (found, code) = json_of(store, &["list", "--json"]);
    assert_eq!(code, Some(0), "{found}");
    let items = found.as_array().unwrap().iter().cloned().map(|mut item| {
        let id = item.as_object_mut().unwrap().remove("id").unwrap();
        assert_eq!(id.as_str().unwrap().len(), 32);
        (item["key"].as_str().unwrap().to_owned(), item)
    });
    items.collect()
}

/// The digest of every array, under the labels and paths of the reader.
fn expected_digests(store: &Store) -> Value {
    let mut all = BTreeMap::new();
    for info in store.entries("") {
        let entry = store.entry(info.unwrap().key()).unwrap().unwrap();
        let mut paths = BTreeMap::new();
        collect_digests(&entry, entry.tree(), &mut Vec::new(), &mut paths);
        all.insert(entry.label(), paths);
    }
    json!(all)
}

fn collect_digests(entry: &ndstash::Entry, node: &Tree, path: &mut Vec<String>, into: &mut BTreeMap<String, Value>) {
    let mut below = |part: String, item: &Tree| {
        path.push(part);
        collect_digests(entry, item, path, into);
        path.pop();
    };
    match node {
        Tree::List(items) | Tree::Tagged(_, items) => {
            items.iter().enumerate().for_each(|(at, item)| below(at.to_string(), item));
        }
        Tree::Map(pairs) => pairs.iter().for_each(|(key, item)| match key {
            Tree::Str(text) => below(text.clone(), item),
            other => below(tree_json(entry.info(), other).to_string(), item),
        }),
        Tree::Array(_) | Tree::Payload(_) | Tree::Sequence(_) => {
            let stored = entry.resolve(node).unwrap();
            // Hashed here, from the loaded bytes, and not taken from the manifest.
            let digest = blake3::hash(&stored.to_bytes().unwrap()).to_hex().to_string();
            let order = if stored.order() == Order::C { "C" } else { "F" };
            let facts =
                json!({ "dtype": stored.dtype().name(), "shape": stored.shape(), "order": order, "digest": digest });
            assert_eq!(into.insert(path.join("/"), facts), None);
        }
        _ => {}
    }
}

/// Both programs say the same of a sound store.
pub(crate) fn agree(dir: &Dir) {
    let store = dir.read_only();
    let before = listing(&dir.path());
    assert_eq!(found_list(&dir.path()), expected_list(&store));
    let (digests, code) = json_of(&dir.path(), &["digest"]);
    assert_eq!((&digests, code), (&expected_digests(&store), Some(0)));
    assert!(!digests.as_object().unwrap().is_empty());
    let output = read_store(&dir.path(), &["verify"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{}", text(&output));
    assert!(verify(&store).problems.is_empty());
    assert_eq!(listing(&dir.path()), before, "the reader writes nothing");
}

/// Puts one array of each type in both orders, under names in many scripts.
fn put_every_type(store: &Store) {
    fn put<A: Element>(store: &Store, make: impl Fn(u8) -> A) {
        for (order, shape) in [("C", vec![2, 3, 4]), ("F", vec![4, 5]), ("C", vec![]), ("C", vec![0, 2])] {
            let len: usize = shape.iter().product();
            let elements: Vec<A> = (0..len).map(|at| make(u8::try_from(at).unwrap())).collect();
            let array = ArrayD::from_shape_vec(IxDyn(&shape), elements).unwrap();
            let name = format!("{}/{order}/{shape:?}", A::DTYPE);
            if order == "F" {
                store.put(&name, &array.t()).unwrap()
            } else {
                store.put(&name, &array).unwrap()
            };
        }
    }
    put(store, |at| at.cast_signed() - 3);
    put(store, |at| i16::from(at) * -300);
    put(store, |at| i32::from(at) * -70_000);
    put(store, |at| i64::from(at) << 40);
    put(store, |at| at);
    put(store, |at| u16::from(at) * 300);
    put(store, |at| u32::from(at) * 70_000);
    put(store, |at| u64::MAX - u64::from(at));
    put(store, |at| f16::from_f32(f32::from(at) / 3.0));
    put(store, |at| bf16::from_f32(f32::from(at) / 3.0));
    put(store, |at| f32::from(at) / 3.0);
    put(store, |at| f64::from(at) / -3.0);
    put(store, |at| Complex32::new(f32::from(at), -1.0));
    put(store, |at| Complex64::new(1.0, f64::from(at)));
    put(store, |at| at % 2 == 1);
}

#[test]
fn the_reader_agrees_on_every_type_order_and_place() {
    for limits in [(65_536, 262_144), (0, 0), (50, 60)] {
        let dir = Dir::new();
        let store = dir.open(&StoreOptions::new().inline_limits(limits.0, limits.1));
        put_every_type(&store);
        assert_eq!(store.count().unwrap(), 60);
        agree(&dir);
    }
}

#[test]
fn the_reader_agrees_on_names_keys_labels_and_bundles() {
    let dir = Dir::new();
    let store = dir.open(&StoreOptions::new().inline_limits(500, 2000));
    for name in ["caf\u{e9}", "cafe\u{301}", "\u{65e5}\u{672c}", "\u{1f980}", "a/b/../c", " ", "\u{202e}", "\\\"'"] {
        store.put(name, &bytes_array(1000, 1)).unwrap();
    }
    store.put(Key::from_bytes([0xee; 32]), &bytes_array(10, 2)).unwrap();
    let mut writer = store.writer();
    let field = writer.array(&Array2::from_elem((30, 20), 1.5_f32)).unwrap();
    let small = writer.array(&Array1::from(vec![true, false])).unwrap();
    let payload = writer.bytes(&noise(5000, 3)).unwrap();
    let text = writer.bytes(b"inline payload").unwrap();
    writer.tag("one").tag("zwei \u{fc}").tag("one").tag("");
    writer.meta("nested", tree_map([("deep", Tree::List(vec![Tree::Nil, Tree::Bool(true), Tree::Float(-0.5)]))]));
    writer.meta("", 1).meta("\u{fc}", f64::INFINITY).meta("nan", f64::NAN).meta("most", Tree::UInt(u64::MAX));
    writer.meta("bytes", Tree::Bytes(noise(300, 4))).meta("$array", i64::MIN);
    let odd = Tree::Map(vec![
        (Tree::Int(1), field.clone()),
        (Tree::Bool(true), small.clone()),
        (Tree::Nil, Tree::Int(1)),
        (Tree::from("one"), payload.clone()),
    ]);
    let value = tree_map([("field", field), ("parts", Tree::List(vec![small, payload, odd])), ("text", text)]);
    writer.put("bundle", value).unwrap();
    // Labels cannot hold keys that begin with `$` as JSON; the reader spells such a map as pairs.
    store.relabel("bundle", |labels| drop(labels.meta.remove("$array"))).unwrap();
    store.copy("bundle", "copy", false).unwrap();
    store.rename("copy", Key::from_bytes([0x11; 32]), false).unwrap();
    store.writer().put("nothing", Tree::Nil).unwrap();
    agree(&dir);
}

#[test]
fn the_reader_agrees_on_long_lists_strings_and_bytes_and_on_what_is_just_allowed() {
    let dir = Dir::new();
    let store = dir.store();
    let mut writer = store.writer();
    let parts = (0..300).map(|seed| writer.array(&bytes_array(3, seed)).unwrap()).collect();
    writer.meta("list", Tree::List(vec![Tree::Int(-1); 70_000]));
    writer.meta("string", Tree::Str("\u{fc}".repeat(40_000))).meta("bytes", Tree::Bytes(noise(70_000, 1)));
    writer.meta("map", Tree::Map((0..70_000).map(|at| (Tree::Str(at.to_string()), Tree::Nil)).collect()));
    writer.put("long", Tree::List(parts)).unwrap();
    let deep = (0..62).fold(Tree::List(Vec::new()), |tree, _| Tree::List(vec![tree]));
    store.writer().put("deep", deep).unwrap();
    store.put("64 dimensions", &ArrayD::<u8>::zeros(IxDyn(&[1; 64]))).unwrap();
    agree(&dir);
}

#[test]
fn the_reader_agrees_on_values_of_any_type() {
    let dir = Dir::new();
    let store = dir.open(&StoreOptions::new().inline_limits(500, 2000));
    store
        .put("rust", &(vec![1.5; 2000], Some(None::<u8>), i128::MIN, u128::MAX, Array2::<u16>::ones((40, 40))))
        .unwrap();
    let omitted = ndstash::Value::Omitted {
        dtype: ndstash::DType::Bool,
        shape: vec![3, u64::MAX],
        digest: ndstash::Digest::of(b"not kept"),
    };
    let value = ndstash::Value::Tuple(vec![
        ndstash::Value::Set(vec![ndstash::Value::Int(1), "a".into()]),
        ndstash::Value::FrozenSet(vec![ndstash::Value::Tuple(Vec::new())]),
        ndstash::Value::Complex(1.5, -0.5),
        omitted,
        store.get("rust").unwrap().unwrap(),
    ]);
    store.put("other", &value).unwrap();
    agree(&dir);
}

/// Damages a store in one way; both programs must notice, or both must not.
fn both_notice(what: &str, damage: fn(&Dir)) {
    let dir = Dir::new();
    let store = dir.open(&StoreOptions::new().inline_limits(100, 200));
    store.put("blob", &bytes_array(1000, 1)).unwrap();
    store.put("inline", &Array1::from(vec![1_u8, 0, 2])).unwrap();
    store.put("bools", &Array1::from(vec![1_u8, 0, 1, 1])).unwrap();
    damage(&dir);
    let found = verify(&dir.read_only()).problems;
    let output = read_store(&dir.path(), &["verify"]);
    assert!(!found.is_empty(), "{what}: the library found nothing");
    assert_eq!(output.status.code(), Some(1), "{what}: {}", text(&output));
    let path = found[0].path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
    assert!(text(&output).contains(path), "{what}: {path} is expected in\n{}", text(&output));
}

fn blob(dir: &Dir) -> PathBuf {
    dir.blob(&ndstash::Digest::of(&noise(1000, 1)))
}

#[test]
fn the_reader_notices_the_same_damage() {
    both_notice("a flipped bit in a blob", |dir| rot(&blob(dir), |bytes| bytes[500] ^= 1));
    both_notice("a shorter blob", |dir| rot(&blob(dir), |bytes| bytes.truncate(999)));
    both_notice("a missing blob", |dir| std::fs::remove_file(blob(dir)).unwrap());
    both_notice("an edited blob", |dir| edit(&blob(dir), |bytes| bytes[0] ^= 1));
    both_notice("a flipped bit in a manifest", |dir| rot(&dir.entry_named("inline"), |bytes| bytes[200] ^= 1));
    both_notice("a shorter manifest", |dir| rot(&dir.entry_named("inline"), |bytes| bytes.truncate(100)));
    both_notice("a later version", |dir| rewrite_head(&dir.entry_named("inline"), |head| head[8] = 1));
    both_notice("a later codec", |dir| rewrite_head(&dir.entry_named("inline"), |head| head[12] = 2));
    both_notice("a body that is no frame", |dir| rewrite_head(&dir.entry_named("inline"), |head| head[12] = 1));
    both_notice("a flag that is reserved", |dir| rewrite_head(&dir.entry_named("inline"), |head| head[13] = 2));
    both_notice("all flags", |dir| rewrite_head(&dir.entry_named("inline"), |head| head[13] = 0xff));
    both_notice("reserved bytes", |dir| rewrite_head(&dir.entry_named("inline"), |head| head[14] = 1));
    both_notice("more reserved bytes", |dir| rewrite_head(&dir.entry_named("inline"), |head| head[92] = 1));
    both_notice("another key", |dir| rewrite_head(&dir.entry_named("inline"), |head| head[20] ^= 1));
    both_notice("another name", |dir| {
        rewrite_body(&dir.entry_named("inline"), |body| splice(body, b"\xa6inline\xa8", b"\xa6online\xa8"));
    });
}

/// Gives a body an origin: its namespace, its function, and what follows the six keys that must be there.
fn set_origin(body: &mut Vec<u8>, namespace: &[u8], function: &[u8], more: &[u8]) {
    let count = if more.is_empty() { 6 } else { 7 };
    let rest = b"\xa7version\xc0\xa3key\xc0\xa4host\xc0\xa4user\xc0";
    let head = [b"\xa6origin", &[0x80 | count][..], b"\xa9namespace", namespace, b"\xa8function", function].concat();
    splice(body, b"\xa6origin\xc0", &[&head, &rest[..], more].concat());
}

/// Replaces some bytes in a body by others.
pub(crate) fn splice(body: &mut Vec<u8>, old: &[u8], new: &[u8]) {
    let at = find(body, old);
    body.splice(at..at + old.len(), new.iter().copied());
}

type Change = fn(&mut Vec<u8>);

#[test]
fn the_reader_refuses_the_same_bodies() {
    let cases: [(&str, Change); 42] = [
        ("an unknown key", |body| splice(body, b"\xa4tags\x90", b"\xa4tagz\x90")),
        ("a key more", |body| {
            body[0] += 1;
            body.extend(b"\xa4more\xc0");
        }),
        ("a key less", |body| {
            body[0] -= 1;
            splice(body, b"\xa4tags\x90", b"");
        }),
        ("a key twice", |body| {
            body[0] += 1;
            body.extend(b"\xa4tags\x90");
        }),
        ("bytes behind the map", |body| body.push(0xc0)),
        ("float 32", |body| splice(body, b"\xa4meta\x80", b"\xa4meta\x81\xa1k\xca\0\0\0\0")),
        ("the marker that is never used", |body| splice(body, b"\xa4meta\x80", b"\xa4meta\x81\xa1k\xc1")),
        ("a string that is no UTF-8", |body| splice(body, b"\xa4tags\x90", b"\xa4tags\x91\xa1\xff")),
        ("a tag that is no string", |body| splice(body, b"\xa4tags\x90", b"\xa4tags\x91\x01")),
        ("metadata under a number", |body| splice(body, b"\xa4meta\x80", b"\xa4meta\x81\x01\x01")),
        ("an array in metadata", |body| splice(body, b"\xa4meta\x80", b"\xa4meta\x81\xa1k\xd6\x01\0\0\0\0")),
        ("an array as a key in metadata", |body| {
            splice(body, b"\xa4meta\x80", b"\xa4meta\x81\xa1k\x81\xd6\x01\0\0\0\0\xc0");
        }),
        ("an unknown dtype", |body| splice(body, b"\xa5uint8", b"\xa5uint9")),
        ("another order", |body| splice(body, b"\xa5order\xa1C", b"\xa5order\xa1D")),
        ("another shape", |body| splice(body, b"\xa5shape\x91\x03", b"\xa5shape\x91\x04")),
        ("a negative extent", |body| splice(body, b"\xa5shape\x91\x03", b"\xa5shape\x91\xff")),
        ("extents", |body| splice(body, b"\xa6inline", b"\xa7extents")),
        ("an index beyond the arrays", |body| splice(body, b"\xa5value\xd6\x01\0", b"\xa5value\xd6\x01\x01")),
        ("an unknown extension", |body| splice(body, b"\xa5value\xd6\x01", b"\xa5value\xd6\x05")),
        ("a tag that begins no list", |body| splice(body, b"\xa5value\xd6\x01\0\0\0\0", b"\xa5value\xd4\x04\x01")),
        ("a tag that is second", |body| {
            splice(body, b"\xa5value\xd6\x01\0\0\0\0", b"\xa5value\x92\xc0\xd4\x04\x01");
        }),
        ("an unknown tag", |body| splice(body, b"\xa5value\xd6\x01\0\0\0\0", b"\xa5value\x91\xd4\x04\x0e")),
        ("a complex number of one part", |body| {
            splice(body, b"\xa5value\xd6\x01\0\0\0\0", b"\xa5value\x92\xd4\x04\x04\xcb\0\0\0\0\0\0\0\0");
        }),
        ("an integer that is not large", |body| {
            splice(body, b"\xa5value\xd6\x01\0\0\0\0", b"\xa5value\x92\xd4\x04\x05\xc4\x01\x07");
        }),
        ("a sequence of two dimensions", |body| {
            splice(body, b"\xa5shape\x91\x03", b"\xa5shape\x92\x03\x01");
            splice(body, b"\xa5value\xd6\x01", b"\xa5value\xd6\x03");
        }),
        ("an extension of another length", |body| splice(body, b"\xa5value\xd6\x01\0\0", b"\xa5value\xd5\x01")),
        ("two places", |body| {
            splice(body, b"\x81\xa6inline\xc4\x03\x01\x02\x03", b"\x82\xa6inline\xc4\x03\x01\x02\x03\xa4blob\0");
        }),
        ("a string for bytes", |body| splice(body, b"\xa6inline\xc4\x03", b"\xa6inline\xa3")),
        ("a float for an extent", |body| splice(body, b"\xa5shape\x91\x03", b"\xa5shape\x91\xcb\x40\x08\0\0\0\0\0\0")),
        ("no encoding", |body| splice(body, b"\xa4tree\xa4tags", b"\xa0\xa4tags")),
        ("nil for an encoding", |body| splice(body, b"\xa4tree\xa4tags", b"\xc0\xa4tags")),
        ("an encoding with a slash", |body| splice(body, b"\xa4tree\xa4tags", b"\xa4tr/e\xa4tags")),
        ("an encoding of two bytes for a letter", |body| {
            splice(body, b"\xa4tree\xa4tags", b"\xa4tr\xc3\xbc\xa4tags");
        }),
        ("an encoding of 65 letters", |body| {
            splice(body, b"\xa4tree\xa4tags", &[&[0xd9, 65][..], &[b'a'; 65], b"\xa4tags"].concat());
        }),
        ("a string for an origin", |body| splice(body, b"\xa6origin\xc0", b"\xa6origin\xa1x")),
        ("an empty origin", |body| splice(body, b"\xa6origin\xc0", b"\xa6origin\x80")),
        ("an origin without a namespace", |body| set_origin(body, b"\xc0", b"\xc0", b"")),
        ("an origin of a numbered function", |body| set_origin(body, b"\xa1n", b"\x01", b"")),
        ("an origin with a key more", |body| set_origin(body, b"\xa1n", b"\xc0", b"\xa4more\xc0")),
        ("an origin with a key twice", |body| set_origin(body, b"\xa1n", b"\xc0", b"\xa4user\xc0")),
        ("an origin that names an array beyond", |body| {
            set_origin(body, b"\xa1n", b"\xc0", b"");
            splice(body, b"\xa3key\xc0", b"\xa3key\xd6\x01\x01\0\0\0");
        }),
        ("a time, which was in bodies once", |body| {
            body[0] += 1;
            body.extend(b"\xa7created\x01");
        }),
    ];
    both_refuse(&cases);
}

/// Other forms of a structure, which decoders made for any format take.
#[test]
fn the_reader_refuses_the_same_forms() {
    let cases: [(&str, Change); 8] = [
        ("a body that is a list", |body| {
            body[0] = 0x97;
            for key in ["name", "encoding", "tags", "meta", "origin", "arrays", "value"] {
                let text = [&[0xa0 | u8::try_from(key.len()).unwrap()], key.as_bytes()].concat();
                splice(body, &text, b"");
            }
        }),
        ("a number for a key", |body| splice(body, b"\xa4name\xa1", b"\x00\xa1")),
        ("bytes for a key", |body| splice(body, b"\xa4tags", b"\xc4\x04tags")),
        ("a number for a dtype", |body| splice(body, b"\xa5dtype\xa5uint8", b"\xa5dtype\x05")),
        ("a map for a dtype", |body| splice(body, b"\xa5dtype\xa5uint8", b"\xa5dtype\x81\xa5uint8\xc0")),
        ("a map for an order", |body| splice(body, b"\xa5order\xa1C", b"\xa5order\x81\xa1C\xc0")),
        ("a number for an order", |body| splice(body, b"\xa5order\xa1C", b"\xa5order\x00")),
        ("a number for a place", |body| splice(body, b"\x81\xa6inline", b"\x81\x00")),
    ];
    both_refuse(&cases);
}

fn both_refuse(cases: &[(&str, Change)]) {
    let mut accepted = Vec::new();
    for (what, change) in cases {
        let dir = Dir::new();
        let store = dir.store();
        store.put("x", &Array1::from(vec![1_u8, 2, 3])).unwrap();
        rewrite_body(&dir.entry_named("x"), change);
        match store.entry("x") {
            Err(error) => assert!(error.is_damage(), "{what}: {error}"),
            Ok(_) => accepted.push(*what),
        }
        let output = read_store(&dir.path(), &["verify"]);
        assert_eq!(output.status.code(), Some(1), "{what}: {}", text(&output));
    }
    assert_eq!(accepted, Vec::<&str>::new(), "the library takes what the text tells it to refuse");
}

#[test]
fn the_reader_accepts_the_same_bodies() {
    let cases: [(&str, Change); 11] = [
        ("longer encodings", |body| splice(body, b"\xa5shape\x91\x03", b"\xd9\x05shape\xdc\0\x01\xcd\0\x03")),
        ("F order of one dimension", |body| splice(body, b"\xa5order\xa1C", b"\xa5order\xa1F")),
        ("another order of keys", |body| {
            splice(body, b"\xa4tags\x90\xa4meta\x80", b"\xa4meta\x80\xa4tags\x90");
        }),
        ("an origin of nothing but a namespace", |body| set_origin(body, b"\xa0", b"\xc0", b"")),
        ("an origin that names an array", |body| {
            set_origin(body, b"\xa1n", b"\xa1f", b"");
            splice(body, b"\xa3key\xc0", b"\xa3key\xd6\x01\0\0\0\0");
        }),
        ("an encoding of 64 letters", |body| {
            splice(body, b"\xa4tree\xa4tags", &[&[0xd9, 64][..], &[b'.'; 64], b"\xa4tags"].concat());
        }),
        ("an array that nothing names", |body| splice(body, b"\xa5value\xd6\x01\0\0\0\0", b"\xa5value\xc0")),
        ("an array named twice", |body| {
            splice(body, b"\xa5value\xd6\x01\0\0\0\0", b"\xa5value\x92\xd6\x01\0\0\0\0\xd6\x01\0\0\0\0");
        }),
        ("a byte string", |body| splice(body, b"\xa5value\xd6\x01", b"\xa5value\xd6\x02")),
        ("one key twice in a value", |body| {
            splice(body, b"\xa5value\xd6\x01\0\0\0\0", b"\xa5value\x82\xa1k\x01\xa1k\x02");
        }),
        ("an array as a key", |body| {
            splice(body, b"\xa5value\xd6\x01\0\0\0\0", b"\xa5value\x81\xd6\x01\0\0\0\0\xc0");
        }),
    ];
    for (what, change) in cases {
        let dir = Dir::new();
        let store = dir.store();
        store.put("x", &Array1::from(vec![1_u8, 2, 3])).unwrap();
        rewrite_body(&dir.entry_named("x"), change);
        let entry = store.entry("x").unwrap_or_else(|error| panic!("{what}: {error}")).unwrap();
        assert_eq!(entry.stored_arrays()[0].to_bytes().unwrap(), [1, 2, 3], "{what}");
        let output = read_store(&dir.path(), &["verify"]);
        assert_eq!(output.status.code(), Some(0), "{what}: {}", text(&output));
        assert_eq!(found_list(&dir.path()).len(), 1, "{what}");
        assert_eq!(json_of(&dir.path(), &["digest"]).1, Some(0), "{what}");
    }
}

#[test]
fn the_reader_refuses_the_same_settings() {
    for (settings, good) in [
        ("format = 0", true),
        ("format = 0\n[features]\ncompatible = ['x']\nread_only = ['y']", true),
        ("format = 0\n[arrays]\ninline_max = 9223372036854775807", true),
        ("format = 0\n[limits]", true),
        ("format = 0\n[limits]\nbytes = 0\nentries = 9223372036854775807\nage = 60\npolicy = 'lfu'", true),
        ("format = 0\n[limits]\npolicy = 'oldest'", true),
        ("format = 0\n[limits]\npolicy = 'LRU'", false),
        ("format = 0\n[limits]\npolicy = ''", false),
        ("format = 0\n[limits]\npolicy = 1", false),
        ("format = 0\n[limits]\nbytes = -1", false),
        ("format = 0\n[limits]\nage = 1.5", false),
        ("format = 0\n[limits]\nentries = true", false),
        ("format = 0\n[limits]\nblobs = 1", false),
        ("format = 0\nlimits = 1", false),
        ("format = 1", false),
        ("format = 0\n[features]\nincompatible = ['x']", false),
        ("format = 0\nunknown = 1", false),
        ("format = 0\n[arrays]\nunknown = 1", false),
        ("format = 0\n[arrays]\ninline_max = -1", false),
        ("format = 0\n[access]\nshared = 'no'", false),
        ("format = '0'", false),
        ("", false),
    ] {
        let dir = Dir::new();
        dir.store().put("x", &bytes_array(3, 1)).unwrap();
        rot(&dir.inside("ndstash.toml"), |bytes| *bytes = settings.into());
        assert_eq!(Store::open(dir.path()).is_ok(), good, "{settings}");
        let output = read_store(&dir.path(), &["list"]);
        assert_eq!(output.status.code(), Some(if good { 0 } else { 2 }), "{settings}: {}", text(&output));
    }
}

#[test]
fn the_reader_sees_what_the_library_sees_in_a_store_that_is_in_use() {
    let dir = Dir::new();
    let store = dir.open(&StoreOptions::new().inline_limits(100, 200));
    store.put("x", &bytes_array(1000, 1)).unwrap();
    store.put("gone", &bytes_array(2000, 2)).unwrap();
    store.remove("gone").unwrap();
    let mut writer = store.writer();
    writer.array(&bytes_array(3000, 3)).unwrap();
    std::fs::write(dir.inside("trash/old"), b"x").unwrap();
    std::fs::write(dir.inside("blobs/00/stray"), b"x").unwrap();
    std::fs::write(dir.inside("journal"), b"").unwrap();
    let output = read_store(&dir.path(), &["verify"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{}", text(&output));
    for note in ["1 garbage blobs of 2000 bytes", "trash/old", "blobs/00/stray: stray", "journal: 0 frames", "tmp/"] {
        assert!(text(&output).contains(note), "{note} is expected in\n{}", text(&output));
    }
    assert_eq!(found_list(&dir.path()), expected_list(&store));
}

/// Reads the vectors through the functions of the reader.
const READ_VECTORS: &str = r#"
import json, sys
sys.path.insert(0, sys.argv[1])
import read_store as r
from blake3 import blake3
folder = sys.argv[2]
def content(name):
    with open(f"{folder}/{name}", "rb") as file:
        return file.read()
vectors = json.loads(content("vectors.json"))
count = 0
def same(found, expected, what):
    global count
    count += 1
    if json.dumps(found, sort_keys=True) != json.dumps(expected, sort_keys=True):
        sys.exit(f"{what}: expected {expected}, found {found}")
assert vectors["format"] == r.VERSION
for item in vectors["names"]:
    same(r.key_of_name(item["name"]).hex(), item["key"], item["name"])
for item in vectors["blobs"]:
    pattern = bytes(i % 251 for i in range(item["bytes"]))
    same(blake3(pattern).hexdigest(), item["digest"], f"blob of {item['bytes']} bytes")
for item in vectors["manifests"]:
    data, what = content(item["file"]), item["file"]
    head = r.read_manifest_head(data, bytes.fromhex(item["key"]))
    same([head.key.hex(), head.id.hex(), head.boot_id.hex(), head.body_length, head.codec],
         [item["key"], item["id"], item["boot_id"], item["body_bytes"], 0], what)
    same([head.sequence, head.created, head.expires, head.compute_ns, head.pinned],
         [item[k] for k in ("sequence", "created", "expires", "compute_ns", "pinned")], what)
    same([{"digest": d.hex(), "bytes": n} for d, n in head.blobs], item["blobs"], what)
    body = r.read_manifest_body(data, head).body
    arrays = [r.array_facts(a) | ({"hex": a.inline.hex()} if a.inline is not None else {}) for a in body.arrays]
    same([body.name, body.encoding, body.tags, arrays],
         [item[k] for k in ("name", "encoding", "tags", "arrays")], what)
    same(r.origin_json(body), item["origin"], what + ", origin")
    same(r.map_as_json(body.meta, body.arrays), item["meta"], what + ", meta")
    same(r.as_json(body.value, body.arrays), item["value"], what + ", value")
for item in vectors["hints"]:
    period = bytes(range(251))
    blob = (period * (item["bytes"] // 251 + 1))[:item["bytes"]]
    same(r.hint_of(blob), item["hint"], f"hint of {item['bytes']} bytes")
frames = r.read_journal(content(vectors["journal"]["file"]))
same([[d.hex() for d in frame] for frame in frames], vectors["journal"]["frames"], "journal")
settings, expected = r.read_settings(content(vectors["settings"]["file"])), vectors["settings"]
same([settings["arrays"]["inline_max"], settings["arrays"]["inline_total"], settings["access"]["shared"]],
     [expected["inline_max"], expected["inline_total"], expected["shared"]], "settings")
same(settings["limits"], expected["limits"], "limits")
ledger = r.read_ledger(content(vectors["ledger"]["file"]))
same(ledger, {k: v for k, v in vectors["ledger"].items() if k != "file"}, "ledger")
same(r.read_counters(content(vectors["counters"]["file"])), vectors["counters"]["sums"], "counters")
place, marks = r.read_marks(content(vectors["marks"]["file"]))
same([place.hex(), [{"key": k.hex(), "file_number": n, "stamp": s.hex(), "manifest_bytes": m,
                     "blobs": [{"digest": d.hex(), "bytes": b} for d, b in blobs]} for k, n, s, m, blobs in marks]],
     [vectors["marks"]["place"], vectors["marks"]["entries"]], "marks")
for item in vectors["slots"]:
    same(r.slot_of(bytes.fromhex(item["key"]), item["stamps"]), item["slot"], "slot")
print(count)
"#;

#[test]
fn the_reader_reads_every_vector_as_what_it_is_listed_as() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let output = reader_code(READ_VECTORS, &folder);
    assert!(output.status.success(), "{}", text(&output));
    let vectors: Value = serde_json::from_slice(&std::fs::read(folder.join("vectors.json")).unwrap()).unwrap();
    let count = |key: &str| vectors[key].as_array().unwrap().len();
    let expected = count("names") + count("blobs") + count("hints") + 7 * count("manifests") + count("slots") + 6;
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected.to_string());
}
