//! The golden vectors of keys, tests/vectors/keys.json: what fixed values are encoded as, and which keys they make.
//!
//! `NDSTASH_WRITE_VECTORS=1 cargo test --lib vectors` writes them anew. A vector that changes makes every stored key
//! worthless: it means a new version of the format, and a change of blobs-format.md with it.

#![allow(clippy::disallowed_methods, reason = "the vectors are files of the project, not of a store")]

use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::builder::Part;
use super::{KeyBuilder, Rounding};
use crate::digest::Digest;
use crate::dtype::DType;
use crate::format::canonical::{Canonical, Container, Content, EqualKeys, Piece, SHORT, Token, Tokens};

/// A value of any kind that has an encoding.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Nil,
    Bool(bool),
    Int(i128),
    UInt(u128),
    /// By its bits, so that equality tells NaN and the zeros apart.
    Float(u64),
    Complex(u64, u64),
    Text(String),
    Bytes(Vec<u8>),
    Items(Container, Vec<Value>),
    Map(Vec<(Value, Value)>),
    Array(DType, Vec<u64>, Vec<u8>),
    File(Digest),
    Named(String, Box<Value>),
}

const NAN: u64 = 0x7ff8_0000_0000_0000;

impl Value {
    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn float(value: f64) -> Value {
        Value::Float(value.to_bits())
    }

    fn list(items: impl Into<Vec<Value>>) -> Value {
        Value::Items(Container::List, items.into())
    }

    fn named(name: &str, value: Value) -> Value {
        Value::Named(name.to_owned(), Box::new(value))
    }

    fn encode(&self, out: &mut Canonical) -> Result<(), EqualKeys> {
        match self {
            Value::Nil => out.nil(),
            Value::Bool(value) => out.bool(*value),
            Value::Int(value) => out.integer(*value),
            Value::UInt(value) => out.unsigned(*value),
            Value::Float(bits) => out.float(f64::from_bits(*bits)),
            Value::Complex(re, im) => out.complex(f64::from_bits(*re), f64::from_bits(*im)),
            Value::Text(text) => out.text(text),
            Value::Bytes(bytes) => out.bytes(Content::of(bytes)),
            Value::Array(dtype, shape, bytes) => out.array(*dtype, shape, Content::of(bytes)),
            Value::File(digest) => out.file(digest),
            Value::Named(name, value) => {
                out.named(name);
                value.encode(out)?;
            }
            Value::Items(kind, items) => {
                let at = out.begin(*kind);
                let pieces = items.iter().map(|item| item.piece(None, out)).collect::<Result<Vec<_>, _>>()?;
                match kind {
                    Container::List | Container::Tuple => out.end(at, pieces.len() as u64),
                    _ => out.end_sorted(at, pieces)?,
                }
            }
            Value::Map(pairs) => {
                let at = out.begin(Container::Map);
                let pieces = pairs.iter().map(|(key, value)| key.piece(Some(value), out)).collect::<Result<_, _>>()?;
                out.end_sorted(at, pieces)?;
            }
        }
        Ok(())
    }

    fn piece(&self, value: Option<&Value>, out: &mut Canonical) -> Result<Piece, EqualKeys> {
        let start = out.len();
        self.encode(out)?;
        let key_end = out.len();
        value.map_or(Ok(()), |value| value.encode(out))?;
        Ok(Piece { start, key_end, end: out.len() })
    }

    fn encoding(&self) -> Canonical {
        let mut out = Canonical::new();
        self.encode(&mut out).unwrap();
        out
    }

