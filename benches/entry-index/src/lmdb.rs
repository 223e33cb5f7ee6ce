//! Entries in LMDB: manifests by key, keys by name, and the blobs of each entry in a table of their own.

use std::fs;
use std::ops::Range;
use std::path::Path;

use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, FlagSetMode, RwTxn};

use crate::sample;
use crate::way::Way;

type Table = Database<Bytes, Bytes>;

/// How much the map may hold. Address space only.
pub const MAP: usize = 16 << 30;

pub struct Lmdb {
    pub env: Env,
    /// Manifests by key; `None` where files keep them, and this is but their index.
    pub entries: Option<Table>,
    pub names: Table,
    pub blobs: Table,
    count: u64,
}

impl Lmdb {
    pub fn open(dir: &Path, count: u64, truth: bool) -> Self {
        Self::open_with(dir, count, truth, MAP, EnvFlags::empty()).expect("an environment")
    }

    pub fn open_with(dir: &Path, count: u64, truth: bool, map: usize, flags: EnvFlags) -> heed::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut options = EnvOpenOptions::new();
        options.map_size(map).max_dbs(3);
        // SAFETY: this process opens the file once, and nobody changes it but through LMDB: that nobody truncates or
        // damages it is a promise that no program can keep for others.
        let env = unsafe { options.flags(flags).open(dir) }?;
        let mut txn = env.write_txn()?;
        let entries = if truth { Some(env.create_database(&mut txn, Some("entries"))?) } else { None };
        let names = env.create_database(&mut txn, Some("names"))?;
        let blobs = env.create_database(&mut txn, Some("blobs"))?;
        txn.commit()?;
        Ok(Lmdb { env, entries, names, blobs, count })
    }

    pub fn put_one(&self, txn: &mut RwTxn<'_>, i: u64) -> heed::Result<()> {
        let (key, manifest) = (sample::key(i), sample::manifest(i, self.count));
        if let Some(entries) = &self.entries {
            entries.put(txn, &key, &manifest)?;
        }
        self.names.put(txn, sample::name(i, self.count).as_bytes(), &key)?;
        self.blobs.put(txn, &key, &manifest[sample::BLOBS])
    }

    fn set_sync(&self, sync: bool) {
        let mode = if sync { FlagSetMode::Disable } else { FlagSetMode::Enable };
        // SAFETY: NO_SYNC may be changed at any time.
        unsafe { self.env.set_flags(EnvFlags::NO_SYNC, mode) }.expect("a flag that may change");
    }

    /// Fills in large transactions.
    pub fn fill(&self, numbers: Range<u64>) {
        for from in numbers.clone().step_by(2000) {
            self.put_together(from..(from + 2000).min(numbers.end), false);
        }
    }
}

impl Way for Lmdb {
    fn put(&self, numbers: Range<u64>, sync: bool) {
        for i in numbers {
            self.put_together(i..i + 1, sync);
        }
    }

    fn put_together(&self, numbers: Range<u64>, sync: bool) -> bool {
        self.set_sync(sync);
        let mut txn = self.env.write_txn().expect("a transaction");
        numbers.for_each(|i| self.put_one(&mut txn, i).expect("a put"));
        txn.commit().expect("a commit");
        true
    }

    fn hit(&self, i: u64) -> usize {
        let txn = self.env.read_txn().expect("a transaction");
        let entries = self.entries.as_ref().expect("manifests are here");
        let found = entries.get(&txn, &sample::key(i)).expect("a read").expect("it is there").to_vec();
        found.len()
    }

    fn keys(&self) -> u64 {
        let txn = self.env.read_txn().expect("a transaction");
        self.blobs.iter(&txn).expect("a scan").map(|pair| u64::from(pair.expect("a pair").0.len() == 32)).sum()
    }

    fn with_prefix(&self, prefix: &str) -> u64 {
        let txn = self.env.read_txn().expect("a transaction");
        let entries = self.entries.as_ref().expect("manifests are here");
        let named = self.names.prefix_iter(&txn, prefix.as_bytes()).expect("a scan");
        named
            .map(|pair| {
                let manifest = entries.get(&txn, pair.expect("a pair").1).expect("a read").expect("it is there");
                u64::from(manifest.to_vec().len() == sample::MANIFEST)
            })
            .sum()
    }

    fn mark(&self, shards: u16) -> u64 {
        let txn = self.env.read_txn().expect("a transaction");
        let mut live: Vec<[u8; 40]> = Vec::new();
        for pair in self.blobs.iter(&txn).expect("a scan") {
            let (key, blobs) = pair.expect("a pair");
            if u16::from(key[0]) >= shards {
                break;
            }
            live.push(blobs.try_into().expect("its length"));
        }
        live.len() as u64
    }

    fn remove_each(&self, limit: usize) {
        self.set_sync(false);
        let numbers: Vec<u64> = (0..limit as u64).collect();
        for some in numbers.chunks(1000) {
            let mut txn = self.env.write_txn().expect("a transaction");
            for i in some {
                let (name, key) = (sample::name(*i, self.count), sample::key(*i));
                self.entries.iter().for_each(|entries| assert!(entries.delete(&mut txn, &key).expect("a removal")));
                self.blobs.delete(&mut txn, &key).expect("a removal");
                self.names.delete(&mut txn, name.as_bytes()).expect("a removal");
            }
            txn.commit().expect("a commit");
        }
    }
}
