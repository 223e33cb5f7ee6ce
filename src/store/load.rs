//! Blobs into memory: on all cores, each piece checked while it is at hand.

use std::io::{self, Read};

use rayon::iter::{ParallelBridge, ParallelIterator};

use super::{OpenBlob, Store, VerifyOnRead};
use crate::digest::{Digest, Part, in_pieces};
use crate::disk::Positioned;
use crate::error::{At, Result};
use crate::format::head::BlobRef;
use crate::layout;
use crate::mem;
use crate::threads;

/// How much is copied at a time where nothing is checked.
const UNCHECKED: usize = 2 << 20;

impl OpenBlob {
    fn read(&self, at: u64, to: &mut [u8]) -> io::Result<()> {
        match self {
            OpenBlob::File(file) => {
                let mut file = Positioned::from(file, at);
                mem::fill(to, |next| file.read_exact(next))
            }
            OpenBlob::Mapped(map) => {
                let at = usize::try_from(at).expect("it is a place in memory");
                mem::copy(&map.bytes()[at..at + to.len()], to);
                Ok(())
            }
        }
    }

    /// Says that a piece of a large blob was read: beneath a map it would count as memory of this process, beside what it
    /// was copied to.
    fn leave(&self, at: u64, len: usize) {
        if let OpenBlob::Mapped(map) = self {
            map.leave(usize::try_from(at).expect("it is a place in memory"), len);
        }
    }

    /// Reads all, on all cores.
    fn copy(&self, to: &mut [u8]) -> io::Result<()> {
        if to.len() <= UNCHECKED {
            return self.read(0, to);
        }
        let pieces = (0..).step_by(UNCHECKED).zip(to.chunks_mut(UNCHECKED));
        threads::spread(|| {
            pieces.par_bridge().try_for_each(|(at, piece)| {
                self.read(at, piece)?;
                self.leave(at, piece.len());
                Ok(())
            })
        })
    }

    /// Reads all, on all cores, and hashes what is there then.
    fn copy_hashed(&self, to: &mut [u8]) -> io::Result<Digest> {
        let found = in_pieces(&mut *to, |at, piece: &mut [u8], part| {
            (at..).step_by(Part::STEP).zip(piece.chunks_mut(Part::STEP)).try_for_each(|(at, step)| {
                self.read(at, step)?;
                part.update(step);
                Ok::<(), io::Error>(())
            })?;
            self.leave(at, piece.len());
            Ok(())
        });
        found.unwrap_or_else(|| {
            self.read(0, to)?;
            Ok(Digest::of(to))
        })
    }
}

impl Store {
    /// Fills memory, as long as a blob is, with its bytes, and checks these against the digest, as the options say.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if they are not what the name says: then the next put writes them anew.
    pub(crate) fn load_blob(&self, blob: &BlobRef, open: &OpenBlob, to: &mut [u8]) -> Result<()> {
        let path = || self.root().full(&layout::blob(&blob.digest));
        if self.verify_on_read() == VerifyOnRead::Never {
            return open.copy(to).at_made("read", path);
        }
        let digest = open.copy_hashed(to).at_made("read", path)?;
        let found = BlobRef { digest, len: to.len() as u64 };
        match open {
            _ if found == *blob => Ok(()),
            OpenBlob::File(file) => Err(self.condemn(blob, &found, file)),
            OpenBlob::Mapped(_) => Err(self.condemn_by_name(blob, &found)),
        }
    }
}
