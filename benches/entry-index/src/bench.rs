//! The measurement.

use std::fs;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::files::{Files, Together};
use crate::lmdb::Lmdb;
use crate::redbs::Redb;
use crate::sample;
use crate::store::Real;
use crate::way::{ALL, Way};

/// Rounds of what is asked for one entry, and of what goes over all; the latter once where there are more than [`MANY`].
const ROUNDS: (u64, u64) = (9, 3);
const MANY: u64 = 100_000;
/// With more entries than this no other processes are started, and no directory is removed as a whole.
const FEW: u64 = 10_000;
/// "derived" is LMDB without the manifests: what an index beside files would cost on top of them.
const WAYS: [&str; 5] = ["files", "ndstash", "lmdb", "redb", "derived"];
/// Those that keep manifests.
const WHOLE: usize = 4;
/// Entries that are removed one by one.
const REMOVED: u64 = 10_000;
/// Entries that are read with nothing in memory: where there are more, the first shards.
const COLD: u64 = 10_000;

fn open(way: &str, base: &Path, count: u64) -> Box<dyn Way> {
    let dir = base.join(way);
    match way {
        "files" => Box::new(Files::open(&dir, count, Together::Each)),
        "inodes" => {
            let mut files = Files::open(&base.join("files"), count, Together::Each);
            files.by_inode = true;
            Box::new(files)
        }
        "threads" => Box::new(Files::open(&base.join("files"), count, Together::Threads)),
        "syncfs" => Box::new(Files::open(&base.join("files"), count, Together::Whole)),
        "ndstash" => Box::new(Real::open(&dir, count)),
        "lmdb" => Box::new(Lmdb::open(&dir, count, true)),
        "redb" => Box::new(Redb::open(&dir, count)),
        "derived" => Box::new(Lmdb::open(&dir, count, false)),
        _ => panic!("no such way: {way}"),
    }
}

pub fn run(dir: &Path, count: u64) {
    let base = dir.join(count.to_string());
    fs::create_dir_all(&base).expect("a directory");
    println!("\n{count} entries; microseconds an entry: median (fastest .. slowest) processor time");
    WAYS.iter().for_each(|way| fill(way, &base, count));
    // From here on the stores change.
    WAYS.iter().for_each(|way| fs::remove_file(base.join(format!("{way}.filled"))).expect("it was filled"));
    sizes(&base, count);
    let mut report = Report { base: &base, count, fresh: 2 * count };
    report.one();
    report.all();
    if count <= FEW {
        report.processes();
    }
    report.cold();
    report.removal();
    println!("  (left in place: {})", base.display());
}

fn fill(way: &str, base: &Path, count: u64) {
    let start = Instant::now();
    if base.join(format!("{way}.filled")).exists() {
        return;
    }
    if let "lmdb" | "derived" = way {
        Lmdb::open(&base.join(way), count, way == "lmdb").fill(0..count);
    } else if way == "redb" {
        Redb::open(&base.join(way), count).fill(0..count);
    } else {
        let (kept, part) = (open(way, base, count), count.div_ceil(2));
        std::thread::scope(|scope| {
            for from in [0, part] {
                let kept = &kept;
                scope.spawn(move || kept.put(from..(from + part).min(count), false));
            }
        });
    }
    fs::write(base.join(format!("{way}.filled")), "").expect("space");
    println!("  filled {way} in {:.1} s", start.elapsed().as_secs_f64());
}

fn sizes(base: &Path, count: u64) {
    // What is not written yet has no blocks.
    sync();
    for way in WAYS {
        let (inodes, bytes) = inodes_and_bytes(&base.join(way));
        let each = |figure: u64| figure as f64 / count as f64;
        println!("  {way}: {:.3} inodes, {:.0} bytes of disk an entry", each(inodes), each(bytes));
    }
}

fn inodes_and_bytes(dir: &Path) -> (u64, u64) {
    let mut sum = (0, 0);
    for entry in fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("a name")) {
        let meta = entry.metadata().expect("it is there");
        sum = (sum.0 + 1, sum.1 + meta.blocks() * 512);
        if meta.is_dir() {
            let within = inodes_and_bytes(&entry.path());
            sum = (sum.0 + within.0, sum.1 + within.1);
        }
    }
    sum
}

fn sync() {
    // SAFETY: it takes nothing.
    unsafe { libc::sync() };
}

struct Report<'a> {
    base: &'a Path,
    count: u64,
    /// The next entry that is not there yet.
    fresh: u64,
}

