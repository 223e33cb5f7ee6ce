//! What ndstash costs, as ratios against the limit measured in the same run: `cargo bench --bench cost [FILTER]`.
//!
//! Every comparison runs both sides in turn, round by round, and takes medians: machines are noisy, ratios less so. A
//! line ends with the target and whether it was met; the exit code tells whether all were. `NDSTASH_BENCH_DIR` names the
//! directory to work in (a real disk; the default is the target directory's own).

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the limit is measured on bare files")]
#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a report of ratios")]
#![deny(unsafe_code)]

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ndarray::{Array1, Array2, Ix1};
use ndstash::seam::{Flow, Seam, Step, Verb, Watch};
use ndstash::{
    Cache, CacheOptions, CallKey, DType, Digest, GcOptions, MapPolicy, Order, Store, StoreOptions, VerifyOnRead,
};
use serde::{Deserialize, Serialize};

const ROUNDS: usize = 5;
const MIB: usize = 1 << 20;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if let [verb, path, size] = &args[..]
        && let Some((_, put)) = STREAMS.iter().find(|(name, _)| name == verb)
    {
        put(&Store::open(path).expect("the store"), size.parse().expect("a size in bytes"));
        print_peak_memory();
        return ExitCode::SUCCESS;
    }
    let base =
        std::env::var_os("NDSTASH_BENCH_DIR").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = tempfile::tempdir_in(base).expect("a directory to work in");
    let mut report = Report { filter: args.into_iter().next().unwrap_or_default(), missed: 0 };
    let benches: [(&str, Bench); 10] = [
        ("put-new", put_new),
        ("put-there", put_there),
        ("values", values),
        ("load", load),
        ("map", map),
        ("cold", cold),
        ("stream", stream),
        ("gc", gc),
        ("key", key),
        ("hit", hit),
    ];
    for (name, bench) in benches {
        if name.contains(&report.filter) {
            let own = dir.path().join(name);
            bench(&own, &mut report);
            fs::remove_dir_all(own).expect("the bench made it");
        }
    }
    if report.missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

type Bench = fn(&Path, &mut Report);

struct Report {
    filter: String,
    missed: usize,
}

impl Report {
    fn line(&mut self, what: &str, figure: &str, target: Option<(&str, bool)>) {
        let target = target.map_or_else(String::new, |(text, met)| {
            self.missed += usize::from(!met);
            format!("  [{text}: {}]", if met { "met" } else { "MISSED" })
        });
        println!("{what:<46} {figure}{target}");
    }

