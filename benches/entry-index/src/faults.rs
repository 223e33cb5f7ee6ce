//! What LMDB and redb do when things go wrong. Whatever may crash runs in a process of its own.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use heed::{EnvFlags, MdbError};

use crate::lmdb::{Lmdb, MAP};
use crate::redbs::Redb;
use crate::sample;

type Fault = fn(&Path);
/// Spoils a page, by chance.
type Spoil = fn(&mut [u8], u64);

const PAGE: usize = 4096;
/// Entries of an environment that is damaged.
const ENTRIES: u64 = 20_000;
/// How often each kind of damage is done.
const TRIALS: u64 = 100;

pub fn run(dir: &Path, which: &[&str]) {
    fs::create_dir_all(dir).expect("a directory");
    let all: [(&str, Fault); 12] = [
        ("killed-writer", killed_writer),
        ("killed-reader", killed_reader),
        ("fork", forked),
        ("twice", twice),
        ("full-map", full_map),
        ("full-disk", full_disk),
        ("truncated", truncated),
        ("power", power_loss),
        ("damage", damage),
        ("redb-damage", redb_damage),
        ("redb-killed-writer", redb_killed_writer),
        ("redb-fork", redb_fork),
    ];
    for (name, fault) in all.iter().filter(|(name, _)| which.is_empty() || which.contains(name)) {
        println!("{name}");
        let dir = dir.join(name);
        drop(fs::remove_dir_all(&dir));
        fs::create_dir_all(&dir).expect("a directory");
        fault(&dir);
        fs::remove_dir_all(&dir).expect("it is ours");
    }
}

/// The processes that the faults need.
pub fn child(words: &[&str]) {
    let [what, dir, number] = words else { panic!("three words") };
    let (dir, number) = (Path::new(dir), number.parse().expect("a number"));
    match *what {
        "read" => println!("{}", read_all(dir, number)),
        "write" => put_some(dir, number),
        "write-forever" => write_forever(dir, number),
        "hold-reader" => hold_reader(dir, number),
        "take-writer" => take_writer(dir),
        "write-larger-map" => put_with(dir, number..number + 2000, 64 << 20, EnvFlags::empty()),
        "write-unsynced" => put_with(dir, number..number + 200, MAP, EnvFlags::NO_SYNC),
        "fork" => fork_with_reader(dir),
        "read-truncated" => read_while_truncated(dir, number),
        "redb-read" => println!("{}", redb_read(dir, number)),
        "redb-write-forever" => redb_write_forever(dir, number),
        "redb-fork" => redb_forked(dir),
        _ => panic!("no such process"),
    }
}

fn start(what: &str, dir: &Path, number: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["fault", what]).arg(dir).arg(number.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("this program runs")
}

