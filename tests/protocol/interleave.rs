//! Every interleaving of commits, removals, copies, collections, repairs and reads, driven on the real code.
//!
//! At every point the invariants of blobs-format.md section 8 must hold: no visible entry names a missing blob, and what
//! was acknowledged stays until somebody who judged that very entry takes it away.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use ndstash::seam::{Flow, Step, Verb};
use ndstash::{GcOptions, Store, VerifyOptions};

use crate::bench::{
    array, blob_path, damage, digest, files, hold, leftovers, named_blobs, open_blind, surround, value,
};
use crate::schedule::{Act, Explored, Scenario, Tamper, explore};

/// The most runs of one scenario here; `NDSTASH_SCHEDULES` sets another, for long campaigns.
fn limit() -> usize {
    std::env::var("NDSTASH_SCHEDULES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_500)
}

/// No seeded bug. Of the 512 shard directories those that the scenarios do not use are not listed, and none is synced:
/// what power loss does is another test's matter.
pub(crate) fn none() -> Tamper {
    Arc::new(|_, _, step| if is_idle(step) { Flow::Skip } else { Flow::Go })
}

pub(crate) fn is_idle(step: &Step<'_>) -> bool {
    let sharded = step.path.starts_with("blobs/") || step.path.starts_with("entries/");
    step.verb == Verb::SyncDir || (step.verb == Verb::List && sharded && !is_used(step.path))
}

/// The steps that another actor could notice: names, locks, journal. Of the listing of 256 directories those that have
/// something in them.
pub(crate) fn visible(step: &Step<'_>) -> bool {
    let names = step.path.starts_with("blobs/") || step.path.starts_with("entries/");
    match step.verb {
        Verb::LockShared | Verb::LockExclusive | Verb::Unlock => {
            step.path == "gate.lock" || step.path.starts_with("keylocks/")
        }
        Verb::Append | Verb::ReadJournal | Verb::Compare => true,
        Verb::Amend => step.path.starts_with("keylocks/") || step.path.starts_with("marks/"),
        Verb::Link | Verb::Unlink | Verb::Rename => !step.path.starts_with("tmp/"),
        Verb::Open | Verb::Look => names,
        Verb::List => names && is_used(step.path),
        _ => false,
    }
}

/// The directories of the blobs and entries that the scenarios use.
fn is_used(dir: &str) -> bool {
    used_dirs().contains(dir)
}

pub(crate) fn used_dirs() -> &'static BTreeSet<String> {
    static USED: std::sync::OnceLock<BTreeSet<String>> = std::sync::OnceLock::new();
    USED.get_or_init(|| {
        let blobs = (1..4).map(|seed| format!("blobs/{}", &digest(seed).to_string()[..2]));
        let keys = ["a", "b", "x"].map(|name| ndstash::Key::from_name(name).unwrap().to_string());
        blobs.chain(keys.iter().map(|key| format!("entries/{}", &key[..2]))).collect()
    })
}

/// No visible entry names a missing blob: looked at in the files themselves.
pub(crate) fn nothing_dangles(store: &Path) -> Option<String> {
    let dirs = used_dirs().iter().filter(|dir| dir.starts_with("entries/"));
    for entry in dirs.flat_map(|dir| files(&store.join(dir))) {
        let Ok(manifest) = std::fs::read(&entry) else { continue };
        for digest in named_blobs(&manifest) {
            if !blob_path(store, &digest).exists() {
                return Some(format!("{} names blob {digest}, which is not there", entry.display()));
            }
        }
    }
    None
}

pub(crate) fn anything(_: &Path) -> Option<String> {
    None
}

/// The values of some names, and that nothing is left behind.
pub(crate) fn expect(store: &Store, expected: &[(&str, &[Option<u8>])]) -> Option<String> {
    for (name, allowed) in expected {
        let found = value(store, name);
        if !allowed.iter().any(|seed| found == seed.map(array)) {
            return Some(format!(
                "{name} is {:?}, allowed are the arrays {allowed:?}",
                found.map(|array| array[0] >> 16)
            ));
        }
    }
    let left = leftovers(store.path());
    (!left.is_empty()).then(|| format!("left behind: {left:?}"))
}

pub(crate) fn put(name: &'static str, seed: u8) -> Act {
    Box::new(move |store| hold(store, name, seed))
}

