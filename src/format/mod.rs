//! Every structure on disk: encoded to bytes, parsed from bytes, with limits. No I/O and no panic.

pub(crate) mod body;
pub(crate) mod canonical;
pub(crate) mod codec;
pub(crate) mod counters;
pub(crate) mod decode;
pub(crate) mod head;
pub(crate) mod hints;
pub(crate) mod iso;
pub(crate) mod journal;
pub(crate) mod ledger;
pub(crate) mod marks;
pub(crate) mod settings;
pub(crate) mod single;
pub(crate) mod stamps;
pub(crate) mod tag;
pub(crate) mod tree;
#[cfg(test)]
mod vectors;
mod wire;

/// The version of the format that this build writes and reads.
pub const FORMAT_VERSION: u32 = 0;
