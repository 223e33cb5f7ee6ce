//! Entries: put, get, remove, rename, copy, list, labels, and that nobody sees half of a change or loses one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use ndarray::{Array1, Ix1};
use ndstash::{Digest, Error, Key, Store, Tree};

use crate::common::{Dir, assert_error, bytes_array, load, modified_ns, noise, set_modified_ns, tree_map};

const MINUTE_NS: i64 = 60_000_000_000;

fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

fn put_number(store: &Store, name: &str, number: i64) {
    store.put(name, &Array1::from(vec![number])).unwrap();
}

fn number(store: &Store, name: &str) -> Option<i64> {
    let entry = store.entry(name).unwrap()?;
    Some(entry.array().unwrap().to_array::<i64, Ix1>().unwrap()[0])
}

fn names(store: &Store, prefix: &str) -> BTreeSet<String> {
    store.entries(prefix).map(|info| info.unwrap().label()).collect()
}

#[test]
fn an_entry_is_there_from_put_to_remove() {
    let dir = Dir::new();
    let store = dir.store();
    assert_eq!((number(&store, "x"), store.contains("x").unwrap(), store.count().unwrap()), (None, false, 0));
    put_number(&store, "x", 1);
    put_number(&store, "y", 2);
    assert_eq!((number(&store, "x"), number(&store, "y")), (Some(1), Some(2)));
    assert!(store.contains("x").unwrap());
    assert_eq!(store.count().unwrap(), 2);
    put_number(&store, "x", 3);
    assert_eq!((number(&store, "x"), store.count().unwrap()), (Some(3), 2));
    assert!(store.remove("x").unwrap());
    assert!(!store.remove("x").unwrap());
    assert_eq!((number(&store, "x"), store.contains("x").unwrap(), store.count().unwrap()), (None, false, 1));
    assert_eq!(number(&Store::open(dir.path()).unwrap(), "y"), Some(2), "another handle sees the same");
}

#[test]
fn names_are_any_text_and_keys_any_32_bytes() {
    let dir = Dir::new();
    let store = dir.store();
    let long = "\u{2603}".repeat(341) + "x"; // 1024 bytes
    let composed = "caf\u{e9}";
    let decomposed = "cafe\u{301}";
    let all =
        ["a/b/c", "/", "..", "../../etc/passwd", " ", composed, decomposed, "\u{1f980}", "\u{200b}", "CON", &long];
    for (at, name) in (0..).zip(all) {
        put_number(&store, name, at);
    }
    for (at, name) in (0..).zip(all) {
        assert_eq!(number(&store, name), Some(at), "{name}");
        assert_eq!(store.info(name).unwrap().unwrap().name(), Some(name));
    }
    let key = Key::from_bytes([0xab; 32]);
    store.put(key, &bytes_array(10, 1)).unwrap();
    let info = store.info(key).unwrap().unwrap();
    assert_eq!((info.name(), info.key(), info.label()), (None, key, "ab".repeat(32)));
    assert_eq!(store.count().unwrap(), all.len() as u64 + 1);
    let expected: BTreeSet<String> = all.iter().map(ToString::to_string).chain(["ab".repeat(32)]).collect();
    assert_eq!(names(&store, ""), expected);
    assert!(!dir.beside("etc").exists() && !dir.inside("a").exists(), "no name becomes a path");
}

#[test]
fn the_key_of_a_name_leads_to_the_same_entry() {
    let dir = Dir::new();
    let store = dir.store();
    put_number(&store, "x", 1);
    let key = Key::from_name("x").unwrap();
    assert_eq!(store.info(key).unwrap().unwrap().name(), Some("x"));
    store.put(key, &Array1::from(vec![2_i64])).unwrap();
    assert_eq!(number(&store, "x"), Some(2), "the last put under a key counts");
    assert_eq!(store.info("x").unwrap().unwrap().name(), None);
    assert_eq!(store.count().unwrap(), 1);
}

