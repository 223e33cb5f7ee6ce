//! What the head of an entry says beside its blobs: order, times, pin; the ledger that orders puts; limits in the
//! settings; and names that belong to others.

use std::path::PathBuf;
use std::time::Duration;

use ndstash::{Error, GcOptions, Key, Policy, Store, StoreOptions, Tree};
use serde_json::{Value, json};

use crate::common::{
    Dir, Facts, assert_error, bytes_array, json_of, load, noise, read_store, repair, rewrite_head, text, verify,
};
use crate::reader::agree;

fn put(store: &Store, name: &str) -> u64 {
    store.put(name, &bytes_array(300, 1)).unwrap();
    sequence(store, name)
}

fn sequence(store: &Store, name: &str) -> u64 {
    store.info(name).unwrap().unwrap().sequence()
}

fn now_ns() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

/// What the reader says of the ledger.
fn ledger(dir: &Dir) -> Value {
    json_of(&dir.path(), &["about"]).0["ledger"].clone()
}

#[test]
fn numbers_ascend_in_the_order_of_puts() {
    let dir = Dir::new();
    let (first, second) = (dir.store(), dir.blobs_only());
    let names: Vec<String> = (0..40).map(|at| format!("e{at}")).collect();
    let before = now_ns();
    let numbers: Vec<u64> =
        names.iter().enumerate().map(|(at, name)| put(if at % 3 == 0 { &first } else { &second }, name)).collect();
    assert!(numbers.is_sorted_by(|left, right| left < right), "{numbers:?}");
    assert!(numbers[0] >= before && numbers[39] <= now_ns() + 40, "they are times, unless puts come faster than those");
    let replaced = put(&first, "e0");
    assert!(replaced > numbers[39], "a replaced value is a new one");
    assert_eq!(sequence(&first, "e1"), numbers[1], "the others keep theirs");
    assert_eq!(ledger(&dir)["sequence"], replaced);
    assert_eq!(ledger(&dir)["entries"], 41, "what was put since somebody counted");
    agree(&dir);
}

#[test]
fn numbers_of_puts_at_the_same_time_differ() {
    let dir = Dir::new();
    dir.store();
    let put_many = |thread: u64| {
        let store = dir.store();
        (0..25).map(|at| put(&store, &format!("{thread}/{at}"))).collect::<Vec<u64>>()
    };
    let mut all: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || put_many(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(all.chunks(25).all(|numbers| numbers.is_sorted_by(|left, right| left < right)));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 100);
    assert_eq!((ledger(&dir)["sequence"].as_u64(), ledger(&dir)["entries"].as_u64()), (all.last().copied(), Some(100)));
}

#[test]
fn renaming_and_relabelling_keep_number_and_time_and_copying_keeps_the_time() {
    let dir = Dir::new();
    let store = dir.store();
    let number = put(&store, "a");
    let created = store.info("a").unwrap().unwrap().created();
    let later = put(&store, "later");
    assert!(store.relabel("a", |labels| labels.tags.push("t".into())).unwrap());
    assert_eq!(sequence(&store, "a"), number);
    assert!(store.rename("a", "b", false).unwrap());
    assert_eq!(sequence(&store, "b"), number);
    assert!(store.copy("b", "c", false).unwrap());
    assert!(sequence(&store, "c") > later, "a copy comes after all that was there");
    assert_eq!(["b", "c"].map(|name| store.info(name).unwrap().unwrap().created()), [created; 2]);
    assert!(put(&store, "b") > sequence(&store, "c"));
    assert!(store.info("b").unwrap().unwrap().created() > created);
    agree(&dir);
}

#[test]
fn expiry_pin_and_compute_time_are_kept_through_every_edit() {
    let dir = Dir::new();
    let store = dir.store();
    let mut writer = store.writer();
    writer.expires(Some(-5)).pin(true).compute_time(Duration::from_millis(2500));
    writer.put("x", Tree::Int(1)).unwrap();
    let expected = (Some(-5), true, Some(Duration::from_millis(2500)));
    let facts = |name: &str| {
        let info = store.info(name).unwrap().unwrap();
        (info.expires(), info.is_pinned(), info.compute_time())
    };
    assert_eq!(facts("x"), expected);
    assert!(store.copy("x", "copy", false).unwrap() && store.rename("x", "y", false).unwrap());
    assert!(store.relabel("y", |labels| labels.tags.push("t".into())).unwrap());
    assert_eq!([facts("y"), facts("copy")], [expected; 2]);
    agree(&dir);
    let unpin = |labels: &mut ndstash::Labels| (labels.expires, labels.pinned) = (None, false);
    assert!(store.relabel("y", unpin).unwrap());
    assert_eq!(facts("y"), (None, false, expected.2));
    assert_eq!(facts("copy"), expected);
    // What an entry is put without is not taken from the one that it replaces.
    store.writer().put("copy", Tree::Int(2)).unwrap();
    assert_eq!(facts("copy"), (None, false, None));
    agree(&dir);
}

