//! Arrays: every element type, rank and layout comes back as it was put, owned and mapped.

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use half::{bf16, f16};
use ndarray::{Array, Array1, Array2, Array3, ArrayD, ArrayViewD, Axis, Ix1, Ix2, Ix3, IxDyn, ShapeBuilder, Slice, s};
use ndstash::{DType, Digest, Element, Error, GcOptions, Order, Store, StoredArray, Tree};
use num_complex::{Complex32, Complex64};

use crate::common::{Dir, assert_error, bytes_array, find, mode_of, modified_ns, noise, rewrite_body, tree_map};
use crate::common::{Noise, PUBLISHED_NS};

const SHAPES: [&[usize]; 13] = [
    &[],
    &[1],
    &[5],
    &[3, 4],
    &[1, 6],
    &[2, 3, 4],
    &[2, 1, 3, 2],
    &[2, 2, 1, 2, 2],
    &[1, 2, 3, 1, 2, 2],
    &[0],
    &[3, 0],
    &[0, 0, 2],
    &[2, 0, 1, 3, 1, 2],
];

/// An element made from random bits: for floats these are also NaNs of every kind, infinities and subnormals.
trait Sample: Element {
    fn sample(bits: u64) -> Self;
}

macro_rules! samples {
    ($($type:ty: $bits:ident => $make:expr;)*) => {$(
        impl Sample for $type {
            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "the lower bits are wanted")]
            fn sample($bits: u64) -> Self {
                $make
            }
        }
    )*};
}

samples! {
    i8: bits => bits as i8; i16: bits => bits as i16; i32: bits => bits as i32; i64: bits => bits as i64;
    u8: bits => bits as u8; u16: bits => bits as u16; u32: bits => bits as u32; u64: bits => bits;
    f16: bits => f16::from_bits(bits as u16); bf16: bits => bf16::from_bits(bits as u16);
    f32: bits => f32::from_bits(bits as u32); f64: bits => f64::from_bits(bits);
    Complex32: bits => Complex32::new(f32::from_bits(bits as u32), f32::from_bits((bits >> 32) as u32));
    Complex64: bits => Complex64::new(f64::from_bits(bits), f64::from_bits(bits.rotate_left(17)));
    bool: bits => bits & 1 == 1;
}

/// The elements as bytes, in the order of the indices: floats compared as numbers would hide lost bits.
fn bits<A: Element>(array: &ArrayViewD<'_, A>) -> Vec<u8> {
    array.iter().flat_map(|element| bytemuck::bytes_of(element).to_vec()).collect()
}

fn sample<A: Sample>(shape: &[usize], seed: u64) -> ArrayD<A> {
    let mut noise = Noise::new(seed);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || A::sample(noise.next()))
}