pub(crate) fn gc() -> Act {
    let options = GcOptions::new().wait(std::time::Duration::from_secs(600));
    Box::new(move |store| _ = store.gc(&options).unwrap())
}

pub(crate) fn remove(name: &'static str) -> Act {
    Box::new(move |store| assert!(store.remove(name).unwrap()))
}

/// Puts an array and takes it away again: its blob is garbage.
pub(crate) fn garbage(store: &Store, seed: u8) {
    store.put("x", &array(seed)).unwrap();
    store.remove("x").unwrap();
}

pub(crate) fn sound(scenario: &Scenario) {
    let Explored { runs, wrong } = explore(scenario, &none(), limit());
    assert!(wrong.is_none(), "{}", wrong.unwrap());
    assert!(runs >= 50, "only {runs} schedules were run: nothing was interleaved");
}

/// A put that finds its blob there, while a collector finds it garbage.
pub(crate) const PUT_AND_GC: Scenario = Scenario {
    prepare: |store| garbage(store, 1),
    actors: || vec![put("a", 1), gc()],
    always: nothing_dangles,
    finally: |store| expect(store, &[("a", &[Some(1)])]),
    visible,
    preemptions: 3,
};

#[test]
fn put_of_garbage_beside_a_collector() {
    sound(&PUT_AND_GC);
}

/// A new blob is linked before the commit: the collector may see it before any entry names it.
pub(crate) const NEW_PUT_AND_GC: Scenario = Scenario {
    prepare: |store| garbage(store, 2),
    actors: || vec![put("a", 1), gc()],
    always: nothing_dangles,
    finally: |store| expect(store, &[("a", &[Some(1)])]),
    visible,
    preemptions: 3,
};

#[test]
fn put_of_a_new_blob_beside_a_collector() {
    sound(&NEW_PUT_AND_GC);
}

/// The last entry of a blob goes while another comes.
pub(crate) const PUT_REMOVE_AND_GC: Scenario = Scenario {
    prepare: |store| hold(store, "b", 1),
    actors: || vec![put("a", 1), remove("b"), gc()],
    always: nothing_dangles,
    finally: |store| expect(store, &[("a", &[Some(1)]), ("b", &[None])]),
    visible,
    preemptions: 2,
};

#[test]
fn put_and_remove_beside_a_collector() {
    sound(&PUT_REMOVE_AND_GC);
}

#[test]
fn two_puts_of_one_blob_beside_a_collector() {
    sound(&Scenario {
        prepare: |store| garbage(store, 1),
        actors: || vec![put("a", 1), put("b", 1), gc()],
        always: nothing_dangles,
        finally: |store| expect(store, &[("a", &[Some(1)]), ("b", &[Some(1)])]),
        visible,
        preemptions: 2,
    });
}

/// Copies an entry that may vanish meanwhile.
pub(crate) const COPY_REMOVE_AND_GC: Scenario = Scenario {
    prepare: |store| hold(store, "a", 1),
    actors: || vec![Box::new(|store| _ = store.copy("a", "b", false).unwrap()), remove("a"), gc()],
    always: nothing_dangles,
    finally: |store| expect(store, &[("a", &[None]), ("b", &[None, Some(1)])]),
    visible,
    preemptions: 2,
};

#[test]
fn copy_and_remove_beside_a_collector() {
    sound(&COPY_REMOVE_AND_GC);
}

/// A rename moves an entry past the collector that is reading one directory after the other, whichever comes first.
const RENAME_FORTH: Scenario = Scenario {
    prepare: |store| hold(store, "a", 1),
    actors: || vec![Box::new(|store| assert!(store.rename("a", "b", false).unwrap())), gc()],
    always: nothing_dangles,
    finally: |store| expect(store, &[("a", &[None]), ("b", &[Some(1)])]),
    visible,
    preemptions: 3,
};

#[test]
fn rename_beside_a_collector_that_is_marking() {
    sound(&RENAME_FORTH);
    sound(&Scenario {
        prepare: |store| hold(store, "b", 1),
        actors: || vec![Box::new(|store| assert!(store.rename("b", "a", false).unwrap())), gc()],
        finally: |store| expect(store, &[("b", &[None]), ("a", &[Some(1)])]),
        ..RENAME_FORTH
    });
}

