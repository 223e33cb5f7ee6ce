//! Random histories of a cache against a plain map: never a wrong value, and what the map holds is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ndarray::Array1;
use ndstash::{Cache, CacheOptions, CullOptions, Digest, GcOptions, Query, StoreOptions};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::{Dir, files_in, noise, rot};

const KEYS: u8 = 6;
const CONTENTS: u8 = 5;
const HOUR: Duration = Duration::from_secs(3600);

/// Content number `id`. Those from 3 on are blobs of their own; the others lie inline.
fn content(id: u8) -> Array1<u8> {
    noise(8 + 40 * usize::from(id), id.into()).into()
}

#[derive(Clone, Debug)]
enum Op {
    Insert { key: u8, content: u8 },
    Compute { key: u8, content: u8 },
    ComputeWhileStale { key: u8, content: u8 },
    Refresh { key: u8, content: u8 },
    Fail { key: u8 },
    Batch { keys: Vec<u8>, content: u8 },
    Get { key: u8 },
    Forget { key: u8 },
    ExpireOne { key: u8 },
    Expire { tag: u8 },
    Evict { tag: u8 },
    Touch { key: u8 },
    Pin { key: u8, pinned: bool },
    Clear,
    Collect,
    Cull { entries: u8 },
    Reopen { memory: bool },
    Damage { content: u8, how: u8 },
}

fn op() -> impl Strategy<Value = Op> {
    let pair = || (0..KEYS, 0..CONTENTS);
    prop_oneof![
        4 => pair().prop_map(|(key, content)| Op::Insert { key, content }),
        6 => pair().prop_map(|(key, content)| Op::Compute { key, content }),
        2 => pair().prop_map(|(key, content)| Op::ComputeWhileStale { key, content }),
        2 => pair().prop_map(|(key, content)| Op::Refresh { key, content }),
        1 => (0..KEYS).prop_map(|key| Op::Fail { key }),
        3 => (vec(0..KEYS, 0..5), 0..CONTENTS).prop_map(|(keys, content)| Op::Batch { keys, content }),
        4 => (0..KEYS).prop_map(|key| Op::Get { key }),
        2 => (0..KEYS).prop_map(|key| Op::Forget { key }),
        2 => (0..KEYS).prop_map(|key| Op::ExpireOne { key }),
        1 => (0..2_u8).prop_map(|tag| Op::Expire { tag }),
        1 => (0..2_u8).prop_map(|tag| Op::Evict { tag }),
        1 => (0..KEYS).prop_map(|key| Op::Touch { key }),
        1 => (0..KEYS, any::<bool>()).prop_map(|(key, pinned)| Op::Pin { key, pinned }),
        1 => Just(Op::Clear),
        2 => Just(Op::Collect),
        1 => (1..KEYS).prop_map(|entries| Op::Cull { entries }),
        2 => any::<bool>().prop_map(|memory| Op::Reopen { memory }),
        3 => (0..CONTENTS, 0..3_u8).prop_map(|(content, how)| Op::Damage { content, how }),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Value {
    content: u8,
    expired: bool,
    pinned: bool,
    /// Values of batches have no tags.
    tagged: bool,
}

impl Value {
    fn new(content: u8) -> Self {
        Value { content, expired: false, pinned: false, tagged: true }
    }

    fn has_tag(self, key: u8, which: u8) -> bool {
        self.tagged && key % 2 == which
    }
}

/// A cache and what it should hold.
struct Twin<'a> {
    dir: &'a Dir,
    cache: Cache,
    memory: bool,
    values: BTreeMap<u8, Value>,
    blobs: [State; CONTENTS as usize],
}

/// How the blob of a content is. While it is not sound, values that need it may be missing, never wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Sound,
    /// It is gone, or shows at a glance that it is not as it was: the next put writes it anew.
    Lost,
    /// It has other content, which only who reads it notices.
    Rotten,
}

impl<'a> Twin<'a> {
    fn new(dir: &'a Dir) -> Self {
        Twin { dir, cache: open(dir, false), memory: false, values: BTreeMap::new(), blobs: Default::default() }
    }

    /// What is good, and there without doubt; or may be.
    fn good(&self, key: u8) -> Option<(u8, bool)> {
        let value = self.values.get(&key).filter(|value| !value.expired)?;
        Some((value.content, self.state(value.content) == State::Sound))
    }

    fn state(&self, content: u8) -> State {
        self.blobs[usize::from(content)]
    }

    fn put(&mut self, key: u8, content: u8) {
        self.values.insert(key, Value::new(content));
        let state = &mut self.blobs[usize::from(content)];
        if *state == State::Lost {
            *state = State::Sound;
        }
    }

