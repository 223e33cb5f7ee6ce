//! The golden vectors of tests/vectors: what the encoders make of fixed values, byte for byte.
//!
//! `NDSTASH_WRITE_VECTORS=1 cargo test --lib vectors` writes them anew. A vector that changes means a new version of
//! the format, and a change of blobs-format.md with it.

#![allow(clippy::disallowed_methods, reason = "the vectors are files of the project, not of a store")]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::body::{ArrayRecord, Body, Data, Inline, Order, Origin, TREE};
use super::codec::Packed;
use super::counters::{CacheStats, Counters};
use super::head::{BlobRef, EntryId, Facts, Head};
use super::hints;
use super::journal;
use super::ledger::Ledger;
use super::marks::{self, Mark};
use super::settings::{ArraySettings, Limits, Policy, Settings};
use super::stamps;
use super::tree::{ArrayIndex, Tag, Tree};
use crate::digest::Digest;
use crate::dtype::DType;
use crate::key::Key;

/// Lengths of blobs around the sizes at which BLAKE3, MessagePack, pages and this crate change their ways.
const BLOB_LENGTHS: [usize; 30] = [
    0, 1, 2, 7, 8, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025, 2048, 2049, 3072, 3073, 4095, 4096, 4097, 8192, 16384,
    31744, 65535, 65536, 65537, 102_400, 1_048_576, 1_048_577,
];

/// Names in one script and several, composed and decomposed, with what a path would not take.
const NAMES: [&str; 12] = [
    "a",
    "runs/1/field",
    "/",
    "..",
    " ",
    "CON",
    "caf\u{e9}",
    "cafe\u{301}",
    "\u{65e5}\u{672c}\u{8a9e}",
    "\u{1f980}\u{200d}\u{1f30a}",
    "\u{feff}",
    "\u{202e}txt",
];

/// The bytes of every blob of the vectors: a pattern whose period, 251, is a prime.
fn pattern(len: usize) -> Vec<u8> {
    (0..251_u8).cycle().take(len).collect()
}

fn blob(len: usize) -> BlobRef {
    BlobRef { digest: Digest::of(&pattern(len)), len: len as u64 }
}

fn inline(dtype: DType, shape: &[u64], order: Order) -> ArrayRecord {
    let len = shape.iter().product::<u64>() * dtype.item_size();
    let bytes = pattern(usize::try_from(len).unwrap()).into_iter();
    // Of a truth value only two bytes are valid.
    let bytes = bytes.map(|byte| if dtype == DType::Bool { byte % 2 } else { byte }).collect();
    ArrayRecord { dtype, shape: shape.to_vec(), order, data: Data::Inline(Inline(bytes)) }
}

/// An array in the blob that stands at `at` in the head.
fn in_blob(dtype: DType, shape: &[u64], order: Order, at: u32) -> ArrayRecord {
    ArrayRecord { dtype, shape: shape.to_vec(), order, data: Data::Blob(at) }
}

fn nothing() -> Body {
    Body {
        name: None,
        encoding: TREE.to_owned(),
        tags: Vec::new(),
        meta: BTreeMap::new(),
        origin: None,
        arrays: Vec::new(),
        value: Tree::Nil,
    }
}

/// One manifest with all that is needed to make it.
struct Vector {
    file: &'static str,
    key: Key,
    facts: Facts,
    blobs: Vec<BlobRef>,
    body: Body,
}

impl Vector {
    fn named(file: &'static str, name: &str, facts: Facts, mut blobs: Vec<BlobRef>, body: Body) -> Self {
        blobs.sort_unstable();
        let body = Body { name: Some(name.to_owned()), ..body };
        Vector { file, key: Key::from_name(name).unwrap(), facts, blobs, body }
    }

    fn head(&self, body: &Packed) -> Head {
        let bits = |byte: u8| std::array::from_fn(|at| byte + u8::try_from(at).unwrap());
        Head::of_body(self.key, EntryId(bits(0x10)), bits(0xa0), self.facts, self.blobs.clone(), body)
    }

    /// As it lies in the file. What compression makes of a body is not promised, so these are not compressed.
    fn body(&self) -> Packed {
        Packed { codec: 0, bytes: self.body.encode().unwrap() }
    }

