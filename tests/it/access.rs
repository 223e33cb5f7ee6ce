//! Access: who may read and write, what is a store and what is not, and what strangers plant in one.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ndarray::Array1;
use ndstash::{Digest, Error, FindingStatus, GcOptions, Key, Store, StoreOptions, Tree, VerifyOptions};
use walkdir::WalkDir;

use crate::common::{
    Child, Dir, assert_error, bytes_array, chmod, is_root, listing, load, mode_of, modified_ns, noise,
};
use crate::common::{Pipe, Record, set_modified_ns, verify};

const STORE: &str = "NDSTASH_TEST_STORE";

fn put(store: &Store, name: &str, seed: u64) {
    store.put(name, &bytes_array(3000, seed)).unwrap();
}

fn digest(seed: u64) -> Digest {
    Digest::of(&noise(3000, seed))
}

/// Everything that reads.
fn read_everything(store: &Store) {
    assert_eq!(load(store, "x").unwrap().unwrap(), noise(3000, 1));
    assert_eq!(load(store, "small").unwrap().unwrap(), noise(10, 2));
    assert!(load(store, "none").unwrap().is_none());
    assert!(store.contains("x").unwrap() && store.info("x").unwrap().is_some());
    assert_eq!((store.count().unwrap(), store.entries("").count()), (2, 2));
    assert_eq!(store.usage().unwrap().garbage_blobs, 1);
    assert_eq!(store.du("").unwrap().len(), 2);
    assert_eq!(store.why(&digest(1)).unwrap().len(), 1);
    assert_eq!(store.plan_gc().unwrap().garbage.len(), 1);
    assert!(verify(store).problems.is_empty());
    assert!(store.doctor().iter().all(|finding| finding.status != FindingStatus::Bad), "{:?}", store.doctor());
}

/// Everything that writes; each must fail alike.
fn write_anything(store: &Store) -> Vec<Error> {
    let mut writer = store.writer();
    let value = writer.bytes(b"inline").unwrap();
    vec![
        store.put("x", &bytes_array(3000, 9)).unwrap_err(),
        writer.put("x", value).unwrap_err(),
        store.writer().add("new", Tree::Nil).unwrap_err(),
        store.update("x", |_, _| Ok::<_, Error>(Some(Tree::Nil))).unwrap_err(),
        store.remove("x").unwrap_err(),
        store.remove_if(&store.info("x").unwrap().unwrap()).unwrap_err(),
        store.rename("x", "y", true).unwrap_err(),
        store.copy("x", "y", true).unwrap_err(),
        store.relabel("x", |_| ()).unwrap_err(),
        store.gc(&GcOptions::new()).unwrap_err(),
        store.verify(&VerifyOptions::new().repair(true), &|_| ()).unwrap_err(),
    ]
}

/// A store with two entries that were last used long ago, and garbage.
fn prepared(dir: &Dir) {
    let store = dir.open(&StoreOptions::new().inline_limits(100, 100));
    put(&store, "x", 1);
    put(&store, "gone", 3);
    store.remove("gone").unwrap();
    store.put("small", &bytes_array(10, 2)).unwrap();
    ["x", "small"].iter().for_each(|name| set_modified_ns(&dir.entry_named(name), 1_600_000_000_000_000_000));
}

#[test]
fn a_read_only_handle_reads_everything_and_writes_nothing_at_all() {
    let dir = Dir::new();
    prepared(&dir);
    // A suspect blob would be certified by a handle that may write.
    set_modified_ns(&dir.blob(&digest(1)), 1);
    let before = listing(&dir.path());
    let record = Record::default();
    let store = StoreOptions::new().read_only(true).seam(record.seam()).open(dir.path()).unwrap();
    assert!(store.is_read_only());
    assert_eq!(load(&store, "x").unwrap().unwrap(), noise(3000, 1));
    for error in write_anything(&store) {
        assert!(matches!(&error, Error::Unsupported { path, .. } if *path == dir.path()), "{error:?}");
    }
    // A writer stages arrays before anything is published: that, too, would write.
    let staged = store.writer().array(&bytes_array(3000, 9)).unwrap_err();
    assert!(matches!(staged, Error::Unsupported { .. }), "{staged:?}");
    drop(store);
    assert_eq!(listing(&dir.path()), before);
    let steps: Vec<_> = record.take().into_iter().map(|(verb, _)| format!("{verb:?}")).collect();
    assert!(steps.iter().all(|verb| ["Open", "Look", "List", "Compare"].contains(&verb.as_str())), "{steps:?}");
}

