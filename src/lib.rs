//! ndstash keeps the results of expensive computations on disk.
//!
//! A value is split in two: a small *manifest*, and its large arrays, each of which is one *blob*: a file named by the
//! BLAKE3 digest of its bytes. Equal arrays are stored once, however often they appear. A blob is mapped back into
//! memory instead of read. A collector removes the blobs that no entry names, while others go on writing.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("results");
//! use ndarray::{Array2, Ix2};
//! use ndstash::{GcOptions, MapPolicy, MappedArray, StoreOptions};
//!
//! // SAFETY: nobody edits the files of this store by hand.
//! let mapped = unsafe { MapPolicy::trusted() };
//! let store = StoreOptions::new().mapping(mapped).open_or_create(&path)?;
//!
//! let field = Array2::from_shape_fn((500, 400), |(i, j)| (i * j) as f64);
//! store.put("runs/1/field", &field)?;
//! store.put("runs/2/field", &field)?; // equal bytes: nothing is written but a manifest
//! assert_eq!(store.usage()?.blob_bytes, 500 * 400 * 8);
//!
//! let loaded: MappedArray<f64, Ix2> = store.get("runs/2/field")?.expect("it was put");
//! assert!(loaded.is_mapped());
//! assert_eq!(loaded.row(3).sum(), field.row(3).sum());
//!
//! store.remove("runs/1/field")?;
//! store.remove("runs/2/field")?;
//! assert_eq!(store.gc(&GcOptions::new())?.bytes_freed, 500 * 400 * 8);
//! assert_eq!(loaded[[2, 2]], 4.0); // what is mapped stays valid
//! # Ok::<(), ndstash::Error>(())
//! ```
//!
//! Results that do not fit into memory are made in place ([`Store::create_array`]) or row by row
//! ([`Store::append_array`]); the entries of another store are taken over by [`Store::merge`].
//!
//! What holds at every moment, also after power loss, is written down in `blobs-format.md`.

mod cache;
mod callkey;
mod digest;
mod disk;
mod doctor;
mod dtype;
mod error;
mod evict;
mod explain;
mod format;
mod gc;
mod key;
mod layout;
mod mem;
mod merge;
mod store;
mod threads;
mod usage;
mod value;
mod verify;

pub use cache::{Cache, CacheOptions, IntoCallKey, Request};
pub use callkey::{CallKey, KeyBuilder, Rounding};
pub use digest::Digest;
pub use doctor::{Finding, FindingStatus};
pub use dtype::{DType, Element};
pub use error::{Error, Result};
pub use evict::{CullOptions, CullReport, Evicted, Reason as EvictReason};
pub use explain::{Difference, Neighbour};
pub use format::FORMAT_VERSION;
pub use format::body::Order;
pub use format::counters::CacheStats;
pub use format::settings::{Limits, Policy};
pub use format::tree::{ArrayIndex, Tag, Tree};
pub use gc::{GcOptions, GcPlan, GcReport};
pub use key::{Address, Key, MAX_NAME_BYTES};
pub use mem::{MapPolicy, MappedArray};
pub use merge::{DamagedEntry, MergeOptions, MergeReport};
pub use store::{
    ArrayInfo, Entries, EntryInfo, Labels, PutReport, Query, Store, StoreOptions, VerifyOnRead, after_fork_in_child,
};
pub use usage::{DiskUse, Usage};
pub use value::{
    AnyArray, Entry, GrowingArray, ReadSeek, SealedArray, StoredArray, Value, WritableArray, Writer, array,
};
pub use verify::{Problem, ProblemKind, Repair, VerifyEvent, VerifyOptions, VerifyReport};

#[cfg(feature = "seam")]
#[doc(hidden)]
pub mod seam {
    //! For this crate's own tests: watching, failing, skipping and ordering file-system operations.
    pub use crate::disk::seam::*;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