    fn encode(&self) -> Vec<u8> {
        let body = self.body();
        [self.head(&body).encode(), body.bytes].concat()
    }
}

fn vectors() -> [Vector; 8] {
    [outline(), one_array(), every_type(), every_node(), bundle(), bounds(), tagged(), singles()]
}

/// The manifest of blobs-format.md section 12.
fn outline() -> Vector {
    let key = Key::from_bytes([0x42; 32]);
    Vector { file: "outline.bin", key, facts: Facts::default(), blobs: Vec::new(), body: nothing() }
}

fn one_array() -> Vector {
    let arrays = vec![in_blob(DType::Float64, &[300, 200], Order::F, 0)];
    let facts =
        Facts { sequence: 1, created: 1_700_000_000_123_456_789, compute_ns: 2_500_000_000, ..Facts::default() };
    let body = Body { arrays, value: Tree::Array(ArrayIndex(0)), ..nothing() };
    Vector::named("one_array.bin", "runs/1/field", facts, vec![blob(480_000)], body)
}

fn every_type() -> Vector {
    let orders = [Order::C, Order::F].into_iter().cycle();
    let arrays: Vec<_> = DType::ALL.iter().zip(orders).map(|(&dtype, order)| inline(dtype, &[2, 3], order)).collect();
    let nodes = (0..).zip(&arrays).map(|(at, array)| (array.dtype.name().into(), Tree::Array(ArrayIndex(at))));
    let value = Tree::Map(nodes.collect());
    let facts = Facts { expires: Some(i64::MIN), ..Facts::default() };
    Vector::named("every_type.bin", "caf\u{e9}", facts, Vec::new(), Body { arrays, value, ..nothing() })
}

/// Every kind of node, at the lengths up to 256 where MessagePack changes its encoding.
fn every_node() -> Vector {
    let integers = [0, 127, 128, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296, i64::MAX];
    let negative = [-1, -32, -33, -128, -129, -32_768, -32_769, -2_147_483_648, -2_147_483_649, i64::MIN];
    let integers = integers.into_iter().chain(negative).map(Tree::Int).chain([Tree::UInt(u64::MAX)]);
    let strings = [0, 31, 32, 255, 256].map(|len| Tree::Str("s".repeat(len)));
    let binaries = [0, 255, 256].map(|len| Tree::Bytes(pattern(len)));
    let floats = [0.0, 0.5, -1.5, f64::MAX, f64::MIN_POSITIVE, f64::INFINITY, f64::NEG_INFINITY].map(Tree::Float);
    let lists = [0, 15, 16].map(|len| Tree::List(vec![Tree::Nil; len]));
    let map = |len: i64| Tree::Map((0..len).map(|at| (Tree::Int(at), Tree::Bool(at % 2 == 0))).collect());
    let odd_keys = Tree::Map(vec![
        (Tree::Nil, Tree::Int(1)),
        (Tree::Bool(true), Tree::Int(2)),
        (Tree::Float(1.0), Tree::Int(3)),
        (Tree::List(vec![Tree::Int(1)]), Tree::Int(4)),
        (Tree::Bytes(vec![1]), Tree::Int(5)),
        ("$array".into(), Tree::Int(6)),
        (Tree::Array(ArrayIndex(0)), Tree::Array(ArrayIndex(0))),
    ]);
    let meta = BTreeMap::from([
        ("integers".to_owned(), Tree::List(integers.collect())),
        ("strings".to_owned(), Tree::List(strings.into())),
        ("binaries".to_owned(), Tree::List(binaries.into())),
        ("floats".to_owned(), Tree::List(floats.into())),
        (String::new(), Tree::Bool(false)),
        ("\u{1f980}".to_owned(), Tree::from("\u{1f980}")),
    ]);
    let value = Tree::List(vec![Tree::List(lists.into()), map(0), map(15), map(16), odd_keys]);
    let tags = ["", "one", "zwei \u{fc}", "one"].map(str::to_owned).into();
    let origin = Some(Origin {
        namespace: "sim/\u{fc}".into(),
        function: Some("step".into()),
        version: Some("3".into()),
        key: Some(Tree::Map(vec![("x".into(), Tree::Array(ArrayIndex(0))), ("n".into(), Tree::Int(1))])),
        host: Some("node".into()),
        user: None,
    });
    let facts = Facts { sequence: u64::MAX, created: -1, expires: Some(0), compute_ns: 1, pinned: true };
    let arrays = vec![inline(DType::Int16, &[2], Order::C)];
    let body = Body { tags, meta, origin, arrays, value, ..nothing() };
    Vector::named("every_node.bin", "\u{1f980}\u{200d}\u{1f30a}", facts, Vec::new(), body)
}