#[test]
fn a_value_that_was_made_elsewhere_keeps_its_time_but_none_is_of_the_future() {
    let dir = Dir::new();
    let store = dir.store();
    let created = || store.info("x").unwrap().unwrap().created();
    for time in [-1, 0, 1_000_000_000] {
        put_with(&store, |writer| writer.created(time));
        assert_eq!(created(), time);
    }
    agree(&dir);
    store.writer().put("x", Tree::Int(2)).unwrap();
    let before = created();
    put_with(&store, |writer| writer.created(i64::MAX));
    assert!((before..before + 3_600_000_000_000).contains(&created()), "now, and not a time still to come");
}

#[test]
fn times_reach_as_far_as_64_bits() {
    let dir = Dir::new();
    let store = dir.store();
    for (time, is_over) in [(i64::MIN, true), (-1, true), (0, true), (1, false), (i64::MAX - 1, false)] {
        put_with(&store, |writer| writer.expires(Some(time)));
        let info = store.info("x").unwrap().unwrap();
        assert_eq!((info.expires(), info.is_expired_at(0)), (Some(time), is_over), "{time}");
        agree_on_list(&dir, "expires", &time.into());
    }
    put_with(&store, |writer| writer.expires(Some(i64::MAX)));
    assert_eq!(store.info("x").unwrap().unwrap().expires(), None, "the end of time is never");
    agree_on_list(&dir, "expires", &Value::Null);
    put_with(&store, |writer| writer.compute_time(Duration::MAX));
    agree_on_list(&dir, "compute_ns", &u64::MAX.into());
    for time in [i64::MIN, -1, 0, i64::MAX] {
        rewrite_head(&dir.entry_named("x"), |head| head[136..144].copy_from_slice(&time.to_le_bytes()));
        assert_eq!(store.info("x").unwrap().unwrap().created(), time);
        agree_on_list(&dir, "created", &time.into());
        let printed = read_store(&dir.path(), &["list"]);
        assert_eq!(printed.status.code(), Some(0), "{}", text(&printed));
    }
}

/// Puts `x` with facts of its own.
fn put_with(store: &Store, facts: impl FnOnce(&mut ndstash::Writer) -> &mut ndstash::Writer) {
    let mut writer = store.writer();
    facts(&mut writer);
    writer.put("x", Tree::Int(1)).unwrap();
}

fn agree_on_list(dir: &Dir, field: &str, expected: &Value) {
    assert_eq!(&json_of(&dir.path(), &["list", "--json"]).0[0][field], expected, "{field}");
}

#[test]
fn a_value_in_another_encoding_is_kept_but_not_taken_for_the_value() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let mut writer = store.writer();
    let buffer = writer.array(&bytes_array(900, 1)).unwrap();
    writer.encoding("pickle-5").unwrap().tag("t");
    writer.put("x", Tree::List(vec![Tree::Bytes(noise(9, 2)), buffer])).unwrap();
    store.writer().put("plain", Tree::Int(1)).unwrap();
    assert!(store.copy("x", "copy", false).unwrap() && store.rename("x", "y", false).unwrap());
    assert!(store.relabel("y", |labels| labels.tags.clear()).unwrap());
    assert_eq!(
        ["y", "copy", "plain"].map(|name| store.info(name).unwrap().unwrap().encoding().to_owned()),
        ["pickle-5", "pickle-5", "tree"]
    );
    assert_eq!(store.gc(&GcOptions::new()).unwrap().blobs_kept, 1);
    assert_error!(store.get::<(Vec<u8>, Vec<f64>)>("y"), Error::Unsupported { .. });
    let entry = store.entry("y").unwrap().unwrap();
    assert_error!(entry.value::<ndstash::Value>(), Error::Unsupported { .. });
    assert_eq!(entry.to_value().items().map(<[_]>::len), Some(2), "what stands for it");
    agree(&dir); // that the reader lists no value is part of it
    let shown = json_of(&dir.path(), &["show", "y", "--json"]).0;
    assert_eq!((&shown["encoding"], shown.get("value"), &shown["elements"]), (&"pickle-5".into(), None, &json!({})));
    let target = dir.beside("out");
    let exported = read_store(&dir.path(), &["export", "y", target.to_str().unwrap()]);
    assert_eq!((exported.status.code(), target.exists()), (Some(1), false), "{}", text(&exported));
    assert!(text(&exported).contains("pickle-5"), "{}", text(&exported));
}

