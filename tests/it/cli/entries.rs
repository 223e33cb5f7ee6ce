//! Entries: listing, showing, replacing, removing, renaming, labels.

use serde_json::{Value, json};

use super::{Dir, npy, npy_f64, npy_large, split_npy};

#[test]
fn ls_lists_by_prefix_and_tag_in_order() {
    let dir = Dir::new();
    dir.file("a.npy", &npy_f64(&[1.0]));
    for (name, tags) in [("run/2", vec!["x"]), ("run/1", vec!["x", "y"]), ("other", vec![]), ("run", vec!["y"])] {
        let tags = tags.iter().flat_map(|tag| ["--tag", tag]);
        dir.run(["put", name, "a.npy"].into_iter().chain(tags)).fine();
    }
    let listed = |args: &[&str]| dir.run([&["ls"], args].concat()).fine().text().to_owned();
    assert_eq!(listed(&[]), "other\nrun\nrun/1\nrun/2\n");
    assert_eq!(listed(&["run/"]), "run/1\nrun/2\n");
    assert_eq!(listed(&["--tag", "y"]), "run\nrun/1\n");
    assert_eq!(listed(&["run/", "--tag", "x", "--tag", "y"]), "run/1\n");
    assert_eq!(listed(&["nothing"]), "");
    let table = listed(&["-l", "run/"]);
    assert!(table.lines().next().unwrap().contains("holds"), "{table}");
    assert!(table.contains("float64 (1,)") && table.contains("8 B") && table.contains("x, y"), "{table}");
    assert_eq!(dir.json(["ls", "nothing"]), json!([]));
    assert_eq!(dir.json(["ls", "run/"])[0]["tags"], json!(["x", "y"]));
}