/// Arrays in blobs and inline, one blob under two types, one array twice, one that nothing names, byte strings.
fn bundle() -> Vector {
    let mut blobs = vec![blob(65_536), blob(102_400), blob(1), blob(0)];
    blobs.sort_unstable();
    let at = |len: u64| u32::try_from(blobs.iter().position(|blob| blob.len == len).unwrap()).unwrap();
    let arrays = vec![
        in_blob(DType::Int32, &[128, 128], Order::C, at(65_536)),
        in_blob(DType::Complex64, &[64, 128], Order::F, at(65_536)),
        in_blob(DType::UInt8, &[102_400], Order::C, at(102_400)),
        in_blob(DType::UInt8, &[], Order::C, at(1)),
        inline(DType::UInt8, &[5], Order::C),
        inline(DType::Float32, &[3], Order::C),
        in_blob(DType::UInt8, &[3, 0], Order::C, at(0)),
    ];
    let value = Tree::Map(vec![
        ("first".into(), Tree::Array(ArrayIndex(0))),
        ("again".into(), Tree::List(vec![Tree::Array(ArrayIndex(0)), Tree::Array(ArrayIndex(1))])),
        ("file".into(), Tree::Payload(ArrayIndex(2))),
        ("same as array".into(), Tree::Array(ArrayIndex(2))),
        ("scalar".into(), Tree::Array(ArrayIndex(3))),
        ("text".into(), Tree::Payload(ArrayIndex(4))),
        ("empty".into(), Tree::Array(ArrayIndex(6))),
    ]);
    let tags = vec!["bundle".to_owned()];
    Vector::named(
        "bundle.bin",
        "\u{65e5}\u{672c}\u{8a9e}",
        Facts { created: 1, ..Facts::default() },
        blobs,
        Body { tags, encoding: "other-1.0_x".into(), arrays, value, ..nothing() },
    )
}

/// What is just allowed: 64 dimensions, huge extents beside a zero, 64 containers inside each other.
fn bounds() -> Vector {
    let mut shape = [1; 64];
    (shape[0], shape[63]) = (2, 3);
    let arrays = vec![
        inline(DType::UInt16, &shape, Order::F),
        inline(DType::UInt8, &[0, i64::MAX.cast_unsigned()], Order::C),
        inline(DType::Complex128, &[(1 << 59) - 1, 0], Order::C),
        inline(DType::Float64, &[0], Order::C),
    ];
    // The map of the body is the first container, and this list the 64th.
    let deep = (0..62).fold(Tree::List(Vec::new()), |tree, _| Tree::List(vec![tree]));
    let facts = Facts { created: i64::MAX, expires: Some(i64::MAX - 1), ..Facts::default() };
    let body = Body { arrays, value: deep, ..nothing() };
    Vector {
        file: "bounds.bin",
        key: Key::from_bytes(std::array::from_fn(|at| u8::try_from(at).unwrap())),
        facts,
        blobs: Vec::new(),
        body,
    }
}

