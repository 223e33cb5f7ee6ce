//! Blobs: equal bytes are stored once however they come, nothing is left of what failed, and damage heals.

use std::io::{self, Cursor, Read};

use ndarray::{Array1, Ix1};
use ndstash::seam::Verb;
use ndstash::{DType, Digest, Error, Order, Store, StoreOptions, Tree, VerifyOnRead};

use crate::common::{Dir, Facts, Pipe, Record, assert_error, bytes_array, chmod, edit, load, noise, rot};
use crate::common::{Noise, PUBLISHED_NS, mode_of, modified_ns, set_modified_ns, truncate};

const LEN: usize = 100_000;

type Putter = fn(&Store, &str, &[u8]) -> ndstash::PutReport;

/// Every way in which bytes come into a store.
const WAYS: [(&str, Putter); 8] = [
    ("array", |store, name, bytes| store.put(name, &Array1::from(bytes.to_vec())).unwrap()),
    ("payload", |store, name, bytes| {
        let mut writer = store.writer();
        let value = writer.bytes(bytes).unwrap();
        writer.put(name, value).unwrap()
    }),
    ("array that may change", |store, name, bytes| {
        let mut writer = store.writer();
        let shape = [bytes.len() as u64];
        let value = writer.raw_array_volatile(DType::UInt8, &shape, Order::C, bytes).unwrap();
        writer.put(name, value).unwrap()
    }),
    ("payload that may change", |store, name, bytes| {
        let mut writer = store.writer();
        let value = writer.bytes_volatile(bytes).unwrap();
        writer.put(name, value).unwrap()
    }),
    ("seekable", |store, name, bytes| {
        let mut writer = store.writer();
        let shape = [bytes.len() as u64];
        let value = writer.array_from_seekable(DType::UInt8, &shape, Order::C, Cursor::new(bytes)).unwrap();
        writer.put(name, value).unwrap()
    }),
    ("seekable of unknown length", |store, name, bytes| {
        let mut writer = store.writer();
        let value = writer.bytes_from_seekable(Cursor::new(bytes)).unwrap();
        writer.put(name, value).unwrap()
    }),
    ("pipe", |store, name, bytes| {
        let mut writer = store.writer();
        let shape = [bytes.len() as u64];
        let value = writer.array_from_reader(DType::UInt8, &shape, Order::C, Pipe(bytes)).unwrap();
        writer.put(name, value).unwrap()
    }),
    ("pipe of unknown length", |store, name, bytes| {
        let mut writer = store.writer();
        let value = writer.bytes_from_reader(Pipe(bytes)).unwrap();
        writer.put(name, value).unwrap()
    }),
];

#[test]
fn equal_bytes_are_one_file_whichever_way_they_come() {
    let dir = Dir::on_disk();
    let store = dir.store();
    let bytes = noise(LEN, 1);
    let path = dir.blob(&Digest::of(&bytes));
    WAYS[0].1(&store, "first", &bytes);
    let first = Facts::of(&path);
    assert_eq!((mode_of(&path), modified_ns(&path)), (0o444, PUBLISHED_NS));
    for (way, put) in WAYS {
        put(&store, way, &bytes);
        assert_eq!(load(&store, way).unwrap().unwrap(), bytes, "{way}");
        assert_eq!(dir.blob_names(), [Digest::of(&bytes).to_string()], "{way}");
        let now = Facts::of(&path);
        assert_eq!((now.inode, now.modified, now.mode), (first.inode, first.modified, first.mode), "{way}");
    }
}

#[test]
fn bytes_that_are_there_are_not_written_again_from_memory_or_a_seekable_source() {
    let dir = Dir::new();
    let bytes = noise(LEN, 1);
    WAYS[0].1(&dir.store(), "first", &bytes);
    let before = Facts::of(&dir.blob(&Digest::of(&bytes)));
    let record = Record::default();
    let store = StoreOptions::new().seam(record.seam()).open(dir.path()).unwrap();
    for (way, put) in &WAYS[..6] {
        record.take();
        let report = put(&store, way, &bytes);
        assert_eq!((report.new_blobs, report.shared_blobs, report.shared_bytes), (0, 1, LEN as u64), "{way}");
        let steps = record.take();
        let count = |verb: Verb| steps.iter().filter(|step| step.0 == verb).count();
        // One private file, which is the manifest.
        assert_eq!((count(Verb::Create), count(Verb::Write), count(Verb::Link)), (1, 1, 0), "{way}: {steps:?}");
        assert_eq!(Facts::of(&dir.blob(&Digest::of(&bytes))), before, "{way}: not even a link came and went");
    }
}

