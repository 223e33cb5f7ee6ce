//! Keys of values that serde does not see: the vectors, and the keys of the same values that it does.

use std::collections::{BTreeMap, BTreeSet};

use half::f16;
use ndarray::{Array2, ShapeBuilder, arr0};
use ndstash::{CallKey, DType, Digest, Encoded, Encoder, Error, Key, KeyBuilder, Order, Rounding, Tree};
use num_complex::{Complex32, Complex64};
use serde::Serialize;
use serde_json::Value as Json;

use crate::common::{Dir, assert_error, bytes_array, hex, noise, rot};

fn vectors() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/keys.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn float(bits: &Json) -> f64 {
    f64::from_bits(u64::from_str_radix(bits.as_str().unwrap(), 16).unwrap())
}

/// Bytes as a vector has them: in hex, or so many of the pattern.
fn bytes(json: &Json) -> Vec<u8> {
    match json.as_str() {
        Some(text) => unhex(text),
        None => (0..251).cycle().take(usize::try_from(json["pattern"].as_u64().unwrap()).unwrap()).collect(),
    }
}

/// Two's complement, little-endian, of a number in decimal digits.
fn integer(text: &str) -> Vec<u8> {
    match text.parse::<i128>() {
        Ok(value) => value.to_le_bytes().to_vec(),
        Err(_) => [&text.parse::<u128>().unwrap().to_le_bytes()[..], &[0, 0, 0]].concat(),
    }
}

/// Encodes what a vector says; what JSON cannot say is a map of one key.
fn walk<'a>(json: &Json, to: Encoder<'a>) -> Result<Encoded<'a>, Error> {
    let object = match json {
        Json::Null => return Ok(to.nil()),
        Json::Bool(value) => return Ok(to.bool(*value)),
        Json::String(text) => return Ok(to.text(text)),
        Json::Array(items) => return to.list(|list| items.iter().try_for_each(|item| list.item(|to| walk(item, to)))),
        Json::Object(object) => object,
        Json::Number(_) => panic!("the vectors have none"),
    };
    let (kind, content) = object.iter().next().unwrap();
    let items = || content.as_array().unwrap().iter();
    match kind.as_str() {
        "$int" => Ok(to.integer(&integer(content.as_str().unwrap()))),
        "$float" => Ok(to.float(float(content))),
        "$complex" => Ok(to.complex(float(&content[0]), float(&content[1]))),
        "$bytes" => Ok(to.bytes(&bytes(content))),
        "$tuple" => to.tuple(|tuple| items().try_for_each(|item| tuple.item(|to| walk(item, to)))),
        // The order in which they come does not count.
        "$set" => to.set(|set| items().rev().try_for_each(|item| set.item(|to| walk(item, to)))),
        "$frozenset" => to.frozenset(|set| items().rev().try_for_each(|item| set.item(|to| walk(item, to)))),
        "$map" => {
            to.map(|map| items().rev().try_for_each(|pair| map.pair(|to| walk(&pair[0], to), |to| walk(&pair[1], to))))
        }
        "$array" => {
            let dtype: DType = content["dtype"].as_str().unwrap().parse().unwrap();
            let shape: Vec<u64> =
                content["shape"].as_array().unwrap().iter().map(|extent| extent.as_u64().unwrap()).collect();
            to.array(dtype, &shape, Order::C, &bytes(&content["elements"]))
        }
        "$file" => Ok(to.file(&content.as_str().unwrap().parse().unwrap(), None)),
        "$named" => to.named(content[0].as_str().unwrap(), |to| walk(&content[1], to)),
        other => panic!("{other}"),
    }
}