/// A sequence, and tagged lists of every kind, at the lengths where large integers begin.
fn tagged() -> Vector {
    let large = |bytes: Vec<u8>| Tree::Tagged(Tag::Integer, vec![Tree::Bytes(bytes)]);
    let most = large([vec![0; 8], vec![1]].concat());
    let least = large([vec![0xff; 7], vec![0x7f, 0xff]].concat());
    let shape = Tree::List(vec![Tree::Int(3), Tree::UInt(u64::MAX)]);
    let value = Tree::Tagged(
        Tag::Tuple,
        vec![
            Tree::Sequence(ArrayIndex(0)),
            Tree::Tagged(Tag::Tuple, Vec::new()),
            Tree::Tagged(Tag::Set, vec![Tree::Int(1), "a".into()]),
            Tree::Tagged(Tag::FrozenSet, vec![Tree::Tagged(Tag::Tuple, vec![Tree::Nil])]),
            Tree::Tagged(Tag::Complex, vec![Tree::Float(1.5), Tree::Float(-0.5)]),
            most,
            least,
            large(pattern(100)),
            Tree::Tagged(Tag::Some, vec![Tree::Tagged(Tag::Some, vec![Tree::Nil])]),
            Tree::Tagged(Tag::Omitted, vec!["bool".into(), shape, Tree::Bytes(pattern(32))]),
            Tree::Map(vec![(Tree::Tagged(Tag::Tuple, vec![Tree::Int(1)]), Tree::Sequence(ArrayIndex(0)))]),
        ],
    );
    let arrays = vec![inline(DType::Float32, &[4], Order::C)];
    Vector::named("tagged.bin", "/", Facts::default(), Vec::new(), Body { arrays, value, ..nothing() })
}

/// Numbers of every type, moments and spans of time, at their bounds, also as keys and in metadata.
fn singles() -> Vector {
    let tagged = |tag: Tag, items: &[Tree]| Tree::Tagged(tag, items.into());
    let scalars = DType::ALL.iter().map(|dtype| {
        let size = usize::try_from(dtype.item_size()).unwrap();
        let bytes = pattern(size + 1)[1..].to_vec();
        tagged(Tag::Scalar, &[dtype.name().into(), Tree::Bytes(bytes)])
    });
    let moments = [
        tagged(Tag::DateTime, &["0001-01-01T00:00:00".into()]),
        tagged(Tag::DateTime, &["9999-12-31T23:59:59.999999-23:59:59.999999".into(), Tree::Int(1)]),
        tagged(Tag::DateTime, &["2024-02-29T07:08:09.000010+00:00".into()]),
        tagged(Tag::Date, &["2000-02-29".into()]),
        tagged(Tag::Time, &["23:59:59+05:45".into()]),
        tagged(Tag::Time, &["00:00:00".into(), Tree::Int(1)]),
    ];
    let span = |parts: [i64; 3]| tagged(Tag::TimeDelta, &parts.map(Tree::Int));
    let spans = [span([-999_999_999, 0, 0]), span([999_999_999, 86_399, 999_999]), span([-1, 86_399, 999_999])];
    let ticks = |dtype: &str, count| tagged(Tag::Ticks, &[dtype.into(), Tree::Int(count)]);
    let ticks = [ticks("datetime64[ns]", 1_700_000_000_123_456_789), ticks("timedelta64[2147483647as]", i64::MIN)];
    let keys = Tree::Map(moments.iter().zip(&spans).map(|(moment, span)| (moment.clone(), span.clone())).collect());
    let meta = BTreeMap::from([("when".to_owned(), moments[2].clone()), ("unit".to_owned(), ticks[0].clone())]);
    let value = Tree::List(vec![
        Tree::List(scalars.collect()),
        Tree::Tagged(Tag::Set, moments.into()),
        Tree::List(spans.into()),
        Tree::Tagged(Tag::Tuple, ticks.into()),
        tagged(Tag::Ticks, &["datetime64".into(), Tree::Int(i64::MIN)]),
        keys,
    ]);
    Vector::named("singles.bin", "CON", Facts::default(), Vec::new(), Body { meta, value, ..nothing() })
}

fn journal_frames() -> Vec<Vec<Digest>> {
    vec![vec![blob(1).digest, blob(0).digest, blob(1).digest], Vec::new(), vec![blob(2).digest]]
}

fn settings() -> Settings {
    let arrays = ArraySettings { inline_max: 1024, inline_total: 8192 };
    let limits = Limits { bytes: Some(1 << 40), entries: Some(9), age: Some(0), policy: Policy::Cost };
    Settings { limits, ..Settings::new(arrays, true) }
}

