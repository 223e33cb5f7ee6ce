//! The digest of a file's content, read and hashed side by side.

use std::io::Read;
use std::path::Path;

use crate::digest::{Digest, Hasher};
use crate::disk::{self, Positioned};
use crate::error::{At, Result};
use crate::threads;

/// How many bytes are read at a time.
const PIECE: u64 = 8 << 20;

impl Digest {
    /// The digest of a file's content, which is read and hashed on all cores. At most 16 MiB of it are in memory.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if it is no regular file, or cannot be read.
    pub fn of_file(path: impl AsRef<Path>) -> Result<Self> {
        digest(path.as_ref())
    }
}

/// Hashes a file on every core, while its next piece is read. At most two pieces are in memory.
pub(super) fn digest(path: &Path) -> Result<Digest> {
    let file = disk::open_given(path)?;
    let mut source = Positioned::new(&file);
    let mut hasher = Hasher::new();
    let (mut piece, mut next) = (Vec::new(), Vec::new());
    loop {
        let read = || source.by_ref().take(PIECE).read_to_end(&mut next);
        let ((), taken) = threads::spread(|| rayon::join(|| hasher.update(&piece), read));
        if taken.at("read", path)? == 0 {
            return Ok(hasher.finish());
        }
        std::mem::swap(&mut piece, &mut next);
        next.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn files_of_every_length_have_the_digest_of_their_bytes() {
        let piece = usize::try_from(PIECE).unwrap();
        for len in [0, 1, piece - 1, piece, piece + 1, 3 * piece] {
            let bytes: Vec<u8> = (0..=250).cycle().take(len).collect();
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&bytes).unwrap();
            assert_eq!(digest(file.path()).unwrap(), Digest::of(&bytes), "length {len}");
        }
    }
}
