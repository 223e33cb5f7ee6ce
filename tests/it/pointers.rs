//! Results made through a pointer: they are as if they had been put, dropping them leaves nothing, and their memory stays
//! good for whoever still looks at it.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use ndarray::Ix2;
use ndstash::seam::{Flow, Verb};
use ndstash::{DType, Digest, Error, GcOptions, RawArray, RawMemory, Store, StoreOptions};

use crate::common::{Child, Dir, PUBLISHED_NS, assert_error, files_in, mode_of, modified_ns, noise, peek, poke, seam};
use crate::common::{Record, trusted, verify};

const LEN: usize = 30_000;

/// A store that maps, and one that does not, with every array but an empty one in a blob.
fn each_store(test: impl Fn(&Dir, &Store, bool)) {
    for maps in [true, false] {
        let dir = Dir::new();
        drop(dir.blobs_only());
        let options = if maps { StoreOptions::new().mapping(trusted()) } else { StoreOptions::new() };
        test(&dir, &dir.open(&options), maps);
    }
}

fn bytes(store: &Store, bytes: &[u8]) -> RawArray {
    let made = store.create_raw(DType::UInt8, &[bytes.len() as u64]).unwrap();
    fill(made.memory(), bytes);
    made
}

fn fill(memory: &RawMemory, bytes: &[u8]) {
    bytes.iter().enumerate().for_each(|(at, byte)| poke(memory.as_mut_ptr(), at, *byte));
}

fn held(memory: &RawMemory) -> Vec<u8> {
    peek(memory.as_mut_ptr(), memory.len())
}

#[test]
fn an_array_filled_through_its_pointer_is_the_one_that_is_read_back() {
    each_store(|dir, store, maps| {
        let made = store.create_raw(DType::Float64, &[30, 100]).unwrap();
        assert_eq!((made.dtype(), made.shape(), made.len()), (DType::Float64, &[30, 100][..], 24_000));
        assert_eq!((made.is_mapped(), held(made.memory())), (maps, vec![0; 24_000]));
        let elements: Vec<f64> = (0..3000).map(f64::from).collect();
        fill(made.memory(), &elements.iter().flat_map(|element| element.to_le_bytes()).collect::<Vec<u8>>());
        let sealed = made.seal().unwrap();
        assert_eq!(
            (sealed.dtype(), sealed.shape(), sealed.map_bytes().unwrap().is_mapped()),
            (DType::Float64, &[30, 100][..], maps)
        );
        let blob = dir.blob(&sealed.digest());
        let report = sealed.put("made").unwrap();
        assert_eq!((report.new_blobs, report.new_bytes), (1, 24_000));
        let array = store.entry("made").unwrap().unwrap().array().unwrap().to_array::<f64, Ix2>().unwrap();
        assert_eq!((array.dim(), array.into_raw_vec_and_offset().0), ((30, 100), elements.clone()));
        assert_eq!((mode_of(&blob), modified_ns(&blob)), (0o444, PUBLISHED_NS));
        let put = store.put("put", &ndarray::Array1::from(elements)).unwrap();
        assert_eq!(put.new_blobs, 0, "it is shared with one that was put");
        assert!(dir.leftovers().is_empty() && verify(store).problems.is_empty());
    });
}

#[test]
fn the_memory_stays_readable_after_the_seal_and_what_is_written_to_it_reaches_nobody() {
    each_store(|dir, store, _| {
        let made = bytes(store, &noise(LEN, 1));
        let (memory, start) = (made.memory().clone(), made.as_mut_ptr());
        let sealed = made.seal().unwrap();
        assert_eq!((memory.as_mut_ptr(), sealed.memory().as_mut_ptr()), (start, start));
        assert_eq!(held(&memory), noise(LEN, 1));
        poke(start, 0, !noise(LEN, 1)[0]);
        let digest = sealed.digest();
        sealed.put("made").unwrap();
        poke(start, LEN - 1, !noise(LEN, 1)[LEN - 1]);
        assert_eq!(digest, Digest::of(&noise(LEN, 1)));
        assert_eq!(fs::read(dir.blob(&digest)).unwrap(), noise(LEN, 1));
        store.remove("made").unwrap();
        store.gc(&GcOptions::new()).unwrap();
        let mut expected = noise(LEN, 1);
        expected[0] = !expected[0];
        expected[LEN - 1] = !expected[LEN - 1];
        assert!(held(&memory) == expected && !dir.blob(&digest).exists());
    });
}

/// Two threads look at every byte over and over while a third seals.
#[test]
fn who_looks_while_it_is_sealed_sees_what_was_written() {
    each_store(|_, store, _| {
        let made = bytes(store, &noise(LEN, 1));
        let memory = made.memory().clone();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        assert!(held(&memory) == noise(LEN, 1));
                    }
                });
            }
            drop(made.seal().unwrap());
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    });
}

