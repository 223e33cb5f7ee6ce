//! Every interleaving of a cull with what may change the entries that it has counted, driven on the real code.
//!
//! A put whose number was drawn after the culler read the highest one is never taken back, nor is what was pinned, or
//! replaced, since it was counted.

use std::sync::atomic::{AtomicBool, Ordering};

use ndstash::seam::{Step, Verb};
use ndstash::{CullOptions, GcOptions, Limits, Store};

use crate::bench::hold;
use crate::interleave::{expect, nothing_dangles, put, sound, visible};
use crate::schedule::{Act, Scenario};

/// Removes whatever may be removed.
fn cull() -> Act {
    let mut limits = Limits::default();
    limits.entries = Some(0);
    let gc = GcOptions::new().wait(std::time::Duration::from_secs(600));
    let options = CullOptions::new().limits(limits).gc(gc);
    Box::new(move |store| drop(store.cull(&options).unwrap()))
}

/// As others see it, and the drawing of numbers.
fn with_numbers(step: &Step<'_>) -> bool {
    visible(step) || (step.path == "ledger" && matches!(step.verb, Verb::Open | Verb::Amend))
}

/// The same without the blobs, for what is about entries alone.
fn entries_alone(step: &Step<'_>) -> bool {
    with_numbers(step) && !step.path.starts_with("blobs/")
}

/// The highest number given, and the highest when the last culler began.
fn numbers(store: &Store) -> (u64, u64) {
    let ledger = std::fs::read(store.path().join("ledger")).unwrap();
    let number = |at: usize| u64::from_le_bytes(ledger[at..at + 8].try_into().unwrap());
    (number(8), number(48))
}

/// The one put of a run is there, unless it had drawn its number when the culler began.
fn newcomer_stays(store: &Store, name: &str, seed: u8) -> Option<String> {
    let (drawn, culled) = numbers(store);
    let allowed = [Some(seed), None];
    expect(store, &[(name, if drawn > culled { &allowed[..1] } else { &allowed })])
}

/// An entry is replaced after it was chosen, or while it is removed.
pub(crate) const CULL_AND_REPLACE: Scenario = Scenario {
    prepare: |store| hold(store, "a", 1),
    actors: || vec![cull(), put("a", 2)],
    always: nothing_dangles,
    finally: |store| newcomer_stays(store, "a", 2),
    visible: entries_alone,
    preemptions: 2,
};

#[test]
fn a_cull_never_takes_what_has_replaced_its_victim() {
    sound(&CULL_AND_REPLACE);
}

#[test]
fn a_cull_leaves_the_blob_of_its_victim_to_a_put_of_the_same() {
    sound(&Scenario {
        actors: || vec![cull(), put("b", 1)],
        finally: |store| newcomer_stays(store, "b", 1).or_else(|| expect(store, &[("a", &[None])])),
        visible: with_numbers,
        ..CULL_AND_REPLACE
    });
}

#[test]
fn a_pin_that_was_acknowledged_holds_against_a_cull_at_work() {
    static PINNED: AtomicBool = AtomicBool::new(false);
    sound(&Scenario {
        actors: || {
            let pin: Act = Box::new(|store| {
                let pinned = store.relabel("a", |labels| labels.pinned = true).unwrap();
                PINNED.store(pinned, Ordering::Relaxed);
            });
            vec![cull(), pin]
        },
        finally: |store| {
            let left = if PINNED.load(Ordering::Relaxed) { Some(1) } else { None };
            expect(store, &[("a", &[left])])
        },
        ..CULL_AND_REPLACE
    });
}

#[test]
fn a_pinned_entry_that_is_renamed_beside_a_cull_stays() {
    sound(&Scenario {
        prepare: |store| {
            hold(store, "a", 1);
            assert!(store.relabel("a", |labels| labels.pinned = true).unwrap());
        },
        actors: || vec![cull(), Box::new(|store| assert!(store.rename("a", "b", false).unwrap()))],
        finally: |store| expect(store, &[("a", &[None]), ("b", &[Some(1)])]),
        visible: with_numbers,
        ..CULL_AND_REPLACE
    });
}

#[test]
fn of_two_puts_over_the_limit_neither_takes_back_the_later() {
    sound(&Scenario {
        prepare: |store| {
            store.set_limits(|limits| limits.entries = Some(1)).unwrap();
            hold(store, "a", 3);
        },
        actors: || vec![put("a", 1), put("b", 2)],
        finally: |store| {
            let newest = store.keys_in_order().unwrap().pop().map(|key| store.info(key).unwrap().unwrap().sequence());
            let found = expect(store, &[("a", &[Some(1), None]), ("b", &[Some(2), None])]);
            found.or_else(|| (newest != Some(numbers(store).0)).then(|| "the last one put is gone".into()))
        },
        ..CULL_AND_REPLACE
    });
}
