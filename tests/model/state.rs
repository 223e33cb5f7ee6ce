//! The store, what each process remembers, and the effects that change the store.
//!
//! Identity (the inode of a blob or an entry) is kept as a question: does the name still lead to
//! the file that this process saw? An inode never comes back under its name, so one bit for each
//! process and name says all that numbers would, and equal situations stay equal states.

/// At most this many entries, named 0, 1, 2.
pub(crate) const KEYS: usize = 3;
/// At most this many processes.
pub(crate) const ACTORS: usize = 4;
/// `u64`s that hold a state.
pub(crate) const WORDS: usize = 4 + ACTORS;

/// A set of blobs, keys or processes, one bit each.
pub(crate) type Set = u8;

/// The lowest member of a set, as a set; of the empty set, empty.
pub(crate) fn first(set: Set) -> Set {
    set & set.wrapping_neg()
}

/// The place of a set's lowest member.
pub(crate) fn index(set: Set) -> usize {
    set.trailing_zeros() as usize
}

const EXISTS: u8 = 0x80;
const TORN: u8 = 0x40;

/// A promise of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// A visible entry names no missing blob, unless that blob was quarantined by a reader because
    /// it was damaged while the entry named it, or was gone from the start.
    NothingDangles,
    /// An entry stays until it is removed or replaced by somebody who judged that very entry; and
    /// repair drops none whose blobs are all good.
    NothingIsLost,
    /// A reader reports no miss for an entry that was visible and whole all the time.
    NoFalseMiss,
    /// A culler removes no entry whose number was drawn after the culler began; one that a put has called
    /// removes not what that put has published.
    NewcomerStays,
    /// A culler removes no entry that is pinned.
    PinnedStays,
}

/// Where a process stands in its operation: the step it takes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum At {
    Begin,
    Look,
    LinkGate,
    Link,
    Gate,
    Append,
    Ensure,
    LockKey,
    Stamp,
    Publish,
    LockOld,
    Remove,
    Leave,
    Open,
    Reread,
    Accuse,
    Convict,
    Confirm,
    Discard,
    OpenJournal,
    LookAtStamp,
    Mark,
    Remember,
    JudgeEntries,
    Enter,
    EnterLate,
    Sweep,
    Close,
    Limit,
    Count,
    EvictGate,
    EvictLock,
    Evict,
}

impl At {
    /// Whether the step can turn out worse than it should.
    pub(crate) fn has_two_outcomes(self) -> bool {
        matches!(
            self,
            Self::Append
                | Self::LookAtStamp
                | Self::Mark
                | Self::Remember
                | Self::JudgeEntries
                | Self::Convict
                | Self::Count
        )
    }
}

/// What one process remembers. All zero (`Begin`) between two operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Actor {
    /// Its operation, as a place in its program.
    pub(crate) op: u8,
    pub(crate) at: At,
    /// What is left of the loop it is in.
    pub(crate) todo: Set,
    /// Blobs that it has private files of. Of repair: blobs that it found missing. Of a culler: the
    /// keys of its victims. Of a collector that remembers: what it has just read.
    pub(crate) staged: Set,
    /// Blobs it has read of: named by its entry, live, or in need of repair.
    pub(crate) saw: Set,
    /// Of the blobs it looked at, those whose names still lead to the same file.
    pub(crate) same_blobs: Set,
    /// Of the keys it looked at, those whose entry, or absence, is still the same.
    pub(crate) same_keys: Set,
    /// Of a reader: 1 while its entry was visible and whole all the time. Of a collector: the
    /// journal as read. Of repair: the entries judged. Of a put: 1 once it has journalled.
    pub(crate) note: Set,
}

impl Actor {
    pub(crate) const fn new(op: u8) -> Self {
        Self { op, at: At::Begin, todo: 0, staged: 0, saw: 0, same_blobs: 0, same_keys: 0, note: 0 }
    }

    fn word(self) -> u64 {
        u64::from_le_bytes([
            self.op,
            self.at as u8,
            self.todo,
            self.staged,
            self.saw,
            self.same_blobs,
            self.same_keys,
            self.note,
        ])
    }
}