/// How a process ended, and what it said.
fn outcome(mut child: Child) -> String {
    let begin = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if begin.elapsed() > Duration::from_secs(20) {
            child.kill().expect("it is ours");
            child.wait().expect("a child");
            return "does not end".into();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let done = child.wait_with_output().expect("a child");
    match (done.status.signal(), done.status.code()) {
        (Some(libc::SIGSEGV), _) => "SIGSEGV".into(),
        (Some(libc::SIGBUS), _) => "SIGBUS".into(),
        (Some(libc::SIGABRT), _) => "SIGABRT".into(),
        (Some(signal), _) => format!("signal {signal}"),
        (_, Some(0)) => String::from_utf8_lossy(&done.stdout).trim().into(),
        _ => {
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            format!("panic: {}", said.lines().nth(2).or(said.lines().last()).unwrap_or_default())
        }
    }
}

fn wait_for_line(child: &mut Child) {
    let mut byte = [0];
    let out = child.stdout.as_mut().expect("a pipe");
    while out.read(&mut byte).expect("a pipe") == 1 && byte != *b"\n" {}
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("standard output");
}

/// Reads everything in all three ways and compares it with what was put.
fn read_all(dir: &Path, count: u64) -> String {
    let open = match Lmdb::open_with(dir, ENTRIES, true, MAP, EnvFlags::empty()) {
        Ok(open) => open,
        Err(error) => return format!("error at opening: {error}"),
    };
    let txn = open.env.read_txn().expect("a transaction");
    let entries = open.entries.as_ref().expect("manifests are here");
    let (mut wrong, mut missing, mut errors) = (0, 0, 0);
    for i in 0..count {
        match entries.get(&txn, &sample::key(i)) {
            Ok(Some(found)) => wrong += u64::from(found != sample::manifest(i, ENTRIES)),
            Ok(None) => missing += 1,
            Err(_) => errors += 1,
        }
    }
    let mut marked = 0;
    let mut failed = false;
    let Ok(scan) = open.blobs.iter(&txn) else {
        // A transaction that has met damage is over.
        return format!("{wrong} {missing} {errors} {count} true");
    };
    for pair in scan {
        match pair {
            Ok(_) => marked += 1,
            Err(_) => {
                failed = true;
                break;
            }
        }
    }
    let unseen = count.saturating_sub(marked);
    format!("{wrong} {missing} {errors} {unseen} {failed}")
}

fn put_some(dir: &Path, from: u64) {
    put_with(dir, from..from + 300, MAP, EnvFlags::NO_SYNC);
}

fn put_with(dir: &Path, numbers: std::ops::Range<u64>, map: usize, flags: EnvFlags) {
    let work = || -> heed::Result<()> {
        let open = Lmdb::open_with(dir, ENTRIES, true, map, flags)?;
        for i in numbers {
            let mut txn = open.env.write_txn()?;
            open.put_one(&mut txn, i)?;
            txn.commit()?;
        }
        Ok(())
    };
    match work() {
        Ok(()) => println!("done"),
        Err(error) => println!("error: {error}"),
    }
}

fn size(dir: &Path) -> u64 {
    fs::metadata(dir.join("data.mdb")).expect("the file").len()
}

// --- damage -------------------------------------------------------------------------------------------------------

fn damage(dir: &Path) {
    Lmdb::open(&dir.join("whole"), ENTRIES, true).fill(0..ENTRIES);
    let whole = fs::read(dir.join("whole/data.mdb")).expect("the file");
    let used = whole.len() / PAGE;
    println!("  {ENTRIES} entries, {used} pages");
    let kinds: [(&str, Spoil); 3] = [
        ("one bit", |page, chance| page[chance as usize % PAGE] ^= 1 << (chance >> 60)),
        ("a page of noise", |page, chance| {
            page.chunks_mut(8)
                .zip(0..)
                .for_each(|(part, at)| part.copy_from_slice(&sample::mixed(chance ^ at).to_le_bytes()));
        }),
        ("a page of zeros", |page, _| page.fill(0)),
    ];
    for (kind, spoil) in kinds {
        for (where_, meta) in [("", false), (", one of the two first pages", true)] {
            let trials = if meta { TRIALS / 5 } else { TRIALS };
            let mut tally = Tally::default();
            for trial in 0..trials {
                let chance = sample::mixed(trial ^ ((kind.len() as u64) << 32) ^ (u64::from(meta) << 40));
                let page = if meta { trial as usize % 2 } else { 2 + chance as usize % (used - 2) };
                let mut bytes = whole.clone();
                // Within the header of 130 bytes where it is a first page: the rest of that has no meaning.
                let chance = sample::mixed(chance);
                let chance = if meta && kind == "one bit" { ((chance >> 12) << 12) | (chance % 150) } else { chance };
                spoil(&mut bytes[page * PAGE..(page + 1) * PAGE], chance);
                tally.trial(&dir.join("damaged"), &bytes, ENTRIES);
            }
            tally.print(&format!("{kind}{where_}"));
        }
    }
}

/// What came of reading, and then of writing.
#[derive(Default)]
struct Tally {
    read: BTreeMap<String, u64>,
    wrote: BTreeMap<String, u64>,
    lost: Vec<u64>,
}

impl Tally {
    fn trial(&mut self, dir: &Path, bytes: &[u8], count: u64) {
        drop(fs::remove_dir_all(dir));
        fs::create_dir_all(dir).expect("a directory");
        fs::write(dir.join("data.mdb"), bytes).expect("space");
        let read = outcome(start("read", dir, count));
        let words: Vec<&str> = read.split(' ').collect();
        let kind = if let [wrong, missing, errors, unseen, failed] = words[..]
            && let Ok(errors) = errors.parse::<u64>()
        {
            let number = |word: &str| word.parse::<u64>().unwrap_or(0);
            let gone = number(wrong) + number(missing) + errors;
            let told = errors > 0 || failed == "true";
            self.lost.push(gone.max(number(unseen)));
            match (gone + number(unseen), told, number(wrong)) {
                (0, false, _) => "all right",
                (_, true, _) => "an error for some",
                (_, false, 1..) => "a wrong value, no error",
                (..) => "entries missing, no error",
            }
            .to_owned()
        } else {
            read
        };
        *self.read.entry(kind).or_default() += 1;
        let wrote = outcome(start("write", dir, 1 << 30));
        *self.wrote.entry(wrote).or_default() += 1;
    }

    fn print(mut self, what: &str) {
        self.lost.sort_unstable();
        let most = self.lost.last().copied().unwrap_or(0);
        println!(
            "  {what}: read {:?}; most entries lost in a run that ended {most}; then put {:?}",
            self.read, self.wrote
        );
    }
}

// --- power loss ---------------------------------------------------------------------------------------------------

/// Transactions that were not synced, of which the kernel had written some pages and not others.
fn power_loss(dir: &Path) {
    let count = 5000;
    let before = dir.join("before");
    {
        let open = Lmdb::open(&before, ENTRIES, true);
        open.fill(0..count);
        open.env.force_sync().expect("a sync");
    }
    let old = fs::read(before.join("data.mdb")).expect("the file");
    println!("  200 transactions more, not synced: {}", outcome(start("write-unsynced", &before, count)));
    let new = fs::read(before.join("data.mdb")).expect("the file");
    for (what, share) in [("half of the pages written", 128), ("nine tenths written", 230)] {
        let mut tally = Tally::default();
        for trial in 0..TRIALS {
            let mut mixed = new.clone();
            for (page, bytes) in mixed.chunks_mut(PAGE).enumerate() {
                let written = sample::mixed((trial << 32) ^ page as u64) % 256 < share;
                if !written {
                    let at = page * PAGE;
                    match old.get(at..at + bytes.len()) {
                        Some(older) => bytes.copy_from_slice(older),
                        None => bytes.fill(0),
                    }
                }
            }
            tally.trial(&dir.join("after"), &mixed, count);
        }
        tally.print(&format!("{what} ({count} entries had been synced)"));
    }
}

// --- processes that die -------------------------------------------------------------------------------------------

fn write_forever(dir: &Path, from: u64) {
    let open = Lmdb::open_with(dir, ENTRIES, true, MAP, EnvFlags::NO_SYNC).expect("an environment");
    for first in (from..).step_by(50) {
        let mut txn = open.env.write_txn().expect("a transaction");
        (first..first + 50).for_each(|i| open.put_one(&mut txn, i).expect("a put"));
        txn.commit().expect("a commit");
        say("committed");
    }
}

/// How many transactions a writer has committed, by what it says, when it is killed so long after the first.
fn commits_of_killed(role: &str, dir: &Path, from: u64, pause: Duration) -> u64 {
    let mut writer = start(role, dir, from);
    wait_for_line(&mut writer);
    std::thread::sleep(pause);
    writer.kill().expect("it is ours");
    let said = writer.wait_with_output().expect("a child").stdout;
    1 + said.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Writers are killed while another process has the environment open.
fn killed_writer(dir: &Path) {
    let open = Lmdb::open_with(dir, ENTRIES, true, MAP, EnvFlags::NO_SYNC).expect("an environment");
    let (mut longest, mut torn, mut lost) = (Duration::ZERO, 0, 0);
    for round in 0..100u64 {
        let from = round << 20;
        let pause = Duration::from_micros(sample::mixed(round) % 15_000);
        let committed = commits_of_killed("write-forever", dir, from, pause);
        let begin = Instant::now();
        let mut txn = open.env.write_txn().expect("the lock of a dead writer is given on");
        longest = longest.max(begin.elapsed());
        open.put_one(&mut txn, (1 << 40) + round).expect("a put");
        txn.commit().expect("a commit");
        let txn = open.env.read_txn().expect("a transaction");
        let entries = open.entries.as_ref().expect("manifests are here");
        for first in (0..committed + 2).map(|at| from + at * 50) {
            let found = (first..first + 50).filter(|i| {
                let found = entries.get(&txn, &sample::key(*i)).expect("a read");
                found.is_some_and(|found| found == sample::manifest(*i, ENTRIES))
            });
            let found = found.count();
            torn += u64::from(found != 0 && found != 50);
            lost += u64::from(found == 0 && first < from + committed * 50);
        }
    }
    println!("  100 killed: {torn} torn transactions, {lost} lost, the next writer waited {longest:?} at most");
}

fn hold_reader(dir: &Path, _: u64) {
    let open = Lmdb::open_with(dir, ENTRIES, true, MAP, EnvFlags::NO_SYNC).expect("an environment");
    let _txn = open.env.read_txn().expect("a transaction");
    say("reading");
    std::thread::sleep(Duration::from_secs(3600));
}

fn killed_reader(dir: &Path) {
    let open = Lmdb::open_with(dir, ENTRIES, true, MAP, EnvFlags::NO_SYNC).expect("an environment");
    open.fill(0..2000);
    let again = |what: &str| {
        let before = size(dir);
        for i in 0..5000 {
            let mut txn = open.env.write_txn().expect("a transaction");
            open.put_one(&mut txn, i % 2000).expect("a put");
            txn.commit().expect("a commit");
        }
        println!("  5000 times an entry was put again, {what}: from {before} to {} bytes", size(dir));
    };
    again("no reader");
    let mut reader = start("hold-reader", dir, 0);
    wait_for_line(&mut reader);
    reader.kill().expect("it is ours");
    reader.wait().expect("a child");
    again("a reader was killed");
    println!("  slots of dead readers cleared: {}", open.env.clear_stale_readers().expect("a look"));
    again("its slot cleared");
}

// --- more than one ------------------------------------------------------------------------------------------------

fn forked(dir: &Path) {
    Lmdb::open(dir, ENTRIES, true).fill(0..2000);
    println!("  a child reads by the environment of its parent: {}", outcome(start("fork", dir, 0)));
}

/// Parent and child share the slot of a reader: the child's snapshot is not protected.
fn fork_with_reader(dir: &Path) {
    let open = Lmdb::open_with(dir, ENTRIES, true, MAP, EnvFlags::NO_SYNC).expect("an environment");
    let entries = open.entries.as_ref().expect("manifests are here");
    drop(open.env.read_txn().expect("a transaction"));
    let mut ends = [0; 4];
    // SAFETY: there is room for two descriptors in each half.
    unsafe { (libc::pipe(ends.as_mut_ptr()), libc::pipe(ends.as_mut_ptr().add(2))) };
    let pass = |end: i32| {
        // SAFETY: the byte is readable.
        unsafe { libc::write(end, [1u8].as_ptr().cast(), 1) };
    };
    let wait = |end: i32| {
        let mut byte = [0u8];
        // SAFETY: the byte is writable.
        unsafe { libc::read(end, byte.as_mut_ptr().cast(), 1) };
    };
    // SAFETY: this process has one thread.
    if unsafe { libc::fork() } == 0 {
        let txn = match open.env.read_txn() {
            Ok(txn) => txn,
            Err(error) => {
                say(&format!("error in the child: {error}"));
                pass(ends[1]);
                std::process::exit(0);
            }
        };
        pass(ends[1]);
        wait(ends[2]);
        let (mut wrong, mut missing, mut errors) = (0, 0, 0);
        for i in 0..2000 {
            match entries.get(&txn, &sample::key(i)) {
                Ok(Some(found)) => wrong += u64::from(found != sample::manifest(i, ENTRIES)),
                Ok(None) => missing += 1,
                Err(_) => errors += 1,
            }
        }
        say(&format!("of 2000 entries of its snapshot {wrong} are wrong, {missing} missing, {errors} errors"));
        std::process::exit(0);
    }
    wait(ends[0]);
    if let Err(error) = open.env.read_txn() {
        say(&format!("the parent, which reads meanwhile: {error};"));
    }
    for i in 0..5000u64 {
        let mut txn = open.env.write_txn().expect("a transaction");
        let other = vec![0x55; sample::MANIFEST];
        entries.put(&mut txn, &sample::key(i % 2000), &other).expect("a put");
        txn.commit().expect("a commit");
    }
    pass(ends[3]);
    let mut status = 0;
    // SAFETY: it waits for the one child.
    unsafe { libc::wait(&raw mut status) };
    if status != 0 {
        say(&format!("the child ended with status {status}"));
    }
}

fn take_writer(dir: &Path) {
    let open = Lmdb::open_with(dir, ENTRIES, true, MAP, EnvFlags::NO_SYNC);
    println!("{}", if open.is_ok() { "has been writer" } else { "an error" });
}

/// Closing a second environment of the same file drops the locks of the first.
fn twice(dir: &Path) {
    let open = Lmdb::open_with(dir, ENTRIES, true, MAP, EnvFlags::NO_SYNC).expect("an environment");
    let again = Lmdb::open_with(dir, ENTRIES, true, MAP, EnvFlags::NO_SYNC);
    println!("  opened twice through heed: {}", again.err().map_or("yes".into(), |error| error.to_string()));
    // Opening waits for the writer, since it makes the tables.
    let other = |what: &str| {
        let mut txn = open.env.write_txn().expect("a transaction");
        open.put_one(&mut txn, 1).expect("a put");
        let mut child = start("take-writer", dir, 0);
        std::thread::sleep(Duration::from_secs(2));
        let through = child.try_wait().expect("a child").is_some();
        println!("  while this process writes, {what}, another process is writer too: {through}");
        txn.commit().expect("a commit");
        println!("    and then: {}", outcome(child));
    };
    other("opened once");
    let path = std::ffi::CString::new(dir.to_str().expect("text")).expect("no zero byte");
    let mut raw = std::ptr::null_mut();
    // SAFETY: this is what LMDB's manual forbids; the second environment is closed before anything is done with it.
    unsafe {
        assert_eq!(lmdb_master_sys::mdb_env_create(&raw mut raw), 0);
        println!("  opened again by another binding: {}", lmdb_master_sys::mdb_env_open(raw, path.as_ptr(), 0, 0o600));
        lmdb_master_sys::mdb_env_close(raw);
    }
    other("opened again by another binding, and closed there");
}

// --- space --------------------------------------------------------------------------------------------------------

fn full_map(dir: &Path) {
    let open = Lmdb::open_with(dir, ENTRIES, true, 1 << 20, EnvFlags::NO_SYNC).expect("an environment");
    let mut put = 0;
    let error = loop {
        let mut txn = open.env.write_txn().expect("a transaction");
        match open.put_one(&mut txn, put).and_then(|()| txn.commit()) {
            Ok(()) => put += 1,
            Err(error) => break error,
        }
    };
    println!("  a map of 1 MiB holds {put} entries, then: {error}");
    println!("  another process with a larger map: {}", outcome(start("write-larger-map", dir, 1 << 30)));
    let read = open.env.read_txn().err();
    println!("  then reading here: {}", read.as_ref().map_or("goes on".into(), ToString::to_string));
    let resized = matches!(read, Some(heed::Error::Mdb(MdbError::MapResized)));
    // SAFETY: no transaction is active in this process.
    let again = resized.then(|| unsafe { open.env.resize(0) });
    println!("  after taking the new size over ({again:?}): {:?}", open.env.read_txn().map(drop).is_ok());
}

fn full_disk(dir: &Path) {
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "none"]).arg(dir).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return println!("  nothing can be mounted here");
    }
    let work = |flags: EnvFlags, what: &str| {
        let store = dir.join("store");
        println!("  {what}: {}", outcome_of_filling(&store, flags));
        drop(fs::remove_dir_all(&store));
    };
    work(EnvFlags::empty(), "plain");
    let unmounted = Command::new("umount").arg(dir).status();
    assert!(unmounted.is_ok_and(|status| status.success()), "unmounted");
}

