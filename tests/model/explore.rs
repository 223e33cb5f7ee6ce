//! Visits every reachable state, breadth first, so that a trace is a shortest one.

use std::fmt::Write;

use crate::scenarios::{Op, Scenario};
use crate::state::{At, Loss, Promise, State, WORDS};
use crate::turn::{Turn, Weakness};

/// What a search found.
pub(crate) struct Outcome {
    pub(crate) states: usize,
    /// The promise broken first, and the steps that lead there.
    pub(crate) broken: Option<(Promise, String)>,
}

/// A step that can be taken.
struct Move {
    /// A process, or nobody in particular: damage, eviction, loss.
    who: Option<usize>,
    what: &'static str,
    to: State,
}

/// One search.
struct Search<'a> {
    scenario: &'a Scenario,
    weakness: Option<Weakness>,
    visited: Visited,
}

/// Searches, and says in one line what came of it, to those who look (`--nocapture`).
#[expect(clippy::print_stdout, reason = "the line is for people; the harness keeps it to itself")]
pub(crate) fn report(scenario: &Scenario, weakness: Option<Weakness>) -> Outcome {
    let mut search = Search { scenario, weakness, visited: Visited::new(scenario.start()) };
    let broken = search.run();
    let states = search.visited.states.len();
    let verdict = broken.as_ref().map_or("sound".to_owned(), |(promise, _)| format!("{promise:?}"));
    let rules = weakness.map_or("as it is".to_owned(), |weakness| format!("{weakness:?}"));
    println!("{:<25} {rules:<27} {states:>8} states  {verdict}", scenario.name);
    Outcome { states, broken }
}

impl Search<'_> {
    fn run(&mut self) -> Option<(Promise, String)> {
        let mut moves = Vec::new();
        let mut at = 0;
        while let Some(&from) = self.visited.states.get(at) {
            self.moves(&from, &mut moves);
            for step in moves.drain(..) {
                if let Some(promise) = step.to.broken_promise() {
                    return Some((promise, self.trace(at, &step)));
                }
                self.visited.insert(step.to, at);
            }
            at += 1;
        }
        None
    }

    fn moves(&self, from: &State, moves: &mut Vec<Move>) {
        for who in 0..self.scenario.programs.len() {
            self.moves_of(who, from, moves);
        }
        for to in self.scenario.damages(from) {
            moves.push(Move { who: None, what: "a blob is damaged", to });
        }
        for to in self.scenario.evictions(from) {
            moves.push(Move { who: None, what: "an entry is evicted", to });
        }
        for (loss, to) in self.scenario.losses(from) {
            let what = match loss {
                Loss::Boot => "power is lost, and every stamp not synced",
                Loss::Mount => "the disk is lost and found, without the stamps",
                Loss::Copy => "the store is copied, its stamps first",
            };
            moves.push(Move { who: None, what, to });
        }
        for step in moves {
            self.watch_readers(&mut step.to);
        }
    }

    fn moves_of(&self, who: usize, from: &State, moves: &mut Vec<Move>) {
        let turn = |unlucky| Turn::new(*from, self.scenario, self.weakness, who, unlucky);
        let mut push = |turn: Turn, taken: Option<_>| {
            moves.extend(taken.map(|what| Move { who: Some(who), what, to: turn.s }));
        };
        let mut lucky = turn(false);
        let taken = lucky.step();
        push(lucky, taken);
        if from.actors[who].at.has_two_outcomes() {
            let mut unlucky = turn(true);
            let taken = unlucky.step();
            push(unlucky, taken);
        }
        let mut dying = turn(false);
        let taken = dying.crash();
        push(dying, taken);
    }

    /// A reader's note says whether its entry was whole in every state since it began.
    fn watch_readers(&self, state: &mut State) {
        for who in 0..self.scenario.programs.len() {
            if let Some(Op::Read { key, .. }) = self.scenario.op(who, state)
                && state.actors[who].at != At::Begin
                && !state.whole(key)
            {
                state.actors[who].note = 0;
            }
        }
    }

    fn trace(&self, at: usize, last: &Move) -> String {
        let mut path = vec![at];
        while let Some(before) = self.visited.before(path[path.len() - 1]) {
            path.push(before);
        }
        path.reverse();
        let mut text = String::new();
        for pair in path.windows(2) {
            let (from, to) = (&self.visited.states[pair[0]], &self.visited.states[pair[1]]);
            let mut moves = Vec::new();
            self.moves(from, &mut moves);
            let step = moves.iter().find(|step| step.to.words() == to.words());
            self.tell(from, step.expect("a visited state was reached by a step"), &mut text);
        }
        self.tell(&self.visited.states[at], last, &mut text);
        text
    }

    fn tell(&self, from: &State, step: &Move, text: &mut String) {
        let who = step.who.map_or(String::new(), |who| {
            let op = self.scenario.op(who, from).expect("only an operation takes steps");
            format!("{who} {op:?}: ")
        });
        writeln!(text, "{:<68} {who}{}", picture(&step.to), step.what).expect("a string takes any text");
    }
}