#[test]
fn the_vectors_are_encoded_as_they_say_and_make_the_keys_they_say() {
    let vectors = vectors();
    let values = vectors["values"].as_array().unwrap();
    assert!(values.len() > 50);
    for vector in values {
        let (value, name) = (&vector["value"], &vector["name"]);
        let encoding = Encoder::standalone(None, |to| walk(value, to)).unwrap();
        assert_eq!(hex(&encoding), vector["encoding"], "{name}");
        let key = KeyBuilder::new("vectors").encoded_alone(None, |to| walk(value, to)).unwrap().finish().unwrap();
        assert_eq!(key.key().to_string(), vector["key"], "{name}");
    }
    for call in vectors["calls"].as_array().unwrap() {
        let mut builder = KeyBuilder::new(call["namespace"].as_str().unwrap());
        builder = call["function"].as_str().into_iter().fold(builder, KeyBuilder::function);
        builder = call["version"].as_str().into_iter().fold(builder, KeyBuilder::version);
        for part in call["parts"].as_array().unwrap() {
            builder = builder.encoded(part[0].as_str().unwrap(), None, |to| walk(&part[1], to)).unwrap();
        }
        assert_eq!(builder.finish().unwrap().key().to_string(), call["key"]);
    }
    for rounding in vectors["rounding"].as_array().unwrap() {
        let how = match rounding["decimals"].as_i64() {
            Some(count) => Rounding::decimals(count.try_into().unwrap()),
            None => Rounding::significant(rounding["significant"].as_u64().unwrap().try_into().unwrap()),
        };
        let encoded =
            |rounding, bits| Encoder::standalone(rounding, |to| Ok::<_, Error>(to.float(float(bits)))).unwrap();
        assert_eq!(encoded(Some(how), &rounding["value"]), encoded(None, &rounding["rounded"]));
    }
}

/// The key of a value by serde, rounded in some way.
fn serialized<T: Serialize>(value: &T, rounding: Option<Rounding>) -> Key {
    let builder = KeyBuilder::new("n");
    let builder = match rounding {
        Some(rounding) => builder.rounded("x", value, rounding),
        None => builder.arg("x", value),
    };
    builder.finish().unwrap().key()
}

fn encoded(rounding: Option<Rounding>, encode: impl for<'x> FnOnce(Encoder<'x>) -> Result<Encoded<'x>, Error>) -> Key {
    KeyBuilder::new("n").encoded("x", rounding, encode).unwrap().finish().unwrap().key()
}

const ROUNDINGS: [Option<Rounding>; 4] =
    [None, Some(Rounding::decimals(1)), Some(Rounding::decimals(1).deep()), Some(Rounding::significant(2).deep())];

#[test]
fn equal_values_have_one_key_whichever_way_they_were_added() {
    #[derive(Serialize)]
    struct Point {
        y: f64,
        x: Option<i32>,
    }
    #[derive(Serialize)]
    enum Shape {
        Circle(f64),
    }
    let array = Array2::from_shape_fn((5, 30).f(), |(i, j)| f64::from(u32::try_from(100 * i + j).unwrap()) / 7.0);
    let elements: Vec<u8> = array.t().iter().flat_map(|element| element.to_le_bytes()).collect();
    for how in ROUNDINGS {
        assert_eq!(encoded(how, |to| Ok(to.int(-5))), serialized(&-5, how));
        assert_eq!(encoded(how, |to| Ok(to.integer(&[0xfb, 0xff]))), serialized(&-5, how));
        assert_eq!(encoded(how, |to| Ok(to.integer(&[]))), serialized(&0, how));
        assert_eq!(encoded(how, |to| Ok(to.float(0.123))), serialized(&0.123, how));
        let complex = Complex64::new(0.123, -0.01);
        assert_eq!(encoded(how, |to| Ok(to.complex(0.123, -0.01))), serialized(&complex, how));
        assert_eq!(encoded(how, |to| Ok(to.text("caf\u{e9}"))), serialized(&"caf\u{e9}", how));
        assert_eq!(encoded(how, |to| to.array(DType::Float64, &[5, 30], Order::F, &elements)), serialized(&array, how));
        let list = vec![Some(0.123), None];
        assert_eq!(
            encoded(how, |to| to.list(|list| {
                list.item(|to| Ok::<_, Error>(to.float(0.123)))?;
                list.item(|to| Ok(to.nil()))
            })),
            serialized(&list, how)
        );
        let set = BTreeSet::from(["b", "a"]);
        assert_eq!(
            encoded(how, |to| to
                .set(|to| set.iter().rev().try_for_each(|item| to.item(|to| Ok::<_, Error>(to.text(item)))))),
            serialized(&set, how)
        );
        assert_eq!(
            encoded(how, |to| to.map(|map| {
                map.pair(|to| Ok::<_, Error>(to.text("y")), |to| Ok(to.float(0.123)))?;
                map.pair(|to| Ok(to.text("x")), |to| Ok(to.int(3)))
            })),
            serialized(&Point { y: 0.123, x: Some(3) }, how)
        );
        let named = encoded(how, |to| to.named("Circle", |to| Ok::<_, Error>(to.float(0.123))));
        assert_eq!(named, serialized(&Shape::Circle(0.123), how));
    }
}

