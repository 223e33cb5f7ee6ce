//! Large bytes in memory: put and loaded piece by piece, on all cores, with the name, the checks and the errors of small ones.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array1, Ix1};
use ndstash::seam::{Flow, Verb};
use ndstash::{DType, Digest, Error, Order, PutReport, Store, StoreOptions, VerifyOnRead};

use crate::common::{Dir, Pipe, Record, assert_error, load, noise, rot, seam, verify};

/// The length of a piece, and of the shortest blob that hints tell of.
const PIECE: usize = 2 << 20;
const HINTED: usize = 4 << 20;

/// Lengths about every boundary.
const LENS: [usize; 14] = [
    0,
    1,
    1 << 20,
    PIECE - 1,
    PIECE,
    PIECE + 1,
    HINTED - 1,
    HINTED,
    HINTED + 1,
    HINTED + 1024,
    HINTED + PIECE + 1023,
    3 * PIECE - 1,
    3 * PIECE + 1025,
    5 * PIECE + 4097,
];

fn put_volatile(store: &Store, name: &str, bytes: &[u8]) -> PutReport {
    let mut writer = store.writer();
    let value = writer.raw_array_volatile(DType::UInt8, &[bytes.len() as u64], Order::C, bytes).unwrap();
    writer.put(name, value).unwrap()
}

fn put_fixed(store: &Store, name: &str, bytes: &[u8]) -> PutReport {
    store.put(name, &Array1::from(bytes.to_vec())).unwrap()
}

/// How a value is loaded: from an open file, unchecked, and where the store maps.
fn ways(dir: &Dir) -> [Store; 3] {
    let unchecked = StoreOptions::new().verify_on_read(VerifyOnRead::Never);
    [dir.blobs_only(), unchecked.open(dir.path()).unwrap(), dir.mapped()]
}

#[test]
fn bytes_of_every_length_come_back_under_their_name() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    for (at, &len) in LENS.iter().enumerate() {
        for (put, seed) in [(put_fixed as fn(&Store, &str, &[u8]) -> PutReport, at), (put_volatile, at + LENS.len())] {
            let bytes = noise(len, seed as u64);
            put(&store, "x", &bytes);
            let entry = store.entry("x").unwrap().unwrap();
            assert_eq!(entry.array().unwrap().digest(), Digest::of(&bytes), "length {len}");
            // Nothing at all lies in the manifest.
            assert!(len == 0 || std::fs::read(dir.blob(&Digest::of(&bytes))).unwrap() == bytes, "length {len}");
            for store in ways(&dir) {
                assert!(load(&store, "x").unwrap().unwrap() == bytes, "length {len}");
            }
        }
    }
    assert!(verify(&store).problems.is_empty());
    assert!(dir.leftovers().is_empty());
}

#[test]
fn damage_is_found_in_every_piece() {
    let dir = Dir::new();
    let bytes = noise(3 * PIECE + 5, 1);
    let name = dir.blob(&Digest::of(&bytes));
    for at in [0, PIECE - 1, PIECE, 2 * PIECE - 1, 2 * PIECE, 3 * PIECE - 1, 3 * PIECE, 3 * PIECE + 4] {
        for maps in [false, true] {
            assert_eq!(put_volatile(&dir.store(), "x", &bytes).new_blobs, 1, "what was damaged is written anew");
            rot(&name, |bytes| bytes[at] ^= 1);
            let store = if maps { dir.mapped() } else { dir.store() };
            assert_error!(load(&store, "x"), Error::Corrupt { .. });
        }
    }
}

#[test]
fn a_map_stays_as_it_is_while_copies_are_made_of_it() {
    let dir = Dir::new();
    let bytes = noise(2 * PIECE + 9, 2);
    put_fixed(&dir.store(), "x", &bytes);
    let entry = dir.mapped().entry("x").unwrap().unwrap();
    let stored = entry.array().unwrap();
    let mapped = stored.map::<u8, Ix1>().unwrap();
    std::fs::remove_file(dir.blob(&Digest::of(&bytes))).unwrap();
    for _ in 0..2 {
        assert!(stored.to_bytes().unwrap() == bytes, "its name is gone, and it is there");
        assert!(mapped.as_slice().unwrap() == bytes);
    }
}