#[test]
fn a_pipe_is_read_once_and_what_it_wrote_in_vain_is_dropped() {
    let dir = Dir::new();
    let bytes = noise(LEN, 1);
    WAYS[0].1(&dir.store(), "first", &bytes);
    let store = dir.store();
    WAYS[6].1(&store, "second", &bytes);
    assert_eq!(dir.blob_names().len(), 1);
    assert_eq!(dir.leftovers(), Vec::<String>::new(), "the private file is gone with the writer");
    drop(store);
    assert!(std::fs::read_dir(dir.inside("tmp")).unwrap().next().is_none());
}

#[test]
fn no_byte_and_one_byte_are_kept_as_well() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    for (way, put) in WAYS {
        for bytes in [&b""[..], b"\x07"] {
            let name = format!("{way} {}", bytes.len());
            let report = put(&store, &name, bytes);
            assert_eq!(report.new_blobs + report.shared_blobs, bytes.len() as u64, "{name}: no byte needs no blob");
            for store in [&store, &dir.mapped()] {
                let entry = store.entry(&name).unwrap().unwrap();
                let stored = entry.array().unwrap();
                assert_eq!((stored.to_bytes().unwrap(), stored.shape()), (bytes.to_vec(), &[bytes.len() as u64][..]));
                assert_eq!(stored.map::<u8, Ix1>().unwrap().to_vec(), bytes, "{name}");
            }
        }
    }
    assert_eq!(dir.blob_names(), [Digest::of(b"\x07").to_string()]);
    assert_eq!(std::fs::read(dir.blob(&Digest::of(b"\x07"))).unwrap(), [7]);
}

#[test]
fn a_stream_of_unknown_length_lies_inline_up_to_the_limit() {
    for (len, inline) in [(0, true), (1, true), (99, true), (100, true), (101, false), (100_000, false)] {
        let dir = Dir::new();
        let store = dir.open(&StoreOptions::new().inline_limits(100, 1000));
        let bytes = noise(len, 1);
        for seekable in [false, true] {
            let mut writer = store.writer();
            // What was read before does not count.
            let mut source = Cursor::new([b"skip", &bytes[..]].concat());
            source.set_position(4);
            let value =
                if seekable { writer.bytes_from_seekable(source) } else { writer.bytes_from_reader(Pipe(source)) };
            writer.put("x", value.unwrap()).unwrap();
            assert_eq!(store.info("x").unwrap().unwrap().arrays()[0].inline, inline, "{len}");
            assert_eq!(load(&store, "x").unwrap().unwrap(), bytes, "{len}");
        }
    }
}

/// A stream that is made up while it is read.
struct Generated {
    left: u64,
    noise: Noise,
}

impl Read for Generated {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let len = bytes.len().min(usize::try_from(self.left).unwrap()).min(1 << 16) / 8 * 8;
        bytes[..len].chunks_exact_mut(8).for_each(|piece| piece.copy_from_slice(&self.noise.next().to_le_bytes()));
        self.left -= len as u64;
        Ok(len)
    }
}

#[test]
fn a_long_stream_is_stored_whole_under_its_own_name() {
    const LONG: u64 = 200 << 20;
    let dir = Dir::on_disk();
    let store = dir.store();
    let generated = || Generated { left: LONG, noise: Noise::new(1) };
    let mut writer = store.writer();
    let value = writer.array_from_reader(DType::UInt64, &[LONG / 8 / 1024, 1024], Order::C, generated()).unwrap();
    assert_eq!(writer.put("long", value).unwrap().new_bytes, LONG);
    let expected = blake3::Hasher::new().update_reader(generated()).unwrap().finalize();
    assert_eq!(dir.blob_names(), [expected.to_hex().to_string()]);
    let entry = dir.mapped().entry("long").unwrap().unwrap();
    let mapped = entry.array().unwrap().map::<u64, ndarray::Ix2>().unwrap();
    let mut noise = Noise::new(1);
    assert!(mapped.iter().all(|&element| element == noise.next()));
}

#[test]
fn a_stream_of_another_length_is_an_error_and_leaves_nothing() {
    for store_small in [false, true] {
        let dir = Dir::new();
        let len = if store_small { 100 } else { 200_000 };
        let store = dir.store();
        for found in [0, len - 1, len + 1, 3 * len] {
            let bytes = noise(found, 1);
            for seekable in [false, true] {
                let mut writer = store.writer();
                let shape = [len as u64];
                let staged = if seekable {
                    writer.array_from_seekable(DType::UInt8, &shape, Order::C, Cursor::new(&bytes))
                } else {
                    writer.array_from_reader(DType::UInt8, &shape, Order::C, Pipe(&bytes[..]))
                };
                assert_error!(staged, Error::WrongType { expected, .. } if expected.contains(&format!("{len} bytes")));
            }
        }
        assert_eq!((store.count().unwrap(), dir.blob_names(), dir.leftovers()), (0, vec![], vec![]));
        drop(store);
        assert!(std::fs::read_dir(dir.inside("tmp")).unwrap().next().is_none(), "not even a directory is left");
    }
}