/// The store in one line. Blobs are x and y; `!` is damaged, `?` is suspect. Of entries `*` is pinned, `+` is late.
fn picture(state: &State) -> String {
    let names = |set: u8| {
        let name = |(bit, name)| if set & bit == 0 { "" } else { name };
        [(1, "x"), (2, "y")].map(name).concat()
    };
    let blob = |bit| {
        let mark = |set: u8, mark| if set & bit == 0 { "" } else { mark };
        names(state.present & bit) + mark(state.damaged, "!") + mark(state.suspect, "?")
    };
    let journal = match (state.has_journal(), state.torn()) {
        (false, _) => "none".to_owned(),
        (true, torn) => format!("[{}{}]", names(state.journalled()), if torn { "~" } else { "" }),
    };
    let entry = |key: usize| {
        let mark = |keys: u8, mark| if keys >> key & 1 == 0 { "" } else { mark };
        names(state.entries[key]) + mark(state.pinned.entries, "*") + mark(state.late.entries, "+")
    };
    let entries = [entry(0), entry(1), entry(2)].join("|");
    let (blobs, gate) = (blob(1) + &blob(2), (state.shared, state.exclusive));
    let memory = [0, 1, 2].map(|key| {
        let believed = if state.memory.holds >> key & 1 == 1 { "" } else { "-" };
        if state.memory.keys >> key & 1 == 1 { names(state.memory.blobs[key]) + believed } else { String::new() }
    });
    let memory = if state.memory.keys == 0 { String::new() } else { format!(" memory {}", memory.join("|")) };
    format!("blobs {blobs:<6} entries {entries:<8} journal {journal:<6} gate {gate:?}{memory}")
}

/// The states found, in order, and where each was reached from.
struct Visited {
    states: Vec<State>,
    parents: Vec<u32>,
    /// Open addressing: one more than the place of a state, or zero.
    table: Vec<u32>,
}

impl Visited {
    fn new(start: State) -> Self {
        let mut visited = Self { states: vec![], parents: vec![], table: vec![0; 1 << 16] };
        visited.insert(start, 0);
        visited
    }

    /// Adds a state unless it is known.
    fn insert(&mut self, state: State, parent: usize) {
        if self.states.len() * 2 > self.table.len() {
            self.grow();
        }
        let slot = self.slot(&state.words());
        if self.table[slot] == 0 {
            self.states.push(state);
            self.parents.push(number(parent));
            self.table[slot] = number(self.states.len());
        }
    }

    fn grow(&mut self) {
        self.table = vec![0; self.table.len() * 2];
        for place in 0..self.states.len() {
            let slot = self.slot(&self.states[place].words());
            self.table[slot] = number(place + 1);
        }
    }

    /// The slot of a state: its own, or the free one where it belongs.
    fn slot(&self, words: &[u64; WORDS]) -> usize {
        let last = self.table.len() - 1;
        let mut slot = hash(words) & last;
        while self.table[slot] != 0 && self.states[self.table[slot] as usize - 1].words() != *words {
            slot = (slot + 1) & last;
        }
        slot
    }

    fn before(&self, place: usize) -> Option<usize> {
        (place != 0).then(|| self.parents[place] as usize)
    }
}

/// The high half of a multiplicative hash.
fn hash(words: &[u64; WORDS]) -> usize {
    let mix = |hash: u64, word: &u64| (hash.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from(words.iter().fold(0, mix) >> 32).expect("half of a hash fits")
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("a scenario has fewer than four billion states")
}