/// Wall clock and processor time for each entry.
type Cost = (Duration, Duration);

impl Report<'_> {
    fn fresh(&mut self, number: u64) -> std::ops::Range<u64> {
        self.fresh += number;
        self.fresh - number..self.fresh
    }

    /// What is asked of entries one by one. All ways are open meanwhile, as they would be in use.
    fn one(&mut self) {
        let kept: Vec<_> = WAYS.iter().map(|way| (*way, open(way, self.base, self.count))).collect();
        let ways: Vec<_> = kept.iter().map(|(way, kept)| (*way, &**kept)).collect();
        let mut puts = |what: &str, number: u64, put: &dyn Fn(&dyn Way, std::ops::Range<u64>) -> bool| {
            rounds(what, ROUNDS.0, &ways, |name, way, _| {
                if name == "redb" && what.ends_with("nothing synced") {
                    return None;
                }
                let numbers = self.fresh(number);
                put(way, numbers).then_some(number)
            });
        };
        puts("put, nothing synced", 500, &|way, numbers| {
            way.put(numbers, false);
            true
        });
        puts("put, 64 together, nothing synced", 64 * 4, &|way, numbers| {
            numbers.step_by(64).all(|from| way.put_together(from..from + 64, false))
        });
        puts("put, synced", 25, &|way, numbers| {
            way.put(numbers, true);
            true
        });
        let more = ["threads", "syncfs"].map(|way| (way, open(way, self.base, self.count)));
        let together: Vec<_> = kept.iter().chain(&more).map(|(way, kept)| (*way, &**kept)).collect();
        rounds("put, 64 together, synced", ROUNDS.0, &together, |_, way, _| {
            let numbers = self.fresh(64);
            way.put_together(numbers, true).then_some(64)
        });
        let count = self.count;
        rounds("hit", ROUNDS.0, &ways, |name, way, round| {
            if name == "derived" {
                return None;
            }
            for i in 0..2000 {
                black_box(way.hit(sample::mixed(i * 1000 + round) % count));
            }
            Some(2000)
        });
    }

    fn all(&self) {
        let kept: Vec<_> = WAYS[..WHOLE].iter().map(|way| (*way, open(way, self.base, self.count))).collect();
        let ways: Vec<_> = kept.iter().map(|(way, kept)| (*way, &**kept)).collect();
        let number = if self.count > MANY { 1 } else { ROUNDS.1 };
        rounds("keys, each", number, &ways, |_, way, _| Some(way.keys()));
        rounds("prefix of 100, in all", number, &ways, |_, way, round| {
            assert_eq!(way.with_prefix(&format!("{}/", 1 + round)) / 100, 1, "some more were put");
            Some(1)
        });
        rounds("mark, warm, each", number, &ways, |_, way, _| {
            way.mark(ALL);
            Some(self.count)
        });
    }

    /// So many processes, each with handles of its own; the time is from the signal until all are done.
    fn processes(&mut self) {
        for (sync, total) in [(false, 4000), (true, 200)] {
            for number in [1, 2, 4] {
                let what = format!("put, {}synced, {number} processes", if sync { "" } else { "nothing " });
                let mut times = vec![Vec::new(); WHOLE];
                for _ in 0..3 {
                    for (way, times) in WAYS[..WHOLE].iter().zip(&mut times) {
                        if *way == "redb" && !sync {
                            continue;
                        }
                        let from = self.fresh(total).start;
                        times.push(self.at_once(way, from, total, number, sync));
                    }
                }
                WAYS.iter().zip(times).for_each(|(way, times)| line(&what, way, times));
            }
        }
    }

    fn at_once(&self, way: &str, from: u64, total: u64, number: u64, sync: bool) -> Cost {
        let (each, count) = (total / number, self.count);
        let start_of = |at: u64| from + at * each;
        let words = |at: u64| format!("put {way} {} {count} {} {each} {sync}", self.base.display(), start_of(at));
        let mut workers: Vec<Worker> = (0..number).map(|at| Worker::start(&words(at))).collect();
        let start = Instant::now();
        workers.iter_mut().for_each(Worker::go);
        let used: Duration = workers.into_iter().map(Worker::end).sum();
        (start.elapsed().div_f64(total as f64), used.div_f64(total as f64))
    }

    /// Marking with nothing in memory, by a process that has just been started.
    fn cold(&self) {
        let shards = (u64::from(ALL) * COLD / self.count).clamp(1, u64::from(ALL));
        let marked = (self.count * shards / u64::from(ALL)) as f64;
        for way in ["files", "inodes", "lmdb", "redb"] {
            sync();
            if fs::write("/proc/sys/vm/drop_caches", "3").is_err() {
                return println!("  cold: the caches cannot be dropped here");
            }
            let mut worker =
                Worker::start(&format!("mark {way} {} {} 0 {shards} false", self.base.display(), self.count));
            let start = Instant::now();
            worker.go();
            let used = worker.end();
            line("mark, cold, each", way, vec![(start.elapsed().div_f64(marked), used.div_f64(marked))]);
        }
    }

    fn removal(&self) {
        let kept: Vec<_> = WAYS[..WHOLE].iter().map(|way| (*way, open(way, self.base, self.count))).collect();
        let ways: Vec<_> = kept.iter().map(|(way, kept)| (*way, &**kept)).collect();
        rounds("remove one by one, each", 1, &ways, |_, way, _| {
            way.remove_each(REMOVED as usize);
            Some(REMOVED)
        });
        drop(kept);
        if self.count > FEW {
            return;
        }
        for way in &WAYS[..WHOLE] {
            let (start, before) = (Instant::now(), processor());
            fs::remove_dir_all(self.base.join(way)).expect("it is ours");
            let cost = (start.elapsed(), processor() - before);
            line("remove the directory, in all", way, vec![cost]);
        }
    }
}

