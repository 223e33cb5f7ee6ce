//! Whose work an entry may be: what others could have written is told, with path and reason.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use ndstash::{Digest, Entry, Store, StoreOptions};
use walkdir::WalkDir;

use crate::common::{Child, Dir, bytes_array, chmod, is_root, mode_of, noise, trusted};

/// A user that this machine does not know, and the one that stands for all of those.
const STRANGER: u32 = 54_321;
const OVERFLOW: u32 = 65_534;

fn prepared(dir: &Dir) -> Digest {
    let store = dir.blobs_only();
    store.put("x", &bytes_array(5000, 1)).unwrap();
    store.put("bare", &7).unwrap();
    Digest::of(&noise(5000, 1))
}

fn entry(store: &Store) -> Entry {
    store.entry("x").unwrap().unwrap()
}

fn distrust(store: &Store) -> Option<String> {
    entry(store).distrust().unwrap()
}

/// Everything on the way to the entry and its blob that others could change, files last.
fn links(dir: &Dir, digest: &Digest) -> Vec<PathBuf> {
    let (entry, blob) = (dir.entry_named("x"), dir.blob(digest));
    let shard = |path: &Path| path.parent().unwrap().to_owned();
    let dirs = vec![dir.path(), dir.inside("entries"), shard(&entry), dir.inside("blobs"), shard(&blob)];
    dirs.into_iter().chain([entry, blob]).collect()
}

#[test]
fn a_store_of_ones_own_is_trusted() {
    let dir = Dir::new();
    prepared(&dir);
    for store in [dir.store(), dir.mapped(), dir.read_only()] {
        assert_eq!(distrust(&store), None);
        assert_eq!(store.entry("bare").unwrap().unwrap().distrust().unwrap(), None);
    }
}

#[test]
fn what_others_may_write_is_not_trusted_wherever_it_lies() {
    let dir = Dir::new();
    let digest = prepared(&dir);
    for path in links(&dir, &digest) {
        let mode = mode_of(&path);
        for open in [mode | 0o020, mode | 0o002] {
            chmod(&path, open);
            let reason = format!("{} may be written by others than its owner (mode {open:04o})", path.display());
            assert_eq!(distrust(&dir.read_only()), Some(reason));
            chmod(&path, mode);
        }
        chmod(&path, mode | 0o055);
        assert_eq!(distrust(&dir.read_only()), None, "{}: who may read does no harm", path.display());
        chmod(&path, mode);
    }
    let beside = dir.inside("entries/00");
    if !dir.entry_named("x").starts_with(&beside) {
        chmod(&beside, 0o777);
        assert_eq!(distrust(&dir.store()), None, "another shard does not matter");
    }
}

#[test]
fn what_others_own_is_not_trusted_wherever_it_lies() {
    if !is_root() {
        return;
    }
    let dir = Dir::new();
    let digest = prepared(&dir);
    for path in links(&dir, &digest) {
        for (user, words) in [
            (STRANGER, "belongs to user 54321, this is user 0"),
            (OVERFLOW, "belongs to user 65534, who may be anybody"),
        ] {
            chown(&path, Some(user), None).unwrap();
            assert_eq!(distrust(&dir.mapped()), Some(format!("{} {words}", path.display())));
        }
        chown(&path, Some(0), None).unwrap();
    }
    assert_eq!(distrust(&dir.mapped()), None);
}

/// The map that is handed out is of the file that was opened, whatever lies under its name later.
#[test]
fn a_file_counts_as_it_was_when_it_was_opened_and_a_directory_as_it_is() {
    let dir = Dir::new();
    let digest = prepared(&dir);
    let store = StoreOptions::new().read_only(true).mapping(trusted()).open(dir.path()).unwrap();
    chmod(&dir.blob(&digest), 0o466);
    let suspect = entry(&store);
    fs::remove_file(dir.blob(&digest)).unwrap();
    dir.store().put("again", &bytes_array(5000, 1)).unwrap();
    assert!(suspect.distrust().unwrap().is_some());
    let sound = entry(&store);
    fs::remove_file(dir.blob(&digest)).unwrap();
    assert_eq!(sound.distrust().unwrap(), None);
    chmod(&dir.path(), 0o777);
    assert!(sound.distrust().unwrap().is_some());
}

#[test]
fn a_store_that_a_group_shares_is_not_trusted() {
    let dir = Dir::new();
    let store = dir.open(&StoreOptions::new().shared(None));
    store.put("x", &1).unwrap();
    let reason = distrust(&store).unwrap();
    assert_eq!(reason, format!("{} may be written by others than its owner (mode 2770)", dir.path().display()));
}

/// The owner trusts what root does not; nobody trusts not even itself.
#[test]
fn another_user_trusts_its_own_store_and_the_user_of_unknown_ones_owns_nothing() {
    if !is_root() {
        return;
    }
    let dir = Dir::on_disk();
    prepared(&dir);
    let give = |user| {
        for file in WalkDir::new(dir.path()) {
            chown(file.unwrap().path(), Some(user), Some(user)).unwrap();
        }
    };
    let room = dir.beside("");
    give(STRANGER);
    Child::as_user("trust::is_trusted", &room, STRANGER, STRANGER).env("NDSTASH_TEST_STORE", &dir.path()).passes();
    assert!(distrust(&dir.read_only()).is_some());
    give(0);
    chmod(&dir.path(), 0o755);
    ["entries", "blobs"].iter().for_each(|name| {
        WalkDir::new(dir.inside(name))
            .into_iter()
            .map(Result::unwrap)
            .filter(|file| file.file_type().is_dir())
            .for_each(|file| chmod(file.path(), 0o755));
    });
    Child::as_user("trust::is_trusted", &room, STRANGER, STRANGER).env("NDSTASH_TEST_STORE", &dir.path()).passes();
    give(OVERFLOW);
    Child::as_nobody("trust::is_not_trusted", &room).env("NDSTASH_TEST_STORE", &dir.path()).passes();
}

fn told() -> Option<String> {
    let path = std::env::var_os("NDSTASH_TEST_STORE").unwrap();
    distrust(&StoreOptions::new().read_only(true).open(path).unwrap())
}

#[test]
#[ignore = "run by the test above, as another user"]
fn is_trusted() {
    assert_eq!(told(), None);
}

#[test]
#[ignore = "run by the test above, as nobody"]
fn is_not_trusted() {
    assert!(told().unwrap().ends_with("belongs to user 65534, who may be anybody"));
}