#[test]
fn every_method_that_reads_works_read_only_and_leaves_every_file_as_it_was() {
    let dir = Dir::new();
    prepared(&dir);
    let before = listing(&dir.path());
    read_everything(&dir.read_only());
    read_everything(&StoreOptions::new().read_only(true).mapping(crate::common::trusted()).open(dir.path()).unwrap());
    assert_eq!(listing(&dir.path()), before);
}

#[test]
fn a_store_of_another_user_can_be_read_and_says_what_may_not_be_done() {
    let dir = Dir::on_disk();
    prepared(&dir);
    // Used just now: as the owner, which one is without root, a reader may note another use.
    let now = SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap();
    ["x", "small"].iter().for_each(|name| set_modified_ns(&dir.entry_named(name), now));
    // Readable for all, writable for nobody else.
    for entry in WalkDir::new(dir.path()) {
        let entry = entry.unwrap();
        if entry.file_type().is_dir() {
            chmod(entry.path(), 0o555);
        } else if mode_of(entry.path()) == 0o600 {
            chmod(entry.path(), 0o444);
        }
    }
    let before = listing(&dir.path());
    if is_root() {
        Child::as_nobody("access::child_without_rights", &dir.beside("")).env(STORE, &dir.path()).passes();
    } else {
        without_rights(&dir.path());
    }
    assert_eq!(listing(&dir.path()), before);
    WalkDir::new(dir.path()).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_dir()).for_each(
        |entry| {
            chmod(entry.path(), 0o700);
        },
    );
}

#[test]
#[ignore = "run as another user by the test above"]
fn child_without_rights() {
    without_rights(&PathBuf::from(std::env::var_os(STORE).unwrap()));
}

fn without_rights(path: &Path) {
    read_everything(&StoreOptions::new().read_only(true).open(path).unwrap());
    // Through a handle that would write if it could: reading works, and each refusal names path and cause.
    let store = Store::open(path).unwrap();
    assert_eq!(load(&store, "x").unwrap().unwrap(), noise(3000, 1));
    for error in write_anything(&store) {
        let Error::Io { path: found, source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied, "{error:?}");
        assert!(found.starts_with(path), "{error}");
    }
}

#[test]
fn what_is_no_store_is_refused_with_what_is_expected() {
    let dir = Dir::new();
    let file = dir.beside("file");
    std::fs::write(&file, b"precious").unwrap();
    let expect = |result: ndstash::Result<Store>, path: &Path, word: &str| match result {
        Err(Error::Invalid { what: "store", given, reason }) => {
            assert_eq!(given, path.display().to_string());
            assert!(reason.contains(word), "{reason}");
        }
        other => panic!("{other:?}"),
    };
    for options in [StoreOptions::new(), StoreOptions::new().read_only(true)] {
        expect(options.open(&file), &file, "a directory is expected, this is a file");
        expect(options.open(file.join("below")), &file.join("below"), "a directory is expected");
        expect(options.open(dir.beside("none")), &dir.beside("none"), "there is no such directory");
        expect(options.open(dir.beside("")), &dir.beside(""), "ndstash.toml is expected");
    }
    expect(Store::create(&file), &file, "a directory is expected, this is a file");
    expect(Store::open_or_create(&file), &file, "a directory is expected, this is a file");
    expect(Store::create(file.join("below")), &file.join("below"), "a directory is expected");
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    assert!(!dir.beside("none").exists());
    let absent = Store::open(dir.beside("none")).unwrap_err().to_string();
    assert!(!absent.contains("::"), "{absent}: people who do not write Rust read it, too");
    let store = dir.store();
    expect(Store::create(dir.path()), store.path(), "there is a store already");
}

