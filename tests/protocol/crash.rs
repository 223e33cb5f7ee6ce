//! For every operation and every step of it: the process stops there. Reopened, the store must be whole, what was
//! acknowledged must be there, and the same operation must succeed.

use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use ndstash::seam::{Flow, Seam, Step, Verb, Watch};
use ndstash::{CullOptions, GcOptions, Key, Limits, MergeOptions, Result, Store, VerifyOptions};
use tempfile::TempDir;

use crate::bench::{
    array, assert_clean, blob_path, create, damage, digest, hold, leftovers, open_blind, options, surround, temp_dir,
    value,
};

/// Lets so many steps pass, then nothing any more, as if the process had died.
struct StopAfter {
    state: Mutex<State>,
}

struct State {
    left: usize,
    last: Option<Verb>,
    seen: usize,
}

impl StopAfter {
    fn new(left: usize) -> Arc<Self> {
        Arc::new(StopAfter { state: Mutex::new(State { left, last: None, seen: 0 }) })
    }

    fn seen(&self) -> usize {
        self.state.lock().unwrap().seen
    }
}

impl Watch for StopAfter {
    fn before(&self, step: &Step<'_>) -> io::Result<Flow> {
        let mut state = self.state.lock().unwrap();
        let dead = || Err(io::Error::other("the process has stopped"));
        // Stopping before a look, or between the syncs of one directory and the next, leaves what stopping before the
        // next change leaves.
        let repeated = step.verb == Verb::SyncDir && state.last == Some(Verb::SyncDir);
        if repeated || matches!(step.verb, Verb::Open | Verb::List | Verb::Look | Verb::Compare | Verb::ReadJournal) {
            return if state.left == 0 { dead() } else { Ok(Flow::Go) };
        }
        state.last = Some(step.verb);
        state.seen += 1;
        match state.left {
            0 => return dead(),
            left => state.left = left - 1,
        }
        match (state.left, step.verb) {
            (0, Verb::Write) => Ok(Flow::Half),
            (0, _) => dead(),
            _ => Ok(Flow::Go),
        }
    }
}

/// An operation, the state it starts from, and what must hold after it, done or not.
struct Case {
    name: &'static str,
    prepare: fn(&Store),
    act: fn(&Store) -> Result<()>,
    /// Whether the store is as it must be when the operation was done (`true`) or stopped.
    check: fn(&Store, bool, &str),
    /// The store was damaged beforehand, so that it is whole only after the operation.
    damaged: bool,
}

/// Of two values under a name the old or the new, and the new one if it was acknowledged.
fn old_or_new(store: &Store, name: &str, old: Option<u8>, new: Option<u8>, done: bool, at: &str) {
    let found = value(store, name);
    let new = new.map(array);
    if done || found != old.map(array) {
        assert_eq!(found, new, "{at}: {name}");
    }
}

