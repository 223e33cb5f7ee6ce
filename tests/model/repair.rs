//! `verify --repair`: judges blobs and entries while others work, then takes out, in an exclusive
//! section for each damaged or missing blob, the entries that need it and what is left of the blob.

use crate::collect::start_marking;
use crate::scenarios::ALL_BLOBS;
use crate::state::{At, Promise, Set, first, index};
use crate::turn::{Taken, Turn, Weakness};

pub(crate) fn step(t: &mut Turn) -> Taken {
    match t.me().at {
        At::Begin => {
            t.lock_collector()?;
            t.goes(At::OpenJournal);
            Some("takes collector.lock")
        }
        At::OpenJournal => open_journal(t),
        At::Look => judge_blob(t),
        At::JudgeEntries => judge_entry(t),
        At::Enter => enter(t),
        At::Remove => drop_entry(t),
        At::Discard => quarantine(t),
        At::Close => close(t),
        at => unreachable!("repair has no step {at:?}"),
    }
}

fn open_journal(t: &mut Turn) -> Taken {
    t.enter_exclusive()?;
    t.s.create_journal();
    t.leave_gate();
    t.loops(At::Look, ALL_BLOBS, At::Close);
    Some("creates the journal, the gate held exclusive")
}

fn judge_blob(t: &mut Turn) -> Taken {
    let blob = first(t.me().todo);
    if t.s.present & blob == 0 {
        t.me_mut().saw |= blob;
        t.me_mut().staged |= blob;
    }
    if t.s.damaged & blob != 0 {
        t.me_mut().saw |= blob;
        t.judge_blob(blob);
    }
    t.advance(blob, At::JudgeEntries);
    if t.me().at == At::JudgeEntries {
        start_marking(t);
    }
    Some("judges a blob")
}

fn judge_entry(t: &mut Turn) -> Taken {
    let key = index(t.me().todo);
    if t.unlucky && t.same_key(key) {
        return None;
    }
    if !t.unlucky && t.judge_key(key) & t.me().saw != 0 {
        t.me_mut().note |= 1 << key;
    }
    t.advance(1 << key, At::Enter);
    if t.me().at == At::Enter {
        go_to_next_blob(t);
    }
    Some(if t.unlucky { "is not shown a changed entry" } else { "judges an entry" })
}

fn go_to_next_blob(t: &mut Turn) {
    t.goes(if t.me().saw == 0 { At::Close } else { At::Enter });
}

/// What the journal names is left alone. No promise asks that of a missing blob, only of a damaged one:
/// a commit that did not see the damage may have relied on it for an entry that was not judged.
fn enter(t: &mut Turn) -> Taken {
    t.enter_exclusive()?;
    let blob = first(t.me().saw);
    let named = t.s.torn() || t.s.journalled() & blob != 0;
    let spared = named && !t.weak(Weakness::RepairIgnoresJournal);
    if spared || !still_bad(t, blob) {
        is_done_with(t, blob);
        return Some("takes the gate: the blob is journalled, or it is another one by now, so leaves it");
    }
    let judged = t.me().note;
    t.loops(At::Remove, judged, At::Discard);
    Some("takes the gate, exclusive: the blob is missing or the one it judged, and not journalled")
}

/// Whether the name leads nowhere, or still to the file that was judged.
fn still_bad(t: &Turn, blob: Set) -> bool {
    let was_missing = t.me().staged & blob != 0;
    let trusted = if was_missing { Weakness::RepairDropsDanglingUnchecked } else { Weakness::RepairByName };
    t.s.present & blob == 0 || t.same_blob(blob) || t.weak(trusted)
}

/// Holds no key lock: whoever changes entries is inside the gate, so nobody is.
fn drop_entry(t: &mut Turn) -> Taken {
    let key = index(t.me().todo);
    if is_to_go(t, key) {
        if t.s.whole(key) {
            t.breaks(Promise::NothingIsLost);
        }
        t.change_entry(key, 0);
    }
    t.advance(1 << key, At::Discard);
    Some("drops an entry, if it is the one judged and needs the blob")
}

/// The journal spares blobs, not entries: who needs the blob that goes now has to go before it, also
/// if the journal spares another that it needs.
fn is_to_go(t: &Turn, key: usize) -> bool {
    let named = t.s.entries[key];
    if t.weak(Weakness::RepairDropsByName) {
        return named != 0;
    }
    let spared = t.weak(Weakness::RepairSparesEntries) && named & t.s.journalled() != 0;
    t.same_key(key) && named & first(t.me().saw) != 0 && !spared
}

/// Nothing excuses an entry that this leaves without its blob: all that name it are dropped.
fn quarantine(t: &mut Turn) -> Taken {
    let blob = first(t.me().saw);
    if t.me().staged & blob == 0 {
        t.s.remove_blob(blob);
    }
    is_done_with(t, blob);
    Some("moves the blob to quarantine unless it was missing, lets go of the gate")
}

fn is_done_with(t: &mut Turn, blob: Set) {
    t.me_mut().saw &= !blob;
    t.me_mut().staged &= !blob;
    t.leave_gate();
    go_to_next_blob(t);
}

fn close(t: &mut Turn) -> Taken {
    t.s.remove_journal();
    t.finish();
    Some("removes the journal, lets go of collector.lock")
}
