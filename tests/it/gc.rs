//! The collector: removes exactly what no entry names, beside others, or nothing at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use ndarray::Array1;
use ndstash::seam::{Flow, Step, Verb};
use ndstash::{Digest, Error, GcOptions, GcReport, Store, StoreOptions, Tree};

use crate::common::{Dir, Noise, assert_error, bytes_array, listing, load, noise, rewrite_head, rot, seam, verify};

const SHORT: Duration = Duration::from_millis(50);

fn gc(store: &Store) -> GcReport {
    store.gc(&GcOptions::new()).unwrap()
}

/// Content number `id`, which also decides its length.
fn content(id: usize) -> Vec<u8> {
    noise(1000 + 10 * id, id as u64)
}

fn digest(id: usize) -> Digest {
    Digest::of(&content(id))
}

fn put_contents(store: &Store, name: &str, ids: &BTreeSet<usize>) {
    let mut writer = store.writer();
    let arrays = ids.iter().map(|&id| writer.array(&Array1::from(content(id))).unwrap()).collect();
    writer.put(name, Tree::List(arrays)).unwrap();
}

fn put_one(store: &Store, name: &str, id: usize) {
    put_contents(store, name, &BTreeSet::from([id]));
}

/// A store with one blob that is named and one that is not.
fn one_of_each(dir: &Dir) -> Store {
    let store = dir.blobs_only();
    put_one(&store, "kept", 1);
    put_one(&store, "gone", 2);
    store.remove("gone").unwrap();
    store
}

