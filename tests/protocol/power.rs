//! Power loss. A trace of real operations is followed through the letter of POSIX: a name is surely on disk only after
//! its directory was synced, content only after the file was; before that each may or may not be. At every moment,
//! every entry that may be on disk must find all its blobs surely on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ndstash::seam::{Flow, Seam, Step, Verb, Watch};
use ndstash::{CullOptions, Digest, GcOptions, Limits, Store};

use crate::bench::{array, create, hold, named_blobs, options, temp_dir};

/// What is known of the disk after some steps.
#[derive(Default)]
struct Disk {
    /// Private files whose content is surely on disk.
    synced: BTreeSet<String>,
    /// Blobs that have their name, surely on disk or not.
    blobs: BTreeMap<String, bool>,
    /// Versions of entries that may be on disk, by path: what each names, and whether a later change has ended it.
    entries: BTreeMap<String, Vec<(BTreeSet<Digest>, bool)>>,
    violations: Vec<String>,
}

/// Follows the steps of all handles of one store.
struct Follow {
    store: PathBuf,
    /// A verb that is left out, to see that it is missed.
    skip: Option<fn(&Step<'_>) -> bool>,
    disk: Mutex<Disk>,
}

impl Watch for Follow {
    fn before(&self, step: &Step<'_>) -> io::Result<Flow> {
        if self.skip.is_some_and(|skip| skip(step)) {
            return Ok(Flow::Skip);
        }
        let mut disk = self.disk.lock().unwrap();
        let path = step.path.to_owned();
        match step.verb {
            Verb::Write => _ = disk.synced.remove(&path),
            Verb::Sync => _ = disk.synced.insert(path),
            Verb::SyncDir => disk.sync_dir(step.path),
            Verb::Link | Verb::Rename => self.name(&mut disk, step),
            Verb::Unlink => disk.unname(step.path),
            _ => {}
        }
        disk.check(step);
        Ok(Flow::Go)
    }
}

impl Follow {
    fn name(&self, disk: &mut Disk, step: &Step<'_>) {
        let from = step.from.unwrap();
        if step.path.starts_with("trash/") || step.path.starts_with("quarantine/") {
            return disk.unname(from);
        }
        if !disk.synced.contains(from) {
            disk.violations.push(format!("{} is published before its content is on disk", step.path));
        }
        if step.path.starts_with("blobs/") {
            // Linking where the name is taken changes nothing.
            disk.blobs.entry(step.path.to_owned()).or_insert(false);
        } else if step.path.starts_with("entries/") {
            let named = named_blobs(&std::fs::read(self.store.join(from)).unwrap());
            let versions = disk.entries.entry(step.path.to_owned()).or_default();
            versions.iter_mut().for_each(|version| version.1 = true);
            versions.push((named, false));
        }
    }
}

impl Disk {
    fn unname(&mut self, path: &str) {
        // That it is gone may be on disk at once.
        self.blobs.remove(path);
        if let Some(versions) = self.entries.get_mut(path) {
            versions.iter_mut().for_each(|version| version.1 = true);
        }
    }

    fn sync_dir(&mut self, dir: &str) {
        let inside = |path: &String| path.rsplit_once('/').is_some_and(|(parent, _)| parent == dir);
        self.blobs.iter_mut().filter(|(path, _)| inside(path)).for_each(|(_, sure)| *sure = true);
        let entries = self.entries.iter_mut().filter(|(path, _)| inside(path));
        entries.for_each(|(_, versions)| versions.retain(|version| !version.1));
    }