/// Who has some mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marked {
    /// Keys, for their entries.
    pub(crate) entries: Set,
    /// Processes, for the entries that they are about to publish.
    pub(crate) drafts: Set,
}

/// What the last collector remembers of entries for the next. No number of a file is in here: the
/// model takes every file to have been given the number of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The blobs that it read of each entry.
    pub(crate) blobs: [Set; KEYS],
    /// The keys that it remembers.
    pub(crate) keys: Set,
    /// Of these, those whose stamp is the one that it saw.
    pub(crate) holds: Set,
    /// Of the keys that a collector at work has looked at the stamps of, those whose stamp is the same.
    pub(crate) looked: Set,
    /// The keys it wrote the memory of before the loss.
    pub(crate) older: Set,
    /// The keys it died at while it wrote.
    pub(crate) torn: Set,
}

/// How stamps that were set can come to be what they were before, while entries do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Power is lost: what was not synced is.
    Boot,
    /// The disk is, and comes back under the same boot.
    Mount,
    /// The store is copied while it is used, its stamps before its entries.
    Copy,
}

/// The store and its processes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    /// Blobs that are there.
    pub(crate) present: Set,
    /// Of these, those whose content is wrong.
    pub(crate) damaged: Set,
    /// Of these, those whose size, mode or time shows it.
    pub(crate) suspect: Set,
    /// The blobs that each entry names; empty is no entry.
    pub(crate) entries: [Set; KEYS],
    /// Of these, those missing because a reader rightly quarantined them, or from the start.
    pub(crate) excused: [Set; KEYS],
    /// No policy removes these.
    pub(crate) pinned: Marked,
    /// The culler at work has to spare these: their numbers were drawn since it began.
    pub(crate) late: Marked,
    journal: u8,
    /// Holders of the gate, shared and exclusive, of `collector.lock`, and of the key locks.
    pub(crate) shared: Set,
    pub(crate) exclusive: Set,
    pub(crate) collecting: Set,
    pub(crate) key_locks: [Set; KEYS],
    /// How many more blobs will be damaged.
    pub(crate) damage_left: u8,
    pub(crate) memory: Memory,
    /// What has been lost so far.
    pub(crate) loss: Option<Loss>,
    pub(crate) actors: [Actor; ACTORS],
    /// What the last step broke. Not part of the state: the search ends there.
    pub(crate) broken: Option<Promise>,
}

impl State {
    /// A store at rest: these blobs, and these entries, which may name others.
    pub(crate) fn new(present: Set, entries: [Set; KEYS], damage_left: u8) -> Self {
        Self {
            present,
            damaged: 0,
            suspect: 0,
            entries,
            excused: entries.map(|named| named & !present),
            pinned: Marked::default(),
            late: Marked::default(),
            journal: 0,
            shared: 0,
            exclusive: 0,
            collecting: 0,
            key_locks: [0; KEYS],
            damage_left,
            memory: Memory::default(),
            loss: None,
            actors: [Actor::new(0); ACTORS],
            broken: None,
        }
    }

    /// All of it but `broken`, for comparing.
    pub(crate) fn words(&self) -> [u64; WORDS] {
        let [e0, e1, e2] = self.entries;
        let [x0, x1, x2] = self.excused;
        let [k0, k1, k2] = self.key_locks;
        let [a0, a1, a2, a3] = self.actors;
        let [m0, m1, m2] = self.memory.blobs;
        let Memory { keys, holds, looked, older, torn, .. } = self.memory;
        let loss = self.loss.map_or(0, |loss| loss as u8 + 1);
        [
            u64::from_le_bytes([e0, e1, e2, x0, x1, x2, self.present, self.damaged]),
            u64::from_le_bytes([k0, k1, k2, self.shared, self.exclusive, self.collecting, loss, 0]),
            u64::from_le_bytes([
                self.journal,
                self.suspect,
                self.damage_left,
                self.pinned.entries,
                self.pinned.drafts,
                self.late.entries,
                self.late.drafts,
                0,
            ]),
            u64::from_le_bytes([m0, m1, m2, keys, holds, looked, older, torn]),
            a0.word(),
            a1.word(),
            a2.word(),
            a3.word(),
        ]
    }

