//! Merging: another store's entries are taken over, each blob checked; damage is left behind, and nothing is lost.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::Array1;
use ndstash::seam::{Flow, Verb};
use ndstash::{Digest, Error, GcOptions, Key, MergeOptions, Store, StoreOptions, Tree};

use crate::common::{
    Dir, Facts, PUBLISHED_NS, assert_error, bytes_array, files_in, listing, load, mode_of, modified_ns,
};
use crate::common::{noise, rewrite_head, rot, seam, verify};

/// A store to merge into, and one to merge from.
fn two() -> (Dir, Dir, Store, Store) {
    let (here, there) = (Dir::new(), Dir::new());
    let (into, from) = (here.blobs_only(), there.blobs_only());
    (here, there, into, from)
}

fn hold(store: &Store, name: &str, seed: u64) {
    store.put(name, &bytes_array(1000, seed)).unwrap();
}

fn holds(store: &Store, name: &str, seed: u64) -> bool {
    load(store, name).unwrap().is_some_and(|bytes| bytes == noise(1000, seed))
}

fn digest(seed: u64) -> Digest {
    Digest::of(&noise(1000, seed))
}

fn names(store: &Store) -> Vec<String> {
    let mut names: Vec<String> = store.entries("").map(|info| info.unwrap().label()).collect();
    names.sort();
    names
}

