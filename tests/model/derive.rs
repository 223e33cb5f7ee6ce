//! Commits that make an entry of one that is there: copying, renaming, rewriting its metadata.
//! They have no private files: a blob that has gone ends them. They are given more freedom than they
//! need: the source of a copy may have changed, and a rename holds one key lock at a time.

use crate::commit;
use crate::state::{At, first};
use crate::turn::{Taken, Turn, Weakness};

pub(crate) fn copy(t: &mut Turn, from: usize, to: usize) -> Taken {
    match t.me().at {
        At::Begin => {
            read(t, from)?;
            t.draw_number();
            Some("reads the entry and draws a number")
        }
        At::Gate if t.weak(Weakness::CopyWithoutGate) => append(t),
        At::Gate => commit::enter(t, At::Append),
        At::Append => append(t),
        At::Ensure => ensure(t),
        At::LockKey => lock_new(t, to),
        At::Stamp => commit::stamp(t, to),
        At::Publish => publish(t, to, At::Leave),
        At::Leave => commit::leave(t),
        at => unreachable!("copying has no step {at:?}"),
    }
}

/// The new entry first, then the old one goes, in one gate section: at no moment is there none.
pub(crate) fn rename(t: &mut Turn, from: usize, to: usize) -> Taken {
    match t.me().at {
        At::Begin => read(t, from),
        At::Publish => publish(t, to, At::LockOld),
        At::LockOld => lock_judged(t, from, Weakness::RenameRemovesByName, At::Remove),
        At::Remove => {
            t.change_entry(from, 0);
            t.goes(At::Leave);
            Some("removes the old entry")
        }
        _ => copy(t, from, to),
    }
}

/// Changes what is said of the value, or pins it.
pub(crate) fn rewrite(t: &mut Turn, key: usize, pins: bool) -> Taken {
    match t.me().at {
        At::Begin => {
            read(t, key)?;
            if pins {
                t.draft_pinned();
            }
            Some("reads the entry")
        }
        At::Publish if t.weak(Weakness::PinKeepsIdentity) => {
            t.s.pinned.entries |= 1 << key;
            t.goes(At::Leave);
            Some("pins the entry where it lies")
        }
        At::Gate if t.weak(Weakness::RewriteWithoutJournal) => {
            t.me_mut().todo = t.me().saw;
            commit::enter(t, At::Ensure)
        }
        At::LockKey => lock_judged(t, key, Weakness::RewriteByName, t.publishing()),
        _ => copy(t, key, key),
    }
}

fn read(t: &mut Turn, from: usize) -> Taken {
    t.me_mut().saw = t.judge_key(from);
    t.take_marks(from);
    t.goes(At::Gate);
    (t.me().saw != 0).then_some("reads the entry")
}

fn append(t: &mut Turn) -> Taken {
    let blobs = t.me().saw;
    commit::append(t, blobs)
}

fn ensure(t: &mut Turn) -> Taken {
    let blob = first(t.me().todo);
    if t.s.present & blob == 0 && !t.weak(Weakness::CopyNotChecked) {
        return commit::give_up(t);
    }
    t.advance(blob, At::LockKey);
    Some("finds a blob there")
}

fn lock_new(t: &mut Turn, to: usize) -> Taken {
    t.lock_key(to)?;
    t.judge_key(to);
    t.goes(t.publishing());
    Some("takes the key lock and judges what is there")
}

fn lock_judged(t: &mut Turn, key: usize, by_name: Weakness, next: At) -> Taken {
    t.lock_key(key)?;
    if !t.same_key(key) && !t.weak(by_name) {
        return commit::give_up(t);
    }
    t.goes(next);
    Some("takes the key lock; the entry is the one it read")
}

fn publish(t: &mut Turn, key: usize, next: At) -> Taken {
    let blobs = t.me().saw;
    t.publish_entry(key, blobs);
    t.unlock_keys();
    t.goes(next);
    Some("publishes the entry")
}