/// Keys of maps and items of sets are not rounded, in sets that cannot change either.
#[test]
fn what_tells_items_apart_is_not_rounded() {
    let how = Some(Rounding::decimals(1).deep());
    let keyed =
        |key: f64| encoded(how, |to| to.map(|map| map.pair(|to| Ok::<_, Error>(to.float(key)), |to| Ok(to.nil()))));
    let held = |item: f64| {
        [
            encoded(how, |to| to.set(|set| set.item(|to| Ok::<_, Error>(to.float(item))))),
            encoded(how, |to| {
                to.frozenset(|set| set.item(|to| to.list(|list| list.item(|to| Ok::<_, Error>(to.float(item))))))
            }),
        ]
    };
    assert_ne!(keyed(0.11), keyed(0.12));
    assert!(held(0.11).iter().zip(held(0.12)).all(|(one, other)| *one != other));
    let listed = |item: f64| encoded(how, |to| to.list(|list| list.item(|to| Ok::<_, Error>(to.float(item)))));
    assert_eq!(listed(0.11), listed(0.12));
}

/// One that stands for a single number, and an array that has no dimensions, are told apart by rounding alone.
#[test]
fn numbers_of_other_sizes_are_rounded_like_numbers() {
    for how in ROUNDINGS {
        let scalar = |dtype, bytes: &[u8]| encoded(how, |to| to.scalar(dtype, bytes));
        assert_eq!(scalar(DType::Float32, &0.123_f32.to_le_bytes()), serialized(&0.123_f32, how));
        assert_eq!(scalar(DType::Float16, &f16::from_f32(0.123).to_le_bytes()), serialized(&f16::from_f32(0.123), how));
        let complex = Complex32::new(0.123, 0.456);
        let parts = [0.123_f32.to_le_bytes(), 0.456_f32.to_le_bytes()].concat();
        assert_eq!(scalar(DType::Complex64, &parts), serialized(&complex, how));
        let array = encoded(how, |to| to.array(DType::Float32, &[], Order::C, &0.123_f32.to_le_bytes()));
        assert_eq!(array, serialized(&arr0(0.123_f32), how));
    }
    assert_error!(Encoder::standalone(None, |to| to.scalar(DType::Int16, &[5])), Error::Invalid { .. });
    assert_eq!(encoded(None, |to| to.scalar(DType::Int8, &[5])), serialized(&arr0(5_i8), None));
}

/// The bytes are damaged, so that hashing them would show.
#[test]
fn a_known_blob_is_not_hashed() {
    let dir = Dir::new();
    dir.blobs_only().put("x", &bytes_array(6000, 1)).unwrap();
    rot(&dir.blob(&Digest::of(&noise(6000, 1))), |bytes| bytes[7] ^= 1);
    let bytes = dir.mapped().entry("x").unwrap().unwrap().array().unwrap().map_bytes().unwrap();
    let of = |order, known: bool, rounding| {
        encoded(rounding, |to| {
            if known {
                to.array_known(DType::Float64, &[30, 25], order, &bytes)
            } else {
                to.array(DType::Float64, &[30, 25], order, &bytes)
            }
        })
    };
    let sound = encoded(None, |to| to.array(DType::Float64, &[30, 25], Order::C, &noise(6000, 1)));
    assert_eq!(of(Order::C, true, None), sound);
    assert_ne!(of(Order::C, false, None), sound);
    assert_eq!(of(Order::F, true, None), of(Order::F, false, None));
    let how = Some(Rounding::decimals(2).deep());
    assert_eq!(of(Order::C, true, how), of(Order::C, false, how));
    assert_eq!(encoded(None, |to| Ok(to.bytes_known(&bytes))), encoded(None, |to| Ok(to.bytes(&noise(6000, 1)))));
    assert_ne!(encoded(None, |to| Ok(to.bytes_known(&bytes))), encoded(None, |to| Ok(to.bytes(&bytes))));
}