fn ledger() -> Ledger {
    let (counted_bytes, counted_entries) = (4_000_000_000, 6);
    let (sequence, bytes) = (1_700_000_000_123_456_790, 5_000_000_000);
    Ledger { sequence, bytes, entries: 7, counted_bytes, counted_entries, culled: 3, culled_before: 2 }
}

/// Where the marks were written.
fn place() -> Digest {
    Digest::of(b"the place of the vectors")
}

fn marked() -> Vec<Mark> {
    let mark = |name: &str, inode, manifest_len, blobs| {
        let key = Key::from_name(name).unwrap();
        Mark { key, inode, stamp: *b"8 bytes.", manifest_len, blobs }
    };
    let mut several = vec![blob(0), blob(1), blob(4096)];
    several.sort_unstable();
    let mut marks = vec![mark("a", 1, 248, Vec::new()), mark("/", u64::MAX, 1 << 40, several)];
    marks.push(Mark { stamp: [0; 8], ..mark(" ", 0, 300, vec![blob(1)]) });
    marks.sort_unstable_by_key(|mark| mark.key);
    marks
}

/// Keys that differ at either end, and where the stamps of some numbers of them lie.
fn slots() -> Vec<(Key, u64, u64)> {
    let mut keys = vec![Key::from_bytes([0; 32]), Key::from_name("a").unwrap()];
    keys.extend([0, 31].map(|at| Key::from_bytes(std::array::from_fn(|i| u8::from(i == at)))));
    let of =
        |key: Key| [1, 3, 64, 1 << 40].map(|number| (key, number, stamps::place(&key, number * 8 + 7).unwrap() / 8));
    keys.into_iter().flat_map(of).collect()
}

/// Two frames, which add up.
fn counters() -> [Counters; 2] {
    let numbers =
        CacheStats { hits: 3, misses: 2, stale: 1, damaged: 1, failures: 4, refused: 5, ..CacheStats::default() };
    let more = CacheStats { hits: 1, computed_ns: 1 << 40, saved_ns: 7, new_bytes: 8, shared_bytes: 9, ..numbers };
    let hits = |hits| [(Key::from_bytes([0x42; 32]), hits)].into();
    [
        Counters { namespaces: [("a/b".into(), numbers)].into(), hits: hits(300) },
        Counters { namespaces: [("a/b".into(), more), (String::new(), numbers)].into(), hits: hits(1) },
    ]
}

/// Every file of the vectors, by name.
fn files() -> BTreeMap<&'static str, Vec<u8>> {
    let mut files: BTreeMap<_, _> = vectors().iter().map(|vector| (vector.file, vector.encode())).collect();
    files.insert("journal.bin", journal_frames().iter().flat_map(|frame| journal::encode_frame(frame)).collect());
    files.insert("counters.bin", counters().iter().flat_map(Counters::encode_frame).collect());
    files.insert("ledger.bin", ledger().encode().to_vec());
    files.insert("marks.bin", marks::encode(&place(), &marked()));
    files.insert("settings.toml", settings().encode().into_bytes());
    let listed = serde_json::to_string_pretty(&listing()).unwrap() + "\n";
    files.insert("vectors.json", listed.into_bytes());
    files
}

fn listing() -> Value {
    let long = "\u{2603}".repeat(341) + "x";
    let names: Vec<_> = NAMES
        .into_iter()
        .chain([&*long])
        .map(|name| json!({ "name": name, "key": Key::from_name(name).unwrap().to_string() }))
        .collect();
    let blobs: Vec<_> =
        BLOB_LENGTHS.iter().map(|&len| json!({ "bytes": len, "digest": blob(len).digest.to_string() })).collect();
    let manifests: Vec<_> = vectors().iter().map(manifest_json).collect();
    let frames: Vec<Vec<String>> =
        journal_frames().iter().map(|frame| frame.iter().map(ToString::to_string).collect()).collect();
    json!({
        "format": 0,
        "pattern": "byte i of a blob is i modulo 251",
        "names": names,
        "blobs": blobs,
        "manifests": manifests,
        "journal": { "file": "journal.bin", "frames": frames },
        "settings": {
            "file": "settings.toml", "inline_max": 1024, "inline_total": 8192, "shared": true,
            "limits": { "bytes": 1_u64 << 40, "entries": 9, "age": 0, "policy": "cost" },
        },
        "marks": { "file": "marks.bin", "place": place().to_string(), "entries": marks_json() },
        "slots": slots().into_iter().map(|(key, stamps, slot)| {
            json!({ "key": key.to_string(), "stamps": stamps, "slot": slot })
        }).collect::<Vec<_>>(),
        "counters": { "file": "counters.bin", "sums": counters_json() },
        "hints": hints(),
        "ledger": {
            "file": "ledger.bin", "sequence": ledger().sequence, "bytes": ledger().bytes,
            "entries": ledger().entries, "counted_bytes": ledger().counted_bytes,
            "counted_entries": ledger().counted_entries, "culled": ledger().culled, "culled_before": ledger().culled_before,
        },
    })
}

