//! The collector. Whatever is not live is a candidate; a batch is one blob.

use crate::scenarios::ALL_BLOBS;
use crate::state::{At, first, index};
use crate::turn::{Taken, Turn, Weakness};

pub(crate) fn step(t: &mut Turn) -> Taken {
    let late = t.weak(Weakness::JournalOpenedAfterMarking);
    match t.me().at {
        At::Begin if late => lock(t, At::Mark),
        At::Begin => lock(t, At::OpenJournal),
        At::OpenJournal => open_journal(t, if late { At::Enter } else { At::Mark }),
        At::Mark => mark(t, if late { At::OpenJournal } else { At::Enter }),
        At::Enter if t.weak(Weakness::JournalReadBeforeGate) => read_journal(t, At::EnterLate),
        At::Enter => enter(t),
        At::EnterLate => enter_late(t),
        At::Sweep => sweep(t),
        At::Close => close(t),
        at => unreachable!("a collector has no step {at:?}"),
    }
}

/// The way on a full disk, where no journal can be written: all inside one exclusive section.
pub(crate) fn step_in_one_gate(t: &mut Turn) -> Taken {
    match t.me().at {
        At::Begin => lock(t, At::Enter),
        At::Enter => {
            t.enter_exclusive()?;
            start_marking(t);
            t.goes(At::Mark);
            Some("takes the gate, exclusive, for all of its work")
        }
        At::Mark => mark(t, At::Sweep),
        At::Sweep => {
            sweep_blob(t);
            if t.me().todo == 0 {
                t.finish();
            }
            Some("unlinks a blob, if it is not live")
        }
        at => unreachable!("a collector on a full disk has no step {at:?}"),
    }
}

fn lock(t: &mut Turn, next: At) -> Taken {
    t.lock_collector()?;
    start_marking(t);
    t.goes(next);
    Some("takes collector.lock")
}

/// From here on an entry that changes may be missed: a listing need not show what came after it
/// was opened.
pub(crate) fn start_marking(t: &mut Turn) {
    let keys = t.scenario.keys;
    t.me_mut().todo = keys;
    t.me_mut().same_keys = keys;
}

pub(crate) fn open_journal(t: &mut Turn, next: At) -> Taken {
    if !t.weak(Weakness::JournalOpenedWithoutGate) {
        t.enter_exclusive()?;
    }
    t.s.create_journal();
    t.leave_gate();
    if next == At::Mark {
        start_marking(t);
    }
    t.goes(next);
    Some("creates the journal, the gate held exclusive")
}

fn mark(t: &mut Turn, next: At) -> Taken {
    let key = index(t.me().todo);
    if t.unlucky && t.same_key(key) {
        return None;
    }
    if !t.unlucky {
        t.me_mut().saw |= t.s.entries[key];
    }
    t.advance(1 << key, next);
    if t.me().at == next {
        t.me_mut().todo = ALL_BLOBS;
    }
    Some(if t.unlucky { "is not shown a changed entry" } else { "marks what an entry names" })
}

fn read_journal(t: &mut Turn, next: At) -> Taken {
    let torn = t.s.torn() && !t.weak(Weakness::TornTailSkipped);
    let ignored = t.weak(Weakness::JournalIgnored);
    t.me_mut().note = if ignored { 0 } else { t.s.journalled() };
    t.goes(if torn { At::Close } else { next });
    Some(if torn { "cannot parse the journal: ends its run" } else { "reads the journal" })
}

/// Takes the gate and reads the journal in one step: no committer is inside, none can append.
fn enter(t: &mut Turn) -> Taken {
    t.enter_exclusive()?;
    read_journal(t, At::Sweep)?;
    Some("takes the gate, exclusive, and reads the journal")
}

fn enter_late(t: &mut Turn) -> Taken {
    t.enter_exclusive()?;
    t.goes(At::Sweep);
    Some("takes the gate, exclusive")
}

fn sweep(t: &mut Turn) -> Taken {
    sweep_blob(t);
    t.leave_gate();
    t.goes(if t.me().todo == 0 { At::Close } else { At::Enter });
    Some("moves a blob to the trash, if it is neither live nor journalled; lets go of the gate")
}

fn sweep_blob(t: &mut Turn) {
    let blob = first(t.me().todo);
    if (t.me().saw | t.me().note) & blob == 0 {
        t.s.remove_blob(blob);
    }
    t.me_mut().todo &= !blob;
}

fn close(t: &mut Turn) -> Taken {
    t.s.remove_journal();
    t.finish();
    Some("removes the journal, lets go of collector.lock")
}