/// The store of [`one_of_each`] through a handle with a watcher.
fn watched(dir: &Dir, before: impl Fn(&Step<'_>) -> io::Result<Flow> + Send + Sync + 'static) -> Store {
    StoreOptions::new().seam(seam(before)).open(dir.path()).unwrap()
}

#[test]
fn exactly_what_no_entry_names_is_removed_from_random_sharing_graphs() {
    for seed in 0..12 {
        let dir = Dir::new();
        let store = dir.blobs_only();
        let mut random = Noise::new(seed);
        let mut model: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for _ in 0..40 {
            let name = format!("e{}", random.below(12));
            if random.below(4) == 0 {
                assert_eq!(store.remove(&name).unwrap(), model.remove(&name).is_some());
            } else {
                let ids = (0..random.below(6)).map(|_| random.below(25)).collect();
                put_contents(&store, &name, &ids);
                model.insert(name, ids);
            }
        }
        collects_exactly(&dir, &store, &model);
    }
}

fn collects_exactly(dir: &Dir, store: &Store, model: &BTreeMap<String, BTreeSet<usize>>) {
    let live: BTreeSet<usize> = model.values().flatten().copied().collect();
    let live_names: BTreeSet<String> = live.iter().map(|&id| digest(id).to_string()).collect();
    let before: BTreeSet<String> = dir.blob_names().into_iter().collect();
    let garbage: BTreeSet<String> = before.difference(&live_names).cloned().collect();
    let size = |ids: &mut dyn Iterator<Item = usize>| ids.map(|id| content(id).len() as u64).sum::<u64>();
    let live_bytes = size(&mut live.iter().copied());
    let named_bytes = size(&mut model.values().flatten().copied());

    let plan = store.plan_gc().unwrap();
    let planned: BTreeSet<String> = plan.garbage.iter().map(|(digest, _)| digest.to_string()).collect();
    assert_eq!(planned, garbage);
    assert_eq!((plan.entries, plan.live_blobs), (model.len() as u64, live.len() as u64));
    assert_eq!((plan.live_bytes, plan.garbage_bytes), (live_bytes, plan.garbage.iter().map(|blob| blob.1).sum()));
    let on_disk: u64 = plan.garbage.iter().map(|(digest, _)| dir.blob(digest).metadata().unwrap().len()).sum();
    assert_eq!(plan.garbage_bytes, on_disk);

    let report = gc(store);
    assert_eq!((report.entries, report.blobs_kept, report.bytes_kept), (plan.entries, plan.live_blobs, live_bytes));
    assert_eq!((report.blobs_removed, report.bytes_freed), (garbage.len() as u64, plan.garbage_bytes));
    assert_eq!((report.bytes_shared, report.blobs_spared), (named_bytes - live_bytes, 0));
    assert!(report.elapsed >= report.longest_hold && report.longest_hold > Duration::ZERO && !report.full_disk);
    assert_eq!(dir.blob_names().into_iter().collect::<BTreeSet<_>>(), live_names);
    assert_eq!(dir.leftovers(), Vec::<String>::new());
    assert!(!dir.inside("journal").exists());
    for (name, ids) in model {
        let entry = store.entry(name).unwrap().unwrap();
        let found: Vec<_> = entry.stored_arrays().iter().map(|stored| stored.to_bytes().unwrap()).collect();
        assert_eq!(found, ids.iter().map(|&id| content(id)).collect::<Vec<_>>(), "{name}");
    }
    assert_eq!(gc(store).blobs_removed, 0, "a second run finds nothing");
    assert!(verify(store).problems.is_empty());
}

#[test]
fn a_plan_changes_nothing_and_waits_for_nobody() {
    let dir = Dir::new();
    drop(one_of_each(&dir));
    let locks: Vec<File> =
        ["collector.lock", "gate.lock", "turnstile.lock"].map(|name| File::open(dir.inside(name)).unwrap()).into();
    locks.iter().for_each(|lock| lock.lock().unwrap());
    let before = listing(&dir.path());
    let plan = dir.read_only().plan_gc().unwrap();
    assert_eq!(plan.garbage, [(digest(2), content(2).len() as u64)]);
    assert_eq!(listing(&dir.path()), before);
}

#[test]
fn a_read_only_handle_collects_nothing() {
    let dir = Dir::new();
    drop(one_of_each(&dir));
    let before = listing(&dir.path());
    assert_error!(dir.read_only().gc(&GcOptions::new()), Error::Unsupported { .. });
    assert_eq!(listing(&dir.path()), before);
}

#[test]
fn a_put_at_any_step_of_a_run_keeps_its_blobs() {
    let steps = {
        let dir = Dir::new();
        drop(one_of_each(&dir));
        let record = crate::common::Record::default();
        gc(&StoreOptions::new().seam(record.seam()).open(dir.path()).unwrap());
        record.take()
    };
    // Of the steps that differ in nothing but the shard, the first and the last.
    let kind = |(verb, path): &(Verb, String)| (*verb, path.split('/').next().unwrap().to_owned());
    let (mut first, mut last) = (BTreeMap::new(), BTreeMap::new());
    for (at, step) in steps.iter().enumerate() {
        first.entry(format!("{:?}", kind(step))).or_insert(at);
        last.insert(format!("{:?}", kind(step)), at);
    }
    let (mut spared, mut removed_first, mut refused) = (0, 0, 0);
    for at in first.into_values().chain(last.into_values()).collect::<BTreeSet<_>>() {
        let dir = Dir::new();
        drop(one_of_each(&dir));
        // Its own handle: inside the closed gate it is refused at once instead of waiting for ever.
        let other = StoreOptions::new().lock_timeout(Duration::ZERO).open(dir.path()).unwrap();
        let (counted, acknowledged) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&acknowledged);
        let store = watched(&dir, move |_| {
            if counted.fetch_add(1, Ordering::Relaxed) == at {
                match other.put("back", &Array1::from(content(2))) {
                    Ok(_) => told.store(true, Ordering::Relaxed),
                    Err(error) => assert!(error.is_busy(), "step {at}: {error}"),
                }
            }
            Ok(Flow::Go)
        });
        let report = gc(&store);
        let acknowledged = acknowledged.load(Ordering::Relaxed);
        let back = load_first(&dir.store(), "back");
        assert_eq!(back, acknowledged.then(|| content(2)), "step {at}: {:?}", steps[at]);
        assert_eq!(load_first(&dir.store(), "kept"), Some(content(1)));
        spared += report.blobs_spared;
        removed_first += u64::from(acknowledged && report.blobs_removed == 1);
        refused += u64::from(!acknowledged);
        let live = 1 + usize::from(acknowledged);
        assert_eq!((dir.blob_names().len(), dir.leftovers().len()), (live, 0), "step {at}");
    }
    assert!(spared > 0 && removed_first > 0 && refused > 0, "{spared} {removed_first} {refused}: all happened");
}