#[test]
fn a_name_that_cannot_be_is_refused_by_every_method_and_changes_nothing() {
    let dir = Dir::new();
    let store = dir.store();
    put_number(&store, "x", 1);
    let long = "x".repeat(1025);
    for name in ["", "a\nb", "\0", "\u{7f}", "\u{9f}", &long] {
        let refused = |error: Error| {
            assert!(matches!(error, Error::Invalid { what: "name", .. }), "{error:?}");
            assert!(error.to_string().len() < 1200);
        };
        refused(store.put(name, &bytes_array(9, 1)).unwrap_err());
        refused(store.entry(name).unwrap_err());
        refused(store.info(name).unwrap_err());
        refused(store.contains(name).unwrap_err());
        refused(store.remove(name).unwrap_err());
        refused(store.rename("x", name, true).unwrap_err());
        refused(store.copy(name, "y", true).unwrap_err());
        refused(store.relabel(name, |_| ()).unwrap_err());
        refused(store.update(name, |_, _| Ok::<_, Error>(Some(Tree::Nil))).unwrap_err());
    }
    assert_eq!(names(&store, ""), BTreeSet::from(["x".to_owned()]));
}

#[test]
fn listing_takes_a_prefix_and_leaves_out_what_has_no_name() {
    let dir = Dir::new();
    let store = dir.store();
    for i in 0..40 {
        put_number(&store, &format!("run/{i:02}"), i);
    }
    put_number(&store, "runs", 1);
    store.put(Key::from_bytes([1; 32]), &bytes_array(1, 1)).unwrap();
    assert_eq!(names(&store, "run/").len(), 40);
    assert_eq!(names(&store, "run/1"), (10..20).map(|i| format!("run/{i}")).collect());
    assert_eq!(names(&store, "run").len(), 41);
    assert_eq!(names(&store, "").len(), 42);
    assert!(names(&store, "none").is_empty());
    assert_eq!(store.entries("").map(|info| info.unwrap().key()).collect::<BTreeSet<_>>().len(), 42, "each once");
}

#[test]
fn an_entry_that_cannot_be_read_is_one_item_of_the_listing() {
    let dir = Dir::new();
    let store = dir.store();
    (0..5).for_each(|i| put_number(&store, &format!("e{i}"), i));
    crate::common::rot(&dir.entry_named("e3"), |bytes| bytes[200] ^= 1);
    let (good, bad): (Vec<_>, Vec<_>) = store.entries("").partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (4, 1));
    let error = bad.into_iter().next().unwrap().unwrap_err();
    assert!(error.is_damage() && error.path() == Some(&dir.entry_named("e3")), "{error}");
}

#[test]
fn add_puts_only_where_nothing_is() {
    let dir = Dir::new();
    let store = dir.store();
    let add = |number: i64| {
        let mut writer = store.writer();
        let value = writer.array(&Array1::from(vec![number])).unwrap();
        writer.add("x", value).unwrap()
    };
    assert!(!add(1).unwrap().replaced);
    assert_eq!(add(2), None);
    assert_eq!(number(&store, "x"), Some(1));
    store.remove("x").unwrap();
    assert!(add(3).is_some());
    assert_eq!(number(&store, "x"), Some(3));
}

#[test]
fn of_several_who_add_one_succeeds() {
    let dir = Dir::new();
    let store = dir.store();
    for round in 0..20 {
        let name = format!("x{round}");
        let added: Vec<bool> = std::thread::scope(|scope| {
            let add = |number: i64| {
                let (store, name) = (store.clone(), name.clone());
                scope.spawn(move || {
                    let mut writer = store.writer();
                    let value = writer.array(&Array1::from(vec![number])).unwrap();
                    writer.add(&name, value).unwrap().is_some()
                })
            };
            let threads: Vec<_> = (0..4).map(add).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(added.iter().filter(|&&added| added).count(), 1, "{added:?}");
        let winner = added.iter().position(|&added| added).unwrap();
        assert_eq!(number(&store, &name), Some(i64::try_from(winner).unwrap()));
    }
}

#[test]
fn updates_from_four_threads_lose_nothing() {
    let dir = Dir::new();
    let store = dir.store();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = if thread % 2 == 0 { store.clone() } else { Store::open(dir.path()).unwrap() };
            scope.spawn(move || (0..25).for_each(|_| increment(&store)));
        }
    });
    assert_eq!(number(&store, "counter"), Some(100));
    assert_eq!(store.count().unwrap(), 1);
}

