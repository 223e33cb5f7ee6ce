//! `ls`: every filter, every order, and the table.

use std::time::Duration;

use ndstash::{Store, Writer};
use serde_json::json;

use super::plant::{DAY, now_ns, origin};
use super::{Dir, npy_large};

fn listed(dir: &Dir, args: &[&str]) -> Vec<String> {
    let run = dir.run([&["ls"], args].concat()).fine();
    run.text().lines().map(str::to_owned).collect()
}

/// Puts a small value with what `write` says of it.
pub(super) fn put_with(dir: &Dir, name: &str, write: impl FnOnce(&mut Writer) -> &mut Writer) {
    let mut writer = Store::open(dir.store()).unwrap().writer();
    write(&mut writer);
    let value = writer.array(&ndarray::arr1(&[1.0, 2.0])).unwrap();
    writer.put(name, value).unwrap();
}

#[test]
fn entries_are_chosen_by_age_and_by_last_use() {
    let dir = Dir::new();
    for name in ["old", "new"] {
        put_with(&dir, name, |writer| writer);
    }
    dir.age("old", 10 * DAY);
    assert_eq!(listed(&dir, &["--older", "7d"]), ["old"]);
    assert_eq!(listed(&dir, &["--older", "2w"]), [""; 0]);
    assert_eq!(listed(&dir, &["--newer", "1.5h"]), ["new"]);
    assert_eq!(listed(&dir, &["--newer", "2w"]), ["new", "old"]);
    assert_eq!(listed(&dir, &["--older", "9d", "--newer", "11d"]), ["old"]);
    assert_eq!(listed(&dir, &["--unused", "1d"]), [""; 0], "being old is not being unused");
    dir.leave_unused("new", 3 * DAY);
    assert_eq!(listed(&dir, &["--unused", "2d"]), ["new"]);
    assert_eq!(listed(&dir, &["--unused", "100h"]), [""; 0]);
}

#[test]
fn entries_are_chosen_by_size_labels_and_origin() {
    let dir = Dir::new();
    dir.put("large", &npy_large(1)).fine();
    put_with(&dir, "over", |writer| writer.expires(Some(1)).tag("x"));
    put_with(&dir, "valid", |writer| writer.expires(Some(now_ns() + DAY)).tag("x").tag("y"));
    put_with(&dir, "kept", |writer| writer.pin(true));
    dir.originate("kept", &origin("lab/ann", "simulate", "1", &json!({ "n": 1 })));
    assert_eq!(listed(&dir, &["--larger", "68k"]), ["large"]);
    assert_eq!(listed(&dir, &["--larger", "70kB"]), ["large"]);
    assert_eq!(listed(&dir, &["--larger", "70KiB"]), [""; 0]);
    assert_eq!(listed(&dir, &["--expired"]), ["over"]);
    assert_eq!(listed(&dir, &["--pinned"]), ["kept"]);
    assert_eq!(listed(&dir, &["--tag", "x"]), ["over", "valid"]);
    assert_eq!(listed(&dir, &["--tag", "x", "--tag", "y"]), ["valid"]);
    assert_eq!(listed(&dir, &["--tag", "x", "--expired"]), ["over"], "all conditions hold");
    assert_eq!(listed(&dir, &["--function", "simulate"]), ["kept"]);
    assert_eq!(listed(&dir, &["--function", "sim"]), [""; 0]);
    assert_eq!(listed(&dir, &["--namespace", "lab"]), ["kept"]);
    assert_eq!(listed(&dir, &["--namespace", "la"]), [""; 0]);
    assert_eq!(listed(&dir, &["--namespace", ""]), ["kept"], "of every cache");
    assert_eq!(listed(&dir, &["k", "--pinned"]), ["kept"]);
    assert_eq!(listed(&dir, &["v", "--pinned"]), [""; 0]);
}

