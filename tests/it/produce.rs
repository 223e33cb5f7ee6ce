//! Results made in place, or row by row: they are as if they had been put, and dropping them leaves nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::{Array1, Array2, ArrayD, Axis, Ix0, Ix1, Ix2, Ix3, IxDyn, ShapeBuilder, s};
use ndstash::seam::{Flow, Verb};
use ndstash::{Element, Error, GcOptions, Order, Store, StoreOptions, Tree, VerifyEvent, VerifyOptions};
use rayon::prelude::*;

use crate::common::{Child, Dir, Record, assert_error, files_in, load, mode_of, modified_ns, noise, seam, tree_map};
use crate::common::{PUBLISHED_NS, trusted};

/// A store that maps, and one that does not, with every array but an empty one in a blob.
fn each_store(test: impl Fn(&Dir, &Store, bool)) {
    for maps in [true, false] {
        let dir = Dir::new();
        drop(dir.blobs_only());
        let options = if maps { StoreOptions::new().mapping(trusted()) } else { StoreOptions::new() };
        test(&dir, &dir.open(&options), maps);
    }
}

/// A store that maps, whose private files meet this failure when space is reserved for them.
fn refusing(dir: &Dir, error: fn() -> io::Error) -> Store {
    drop(dir.blobs_only());
    let refuse = seam(move |step| if step.verb == Verb::Reserve { Err(error()) } else { Ok(Flow::Go) });
    dir.open(&StoreOptions::new().mapping(trusted()).seam(refuse))
}

/// ENOSPC.
fn full() -> io::Error {
    rustix::io::Errno::NOSPC.into()
}

/// EOPNOTSUPP.
fn not_supported() -> io::Error {
    rustix::io::Errno::OPNOTSUPP.into()
}

fn table(rows: usize, columns: usize) -> Array2<f64> {
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    Array2::from_shape_fn((rows, columns), |(row, column)| (row * columns + column) as f64)
}

fn stored<A: Element, D: ndarray::Dimension>(store: &Store, name: &str) -> ndarray::Array<A, D> {
    store.entry(name).unwrap().unwrap().array().unwrap().to_array().unwrap()
}