fn increment(store: &Store) {
    let report = store.update("counter", |entry, writer| {
        let old = match entry {
            Some(entry) => entry.array().unwrap().to_array::<i64, Ix1>()?[0],
            None => 0,
        };
        writer.array(&Array1::from(vec![old + 1])).map(Some)
    });
    assert!(report.unwrap().is_some());
}

/// An error of the caller's own.
#[derive(Debug)]
struct Mine;

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        panic!("{error}")
    }
}

#[test]
fn an_update_may_decline_or_fail_and_then_changes_nothing() {
    let dir = Dir::new();
    let store = dir.store();
    put_number(&store, "x", 1);
    let before = std::fs::read(dir.entry_named("x")).unwrap();
    assert_eq!(store.update("x", |_, _| Ok::<_, Error>(None)).unwrap(), None);
    assert!(matches!(store.update("x", |_, _| Err(Mine)), Err(Mine)));
    assert_eq!(std::fs::read(dir.entry_named("x")).unwrap(), before);
    assert_eq!(store.update("none", |entry, _| Ok::<_, Error>(entry.map(|_| Tree::Nil))).unwrap(), None);
    assert!(!store.contains("none").unwrap());
}

/// How much a reader must have seen before a writer stops: less would prove nothing.
const ENOUGH: u64 = 20;

/// Reads until told to stop; counts the changes it sees.
fn follow(store: &Store, done: &AtomicBool, seen: &AtomicU64) {
    let mut last = 0;
    while !done.load(Ordering::Relaxed) {
        let entry = store.entry("x").unwrap().expect("the entry is never missing");
        let Some(&Tree::Int(generation)) = entry.tree().get("n") else { panic!("{:?}", entry.tree()) };
        let seed = generation.cast_unsigned();
        assert!(entry.field("first").unwrap().to_bytes().unwrap() == noise(3000, seed));
        assert!(entry.field("second").unwrap().to_bytes().unwrap() == noise(4000, seed));
        assert!(generation >= last, "time does not go back");
        seen.fetch_add(u64::from(generation > last), Ordering::Relaxed);
        last = generation;
    }
}

