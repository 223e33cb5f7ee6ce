//! Values: arrays and trees in, blobs and manifests out, and back.

mod entry;
mod stored;
mod writer;

pub use entry::Entry;
pub use stored::StoredArray;
pub use writer::{ReadSeek, Writer};
