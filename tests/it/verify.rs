//! Verification and repair: every kind of problem is found, none ends the search, and what is sound is kept.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ndarray::Array1;
use ndstash::{Digest, Error, GcOptions, Problem, ProblemKind, Store, Tree, VerifyEvent, VerifyOptions};

use crate::common::{Dir, Facts, PUBLISHED_NS, assert_error, bytes_array, chmod, edit, listing, load, mode_of};
use crate::common::{modified_ns, noise, repair, rewrite_head, rot, set_modified_ns, truncate, verify};

const LEN: usize = 3000;

fn digest(seed: u64) -> Digest {
    Digest::of(&noise(LEN, seed))
}

fn put(store: &Store, name: &str, seed: u64) {
    store.put(name, &bytes_array(LEN, seed)).unwrap();
}

fn kinds(problems: &[Problem]) -> Vec<ProblemKind> {
    problems.iter().map(|problem| problem.kind).collect()
}

#[test]
fn a_sound_store_has_no_problem_and_all_of_it_is_looked_at() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    (0..7).for_each(|i| put(&store, &format!("e{i}"), i % 5));
    store.writer().put("small", Tree::Int(1)).unwrap();
    store.remove("e4").unwrap(); // its blob is garbage, which is no problem
    let before = listing(&dir.path());
    let (total, checked) = (Mutex::new(None), AtomicU64::new(0));
    let observe = |event: VerifyEvent<'_>| match event {
        VerifyEvent::Total { blobs, bytes } => drop(total.lock().unwrap().replace((blobs, bytes))),
        VerifyEvent::Checked { bytes } => drop(checked.fetch_add(bytes, Ordering::Relaxed)),
        other => panic!("{other:?}"),
    };
    let report = dir.read_only().verify(&VerifyOptions::new(), &observe).unwrap();
    assert_eq!((report.entries, report.blobs, report.bytes), (7, 5, 15_000));
    assert_eq!((*total.lock().unwrap(), checked.into_inner()), (Some((5, 15_000)), 15_000));
    assert!(report.problems.is_empty() && report.repaired.is_empty() && report.left.is_empty());
    assert_eq!(listing(&dir.path()), before, "verifying writes nothing");
}

/// One kind of damage: what it is to be reported as, and where.
struct Case {
    kind: ProblemKind,
    what: &'static str,
    damage: fn(&Dir) -> PathBuf,
}

/// Every kind of problem, each with an entry or file of its own.
const CASES: [Case; 17] = [
    Case {
        kind: ProblemKind::DamagedBlob,
        what: "a flipped bit",
        damage: |dir| on_blob(dir, 1, |path| rot(path, |bytes| bytes[0] ^= 1)),
    },
    Case {
        kind: ProblemKind::DamagedBlob,
        what: "cut short",
        damage: |dir| on_blob(dir, 2, |path| truncate(path, 10)),
    },
    Case {
        kind: ProblemKind::DamagedBlob,
        what: "longer",
        damage: |dir| on_blob(dir, 3, |path| rot(path, |bytes| bytes.push(0))),
    },
    Case {
        kind: ProblemKind::DamagedBlob,
        what: "edited",
        damage: |dir| on_blob(dir, 4, |path| edit(path, |bytes| bytes[9] = !bytes[9])),
    },
    Case {
        kind: ProblemKind::MissingBlob,
        what: "deleted",
        damage: |dir| on_blob(dir, 5, |path| std::fs::remove_file(path).unwrap()),
    },
    Case {
        kind: ProblemKind::SuspectBlob,
        what: "another time",
        damage: |dir| on_blob(dir, 6, |path| set_modified_ns(path, 77_000_000_000)),
    },
    Case {
        kind: ProblemKind::SuspectBlob,
        what: "another mode",
        damage: |dir| on_blob(dir, 7, |path| chmod(path, 0o600)),
    },
    Case {
        kind: ProblemKind::DamagedEntry,
        what: "a flipped bit in the head",
        damage: |dir| on_entry(dir, 8, |path| rot(path, |bytes| bytes[60] ^= 1)),
    },
    Case {
        kind: ProblemKind::DamagedEntry,
        what: "a flipped bit in the body",
        damage: |dir| on_entry(dir, 9, |path| rot(path, |bytes| bytes[240] ^= 1)),
    },
    Case {
        kind: ProblemKind::DamagedEntry,
        what: "an empty manifest",
        damage: |dir| on_entry(dir, 10, |path| truncate(path, 0)),
    },
    Case {
        kind: ProblemKind::DamagedEntry,
        what: "a longer manifest",
        damage: |dir| on_entry(dir, 11, |path| rot(path, |bytes| bytes.push(0))),
    },
    Case {
        kind: ProblemKind::UnknownEntry,
        what: "a later version",
        damage: |dir| on_entry(dir, 12, |path| rewrite_head(path, |head| head[8] = 1)),
    },
    Case {
        kind: ProblemKind::UnknownEntry,
        what: "a later codec",
        damage: |dir| on_entry(dir, 13, |path| rewrite_head(path, |head| head[12] = 2)),
    },
    Case { kind: ProblemKind::Stray, what: "a file among blobs", damage: |dir| stray(dir, "blobs/42/notes") },
    Case { kind: ProblemKind::Stray, what: "a file among entries", damage: |dir| stray(dir, "entries/42/notes") },
    Case { kind: ProblemKind::Stray, what: "a file at the top", damage: |dir| stray(dir, "notes") },
    Case {
        kind: ProblemKind::BadLayout,
        what: "a directory less",
        damage: |dir| {
            std::fs::remove_dir(dir.inside("quarantine")).unwrap();
            dir.inside("quarantine")
        },
    },
];