fn outcome_of_filling(dir: &Path, flags: EnvFlags) -> String {
    let open = Lmdb::open_with(dir, ENTRIES, true, MAP, flags).expect("an environment");
    let entries = open.entries.as_ref().expect("manifests are here");
    let mut put = 0;
    let error = loop {
        let mut txn = open.env.write_txn().expect("a transaction");
        match open.put_one(&mut txn, put).and_then(|()| txn.commit()) {
            Ok(()) => put += 1,
            Err(error) => break error,
        }
    };
    let right = || {
        let txn = open.env.read_txn().expect("a transaction");
        (0..put).filter(|i| entries.get(&txn, &sample::key(*i)).is_ok_and(|found| found.is_some())).count()
    };
    let whole = right();
    let removal = || -> heed::Result<()> {
        let mut txn = open.env.write_txn()?;
        entries.delete(&mut txn, &sample::key(0))?;
        txn.commit()
    };
    let removed = removal().err().map_or("works".to_owned(), |error| error.to_string());
    format!("{put} entries, then {error}; readable {whole}; a removal on the full disk: {removed}")
}

fn read_while_truncated(dir: &Path, count: u64) {
    let open = Lmdb::open_with(dir, ENTRIES, true, MAP, EnvFlags::NO_SYNC).expect("an environment");
    let txn = open.env.read_txn().expect("a transaction");
    say("open");
    std::io::stdin().read_line(&mut String::new()).expect("a line");
    let entries = open.entries.as_ref().expect("manifests are here");
    let found = (0..count).filter(|i| entries.get(&txn, &sample::key(*i)).is_ok_and(|found| found.is_some()));
    println!("found {}", found.count());
}