#[test]
fn a_directory_with_other_things_is_refused_and_left_as_it_is() {
    for name in ["thesis.tex", ".hidden", "blobs2"] {
        let dir = Dir::new();
        std::fs::create_dir(dir.path()).unwrap();
        chmod(&dir.path(), 0o755);
        std::fs::write(dir.inside(name), b"precious").unwrap();
        let before = listing(&dir.path());
        for made in [Store::create(dir.path()), Store::open_or_create(dir.path())] {
            assert_error!(made, Error::Invalid { reason, .. } if reason.contains("an empty directory is expected"));
        }
        assert_eq!(listing(&dir.path()), before, "{name}");
    }
}

#[test]
fn an_existing_store_with_other_things_in_it_is_opened() {
    let dir = Dir::new();
    put(&dir.store(), "x", 1);
    [".DS_Store", "notes", "zzz"].iter().for_each(|name| std::fs::write(dir.inside(name), b"mine").unwrap());
    assert_eq!(load(&Store::open_or_create(dir.path()).unwrap(), "x").unwrap().unwrap(), noise(3000, 1));
}

#[test]
fn an_unknown_version_is_refused_by_its_number_and_nothing_is_written() {
    let dir = Dir::new();
    prepared(&dir);
    let path = dir.inside("ndstash.toml");
    for (text, word) in [
        ("format = 1\n", "format version 1 "),
        ("format = 4000000000\nnews = [1]\n[more]\nx = 1\n", "format version 4000000000 "),
        ("format = 9000000000000000000\n", "9000000000000000000"),
    ] {
        chmod(&path, 0o600);
        std::fs::write(&path, text).unwrap();
        let before = listing(&dir.path());
        for opened in [Store::open(dir.path()), Store::open_or_create(dir.path())] {
            let error = opened.unwrap_err();
            assert!(error.to_string().contains(word) && error.path() == Some(&path), "{error}");
            assert_error!(Err::<(), _>(error), Error::Unsupported { .. });
        }
        assert_eq!(listing(&dir.path()), before);
    }
}

#[test]
fn settings_that_cannot_be_read_are_malformed() {
    let dir = Dir::new();
    prepared(&dir);
    let path = dir.inside("ndstash.toml");
    chmod(&path, 0o600);
    let long = format!("format = 0\n#{}", "x".repeat(70_000));
    let bad: [&[u8]; 9] = [
        b"",
        b"\xff\xfe",
        b"format = 'zero'",
        b"format = -1",
        b"format = 0\nunknown = 1",
        b"format = 0\n[arrays]\nunknown = 1",
        b"format = 0\n[arrays]\ninline_max = -1",
        b"format = 0\n[access]\nshared = 1",
        long.as_bytes(),
    ];
    for text in bad {
        std::fs::write(&path, text).unwrap();
        let error = Store::open(dir.path()).unwrap_err();
        assert!(matches!(&error, Error::Malformed { path: found, .. } if *found == path), "{error:?}");
    }
    std::fs::write(&path, b"format = 0").unwrap();
    read_everything(&Store::open(dir.path()).unwrap());
}