#[test]
fn a_reader_sees_the_old_or_the_new_value_and_never_an_error() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    // Each value is two arrays that belong together: a mix of two values would show.
    let put = |generation: u64| {
        let mut writer = store.writer();
        let first = writer.array(&bytes_array(3000, generation)).unwrap();
        let second = writer.array(&bytes_array(4000, generation)).unwrap();
        let value = tree_map([("first", first), ("second", second), ("n", Tree::Int(generation.cast_signed()))]);
        writer.put("x", value).unwrap();
    };
    put(0);
    let (done, seen) = (AtomicBool::new(false), [AtomicU64::new(0), AtomicU64::new(0)]);
    let (plain, mapped) = (store.clone(), dir.mapped());
    std::thread::scope(|scope| {
        let readers =
            [scope.spawn(|| follow(&plain, &done, &seen[0])), scope.spawn(|| follow(&mapped, &done, &seen[1]))];
        let enough = || seen.iter().all(|seen| seen.load(Ordering::Relaxed) >= ENOUGH);
        let failed = || readers.iter().any(ScopedJoinHandle::is_finished);
        let mut generation = 0;
        while generation < 300 || !(enough() || failed()) {
            generation += 1;
            put(generation);
            if generation % 50 == 0 {
                store.gc(&ndstash::GcOptions::new()).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn renaming_moves_value_labels_and_time_of_creation() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let mut writer = store.writer();
    writer.tag("t").meta("k", 1.5);
    let value = writer.array(&bytes_array(2000, 1)).unwrap();
    writer.put("old", value).unwrap();
    let before = store.info("old").unwrap().unwrap();
    assert!(store.rename("old", "new", false).unwrap());
    assert!(!store.contains("old").unwrap());
    let after = store.info("new").unwrap().unwrap();
    assert_eq!((after.name(), after.key()), (Some("new"), Key::from_name("new").unwrap()));
    assert_eq!((after.created(), after.tags(), after.meta()), (before.created(), before.tags(), before.meta()));
    assert_eq!(load(&store, "new").unwrap().unwrap(), noise(2000, 1));
    assert_eq!(store.count().unwrap(), 1);

    let key = Key::from_bytes([9; 32]);
    assert!(store.rename("new", key, false).unwrap());
    assert_eq!(store.info(key).unwrap().unwrap().name(), None);
    assert!(store.rename(key, "again", false).unwrap());
    assert_eq!(load(&store, "again").unwrap().unwrap(), noise(2000, 1));
    assert!(!store.rename("none", "other", false).unwrap());
    assert!(store.rename("again", "again", false).unwrap(), "onto itself: nothing is to be done");
    assert_eq!(names(&store, ""), BTreeSet::from(["again".to_owned()]));
}

#[test]
fn renaming_and_copying_onto_an_entry_is_refused_unless_it_is_to_be_replaced() {
    let dir = Dir::new();
    let store = dir.store();
    ["a", "b"].iter().zip(1..).for_each(|(name, at)| put_number(&store, name, at));
    for done in [store.rename("a", "b", false), store.copy("a", "b", false)] {
        assert_error!(done, Error::Invalid { what: "name", given, .. } if given == "b");
    }
    assert_eq!((number(&store, "a"), number(&store, "b")), (Some(1), Some(2)));
    assert!(store.copy("a", "b", true).unwrap());
    assert_eq!((number(&store, "a"), number(&store, "b")), (Some(1), Some(1)));
    put_number(&store, "b", 3);
    assert!(store.rename("b", "a", true).unwrap());
    assert_eq!((number(&store, "a"), number(&store, "b")), (Some(3), None));
}

#[test]
fn a_copy_shares_its_blobs_and_goes_its_own_way() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    store.put("a", &bytes_array(2000, 1)).unwrap();
    assert!(store.copy("a", "b", false).unwrap());
    assert_eq!(dir.blob_names().len(), 1);
    assert_eq!(store.info("a").unwrap().unwrap().created(), store.info("b").unwrap().unwrap().created());
    store.put("a", &bytes_array(2000, 2)).unwrap();
    store.gc(&ndstash::GcOptions::new()).unwrap();
    assert_eq!(load(&store, "b").unwrap().unwrap(), noise(2000, 1));
    assert_eq!(load(&store, "a").unwrap().unwrap(), noise(2000, 2));
    assert!(!store.copy("none", "c", false).unwrap());
}

#[test]
fn while_an_entry_is_renamed_one_of_both_names_is_always_there() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    store.put("0", &bytes_array(2000, 1)).unwrap();
    let (done, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // The name may go between the two looks, and come back: only many misses in a row count.
                let found = (0..5).any(|_| ["0", "1", "0"].iter().any(|name| load(&store, name).unwrap().is_some()));
                assert!(found);
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut round = 0;
        while round < 200 || !(rounds.load(Ordering::Relaxed) >= ENOUGH || reader.is_finished()) {
            let (from, to) = if round % 2 == 0 { ("0", "1") } else { ("1", "0") };
            assert!(store.rename(from, to, false).unwrap());
            round += 1;
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn relabelling_keeps_value_and_time_of_creation() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    store.put("x", &bytes_array(2000, 1)).unwrap();
    let before = store.info("x").unwrap().unwrap();
    let changed = store.relabel("x", |labels| {
        labels.tags = vec!["b".into(), "a".into(), "b".into(), String::new()];
        labels.meta.insert("k".into(), Tree::List(vec![Tree::Nil, Tree::Bool(false)]));
    });
    assert!(changed.unwrap());
    let after = store.info("x").unwrap().unwrap();
    assert_eq!(after.tags(), ["b", "a", "b", ""]);
    assert_eq!(after.meta()["k"], Tree::List(vec![Tree::Nil, Tree::Bool(false)]));
    assert_eq!((after.created(), after.tree()), (before.created(), before.tree()));
    assert_eq!(after.blobs().collect::<Vec<_>>(), before.blobs().collect::<Vec<_>>());
    assert_eq!(load(&store, "x").unwrap().unwrap(), noise(2000, 1));
    assert!(!store.relabel("none", |_| panic!("there is nothing to relabel")).unwrap());
}

#[test]
fn relabelling_from_four_threads_loses_nothing() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    store.put("x", &bytes_array(2000, 1)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for i in 0..10 {
                    assert!(store.relabel("x", |labels| labels.tags.push(format!("{thread}.{i}"))).unwrap());
                }
            });
        }
    });
    let tags: BTreeSet<String> = store.info("x").unwrap().unwrap().tags().iter().cloned().collect();
    assert_eq!(tags.len(), 40);
}