#[test]
fn a_stream_of_another_length_in_elements_is_refused_too() {
    let dir = Dir::new();
    let store = dir.store();
    let mut writer = store.writer();
    let refused = writer.raw_array(DType::Float64, &[2, 2], Order::C, &[0; 31]);
    assert_error!(refused, Error::WrongType { expected, found, .. } if expected.contains("32 bytes") && found.contains("31"));
    let good = writer.raw_array(DType::Float64, &[2, 2], Order::C, &[0; 32]).unwrap();
    writer.put("x", good).unwrap();
    assert_eq!(store.entry("x").unwrap().unwrap().array().unwrap().shape(), [2, 2]);
}

#[test]
fn a_stream_that_fails_leaves_nothing_and_its_error_is_the_cause() {
    struct Fails(usize);
    impl Read for Fails {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            let len = bytes.len().min(self.0);
            self.0 -= len;
            bytes[..len].fill(1);
            if len == 0 { Err(io::Error::other("the line is dead")) } else { Ok(len) }
        }
    }
    let dir = Dir::new();
    let store = dir.store();
    let mut writer = store.writer();
    let failed = writer.bytes_from_reader(Fails(10_000_000)).unwrap_err();
    assert_eq!(std::error::Error::source(&failed).unwrap().to_string(), "the line is dead");
    drop(writer);
    assert_eq!((dir.blob_names(), dir.leftovers()), (vec![], vec![]));
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let dir = Dir::new();
    let store = dir.store();
    let mut writer = store.writer();
    writer.array(&bytes_array(LEN, 1)).unwrap();
    writer.bytes_from_reader(&noise(LEN, 2)[..]).unwrap();
    assert_eq!((dir.blob_names().len(), dir.leftovers().len()), (0, 2), "private until the put");
    drop(writer);
    assert_eq!(dir.leftovers(), Vec::<String>::new());
    drop(store);
    assert!(std::fs::read_dir(dir.inside("tmp")).unwrap().next().is_none());
}

type Suspicion = fn(&std::path::Path);