#[test]
fn features_allow_all_or_reading_or_nothing() {
    let dir = Dir::new();
    prepared(&dir);
    let path = dir.inside("ndstash.toml");
    chmod(&path, 0o600);
    let with = |feature: &str| {
        let arrays = "[arrays]\ninline_max = 100\ninline_total = 100";
        std::fs::write(&path, format!("format = 0\n[features]\n{feature}\n{arrays}\n")).unwrap();
    };

    with("compatible = ['x']");
    put(&dir.store(), "y", 4);
    assert!(dir.store().remove("y").unwrap());
    dir.store().gc(&GcOptions::new()).unwrap();
    put(&dir.store(), "gone", 3);
    dir.store().remove("gone").unwrap();

    with("read_only = ['new-thing']");
    let store = dir.store();
    assert!(store.is_read_only());
    let before = listing(&dir.path());
    read_everything(&store);
    for error in write_anything(&store) {
        assert!(matches!(&error, Error::Unsupported { what, .. } if what.contains("new-thing")), "{error:?}");
    }
    assert_eq!(listing(&dir.path()), before);

    with("incompatible = ['new-thing']");
    for options in [StoreOptions::new(), StoreOptions::new().read_only(true)] {
        assert_error!(options.open(dir.path()), Error::Unsupported { what, .. } if what.contains("new-thing"));
    }
}

#[test]
fn a_store_that_was_half_made_is_completed() {
    let whole = Dir::new();
    // The first put makes the ledger.
    put(&whole.store(), "x", 1);
    whole.store().remove("x").unwrap();
    whole.store().gc(&GcOptions::new()).unwrap();
    let names = |dir: &Dir| -> Vec<PathBuf> {
        let found = WalkDir::new(dir.path()).sort_by_file_name().into_iter().map(Result::unwrap);
        found.map(|entry| entry.path().strip_prefix(dir.path()).unwrap().to_owned()).collect()
    };
    let expected = names(&whole);
    for half in 0..4 {
        let dir = Dir::new();
        std::fs::create_dir_all(dir.inside("blobs/00")).unwrap();
        std::fs::create_dir_all(dir.inside("tmp/0123456789abcdef0123456789abcdef")).unwrap();
        if half > 0 {
            std::fs::create_dir_all(dir.inside("entries/ff")).unwrap();
            std::fs::write(dir.inside("gate.lock"), b"").unwrap();
        }
        if half > 1 {
            std::fs::write(dir.inside("CACHEDIR.TAG"), b"half").unwrap();
            std::fs::write(dir.inside("reserve"), b"").unwrap();
        }
        if half > 2 {
            std::fs::remove_dir_all(dir.path()).unwrap();
            std::fs::create_dir(dir.path()).unwrap();
        }
        assert_error!(Store::open(dir.path()), Error::Invalid { .. });
        let store = Store::create(dir.path()).unwrap();
        put(&store, "x", 1);
        assert_eq!(load(&store, "x").unwrap().unwrap(), noise(3000, 1));
        store.remove("x").unwrap();
        store.gc(&GcOptions::new()).unwrap();
        drop(store);
        assert_eq!(names(&dir), expected, "{half}");
        assert!(verify(&dir.store()).problems.is_empty());
    }
}