fn on_blob(dir: &Dir, seed: u64, damage: fn(&std::path::Path)) -> PathBuf {
    put(&dir.store(), &format!("e{seed}"), seed);
    damage(&dir.blob(&digest(seed)));
    dir.blob(&digest(seed))
}

fn on_entry(dir: &Dir, seed: u64, damage: fn(&std::path::Path)) -> PathBuf {
    put(&dir.store(), &format!("e{seed}"), seed);
    damage(&dir.entry_named(&format!("e{seed}")));
    dir.entry_named(&format!("e{seed}"))
}

fn stray(dir: &Dir, rel: &str) -> PathBuf {
    std::fs::write(dir.inside(rel), b"x").unwrap();
    dir.inside(rel)
}

#[test]
fn each_kind_of_problem_is_found_where_it_is() {
    for case in &CASES {
        let dir = Dir::new();
        put(&dir.blobs_only(), "good", 100);
        let path = (case.damage)(&dir);
        let report = verify(&dir.store());
        let found: Vec<_> = report.problems.iter().map(|problem| (problem.kind, &problem.path)).collect();
        assert_eq!(found, [(case.kind, &path)], "{}", case.what);
        assert!(!report.problems[0].detail.is_empty());
        let needed = matches!(case.kind, ProblemKind::DamagedBlob | ProblemKind::MissingBlob);
        assert_eq!(report.problems[0].entries.len(), usize::from(needed), "{}", case.what);
        assert!(
            report.repaired.is_empty() && path.exists() != needs_absence(case),
            "{}: nothing is changed",
            case.what
        );
    }
}

fn needs_absence(case: &Case) -> bool {
    matches!(case.kind, ProblemKind::MissingBlob | ProblemKind::BadLayout)
}

#[test]
fn all_problems_at_once_are_all_found() {
    let dir = Dir::new();
    put(&dir.blobs_only(), "good", 100);
    let mut expected: Vec<(ProblemKind, PathBuf)> = CASES.iter().map(|case| (case.kind, (case.damage)(&dir))).collect();
    expected.sort();
    let events = Mutex::new(Vec::new());
    let observe = |event: VerifyEvent<'_>| {
        if let VerifyEvent::Problem(problem) = event {
            events.lock().unwrap().push((problem.kind, problem.path.clone()));
        }
    };
    let report = dir.store().verify(&VerifyOptions::new(), &observe).unwrap();
    let found: Vec<_> = report.problems.iter().map(|problem| (problem.kind, problem.path.clone())).collect();
    assert_eq!(found, expected);
    let mut announced = events.into_inner().unwrap();
    announced.sort();
    assert_eq!(announced, expected, "each was told when it was found");
    assert_eq!(report.entries, 14);
}