#[test]
fn metadata_and_values_may_be_any_tree() {
    let dir = Dir::new();
    let store = dir.store();
    let nested = Tree::Map(vec![
        ("list".into(), Tree::List(vec![Tree::Nil, Tree::Bool(true), Tree::Int(i64::MIN), Tree::UInt(u64::MAX)])),
        (Tree::Int(-3), Tree::Bytes(vec![0, 0xff])),
        (Tree::Bool(true), Tree::Float(-0.0)),
        (Tree::Nil, Tree::Map(vec![("deep".into(), Tree::List(vec![Tree::List(vec![])]))])),
        ("\u{fc}n\u{ef}".into(), Tree::Float(f64::INFINITY)),
    ]);
    let mut writer = store.writer();
    writer.tag("one").tag("zwei \u{fc}").meta("tree", nested.clone()).meta("", 1).meta("again", 1).meta("again", 2);
    let array = writer.array(&bytes_array(3, 1)).unwrap();
    let value = Tree::List(vec![array.clone(), nested.clone(), array]);
    writer.put("x", value.clone()).unwrap();
    let info = store.info("x").unwrap().unwrap();
    assert_eq!(info.tags(), ["one", "zwei \u{fc}"]);
    let meta = BTreeMap::from([("tree".into(), nested), (String::new(), Tree::Int(1)), ("again".into(), Tree::Int(2))]);
    assert_eq!(info.meta(), &meta);
    assert_eq!(info.tree(), &value);
    assert_eq!(info.arrays().len(), 1, "one array that is named twice");

    let nan = f64::from_bits(0x7ff8_0000_0000_0bad);
    store.writer().put("nan", Tree::Float(nan)).unwrap();
    let info = store.info("nan").unwrap().unwrap();
    let Tree::Float(back) = info.tree() else { panic!("{info:?}") };
    assert_eq!(back.to_bits(), nan.to_bits());
    assert!(store.entry("nan").unwrap().unwrap().array().is_none());
}

#[test]
fn trees_that_name_arrays_of_others_are_refused() {
    let dir = Dir::new();
    let store = dir.store();
    let mut other = store.writer();
    let node = other.array(&bytes_array(3, 1)).unwrap();
    assert_error!(store.writer().put("x", node.clone()), Error::Invalid { what: "value", .. });
    let mut writer = store.writer();
    writer.meta("k", node.clone());
    writer.array(&bytes_array(3, 1)).unwrap();
    assert_error!(writer.put("x", Tree::Nil), Error::Invalid { what: "metadata", given, .. } if given == "k");
    store.writer().put("x", Tree::Nil).unwrap();
    let relabelled = store.relabel("x", |labels| drop(labels.meta.insert("k".into(), node.clone())));
    assert_error!(relabelled, Error::Invalid { what: "metadata", .. });
    assert!(store.info("x").unwrap().unwrap().meta().is_empty());
}