    /// A value that should be there is not: then its blob is not sound, and that has been noticed by now.
    fn missing(&mut self, key: u8) {
        let Some((id, certain)) = self.good(key) else { return };
        assert!(!certain, "key {key}: content {id} is missing");
        self.blobs[usize::from(id)] = State::Lost;
    }

    /// What was found under a key is what should be there.
    fn found(&mut self, key: u8, found: Option<&Array1<u8>>) {
        match (self.good(key), found) {
            (None, Some(found)) => panic!("key {key}: nothing is expected, found {found}"),
            (Some((id, _)), Some(found)) => assert_eq!(found, content(id), "key {key}"),
            (_, None) => self.missing(key),
        }
    }

    fn compute(&mut self, key: u8, new: u8, request: impl FnOnce(&Cache) -> ndstash::Request<'static, Array1<u8>>) {
        let mut computed = false;
        let value = request(&self.cache).tag(tag(key)).get_or_insert_with(|| {
            computed = true;
            content(new)
        });
        if computed {
            assert_eq!(value, content(new));
            self.missing(key);
            self.put(key, new);
        } else {
            self.found(key, Some(&value));
        }
    }

    fn refresh(&mut self, key: u8, new: u8) {
        let request = self.cache.request(&key).tag(tag(key)).refresh();
        assert_eq!(request.get_or_insert_with(|| content(new)), content(new));
        self.put(key, new);
    }

    fn fail(&mut self, key: u8) {
        let failed: Result<Array1<u8>, ()> = self.cache.get_or_compute(&key, || Err(()));
        self.found(key, failed.ok().as_ref());
    }

    fn batch(&mut self, keys: &[u8], new: u8) {
        let mut computed = Vec::new();
        let values = self.cache.get_or_compute_many(keys, |missing| {
            computed.extend(missing.iter().map(|&&key| key));
            Ok::<_, ()>(missing.iter().map(|_| content(new)).collect())
        });
        let distinct: BTreeSet<u8> = computed.iter().copied().collect();
        // What was put over a blob that is rotten, which nobody knew, is found so when the key comes a second time.
        let rotten = self.blobs[usize::from(new)] == State::Rotten;
        assert!(rotten || distinct.len() == computed.len(), "each is computed once: {computed:?} of {keys:?}");
        computed.iter().for_each(|&key| self.missing(key));
        for (key, value) in keys.iter().zip(values.unwrap()) {
            let new = if computed.contains(key) { Some(new) } else { self.good(*key).map(|(id, _)| id) };
            assert_eq!(value, content(new.expect("it was computed or there")));
        }
        for key in computed {
            self.put(key, new);
            self.values.get_mut(&key).expect("it was put just now").tagged = false;
        }
    }

    fn forget(&mut self, key: u8) {
        let there = self.values.remove(&key);
        assert_eq!(self.cache.forget(&key).unwrap(), there.is_some());
    }

    fn collect(&self) {
        self.cache.store().gc(&GcOptions::new()).unwrap();
    }

    /// All but the pinned may go, and none comes.
    fn cull(&mut self, entries: u8) {
        let mut limits = self.cache.store().limits().unwrap();
        limits.entries = Some(entries.into());
        self.cache.store().cull(&CullOptions::new().limits(limits)).unwrap();
        // A tier in memory is told nothing of what the store removes.
        self.reopen(self.memory);
        let cache = &self.cache;
        self.values.retain(|key, value| {
            let stays = cache.info(key).unwrap().is_some();
            assert!(stays || !value.pinned, "key {key} is pinned");
            stays
        });
        let pinned = self.values.values().filter(|value| value.pinned).count();
        assert!(
            self.values.len() <= pinned.max(entries.into())
                && self.values.values().all(|value| value.pinned || !value.expired)
        );
    }

    fn reopen(&mut self, memory: bool) {
        (self.cache, self.memory) = (open(self.dir, memory), memory);
    }

    fn blob(&self, id: u8) -> std::path::PathBuf {
        self.dir.blob(&Digest::of(content(id).as_slice().unwrap()))
    }

    fn damage(&mut self, id: u8, how: u8) {
        let path = self.blob(id);
        if !path.exists() {
            return;
        }
        match how {
            0 => rot(&path, |bytes| bytes[3] ^= 0x20),
            1 => rot(&path, |bytes| bytes.truncate(5)),
            _ => std::fs::remove_file(&path).unwrap(),
        }
        self.blobs[usize::from(id)] = if how == 0 { State::Rotten } else { State::Lost };
    }

