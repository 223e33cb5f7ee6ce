//! Six writers with overlapping arrays, a remover, a reader and a collector at work on one store, killed at random. In the
//! end the store must verify without a problem, and every writer must find what it was told is there.
//!
//! `cargo test --test soak -- --seconds 20 --seed 1`; `tools/soak` runs it for hours. Without a seed the clock gives one,
//! which is printed.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the parent looks at files itself")]
#![allow(clippy::print_stdout, reason = "a report")]
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ndarray::{Array1, Ix1};
use ndstash::{GcOptions, Store, StoreOptions, Tree, VerifyOptions};

const WRITERS: u64 = 6;
/// Different array contents: few, so that writers share them all the time.
const CONTENTS: u64 = 40;
const NAMES: u64 = 12;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("child") => child(&args[1], Path::new(&args[2]), Path::new(&args[3]), args[4].parse().expect("a seed")),
        // A test runner that asks for names gets none: this program is one test.
        _ if args.iter().any(|arg| arg == "--list") => {}
        _ => parent(number(&args, "--seconds").unwrap_or(20), number(&args, "--seed").unwrap_or_else(clock)),
    }
}

fn number(args: &[String], flag: &str) -> Option<u64> {
    let at = args.iter().position(|arg| arg == flag)?;
    args.get(at + 1)?.parse().ok()
}

fn clock() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("the clock is past 1970");
    now.subsec_nanos().into()
}

/// xorshift64*: enough for choosing what to do.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % limit
    }
}

/// The array of one content: lengths from some hundred bytes to half a megabyte.
fn array(content: u64) -> Array1<u64> {
    let len = usize::try_from(50 << (content % 11)).expect("it is small");
    let mut random = Random::new(content + 1);
    Array1::from_shape_simple_fn(len, || random.below(u64::MAX))
}

fn parent(seconds: u64, seed: u64) {
    println!("soak: {seconds} s, seed {seed}");
    let dir = tempfile::tempdir().expect("a directory to work in");
    let (store, logs) = (dir.path().join("store"), dir.path().join("logs"));
    fs::create_dir(&logs).expect("a fresh directory");
    StoreOptions::new().inline_limits(1024, 4096).create(&store).expect("a new store");
    let mut random = Random::new(seed);
    let roles: Vec<String> = (0..WRITERS).map(|writer| format!("writer{writer}")).collect();
    let roles: Vec<&str> =
        roles.iter().map(String::as_str).chain(["remover", "collector", "collector", "reader"]).collect();
    let mut children: Vec<Running> =
        roles.iter().map(|role| spawn(role, &store, &logs, random.below(1 << 30))).collect();
    let (end, mut kills) = (Instant::now() + Duration::from_secs(seconds), 0u64);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20 + random.below(200)));
        let victim = usize::try_from(random.below(roles.len() as u64)).expect("it is small");
        let ended = children[victim].0.try_wait().expect("it is a child");
        assert!(ended.is_none(), "seed {seed}: {} ended by itself: {ended:?}", roles[victim]);
        kills += 1;
        children[victim] = spawn(roles[victim], &store, &logs, random.below(1 << 30));
    }
    drop(children);
    check(&store, &logs, seed, kills);
}

/// A child that does not outlive its owner, whatever happens to that.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn spawn(role: &str, store: &Path, logs: &Path, seed: u64) -> Running {
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["child".as_ref(), role.as_ref(), store.as_os_str(), logs.as_os_str(), seed.to_string().as_ref()])
        .stdin(Stdio::null())
        .spawn();
    Running(child.expect("this program runs"))
}

fn check(path: &Path, logs: &Path, seed: u64, kills: u64) {
    let store = Store::open(path).expect("the store opens");
    let report = store.verify(&VerifyOptions::new(), &|_| ()).expect("a verification");
    assert!(report.problems.is_empty(), "seed {seed}: {:#?}", report.problems);
    let mut acknowledged = 0;
    for writer in 0..WRITERS {
        acknowledged += check_writer(&store, &log_path(logs, writer), seed);
    }
    assert!(acknowledged > 100, "seed {seed}: only {acknowledged} puts were acknowledged");
    let collected = store.gc(&GcOptions::new()).expect("a collection");
    let report = store.verify(&VerifyOptions::new(), &|_| ()).expect("a verification");
    assert!(report.problems.is_empty(), "seed {seed}, after a last collection: {:#?}", report.problems);
    assert!(store.plan_gc().expect("a plan").garbage.is_empty(), "seed {seed}: garbage is left");
    println!(
        "soak: {acknowledged} puts acknowledged, {kills} kills, {} entries, {} blobs, {} removed at last: no problem",
        report.entries, report.blobs, collected.blobs_removed
    );
}

fn log_path(logs: &Path, writer: u64) -> PathBuf {
    logs.join(writer.to_string())
}