fn truncated(dir: &Path) {
    Lmdb::open(dir, ENTRIES, true).fill(0..5000);
    let mut reader = start("read-truncated", dir, 5000);
    wait_for_line(&mut reader);
    let file: File = OpenOptions::new().write(true).open(dir.join("data.mdb")).expect("the file");
    file.set_len(size(dir) / 2).expect("a shorter file");
    reader.stdin.take().expect("a pipe").write_all(b"\n").expect("it listens");
    println!("  a reader of a file that was cut to half: {}", outcome(reader));
}

// --- redb -----------------------------------------------------------------------------------------------------------

fn redb_read(dir: &Path, count: u64) -> String {
    if let Err(error) = crate::redbs::open(&dir.join("redb")) {
        return format!("error at opening: {error}");
    }
    match Redb::open(dir, ENTRIES).check(0..count) {
        Ok((_, wrong, missing, errors)) => match (wrong, missing, errors) {
            (0, 0, 0) => "all right".into(),
            (1.., _, 0) => "a wrong value, no error".into(),
            (_, _, 0) => "entries missing, no error".into(),
            _ => "an error for some".into(),
        },
        Err(error) => format!("error: {error}"),
    }
}

fn redb_damage(dir: &Path) {
    Redb::open(&dir.join("whole"), ENTRIES).fill(0..ENTRIES);
    let whole = fs::read(dir.join("whole/redb")).expect("the file");
    let pages: Vec<usize> = (1..whole.len() / PAGE)
        .filter(|page| whole[page * PAGE..(page + 1) * PAGE].iter().any(|byte| *byte != 0))
        .collect();
    println!("  {ENTRIES} entries, {} pages that are not zeros", pages.len());
    for kind in ["one bit", "a page of noise", "a page of zeros"] {
        let mut ends: BTreeMap<String, u64> = BTreeMap::new();
        for trial in 0..TRIALS {
            let chance = sample::mixed(trial ^ ((kind.len() as u64) << 32));
            let page = pages[chance as usize % pages.len()];
            let (mut bytes, chance) = (whole.clone(), sample::mixed(chance));
            let spoilt = &mut bytes[page * PAGE..(page + 1) * PAGE];
            match kind {
                "one bit" => spoilt[chance as usize % PAGE] ^= 1 << (chance >> 60),
                "a page of zeros" => spoilt.fill(0),
                _ => spoilt.chunks_mut(8).zip(0..).for_each(|(part, at)| {
                    part.copy_from_slice(&sample::mixed(chance ^ at).to_le_bytes());
                }),
            }
            let damaged = dir.join("damaged");
            fs::create_dir_all(&damaged).expect("a directory");
            fs::write(damaged.join("redb"), &bytes).expect("space");
            *ends.entry(outcome(start("redb-read", &damaged, ENTRIES))).or_default() += 1;
        }
        println!("  {kind}: {ends:?}");
    }
}

