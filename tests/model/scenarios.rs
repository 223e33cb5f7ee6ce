//! Who meets whom: small sets of processes that together pair every operation with the collector,
//! and repair and quarantine with everything that changes entries or blobs.

use crate::state::{KEYS, Loss, Set, State};

const X: Set = 1;
const Y: Set = 2;
const XY: Set = X | Y;
/// Every blob there is.
pub(crate) const ALL_BLOBS: Set = XY;

/// What a process does. Keys are places in the store's entries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Put { key: usize, blobs: Set, replace: bool },
    Copy { from: usize, to: usize },
    Rename { from: usize, to: usize },
    Rewrite { key: usize, pins: bool },
    Remove { key: usize },
    Read { key: usize, checked: bool },
    Collect,
    CollectInOneGate,
    Repair,
    Cull,
    PutAndCull { key: usize, blobs: Set },
}

impl Op {
    pub(crate) fn culls(self) -> bool {
        matches!(self, Op::Cull | Op::PutAndCull { .. })
    }
}

/// A store at rest and processes that each run a list of operations.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own of the world at the start")]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) entries: [Set; KEYS],
    /// Blobs that are there and that nothing names.
    pub(crate) garbage: Set,
    /// Blobs that entries name and somebody has deleted.
    pub(crate) gone: Set,
    /// The keys that the processes know of.
    pub(crate) keys: Set,
    /// Blobs of which one may be damaged, once.
    pub(crate) damage: Set,
    /// Whether size, mode or time of a damaged blob shows it.
    pub(crate) shows: bool,
    /// Whether any entry may be evicted at any time.
    pub(crate) evicts: bool,
    /// Whether collectors remember what they read, and publishers stamp what they publish.
    pub(crate) remembers: bool,
    /// Whether what was not synced may be lost, once.
    pub(crate) loses: bool,
    pub(crate) programs: &'static [&'static [Op]],
}

impl Scenario {
    pub(crate) fn start(&self) -> State {
        let named = self.entries.iter().fold(0, |all, blobs| all | blobs);
        State::new((self.garbage | named) & !self.gone, self.entries, u8::from(self.damage != 0))
    }

    /// The operation that a process is at, unless it is done with all.
    pub(crate) fn op(&self, who: usize, state: &State) -> Option<Op> {
        self.programs.get(who)?.get(usize::from(state.actors[who].op)).copied()
    }

    /// The states that damage leads to.
    pub(crate) fn damages(&self, from: &State) -> impl Iterator<Item = State> {
        let good = self.damage & from.present & !from.damaged;
        let wounded = if from.damage_left == 0 { 0 } else { good };
        [X, Y].into_iter().filter(move |blob| wounded & blob != 0).map(|blob| {
            let mut to = *from;
            to.damage_blob(blob, self.shows);
            to
        })
    }

    /// The states that eviction leads to: a removal as [`Op::Remove`] does it, all steps at once,
    /// wherever gate and key lock let it.
    pub(crate) fn evictions(&self, from: &State) -> impl Iterator<Item = State> {
        let open = self.evicts && from.exclusive == 0;
        let free = move |&key: &usize| open && from.key_locks[key] == 0 && from.entries[key] != 0;
        (0..KEYS).filter(free).map(|key| {
            let mut to = *from;
            to.change_entry(key, 0);
            to
        })
    }

    /// The states that losing what was not synced leads to.
    pub(crate) fn losses(&self, from: &State) -> impl Iterator<Item = (Loss, State)> {
        let may_lose = self.loses && from.loss.is_none();
        [Loss::Boot, Loss::Mount, Loss::Copy].into_iter().filter(move |_| may_lose).map(|loss| {
            let mut to = *from;
            to.lose(loss);
            (loss, to)
        })
    }
}

const fn put(key: usize, blobs: Set) -> Op {
    Op::Put { key, blobs, replace: true }
}

const fn add(key: usize, blobs: Set) -> Op {
    Op::Put { key, blobs, replace: false }
}

const fn copy(from: usize, to: usize) -> Op {
    Op::Copy { from, to }
}

const fn rename(from: usize, to: usize) -> Op {
    Op::Rename { from, to }
}

const fn rewrite(key: usize) -> Op {
    Op::Rewrite { key, pins: false }
}

const fn pin(key: usize) -> Op {
    Op::Rewrite { key, pins: true }
}

const fn remove(key: usize) -> Op {
    Op::Remove { key }
}

const fn read(key: usize) -> Op {
    Op::Read { key, checked: false }
}

const fn read_checked(key: usize) -> Op {
    Op::Read { key, checked: true }
}

const COLLECT: Op = Op::Collect;
const REPAIR: Op = Op::Repair;
const CULL: Op = Op::Cull;

const fn put_and_cull(key: usize, blobs: Set) -> Op {
    Op::PutAndCull { key, blobs }
}

