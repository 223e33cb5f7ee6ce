//! Values: arrays and trees in, blobs and manifests out, and back.

pub mod array;
mod bytes;
mod dynamic;
mod entry;
mod grow;
mod load;
mod loadable;
mod mapped;
mod plain;
mod produce;
mod raw;
mod sealed;
mod single;
mod split;
mod stored;
mod trust;
mod writer;

pub use dynamic::{AnyArray, Value};
pub use entry::Entry;
pub use grow::GrowingArray;
pub use loadable::Loadable;
pub use produce::WritableArray;
pub use raw::{RawArray, SealedRaw};
pub use sealed::SealedArray;
pub use stored::StoredArray;
pub use writer::{ReadSeek, Writer};
