//! Six writers with overlapping arrays, a remover, a reader, two collectors and a culler at work on one store that has a
//! limit, killed at random. In the end the store must verify without a problem and be within its limit, and every writer
//! must find what it was told is there.
//!
//! `cargo test --test soak -- --seconds 20 --seed 1`; `tools/soak` runs it for hours. Without a seed the clock gives one,
//! which is printed.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the parent looks at files itself")]
#![allow(clippy::print_stdout, reason = "a report")]
#![forbid(unsafe_code)]

/// What must hold when all have ended.
mod checks;
/// What each process does until it is killed.
mod roles;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ndarray::{Array1, Ix1};
use ndstash::{Store, StoreOptions, Tree};

const WRITERS: u64 = 6;
/// Names of each writer whose entries are pinned, and common ones.
const NAMES: u64 = 12;
/// Names of each writer whose entries nobody pins.
const FREE: u64 = 100;
/// Array contents of pinned and common entries: few, so that writers share them all the time, and all of them fit into
/// the store.
const SHARED: u64 = 40;
/// Contents of free entries come after those, and are far more than fit.
const PASSING: u64 = 2000;
/// Bytes that the store may have. What may be pinned takes less than 80 % of it.
const LIMIT: u64 = 3_500_000;
/// So many sizes they have, each twice the one before.
const SHARED_SIZES: u64 = 11;
const PASSING_SIZES: u64 = 8;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("child") => {
            roles::run(&args[1], Path::new(&args[2]), Path::new(&args[3]), args[4].parse().expect("a seed"));
        }
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

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("it is small")
    }
}

/// Bytes of the array of one content: some hundred to half a megabyte, of a passing one to 50 thousand.
fn bytes_of(content: u64) -> u64 {
    400 << (content % if content < SHARED { SHARED_SIZES } else { PASSING_SIZES })
}

fn array(content: u64) -> Array1<u64> {
    let len = usize::try_from(bytes_of(content) / 8).expect("it is small");
    let mut random = Random::new(content + 1);
    Array1::from_shape_simple_fn(len, || random.below(u64::MAX))
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

/// Puts the array of a content, and that of another one.
fn put(store: &Store, name: &str, content: u64, pinned: bool) {
    let next = if content < SHARED { (content + 1) % SHARED } else { content + 1 };
    let mut writer = store.writer();
    let main = writer.array(&array(content)).expect("a new array");
    let other = writer.array(&array(next)).expect("another array");
    writer.meta("content", i64::try_from(content).expect("it is small")).pin(pinned);
    writer.put(name, Tree::Map(vec![("main".into(), main), ("other".into(), other)])).expect("a put");
}

fn parent(seconds: u64, seed: u64) {
    println!("soak: {seconds} s, seed {seed}");
    let dir = tempfile::tempdir().expect("a directory to work in");
    let (path, logs) = (dir.path().join("store"), dir.path().join("logs"));
    fs::create_dir(&logs).expect("a fresh directory");
    let store = StoreOptions::new().inline_limits(1024, 4096).create(&path).expect("a new store");
    store.set_limits(|limits| limits.bytes = Some(LIMIT)).expect("a limit");
    let mut random = Random::new(seed);
    let roles: Vec<String> = (0..WRITERS).map(|writer| format!("writer{writer}")).collect();
    let roles: Vec<&str> =
        roles.iter().map(String::as_str).chain(["remover", "collector", "collector", "culler", "reader"]).collect();
    let mut children: Vec<Running> =
        roles.iter().map(|role| Running::spawn(role, &path, &logs, random.below(1 << 30))).collect();
    let (end, mut kills, mut peak) = (Instant::now() + Duration::from_secs(seconds), 0u64, 0);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20 + random.below(200)));
        for (child, role) in children.iter_mut().zip(&roles) {
            let ended = child.0.try_wait().expect("it is a child");
            assert!(ended.is_none(), "seed {seed}: {role} ended by itself: {ended:?}");
        }
        peak = peak.max(checks::live_bytes(&store, seed));
        let victim = random.index(roles.len());
        kills += 1;
        // What a process does is over before its successor begins.
        children[victim].end();
        children[victim] = Running::spawn(roles[victim], &path, &logs, random.below(1 << 30));
    }
    drop(children);
    println!("soak: {kills} kills, {peak} bytes at most, of a limit of {LIMIT}");
    checks::all(&path, &logs, seed);
}

/// A child that does not outlive its owner, whatever happens to that.
struct Running(Child);

impl Running {
    fn spawn(role: &str, store: &Path, logs: &Path, seed: u64) -> Self {
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["child".as_ref(), role.as_ref(), store.as_os_str(), logs.as_os_str(), seed.to_string().as_ref()])
            .stdin(Stdio::null())
            .spawn();
        Running(child.expect("this program runs"))
    }

    fn end(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
