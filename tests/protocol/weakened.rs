//! Seeded bugs at the seam: for each rule of the protocol a run of the real code without it, which must go wrong. That
//! the proof by interleaving finds them is what makes its silence mean something.
//!
//! Rules that are conditions inside the code, without a step of their own, are weakened in `tests/model`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ndstash::Digest;
use ndstash::seam::{Flow, Step, Verb};

use crate::bench::{array, blob_path, digest};
use crate::cull::CULL_AND_REPLACE;
use crate::interleave::{
    ADD_AND_ADD, COPY_REMOVE_AND_GC, NEW_PUT_AND_GC, PUT_AND_GC, PUT_REMOVE_AND_GC, REPAIR_AND_PUT, REPLACE_REMEMBERED,
    is_idle, put, sight,
};
use crate::schedule::{Act, Scenario, Tamper, explore};

/// The most runs until a seeded bug must have shown.
const LIMIT: usize = 6_000;

/// Leaves out the steps of one actor that a rule asks for.
fn without(actor: usize, rule: fn(&Step<'_>) -> bool) -> Tamper {
    Arc::new(
        move |number, _, step| {
            if is_idle(step) || (number == actor && rule(step)) { Flow::Skip } else { Flow::Go }
        },
    )
}

/// The same, of actors to which every file seems to have the same number.
fn blind_without(actor: usize, rule: fn(&Step<'_>) -> bool) -> Tamper {
    let tamper = without(actor, rule);
    Arc::new(move |number, store, step| match tamper(number, store, step) {
        Flow::Go => sight(step),
        other => other,
    })
}

/// The lock of a key, taken or let go; not what lies in it.
fn is_key_lock(step: &Step<'_>) -> bool {
    matches!(step.verb, Verb::LockExclusive | Verb::Unlock) && step.path.starts_with("keylocks/")
}

/// Leaves out the gate for the first time that one actor takes it, in every run.
fn without_first_gate(actor: usize) -> Tamper {
    let first = Mutex::new(true);
    Arc::new(move |number, _, step| {
        let mut first = first.lock().unwrap();
        if number == actor && step.verb == Verb::Open && step.path == "ndstash.toml" {
            *first = true;
        }
        if number == actor && *first && is_gate(step) {
            *first = step.verb != Verb::Unlock;
            return Flow::Skip;
        }
        if is_idle(step) { Flow::Skip } else { Flow::Go }
    })
}

fn is_gate(step: &Step<'_>) -> bool {
    matches!(step.verb, Verb::LockShared | Verb::LockExclusive | Verb::Unlock) && step.path == "gate.lock"
}

/// The bug must be found, and by the invariant that the rule is there for.
fn caught(scenario: &Scenario, tamper: &Tamper, word: &str) {
    let explored = explore(scenario, tamper, LIMIT);
    let wrong = explored.wrong.unwrap_or_else(|| panic!("not found in {} schedules", explored.runs));
    assert!(wrong.contains(word), "another thing went wrong: {wrong}");
}

#[test]
fn a_commit_without_the_gate_is_caught() {
    caught(&PUT_AND_GC, &without(0, is_gate), "not there");
}

/// Of a copy the gate alone is not missed: it looks under the locks of both keys whether its source is still there, and
/// a removal of the source waits for them.
#[test]
fn a_copy_without_gate_and_key_locks_is_caught() {
    let unlocked = |step: &Step<'_>| is_gate(step) || step.path.starts_with("keylocks/");
    caught(&COPY_REMOVE_AND_GC, &without(0, unlocked), "not there");
}

#[test]
fn a_commit_that_does_not_tell_the_journal_is_caught() {
    caught(&PUT_AND_GC, &without(0, |step| step.verb == Verb::Append), "not there");
}

#[test]
fn a_collector_that_ignores_the_journal_is_caught() {
    caught(&PUT_AND_GC, &without(1, |step| step.verb == Verb::ReadJournal), "not there");
}

#[test]
fn a_collector_that_opens_its_journal_outside_the_gate_is_caught() {
    caught(&PUT_AND_GC, &without_first_gate(1), "not there");
}

#[test]
fn a_collector_that_sweeps_outside_the_gate_is_caught() {
    caught(&PUT_REMOVE_AND_GC, &without(2, is_gate), "not there");
}

#[test]
fn an_entry_that_is_published_after_the_gate_is_caught() {
    let gate: Mutex<Option<fs::File>> = Mutex::new(None);
    let tamper: Tamper = Arc::new(move |number, _, step| {
        let mut gate = gate.lock().unwrap();
        if number == 0 && step.verb == Verb::LockShared && step.path == "gate.lock" {
            *gate = Some(step.file.unwrap().try_clone().unwrap());
        }
        // The lock of the key is taken after the last look at the blobs: there the gate is let go too early.
        if number == 0 && step.verb == Verb::LockExclusive && step.path.starts_with("keylocks/") {
            gate.take().unwrap().unlock().unwrap();
        }
        if is_idle(step) { Flow::Skip } else { Flow::Go }
    });
    caught(&PUT_AND_GC, &tamper, "not there");
}

#[test]
fn a_first_look_that_is_trusted_is_caught() {
    caught(&PUT_AND_GC, &Fake::tamper(), "not there");
}

#[test]
fn a_link_that_is_not_checked_again_is_caught() {
    caught(&NEW_PUT_AND_GC, &Fake::tamper(), "not there");
}

/// Makes actor 0 see a blob that has gone: shows one under its name for the time of one look.
struct Fake(Mutex<Option<PathBuf>>);

impl Fake {
    fn tamper() -> Tamper {
        let fake = Fake(Mutex::new(None));
        Arc::new(move |number, store, step| {
            fake.take_away();
            if is_idle(step) {
                return Flow::Skip;
            }
            let path = store.join(step.path);
            if number == 0 && step.verb == Verb::Look && step.path.starts_with("blobs/") && !path.exists() {
                fake.show(&path);
            }
            Flow::Go
        })
    }

    fn show(&self, path: &Path) {
        let bytes: Vec<u8> = array(1).iter().flat_map(|element| element.to_le_bytes()).collect();
        fs::write(path, bytes).unwrap();
        let published = std::time::UNIX_EPOCH + std::time::Duration::from_secs(315_532_800);
        fs::File::options().write(true).open(path).unwrap().set_modified(published).unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
        *self.0.lock().unwrap() = Some(path.to_owned());
    }

    fn take_away(&self) {
        if let Some(path) = self.0.lock().unwrap().take() {
            drop(fs::remove_file(path));
        }
    }
}

#[test]
fn a_cull_that_evicts_without_the_lock_of_the_key_is_caught() {
    caught(&CULL_AND_REPLACE, &without(0, |step| step.path.starts_with("keylocks/")), "a is None");
}

#[test]
fn changes_without_the_lock_of_their_key_are_caught() {
    let tamper: Tamper = Arc::new(|_, _, step| {
        let lock = step.path.starts_with("keylocks/");
        if is_idle(step) || lock { Flow::Skip } else { Flow::Go }
    });
    caught(&ADD_AND_ADD, &tamper, "finds");
}

#[test]
fn a_put_that_does_not_stamp_is_caught() {
    let stamp = |step: &Step<'_>| step.verb == Verb::Amend && step.path.starts_with("keylocks/");
    caught(&REPLACE_REMEMBERED, &blind_without(1, stamp), "not there");
}

#[test]
fn a_put_that_stamps_without_the_lock_of_its_key_is_caught() {
    caught(&REPLACE_REMEMBERED, &blind_without(1, is_key_lock), "not there");
}

#[test]
fn a_collector_that_looks_at_stamps_without_the_lock_of_their_keys_is_caught() {
    caught(&REPLACE_REMEMBERED, &blind_without(0, is_key_lock), "not there");
}

#[test]
fn a_repair_by_name_is_caught() {
    caught(&REPAIR_AND_PUT, &without(0, |step| step.verb == Verb::Compare), "a good blob was quarantined");
}

#[test]
fn healing_outside_the_gate_is_caught() {
    caught(&REPAIR_AND_PUT, &without_first_gate(1), "a good blob was quarantined");
}

/// A reader that deletes what it saw damaged, by name: what it deletes may be another file by now.
#[test]
fn a_reader_that_deletes_by_name_is_caught() {
    let scenario = Scenario {
        actors: || {
            let read: Act = Box::new(|store| {
                let path = blob_path(store.path(), &digest(1));
                let damaged = fs::read(&path).is_ok_and(|bytes| Digest::of(&bytes) != digest(1));
                // A point of choice between the judgement and the deed.
                assert!(!store.contains("x").unwrap());
                if damaged {
                    drop(fs::remove_file(path));
                }
            });
            vec![read, put("b", 1)]
        },
        finally: |_| None,
        ..REPAIR_AND_PUT
    };
    caught(&scenario, &crate::interleave::none(), "not there");
}