/// The bytes of the first array of an entry's list.
fn load_first(store: &Store, name: &str) -> Option<Vec<u8>> {
    store.entry(name).unwrap().map(|entry| entry.stored_arrays()[0].to_bytes().unwrap())
}

#[test]
fn a_blob_that_is_collected_between_staging_and_commit_is_written_again() {
    let dir = Dir::new();
    let store = one_of_each(&dir);
    let mut writer = store.writer();
    let value = writer.array(&Array1::from(content(2))).unwrap(); // it is there: only held open
    let private = writer.array(&Array1::from(content(3))).unwrap();
    assert_eq!(gc(&dir.store()).blobs_removed, 1);
    assert!(!dir.blob(&digest(2)).exists());
    writer.put("x", Tree::List(vec![value, private])).unwrap();
    let entry = store.entry("x").unwrap().unwrap();
    assert_eq!(entry.stored_arrays()[0].to_bytes().unwrap(), content(2));
    assert_eq!(entry.stored_arrays()[1].to_bytes().unwrap(), content(3), "private files of the living stay");
    assert!(verify(&store).problems.is_empty());
}

#[test]
fn what_dead_writers_left_is_removed_and_what_the_living_have_is_kept() {
    let dir = Dir::new();
    let store = one_of_each(&dir);
    let mut writer = store.writer();
    writer.array(&Array1::from(content(5))).unwrap();
    let living = dir.leftovers();
    assert_eq!(living.len(), 1);
    for name in ["0123456789abcdef0123456789abcdef", "ffffffffffffffffffffffffffffffff"] {
        std::fs::create_dir(dir.inside(&format!("tmp/{name}"))).unwrap();
        std::fs::write(dir.inside(&format!("tmp/{name}/0")), b"half a blob").unwrap();
        std::fs::write(dir.inside(&format!("tmp/{name}/1")), b"").unwrap();
    }
    let report = gc(&dir.store());
    assert_eq!((report.private_dirs_removed, report.blobs_removed), (2, 1));
    assert_eq!(dir.leftovers(), living);
    drop(writer);
    drop(store);
    assert!(std::fs::read_dir(dir.inside("tmp")).unwrap().next().is_none());
}

#[test]
fn what_lies_in_the_trash_is_unlinked_by_the_next_run() {
    let dir = Dir::new();
    let store = one_of_each(&dir);
    std::fs::write(dir.inside(&format!("trash/{}", digest(7))), b"x").unwrap();
    std::fs::write(dir.inside("trash/something else"), b"x").unwrap();
    assert_eq!(gc(&store).blobs_removed, 1, "only blobs are counted that it removed itself");
    assert_eq!(dir.leftovers(), Vec::<String>::new());
}

#[test]
fn strays_are_left_alone() {
    let dir = Dir::new();
    let store = one_of_each(&dir);
    let zeros = "0".repeat(64);
    let strays = [
        "blobs/00/README".to_owned(),
        format!("blobs/00/{zeros}.zst"),
        format!("blobs/01/{zeros}"),
        format!("blobs/ab/AB{}", &zeros[2..]),
        format!("blobs/00/{}", &zeros[1..]),
        format!("blobs/{zeros}"),
        "entries/00/README".to_owned(),
        format!("entries/01/{zeros}"),
        "notes.txt".to_owned(),
        "tmp/file".to_owned(),
        "quarantine/old".to_owned(),
        "keylocks/zz".to_owned(),
    ];
    strays.iter().for_each(|stray| std::fs::write(dir.inside(stray), stray).unwrap());
    std::fs::create_dir(dir.inside("blobs/00/directory")).unwrap();
    assert_eq!(gc(&store).blobs_removed, 1);
    for stray in &strays {
        assert_eq!(std::fs::read_to_string(dir.inside(stray)).unwrap(), *stray);
    }
    assert!(dir.inside("blobs/00/directory").is_dir());
}