fn redb_write_forever(dir: &Path, from: u64) {
    let open = Redb::open(dir, ENTRIES);
    for first in (from..).step_by(50) {
        open.put_all(first..first + 50).expect("a put");
        say("committed");
    }
}

/// Writers are killed while another process has the database open.
fn redb_killed_writer(dir: &Path) {
    let open = Redb::open(dir, ENTRIES);
    open.put_all(1 << 40..(1 << 40) + 1).expect("a put");
    let (mut longest, mut torn, mut lost) = (Duration::ZERO, 0, 0);
    for round in 0..20u64 {
        let from = round << 20;
        let pause = Duration::from_micros(sample::mixed(round) % 50_000);
        let committed = commits_of_killed("redb-write-forever", dir, from, pause);
        let begin = Instant::now();
        if let Err(error) = open.put_all((1 << 41) + round..(1 << 41) + round + 1) {
            return println!("  after {round} killed: {error}");
        }
        longest = longest.max(begin.elapsed());
        for first in (0..committed + 2).map(|at| from + at * 50) {
            let (right, ..) = open.check(first..first + 50).expect("a read");
            torn += u64::from(right != 0 && right != 50);
            lost += u64::from(right == 0 && first < from + committed * 50);
        }
    }
    println!("  20 killed: {torn} torn transactions, {lost} lost, the next put took {longest:?} at most");
}

fn redb_fork(dir: &Path) {
    Redb::open(dir, ENTRIES).fill(0..2000);
    println!("  a child uses the database of its parent: {}", outcome(start("redb-fork", dir, 0)));
}

/// Parent and child both put through the one handle, many times.
fn redb_forked(dir: &Path) {
    let open = Redb::open(dir, ENTRIES);
    // SAFETY: this process has one thread.
    let child = unsafe { libc::fork() };
    let from = if child == 0 { 1 << 30 } else { 1 << 31 };
    let put = (0..50).try_for_each(|i| open.put_all(from + i..from + i + 1));
    let said = put.err().map_or("all put".into(), |error| error.to_string());
    say(&format!("{}: {said};", if child == 0 { "child" } else { "parent" }));
    if child == 0 {
        std::process::exit(0);
    }
    let mut status = 0;
    // SAFETY: it waits for the one child.
    unsafe { libc::wait(&raw mut status) };
    drop(open);
    let check = |from: u64, number: u64| Redb::open(dir, ENTRIES).check(from..from + number);
    say(&format!(
        "there are of the child's 50 {:?}, of the parent's 50 {:?}, of 2000 {:?}",
        check(1 << 30, 50),
        check(1 << 31, 50),
        check(0, 2000)
    ));
}
