//! Collectors remember what they read: heads that did not change are not read again, and nothing that is remembered
//! wrongly is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ndarray::Array1;
use ndstash::seam::{Flow, Seam, Verb};
use ndstash::{Digest, GcOptions, Key, Store, StoreOptions};

use crate::common::{Dir, Noise, Record, files_in, listing, mode_of, noise, rot, seam, verify};

/// The directory of most entries here, and one with fewer than are worth remembering.
const SHARD: &str = "5a";
const CROWD: u8 = 20;

fn key(number: u8) -> Key {
    let mut bytes = [0x5a; 32];
    bytes[31] = number;
    Key::from_bytes(bytes)
}

fn content(id: usize) -> Vec<u8> {
    noise(1000 + 10 * id, id as u64)
}

fn digest(id: usize) -> Digest {
    Digest::of(&content(id))
}

fn put(store: &Store, number: u8, id: usize) {
    store.put(key(number), &Array1::from(content(id))).unwrap();
}

/// Entries in one shard, each with a blob of its own, and one elsewhere.
fn crowd(dir: &Dir) -> Store {
    crowd_of(dir, CROWD)
}

fn crowd_of(dir: &Dir, number: u8) -> Store {
    let store = dir.blobs_only();
    (0..number).for_each(|number| put(&store, number, number.into()));
    store.put(Key::from_bytes([7; 32]), &Array1::from(content(200))).unwrap();
    store
}

/// A handle to which every file seems to have the same number: as if each had been given the number of the one before.
/// What is remembered is believed by stamps alone.
fn blind() -> Seam {
    seam(|step| Ok(if step.verb == Verb::List && step.path.starts_with("entries/") { Flow::Half } else { Flow::Go }))
}

fn open_blind(path: &Path) -> Store {
    StoreOptions::new().inline_limits(0, 0).seam(blind()).open(path).unwrap()
}

/// Collects, and tells which entries were opened.
fn collect(dir: &Dir) -> BTreeSet<Key> {
    let record = Record::default();
    let store = StoreOptions::new().seam(record.seam()).open(dir.path()).unwrap();
    store.gc(&GcOptions::new()).unwrap();
    let opened = record.take().into_iter().filter(|(verb, path)| *verb == Verb::Open && path.starts_with("entries/"));
    opened.map(|(_, path)| path.rsplit('/').next().unwrap().parse().unwrap()).collect()
}

fn keys(numbers: impl IntoIterator<Item = u8>) -> BTreeSet<Key> {
    // The one that is alone in its directory is read each time.
    numbers.into_iter().map(key).chain([Key::from_bytes([7; 32])]).collect()
}

fn lock_file(store: &Path) -> PathBuf {
    store.join("keylocks").join(SHARD)
}

fn marks_file(store: &Path) -> PathBuf {
    store.join("marks").join(SHARD)
}

#[test]
fn heads_that_did_not_change_are_not_read_again() {
    let dir = Dir::new();
    let store = crowd(&dir);
    assert_eq!(collect(&dir), keys(0..CROWD));
    assert_eq!(collect(&dir), keys([]));
    put(&store, 3, 103);
    put(&store, 20, 20);
    assert!(store.remove(key(5)).unwrap());
    assert!(store.rename(key(6), key(26), false).unwrap());
    assert!(store.copy(key(7), key(27), false).unwrap());
    assert!(store.relabel(key(8), |labels| labels.pinned = true).unwrap());
    assert_eq!(collect(&dir), keys([3, 20, 26, 27, 8]));
    assert_eq!(collect(&dir), keys([]));
    assert!(store.remove(key(9)).unwrap());
    put(&store, 9, 109);
    assert_eq!(collect(&dir), keys([9]));
    assert!(verify(&store).problems.is_empty());
}

#[test]
fn reading_an_entry_does_not_change_it() {
    let dir = Dir::new();
    let store = crowd(&dir);
    collect(&dir);
    (0..CROWD).for_each(|number| assert!(store.entry(key(number)).unwrap().is_some()));
    assert_eq!(collect(&dir), keys([]));
}

#[test]
fn more_entries_than_stamps_get_more_stamps_and_are_not_read_again() {
    let dir = Dir::new();
    let store = crowd(&dir);
    collect(&dir);
    let slots = || fs::metadata(lock_file(&dir.path())).unwrap().len() / 8;
    (CROWD..64).for_each(|number| put(&store, number, number.into()));
    collect(&dir);
    assert_eq!((collect(&dir), slots()), (keys([]), 32));
    put(&store, 64, 64);
    assert_eq!((collect(&dir), slots()), (keys([0, 32, 64]), 128), "two shared the slot of the one that is new");
    assert_eq!(collect(&dir), keys([]));
    put(&store, 50, 250);
    assert_eq!(collect(&dir), keys([50]));
}

