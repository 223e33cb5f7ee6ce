//! A store on a fast file system, with helpers that look into its files without the library.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array1;
use ndstash::seam::{Flow, Seam, Step, Verb, Watch};
use ndstash::{Digest, Key, Store, StoreOptions, VerifyOptions};
use tempfile::TempDir;

/// A directory that is gone after the test; in memory where the machine has such a place, for there are thousands.
pub(crate) fn temp_dir() -> TempDir {
    let fast = Path::new("/dev/shm");
    if fast.is_dir() { tempfile::tempdir_in(fast).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// An array of its own content for each seed, 400 bytes, which lies in a blob.
pub(crate) fn array(seed: u8) -> Array1<u32> {
    Array1::from_shape_fn(100, |i| u32::from(seed) << 16 | u32::try_from(i).unwrap())
}

/// The digest of [`array`].
pub(crate) fn digest(seed: u8) -> Digest {
    let bytes: Vec<u8> = array(seed).iter().flat_map(|element| element.to_le_bytes()).collect();
    Digest::of(&bytes)
}

/// Options under which every array is a blob.
pub(crate) fn options() -> StoreOptions {
    StoreOptions::new().inline_limits(0, 0)
}

pub(crate) fn create(dir: &Path) -> Store {
    options().create(dir).unwrap()
}

/// A handle to which every file seems to have the same number: collectors believe what they remember by stamps alone.
pub(crate) fn open_blind(dir: &Path) -> Store {
    options().seam(Seam::new(Arc::new(Blind))).open(dir).unwrap()
}

struct Blind;

impl Watch for Blind {
    fn before(&self, step: &Step<'_>) -> io::Result<Flow> {
        Ok(if step.verb == Verb::List && step.path.starts_with("entries/") { Flow::Half } else { Flow::Go })
    }
}

/// Puts entries without arrays beside the entry of a name: so many that a collector remembers them all.
pub(crate) fn surround(store: &Store, name: &str) {
    let first = Key::from_name(name).unwrap().as_bytes()[0];
    for last in 0..8 {
        let mut key = [first; 32];
        key[31] = last;
        store.put(Key::from_bytes(key), &last).unwrap();
    }
}

/// Puts an array under a name.
pub(crate) fn hold(store: &Store, name: &str, seed: u8) {
    store.put(name, &array(seed)).unwrap();
}

/// Where a blob lies.
pub(crate) fn blob_path(store: &Path, digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    store.join("blobs").join(&name[..2]).join(name)
}

/// Changes a byte of a published blob, as a failing disk would: mode and time stay.
pub(crate) fn damage(path: &Path) {
    let times = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[0] ^= 0x80;
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(times).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
}

/// Every file below a directory.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(_) => found.push(entry.path()),
            Err(_) => {}
        }
    }
    found.sort();
    found
}

/// The blobs that a manifest names, read straight from its bytes.
pub(crate) fn named_blobs(manifest: &[u8]) -> BTreeSet<Digest> {
    let count = u32::from_le_bytes(manifest[88..92].try_into().unwrap()) as usize;
    (0..count).map(|i| Digest::from_bytes(manifest[160 + 40 * i..192 + 40 * i].try_into().unwrap())).collect()
}

/// What a store holds that should be gone once everything has ended and a collector has run.
pub(crate) fn leftovers(store: &Path) -> Vec<PathBuf> {
    let mut found = files(&store.join("trash"));
    found.extend(fs::read_dir(store.join("tmp")).unwrap().map(|entry| entry.unwrap().path()));
    found.extend(Some(store.join("journal")).filter(|journal| journal.exists()));
    found
}

/// The array under a name, checked against its digest; `None` if there is none.
pub(crate) fn value(store: &Store, name: &str) -> Option<Array1<u32>> {
    let entry = store.entry(name).unwrap()?;
    Some(entry.array().unwrap().to_array().unwrap())
}

pub(crate) fn assert_clean(store: &Store, when: &str) {
    let report = store.verify(&VerifyOptions::new(), &|_| ()).unwrap();
    assert!(report.problems.is_empty(), "{when}: {:?}", report.problems);
}
