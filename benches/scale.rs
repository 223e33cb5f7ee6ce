//! How costs grow with the store: `cargo bench --bench scale [-- COUNT...]`, by default with 10,000 and 100,000 entries of
//! one small blob each.
//!
//! All stores are made first; then every operation is done in each of them in turn, round by round, and medians are
//! taken. What is asked for one entry must cost the same in all of them; what goes over all entries is given per entry.
//! The exit code tells whether all targets were met. `NDSTASH_BENCH_DIR` names the directory to work in (the default is
//! the target directory's own): an entry with its blob takes two inodes and 8 KiB.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "files of the store are counted from outside")]
#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a report of ratios")]

use std::fs;
use std::hint::black_box;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ndarray::Array1;
use ndstash::seam::{Flow, Seam, Step, Verb, Watch};
use ndstash::{GcOptions, Key, Query, Store, StoreOptions, VerifyOptions};

/// Rounds of what is asked for one entry, and of what goes over all.
const ROUNDS: (usize, usize) = (11, 3);
/// How often one entry is asked for in a round: as often in each store, so that each keeps as much in the caches.
const ASKED: u64 = 2000;
/// How many entries have the prefix, and the tag, that are looked for.
const FEW: u64 = 100;
/// How much what is asked for one entry may cost in the largest store against the smallest.
const FLAT: f64 = 1.5;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if let [verb, path] = &args[..]
        && verb == "collect"
    {
        Store::open(path).expect("the store").gc(&GcOptions::new()).expect("a collection");
        print_peak_memory();
        return ExitCode::SUCCESS;
    }
    let counts: Vec<u64> = args.iter().map(|arg| arg.parse().expect("a number of entries")).collect();
    let counts = if counts.is_empty() { vec![10_000, 100_000] } else { counts };
    let base =
        std::env::var_os("NDSTASH_BENCH_DIR").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = tempfile::tempdir_in(base).expect("a directory to work in");
    let stores: Vec<Sample> = counts.iter().map(|count| Sample::make(dir.path(), *count)).collect();
    let mut report = Report { stores: &stores, missed: 0 };
    report.sizes();
    for_one_entry(&mut report);
    for_all_entries(&mut report);
    stamps(&mut report);
    memory(dir.path(), &mut report);
    limit(&mut report);
    if report.missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A store of so many entries.
struct Sample {
    count: u64,
    dir: PathBuf,
    store: Store,
    /// A handle that syncs nothing.
    filler: Store,
}

/// Leaves out every sync, so that a large store is made in minutes, and so that the disk's own noise can be left out.
struct NoSync;

impl Watch for NoSync {
    fn before(&self, step: &Step<'_>) -> io::Result<Flow> {
        Ok(if matches!(step.verb, Verb::Sync | Verb::SyncDir) { Flow::Skip } else { Flow::Go })
    }
}

impl Sample {
    fn make(base: &Path, count: u64) -> Self {
        let dir = base.join(count.to_string());
        let options = StoreOptions::new().inline_limits(0, 0).seam(Seam::new(Arc::new(NoSync)));
        let filler = options.create(&dir).expect("a new store");
        let store = Store::open(&dir).expect("the store");
        let made = Sample { count, dir, store, filler };
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        std::thread::scope(|scope| {
            for thread in 0..threads as u64 {
                let made = &made;
                scope.spawn(move || (thread..count).step_by(threads).for_each(|i| put(&made.filler, made, i)));
            }
        });
        made
    }

    /// Names in groups of [`FEW`].
    fn name(&self, i: u64) -> String {
        format!("{}/{i}", i % (self.count / FEW).max(1))
    }

    /// Entries all over the store.
    fn some(&self, number: u64, seed: usize) -> impl Iterator<Item = String> + '_ {
        let step = self.count / number;
        (0..number).map(move |i| self.name((i * step + seed as u64) % self.count))
    }
}

/// Puts an entry with a blob of 160 bytes that no other has.
fn put(store: &Store, sample: &Sample, i: u64) {
    let mut writer = store.writer();
    if i % (sample.count / FEW).max(1) == 3 {
        writer.tag("few");
    }
    let value = writer.array(&Array1::from_elem(20, i)).expect("an array");
    writer.put(&sample.name(i), value).expect("a put");
}

