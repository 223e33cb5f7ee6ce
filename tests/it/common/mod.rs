//! What the tests share: a store in a directory of its own, seeded data, watchers, and ways to do damage.

mod child;
mod damage;
mod listing;
mod locks;
mod log;
mod pointer;
mod reader;
mod surgery;
mod watch;

use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ndarray::Array1;
use ndstash::{Digest, Key, MapPolicy, Store, StoreOptions, Tree, VerifyEvent, VerifyOptions, VerifyReport};
use tempfile::TempDir;

pub(crate) use child::{Child, is_root};
pub(crate) use damage::{chmod, edit, mode_of, modified_ns, rot, set_modified_ns, truncate};
pub(crate) use listing::{Facts, files_in, listing};
pub(crate) use log::warnings;
pub(crate) use pointer::{peek, poke};
pub(crate) use reader::{json_of, python, read_store, read_store_within, reader_code, text};
pub(crate) use surgery::{find, rewrite_body, rewrite_head};
pub(crate) use watch::{Record, seam};

/// The time of published blobs, in nanoseconds since 1970.
pub(crate) const PUBLISHED_NS: i64 = 315_532_800 * 1_000_000_000;

/// Expects a result to be an error of a pattern.
macro_rules! assert_error {
    ($result:expr, $pattern:pat $(if $guard:expr)?) => {
        match $result {
            Err($pattern) $(if $guard)? => {}
            other => panic!("{} is expected, found {other:?}", stringify!($pattern $(if $guard)?)),
        }
    };
}
pub(crate) use assert_error;

/// A directory of a test's own, gone with the test, with room for a store inside.
pub(crate) struct Dir(TempDir);

impl Dir {
    /// In memory where the system offers that: making the directories of a store is slow on a disk.
    /// `NDSTASH_TEST_DIR` names another place.
    pub(crate) fn new() -> Self {
        let chosen = std::env::var_os("NDSTASH_TEST_DIR").map_or_else(|| "/dev/shm".into(), PathBuf::from);
        if chosen.is_dir() { Dir(tempfile::tempdir_in(chosen).unwrap()) } else { Self::on_disk() }
    }

    /// Where temporary files go by default: for large stores, and for programs to be run from there.
    pub(crate) fn on_disk() -> Self {
        Dir(tempfile::tempdir().unwrap())
    }

    /// A place beside the store.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Where the store lies.
    pub(crate) fn path(&self) -> PathBuf {
        self.beside("store")
    }

    /// A path inside the store.
    pub(crate) fn inside(&self, rel: &str) -> PathBuf {
        self.path().join(rel)
    }

    /// The store with the default settings.
    pub(crate) fn store(&self) -> Store {
        self.open(&StoreOptions::new())
    }

    /// The store with every array in a blob, even an empty one.
    pub(crate) fn blobs_only(&self) -> Store {
        self.open(&StoreOptions::new().inline_limits(0, 0))
    }

    pub(crate) fn open(&self, options: &StoreOptions) -> Store {
        options.open_or_create(self.path()).unwrap()
    }

    pub(crate) fn read_only(&self) -> Store {
        StoreOptions::new().read_only(true).open(self.path()).unwrap()
    }

    /// The store, opened with maps allowed.
    pub(crate) fn mapped(&self) -> Store {
        StoreOptions::new().mapping(trusted()).open(self.path()).unwrap()
    }

    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.inside(&format!("blobs/{}/{name}", &name[..2]))
    }

    pub(crate) fn entry(&self, key: Key) -> PathBuf {
        let name = key.to_string();
        self.inside(&format!("entries/{}/{name}", &name[..2]))
    }

    pub(crate) fn entry_named(&self, name: &str) -> PathBuf {
        self.entry(Key::from_name(name).unwrap())
    }

    /// The names of all files below `blobs`, ascending.
    pub(crate) fn blob_names(&self) -> Vec<String> {
        files_in(&self.inside("blobs"))
    }

    /// Who is computing what: the files that are locks, and that of which bytes are locked.
    pub(crate) fn flights(&self) -> Vec<String> {
        let mut found = files_in(&self.inside("flights"));
        found.extend(locks::has_locked_bytes(&self.inside("flights.lock")).then(|| "a byte".to_owned()));
        found
    }

    /// The names of all files below `tmp`, `trash` and `quarantine`, ascending.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        ["tmp", "trash", "quarantine"].iter().flat_map(|part| files_in(&self.inside(part))).collect()
    }
}

/// Maps, as a user would allow them.
#[expect(unsafe_code, reason = "the promise that maps need can only be made so")]
pub(crate) fn trusted() -> MapPolicy {
    // SAFETY: the stores of these tests lie in directories of their own, and a test that changes a blob in place
    // holds no map of that blob while it does.
    unsafe { MapPolicy::trusted() }
}

/// A seeded sequence of numbers that look random (splitmix64).
#[derive(Clone)]
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Noise(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

/// Bytes that look random and depend on length and seed alone.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut from = Noise::new(seed);
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| from.next().to_le_bytes()).collect();
    bytes.truncate(len);
    bytes
}

/// The same as an array.
pub(crate) fn bytes_array(len: usize, seed: u64) -> Array1<u8> {
    noise(len, seed).into()
}

/// Bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from_digit(digit.into(), 16).expect("it is below 16")).collect()
}

/// A stream that cannot seek.
pub(crate) struct Pipe<R>(pub(crate) R);

impl<R: Read> Read for Pipe<R> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(bytes)
    }
}

/// A map with text keys.
pub(crate) fn tree_map<const N: usize>(pairs: [(&str, Tree); N]) -> Tree {
    Tree::Map(pairs.into_iter().map(|(key, value)| (Tree::from(key), value)).collect())
}

/// Loads the byte array that is an entry's whole value.
pub(crate) fn load(store: &Store, name: &str) -> ndstash::Result<Option<Vec<u8>>> {
    let Some(entry) = store.entry(name)? else { return Ok(None) };
    entry.array().expect("the value is one array").to_bytes().map(Some)
}

/// Waits for what others bring about, for a minute at most.
pub(crate) fn wait_for(what: &str, reached: impl Fn() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Verifies without repairing.
pub(crate) fn verify(store: &Store) -> VerifyReport {
    store.verify(&VerifyOptions::new(), &ignore).unwrap()
}

/// Verifies and repairs.
pub(crate) fn repair(store: &Store) -> VerifyReport {
    store.verify(&VerifyOptions::new().repair(true), &ignore).unwrap()
}

fn ignore(_: VerifyEvent<'_>) {}