const CASES: &[Case] = &[
    Case {
        name: "put",
        prepare: |store| hold(store, "other", 9),
        act: |store| store.put("a", &array(1)).map(drop),
        check: |store, done, at| {
            old_or_new(store, "a", None, Some(1), done, at);
            old_or_new(store, "other", Some(9), Some(9), true, at);
        },
        damaged: false,
    },
    Case {
        name: "put of what is there",
        prepare: |store| hold(store, "other", 1),
        act: |store| store.put("a", &array(1)).map(drop),
        check: |store, done, at| {
            old_or_new(store, "a", None, Some(1), done, at);
            old_or_new(store, "other", Some(1), Some(1), true, at);
        },
        damaged: false,
    },
    Case {
        name: "replace",
        prepare: |store| hold(store, "a", 1),
        act: |store| store.put("a", &array(2)).map(drop),
        check: |store, done, at| old_or_new(store, "a", Some(1), Some(2), done, at),
        damaged: false,
    },
    Case {
        name: "put over a suspect blob",
        prepare: |store| {
            store.put("a", &array(1)).unwrap();
            let path = blob_path(store.path(), &digest(1));
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        },
        act: |store| store.put("b", &array(1)).map(drop),
        check: |store, done, at| {
            old_or_new(store, "a", Some(1), Some(1), true, at);
            old_or_new(store, "b", None, Some(1), done, at);
        },
        damaged: true,
    },
    Case {
        name: "produce",
        prepare: |store| hold(store, "grown", 3),
        act: |store| {
            let mut made = store.create_array::<u32, _>(100)?;
            made.assign(&array(1));
            made.put("made")?;
            let mut grown = store.append_array::<u32, _>(())?;
            grown.extend(&array(2))?;
            grown.put("grown").map(drop)
        },
        check: |store, done, at| {
            old_or_new(store, "made", None, Some(1), done, at);
            old_or_new(store, "grown", Some(3), Some(2), done, at);
        },
        damaged: false,
    },
    Case {
        name: "merge",
        prepare: |store| hold(store, "ours", 1),
        act: |store| store.merge(source(), &MergeOptions::new().replace(true)).map(drop),
        check: |store, done, at| {
            old_or_new(store, "ours", Some(1), Some(4), done, at);
            old_or_new(store, "theirs", None, Some(5), done, at);
            old_or_new(store, "theirs too", None, Some(5), done, at);
        },
        damaged: false,
    },
    Case {
        name: "remove",
        prepare: |store| hold(store, "a", 1),
        act: |store| store.remove("a").map(drop),
        check: |store, done, at| old_or_new(store, "a", Some(1), None, done, at),
        damaged: false,
    },
    Case {
        name: "rename",
        prepare: |store| hold(store, "a", 1),
        act: |store| store.rename("a", "b", true).map(drop),
        check: |store, done, at| {
            assert!(value(store, "a").is_some() || value(store, "b").is_some(), "{at}: one of the two is always there");
            old_or_new(store, "a", Some(1), None, done, at);
            old_or_new(store, "b", None, Some(1), done, at);
        },
        damaged: false,
    },
    Case {
        name: "copy and relabel",
        prepare: |store| hold(store, "a", 1),
        act: |store| {
            store.copy("a", "b", true)?;
            store.relabel("a", |labels| labels.tags.push("t".into())).map(drop)
        },
        check: |store, done, at| {
            old_or_new(store, "a", Some(1), Some(1), true, at);
            old_or_new(store, "b", None, Some(1), done, at);
            let tagged = store.info("a").unwrap().unwrap().tags().contains(&"t".to_owned());
            assert!(tagged || !done, "{at}");
        },
        damaged: false,
    },
    Case {
        name: "gc",
        prepare: |store| {
            for seed in 1..6 {
                store.put(&format!("garbage {seed}"), &array(seed)).unwrap();
                store.remove(&format!("garbage {seed}")).unwrap();
            }
            store.put("a", &array(5)).unwrap();
            leave_remains(store.path());
        },
        act: |store| store.gc(&GcOptions::new()).map(drop),
        check: |store, done, at| {
            old_or_new(store, "a", Some(5), Some(5), true, at);
            if done {
                assert_eq!(store.usage().unwrap().blobs, 1, "{at}");
            }
        },
        damaged: false,
    },
    Case {
        name: "put where collectors remember",
        prepare: |store| {
            hold(store, "a", 1);
            surround(store, "a");
            open_blind(store.path()).gc(&GcOptions::new()).unwrap();
        },
        act: |store| store.put("a", &array(2)).map(drop),
        check: |store, done, at| {
            // The collection after this one must not rest on what this one believes wrongly.
            store.gc(&GcOptions::new()).unwrap();
            old_or_new(store, "a", Some(1), Some(2), done, at);
        },
        damaged: false,
    },
    Case {
        name: "gc that remembers",
        prepare: |store| {
            hold(store, "a", 1);
            surround(store, "a");
            open_blind(store.path()).gc(&GcOptions::new()).unwrap();
            hold(store, "a", 2);
            // More than there are stamps for: the collector makes new ones.
            (0..32u8).for_each(|i| _ = store.put(beside("a", i), &i).unwrap());
        },
        act: |store| store.gc(&GcOptions::new()).map(drop),
        check: |store, done, at| {
            old_or_new(store, "a", Some(2), Some(2), true, at);
            hold(store, "a", 3);
            store.gc(&GcOptions::new()).unwrap();
            old_or_new(store, "a", Some(3), Some(3), true, at);
            hold(store, "a", 2);
            if done {
                assert_eq!(store.plan_gc().unwrap().garbage.len(), 1, "{at}");
            }
        },
        damaged: false,
    },
    Case {
        name: "cull",
        prepare: |store| {
            for seed in 1..5 {
                store.put(&format!("old {seed}"), &array(seed)).unwrap();
            }
            store.put("pinned", &array(1)).unwrap();
            store.relabel("pinned", |labels| labels.pinned = true).unwrap();
            leave_remains(store.path());
        },
        act: |store| {
            let mut limits = Limits::default();
            limits.entries = Some(1);
            store.cull(&CullOptions::new().limits(limits)).map(drop)
        },
        check: |store, done, at| {
            old_or_new(store, "pinned", Some(1), Some(1), true, at);
            if done {
                assert_eq!((store.count().unwrap(), store.usage().unwrap().blobs), (1, 1), "{at}");
            }
        },
        damaged: false,
    },
    Case {
        name: "repair",
        prepare: |store| {
            store.put("good", &array(1)).unwrap();
            store.put("bad", &array(2)).unwrap();
            store.put("gone", &array(3)).unwrap();
            damage(&blob_path(store.path(), &digest(2)));
            std::fs::remove_file(blob_path(store.path(), &digest(3))).unwrap();
        },
        act: |store| store.verify(&VerifyOptions::new().repair(true), &|_| ()).map(drop),
        check: |store, done, at| {
            old_or_new(store, "good", Some(1), Some(1), true, at);
            if done {
                assert_eq!(store.count().unwrap(), 1, "{at}");
                assert_clean(store, at);
            }
        },
        damaged: true,
    },
];