#[test]
fn an_entry_is_removed_only_if_it_is_still_the_one_that_was_judged() {
    let dir = Dir::new();
    let store = dir.store();
    put_number(&store, "x", 1);
    let judged = store.info("x").unwrap().unwrap();
    put_number(&store, "x", 1); // the same value, but another entry
    assert!(!store.remove_if(&judged).unwrap());
    assert_eq!(number(&store, "x"), Some(1));
    let judged = store.info("x").unwrap().unwrap();
    store.relabel("x", |labels| labels.tags.push("keep".into())).unwrap();
    assert!(!store.remove_if(&judged).unwrap());
    let judged = store.info("x").unwrap().unwrap();
    assert!(store.remove_if(&judged).unwrap());
    assert!(!store.remove_if(&judged).unwrap());
    assert_eq!(store.count().unwrap(), 0);
}

#[test]
fn the_report_of_a_put_says_what_was_written() {
    let dir = Dir::new();
    let store = dir.store();
    let put = || {
        let mut writer = store.writer();
        let parts = vec![
            writer.array(&bytes_array(100_000, 1)).unwrap(),
            writer.array(&bytes_array(100_000, 1)).unwrap(), // the same again: one blob
            writer.array(&bytes_array(200_000, 2)).unwrap(),
            writer.array(&bytes_array(500, 3)).unwrap(),
            writer.bytes(&noise(70, 4)).unwrap(),
        ];
        writer.put("x", Tree::List(parts)).unwrap()
    };
    let first = put();
    assert_eq!((first.key, first.replaced), (Key::from_name("x").unwrap(), false));
    assert_eq!((first.new_blobs, first.new_bytes), (2, 300_000));
    assert_eq!((first.shared_blobs, first.shared_bytes, first.inline_bytes), (0, 0, 570));
    let second = put();
    assert!(second.replaced);
    assert_eq!((second.new_blobs, second.new_bytes), (0, 0));
    assert_eq!((second.shared_blobs, second.shared_bytes, second.inline_bytes), (2, 300_000, 570));

    let info = store.info("x").unwrap().unwrap();
    assert_eq!(info.logical_bytes(), 400_570);
    assert_eq!(info.manifest_bytes(), std::fs::metadata(dir.entry_named("x")).unwrap().len());
    let blobs: BTreeMap<Digest, u64> = info.blobs().collect();
    let expected = [(Digest::of(&noise(100_000, 1)), 100_000), (Digest::of(&noise(200_000, 2)), 200_000)];
    assert_eq!(blobs, expected.into());
}

#[test]
fn usage_adds_up() {
    let dir = Dir::new();
    let store = dir.store();
    for (name, seed) in [("a/1", 1), ("a/2", 1), ("b", 2), ("gone", 3)] {
        store.put(name, &bytes_array(100_000, seed)).unwrap();
    }
    store.put("small", &bytes_array(50, 4)).unwrap();
    store.remove("gone").unwrap();
    let usage = store.usage().unwrap();
    assert_eq!((usage.entries, usage.logical_bytes, usage.inline_bytes), (4, 300_050, 50));
    assert_eq!((usage.blobs, usage.blob_bytes), (3, 300_000));
    assert_eq!((usage.live_blobs, usage.live_bytes), (2, 200_000));
    assert_eq!((usage.garbage_blobs, usage.garbage_bytes, usage.saved_bytes), (1, 100_000, 100_000));
    let manifests: u64 = store.entries("").map(|info| info.unwrap().manifest_bytes()).sum();
    assert_eq!(usage.manifest_bytes, manifests);
    assert_eq!((usage.quarantine_files, usage.leftover_files), (0, 0));

    let du = store.du("a/").unwrap();
    assert_eq!(du.iter().map(|item| item.label.as_str()).collect::<Vec<_>>(), ["a/1", "a/2"]);
    assert!(du.iter().all(|item| item.shared_bytes == 100_000 && item.logical_bytes == 100_000));
    let alone = &store.du("b").unwrap()[0];
    assert_eq!((alone.shared_bytes, alone.logical_bytes), (0, 100_000));
    assert_eq!(alone.exclusive_bytes, 100_000 + store.info("b").unwrap().unwrap().manifest_bytes());

    let digest = Digest::of(&noise(100_000, 1));
    let keepers: BTreeSet<String> = store.why(&digest).unwrap().iter().map(ndstash::EntryInfo::label).collect();
    assert_eq!(keepers, BTreeSet::from(["a/1".to_owned(), "a/2".to_owned()]));
    assert!(store.why(&Digest::of(&noise(100_000, 3))).unwrap().is_empty());
    assert_eq!(store.resolve(&digest.to_string()[..9]).unwrap(), [digest]);
    assert_eq!(store.resolve(&digest.to_string()).unwrap(), [digest]);
    assert!(store.resolve(&digest.to_string()[..1]).unwrap().contains(&digest));
    for bad in ["", "g", "AB", &"0".repeat(65)] {
        assert_error!(store.resolve(bad), Error::Invalid { what: "digest", .. });
    }
}