    fn expire(&mut self, which: u8) {
        let query = Query::new().tag(tag(which));
        self.cache.expire(&query).unwrap();
        self.values
            .iter_mut()
            .filter(|(key, value)| value.has_tag(**key, which))
            .for_each(|(_, value)| value.expired = true);
        // What lacks a blob cannot be changed, so it is removed.
        let (cache, blobs) = (&self.cache, &self.blobs);
        let is_sound = |value: &Value| blobs[usize::from(value.content)] == State::Sound;
        self.values.retain(|key, value| is_sound(value) || cache.info(key).unwrap().is_some());
    }

    fn edit(&mut self, key: u8, change: impl Fn(&Cache) -> bool, model: impl Fn(&mut Value)) {
        let changed = change(&self.cache);
        match self.values.get_mut(&key) {
            Some(value) if changed => model(value),
            Some(value) => assert_ne!(self.blobs[usize::from(value.content)], State::Sound, "key {key} is there"),
            None => assert!(!changed),
        }
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Insert { key, content: id } => {
                self.cache.request(&key).tag(tag(key)).insert(&content(id)).unwrap().unwrap();
                self.put(key, id);
            }
            Op::Compute { key, content } => self.compute(key, content, |cache| cache.request(&key)),
            Op::ComputeWhileStale { key, content } => {
                // Nobody else computes, so nothing stale is handed out.
                self.compute(key, content, |cache| cache.request(&key).stale_for(HOUR));
            }
            Op::Refresh { key, content } => self.refresh(key, content),
            Op::Fail { key } => self.fail(key),
            Op::Batch { ref keys, content } => self.batch(keys, content),
            Op::Get { key } => {
                let found = self.cache.get(&key).unwrap();
                self.found(key, found.as_ref());
            }
            Op::Forget { key } => self.forget(key),
            Op::ExpireOne { key } => {
                self.edit(key, |cache| cache.touch(&key, Some(Duration::ZERO)).unwrap(), |value| value.expired = true);
            }
            Op::Touch { key } => {
                self.edit(key, |cache| cache.touch(&key, Some(HOUR)).unwrap(), |value| value.expired = false);
            }
            Op::Pin { key, pinned } => {
                self.edit(key, |cache| cache.pin(&key, pinned).unwrap(), |value| value.pinned = pinned);
            }
            Op::Expire { tag } => self.expire(tag),
            Op::Evict { tag: which } => {
                self.cache.evict(&Query::new().tag(tag(which))).unwrap();
                self.values.retain(|key, value| !value.has_tag(*key, which));
            }
            Op::Clear => {
                assert_eq!(self.cache.clear().unwrap(), self.values.len() as u64);
                self.values.clear();
            }
            Op::Collect => self.collect(),
            Op::Cull { entries } => self.cull(entries),
            Op::Reopen { memory } => self.reopen(memory),
            Op::Damage { content, how } => self.damage(content, how),
        }
        for id in 0..CONTENTS {
            // Collected, or taken out by who noticed.
            if self.state(id) == State::Rotten && !self.blob(id).exists() {
                self.blobs[usize::from(id)] = State::Lost;
            }
        }
    }

    /// The cache holds what it should, seen through a handle of its own.
    fn compare(&mut self) {
        let fresh = open(self.dir, false);
        for key in 0..KEYS {
            let found = fresh.get(&key).unwrap();
            self.found(key, found.as_ref());
            assert!(found.is_none() || fresh.contains(&key).unwrap());
        }
        assert_eq!(fresh.entries().count(), self.values.len());
        self.cache.store().flush().unwrap();
        assert_eq!((self.dir.leftovers().len(), self.dir.flights().len()), (self.quarantined(), 0));
    }

    fn quarantined(&self) -> usize {
        files_in(&self.dir.inside("quarantine")).len()
    }
}

fn tag(key: u8) -> String {
    format!("tag {}", key % 2)
}

fn open(dir: &Dir, memory: bool) -> Cache {
    let options = if memory { CacheOptions::new().memory(1 << 20) } else { CacheOptions::new() };
    options.open(dir.store(), "test").unwrap()
}

#[test]
fn a_random_history_never_gives_a_wrong_value_and_keeps_what_a_plain_map_would_hold() {
    let dir = Dir::new();
    drop(StoreOptions::new().inline_limits(100, 100).create(dir.path()).unwrap());
    let config = Config { cases: 120, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&vec(op(), 50), |history| {
        for part in ["blobs", "entries", "quarantine"] {
            for file in walkdir::WalkDir::new(dir.inside(part)).into_iter().map(Result::unwrap) {
                if file.file_type().is_file() {
                    std::fs::remove_file(file.path()).unwrap();
                }
            }
        }
        let mut twin = Twin::new(&dir);
        for (at, op) in history.iter().enumerate() {
            twin.step(op);
            if at % 8 == 7 {
                twin.compare();
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
