//! One step of one process, and the rules it keeps unless they are weakened.

use crate::scenarios::{Op, Scenario};
use crate::state::{Actor, At, Marked, Promise, Set, State};
use crate::{collect, cull, derive, put, read, remove, repair};

/// What a step did, in words; `None` if it cannot be taken now.
pub(crate) type Taken = Option<&'static str>;

/// A rule of the protocol that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weakness {
    NoGate,
    NoCollectorLock,
    NoKeyLock,
    NoJournalWrite,
    JournalOnlyOnFirstTry,
    JournalIgnored,
    JournalReadBeforeGate,
    JournalOpenedWithoutGate,
    JournalOpenedAfterMarking,
    TornTailSkipped,
    FirstLookTrusted,
    LinkedNotCheckedAgain,
    LinkedBeforeGate,
    HealedBeforeGate,
    EntryPublishedAfterGate,
    CopyWithoutGate,
    CopyNotChecked,
    RenameRemovesByName,
    RewriteWithoutJournal,
    RewriteByName,
    RemovalByName,
    ReaderDeletesByName,
    ReaderNeverRereads,
    DamageReportedWithoutReread,
    QuarantineByName,
    QuarantineWithoutGate,
    RepairByName,
    RepairDropsByName,
    RepairIgnoresJournal,
    RepairDropsDanglingUnchecked,
    RepairSparesEntries,
    CullByName,
    CullWithoutKeyLock,
    CullTakesNewcomers,
    CullTrustsItsCount,
    PinKeepsIdentity,
    NoStamp,
    StampedAfterEntry,
    StampedBeforeKeyLock,
    StampLookedAtWithoutKeyLock,
    StampLookedAtAfterReading,
    BootUnchecked,
    MountUnchecked,
    CopyBelieved,
    TornMemoryBelieved,
}

