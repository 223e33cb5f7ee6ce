//! Random histories of a store against a plain map.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::Array1;
use ndstash::{Digest, Error, GcOptions, ProblemKind, Store, StoreOptions, Tree};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::{Dir, files_in, noise, repair, rot, verify};

/// Content number `id`; those from 3 on are too long to lie inline, the others lie inline where there is room.
fn content(id: u8) -> Vec<u8> {
    noise(4 + 4 * usize::from(id), u64::from(id))
}

const INLINE: (usize, usize) = (12, 20);
const NAMES: u8 = 5;
const CONTENTS: u8 = 8;

fn name(id: u8) -> String {
    format!("name {id}")
}

#[derive(Clone, Debug)]
enum Op {
    Put { name: u8, contents: Vec<u8> },
    Add { name: u8, contents: Vec<u8> },
    Append { name: u8, content: u8 },
    Tag { name: u8, tag: u8 },
    Rename { from: u8, to: u8, replace: bool },
    Copy { from: u8, to: u8, replace: bool },
    Remove { name: u8 },
    RemoveIfSame { name: u8, changed: bool },
    Collect,
    Reopen,
    DamageAndRepair { content: u8 },
    DamageAndRead { content: u8 },
    Delete { content: u8 },
}

fn op() -> impl Strategy<Value = Op> {
    let contents = || vec(0..CONTENTS, 0..4);
    prop_oneof![
        6 => (0..NAMES, contents()).prop_map(|(name, contents)| Op::Put { name, contents }),
        3 => (0..NAMES, contents()).prop_map(|(name, contents)| Op::Add { name, contents }),
        3 => (0..NAMES, 0..CONTENTS).prop_map(|(name, content)| Op::Append { name, content }),
        3 => (0..NAMES, any::<u8>()).prop_map(|(name, tag)| Op::Tag { name, tag }),
        3 => (0..NAMES, 0..NAMES, any::<bool>()).prop_map(|(from, to, replace)| Op::Rename { from, to, replace }),
        3 => (0..NAMES, 0..NAMES, any::<bool>()).prop_map(|(from, to, replace)| Op::Copy { from, to, replace }),
        3 => (0..NAMES).prop_map(|name| Op::Remove { name }),
        1 => (0..NAMES, any::<bool>()).prop_map(|(name, changed)| Op::RemoveIfSame { name, changed }),
        2 => Just(Op::Collect),
        1 => Just(Op::Reopen),
        1 => (0..CONTENTS).prop_map(|content| Op::DamageAndRepair { content }),
        1 => (0..CONTENTS).prop_map(|content| Op::DamageAndRead { content }),
        1 => (0..CONTENTS).prop_map(|content| Op::Delete { content }),
    ]
}

/// What an entry holds.
#[derive(Clone, Debug, Default)]
struct Value {
    arrays: Vec<Array>,
    tags: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Array {
    content: u8,
    in_blob: bool,
}

impl Value {
    /// Adds an array by the rule for inline ones.
    fn push(&mut self, id: u8) {
        let len = content(id).len();
        let inline = self.arrays.iter().filter(|array| !array.in_blob).map(|array| content(array.content).len());
        let in_blob = len > INLINE.0 || inline.sum::<usize>() + len > INLINE.1;
        self.arrays.push(Array { content: id, in_blob });
    }

    fn of(contents: &[u8]) -> Self {
        let mut value = Value::default();
        contents.iter().for_each(|&id| value.push(id));
        value
    }

    fn blobs(&self) -> BTreeSet<u8> {
        self.arrays.iter().filter(|array| array.in_blob).map(|array| array.content).collect()
    }
}

/// A store and what it should hold.
struct Twin<'a> {
    dir: &'a Dir,
    store: Store,
    entries: BTreeMap<u8, Value>,
    /// The contents whose blobs are there, whether named or not.
    blobs: BTreeSet<u8>,
}

impl<'a> Twin<'a> {
    fn new(dir: &'a Dir) -> Self {
        Twin { dir, store: dir.store(), entries: BTreeMap::new(), blobs: BTreeSet::new() }
    }