    /// Reads an encoding back. Bytes that it has only the digest of cannot be.
    fn decode(from: &mut Tokens<'_>) -> Value {
        let short = |content: Content<'_>| match content {
            Content::Short(bytes) => bytes.to_vec(),
            Content::Long(..) => panic!("it was short"),
        };
        match from.next().unwrap() {
            Token::Nil => Value::Nil,
            Token::Bool(value) => Value::Bool(value),
            Token::Integer(bytes) => integer(bytes),
            Token::Float(value) => Value::float(value),
            Token::Complex(re, im) => Value::Complex(re.to_bits(), im.to_bits()),
            Token::Text(text) => Value::text(text),
            Token::Bytes(content) => Value::Bytes(short(content)),
            Token::Array { dtype, shape, elements } => Value::Array(dtype.parse().unwrap(), shape, short(elements)),
            Token::File(digest) => Value::File(digest),
            Token::Named(name) => Value::named(name, Self::decode(from)),
            Token::Container(Container::Map, count) => {
                Value::Map((0..count).map(|_| (Self::decode(from), Self::decode(from))).collect())
            }
            Token::Container(kind, count) => Value::Items(kind, (0..count).map(|_| Self::decode(from)).collect()),
        }
    }

    /// The same value with everything in order whose order does not count, and with one NaN; `None` if keys are equal.
    fn settled(&self) -> Option<Value> {
        let nan = |bits: &u64| if f64::from_bits(*bits).is_nan() { NAN } else { *bits };
        let settle_all = |items: &[Value]| items.iter().map(Value::settled).collect::<Option<Vec<_>>>();
        Some(match self {
            Value::UInt(value) => i128::try_from(*value).map_or(Value::UInt(*value), Value::Int),
            Value::Float(bits) => Value::Float(nan(bits)),
            Value::Complex(re, im) => Value::Complex(nan(re), nan(im)),
            Value::Named(name, value) => Value::named(name, value.settled()?),
            Value::Items(kind @ (Container::List | Container::Tuple), items) => Value::Items(*kind, settle_all(items)?),
            Value::Items(kind, items) => {
                let mut items = settle_all(items)?;
                sort_by_encoding(&mut items, |item| item)?;
                Value::Items(*kind, items)
            }
            Value::Map(pairs) => {
                let settle = |(key, value): &(Value, Value)| Some((key.settled()?, value.settled()?));
                let mut pairs = pairs.iter().map(settle).collect::<Option<Vec<_>>>()?;
                sort_by_encoding(&mut pairs, |(key, _)| key)?;
                Value::Map(pairs)
            }
            other => other.clone(),
        })
    }

    /// As `tools/canonical_key.py` reads it: what JSON cannot say is a map of one key that begins with `$`.
    fn json(&self) -> serde_json::Value {
        let all = |items: &[Value]| items.iter().map(Value::json).collect::<serde_json::Value>();
        let bits = |bits: &u64| format!("{bits:016x}");
        match self {
            Value::Nil => serde_json::Value::Null,
            Value::Bool(value) => json!(value),
            Value::Int(value) => json!({ "$int": value.to_string() }),
            Value::UInt(value) => json!({ "$int": value.to_string() }),
            Value::Float(value) => json!({ "$float": bits(value) }),
            Value::Complex(re, im) => json!({ "$complex": [bits(re), bits(im)] }),
            Value::Text(text) => json!(text),
            Value::Bytes(bytes) => json!({ "$bytes": bytes_json(bytes) }),
            Value::Items(Container::List, items) => all(items),
            Value::Items(Container::Tuple, items) => json!({ "$tuple": all(items) }),
            Value::Items(Container::Set, items) => json!({ "$set": all(items) }),
            Value::Items(_, items) => json!({ "$frozenset": all(items) }),
            Value::Map(pairs) => {
                let pairs: Vec<_> = pairs.iter().map(|(key, value)| [key.json(), value.json()]).collect();
                json!({ "$map": pairs })
            }
            Value::Array(dtype, shape, bytes) => {
                json!({ "$array": { "dtype": dtype.name(), "shape": shape, "elements": bytes_json(bytes) } })
            }
            Value::File(digest) => json!({ "$file": digest.to_string() }),
            Value::Named(name, value) => json!({ "$named": [name, value.json()] }),
        }
    }
}

/// Puts items in the order of their encodings; `None` if two are equal.
fn sort_by_encoding<T>(items: &mut [T], key: impl Fn(&T) -> &Value) -> Option<()> {
    let encoding = |item: &T| key(item).encoding().as_bytes().to_vec();
    items.sort_by_cached_key(encoding);
    items.windows(2).all(|pair| key(&pair[0]) != key(&pair[1])).then_some(())
}