#[test]
fn show_tells_what_an_entry_is() {
    let dir = Dir::new();
    dir.file("a.npy", &npy_f64(&[1.0, 2.0]));
    dir.run(["put", "a", "a.npy", "--tag", "t", "--meta", "who=me=you", "--meta", "empty="]).fine();
    let shown = dir.json(["show", "a"]);
    assert_eq!((&shown["name"], &shown["kind"], &shown["bytes"]), (&json!("a"), &json!("array"), &json!(16)));
    assert_eq!((&shown["tags"], &shown["meta"]), (&json!(["t"]), &json!({ "who": "me=you", "empty": "" })));
    assert_eq!(shown["key"], ndstash::Key::from_name("a").unwrap().to_string());
    let data: Vec<u8> = [1.0f64, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let array = json!({ "field": "", "dtype": "float64", "shape": [2], "order": "C", "bytes": 16,
        "digest": ndstash::Digest::of(&data).to_string(), "inline": true });
    assert_eq!(shown["arrays"], json!([array]));
    let created: jiff::Timestamp = shown["created"].as_str().unwrap().parse().unwrap();
    assert!((jiff::Timestamp::now().as_second() - created.as_second()).abs() < 60);
    let text = dir.run(["show", "a"]).fine();
    for word in ["float64 (2,)", "16 B", "who = me=you", array["digest"].as_str().unwrap()] {
        assert!(text.text().contains(word), "{word}: {}", text.text());
    }
}

#[test]
fn show_has_figures_on_request() {
    let dir = Dir::new();
    dir.put("f", &npy_f64(&[1.0, f64::NAN, -3.0, 8.0])).fine();
    let stats = |name: &str| dir.json(["show", name, "--stats"])["arrays"][0]["stats"].clone();
    assert_eq!(stats("f"), json!({ "min": -3.0, "max": 8.0, "mean": 2.0, "nan": 1 }));
    dir.put("i", &npy("'<i8'", "(2,)", &[i64::MIN.to_le_bytes(), 0i64.to_le_bytes()].concat())).fine();
    assert_eq!(stats("i"), json!({ "min": i64::MIN, "max": 0, "mean": -(2f64.powi(62)), "nan": 0 }));
    dir.put("b", &npy("'|b1'", "(4,)", &[0, 1, 1, 1])).fine();
    assert_eq!(stats("b"), json!({ "min": 0, "max": 1, "mean": 0.75, "nan": 0 }));
    let rising: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    dir.put("large", &npy("'<u4'", "(100, 1000)", &rising)).fine();
    assert_eq!(stats("large"), json!({ "min": 0, "max": 99_999, "mean": 49_999.5, "nan": 0 }));
    dir.put("c", &npy("'<c8'", "(1,)", &[0; 8])).fine();
    assert_eq!(stats("c"), Value::Null);
    dir.put("none", &npy("'<f4'", "(0,)", &[])).fine();
    assert_eq!(stats("none"), json!({ "min": null, "max": null, "mean": null, "nan": 0 }));
    dir.file("text", b"bytes have no mean");
    dir.run(["put", "raw", "text", "--raw"]).fine();
    assert_eq!(stats("raw"), Value::Null);
    let text = dir.run(["show", "f", "--stats"]).fine();
    assert!(text.text().contains("-3.0") && text.text().contains("8.0"), "{}", text.text());
}

#[test]
fn put_replaces_unless_it_is_to_be_new() {
    let dir = Dir::new();
    let first = dir.put("a", &npy_f64(&[1.0])).fine();
    assert_eq!(first.text(), "put a: 8 B inside the entry\n");
    dir.file("b.npy", &npy_f64(&[2.0]));
    dir.run(["put", "a", "b.npy", "--new"]).fails_saying(&["there is an entry \"a\" already", "--new"]);
    assert_eq!(dir.json(["put", "a", "b.npy"])["entries"][0]["replaced"], true);
    dir.run(["get", "a", "-o", "out.npy"]).fine();
    assert_eq!(split_npy(&dir.read("out.npy")).1, 2.0f64.to_le_bytes());
    assert_eq!(dir.json(["put", "c", "b.npy", "--new"])["entries"][0]["replaced"], false);
    dir.file("folder/a.npy", &npy_f64(&[3.0]));
    dir.file("folder/b.npy", &npy_f64(&[3.0]));
    dir.run(["put", "f", "folder", "--new"]).fine();
    dir.run(["rm", "f/a"]).fine();
    dir.run(["put", "f", "folder", "--new"]).fails_saying(&["\"f/b\""]);
    assert_eq!(dir.names(), ["a", "c", "f/b"]);
}

#[test]
fn rm_removes_by_name_and_says_what_was_not_there() {
    let dir = Dir::new();
    for name in ["a", "b", "run/1", "run/2", "runs"] {
        dir.put(name, &npy_f64(&[1.0])).fine();
    }
    let run = dir.run(["rm", "a", "none", "b"]).ends(1);
    assert_eq!(run.err, "ndstash: there is no entry \"none\"\n");
    assert_eq!(dir.names(), ["run/1", "run/2", "runs"]);
    let planned = dir.json(["rm", "--prefix", "run/", "--dry-run"]);
    assert_eq!(planned, json!({ "dry_run": true, "removed": ["run/1", "run/2"], "absent": [] }));
    assert_eq!(dir.names().len(), 3);
    dir.run(["rm", "--prefix", "run/"]).fine();
    assert_eq!(dir.names(), ["runs"]);
    dir.run(["rm", "runs", "--dry-run"]).fine();
    dir.run(["rm", "--prefix", ""]).ends(2);
    dir.run(["rm"]).ends(2);
    assert_eq!(dir.names(), ["runs"]);
}

#[test]
fn mv_and_cp_keep_the_value_and_replace_only_if_asked() {
    let dir = Dir::new();
    dir.put("a", &npy_large(1)).fine();
    dir.put("b", &npy_f64(&[2.0])).fine();
    dir.run(["mv", "a", "b"]).fails_saying(&["\"b\"", "already", "--force"]);
    dir.run(["cp", "a", "c"]).fine();
    dir.run(["mv", "a", "b", "--force"]).fine();
    assert_eq!(dir.names(), ["b", "c"]);
    assert_eq!(dir.array("b")["digest"], dir.array("c")["digest"]);
    assert_eq!(dir.blobs().len(), 1);
    for verb in ["mv", "cp"] {
        let run = dir.run([verb, "none", "d"]).ends(1);
        assert_eq!(run.err, "ndstash: there is no entry \"none\"\n");
    }
    dir.run(["cp", "b", "bad\nname"]).fails_saying(&["control characters"]);
}

#[test]
fn names_that_begin_alike_are_different_entries() {
    let dir = Dir::new();
    for (name, value) in [("x", 1.0), ("x/", 2.0), ("x/y", 3.0), ("xy", 4.0)] {
        dir.put(name, &npy_f64(&[value])).fine();
    }
    assert_eq!(dir.names(), ["x", "x/", "x/y", "xy"]);
    dir.run(["rm", "x"]).fine();
    assert_eq!(dir.names(), ["x/", "x/y", "xy"]);
    dir.run(["show", "x"]).ends(1);
    dir.run(["get", "x", "-o", "out"]).ends(1);
    dir.run(["get", "x/", "-o", "out.npy"]).fine();
    assert_eq!(split_npy(&dir.read("out.npy")).1, 2.0f64.to_le_bytes());
}

#[test]
fn entries_under_a_key_are_reached_by_its_digits() {
    let dir = Dir::new();
    let store = ndstash::Store::open(dir.store()).unwrap();
    let key = ndstash::Key::from_bytes([7; 32]);
    store.put(key, &ndarray::arr1(&[1.0])).unwrap();
    let digits = "07".repeat(32);
    assert_eq!(dir.names(), [&*digits]);
    assert_eq!(dir.json(["show", &digits])["name"], Value::Null);
    dir.run(["cp", &digits, "named"]).fine();
    dir.run(["get", &digits, "-o", "out.npy"]).fine();
    dir.run(["rm", &digits]).fine();
    assert_eq!(dir.names(), ["named"]);
    dir.put(&digits, &npy_f64(&[1.0])).fine();
    assert_eq!(dir.json(["show", &digits])["name"], digits, "a name goes before a key");
}

#[test]
fn the_first_eight_digits_of_a_key_are_enough_if_they_are_those_of_one() {
    let dir = Dir::new();
    let store = ndstash::Store::open(dir.store()).unwrap();
    let mut bytes = [0xab; 32];
    store.put(ndstash::Key::from_bytes(bytes), &1).unwrap();
    for given in ["abababab", "ABABABABABA"] {
        assert_eq!(dir.json(["show", given])["key"], "ab".repeat(32));
    }
    let absent = dir.run(["show", "abababa"]).ends(1);
    assert!(absent.err.contains("there is no entry \"abababa\""), "{}", absent.err);
    bytes[31] = 0;
    store.put(ndstash::Key::from_bytes(bytes), &1).unwrap();
    for verb in ["show", "pin", "rm"] {
        dir.run([verb, "abababab"]).fails_saying(&["2 keys begin with abababab"]);
    }
    dir.run(["rm", &"ab".repeat(32)[..62]]).fails_saying(&["say more"]);
    assert_eq!(dir.names(), ["ab".repeat(31) + "00", "ab".repeat(32)]);
    dir.put("abababab", &npy_f64(&[1.0])).fine();
    assert_eq!(dir.json(["show", "abababab"])["name"], "abababab", "a name goes before a key");
    dir.run(["rm", "abababab"]).fine();
    dir.run(["rm", &"ab".repeat(32)]).fine();
    dir.run(["tag", "abababab", "--add", "last"]).fine();
    dir.run(["rm", "abababab"]).fine();
    assert!(dir.names().is_empty());
}

#[test]
fn what_others_wrote_does_not_drive_the_terminal() {
    let dir = Dir::new();
    let store = ndstash::Store::open(dir.store()).unwrap();
    let mut writer = store.writer();
    let value = writer.array(&ndarray::arr1(&[1.0])).unwrap();
    writer.tag("\u{1b}[31m").meta("k\u{7}", "a\nb");
    writer.put("a", value).unwrap();
    for args in [&["ls", "-l"][..], &["show", "a"]] {
        let run = dir.run(args).fine();
        assert!(run.text().contains("\\u{1b}[31m"), "{run:?}");
        assert!(!run.text().contains(|c: char| c.is_control() && c != '\n'), "{run:?}");
    }
}