#[test]
fn a_collector_that_changes_nothing_writes_nothing() {
    let dir = Dir::new();
    drop(crowd(&dir));
    collect(&dir);
    let before = (listing(&dir.inside("marks")), listing(&dir.inside("keylocks")));
    collect(&dir);
    assert_eq!((listing(&dir.inside("marks")), listing(&dir.inside("keylocks"))), before);
}

#[test]
fn a_plan_believes_what_is_remembered_and_writes_nothing() {
    let dir = Dir::new();
    let store = crowd(&dir);
    let before = listing(&dir.path());
    assert_eq!(dir.read_only().plan_gc().unwrap().entries, u64::from(CROWD) + 1);
    assert_eq!(listing(&dir.path()), before);
    collect(&dir);
    put(&store, 3, 103);
    let before = listing(&dir.path());
    let record = Record::default();
    let watched = StoreOptions::new().read_only(true).seam(record.seam()).open(dir.path()).unwrap();
    let plan = watched.plan_gc().unwrap();
    assert_eq!((plan.entries, plan.garbage.as_slice()), (u64::from(CROWD) + 1, &[(digest(3), 1030)][..]));
    let steps = record.take();
    assert!(steps.iter().all(|(verb, _)| matches!(verb, Verb::Open | Verb::List | Verb::Look)), "{steps:?}");
    assert_eq!(steps.iter().filter(|(verb, path)| *verb == Verb::Open && path.starts_with("entries/")).count(), 2);
    assert_eq!(listing(&dir.path()), before);
}

#[test]
fn a_small_store_takes_no_room_to_remember() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    (0..7).for_each(|number| put(&store, number, number.into()));
    collect(&dir);
    assert_eq!(files_in(&dir.inside("marks")), Vec::<String>::new());
    assert_eq!(fs::metadata(lock_file(&dir.path())).unwrap().len(), 0);
}

/// What a report says does not depend on what was remembered.
#[test]
fn a_report_is_the_same_with_and_without_a_memory() {
    let dir = Dir::new();
    let store = crowd(&dir);
    (30..40).for_each(|number| put(&store, number, 3));
    collect(&dir);
    let with = store.gc(&GcOptions::new()).unwrap();
    fs::remove_file(marks_file(&dir.path())).unwrap();
    let without = store.gc(&GcOptions::new()).unwrap();
    let figures = |report: &ndstash::GcReport| {
        [report.entries, report.blobs_kept, report.bytes_kept, report.manifest_bytes, report.bytes_shared]
    };
    assert_eq!(figures(&with), figures(&without));
    assert_eq!((with.entries, with.blobs_kept, with.bytes_shared), (31, 21, 10 * 1030));
}

/// Against a model: after every collection exactly the blobs of the entries that are there are left. No number of a file
/// tells one entry from another.
#[test]
fn random_histories_are_collected_exactly_by_stamps_alone() {
    for seed in 0..6 {
        let dir = Dir::new();
        drop(dir.blobs_only());
        let (store, other) = (open_blind(&dir.path()), open_blind(&dir.path()));
        let (mut random, mut model) = (Noise::new(seed), BTreeMap::<u8, usize>::new());
        for round in 0..12 {
            for _ in 0..random.below(25) {
                change(&store, &mut model, &mut random);
            }
            let report = if round % 2 == 0 { &store } else { &other }.gc(&GcOptions::new()).unwrap();
            let live: BTreeSet<String> = model.values().map(|&id| digest(id).to_string()).collect();
            assert_eq!(dir.blob_names().into_iter().collect::<BTreeSet<_>>(), live, "seed {seed}, round {round}");
            assert_eq!((report.entries, report.blobs_kept), (model.len() as u64, live.len() as u64));
        }
        assert!(verify(&store).problems.is_empty());
        assert!(marks_file(&dir.path()).exists(), "seed {seed} has made entries enough");
    }
}

fn change(store: &Store, model: &mut BTreeMap<u8, usize>, random: &mut Noise) {
    let mut any = || u8::try_from(random.below(30)).unwrap();
    let (number, other) = (any(), any());
    match (random.below(8), model.get(&number).copied()) {
        (0, found) => assert_eq!(store.remove(key(number)).unwrap(), found.is_some()),
        (1, Some(id)) if number != other => {
            assert!(store.rename(key(number), key(other), true).unwrap());
            model.insert(other, id);
        }
        (2, Some(id)) if number != other => {
            assert!(store.copy(key(number), key(other), true).unwrap());
            model.insert(other, id);
            return;
        }
        (3, Some(_)) => {
            assert!(store.relabel(key(number), |labels| labels.tags.push("t".into())).unwrap());
            return;
        }
        _ => {
            let id = random.below(40);
            put(store, number, id);
            model.insert(number, id);
            return;
        }
    }
    model.remove(&number);
}