fn assert_clean(store: &Store) {
    let report = store.verify(&VerifyOptions::new(), &|_: VerifyEvent<'_>| ()).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[test]
fn an_array_filled_by_many_threads_is_the_one_that_is_read_back() {
    each_store(|dir, store, maps| {
        let expected = table(300, 70);
        let mut made = store.create_array::<f64, _>((300, 70)).unwrap();
        assert_eq!((made.dim(), made.is_mapped(), made.sum()), ((300, 70), maps, 0.0));
        made.as_slice_mut().unwrap().par_chunks_mut(70).enumerate().for_each(|(row, elements)| {
            elements.iter_mut().zip(expected.row(row)).for_each(|(to, from)| *to = *from);
        });
        let report = made.put("made").unwrap();
        assert_eq!((report.new_blobs, report.new_bytes), (1, 300 * 70 * 8));
        assert_eq!(stored::<f64, Ix2>(store, "made"), expected);
        assert!(dir.leftovers().is_empty(), "{:?}", dir.leftovers());
        assert_clean(store);
    });
}

#[test]
fn a_produced_blob_is_published_like_every_other_and_shared_with_one_that_was_put() {
    each_store(|dir, store, _| {
        store.put("put", &table(50, 40)).unwrap();
        let mut made = store.create_array::<f64, _>([50, 40]).unwrap();
        made.assign(&table(50, 40));
        let sealed = made.seal().unwrap();
        let digest = sealed.digest();
        let report = sealed.put("made").unwrap();
        assert_eq!((report.new_blobs, report.shared_blobs, report.shared_bytes), (0, 1, 16_000));
        assert_eq!(dir.blob_names(), [digest.to_string()]);

        let mut other = store.create_array::<f64, _>((50, 40)).unwrap();
        other.fill(2.5);
        let sealed = other.seal().unwrap();
        let blob = dir.blob(&sealed.digest());
        sealed.put("other").unwrap();
        assert_eq!((mode_of(&blob), modified_ns(&blob)), (0o444, PUBLISHED_NS));
        assert_eq!(store.put("same", &Array2::from_elem((50, 40), 2.5)).unwrap().shared_blobs, 1);
        assert!(dir.leftovers().is_empty(), "{:?}", dir.leftovers());
    });
}

#[test]
fn dropping_leaves_nothing_at_any_stage() {
    each_store(|dir, store, _| {
        let mut made = store.create_array::<u8, _>(100_000).unwrap();
        made.fill(7);
        drop(made);
        assert!(dir.leftovers().is_empty(), "while it is filled: {:?}", dir.leftovers());

        let mut made = store.create_array::<u8, _>(100_000).unwrap();
        made.fill(7);
        drop(made.seal().unwrap());
        assert!(dir.leftovers().is_empty(), "sealed: {:?}", dir.leftovers());

        let mut writer = store.writer();
        writer.sealed(store.create_array::<u8, _>(100_000).unwrap().seal().unwrap()).unwrap();
        drop(writer);
        assert!(dir.leftovers().is_empty(), "added to an entry: {:?}", dir.leftovers());

        let mut growing = store.append_array::<u8, _>(5 << 20).unwrap();
        growing.extend(&Array2::from_elem((2, 5 << 20), 3)).unwrap();
        assert_eq!(files_in(&dir.inside("tmp")).len(), 1, "the first piece is on its way to disk");
        drop(growing);
        assert!(dir.leftovers().is_empty(), "while it grows: {:?}", dir.leftovers());
        assert!(dir.blob_names().is_empty());
        assert_eq!(store.count().unwrap(), 0);
    });
}

#[test]
fn a_sealed_array_can_be_read_before_it_is_published_and_outlives_everything() {
    each_store(|_, store, maps| {
        let mut made = store.create_array::<i32, _>((30, 1000)).unwrap();
        made.slice_mut(s![1.., 0]).fill(-1);
        let sealed = made.seal().unwrap();
        let map = sealed.map().unwrap();
        assert_eq!((map.dim(), map.is_mapped(), map.sum()), ((30, 1000), maps, -29));
        drop(sealed);
        assert_eq!(map.column(0).sum(), -29, "what is mapped stays valid");
    });
}

#[test]
fn every_rank_and_element_type_can_be_produced() {
    fn check<A: Element + PartialEq + std::fmt::Debug>(store: &Store, element: A) {
        for shape in [vec![], vec![0], vec![3, 0, 2], vec![2], vec![2, 3, 4], vec![2, 1, 2, 1, 2, 1, 2]] {
            let mut made = store.create_array::<A, _>(shape.clone()).unwrap();
            assert_eq!(made.shape(), shape);
            made.iter_mut().step_by(2).for_each(|to| *to = element);
            let zero = bytemuck::checked::pod_read_unaligned::<A>(&[0; 16][..size_of::<A>()]);
            let mut expected = ArrayD::from_elem(IxDyn(&shape), zero);
            expected.iter_mut().step_by(2).for_each(|to| *to = element);
            let map = made.seal().unwrap().map().unwrap();
            assert_eq!(map.view(), expected.view(), "{} {shape:?}", A::DTYPE);
        }
    }
    each_store(|dir, store, _| {
        check(store, true);
        check(store, 200u8);
        check(store, -7i16);
        check(store, half::f16::from_f32(1.5));
        check(store, 2.5f32);
        check(store, num_complex::Complex64::new(1.0, -2.0));
        assert!(dir.leftovers().is_empty());
    });
}

/// Turning the axes changes how the array is seen, not which element lies where.
#[test]
fn what_is_sealed_is_the_array_as_it_was_made_however_it_was_turned() {
    each_store(|_, store, _| {
        let mut made = store.create_array::<f64, _>((20, 30)).unwrap();
        made.assign(&table(20, 30));
        made.swap_axes(0, 1);
        assert_eq!(made.dim(), (30, 20));
        made.put("made").unwrap();
        assert_eq!(stored::<f64, Ix2>(store, "made"), table(20, 30));
    });
}

#[test]
fn small_results_lie_in_the_manifest_and_make_no_file() {
    let dir = Dir::new();
    drop(dir.store());
    let record = Record::default();
    let store = dir.open(&StoreOptions::new().mapping(trusted()).seam(record.seam()));
    let mut made = store.create_array::<f64, _>((2, 2)).unwrap();
    made[[1, 0]] = 4.0;
    let mut growing = store.append_array::<f64, _>(2).unwrap();
    growing.push(&ndarray::arr1(&[1.0, 2.0])).unwrap();
    let (made, grown) = (made.seal().unwrap(), growing.finish().unwrap());
    assert!(record.take().iter().all(|(verb, _)| *verb != Verb::Create));

    let mut writer = store.writer();
    let value = tree_map([("made", writer.sealed(made).unwrap()), ("grown", writer.sealed(grown).unwrap())]);
    let report = writer.put("both", value).unwrap();
    assert_eq!((report.new_blobs, report.inline_bytes), (0, 48));
    let entry = store.entry("both").unwrap().unwrap();
    let made = entry.field("made").unwrap().to_array::<f64, Ix2>().unwrap();
    assert_eq!(made, ndarray::arr2(&[[0.0, 0.0], [4.0, 0.0]]));
    assert_eq!(entry.field("grown").unwrap().to_array::<f64, Ix2>().unwrap().dim(), (1, 2));
    assert!(dir.blob_names().is_empty());
}

#[test]
fn an_array_produced_through_another_handle_is_copied() {
    let (dir, other) = (Dir::new(), Dir::new());
    let (store, elsewhere) = (dir.blobs_only(), other.blobs_only());
    let mut made = elsewhere.create_array::<f64, _>((20, 30)).unwrap();
    made.assign(&table(20, 30));
    let mut writer = store.writer();
    let value = writer.sealed(made.seal().unwrap()).unwrap();
    writer.put("made", value).unwrap();
    assert_eq!(stored::<f64, Ix2>(&store, "made"), table(20, 30));
    assert!(other.blob_names().is_empty() && other.leftovers().is_empty());
}

#[test]
fn a_full_disk_shows_at_creation_and_leaves_nothing() {
    let dir = Dir::new();
    let store = refusing(&dir, full);
    let error = store.create_array::<f64, _>((100, 100)).unwrap_err();
    assert!(error.is_full(), "{error:?}");
    assert!(error.to_string().starts_with("cannot reserve space for "), "{error}");
    assert!(dir.leftovers().is_empty(), "{:?}", dir.leftovers());
}

#[test]
fn where_space_cannot_be_reserved_the_array_is_made_in_memory() {
    let dir = Dir::new();
    let store = refusing(&dir, not_supported);
    let mut made = store.create_array::<f64, _>((100, 50)).unwrap();
    assert!(!made.is_mapped());
    made.assign(&table(100, 50));
    let sealed = made.seal().unwrap();
    assert!(sealed.map().unwrap().is_mapped(), "what is written is mapped all the same");
    sealed.put("made").unwrap();
    assert_eq!(stored::<f64, Ix2>(&store, "made"), table(100, 50));
    assert!(dir.leftovers().is_empty());
}

#[test]
fn arrays_that_cannot_be_are_refused() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let none = store.create_array::<f64, _>((1 << 40, 1 << 40));
    assert_error!(none, Error::TooLarge { what: "the size of the array in bytes", .. });
    assert_error!(store.create_array::<u8, _>(vec![1; 65]), Error::TooLarge { what: "the number of dimensions", .. });
    assert_error!(store.append_array::<u8, _>(vec![1; 64]), Error::TooLarge { what: "the number of dimensions", .. });
    assert_error!(dir.read_only().create_array::<u8, _>(1), Error::Unsupported { .. });
    assert_error!(dir.read_only().append_array::<u8, _>(1), Error::Unsupported { .. });
    assert!(dir.leftovers().is_empty());
}

#[test]
fn a_failed_sync_fails_the_seal_and_leaves_nothing() {
    for maps in [true, false] {
        let dir = Dir::new();
        drop(dir.blobs_only());
        let fail = seam(|step| if step.verb == Verb::Sync { Err(io::Error::other("lost")) } else { Ok(Flow::Go) });
        let options = StoreOptions::new().seam(fail);
        let store = dir.open(&if maps { options.mapping(trusted()) } else { options });
        assert_error!(store.create_array::<u8, _>(9000).unwrap().seal(), Error::Io { action: "sync", .. });
        assert!(dir.leftovers().is_empty());
    }
}

#[test]
fn rows_come_one_by_one_or_several_at_once_in_any_layout() {
    each_store(|dir, store, _| {
        let all = table(40, 3000);
        let mut growing = store.append_array::<f64, _>(3000).unwrap();
        all.axis_iter(Axis(0)).take(10).for_each(|row| growing.push(&row).unwrap());
        growing.extend(&all.slice(s![10..20, ..])).unwrap();
        let mut turned = Array2::zeros((20, 3000).f());
        turned.assign(&all.slice(s![20.., ..]));
        growing.extend(&turned).unwrap();
        assert_eq!(growing.rows(), 40);
        let report = growing.put("grown").unwrap();
        assert_eq!(report.new_bytes, 40 * 3000 * 8);
        assert_eq!(stored::<f64, Ix2>(store, "grown"), all);
        assert_eq!(store.put("put", &all).unwrap().new_blobs, 0, "it is the array as if it had been put");
        assert!(dir.leftovers().is_empty());
    });
}

#[test]
fn pieces_of_every_length_make_the_same_array() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let bytes = noise(20 << 20, 1);
    let expected = ndstash::Digest::of(&bytes);
    for size in [1_000_003, 8 << 20, (8 << 20) + 1, 20 << 20] {
        let mut growing = store.append_array::<u8, _>(()).unwrap();
        for piece in bytes.chunks(size) {
            growing.extend(&ndarray::aview1(piece)).unwrap();
        }
        assert_eq!(growing.finish().unwrap().digest(), expected, "pieces of {size}");
    }
    let mut growing = store.append_array::<u8, _>(1 << 20).unwrap();
    let rows = Array1::from(bytes).into_shape_with_order((20, 1 << 20)).unwrap();
    let turned = Array2::from_shape_fn((1 << 20, 20), |(column, row)| rows[[row, column]]);
    growing.extend(&turned.t()).unwrap();
    assert_eq!(growing.finish().unwrap().digest(), expected, "elements that do not lie in order");
}