/// Every name must hold what was last acknowledged, or what was tried after that.
fn check_writer(store: &Store, log: &Path, seed: u64) -> u64 {
    let text = fs::read_to_string(log).unwrap_or_default();
    let (mut allowed, mut acknowledged): (BTreeMap<String, Vec<Option<u64>>>, u64) = (BTreeMap::new(), 0);
    // A line that a kill cut short was not acknowledged.
    for line in text.lines().filter(|line| line.ends_with('.')) {
        let words: Vec<&str> = line.trim_end_matches('.').split(' ').collect();
        let content = words[2].parse().ok();
        let allowed = allowed.entry(words[1].to_owned()).or_insert_with(|| vec![None]);
        if words[0] == "ack" {
            *allowed = vec![content];
            acknowledged += 1;
        } else {
            allowed.push(content);
        }
    }
    for (name, allowed) in allowed {
        let found = content_of(store, &name);
        assert!(allowed.contains(&found), "seed {seed}: {name} holds {found:?}, allowed is {allowed:?}");
    }
    acknowledged
}

/// Which content an entry has, its arrays loaded and checked.
fn content_of(store: &Store, name: &str) -> Option<u64> {
    let entry = store.entry(name).expect("a read")?;
    let Some(Tree::Int(content)) = entry.meta().get("content") else { panic!("{name} has no content") };
    let content = u64::try_from(*content).expect("it was put so");
    let found: Array1<u64> = entry.field("main").expect("it has one").to_array::<u64, Ix1>().expect("a checked load");
    assert_eq!(found, array(content), "{name}: another array than was put");
    Some(content)
}

fn child(role: &str, path: &Path, logs: &Path, seed: u64) {
    let store = Store::open(path).expect("the store opens");
    let random = Random::new(seed);
    match role {
        "collector" => collect(&store),
        "remover" => remove(&store, random),
        "reader" => read(&store, random),
        writer => write(&store, writer.trim_start_matches("writer").parse().expect("a number"), logs, random),
    }
}

fn collect(store: &Store) {
    loop {
        match store.gc(&GcOptions::new().wait(Duration::from_secs(2))) {
            Ok(_) => {}
            Err(error) if error.is_busy() => {}
            Err(error) => panic!("gc: {error:?}"),
        }
    }
}

/// Removes and renames what writers leave for it.
fn remove(store: &Store, mut random: Random) {
    loop {
        let name = format!("common/{}", random.below(NAMES));
        if random.below(3) == 0 {
            store.rename(&name, &format!("common/{}", random.below(NAMES)), true).expect("a rename");
        } else {
            store.remove(&name).expect("a removal");
        }
    }
}

fn read(store: &Store, mut random: Random) {
    loop {
        let writer = random.below(WRITERS);
        content_of(store, &format!("own/{writer}/{}", random.below(NAMES)));
        content_of(store, &format!("common/{}", random.below(NAMES)));
    }
}

/// Puts under names of its own, which it logs, and under common ones, which others take away.
fn write(store: &Store, writer: u64, logs: &Path, mut random: Random) {
    let path = log_path(logs, writer);
    let mut log = fs::File::options().create(true).append(true).open(path).expect("a log");
    // A line that the last kill cut short ends here.
    log.write_all(b"\n").expect("a log");
    loop {
        let content = random.below(CONTENTS);
        let own = format!("own/{writer}/{}", random.below(NAMES));
        match random.below(10) {
            0 => {
                logged(&mut log, "try", &own, None);
                store.remove(&own).expect("a removal");
                logged(&mut log, "ack", &own, None);
            }
            1 => _ = store.copy(&own, &format!("common/{}", random.below(NAMES)), true).expect("a copy"),
            2 => _ = store.relabel(&own, |labels| labels.tags = vec!["seen".into()]).expect("a relabel"),
            3 | 4 => put(store, &format!("common/{}", random.below(NAMES)), content),
            _ => {
                logged(&mut log, "try", &own, Some(content));
                put(store, &own, content);
                logged(&mut log, "ack", &own, Some(content));
            }
        }
    }
}

/// One line by one write: killed in between, it is there or it is not.
fn logged(log: &mut fs::File, word: &str, name: &str, content: Option<u64>) {
    let content = content.map_or_else(|| "none".into(), |content| content.to_string());
    log.write_all(format!("{word} {name} {content}.\n").as_bytes()).expect("a log");
}

fn put(store: &Store, name: &str, content: u64) {
    let mut writer = store.writer();
    let main = writer.array(&array(content)).expect("a new array");
    let other = writer.array(&array((content + 1) % CONTENTS)).expect("another array");
    writer.meta("content", i64::try_from(content).expect("it is small"));
    writer.put(name, Tree::Map(vec![("main".into(), main), ("other".into(), other)])).expect("a put");
}