    fn check(&mut self, step: &Step<'_>) {
        for (entry, versions) in &self.entries {
            for digest in versions.iter().flat_map(|version| &version.0) {
                let name = digest.to_string();
                if self.blobs.get(&format!("blobs/{}/{name}", &name[..2])) != Some(&true) {
                    let when = format!("at {:?} {}", step.verb, step.path);
                    self.violations.push(format!("{entry} may outlive power loss, its blob {name} may not: {when}"));
                }
            }
        }
    }
}

/// Runs a history under observation; returns what power loss at some moment of it would break.
fn violations(skip: Option<fn(&Step<'_>) -> bool>, history: impl FnOnce(&Store, &Store)) -> Vec<String> {
    let dir = temp_dir();
    let path = dir.path().join("store");
    drop(create(&path));
    let follow = Arc::new(Follow { store: path.clone(), skip, disk: Mutex::default() });
    let open = || options().seam(Seam::new(follow.clone())).open(&path).unwrap();
    history(&open(), &open());
    let disk = follow.disk.lock().unwrap();
    assert!(!disk.entries.is_empty() && !disk.blobs.is_empty(), "the history was followed");
    disk.violations.clone()
}

/// Puts, shares, replaces, renames, relabels, removes and collects through two handles.
fn life(one: &Store, two: &Store) {
    for round in 0..3u8 {
        one.put("a", &array(round)).unwrap();
        two.put("b", &array(round)).unwrap();
        two.put("a", &array(round + 1)).unwrap();
        one.copy("a", "c", true).unwrap();
        two.rename("b", "d", true).unwrap();
        one.relabel("c", |labels| labels.tags.push("t".into())).unwrap();
        one.gc(&GcOptions::new()).unwrap();
        one.remove("d").unwrap();
        two.gc(&GcOptions::new()).unwrap();
        one.put("d", &array(round)).unwrap();
        let mut limits = Limits::default();
        limits.entries = Some(2);
        assert!(!two.cull(&CullOptions::new().limits(limits)).unwrap().evicted.is_empty());
    }
}

#[test]
fn at_no_moment_does_power_loss_leave_an_entry_without_its_blobs() {
    assert_eq!(violations(None, life), Vec::<String>::new());
}

/// A dedup hit inherits nothing: the first writer stops after its blob has the name and before it is synced.
#[test]
fn who_finds_a_blob_syncs_its_name() {
    let found = violations(None, |one, two| {
        let blob = format!("{}", crate::bench::digest(1));
        let stopped = StopBeforeSync(blob[..2].to_owned());
        let path = one.path().to_owned();
        let first = options().seam(Seam::new(Arc::new(stopped))).open(&path).unwrap();
        first.put("first", &array(1)).unwrap_err();
        assert!(path.join("blobs").join(&blob[..2]).join(&blob).exists(), "the name is there, not synced");
        two.put("a", &array(1)).unwrap();
        one.put("b", &array(2)).unwrap();
    });
    // The stopped handle was not followed, so that only the second writer's sync can make the name sure.
    let unfollowed: Vec<_> = found.iter().filter(|text| !text.contains("may outlive")).collect();
    assert_eq!(unfollowed, Vec::<&String>::new());
}

/// Fails the sync of one blob directory: the writer has published and goes no further.
struct StopBeforeSync(String);

impl Watch for StopBeforeSync {
    fn before(&self, step: &Step<'_>) -> io::Result<Flow> {
        if step.verb == Verb::SyncDir && step.path == format!("blobs/{}", self.0) {
            return Err(io::Error::other("stopped"));
        }
        Ok(Flow::Go)
    }
}

#[test]
fn a_missing_sync_of_content_is_noticed() {
    let found = violations(Some(|step| step.verb == Verb::Sync), life);
    assert!(found.iter().any(|text| text.contains("before its content")), "{found:?}");
}

#[test]
fn a_missing_sync_of_a_blobs_name_is_noticed() {
    let found = violations(Some(|step| step.verb == Verb::SyncDir && step.path.starts_with("blobs/")), life);
    assert!(found.iter().any(|text| text.contains("may outlive")), "{found:?}");
}

/// The collector syncs the directories of entries before it removes anything: a removal that power loss undoes would
/// bring the entry back.
#[test]
fn a_missing_sync_of_removed_entries_is_noticed() {
    let found = violations(Some(|step| step.verb == Verb::SyncDir && step.path.starts_with("entries/")), life);
    assert!(found.iter().any(|text| text.contains("may outlive")), "{found:?}");
}

/// Every acknowledged put has its own name on disk: the last thing it does is to sync the entry's directory.
#[test]
fn an_acknowledged_entry_is_surely_on_disk() {
    let dir = temp_dir();
    let path = dir.path().join("store");
    drop(create(&path));
    let log = Arc::new(Log::default());
    let store = options().seam(Seam::new(log.clone())).open(&path).unwrap();
    for act in [|store: &Store| hold(store, "a", 1), |store: &Store| assert!(store.remove("a").unwrap())] {
        log.0.lock().unwrap().clear();
        act(&store);
        let steps = log.0.lock().unwrap().clone();
        let changed = steps
            .iter()
            .rposition(|(verb, path)| matches!(verb, Verb::Rename | Verb::Unlink) && path.starts_with("entries/"));
        let (_, entry) = &steps[changed.expect("the entry was changed")];
        let shard = entry.rsplit_once('/').unwrap().0.to_owned();
        assert!(steps[changed.unwrap()..].contains(&(Verb::SyncDir, shard)), "{steps:?}");
    }
}

/// A rename is two changes in two directories: the new name is on disk before the old one goes.
#[test]
fn a_renamed_entry_is_surely_on_disk_under_one_name_at_least() {
    let dir = temp_dir();
    let path = dir.path().join("store");
    hold(&create(&path), "a", 1);
    let log = Arc::new(Log::default());
    let store = options().seam(Seam::new(log.clone())).open(&path).unwrap();
    assert!(store.rename("a", "b", false).unwrap());
    let steps = log.0.lock().unwrap().clone();
    let at = |wanted: Verb, name: &str| {
        let key = ndstash::Key::from_name(name).unwrap().to_string();
        let entry = format!("entries/{}/{key}", &key[..2]);
        steps.iter().position(|(verb, path)| *verb == wanted && *path == entry).unwrap()
    };
    let (renamed, removed) = (at(Verb::Rename, "b"), at(Verb::Unlink, "a"));
    let shard = steps[renamed].1.rsplit_once('/').unwrap().0.to_owned();
    assert!(steps[renamed..removed].contains(&(Verb::SyncDir, shard)), "{steps:?}");
}

#[derive(Default)]
struct Log(Mutex<Vec<(Verb, String)>>);

impl Watch for Log {
    fn before(&self, step: &Step<'_>) -> io::Result<Flow> {
        self.0.lock().unwrap().push((step.verb, step.path.to_owned()));
        Ok(Flow::Go)
    }
}
