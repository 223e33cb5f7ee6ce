//! The parts of a commit that all who publish an entry share.

use crate::state::{At, Set};
use crate::turn::{Taken, Turn, Weakness};

pub(crate) fn enter(t: &mut Turn, next: At) -> Taken {
    t.enter_shared()?;
    t.goes(next);
    Some("takes the gate, shared")
}

/// Tells the collector, if one is at work, which blobs are about to be named.
pub(crate) fn append(t: &mut Turn, blobs: Set) -> Taken {
    if t.unlucky {
        return die_appending(t);
    }
    if !t.weak(Weakness::NoJournalWrite) {
        t.s.append(blobs);
    }
    t.me_mut().note = 1;
    t.loops(At::Ensure, blobs, At::LockKey);
    Some("appends to the journal, if there is one")
}

fn die_appending(t: &mut Turn) -> Taken {
    if !t.s.has_journal() || t.s.torn() {
        return None;
    }
    t.s.tear_journal();
    t.finish();
    Some("dies in the middle of its journal record")
}

/// Holds the lock of the key: who holds it finds every stamp with its entry.
pub(crate) fn stamp(t: &mut Turn, key: usize) -> Taken {
    t.s.stamp(key);
    t.goes(At::Publish);
    Some("stamps the key")
}

pub(crate) fn leave(t: &mut Turn) -> Taken {
    t.finish();
    Some("lets go of key lock and gate: done")
}

pub(crate) fn give_up(t: &mut Turn) -> Taken {
    t.finish();
    Some("gives up: what it judged has changed")
}