#[test]
fn short_bytes_of_a_known_blob_lie_in_the_encoding_like_others() {
    let dir = Dir::new();
    dir.blobs_only().put("x", &bytes_array(10, 1)).unwrap();
    let bytes = dir.mapped().entry("x").unwrap().unwrap().array().unwrap().map_bytes().unwrap();
    assert!(bytes.blob().is_some());
    assert_eq!(encoded(None, |to| Ok(to.bytes_known(&bytes))), encoded(None, |to| Ok(to.bytes(&noise(10, 1)))));
    let array = encoded(None, |to| to.array_known(DType::UInt8, &[10], Order::C, &bytes));
    assert_eq!(array, serialized(&noise(10, 1), None));
}

fn nested(depth: u32, to: Encoder<'_>) -> Result<Encoded<'_>, Error> {
    match depth {
        0 => Ok(to.nil()),
        depth if depth % 2 == 0 => to.named("n", |to| nested(depth - 1, to)),
        depth => to.list(|list| list.item(|to| nested(depth - 1, to))),
    }
}

#[test]
fn what_has_no_encoding_is_refused_with_the_name_of_the_part() {
    let part = |encode: fn(Encoder<'_>) -> Result<Encoded<'_>, Error>| {
        KeyBuilder::new("n").encoded("part", None, encode).map(drop)
    };
    let says = |done: Result<(), Error>, reason: &str| match done.unwrap_err() {
        Error::Invalid { given, reason: found, .. } => assert_eq!((&*given, found), ("part", reason)),
        other => panic!("{other:?}"),
    };
    part(|to| nested(127, to)).unwrap();
    says(part(|to| nested(128, to)), "values hold each other at most 128 deep");
    let twice = "two of its keys or items are equal";
    says(part(|to| to.set(|set| (0..2).try_for_each(|_| set.item(|to| Ok::<_, Error>(to.nil()))))), twice);
    says(part(|to| to.frozenset(|set| (0..2).try_for_each(|_| set.item(|to| Ok::<_, Error>(to.nil()))))), twice);
    let pair = |map: &mut ndstash::Pairs<'_>| map.pair(|to| Ok::<_, Error>(to.nil()), |to| Ok(to.nil()));
    let map = KeyBuilder::new("n").encoded("part", None, |to| to.map(|map| (0..2).try_for_each(|_| pair(map))));
    says(map.map(drop), twice);
    says(
        part(|to| to.array(DType::Int32, &[2], Order::C, &[0; 7])),
        "an array has as many bytes as its type and shape take",
    );
}

/// An error of the caller's own, which is handed on as it is.
#[derive(Debug, PartialEq)]
enum Mine {
    Own,
    Core(String),
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Mine::Core(error.to_string())
    }
}

#[test]
fn errors_of_the_callers_own_are_handed_on_from_any_depth() {
    let failed = Encoder::standalone(None, |to| {
        to.list(|list| list.item(|to| to.map(|map| map.pair(|to| Ok(to.nil()), |_| Err(Mine::Own)))))
    });
    assert_eq!(failed, Err(Mine::Own));
    let twice = KeyBuilder::new("n").encoded("x", None, |to| {
        to.set(|set| {
            set.item(|to| Ok::<_, Mine>(to.nil()))?;
            set.item(|to| Ok(to.nil()))
        })
    });
    assert_eq!(twice.map(drop), Err(Mine::Core("key part \"x\": two of its keys or items are equal".into())));
}

/// A caller may go on after an item that failed: nothing of it is left.
#[test]
fn an_item_or_pair_that_failed_is_not_there() {
    let list = Encoder::standalone::<Mine>(None, |to| {
        to.list(|list| {
            list.item::<Mine>(|to| Ok(to.int(1)))?;
            let failed = list.item::<Mine>(|to| {
                to.list::<Mine>(|inner| {
                    inner.item::<Mine>(|to| Ok(to.text("half")))?;
                    Err(Mine::Own)
                })
            });
            assert_eq!(failed, Err(Mine::Own));
            list.item::<Mine>(|to| Ok(to.int(2)))
        })
    });
    assert_eq!(
        list.unwrap(),
        Encoder::standalone(None, |to| walk(&serde_json::json!([{ "$int": "1" }, { "$int": "2" }]), to)).unwrap()
    );
    let map = Encoder::standalone::<Mine>(None, |to| {
        to.map(|map| {
            map.pair::<Mine>(|to| Ok(to.int(1)), |to| Ok(to.int(1)))?;
            let failed = [
                map.pair::<Mine>(|to| Ok(to.int(0)), |_| Err(Mine::Own)),
                map.pair::<Mine>(|_| Err(Mine::Own), |to| Ok(to.nil())),
            ];
            assert_eq!(failed, [Err(Mine::Own), Err(Mine::Own)]);
            map.pair::<Mine>(|to| Ok(to.int(0)), |to| Ok(to.int(2)))
        })
    });
    let same = BTreeMap::from([(1, 1), (0, 2)]);
    let expected = Encoder::standalone(None, |to| {
        to.map(|map| {
            same.iter().try_for_each(|(key, value)| map.pair::<Error>(|to| Ok(to.int(*key)), |to| Ok(to.int(*value))))
        })
    });
    assert_eq!(map.unwrap(), expected.unwrap());
}

#[test]
fn a_part_without_a_name_is_the_only_one() {
    let alone = |builder: KeyBuilder| builder.encoded_alone(None, |to| Ok::<_, Error>(to.int(7))).unwrap();
    let key = alone(KeyBuilder::new("n")).finish().unwrap();
    assert_eq!(key.key(), CallKey::of("n", &7).unwrap().key());
    assert_eq!(alone(KeyBuilder::new("n")).ignored("verbose", &true).finish().unwrap().key(), key.key());
    assert_ne!(alone(KeyBuilder::new("n").function("f")).finish().unwrap().key(), key.key());
    assert_error!(alone(KeyBuilder::new("n")).arg("x", &1).finish(), Error::Invalid { .. });
    assert_error!(alone(KeyBuilder::new("n").arg("x", &1)).finish(), Error::Invalid { .. });
    assert_error!(alone(alone(KeyBuilder::new("n"))).finish(), Error::Invalid { reason: "a part is given once", .. });
    assert_error!(
        KeyBuilder::new("n").encoded("", None, |to| Ok::<_, Error>(to.nil())).unwrap().finish(),
        Error::Invalid { .. }
    );
}

#[test]
fn ignored_parts_are_shown_without_being_hashed_and_a_failure_is_shown_as_nothing() {
    let x = || KeyBuilder::new("n").arg("x", &1);
    let key = x()
        .ignored_encoded("array", |to| to.array(DType::Int16, &[2, 2], Order::C, &[0; 8]))
        .ignored_encoded("bytes", |to| Ok::<_, Error>(to.bytes(&[0; 100])))
        .ignored_encoded("bad", |to| {
            to.list(|list| {
                list.item(|to| Ok::<_, Mine>(to.int(1)))?;
                Err(Mine::Own)
            })
        })
        .finish()
        .unwrap();
    assert_eq!(key.key(), x().finish().unwrap().key());
    let ignored = key.parts().get("(ignored)").unwrap();
    assert_eq!(ignored.get("array"), Some(&Tree::from("int16 array of shape [2, 2]")));
    assert_eq!(ignored.get("bytes"), Some(&Tree::from("100 bytes")));
    assert_eq!(ignored.get("bad"), Some(&Tree::Nil));
}

#[test]
fn the_path_of_a_file_is_shown_where_the_part_is_nothing_else_and_is_no_part_of_the_key() {
    let content = Digest::of(b"abc");
    let file = |path| {
        KeyBuilder::new("n").encoded("f", None, |to| Ok::<_, Error>(to.file(&content, path))).unwrap().finish().unwrap()
    };
    let (here, nowhere) = (file(Some("a/b")), file(None));
    assert_eq!(here.key(), nowhere.key());
    assert_eq!(here.key(), KeyBuilder::new("n").digest("f", content).finish().unwrap().key());
    assert_eq!(here.parts().get("f").unwrap().get("path"), Some(&Tree::from("a/b")));
    assert_eq!(nowhere.parts().get("f").unwrap().get("path"), None);
    let inside = KeyBuilder::new("n").encoded("f", None, |to| {
        to.map(|map| map.pair(|to| Ok::<_, Error>(to.text("k")), |to| Ok(to.file(&content, Some("a/b")))))
    });
    assert_eq!(inside.unwrap().finish().unwrap().parts().get("f").unwrap().get("path"), None);
}

#[test]
fn the_digest_of_a_file_is_that_of_its_bytes() {
    let dir = Dir::new();
    std::fs::write(dir.beside("file"), noise(100_000, 1)).unwrap();
    assert_eq!(Digest::of_file(dir.beside("file")).unwrap(), Digest::of(&noise(100_000, 1)));
    assert_error!(Digest::of_file(dir.beside("")), Error::Io { .. });
}