/// Does something in each way in turn, in another order each round. `work` returns for how many entries it was.
fn rounds(
    what: &str,
    number: u64,
    ways: &[(&str, &dyn Way)],
    mut work: impl FnMut(&str, &dyn Way, u64) -> Option<u64>,
) {
    let mut costs = vec![Vec::new(); ways.len()];
    for round in 0..number {
        for at in 0..ways.len() {
            let at = (at + round as usize) % ways.len();
            let (start, before) = (Instant::now(), processor());
            let done = work(ways[at].0, ways[at].1, round);
            if let Some(entries) = done {
                let entries = entries as f64;
                costs[at].push((start.elapsed().div_f64(entries), (processor() - before).div_f64(entries)));
            }
        }
    }
    ways.iter().zip(costs).for_each(|((way, _), costs)| line(what, way, costs));
}

fn line(what: &str, way: &str, costs: Vec<Cost>) {
    if costs.is_empty() {
        return;
    }
    let (mut wall, mut cpu): (Vec<_>, Vec<_>) = costs.into_iter().unzip();
    wall.sort_unstable();
    cpu.sort_unstable();
    let us = |time: &Duration| time.as_secs_f64() * 1e6;
    let (fastest, slowest) = (us(&wall[0]), us(&wall[wall.len() - 1]));
    let (median, used) = (us(&wall[wall.len() / 2]), us(&cpu[cpu.len() / 2]));
    println!("  {what:<34}{way:<9}{median:>12.2} ({fastest:.2} .. {slowest:.2}) {used:.2}");
    std::io::stdout().flush().expect("standard output");
}

/// Processor time of this process so far.
fn processor() -> Duration {
    // SAFETY: zeros are a value of this type.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: it is a place for what is asked.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// A process that opens a store, says so, waits for a line, works, and says how much processor time that took.
struct Worker {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Worker {
    fn start(words: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg("worker").args(words.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program runs");
        let said = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut worker = Worker { child, said };
        worker.line();
        worker
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("a line");
        line
    }

    fn go(&mut self) {
        self.child.stdin.as_mut().expect("a pipe").write_all(b"go\n").expect("it listens");
    }

    fn end(mut self) -> Duration {
        let used = self.line().trim().parse().expect("a number");
        assert!(self.child.wait().expect("it ends").success());
        Duration::from_nanos(used)
    }
}

/// The other side of [`Worker`].
pub fn worker(words: &[&str]) {
    let [what, way, base, count, from, each, sync] = words else { panic!("seven words") };
    let number = |word: &str| word.parse::<u64>().expect("a number");
    let kept = open(way, Path::new(base), number(count));
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).expect("a line");
    let before = processor();
    if *what == "hit" {
        kept.put(0..1, true);
        for _ in 0..number(each) {
            black_box(kept.hit(0));
        }
    } else if *what == "mark" {
        kept.mark(number(each) as u16);
    } else {
        kept.put(number(from)..number(from) + number(each), *sync == "true");
    }
    println!("{}", (processor() - before).as_nanos());
}