/// A store whose memory of one entry is out of date, as a blind handle sees it, and what a plan must say of it.
fn out_of_date(dir: &Dir) -> Store {
    drop(crowd_of(dir, 9));
    let store = open_blind(&dir.path());
    store.gc(&GcOptions::new()).unwrap();
    put(&store, 3, 103);
    assert!(store.remove(key(4)).unwrap());
    store
}

fn planned(store: &Store) -> BTreeSet<Digest> {
    store.plan_gc().unwrap().garbage.into_iter().map(|(digest, _)| digest).collect()
}

/// Damages a file in every way that `damages` yields, and looks each time whether the garbage is the same.
fn is_never_misled(path: &Path, store: &Store, damages: impl Iterator<Item = Vec<u8>>) {
    let whole = fs::read(path).unwrap();
    let expected = BTreeSet::from([digest(3), digest(4)]);
    assert_eq!(planned(store), expected);
    for damaged in damages {
        rot(path, |bytes| bytes.clone_from(&damaged));
        assert_eq!(planned(store), expected, "{damaged:02x?}");
    }
    rot(path, |bytes| *bytes = whole);
    assert_eq!(planned(store), expected);
}

/// Each byte flipped, by one bit or all; every length; zeros; nothing; more than there was.
fn damages(whole: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let flipped = (0..whole.len()).map(|at| {
        let mut bytes = whole.to_vec();
        bytes[at] ^= if at % 9 == 8 { 0xff } else { 1 << (at % 9) };
        bytes
    });
    let cut = (0..whole.len()).map(|len| whole[..len].to_vec());
    flipped.chain(cut).chain([vec![0; whole.len()], [whole, &[0; 8]].concat(), whole.repeat(2)])
}

#[test]
fn a_damaged_memory_misleads_no_collector() {
    let dir = Dir::new();
    let store = out_of_date(&dir);
    let whole = fs::read(marks_file(&dir.path())).unwrap();
    is_never_misled(&marks_file(&dir.path()), &store, damages(&whole));
}

#[test]
fn damaged_stamps_mislead_no_collector() {
    let dir = Dir::new();
    let store = out_of_date(&dir);
    let whole = fs::read(lock_file(&dir.path())).unwrap();
    assert_eq!(whole.len(), 16 * 8);
    is_never_misled(&lock_file(&dir.path()), &store, damages(&whole));
}

/// A collector that meets damage remembers anew.
#[test]
fn what_was_lost_is_remembered_by_the_next_collector() {
    for lose in [
        |store: &Path| fs::remove_file(marks_file(store)).unwrap(),
        |store: &Path| rot(&marks_file(store), |bytes| bytes[60] ^= 1),
        |store: &Path| rot(&lock_file(store), Vec::clear),
        |store: &Path| rot(&lock_file(store), |bytes| bytes.truncate(7)),
        |store: &Path| fs::remove_file(lock_file(store)).unwrap(),
        |store: &Path| fs::remove_dir_all(store.join("marks")).unwrap(),
    ] {
        let dir = Dir::new();
        drop(crowd(&dir));
        collect(&dir);
        lose(&dir.path());
        assert_eq!(collect(&dir), keys(0..CROWD));
        if dir.inside("marks").exists() {
            assert_eq!(collect(&dir), keys([]));
        }
    }
}

/// What lies where the memory belongs is no reason to fail.
#[test]
fn what_lies_in_the_place_of_the_memory_stops_no_collector() {
    let dir = Dir::new();
    let store = crowd(&dir);
    fs::create_dir(marks_file(&dir.path())).unwrap();
    assert_eq!(collect(&dir), keys(0..CROWD));
    fs::remove_dir(marks_file(&dir.path())).unwrap();
    fs::remove_dir(dir.inside("marks")).unwrap();
    std::os::unix::fs::symlink(dir.beside(""), dir.inside("marks")).unwrap();
    assert_eq!(collect(&dir), keys(0..CROWD));
    assert!(!dir.beside(SHARD).exists(), "no link is followed");
    assert!(store.remove(key(1)).unwrap());
    assert_eq!(store.gc(&GcOptions::new()).unwrap().blobs_removed, 1);
}