/// Shows an array of this shape in one layout after the other, with the order in which it is to be stored.
fn each_layout<A: Sample>(shape: &[usize], mut see: impl FnMut(&str, ArrayViewD<'_, A>, Order)) {
    let wide = shape.iter().filter(|&&extent| extent > 1).count();
    let empty = shape.contains(&0);
    let other = if wide > 1 && !empty { Order::F } else { Order::C };

    see("C", sample::<A>(shape, 1).view(), Order::C);

    let mut f = ArrayD::from_elem(IxDyn(shape).f(), A::sample(0));
    f.assign(&sample::<A>(shape, 2));
    see("F", f.view(), other);

    let c = sample::<A>(shape, 3);
    let mut reversed = c.view();
    (0..shape.len()).for_each(|axis| reversed.invert_axis(Axis(axis)));
    see("reversed", reversed, Order::C);

    let doubled: Vec<usize> = shape.iter().map(|extent| 2 * extent).collect();
    let large = sample::<A>(&doubled, 4);
    see("strided", large.slice_each_axis(|_| Slice::new(0, None, 2)), Order::C);

    let mut rotated: Vec<usize> = (0..shape.len()).collect();
    rotated.rotate_left(shape.len().min(1));
    let back: Vec<usize> = rotated.iter().map(|&axis| shape[axis]).collect();
    // The axes are put back in the order of `shape` from an array that lies in another.
    let mut inverse = vec![0; shape.len()];
    rotated.iter().enumerate().for_each(|(at, &axis)| inverse[axis] = at);
    let moved = sample::<A>(&back, 5).permuted_axes(IxDyn(&inverse));
    let order = if moved.is_standard_layout() { Order::C } else { rotated_order(shape) };
    see("permuted", moved.view(), order);

    if let Some((_, rest)) = shape.split_first() {
        let row = sample::<A>(rest, 6);
        see("broadcast", row.broadcast(IxDyn(shape)).unwrap(), Order::C);
    }
}

/// An array whose first axis varies fastest and whose others lie in C order is in F order only if at most one of the
/// others counts.
fn rotated_order(shape: &[usize]) -> Order {
    if shape[1..].iter().filter(|&&extent| extent > 1).count() <= 1 { Order::F } else { Order::C }
}

/// Puts every shape in every layout, and loads each owned and mapped.
fn every_layout_comes_back<A: Sample>(dir: &Dir, mapped: &Store) {
    let mut writer = dir.store().writer();
    let mut put = Vec::new();
    for shape in SHAPES {
        each_layout::<A>(shape, |layout, array, order| {
            let label = format!("{} {shape:?} {layout}", A::DTYPE);
            let node = writer.array(&array).unwrap();
            put.push((label, node, shape.to_vec(), bits(&array), order));
        });
    }
    writer.put(A::DTYPE.name(), Tree::List(put.iter().map(|(_, node, ..)| node.clone()).collect())).unwrap();
    for (store, maps) in [(&dir.store(), false), (mapped, true)] {
        let entry = store.entry(A::DTYPE.name()).unwrap().unwrap();
        assert_eq!(entry.stored_arrays().len(), put.len());
        for ((label, node, shape, expected, order), info) in put.iter().zip(entry.arrays()) {
            let stored = entry.resolve(node).unwrap();
            assert_eq!((stored.dtype(), stored.order()), (A::DTYPE, *order), "{label}");
            assert_eq!(stored.shape(), shape.iter().map(|&extent| extent as u64).collect::<Vec<_>>(), "{label}");
            comes_back::<A>(stored, label, shape, expected, *order);
            if !info.inline {
                lies_as_named::<A>(dir, stored, label, maps);
            }
        }
    }
}

fn comes_back<A: Element>(stored: &StoredArray, label: &str, shape: &[usize], expected: &[u8], order: Order) {
    let owned = stored.to_array::<A, IxDyn>().unwrap();
    assert_eq!((owned.shape(), bits(&owned.view())), (shape, expected.to_vec()), "{label}, owned");
    let mapped = stored.map::<A, IxDyn>().unwrap();
    assert_eq!((mapped.shape(), bits(&mapped.view())), (shape, expected.to_vec()), "{label}, mapped");
    let lies = |array: &ArrayViewD<'_, A>| match order {
        Order::C => array.is_standard_layout(),
        Order::F => array.t().is_standard_layout(),
    };
    assert!(lies(&owned.view()) && lies(&mapped.view()), "{label}: the order is kept");
    let memory = match order {
        Order::C => bits(&owned.view()),
        Order::F => bits(&owned.t()),
    };
    assert_eq!(stored.to_bytes().unwrap(), memory, "{label}: the bytes are the elements in the array's order");
    assert_eq!(stored.digest().to_string(), blake3::hash(&memory).to_hex().as_str(), "{label}");
}

/// A blob's file is named by its BLAKE3, holds the bytes and nothing else, and is mapped at a page boundary.
fn lies_as_named<A: Element>(dir: &Dir, stored: &StoredArray, label: &str, maps: bool) {
    let path = dir.blob(&stored.digest());
    assert_eq!(std::fs::read(&path).unwrap(), stored.to_bytes().unwrap(), "{label}");
    assert_eq!((mode_of(&path), modified_ns(&path)), (0o444, PUBLISHED_NS), "{label}");
    let mapped = stored.map::<A, IxDyn>().unwrap();
    assert_eq!(mapped.is_mapped(), maps, "{label}");
    assert!(!maps || mapped.as_ptr().addr().is_multiple_of(4096), "{label}");
}

