//! Values: arrays and trees in, blobs and manifests out, and back.

pub mod array;
mod dynamic;
mod entry;
mod grow;
mod load;
mod loadable;
mod mapped;
mod plain;
mod produce;
mod sealed;
mod split;
mod stored;
mod writer;

pub use dynamic::{AnyArray, Value};
pub use entry::Entry;
pub use grow::GrowingArray;
pub(crate) use loadable::Loadable;
pub use produce::WritableArray;
pub use sealed::SealedArray;
pub use stored::StoredArray;
pub use writer::{ReadSeek, Writer};