    /// Whether the key has an entry and all its blobs are there and good.
    pub(crate) fn whole(&self, key: usize) -> bool {
        let named = self.entries[key];
        named != 0 && named & !(self.present & !self.damaged) == 0
    }

    /// A promise that this state, or the step to it, breaks.
    pub(crate) fn broken_promise(&self) -> Option<Promise> {
        let dangling = |key: usize| self.entries[key] & !self.present & !self.excused[key] != 0;
        let dangles = (0..KEYS).any(dangling);
        self.broken.or(dangles.then_some(Promise::NothingDangles))
    }

    /// A complete, good file appears under the name of the blob, in place of any other.
    pub(crate) fn publish_blob(&mut self, blob: Set) {
        self.forget_blob(blob);
        self.present |= blob;
        for excused in &mut self.excused {
            *excused &= !blob;
        }
    }

    /// Content of the blob goes bad, by nobody's doing here.
    pub(crate) fn damage_blob(&mut self, blob: Set, shows: bool) {
        self.damaged |= blob;
        self.suspect |= if shows { blob } else { 0 };
        self.damage_left -= 1;
    }

    /// The name of the blob goes away.
    pub(crate) fn remove_blob(&mut self, blob: Set) {
        if self.present & blob != 0 {
            self.forget_blob(blob);
            self.present &= !blob;
        }
    }

    fn forget_blob(&mut self, blob: Set) {
        self.damaged &= !blob;
        self.suspect &= !blob;
        for actor in &mut self.actors {
            actor.same_blobs &= !blob;
        }
    }

    /// Entries that name the blob may go without it from now on, if it is damaged indeed.
    pub(crate) fn excuse(&mut self, blob: Set) {
        if self.damaged & blob != 0 {
            for (excused, named) in self.excused.iter_mut().zip(self.entries) {
                *excused |= named & blob;
            }
        }
    }

    /// The entry of a key becomes another one, without marks, or none if `blobs` is empty.
    pub(crate) fn change_entry(&mut self, key: usize, blobs: Set) {
        self.entries[key] = blobs;
        self.excused[key] = 0;
        self.pinned.entries &= !(1 << key);
        self.late.entries &= !(1 << key);
        for actor in &mut self.actors {
            actor.same_keys &= !(1 << key);
        }
    }

    /// A key gets a stamp that it never had.
    pub(crate) fn stamp(&mut self, key: usize) {
        self.memory.holds &= !(1 << key);
        self.memory.looked &= !(1 << key);
    }

    /// All die, and every stamp is what it was when a collector looked at it last.
    pub(crate) fn lose(&mut self, loss: Loss) {
        for actor in &mut self.actors {
            if actor.at != At::Begin {
                *actor = Actor::new(actor.op + 1);
            }
        }
        (self.shared, self.exclusive, self.collecting, self.key_locks) = (0, 0, 0, [0; KEYS]);
        (self.late, self.pinned.drafts) = (Marked::default(), 0);
        (self.memory.holds, self.memory.older, self.memory.looked) = (self.memory.keys, self.memory.keys, 0);
        self.loss = Some(loss);
    }

    /// An empty journal takes the place of any that a dead collector left.
    pub(crate) fn create_journal(&mut self) {
        self.journal = EXISTS;
    }

    pub(crate) fn remove_journal(&mut self) {
        self.journal = 0;
    }

    pub(crate) fn has_journal(&self) -> bool {
        self.journal != 0
    }

    /// Appends to the journal if there is one. What follows a torn record cannot be parsed.
    pub(crate) fn append(&mut self, blobs: Set) {
        if self.has_journal() && !self.torn() {
            self.journal |= blobs;
        }
    }

    /// Somebody dies while he appends.
    pub(crate) fn tear_journal(&mut self) {
        self.journal |= TORN;
    }

    pub(crate) fn torn(&self) -> bool {
        self.journal & TORN != 0
    }

    /// The blobs that the journal mentions, up to a torn record.
    pub(crate) fn journalled(&self) -> Set {
        self.journal & !(EXISTS | TORN)
    }
}