fn every_type_comes_back(dir: &Dir) {
    let mapped = dir.mapped();
    macro_rules! each {
        ($($type:ty),*) => {
            let tested = [$(<$type as Element>::DTYPE),*];
            assert!(DType::ALL.iter().all(|dtype| tested.contains(dtype)), "every type is tested");
            $(every_layout_comes_back::<$type>(dir, &mapped);)*
        };
    }
    each!(i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64, Complex32, Complex64, bool);
}

#[test]
fn every_type_shape_and_layout_comes_back_from_manifests() {
    let dir = Dir::new();
    dir.store();
    every_type_comes_back(&dir);
    assert!(dir.blob_names().is_empty(), "all of it was small enough to lie inline");
}

#[test]
fn every_type_shape_and_layout_comes_back_from_blobs() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    every_type_comes_back(&dir);
    let arrays: Vec<_> = store.entries("").flat_map(|info| info.unwrap().arrays()).collect();
    assert!(arrays.iter().all(|array| array.inline == (array.bytes == 0)), "nothing lies inline but what is empty");
    let named: BTreeSet<String> =
        arrays.iter().filter(|array| !array.inline).map(|array| array.digest.to_string()).collect();
    assert!(dir.blob_names().into_iter().eq(named), "every blob is there once, and no other");
}

#[test]
fn equal_bytes_in_c_and_f_order_and_of_another_type_share_one_blob() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let c = Array2::from_shape_fn((300, 200), |(i, j)| number(i * 200 + j));
    let f = c.t(); // the same memory, first index fastest
    assert_eq!(store.put("c", &c).unwrap().new_blobs, 1);
    let report = store.put("f", &f).unwrap();
    assert_eq!((report.new_blobs, report.shared_blobs, report.shared_bytes), (0, 1, 480_000));
    let flat = Array1::from_iter(c.iter().map(|value| value.to_bits()));
    store.put("bits", &flat).unwrap();
    assert_eq!(dir.blob_names().len(), 1);

    let order = |name: &str| store.info(name).unwrap().unwrap().arrays()[0].order;
    assert_eq!((order("c"), order("f")), (Order::C, Order::F));
    let back = store.entry("f").unwrap().unwrap().array().unwrap().to_array::<f64, Ix2>().unwrap();
    assert_eq!(back, f);
    assert_eq!(back.dim(), (200, 300));
    assert!(back.t().is_standard_layout());
    // A copy in C order of what lay in F order has other bytes.
    store.put("copied", &f.as_standard_layout()).unwrap();
    assert_eq!(dir.blob_names().len(), 2);
}

#[test]
fn arrays_up_to_the_limit_lie_inline_and_longer_ones_in_blobs() {
    let dir = Dir::new();
    let store = dir.store();
    for (len, inline) in [(65_535, true), (65_536, true), (65_537, false)] {
        let report = store.put("x", &bytes_array(len, 1)).unwrap();
        let (in_manifest, in_blob) = if inline { (len as u64, 0) } else { (0, len as u64) };
        assert_eq!((report.inline_bytes, report.new_bytes), (in_manifest, in_blob), "{len}");
        let info = store.info("x").unwrap().unwrap();
        assert_eq!((info.arrays()[0].inline, info.blobs().count()), (inline, usize::from(!inline)), "{len}");
        assert_eq!(info.arrays()[0].bytes, len as u64);
    }
}

#[test]
fn inline_arrays_take_no_more_than_their_total_together() {
    let dir = Dir::new();
    let store = dir.store();
    let mut writer = store.writer();
    let mut nodes: Vec<Tree> = (0..3).map(|i| writer.array(&bytes_array(65_536, i)).unwrap()).collect();
    nodes.push(writer.array(&bytes_array(65_535, 3)).unwrap()); // one byte short of 256 KiB
    nodes.push(writer.array(&bytes_array(2, 4)).unwrap()); // too much by one
    nodes.push(writer.array(&bytes_array(1, 5)).unwrap()); // just fits
    nodes.push(writer.array(&bytes_array(1, 6)).unwrap());
    nodes.push(writer.array(&bytes_array(0, 7)).unwrap());
    let report = writer.put("x", Tree::List(nodes)).unwrap();
    assert_eq!((report.inline_bytes, report.new_blobs, report.new_bytes), (262_144, 2, 3));
    let entry = store.entry("x").unwrap().unwrap();
    let inline: Vec<bool> = entry.arrays().iter().map(|array| array.inline).collect();
    assert_eq!(inline, [true, true, true, true, false, true, false, true]);
    for (seed, (stored, len)) in
        (0..).zip(entry.stored_arrays().iter().zip([65_536, 65_536, 65_536, 65_535, 2, 1, 1, 0]))
    {
        assert_eq!(stored.to_bytes().unwrap(), noise(len, seed), "array {seed}");
    }
}