#[test]
fn an_encoding_is_a_short_word() {
    let dir = Dir::new();
    let store = dir.store();
    let long = "a".repeat(65);
    for word in ["", "a/b", "a b", "\u{fc}", "a\n", &long] {
        assert_error!(store.writer().encoding(word), Error::Invalid { .. });
    }
    for word in ["x", &long[1..], "A-z_0.9", "..", "tree"] {
        put_with(&store, |writer| writer.encoding(word).unwrap());
        assert_eq!(store.info("x").unwrap().unwrap().encoding(), word);
        agree_on_list(&dir, "encoding", &word.into());
    }
}

/// A whole ledger, as blobs-format.md section 5.6 describes it.
fn ledger_file(numbers: [u64; 7]) -> Vec<u8> {
    let mut bytes = b"NDL0\0\0\0\0".to_vec();
    numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    let sum = blake3::hash(&bytes);
    bytes.extend_from_slice(&sum.as_bytes()[..8]);
    bytes
}

#[test]
fn a_ledger_that_is_lost_or_damaged_stops_nobody() {
    let whole = ledger_file([7, 1 << 40, 3, 2, 1, 1, 1]);
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x80;
        Some(bytes)
    };
    let mut states = vec![None, Some(Vec::new()), Some(vec![0; 72]), Some(noise(1000, 1)), Some(whole[..71].to_vec())];
    states.extend((0..72).map(flipped));
    let dir = Dir::new();
    let store = dir.blobs_only();
    let mut last = put(&store, "first");
    let count = states.len();
    for (at, state) in states.into_iter().enumerate() {
        drop(std::fs::remove_file(dir.inside("ledger")));
        if let Some(bytes) = &state {
            std::fs::write(dir.inside("ledger"), bytes).unwrap();
        }
        assert!(verify(&store).problems.is_empty(), "{at}: nothing that matters depends on it");
        if at < 6 || at == 30 || at == count - 1 {
            assert_eq!(ledger(&dir).is_null(), at > 1, "{at}: a missing and an empty one are no damage");
            let output = read_store(&dir.path(), &["verify"]);
            assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{at}: {}", text(&output));
        }
        let number = put(&dir.store(), "x");
        assert!(number > last, "{at}: {number} after {last}");
        last = number;
        let bytes = std::fs::read(dir.inside("ledger")).unwrap();
        let counted = u64::from_le_bytes(bytes[16..24].try_into().unwrap());
        assert_eq!(bytes[..72], ledger_file([last, counted, 1, 0, 0, 0, 0]), "{at}: it begins anew");
        assert!(counted < 1000, "{at}: {counted} bytes");
    }
    assert_eq!(store.gc(&GcOptions::new()).unwrap().blobs_kept, 1);
    assert!(load(&store, "first").unwrap().is_some());
}

#[test]
fn numbers_go_on_above_a_ledger_that_is_ahead_of_the_clock() {
    let dir = Dir::new();
    let store = dir.store();
    let ahead = now_ns() + (1 << 60);
    std::fs::write(dir.inside("ledger"), ledger_file([ahead, 10, 20, 0, 0, 30, 0])).unwrap();
    assert_eq!([put(&store, "x"), put(&dir.store(), "y")], [ahead + 1, ahead + 2]);
    let found = ledger(&dir);
    assert_eq!((&found["entries"], &found["culled"]), (&22.into(), &30.into()));
    // Where no number is left the last one stays.
    std::fs::write(dir.inside("ledger"), ledger_file([u64::MAX; 7])).unwrap();
    assert_eq!([put(&store, "x"), put(&store, "y")], [u64::MAX; 2]);
    let numbers = ledger(&dir);
    assert!(numbers.as_object().unwrap().values().all(|number| *number == u64::MAX), "{numbers}");
    agree(&dir);
}

#[test]
fn what_lies_in_the_place_of_the_ledger_is_not_touched() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let number = put(&store, "x");
    let plants: [fn(&Dir, &PathBuf); 2] = [
        |dir, place| {
            std::fs::write(dir.beside("outside"), b"mine").unwrap();
            std::os::unix::fs::symlink(dir.beside("outside"), place).unwrap();
        },
        |_, place| std::fs::create_dir(place).unwrap(),
    ];
    let mut last = number;
    for plant in plants {
        std::fs::remove_file(dir.inside("ledger")).unwrap();
        plant(&dir, &dir.inside("ledger"));
        let before = Facts::of(&dir.inside("ledger"));
        let next = put(&store, "y");
        assert!(next > last);
        last = next;
        store.gc(&GcOptions::new()).unwrap();
        assert_eq!(Facts::of(&dir.inside("ledger")), before);
        assert_eq!(read_store(&dir.path(), &["list"]).status.code(), Some(0));
    }
    assert_eq!(std::fs::read(dir.beside("outside")).unwrap(), b"mine");
}

