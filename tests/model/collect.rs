//! The collector. Whatever is not live is a candidate; a batch is one blob.

use crate::scenarios::ALL_BLOBS;
use crate::state::{At, Loss, Set, first, index};
use crate::turn::{Taken, Turn, Weakness};

pub(crate) fn step(t: &mut Turn) -> Taken {
    let late = t.weak(Weakness::JournalOpenedAfterMarking);
    match t.me().at {
        At::Begin if late => lock(t, At::Mark),
        At::Begin => lock(t, At::OpenJournal),
        At::OpenJournal => open_journal(t, if late { At::Enter } else { marking(t) }),
        At::LookAtStamp => look_at_stamp(t, At::Enter),
        At::Mark if t.scenario.remembers => read_to_remember(t),
        At::Remember => remember(t, At::Enter),
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
            t.goes(marking(t));
            Some("takes the gate, exclusive, for all of its work")
        }
        At::LookAtStamp => look_at_stamp(t, At::Sweep),
        At::Mark if t.scenario.remembers => {
            read_to_remember(t)?;
            t.me_mut().staged = 0;
            is_done_with(t, index(t.me().todo), At::Sweep);
            Some("reads what an entry names")
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
    if matches!(next, At::Mark | At::LookAtStamp) {
        start_marking(t);
    }
    t.goes(next);
    Some("creates the journal, the gate held exclusive")
}

/// The first step for an entry.
fn marking(t: &Turn) -> At {
    if t.scenario.remembers { At::LookAtStamp } else { At::Mark }
}

/// Believes what is remembered, if the stamp is the same. The stamp is looked at with the key's lock held: no publisher is
/// between its stamp and its entry. Inside the one gate none is in any case.
fn look_at_stamp(t: &mut Turn, next: At) -> Taken {
    let key = index(t.me().todo);
    if t.unlucky && t.same_key(key) {
        return None;
    }
    if t.s.key_locks[key] != 0 && !t.weak(Weakness::StampLookedAtWithoutKeyLock) {
        return None;
    }
    let listed = !t.unlucky && t.s.entries[key] != 0;
    if listed && !is_believed(t, key) {
        t.s.memory.looked |= 1 << key;
        t.goes(At::Mark);
        return Some("looks at the stamp, and has to read the entry");
    }
    t.me_mut().saw |= if listed { t.s.memory.blobs[key] } else { 0 };
    is_done_with(t, key, next);
    Some(if listed { "looks at the stamp, and remembers the entry" } else { "is shown no entry" })
}

fn is_believed(t: &Turn, key: usize) -> bool {
    let unchecked = match t.s.loss {
        None => true,
        Some(Loss::Boot) => t.weak(Weakness::BootUnchecked),
        Some(Loss::Mount) => t.weak(Weakness::MountUnchecked),
        Some(Loss::Copy) => t.weak(Weakness::CopyBelieved),
    };
    let memory = &t.s.memory;
    let has = |keys: Set| keys >> key & 1 == 1;
    let here = !has(memory.older) || unchecked;
    let whole = !has(memory.torn) || t.weak(Weakness::TornMemoryBelieved);
    has(memory.keys & memory.holds) && here && whole
}

fn read_to_remember(t: &mut Turn) -> Taken {
    if t.unlucky {
        return None;
    }
    let named = t.s.entries[index(t.me().todo)];
    t.me_mut().saw |= named;
    t.me_mut().staged = named;
    t.goes(At::Remember);
    Some("reads what an entry names")
}

/// Writes down what it has read, with the stamp that it looked at before.
fn remember(t: &mut Turn, next: At) -> Taken {
    let key = index(t.me().todo);
    let (this, read) = (1 << key, t.me().staged);
    let late = if t.weak(Weakness::StampLookedAtAfterReading) { this } else { 0 };
    let is = |yes: bool| if yes { this } else { 0 };
    let memory = &mut t.s.memory;
    memory.keys = memory.keys & !this | is(read != 0);
    memory.holds = (memory.holds & !this | memory.looked & this | late) & memory.keys;
    memory.older &= !this;
    memory.torn = memory.torn & !this | is(t.unlucky && read != 0);
    memory.blobs[key] = if t.unlucky { 0 } else { read };
    if t.unlucky {
        t.finish();
        return Some("dies while it writes down what it has read");
    }
    t.me_mut().staged = 0;
    is_done_with(t, key, next);
    Some("writes down what it has read")
}

fn is_done_with(t: &mut Turn, key: usize, next: At) {
    t.s.memory.looked &= !(1 << key);
    t.goes(At::LookAtStamp);
    t.advance(1 << key, next);
    if t.me().at == next {
        t.me_mut().todo = ALL_BLOBS;
    }
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