/// A number that `f64` holds exactly.
fn number(value: usize) -> f64 {
    u32::try_from(value).unwrap().into()
}

#[test]
fn a_mapped_array_is_used_like_an_array() {
    let dir = Dir::on_disk();
    let field = Array3::from_shape_fn((20, 30, 40), |(i, j, k)| number(i * 1200 + j * 40 + k));
    dir.store().put("field", &field).unwrap();
    let loaded = dir.mapped().entry("field").unwrap().unwrap().array().unwrap().map::<f64, Ix3>().unwrap();
    assert!(loaded.is_mapped());
    assert_eq!(loaded.as_ptr().addr() % 4096, 0);
    assert_eq!(loaded.sum().to_bits(), field.sum().to_bits());
    assert_eq!(loaded.slice(s![3..9;2, .., 7]), field.slice(s![3..9;2, .., 7]));
    let (a, b) = (loaded.index_axis(Axis(0), 4), field.index_axis(Axis(0), 5));
    assert_eq!(a.dot(&b.t()), field.index_axis(Axis(0), 4).dot(&b.t()));
    assert_eq!(&*loaded + 1.0, &field + 1.0);
    assert_eq!(loaded.clone().view(), field);
    assert_eq!(loaded[[1, 2, 3]].to_bits(), 1283_f64.to_bits());
}

#[test]
fn a_mapped_array_outlives_its_entry_its_blob_and_the_store() {
    let dir = Dir::on_disk();
    let field = Array2::from_shape_fn((300, 100), |(i, j)| number(i * j));
    dir.store().put("field", &field).unwrap();
    let loaded = {
        let store = dir.mapped();
        let entry = store.entry("field").unwrap().unwrap();
        let loaded = entry.array().unwrap().map::<f64, Ix2>().unwrap();
        assert!(store.remove("field").unwrap());
        assert_eq!(store.gc(&GcOptions::new()).unwrap().blobs_removed, 1);
        let owned = entry.array().unwrap().to_array::<f64, Ix2>().unwrap();
        assert_eq!(owned, field, "an open entry keeps its blobs");
        loaded
    };
    assert!(dir.blob_names().is_empty() && dir.leftovers().is_empty());
    assert_eq!(loaded.view(), field);
    assert_eq!(loaded.clone().view(), field);
}

#[test]
fn an_owned_entry_keeps_its_blobs_open_when_they_are_collected() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    store.put("x", &bytes_array(5000, 1)).unwrap();
    let entry = store.entry("x").unwrap().unwrap();
    store.remove("x").unwrap();
    assert_eq!(store.gc(&GcOptions::new()).unwrap().blobs_removed, 1);
    assert_eq!(entry.array().unwrap().to_bytes().unwrap(), noise(5000, 1));
}

#[test]
fn without_the_promise_and_inside_manifests_nothing_is_mapped() {
    let dir = Dir::new();
    let store = dir.store();
    store.put("large", &bytes_array(100_000, 1)).unwrap();
    store.put("small", &bytes_array(100, 2)).unwrap();
    let is_mapped = |store: &Store, name: &str| {
        store.entry(name).unwrap().unwrap().array().unwrap().map::<u8, Ix1>().unwrap().is_mapped()
    };
    assert!(!is_mapped(&store, "large"));
    let mapped = dir.mapped();
    assert!(is_mapped(&mapped, "large") && !is_mapped(&mapped, "small"));
}

