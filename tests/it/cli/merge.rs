//! `merge`: another store's entries come over, its files stay as they are.

use serde_json::json;

use super::{Dir, npy_large};

#[test]
fn merge_takes_over_what_is_missing_and_says_what_stayed() {
    let (dir, other) = (Dir::new(), Dir::new());
    for (store, name, seed) in [(&dir, "same", 1), (&other, "same", 1), (&dir, "both", 2), (&other, "both", 3)] {
        store.put(name, &npy_large(seed)).fine();
    }
    other.put("runs/1", &npy_large(1)).fine();
    let before = other.snapshot();
    let from = other.store().into_os_string().into_string().unwrap();
    let report = dir.json(["merge", &from]);
    let counts = ["entries_copied", "entries_same", "entries_kept", "entries_replaced", "blobs_copied", "blobs_shared"];
    assert_eq!(counts.map(|count| report[count].as_u64().unwrap()), [1, 1, 1, 0, 0, 1], "{report}");
    assert_eq!((dir.names().len(), &report["damaged"]), (3, &json!([])));
    assert!(other.snapshot() == before, "nothing is written where entries come from");
    let text = dir.run(["merge", &from, "--replace", "--prefix", "b"]).fine();
    assert!(text.text().starts_with("copied 0 entries, replaced 1, kept 0"), "{}", text.text());
    dir.run(["merge", "nowhere"]).ends(2);
}

#[test]
fn merge_leaves_what_is_damaged_behind_and_ends_with_1() {
    let (dir, other) = (Dir::new(), Dir::new());
    other.put("good", &npy_large(1)).fine();
    other.put("bad", &npy_large(2)).fine();
    let bad = other.json(["show", "bad"])["arrays"][0]["digest"].as_str().unwrap().to_owned();
    let blob = other.store().join("blobs").join(&bad[..2]).join(&bad);
    crate::common::rot(&blob, |bytes| bytes[9] ^= 1);
    let run = dir.run(["merge".into(), other.store().into_os_string()]).ends(1);
    assert!(run.text().contains("left behind: bad: "), "{}", run.text());
    assert_eq!(dir.names(), ["good"]);
}
