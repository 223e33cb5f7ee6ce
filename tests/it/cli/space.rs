//! Space: equal arrays are stored once, garbage is collected, and every figure is right.

use serde_json::json;

use super::{Dir, LARGE, large, npy_f64, npy_large};

fn len() -> u64 {
    LARGE as u64
}

#[test]
fn equal_arrays_are_stored_once_and_stats_says_so() {
    let dir = Dir::new();
    for name in ["a", "b", "c"] {
        dir.put(name, &npy_large(0)).fine();
    }
    dir.put("small", &npy_f64(&[1.0, 2.0])).fine();
    let stats = dir.json(["stats"]);
    let number = |name: &str| stats[name].as_u64().unwrap();
    assert_eq!((number("entries"), number("logical_bytes")), (4, 3 * len() + 16));
    assert_eq!((number("blobs"), number("blob_bytes"), number("live_bytes")), (1, len(), len()));
    assert_eq!((number("saved_bytes"), number("inline_bytes"), number("garbage_bytes")), (2 * len(), 16, 0));
    assert_eq!(number("stored_bytes"), number("blob_bytes") + number("manifest_bytes"));
    let text = dir.run(["stats"]).fine();
    for word in ["205.1 KiB", "136.7 KiB", "66 %"] {
        assert!(text.text().contains(word), "{word}: {}", text.text());
    }
}

#[test]
fn put_tells_what_was_new() {
    let dir = Dir::new();
    let new = dir.put("a", &npy_large(0)).fine();
    assert_eq!(new.text(), "put a: 1 blob (68.4 KiB) written\n");
    let shared = dir.put("b", &npy_large(0)).fine();
    assert_eq!(shared.text(), "put b: 1 blob (68.4 KiB) there already\n");
    let json = dir.json(["put", "c", "put.npy"])["entries"][0].clone();
    assert_eq!((&json["new_bytes"], &json["shared_bytes"]), (&json!(0), &json!(len())));
}

#[test]
fn rm_and_gc_free_what_nobody_names() {
    let dir = Dir::new();
    dir.put("a", &npy_large(1)).fine();
    dir.put("b", &npy_large(1)).fine();
    dir.put("c", &npy_large(2)).fine();
    dir.run(["rm", "a", "c"]).fine();
    let garbage = ndstash::Digest::of(&large(2)).to_string();
    let plan = dir.json(["gc", "--dry-run"]);
    assert_eq!(plan["garbage"], json!([{ "digest": garbage, "bytes": len() }]));
    assert_eq!((&plan["live_blobs"], &plan["garbage_bytes"]), (&json!(1), &json!(len())));
    assert_eq!(dir.blobs().len(), 2, "a dry run removes nothing");
    let report = dir.json(["gc", "--wait", "5"]);
    assert_eq!((&report["blobs_removed"], &report["bytes_freed"]), (&json!(1), &json!(len())));
    assert_eq!((&report["blobs_kept"], &report["entries"]), (&json!(1), &json!(1)));
    assert_eq!(dir.blobs().len(), 1);
    dir.run(["verify"]).fine();
    let text = dir.run(["gc"]).fine();
    assert!(text.text().starts_with("removed 0 blobs (0 B) in "), "{}", text.text());
}

#[test]
fn replacing_an_entry_leaves_the_old_blob_as_garbage() {
    let dir = Dir::new();
    dir.put("a", &npy_large(1)).fine();
    dir.put("a", &npy_large(2)).fine();
    assert_eq!(dir.json(["stats"])["garbage_bytes"], len());
    assert_eq!(dir.json(["gc"])["bytes_freed"], len());
    assert_eq!(dir.array("a")["digest"], ndstash::Digest::of(&large(2)).to_string());
}

#[test]
fn why_names_the_entries_that_keep_a_blob() {
    let dir = Dir::new();
    dir.put("b", &npy_large(1)).fine();
    dir.put("a", &npy_large(1)).fine();
    let digest = ndstash::Digest::of(&large(1)).to_string();
    for wanted in [&digest, &digest[..5], &digest[..5].to_uppercase()] {
        assert_eq!(dir.json(["why", wanted]), json!({ "digest": digest, "entries": ["a", "b"] }));
    }
    assert_eq!(dir.run(["why", &digest]).fine().text(), "a\nb\n");
    dir.run(["rm", "a", "b"]).fine();
    assert_eq!(dir.run(["why", &digest[..8]]).fine().text(), "no entry names it: it is garbage\n");
    dir.run(["gc"]).fine();
    let run = dir.run(["why", &digest]).ends(1);
    assert!(run.err.contains("no blob"), "{}", run.err);
    dir.run(["why", "xyz"]).fails_saying(&["hex digits"]);
}

#[test]
fn a_prefix_of_several_digests_is_not_enough() {
    let dir = Dir::new();
    // 17 blobs cannot all begin with another digit.
    (0..17).for_each(|seed| drop(dir.put(&format!("n{seed}"), &npy_large(seed)).fine()));
    let mut firsts: Vec<u8> = (0..17).map(|seed| ndstash::Digest::of(&large(seed)).to_string().as_bytes()[0]).collect();
    firsts.sort_unstable();
    let twice = firsts.windows(2).find(|pair| pair[0] == pair[1]).unwrap()[0];
    dir.run(["why", &char::from(twice).to_string()]).fails_saying(&["say more"]);
}

#[test]
fn du_tells_what_each_entry_would_free() {
    let dir = Dir::new();
    dir.put("run/1", &npy_large(1)).fine();
    dir.put("run/2", &npy_large(1)).fine();
    dir.put("alone", &npy_large(2)).fine();
    let uses = dir.json(["du"]);
    let of = |name: &str| uses.as_array().unwrap().iter().find(|found| found["name"] == name).unwrap().clone();
    let (shared, alone) = (of("run/1"), of("alone"));
    assert_eq!((&shared["logical_bytes"], &shared["shared_bytes"]), (&json!(len()), &json!(len())));
    assert!(shared["exclusive_bytes"].as_u64().unwrap() < 1000, "the manifest alone");
    assert!(alone["exclusive_bytes"].as_u64().unwrap() >= len());
    assert_eq!(dir.json(["du", "run/"]).as_array().unwrap().len(), 2);
    assert!(dir.run(["du"]).fine().text().contains("run/2"));
}