#[test]
fn rows_of_another_shape_are_refused_and_lose_nothing() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let mut growing = store.append_array::<f64, _>((2, 3)).unwrap();
    growing.push(&Array2::ones((2, 3))).unwrap();
    assert_error!(growing.push(&Array2::ones((3, 2))), Error::WrongType { .. });
    assert_error!(growing.extend(&ndarray::Array3::ones((1, 3, 2))), Error::WrongType { .. });
    growing.push(&Array2::ones((2, 3))).unwrap();
    growing.put("grown").unwrap();
    assert_eq!(stored::<f64, Ix3>(&store, "grown"), ndarray::Array3::<f64>::ones((2, 2, 3)));

    let mut growing = store.append_array::<f64, _>(IxDyn(&[])).unwrap();
    assert_error!(growing.extend(&ndarray::arr0(1.0).into_dyn()), Error::WrongType { .. });
    growing.push(&ndarray::arr0(1.0).into_dyn()).unwrap();
    assert_eq!(growing.finish().unwrap().shape(), [1]);
}

#[test]
fn no_rows_make_an_empty_array_and_rows_may_be_single_numbers() {
    each_store(|_, store, _| {
        store.append_array::<f32, _>((4, 5)).unwrap().put("empty").unwrap();
        assert_eq!(stored::<f32, Ix3>(store, "empty").dim(), (0, 4, 5));
        let mut growing = store.append_array::<f32, Ix0>(()).unwrap();
        growing.push(&ndarray::arr0(1.5)).unwrap();
        growing.extend(&ndarray::arr1(&[2.5, 3.5])).unwrap();
        growing.put("numbers").unwrap();
        assert_eq!(stored::<f32, Ix1>(store, "numbers").to_vec(), [1.5, 2.5, 3.5]);
    });
}