fn integer(bytes: &[u8]) -> Value {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    if bytes.len() > 16 {
        return Value::UInt(u128::from_le_bytes(bytes[..16].try_into().unwrap()));
    }
    let mut wide = if negative { [0xff; 16] } else { [0; 16] };
    wide[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i128::from_le_bytes(wide))
}

fn pattern(len: usize) -> Vec<u8> {
    (0..251_u8).cycle().take(len).collect()
}

/// Long bytes are those of the pattern.
fn bytes_json(bytes: &[u8]) -> serde_json::Value {
    if bytes.len() <= SHORT {
        return json!(hex(bytes));
    }
    assert_eq!(bytes, pattern(bytes.len()));
    json!({ "pattern": bytes.len() })
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from_digit(digit.into(), 16).unwrap()).collect()
}

/// The value of every vector, by its name.
fn values() -> Vec<(&'static str, Value)> {
    let int = |value: i128| Value::Int(value);
    let tuple = |items: Vec<Value>| Value::Items(Container::Tuple, items);
    let text_map = |pairs: &[(&str, i128)]| {
        Value::Map(pairs.iter().map(|(key, value)| (Value::text(key), Value::Int(*value))).collect())
    };
    let array = |dtype, shape: &[u64], len| Value::Array(dtype, shape.to_vec(), pattern(len));
    let mut values = vec![
        ("nil", Value::Nil),
        ("false", Value::Bool(false)),
        ("true", Value::Bool(true)),
        ("integer 2^127", Value::UInt(1 << 127)),
        ("integer 2^128 - 1", Value::UInt(u128::MAX)),
        ("text, empty", Value::text("")),
        ("text, one", Value::text("1")),
        ("text, composed", Value::text("caf\u{e9}")),
        ("text, decomposed", Value::text("cafe\u{301}")),
        ("text, long", Value::text(&"\u{1f980}".repeat(100))),
        ("bytes, empty", Value::Bytes(Vec::new())),
        ("bytes, one", Value::Bytes(b"1".to_vec())),
        ("bytes, as many as lie in the encoding", Value::Bytes(pattern(SHORT))),
        ("bytes, one more", Value::Bytes(pattern(SHORT + 1))),
        ("bytes, many", Value::Bytes(pattern(100_000))),
        ("list, empty", Value::list([])),
        ("list", Value::list([int(1), Value::float(1.0), Value::Bool(true), Value::text("1"), Value::Nil])),
        ("list in list", Value::list([Value::list([int(1)]), int(2)])),
        ("list in list, otherwise", Value::list([Value::list([int(1), int(2)])])),
        ("tuple, empty", tuple(vec![])),
        ("tuple", tuple(vec![Value::text("a b"), Value::text("c")])),
        ("tuple, split elsewhere", tuple(vec![Value::text("a"), Value::text("b c")])),
        ("map, empty", Value::Map(vec![])),
        ("map", text_map(&[("zebra", 1), ("a", 2), ("", 3), ("caf\u{e9}", 4), ("ab", 5)])),
        (
            "map, keys of many types",
            Value::Map(vec![
                (Value::text("1"), int(1)),
                (int(1), int(2)),
                (Value::float(1.0), int(3)),
                (Value::Bool(true), int(4)),
                (int(-1), int(5)),
                (int(256), int(6)),
                (Value::Nil, int(7)),
                (tuple(vec![int(2), int(1)]), int(8)),
                (tuple(vec![int(1), int(2)]), Value::Map(vec![(int(2), Value::Nil), (int(1), Value::Nil)])),
            ]),
        ),
        ("set, empty", Value::Items(Container::Set, vec![])),
        ("set", Value::Items(Container::Set, vec![int(300), int(2), Value::text("b"), int(-1), Value::text("a")])),
        ("frozenset", Value::Items(Container::FrozenSet, vec![int(300), int(2), Value::text("b")])),
        ("complex", Value::Complex(1.5_f64.to_bits(), (-0.0_f64).to_bits())),
        ("complex, NaN", Value::Complex(0xfff0_0000_0000_0001, f64::INFINITY.to_bits())),
        ("array, no dimensions", array(DType::Float32, &[], 4)),
        ("array, empty", array(DType::Float64, &[0, 3], 0)),
        ("array, empty, another shape", array(DType::Float64, &[3, 0], 0)),
        ("array, as many elements as lie in the encoding", array(DType::Int64, &[2, 4], 64)),
        ("array, one more", array(DType::UInt8, &[5, 13], 65)),
        ("array, another shape", array(DType::UInt8, &[13, 5], 65)),
        ("array, another type", array(DType::Int8, &[13, 5], 65)),
        ("array, large", array(DType::Complex128, &[50, 25], 20_000)),
        ("file", Value::File(Digest::of(b"abc"))),
        ("named", Value::named("Circle", Value::Map(vec![(Value::text("radius"), Value::float(2.0))]))),
        ("named, nothing in it", Value::named("Empty", Value::Nil)),
        ("named, a value that is there", Value::named("some", Value::named("some", Value::Nil))),
    ];
    values.extend(moments());
    let integers = [0, 1, -1, 2, -2, 127, 128, -128, -129, 255, 256, 32_767, 32_768, -32_768, -32_769];
    let wide = [i64::MAX.into(), i64::MIN.into(), u64::MAX.into(), i128::MAX, i128::MIN];
    values.extend(integers.into_iter().chain(wide).map(|value| ("integer", int(value))));
    let floats = [0.0, -0.0, 1.0, -1.5, f64::MIN_POSITIVE, f64::MAX, f64::INFINITY, f64::NEG_INFINITY];
    let bits = [NAN, 0xfff8_0000_0000_0000, 0x7ff0_0000_0000_0001, 1];
    values.extend(floats.map(f64::to_bits).into_iter().chain(bits).map(|bits| ("float", Value::Float(bits))));
    values.extend(DType::ALL.iter().map(|&dtype| ("array of each type", array(dtype, &[1], item_size(dtype)))));
    values
}