#[test]
fn content_that_is_there_is_neither_written_nor_kept_twice() {
    for put in [put_fixed, put_volatile] {
        let (dir, record) = (Dir::new(), Record::default());
        let store = dir.open(&StoreOptions::new().seam(record.seam()));
        let bytes = noise(HINTED + 77, 3);
        let reserved = |steps: Vec<(Verb, String)>| steps.iter().any(|(verb, _)| *verb == Verb::Reserve);
        assert_eq!(put(&store, "first", &bytes).new_blobs, 1);
        assert!(reserved(record.take()));
        assert_eq!(put(&store, "second", &bytes).shared_blobs, 1);
        assert!(!reserved(record.take()), "the hint has it hashed first, and then nothing is written");
        std::fs::remove_file(dir.inside("hints")).unwrap();
        assert_eq!(put(&store, "third", &bytes).shared_blobs, 1);
        assert!(reserved(record.take()), "without the hint it was written before it was found");
        assert_eq!(put(&store, "fourth", &bytes).shared_blobs, 1);
        assert!(!reserved(record.take()), "and that has left the hint again");
        assert_eq!((dir.blob_names().len(), dir.leftovers().len()), (1, 0));
    }
}

#[test]
fn every_way_to_put_leaves_the_hint() {
    let bytes = noise(HINTED, 4);
    let streams: [fn(&Store, &[u8]); 3] = [
        |store, bytes| {
            let mut writer = store.writer();
            let value = writer.bytes_from_reader(Pipe(bytes)).unwrap();
            writer.put("x", value).unwrap();
        },
        |store, bytes| {
            let mut writer = store.writer();
            let value = writer.bytes_from_seekable(io::Cursor::new(bytes)).unwrap();
            writer.put("x", value).unwrap();
        },
        |store, bytes| {
            let mut canvas = store.create_array::<u8, _>(bytes.len()).unwrap();
            canvas.as_slice_mut().unwrap().copy_from_slice(bytes);
            canvas.put("x").unwrap();
        },
    ];
    let expected = {
        let dir = Dir::new();
        put_fixed(&dir.store(), "x", &bytes);
        std::fs::read(dir.inside("hints")).unwrap()
    };
    assert_eq!(expected.iter().filter(|byte| **byte != 0).count(), 8);
    for stream in streams {
        let dir = Dir::new();
        stream(&dir.store(), &bytes);
        assert!(std::fs::read(dir.inside("hints")).unwrap() == expected);
    }
}

#[test]
fn hints_may_say_anything() {
    let bytes = noise(HINTED + 1, 5);
    let spoil: [fn(&Dir); 4] = [
        |dir| std::fs::create_dir(dir.inside("hints")).unwrap(),
        |dir| std::os::unix::fs::symlink("/dev/zero", dir.inside("hints")).unwrap(),
        |dir| std::fs::write(dir.inside("hints"), noise(1 << 20, 6)).unwrap(),
        |dir| std::fs::write(dir.inside("hints"), noise(77, 7)).unwrap(),
    ];
    for spoil in spoil {
        let dir = Dir::new();
        let store = dir.store();
        spoil(&dir);
        assert_eq!(put_volatile(&store, "x", &bytes).new_blobs, 1);
        assert_eq!(put_volatile(&store, "y", &bytes).shared_blobs, 1);
        assert!(load(&store, "y").unwrap().unwrap() == bytes);
    }
    // Of content that is not there, too: the hint of what was collected since.
    let dir = Dir::new();
    let store = dir.store();
    put_fixed(&store, "x", &bytes);
    assert!(store.remove("x").unwrap());
    assert_eq!(store.gc(&ndstash::GcOptions::new()).unwrap().blobs_removed, 1);
    for put in [put_fixed, put_volatile] {
        assert_eq!(put(&store, "x", &bytes).new_blobs, 1);
        assert!(store.remove("x").unwrap());
        assert_eq!(store.gc(&ndstash::GcOptions::new()).unwrap().blobs_removed, 1);
    }
}

#[test]
fn a_disk_that_is_full_at_any_piece_leaves_nothing() {
    let bytes = noise(4 * PIECE + 3, 8);
    for fails_at in 0..5 {
        for put in [put_fixed as fn(&Store, &str, &[u8]) -> PutReport, put_volatile] {
            let (dir, count) = (Dir::new(), Arc::new(AtomicUsize::new(usize::MAX / 2)));
            let writes = Arc::clone(&count);
            drop(dir.store());
            let store = dir.open(&StoreOptions::new().seam(seam(move |step| {
                if step.verb == Verb::Write && writes.fetch_add(1, Ordering::Relaxed) == fails_at {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                Ok(Flow::Go)
            })));
            put(&store, "before", &noise(100_000, 9));
            count.store(0, Ordering::Relaxed);
            let mut writer = store.writer();
            let failed = writer.raw_array_volatile(DType::UInt8, &[bytes.len() as u64], Order::C, &bytes);
            assert_error!(failed, error if error.is_full());
            drop(writer);
            assert!(dir.leftovers().is_empty() && dir.blob_names().len() == 1);
            assert_eq!(put(&store, "x", &bytes).new_blobs, 1);
            assert!(load(&store, "x").unwrap().unwrap() == bytes);
        }
    }
}