#[test]
fn after_a_failed_write_an_array_grows_no_more_and_leaves_nothing() {
    let dir = Dir::new();
    drop(dir.blobs_only());
    let broken = Arc::new(AtomicBool::new(true));
    let watched = Arc::clone(&broken);
    let store = dir.open(&StoreOptions::new().seam(seam(move |step| {
        let fail = step.verb == Verb::Write && watched.load(Ordering::Relaxed);
        if fail { Err(full()) } else { Ok(Flow::Go) }
    })));
    let mut growing = store.append_array::<u8, _>(()).unwrap();
    growing.push(&ndarray::arr0(1)).unwrap();
    let error = growing.extend(&Array1::zeros(9 << 20)).unwrap_err();
    assert!(error.is_full(), "{error:?}");
    broken.store(false, Ordering::Relaxed);
    assert_error!(growing.push(&ndarray::arr0(1)), Error::Io { .. });
    assert_error!(growing.finish(), Error::Io { .. });
    assert!(dir.leftovers().is_empty());
}

#[test]
fn readers_see_the_old_result_until_the_new_one_is_put() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    store.put("history", &Array1::from(vec![1u8; 10])).unwrap();
    let mut growing = store.append_array::<u8, _>(()).unwrap();
    for _ in 0..3 {
        growing.extend(&Array1::from_elem(9 << 20, 2)).unwrap();
        assert_eq!(load(&store, "history").unwrap().unwrap().len(), 10);
        store.gc(&GcOptions::new()).unwrap();
    }
    let old = store.entry("history").unwrap().unwrap();
    assert!(growing.put("history").unwrap().replaced);
    assert_eq!(old.array().unwrap().to_bytes().unwrap(), [1; 10]);
    assert_eq!(store.info("history").unwrap().unwrap().logical_bytes(), 27 << 20);
    assert_clean(&store);
}

