//! Long streams: a thread writes one piece while the next is read, and whatever fails of the two ends both.

use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use ndstash::seam::{Flow, Verb};
use ndstash::{DType, Digest, Error, Order, Store, StoreOptions};

use crate::common::{Dir, noise, seam};

/// The length of one piece; see `store/stream.rs`.
const PIECE: usize = 4 << 20;

fn put(store: &Store, name: &str, source: impl Read) -> ndstash::Result<()> {
    let mut writer = store.writer();
    let value = writer.bytes_from_reader(source)?;
    writer.put(name, value).map(drop)
}

#[test]
fn streams_of_all_lengths_around_whole_pieces_come_back() {
    let dir = Dir::new();
    let store = dir.store();
    let bytes = noise(4 * PIECE + 1, 1);
    for pieces in 1..=4 {
        for len in [pieces * PIECE - 1, pieces * PIECE, pieces * PIECE + 1] {
            let name = len.to_string();
            put(&store, &name, &bytes[..len]).unwrap();
            assert_eq!(std::fs::read(dir.blob(&Digest::of(&bytes[..len]))).unwrap(), bytes[..len], "{len}");
            let same = store.writer().raw_array_volatile(DType::UInt8, &[len as u64], Order::C, &bytes[..len]);
            assert!(same.is_ok());
        }
    }
    assert_eq!(dir.blob_names().len(), 12);
    assert_eq!(dir.leftovers(), Vec::<String>::new());
}

/// Yields zeros, then does something else once.
struct Ends<F> {
    left: usize,
    then: F,
}

impl<F: FnMut() -> io::Result<usize>> Read for Ends<F> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return (self.then)();
        }
        let taken = bytes.len().min(self.left);
        bytes[..taken].fill(0);
        self.left -= taken;
        Ok(taken)
    }
}

#[test]
fn a_source_that_fails_after_some_pieces_is_the_error_and_leaves_nothing() {
    let dir = Dir::new();
    let store = dir.store();
    for left in [PIECE - 1, PIECE, 2 * PIECE, 5 * PIECE + 3] {
        let source = Ends { left, then: || Err(io::Error::other("the tape is torn")) };
        let error = put(&store, "torn", source).unwrap_err();
        assert!(
            matches!(&error, Error::Io { action: "read", source, .. } if source.to_string().contains("torn")),
            "{error:?}"
        );
    }
    assert_eq!((dir.leftovers(), dir.blob_names()), (vec![], vec![]));
}

#[test]
fn a_source_that_panics_after_some_pieces_takes_nobody_along_and_leaves_nothing() {
    let dir = Dir::new();
    let store = dir.store();
    let source = Ends { left: 3 * PIECE, then: || panic!("a broken source") };
    assert!(catch_unwind(AssertUnwindSafe(|| put(&store, "broken", source))).is_err());
    assert_eq!(dir.leftovers(), Vec::<String>::new());
    put(&store, "good", &noise(3 * PIECE, 2)[..]).unwrap();
}

#[test]
fn one_write_that_fails_ends_the_reading_too() {
    for bad in 0..4 {
        let dir = Dir::new();
        drop(dir.store());
        let written = AtomicU32::new(0);
        let fails = seam(move |step| match step.verb {
            Verb::Write if written.fetch_add(1, Ordering::Relaxed) == bad => Err(rustix::io::Errno::NOSPC.into()),
            _ => Ok(Flow::Go),
        });
        let store = dir.open(&StoreOptions::new().seam(fails));
        // It never ends by itself.
        let error = put(&store, "endless", io::repeat(1)).unwrap_err();
        assert!(error.is_full(), "{error:?}");
        assert_eq!((dir.leftovers(), dir.blob_names()), (vec![], vec![]));
    }
}

/// Memory that somebody changes between the first reading and the second.
struct Changes {
    at: u64,
    readings: u8,
}

impl Read for Changes {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let taken = bytes.len().min(3 * PIECE - usize::try_from(self.at).unwrap());
        bytes[..taken].fill(self.readings);
        self.at += taken as u64;
        Ok(taken)
    }
}

impl Seek for Changes {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::Start(at) => (self.at, self.readings) = (at, self.readings + 1),
            SeekFrom::End(_) => self.at = 3 * PIECE as u64,
            SeekFrom::Current(_) => (),
        }
        Ok(self.at)
    }
}

#[test]
fn what_changes_between_hashing_and_writing_gets_the_name_of_what_was_written() {
    let dir = Dir::new();
    let store = dir.store();
    let mut writer = store.writer();
    let value = writer.bytes_from_seekable(Changes { at: 0, readings: 0 }).unwrap();
    writer.put("changed", value).unwrap();
    assert_eq!(dir.blob_names(), [Digest::of(&vec![2; 3 * PIECE]).to_string()]);
}