fn assert_sound(store: &Store) {
    let report = verify(store);
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[test]
fn entries_come_over_as_they_were_with_everything_they_say_of_themselves() {
    let (here, _there, into, from) = two();
    let mut writer = from.writer();
    let parts = [1, 2, 1].map(|seed| writer.array(&bytes_array(1000, seed)).unwrap());
    writer.tag("a").tag("b").meta("step", 7).meta("none", f64::NAN);
    writer.put("named", Tree::List(parts.into())).unwrap();
    let key = Key::from_bytes([9; 32]);
    from.put(key, &bytes_array(1000, 1)).unwrap();
    let before = from.info("named").unwrap().unwrap();

    let report = into.merge(&from, &MergeOptions::new()).unwrap();
    assert_eq!((report.entries_copied, report.entries_kept + report.entries_same + report.entries_replaced), (2, 0));
    assert_eq!(report.blobs_copied + report.blobs_shared, 3);
    assert!(report.damaged.is_empty());
    let after = into.info("named").unwrap().unwrap();
    assert_eq!((after.name(), after.key(), after.created()), (before.name(), before.key(), before.created()));
    assert_eq!((after.tags(), after.tree(), after.arrays()), (before.tags(), before.tree(), before.arrays()));
    assert_eq!(format!("{:?}", after.meta()), format!("{:?}", before.meta()));
    assert!(into.info(key).unwrap().unwrap().name().is_none());
    let blob = here.blob(&digest(2));
    assert_eq!((mode_of(&blob), modified_ns(&blob)), (0o444, PUBLISHED_NS));
    assert_eq!(here.blob_names().len(), 2);
    assert!(here.leftovers().is_empty());
    assert_sound(&into);
}

#[test]
fn merging_again_copies_nothing() {
    let (here, _there, into, from) = two();
    (0..20).for_each(|seed| hold(&from, &seed.to_string(), seed));
    into.merge(&from, &MergeOptions::new()).unwrap();
    for options in [MergeOptions::new(), MergeOptions::new().replace(true)] {
        let entries = || (0..20).map(|seed| Facts::of(&here.entry_named(&seed.to_string()))).collect::<Vec<_>>();
        let facts = entries();
        let report = into.merge(&from, &options).unwrap();
        assert_eq!((report.entries_same, report.entries_copied, report.entries_replaced), (20, 0, 0));
        assert_eq!((report.blobs_copied, report.blobs_shared), (0, 0));
        assert_eq!(entries(), facts, "no entry was written again");
    }
    assert_eq!(into.merge(&into, &MergeOptions::new()).unwrap().entries_same, 20, "a store into itself");
}

#[test]
fn of_two_entries_under_a_name_ours_stays_unless_theirs_is_wanted() {
    let (_here, _there, into, from) = two();
    hold(&into, "differs", 1);
    hold(&from, "differs", 2);
    hold(&into, "equal", 3);
    hold(&from, "equal", 3);
    hold(&into, "ours", 4);
    hold(&from, "theirs", 5);
    let report = into.merge(&from, &MergeOptions::new()).unwrap();
    assert_eq!((report.entries_kept, report.entries_same, report.entries_copied), (1, 1, 1));
    assert!(holds(&into, "differs", 1) && holds(&into, "theirs", 5) && holds(&into, "ours", 4));

    let report = into.merge(&from, &MergeOptions::new().replace(true)).unwrap();
    assert_eq!((report.entries_replaced, report.entries_same, report.entries_copied), (1, 2, 0));
    assert!(holds(&into, "differs", 2) && holds(&into, "ours", 4));
    assert!(holds(&from, "differs", 2) && names(&from).len() == 3, "the other store is as it was");
}

#[test]
fn labels_make_a_difference_and_the_time_of_creation_does_not() {
    let (_here, _there, into, from) = two();
    hold(&into, "a", 1);
    hold(&from, "a", 1);
    assert_ne!(into.info("a").unwrap().unwrap().created(), from.info("a").unwrap().unwrap().created());
    assert_eq!(into.merge(&from, &MergeOptions::new()).unwrap().entries_same, 1);
    from.relabel("a", |labels| labels.tags.push("new".into())).unwrap();
    let report = into.merge(&from, &MergeOptions::new().replace(true)).unwrap();
    assert_eq!((report.entries_replaced, report.blobs_copied, report.blobs_shared), (1, 0, 1));
    assert_eq!(into.info("a").unwrap().unwrap().tags(), ["new"]);
}

#[test]
fn only_what_was_asked_for_comes_over() {
    let (here, _there, into, from) = two();
    for (seed, name) in (0..).zip(["runs/1", "runs/2", "runs/3", "other"]) {
        hold(&from, name, seed);
    }
    from.put(Key::from_bytes([1; 32]), &bytes_array(10, 1)).unwrap();
    let options = MergeOptions::new().prefix("runs/").only(|info| info.name() != Some("runs/2"));
    assert_eq!(into.merge(&from, &options).unwrap().entries_copied, 2);
    assert_eq!(names(&into), ["runs/1", "runs/3"]);
    assert_eq!(here.blob_names().len(), 2);
}

#[test]
fn blobs_that_are_here_are_not_copied() {
    let (here, there, into, from) = two();
    hold(&into, "mine", 1);
    hold(&from, "yours", 1);
    // What is not read cannot be missed.
    fs::remove_file(there.blob(&digest(1))).unwrap();
    let report = into.merge(&from, &MergeOptions::new()).unwrap();
    assert_eq!((report.blobs_shared, report.bytes_shared, report.blobs_copied), (1, 1000, 0));
    assert!(holds(&into, "yours", 1));
    assert_eq!(here.blob_names().len(), 1);
}

#[test]
fn damage_is_left_behind_and_named_and_the_rest_goes_on() {
    let (here, there, into, from) = two();
    (0..6).for_each(|seed| hold(&from, &format!("entry {seed}"), seed));
    rot(&there.blob(&digest(0)), |bytes| bytes[500] ^= 1);
    fs::remove_file(there.blob(&digest(1))).unwrap();
    rot(&there.entry_named("entry 2"), |bytes| *bytes.last_mut().unwrap() ^= 1);
    rewrite_head(&there.entry_named("entry 3"), |head| head[8] = 77);
    rot(&there.blob(&digest(4)), |bytes| bytes.truncate(999));

    let report = into.merge(&from, &MergeOptions::new()).unwrap();
    let mut left: Vec<&str> = report.damaged.iter().map(|entry| entry.label.as_str()).collect();
    let keys = ["entry 2", "entry 3"].map(|name| Key::from_name(name).unwrap().to_string());
    let mut expected = vec!["entry 0", "entry 1", "entry 4", &keys[0], &keys[1]];
    left.sort_unstable();
    expected.sort_unstable();
    assert_eq!(left, expected);
    for entry in &report.damaged {
        let path = entry.error.path().unwrap();
        assert!(path.starts_with(there.path()), "{path:?}");
    }
    assert_eq!((report.entries_copied, names(&into)), (1, vec!["entry 5".to_owned()]));
    assert_eq!(here.blob_names(), [digest(5).to_string()], "nothing damaged has come over");
    assert!(here.leftovers().is_empty());
    assert_sound(&into);

    // Damage that was seen heals with the next put.
    hold(&from, "entry 0", 0);
    assert!(holds(&from, "entry 0", 0));
    assert_eq!(into.merge(&from, &MergeOptions::new()).unwrap().entries_copied, 1);
}

#[test]
fn a_read_only_source_is_not_touched_even_if_it_is_damaged() {
    let (_here, there, into, from) = two();
    hold(&from, "good", 1);
    hold(&from, "bad", 2);
    rot(&there.blob(&digest(2)), |bytes| bytes[0] ^= 1);
    drop(from);
    let before = listing(&there.path());
    let report = into.merge(&there.read_only(), &MergeOptions::new()).unwrap();
    assert_eq!((report.entries_copied, report.damaged.len()), (1, 1));
    assert_eq!(listing(&there.path()), before);
    let refused = there.read_only().merge(&into, &MergeOptions::new());
    assert_error!(refused, Error::Unsupported { .. });
}

#[test]
fn an_entry_here_that_cannot_be_read_is_reported_and_one_that_lacks_a_blob_is_healed() {
    let (here, _there, into, from) = two();
    for (seed, name) in (1..).zip(["damaged", "lacking"]) {
        hold(&into, name, seed);
        hold(&from, name, seed);
    }
    rot(&here.entry_named("damaged"), |bytes| bytes[200] ^= 1);
    fs::remove_file(here.blob(&digest(2))).unwrap();
    let report = into.merge(&from, &MergeOptions::new()).unwrap();
    assert_eq!((report.entries_replaced, report.damaged.len()), (1, 1));
    assert_eq!(report.damaged[0].label, "damaged");
    assert!(report.damaged[0].error.path().unwrap().starts_with(here.path()));
    assert!(holds(&into, "lacking", 2));
}

#[test]
fn a_full_disk_ends_a_merge_which_can_be_run_again() {
    let (here, _there, into, from) = two();
    (0..30).for_each(|seed| hold(&from, &seed.to_string(), seed));
    drop(into);
    let left = std::sync::atomic::AtomicI32::new(25);
    let full = seam(move |step| match step.verb {
        Verb::Write if left.fetch_sub(1, Ordering::Relaxed) <= 0 => Err(rustix::io::Errno::NOSPC.into()),
        _ => Ok(Flow::Go),
    });
    let narrow = here.open(&StoreOptions::new().seam(full));
    let error = narrow.merge(&from, &MergeOptions::new()).unwrap_err();
    assert!(error.is_full(), "{error:?}");
    drop(narrow);
    assert!(here.leftovers().is_empty());
    let into = here.store();
    let taken = names(&into).len() as u64;
    assert!((1..30).contains(&taken), "{taken}");
    assert_sound(&into);
    let report = into.merge(&from, &MergeOptions::new()).unwrap();
    assert_eq!((report.entries_same, report.entries_copied), (taken, 30 - taken));
}

#[test]
fn an_entry_of_many_blobs_and_one_of_inline_arrays_come_over_whole() {
    let (here, there) = (Dir::new(), Dir::new());
    let (into, from) = (here.store(), there.blobs_only());
    let mut writer = from.writer();
    let parts = (0..300u32).map(|i| writer.array(&Array1::from_elem(50, i)).unwrap()).collect();
    writer.put("many", Tree::List(parts)).unwrap();
    let inline = Dir::new();
    inline.store().put("inline", &bytes_array(100, 1)).unwrap();
    assert_eq!(into.merge(&from, &MergeOptions::new()).unwrap().blobs_copied, 300);
    assert_eq!(into.merge(&inline.store(), &MergeOptions::new()).unwrap().entries_copied, 1);
    let many = into.entry("many").unwrap().unwrap();
    for (i, array) in (0..).zip(many.stored_arrays()) {
        assert_eq!(array.to_array::<u32, ndarray::Ix1>().unwrap(), Array1::from_elem(50, i));
    }
    assert_eq!(load(&into, "inline").unwrap().unwrap(), noise(100, 1));
    assert!(files_in(&here.inside("tmp")).is_empty());
    assert_sound(&into);
}

/// Writers, removers and collectors on both sides while one store is merged into the other again and again.
#[test]
fn a_merge_goes_on_beside_writers_and_collectors_of_both_stores() {
    let (here, _there, into, from) = two();
    (0..30).for_each(|seed| hold(&from, &format!("stays {seed}"), seed));
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for (store, name) in [(&into, "ours"), (&from, "theirs")] {
            threads.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    store.gc(&GcOptions::new()).unwrap();
                }
            });
            let done = &done;
            threads.spawn(move || {
                for round in (0..).take_while(|_| !done.load(Ordering::Relaxed)) {
                    hold(store, &format!("{name} {}", round % 7), round % 40);
                    store.remove(&format!("{name} {}", (round + 3) % 7)).unwrap();
                }
            });
        }
        for _ in 0..5 {
            let report = into.merge(&from, &MergeOptions::new().replace(true)).unwrap();
            assert!(report.damaged.is_empty(), "{:?}", report.damaged);
            (0..30).filter(|seed| seed % 3 == 0).for_each(|seed| {
                into.remove(&format!("stays {seed}")).unwrap();
            });
        }
        done.store(true, Ordering::Relaxed);
    });
    into.merge(&from, &MergeOptions::new()).unwrap();
    assert!((0..30).all(|seed| holds(&into, &format!("stays {seed}"), seed)));
    into.gc(&GcOptions::new()).unwrap();
    assert_sound(&into);
    assert_sound(&from);
    assert!(here.leftovers().is_empty());
}
