//! A put: stage with no lock, link in a short gate section of its own, then commit. Every change of
//! a blob's name is inside the gate: quarantine and repair look at a name and act on what they found
//! in one exclusive section, and that is one act only as long as no name changes hands outside.

use crate::commit;
use crate::state::{At, Set, first};
use crate::turn::{Taken, Turn, Weakness};

pub(crate) fn step(t: &mut Turn, key: usize, blobs: Set, replace: bool) -> Taken {
    match t.me().at {
        At::Begin => {
            t.loops(At::Look, blobs, At::Gate);
            look(t)
        }
        At::Look => look(t),
        At::LinkGate => enter_to_link(t),
        At::Link => link(t),
        At::Gate => {
            t.stamp_wrongly(key, Weakness::StampedBeforeKeyLock);
            enter(t, blobs)
        }
        At::Append => commit::append(t, blobs),
        At::Ensure => ensure(t, blobs),
        At::LockKey => lock_key(t, key, replace),
        At::Stamp => commit::stamp(t, key),
        At::Publish => publish(t, key, blobs),
        At::Leave => {
            t.stamp_wrongly(key, Weakness::StampedAfterEntry);
            commit::leave(t)
        }
        at => unreachable!("a put has no step {at:?}"),
    }
}

/// Whether a put may count the blob as there: damage that does not show looks like a good blob.
fn is_there(t: &Turn, blob: Set) -> bool {
    t.s.present & !t.s.suspect & blob != 0
}

fn look(t: &mut Turn) -> Taken {
    let blob = first(t.me().todo);
    let there = is_there(t, blob);
    if !there {
        t.me_mut().staged |= blob;
    }
    t.advance(blob, At::Gate);
    if t.me().at == At::Gate {
        let staged = t.me().staged;
        t.loops(At::LinkGate, staged, At::Gate);
        if t.me().note == 0 {
            t.draw_number();
        }
    }
    Some(if there { "sees a blob" } else { "stages a blob" })
}

fn enter_to_link(t: &mut Turn) -> Taken {
    if t.weak(Weakness::LinkedBeforeGate) || t.weak(Weakness::HealedBeforeGate) {
        return link(t);
    }
    commit::enter(t, At::Link)
}

/// Tells no journal: the directories are synced between this section and the commit, so a collector
/// may take the blob again, and the commit looks once more. A writer that breaks the rule for free
/// names leaves suspect ones to its commit, and the other way round.
fn link(t: &mut Turn) -> Taken {
    let blob = first(t.me().todo);
    let links = t.s.present & blob == 0 && !t.weak(Weakness::HealedBeforeGate);
    let heals = t.s.suspect & blob != 0 && !t.weak(Weakness::LinkedBeforeGate);
    if links || heals {
        t.s.publish_blob(blob);
    }
    t.advance(blob, At::Gate);
    if t.me().at == At::Gate {
        t.leave_gate();
    }
    Some("links a staged blob if the name is free or suspect; after the last lets go of the gate")
}

fn enter(t: &mut Turn, blobs: Set) -> Taken {
    if t.weak(Weakness::JournalOnlyOnFirstTry) && t.me().note == 1 {
        t.me_mut().todo = blobs;
        return commit::enter(t, At::Ensure);
    }
    commit::enter(t, At::Append)
}

fn ensure(t: &mut Turn, blobs: Set) -> Taken {
    let blob = first(t.me().todo);
    let staged = t.me().staged & blob != 0;
    let trusted = if staged { Weakness::LinkedNotCheckedAgain } else { Weakness::FirstLookTrusted };
    if is_there(t, blob) || t.weak(trusted) {
        t.advance(blob, At::LockKey);
        return Some("finds a blob there");
    }
    if staged {
        t.s.publish_blob(blob);
        t.advance(blob, At::LockKey);
        return Some("publishes a staged blob inside the gate");
    }
    t.leave_gate();
    t.loops(At::Look, blobs, At::Gate);
    Some("misses a blob it has not staged: lets go of the gate")
}

fn lock_key(t: &mut Turn, key: usize, replace: bool) -> Taken {
    if t.weak(Weakness::EntryPublishedAfterGate) {
        t.leave_gate();
    }
    t.lock_key(key)?;
    if t.judge_key(key) != 0 && !replace {
        t.finish();
        return Some("finds an entry under the key: done");
    }
    t.goes(t.publishing());
    Some("takes the key lock and judges the entry")
}

fn publish(t: &mut Turn, key: usize, blobs: Set) -> Taken {
    t.publish_entry(key, blobs);
    t.goes(At::Leave);
    Some("publishes the entry")
}