/// A key beside that of a name.
fn beside(name: &str, number: u8) -> Key {
    let mut key = *Key::from_name(name).unwrap().as_bytes();
    key[31] = key[31].wrapping_add(number + 1);
    Key::from_bytes(key)
}

/// A store to merge from, the same for all.
fn source() -> &'static Store {
    static SOURCE: LazyLock<(TempDir, Store)> = LazyLock::new(|| {
        let dir = temp_dir();
        let store = create(&dir.path().join("source"));
        for (name, seed) in [("ours", 4), ("theirs", 5), ("theirs too", 5)] {
            hold(&store, name, seed);
        }
        (dir, store)
    });
    &SOURCE.1
}

/// What dead processes leave: a private directory, a journal, a blob in the trash.
fn leave_remains(store: &Path) {
    let private = store.join("tmp").join("00".repeat(16));
    std::fs::create_dir(&private).unwrap();
    std::fs::write(private.join("0"), b"half").unwrap();
    std::fs::write(store.join("journal"), b"torn").unwrap();
    std::fs::write(store.join("trash").join(digest(77).to_string()), b"x").unwrap();
}

/// Runs a case, stopped after `left` steps; returns whether it was done, and how many steps it saw.
fn run(case: &Case, left: usize) -> (bool, usize) {
    let dir = temp_dir();
    let path = dir.path().join("store");
    (case.prepare)(&create(&path));
    let at = format!("{}, stopped at step {left}", case.name);
    let watch = StopAfter::new(left);
    let done = match options().seam(Seam::new(watch.clone())).open(&path) {
        Ok(store) => (case.act)(&store).is_ok(),
        Err(error) => panic!("{at}: opening changes nothing, so it cannot be stopped: {error}"),
    };
    let store = open_blind(&path);
    (case.check)(&store, done, &at);
    if !case.damaged {
        assert_clean(&store, &at);
    }
    recover(case, &store, &at);
    (done, watch.seen())
}

