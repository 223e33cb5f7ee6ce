//! Bytes that are read or written piece by piece, on all cores, each piece hashed by who has it at hand: the digest of the
//! whole is joined from its subtrees.

use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use rayon::iter::{ParallelBridge, ParallelIterator};

use super::Digest;
use crate::threads;

/// The length of a piece: a power of two, as every subtree of BLAKE3 is that is not the last; as large as the pages that
/// memory and page cache are made of at best; and no larger, so that it stays in the cache of the core that has it.
const PIECE: usize = 2 << 20;

/// How much of a piece is hashed at a time: it was just brought into the innermost caches.
const STEP: usize = 256 << 10;

/// The digest of one piece on its way: fed from the piece's first byte to its last.
pub(crate) struct Part(blake3::Hasher);

impl Part {
    /// How much to feed at a time.
    pub(crate) const STEP: usize = STEP;

    fn at(offset: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(offset);
        Part(hasher)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// Whether so many bytes are cut at all.
pub(crate) fn is_cut(len: usize) -> bool {
    len > PIECE
}

/// Cuts bytes into pieces and has `work` do something with each, on all cores and about in order: it gets the offset and the
/// piece, and feeds the part all bytes that the piece is to be named by, as many as it has. Returns the digest of the whole.
///
/// `None`: there is only one piece; who has no more does better without this.
pub(crate) fn in_pieces<P: Pieces, E: Send>(
    bytes: P,
    work: impl Fn(u64, P::Piece, &mut Part) -> Result<(), E> + Sync,
) -> Option<Result<Digest, E>> {
    let len = bytes.len();
    if !is_cut(len) {
        return None;
    }
    let mut parts = vec![[0; Digest::LEN]; len.div_ceil(PIECE)];
    let all = (0..).step_by(PIECE).zip(bytes.cut(PIECE)).zip(&mut parts);
    let done = threads::spread(|| {
        all.par_bridge().try_for_each(|((offset, piece), value)| {
            let mut part = Part::at(offset);
            work(offset, piece, &mut part)?;
            *value = part.0.finalize_non_root();
            Ok(())
        })
    });
    Some(done.map(|()| join(&parts, len as u64)))
}

/// Bytes that can be cut.
pub(crate) trait Pieces {
    type Piece: Send;
    fn len(&self) -> usize;
    fn cut(self, len: usize) -> impl Iterator<Item = Self::Piece> + Send;
}

impl<'a> Pieces for &'a [u8] {
    type Piece = &'a [u8];

    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn cut(self, len: usize) -> impl Iterator<Item = &'a [u8]> + Send {
        self.chunks(len)
    }
}

impl<'a> Pieces for &'a mut [u8] {
    type Piece = &'a mut [u8];

    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn cut(self, len: usize) -> impl Iterator<Item = &'a mut [u8]> + Send {
        self.chunks_mut(len)
    }
}

/// The digest of `len` bytes from the values of their pieces, of which there is more than one.
fn join(parts: &[ChainingValue], len: u64) -> Digest {
    let (left, right) = halves(parts, len);
    Digest(*merge_subtrees_root(&left, &right, Mode::Hash).as_bytes())
}

fn halves(parts: &[ChainingValue], len: u64) -> (ChainingValue, ChainingValue) {
    let left = left_subtree_len(len);
    let pieces = usize::try_from(left / PIECE as u64).expect("there are as many values in memory");
    let (first, second) = parts.split_at(pieces);
    (subtree(first, left), subtree(second, len - left))
}

fn subtree(parts: &[ChainingValue], len: u64) -> ChainingValue {
    if let [one] = parts {
        return *one;
    }
    let (left, right) = halves(parts, len);
    merge_subtrees_non_root(&left, &right, Mode::Hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from(i * 7 % 251).expect("it is less")).collect()
    }

    fn joined(bytes: &[u8]) -> Option<Digest> {
        let digest = in_pieces(bytes, |_, piece: &[u8], part| {
            piece.chunks(Part::STEP).for_each(|step| part.update(step));
            Ok::<(), ()>(())
        });
        digest.map(|digest| digest.expect("nothing fails"))
    }

    #[test]
    fn the_pieces_make_the_digest_of_the_whole() {
        let all = sample(9 * PIECE + 1);
        for pieces in 1..=9 {
            for len in [pieces * PIECE - 1, pieces * PIECE, pieces * PIECE + 1, pieces * PIECE + 1025] {
                let Some(bytes) = all.get(..len) else { continue };
                let digest = joined(bytes);
                assert_eq!(digest.is_some(), len > PIECE, "length {len}");
                assert!(digest.is_none_or(|digest| digest.0 == *blake3::hash(bytes).as_bytes()), "length {len}");
            }
        }
        assert!(joined(&[]).is_none() && joined(&[1]).is_none());
    }

    #[test]
    fn pieces_are_made_where_they_belong() {
        let (want, mut made) = (sample(3 * PIECE + 5), vec![0; 3 * PIECE + 5]);
        let digest = in_pieces(&mut made[..], |offset, piece: &mut [u8], part| {
            let at = usize::try_from(offset).expect("it is in memory");
            piece.copy_from_slice(&want[at..at + piece.len()]);
            part.update(piece);
            Ok::<(), ()>(())
        });
        assert_eq!(digest, Some(Ok(Digest::of(&want))));
        assert!(made == want);
    }

    #[test]
    fn what_fails_for_one_piece_fails_for_the_whole() {
        let failed = in_pieces(&sample(4 * PIECE)[..], |offset, piece: &[u8], part| {
            part.update(piece);
            if offset == 2 * PIECE as u64 { Err(offset) } else { Ok(()) }
        });
        assert_eq!(failed, Some(Err(2 * PIECE as u64)));
    }
}
