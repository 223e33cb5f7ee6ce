//! The culler: counts, chooses, evicts what it judged, and collects, all of it under `collector.lock`.

use crate::scenarios::ALL_BLOBS;
use crate::state::{Actor, At, Marked, Promise, Set, index};
use crate::turn::{Taken, Turn, Weakness};
use crate::{collect, commit, put};

pub(crate) fn step(t: &mut Turn) -> Taken {
    let trusts = t.weak(Weakness::CullTrustsItsCount);
    match t.me().at {
        At::Begin => begin(t, 0),
        At::Count => count(t),
        At::EvictGate => commit::enter(t, At::EvictLock),
        At::EvictLock => lock_key(t),
        At::Evict => evict(t),
        At::OpenJournal if trusts => {
            t.me_mut().todo = ALL_BLOBS;
            collect::open_journal(t, At::Enter)
        }
        _ => collect::step(t),
    }
}

/// A put that finds the store over its limit. To its own culler, what it has put is new.
pub(crate) fn after_put(t: &mut Turn, key: usize, blobs: Set) -> Taken {
    match t.me().at {
        At::Begin
        | At::Look
        | At::LinkGate
        | At::Link
        | At::Gate
        | At::Append
        | At::Ensure
        | At::LockKey
        | At::Stamp
        | At::Publish => put::step(t, key, blobs, true),
        At::Leave => {
            t.leave_gate();
            t.judge_key(key);
            t.unlock_keys();
            let Actor { op, same_keys, .. } = *t.me();
            *t.me_mut() = Actor { at: At::Limit, same_keys, ..Actor::new(op) };
            Some("lets go of key lock and gate: done, and over the limit")
        }
        At::Limit => {
            let mine = t.me().same_keys;
            begin(t, mine)
        }
        _ => step(t),
    }
}

/// From here on whoever draws a number is new.
fn begin(t: &mut Turn, spared: Set) -> Taken {
    t.lock_collector()?;
    t.s.late = Marked { entries: spared, drafts: 0 };
    t.me_mut().same_keys = 0;
    t.me_mut().todo = t.scenario.keys;
    t.goes(At::Count);
    Some("takes collector.lock and looks up the highest number")
}

/// Reads an entry and decides: what may go goes, or stays, as a policy will have it.
fn count(t: &mut Turn) -> Taken {
    let key = index(t.me().todo);
    let late = if t.weak(Weakness::CullTakesNewcomers) { 0 } else { t.s.late.entries };
    let may_go = t.s.entries[key] != 0 && (t.s.pinned.entries | late) >> key & 1 == 0;
    if t.unlucky && !may_go {
        return None;
    }
    let goes = may_go && !t.unlucky;
    if goes {
        t.judge_key(key);
        t.me_mut().staged |= 1 << key;
    } else if t.weak(Weakness::CullTrustsItsCount) {
        t.me_mut().saw |= t.s.entries[key];
    }
    t.me_mut().todo &= !(1 << key);
    if t.me().todo == 0 {
        go_to_next_victim(t);
    }
    Some(if goes { "counts an entry and chooses it" } else { "counts an entry, if there is one, and lets it stay" })
}

fn go_to_next_victim(t: &mut Turn) {
    t.goes(if t.me().staged == 0 { At::OpenJournal } else { At::EvictGate });
}

fn lock_key(t: &mut Turn) -> Taken {
    let key = index(t.me().staged);
    if !t.weak(Weakness::CullWithoutKeyLock) {
        t.lock_key(key)?;
    }
    let same = t.same_key(key) || t.weak(Weakness::CullByName);
    if t.s.entries[key] == 0 || !same {
        is_done_with(t, key);
        return Some("takes the key lock; the entry is another by now, or gone: leaves it");
    }
    t.goes(At::Evict);
    Some("takes the key lock; the entry is the one it judged")
}

fn evict(t: &mut Turn) -> Taken {
    let key = index(t.me().staged);
    for (mark, promise) in [(t.s.pinned, Promise::PinnedStays), (t.s.late, Promise::NewcomerStays)] {
        if mark.entries >> key & 1 == 1 {
            t.breaks(promise);
        }
    }
    t.change_entry(key, 0);
    is_done_with(t, key);
    Some("removes the entry")
}

fn is_done_with(t: &mut Turn, key: usize) {
    t.leave_gate();
    t.unlock_keys();
    t.me_mut().staged &= !(1 << key);
    t.me_mut().same_keys &= !(1 << key);
    go_to_next_victim(t);
}