#[test]
fn the_time_of_last_use_is_noted_once_a_minute() {
    let dir = Dir::new();
    let store = dir.store();
    put_number(&store, "x", 1);
    let path = dir.entry_named("x");
    let recent = now_ns() - MINUTE_NS / 2;
    set_modified_ns(&path, recent);
    assert_eq!(number(&store, "x"), Some(1));
    assert_eq!(modified_ns(&path), recent, "half a minute is not worth a write");

    let old = now_ns() - 120 * MINUTE_NS;
    set_modified_ns(&path, old);
    assert_eq!(store.info("x").unwrap().unwrap().last_used(), old / 1_000_000_000);
    assert_eq!(modified_ns(&path), old, "looking is no use");
    let before = now_ns();
    assert_eq!(number(&store, "x"), Some(1));
    // The kernel stamps files by a clock of a few milliseconds.
    assert!(modified_ns(&path) >= before - 20_000_000, "{} {before}", modified_ns(&path));
    assert!(store.info("x").unwrap().unwrap().last_used() >= before / 1_000_000_000 - 1);
}

#[test]
fn the_time_of_creation_is_that_of_the_put() {
    let dir = Dir::new();
    let store = dir.store();
    let before = now_ns();
    put_number(&store, "x", 1);
    let created = store.info("x").unwrap().unwrap().created();
    assert!((before..=now_ns()).contains(&created));
    put_number(&store, "x", 2);
    assert!(store.info("x").unwrap().unwrap().created() > created);
}

#[test]
fn an_entry_whose_blob_is_missing_is_a_miss_until_it_is_put_again() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    store.put("x", &bytes_array(3000, 1)).unwrap();
    std::fs::remove_file(dir.blob(&Digest::of(&noise(3000, 1)))).unwrap();
    assert!(store.entry("x").unwrap().is_none());
    assert!(!store.contains("x").unwrap());
    assert!(store.info("x").unwrap().is_some(), "what it says of itself is still known");
    assert!(!store.copy("x", "y", false).unwrap());
    assert!(!store.rename("x", "y", false).unwrap());
    assert!(!store.relabel("x", |_| ()).unwrap());
    let updated = store.update("x", |entry, writer| {
        assert!(entry.is_none());
        writer.array(&bytes_array(3000, 1)).map(Some)
    });
    assert!(updated.unwrap().unwrap().replaced);
    assert_eq!(load(&store, "x").unwrap().unwrap(), noise(3000, 1));

    std::fs::remove_file(dir.blob(&Digest::of(&noise(3000, 1)))).unwrap();
    let mut writer = store.writer();
    let value = writer.array(&bytes_array(3000, 2)).unwrap();
    assert!(writer.add("x", value).unwrap().unwrap().replaced, "a miss does not stand in the way");
    assert_eq!(load(&store, "x").unwrap().unwrap(), noise(3000, 2));
}