#[test]
fn another_type_or_rank_is_an_error_that_names_both() {
    let dir = Dir::new();
    let store = dir.store();
    store.put("x", &Array2::<f32>::zeros((2, 3))).unwrap();
    let entry = store.entry("x").unwrap().unwrap();
    let stored = entry.array().unwrap();
    let found = "float32 of shape [2, 3]";
    for (error, expected) in [
        (stored.to_array::<f64, Ix2>().unwrap_err(), "float64 of 2 dimensions"),
        (stored.to_array::<f32, Ix1>().unwrap_err(), "float32 of 1 dimensions"),
        (stored.map::<i32, Ix2>().unwrap_err(), "int32 of 2 dimensions"),
        (stored.map::<f32, Ix3>().unwrap_err(), "float32 of 3 dimensions"),
        (stored.to_array::<bool, IxDyn>().unwrap_err(), "bool"),
    ] {
        assert_eq!(error.to_string(), format!("expected {expected}, found {found}"));
        assert_error!(Err::<(), _>(error), Error::WrongType { .. });
    }
    assert_eq!(stored.to_array::<f32, IxDyn>().unwrap().shape(), [2, 3], "any rank will do for IxDyn");
}

#[test]
fn nan_payloads_and_negative_zeros_keep_every_bit() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let values = [0x7ff8_0000_dead_beef, 0xfff4_0000_0000_0001, 0x8000_0000_0000_0000, 0, 1, 0x7ff0_0000_0000_0000];
    let array = Array1::from_iter(values.map(f64::from_bits));
    store.put("x", &array).unwrap();
    let mapped = dir.mapped();
    let entry = mapped.entry("x").unwrap().unwrap();
    let loaded = entry.array().unwrap().map::<f64, Ix1>().unwrap();
    assert_eq!(loaded.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), values);
    let owned = store.entry("x").unwrap().unwrap().array().unwrap().to_array::<f64, Ix1>().unwrap();
    assert_eq!(owned.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), values);
}

/// Makes an array of bytes look like one of truth values, which no put does.
fn relabel_as_bool(dir: &Dir, name: &str) {
    rewrite_body(&dir.entry_named(name), |body| {
        let at = find(body, b"\xa5uint8");
        body.splice(at..at + 6, *b"\xa4bool");
    });
}

#[test]
fn a_byte_that_is_no_truth_value_is_never_handed_out_as_one() {
    for inline in [true, false] {
        let dir = Dir::new();
        let store = if inline { dir.store() } else { dir.blobs_only() };
        store.put("good", &Array1::from(vec![1_u8, 0, 1])).unwrap();
        store.put("bad", &Array1::from(vec![1_u8, 0, 2, 1])).unwrap();
        ["good", "bad"].iter().for_each(|name| relabel_as_bool(&dir, name));
        for (store, maps) in [(dir.store(), false), (dir.mapped(), !inline)] {
            let good = store.entry("good").unwrap().unwrap();
            let map = good.array().unwrap().map::<bool, Ix1>().unwrap();
            assert_eq!((map.to_vec(), map.is_mapped()), (vec![true, false, true], maps));
            let bad = store.entry("bad").unwrap().unwrap();
            assert_error!(bad.array().unwrap().to_array::<bool, Ix1>(), Error::Malformed { field: "elements", .. });
            assert_error!(bad.array().unwrap().map::<bool, Ix1>(), Error::Malformed { field: "elements", .. });
        }
    }
}

#[test]
fn raw_bytes_streams_and_stored_arrays_make_the_same_array() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let array = Array2::from_shape_fn((7, 11), |(i, j)| i32::try_from(i * 11 + j).unwrap());
    let bytes: Vec<u8> = array.iter().flat_map(|value| value.to_le_bytes()).collect();
    store.put("typed", &array).unwrap();
    let typed = store.entry("typed").unwrap().unwrap();
    let mut writer = store.writer();
    let nodes = vec![
        writer.raw_array(DType::Int32, &[7, 11], Order::C, &bytes).unwrap(),
        writer.array_from_reader(DType::Int32, &[7, 11], Order::C, &bytes[..]).unwrap(),
        writer.array_from_seekable(DType::Int32, &[7, 11], Order::C, std::io::Cursor::new(&bytes)).unwrap(),
        writer.stored(typed.array().unwrap()).unwrap(),
    ];
    writer.put("others", Tree::List(nodes)).unwrap();
    let others = store.entry("others").unwrap().unwrap();
    assert_eq!(others.stored_arrays().len(), 4);
    for stored in others.stored_arrays() {
        assert_eq!(stored.to_array::<i32, Ix2>().unwrap(), array);
        assert_eq!(stored.digest(), Digest::of(&bytes));
    }
    assert_eq!(dir.blob_names(), [Digest::of(&bytes).to_string()]);
}

