//! A scheduler: runs a few actors, each a thread with a store handle of its own, one file-system step at a time, in
//! every order within a bound on preemptions.
//!
//! An actor stops before every step that others could notice. The scheduler lets one go on until its next such step,
//! looks at the store, and chooses again. Choices are enumerated depth first: a run is a list of choices, the next run
//! changes the last one that has an alternative left. An actor that finds a lock taken may go on only after somebody has
//! released that lock.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use ndstash::Store;
use ndstash::seam::{Flow, Seam, Step, Verb, Watch};

use crate::bench::options;

/// What one actor does with its handle.
pub(crate) type Act = Box<dyn FnOnce(&Store) + Send>;

/// What a test makes of a step before it is done: a seeded bug. It is told the actor and the store.
pub(crate) type Tamper = Arc<dyn Fn(usize, &Path, &Step<'_>) -> Flow + Send + Sync>;

/// Which steps are points of choice.
pub(crate) type Visible = fn(&Step<'_>) -> bool;

/// How far an actor is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    Running,
    /// Before a step.
    Parked(String),
    /// Found the lock of this name taken; not before somebody has released it.
    Blocked(String),
    Done,
}

struct Turns {
    actors: Vec<At>,
    /// Who may go on.
    granted: Option<usize>,
    /// The run is given up: everybody's next step fails.
    over: bool,
}

struct Shared {
    turns: Mutex<Turns>,
    changed: Condvar,
}

struct Actor {
    number: usize,
    shared: Arc<Shared>,
    store: PathBuf,
    visible: Visible,
    tamper: Tamper,
}

impl Watch for Actor {
    fn before(&self, step: &Step<'_>) -> io::Result<Flow> {
        if step.verb == Verb::Contended {
            self.stop(At::Blocked(step.path.to_owned()))?;
        } else if (self.visible)(step) {
            self.stop(At::Parked(format!("{:?} {}", step.verb, step.path)))?;
        }
        if step.verb == Verb::Unlock {
            self.wake(step.path);
        }
        Ok((self.tamper)(self.number, &self.store, step))
    }
}

impl Actor {
    /// Whoever waits for this lock may try again: not before this actor stops the next time, and then it is released.
    fn wake(&self, lock: &str) {
        let mut turns = self.shared.turns.lock().unwrap();
        for at in &mut turns.actors {
            if *at == At::Blocked(lock.to_owned()) {
                *at = At::Parked(format!("try again {lock}"));
            }
        }
    }

    fn stop(&self, at: At) -> io::Result<()> {
        let mut turns = self.shared.turns.lock().unwrap();
        turns.actors[self.number] = at;
        self.shared.changed.notify_all();
        while turns.granted != Some(self.number) && !turns.over {
            turns = self.shared.changed.wait(turns).unwrap();
        }
        if turns.over {
            return Err(io::Error::other("the run is over"));
        }
        turns.granted = None;
        turns.actors[self.number] = At::Running;
        Ok(())
    }
}

/// Marks an actor as done when it returns, panics included.
struct Finish(Arc<Shared>, usize);

impl Drop for Finish {
    fn drop(&mut self) {
        let mut turns = self.0.turns.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        turns.actors[self.1] = At::Done;
        self.0.changed.notify_all();
    }
}

/// A set of actors, the store they start from, and what must hold.
pub(crate) struct Scenario {
    /// Brings the store, which is empty, into its first state.
    pub(crate) prepare: fn(&Store),
    /// What each actor does.
    pub(crate) actors: fn() -> Vec<Act>,
    /// Looked at after every step; what is wrong, if anything.
    pub(crate) always: fn(&Path) -> Option<String>,
    /// Looked at when all are done.
    pub(crate) finally: fn(&Store) -> Option<String>,
    /// Which steps are points of choice.
    pub(crate) visible: Visible,
    /// How often a run may take the turn from an actor that could have gone on.
    pub(crate) preemptions: usize,
}

/// One run: its choices with the number of alternatives at each, its steps, and what was wrong.
struct Run {
    choices: Vec<(usize, usize)>,
    steps: Vec<String>,
    wrong: Option<String>,
}

/// What the exploration of a scenario came to.
pub(crate) struct Explored {
    pub(crate) runs: usize,
    /// The first violation, with the steps that led to it.
    pub(crate) wrong: Option<String>,
}

/// Runs every schedule of a scenario, until one goes wrong or `limit` runs are done.
pub(crate) fn explore(scenario: &Scenario, tamper: &Tamper, limit: usize) -> Explored {
    let dir = crate::bench::temp_dir();
    let path = dir.path().join("store");
    drop(crate::bench::create(&path));
    let mut prefix = Vec::new();
    let mut runs = 0;
    loop {
        empty(&path);
        let run = run(scenario, tamper, &path, &prefix);
        runs += 1;
        if let Some(wrong) = run.wrong {
            let text = format!("{wrong}\nafter run {runs}:\n  {}", run.steps.join("\n  "));
            return Explored { runs, wrong: Some(text) };
        }
        match next(run.choices) {
            Some(following) if runs < limit => prefix = following,
            _ => return Explored { runs, wrong: None },
        }
    }
}

/// The choices of the next run: the last that has an alternative takes it, what follows is open.
fn next(mut choices: Vec<(usize, usize)>) -> Option<Vec<usize>> {
    while let Some((chosen, of)) = choices.pop() {
        if chosen + 1 < of {
            let mut prefix: Vec<usize> = choices.iter().map(|choice| choice.0).collect();
            prefix.push(chosen + 1);
            return Some(prefix);
        }
    }
    None
}

/// Removes all that runs leave, and keeps the directories and locks.
fn empty(store: &Path) {
    let used = crate::interleave::used_dirs().iter().map(String::as_str);
    for file in used.chain(["trash", "quarantine", "tmp"]).flat_map(|dir| crate::bench::files(&store.join(dir))) {
        std::fs::remove_file(file).unwrap();
    }
    for private in std::fs::read_dir(store.join("tmp")).unwrap() {
        std::fs::remove_dir(private.unwrap().path()).unwrap();
    }
    drop(std::fs::remove_file(store.join("journal")));
    crate::bench::files(&store.join("marks")).into_iter().for_each(|file| std::fs::remove_file(file).unwrap());
    for lock in crate::bench::files(&store.join("keylocks")) {
        if std::fs::metadata(&lock).unwrap().len() > 0 {
            std::fs::write(lock, b"").unwrap();
        }
    }
}

fn run(scenario: &Scenario, tamper: &Tamper, path: &Path, prefix: &[usize]) -> Run {
    (scenario.prepare)(&options().open(path).unwrap());
    let acts = (scenario.actors)();
    let turns = Turns { actors: vec![At::Running; acts.len()], granted: None, over: false };
    let shared = Arc::new(Shared { turns: Mutex::new(turns), changed: Condvar::new() });
    let threads: Vec<_> = acts
        .into_iter()
        .enumerate()
        .map(|(number, act)| {
            let (shared, visible, tamper) = (shared.clone(), scenario.visible, tamper.clone());
            let watch = Arc::new(Actor { number, shared: shared.clone(), store: path.to_owned(), visible, tamper });
            let path = path.to_owned();
            thread::spawn(move || perform(act, watch, shared, &path, number))
        })
        .collect();
    let mut run = Conductor { scenario, path, shared: &shared, prefix }.conduct();
    let panics: Vec<String> =
        threads.into_iter().filter_map(|thread| thread.join().err()).map(|panic| panic_text(&*panic)).collect();
    if run.wrong.is_none() {
        run.wrong = panics.into_iter().next().or_else(|| (scenario.finally)(&options().open(path).unwrap()));
    }
    run
}

/// One actor's life. What the library would do on many threads it does on one, so that there is one order to choose.
fn perform(act: Act, watch: Arc<Actor>, shared: Arc<Shared>, path: &Path, number: usize) {
    let _finish = Finish(shared, number);
    // Nobody takes a first step on its own: what comes before the first point of choice is ordered, too.
    if watch.stop(At::Parked("start".into())).is_err() {
        return;
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let store = options().lock_timeout(std::time::Duration::from_secs(600)).seam(Seam::new(watch)).open(path).unwrap();
    pool.install(|| act(&store));
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_else(|| "an actor panicked".into())
}

struct Conductor<'a> {
    scenario: &'a Scenario,
    path: &'a Path,
    shared: &'a Shared,
    prefix: &'a [usize],
}

impl Conductor<'_> {
    fn conduct(&self) -> Run {
        let mut run = Run { choices: Vec::new(), steps: Vec::new(), wrong: None };
        let (mut last, mut preempted) = (None, 0);
        while let Some(actors) = self.wait_until_still() {
            run.wrong = (self.scenario.always)(self.path);
            let may_preempt = preempted < self.scenario.preemptions;
            let open = open_turns(&actors, last, may_preempt);
            if run.wrong.is_none() && open.is_empty() {
                run.wrong = Some(format!("deadlock: {actors:?}"));
            }
            if run.wrong.is_some() {
                break;
            }
            let chosen = self.prefix.get(run.choices.len()).copied().unwrap_or(0);
            run.choices.push((chosen, open.len()));
            let number = open[chosen];
            preempted += usize::from(last.is_some_and(|last| last != number && is_ready(&actors[last])));
            if let At::Parked(step) = &actors[number] {
                run.steps.push(format!("{number}: {step}"));
            }
            last = Some(number);
            self.grant(number);
        }
        self.end();
        run
    }

    /// Waits until nobody runs; `None` when all are done.
    fn wait_until_still(&self) -> Option<Vec<At>> {
        let mut turns = self.shared.turns.lock().unwrap();
        while turns.granted.is_some() || turns.actors.contains(&At::Running) {
            turns = self.shared.changed.wait(turns).unwrap();
        }
        turns.actors.iter().any(|at| *at != At::Done).then(|| turns.actors.clone())
    }

    fn grant(&self, number: usize) {
        self.shared.turns.lock().unwrap().granted = Some(number);
        self.shared.changed.notify_all();
    }

    fn end(&self) {
        self.shared.turns.lock().unwrap().over = true;
        self.shared.changed.notify_all();
    }
}

fn is_ready(at: &At) -> bool {
    matches!(at, At::Parked(_))
}

/// Who may go on: the one that moved last first, and the others if it cannot or may be preempted.
fn open_turns(actors: &[At], last: Option<usize>, may_preempt: bool) -> Vec<usize> {
    let mut open: Vec<usize> = last.filter(|&number| is_ready(&actors[number])).into_iter().collect();
    if open.is_empty() || may_preempt {
        open.extend((0..actors.len()).filter(|&number| is_ready(&actors[number]) && Some(number) != last));
    }
    open
}