#[test]
fn of_several_who_make_a_store_one_succeeds_and_all_can_use_it() {
    for round in 0..4 {
        let dir = Dir::new();
        let path = dir.path();
        let made: Vec<bool> = std::thread::scope(|scope| {
            let create = || match Store::create(&path) {
                Ok(_) => true,
                Err(Error::Invalid { reason: "there is a store already", .. }) => false,
                Err(error) => panic!("{error:?}"),
            };
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(create)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(made.iter().filter(|&&made| made).count(), 1, "{made:?}");
        put(&dir.store(), "x", round);
        assert!(verify(&dir.store()).problems.is_empty());
        assert_eq!(dir.leftovers(), Vec::<String>::new());
    }
    let dir = Dir::new();
    let path = dir.path();
    std::thread::scope(|scope| {
        for seed in 0..3 {
            let path = &path;
            scope.spawn(move || put(&Store::open_or_create(path).unwrap(), &format!("e{seed}"), seed));
        }
    });
    assert_eq!(dir.store().count().unwrap(), 3);
}

const LOCKS: [&str; 3] = ["collector.lock", "turnstile.lock", "gate.lock"];

#[test]
fn a_private_store_is_closed_to_others_and_a_shared_one_open_to_its_group() {
    for (shared, dir_mode, lock_mode) in [(false, 0o700, 0o600), (true, 0o2770, 0o660)] {
        let dir = Dir::new();
        let options = if shared { StoreOptions::new().shared(None) } else { StoreOptions::new() };
        let store = options.create(dir.path()).unwrap();
        assert_eq!(store.is_shared(), shared);
        put(&store, "x", 1);
        store.put(Key::from_bytes([3; 32]), &bytes_array(70_000, 1)).unwrap();
        for entry in WalkDir::new(dir.path()) {
            let entry = entry.unwrap();
            let name = entry.path().strip_prefix(dir.path()).unwrap().to_str().unwrap();
            let expected = if entry.file_type().is_dir() {
                dir_mode
            } else if LOCKS.contains(&name) || name.starts_with("keylocks") || ["reserve", "ledger"].contains(&name) {
                lock_mode
            } else {
                0o444
            };
            assert_eq!(mode_of(entry.path()), expected, "{name}, shared: {shared}");
        }
        assert!(store.doctor().iter().all(|finding| finding.status != FindingStatus::Bad));
        let before = modified_ns(&dir.inside("collector.lock"));
        store.gc(&GcOptions::new()).unwrap();
        assert_eq!(modified_ns(&dir.inside("collector.lock")), before, "a lock file is never written");
    }
}

#[test]
fn the_journal_of_a_shared_store_is_for_its_group() {
    let dir = Dir::new();
    put(&StoreOptions::new().shared(None).create(dir.path()).unwrap(), "x", 1);
    let (seen, path) = (std::sync::Arc::new(std::sync::Mutex::new(None)), dir.inside("journal"));
    let found = std::sync::Arc::clone(&seen);
    let seam = crate::common::seam(move |step| {
        if step.verb == ndstash::seam::Verb::List && step.path.starts_with("entries/") {
            found.lock().unwrap().replace(mode_of(&path));
        }
        Ok(ndstash::seam::Flow::Go)
    });
    StoreOptions::new().seam(seam).open(dir.path()).unwrap().gc(&GcOptions::new()).unwrap();
    assert_eq!(*seen.lock().unwrap(), Some(0o660));
}

#[test]
fn two_users_of_one_group_share_a_store() {
    const GROUP: u32 = 54_321;
    if !is_root() {
        return; // only root can become others
    }
    let dir = Dir::on_disk();
    drop(StoreOptions::new().shared(Some(GROUP)).create(dir.path()).unwrap());
    let child = |test: &str, user: u32| {
        Child::as_user(&format!("access::{test}"), &dir.beside(""), user, GROUP).env(STORE, &dir.path())
    };
    child("child_of_the_group_puts", 54_001).passes();
    child("child_of_the_group_uses", 54_002).passes();
    let store = dir.store();
    assert_eq!(load(&store, "theirs").unwrap().unwrap(), noise(3000, 2));
    assert!(verify(&store).problems.is_empty());
    assert_error!(
        // Somebody else sees nothing of it.
        Child::as_user("access::child_of_the_group_uses", &dir.beside(""), 54_003, 54_003)
            .env(STORE, &dir.path())
            .spawn()
            .wait()
            .map(|status| assert!(!status.success()))
            .and(Err::<(), _>(std::io::Error::other("as expected"))),
        _
    );
}

fn group_store() -> Store {
    Store::open(std::env::var_os(STORE).unwrap()).unwrap()
}

#[test]
#[ignore = "run as another user by the test above"]
fn child_of_the_group_puts() {
    let store = group_store();
    store.put("first", &bytes_array(100_000, 1)).unwrap();
    store.put("second", &bytes_array(100_000, 5)).unwrap();
    put(&store, "theirs", 9);
}

#[test]
#[ignore = "run as another user by the test above"]
fn child_of_the_group_uses() {
    let store = group_store();
    assert_eq!(load(&store, "first").unwrap().unwrap(), noise(100_000, 1));
    assert_eq!(store.put("shared", &bytes_array(100_000, 1)).unwrap().new_blobs, 0);
    put(&store, "theirs", 2); // replaces another's entry
    assert!(store.rename("first", "renamed", false).unwrap());
    assert!(store.relabel("renamed", |labels| labels.tags.push("t".into())).unwrap());
    assert!(store.remove("second").unwrap());
    assert_eq!(store.gc(&GcOptions::new()).unwrap().blobs_removed, 1);
    assert_eq!(load(&store, "shared").unwrap().unwrap(), noise(100_000, 1));
}

#[test]
fn what_root_writes_into_a_store_belongs_to_the_stores_owner() {
    const OWNER: u32 = 54_001;
    if !is_root() {
        return; // only root can write into another's store
    }
    let dir = Dir::on_disk();
    std::fs::create_dir(dir.path()).unwrap();
    std::os::unix::fs::chown(dir.path(), Some(OWNER), Some(OWNER)).unwrap();
    let store = dir.store();
    store.put("x", &bytes_array(100_000, 1)).unwrap();
    store.remove("x").unwrap();
    store.gc(&GcOptions::new()).unwrap();
    store.put("first", &bytes_array(100_000, 1)).unwrap();
    store.put("second", &bytes_array(100_000, 5)).unwrap();
    drop(store);
    for (path, facts) in listing(&dir.path()) {
        assert_eq!(facts.owner, (OWNER, OWNER), "{}", path.display());
    }
    put(&dir.store(), "theirs", 9);
    Child::as_user("access::child_of_the_group_uses", &dir.beside(""), OWNER, OWNER).env(STORE, &dir.path()).passes();
}

/// A place outside the store, with something precious that links lead to.
fn precious(dir: &Dir) -> PathBuf {
    let outside = dir.beside("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), noise(3000, 1)).unwrap();
    outside
}

#[test]
fn a_link_under_a_blobs_name_is_not_followed_and_the_next_put_replaces_it() {
    let dir = Dir::new();
    let outside = precious(&dir);
    let before = listing(&outside);
    for dangling in [false, true] {
        let store = dir.blobs_only();
        put(&store, "x", 1);
        let path = dir.blob(&digest(1));
        std::fs::remove_file(&path).unwrap();
        symlink(outside.join(if dangling { "none" } else { "file" }), &path).unwrap();
        // What it leads to would even be right.
        assert!(!matches!(store.entry("x"), Ok(Some(_))), "{:?}", store.entry("x"));
        assert!(!store.contains("x").unwrap());
        assert_eq!(verify(&store).problems.len(), 2, "the stray and the missing blob");
        put(&store, "x", 1);
        assert!(path.symlink_metadata().unwrap().is_file());
        assert_eq!(load(&store, "x").unwrap().unwrap(), noise(3000, 1));
        assert_eq!(listing(&outside), before);
    }
}

#[test]
fn links_and_pipes_anywhere_are_neither_followed_nor_waited_for_nor_deleted_through() {
    let dir = Dir::new();
    let outside = precious(&dir);
    let store = dir.blobs_only();
    put(&store, "x", 1);
    let zeros = "0".repeat(64);
    let planted = [
        format!("blobs/00/{zeros}"),
        format!("entries/00/{zeros}"),
        "tmp/0123456789abcdef0123456789abcdef".to_owned(),
        "trash/dir".to_owned(),
        "quarantine/dir".to_owned(),
    ];
    planted.iter().for_each(|rel| symlink(&outside, dir.inside(rel)).unwrap());
    let pipes = [format!("blobs/00/{}1", &zeros[1..]), format!("entries/00/{}1", &zeros[1..])];
    for rel in &pipes {
        let root = std::fs::File::open(dir.path()).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(&root, rel.as_str(), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }
    let before = listing(&outside);
    let start = SystemTime::now();

    let report = store.gc(&GcOptions::new()).unwrap();
    assert_eq!((report.entries, report.blobs_kept, report.blobs_removed), (1, 1, 0));
    let problems = verify(&store).problems;
    assert_eq!(problems.len(), 4, "both links and both pipes: {problems:?}");
    crate::common::repair(&store);
    for name in [&zeros, &format!("{}1", &zeros[1..])] {
        let key: Key = name.parse().unwrap();
        assert!(store.entry(key).is_err() && !store.contains(key).unwrap_or(false));
        store.put(key, &bytes_array(3000, 1)).unwrap(); // takes the place of what was planted
        assert!(store.remove(key).unwrap());
    }
    assert_eq!(load(&store, "x").unwrap().unwrap(), noise(3000, 1));
    assert_eq!(listing(&outside), before, "what links lead to is untouched");
    assert!(dir.inside(&planted[2]).is_symlink() && dir.inside(&planted[4]).is_symlink());
    assert!(start.elapsed().unwrap() < Duration::from_secs(20), "nothing waited for a pipe");
}

#[test]
fn a_pipe_under_a_blobs_name_blocks_nobody_and_is_replaced() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    put(&store, "x", 1);
    let path = dir.blob(&digest(1));
    std::fs::remove_file(&path).unwrap();
    let root = std::fs::File::open(dir.path()).unwrap();
    let rel = path.strip_prefix(dir.path()).unwrap();
    rustix::fs::mknodat(&root, rel, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o444), 0).unwrap();
    assert!(!matches!(store.entry("x"), Ok(Some(_))));
    let mut writer = store.writer();
    let value = writer.bytes_from_reader(Pipe(&noise(3000, 1)[..])).unwrap();
    writer.put("x", value).unwrap();
    assert_eq!(load(&store, "x").unwrap().unwrap(), noise(3000, 1));
    put(&store, "y", 1);
}

#[test]
fn a_shard_that_is_a_link_is_an_error_and_never_entered() {
    let dir = Dir::new();
    let outside = precious(&dir);
    let store = dir.blobs_only();
    put(&store, "x", 1);
    let shard = dir.blob(&digest(1)).parent().unwrap().to_owned();
    let moved = outside.join("shard");
    std::fs::rename(&shard, &moved).unwrap();
    symlink(&moved, &shard).unwrap();
    let before = listing(&outside);
    assert!(store.entry("x").is_err() || store.entry("x").unwrap().is_none());
    assert!(store.put("y", &Array1::from(noise(3000, 1))).is_err());
    store.remove("x").unwrap();
    assert!(store.gc(&GcOptions::new()).is_err());
    assert_eq!(listing(&outside), before);
}

#[test]
fn the_path_of_a_store_itself_may_lead_through_links() {
    let dir = Dir::new();
    put(&dir.store(), "x", 1);
    symlink(dir.path(), dir.beside("link")).unwrap();
    let store = Store::open(dir.beside("link")).unwrap();
    assert_eq!(load(&store, "x").unwrap().unwrap(), noise(3000, 1));
    put(&store, "y", 2);
    assert!(dir.store().contains("y").unwrap());
}

#[test]
fn a_store_that_is_moved_while_it_is_open_goes_on_working() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    put(&store, "x", 1);
    std::fs::rename(dir.path(), dir.beside("moved")).unwrap();
    put(&store, "y", 2);
    store.remove("x").unwrap();
    assert_eq!(store.gc(&GcOptions::new()).unwrap().blobs_removed, 1);
    assert_eq!(load(&store, "y").unwrap().unwrap(), noise(3000, 2));
    assert!(!dir.path().exists());
}

#[test]
fn a_directory_others_can_write_is_reported_by_the_doctor() {
    let dir = Dir::new();
    let store = dir.store();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let bad: Vec<_> = store.doctor().into_iter().filter(|finding| finding.status == FindingStatus::Bad).collect();
    assert_eq!(bad.len(), 1);
    assert!(bad[0].name == "access" && bad[0].detail.contains("0777"), "{bad:?}");
}