#[test]
fn repair_removes_what_is_damaged_and_keeps_the_rest() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    put(&store, "good", 100);
    CASES[..16].iter().for_each(|case| drop((case.damage)(&dir)));
    let damaged: Vec<_> = [1, 2, 3, 4].map(|seed| std::fs::read(dir.blob(&digest(seed))).unwrap()).into();

    let report = repair(&store);
    assert_eq!((report.problems.len(), report.left.len()), (16, 0));
    // Five entries lack a blob, four manifests and four blobs are damaged, two blobs are suspect.
    assert_eq!(report.repaired.len(), 5 + 4 + 4 + 2);
    assert_eq!(dir.leftovers().len(), 5 + 4 + 4, "nothing is deleted");
    let kept: BTreeSet<Vec<u8>> = quarantined(&dir).into_iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(damaged.iter().all(|bytes| kept.contains(bytes)), "what is in quarantine is what was there");

    for seed in [1, 2, 3, 4, 5, 8, 9, 10, 11] {
        assert!(store.info(&format!("e{seed}")).unwrap().is_none(), "e{seed} is dropped");
    }
    for seed in [6, 7, 100] {
        let name = if seed == 100 { "good".to_owned() } else { format!("e{seed}") };
        assert_eq!(load(&store, &name).unwrap().unwrap(), noise(LEN, seed), "{name} is kept");
    }
    let left = verify(&store).problems;
    let expected = [ProblemKind::UnknownEntry, ProblemKind::UnknownEntry].into_iter().chain([
        ProblemKind::Stray,
        ProblemKind::Stray,
        ProblemKind::Stray,
    ]);
    assert_eq!(kinds(&left), expected.collect::<Vec<_>>(), "these are not its to judge");
    assert!(!dir.inside("journal").exists());

    std::fs::remove_file(dir.entry_named("e12")).unwrap();
    ["blobs/42/notes", "entries/42/notes", "notes"]
        .iter()
        .for_each(|rel| std::fs::remove_file(dir.inside(rel)).unwrap());
    std::fs::remove_file(dir.entry_named("e13")).unwrap();
    assert!(verify(&store).problems.is_empty());
    assert_eq!(store.gc(&GcOptions::new()).unwrap().blobs_kept, 3, "and a collector runs again");
}

fn quarantined(dir: &Dir) -> Vec<PathBuf> {
    std::fs::read_dir(dir.inside("quarantine")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn each_step_of_a_repair_is_announced_before_it_is_done() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    put(&store, "x", 1);
    put(&store, "y", 2);
    rot(&dir.blob(&digest(1)), |bytes| bytes[0] ^= 1);
    rot(&dir.entry_named("y"), |bytes| bytes[0] ^= 1);
    let announced = Mutex::new(Vec::new());
    let observe = |event: VerifyEvent<'_>| {
        if let VerifyEvent::Repairing(step) = event {
            assert!(step.path.exists(), "{step:?}");
            announced.lock().unwrap().push(step.clone());
        }
    };
    let report = store.verify(&VerifyOptions::new().repair(true), &observe).unwrap();
    assert_eq!(announced.into_inner().unwrap(), report.repaired);
    let paths: BTreeSet<_> = report.repaired.iter().map(|step| step.path.clone()).collect();
    assert_eq!(paths, BTreeSet::from([dir.blob(&digest(1)), dir.entry_named("x"), dir.entry_named("y")]));
    assert!(paths.iter().all(|path| !path.exists()));
    let last = &report.repaired.last().unwrap().path;
    assert_eq!(*last, dir.blob(&digest(1)), "entries before their blobs");
}