fn marks_json() -> Vec<Value> {
    let blobs = |mark: &Mark| -> Vec<Value> {
        mark.blobs.iter().map(|blob| json!({ "digest": blob.digest.to_string(), "bytes": blob.len })).collect()
    };
    let mark = |mark: &Mark| {
        json!({
            "key": mark.key.to_string(), "file_number": mark.inode, "stamp": hex(&mark.stamp),
            "manifest_bytes": mark.manifest_len, "blobs": blobs(mark),
        })
    };
    marked().iter().map(mark).collect()
}

fn hints() -> Vec<Value> {
    let lens = [hints::FROM - 1, hints::FROM, hints::FROM + 1, 5_000_000, 67_108_863];
    let listed = lens.map(|len| {
        let read = |place: u64, sample: &mut Vec<u8>| {
            sample.extend((place..).take(hints::PLACE_LEN).map(|at| u8::try_from(at % 251).expect("it is less")));
            Ok::<(), ()>(())
        };
        let hint = hints::Hint::of(len, read).map(|hint| u64::from_le_bytes(hint.expect("nothing fails").bytes()));
        json!({"bytes": len, "hint": hint})
    });
    listed.to_vec()
}

fn counters_json() -> Value {
    let mut sums = Counters::default();
    counters().iter().for_each(|frame| sums.add(frame));
    let hits: BTreeMap<String, u64> = sums.hits.iter().map(|(key, hits)| (key.to_string(), *hits)).collect();
    json!({ "namespaces": sums.namespaces, "hits": hits })
}

fn manifest_json(vector: &Vector) -> Value {
    let head = vector.head(&vector.body());
    let (body, facts) = (&vector.body, &vector.facts);
    let blobs: Vec<_> =
        vector.blobs.iter().map(|blob| json!({ "digest": blob.digest.to_string(), "bytes": blob.len })).collect();
    let arrays: Vec<_> = (0..body.arrays.len())
        .map(|at| {
            let mut array = array_json(vector, at);
            if let Data::Inline(Inline(bytes)) = &body.arrays[at].data {
                array["hex"] = hex(bytes).into();
            }
            array
        })
        .collect();
    let origin = body.origin.as_ref().map(|origin| {
        json!({
            "namespace": origin.namespace, "function": origin.function, "version": origin.version,
            "key": origin.key.as_ref().map(|key| tree_json(vector, key)), "host": origin.host, "user": origin.user,
        })
    });
    json!({
        "file": vector.file,
        "key": vector.key.to_string(),
        "id": hex(&head.id.0),
        "boot_id": hex(&head.boot),
        "body_bytes": head.body_len,
        "blobs": blobs,
        "name": body.name,
        "encoding": body.encoding,
        "sequence": facts.sequence,
        "created": facts.created,
        "expires": facts.expires,
        "compute_ns": facts.compute_ns,
        "pinned": facts.pinned,
        "tags": body.tags,
        "meta": map_json(vector, body.meta.iter().map(|(key, value)| (Value::from(key.as_str()), value))),
        "origin": origin,
        "arrays": arrays,
        "value": tree_json(vector, &body.value),
    })
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from_digit(digit.into(), 16).unwrap()).collect()
}

