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

#[cfg(feature = "cli")]
extern crate self as ndstash;

mod cache;
mod callkey;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod digest;
mod disk;
mod doctor;
mod dtype;
mod error;
mod evict;
mod explain;
mod fork;
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

pub use cache::{Cache, CacheOptions, Flight, IntoCallKey, Lookup, Recall, Request, Trouble};
pub use callkey::{Arguments, CallFrame, CallKey, Encoded, Encoder, Items, KeyBuilder, Pairs, Rounding};
pub use digest::Digest;
pub use disk::on_wait;
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
pub use mem::{MapPolicy, MappedArray, MappedBytes, PrivateBytes, RawMemory};
pub use merge::{DamagedEntry, MergeOptions, MergeReport};
/// Keeps the results of a function in a [`Cache`]: called again with equal arguments it is not computed again, in this
/// process or another.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let cache = Cache::new(ndstash::Store::create(dir.path().join("results"))?, "heat")?;
/// use ndarray::Array2;
/// use ndstash::{Cache, cached};
///
/// #[cached(cache = cache, ignore(progress), tag = "simulated")]
/// fn simulate(cache: &Cache, start: &Array2<f64>, steps: usize, progress: &dyn Fn(usize)) -> Array2<f64> {
///     (0..steps).fold(start.clone(), |field, step| {
///         progress(step);
///         field * 0.99
///     })
/// }
///
/// let start = Array2::ones((200, 300));
/// let field = simulate(&cache, &start, 50, &|_| ());
/// assert_eq!(simulate(&cache, &start, 50, &|_| unreachable!("it is there")), field);
/// assert_eq!((cache.stats().hits, cache.stats().misses), (1, 1));
/// # Ok::<(), ndstash::Error>(())
/// ```
///
/// Between the brackets stand, separated by commas:
///
/// - `cache = EXPR`, which has to be there: a [`Cache`], or anything that derefs to one, such as a reference, an `Arc`, or
///   a static `LazyLock`. It may use the arguments (`cache = self.cache`).
/// - `ignore(a, b)`: arguments that the result does not depend on. They may be of any type.
/// - `version = EXPR`: a text in the place of the digest of the code.
/// - `name = EXPR`: a text in the place of the function's own path.
/// - `tag = EXPR`, any number of times, and `expires_in = EXPR`, a [`Duration`](std::time::Duration): as of a [`Request`].
///
/// # What is in the key
/// - The function: its path, and where it lies, with the types of generic implementations. Two functions, also nested
///   ones or methods of two types, share no entry, unless they have one name and text in two blocks of one function. If
///   it is to keep its entries when it moves, give it a `name`; then no other function of the cache may have that name.
/// - Its version: a digest of the tokens of signature and body. Comments and layout are no tokens; any other change is
///   another version. Entries of earlier versions stay until they are evicted, so that changing back finds them again.
/// - Every argument that is not ignored, `self` included, by its value: each has to be [`Serialize`](serde::Serialize). An
///   argument that is the cache itself (`cache = cache`) does not count. Arrays are hashed on all cores; mapped ones of
///   a store are not hashed again.
/// - Generic parameters: the names of types, the values of constants.
///
/// **What it calls and the constants it names are not followed.** When those change, change the `version`, and the same
/// for features and environment that it depends on. The name of a type is not quite the type: two types of one path,
/// from two versions of a crate, are one to the key.
///
/// # What is kept
/// The function returns an owned value that can be serialized and deserialized. Of a type that is called `Result` what is
/// inside `Ok` is kept, and an error is handed on and computed again next time; other types are kept as they are, an
/// `Option` with its `None`. What is written into a `&mut` argument is not kept, so such an argument is refused unless it is
/// ignored. Functions that are `async` or `const`, or return an `impl Trait`, are refused as well.
///
/// All else is as of [`Cache::get_or_compute`]: one computes, others wait; whatever is wrong with the store, the function
/// is called and its value returned. One whose key cannot be made is called each time, with one warning.
pub use ndstash_macros::cached;
pub use store::{
    ArrayInfo, Durability, Entries, EntryInfo, Expect, Labels, PutReport, Query, Store, StoreOptions, VerifyOnRead,
    after_fork_in_child,
};
pub use usage::{DiskUse, Usage};
pub use value::{
    AnyArray, Entry, GrowingArray, Loadable, RawArray, ReadSeek, SealedArray, SealedRaw, StoredArray, Value,
    WritableArray, Writer, array,
};
pub use verify::{Problem, ProblemKind, Repair, VerifyEvent, VerifyOptions, VerifyReport};

#[cfg(feature = "seam")]
#[doc(hidden)]
pub mod seam {
    //! For this crate's own tests: watching, failing, skipping and ordering file-system operations.
    pub use crate::disk::seam::*;
}

/// For the Python package.
#[doc(hidden)]
pub use fork::PerProcess;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
