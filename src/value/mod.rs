//! Values: arrays and trees in, blobs and manifests out, and back.

pub mod array;
mod dynamic;
mod entry;
mod load;
mod mapped;
mod plain;
mod split;
mod stored;
mod writer;

pub use dynamic::{AnyArray, Value};
pub use entry::Entry;
pub use stored::StoredArray;
pub use writer::{ReadSeek, Writer};