#[test]
fn every_entry_that_needs_a_damaged_blob_is_named_and_dropped() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    ["a", "b", "c/d"].iter().for_each(|name| put(&store, name, 1));
    store.put(ndstash::Key::from_bytes([0xab; 32]), &bytes_array(LEN, 1)).unwrap();
    put(&store, "other", 2);
    rot(&dir.blob(&digest(1)), |bytes| bytes[2999] ^= 0x80);
    let report = repair(&store);
    let named: BTreeSet<_> = report.problems[0].entries.iter().map(String::as_str).collect();
    assert_eq!(named, BTreeSet::from(["a", "b", "c/d", &*"ab".repeat(32)]));
    assert_eq!((store.count().unwrap(), dir.blob_names().len()), (1, 1));
    assert_eq!(load(&store, "other").unwrap().unwrap(), noise(LEN, 2));
    assert!(verify(&store).problems.is_empty());
}

#[test]
fn a_blob_of_another_length_than_its_entry_says_costs_that_entry_alone() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    ["liar", "honest"].iter().for_each(|name| put(&store, name, 1));
    rewrite_head(&dir.entry_named("liar"), |head| head[160 + 32..160 + 40].copy_from_slice(&2999_u64.to_le_bytes()));
    // Head and body disagree, which shows before any blob is looked at.
    assert_error!(store.entry("liar"), Error::Malformed { .. });
    let report = repair(&store);
    assert_eq!(kinds(&report.problems), [ProblemKind::DamagedEntry]);
    assert_eq!(load(&store, "honest").unwrap().unwrap(), noise(LEN, 1));
    assert!(verify(&store).problems.is_empty());
}

#[test]
fn damage_in_garbage_is_found_and_moved_away() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    put(&store, "x", 1);
    store.remove("x").unwrap();
    rot(&dir.blob(&digest(1)), |bytes| bytes[0] ^= 1);
    let report = repair(&store);
    assert_eq!((kinds(&report.problems), report.repaired.len()), (vec![ProblemKind::DamagedBlob], 1));
    assert!(dir.blob_names().is_empty());
    put(&store, "x", 1);
    assert_eq!(load(&store, "x").unwrap().unwrap(), noise(LEN, 1));
}

#[test]
fn a_suspect_blob_of_right_content_is_certified_by_repair_and_its_entry_kept() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    put(&store, "x", 1);
    let path = dir.blob(&digest(1));
    let before = Facts::of(&path);
    chmod(&path, 0o666);
    set_modified_ns(&path, 1);
    let report = repair(&store);
    assert_eq!((kinds(&report.problems), report.repaired.len()), (vec![ProblemKind::SuspectBlob], 1));
    assert_eq!((mode_of(&path), modified_ns(&path)), (0o444, PUBLISHED_NS));
    assert_eq!(Facts::of(&path).inode, before.inode);
    assert!(verify(&store).problems.is_empty() && dir.leftovers().is_empty());
    assert_eq!(load(&store, "x").unwrap().unwrap(), noise(LEN, 1));
}

/// Repairs, and puts an entry once the damage was found, before anything is done about it.
fn repair_while_putting(dir: &Dir, name: &str, seed: u64) -> ndstash::VerifyReport {
    let (other, done) = (dir.store(), AtomicBool::new(false));
    let observe = |event: VerifyEvent<'_>| {
        if matches!(event, VerifyEvent::Problem(_)) && !done.swap(true, Ordering::Relaxed) {
            put(&other, name, seed);
        }
    };
    dir.store().verify(&VerifyOptions::new().repair(true), &observe).unwrap()
}

#[test]
fn a_damaged_blob_that_a_commit_relied_on_meanwhile_is_marked_and_left_for_the_next_put_or_repair() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    put(&store, "x", 1);
    rot(&dir.blob(&digest(1)), |bytes| bytes[0] ^= 1);
    // The damage does not show in size, mode or time: the put takes the blob for good.
    let report = repair_while_putting(&dir, "new", 1);
    assert_eq!(report.left.iter().map(|left| &left.path).collect::<Vec<_>>(), [&dir.blob(&digest(1))]);
    let dropped: BTreeSet<_> = report.repaired.iter().map(|step| step.path.clone()).collect();
    assert_eq!(dropped, BTreeSet::from([dir.entry_named("x"), dir.entry_named("new")]));
    assert!(dir.blob(&digest(1)).exists());

    put(&store, "again", 1);
    assert_eq!(load(&store, "again").unwrap().unwrap(), noise(LEN, 1), "the mark made the put write it anew");
    assert!(verify(&store).problems.is_empty());
}