/// An empty store without damage, on which the others are built.
const CALM: Scenario = Scenario {
    name: "",
    entries: [0; KEYS],
    garbage: 0,
    gone: 0,
    keys: 0b11,
    damage: 0,
    shows: false,
    evicts: false,
    remembers: false,
    loses: false,
    programs: &[],
};

/// Two writers that share a blob.
pub(crate) const WRITERS: Scenario = Scenario {
    name: "writers",
    garbage: X,
    evicts: true,
    programs: &[&[put(0, XY), put(0, Y)], &[put(1, X), put(1, XY)], &[COLLECT, COLLECT, COLLECT]],
    ..CALM
};

/// Puts that race for one key, one of them only if there is no entry; and a removal.
pub(crate) const SAME_KEY: Scenario = Scenario {
    name: "same key",
    keys: 0b1,
    programs: &[&[put(0, X)], &[add(0, Y), add(0, X)], &[COLLECT, COLLECT], &[remove(0)]],
    ..CALM
};

/// One writer puts again and again while collectors come and go.
pub(crate) const MANY_CYCLES: Scenario = Scenario {
    name: "many cycles",
    evicts: true,
    programs: &[&[put(0, X), put(0, Y), put(1, XY)], &[COLLECT, COLLECT, COLLECT]],
    ..CALM
};

/// What the small model of the design has: two writers who put twice, a copier, an evictor, three
/// collectors.
pub(crate) const WRITERS_AND_COPIER: Scenario = Scenario {
    name: "writers and copier",
    keys: 0b111,
    evicts: true,
    programs: &[&[put(0, X), put(0, X)], &[put(1, X), put(1, X)], &[COLLECT, COLLECT, COLLECT], &[copy(1, 2)]],
    ..CALM
};

/// Copies into keys on either side of the original, while it is put again.
pub(crate) const COPIERS: Scenario = Scenario {
    name: "copiers",
    entries: [0, X, 0],
    keys: 0b111,
    evicts: true,
    programs: &[&[copy(1, 0), copy(0, 2)], &[copy(1, 2)], &[COLLECT, COLLECT], &[put(1, X)]],
    ..CALM
};

/// An entry is renamed to and fro, past the collector's reading, and replaced.
pub(crate) const RENAMERS: Scenario = Scenario {
    name: "renamers",
    entries: [0, X, 0],
    programs: &[&[rename(1, 0), rename(0, 1)], &[put(1, Y)], &[COLLECT, COLLECT], &[rename(1, 0)]],
    ..CALM
};

/// Two tag an entry that is replaced and removed.
pub(crate) const REWRITERS: Scenario = Scenario {
    name: "rewriters",
    entries: [X, 0, 0],
    keys: 0b1,
    programs: &[&[rewrite(0)], &[rewrite(0), put(0, XY)], &[COLLECT, COLLECT], &[remove(0), add(0, X)]],
    ..CALM
};

/// Readers of an entry that is replaced, evicted and put again.
pub(crate) const READERS: Scenario = Scenario {
    name: "readers",
    entries: [XY, 0, 0],
    keys: 0b1,
    evicts: true,
    programs: &[&[read(0)], &[put(0, Y), put(0, XY)], &[COLLECT, COLLECT], &[read(0)]],
    ..CALM
};

/// A reader of an entry that is renamed back and forth, and tagged.
pub(crate) const READER_OF_MOVED: Scenario = Scenario {
    name: "reader of moved",
    entries: [XY, 0, 0],
    evicts: true,
    programs: &[&[read(0)], &[rename(0, 1), rename(1, 0)], &[COLLECT, COLLECT], &[rewrite(0), put(0, X)]],
    ..CALM
};

/// Two collectors at once, if `collector.lock` lets them.
pub(crate) const TWO_COLLECTORS: Scenario = Scenario {
    name: "two collectors",
    evicts: true,
    programs: &[&[COLLECT], &[COLLECT], &[put(0, XY)], &[put(1, X)]],
    ..CALM
};

/// The collector on a full disk.
pub(crate) const FULL_DISK: Scenario = Scenario {
    name: "full disk",
    entries: [Y, 0, 0],
    programs: &[&[put(1, X)], &[rename(0, 1)], &[COLLECT, Op::CollectInOneGate], &[put(0, XY)]],
    ..CALM
};

/// A checked reader has a blob quarantined that writers put anew.
pub(crate) const QUARANTINE: Scenario = Scenario {
    name: "quarantine",
    entries: [X, 0, 0],
    damage: X,
    shows: true,
    evicts: true,
    programs: &[&[read_checked(0)], &[put(1, X)], &[COLLECT, COLLECT], &[put(0, X)]],
    ..CALM
};

