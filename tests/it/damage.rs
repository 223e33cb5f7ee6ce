//! Every byte flipped and every file cut at every length: an error, a miss or a reported problem; never a panic, and
//! never a wrong value.

use std::path::{Path, PathBuf};

use ndstash::{Store, StoreOptions, Tree};
use walkdir::WalkDir;

use crate::common::{Dir, bytes_array, noise, rot, verify};

/// The arrays of an entry: name, length and seed.
type Arrays = &'static [(&'static str, usize, u64)];

/// What the small store holds.
const ENTRIES: [(&str, Arrays); 3] =
    [("inline", &[("a", 12, 1)]), ("blob", &[("b", 40, 2)]), ("both", &[("a", 9, 3), ("b", 40, 2), ("c", 33, 4)])];

/// A small store that has every kind of file.
fn small(dir: &Dir) {
    let store = dir.open(&StoreOptions::new().inline_limits(16, 64));
    for (name, arrays) in ENTRIES {
        let mut writer = store.writer();
        writer.tag("t").meta("m", Tree::List(vec![Tree::Nil, Tree::Float(0.5)]));
        let pairs =
            arrays.iter().map(|&(name, len, seed)| (name.into(), writer.array(&bytes_array(len, seed)).unwrap()));
        let value = Tree::Map(pairs.collect());
        writer.put(name, value).unwrap();
    }
}

/// Reads everything; every value that comes out must be right. Returns whether all of it came out.
fn read_all(store: &Store, what: &str) -> bool {
    let mut whole = true;
    for (name, arrays) in ENTRIES {
        drop(store.info(name));
        drop(store.contains(name));
        let Ok(Some(entry)) = store.entry(name) else {
            whole = false;
            continue;
        };
        for &(field, len, seed) in arrays {
            let stored = entry.field(field).unwrap_or_else(|| panic!("{what}: {name} has lost its {field}"));
            match stored.to_array::<u8, ndarray::Ix1>() {
                Ok(array) => assert!(array.to_vec() == noise(len, seed), "{what}: {name}/{field} has changed"),
                Err(error) => {
                    assert!(error.is_damage(), "{what}: {error}");
                    whole = false;
                }
            }
        }
        let labels = (entry.tags().to_vec(), entry.meta().get("m").cloned());
        let expected = (vec!["t".to_owned()], Some(Tree::List(vec![Tree::Nil, Tree::Float(0.5)])));
        assert!(labels == expected, "{what}: {name}: {labels:?}");
    }
    whole
}

/// The files of one part of a store.
fn files_of(dir: &Dir, part: &str) -> Vec<PathBuf> {
    let found = WalkDir::new(dir.inside(part)).sort_by_file_name().into_iter().map(Result::unwrap);
    found.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}

/// Does each kind of damage to a file in turn, and undoes it.
fn damage_in_turn(path: &Path, see: impl Fn(&str)) {
    let sound = std::fs::read(path).unwrap();
    let changed = |what: &str, bytes: Vec<u8>| {
        rot(path, |content| *content = bytes);
        see(&format!("{} {what}", path.display()));
    };
    for at in 0..sound.len() {
        // The lowest bit, and a pattern that turns small numbers into huge ones.
        for mask in [0x01, 0xf6] {
            let mut bytes = sound.clone();
            bytes[at] ^= mask;
            changed(&format!("byte {at} xor {mask:#04x}"), bytes);
        }
        changed(&format!("cut to {at}"), sound[..at].to_vec());
    }
    changed("one byte longer", [&sound[..], &[0]].concat());
    changed("one byte longer of the same", [&sound[..], &sound[sound.len() - 1..]].concat());
    rot(path, |content| *content = sound);
}

#[test]
fn damage_to_any_byte_of_a_blob_or_manifest_is_noticed_by_reads_and_by_verification() {
    let files = [("blobs", 0), ("blobs", 1), ("entries", 0), ("entries", 1), ("entries", 2)];
    std::thread::scope(|scope| {
        for (part, at) in files {
            scope.spawn(move || each_damage_to_one_file_is_noticed(part, at));
        }
    });
}

fn each_damage_to_one_file_is_noticed(part: &str, at: usize) {
    let dir = Dir::new();
    small(&dir);
    let store = dir.read_only();
    assert!(read_all(&store, "sound"));
    let paths = files_of(&dir, part);
    assert_eq!(paths.len(), if part == "blobs" { 2 } else { 3 });
    let path = &paths[at];
    damage_in_turn(path, |what| {
        assert!(!read_all(&store, what), "{what}: nobody noticed");
        if !what.ends_with("xor 0xf6") {
            let problems = verify(&store).problems;
            assert!(problems.iter().any(|problem| problem.path == *path), "{what}: {problems:?}");
        }
    });
    assert!(read_all(&store, "sound again") && verify(&store).problems.is_empty());
}

#[test]
fn damage_to_any_byte_of_the_settings_changes_no_value() {
    let dir = Dir::new();
    small(&dir);
    let opened = std::sync::atomic::AtomicUsize::new(0);
    damage_in_turn(&dir.inside("ndstash.toml"), |what| {
        // Some changes leave settings that mean something, in comments and numbers.
        if let Ok(store) = StoreOptions::new().read_only(true).open(dir.path()) {
            assert!(read_all(&store, what), "{what}");
            opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let len = std::fs::metadata(dir.inside("ndstash.toml")).unwrap().len();
    let opened = opened.into_inner() as u64;
    assert!(opened > 0 && opened < 3 * len, "{opened} of {} stores could be opened", 3 * len + 2);
}

#[test]
fn a_handle_that_may_write_survives_the_same_and_a_put_heals() {
    for part in ["blobs", "entries"] {
        for at in [0, 7, 31] {
            let dir = Dir::new();
            small(&dir);
            for path in files_of(&dir, part) {
                rot(&path, |bytes| bytes[at] ^= 4);
            }
            let store = dir.store();
            assert!(!read_all(&store, "damaged"));
            // A put heals what a read has noticed; one missing blob hides the damage of the next.
            let healed = (0..3).any(|_| {
                small(&dir);
                read_all(&store, "healing")
            });
            assert!(healed, "{part} {at}");
            assert!(verify(&store).problems.is_empty(), "{part} {at}");
        }
    }
}

#[test]
fn damage_through_maps_is_no_panic_and_keeps_its_shape() {
    let dir = Dir::new();
    small(&dir);
    for path in files_of(&dir, "blobs") {
        for change in [(|bytes| bytes[3] ^= 1) as fn(&mut Vec<u8>), |bytes| bytes.truncate(5), Vec::clear] {
            rot(&path, change);
            let store = StoreOptions::new().read_only(true).mapping(crate::common::trusted()).open(dir.path()).unwrap();
            for (name, arrays) in ENTRIES {
                let Ok(Some(entry)) = store.entry(name) else { continue };
                for &(field, len, _) in arrays {
                    // The content of a map is not checked, its length is.
                    let mapped = entry.field(field).unwrap().map::<u8, ndarray::Ix1>().unwrap();
                    assert_eq!(mapped.len(), len);
                    assert!(mapped.iter().map(|&byte| u64::from(byte)).sum::<u64>() > 0);
                }
            }
            drop(store);
            std::fs::remove_file(&path).unwrap();
            small(&dir);
        }
    }
}