struct Report<'a> {
    stores: &'a [Sample],
    missed: usize,
}

impl Report<'_> {
    fn line(&mut self, what: &str, figures: &[String], growth: Option<f64>, target: Option<(String, bool)>) {
        let figures = figures.iter().fold(String::new(), |line, figure| format!("{line}{figure:>12}"));
        let growth = growth.map_or_else(String::new, |growth| format!("  x{growth:5.2}"));
        let target = target.map_or_else(String::new, |(text, met)| {
            self.missed += usize::from(!met);
            format!("  [{text}: {}]", if met { "met" } else { "MISSED" })
        });
        println!("{what:<38}{figures}{growth}{target}");
    }

    fn sizes(&mut self) {
        let counts: Vec<_> = self.stores.iter().map(|sample| sample.count.to_string()).collect();
        self.line("entries, and as many blobs", &counts, None, None);
        let taken: Vec<_> = self.stores.iter().map(|sample| inodes_and_bytes(&sample.dir)).collect();
        let per_entry = |figure: fn(&(u64, u64)) -> u64| -> Vec<String> {
            let each = self.stores.iter().zip(&taken);
            each.map(|(sample, taken)| format!("{:.1}", figure(taken) as f64 / sample.count as f64)).collect()
        };
        let (inodes, bytes) = (per_entry(|taken| taken.0), per_entry(|taken| taken.1));
        self.line("inodes, per entry", &inodes, None, None);
        self.line("bytes of disk, per entry", &bytes, None, None);
    }

    /// Does something in each store in turn, and gives the median of the time it takes by what it returns.
    fn costs(&self, rounds: usize, work: impl Fn(&Sample, usize) -> u64) -> Vec<Duration> {
        let mut times = vec![Vec::new(); self.stores.len()];
        for round in 0..rounds {
            for (sample, times) in self.stores.iter().zip(&mut times) {
                let start = Instant::now();
                let number = black_box(work(sample, round));
                times.push(start.elapsed().div_f64(number as f64));
            }
        }
        times.into_iter().map(median).collect()
    }

    /// What must cost the same however large the store is.
    fn flat(&mut self, what: &str, work: impl Fn(&Sample, usize) -> u64) -> Vec<Duration> {
        let costs = self.costs(ROUNDS.0, work);
        let growth = growth(&costs);
        let target = Some((format!("at most {FLAT}"), growth <= FLAT));
        self.line(what, &shown(&costs), Some(growth), target);
        costs
    }

    /// What goes over all entries.
    fn linear(&mut self, what: &str, work: impl Fn(&Sample)) {
        let costs = self.costs(ROUNDS.1, |sample, _| {
            work(sample);
            sample.count
        });
        self.line(&format!("{what}, per entry"), &shown(&costs), Some(growth(&costs)), None);
    }
}

fn shown(costs: &[Duration]) -> Vec<String> {
    costs.iter().map(|cost| format!("{cost:.2?}")).collect()
}

