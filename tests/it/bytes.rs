//! Bytes of stored arrays without their type: as they lie, checked, shared, private; and back by their name.

use std::fs;

use ndarray::{Array1, Array2, ShapeBuilder};
use ndstash::{DType, Digest, Entry, Error, GcOptions, MappedBytes, Order, PrivateBytes, Store, StoreOptions, Tree};
use ndstash::{VerifyOnRead, seam::Verb};

use crate::common::{Dir, Record, assert_error, edit, noise, peek, poke, rot, trusted};

const LEN: usize = 20_000;

fn put(store: &Store, name: &str, seed: u64) -> Digest {
    store.put(name, &Array1::from(noise(LEN, seed))).unwrap();
    Digest::of(&noise(LEN, seed))
}

fn entry(store: &Store, name: &str) -> Entry {
    store.entry(name).unwrap().unwrap()
}

fn mapped(store: &Store, name: &str) -> MappedBytes {
    entry(store, name).array().unwrap().map_bytes().unwrap()
}

fn private(store: &Store, name: &str) -> PrivateBytes {
    entry(store, name).array().unwrap().map_private().unwrap()
}

fn content(bytes: &mut PrivateBytes) -> Vec<u8> {
    peek(bytes.as_mut_ptr(), bytes.len())
}

#[test]
fn bytes_come_as_they_lie_in_every_way_from_blobs_and_manifests() {
    for (maps, inline) in [(true, false), (false, false), (true, true), (false, true)] {
        let dir = Dir::new();
        drop(if inline { dir.store() } else { dir.blobs_only() });
        let options = if maps { StoreOptions::new().mapping(trusted()) } else { StoreOptions::new() };
        let store = dir.open(&options);
        let mut array = Array2::<f64>::zeros((30, 20).f());
        array.indexed_iter_mut().for_each(|((i, j), to)| *to = f64::from(u32::try_from(100 * i + j).unwrap()));
        store.put("f", &array).unwrap();
        let expected: Vec<u8> = array.t().iter().flat_map(|element| element.to_le_bytes()).collect();

        let entry = entry(&store, "f");
        let stored = entry.array().unwrap();
        assert_eq!((stored.order(), stored.len_bytes()), (Order::F, 4800));
        let mut read = vec![1; 4800];
        stored.read_into(&mut read).unwrap();
        let bytes = stored.map_bytes().unwrap();
        let mut own = stored.map_private().unwrap();
        assert!(read == expected && *bytes == expected[..] && content(&mut own) == expected);

        let blob = (maps && !inline).then(|| Digest::of(&expected));
        assert_eq!((bytes.blob(), bytes.is_mapped(), own.is_mapped()), (blob, blob.is_some(), blob.is_some()));
        assert_eq!((bytes.as_ptr().align_offset(16), own.as_mut_ptr().align_offset(16)), (0, 0));
        assert_error!(stored.read_into(&mut read[1..]), Error::WrongType { expected, .. } if expected.starts_with("4800 bytes"));
    }
}

#[test]
fn arrays_without_elements_have_no_bytes() {
    for maps in [true, false] {
        let dir = Dir::new();
        drop(dir.blobs_only());
        let store = if maps { dir.mapped() } else { dir.store() };
        store.put("none", &Array2::<f32>::zeros((0, 3))).unwrap();
        let entry = entry(&store, "none");
        let stored = entry.array().unwrap();
        stored.read_into(&mut []).unwrap();
        assert!(stored.map_bytes().unwrap().is_empty() && stored.map_private().unwrap().is_empty());
    }
}

#[test]
fn what_is_read_is_compared_with_its_digest_and_what_is_mapped_is_not() {
    let dir = Dir::new();
    let digest = put(&dir.blobs_only(), "x", 1);
    rot(&dir.blob(&digest), |bytes| bytes[7] ^= 1);
    let (map, mut own) = (mapped(&dir.mapped(), "x"), private(&dir.mapped(), "x"));
    assert_ne!(map[7], noise(LEN, 1)[7]);
    assert_eq!(content(&mut own), *map);
    let read = |store: &Store| entry(store, "x").array().unwrap().read_into(&mut vec![0; LEN]);
    read(&StoreOptions::new().verify_on_read(VerifyOnRead::Never).open(dir.path()).unwrap()).unwrap();
    assert_error!(read(&dir.read_only()), Error::Corrupt { .. });
    assert_error!(entry(&dir.read_only(), "x").array().unwrap().map_bytes(), Error::Corrupt { .. });
    assert_error!(entry(&dir.read_only(), "x").array().unwrap().map_private(), Error::Corrupt { .. });
}