/// Checked readers of damage that does not show until one marks it.
pub(crate) const HIDDEN_QUARANTINE: Scenario = Scenario {
    name: "hidden quarantine",
    entries: [X, 0, 0],
    damage: X,
    evicts: true,
    programs: &[&[read_checked(0)], &[read_checked(0)], &[put(1, X), put(0, Y)], &[COLLECT]],
    ..CALM
};

/// Quarantine and the collector against renaming and rewriting.
pub(crate) const QUARANTINE_AND_COLLECTOR: Scenario = Scenario {
    name: "quarantine and collector",
    entries: [X, 0, 0],
    damage: X,
    evicts: true,
    programs: &[&[read_checked(0)], &[rename(0, 1), rewrite(1)], &[COLLECT], &[put(0, X)]],
    ..CALM
};

/// Quarantine against all who make entries of entries.
pub(crate) const QUARANTINE_OF_MOVED: Scenario = Scenario {
    name: "quarantine of moved",
    entries: [X, 0, 0],
    damage: X,
    programs: &[
        &[read_checked(0), read_checked(1)],
        &[copy(0, 1), rewrite(1)],
        &[rename(0, 1), rewrite(1)],
        &[put(1, X), remove(0)],
    ],
    ..CALM
};

/// Quarantine, healing and a reader that neither checks nor deletes.
pub(crate) const QUARANTINE_AND_READER: Scenario = Scenario {
    name: "quarantine and reader",
    entries: [XY, 0, 0],
    damage: XY,
    shows: true,
    evicts: true,
    programs: &[&[read_checked(0)], &[read(0)], &[put(1, XY), put(0, X)], &[COLLECT]],
    ..CALM
};

/// Repair meets writers that heal.
pub(crate) const REPAIR_AND_WRITERS: Scenario = Scenario {
    name: "repair and writers",
    entries: [X, 0, 0],
    damage: X,
    shows: true,
    evicts: true,
    programs: &[&[REPAIR, REPAIR], &[put(1, X)], &[put(0, XY)], &[COLLECT, COLLECT]],
    ..CALM
};

/// Repair meets writers that do not see the damage.
pub(crate) const REPAIR_OF_HIDDEN: Scenario = Scenario {
    name: "repair of hidden",
    entries: [X, 0, 0],
    damage: X,
    evicts: true,
    programs: &[&[REPAIR, REPAIR], &[put(1, X)], &[put(0, Y)], &[COLLECT]],
    ..CALM
};

/// Repair meets a checked reader that is faster, and a writer that heals after it.
pub(crate) const REPAIR_AND_QUARANTINE: Scenario = Scenario {
    name: "repair and quarantine",
    entries: [X, 0, 0],
    damage: X,
    evicts: true,
    programs: &[&[REPAIR, COLLECT], &[read_checked(0)], &[put(1, X), put(0, X)], &[add(0, X)]],
    ..CALM
};

/// Repair finds one blob gone and may find another damaged; writers put both again.
pub(crate) const REPAIR_OF_DANGLING: Scenario = Scenario {
    name: "repair of dangling",
    entries: [X, XY, 0],
    gone: X,
    damage: Y,
    shows: true,
    programs: &[&[REPAIR, REPAIR], &[add(0, X), copy(0, 1)], &[put(1, XY), rename(1, 0)]],
    ..CALM
};

/// Repair meets copying, renaming, rewriting.
pub(crate) const REPAIR_AND_MOVERS: Scenario = Scenario {
    name: "repair and movers",
    entries: [XY, 0, 0],
    damage: X,
    programs: &[&[REPAIR, COLLECT], &[copy(0, 1)], &[rename(0, 1), rename(1, 0)], &[rewrite(0)]],
    ..CALM
};

/// Repair meets removal and putting again, and a reader.
pub(crate) const REPAIR_AND_REMOVERS: Scenario = Scenario {
    name: "repair and removers",
    entries: [XY, 0, 0],
    damage: XY,
    programs: &[&[REPAIR, COLLECT], &[remove(0), put(0, X)], &[read(0)], &[add(0, XY), remove(0)]],
    ..CALM
};

/// A culler meets puts of the key that it judged and of the blob that only its victim kept.
pub(crate) const CULL_AND_WRITERS: Scenario = Scenario {
    name: "cull and writers",
    entries: [X, 0, 0],
    programs: &[&[CULL, CULL], &[put(0, Y), add(1, X)], &[add(0, X)], &[COLLECT]],
    ..CALM
};

/// Culls against pinning, tagging, and putting what was removed.
pub(crate) const CULL_AND_PINS: Scenario = Scenario {
    name: "cull and pins",
    entries: [X, 0, 0],
    keys: 0b1,
    programs: &[&[CULL, CULL], &[pin(0), rewrite(0)], &[remove(0), put(0, XY)], &[rewrite(0)]],
    ..CALM
};

