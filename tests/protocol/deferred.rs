//! Power loss under deferred durability. A history of two handles that defer and one that does not is followed through
//! the letter of POSIX, and stopped at a step. Then power is lost: of every file whose content was not synced some part is
//! left, and every name that was not synced is there, or not, or leads to what it led to before. On the next boot every
//! name must have a value that it had, or none; what was acknowledged as on disk must be there; and nothing may be an error.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ndstash::seam::{Flow, Seam, Step, Verb, Watch};
use ndstash::{Durability, GcOptions, Result, Store};
use tempfile::TempDir;

use crate::bench::{array, assert_clean, create, options, temp_dir, value};

/// Of which boots the machine is before and after power is lost.
const BEFORE: [u8; 16] = [1; 16];
const AFTER: [u8; 16] = [2; 16];

/// A file that a name may lead to after power loss.
#[derive(Clone)]
struct Version {
    inode: u64,
    /// What the name led to when it was given to another; `None` while it leads there.
    kept: Option<Content>,
}

#[derive(Clone)]
struct Content {
    bytes: Vec<u8>,
    mode: u32,
    modified: std::time::SystemTime,
}

impl Content {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(path).ok()?;
        Some(Content { bytes: fs::read(path).ok()?, mode: found.mode() & 0o7777, modified: found.modified().unwrap() })
    }
}

/// What is known of the disk.
#[derive(Default)]
struct Disk {
    /// Files whose content was written and not synced since.
    unsynced: BTreeSet<u64>,
    /// What each name leads to, after what it led to before that power loss may bring back. `None`: to nothing.
    names: BTreeMap<String, Vec<Option<Version>>>,
    left: usize,
    steps: usize,
}

struct Follow {
    store: PathBuf,
    /// A step that is left out, to see that it is missed.
    skip: fn(&Step<'_>) -> bool,
    disk: Mutex<Disk>,
}

impl Watch for Follow {
    fn before(&self, step: &Step<'_>) -> io::Result<Flow> {
        let mut disk = self.disk.lock().unwrap();
        // Stopping before any other step leaves what stopping before the next of these leaves.
        let changes = matches!(
            step.verb,
            Verb::Settle | Verb::Sync | Verb::SyncDir | Verb::Certify | Verb::Link | Verb::Rename | Verb::Unlink
        ) && !step.path.starts_with("tmp/")
            || matches!(step.verb, Verb::Settle | Verb::Append);
        disk.steps += usize::from(changes);
        if disk.left == 0 {
            return Err(io::Error::other("the process has stopped"));
        }
        disk.left -= usize::from(changes);
        if (self.skip)(step) {
            return Ok(Flow::Skip);
        }
        match step.verb {
            Verb::Settle => _ = disk.unsynced.insert(inode_of(step)),
            Verb::Sync => _ = disk.unsynced.remove(&inode_of(step)),
            Verb::SyncDir => disk.sync_dir(step.path),
            Verb::Rename | Verb::Link if is_final(step.path) => self.name(&mut disk, step),
            Verb::Rename if is_final(step.from.unwrap()) => self.unname(&mut disk, step.from.unwrap()),
            Verb::Unlink if is_final(step.path) => self.unname(&mut disk, step.path),
            _ => {}
        }
        Ok(Flow::Go)
    }
}

fn inode_of(step: &Step<'_>) -> u64 {
    step.file.unwrap().metadata().unwrap().ino()
}

fn is_final(path: &str) -> bool {
    path.starts_with("blobs/") || path.starts_with("entries/")
}

impl Follow {
    fn name(&self, disk: &mut Disk, step: &Step<'_>) {
        let to = self.store.join(step.path);
        if step.verb == Verb::Link && to.exists() {
            return;
        }
        let from = fs::symlink_metadata(self.store.join(step.from.unwrap())).unwrap();
        self.unname(disk, step.path);
        let versions = disk.names.get_mut(step.path).unwrap();
        versions.pop();
        versions.push(Some(Version { inode: from.ino(), kept: None }));
    }