/// A process about to take a step.
pub(crate) struct Turn<'a> {
    /// The state before the step, which makes it the state after.
    pub(crate) s: State,
    pub(crate) scenario: &'a Scenario,
    pub(crate) weakness: Option<Weakness>,
    who: usize,
    /// The worse outcome, of a step that has two.
    pub(crate) unlucky: bool,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(s: State, scenario: &'a Scenario, weakness: Option<Weakness>, who: usize, unlucky: bool) -> Self {
        Self { s, scenario, weakness, who, unlucky }
    }

    /// Takes the next step of the process, if it has one that can be taken now.
    pub(crate) fn step(&mut self) -> Taken {
        match self.scenario.op(self.who, &self.s)? {
            Op::Put { key, blobs, replace } => put::step(self, key, blobs, replace),
            Op::Copy { from, to } => derive::copy(self, from, to),
            Op::Rename { from, to } => derive::rename(self, from, to),
            Op::Rewrite { key, pins } => derive::rewrite(self, key, pins),
            Op::Remove { key } => remove::step(self, key),
            Op::Read { key, checked } => read::step(self, key, checked),
            Op::Collect => collect::step(self),
            Op::CollectInOneGate => collect::step_in_one_gate(self),
            Op::Repair => repair::step(self),
            Op::Cull => cull::step(self),
            Op::PutAndCull { key, blobs } => cull::after_put(self, key, blobs),
        }
    }

    /// Dies inside its operation. Whoever has the rest of its program starts anew.
    pub(crate) fn crash(&mut self) -> Taken {
        self.scenario.op(self.who, &self.s)?;
        if self.me().at == At::Begin {
            return None;
        }
        self.finish();
        Some("dies")
    }

    pub(crate) fn me(&self) -> &Actor {
        &self.s.actors[self.who]
    }

    pub(crate) fn me_mut(&mut self) -> &mut Actor {
        &mut self.s.actors[self.who]
    }

    pub(crate) fn goes(&mut self, at: At) {
        self.me_mut().at = at;
    }

    /// Goes to the first step of a loop over a set, or past it if that is empty.
    pub(crate) fn loops(&mut self, at: At, over: Set, past: At) {
        self.me_mut().todo = over;
        self.goes(if over == 0 { past } else { at });
    }

    /// Is done with one member of the set it loops over, and with the loop if it was the last.
    pub(crate) fn advance(&mut self, done: Set, past: At) {
        self.me_mut().todo &= !done;
        if self.me().todo == 0 {
            self.goes(past);
        }
    }

    pub(crate) fn weak(&self, weakness: Weakness) -> bool {
        self.weakness == Some(weakness)
    }

    /// The operation is over: its memory is gone, and its locks.
    pub(crate) fn finish(&mut self) {
        self.leave_gate();
        self.unlock_keys();
        if self.s.collecting & self.bit() != 0 {
            self.s.late = Marked::default();
            self.s.memory.looked = 0;
        }
        self.s.collecting &= !self.bit();
        self.s.late.drafts &= !self.bit();
        self.s.pinned.drafts &= !self.bit();
        let next = self.me().op + 1;
        *self.me_mut() = Actor::new(next);
    }

    fn bit(&self) -> Set {
        1 << self.who
    }

    /// `None` if somebody is in the way, here and for the other locks: then the step is not taken,
    /// and the state it was to make is thrown away.
    pub(crate) fn enter_shared(&mut self) -> Option<()> {
        let free = self.s.exclusive == 0 || self.weak(Weakness::NoGate);
        self.s.shared |= self.bit();
        free.then_some(())
    }

    pub(crate) fn enter_exclusive(&mut self) -> Option<()> {
        let free = self.s.shared | self.s.exclusive == 0 || self.weak(Weakness::NoGate);
        self.s.exclusive |= self.bit();
        free.then_some(())
    }

    pub(crate) fn leave_gate(&mut self) {
        self.s.shared &= !self.bit();
        self.s.exclusive &= !self.bit();
    }

    pub(crate) fn lock_collector(&mut self) -> Option<()> {
        let free = self.s.collecting == 0 || self.weak(Weakness::NoCollectorLock);
        self.s.collecting |= self.bit();
        free.then_some(())
    }

    pub(crate) fn lock_key(&mut self, key: usize) -> Option<()> {
        let free = self.s.key_locks[key] == 0 || self.weak(Weakness::NoKeyLock);
        self.s.key_locks[key] |= self.bit();
        free.then_some(())
    }

    pub(crate) fn unlock_keys(&mut self) {
        let me = self.bit();
        for lock in &mut self.s.key_locks {
            *lock &= !me;
        }
    }

    /// Judges the entry of a key, or that there is none; gives the blobs it names.
    pub(crate) fn judge_key(&mut self, key: usize) -> Set {
        self.me_mut().same_keys |= 1 << key;
        self.s.entries[key]
    }

    /// Whether the entry of a key is still the one judged.
    pub(crate) fn same_key(&self, key: usize) -> bool {
        self.me().same_keys >> key & 1 == 1
    }

    pub(crate) fn judge_blob(&mut self, blob: Set) {
        self.me_mut().same_blobs |= blob;
    }

    /// Whether the name of a blob still leads to the file judged.
    pub(crate) fn same_blob(&self, blob: Set) -> bool {
        self.me().same_blobs & blob == blob
    }

    /// Changes an entry. Whatever rule let it come to this, it must be the entry judged.
    pub(crate) fn change_entry(&mut self, key: usize, blobs: Set) {
        if !self.same_key(key) {
            self.breaks(Promise::NothingIsLost);
        }
        self.s.change_entry(key, blobs);
    }

    /// Publishes an entry with the marks it was drafted with.
    pub(crate) fn publish_entry(&mut self, key: usize, blobs: Set) {
        self.change_entry(key, blobs);
        let me = self.bit();
        for mark in [&mut self.s.pinned, &mut self.s.late] {
            mark.entries |= if mark.drafts & me == 0 { 0 } else { 1 << key };
        }
    }

    /// The step that comes when the key is locked and the entry may be published.
    pub(crate) fn publishing(&self) -> At {
        let no_stamp = [Weakness::NoStamp, Weakness::StampedAfterEntry, Weakness::StampedBeforeKeyLock];
        let stamps = self.scenario.remembers && !no_stamp.iter().any(|&weakness| self.weak(weakness));
        if stamps { At::Stamp } else { At::Publish }
    }

    /// Stamps the key, outside its rule where that is what is weak.
    pub(crate) fn stamp_wrongly(&mut self, key: usize, weakness: Weakness) {
        if self.weak(weakness) {
            self.s.stamp(key);
        }
    }

    /// Drafts an entry with the marks of one that is there.
    pub(crate) fn take_marks(&mut self, from: usize) {
        let me = self.bit();
        for mark in [&mut self.s.pinned, &mut self.s.late] {
            mark.drafts &= !me;
            mark.drafts |= if mark.entries >> from & 1 == 0 { 0 } else { me };
        }
    }

    pub(crate) fn draft_pinned(&mut self) {
        self.s.pinned.drafts |= self.bit();
    }

    /// Draws the number of the entry to come.
    pub(crate) fn draw_number(&mut self) {
        let is_culling = |&who: &usize| self.scenario.op(who, &self.s).is_some_and(Op::culls);
        let late = (0..self.scenario.programs.len()).filter(is_culling).any(|who| self.s.collecting >> who & 1 == 1);
        self.s.late.drafts &= !self.bit();
        self.s.late.drafts |= if late { self.bit() } else { 0 };
    }

    pub(crate) fn breaks(&mut self, promise: Promise) {
        self.s.broken = Some(promise);
    }
}
