use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use ndstash::{CullOptions, Durability, GcOptions, Key, Policy, Store, StoreOptions};

use crate::{FREE, LIMIT, NAMES, PASSING, Random, SHARED, WRITERS, content_of, put};

/// Never returns, unless something is wrong.
pub(crate) fn run(role: &str, path: &Path, logs: &Path, seed: u64) {
    let writer: Option<u64> = role.strip_prefix("writer").map(|number| number.parse().expect("a number"));
    // Half of the writers defer: a process that is killed loses nothing by that.
    let defers = writer.is_some_and(|writer| writer % 2 == 1);
    let durability = if defers { Durability::Deferred } else { Durability::Full };
    let store = StoreOptions::new().durability(durability).open(path).expect("the store opens");
    let random = Random::new(seed);
    match role {
        "collector" => collect(&store, random),
        "culler" => cull(&store, logs, random),
        "remover" => remove(&store, random),
        "reader" => read(&store, random),
        _ => write(&store, writer.expect("a role"), logs, random),
    }
}

/// What was done; `None` if another was in the way.
fn unless_busy<T>(done: ndstash::Result<T>) -> Option<T> {
    match done {
        Err(error) if error.is_busy() => None,
        done => Some(done.expect("it is done, or another is in the way")),
    }
}

/// Pauses, or nobody who wants to cull would have the lock for long.
fn collect(store: &Store, mut random: Random) {
    loop {
        std::thread::sleep(Duration::from_millis(random.below(50)));
        unless_busy(store.gc(&GcOptions::new().wait(Duration::from_secs(2))));
    }
}

/// Culls by every policy, and more than the limit asks for. What is pinned from its first moment never goes.
fn cull(store: &Store, logs: &Path, mut random: Random) {
    let own = (0..WRITERS).flat_map(|writer| (0..NAMES).map(move |n| own(writer, n)));
    let safe = own.filter(|own| own.pinned_at_once).map(|own| Key::from_name(&own.name).expect("a name"));
    let safe: HashSet<Key> = safe.collect();
    let mut log = open_log(&logs.join("culler"));
    loop {
        std::thread::sleep(Duration::from_millis(random.below(100)));
        let mut limits = store.limits().expect("settings");
        limits.policy = [Policy::Lru, Policy::Lfu, Policy::Oldest, Policy::Cost][random.index(4)];
        match random.below(8) {
            0 => limits.bytes = Some(LIMIT / 2),
            1 => limits.entries = Some(0),
            2 => limits.age = Some(1),
            3 => _ = unless_busy(store.set_limits(|kept| kept.policy = limits.policy)),
            _ => {}
        }
        let options = CullOptions::new().limits(limits).gc(GcOptions::new().wait(Duration::from_secs(2)));
        let Some(report) = unless_busy(store.cull(&options)) else { continue };
        for victim in &report.evicted {
            assert!(!safe.contains(&victim.key), "a pinned entry was evicted: {victim:?}");
        }
        writeln!(log, "{}", report.evicted.len()).expect("a log");
    }
}

/// Removes and renames what writers leave for it.
fn remove(store: &Store, mut random: Random) {
    loop {
        let name = common(&mut random);
        if random.below(3) == 0 {
            store.rename(&name, &common(&mut random), true).expect("a rename");
        } else {
            store.remove(&name).expect("a removal");
        }
    }
}

fn read(store: &Store, mut random: Random) {
    loop {
        let writer = random.below(WRITERS);
        content_of(store, &own(writer, random.below(NAMES)).name);
        content_of(store, &free(writer, &mut random));
        content_of(store, &common(&mut random));
    }
}

/// A name that one writer alone changes, and whose entries stay until it does: they are pinned.
struct Own {
    name: String,
    /// As they are put; else by a second step, before they are acknowledged.
    pinned_at_once: bool,
}

fn own(writer: u64, n: u64) -> Own {
    Own { name: format!("own/{writer}/{n}"), pinned_at_once: n.is_multiple_of(2) }
}

/// A name that one writer alone changes, and whose entries may be evicted.
fn free(writer: u64, random: &mut Random) -> String {
    format!("free/{writer}/{}", random.below(FREE))
}

/// A name of which everybody takes and gives.
fn common(random: &mut Random) -> String {
    format!("common/{}", random.below(NAMES))
}

/// Puts under names of its own, which it logs, and under common ones, which others take away.
fn write(store: &Store, writer: u64, logs: &Path, mut random: Random) {
    let mut log = Log { file: open_log(&logs.join(writer.to_string())), acknowledged: BTreeMap::new() };
    loop {
        let content = random.below(SHARED);
        let own = own(writer, random.below(NAMES));
        log.looks(store, &own.name);
        match random.below(15) {
            0 => {
                log.tries(&own.name, None);
                store.remove(&own.name).expect("a removal");
                log.acknowledges(&own.name, None);
            }
            1 => _ = store.copy(&own.name, &common(&mut random), true).expect("a copy"),
            2 => _ = store.relabel(&own.name, |labels| labels.tags = vec!["seen".into()]).expect("a relabel"),
            3 | 4 => put(store, &common(&mut random), content, false),
            5..9 => {
                let (name, content) = (free(writer, &mut random), SHARED + random.below(PASSING));
                log.tries(&name, Some(content));
                put(store, &name, content, false);
                log.acknowledges(&name, Some(content));
            }
            _ => keep(store, &mut log, &own, content),
        }
    }
}

/// Puts what must stay. Until it is pinned a culler may take it; then there is nothing to pin.
fn keep(store: &Store, log: &mut Log, own: &Own, content: u64) {
    log.tries(&own.name, Some(content));
    if own.pinned_at_once {
        put(store, &own.name, content, true);
        return log.acknowledges(&own.name, Some(content));
    }
    log.tries(&own.name, None);
    put(store, &own.name, content, false);
    let pinned = store.relabel(&own.name, |labels| labels.pinned = true).expect("a relabel");
    log.acknowledges(&own.name, pinned.then_some(content));
}

/// What a writer did, one line by one write: killed in between, it is there or it is not.
struct Log {
    file: fs::File,
    /// What it knows in this life.
    acknowledged: BTreeMap<String, Option<u64>>,
}

impl Log {
    fn tries(&mut self, name: &str, content: Option<u64>) {
        self.acknowledged.remove(name);
        self.line("try", name, content);
    }

    fn acknowledges(&mut self, name: &str, content: Option<u64>) {
        self.line("ack", name, content);
        self.acknowledged.insert(name.to_owned(), content);
    }

    /// What was acknowledged under a name whose entries stay is there now.
    fn looks(&self, store: &Store, name: &str) {
        if let Some(&content) = self.acknowledged.get(name) {
            assert_eq!(content_of(store, name), content, "{name} is not what was acknowledged");
        }
    }

    fn line(&mut self, word: &str, name: &str, content: Option<u64>) {
        let content = content.map_or_else(|| "none".into(), |content| content.to_string());
        self.file.write_all(format!("{word} {name} {content}.\n").as_bytes()).expect("a log");
    }
}

/// A log to go on with. A line that the last kill cut short ends here.
fn open_log(path: &Path) -> fs::File {
    let mut file = fs::File::options().create(true).append(true).open(path).expect("a log");
    file.write_all(b"\n").expect("a log");
    file
}
