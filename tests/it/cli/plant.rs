//! What only time or a cache would bring about, written into a store behind its back: ages, origins, counters. The
//! offsets are those of blobs-format.md section 5.3.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use ndstash::Key;
use serde_json::Value;

use super::Dir;
use crate::common::{find, rot, set_modified_ns};

const BODY_LEN: Range<usize> = 80..88;
const BLOB_COUNT: Range<usize> = 88..92;
const BODY_SUM: Range<usize> = 96..128;
const CREATED: Range<usize> = 136..144;
const FIXED: usize = 160;
const PER_BLOB: usize = 40;
const SUM: usize = 32;

pub(super) const DAY: i64 = 24 * 3600 * 1_000_000_000;

pub(super) fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

impl Dir {
    fn manifest(&self, name: &str) -> PathBuf {
        let key = Key::from_name(name).unwrap().to_string();
        self.store().join("entries").join(&key[..2]).join(key)
    }

    /// Makes an entry look as if it had been put so long ago.
    pub(super) fn age(&self, name: &str, nanoseconds: i64) {
        self.rewrite(name, |head, _| head[CREATED].copy_from_slice(&(now_ns() - nanoseconds).to_le_bytes()));
    }

    /// Makes an entry look as if it had been used last so long ago.
    pub(super) fn leave_unused(&self, name: &str, nanoseconds: i64) {
        set_modified_ns(&self.manifest(name), now_ns() - nanoseconds);
    }

    /// Makes an entry look as if a cache had computed it. The origin has all the keys of blobs-format.md section 5.3.
    pub(super) fn originate(&self, name: &str, origin: &Value) {
        self.rewrite(name, |_, body| {
            let at = find(body, b"\xa6origin\xc0") + 7;
            body.splice(at..=at, rmp_serde::to_vec(origin).unwrap());
        });
    }

    fn rewrite(&self, name: &str, change: impl FnOnce(&mut [u8], &mut Vec<u8>)) {
        rot(&self.manifest(name), |bytes| {
            let blobs = u32::from_le_bytes(bytes[BLOB_COUNT].try_into().unwrap()) as usize;
            let end = FIXED + PER_BLOB * blobs;
            let (mut head, mut body) = (bytes[..end].to_vec(), bytes[end + SUM..].to_vec());
            change(&mut head, &mut body);
            head[BODY_LEN].copy_from_slice(&(body.len() as u64).to_le_bytes());
            head[BODY_SUM].copy_from_slice(blake3::hash(&body).as_bytes());
            *bytes = [&head[..], blake3::hash(&head).as_bytes(), &body].concat();
        });
    }

    /// Writes counters as caches do: by namespace, in the order of the fields of `CacheStats`, and hits by name.
    pub(super) fn count(&self, namespaces: &[(&str, [u64; 10])], hits: &[(&str, u64)]) {
        let namespaces: BTreeMap<&str, [u64; 10]> = namespaces.iter().copied().collect();
        let hits: BTreeMap<Key, u64> = hits.iter().map(|(name, hits)| (Key::from_name(name).unwrap(), *hits)).collect();
        let payload = rmp_serde::to_vec(&(namespaces, hits)).unwrap();
        let len = u32::try_from(payload.len()).unwrap().to_le_bytes();
        let frame = [b"NDC0", &len[..], &blake3::hash(&payload).as_bytes()[..8], &payload].concat();
        std::fs::write(self.store().join("counters"), frame).unwrap();
    }

    /// Every file of the store with its content: what a dry run must not change.
    pub(super) fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = super::files_below(&self.store()).into_iter();
        files.map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
    }
}

/// The origin of an entry that a cache computed.
pub(super) fn origin(namespace: &str, function: &str, version: &str, key: &Value) -> Value {
    serde_json::json!({
        "namespace": namespace, "function": function, "version": version, "key": key, "host": "node7", "user": "ann",
    })
}