/// Runs a collector that must fail, and checks that it removed nothing.
fn fails_closed(dir: &Dir, what: &str) -> Error {
    let of_blobs = |dir: &Dir| listing(&dir.inside("blobs"));
    let before = of_blobs(dir);
    let store = dir.store();
    store.plan_gc().unwrap_err();
    let error = store.gc(&GcOptions::new()).unwrap_err();
    assert_eq!(of_blobs(dir), before, "{what}");
    assert!(!dir.inside("journal").exists(), "{what}");
    put_one(&store, "another", 9);
    assert_eq!(load_first(&store, "another"), Some(content(9)), "{what}: others go on");
    error
}

#[test]
fn a_head_that_cannot_be_trusted_ends_the_run_with_nothing_removed() {
    for at in [0, 5, 12, 13, 20, 50, 70, 80, 88, 92, 100, 127, 128, 136, 144, 152, 159, 160, 192, 200, 231] {
        let dir = Dir::new();
        drop(one_of_each(&dir));
        rot(&dir.entry_named("kept"), |bytes| bytes[at] ^= 0x40);
        let error = fails_closed(&dir, &format!("byte {at}"));
        assert!(error.is_damage() && error.path() == Some(&dir.entry_named("kept")), "byte {at}: {error}");
    }
    for len in [0, 1, 127, 128, 159, 160, 191, 199, 231] {
        let dir = Dir::new();
        drop(one_of_each(&dir));
        rot(&dir.entry_named("kept"), |bytes| bytes.truncate(len));
        assert!(fails_closed(&dir, &format!("length {len}")).is_damage(), "length {len}");
    }
}

#[test]
fn a_manifest_under_the_name_of_another_key_ends_the_run() {
    let dir = Dir::new();
    drop(one_of_each(&dir));
    let path = dir.entry_named("kept");
    let name = path.file_name().unwrap().to_str().unwrap();
    let other = path.with_file_name(format!("{}{}", &name[..2], "7".repeat(62)));
    std::fs::rename(&path, &other).unwrap();
    assert_error!(Err::<(), _>(fails_closed(&dir, "key")), Error::Malformed { field: "key", .. });
}

#[test]
fn an_entry_of_a_later_version_ends_the_run_and_is_named() {
    let dir = Dir::new();
    drop(one_of_each(&dir));
    rewrite_head(&dir.entry_named("kept"), |head| head[8] = 3);
    let error = fails_closed(&dir, "version");
    assert!(matches!(&error, Error::Unsupported { what, .. } if what.contains("format version 3")), "{error}");
}

