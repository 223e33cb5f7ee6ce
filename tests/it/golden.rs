//! The golden vectors, read through the public interface: what once was written is read for ever.

use std::path::{Path, PathBuf};

use ndarray::Array1;
use ndstash::{Digest, Key, Store, Tree};
use serde_json::Value;

use crate::common::{Dir, PUBLISHED_NS, chmod, hex, set_modified_ns, verify};

fn vectors_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn vectors() -> Value {
    serde_json::from_slice(&std::fs::read(vectors_dir().join("vectors.json")).unwrap()).unwrap()
}

fn pattern(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

fn size(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn names_make_the_keys_they_always_made() {
    let listed = vectors();
    let names = listed["names"].as_array().unwrap();
    assert!(names.len() >= 12);
    for item in names {
        let name = item["name"].as_str().unwrap();
        assert_eq!(Key::from_name(name).unwrap().to_string(), item["key"].as_str().unwrap(), "{name}");
        let derived = blake3::derive_key("ndstash 0 entry name", name.as_bytes());
        assert_eq!(Key::from_name(name).unwrap().as_bytes(), &derived, "{name}");
    }
}

#[test]
fn blobs_lie_under_the_names_they_always_had() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let listed = vectors();
    for item in listed["blobs"].as_array().unwrap() {
        let bytes = pattern(size(&item["bytes"]));
        let mut writer = store.writer();
        let value = writer.bytes_from_reader(&bytes[..]).unwrap();
        writer.put(&item["digest"].to_string(), value).unwrap();
        let digest: Digest = item["digest"].as_str().unwrap().parse().unwrap();
        assert_eq!(Digest::of(&bytes), digest, "{item}");
        if !bytes.is_empty() {
            assert_eq!(std::fs::read(dir.blob(&digest)).unwrap(), bytes, "{item}");
        }
    }
    assert_eq!(dir.blob_names().len(), listed["blobs"].as_array().unwrap().len() - 1, "no byte needs no blob");
}

/// A store of nothing but the vectors and the blobs that they need.
fn store_of_vectors(dir: &Dir, listed: &Value) -> Store {
    let store = dir.store();
    for item in listed["manifests"].as_array().unwrap() {
        for blob in item["blobs"].as_array().unwrap() {
            let path = dir.blob(&blob["digest"].as_str().unwrap().parse().unwrap());
            std::fs::write(&path, pattern(size(&blob["bytes"]))).unwrap();
            chmod(&path, 0o444);
            set_modified_ns(&path, PUBLISHED_NS);
        }
        let entry = dir.entry(item["key"].as_str().unwrap().parse().unwrap());
        std::fs::copy(vectors_dir().join(item["file"].as_str().unwrap()), entry).unwrap();
    }
    store
}

#[test]
fn manifests_say_what_they_always_said() {
    let dir = Dir::new();
    let listed = vectors();
    let store = store_of_vectors(&dir, &listed);
    let manifests = listed["manifests"].as_array().unwrap();
    assert_eq!(store.count().unwrap(), manifests.len() as u64);
    for item in manifests {
        let what = item["file"].as_str().unwrap();
        let key: Key = item["key"].as_str().unwrap().parse().unwrap();
        let entry = store.entry(key).unwrap().unwrap();
        assert_eq!(entry.name(), item["name"].as_str(), "{what}");
        assert_eq!(entry.created(), item["created"].as_i64().unwrap(), "{what}");
        facts_are_as_listed(&entry, item, what);
        assert_eq!(entry.tags(), item["tags"].as_array().unwrap().as_slice(), "{what}");
        assert_eq!(entry.meta().len(), keys_of(&item["meta"]), "{what}");
        let blobs: Vec<(String, usize)> =
            entry.blobs().map(|(digest, len)| (digest.to_string(), usize::try_from(len).unwrap())).collect();
        let expected: Vec<(String, usize)> = item["blobs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|blob| (blob["digest"].as_str().unwrap().to_owned(), size(&blob["bytes"])))
            .collect();
        assert_eq!(blobs, expected, "{what}");
        arrays_are_as_listed(&entry, item, what);
    }
    let digests = listed["manifests"].as_array().unwrap().iter().flat_map(|item| item["blobs"].as_array().unwrap());
    assert_eq!(dir.blob_names().len(), digests.count());
    assert!(verify(&store).problems.is_empty());
}

fn facts_are_as_listed(entry: &ndstash::Entry, item: &Value, what: &str) {
    assert_eq!(entry.encoding(), item["encoding"].as_str().unwrap(), "{what}");
    assert_eq!(entry.sequence(), item["sequence"].as_u64().unwrap(), "{what}");
    assert_eq!(entry.expires(), item["expires"].as_i64(), "{what}");
    assert_eq!(entry.is_pinned(), item["pinned"].as_bool().unwrap(), "{what}");
    let compute_ns = entry.compute_time().map_or(0, |time| u64::try_from(time.as_nanos()).unwrap());
    assert_eq!(compute_ns, item["compute_ns"].as_u64().unwrap(), "{what}");
    let origin = &item["origin"];
    let found = [entry.namespace(), entry.function(), entry.version(), entry.host(), entry.user()];
    let names = ["namespace", "function", "version", "host", "user"];
    assert_eq!(found, names.map(|name| origin[name].as_str()), "{what}");
    assert_eq!(entry.key_parts().is_some(), !origin["key"].is_null(), "{what}");
}

fn keys_of(map: &Value) -> usize {
    map.get("$map").map_or_else(|| map.as_object().unwrap().len(), |pairs| pairs.as_array().unwrap().len())
}

fn arrays_are_as_listed(entry: &ndstash::Entry, item: &Value, what: &str) {
    let expected = item["arrays"].as_array().unwrap();
    assert_eq!(entry.stored_arrays().len(), expected.len(), "{what}");
    for ((stored, info), expected) in entry.stored_arrays().iter().zip(entry.arrays()).zip(expected) {
        let what = format!("{what}: {expected}");
        assert_eq!(stored.dtype().name(), expected["dtype"].as_str().unwrap(), "{what}");
        let shape: Vec<u64> =
            expected["shape"].as_array().unwrap().iter().map(|extent| extent.as_u64().unwrap()).collect();
        assert_eq!(stored.shape(), shape, "{what}");
        assert_eq!(format!("{:?}", stored.order()), expected["order"].as_str().unwrap(), "{what}");
        assert_eq!(info.inline, expected.get("inline").is_some(), "{what}");
        let bytes = stored.to_bytes().unwrap();
        assert_eq!(bytes.len(), size(&expected["bytes"]), "{what}");
        match expected.get("hex") {
            Some(expected) => assert_eq!(hex(&bytes), *expected, "{what}"),
            None => assert_eq!(bytes, pattern(bytes.len()), "{what}"),
        }
    }
}

#[test]
fn a_blob_of_no_byte_is_read_and_mapped() {
    let dir = Dir::new();
    drop(store_of_vectors(&dir, &vectors()));
    let empty: Digest = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262".parse().unwrap();
    assert!(dir.blob(&empty).exists());
    for store in [dir.store(), dir.mapped()] {
        let bundle = store.entry("\u{65e5}\u{672c}\u{8a9e}").unwrap().unwrap();
        let stored = bundle.field("empty").unwrap();
        assert_eq!((stored.digest(), stored.len_bytes(), stored.shape()), (empty, 0, &[3, 0][..]));
        assert_eq!(stored.to_array::<u8, ndarray::Ix2>().unwrap().dim(), (3, 0));
        assert_eq!(stored.map::<u8, ndarray::Ix2>().unwrap().dim(), (3, 0));
        let mut written = Vec::new();
        stored.write_to(&mut written).unwrap();
        assert!(written.is_empty());
    }
    assert_eq!(dir.store().gc(&ndstash::GcOptions::new()).unwrap().blobs_removed, 0);
}

#[test]
fn trees_of_the_vectors_are_decoded_node_for_node() {
    let dir = Dir::new();
    let store = store_of_vectors(&dir, &vectors());
    let of = |name: &str| store.info(name).unwrap().unwrap();

    let integers = of("\u{1f980}\u{200d}\u{1f30a}").meta()["integers"].clone();
    let Tree::List(integers) = integers else { panic!("{integers:?}") };
    assert!(integers.contains(&Tree::Int(i64::MIN)) && integers.contains(&Tree::UInt(u64::MAX)));
    assert_eq!(integers[..4], [0, 127, 128, 255].map(Tree::Int));

    let Tree::List(nodes) = of("\u{1f980}\u{200d}\u{1f30a}").tree().clone() else { panic!() };
    let Tree::Map(odd) = nodes.last().unwrap() else { panic!() };
    let keys: Vec<&Tree> = odd.iter().map(|(key, _)| key).collect();
    assert_eq!(keys[..3], [&Tree::Nil, &Tree::Bool(true), &Tree::Float(1.0)]);
    assert!(matches!(keys[6], Tree::Array(_)), "even an array may be a key");

    let bundle = store.entry("\u{65e5}\u{672c}\u{8a9e}").unwrap().unwrap();
    assert_eq!(bundle.field("text").unwrap().to_bytes().unwrap(), [0, 1, 2, 3, 4]);
    assert!(matches!(bundle.tree().get("file"), Some(Tree::Payload(_))));
    assert!(matches!(bundle.tree().get("same as array"), Some(Tree::Array(_))));
    let types = store.entry("caf\u{e9}").unwrap().unwrap();
    let int32 = types.field("int32").unwrap().to_array::<i32, ndarray::Ix2>().unwrap();
    assert_eq!(int32[[0, 0]], 0x0302_0100);
    assert!(types.field("bool").unwrap().to_array::<bool, ndarray::Ix2>().unwrap()[[0, 1]]);
}

#[test]
fn the_settings_of_the_vectors_open_a_shared_store() {
    let dir = Dir::new();
    drop(dir.store());
    chmod(&dir.inside("ndstash.toml"), 0o644);
    std::fs::copy(vectors_dir().join("settings.toml"), dir.inside("ndstash.toml")).unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(store.is_shared());
    for (len, inline) in [(1024, true), (1025, false)] {
        store.put("x", &Array1::from(pattern(len))).unwrap();
        assert_eq!(store.info("x").unwrap().unwrap().arrays()[0].inline, inline, "{len}");
    }
    let (limits, listed) = (store.limits().unwrap(), &vectors()["settings"]["limits"]);
    let numbers = [limits.bytes, limits.entries, limits.age];
    assert_eq!(numbers, ["bytes", "entries", "age"].map(|name| listed[name].as_u64()));
    assert_eq!((limits.policy, &listed["policy"]), (ndstash::Policy::Cost, &"cost".into()));
}

#[test]
fn the_ledger_of_the_vectors_is_continued() {
    let dir = Dir::new();
    let store = dir.store();
    let bytes = std::fs::read(vectors_dir().join("ledger.bin")).unwrap();
    std::fs::write(dir.inside("ledger"), &bytes).unwrap();
    store.put("x", &Array1::from(pattern(10))).unwrap();
    let entries = u64::from_le_bytes(std::fs::read(dir.inside("ledger")).unwrap()[24..32].try_into().unwrap());
    assert_eq!(entries, vectors()["ledger"]["entries"].as_u64().unwrap() + 1);
    let sequence = store.info("x").unwrap().unwrap().sequence();
    assert!(sequence > vectors()["ledger"]["sequence"].as_u64().unwrap());
}
