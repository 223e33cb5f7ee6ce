//! Integration tests: the library, the program and the independent reader, on real files.

#![deny(unsafe_code)]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests prepare, damage and inspect files of a store behind its back"
)]
#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps; helpers are part of tests")]

mod common; // stores in directories of their own, seeded data, watchers, damage

mod access; // who may read and write, what is a store, what strangers plant in one
mod arrays; // every element type, rank and layout comes back, owned and mapped
mod blobs; // equal bytes are stored once, failures leave nothing, damage heals
mod bytes; // bytes without a type: checked, shared, private, known by their name
mod cache; // one computation per key, whatever happens to the store beneath
mod cache_property; // random histories of a cache against a plain map
mod cached; // the attribute: what is in the key, and what is not
#[cfg(feature = "cli")]
mod cli; // the program itself, run as a user runs it
mod compressed; // manifests in zstd: read back, damaged, bombs
mod damage; // every byte flipped, every file cut at every length
mod deferred; // visible at once, on disk behind, and known to be
mod encoder; // keys of values that serde does not see are those of the same values that it does
mod entries; // put, get, remove, rename, copy, list, labels; no half changes, none lost
mod evict; // limits hold, and what goes is what the policy says
mod facts; // what heads say of entries: order, times, pins, encodings; the ledger, limits, flights
mod fork; // a forked child keeps none of its parent's locks, and works for itself
mod gc; // exactly what no entry names is removed, beside others, or nothing
mod golden; // the vectors of tests/vectors
mod keys; // equal calls have equal keys, in every order, layout, process and program, and others have not
mod large; // more than 4 GiB, for the release check
mod limits; // what is too large, too deep or too much is refused
mod merge; // another store's entries are taken over, each blob checked, damage left behind
mod pieces; // large bytes in memory: put and loaded piece by piece
mod pointers; // results made through a pointer, which stays good whatever becomes of them
mod produce; // results made in place or row by row, and nothing of them left if they are dropped
mod property; // random histories against a plain map
mod put_if; // of those who expect the same, one goes on
mod reader; // tools/read_store.py and the library agree
mod remember; // collectors read no head twice, and believe nothing that is remembered wrongly
mod singles; // numbers with a type, moments and spans of time
mod streams; // long streams: written by one thread while another reads, and ended by both
mod trust; // whose work an entry may be
mod values; // any serde value, its arrays taken out wherever they lie
mod verify; // every kind of problem is found, repair keeps what is sound
