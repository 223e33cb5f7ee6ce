//! Entries in redb, in the same three tables as in LMDB, in the mode that lets several processes write: every commit is
//! then synced, twice, and read transactions take file locks.

use std::fs;
use std::ops::Range;
use std::path::Path;

use redb::{ConcurrencyMode, Database, ReadableDatabase, ReadableTable, Table, TableDefinition};

use crate::sample;
use crate::way::Way;

type Key = &'static [u8; 32];
const ENTRIES: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("entries");
const NAMES: TableDefinition<'_, &str, Key> = TableDefinition::new("names");
const BLOBS: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("blobs");

pub struct Redb {
    db: Database,
    count: u64,
}

/// Opens or makes a database that several processes may write.
pub fn open(path: &Path) -> Result<Database, redb::DatabaseError> {
    let mut builder = Database::builder();
    builder.set_concurrency_mode(ConcurrencyMode::MultiWriter);
    if path.exists() { builder.open(path) } else { builder.create(path) }
}

impl Redb {
    pub fn open(dir: &Path, count: u64) -> Self {
        fs::create_dir_all(dir).expect("a directory");
        Redb { db: open(&dir.join("redb")).expect("a database"), count }
    }

    pub fn put_all(&self, numbers: Range<u64>) -> Result<(), redb::Error> {
        let txn = self.db.begin_write()?;
        {
            let (mut entries, mut names, mut blobs) =
                (txn.open_table(ENTRIES)?, txn.open_table(NAMES)?, txn.open_table(BLOBS)?);
            for i in numbers {
                put(&mut entries, &mut names, &mut blobs, i, self.count)?;
            }
        }
        Ok(txn.commit()?)
    }

    /// In one transaction what should be there: how many are right, wrong, missing, and whether an error came.
    pub fn check(&self, numbers: Range<u64>) -> Result<(u64, u64, u64, u64), redb::Error> {
        let txn = self.db.begin_read()?;
        let entries = txn.open_table(ENTRIES)?;
        let (mut right, mut wrong, mut missing, mut errors) = (0, 0, 0, 0);
        for i in numbers {
            match entries.get(&sample::key(i)) {
                Ok(Some(found)) if found.value() == sample::manifest(i, self.count) => right += 1,
                Ok(Some(_)) => wrong += 1,
                Ok(None) => missing += 1,
                Err(_) => errors += 1,
            }
        }
        Ok((right, wrong, missing, errors))
    }

    /// Fills in large transactions.
    pub fn fill(&self, numbers: Range<u64>) {
        for from in numbers.clone().step_by(20_000) {
            self.put_all(from..(from + 20_000).min(numbers.end)).expect("a put");
        }
    }
}

fn put(
    entries: &mut Table<'_, Key, &[u8]>,
    names: &mut Table<'_, &str, Key>,
    blobs: &mut Table<'_, Key, &[u8]>,
    i: u64,
    count: u64,
) -> Result<(), redb::StorageError> {
    let (key, manifest) = (sample::key(i), sample::manifest(i, count));
    entries.insert(&key, &*manifest)?;
    names.insert(&*sample::name(i, count), &key)?;
    blobs.insert(&key, &manifest[sample::BLOBS]).map(drop)
}

impl Way for Redb {
    fn put(&self, numbers: Range<u64>, sync: bool) {
        assert!(sync, "nothing else is offered in this mode");
        numbers.for_each(|i| self.put_all(i..i + 1).expect("a put"));
    }

    fn put_together(&self, numbers: Range<u64>, sync: bool) -> bool {
        if sync {
            self.put_all(numbers).expect("a put");
        }
        sync
    }

    fn hit(&self, i: u64) -> usize {
        let txn = self.db.begin_read().expect("a transaction");
        let table = txn.open_table(ENTRIES).expect("a table");
        let found = table.get(&sample::key(i)).expect("a read").expect("it is there").value().to_vec();
        found.len()
    }

    fn keys(&self) -> u64 {
        let txn = self.db.begin_read().expect("a transaction");
        let table = txn.open_table(BLOBS).expect("a table");
        table.iter().expect("a scan").map(|pair| u64::from(pair.expect("a pair").0.value().len() == 32)).sum()
    }

    fn with_prefix(&self, prefix: &str) -> u64 {
        let txn = self.db.begin_read().expect("a transaction");
        let (names, entries) = (txn.open_table(NAMES).expect("a table"), txn.open_table(ENTRIES).expect("a table"));
        let named = names.range(prefix..).expect("a scan").map(|pair| pair.expect("a pair"));
        named
            .take_while(|(name, _)| name.value().starts_with(prefix))
            .map(|(_, key)| {
                let manifest = entries.get(key.value()).expect("a read").expect("it is there");
                u64::from(manifest.value().to_vec().len() == sample::MANIFEST)
            })
            .sum()
    }

    fn mark(&self, shards: u16) -> u64 {
        let txn = self.db.begin_read().expect("a transaction");
        let table = txn.open_table(BLOBS).expect("a table");
        let mut live: Vec<[u8; 40]> = Vec::new();
        for pair in table.iter().expect("a scan") {
            let (key, blobs) = pair.expect("a pair");
            if u16::from(key.value()[0]) >= shards {
                break;
            }
            live.push(blobs.value().try_into().expect("its length"));
        }
        live.len() as u64
    }

    fn remove_each(&self, limit: usize) {
        let numbers: Vec<u64> = (0..limit as u64).collect();
        for some in numbers.chunks(1000) {
            let txn = self.db.begin_write().expect("a transaction");
            {
                let mut entries = txn.open_table(ENTRIES).expect("a table");
                let mut names = txn.open_table(NAMES).expect("a table");
                let mut blobs = txn.open_table(BLOBS).expect("a table");
                for i in some {
                    let (name, key) = (sample::name(*i, self.count), sample::key(*i));
                    assert!(entries.remove(&key).expect("a removal").is_some());
                    blobs.remove(&key).expect("a removal");
                    names.remove(&*name).expect("a removal");
                }
            }
            txn.commit().expect("a commit");
        }
    }
}