#[test]
fn a_suspect_blob_is_replaced_by_the_next_put() {
    let dir = Dir::on_disk();
    let store = dir.blobs_only();
    let bytes = noise(5000, 1);
    let path = dir.blob(&Digest::of(&bytes));
    let suspicions: [(&str, Suspicion); 6] = [
        ("a second", |path| set_modified_ns(path, PUBLISHED_NS + 1_000_000_000)),
        ("a nanosecond", |path| set_modified_ns(path, PUBLISHED_NS + 1)),
        ("mode", |path| chmod(path, 0o644)),
        ("special mode", |path| chmod(path, 0o4444)),
        ("length", |path| truncate(path, 4999)),
        ("content", |path| edit(path, |bytes| bytes[7] ^= 1)),
    ];
    for (what, raise) in suspicions {
        store.put("x", &Array1::from(bytes.clone())).unwrap();
        let before = Facts::of(&path);
        raise(&path);
        let report = store.put("y", &Array1::from(bytes.clone())).unwrap();
        assert_eq!(report.new_blobs, 1, "{what}");
        assert_ne!(Facts::of(&path).inode, before.inode, "{what}: a file under a final name is never modified");
        assert_eq!((mode_of(&path), modified_ns(&path)), (0o444, PUBLISHED_NS), "{what}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{what}");
        assert_eq!(load(&store, "x").unwrap().unwrap(), bytes, "{what}");
        assert_eq!(dir.leftovers(), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn a_suspect_blob_of_right_content_is_certified_again_by_a_get() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let bytes = noise(5000, 1);
    let path = dir.blob(&Digest::of(&bytes));
    store.put("x", &Array1::from(bytes.clone())).unwrap();
    let before = Facts::of(&path);
    for open in [Dir::store, Dir::mapped] {
        chmod(&path, 0o640);
        set_modified_ns(&path, 1_700_000_000_000_000_000);
        assert_eq!(load(&open(&dir), "x").unwrap().unwrap(), bytes);
        let after = Facts::of(&path);
        assert_eq!((after.inode, after.mode, after.modified), (before.inode, before.mode, before.modified));
    }
    assert_eq!(store.put("y", &Array1::from(bytes)).unwrap().new_blobs, 0);
}

#[test]
fn damage_met_by_an_owned_read_is_an_error_that_the_next_put_heals() {
    for open in [Dir::store, Dir::mapped] {
        let dir = Dir::on_disk();
        dir.blobs_only();
        let store = open(&dir);
        let bytes = noise(5000, 1);
        let digest = Digest::of(&bytes);
        for name in ["x", "y"] {
            store.put(name, &Array1::from(bytes.clone())).unwrap();
        }
        rot(&dir.blob(&digest), |bytes| bytes[4321] ^= 0x10);

        let error = load(&store, "x").unwrap_err();
        assert_error!(Err::<(), _>(&error), Error::Corrupt { .. });
        assert_eq!((error.digest(), error.path()), (Some(digest), Some(&*dir.blob(&digest))));
        assert!(!store.contains("x").unwrap() && store.entry("x").unwrap().is_none(), "from now on it is a miss");
        let kept = dir.leftovers();
        assert!(kept.len() == 1 && kept[0].starts_with(&digest.to_string()), "the damaged file is kept for people");

        assert_eq!(store.put("x", &Array1::from(bytes.clone())).unwrap().new_blobs, 1);
        for name in ["x", "y"] {
            assert_eq!(load(&store, name).unwrap().unwrap(), bytes, "{name}");
        }
    }
}

#[test]
fn every_way_of_reading_into_memory_notices_damage() {
    type Reading = fn(&ndstash::StoredArray) -> ndstash::Result<()>;
    let readings: [(&str, Reading); 4] = [
        ("array", |stored| stored.to_array::<u8, Ix1>().map(drop)),
        ("bytes", |stored| stored.to_bytes().map(drop)),
        ("stream", |stored| stored.write_to(&mut Vec::new())),
        ("file", |stored| stored.copy_to_file(&tempfile::tempfile().unwrap(), 0)),
    ];
    for open in [Dir::store, Dir::mapped] {
        for (way, read) in readings {
            let dir = Dir::new();
            let store = dir.blobs_only();
            store.put("x", &bytes_array(5000, 1)).unwrap();
            rot(&dir.blob(&Digest::of(&noise(5000, 1))), |bytes| bytes[0] ^= 1);
            let entry = open(&dir).entry("x").unwrap().unwrap();
            assert_error!(read(entry.array().unwrap()), Error::Corrupt { .. });
            assert!(store.entry("x").unwrap().is_none(), "{way}: remembered");
        }
    }
}

#[test]
fn a_length_that_is_wrong_shows_when_the_entry_is_opened() {
    for open in [Dir::store, Dir::mapped, Dir::read_only] {
        for longer in [false, true] {
            let dir = Dir::new();
            let digest = Digest::of(&noise(5000, 1));
            dir.blobs_only().put("x", &bytes_array(5000, 1)).unwrap();
            rot(&dir.blob(&digest), |bytes| bytes.resize(if longer { 5001 } else { 4999 }, 0));
            let store = open(&dir);
            assert_error!(store.entry("x"), Error::Corrupt { detail, .. } if detail.contains("5000 bytes are expected"));
        }
    }
}

#[test]
fn with_checks_switched_off_damage_is_handed_out() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    store.put("x", &bytes_array(5000, 1)).unwrap();
    rot(&dir.blob(&Digest::of(&noise(5000, 1))), |bytes| bytes[0] ^= 1);
    let unchecked = StoreOptions::new().verify_on_read(VerifyOnRead::Never).open(dir.path()).unwrap();
    let mut expected = noise(5000, 1);
    expected[0] ^= 1;
    assert_eq!(load(&unchecked, "x").unwrap().unwrap(), expected);
    assert_error!(load(&store, "x"), Error::Corrupt { .. });
}

#[test]
fn a_stored_array_is_put_again_without_a_copy_and_even_after_its_blob_is_gone() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    store.put("x", &bytes_array(5000, 1)).unwrap();
    let entry = store.entry("x").unwrap().unwrap();
    let put_again = |name: &str| {
        let mut writer = store.writer();
        let value = writer.stored(entry.array().unwrap()).unwrap();
        writer.put(name, value).unwrap()
    };
    assert_eq!(put_again("y").new_blobs, 0);
    store.remove("x").unwrap();
    store.remove("y").unwrap();
    assert_eq!(store.gc(&ndstash::GcOptions::new()).unwrap().blobs_removed, 1);
    assert_eq!(put_again("z").new_blobs, 1);
    assert_eq!(load(&store, "z").unwrap().unwrap(), noise(5000, 1));
}

#[test]
fn more_blobs_than_may_be_held_open_are_shared_all_the_same() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let put = |name: &str| {
        let mut writer = store.writer();
        let parts = (0..300).map(|seed| writer.array(&bytes_array(20, seed)).unwrap()).collect();
        writer.put(name, Tree::List(parts)).unwrap()
    };
    assert_eq!(put("x").new_blobs, 300);
    put("y");
    assert_eq!(dir.blob_names().len(), 300);
    let entry = store.entry("y").unwrap().unwrap();
    for (seed, stored) in (0..).zip(entry.stored_arrays()) {
        assert_eq!(stored.to_bytes().unwrap(), noise(20, seed));
    }
    assert_eq!(dir.leftovers(), Vec::<String>::new());
}