#[test]
fn booleans_that_are_none_are_refused_even_from_a_map() {
    let dir = Dir::new();
    dir.blobs_only().put("flags", &Array1::from_elem(LEN, true)).unwrap();
    rot(&dir.blob(&Digest::of(&vec![1; LEN])), |bytes| bytes[LEN - 1] = 2);
    let options = StoreOptions::new().verify_on_read(VerifyOnRead::Never).read_only(true);
    for options in [options.clone(), options.mapping(trusted())] {
        let entry = entry(&options.open(dir.path()).unwrap(), "flags");
        let stored = entry.array().unwrap();
        assert_error!(stored.read_into(&mut vec![0; LEN]), Error::Malformed { reason, .. } if reason.contains("19999"));
        assert_error!(stored.map_bytes(), Error::Malformed { .. });
        assert_error!(stored.map_private(), Error::Malformed { .. });
    }
}

#[test]
fn what_is_written_to_private_bytes_reaches_nobody() {
    let dir = Dir::new();
    let digest = put(&dir.blobs_only(), "x", 1);
    let store = dir.mapped();
    let (mut one, mut other, map) = (private(&store, "x"), private(&store, "x"), mapped(&store, "x"));
    assert!(one.is_mapped());
    (0..LEN).for_each(|at| poke(one.as_mut_ptr(), at, 7));
    assert_eq!(content(&mut one), vec![7; LEN]);
    assert_eq!(content(&mut other), noise(LEN, 1));
    assert_eq!(*map, noise(LEN, 1));
    assert_eq!(fs::read(dir.blob(&digest)).unwrap(), noise(LEN, 1));

    let moved = Box::new(one);
    store.remove("x").unwrap();
    store.gc(&GcOptions::new()).unwrap();
    assert!(!dir.blob(&digest).exists());
    assert_eq!((content(&mut { *moved }), content(&mut other)), (vec![7; LEN], noise(LEN, 1)));
}

#[test]
fn an_array_whose_blob_is_gone_or_suspect_is_copied_from_what_is_open() {
    let dir = Dir::new();
    let digest = put(&dir.blobs_only(), "x", 1);
    let store = dir.mapped();
    let entry = entry(&store, "x");
    crate::common::set_modified_ns(&dir.blob(&digest), 5);
    let mut own = entry.array().unwrap().map_private().unwrap();
    assert_eq!((own.is_mapped(), content(&mut own)), (false, noise(LEN, 1)));
    store.remove("x").unwrap();
    store.gc(&GcOptions::new()).unwrap();
    let mut own = entry.array().unwrap().map_private().unwrap();
    poke(own.as_mut_ptr(), 0, 9);
    assert_eq!((own.is_mapped(), &content(&mut own)[1..]), (false, &noise(LEN, 1)[1..]));
    assert_eq!(*entry.array().unwrap().map_bytes().unwrap(), noise(LEN, 1));
}

#[test]
fn a_blob_is_found_by_its_name() {
    let dir = Dir::new();
    let digest = put(&dir.blobs_only(), "x", 1);
    for store in [dir.store(), dir.mapped()] {
        let blob = store.blob(&digest, LEN as u64, store.boot()).unwrap().unwrap();
        assert_eq!((blob.dtype(), blob.shape(), blob.digest()), (DType::UInt8, &[LEN as u64][..], digest));
        assert_eq!(*blob.map_bytes().unwrap(), noise(LEN, 1));
        assert!(store.blob(&Digest::of(b"none"), 4, store.boot()).unwrap().is_none());
        assert_error!(store.blob(&digest, LEN as u64 - 1, store.boot()), Error::Corrupt { digest: Some(named), .. } if *named == digest);
        assert!(dir.leftovers().is_empty() && dir.blob(&digest).exists(), "who asked may have been wrong");
    }
    edit(&dir.blob(&digest), |bytes| bytes[0] ^= 1);
    assert_error!(dir.store().blob(&digest, LEN as u64, [0; 16]), Error::Corrupt { .. });
}

