//! `tag`, `pin`, `unpin` and `expire`: what may change while the value stays.

use serde_json::{Value, json};

use super::{Dir, npy_f64, npy_large};

fn dir_with(names: &[&str]) -> Dir {
    let dir = Dir::new();
    names.iter().for_each(|name| drop(dir.put(name, &npy_f64(&[1.0])).fine()));
    dir
}

#[test]
fn tags_are_added_and_removed() {
    let dir = dir_with(&["a", "b"]);
    let changed = dir.json(["tag", "a", "b", "--add", "x", "--add", "y"]);
    assert_eq!(changed, json!({ "changed": ["a", "b"], "unchanged": [], "absent": [] }));
    let changed = dir.json(["tag", "a", "b", "--remove", "x", "--add", "y", "--add", "z"]);
    assert_eq!(changed["changed"], json!(["a", "b"]));
    assert_eq!(dir.json(["show", "a"])["tags"], json!(["y", "z"]), "each tag once");
    assert_eq!(dir.run(["tag", "a", "--add", "z"]).fine().text(), "unchanged: a\n");
    let run = dir.run(["tag", "none", "a", "--remove", "y"]).ends(1);
    assert_eq!(run.err, "ndstash: there is no entry \"none\"\n");
    assert_eq!(dir.json(["show", "a"])["tags"], json!(["z"]), "the others are tagged all the same");
    dir.run(["tag", "a"]).ends(2);
    dir.run(["tag", "a", "--add", "t\u{7}"]).ends(2);
    dir.run(["tag", "--add", "x"]).ends(2);
}

#[test]
fn what_is_like_that_already_is_not_published_anew() {
    let dir = dir_with(&["a"]);
    dir.run(["pin", "a"]).fine();
    let before = dir.snapshot();
    assert_eq!(dir.json(["pin", "a"]), json!({ "changed": [], "unchanged": ["a"], "absent": [] }));
    assert!(dir.snapshot() == before);
}

#[test]
fn pins_come_and_go() {
    let dir = dir_with(&["a", "b"]);
    let key = ndstash::Key::from_name("b").unwrap().to_string();
    assert_eq!(dir.run(["pin", "a", &key]).fine().text().lines().last(), Some("pinned: 2 entries"));
    assert_eq!((&dir.json(["show", "a"])["pinned"], &dir.json(["show", "b"])["pinned"]), (&json!(true), &json!(true)));
    assert!(dir.run(["show", "a"]).fine().text().contains("pinned"));
    assert_eq!(dir.run(["unpin", "a"]).fine().text(), "unpinned: a\n");
    assert_eq!(dir.json(["show", "a"])["pinned"], false);
    assert!(!dir.run(["show", "a"]).fine().text().contains("pinned"));
    dir.run(["pin", "none"]).ends(1);
    dir.run(["pin"]).ends(2);
}

#[test]
fn entries_expire_in_a_while_at_once_or_never() {
    let dir = dir_with(&["a"]);
    let shown = || dir.json(["show", "a"]);
    assert_eq!(shown()["expires"], Value::Null);
    dir.run(["expire", "a", "--in", "2h"]).fine();
    let expires: jiff::Timestamp = shown()["expires"].as_str().unwrap().parse().unwrap();
    assert!((expires.as_second() - jiff::Timestamp::now().as_second() - 7200).abs() < 60, "{expires}");
    assert_eq!(shown()["expired"], false);
    dir.run(["expire", "a", "--now"]).fine();
    assert_eq!(shown()["expired"], true);
    assert!(dir.run(["show", "a"]).fine().text().contains("(over)"));
    dir.run(["get", "a", "-o", "a.npy"]).fine();
    assert_eq!(dir.run(["expire", "a", "--never"]).fine().text(), "set to never expire: a\n");
    assert_eq!(shown()["expires"], Value::Null);
    dir.run(["expire", "none", "--never"]).ends(1);
    for args in [&["expire", "a"][..], &["expire", "a", "--in", "2"], &["expire", "a", "--now", "--never"]] {
        dir.run(args).ends(2);
    }
}

#[test]
fn labels_of_an_entry_that_lacks_a_blob_stay_as_they_are() {
    let dir = Dir::new();
    dir.put("a", &npy_large(1)).fine();
    std::fs::remove_file(&dir.blobs()[0]).unwrap();
    let run = dir.run(["pin", "a"]).ends(1);
    assert!(run.err.contains("a blob that it needs is missing"), "{}", run.err);
}