/// Whatever was left: the operation succeeds when it is tried again, and a collector tidies up.
fn recover(case: &Case, store: &Store, at: &str) {
    (case.act)(store).unwrap_or_else(|error| panic!("{at}: again: {error}"));
    (case.check)(store, true, &format!("{at}, done again"));
    store.gc(&GcOptions::new()).unwrap();
    assert_clean(store, at);
    assert!(store.plan_gc().unwrap().garbage.is_empty(), "{at}");
    let path = store.path().to_owned();
    let own = leftovers(&path).into_iter().filter(|left| left.parent() != Some(&path.join("tmp"))).count();
    assert_eq!(own, 0, "{at}: {:?}", leftovers(&path));
    let tmp = std::fs::read_dir(path.join("tmp")).unwrap().count();
    assert!(tmp <= 1, "{at}: only the directory of the handle that is open is left, found {tmp}");
}

fn sweep(name: &str) {
    let case = CASES.iter().find(|case| case.name == name).unwrap();
    let (done, steps) = run(case, usize::MAX);
    assert!(done, "{name}: not done although nothing stopped it");
    assert!(steps >= 5, "{name}: only {steps} steps were seen");
    for left in 1..=steps {
        let (done, _) = run(case, left);
        assert!(!done || left + 14 > steps, "{name}: stopping at step {left} of {steps} stopped nothing");
    }
}

#[test]
fn put_stopped_anywhere_leaves_a_whole_store() {
    sweep("put");
}

#[test]
fn put_of_what_is_there_stopped_anywhere_leaves_a_whole_store() {
    sweep("put of what is there");
}

#[test]
fn replace_stopped_anywhere_leaves_the_old_value_or_the_new() {
    sweep("replace");
}

#[test]
fn put_over_a_suspect_blob_stopped_anywhere_leaves_both_values() {
    sweep("put over a suspect blob");
}

#[test]
fn a_result_whose_production_is_stopped_anywhere_is_there_or_not() {
    sweep("produce");
}

#[test]
fn merge_stopped_anywhere_leaves_each_entry_old_or_new() {
    sweep("merge");
}

#[test]
fn remove_stopped_anywhere_leaves_the_entry_or_nothing() {
    sweep("remove");
}

#[test]
fn rename_stopped_anywhere_leaves_at_least_one_name() {
    sweep("rename");
}

#[test]
fn copy_and_relabel_stopped_anywhere_leave_the_value() {
    sweep("copy and relabel");
}

#[test]
fn gc_stopped_anywhere_leaves_what_is_live() {
    sweep("gc");
}

#[test]
fn put_stopped_anywhere_is_remembered_as_it_is() {
    sweep("put where collectors remember");
}

#[test]
fn gc_stopped_anywhere_remembers_nothing_wrong() {
    sweep("gc that remembers");
}

#[test]
fn cull_stopped_anywhere_leaves_what_is_pinned_and_every_blob_of_what_is_left() {
    sweep("cull");
}

#[test]
fn repair_stopped_anywhere_leaves_what_is_good() {
    sweep("repair");
}

/// Making a store: half-made ones are completed.
#[test]
fn creation_stopped_anywhere_is_finished_by_the_next() {
    let steps = {
        let watch = StopAfter::new(usize::MAX);
        options().seam(Seam::new(watch.clone())).create(temp_dir().path().join("store")).unwrap();
        watch.seen()
    };
    // Most steps make one shard directory or lock after the other: every tenth of those will do.
    for left in (1..=steps).filter(|left| left % 10 == 0 || left + 40 > steps) {
        let dir = temp_dir();
        let path = dir.path().join("store");
        let watch = StopAfter::new(left);
        let made = options().seam(Seam::new(watch)).create(&path);
        let store = if made.is_ok() || path.join("ndstash.toml").exists() {
            Store::open(&path).unwrap()
        } else {
            assert!(Store::open(&path).is_err(), "stopped at {left}: half a store is no store");
            Store::create(&path).unwrap()
        };
        store.put("a", &array(1)).unwrap();
        assert_clean(&store, &format!("creation stopped at {left}"));
    }
}