/// From the smallest store to the largest.
fn growth(costs: &[Duration]) -> f64 {
    costs.last().map_or(1.0, |last| last.as_secs_f64() / costs[0].as_secs_f64())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
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

fn for_one_entry(report: &mut Report<'_>) {
    let opened = report.flat("open", |sample, _| {
        (0..20).for_each(|_| drop(black_box(Store::open(&sample.dir).expect("the store"))));
        20
    });
    let longest = opened.iter().max().expect("there is a store");
    let met = *longest < Duration::from_millis(1);
    report.line("  the longest", &shown(&[*longest]), None, Some(("under 1 ms".into(), met)));
    let get = |sample: &Sample, round: usize| {
        for name in sample.some(ASKED, round) {
            let found: Option<Array1<u64>> = sample.store.get(&*name).expect("a read");
            assert_eq!(found.expect("it is there").len(), 20, "what was put");
        }
        ASKED
    };
    let contains = |sample: &Sample, round: usize| {
        sample.some(ASKED, round).for_each(|name| assert!(sample.store.contains(&*name).expect("a look")));
        ASKED
    };
    // The first uses of an entry are written down, and what was not read yet is not in memory.
    report.costs(ROUNDS.0, get);
    report.flat("hit", get);
    report.flat("contains", contains);
    misses(report);
    let fresh = |sample: &Sample, round: usize, number: u64| {
        let from = 2 * sample.count + round as u64 * number;
        from..from + number
    };
    let remove = |sample: &Sample, numbers: std::ops::Range<u64>| {
        for i in numbers {
            assert!(sample.filler.remove(&*sample.name(i)).expect("a removal"));
        }
    };
    report.flat("put, nothing synced", |sample, round| {
        fresh(sample, round, 200).for_each(|i| put(&sample.filler, sample, i));
        200
    });
    report.flat("remove, nothing synced", |sample, round| {
        remove(sample, fresh(sample, round, 200));
        200
    });
    report.flat("put, full durability", |sample, round| {
        fresh(sample, ROUNDS.0 * 200 + round, 20).for_each(|i| put(&sample.store, sample, i));
        20
    });
    for sample in report.stores {
        (0..ROUNDS.0).for_each(|round| remove(sample, fresh(sample, ROUNDS.0 * 200 + round, 20)));
        sample.store.gc(&GcOptions::new()).expect("a collection");
    }
}

/// What is not there is looked for in a directory each time anew, which takes the file system longer the larger that is: it
/// is flat if it grows no more than a bare look.
fn misses(report: &mut Report<'_>) {
    let bare = report.costs(ROUNDS.0, |sample, round| {
        for i in 0..ASKED {
            let key = Key::from_name(&format!("bare {round} {i}")).expect("a name").to_string();
            fs::symlink_metadata(sample.dir.join(format!("entries/{}/{key}", &key[..2]))).expect_err("it is not there");
        }
        ASKED
    });
    report.line("a bare look for no file", &shown(&bare), Some(growth(&bare)), None);
    let miss = report.costs(ROUNDS.0, |sample, round| {
        for i in 0..ASKED {
            assert!(!sample.store.contains(&*format!("none {round} {i}")).expect("a look"));
        }
        ASKED
    });
    let growth = growth(&miss) / growth(&bare);
    let target = Some((format!("at most {FLAT} beyond that"), growth <= FLAT));
    report.line("miss, beside that", &shown(&miss), Some(growth), target);
}

fn for_all_entries(report: &mut Report<'_>) {
    report.linear("count", |sample| assert_eq!(sample.store.count().expect("a count"), sample.count));
    report.linear("list by prefix", |sample| assert_eq!(sample.store.entries("7/").count() as u64, FEW));
    report.linear("query by tag", |sample| {
        let found = sample.store.find(&Query::new().tag("few"));
        assert_eq!(found.inspect(|info| assert!(info.is_ok(), "{info:?}")).count() as u64, FEW);
    });
    report.linear("usage", |sample| {
        assert_eq!(sample.store.usage().expect("a count").live_blobs, sample.count);
    });
    report.linear("plan of a collection: heads alone", |sample| {
        assert_eq!(sample.store.plan_gc().expect("a plan").garbage_bytes, 0);
    });
    let collect = |sample: &Sample, garbage: u64| {
        let run = sample.store.gc(&GcOptions::new()).expect("a collection");
        assert_eq!(run.blobs_removed, garbage);
        run
    };
    let read = report.costs(ROUNDS.1, |sample, _| {
        forget(sample);
        collect(sample, 0);
        sample.count
    });
    report.line("gc, every head read, per entry", &shown(&read), Some(growth(&read)), None);
    let whole = report.costs(ROUNDS.1, |sample, _| {
        collect(sample, 0);
        1
    });
    let under: Vec<_> =
        whole.iter().zip(report.stores).map(|(cost, sample)| cost.div_f64(sample.count as f64)).collect();
    let millionth = *under.last().expect("there is a store") < Duration::from_micros(10);
    let target = Some(("under 10 s for 10^6".into(), millionth));
    report.line("gc, nothing changed", &shown(&whole), None, None);
    report.line("gc, nothing changed, per entry", &shown(&under), Some(growth(&under)), target);
    report.linear("verify", |sample| {
        let found = sample.store.verify(&VerifyOptions::new(), &|_| {}).expect("a verification");
        assert!(found.problems.is_empty() && found.blobs == sample.count);
    });
    for sample in report.stores {
        (0..sample.count / 100).for_each(|i| assert!(sample.filler.remove(&*sample.name(i * 100)).expect("a removal")));
    }
    let runs: Vec<_> = report.stores.iter().map(|sample| collect(sample, sample.count / 100)).collect();
    let costs: Vec<_> =
        runs.iter().zip(report.stores).map(|(run, sample)| run.elapsed.div_f64(sample.count as f64)).collect();
    report.line("gc, 1 % garbage, per entry", &shown(&costs), Some(growth(&costs)), None);
    let holds: Vec<_> = runs.iter().map(|run| run.longest_hold).collect();
    let met = holds.iter().all(|hold| *hold < Duration::from_millis(25));
    report.line("  its longest hold of the gate", &shown(&holds), None, Some(("under 25 ms".into(), met)));
}

/// Takes away what collectors remember.
fn forget(sample: &Sample) {
    fs::remove_dir_all(sample.dir.join("marks")).expect("the directory");
    fs::create_dir(sample.dir.join("marks")).expect("a directory");
}

/// What a put pays for what collectors remember: the same puts with stamps in the lock files and without, in turn.
fn stamps(report: &mut Report<'_>) {
    const PUTS: u64 = 500;
    let mut ratios = Vec::new();
    for sample in report.stores {
        let locks: Vec<PathBuf> = (0..256).map(|shard| sample.dir.join(format!("keylocks/{shard:02x}"))).collect();
        let stamps: Vec<Vec<u8>> = locks.iter().map(|lock| fs::read(lock).expect("a lock file")).collect();
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..2 * ROUNDS.0 {
            let with = round % 2;
            for (lock, stamps) in locks.iter().zip(&stamps) {
                fs::write(lock, if with == 0 { &[] } else { &stamps[..] }).expect("a lock file");
            }
            let start = Instant::now();
            (0..PUTS).for_each(|i| put(&sample.filler, sample, 5 * sample.count + i));
            times[with].push(start.elapsed());
        }
        // Stamps that were put back prove nothing.
        forget(sample);
        let [without, with] = times.map(median);
        ratios.push(format!("{:.2}", with.as_secs_f64() / without.as_secs_f64()));
    }
    report.line("put with stamps, by put without", &ratios, None, None);
}

/// What a collector's memory grows by for each entry: a process that collects each store against one with an empty one.
fn memory(base: &Path, report: &mut Report<'_>) {
    let empty = base.join("empty");
    drop(Store::create(&empty).expect("a new store"));
    let floor = peak_of_collecting(&empty);
    let each: Vec<f64> = report
        .stores
        .iter()
        .map(|sample| (peak_of_collecting(&sample.dir).saturating_sub(floor) * 1024) as f64 / sample.count as f64)
        .collect();
    let figures: Vec<_> = each.iter().map(|bytes| format!("{bytes:.0} B")).collect();
    // What a small store takes is lost in what a process takes.
    let large = report.stores.last().is_some_and(|sample| sample.count >= 100_000);
    let target = large.then(|| ("at most 100 B".into(), each.last().is_some_and(|bytes| *bytes <= 100.0)));
    report.line("memory of a collector, per entry", &figures, None, target);
}

fn peak_of_collecting(store: &Path) -> u64 {
    let mut peaks: Vec<u64> = (0..ROUNDS.1)
        .map(|_| {
            let program = std::env::current_exe().expect("this program");
            let run = Command::new(program).arg("collect").arg(store).output().expect("this program runs");
            String::from_utf8_lossy(&run.stdout).trim().parse().expect("a number of KiB")
        })
        .collect();
    peaks.sort_unstable();
    peaks[peaks.len() / 2]
}

fn print_peak_memory() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{}", peak.map_or("0", |text| text.trim().trim_end_matches(" kB")));
}

/// A put that finds the store over its limit brings it down to nine tenths of that.
fn limit(report: &mut Report<'_>) {
    let mut gone = Vec::new();
    for sample in report.stores {
        let entries = sample.store.count().expect("a count");
        sample.store.set_limits(|limits| limits.entries = Some(entries)).expect("a limit");
        let start = Instant::now();
        put(&sample.store, sample, 9 * sample.count);
        let elapsed = start.elapsed();
        let evicted = entries + 1 - sample.store.count().expect("a count");
        assert!(evicted >= entries / 10, "the put has culled");
        gone.push(elapsed.div_f64(evicted as f64));
    }
    report.line("a put that culls, per entry evicted", &shown(&gone), Some(growth(&gone)), None);
}