#[test]
fn what_a_commit_healed_meanwhile_is_kept() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    put(&store, "x", 1);
    std::fs::remove_file(dir.blob(&digest(1))).unwrap();
    repair_while_putting(&dir, "new", 1);
    let dir_edited = Dir::new();
    let edited = dir_edited.blobs_only();
    put(&edited, "x", 1);
    edit(&dir_edited.blob(&digest(1)), |bytes| bytes[0] ^= 1);
    repair_while_putting(&dir_edited, "new", 1);
    for store in [&store, &edited] {
        for name in ["x", "new"] {
            assert_eq!(load(store, name).unwrap().unwrap(), noise(LEN, 1), "{name}");
        }
        assert!(verify(store).problems.is_empty());
    }
}

#[test]
fn an_entry_that_was_replaced_while_its_damage_was_judged_is_kept() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    put(&store, "x", 1);
    rot(&dir.entry_named("x"), |bytes| bytes[0] ^= 1);
    let report = repair_while_putting(&dir, "x", 2);
    assert_eq!((report.repaired.len(), store.count().unwrap()), (0, 1));
    assert_eq!(load(&store, "x").unwrap().unwrap(), noise(LEN, 2));
    assert!(verify(&store).problems.is_empty());
}

#[test]
fn more_damage_than_one_run_holds_is_left_for_the_next() {
    const MANY: usize = 300;
    let dir = Dir::new();
    let store = dir.store();
    for i in 0..MANY {
        store.put(&format!("e{i}"), &Array1::from(vec![0_u8; 3])).unwrap();
        rot(&dir.entry_named(&format!("e{i}")), |bytes| bytes[0] ^= 1);
    }
    store.put("good", &bytes_array(3, 1)).unwrap();
    let first = repair(&store);
    assert_eq!((first.problems.len(), first.repaired.len() + first.left.len()), (MANY, MANY));
    assert!(!first.left.is_empty() && first.repaired.len() > 200, "{}", first.left.len());
    let second = repair(&store);
    assert_eq!((second.repaired.len(), second.left.len()), (first.left.len(), 0));
    assert!(verify(&store).problems.is_empty());
    assert_eq!((store.count().unwrap(), dir.leftovers().len()), (1, MANY));
}

#[test]
fn a_missing_shard_is_reported_and_the_rest_is_verified() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    put(&store, "x", 1);
    let blob = digest(1).to_string();
    let shard = if blob.starts_with("00") { "01" } else { "00" };
    std::fs::remove_dir(dir.inside(&format!("blobs/{shard}"))).unwrap();
    rot(&dir.blob(&digest(1)), |bytes| bytes[0] ^= 1);
    let report = verify(&store);
    assert_eq!(kinds(&report.problems), [ProblemKind::DamagedBlob, ProblemKind::BadLayout]);
    assert_eq!(report.problems[1].path, dir.inside(&format!("blobs/{shard}")));
    assert_error!(store.gc(&GcOptions::new()), Error::Io { .. });
    assert!(dir.blob(&digest(1)).exists(), "a collector that cannot list everything removes nothing");
}

#[test]
fn a_read_only_handle_repairs_nothing() {
    let dir = Dir::new();
    put(&dir.blobs_only(), "x", 1);
    rot(&dir.blob(&digest(1)), |bytes| bytes[0] ^= 1);
    let before = listing(&dir.path());
    let store = dir.read_only();
    assert_error!(store.verify(&VerifyOptions::new().repair(true), &|_| ()), Error::Unsupported { .. });
    assert_eq!(verify(&store).problems.len(), 1);
    assert_error!(load(&store, "x"), Error::Corrupt { .. });
    assert_eq!(listing(&dir.path()), before);
}
