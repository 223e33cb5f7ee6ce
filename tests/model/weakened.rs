//! Without any one of its rules the protocol breaks a promise: the model would notice.

use crate::explore::report;
use crate::scenarios::{self, Scenario};
use crate::state::Promise;
use crate::turn::Weakness;

fn breaks(weakness: Weakness, scenario: &Scenario, promise: Promise) {
    let outcome = report(scenario, Some(weakness));
    let (broken, trace) = outcome.broken.expect("a weakened protocol breaks a promise");
    assert_eq!(broken, promise, "{weakness:?} in {}:\n{trace}", scenario.name);
}

#[test]
fn without_the_gate_entries_dangle() {
    breaks(Weakness::NoGate, &scenarios::REWRITERS, Promise::NothingDangles);
}

#[test]
fn without_collector_lock_one_collector_empties_the_journal_of_another() {
    breaks(Weakness::NoCollectorLock, &scenarios::TWO_COLLECTORS, Promise::NothingDangles);
}

#[test]
fn without_the_key_lock_entries_are_lost() {
    breaks(Weakness::NoKeyLock, &scenarios::REWRITERS, Promise::NothingIsLost);
}

#[test]
fn a_commit_that_writes_no_journal_dangles() {
    breaks(Weakness::NoJournalWrite, &scenarios::MANY_CYCLES, Promise::NothingDangles);
}

#[test]
fn a_commit_that_comes_again_must_write_the_journal_again() {
    breaks(Weakness::JournalOnlyOnFirstTry, &scenarios::MANY_CYCLES, Promise::NothingDangles);
}

#[test]
fn a_collector_that_ignores_the_journal_takes_live_blobs() {
    breaks(Weakness::JournalIgnored, &scenarios::MANY_CYCLES, Promise::NothingDangles);
}

#[test]
fn a_collector_must_read_the_end_of_the_journal_inside_the_gate() {
    breaks(Weakness::JournalReadBeforeGate, &scenarios::MANY_CYCLES, Promise::NothingDangles);
}

#[test]
fn a_journal_opened_without_the_gate_is_missed_by_committers() {
    breaks(Weakness::JournalOpenedWithoutGate, &scenarios::MANY_CYCLES, Promise::NothingDangles);
}

#[test]
fn a_journal_opened_after_the_marking_is_too_late() {
    breaks(Weakness::JournalOpenedAfterMarking, &scenarios::MANY_CYCLES, Promise::NothingDangles);
}

#[test]
fn a_torn_journal_must_end_the_run() {
    breaks(Weakness::TornTailSkipped, &scenarios::MANY_CYCLES, Promise::NothingDangles);
}

#[test]
fn a_blob_seen_without_the_gate_may_be_gone() {
    breaks(Weakness::FirstLookTrusted, &scenarios::MANY_CYCLES, Promise::NothingDangles);
}

#[test]
fn a_blob_linked_before_the_commit_may_be_gone() {
    breaks(Weakness::LinkedNotCheckedAgain, &scenarios::MANY_CYCLES, Promise::NothingDangles);
}

/// Inside its exclusive section repair finds a blob missing; before it drops the entry a put links
/// the blob. Nobody else rests anything on absence.
#[test]
fn linking_before_the_gate_lets_repair_drop_a_whole_entry() {
    breaks(Weakness::LinkedBeforeGate, &scenarios::REPAIR_OF_DANGLING, Promise::NothingIsLost);
}

/// Who quarantines has found the damaged file under the name; then a put renames a good one over
/// it, and that is what is moved: the entry has lost a good blob.
#[test]
fn healing_before_the_gate_lets_quarantine_take_the_good_blob() {
    breaks(Weakness::HealedBeforeGate, &scenarios::QUARANTINE, Promise::NothingDangles);
}

#[test]
fn healing_before_the_gate_lets_repair_drop_a_whole_entry() {
    breaks(Weakness::HealedBeforeGate, &scenarios::REPAIR_AND_WRITERS, Promise::NothingIsLost);
}

#[test]
fn an_entry_published_after_the_gate_dangles() {
    breaks(Weakness::EntryPublishedAfterGate, &scenarios::MANY_CYCLES, Promise::NothingDangles);
}

#[test]
fn a_copy_without_the_gate_dangles() {
    breaks(Weakness::CopyWithoutGate, &scenarios::COPIERS, Promise::NothingDangles);
}

#[test]
fn a_copy_that_does_not_look_at_its_blobs_dangles() {
    breaks(Weakness::CopyNotChecked, &scenarios::QUARANTINE_OF_MOVED, Promise::NothingDangles);
}

#[test]
fn a_rename_that_removes_by_name_loses_an_entry() {
    breaks(Weakness::RenameRemovesByName, &scenarios::RENAMERS, Promise::NothingIsLost);
}

/// Only because a collector's listing need not show an entry that was renamed over meanwhile.
#[test]
fn rewriting_without_the_journal_dangles() {
    breaks(Weakness::RewriteWithoutJournal, &scenarios::REWRITERS, Promise::NothingDangles);
}

#[test]
fn rewriting_by_name_loses_an_update() {
    breaks(Weakness::RewriteByName, &scenarios::REWRITERS, Promise::NothingIsLost);
}

#[test]
fn removal_by_name_takes_an_entry_nobody_judged() {
    breaks(Weakness::RemovalByName, &scenarios::REWRITERS, Promise::NothingIsLost);
}

#[test]
fn a_reader_that_deletes_by_name_takes_a_good_blob() {
    breaks(Weakness::ReaderDeletesByName, &scenarios::QUARANTINE, Promise::NothingDangles);
}

#[test]
fn a_reader_that_does_not_look_again_reports_false_misses() {
    breaks(Weakness::ReaderNeverRereads, &scenarios::READERS, Promise::NoFalseMiss);
}