#[test]
fn dropping_leaves_nothing_at_any_stage_and_the_memory_is_there_for_who_holds_it() {
    each_store(|dir, store, _| {
        let made = bytes(store, &noise(LEN, 1));
        let memory = made.memory().clone();
        drop(made);
        assert!(dir.leftovers().is_empty(), "while it is filled: {:?}", dir.leftovers());
        assert_eq!(held(&memory), noise(LEN, 1));
        poke(memory.as_mut_ptr(), 0, 1);

        let sealed = bytes(store, &noise(LEN, 1)).seal().unwrap();
        let memory = sealed.memory().clone();
        drop(sealed);
        assert!(dir.leftovers().is_empty(), "sealed: {:?}", dir.leftovers());
        assert_eq!(held(&memory), noise(LEN, 1));

        let mut writer = store.writer();
        writer.sealed_raw(bytes(store, &noise(LEN, 1)).seal().unwrap()).unwrap();
        drop(writer);
        assert!(dir.leftovers().is_empty(), "added to an entry: {:?}", dir.leftovers());
        assert!(dir.blob_names().is_empty());
    });
}

#[test]
fn small_arrays_lie_in_the_manifest_and_make_no_file() {
    let dir = Dir::new();
    drop(dir.store());
    let store = dir.mapped();
    let sealed = bytes(&store, b"abc").seal().unwrap();
    poke(sealed.memory().as_mut_ptr(), 0, b'x');
    let mut writer = store.writer();
    let value = writer.sealed_raw(sealed).unwrap();
    assert_eq!(writer.put("small", value).unwrap().inline_bytes, 3);
    assert_eq!(store.entry("small").unwrap().unwrap().array().unwrap().to_bytes().unwrap(), b"abc");
    let nothing = store.create_raw(DType::Int16, &[0, 9]).unwrap();
    assert!(nothing.is_empty() && nothing.as_mut_ptr().align_offset(16) == 0);
    nothing.seal().unwrap().put("nothing").unwrap();
    assert_eq!(store.info("nothing").unwrap().unwrap().arrays()[0].shape, [0, 9]);
    assert!(dir.blob_names().is_empty());
}

#[test]
fn an_array_made_through_another_handle_is_copied() {
    let (dir, other) = (Dir::new(), Dir::new());
    let (store, elsewhere) = (dir.blobs_only(), other.blobs_only());
    let mut writer = store.writer();
    let value = writer.sealed_raw(bytes(&elsewhere, &noise(LEN, 1)).seal().unwrap()).unwrap();
    writer.put("made", value).unwrap();
    assert_eq!(store.entry("made").unwrap().unwrap().array().unwrap().to_bytes().unwrap(), noise(LEN, 1));
    assert!(other.blob_names().is_empty() && other.leftovers().is_empty());
}

/// A store that maps, whose private files meet this failure at one kind of step.
fn failing(dir: &Dir, at: Verb, error: rustix::io::Errno) -> Store {
    drop(dir.blobs_only());
    let fail = seam(move |step| if step.verb == at { Err(error.into()) } else { Ok(Flow::Go) });
    dir.open(&StoreOptions::new().mapping(trusted()).seam(fail))
}

#[test]
fn a_full_disk_shows_at_creation_and_leaves_nothing() {
    let dir = Dir::new();
    let error = failing(&dir, Verb::Reserve, rustix::io::Errno::NOSPC).create_raw(DType::UInt8, &[9000]).unwrap_err();
    assert!(error.is_full() && error.to_string().starts_with("cannot reserve space for "), "{error}");
    assert!(dir.leftovers().is_empty());
}

#[test]
fn where_space_cannot_be_reserved_the_array_is_made_in_memory() {
    let dir = Dir::new();
    let store = failing(&dir, Verb::Reserve, rustix::io::Errno::OPNOTSUPP);
    let made = bytes(&store, &noise(LEN, 1));
    assert!(!made.is_mapped());
    let sealed = made.seal().unwrap();
    poke(sealed.memory().as_mut_ptr(), 0, !noise(LEN, 1)[0]);
    assert!(sealed.map_bytes().unwrap().is_mapped(), "what is written is mapped all the same");
    sealed.put("made").unwrap();
    assert_eq!(store.entry("made").unwrap().unwrap().array().unwrap().to_bytes().unwrap(), noise(LEN, 1));
    assert!(dir.leftovers().is_empty());
}

#[test]
fn a_disk_that_is_full_or_fails_at_the_seal_fails_it_and_the_memory_stays() {
    for (at, maps) in [(Verb::Sync, true), (Verb::Sync, false), (Verb::Write, false), (Verb::Open, true)] {
        let dir = Dir::new();
        drop(dir.blobs_only());
        let fail = seam(move |step| {
            let hit = step.verb == at && step.path.starts_with("tmp");
            if hit { Err(rustix::io::Errno::NOSPC.into()) } else { Ok(Flow::Go) }
        });
        let options = StoreOptions::new().seam(fail);
        let store = dir.open(&if maps { options.mapping(trusted()) } else { options });
        let made = bytes(&store, &noise(LEN, 1));
        let memory = made.memory().clone();
        assert!(made.seal().unwrap_err().is_full());
        assert!(dir.leftovers().is_empty());
        assert_eq!(held(&memory), noise(LEN, 1));
        poke(memory.as_mut_ptr(), 0, 1);
    }
}