    fn put(&mut self, id: u8, contents: &[u8], only_if_absent: bool) {
        let mut writer = self.store.writer();
        let arrays = Tree::List(contents.iter().map(|&id| writer.array(&Array1::from(content(id))).unwrap()).collect());
        let value = Value::of(contents);
        let new = value.blobs().difference(&self.blobs).count() as u64;
        // Blobs are published before the entry is judged: a refused one leaves garbage, or heals what was there.
        self.blobs.extend(value.blobs());
        if only_if_absent && self.is_whole(id) {
            assert_eq!(writer.add(&name(id), arrays).unwrap(), None);
            return;
        }
        let report = if only_if_absent {
            writer.add(&name(id), arrays).unwrap().unwrap()
        } else {
            writer.put(&name(id), arrays).unwrap()
        };
        assert_eq!((report.new_blobs, report.shared_blobs), (new, value.blobs().len() as u64 - new));
        assert_eq!(report.replaced, self.entries.insert(id, value).is_some());
    }

    fn needs(&self, id: u8) -> BTreeSet<u8> {
        self.entries.get(&id).map(Value::blobs).unwrap_or_default()
    }

    fn is_whole(&self, id: u8) -> bool {
        self.entries.contains_key(&id) && self.needs(id).is_subset(&self.blobs)
    }

    fn append(&mut self, id: u8, added: u8) {
        let whole = self.is_whole(id);
        let mut value = Value::default();
        if whole {
            for array in &self.entries[&id].arrays {
                // An array that is taken over stays a blob if it was one.
                if array.in_blob { value.arrays.push(*array) } else { value.push(array.content) }
            }
        }
        value.push(added);
        let report = self.store.update(&name(id), |entry, writer| {
            assert_eq!(entry.is_some(), whole);
            let mut arrays = Vec::new();
            for old in entry.iter().flat_map(|entry| entry.stored_arrays()) {
                arrays.push(writer.stored(old)?);
            }
            arrays.push(writer.array(&Array1::from(content(added)))?);
            Ok::<_, Error>(Some(Tree::List(arrays)))
        });
        assert_eq!(report.unwrap().unwrap().replaced, self.entries.contains_key(&id));
        self.blobs.extend(value.blobs());
        self.entries.insert(id, value);
    }

    fn tag(&mut self, id: u8, tag: u8) {
        let done = self.store.relabel(&name(id), |labels| labels.tags.push(tag.to_string())).unwrap();
        assert_eq!(done, self.is_whole(id));
        if done {
            self.entries.get_mut(&id).unwrap().tags.push(tag.to_string());
        }
    }

    fn transfer(&mut self, from: u8, to: u8, replace: bool, remove: bool) {
        let (source, target) = (name(from), name(to));
        let done = if remove {
            self.store.rename(&source, &target, replace)
        } else {
            self.store.copy(&source, &target, replace)
        };
        if !self.is_whole(from) || from == to {
            assert_eq!(done.unwrap(), self.is_whole(from));
            return;
        }
        if !replace && self.is_whole(to) {
            assert!(matches!(done, Err(Error::Invalid { what: "name", .. })), "{done:?}");
            return;
        }
        assert!(done.unwrap());
        let value = if remove { self.entries.remove(&from).unwrap() } else { self.entries[&from].clone() };
        self.entries.insert(to, value);
    }

    fn remove_if_same(&mut self, id: u8, changed: bool) {
        let Some(judged) = self.store.info(&name(id)).unwrap() else { return };
        if changed {
            let contents: Vec<u8> = self.entries[&id].arrays.iter().map(|array| array.content).collect();
            self.put(id, &contents, false);
        }
        assert_eq!(self.store.remove_if(&judged).unwrap(), !changed);
        if !changed {
            self.entries.remove(&id);
        }
    }

    fn collect(&mut self) {
        let named: BTreeSet<u8> = self.entries.keys().flat_map(|&id| self.needs(id)).collect();
        let garbage: BTreeSet<u8> = self.blobs.difference(&named).copied().collect();
        let plan = self.store.plan_gc().unwrap();
        let report = self.store.gc(&GcOptions::new()).unwrap();
        let count = garbage.len() as u64;
        assert_eq!((plan.garbage.len() as u64, report.blobs_removed, report.blobs_spared), (count, count, 0));
        assert_eq!(report.bytes_freed, garbage.iter().map(|&id| content(id).len() as u64).sum::<u64>());
        assert_eq!((report.entries, report.blobs_kept), (self.entries.len() as u64, named.len() as u64));
        self.blobs.retain(|id| named.contains(id));
    }

    /// Flips a bit of a blob, if it is there.
    fn damage(&self, id: u8) -> bool {
        let there = self.blobs.contains(&id);
        if there {
            rot(&self.dir.blob(&Digest::of(&content(id))), |bytes| bytes[3] ^= 0x20);
        }
        there
    }