/// Culls against all who make entries of entries, pinned ones too.
pub(crate) const CULL_AND_MOVERS: Scenario = Scenario {
    name: "cull and movers",
    entries: [X, 0, 0],
    programs: &[&[CULL], &[copy(0, 1)], &[pin(0), rename(0, 1)], &[rename(1, 0)]],
    ..CALM
};

/// Two puts that find the store over its limit, and a cull that somebody asked for.
pub(crate) const LIMITED_WRITERS: Scenario = Scenario {
    name: "limited writers",
    programs: &[&[put_and_cull(0, X)], &[put_and_cull(1, XY)], &[CULL], &[put(0, Y)]],
    ..CALM
};

/// A culler takes what readers are at; it never looks at blobs, damaged or not.
pub(crate) const CULL_AND_READERS: Scenario = Scenario {
    name: "cull and readers",
    entries: [XY, 0, 0],
    damage: X,
    shows: true,
    programs: &[&[CULL, CULL], &[read(0)], &[put(0, XY), put(1, X)], &[read_checked(0)]],
    ..CALM
};

/// Culler and repair take turns.
pub(crate) const CULL_AND_REPAIR: Scenario = Scenario {
    name: "cull and repair",
    entries: [X, 0, 0],
    damage: X,
    programs: &[&[CULL, CULL], &[REPAIR], &[put(1, X)], &[read_checked(0)]],
    ..CALM
};

/// Collectors that remember, while the entry is replaced, removed and put again.
pub(crate) const MEMORY_AND_WRITERS: Scenario = Scenario {
    name: "memory and writers",
    entries: [X, 0, 0],
    keys: 0b1,
    evicts: true,
    remembers: true,
    programs: &[&[put(0, Y), put(0, X)], &[COLLECT, COLLECT, COLLECT], &[add(0, XY)]],
    ..CALM
};

/// Collectors that remember, while entries are made of entries.
pub(crate) const MEMORY_AND_MOVERS: Scenario = Scenario {
    name: "memory and movers",
    entries: [X, Y, 0],
    remembers: true,
    programs: &[&[rename(0, 1), copy(1, 0)], &[COLLECT, COLLECT], &[rewrite(1)]],
    ..CALM
};

/// Cullers and collectors use one memory; on a full disk it is believed, not renewed.
pub(crate) const MEMORY_AND_CULLER: Scenario = Scenario {
    name: "memory and culler",
    entries: [X, 0, 0],
    remembers: true,
    programs: &[&[COLLECT, CULL, Op::CollectInOneGate], &[put(0, Y), put(1, X)]],
    ..CALM
};

/// Repair takes out what is remembered; it is put again.
pub(crate) const MEMORY_AND_REPAIR: Scenario = Scenario {
    name: "memory and repair",
    entries: [X, 0, 0],
    keys: 0b1,
    damage: X,
    shows: true,
    remembers: true,
    programs: &[&[COLLECT, REPAIR, COLLECT, COLLECT], &[put(0, Y)], &[read_checked(0), add(0, X)]],
    ..CALM
};

/// What was not synced is lost: of all that is remembered, stamps are what matters.
pub(crate) const MEMORY_AND_LOSSES: Scenario = Scenario {
    name: "memory and losses",
    entries: [X, 0, 0],
    keys: 0b1,
    evicts: true,
    remembers: true,
    loses: true,
    programs: &[&[put(0, Y), put(0, XY)], &[COLLECT, COLLECT, COLLECT]],
    ..CALM
};

/// All of them.
pub(crate) const ALL: &[&Scenario] = &[
    &WRITERS,
    &SAME_KEY,
    &MANY_CYCLES,
    &WRITERS_AND_COPIER,
    &COPIERS,
    &RENAMERS,
    &REWRITERS,
    &READERS,
    &READER_OF_MOVED,
    &TWO_COLLECTORS,
    &FULL_DISK,
    &QUARANTINE,
    &HIDDEN_QUARANTINE,
    &QUARANTINE_AND_COLLECTOR,
    &QUARANTINE_OF_MOVED,
    &QUARANTINE_AND_READER,
    &REPAIR_AND_WRITERS,
    &REPAIR_OF_HIDDEN,
    &REPAIR_AND_QUARANTINE,
    &REPAIR_OF_DANGLING,
    &REPAIR_AND_MOVERS,
    &REPAIR_AND_REMOVERS,
    &CULL_AND_WRITERS,
    &CULL_AND_PINS,
    &CULL_AND_MOVERS,
    &LIMITED_WRITERS,
    &CULL_AND_READERS,
    &CULL_AND_REPAIR,
    &MEMORY_AND_WRITERS,
    &MEMORY_AND_MOVERS,
    &MEMORY_AND_CULLER,
    &MEMORY_AND_REPAIR,
    &MEMORY_AND_LOSSES,
];