    /// The speed of ours relative to the limit.
    fn ratio(&mut self, what: &str, limit: &[Duration], ours: &[Duration], target: Option<f64>) {
        let (limit, ours) = (median(limit), median(ours));
        let ratio = limit.as_secs_f64() / ours.as_secs_f64();
        let figure = format!("{ratio:5.2} of the limit  ({ours:9.2?} against {limit:9.2?})");
        let text = target.map(|target| format!("at least {target}"));
        self.line(what, &figure, text.as_deref().zip(target.map(|target| ratio >= target)));
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

/// An array that no other call yields, so that its bytes are new.
fn fresh(bytes: usize, seed: u64) -> Array1<u64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Array1::from_shape_simple_fn(bytes / 8, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

fn bytes_of(array: &Array1<u64>) -> Vec<u8> {
    array.iter().flat_map(|element| element.to_le_bytes()).collect()
}

/// New bytes with full durability, against writing the same bytes to a plain file and syncing it.
fn put_new(dir: &Path, report: &mut Report) {
    let store = Store::create(dir).expect("a new store");
    for (size, rounds) in [(MIB, 4 * ROUNDS), (64 * MIB, 2 * ROUNDS), (1024 * MIB, ROUNDS)] {
        let (mut plain, mut ours) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let array = fresh(size, (size + round) as u64);
            let bytes = bytes_of(&array);
            let path = dir.join("plain");
            plain.push(timed(|| write_and_sync(&path, &bytes).expect("a plain file")));
            fs::remove_file(path).expect("it was written");
            drop(bytes);
            ours.push(timed(|| store.put("new", &array).expect("a put")));
            store.remove("new").expect("a removal");
            store.gc(&GcOptions::new()).expect("a collection");
        }
        let target = (size >= 64 * MIB).then_some(0.7);
        report.ratio(&format!("put {} MiB new, full", size / MIB), &plain, &ours, target);
    }
}

fn write_and_sync(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Bytes that are there already, against hashing them on every core.
fn put_there(dir: &Path, report: &mut Report) {
    let store = Store::create(dir).expect("a new store");
    let array = fresh(1024 * MIB, 1);
    store.put("first", &array).expect("a put");
    let slice = array.as_slice().expect("it is contiguous");
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for round in 0..3 * ROUNDS {
        bare.push(timed(|| {
            let mut hasher = blake3::Hasher::new();
            hasher.update_rayon(bytemuck::cast_slice(slice));
            hasher.finalize()
        }));
        ours.push(timed(|| store.put(&format!("again {round}"), &array).expect("a put")));
    }
    report.ratio("put 1 GiB that is there", &bare, &ours, Some(0.9));
}

/// A value as users have it: no annotations.
#[derive(Serialize, Deserialize)]
struct Nested {
    name: String,
    fields: Vec<Option<Array2<f64>>>,
}

/// An array inside a struct, against the same array on its own, and against reading the same warm file.
fn values(dir: &Path, report: &mut Report) {
    let store = Store::create(dir).expect("a new store");
    let unchecked = StoreOptions::new().verify_on_read(VerifyOnRead::Never).open(dir).expect("the store");
    let (mut bare, mut put, mut plain, mut off, mut on) = (vec![], vec![], vec![], vec![], vec![]);
    for round in 0..3 * ROUNDS {
        let array = || {
            let bits = fresh(256 * MIB, round as u64);
            bits.mapv(|bits| bits as f64).into_shape_with_order((4096, 8192)).expect("as many elements")
        };
        let value = Nested { name: "n".into(), fields: vec![None, Some(array())] };
        let field = value.fields[1].as_ref().expect("it was put there");
        let blob = Digest::of(bytemuck::cast_slice(field.as_slice().expect("it is contiguous"))).to_string();
        let blob = dir.join("blobs").join(&blob[..2]).join(&blob);
        let mut put_bare = || {
            bare.push(timed(|| {
                let mut writer = store.writer();
                let tree = writer.array(field).expect("an array");
                writer.put("bare", tree).expect("a put")
            }));
        };
        let mut put_value = || put.push(timed(|| store.put("value", &value).expect("a put")));
        // Each is the first in every other round, and writes new bytes.
        let forget = || {
            for name in ["bare", "value"] {
                store.remove(name).expect("a removal");
            }
            store.gc(&GcOptions::new()).expect("a collection");
        };
        if round % 2 == 0 {
            put_bare();
            forget();
            put_value();
        } else {
            put_value();
            forget();
            put_bare();
            forget();
            store.put("value", &value).expect("a put");
        }
        drop(value);
        // What was just freed is cheap to have again, so each is the first in turn.
        for turn in 0..3 {
            match (round + turn) % 3 {
                0 => plain.push(timed(|| fs::read(&blob).expect("the blob"))),
                1 => off.push(timed(|| unchecked.get::<Nested>("value").expect("a read"))),
                _ => on.push(timed(|| store.get::<Nested>("value").expect("a read"))),
            }
        }
        forget();
    }
    report.ratio("put a struct with 256 MiB, against the array", &bare, &put, Some(0.9));
    report.ratio("load it owned, check off, against a read", &plain, &off, Some(0.7));
    report.ratio("load it owned, checked", &plain, &on, None);
}

/// Owned loads, against reading the same warm file into fresh memory.
fn load(dir: &Path, report: &mut Report) {
    drop(Store::create(dir).expect("a new store"));
    let unchecked = StoreOptions::new().verify_on_read(VerifyOnRead::Never).open(dir).expect("the store");
    let checked = Store::open(dir).expect("the store");
    let array = fresh(1024 * MIB, 2);
    checked.put("a", &array).expect("a put");
    let digest = Digest::of(bytemuck::cast_slice(array.as_slice().expect("it is contiguous"))).to_string();
    let blob = dir.join("blobs").join(&digest[..2]).join(&digest);
    drop(array);
    let owned = |store: &Store| {
        let entry = store.entry("a").expect("a read").expect("it is there");
        entry.array().expect("one array").to_array::<u64, Ix1>().expect("a load")
    };
    let (mut plain, mut off, mut on) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..2 * ROUNDS {
        plain.push(timed(|| fs::read(&blob).expect("the blob")));
        off.push(timed(|| owned(&unchecked)));
        on.push(timed(|| owned(&checked)));
    }
    report.ratio("owned load 1 GiB, check off", &plain, &off, Some(0.7));
    report.ratio("owned load 1 GiB, checked", &plain, &on, None);
}

/// Getting and mapping an array, whatever its size.
#[expect(unsafe_code, reason = "maps are made only under a promise")]
fn map(dir: &Path, report: &mut Report) {
    // SAFETY: the store lies in a directory that this process has just made, and nobody else knows.
    let policy = unsafe { MapPolicy::trusted() };
    let store = StoreOptions::new().mapping(policy).create(dir).expect("a new store");
    let sizes = [MIB, 32 * MIB, 1024 * MIB];
    for size in sizes {
        store.put(&size.to_string(), &fresh(size, size as u64)).expect("a put");
    }
    let mut times = vec![Vec::new(); sizes.len()];
    for _ in 0..200 {
        for (size, times) in sizes.iter().zip(&mut times) {
            let name = size.to_string();
            times.push(timed(|| {
                let entry = store.entry(&name).expect("a read").expect("it is there");
                entry.array().expect("one array").map::<u64, Ix1>().expect("a map")[0]
            }));
        }
    }
    for (size, times) in sizes.iter().zip(&times) {
        let time = median(times);
        let target = (*size == 1024 * MIB).then_some(("under 100 us", time < Duration::from_micros(100)));
        report.line(&format!("get and map {} MiB, first element", size / MIB), &format!("{time:9.2?}"), target);
    }
    let growth = median(&times[2]).as_secs_f64() / median(&times[0]).as_secs_f64();
    report.line("the same, 1 GiB against 1 MiB", &format!("{growth:5.2}"), Some(("at most 1.5", growth <= 1.5)));
}

/// The first looks at a mapped array that is on disk alone, against a map that was given no advice.
#[expect(unsafe_code, reason = "maps are made only under a promise")]
fn cold(dir: &Path, report: &mut Report) {
    const PAGE: usize = 4096;
    // SAFETY: the store lies in a directory that this process has just made, and nobody else knows.
    let policy = unsafe { MapPolicy::trusted() };
    let store = StoreOptions::new().mapping(policy).create(dir).expect("a new store");
    let array = fresh(256 * MIB, 3);
    store.put("a", &array).expect("a put");
    let digest = Digest::of(bytemuck::cast_slice(array.as_slice().expect("it is contiguous"))).to_string();
    let blob = File::open(dir.join("blobs").join(&digest[..2]).join(&digest)).expect("the blob");
    drop(array);
    let (pages, items) = (256 * MIB / PAGE, PAGE / 8);
    // Steps of a number that has no factor in common with that of the pages lead to each once.
    let scattered: Vec<usize> = (0..2000).map(|i| i * 40_503 % pages * items).collect();
    let every: Vec<usize> = (0..pages).map(|page| page * items).collect();
    let looks =
        [("one element", vec![pages / 2 * items]), ("2000 pages here and there", scattered), ("every page", every)];
    for (what, places) in looks {
        let sum = |elements: &[u64]| places.iter().fold(0, |sum: u64, place| sum.wrapping_add(elements[*place]));
        let (mut plain, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..2 * ROUNDS {
            evict(&blob);
            plain.push(timed(|| {
                // SAFETY: nobody changes a blob.
                let map = unsafe { memmap2::Mmap::map(&blob) }.expect("a map");
                sum(bytemuck::cast_slice(&map))
            }));
            evict(&blob);
            ours.push(timed(|| {
                let entry = store.entry("a").expect("a read").expect("it is there");
                sum(entry.array().expect("one array").map::<u64, Ix1>().expect("a map").as_slice().expect("in a row"))
            }));
        }
        report.ratio(&format!("map 256 MiB from disk, {what}"), &plain, &ours, Some(0.8));
    }
}

/// Takes a file that is on disk out of memory.
#[cfg(target_os = "linux")]
fn evict(file: &File) {
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).expect("advice");
}

#[cfg(not(target_os = "linux"))]
fn evict(_: &File) {}

type Stream = fn(&Store, u64);

/// Ways of putting more than memory holds.
const STREAMS: [(&str, Stream); 2] = [("streaming put", stream_put), ("appending put", append_put)];

/// The peak memory of a process that puts a stream, or appends row after row.
fn stream(dir: &Path, report: &mut Report) {
    drop(Store::create(dir).expect("a new store"));
    for ((name, _), size) in STREAMS.iter().flat_map(|way| [256 * MIB, 2048 * MIB].map(|size| (way, size))) {
        let run = Command::new(std::env::current_exe().expect("this program"))
            .args([name.as_ref(), dir.as_os_str(), size.to_string().as_ref()])
            .output()
            .expect("this program runs");
        let peak: u64 = String::from_utf8_lossy(&run.stdout).trim().parse().expect("a number of KiB");
        let target = Some(("under 64 MiB", peak < 64 << 10));
        report.line(&format!("{name} of {} MiB, peak memory", size / MIB), &format!("{} MiB", peak >> 10), target);
    }
}

fn append_put(store: &Store, size: u64) {
    let row = Array1::from_elem(MIB, 7u8);
    let mut growing = store.append_array::<u8, Ix1>(MIB).expect("rows");
    (0..size / MIB as u64).for_each(|_| growing.push(&row).expect("a row"));
    growing.put("rows").expect("a put");
}

fn stream_put(store: &Store, size: u64) {
    let mut writer = store.writer();
    let source = io::repeat(7).take(size);
    let value = writer.array_from_reader(DType::UInt8, &[size], Order::C, source).expect("a stream");
    writer.put("stream", value).expect("a put");
}

fn print_peak_memory() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{}", peak.map_or("0", |text| text.trim().trim_end_matches(" kB")));
}

/// Leaves out every sync, so that a large store is made in seconds.
struct NoSync;

impl Watch for NoSync {
    fn before(&self, step: &Step<'_>) -> io::Result<Flow> {
        Ok(if matches!(step.verb, Verb::Sync | Verb::SyncDir) { Flow::Skip } else { Flow::Go })
    }
}

/// A collector over many entries and blobs: none garbage, then half of them.
fn gc(dir: &Path, report: &mut Report) {
    const COUNT: u64 = 100_000;
    let options = StoreOptions::new().inline_limits(0, 0).seam(Seam::new(Arc::new(NoSync)));
    let filler = options.create(dir).expect("a new store");
    std::thread::scope(|threads| {
        for part in 0..2 {
            let filler = &filler;
            threads.spawn(move || {
                for i in (part..COUNT).step_by(2) {
                    filler.put(&i.to_string(), &ndarray::arr1(&[i])).expect("a put");
                }
            });
        }
    });
    let store = Store::open(dir).expect("the store");
    let runs: Vec<_> = (0..3).map(|_| store.gc(&GcOptions::new()).expect("a collection")).collect();
    let elapsed = median(&runs.iter().map(|run| run.elapsed).collect::<Vec<_>>());
    let target = Some(("under 5 s", elapsed < Duration::from_secs(5)));
    report.line("gc, 100,000 entries and blobs, nothing to do", &format!("{elapsed:9.2?}"), target);
    for i in (0..COUNT).step_by(2) {
        filler.remove(&i.to_string()).expect("a removal");
    }
    let run = store.gc(&GcOptions::new()).expect("a collection");
    assert_eq!(run.blobs_removed, COUNT / 2, "half of the blobs were garbage");
    let target = Some(("under 5 s", run.elapsed < Duration::from_secs(5)));
    report.line("gc, the same with half of them garbage", &format!("{:9.2?}", run.elapsed), target);
    let target = Some(("under 25 ms", run.longest_hold < Duration::from_millis(25)));
    report.line("  its longest hold of the gate", &format!("{:9.2?}", run.longest_hold), target);
}

/// The key of a large argument: against hashing its bytes on every core, and mapped from the store.
#[expect(unsafe_code, reason = "maps are made only under a promise")]
fn key(dir: &Path, report: &mut Report) {
    // SAFETY: the store lies in a directory that this process has just made, and nobody else knows.
    let policy = unsafe { MapPolicy::trusted() };
    let store = StoreOptions::new().mapping(policy).create(dir).expect("a new store");
    let array = fresh(1024 * MIB, 3).mapv(|bits| bits as f64);
    store.put("a", &array).expect("a put");
    let entry = store.entry("a").expect("a read").expect("it is there");
    let mapped = entry.array().expect("one array").map::<f64, Ix1>().expect("a map");
    let square = Array2::from_shape_vec((8 << 10, 16 << 10), array.to_vec()).expect("as many elements");
    let (mut bare, mut ours, mut fortran, mut stored) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let make = |array: &Array1<f64>| CallKey::of("bench", array).expect("a key");
    for _ in 0..2 * ROUNDS {
        let slice = array.as_slice().expect("it is contiguous");
        bare.push(timed(|| {
            let mut hasher = blake3::Hasher::new();
            hasher.update_rayon(bytemuck::cast_slice(slice));
            hasher.finalize()
        }));
        ours.push(timed(|| make(&array)));
        fortran.push(timed(|| CallKey::of("bench", &square.t()).expect("a key")));
        stored.push(timed(|| CallKey::of("bench", &mapped).expect("a key")));
    }
    report.ratio("key of an array of 1 GiB", &bare, &ours, Some(0.9));
    report.ratio("the same in Fortran order", &bare, &fortran, None);
    let time = median(&stored);
    let target = Some(("under 20 us", time < Duration::from_micros(20)));
    report.line("the same mapped from the store", &format!("{time:9.2?}"), target);
}

/// What a small value holds that a cache is asked for often.
#[derive(Serialize, Deserialize)]
struct Small {
    name: String,
    energy: f64,
    steps: u64,
    converged: bool,
}

/// Hits of a small value, from disk and from memory, against opening, reading and closing a file of that size.
fn hit(dir: &Path, report: &mut Report) {
    const HITS: u32 = 20_000;
    let store = Store::create(dir).expect("a new store");
    let disk = Cache::new(store.clone(), "bench").expect("a cache");
    let memory = CacheOptions::new().memory(1 << 20).open(store.clone(), "bench").expect("a cache");
    let small = Small { name: "relaxed".into(), energy: -1.5, steps: 1200, converged: true };
    disk.insert(&("small", 1), &small).expect("a put");
    let info = disk.info(&("small", 1)).expect("a read").expect("it is there");
    let (size, key) = (info.manifest_bytes(), info.key().to_string());
    let plain = dir.join("entries").join(&key[..2]).join(key);
    let repeat = |work: &dyn Fn()| timed(|| (0..HITS).for_each(|_| work())) / HITS;
    let get = |cache: &Cache| {
        let found: Option<Small> = cache.get(&("small", 1)).expect("a hit");
        assert!(black_box(found).expect("it is there").converged);
    };
    let (mut bare, mut cold, mut warm) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..2 * ROUNDS {
        bare.push(repeat(&|| drop(black_box(fs::read(&plain)))));
        cold.push(repeat(&|| get(&disk)));
        warm.push(repeat(&|| get(&memory)));
    }
    let (limit, ours) = (median(&bare), median(&cold));
    let ratio = ours.as_secs_f64() / limit.as_secs_f64();
    let figure = format!("{ratio:5.2} times reading its file of {size} bytes  ({ours:9.2?} against {limit:9.2?})");
    report.line("hit of a small value", &figure, Some(("at most 1.5", ratio <= 1.5)));
    let time = median(&warm);
    let target = Some(("under 1 us", time < Duration::from_micros(1)));
    report.line("hit of a small value in memory", &format!("{time:9.2?}"), target);
}
