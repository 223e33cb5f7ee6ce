//! A reader: it takes no lock, reads its entry again when a blob is missing, and never deletes.
//! A checked one compares content with names and has what is damaged quarantined.

use crate::state::{At, Promise, Set, first};
use crate::turn::{Taken, Turn, Weakness};

pub(crate) fn step(t: &mut Turn, key: usize, checked: bool) -> Taken {
    match t.me().at {
        At::Begin => begin(t, key),
        At::Open => open(t, checked),
        At::Reread => reread(t, key),
        At::Accuse => accuse(t),
        At::Convict => convict(t),
        At::Confirm => confirm(t),
        At::Discard => discard(t),
        at => unreachable!("a reader has no step {at:?}"),
    }
}

fn begin(t: &mut Turn, key: usize) -> Taken {
    t.me_mut().note = u8::from(t.s.whole(key));
    read_entry(t, key);
    (t.me().todo != 0).then_some("reads the entry")
}

fn read_entry(t: &mut Turn, key: usize) {
    t.me_mut().todo = t.judge_key(key);
    t.goes(At::Open);
}

fn open(t: &mut Turn, checked: bool) -> Taken {
    let blob = first(t.me().todo);
    if t.s.present & blob == 0 {
        return missing(t);
    }
    if checked && t.s.damaged & blob != 0 {
        return damaged(t, blob);
    }
    t.me_mut().todo &= !blob;
    if t.me().todo == 0 {
        t.finish();
        return Some("opens its last blob: a hit");
    }
    Some("opens a blob")
}

fn missing(t: &mut Turn) -> Taken {
    if t.weak(Weakness::ReaderNeverRereads) {
        report_miss(t);
        t.finish();
        return Some("finds a blob missing: a miss");
    }
    t.goes(At::Reread);
    Some("finds a blob missing")
}

fn damaged(t: &mut Turn, blob: Set) -> Taken {
    if t.weak(Weakness::DamageReportedWithoutReread) {
        report_miss(t);
    }
    t.judge_blob(blob);
    t.goes(At::Accuse);
    Some("opens a blob that is damaged")
}

fn reread(t: &mut Turn, key: usize) -> Taken {
    if t.same_key(key) || t.s.entries[key] == 0 {
        report_miss(t);
        t.finish();
        return Some("reads the entry again, unchanged or gone: a miss");
    }
    read_entry(t, key);
    Some("reads the entry again, changed: starts over")
}

fn report_miss(t: &mut Turn) {
    if t.me().note == 1 {
        t.breaks(Promise::NoFalseMiss);
    }
}

/// Marks the open file, so that the next put replaces it even if the gate is not to be had. If
/// the name leads elsewhere by now the mark is lost with the file.
fn accuse(t: &mut Turn) -> Taken {
    let blob = first(t.me().todo);
    if t.same_blob(blob) {
        t.s.suspect |= blob;
    }
    t.goes(At::Convict);
    Some("marks the open file as suspect")
}

fn convict(t: &mut Turn) -> Taken {
    if t.unlucky {
        read_again(t);
        return Some("cannot wait for the gate");
    }
    if t.weak(Weakness::ReaderDeletesByName) {
        return discard(t);
    }
    if !t.weak(Weakness::QuarantineWithoutGate) {
        t.enter_exclusive()?;
    }
    t.goes(At::Confirm);
    Some("takes the gate, exclusive, to quarantine")
}

fn confirm(t: &mut Turn) -> Taken {
    let blob = first(t.me().todo);
    if !t.same_blob(blob) && !t.weak(Weakness::QuarantineByName) {
        read_again(t);
        return Some("finds another file under the name: leaves it");
    }
    t.goes(At::Discard);
    Some("finds the file it judged under the name")
}

fn discard(t: &mut Turn) -> Taken {
    let blob = first(t.me().todo);
    t.s.excuse(blob);
    t.s.remove_blob(blob);
    read_again(t);
    Some("takes the name away")
}

/// Damage is treated like absence: it counts only if the entry is still the one that was read.
fn read_again(t: &mut Turn) {
    t.leave_gate();
    t.me_mut().same_blobs = 0;
    t.goes(At::Reread);
}