#[test]
fn sizes_and_ages_that_cannot_be_are_clear_errors() {
    let dir = Dir::new();
    let cases = [
        (["--older", "7"], "as in 30s, 5m, 12h, 7d or 2w"),
        (["--newer", "yesterday"], "as in 30s, 5m, 12h, 7d or 2w"),
        (["--unused", "99999w"], "more than can be counted"),
        (["--larger", "much"], "as in 500k, 1.5G"),
        (["--larger", "-1k"], "as in 500k, 1.5G"),
        (["--larger", "99E"], "more than can be counted"),
        (["--sort", "colour"], "created"),
    ];
    for ([option, value], hint) in cases {
        let run = dir.run(["ls", &format!("{option}={value}")]).ends(2);
        assert!(run.err.contains(option) && run.err.contains(value) && run.err.contains(hint), "{}", run.err);
    }
}

#[test]
fn entries_are_sorted_as_asked() {
    let dir = Dir::new();
    put_with(&dir, "b", |writer| writer.compute_time(Duration::from_secs(5)));
    dir.put("c", &npy_large(1)).fine();
    put_with(&dir, "a", |writer| writer.compute_time(Duration::from_secs(60)));
    dir.age("a", 3 * DAY);
    dir.age("b", 2 * DAY);
    dir.age("c", DAY);
    dir.leave_unused("a", 2 * DAY);
    dir.leave_unused("b", DAY);
    dir.leave_unused("c", 3 * DAY);
    dir.count(&[], &[("b", 9), ("c", 2)]);
    let orders = [
        ("name", ["a", "b", "c"]),
        ("created", ["c", "b", "a"]),
        ("used", ["b", "a", "c"]),
        ("size", ["c", "a", "b"]),
        ("time", ["a", "b", "c"]),
        ("hits", ["b", "c", "a"]),
        ("order", ["b", "c", "a"]),
    ];
    for (by, mut expected) in orders {
        assert_eq!(listed(&dir, &["--sort", by]), expected, "{by}");
        expected.reverse();
        assert_eq!(listed(&dir, &["--sort", by, "--reverse"]), expected, "{by}, reversed");
    }
    assert_eq!(dir.json(["ls", "--sort", "hits"])[0]["hits"], 9);
}

#[test]
fn the_table_has_the_columns_that_say_something() {
    let dir = Dir::new();
    put_with(&dir, "plain", |writer| writer);
    dir.age("plain", 3 * DAY);
    dir.leave_unused("plain", DAY / 12);
    let head = |args: &[&str]| -> Vec<String> {
        let line = dir.run([&["ls", "-l"], args].concat()).fine().text().lines().next().unwrap_or_default().to_owned();
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(head(&[]), ["name", "holds", "size", "age", "unused"]);
    put_with(&dir, "full", |writer| writer.pin(true).tag("t").compute_time(Duration::from_secs(600)));
    dir.originate("full", &origin("lab", "simulate", "1", &json!({})));
    dir.count(&[], &[("full", 3)]);
    let all = ["name", "function", "holds", "size", "age", "unused", "took", "hits", "pinned", "tags"];
    assert_eq!(head(&[]), all);
    let text = dir.run(["ls", "-l", "--reverse"]).fine();
    let lines: Vec<&str> = text.text().lines().skip(2).collect();
    for word in ["plain", " 3d ", " 2h"] {
        assert!(lines[0].contains(word), "{word}: {lines:?}");
    }
    for word in ["full", "simulate", "float64 (2,)", "16 B", "10.0m", " 3 ", "pinned", " t"] {
        assert!(lines[1].contains(word), "{word}: {lines:?}");
    }
    assert_eq!(head(&["none"]), [""; 0]);
    let key = json!({ "params": { "n": 3, "mode": "fast" }, "(ignored)": { "verbose": true }, "<in>": "here" });
    dir.originate("plain", &origin("lab", "simulate", "1", &key));
    let store = ndstash::Store::open(dir.store()).unwrap();
    store.put(ndstash::Key::from_bytes([0xab; 32]), &1).unwrap();
    let text = dir.run(["ls", "-l"]).fine();
    assert!(text.text().contains("simulate   mode=\"fast\", n=3   float64"), "{}", text.text());
    assert!(text.text().contains(&format!("\n {} ", "ab".repeat(8))), "{}", text.text());
}
