//! Which entries go. Decides on a census alone: no I/O.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::census::{Census, Resident};
use crate::format::settings::{Limits, Policy};

/// For how long a policy spares what is new, in nanoseconds: nobody has had the time to use it again.
const LATELY: i64 = 10_000_000_000;

/// What is decided on, besides the census.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) limits: Limits,
    /// Nanoseconds since 1970.
    pub(super) now: i64,
    /// Entries with this sequence number or a higher one are never removed: they came when the culler was called, or
    /// after.
    pub(super) exempt_from: u64,
    /// Entries with this sequence number or a higher one came lately: they go only when all others are gone, the oldest
    /// of them first. So do those that were put less than [`LATELY`] ago.
    /// `None`: nothing is spared for being new.
    pub(super) late_from: Option<u64>,
}

/// Why an entry goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Its time was over.
    Expired,
    /// It was not used for longer than the limit allows.
    Unused,
    /// The store was over a limit, and the policy chose it.
    Limit,
}

/// Chooses entries, in the order in which they are to go, and takes them out of the census.
pub(super) fn choose(census: &mut Census, rules: &Rules) -> Vec<(usize, Reason)> {
    let mut victims = Vec::new();
    for at in 0..census.entries.len() {
        if let Some(reason) = rules.overdue(&census.entries[at]) {
            census.leave(at);
            victims.push((at, reason));
        }
    }
    let mut count = census.entries.len() - victims.len();
    let gone: std::collections::HashSet<usize> = victims.iter().map(|&(at, _)| at).collect();
    let mut queue = Queue::new(census, rules, |at| !gone.contains(&at));
    if rules.is_over(census.bytes, count, 100) {
        while rules.is_over(census.bytes, count, 90)
            && let Some(at) = queue.pop(census)
        {
            for other in census.leave(at) {
                queue.push(census, other);
            }
            count -= 1;
            victims.push((at, Reason::Limit));
        }
    }
    victims
}

impl Rules {
    fn is_exempt(&self, entry: &Resident) -> bool {
        entry.facts.pinned || entry.facts.sequence >= self.exempt_from
    }

    fn is_late(&self, entry: &Resident) -> bool {
        let age = self.now.saturating_sub(entry.facts.created);
        self.late_from.is_some_and(|from| entry.facts.sequence >= from || (0..LATELY).contains(&age))
    }

    fn overdue(&self, entry: &Resident) -> Option<Reason> {
        if self.is_exempt(entry) {
            return None;
        }
        let unused = u64::try_from(self.now / 1_000_000_000 - entry.used).unwrap_or(0);
        match (entry.facts.expires, self.limits.age) {
            (Some(time), _) if time <= self.now => Some(Reason::Expired),
            (_, Some(age)) if unused > age => Some(Reason::Unused),
            _ => None,
        }
    }

    /// Whether there is more than so many percent of a limit.
    pub(super) fn is_over(&self, bytes: u64, entries: usize, percent: u64) -> bool {
        let over = |count: u64, limit: Option<u64>| {
            limit.is_some_and(|limit| u128::from(count) * 100 > u128::from(limit) * u128::from(percent))
        };
        over(bytes, self.limits.bytes) || over(entries as u64, self.limits.entries)
    }

