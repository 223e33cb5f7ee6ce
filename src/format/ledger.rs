//! The ledger: a few numbers about the whole store that every commit moves on. Written in place, under a lock, and
//! never synced: nothing is lost with it that the next collector does not count anew.

use super::wire::Wire;
use crate::digest::Digest;
use crate::error::Fault;

const MAGIC: [u8; 8] = *b"NDL0\0\0\0\0";
const SUM_LEN: usize = 8;

/// The numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// The highest sequence number given.
    pub(crate) sequence: u64,
    /// Bytes of blobs and manifests: counted by the last collector, and put since.
    pub(crate) bytes: u64,
    /// Number of entries, likewise.
    pub(crate) entries: u64,
    /// The same two when the last culler was done: if they were over a limit then, another would find nothing more to
    /// remove until they have grown.
    pub(crate) counted_bytes: u64,
    pub(crate) counted_entries: u64,
    /// The highest sequence number when the last culler began.
    pub(crate) culled: u64,
    /// The same of the culler before that one.
    pub(crate) culled_before: u64,
}

impl Ledger {
    pub(crate) const LEN: usize = MAGIC.len() + 7 * 8 + SUM_LEN;

    pub(crate) fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let counted = [self.counted_bytes, self.counted_entries, self.culled, self.culled_before];
        let counts = [&[self.sequence, self.bytes, self.entries], &counted[..]].concat();
        out[..8].copy_from_slice(&MAGIC);
        for (field, count) in out[8..64].chunks_exact_mut(8).zip(counts) {
            field.copy_from_slice(&count.to_le_bytes());
        }
        let sum = Digest::of(&out[..64]);
        out[64..].copy_from_slice(&sum.as_bytes()[..SUM_LEN]);
        out
    }

    /// Parses a ledger. An empty one is that of a new store.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.is_empty() {
            return Ok(Ledger::default());
        }
        let mut wire = Wire::new(bytes);
        if wire.array::<8>("magic")? != MAGIC {
            return Err(Fault::malformed("magic", "a ledger is expected"));
        }
        let ledger = Ledger {
            sequence: wire.u64("sequence number")?,
            bytes: wire.u64("bytes")?,
            entries: wire.u64("entries")?,
            counted_bytes: wire.u64("counted bytes")?,
            counted_entries: wire.u64("counted entries")?,
            culled: wire.u64("sequence number of the last cull")?,
            culled_before: wire.u64("sequence number of the cull before")?,
        };
        match wire.take(SUM_LEN, "checksum")? {
            sum if sum == &Digest::of(&bytes[..64]).as_bytes()[..SUM_LEN] && wire.left() == 0 => Ok(ledger),
            _ => Err(Fault::Damaged { detail: "the ledger does not match its checksum".into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_parsed_and_nothing_else() {
        let ledger = Ledger {
            sequence: 1,
            bytes: u64::MAX,
            entries: 3,
            counted_bytes: 4,
            counted_entries: 5,
            culled: 6,
            culled_before: 7,
        };
        let bytes = ledger.encode();
        assert_eq!(Ledger::parse(&bytes).unwrap(), ledger);
        assert_eq!(Ledger::parse(&[]).unwrap(), Ledger::default());
        for at in 0..bytes.len() {
            let mut bad = bytes;
            bad[at] ^= 1;
            assert!(Ledger::parse(&bad).is_err(), "byte {at}");
            assert!(at == 0 || Ledger::parse(&bytes[..at]).is_err(), "length {at}");
        }
    }
}
