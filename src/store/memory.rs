//! Bytes in memory on their way to the disk: hashed and written in one pass over them, on all cores.

use std::io;
use std::sync::{Mutex, PoisonError};

use super::blob::Held;
use super::{Staged, Store};
use crate::digest::{Part, in_pieces, is_cut};
use crate::error::{At, Result};
use crate::format::head::BlobRef;

/// Bytes in memory.
#[derive(Clone, Copy)]
pub(crate) enum Memory<'a> {
    /// They stay as they are.
    Fixed(&'a [u8]),
    /// Somebody else may write to them meanwhile: each piece is copied, and what is hashed and written is the copy.
    Volatile(&'a [u8]),
}

impl<'a> Memory<'a> {
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Memory::Fixed(bytes) | Memory::Volatile(bytes) => bytes,
        }
    }
}

impl Store {
    /// Stages bytes, of which nobody has looked whether they are there: hashes each piece and writes it at its place, and
    /// names the whole by what was written. If that is in the store, stages what is there instead. Every piece is shown to
    /// `check` first.
    ///
    /// `None`: they are too few to be cut, and nothing was done.
    pub(crate) fn stage_memory(
        &self,
        memory: Memory<'_>,
        check: impl Fn(&[u8]) -> io::Result<()> + Sync,
    ) -> Result<Option<Staged>> {
        if !is_cut(memory.bytes().len()) {
            return Ok(None);
        }
        let (len, copies) = (memory.bytes().len() as u64, Copies::default());
        let mut file = self.private_file()?;
        let take = |at: u64, piece: &[u8], part: &mut Part| {
            check(piece).at("take", "the input")?;
            piece.chunks(Part::STEP).for_each(|step| part.update(step));
            file.write_at(at, piece)
        };
        file.reserve(len)?;
        let digest = match memory {
            Memory::Fixed(bytes) => in_pieces(bytes, take),
            Memory::Volatile(bytes) => {
                in_pieces(bytes, |at, piece, part| copies.with(piece, |piece| take(at, piece, part)))
            }
        };
        let Some(digest) = digest else { return Ok(None) };
        let blob = BlobRef { digest: digest?, len };
        file.filled(len);
        Ok(Some(match self.stage_known(blob, true)? {
            Some(there) => there,
            None => Staged { blob, held: Held::Written(file) },
        }))
    }
}

/// Memory for copies of pieces: as many as there are cores at work.
#[derive(Default)]
struct Copies(Mutex<Vec<Vec<u8>>>);

impl Copies {
    fn with<T>(&self, piece: &[u8], work: impl FnOnce(&[u8]) -> T) -> T {
        let free = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut copy = free().pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(piece);
        let done = work(&copy);
        free().push(copy);
        done
    }
}