    fn unname(&self, disk: &mut Disk, path: &str) {
        let versions = disk.names.entry(path.to_owned()).or_insert_with(|| vec![None]);
        if let Some(Some(last)) = versions.last_mut() {
            last.kept = Content::of(&self.store.join(path));
        }
        versions.push(None);
    }
}

impl Disk {
    fn sync_dir(&mut self, dir: &str) {
        let inside = self.names.iter_mut().filter(|(path, _)| path.rsplit_once('/').is_some_and(|(in_, _)| in_ == dir));
        inside.for_each(|(_, versions)| drop(versions.drain(..versions.len() - 1)));
    }
}

/// A source of choices.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// Power is lost: the files become one of the things that the disk may hold.
fn lose_power(follow: &Follow, dice: &mut Dice) {
    let disk = follow.disk.lock().unwrap();
    for (name, versions) in &disk.names {
        let path = follow.store.join(name);
        let chosen = &versions[dice.below(versions.len())];
        let content = chosen.as_ref().and_then(|version| {
            let content = version.kept.clone().or_else(|| Content::of(&path))?;
            Some(if disk.unsynced.contains(&version.inode) { torn(content, dice) } else { unmarked(content, dice) })
        });
        drop(fs::remove_file(&path));
        if let Some(Content { bytes, mode, modified }) = content {
            fs::write(&path, bytes).unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// What may be left of a file whose content was not synced: its metadata may be as they were made, or as they became.
fn torn(mut content: Content, dice: &mut Dice) -> Content {
    let len = content.bytes.len();
    match dice.below(5) {
        0 => content.bytes.clear(),
        1 => content.bytes.fill(0),
        2 => content.bytes.truncate(len / 2),
        3 => content.bytes[len / 2..].fill(0),
        _ => {}
    }
    if dice.below(3) == 0 {
        content.mode = 0o500;
        content.modified = std::time::SystemTime::now();
    }
    content
}

/// Of a file that is on disk, the certificate may not be.
fn unmarked(mut content: Content, dice: &mut Dice) -> Content {
    if content.mode == 0o444 && dice.below(3) == 0 {
        content.mode = 0o544;
    }
    content
}

/// What a name may lead to, and who wrote it last.
#[derive(Clone, Default)]
struct Fate {
    allowed: BTreeSet<Option<u8>>,
    last: Option<(usize, u8)>,
}

/// Three handles of one store, as of three processes, and what is promised of each name.
struct World {
    stores: Vec<Store>,
    fates: BTreeMap<&'static str, Fate>,
}

const FULL: usize = 2;

impl World {
    fn new(path: &Path, follow: &Arc<Follow>) -> Self {
        let open = |durability| {
            let seam = Seam::new(Arc::clone(follow) as Arc<dyn Watch>).boot_id(BEFORE);
            options().durability(durability).flush_by_hand().seam(seam).open(path).unwrap()
        };
        let stores = [Durability::Deferred, Durability::Deferred, Durability::Full].map(open).into();
        World { stores, fates: BTreeMap::new() }
    }

    fn fate(&mut self, name: &'static str) -> &mut Fate {
        self.fates.entry(name).or_insert_with(|| Fate { allowed: [None].into(), last: None })
    }

    fn put(&mut self, by: usize, name: &'static str, seed: u8) -> Result<()> {
        let fate = self.fate(name);
        // What is replaced may be gone, too, unless the new is on disk before.
        fate.allowed.extend([Some(seed)].into_iter().chain((by != FULL).then_some(None)));
        self.stores[by].put(name, &array(seed))?;
        let fate = self.fate(name);
        fate.last = Some((by, seed));
        if by == FULL {
            fate.allowed = [Some(seed)].into();
        }
        Ok(())
    }

    fn flush(&mut self, by: usize) -> Result<()> {
        self.stores[by].flush()?;
        for fate in self.fates.values_mut() {
            if let Some((writer, seed)) = fate.last
                && writer == by
            {
                fate.allowed = [Some(seed)].into();
            }
        }
        Ok(())
    }

    fn copy(&mut self, by: usize, from: &'static str, to: &'static str) -> Result<()> {
        let seed = self.fates[from].last.unwrap().1;
        self.fate(to).allowed.insert(Some(seed));
        self.stores[by].copy(from, to, true)?;
        *self.fate(to) = Fate { allowed: [Some(seed)].into(), last: Some((FULL, seed)) };
        Ok(())
    }

    fn relabel(&mut self, by: usize, name: &'static str) -> Result<()> {
        let seed = self.fates[name].last.unwrap().1;
        self.stores[by].relabel(name, |labels| labels.tags.push("t".into()))?;
        *self.fate(name) = Fate { allowed: [Some(seed)].into(), last: Some((FULL, seed)) };
        Ok(())
    }

    fn remove(&mut self, by: usize, name: &'static str) -> Result<()> {
        self.fate(name).allowed.insert(None);
        self.stores[by].remove(name)?;
        *self.fate(name) = Fate { allowed: [None].into(), last: None };
        Ok(())
    }

    fn gc(&mut self, by: usize) -> Result<()> {
        self.stores[by].gc(&GcOptions::new()).map(drop)
    }

    /// Puts, meets the blobs of others that are not on disk, replaces, flushes, copies, relabels, removes and collects.
    fn live(&mut self) -> Result<()> {
        self.put(FULL, "old", 9)?;
        self.put(0, "a", 1)?;
        self.put(1, "b", 1)?; // the same blob, which the first handle owes
        self.put(0, "c", 1)?; // and once more by who owes it, or did
        self.flush(0)?;
        self.put(0, "d", 2)?;
        self.put(FULL, "e", 2)?;
        self.flush(1)?;
        self.put(1, "old", 3)?;
        self.put(0, "f", 3)?;
        self.copy(FULL, "f", "g")?; // rests on a blob that another owes
        self.relabel(1, "old")?;
        self.remove(0, "a")?;
        self.put(0, "h", 4)?;
        self.put(0, "h", 5)?;
        self.gc(1)?;
        self.put(1, "i", 4)?; // its blob was collected while it was owed
        self.flush(0)?;
        self.put(1, "d", 5)?;
        self.flush(1)?;
        self.gc(0)
    }
}

/// A new store that is followed, until so many steps were done.
fn begin(left: usize, skip: fn(&Step<'_>) -> bool) -> (TempDir, Arc<Follow>, World) {
    let dir = temp_dir();
    let store = dir.path().join("store");
    drop(create(&store));
    let disk = Mutex::new(Disk { left: usize::MAX, ..Disk::default() });
    let follow = Arc::new(Follow { store, skip, disk });
    let world = World::new(&follow.store, &follow);
    follow.disk.lock().unwrap().left = left;
    (dir, follow, world)
}

/// The processes stop, power is lost, and this is the store on the next boot.
fn next_boot(follow: &Follow, stores: Vec<Store>, seed: u64, boot: [u8; 16]) -> Store {
    follow.disk.lock().unwrap().left = 0;
    drop(stores);
    lose_power(follow, &mut Dice(seed));
    options().seam(Seam::default().boot_id(boot)).open(&follow.store).unwrap()
}

/// Runs the history up to a step, loses power, and tells what is wrong on the next boot, and whether the history ended.
fn run(left: usize, seed: u64, boot: [u8; 16], skip: fn(&Step<'_>) -> bool) -> (Option<String>, bool) {
    let (_dir, follow, mut world) = begin(left, skip);
    let ended = world.live().is_ok();
    let World { stores, fates } = world;
    let store = next_boot(&follow, stores, seed, boot);
    (wrong(&store, &fates), ended)
}

fn wrong(store: &Store, fates: &BTreeMap<&'static str, Fate>) -> Option<String> {
    for (name, fate) in fates {
        let found = match store.entry(*name) {
            Err(error) => return Some(format!("{name} is an error: {error}")),
            Ok(None) => None,
            Ok(Some(entry)) => match entry.array().unwrap().to_array::<u32, ndarray::Ix1>() {
                Err(error) => return Some(format!("{name} is damaged: {error}")),
                Ok(array) => Some(array),
            },
        };
        if !fate.allowed.iter().any(|seed| found == seed.map(array)) {
            return Some(format!("{name} is {:?}, not one of {:?}", found.map(|array| array[0] >> 16), fate.allowed));
        }
        if store.contains(*name).unwrap() != found.is_some() {
            return Some(format!("{name} is contained, or is not, other than read"));
        }
    }
    None
}

/// On the next boot everything works again, and nothing is left of what was torn.
fn assert_heals(store: &Store, names: impl Iterator<Item = &'static str>) {
    store.gc(&GcOptions::new()).unwrap();
    names.for_each(|name| _ = store.put(name, &array(7)).unwrap());
    store.gc(&GcOptions::new()).unwrap();
    assert_clean(store, "after everything was put again");
}

fn steps() -> usize {
    let (_dir, follow, mut world) = begin(usize::MAX, |_| false);
    let before = follow.disk.lock().unwrap().steps;
    world.live().unwrap();
    follow.disk.lock().unwrap().steps - before
}

/// How many ways of losing power are tried at each step.
const WAYS: u64 = 3;

#[test]
fn whenever_power_is_lost_a_name_has_a_value_that_it_had_or_none() {
    let steps = steps();
    assert!(steps > 150, "the history has only {steps} steps");
    for left in 0..=steps + 1 {
        for way in 0..WAYS {
            let (wrong, ended) = run(left, way * 1_000_003 + left as u64, AFTER, |_| false);
            assert_eq!(wrong, None, "stopped after {left} of {steps} steps, way {way}");
            assert_eq!(ended, left > steps, "stopped after {left} of {steps} steps");
        }
    }
}

#[test]
fn after_power_loss_a_store_can_be_put_in_order() {
    let steps = steps();
    for left in (0..steps).step_by(7) {
        let (_dir, follow, mut world) = begin(left, |_| false);
        drop(world.live());
        let World { stores, fates } = world;
        let store = next_boot(&follow, stores, left as u64, AFTER);
        assert_heals(&store, fates.into_keys());
    }
}

/// Some way of losing power at some step must show that the rule is missing.
fn caught(boot: [u8; 16], skip: fn(&Step<'_>) -> bool, word: &str) {
    let found = (0..=steps())
        .flat_map(|left| (0..WAYS).map(move |way| (left, way)))
        .find_map(|(left, way)| run(left, way * 7_919 + left as u64, boot, skip).0);
    let found = found.expect("nothing was found");
    assert!(found.contains(word), "another thing went wrong: {found}");
}

#[test]
fn content_that_is_certified_and_was_not_synced_is_noticed() {
    caught(AFTER, |step| step.verb == Verb::Sync && step.path.starts_with("blobs/"), "is damaged");
}

#[test]
fn an_entry_that_is_certified_and_was_not_synced_is_noticed() {
    caught(AFTER, |step| step.verb == Verb::Sync && step.path.starts_with("entries/"), "is an error");
}

#[test]
fn a_blob_whose_name_was_not_synced_before_the_flush_ended_is_noticed() {
    caught(AFTER, |step| step.verb == Verb::SyncDir && step.path.starts_with("blobs/"), "is None");
}

#[test]
fn an_entry_whose_name_was_not_synced_before_the_flush_ended_is_noticed() {
    caught(AFTER, |step| step.verb == Verb::SyncDir && step.path.starts_with("entries/"), "not one of");
}

#[test]
fn a_boot_that_is_not_told_from_the_next_is_noticed() {
    caught(BEFORE, |_| false, "is damaged");
}

#[test]
fn a_process_that_dies_loses_nothing() {
    let (_dir, follow, mut world) = begin(usize::MAX, |_| false);
    world.put(0, "a", 1).unwrap();
    world.put(1, "b", 1).unwrap();
    follow.disk.lock().unwrap().left = 0;
    drop(world);
    let store = options().seam(Seam::default().boot_id(BEFORE)).open(&follow.store).unwrap();
    for name in ["a", "b"] {
        assert_eq!(value(&store, name), Some(array(1)), "{name}");
    }
    assert_eq!(store.gc(&GcOptions::new()).unwrap().blobs_removed, 0);
    assert_clean(&store, "after a process died");
}