#[test]
fn a_handle_that_may_not_write_leaves_the_ledger_alone() {
    let dir = Dir::new();
    put(&dir.store(), "x");
    let before = std::fs::read(dir.inside("ledger")).unwrap();
    let store = dir.read_only();
    assert_error!(store.writer().put("y", Tree::Int(1)), Error::Unsupported { .. });
    assert_error!(store.copy("x", "y", false), Error::Unsupported { .. });
    assert_eq!(std::fs::read(dir.inside("ledger")).unwrap(), before);
}

#[test]
fn limits_are_kept_in_the_settings_for_everybody_and_nothing_else_changes() {
    let dir = Dir::new();
    let store = dir.open(&StoreOptions::new().inline_limits(123, 456));
    let other = dir.store();
    let none = json!({ "bytes": null, "entries": null, "age": null, "policy": "lru" });
    let settings = || json_of(&dir.path(), &["about"]).0["settings"].clone();
    assert_eq!((&settings()["limits"], store.limits().unwrap()), (&none, ndstash::Limits::default()));
    let arrays = settings()["arrays"].clone();
    assert_eq!(arrays, json!({ "inline_max": 123, "inline_total": 456 }));
    for policy in Policy::ALL {
        let set = store.set_limits(|limits| (limits.bytes, limits.policy) = (Some(1 << 40), policy)).unwrap();
        assert_eq!(other.limits().unwrap(), set);
        assert_eq!(settings()["limits"]["policy"], policy.name());
    }
    store.set_limits(|limits| (limits.entries, limits.age) = (Some(i64::MAX.cast_unsigned()), Some(0))).unwrap();
    let expected = json!({ "bytes": 1_u64 << 40, "entries": i64::MAX, "age": 0, "policy": "cost" });
    assert_eq!((settings()["limits"].clone(), settings()["arrays"].clone()), (expected.clone(), arrays.clone()));
    assert_error!(store.set_limits(|limits| limits.age = Some(1 << 63)), Error::Invalid { .. });
    assert_error!(dir.read_only().set_limits(|limits| limits.age = None), Error::Unsupported { .. });
    assert_eq!(settings()["limits"], expected, "a limit that is refused changes nothing");
    other.set_limits(|limits| *limits = ndstash::Limits::default()).unwrap();
    assert_eq!((settings()["limits"].clone(), settings()["arrays"].clone()), (none, arrays));
    put(&store, "x");
    agree(&dir);
}

/// A store may have been made before it had limits or flights, and hold what later programs put beside.
#[test]
fn flights_counters_and_names_of_others_are_left_alone() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    put(&store, "x");
    put(&store, "gone");
    store.remove("gone").unwrap();
    let mine = [
        format!("flights/{}", Key::from_name("x").unwrap()),
        format!("flights/{}", "0".repeat(64)),
        "flights/odd".to_owned(),
        "counters".to_owned(),
        "later".to_owned(),
    ];
    std::fs::create_dir(dir.inside("later.d")).unwrap();
    mine.iter().for_each(|name| std::fs::write(dir.inside(name), noise(30, 1)).unwrap());
    let facts = || mine.iter().map(|name| Facts::of(&dir.inside(name))).collect::<Vec<_>>();
    let before = facts();
    store.gc(&GcOptions::new()).unwrap();
    repair(&store);
    put(&store, "y");
    store.relabel("y", |labels| labels.tags.push("t".into())).unwrap();
    assert_eq!(facts(), before);
    assert!(dir.inside("later.d").is_dir());
    let output = read_store(&dir.path(), &["verify"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{}", text(&output));
    for note in ["flights/odd: unknown name", "later: unknown name", "later.d: unknown name"] {
        assert!(text(&output).contains(note), "{note} is expected in\n{}", text(&output));
    }
    assert!(!text(&output).contains("counters") && !text(&output).contains(&mine[0]), "{}", text(&output));
}

#[test]
fn a_store_without_flights_is_read_and_used() {
    let dir = Dir::new();
    put(&dir.store(), "x");
    std::fs::remove_dir(dir.inside("flights")).unwrap();
    let store = dir.store();
    assert!(load(&store, "x").unwrap().is_some());
    put(&store, "y");
    store.gc(&GcOptions::new()).unwrap();
    let output = read_store(&dir.path(), &["verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("flights: expected a directory"), "{}", text(&output));
}
