//! The protocol as it is keeps its promises in every reachable state.

use std::collections::BTreeSet;

use crate::explore::report;
use crate::scenarios::{self, ALL, Op, Scenario};

/// More than this in one scenario is too slow for a test.
const MOST_STATES: usize = 3_000_000;

fn keeps_all_promises(scenario: &Scenario) {
    let outcome = report(scenario, None);
    if let Some((promise, trace)) = outcome.broken {
        panic!("{}: {promise:?} is broken:\n{trace}", scenario.name);
    }
    assert!(outcome.states < MOST_STATES, "{}: {} states", scenario.name, outcome.states);
}

#[test]
fn writers_and_collectors_leave_nothing_dangling() {
    keeps_all_promises(&scenarios::WRITERS);
}

#[test]
fn writers_of_one_key_lose_no_entry() {
    keeps_all_promises(&scenarios::SAME_KEY);
}

#[test]
fn many_collections_leave_nothing_dangling() {
    keeps_all_promises(&scenarios::MANY_CYCLES);
}

#[test]
fn writers_copier_evictor_and_collectors_leave_nothing_dangling() {
    keeps_all_promises(&scenarios::WRITERS_AND_COPIER);
}

#[test]
fn copies_keep_their_blobs() {
    keeps_all_promises(&scenarios::COPIERS);
}

#[test]
fn renamed_entries_keep_their_blobs() {
    keeps_all_promises(&scenarios::RENAMERS);
}

#[test]
fn rewriting_metadata_loses_no_entry() {
    keeps_all_promises(&scenarios::REWRITERS);
}

#[test]
fn readers_find_replaced_entries_whole() {
    keeps_all_promises(&scenarios::READERS);
}

#[test]
fn readers_find_renamed_entries_whole() {
    keeps_all_promises(&scenarios::READER_OF_MOVED);
}

#[test]
fn collectors_take_turns() {
    keeps_all_promises(&scenarios::TWO_COLLECTORS);
}

#[test]
fn collecting_in_one_gate_needs_no_journal() {
    keeps_all_promises(&scenarios::FULL_DISK);
}

#[test]
fn quarantine_spares_what_a_put_healed() {
    keeps_all_promises(&scenarios::QUARANTINE);
}

#[test]
fn two_who_find_the_same_damage_do_no_harm() {
    keeps_all_promises(&scenarios::HIDDEN_QUARANTINE);
}

#[test]
fn quarantine_needs_no_collector_lock() {
    keeps_all_promises(&scenarios::QUARANTINE_AND_COLLECTOR);
}

#[test]
fn quarantine_spares_copies_and_renamed_entries() {
    keeps_all_promises(&scenarios::QUARANTINE_OF_MOVED);
}

#[test]
fn readers_beside_quarantine_miss_nothing_whole() {
    keeps_all_promises(&scenarios::QUARANTINE_AND_READER);
}

#[test]
fn repair_drops_nothing_that_a_put_healed() {
    keeps_all_promises(&scenarios::REPAIR_AND_WRITERS);
}

#[test]
fn repair_spares_what_a_put_relies_on() {
    keeps_all_promises(&scenarios::REPAIR_OF_HIDDEN);
}

#[test]
fn repair_and_quarantine_do_not_undo_a_put() {
    keeps_all_promises(&scenarios::REPAIR_AND_QUARANTINE);
}

#[test]
fn repair_drops_nothing_that_a_put_made_whole() {
    keeps_all_promises(&scenarios::REPAIR_OF_DANGLING);
}

#[test]
fn repair_leaves_no_copy_without_its_blobs() {
    keeps_all_promises(&scenarios::REPAIR_AND_MOVERS);
}

#[test]
fn repair_drops_only_the_entries_it_judged() {
    keeps_all_promises(&scenarios::REPAIR_AND_REMOVERS);
}

#[test]
fn a_culler_takes_only_what_it_judged() {
    keeps_all_promises(&scenarios::CULL_AND_WRITERS);
}

#[test]
fn a_pin_set_while_a_culler_counts_holds() {
    keeps_all_promises(&scenarios::CULL_AND_PINS);
}

#[test]
fn a_culler_leaves_copies_and_renamed_entries_whole() {
    keeps_all_promises(&scenarios::CULL_AND_MOVERS);
}

#[test]
fn puts_that_cull_spare_what_they_put() {
    keeps_all_promises(&scenarios::LIMITED_WRITERS);
}

#[test]
fn readers_beside_a_culler_miss_nothing_that_is_there() {
    keeps_all_promises(&scenarios::CULL_AND_READERS);
}

#[test]
fn culler_and_repair_take_turns() {
    keeps_all_promises(&scenarios::CULL_AND_REPAIR);
}

#[test]
fn collectors_that_remember_leave_nothing_dangling() {
    keeps_all_promises(&scenarios::MEMORY_AND_WRITERS);
}

#[test]
fn collectors_remember_no_entry_that_was_moved() {
    keeps_all_promises(&scenarios::MEMORY_AND_MOVERS);
}

#[test]
fn cullers_and_a_collector_on_a_full_disk_believe_what_holds() {
    keeps_all_promises(&scenarios::MEMORY_AND_CULLER);
}

#[test]
fn what_repair_takes_out_is_not_believed_when_it_comes_back() {
    keeps_all_promises(&scenarios::MEMORY_AND_REPAIR);
}

#[test]
fn what_was_remembered_before_a_loss_is_not_believed() {
    keeps_all_promises(&scenarios::MEMORY_AND_LOSSES);
}

#[test]
fn every_operation_meets_collector_culler_repair_and_quarantine() {
    let all: BTreeSet<_> = ALL.iter().flat_map(|scenario| kinds(scenario)).collect();
    for strict in ["collect", "cull", "repair", "checked read"] {
        let theirs = ALL.iter().map(|scenario| kinds(scenario)).filter(|kinds| kinds.contains(strict));
        let met: BTreeSet<_> = theirs.flatten().collect();
        let unmet: Vec<_> = all.difference(&met).collect();
        assert!(unmet.is_empty() || unmet == [&"collect in one gate"], "{strict} never meets {unmet:?}");
    }
}

fn kinds(scenario: &Scenario) -> BTreeSet<&'static str> {
    let evictions = scenario.evicts.then_some("remove");
    scenario.programs.iter().copied().flatten().map(kind).chain(evictions).collect()
}

fn kind(op: &Op) -> &'static str {
    match op {
        Op::Put { replace: true, .. } => "put",
        Op::Put { replace: false, .. } => "add",
        Op::Copy { .. } => "copy",
        Op::Rename { .. } => "rename",
        Op::Rewrite { .. } => "rewrite",
        Op::Remove { .. } => "remove",
        Op::Read { checked: false, .. } => "read",
        Op::Read { checked: true, .. } => "checked read",
        Op::Collect => "collect",
        Op::CollectInOneGate => "collect in one gate",
        Op::Repair => "repair",
        Op::Cull | Op::PutAndCull { .. } => "cull",
    }
}