/// The blob belongs to the entry as it was; the one that replaced it is whole.
#[test]
fn damage_in_an_entry_that_was_replaced_is_a_false_miss() {
    breaks(Weakness::DamageReportedWithoutReread, &scenarios::HIDDEN_QUARANTINE, Promise::NoFalseMiss);
}

#[test]
fn quarantine_by_name_takes_a_good_blob() {
    breaks(Weakness::QuarantineByName, &scenarios::QUARANTINE, Promise::NothingDangles);
}

#[test]
fn quarantine_without_the_gate_takes_a_good_blob() {
    breaks(Weakness::QuarantineWithoutGate, &scenarios::QUARANTINE, Promise::NothingDangles);
}

#[test]
fn repair_by_name_drops_a_whole_entry() {
    breaks(Weakness::RepairByName, &scenarios::REPAIR_AND_QUARANTINE, Promise::NothingIsLost);
}

#[test]
fn repair_that_drops_by_name_loses_an_entry() {
    breaks(Weakness::RepairDropsByName, &scenarios::REPAIR_AND_REMOVERS, Promise::NothingIsLost);
}

#[test]
fn repair_that_ignores_the_journal_takes_blobs_of_new_entries() {
    breaks(Weakness::RepairIgnoresJournal, &scenarios::REPAIR_OF_HIDDEN, Promise::NothingDangles);
}

/// Whatever a put linked in its first section is in no journal.
#[test]
fn repair_that_does_not_look_again_drops_a_whole_entry() {
    breaks(Weakness::RepairDropsDanglingUnchecked, &scenarios::REPAIR_OF_DANGLING, Promise::NothingIsLost);
}

#[test]
fn a_culler_that_evicts_by_name_takes_an_entry_it_never_judged() {
    breaks(Weakness::CullByName, &scenarios::CULL_AND_WRITERS, Promise::NothingIsLost);
}

#[test]
fn a_culler_without_the_key_lock_takes_an_entry_it_never_judged() {
    breaks(Weakness::CullWithoutKeyLock, &scenarios::CULL_AND_WRITERS, Promise::NothingIsLost);
}

#[test]
fn a_culler_that_spares_no_newcomer_takes_what_came_after_it_began() {
    breaks(Weakness::CullTakesNewcomers, &scenarios::CULL_AND_WRITERS, Promise::NewcomerStays);
}

#[test]
fn a_put_that_spares_no_newcomer_takes_what_it_has_put() {
    breaks(Weakness::CullTakesNewcomers, &scenarios::LIMITED_WRITERS, Promise::NewcomerStays);
}

/// An entry that came between the counting and the journal is in neither.
#[test]
fn a_culler_that_does_not_mark_anew_takes_live_blobs() {
    breaks(Weakness::CullTrustsItsCount, &scenarios::CULL_AND_WRITERS, Promise::NothingDangles);
}

/// Who judged the entry before cannot tell.
#[test]
fn a_pin_that_makes_no_new_entry_is_not_honoured() {
    breaks(Weakness::PinKeepsIdentity, &scenarios::CULL_AND_PINS, Promise::PinnedStays);
}

/// One blob of an entry is journalled, another is damaged and goes to quarantine.
#[test]
fn repair_that_spares_entries_for_the_journal_leaves_them_without_a_blob() {
    breaks(Weakness::RepairSparesEntries, &scenarios::REPAIR_OF_DANGLING, Promise::NothingDangles);
}

#[test]
fn who_publishes_without_a_stamp_leaves_collectors_with_an_old_memory() {
    breaks(Weakness::NoStamp, &scenarios::MEMORY_AND_WRITERS, Promise::NothingDangles);
}

/// A collector may come between the entry and its stamp.
#[test]
fn a_stamp_that_comes_after_its_entry_is_too_late() {
    breaks(Weakness::StampedAfterEntry, &scenarios::MEMORY_AND_WRITERS, Promise::NothingDangles);
}

/// A collector may come between the stamp and its entry: it remembers the old entry with the new stamp.
#[test]
fn a_stamp_without_the_key_lock_is_too_early() {
    breaks(Weakness::StampedBeforeKeyLock, &scenarios::MEMORY_AND_WRITERS, Promise::NothingDangles);
}

#[test]
fn a_collector_that_looks_at_stamps_without_the_key_lock_remembers_the_old_entry_with_the_new_stamp() {
    let weakness = Weakness::StampLookedAtWithoutKeyLock;
    breaks(weakness, &scenarios::MEMORY_AND_WRITERS, Promise::NothingDangles);
    breaks(weakness, &scenarios::MEMORY_AND_MOVERS, Promise::NothingDangles);
}

#[test]
fn a_collector_that_looks_at_stamps_after_it_has_read_remembers_the_old_entry_with_the_new_stamp() {
    breaks(Weakness::StampLookedAtAfterReading, &scenarios::MEMORY_AND_WRITERS, Promise::NothingDangles);
}

#[test]
fn stamps_of_another_boot_prove_nothing() {
    breaks(Weakness::BootUnchecked, &scenarios::MEMORY_AND_LOSSES, Promise::NothingDangles);
}

#[test]
fn stamps_of_another_mounting_prove_nothing() {
    breaks(Weakness::MountUnchecked, &scenarios::MEMORY_AND_LOSSES, Promise::NothingDangles);
}

#[test]
fn stamps_of_a_copy_prove_nothing() {
    breaks(Weakness::CopyBelieved, &scenarios::MEMORY_AND_LOSSES, Promise::NothingDangles);
}

#[test]
fn a_memory_that_is_not_whole_proves_nothing() {
    breaks(Weakness::TornMemoryBelieved, &scenarios::MEMORY_AND_WRITERS, Promise::NothingDangles);
}