    /// The lowest goes first. Those that came lately go last, the oldest of them first.
    fn rank(&self, census: &Census, at: usize) -> Rank {
        let entry = &census.entries[at];
        let Resident { facts, used, hits, .. } = entry;
        if self.is_late(entry) {
            return Rank(true, 0, 0, facts.sequence);
        }
        let used = used.cast_unsigned() ^ (1 << 63);
        match self.limits.policy {
            Policy::Lru => Rank(false, 0, used, facts.sequence),
            Policy::Lfu => Rank(false, u128::from(*hits), used, facts.sequence),
            Policy::Oldest => Rank(false, 0, 0, facts.sequence),
            // Picoseconds per byte, so that small computations of large values still differ.
            Policy::Cost => {
                let worth = u128::from(facts.compute_ns) * 1000 / u128::from(census.freed_by(at).max(1));
                Rank(false, worth, used, facts.sequence)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank(bool, u128, u64, u64);

/// Entries by rank. The rank of one changes when it becomes the only keeper of a blob: then it is pushed again, and
/// what is popped under an old rank, or again, is passed over.
struct Queue<'a> {
    rules: &'a Rules,
    heap: BinaryHeap<Reverse<(Rank, usize)>>,
    waiting: Vec<bool>,
}

impl<'a> Queue<'a> {
    fn new(census: &Census, rules: &'a Rules, stays: impl Fn(usize) -> bool) -> Self {
        let waiting: Vec<bool> =
            (0..census.entries.len()).map(|at| stays(at) && !rules.is_exempt(&census.entries[at])).collect();
        let ranked = (0..waiting.len()).filter(|&at| waiting[at]).map(|at| Reverse((rules.rank(census, at), at)));
        Queue { rules, heap: ranked.collect(), waiting }
    }

    fn push(&mut self, census: &Census, at: usize) {
        if self.waiting[at] {
            self.heap.push(Reverse((self.rules.rank(census, at), at)));
        }
    }

    fn pop(&mut self, census: &Census) -> Option<usize> {
        while let Some(Reverse((rank, at))) = self.heap.pop() {
            if self.waiting[at] && rank == self.rules.rank(census, at) {
                self.waiting[at] = false;
                return Some(at);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::census::Shared;
    use super::*;
    use crate::format::head::{EntryId, Facts};
    use crate::key::Key;

    const FAR: u64 = u64::MAX;

    /// Entries of 10 bytes of manifest each, in the order of putting; each keeps some of the blobs.
    fn census(blobs: &[u64], entries: &[(&[u32], i64, u64, u64)]) -> Census {
        let mut census = Census { bytes: blobs.iter().sum::<u64>() + 10 * entries.len() as u64, ..Census::default() };
        census.blobs = blobs.iter().map(|&len| Shared { len, keepers: 0, keepers_xor: 0 }).collect();
        for (at, &(kept, used, hits, compute_ns)) in (0u32..).zip(entries) {
            for &blob in kept {
                census.blobs[blob as usize].keepers += 1;
                census.blobs[blob as usize].keepers_xor ^= at;
            }
            let facts = Facts { sequence: u64::from(at) + 1, compute_ns, ..Facts::default() };
            let (key, id) = (Key::from_bytes([0; 32]), EntryId([0; 16]));
            census.entries.push(Resident { key, id, facts, used, hits, manifest_len: 10, blobs: kept.to_vec() });
        }
        census
    }

    fn rules(bytes: u64, policy: Policy) -> Rules {
        let limits = Limits { bytes: Some(bytes), policy, ..Limits::default() };
        Rules { limits, now: 1_000_000_000_000, exempt_from: FAR, late_from: Some(FAR) }
    }

    fn order(census: &mut Census, rules: &Rules) -> Vec<usize> {
        choose(census, rules).into_iter().map(|(at, _)| at).collect()
    }

    #[test]
    fn each_policy_has_its_order_and_stops_at_the_low_water_mark() {
        let make = || {
            let four: [(&[u32], i64, u64, u64); 4] =
                [(&[0], 40, 3, 1000), (&[1], 10, 9, 500), (&[2], 30, 1, 100), (&[3], 20, 2, 9000)];
            census(&[90, 90, 90, 90], &four)
        };
        assert_eq!(order(&mut make(), &rules(400, Policy::Lru)), [] as [usize; 0], "at the limit nothing goes");
        assert_eq!(order(&mut make(), &rules(399, Policy::Lru)), [1], "from 400 to at most 359");
        assert_eq!(order(&mut make(), &rules(250, Policy::Lru)), [1, 3]);
        assert_eq!(order(&mut make(), &rules(250, Policy::Lfu)), [2, 3]);
        assert_eq!(order(&mut make(), &rules(250, Policy::Oldest)), [0, 1]);
        assert_eq!(order(&mut make(), &rules(250, Policy::Cost)), [2, 1]);
    }

    #[test]
    fn what_is_shared_frees_nothing_until_its_last_keeper_goes() {
        let entries: [(&[u32], i64, u64, u64); 3] = [(&[0], 1, 0, 10), (&[0], 2, 0, 10), (&[1], 3, 0, 1000)];
        let mut shared = census(&[1000, 1000], &entries);
        assert_eq!((shared.bytes, shared.freed_by(0), shared.freed_by(2)), (2030, 10, 1010));
        assert_eq!(shared.leave(0), [1]);
        assert_eq!((shared.bytes, shared.freed_by(1)), (2020, 1010));
        // By cost: alone, either keeper of blob 0 frees 10 bytes, and entry 2 frees 1010 for 1000 ns; once one of the
        // keepers is gone the other is the cheapest of all.
        let mut costly = census(&[1000, 1000], &entries);
        assert_eq!(order(&mut costly, &rules(1200, Policy::Cost)), [2]);
        let mut more = census(&[1000, 1000], &[(&[0], 1, 0, 10), (&[0], 2, 0, 10), (&[1], 3, 0, 900_000)]);
        assert_eq!(order(&mut more, &rules(1200, Policy::Cost)), [0, 1]);
    }

    #[test]
    fn the_pinned_and_the_newcomer_stay_and_what_came_lately_goes_last() {
        let four: [(&[u32], i64, u64, u64); 4] = [(&[0], 1, 0, 0), (&[1], 2, 0, 0), (&[2], 3, 0, 0), (&[3], 4, 0, 0)];
        let make = || census(&[90; 4], &four);
        let mut pinned = make();
        pinned.entries[0].facts.pinned = true;
        assert_eq!(order(&mut pinned, &rules(350, Policy::Lru)), [1]);
        let tight = Rules { exempt_from: 4, ..rules(10, Policy::Lru) };
        assert_eq!(order(&mut make(), &tight), [0, 1, 2], "the newcomer stays though it is over the limit");
        let late = Rules { late_from: Some(2), ..rules(350, Policy::Lfu) };
        let mut used = make();
        used.entries[0].hits = 9;
        assert_eq!(order(&mut used, &late), [0], "however often it was used");
        used = make();
        used.entries[1].facts.created = 1_000_000_000_000 - LATELY + 1;
        assert_eq!(order(&mut used, &rules(350, Policy::Lru)), [0], "the second is new by the clock");
        used = make();
        used.entries[1].facts.created = 1_000_000_000_000 - LATELY + 1;
        assert_eq!(order(&mut used, &rules(120, Policy::Lru)), [0, 2, 3]);
        let late = Rules { late_from: Some(1), ..rules(399, Policy::Lfu) };
        assert_eq!(order(&mut make(), &late), [0]);
    }

    #[test]
    fn the_expired_and_the_long_unused_go_whether_or_not_there_is_room() {
        let mut three = census(&[], &[(&[], 999, 0, 0), (&[], 1, 0, 0), (&[], 999, 0, 0)]);
        three.entries[2].facts.expires = Some(5);
        let mut some = rules(1_000_000, Policy::Lru);
        some.limits.age = Some(100);
        assert_eq!(choose(&mut three, &some), [(1, Reason::Unused), (2, Reason::Expired)]);
        assert_eq!(three.bytes, 10);
    }

    #[test]
    fn the_number_of_entries_has_a_limit_too() {
        let mut ten = census(&[], &[(&[] as &[u32], 1, 0, 0); 10]);
        let limits = Limits { entries: Some(9), ..Limits::default() };
        assert_eq!(order(&mut ten, &Rules { limits, ..rules(0, Policy::Lru) }), [0, 1], "9 is the limit, 8.1 the mark");
    }
}
