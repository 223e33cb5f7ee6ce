//! Removal, by hand or by policy: the entry is judged with no lock and checked under both.

use crate::commit;
use crate::state::At;
use crate::turn::{Taken, Turn, Weakness};

pub(crate) fn step(t: &mut Turn, key: usize) -> Taken {
    match t.me().at {
        At::Begin => judge(t, key),
        At::Gate => commit::enter(t, At::LockKey),
        At::LockKey => lock_key(t, key),
        At::Remove => {
            t.change_entry(key, 0);
            t.finish();
            Some("removes the entry")
        }
        at => unreachable!("removing has no step {at:?}"),
    }
}

fn judge(t: &mut Turn, key: usize) -> Taken {
    t.goes(At::Gate);
    (t.judge_key(key) != 0).then_some("judges the entry")
}

fn lock_key(t: &mut Turn, key: usize) -> Taken {
    t.lock_key(key)?;
    if !t.same_key(key) && !t.weak(Weakness::RemovalByName) {
        return commit::give_up(t);
    }
    t.goes(At::Remove);
    Some("takes the key lock; the entry is the one it judged")
}