#[test]
fn replace_beside_a_reader_and_a_collector() {
    sound(&Scenario {
        prepare: |store| hold(store, "a", 1),
        actors: || {
            let read: Act = Box::new(|store| {
                let found = value(store, "a");
                assert!(found == Some(array(1)) || found == Some(array(2)), "a reader sees the old value or the new");
            });
            vec![put("a", 2), read, gc()]
        },
        always: nothing_dangles,
        finally: |store| expect(store, &[("a", &[Some(2)])]),
        visible,
        preemptions: 2,
    });
}

/// Two changes of labels and a replacement: none is lost.
pub(crate) const RELABEL_AND_RELABEL: Scenario = Scenario {
    prepare: |store| hold(store, "a", 1),
    actors: || {
        let tag = |tag: &'static str| -> Act {
            Box::new(move |store| assert!(store.relabel("a", |labels| labels.tags.push(tag.into())).unwrap()))
        };
        vec![tag("one"), tag("two")]
    },
    always: nothing_dangles,
    finally: |store| {
        let tags: BTreeSet<String> = store.info("a").unwrap().unwrap().tags().iter().cloned().collect();
        (tags.len() != 2).then(|| format!("a change was lost: {tags:?}"))
    },
    visible,
    preemptions: 3,
};

#[test]
fn no_change_of_labels_is_lost() {
    sound(&RELABEL_AND_RELABEL);
}

#[test]
fn relabel_and_replace_beside_a_collector() {
    sound(&Scenario {
        prepare: |store| hold(store, "a", 1),
        actors: || {
            let relabel: Act =
                Box::new(|store| assert!(store.relabel("a", |labels| labels.tags.push("t".into())).unwrap()));
            vec![relabel, put("a", 2), gc()]
        },
        always: nothing_dangles,
        finally: |store| expect(store, &[("a", &[Some(2)])]),
        visible,
        preemptions: 2,
    });
}

/// Of two that add one exactly succeeds.
pub(crate) const ADD_AND_ADD: Scenario = Scenario {
    prepare: |_| (),
    actors: || {
        let add = |seed: u8| -> Act {
            Box::new(move |store| {
                let mut writer = store.writer();
                let value = writer.array(&array(seed)).unwrap();
                let added = writer.add("a", value).unwrap().is_some();
                let mine = crate::bench::value(store, "a") == Some(array(seed));
                assert_eq!(added, mine, "who was told that it added an entry finds it, the other finds the other's");
            })
        };
        vec![add(1), add(2)]
    },
    always: nothing_dangles,
    finally: |store| expect(store, &[("a", &[Some(1), Some(2)])]),
    visible,
    preemptions: 3,
};

#[test]
fn of_two_that_add_one_succeeds() {
    sound(&ADD_AND_ADD);
}

/// An entry is removed only by who judged that very entry.
#[test]
fn a_conditional_removal_never_takes_a_newer_entry() {
    sound(&Scenario {
        prepare: |store| hold(store, "a", 1),
        actors: || {
            let evict: Act = Box::new(|store| {
                let judged = store.info("a").unwrap().unwrap();
                let old = judged.blobs().next().unwrap().0 == digest(1);
                let removed = store.remove_if(&judged).unwrap();
                assert!(!removed || old || value(store, "a").is_none());
            });
            vec![evict, put("a", 2)]
        },
        always: nothing_dangles,
        // The put came before the judgement and was removed by it, or it stayed.
        finally: |store| expect(store, &[("a", &[Some(2), None])]),
        visible,
        preemptions: 3,
    });
}

/// No seeded bug, and every file seems to have the same number, so that stamps alone tell what is remembered rightly.
pub(crate) fn blind() -> Tamper {
    Arc::new(|_, _, step| if is_idle(step) { Flow::Skip } else { sight(step) })
}

/// How a blind actor goes on.
pub(crate) fn sight(step: &Step<'_>) -> Flow {
    if step.verb == Verb::List && step.path.starts_with("entries/") { Flow::Half } else { Flow::Go }
}