/// A whole memory that says it is of another place is not believed, whatever tells places apart.
#[test]
fn a_memory_of_another_place_is_not_believed() {
    for at in [8, 23, 39] {
        let dir = Dir::new();
        drop(crowd(&dir));
        collect(&dir);
        rot(&marks_file(&dir.path()), |bytes| {
            bytes[at] ^= 1;
            let end = bytes.len() - 32;
            let sum = *blake3::hash(&bytes[..end]).as_bytes();
            bytes[end..].copy_from_slice(&sum);
        });
        assert_eq!(collect(&dir), keys(0..CROWD), "byte {at}");
        assert_eq!(collect(&dir), keys([]));
    }
}

/// The memory and the stamps are those of a moment before an entry was replaced, as when a store is copied while it is
/// used, or restored from a backup of that kind.
#[test]
fn a_copy_that_is_older_in_its_stamps_than_in_its_entries_is_not_believed() {
    for arguments in [["-a"], ["-al"], ["-r"]] {
        let dir = Dir::new();
        drop(crowd(&dir));
        open_blind(&dir.path()).gc(&GcOptions::new()).unwrap();
        let (marks, stamps) = (fs::read(marks_file(&dir.path())).unwrap(), fs::read(lock_file(&dir.path())).unwrap());
        put(&open_blind(&dir.path()), 3, 103);
        let copy = dir.beside("copy");
        assert!(Command::new("cp").args(arguments).arg(dir.path()).arg(&copy).status().unwrap().success());
        fs::write(marks_file(&copy), &marks).unwrap();
        fs::File::options().write(true).open(lock_file(&copy)).unwrap().write_all_at(&stamps, 0).unwrap();
        let store = open_blind(&copy);
        assert_eq!(planned(&store), BTreeSet::from([digest(3)]), "{arguments:?}");
        assert_eq!(store.gc(&GcOptions::new()).unwrap().blobs_removed, 1, "{arguments:?}");
        let lacking: Vec<_> = verify(&store).problems;
        assert!(lacking.iter().all(|problem| problem.kind == ndstash::ProblemKind::SuspectBlob), "{lacking:?}");
    }
}

/// Of files put back one by one the numbers tell: a file that is there is no other's.
#[test]
fn an_entry_that_was_put_back_by_hand_is_read_again() {
    let dir = Dir::new();
    let store = crowd(&dir);
    let saved = dir.beside("saved");
    fs::copy(dir.entry(key(3)), &saved).unwrap();
    let blob = fs::read(dir.blob(&digest(3))).unwrap();
    put(&store, 3, 103);
    collect(&dir);
    fs::write(dir.blob(&digest(3)), blob).unwrap();
    fs::rename(&saved, dir.entry(key(3))).unwrap();
    assert_eq!(collect(&dir), keys([3]));
    assert!(dir.blob(&digest(3)).exists() && !dir.blob(&digest(103)).exists());
}

#[test]
fn stamps_of_a_lock_file_that_was_made_anew_are_not_believed() {
    let dir = Dir::new();
    drop(crowd(&dir));
    open_blind(&dir.path()).gc(&GcOptions::new()).unwrap();
    let stamps = fs::read(lock_file(&dir.path())).unwrap();
    put(&open_blind(&dir.path()), 3, 103);
    let beside = dir.beside("lock");
    fs::write(&beside, stamps).unwrap();
    fs::rename(&beside, lock_file(&dir.path())).unwrap();
    assert_eq!(planned(&open_blind(&dir.path())), BTreeSet::from([digest(3)]));
}

#[test]
fn the_memory_of_a_shared_store_is_for_its_group() {
    let dir = Dir::new();
    let store = StoreOptions::new().shared(None).create(dir.path()).unwrap();
    (0..CROWD).for_each(|number| put(&store, number, 1));
    store.gc(&GcOptions::new()).unwrap();
    assert_eq!((mode_of(&marks_file(&dir.path())), mode_of(&lock_file(&dir.path()))), (0o660, 0o660));
    assert_eq!(mode_of(&dir.inside("marks")), 0o2770);
}

/// A committer that was stopped while it held the lock of its key does not stop a collector from reading.
#[test]
fn a_lock_that_is_not_to_be_had_costs_the_memory_and_nothing_else() {
    let dir = Dir::new();
    let store = crowd(&dir);
    collect(&dir);
    let lock = fs::File::open(lock_file(&dir.path())).unwrap();
    lock.lock().unwrap();
    assert_eq!(collect(&dir), keys(0..CROWD));
    drop(lock);
    assert_eq!(collect(&dir), keys([]));
    drop(store);
}
