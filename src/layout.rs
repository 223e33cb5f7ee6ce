//! Names inside a store: the only place where they are built and parsed.

use std::borrow::Cow;
use std::fmt;

use crate::digest::Digest;
use crate::key::Key;

/// A path relative to the store's directory. Only this module makes one, so no name that was read from disk
/// or given by a caller ever becomes a path.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Rel(Cow<'static, str>);

impl Rel {
    const fn fixed(text: &'static str) -> Self {
        Rel(Cow::Borrowed(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory this path lies in ("" for the store itself) and its last component.
    pub(crate) fn split(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }

    /// The directory this path lies in.
    pub(crate) fn parent(&self) -> Rel {
        Rel(Cow::Owned(self.split().0.to_owned()))
    }

    /// A file of a name found by listing this very directory, or made by [`random_name`].
    pub(crate) fn child(&self, name: &str) -> Rel {
        debug_assert!(!name.contains('/') && name != ".." && !name.is_empty(), "one plain component: {name}");
        match &*self.0 {
            "" => Rel(Cow::Owned(name.to_owned())),
            parent => Rel(Cow::Owned(format!("{parent}/{name}"))),
        }
    }
}

impl fmt::Debug for Rel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) const ROOT: Rel = Rel::fixed("");
pub(crate) const SETTINGS: Rel = Rel::fixed("ndstash.toml");
pub(crate) const CACHEDIR_TAG: Rel = Rel::fixed("CACHEDIR.TAG");
pub(crate) const GITIGNORE: Rel = Rel::fixed(".gitignore");
pub(crate) const GATE: Rel = Rel::fixed("gate.lock");
pub(crate) const TURNSTILE: Rel = Rel::fixed("turnstile.lock");
pub(crate) const COLLECTOR: Rel = Rel::fixed("collector.lock");
/// The locks of those who are computing the values of keys, a byte each.
pub(crate) const FLIGHT_LOCKS: Rel = Rel::fixed("flights.lock");
pub(crate) const JOURNAL: Rel = Rel::fixed("journal");
pub(crate) const LEDGER: Rel = Rel::fixed("ledger");
pub(crate) const COUNTERS: Rel = Rel::fixed("counters");
pub(crate) const HINTS: Rel = Rel::fixed("hints");
pub(crate) const FLIGHTS: Rel = Rel::fixed("flights");
pub(crate) const RESERVE: Rel = Rel::fixed("reserve");
pub(crate) const BLOBS: Rel = Rel::fixed("blobs");
pub(crate) const ENTRIES: Rel = Rel::fixed("entries");
pub(crate) const KEYLOCKS: Rel = Rel::fixed("keylocks");
pub(crate) const MARKS: Rel = Rel::fixed("marks");
pub(crate) const TMP: Rel = Rel::fixed("tmp");
pub(crate) const TRASH: Rel = Rel::fixed("trash");
pub(crate) const QUARANTINE: Rel = Rel::fixed("quarantine");

/// The directories of a store, parents first, but for the shards.
pub(crate) const DIRECTORIES: [Rel; 8] = [BLOBS, ENTRIES, KEYLOCKS, MARKS, FLIGHTS, TMP, TRASH, QUARANTINE];

/// The files that lie beside those directories.
const TOP_FILES: [Rel; 12] = [
    SETTINGS,
    CACHEDIR_TAG,
    GITIGNORE,
    GATE,
    TURNSTILE,
    COLLECTOR,
    FLIGHT_LOCKS,
    JOURNAL,
    RESERVE,
    LEDGER,
    COUNTERS,
    HINTS,
];

/// Whether a name at the top of a store is one of its own.
pub(crate) fn is_top_name(name: &str) -> bool {
    DIRECTORIES.iter().chain(&TOP_FILES).any(|rel| rel.as_str() == name)
}

/// Where a file named by 32 bytes lies. On every path, so it does without formatting.
fn in_shard(kind: &str, name: &Digest) -> Rel {
    let hex = name.to_hex();
    Rel(Cow::Owned([kind, "/", &hex[..2], "/", &hex[..]].concat()))
}

/// Where a blob lies.
pub(crate) fn blob(digest: &Digest) -> Rel {
    in_shard("blobs", digest)
}

/// The directory a blob lies in.
pub(crate) fn blob_shard(shard: u8) -> Rel {
    Rel(Cow::Owned(format!("blobs/{shard:02x}")))
}

/// Where an entry lies.
pub(crate) fn entry(key: &Key) -> Rel {
    in_shard("entries", key.digest())
}

/// The directory an entry lies in.
pub(crate) fn entry_shard(shard: u8) -> Rel {
    Rel(Cow::Owned(format!("entries/{shard:02x}")))
}

/// The lock that orders changes of the entries of one shard, and holds the stamps of their keys.
pub(crate) fn key_lock(shard: u8) -> Rel {
    Rel(Cow::Owned(format!("keylocks/{shard:02x}")))
}

/// What collectors remember of the entries of one shard.
pub(crate) fn marks(shard: u8) -> Rel {
    Rel(Cow::Owned(format!("marks/{shard:02x}")))
}

/// Which byte of [`FLIGHT_LOCKS`] is a key's: its first eight bytes, as a little-endian number, divided by four.
pub(crate) fn flight_byte(key: &Key) -> u64 {
    u64::from_le_bytes(*key.as_bytes().first_chunk().expect("a key is longer")) >> 2
}

/// The lock of whoever is computing the value of a key, where bytes cannot be locked.
pub(crate) fn flight(key: &Key) -> Rel {
    Rel(Cow::Owned(format!("flights/{key}")))
}

/// A private directory or file name: 128 random bits in hex.
pub(crate) fn random_name(bits: [u8; 16]) -> String {
    format!("{:032x}", u128::from_le_bytes(bits))
}

/// The digest that a file found in `blobs/<shard>` is named by; `None` for a stray.
pub(crate) fn parse_blob(shard: u8, name: &str) -> Option<Digest> {
    name.parse().ok().filter(|digest: &Digest| digest.shard() == shard)
}

/// The key that a file found in `entries/<shard>` is named by; `None` for a stray.
pub(crate) fn parse_entry(shard: u8, name: &str) -> Option<Key> {
    name.parse().ok().filter(|key: &Key| key.shard() == shard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_agree() {
        let digest = Digest::of(b"abc");
        let path = blob(&digest);
        assert_eq!(path.as_str(), format!("blobs/64/{digest}"));
        assert_eq!(path.parent().as_str(), "blobs/64");
        assert_eq!(parse_blob(0x64, path.split().1), Some(digest));
        assert_eq!(parse_blob(0x65, path.split().1), None, "a blob in another's directory is a stray");
        assert_eq!(parse_blob(0x64, "64"), None);
        assert_eq!(GATE.split(), ("", "gate.lock"));
        assert_eq!(ROOT.child("x").as_str(), "x");
        assert_eq!(ENTRIES.child("x").as_str(), "entries/x");
    }
}