/// A collector remembers an entry from an earlier run, and what it remembers in this one is what the next believes.
pub(crate) const REPLACE_REMEMBERED: Scenario = Scenario {
    prepare: |store| {
        hold(store, "a", 1);
        surround(store, "a");
        _ = open_blind(store.path()).gc(&GcOptions::new()).unwrap();
    },
    // The collector begins: what can go wrong takes two preemptions then.
    actors: || vec![gc(), put("a", 2)],
    always: nothing_dangles,
    finally: |store| {
        _ = open_blind(store.path()).gc(&GcOptions::new()).unwrap();
        nothing_dangles(store.path()).or_else(|| expect(store, &[("a", &[Some(2)])]))
    },
    visible,
    preemptions: 2,
};

#[test]
fn replace_beside_a_collector_that_remembers() {
    let Explored { runs, wrong } = explore(&REPLACE_REMEMBERED, &blind(), limit());
    assert!(wrong.is_none() && runs >= 50, "{runs} runs: {wrong:?}");
}

/// An entry that is remembered goes, and another comes under its name.
#[test]
fn remove_and_rename_beside_a_collector_that_remembers() {
    let scenario = Scenario {
        prepare: |store| {
            hold(store, "b", 2);
            (REPLACE_REMEMBERED.prepare)(store);
        },
        actors: || {
            let move_over: Act = Box::new(|store| {
                assert!(store.remove("a").unwrap());
                assert!(store.rename("b", "a", false).unwrap());
            });
            vec![gc(), move_over]
        },
        ..REPLACE_REMEMBERED
    };
    let Explored { runs, wrong } = explore(&scenario, &blind(), limit());
    assert!(wrong.is_none() && runs >= 50, "{runs} runs: {wrong:?}");
}

fn repair() -> Act {
    Box::new(|store| drop(store.verify(&VerifyOptions::new().repair(true), &|_| ()).unwrap()))
}

/// What is sound does not belong in quarantine.
fn good_in_quarantine(store: &Store) -> Option<String> {
    files(&store.path().join("quarantine")).into_iter().find_map(|file| {
        let name = file.file_name()?.to_str()?.get(..64)?.to_owned();
        let good = ndstash::Digest::of(&std::fs::read(&file).ok()?).to_string() == name;
        good.then(|| format!("a good blob was quarantined: {name}"))
    })
}

/// A damaged blob is put again while a repair judges it.
pub(crate) const REPAIR_AND_PUT: Scenario = Scenario {
    prepare: |store| {
        store.put("a", &array(1)).unwrap();
        let path = blob_path(store.path(), &digest(1));
        damage(&path);
        // Known to be suspect, as after a checked read: the next put replaces it.
        std::fs::File::open(&path).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    },
    actors: || vec![repair(), put("b", 1)],
    always: nothing_dangles,
    // The old entry is dropped, or healed by the put; the new one is there in any case.
    finally: |store| expect(store, &[("a", &[None, Some(1)]), ("b", &[Some(1)])]).or_else(|| good_in_quarantine(store)),
    visible,
    preemptions: 3,
};

#[test]
fn repair_beside_a_put_that_heals() {
    sound(&REPAIR_AND_PUT);
}

#[test]
fn a_checked_read_of_damage_beside_a_put_and_a_collector() {
    sound(&Scenario {
        prepare: REPAIR_AND_PUT.prepare,
        actors: || {
            let read: Act = Box::new(|store| match store.entry("a") {
                Ok(Some(entry)) => assert!(
                    entry.array().unwrap().to_array::<u32, ndarray::Ix1>().is_ok_and(|found| found == array(1)),
                    "what is handed out is right"
                ),
                Ok(None) => {}
                Err(error) => assert!(error.is_damage(), "{error}"),
            });
            vec![read, put("b", 1), gc()]
        },
        // Quarantine may leave the damaged entry without its blob: it was damaged when it named it.
        always: anything,
        finally: |store| {
            let b = value(store, "b");
            (b != Some(array(1))).then(|| "the entry that was put whole is not whole".into())
        },
        visible,
        preemptions: 2,
    });
}

#[test]
fn two_collectors_take_turns() {
    sound(&Scenario {
        prepare: |store| {
            garbage(store, 1);
            store.put("a", &array(2)).unwrap();
        },
        actors: || vec![gc(), gc(), put("b", 1)],
        always: nothing_dangles,
        finally: |store| expect(store, &[("a", &[Some(2)]), ("b", &[Some(1)])]),
        visible,
        preemptions: 2,
    });
}
