//! Deferred durability: visible at once, on disk behind, and known to be. What power loss does is in `tests/protocol`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ndstash::seam::{Flow, Seam, Verb};
use ndstash::{Cache, CacheOptions, Digest, Durability, Error, GcOptions, ProblemKind, Store, StoreOptions};

use crate::common::{
    Dir, PUBLISHED_NS, Record, bytes_array, chmod, edit, json_of, load, mode_of, modified_ns, noise, read_store, rot,
    seam, set_modified_ns, text, truncate, trusted, verify, wait_for,
};

const LEN: usize = 100_000;
const CERTIFIED: u32 = 0o444;
const UNCERTIFIED: u32 = 0o544;

fn options() -> StoreOptions {
    StoreOptions::new().durability(Durability::Deferred)
}

/// A store that syncs when it is told to.
fn by_hand(dir: &Dir) -> Store {
    dir.open(&options().flush_by_hand())
}

fn digest(seed: u64) -> Digest {
    Digest::of(&noise(LEN, seed))
}

fn put(store: &Store, name: &str, seed: u64) {
    store.put(name, &bytes_array(LEN, seed)).unwrap();
}

fn modes(dir: &Dir, name: &str, seed: u64) -> (u32, u32) {
    (mode_of(&dir.blob(&digest(seed))), mode_of(&dir.entry_named(name)))
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

#[test]
fn what_is_put_is_there_at_once_and_certified_by_a_flush() {
    let dir = Dir::new();
    let store = by_hand(&dir);
    assert_eq!(store.durability(), Durability::Deferred);
    put(&store, "a", 1);
    assert_eq!(modes(&dir, "a", 1), (UNCERTIFIED, UNCERTIFIED));
    assert_eq!(modified_ns(&dir.blob(&digest(1))), PUBLISHED_NS);
    for reader in [dir.store(), dir.mapped(), dir.read_only()] {
        assert_eq!(load(&reader, "a").unwrap().unwrap(), noise(LEN, 1));
        assert!(reader.contains("a").unwrap());
    }
    assert_eq!(modes(&dir, "a", 1), (UNCERTIFIED, UNCERTIFIED), "reading it proves nothing");
    store.flush().unwrap();
    assert_eq!(modes(&dir, "a", 1), (CERTIFIED, CERTIFIED));
    assert!(dir.leftovers().is_empty() && verify(&store).problems.is_empty());
    store.flush().unwrap();
}

#[test]
fn syncs_are_made_up_for_behind_and_when_the_last_handle_goes() {
    let dir = Dir::new();
    let store = dir.open(&options());
    put(&store, "a", 1);
    wait_for("it is on disk", || modes(&dir, "a", 1) == (CERTIFIED, CERTIFIED));
    put(&store, "b", 2);
    let clone = store.clone();
    drop(store);
    assert_eq!(mode_of(&dir.entry_named("b")), UNCERTIFIED);
    drop(clone);
    assert_eq!(modes(&dir, "b", 2), (CERTIFIED, CERTIFIED));
    assert!(dir.leftovers().is_empty());
}

#[test]
fn many_puts_are_synced_together() {
    let dir = Dir::new();
    drop(dir.store());
    let record = Record::default();
    let store = options().flush_by_hand().seam(record.seam()).open(dir.path()).unwrap();
    (0..100).for_each(|number| _ = store.put(format!("{number}").as_str(), &number).unwrap());
    assert!(!record.take().iter().any(|(verb, _)| matches!(verb, Verb::Sync | Verb::SyncDir)));
    store.flush().unwrap();
    let steps = record.take();
    let of = |wanted| steps.iter().filter(move |(verb, _)| *verb == wanted).map(|(_, path)| path);
    assert_eq!(of(Verb::SyncDir).count(), of(Verb::SyncDir).collect::<BTreeSet<_>>().len(), "every directory once");
    assert_eq!((of(Verb::Sync).count(), of(Verb::Certify).count()), (100, 100));
}

#[test]
fn only_so_many_files_are_owed_at_a_time() {
    let dir = Dir::new();
    let store = by_hand(&dir);
    let open = || fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let before = open();
    for number in 0..6000 {
        store.put(format!("{number}").as_str(), &number).unwrap();
        // The tests beside this one have files open, too.
        assert!(number % 500 != 0 || open() < before + 5000, "{} files are open", open() - before);
    }
    store.flush().unwrap();
    assert_eq!(store.count().unwrap(), 6000);
}

#[test]
fn a_blob_that_was_damaged_while_it_was_owed_does_not_take_the_place_of_a_later_one() {
    let dir = Dir::new();
    let store = by_hand(&dir);
    put(&store, "a", 1);
    let blob = dir.blob(&digest(1));
    rot(&blob, |bytes| bytes[3] ^= 0x20);
    fs::remove_file(&blob).unwrap();
    put(&store, "b", 1);
    store.flush().unwrap();
    assert_eq!(modes(&dir, "b", 1), (CERTIFIED, CERTIFIED));
    assert_eq!(load(&store, "b").unwrap().unwrap(), noise(LEN, 1));
    assert!(dir.leftovers().is_empty());
}

/// Two handles of one process rely on what the other wrote; another process, which a handle that flushes by hand stands for,
/// cannot know when it was written.
#[test]
fn a_blob_that_is_owed_counts_for_who_owes_it_and_for_nobody_else() {
    let dir = Dir::new();
    let (one, two) = (dir.open(&options()), dir.open(&options()));
    put(&one, "a", 1);
    let blob = dir.blob(&digest(1));
    let first = inode(&blob);
    assert_eq!(two.put("b", &bytes_array(LEN, 1)).unwrap().shared_blobs, 1);
    assert_eq!(inode(&blob), first);
    two.flush().unwrap();
    assert_eq!(modes(&dir, "a", 1), (CERTIFIED, CERTIFIED), "one flush is for both");

    put(&one, "c", 2);
    let blob = dir.blob(&digest(2));
    let first = inode(&blob);
    let other = by_hand(&dir);
    assert_eq!(other.put("d", &bytes_array(LEN, 2)).unwrap().new_blobs, 1);
    assert_ne!(inode(&blob), first, "it is replaced");
    one.flush().unwrap();
    assert_eq!(inode(&blob), first, "by what is on disk");
    assert_eq!(modes(&dir, "c", 2), (CERTIFIED, CERTIFIED));
    other.flush().unwrap();
    assert_eq!((inode(&blob), mode_of(&dir.entry_named("d"))), (first, CERTIFIED));
    assert_eq!(load(&other, "d").unwrap().unwrap(), noise(LEN, 2));
}

#[test]
fn a_full_put_relies_on_nothing_that_is_owed() {
    let dir = Dir::new();
    let store = by_hand(&dir);
    put(&store, "a", 1);
    put(&dir.store(), "b", 1);
    assert_eq!((mode_of(&dir.blob(&digest(1))), mode_of(&dir.entry_named("b"))), (CERTIFIED, CERTIFIED));
    assert_eq!(mode_of(&dir.entry_named("a")), UNCERTIFIED);
    let certified = inode(&dir.blob(&digest(1)));
    store.flush().unwrap();
    assert_eq!((inode(&dir.blob(&digest(1))), mode_of(&dir.entry_named("a"))), (certified, CERTIFIED));
}

#[test]
fn what_changes_an_entry_puts_it_on_disk_first() {
    type Change = fn(&Store);
    let changes: [(&str, &str, Change); 3] = [
        ("copy", "b", |store| assert!(store.copy("a", "b", false).unwrap())),
        ("rename", "b", |store| assert!(store.rename("a", "b", false).unwrap())),
        ("relabel", "a", |store| assert!(store.relabel("a", |labels| labels.pinned = true).unwrap())),
    ];
    for (what, name, change) in changes {
        for foreign in [false, true] {
            let dir = Dir::new();
            let store = by_hand(&dir);
            put(&store, "a", 1);
            let by = if foreign { by_hand(&dir) } else { store.clone() };
            change(&by);
            assert_eq!(modes(&dir, name, 1), (CERTIFIED, CERTIFIED), "{what}, foreign: {foreign}");
            assert_eq!(load(&store, name).unwrap().unwrap(), noise(LEN, 1), "{what}");
        }
    }
}

#[test]
fn caches_defer_and_stores_do_not_unless_they_are_told() {
    let (deferred, full) = (Durability::Deferred, Durability::Full);
    let dir = Dir::new();
    assert_eq!(dir.store().durability(), full);
    assert_eq!(Cache::new(dir.store(), "n").unwrap().store().durability(), deferred);
    let told = dir.open(&StoreOptions::new().durability(full));
    assert_eq!(Cache::new(told.clone(), "n").unwrap().store().durability(), full);
    assert_eq!(CacheOptions::new().durability(deferred).open(told, "n").unwrap().store().durability(), deferred);
    let cache = CacheOptions::new().durability(full).open(dir.store(), "n").unwrap();
    let key = cache.key("f").finish().unwrap();
    cache.get_or_insert_with(key.clone(), || 1);
    assert_eq!(mode_of(&dir.entry(key.key())), CERTIFIED);
}

#[test]
fn what_power_loss_has_left_of_an_entry_is_no_entry_and_is_collected() {
    let dir = Dir::new();
    let store = by_hand(&dir);
    for (name, keep) in [("empty", 0), ("short", 100), ("head", 192)] {
        store.put(name, &1).unwrap();
        truncate(&dir.entry_named(name), keep);
    }
    // As another boot sees it: there a head alone is looked into.
    let store = dir.open(&options().flush_by_hand().seam(Seam::default().boot_id([7; 16])));
    put(&store, "rotten", 1);
    rot(&dir.entry_named("rotten"), |bytes| bytes[30] ^= 1);
    for name in ["empty", "short", "head", "rotten"] {
        assert!(store.info(name).unwrap().is_none() && !store.contains(name).unwrap(), "{name}");
        let read = read_store(&dir.path(), &["show", name]);
        assert!(text(&read).contains("no entry"), "{name}: {}", text(&read));
    }
    assert_eq!(store.entries("").count(), 0);
    let problems = verify(&store).problems;
    assert_eq!(problems.iter().map(|problem| problem.kind).collect::<Vec<_>>(), [ProblemKind::TornEntry; 4]);
    let report = store.gc(&GcOptions::new()).unwrap();
    assert_eq!((report.torn_removed, report.entries, report.blobs_removed), (4, 0, 1));
    assert!(verify(&store).problems.is_empty() && store.count().unwrap() == 0);
}

#[test]
fn a_damaged_entry_that_is_certified_is_damage_as_ever() {
    let dir = Dir::new();
    let store = by_hand(&dir);
    put(&store, "a", 1);
    store.flush().unwrap();
    let entry = dir.entry_named("a");
    let mut bytes = fs::read(&entry).unwrap();
    bytes[30] ^= 1;
    chmod(&entry, 0o600);
    fs::write(&entry, bytes).unwrap();
    chmod(&entry, CERTIFIED);
    assert!(store.info("a").unwrap_err().is_damage());
    assert!(store.gc(&GcOptions::new()).unwrap_err().is_damage());
}

/// The second boot: a blob is hashed once, and certified.
#[test]
fn on_another_boot_a_blob_is_hashed_before_it_is_used() {
    let dir = Dir::new();
    put(&by_hand(&dir), "a", 1);
    put(&by_hand(&dir), "b", 2);
    let paths = [1, 2].map(|seed| dir.blob(&digest(seed)));
    for (path, name) in paths.iter().zip(["a", "b"]) {
        chmod(path, UNCERTIFIED);
        chmod(&dir.entry_named(name), UNCERTIFIED);
    }
    let times = modified_ns(&paths[1]);
    edit(&paths[1], |bytes| bytes[7] ^= 1);
    chmod(&paths[1], UNCERTIFIED);
    set_modified_ns(&paths[1], times);
    let next_boot = Seam::default().boot_id([7; 16]);
    let next = StoreOptions::new().mapping(trusted()).seam(next_boot).open(dir.path()).unwrap();
    assert!(next.contains("a").unwrap() && !next.contains("b").unwrap());
    assert_eq!(load(&next, "a").unwrap().unwrap(), noise(LEN, 1));
    assert_eq!(mode_of(&paths[0]), CERTIFIED);
    assert!(next.entry("b").unwrap().is_none(), "power loss is no damage");
    assert_eq!(load(&dir.store(), "a").unwrap().unwrap(), noise(LEN, 1));
    put(&next, "b", 2);
    assert_eq!(load(&next, "b").unwrap().unwrap(), noise(LEN, 2), "it heals");
}

#[test]
fn what_could_not_be_synced_is_taken_away_and_told() {
    let dir = Dir::new();
    drop(dir.store());
    let failing = digest(1).to_string();
    let watched = seam(move |step| match step.verb {
        Verb::Sync if step.path.ends_with(&failing) => Err(io::Error::other("the disk has failed")),
        _ => Ok(Flow::Go),
    });
    let store = options().flush_by_hand().seam(watched).open(dir.path()).unwrap();
    put(&store, "lost", 1);
    put(&store, "kept", 2);
    store.put("both", &(bytes_array(LEN, 1), bytes_array(LEN, 2))).unwrap();
    let error = store.flush().unwrap_err();
    assert!(matches!(error, Error::Io { action: "sync", .. }), "{error:?}");
    assert!(!store.contains("lost").unwrap() && !store.contains("both").unwrap());
    assert_eq!(load(&store, "kept").unwrap().unwrap(), noise(LEN, 2));
    store.flush().unwrap();
    assert!(verify(&store).problems.iter().all(|problem| problem.kind == ProblemKind::SuspectBlob));
    put(&dir.store(), "lost", 1);
    assert_eq!(load(&store, "lost").unwrap().unwrap(), noise(LEN, 1));
}

#[test]
fn the_independent_reader_reads_what_is_not_certified() {
    let dir = Dir::new();
    let store = by_hand(&dir);
    put(&store, "a", 1);
    let (shown, code) = json_of(&dir.path(), &["show", "--json", "a"]);
    assert_eq!((&shown["name"], code), (&"a".into(), Some(0)));
    truncate(&dir.blob(&digest(1)), 10);
    set_modified_ns(&dir.blob(&digest(1)), PUBLISHED_NS);
    chmod(&dir.blob(&digest(1)), UNCERTIFIED);
    let read = read_store(&dir.path(), &["show", "a"]);
    assert!(!read.status.success() && text(&read).contains("a miss"), "{}", text(&read));
}

#[test]
fn arrays_that_are_not_certified_are_mapped_for_writing_too() {
    let dir = Dir::new();
    let store = dir.open(&options().flush_by_hand().mapping(trusted()));
    put(&store, "a", 1);
    for reader in [store.clone(), dir.mapped()] {
        let entry = reader.entry("a").unwrap().unwrap();
        assert!(entry.array().unwrap().map_private().unwrap().is_mapped());
    }
}

#[test]
fn threads_put_and_flush_at_the_same_time() {
    let dir = Dir::new();
    let store = dir.open(&options());
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..20u64 {
                    put(store, &format!("{thread}/{round}"), round % 5);
                    if round % 7 == thread % 7 {
                        store.flush().unwrap();
                    }
                }
            });
        }
    });
    store.flush().unwrap();
    for thread in 0..8u64 {
        for round in 0..20u64 {
            let name = format!("{thread}/{round}");
            assert_eq!(load(&store, &name).unwrap().unwrap(), noise(LEN, round % 5));
            assert_eq!(modes(&dir, &name, round % 5), (CERTIFIED, CERTIFIED), "{name}");
        }
    }
    assert!(dir.leftovers().is_empty());
}

#[test]
fn a_store_that_was_removed_owes_nothing() {
    let dir = Dir::new();
    let store = dir.open(&options());
    put(&store, "a", 1);
    fs::remove_dir_all(dir.path()).unwrap();
    store.flush().unwrap();
}