/// The bytes are damaged, so that hashing them would show.
#[test]
fn a_known_blob_is_not_hashed_while_it_is_there() {
    let dir = Dir::new();
    let digest = put(&dir.blobs_only(), "x", 1);
    rot(&dir.blob(&digest), |bytes| bytes[7] ^= 1);
    let record = Record::default();
    let store = dir.open(&StoreOptions::new().mapping(trusted()).seam(record.seam()));
    let bytes = mapped(&store, "x");
    record.take();
    let mut writer = store.writer();
    let array = writer.raw_known(DType::UInt16, &[100, 100], Order::F, &bytes).unwrap();
    let payload = writer.payload_known(&bytes.clone()).unwrap();
    assert!(matches!((&array, &payload), (Tree::Array(_), Tree::Payload(_))));
    let report = writer.put("again", Tree::List(vec![array, payload])).unwrap();
    assert_eq!((report.new_blobs, report.shared_blobs), (0, 1));
    assert_eq!(record.take().iter().filter(|(verb, _)| *verb == Verb::Create).count(), 1, "the manifest alone");
    let info = store.info("again").unwrap().unwrap();
    let [array, payload] = &info.arrays()[..] else { panic!("two arrays") };
    assert_eq!((array.digest, array.dtype, &array.shape[..]), (digest, DType::UInt16, &[100, 100][..]));
    assert_eq!((array.order, payload.digest, payload.dtype), (Order::F, digest, DType::UInt8));
}

#[test]
fn a_known_blob_that_was_collected_is_written_from_its_map_and_hashed_anew() {
    let dir = Dir::new();
    let digest = put(&dir.blobs_only(), "x", 1);
    rot(&dir.blob(&digest), |bytes| bytes[7] ^= 1);
    let store = dir.mapped();
    let bytes = mapped(&store, "x");
    store.remove("x").unwrap();
    store.gc(&GcOptions::new()).unwrap();
    let mut writer = store.writer();
    let value = writer.raw_known(DType::UInt8, &[LEN as u64], Order::C, &bytes).unwrap();
    assert_eq!(writer.put("again", value).unwrap().new_blobs, 1);
    assert_eq!(entry(&store, "again").array().unwrap().digest(), Digest::of(&bytes));
    assert_ne!(Digest::of(&bytes), digest);
    assert_eq!(entry(&store, "again").array().unwrap().to_bytes().unwrap(), *bytes);
}

/// Collected after it was added and before it is put.
#[test]
fn a_known_blob_that_goes_meanwhile_comes_back() {
    let dir = Dir::new();
    put(&dir.blobs_only(), "x", 1);
    let store = dir.mapped();
    let mut writer = store.writer();
    let value = writer.payload_known(&mapped(&store, "x")).unwrap();
    store.remove("x").unwrap();
    store.gc(&GcOptions::new()).unwrap();
    writer.put("again", value).unwrap();
    assert_eq!(entry(&store, "again").array().unwrap().to_bytes().unwrap(), noise(LEN, 1));
}

#[test]
fn bytes_of_another_store_or_from_memory_are_copied_and_elements_are_checked() {
    let (dir, other) = (Dir::new(), Dir::new());
    put(&dir.blobs_only(), "x", 1);
    drop(other.blobs_only());
    let store = other.mapped();
    for bytes in [mapped(&dir.mapped(), "x"), mapped(&dir.store(), "x")] {
        let mut writer = store.writer();
        let value = writer.raw_known(DType::UInt8, &[LEN as u64], Order::C, &bytes).unwrap();
        writer.put("x", value).unwrap();
        assert_eq!(entry(&store, "x").array().unwrap().to_bytes().unwrap(), noise(LEN, 1));
        let known = |dtype, len| store.writer().raw_known(dtype, &[len], Order::C, &bytes);
        assert_error!(known(DType::UInt8, LEN as u64 + 1), Error::WrongType { .. });
        assert_error!(known(DType::Bool, LEN as u64), Error::Io { action: "take", .. });
    }
}

#[test]
fn what_other_languages_hold_may_go_from_thread_to_thread() {
    fn sent<T: Send>() {}
    fn shared<T: Send + Sync>() {}
    sent::<ndstash::Writer>();
    sent::<ndstash::Flight>();
    sent::<ndstash::Encoder<'_>>();
    sent::<ndstash::Encoded<'_>>();
    shared::<MappedBytes>();
    shared::<PrivateBytes>();
    shared::<ndstash::RawArray>();
    shared::<ndstash::RawMemory>();
    shared::<ndstash::SealedRaw>();
    shared::<Entry>();
    shared::<ndstash::CallKey>();
    shared::<ndstash::Cache>();
}