#[test]
fn a_collector_spares_what_is_being_produced() {
    each_store(|_, store, _| {
        let mut made = store.create_array::<f64, _>((100, 100)).unwrap();
        made.fill(1.0);
        store.gc(&GcOptions::new()).unwrap();
        made.column_mut(0).fill(3.0);
        let sealed = made.seal().unwrap();
        store.gc(&GcOptions::new()).unwrap();
        sealed.put("made").unwrap();
        store.gc(&GcOptions::new()).unwrap();
        let mut expected = Array2::ones((100, 100));
        expected.column_mut(0).fill(3.0);
        assert_eq!(stored::<f64, Ix2>(store, "made"), expected);
    });
}

/// 256 MiB through a handle that has 64 MiB to spare.
#[cfg(target_os = "linux")]
#[test]
fn a_growing_array_takes_no_more_memory_the_longer_it_is() {
    let dir = Dir::new();
    drop(dir.store());
    Child::alone("produce::appends_much", &dir.path()).passes();
    assert_eq!(dir.store().info("much").unwrap().unwrap().logical_bytes(), 256 << 20);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by the test above, in a process of its own"]
fn appends_much() {
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let store = Store::open(Child::room()).unwrap();
    let row = Array1::from_elem(1 << 20, 3u8);
    let before = peak();
    let mut growing = store.append_array::<u8, _>(1 << 20).unwrap();
    (0..256).for_each(|_| growing.push(&row).unwrap());
    growing.put("much").unwrap();
    assert!(peak() - before < 64 << 10, "{} KiB more", peak() - before);
}

/// Several arrays, one of them equal to another, in one entry beside plain data.
#[test]
fn sealed_arrays_are_parts_of_an_entry_like_others() {
    each_store(|dir, store, _| {
        let make = || {
            let mut made = store.create_array::<f64, _>((30, 20)).unwrap();
            made.assign(&table(30, 20));
            made.seal().unwrap()
        };
        let mut growing = store.append_array::<f64, _>(20).unwrap();
        growing.extend(&table(30, 20)).unwrap();
        let mut writer = store.writer();
        let parts = [
            ("first", writer.sealed(make()).unwrap()),
            ("second", writer.sealed(make()).unwrap()),
            ("third", writer.sealed(growing.finish().unwrap()).unwrap()),
            ("fourth", writer.array(&table(30, 20)).unwrap()),
            ("step", Tree::from(7)),
        ];
        let report = writer.put("entry", tree_map(parts)).unwrap();
        assert_eq!((report.new_blobs, report.new_bytes), (1, 4800));
        let entry = store.entry("entry").unwrap().unwrap();
        for name in ["first", "second", "third", "fourth"] {
            let array = entry.field(name).unwrap();
            assert_eq!((array.order(), array.to_array::<f64, Ix2>().unwrap()), (Order::C, table(30, 20)), "{name}");
        }
        assert!(dir.leftovers().is_empty());
    });
}

/// What a process leaves that dies while it produces an array is removed by the next collector.
#[test]
fn the_files_of_a_dead_process_go_with_the_next_collection() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    store.put("other", &table(3, 3)).unwrap();
    let output = Child::alone("produce::dies_while_it_produces", &dir.path()).spawn().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(files_in(&dir.inside("tmp")).len(), 2);
    assert_eq!(store.gc(&GcOptions::new()).unwrap().private_dirs_removed, 1);
    assert!(dir.leftovers().is_empty());
    assert_clean(&store);
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn dies_while_it_produces() {
    let store = StoreOptions::new().mapping(trusted()).open(Child::room()).unwrap();
    let mut made = store.create_array::<f64, _>((100, 100)).unwrap();
    made.fill(1.0);
    let sealed = made.seal().unwrap();
    let mut other = store.create_array::<f64, _>((200, 100)).unwrap();
    other.fill(2.0);
    assert!(sealed.map().unwrap().is_mapped() && other.is_mapped());
    std::process::exit(3);
}
