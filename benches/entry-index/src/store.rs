//! ndstash as it is: files, and all that it does besides (gate, turnstile, key lock, ledger, BLAKE3, MessagePack).
//! Values are strings that make manifests of about the same length; they name no blob.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ndstash::seam::{Flow, Seam, Step, Verb, Watch};
use ndstash::{Store, StoreOptions};

use crate::sample;
use crate::way::Way;

pub struct Real {
    store: Store,
    /// A handle that syncs nothing.
    lax: Store,
    count: u64,
}

struct NoSync;

impl Watch for NoSync {
    fn before(&self, step: &Step<'_>) -> io::Result<Flow> {
        Ok(if matches!(step.verb, Verb::Sync | Verb::SyncDir) { Flow::Skip } else { Flow::Go })
    }
}

impl Real {
    pub fn open(dir: &Path, count: u64) -> Self {
        if !dir.join("ndstash.toml").exists() {
            Store::create(dir).expect("a new store");
        }
        let store = Store::open(dir).expect("the store");
        let lax = StoreOptions::new().seam(Seam::new(Arc::new(NoSync))).open(dir).expect("the store");
        Real { store, lax, count }
    }

    fn value(i: u64) -> String {
        (0..24).map(|at| format!("{:016x}", sample::mixed(i ^ (at << 40)))).collect()
    }

    fn handle(&self, sync: bool) -> &Store {
        if sync { &self.store } else { &self.lax }
    }
}

impl Way for Real {
    fn put(&self, numbers: Range<u64>, sync: bool) {
        for i in numbers {
            self.handle(sync).put(&*sample::name(i, self.count), &Self::value(i)).expect("a put");
        }
    }

    fn put_together(&self, _: Range<u64>, _: bool) -> bool {
        false
    }

    fn hit(&self, i: u64) -> usize {
        let found: Option<String> = self.store.get(&*sample::name(i, self.count)).expect("a read");
        found.expect("it is there").len()
    }

    fn keys(&self) -> u64 {
        self.store.count().expect("a count")
    }

    fn with_prefix(&self, prefix: &str) -> u64 {
        self.store.entries(prefix).map(|info| u64::from(info.is_ok())).sum()
    }

    /// Marks on all cores, and all shards at a time.
    fn mark(&self, _: u16) -> u64 {
        self.store.plan_gc().expect("a plan");
        self.count
    }

    fn remove_each(&self, limit: usize) {
        // The store lists in the order of names of files, whatever its entries' names are: these are found in another.
        let names: Vec<_> = (0..limit as u64).map(|i| sample::name(i, self.count)).collect();
        names.iter().for_each(|name| assert!(self.lax.remove(&**name).expect("a removal")));
    }
}