/// Moments, spans and counts of time: what they are named, and what by that name.
fn moments() -> [(&'static str, Value); 12] {
    let tuple = |items: Vec<Value>| Value::Items(Container::Tuple, items);
    let span = |parts: [i128; 3]| Value::named("datetime.timedelta", tuple(parts.map(Value::Int).into()));
    let zone = |parts, name: &str| Value::named("datetime.timezone", tuple(vec![span(parts), Value::text(name)]));
    let shown = |text: &str, fold, zone| tuple(vec![Value::text(text), Value::Int(fold), zone]);
    let date_time = |value| Value::named("datetime.datetime", value);
    let time = |value| Value::named("datetime.time", value);
    let ticks = |dtype: &str, count: i64| {
        let count = Value::Array(DType::Int64, Vec::new(), count.to_le_bytes().into());
        Value::named(&format!("numpy.ndarray[{dtype}]"), count)
    };
    [
        ("date", Value::named("datetime.date", Value::text("2024-02-29"))),
        ("date and time", date_time(Value::text("2024-05-06T07:08:09.000010"))),
        ("date and time, UTC", date_time(shown("2024-05-06T07:08:09", 0, zone([0, 0, 0], "UTC")))),
        ("date and time, ahead", date_time(shown("0001-01-01T00:00:00", 0, zone([0, 20_700, 0], "UTC+05:45")))),
        ("date and time, behind", {
            let zone = zone([-1, 86_399, 999_999], "UTC-00:00:00.000001");
            date_time(shown("9999-12-31T23:59:59.999999", 1, zone))
        }),
        ("date and time, shown again", date_time(shown("2024-10-27T02:30:00", 1, Value::Nil))),
        ("time", time(Value::text("07:08:09"))),
        ("time, behind", time(shown("07:08:09.500000", 0, zone([-1, 73_793, 0], "UTC-03:30:07")))),
        ("span of time", span([1, 2, 3])),
        ("span of time, negative", span([-999_999_999, 0, 0])),
        ("count of nanoseconds", ticks("datetime64[ns]", 1_700_000_000_123_456_789)),
        ("no count", ticks("timedelta64", i64::MIN)),
    ]
}

fn item_size(dtype: DType) -> usize {
    usize::try_from(dtype.item_size()).unwrap()
}

struct Call {
    namespace: &'static str,
    function: Option<&'static str>,
    version: Option<&'static str>,
    parts: Vec<(&'static str, Value)>,
}

impl Call {
    fn key(&self) -> String {
        let mut builder = KeyBuilder::new(self.namespace);
        builder = self.function.into_iter().fold(builder, KeyBuilder::function);
        builder = self.version.into_iter().fold(builder, KeyBuilder::version);
        for (name, value) in &self.parts {
            builder = builder.put(name, Part { encoding: value.encoding(), path: None, ignored: false });
        }
        builder.finish().unwrap().key().to_string()
    }

    fn json(&self) -> serde_json::Value {
        let parts: Vec<_> = self.parts.iter().map(|(name, value)| (name, value.json())).collect();
        let Call { namespace, function, version, .. } = self;
        json!({ "namespace": namespace, "function": function, "version": version, "parts": parts, "key": self.key() })
    }
}

fn calls() -> Vec<Call> {
    let call = |namespace, function, version, parts| Call { namespace, function, version, parts };
    let x = || vec![("x", Value::Int(1))];
    vec![
        call("n", None, None, vec![]),
        call("n", Some("f"), None, vec![]),
        call("n", None, Some("f"), vec![]),
        call("n", Some(""), None, vec![]),
        call("n", Some("f"), Some("1"), x()),
        call("n", Some("g"), Some("1"), x()),
        call("n/f", None, Some("1"), x()),
        call("n", Some("f"), Some("2"), x()),
        call(
            "caf\u{e9}",
            Some("f"),
            None,
            vec![("y", Value::Nil), ("x", Value::float(0.5)), ("long name", Value::Nil)],
        ),
    ]
}

fn roundings() -> Vec<serde_json::Value> {
    let values = [
        0.15,
        0.25,
        2.5,
        -2.5,
        1_234.567_89,
        -0.001,
        0.0,
        -0.0,
        999.96,
        0.1 + 0.2,
        1e22,
        4.35e15,
        4.6e15,
        1e300,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        123_456_789.0,
        f64::INFINITY,
        f64::NAN,
    ];
    let bits = |value: f64| format!("{:016x}", value.to_bits());
    let mut listed = Vec::new();
    for value in values {
        for count in [-300, -2, 0, 1, 6, 22, 23, 300] {
            let rounded = Rounding::decimals(count).apply(value);
            listed.push(json!({ "value": bits(value), "decimals": count, "rounded": bits(rounded) }));
        }
        for count in [1, 4, 15, 17] {
            let rounded = Rounding::significant(count).apply(value);
            listed.push(json!({ "value": bits(value), "significant": count, "rounded": bits(rounded) }));
        }
    }
    listed
}

fn listing() -> serde_json::Value {
    let values = values().into_iter().map(|(name, value)| {
        let encoding = hex(value.encoding().as_bytes());
        let call = Call { namespace: "vectors", function: None, version: None, parts: vec![("", value.clone())] };
        json!({ "name": name, "value": value.json(), "encoding": encoding, "key": call.key() })
    });
    json!({
        "format": 0,
        "pattern": "byte i is i modulo 251",
        "values": values.collect::<Vec<_>>(),
        "calls": calls().iter().map(Call::json).collect::<Vec<_>>(),
        "rounding": roundings(),
    })
}

#[test]
fn keys_are_the_vectors_byte_for_byte() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys.json");
    let text = serde_json::to_string_pretty(&listing()).unwrap() + "\n";
    if std::env::var_os("NDSTASH_WRITE_VECTORS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap() == text, "keys.json is not what is made now");
}

#[test]
fn the_vectors_differ_unless_they_are_not_a_number() {
    let mut encodings: Vec<_> = values()
        .iter()
        .filter_map(|(_, value)| value.settled())
        .map(|value| value.encoding().as_bytes().to_vec())
        .collect();
    let nans = encodings.iter().filter(|encoding| **encoding == *Value::Float(NAN).encoding().as_bytes()).count();
    let all = encodings.len();
    encodings.sort_unstable();
    encodings.dedup();
    assert_eq!((encodings.len(), nans), (all - 2, 3), "three NaNs are one");
}

#[test]
fn equal_keys_are_refused() {
    let twice = |one: Value, other: Value| {
        let map = Value::Map(vec![(one.clone(), Value::Nil), (Value::Int(0), Value::Nil), (other.clone(), Value::Nil)]);
        let set = Value::Items(Container::Set, vec![one, other]);
        [map, set].map(|value| value.encode(&mut Canonical::new()))
    };
    assert_eq!(twice(Value::text("a"), Value::text("a")), [Err(EqualKeys), Err(EqualKeys)]);
    assert_eq!(twice(Value::Float(NAN), Value::Float(NAN | 1)), [Err(EqualKeys), Err(EqualKeys)]);
    assert_eq!(twice(Value::float(0.0), Value::float(-0.0)), [Ok(()), Ok(())]);
}

#[test]
fn every_encoding_that_is_cut_or_has_an_unknown_tag_is_refused() {
    for (name, value) in values() {
        let encoding = value.encoding();
        let read = |bytes: &[u8]| {
            let mut tokens = Tokens::new(bytes);
            let mut open = 1_u64;
            while open > 0 {
                open -= 1;
                open += match tokens.next()? {
                    Token::Container(Container::Map, count) => 2 * count,
                    Token::Container(_, count) => count,
                    Token::Named(_) => 1,
                    _ => 0,
                };
            }
            Ok::<(), crate::error::Fault>(())
        };
        assert!(read(encoding.as_bytes()).is_ok(), "{name}");
        for len in 0..encoding.len() {
            assert!(read(&encoding.as_bytes()[..len]).is_err(), "{name} cut at {len}");
        }
    }
    assert!(Tokens::new(&[0x10]).next().is_err());
}

fn any_value() -> impl Strategy<Value = Value> {
    let float = prop_oneof![any::<u64>(), proptest::sample::select(vec![0, 1 << 63, NAN, NAN | 1])];
    let short = || proptest::collection::vec(any::<u8>(), 0..=4);
    let text = || proptest::sample::select(vec!["", "a", "b", "ab", "some", "\u{e9}"]).prop_map(str::to_owned);
    let array = (proptest::sample::select(DType::ALL), proptest::collection::vec(0..3_u64, 0..3), any::<u8>());
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![-300..300_i128, any::<i128>()].prop_map(Value::Int),
        prop_oneof![0..300_u128, any::<u128>()].prop_map(Value::UInt),
        float.clone().prop_map(Value::Float),
        (float.clone(), float).prop_map(|(re, im)| Value::Complex(re, im)),
        text().prop_map(Value::Text),
        short().prop_map(Value::Bytes),
        array.prop_map(|(dtype, shape, first)| {
            let len = usize::try_from(shape.iter().product::<u64>()).unwrap() * item_size(dtype);
            let bytes = (first..=u8::MAX).cycle().take(len.min(SHORT)).collect();
            Value::Array(dtype, shape, bytes)
        }),
        any::<[u8; 32]>().prop_map(|digest| Value::File(Digest::from_bytes(digest))),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let kinds = vec![Container::List, Container::Tuple, Container::Set, Container::FrozenSet];
        let items = proptest::collection::vec(inner.clone(), 0..4);
        let pairs = proptest::collection::vec((inner.clone(), inner.clone()), 0..4);
        prop_oneof![
            (proptest::sample::select(kinds), items).prop_map(|(kind, items)| Value::Items(kind, items)),
            pairs.prop_map(Value::Map),
            (text(), inner).prop_map(|(name, value)| Value::Named(name, Box::new(value))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn an_encoding_tells_its_value_and_ends_where_it_ends(value in any_value(), tail in any::<u8>()) {
        let mut out = Canonical::new();
        match value.settled() {
            None => prop_assert_eq!(value.encode(&mut out), Err(EqualKeys)),
            Some(settled) => {
                prop_assert_eq!(value.encode(&mut out), Ok(()));
                prop_assert_eq!(&out, &settled.encoding());
                let long = [out.as_bytes(), &[tail]].concat();
                let mut tokens = Tokens::new(&long);
                prop_assert_eq!(Value::decode(&mut tokens), settled);
                prop_assert_eq!(tokens.left(), 1);
            }
        }
    }
}