    fn damage_and_repair(&mut self, id: u8) {
        let damaged = u64::from(self.damage(id));
        self.blobs.remove(&id);
        let lacking: Vec<u8> = self.entries.keys().copied().filter(|&id| !self.is_whole(id)).collect();
        let missing: BTreeSet<u8> = self.entries.keys().flat_map(|&name| self.needs(name)).collect();
        let missing = missing.difference(&self.blobs).filter(|&&lost| lost != id || damaged == 0).count();
        let report = repair(&self.store);
        let count = |kind| report.problems.iter().filter(|problem| problem.kind == kind).count();
        assert_eq!(count(ProblemKind::DamagedBlob) as u64, damaged);
        assert_eq!(count(ProblemKind::MissingBlob), missing);
        assert_eq!(report.repaired.len(), lacking.len() + usize::try_from(damaged).unwrap());
        lacking.iter().for_each(|id| drop(self.entries.remove(id)));
        assert!(verify(&self.store).problems.is_empty());
    }

    /// A read that meets damage fails, after that the blob is missing.
    fn damage_and_read(&mut self, id: u8) {
        let readers: Vec<u8> = self
            .entries
            .keys()
            .copied()
            .filter(|&name| self.is_whole(name) && self.needs(name).contains(&id))
            .collect();
        let Some(&reader) = readers.first() else { return };
        self.damage(id);
        let entry = self.store.entry(&name(reader)).unwrap().unwrap();
        let mut loaded = entry.stored_arrays().iter().zip(&self.entries[&reader].arrays);
        assert!(loaded.all(|(stored, array)| stored.to_bytes().is_err() == (array.in_blob && array.content == id)));
        self.blobs.remove(&id);
    }

    fn delete(&mut self, id: u8) {
        if self.blobs.remove(&id) {
            std::fs::remove_file(self.dir.blob(&Digest::of(&content(id)))).unwrap();
        }
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Put { name, ref contents } => self.put(name, contents, false),
            Op::Add { name, ref contents } => self.put(name, contents, true),
            Op::Append { name, content } => self.append(name, content),
            Op::Tag { name, tag } => self.tag(name, tag),
            Op::Rename { from, to, replace } => self.transfer(from, to, replace, true),
            Op::Copy { from, to, replace } => self.transfer(from, to, replace, false),
            Op::Remove { name: id } => {
                assert_eq!(self.store.remove(&name(id)).unwrap(), self.entries.remove(&id).is_some());
            }
            Op::RemoveIfSame { name, changed } => self.remove_if_same(name, changed),
            Op::Collect => self.collect(),
            Op::Reopen => self.store = Store::open(self.dir.path()).unwrap(),
            Op::DamageAndRepair { content } => self.damage_and_repair(content),
            Op::DamageAndRead { content } => self.damage_and_read(content),
            Op::Delete { content } => self.delete(content),
        }
    }

    /// The store holds what it should, and nothing else.
    fn compare(&self) {
        for id in 0..NAMES {
            let (name, whole) = (name(id), self.is_whole(id));
            let entry = self.store.entry(&name).unwrap();
            assert_eq!((entry.is_some(), self.store.contains(&name).unwrap()), (whole, whole), "{name}");
            let Some(entry) = entry else { continue };
            let found: Vec<_> = entry.stored_arrays().iter().map(|stored| stored.to_bytes().unwrap()).collect();
            let value = &self.entries[&id];
            assert_eq!(found, value.arrays.iter().map(|array| content(array.content)).collect::<Vec<_>>(), "{name}");
            assert_eq!(entry.tags(), value.tags, "{name}");
        }
        assert_eq!(self.store.count().unwrap(), self.entries.len() as u64);
        let expected: BTreeSet<String> = self.blobs.iter().map(|&id| Digest::of(&content(id)).to_string()).collect();
        assert_eq!(self.dir.blob_names().into_iter().collect::<BTreeSet<_>>(), expected);
        assert_eq!(files_in(&self.dir.inside("tmp")), Vec::<String>::new());
    }
}

/// Empties a store, which is faster than making another.
fn empty(dir: &Dir) {
    for part in ["blobs", "entries", "quarantine"] {
        for entry in walkdir::WalkDir::new(dir.inside(part)) {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }
}

#[test]
fn a_random_history_leaves_what_a_plain_map_would_hold() {
    let dir = Dir::new();
    let limits = (INLINE.0 as u64, INLINE.1 as u64);
    drop(StoreOptions::new().inline_limits(limits.0, limits.1).create(dir.path()).unwrap());
    let config = Config { cases: 200, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&vec(op(), 40), |history| {
        empty(&dir);
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