#[test]
fn arrays_that_cannot_be_are_refused() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    assert_error!(
        store.create_raw(DType::Float64, &[1 << 40, 1 << 40]),
        Error::TooLarge { what: "the size of the array in bytes", .. }
    );
    assert_error!(store.create_raw(DType::UInt8, &[1; 65]), Error::TooLarge { what: "the number of dimensions", .. });
    assert_error!(dir.read_only().create_raw(DType::UInt8, &[1]), Error::Unsupported { .. });
    each_store(|dir, store, _| {
        for len in [LEN, 1] {
            let made = store.create_raw(DType::Bool, &[len as u64]).unwrap();
            poke(made.as_mut_ptr(), len - 1, 2);
            assert_error!(made.seal(), Error::Io { action, .. } if ["take", "read"].contains(&action));
            assert!(dir.leftovers().is_empty());
        }
        let flags = store.create_raw(DType::Bool, &[3]).unwrap();
        poke(flags.as_mut_ptr(), 1, 1);
        flags.seal().unwrap().put("flags").unwrap();
        assert_eq!(store.get::<Vec<bool>>("flags").unwrap().unwrap(), [false, true, false]);
    });
}

/// The child was forked while the array was being filled, and goes on writing to its memory after the seal.
#[test]
fn a_forked_child_helps_to_fill_an_array_and_cannot_change_what_was_sealed() {
    let dir = Dir::new();
    drop(dir.blobs_only());
    Child::alone("pointers::forks_while_it_fills", &dir.path()).passes();
    let store = dir.store();
    assert!(verify(&store).problems.is_empty(), "{:?}", verify(&store).problems);
    let mut expected = noise(LEN, 1);
    expected[5] = 55;
    assert_eq!(store.entry("made").unwrap().unwrap().array().unwrap().to_bytes().unwrap(), expected);
    assert!(files_in(&dir.inside("tmp")).is_empty());
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn forks_while_it_fills() {
    let room = Child::room();
    let beside = room.parent().unwrap().to_owned();
    let store = StoreOptions::new().mapping(trusted()).open(&room).unwrap();
    let made = bytes(&store, &noise(LEN, 1));
    let memory = made.memory().clone();
    assert!(made.is_mapped());
    let theirs = memory.clone();
    Child::fork(|| {
        poke(theirs.as_mut_ptr(), 5, 55);
        tell(&beside, "filled");
        await_word(&beside, "sealed");
        (0..LEN).for_each(|at| poke(theirs.as_mut_ptr(), at, 99));
        tell(&beside, "written");
    });
    await_word(&beside, "filled");
    let sealed = made.seal().unwrap();
    tell(&beside, "sealed");
    await_word(&beside, "written");
    assert_eq!((held(&memory)[5], held(&memory)[6]), (55, noise(LEN, 1)[6]), "nor what is still looked at");
    sealed.put("made").unwrap();
}

/// In a process that forks no other: one that is about to run another program would have the file open, too.
#[test]
fn an_array_that_nobody_else_could_write_to_is_not_copied() {
    let dir = Dir::new();
    drop(dir.blobs_only());
    Child::alone("pointers::is_sealed_where_it_lies", &dir.path()).passes();
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn is_sealed_where_it_lies() {
    let record = Record::default();
    let options = StoreOptions::new().mapping(trusted()).seam(record.seam());
    let store = options.open(Child::room()).unwrap();
    let made = bytes(&store, &noise(LEN, 1));
    drop(made.seal().unwrap());
    let count = |verb| record.take().iter().filter(|(seen, _)| *seen == verb).count();
    assert_eq!(count(Verb::Create), 1, "the file that was made for it");
}

fn tell(beside: &Path, word: &str) {
    fs::write(beside.join(word), b"").unwrap();
}

fn await_word(beside: &Path, word: &str) {
    let start = Instant::now();
    while !beside.join(word).exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain: {word}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_private_file_must_still_be_there() {
    let dir = Dir::new();
    drop(dir.blobs_only());
    let made = bytes(&dir.mapped(), &noise(LEN, 1));
    let file = walkdir::WalkDir::new(dir.inside("tmp"))
        .into_iter()
        .map(Result::unwrap)
        .find(|file| file.file_type().is_file());
    fs::remove_file(file.unwrap().path()).unwrap();
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    assert_error!(made.seal(), Error::Io { action: "open", ref source, .. } if gone(source));
}