fn array_json(vector: &Vector, at: usize) -> Value {
    let record = &vector.body.arrays[at];
    let mut facts = json!({
        "dtype": record.dtype.name(),
        "shape": record.shape,
        "order": if record.order == Order::C { "C" } else { "F" },
        "bytes": record.byte_len().unwrap(),
    });
    match &record.data {
        Data::Inline(_) => facts["inline"] = true.into(),
        Data::Blob(at) => facts["digest"] = vector.blobs[*at as usize].digest.to_string().into(),
    }
    facts
}

/// A tree as JSON, as `tools/read_store.py` spells it: what JSON cannot say is a map of one key that begins with `$`.
fn tree_json(vector: &Vector, tree: &Tree) -> Value {
    match tree {
        Tree::Nil => Value::Null,
        Tree::Bool(value) => (*value).into(),
        Tree::Int(value) => (*value).into(),
        Tree::UInt(value) => (*value).into(),
        Tree::Float(value) if value.is_finite() => (*value).into(),
        Tree::Float(value) => json!({ "$float": value.to_string() }),
        Tree::Str(text) => text.as_str().into(),
        Tree::Bytes(bytes) => json!({ "$binary": hex(bytes) }),
        Tree::List(items) => items.iter().map(|item| tree_json(vector, item)).collect(),
        Tree::Map(pairs) => map_json(vector, pairs.iter().map(|(key, value)| (tree_json(vector, key), value))),
        Tree::Array(at) => json!({ "$array": array_json(vector, at.0 as usize) }),
        Tree::Payload(at) => json!({ "$bytes": array_json(vector, at.0 as usize) }),
        Tree::Sequence(at) => json!({ "$sequence": array_json(vector, at.0 as usize) }),
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
            };
            let items: Vec<Value> = items.iter().map(|item| tree_json(vector, item)).collect();
            json!({ name: items })
        }
    }
}

fn map_json<'a>(vector: &Vector, pairs: impl Iterator<Item = (Value, &'a Tree)>) -> Value {
    let pairs: Vec<(Value, Value)> = pairs.map(|(key, value)| (key, tree_json(vector, value))).collect();
    let plain = |key: &Value| key.as_str().is_some_and(|text| !text.starts_with('$'));
    if pairs.iter().all(|(key, _)| plain(key)) {
        return pairs.into_iter().map(|(key, value)| (key.as_str().unwrap_or_default().to_owned(), value)).collect();
    }
    json!({ "$map": pairs })
}

#[test]
fn the_encoders_make_the_vectors_byte_for_byte() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let write = std::env::var_os("NDSTASH_WRITE_VECTORS").is_some_and(|value| value == "1");
    for (name, bytes) in files() {
        let path = dir.join(name);
        if write {
            std::fs::write(&path, &bytes).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == bytes, "{name} is not what is written now");
    }
}

#[test]
fn the_parsers_read_the_vectors_as_what_they_were_made_of() {
    let files = files();
    for vector in vectors() {
        let bytes = &files[vector.file];
        let (head, body) = bytes.split_at(Head::len_from_prefix(bytes).unwrap());
        let parsed = Head::parse(head).unwrap();
        assert_eq!(parsed, vector.head(&vector.body()), "{}", vector.file);
        let body = parsed.open_body(body).unwrap();
        assert_eq!(Body::parse(&body, &parsed).unwrap(), vector.body, "{}", vector.file);
    }
    let mut digests = Vec::new();
    let journal = &files["journal.bin"];
    assert_eq!(journal::parse_frames(journal, &mut digests), (journal.len(), None));
    assert_eq!(digests, journal_frames().concat());
    assert_eq!(Settings::parse(&files["settings.toml"]).unwrap(), settings());
    assert_eq!(Ledger::parse(&files["ledger.bin"]).unwrap(), ledger());
    assert_eq!(marks::parse(&files["marks.bin"], &place()).unwrap(), marked());
    let (sums, first) = Counters::parse_frames(&files["counters.bin"]);
    assert_eq!((sums.hits[&Key::from_bytes([0x42; 32])], first), (301, counters()[0].encode_frame().len()));
}

#[test]
fn the_outline_in_the_format_text_is_the_smallest_vector() {
    let body = outline().body.encode().unwrap();
    assert_eq!(body.len(), 0x38);
    assert_eq!(outline().encode().len(), 192 + 0x38);
    assert_eq!(body[..6], *b"\x87\xa4name");
}
