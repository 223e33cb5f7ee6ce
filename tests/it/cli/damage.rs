//! Damage: found, told, repaired; never handed out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::{Dir, files_below, large, npy_f64, npy_large};

/// Flips one bit, and leaves size, mode and time as they were: what a bad disk does.
fn flip(path: &Path, at: usize) {
    let (stat, mut bytes) = (fs::metadata(path).unwrap(), fs::read(path).unwrap());
    bytes[at] ^= 1;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(path, bytes).unwrap();
    let file = fs::File::open(path).unwrap();
    file.set_modified(stat.modified().unwrap()).unwrap();
    file.set_permissions(stat.permissions()).unwrap();
}

#[test]
fn verify_finds_a_flipped_bit_and_repair_takes_it_out() {
    let dir = Dir::new();
    dir.put("bad", &npy_large(1)).fine();
    dir.put("good", &npy_large(2)).fine();
    let clean = dir.json(["verify"]);
    assert_eq!((&clean["blobs"], &clean["entries"], &clean["problems"]), (&json!(2), &json!(2), &json!([])));
    let digest = ndstash::Digest::of(&large(1)).to_string();
    let blob = dir.store().join("blobs").join(&digest[..2]).join(&digest);
    flip(&blob, 12_345);

    let found = dir.run(["verify", "--json"]).ends(1);
    assert!(found.err.contains("damaged blob") && found.err.contains(&digest), "{}", found.err);
    let problem = found.json()["problems"][0].clone();
    assert_eq!((&problem["kind"], &problem["entries"]), (&json!("damaged blob"), &json!(["bad"])));
    assert!(blob.exists(), "without --repair nothing is changed");
    assert!(dir.run(["verify"]).ends(1).text().contains("found 1 problem\n"));

    let repaired = dir.run(["verify", "--repair"]).ends(1);
    assert!(repaired.err.contains("repair: "), "{}", repaired.err);
    assert!(!blob.exists());
    assert_eq!(dir.names(), ["good"]);
    assert!(!files_below(&dir.store().join("quarantine")).is_empty());
    let after = dir.run(["verify"]).fine();
    assert!(after.text().ends_with("all is well\n"), "{}", after.text());
}

#[test]
fn damaged_bytes_are_not_exported_and_the_next_put_heals() {
    let dir = Dir::new();
    dir.put("a", &npy_large(1)).fine();
    flip(&dir.blobs()[0], 0);
    dir.run(["get", "a", "-o", "out.npy"]).fails_saying(&["out.npy", "is damaged"]);
    assert!(!dir.path("out.npy").exists());
    let run = dir.run(["get", "a", "-o", "out.npy"]).ends(1);
    assert!(run.err.contains("missing"), "who found the damage has put the blob aside: {}", run.err);
    dir.put("again", &npy_large(1)).fine();
    dir.run(["get", "a", "-o", "out.npy"]).fine();
    dir.run(["verify"]).fine();
}

#[test]
fn figures_are_not_told_of_damaged_bytes() {
    let dir = Dir::new();
    dir.put("a", &npy_large(1)).fine();
    flip(&dir.blobs()[0], 0);
    dir.run(["show", "a", "--stats"]).fails_saying(&["\"a\"", "is damaged"]);
    assert_eq!(dir.run(["get", "a", "-o", "-"]).code, Some(2), "what has gone out cannot be taken back");
}

#[test]
fn a_missing_blob_is_told() {
    let dir = Dir::new();
    dir.put("a", &npy_large(1)).fine();
    let digest = ndstash::Digest::of(&large(1)).to_string();
    fs::remove_file(&dir.blobs()[0]).unwrap();
    let run = dir.run(["get", "a", "-o", "out.npy"]).ends(1);
    assert!(run.err.contains("a blob that it needs is missing"), "{}", run.err);
    dir.run(["mv", "a", "b"]).ends(1);
    assert_eq!(dir.json(["why", &digest])["entries"], json!(["a"]), "its keepers are known by the whole digest");
    let problems = dir.run(["verify", "--json"]).ends(1).json()["problems"].clone();
    assert_eq!((&problems[0]["kind"], &problems[0]["entries"]), (&json!("missing blob"), &json!(["a"])));
}

#[test]
fn a_damaged_entry_is_told_and_does_not_hide_the_others() {
    let dir = Dir::new();
    dir.put("bad", &npy_f64(&[1.0])).fine();
    let entry = files_below(&dir.store().join("entries")).remove(0);
    dir.put("good", &npy_f64(&[2.0])).fine();
    flip(&entry, 200);
    let listed = dir.run(["ls"]).ends(1);
    assert_eq!(listed.text(), "good\n");
    assert!(listed.err.contains("is damaged"), "{}", listed.err);
    dir.run(["show", "bad"]).fails_saying(&["is damaged"]);
    dir.run(["verify"]).ends(1);
    dir.run(["rm", "bad"]).fine();
    assert_eq!(dir.names(), ["good"]);
    dir.run(["verify"]).fine();
}

#[test]
fn a_damaged_head_stops_gc_which_says_what_to_do() {
    let dir = Dir::new();
    dir.put("bad", &npy_f64(&vec![1.0; 20_000])).fine();
    let entry = files_below(&dir.store().join("entries")).remove(0);
    flip(&entry, 60);
    dir.run(["gc"]).fails_saying(&["no blob was removed", "ndstash verify --repair", "head"]);
    assert_eq!(files_below(&dir.store().join("blobs")).len(), 1, "the blob may be needed");
    dir.run(["verify", "--repair"]).ends(1);
    dir.run(["gc"]).fine();
    assert!(files_below(&dir.store().join("blobs")).is_empty(), "nobody names it any more");
}