#[test]
fn a_reader_of_columns_may_say_fortran_order() {
    let dir = Dir::new();
    let store = dir.store();
    let mut writer = store.writer();
    let node = writer.raw_array(DType::UInt8, &[2, 3], Order::F, &[1, 2, 3, 4, 5, 6]).unwrap();
    writer.put("x", node).unwrap();
    let back = store.entry("x").unwrap().unwrap().array().unwrap().to_array::<u8, Ix2>().unwrap();
    assert_eq!(back, ndarray::array![[1, 3, 5], [2, 4, 6]]);
}

#[test]
fn bytes_are_written_out_as_they_are_stored_to_streams_and_files() {
    let dir = Dir::on_disk();
    let blobs = dir.blobs_only();
    let bytes = noise(20_000_000, 1); // more than two pieces of a copy
    blobs.put("large", &Array::from(bytes.clone())).unwrap();
    blobs.put("empty", &Array1::<u8>::zeros(0)).unwrap();
    for store in [dir.store(), dir.mapped()] {
        for (name, expected) in [("large", &bytes[..]), ("empty", &[])] {
            let entry = store.entry(name).unwrap().unwrap();
            let mut streamed = Vec::new();
            entry.array().unwrap().write_to(&mut streamed).unwrap();
            assert!(streamed == expected, "{name}, streamed");
            for offset in [0, 4096, 77] {
                let file = tempfile::tempfile().unwrap();
                entry.array().unwrap().copy_to_file(&file, offset).unwrap();
                let copied = content(file);
                let head = if expected.is_empty() { 0 } else { usize::try_from(offset).unwrap() };
                assert!(copied[..head].iter().all(|&byte| byte == 0), "{name}, before {offset}");
                assert!(copied[head..] == *expected, "{name}, copied to {offset}");
            }
        }
    }
}

fn content(mut file: std::fs::File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn the_parts_of_a_bundle_are_found_by_name() {
    let dir = Dir::new();
    let store = dir.store();
    let mut writer = store.writer();
    let weights = writer.array(&ndarray::array![[1.5, -2.0]]).unwrap();
    let text = writer.bytes(b"a payload").unwrap();
    let value = tree_map([("weights", weights), ("text", text), ("epochs", Tree::Int(7))]);
    writer.put("model", value).unwrap();
    let model = store.entry("model").unwrap().unwrap();
    assert_eq!(model.field("weights").unwrap().to_array::<f64, Ix2>().unwrap(), ndarray::array![[1.5, -2.0]]);
    assert_eq!(model.field("text").unwrap().to_bytes().unwrap(), b"a payload");
    assert!(model.field("epochs").is_none() && model.field("none").is_none() && model.array().is_none());
    assert_eq!(model.tree().get("epochs"), Some(&Tree::Int(7)));
}

/// What could not be loaded again is not taken: neither from memory nor from a stream, inline or not.
#[test]
fn a_bool_that_is_neither_0_nor_1_is_refused_when_it_is_put() {
    let dir = Dir::new();
    let store = dir.store();
    for len in [3, 100_000u64] {
        let mut bytes = vec![1; usize::try_from(len).unwrap()];
        bytes[2] = 2;
        let mut writer = store.writer();
        let cursor = || std::io::Cursor::new(bytes.clone());
        let refused = [
            writer.raw_array(DType::Bool, &[len], Order::C, &bytes).unwrap_err(),
            writer.array_from_reader(DType::Bool, &[len], Order::C, bytes.as_slice()).unwrap_err(),
            writer.array_from_seekable(DType::Bool, &[len], Order::C, cursor()).unwrap_err(),
        ];
        for error in refused {
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert_eq!(cause, "a bool is 0 or 1, found 2", "{error}");
        }
        assert!(writer.raw_array(DType::UInt8, &[len], Order::C, &bytes).is_ok());
    }
}
