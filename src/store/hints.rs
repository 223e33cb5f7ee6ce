//! The store's side of the hints: whether a large blob may be there is asked before it is hashed, so that one that is new
//! is hashed and written in one pass.

use std::io::{self, Read};

use super::{Staged, Store};
use crate::disk::Positioned;
use crate::format::hints::{BUCKET_LEN, FROM, Hint, PLACE_LEN};
use crate::layout;

impl Store {
    /// Whether bytes may be in the store. If they are and this says no, somebody has lost a hint, and all that is lost is
    /// time; of few bytes it says yes.
    pub(crate) fn may_have(&self, bytes: &[u8]) -> bool {
        let read = |place: u64, sample: &mut Vec<u8>| {
            let at = usize::try_from(place).map_err(|_| ())?;
            sample.extend_from_slice(bytes.get(at..at + PLACE_LEN).ok_or(())?);
            Ok::<(), ()>(())
        };
        match Hint::of(bytes.len() as u64, read) {
            Some(Ok(hint)) => hint.is_in(&self.bucket(hint)),
            _ => true,
        }
    }

    /// Leaves a hint that a blob is there, or will be.
    pub(crate) fn leave_hint(&self, staged: &Staged) {
        if staged.blob.len < FROM {
            return;
        }
        // Who cannot leave it loses nothing but time.
        let Ok(file) = staged.open() else { return };
        let read = |place: u64, sample: &mut Vec<u8>| {
            let mut bytes = [0; PLACE_LEN];
            Positioned::from(&file, place).read_exact(&mut bytes)?;
            sample.extend_from_slice(&bytes);
            Ok::<(), io::Error>(())
        };
        let Some(Ok(hint)) = Hint::of(staged.blob.len, read) else { return };
        let bucket = self.bucket(hint);
        if !hint.is_in(&bucket) {
            drop(self.root().patch(&layout::HINTS, hint.bucket() + hint.slot(&bucket), &hint.bytes()));
        }
    }

    /// The bucket of a hint as it is; nothing, if it cannot be read.
    fn bucket(&self, hint: Hint) -> Vec<u8> {
        let mut bucket = Vec::new();
        if let Ok(Some(file)) = self.root().open_file(&layout::HINTS) {
            drop(Positioned::from(&file, hint.bucket()).take(BUCKET_LEN as u64).read_to_end(&mut bucket));
        }
        bucket
    }
}