#[test]
fn a_body_of_a_later_codec_or_a_damaged_one_keeps_its_blobs() {
    let dir = Dir::new();
    let store = one_of_each(&dir);
    put_one(&store, "later", 3);
    put_one(&store, "damaged", 4);
    rewrite_head(&dir.entry_named("later"), |head| head[12] = 2);
    rot(&dir.entry_named("damaged"), |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert_error!(store.entry("later"), Error::Unsupported { what, .. } if what.contains("codec 2"));
    let report = gc(&store);
    assert_eq!((report.entries, report.blobs_kept, report.blobs_removed), (3, 3, 1));
    assert!([1, 3, 4].iter().all(|&id| dir.blob(&digest(id)).exists()), "a collector looks at heads alone");
}

#[test]
fn a_second_collector_is_told_that_the_first_is_busy() {
    let dir = Dir::new();
    let store = one_of_each(&dir);
    let lock = File::open(dir.inside("collector.lock")).unwrap();
    lock.lock().unwrap();
    let start = Instant::now();
    let refused = store.gc(&GcOptions::new().wait(SHORT));
    assert_error!(refused, Error::Busy { path, waited_ms, .. } if path.ends_with("collector.lock") && waited_ms >= 50);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(dir.blob_names().len(), 2);
    drop(lock);
    assert_eq!(gc(&store).blobs_removed, 1);
}

#[test]
fn collectors_that_come_together_work_one_after_another() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    (0..30).for_each(|id| put_one(&store, &format!("e{id}"), id));
    (0..30).filter(|id| id % 3 != 0).for_each(|id| assert!(store.remove(&format!("e{id}")).unwrap()));
    let removed: u64 = std::thread::scope(|scope| {
        let run = |store: Store| scope.spawn(move || gc(&store).blobs_removed);
        let runs: Vec<_> = (0..4).map(|_| run(dir.store())).collect();
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    assert_eq!((removed, dir.blob_names().len()), (20, 10));
}

#[test]
fn a_committer_stuck_in_the_gate_makes_the_collector_give_up_and_others_go_on() {
    let dir = Dir::new();
    drop(one_of_each(&dir));
    let (entered, has_entered) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let stuck = watched(&dir, move |step| {
        if step.verb == Verb::Rename && step.path.starts_with("entries/") {
            entered.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
        Ok(Flow::Go)
    });
    std::thread::scope(|scope| {
        let committer = scope.spawn(|| put_one(&stuck, "slow", 3));
        has_entered.recv().unwrap();
        let store = dir.store();
        let start = Instant::now();
        assert_error!(store.gc(&GcOptions::new().wait(SHORT)), Error::Busy { path, .. } if path.ends_with("gate.lock"));
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(dir.blob(&digest(2)).exists(), "nothing was removed");
        put_one(&store, "quick", 4);
        assert_eq!(load_first(&store, "quick"), Some(content(4)));
        assert!(store.remove("quick").unwrap());
        release.send(()).unwrap();
        committer.join().unwrap();
        let report = gc(&store);
        assert_eq!((report.blobs_kept, report.blobs_removed), (2, 2));
        assert_eq!(load_first(&store, "slow"), Some(content(3)));
    });
}

#[test]
fn committers_wait_no_longer_than_they_were_told_and_change_nothing() {
    let dir = Dir::new();
    drop(one_of_each(&dir));
    let store = StoreOptions::new().lock_timeout(SHORT).open(dir.path()).unwrap();
    let gate = File::open(dir.inside("gate.lock")).unwrap();
    gate.lock().unwrap();
    let before = listing(&dir.inside("entries"));
    assert_error!(store.put("x", &bytes_array(9, 1)), Error::Busy { .. });
    assert_error!(store.put("x", &Array1::from(content(7))), Error::Busy { .. });
    assert_error!(store.remove("kept"), Error::Busy { .. });
    assert_error!(store.rename("kept", "y", false), Error::Busy { .. });
    assert_error!(store.relabel("kept", |_| ()), Error::Busy { .. });
    assert_eq!(listing(&dir.inside("entries")), before);
    assert_eq!(load_first(&store, "kept"), Some(content(1)), "readers take no lock");
    assert_eq!(dir.leftovers(), Vec::<String>::new());
    gate.unlock().unwrap();
    store.put("x", &bytes_array(9, 1)).unwrap();
    assert_eq!(load(&store, "x").unwrap().unwrap(), noise(9, 1));
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

#[test]
fn on_a_full_disk_garbage_is_unlinked_where_it_lies() {
    type Stop = fn(&Step<'_>) -> bool;
    let stops: [(&str, Stop); 2] = [
        ("no journal", |step| step.verb == Verb::Create && step.path == "journal"),
        ("no name in the trash", |step| step.verb == Verb::Rename && step.path.starts_with("trash/")),
    ];
    for (what, stop) in stops {
        let dir = Dir::new();
        drop(one_of_each(&dir));
        let store = watched(&dir, move |step| if stop(step) { Err(full()) } else { Ok(Flow::Go) });
        let report = gc(&store);
        assert!(report.full_disk, "{what}");
        assert_eq!((report.blobs_kept, report.blobs_removed), (1, 1), "{what}");
        assert_eq!(report.bytes_freed, content(2).len() as u64, "{what}");
        assert_eq!(dir.blob_names(), [digest(1).to_string()], "{what}");
        assert_eq!(load_first(&store, "kept"), Some(content(1)), "{what}");
        assert!(!dir.inside("journal").exists(), "{what}");
        assert_eq!(dir.inside("reserve").metadata().unwrap().len(), 256 << 10, "{what}: there is room again");
    }
}

#[test]
fn on_an_almost_full_disk_the_reserve_is_enough() {
    for no_room_for_reserve in [false, true] {
        let dir = Dir::new();
        drop(one_of_each(&dir));
        let freed = AtomicBool::new(false);
        let store = watched(&dir, move |step| match (step.verb, step.path) {
            (Verb::Unlink, "reserve") => {
                freed.store(true, Ordering::Relaxed);
                Ok(Flow::Go)
            }
            (Verb::Create, "journal") if !freed.load(Ordering::Relaxed) => Err(full()),
            (Verb::Create, "reserve") if no_room_for_reserve => Err(full()),
            _ => Ok(Flow::Go),
        });
        let report = gc(&store);
        assert!(!report.full_disk);
        assert_eq!(report.blobs_removed, 1);
        assert_eq!(dir.inside("reserve").exists(), !no_room_for_reserve);
        assert_eq!(gc(&dir.store()).blobs_removed, 0);
        assert!(dir.inside("reserve").exists(), "made again by the next run that can");
    }
}

#[test]
fn a_put_that_meets_a_full_disk_at_any_step_fails_whole() {
    for verb in [Verb::MakeDir, Verb::Create, Verb::Write, Verb::Settle, Verb::Sync, Verb::Link, Verb::Rename] {
        let dir = Dir::new();
        drop(one_of_each(&dir));
        let store = watched(&dir, move |step| if step.verb == verb { Err(full()) } else { Ok(Flow::Go) });
        let failed = store.put("kept", &Array1::from(content(8))).unwrap_err();
        assert!(failed.is_full() && failed.path().is_some(), "{verb:?}: {failed}");
        assert_eq!(load_first(&dir.store(), "kept"), Some(content(1)), "{verb:?}");
        assert_eq!(dir.leftovers(), Vec::<String>::new(), "{verb:?}");
        drop(store);
        gc(&dir.store());
        assert_eq!(dir.blob_names(), [digest(1).to_string()], "{verb:?}");
        assert!(std::fs::read_dir(dir.inside("tmp")).unwrap().next().is_none(), "{verb:?}");
    }
}

#[test]
fn the_journal_of_a_dead_collector_is_replaced() {
    let dir = Dir::new();
    let store = one_of_each(&dir);
    std::fs::write(dir.inside("journal"), b"half a fra").unwrap();
    put_one(&store, "x", 5); // goes on appending to it
    assert!(dir.inside("journal").metadata().unwrap().len() > 10);
    assert_eq!(gc(&store).blobs_removed, 1);
    assert!(!dir.inside("journal").exists());
    assert_eq!(load_first(&store, "x"), Some(content(5)));
}

#[test]
fn a_journal_that_does_not_parse_ends_the_run_with_nothing_removed() {
    let dir = Dir::new();
    drop(one_of_each(&dir));
    let torn = dir.inside("journal");
    let store = watched(&dir, move |step| {
        if step.verb == Verb::ReadJournal {
            append(&torn, b"NDJ0\x01\0\0\0 and then the writer died");
        }
        Ok(Flow::Go)
    });
    let error = store.gc(&GcOptions::new()).unwrap_err();
    assert!(error.is_damage() && error.path() == Some(&dir.inside("journal")), "{error}");
    assert_eq!(dir.blob_names().len(), 2);
    assert_eq!(gc(&dir.store()).blobs_removed, 1, "the next run starts anew");
}

fn append(path: &Path, bytes: &[u8]) {
    io::Write::write_all(&mut File::options().append(true).open(path).unwrap(), bytes).unwrap();
}

#[test]
fn a_failed_append_to_the_journal_fails_the_put() {
    let dir = Dir::new();
    drop(one_of_each(&dir));
    std::fs::write(dir.inside("journal"), b"").unwrap();
    let store = watched(&dir, |step| if step.verb == Verb::Append { Err(full()) } else { Ok(Flow::Go) });
    assert!(store.put("kept", &Array1::from(content(8))).unwrap_err().is_full());
    assert!(store.copy("kept", "copy", false).unwrap_err().is_full());
    assert_eq!(load_first(&store, "kept"), Some(content(1)));
    assert!(!store.contains("copy").unwrap());
}
