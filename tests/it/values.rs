//! Any serde value goes in and comes out as it was, its arrays taken out wherever they lie.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "small numbers of test data"
)]
#![allow(clippy::option_option, reason = "that such types come back as they were is what is tested")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use half::{bf16, f16};
use ndarray::{ArcArray2, Array, Array0, Array1, Array2, Array3, ArrayD, CowArray, Ix1, Ix2, IxDyn, arr1, arr2, s};
use ndstash::{DType, Error, MappedArray, Order, Store, StoreOptions, Tag, Tree, Value};
use num_complex::Complex64;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::common::{Dir, assert_error, noise, rot, trusted};

fn round<T: Serialize + DeserializeOwned>(store: &Store, value: &T) -> T {
    store.put("x", value).unwrap();
    store.get("x").unwrap().expect("it was put")
}

/// Puts a value, and expects it back as it was.
fn same<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(store: &Store, value: &T) {
    assert_eq!(&round(store, value), value);
}

fn ramp(rows: usize, columns: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(i, j)| (i * 1000 + j) as f64)
}

fn tree(store: &Store) -> Tree {
    store.info("x").unwrap().unwrap().tree().clone()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Layer {
    name: String,
    weights: Array2<f64>,
    bias: Option<Array1<f32>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Part {
    Nothing,
    One(Array1<u8>),
    Two(Array1<i32>, String),
    Named { field: ArrayD<f64>, step: u64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Weights(Array2<f64>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Clear {
    inner: Array2<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Model {
    layers: Vec<Layer>,
    by_name: BTreeMap<String, Array3<i16>>,
    by_place: HashMap<(u32, char), Array1<Complex64>>,
    parts: Vec<Part>,
    boxed: Box<Array2<bool>>,
    shared: ArcArray2<u64>,
    newtype: Weights,
    clear: Clear,
    pair: (Array0<f64>, [Array1<f16>; 2]),
    nested: Vec<Vec<Option<Array1<usize>>>>,
}

fn model() -> Model {
    let layer = |name: &str, bias| Layer { name: name.into(), weights: ramp(30, 20), bias };
    Model {
        layers: vec![layer("one", None), layer("two", Some(arr1(&[1.5, -0.0])))],
        by_name: [("a".into(), Array3::from_elem((2, 3, 4), -7))].into(),
        by_place: [((3, 'x'), arr1(&[Complex64::new(1.0, -2.0)]))].into(),
        parts: vec![
            Part::Nothing,
            Part::One(arr1(&[1, 2])),
            Part::Two(arr1(&[-1]), "two".into()),
            Part::Named { field: ramp(3, 4).into_dyn(), step: u64::MAX },
        ],
        boxed: Box::new(arr2(&[[true, false]])),
        shared: ArcArray2::from_elem((5, 6), 1 << 63),
        newtype: Weights(ramp(2, 2)),
        clear: Clear { inner: ramp(10, 10) },
        pair: (Array0::from_elem((), 2.5), [arr1(&[f16::from_f32(0.5)]), arr1(&[])]),
        nested: vec![vec![None, Some(arr1(&[0, usize::MAX]))], vec![]],
    }
}

#[test]
fn arrays_are_taken_out_wherever_they_lie_and_come_back_as_they_were() {
    for limits in [(65_536, 262_144), (0, 0)] {
        let dir = Dir::new();
        let store = dir.open(&StoreOptions::new().inline_limits(limits.0, limits.1));
        let model = model();
        same(&store, &model);
        let arrays = store.info("x").unwrap().unwrap().arrays();
        assert_eq!(arrays.len(), 16, "every array, and nothing else");
        assert!(store.info("x").unwrap().unwrap().manifest_bytes() < 40_000);
        store.put("x", &&model).unwrap();
        store.put("x", &Box::new(model)).unwrap();
        assert_eq!(store.info("x").unwrap().unwrap().arrays().len(), 16);
    }
}

#[test]
fn equal_arrays_c_fortran_strided_and_copied_are_one_blob() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let array = ramp(40, 30);
    let mut wide = Array2::zeros((40, 60));
    wide.slice_mut(s![.., ..;2]).assign(&array);
    let value = (array.clone(), vec![array.clone()], array.view(), wide.slice(s![.., ..;2]), CowArray::from(&array));
    let report = store.put("x", &value).unwrap();
    assert_eq!((report.new_blobs, store.info("x").unwrap().unwrap().arrays().len()), (1, 5));
    // The transpose of a Fortran array lies as the array does.
    let fortran = array.t().to_owned();
    let report = store.put("y", &fortran).unwrap();
    assert_eq!((report.new_blobs, report.shared_blobs), (0, 1));
    assert_eq!(store.get::<Array2<f64>>("y").unwrap().unwrap(), array.t());
    assert_eq!(store.entry("y").unwrap().unwrap().array().unwrap().order(), Order::F);
}

#[test]
fn an_array_twice_in_a_value_is_one_blob() {
    let dir = Dir::new();
    let store = dir.store();
    let array = ramp(300, 300);
    let report = store.put("x", &(&array, Some(Box::new(array.clone())))).unwrap();
    assert_eq!((report.new_blobs, report.new_bytes), (1, 720_000));
    assert_eq!(store.put("y", &array).unwrap().new_blobs, 0);
}

#[test]
fn vectors_and_byte_buffers_above_the_inline_threshold_become_blobs() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Buffers {
        floats: Vec<f64>,
        bytes: Vec<u8>,
        boxed: Box<[i32]>,
        deque: VecDeque<f32>,
        set: BTreeSet<u64>,
        short: Vec<f64>,
        raw: Raw,
    }
    let dir = Dir::new();
    let store = dir.store();
    let value = Buffers {
        floats: (0..20_000).map(f64::from).collect(),
        bytes: noise(70_000, 1),
        boxed: (0..20_000).collect(),
        deque: (0..20_000_u16).map(f32::from).collect(),
        set: (0..10_000).collect(),
        short: vec![1.0; 100],
        raw: Raw(noise(80_000, 2)),
    };
    same(&store, &value);
    let info = store.info("x").unwrap().unwrap();
    let kinds = ["floats", "bytes", "boxed", "deque", "set"].map(|field| info.tree().get(field).unwrap().clone());
    assert!(kinds.iter().all(|node| matches!(node, Tree::Sequence(_))), "{kinds:?}");
    assert!(matches!(info.tree().get("raw"), Some(Tree::Payload(_))));
    assert!(matches!(info.tree().get("short"), Some(Tree::List(items)) if items.len() == 100));
    assert_eq!(info.blobs().count(), 6);
    // A kibibyte is where vectors become arrays.
    store.put("x", &vec![7u8; 1023]).unwrap();
    assert!(matches!(tree(&store), Tree::List(_)));
    store.put("x", &[7u8; 1024][..]).unwrap();
    assert!(matches!(tree(&store), Tree::Sequence(_)));
    assert_eq!(store.get::<Vec<u8>>("x").unwrap().unwrap(), [7; 1024]);
}

/// Bytes that serde shall take as bytes.
#[derive(Debug, PartialEq)]
struct Raw(Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Raw;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Raw, E> {
                Ok(Raw(bytes.to_owned()))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(Raw(bytes))
            }
        }
        from.deserialize_byte_buf(Visitor)
    }
}

#[test]
fn byte_strings_and_vectors_of_bytes_are_read_as_each_other() {
    let dir = Dir::new();
    let store = dir.store();
    for len in [0, 3, 1024, 1025, 100_000] {
        let bytes = noise(len, 7);
        store.put("raw", &Raw(bytes.clone())).unwrap();
        store.put("vector", &bytes).unwrap();
        assert_eq!(store.get::<Vec<u8>>("raw").unwrap().unwrap(), bytes);
        assert_eq!(store.get::<Raw>("raw").unwrap().unwrap().0, bytes);
        assert_eq!(store.get::<Raw>("vector").unwrap().unwrap().0, bytes);
    }
}

#[test]
fn loading_gives_owned_arrays_or_mapped_ones_where_the_type_asks_for_it() {
    #[derive(Serialize, Deserialize)]
    struct Mixed<A> {
        name: String,
        large: A,
        small: MappedArray<u8, Ix1>,
    }
    let dir = Dir::new();
    let value = Mixed { name: "m".into(), large: ramp(300, 200), small: arr1(&[1, 2]).into() };
    dir.store().put("x", &value).unwrap();
    let mapped = dir.mapped();
    let loaded: Mixed<MappedArray<f64, Ix2>> = mapped.get("x").unwrap().unwrap();
    assert!(loaded.large.is_mapped() && !loaded.small.is_mapped(), "what lies in the manifest is not mapped");
    assert_eq!((loaded.large.view(), loaded.small.sum()), (value.large.view(), 3));
    let loaded: Mixed<Array2<f64>> = mapped.get("x").unwrap().unwrap();
    assert_eq!(loaded.large, value.large);
    // Without maps allowed, the same type is in ordinary memory.
    let loaded: Mixed<MappedArray<f64, IxDyn>> = dir.store().get("x").unwrap().unwrap();
    assert!(!loaded.large.is_mapped());
}

#[test]
fn a_mapped_array_is_put_again_without_hashing_and_from_memory_if_its_blob_has_gone() {
    let dir = Dir::new();
    let store = dir.open(&StoreOptions::new().mapping(trusted()));
    let array = ramp(400, 100);
    store.put("x", &array).unwrap();
    let mapped: MappedArray<f64, Ix2> = store.get("x").unwrap().unwrap();
    let report = store.put("again", &(&mapped, vec![mapped.clone()])).unwrap();
    assert_eq!((report.new_blobs, report.shared_blobs), (0, 1));
    // A slice is another array.
    let report = store.put("part", &mapped.slice(s![1.., ..])).unwrap();
    assert_eq!(report.new_blobs, 1);
    for name in ["x", "again", "part"] {
        store.remove(name).unwrap();
    }
    store.gc(&ndstash::GcOptions::new()).unwrap();
    assert_eq!(dir.blob_names().len(), 0);
    let report = store.put("back", &mapped).unwrap();
    assert_eq!(report.new_bytes, 320_000);
    assert_eq!(store.get::<Array2<f64>>("back").unwrap().unwrap(), array);
}

#[test]
fn an_owned_load_notices_damage() {
    let dir = Dir::new();
    dir.store().put("x", &Weights(ramp(100, 100))).unwrap();
    let digest = dir.store().entry("x").unwrap().unwrap().stored_arrays()[0].digest();
    rot(&dir.blob(&digest), |bytes| bytes[5] ^= 1);
    assert_error!(dir.store().get::<Weights>("x"), Error::Corrupt { .. });
}

#[test]
fn damage_behind_an_annotated_field_is_still_damage() {
    let dir = Dir::new();
    dir.store().put("x", &Annotated { name: String::new(), array: ramp(100, 100) }).unwrap();
    let digest = dir.store().entry("x").unwrap().unwrap().stored_arrays()[0].digest();
    rot(&dir.blob(&digest), |bytes| bytes[5] ^= 1);
    assert_error!(dir.store().get::<Annotated>("x"), Error::Corrupt { .. });
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Annotated {
    name: String,
    #[serde(with = "ndstash::array")]
    array: Array2<f64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unannotated {
    name: String,
    array: Array2<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Mapping {
    name: String,
    array: MappedArray<f64, Ix2>,
}

#[test]
fn the_same_types_work_with_other_formats_in_the_form_of_ndarray() {
    let array = ramp(3, 2).t().to_owned();
    let plain = Unannotated { name: "n".into(), array: array.clone() };
    let annotated = Annotated { name: "n".into(), array: array.clone() };
    let mapping = Mapping { name: "n".into(), array: array.clone().into() };
    let json = serde_json::to_string(&plain).unwrap();
    assert_eq!(serde_json::to_string(&annotated).unwrap(), json);
    assert_eq!(serde_json::to_string(&mapping).unwrap(), json);
    assert_eq!(serde_json::from_str::<Annotated>(&json).unwrap(), annotated);
    assert_eq!(serde_json::from_str::<Mapping>(&json).unwrap().array.view(), array);
    for encode in [rmp_serde::to_vec::<Unannotated>, rmp_serde::to_vec_named] {
        let bytes = encode(&plain).unwrap();
        assert_eq!(rmp_serde::from_slice::<Annotated>(&bytes).unwrap(), annotated);
        assert_eq!(rmp_serde::from_slice::<Mapping>(&bytes).unwrap().array.view(), array);
    }
    assert_eq!(rmp_serde::to_vec(&annotated).unwrap(), rmp_serde::to_vec(&plain).unwrap());
    assert_eq!(rmp_serde::to_vec(&mapping).unwrap(), rmp_serde::to_vec(&plain).unwrap());
    assert!(serde_json::from_str::<Mapping>(&json.replace("[2,3]", "[2,4]")).is_err());
    // And in a store they are one thing.
    let dir = Dir::new();
    let store = dir.store();
    store.put("x", &annotated).unwrap();
    assert!(matches!(tree(&store).get("array"), Some(Tree::Array(_))));
    assert_eq!(store.get::<Unannotated>("x").unwrap().unwrap(), plain);
    assert_eq!(store.get::<Mapping>("x").unwrap().unwrap().array.view(), array);
    store.put("x", &plain).unwrap();
    assert_eq!(store.get::<Annotated>("x").unwrap().unwrap(), annotated);
}

#[test]
fn a_value_of_another_type_says_where_and_what_differs() {
    fn differs<T: DeserializeOwned + std::fmt::Debug>(store: &Store, expected: [&str; 3]) {
        match store.get::<T>("x") {
            Err(Error::WrongType { at, expected: wanted, found }) => {
                let shown = [at, wanted, found];
                assert!(shown[0] == expected[0] && shown[1].contains(expected[1]), "{shown:?}");
                assert!(shown[2].contains(expected[2]), "{shown:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is asked for and never made")]
    struct Other<A> {
        layers: Vec<OtherLayer<A>>,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is asked for and never made")]
    struct OtherLayer<A> {
        weights: A,
    }
    #[derive(Debug, Deserialize)]
    struct Nothing;
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is asked for and never made")]
    enum Other2 {
        One(Array1<f64>),
    }
    let dir = Dir::new();
    let store = dir.store();
    let mut model = model();
    model.layers[1].weights = ramp(3, 1);
    store.put("x", &model).unwrap();
    differs::<Other<Array2<f32>>>(&store, [".layers[0].weights", "float32 of 2", "float64 of shape [30, 20]"]);
    differs::<Other<Array1<f64>>>(&store, [".layers[0].weights", "float64 of 1", "float64 of shape [30, 20]"]);
    differs::<Other<MappedArray<i8, IxDyn>>>(&store, [".layers[0].weights", "int8", "float64 of shape [30, 20]"]);
    differs::<Other<String>>(&store, [".layers[0].weights", "a string", "float64 of shape [30, 20]"]);
    differs::<Other<f64>>(&store, [".layers[0].weights", "f64", "float64 of shape [30, 20]"]);
    differs::<Other<()>>(&store, [".layers[0].weights", "unit", "float64 of shape [30, 20]"]);
    differs::<Other<Nothing>>(&store, [".layers[0].weights", "unit struct", "float64 of shape [30, 20]"]);
    differs::<u8>(&store, ["", "u8", "a map of 10"]);
    differs::<i128>(&store, ["", "i128", "a map of 10"]);
    differs::<Other<(u8, u8)>>(&store, [".layers[0].weights", "a tuple of size 2", "float64 of shape"]);
    differs::<BTreeMap<String, u8>>(&store, [".layers", "u8", "a list of 2"]);
    differs::<Array2<f64>>(&store, ["", "float64 of 2 dimensions", "a map of 10"]);
    differs::<Vec<f64>>(&store, ["", "a sequence", "a map of 10"]);
    let error = store.get::<Other<Array2<f32>>>("x").unwrap_err();
    assert_eq!(
        error.to_string(),
        ".layers[0].weights: expected float32 of 2 dimensions, found float64 of shape [30, 20]"
    );
    store.put("x", &(1u8, vec![300])).unwrap();
    differs::<(u8, Vec<u8>)>(&store, ["[1][0]", "u8", "300"]);
    differs::<(u8, Vec<i32>, u8)>(&store, ["", "tuple", ""]);
    differs::<(u8,)>(&store, ["", "a list of 1", "one of 2"]);
    store.put("x", &0.1f64).unwrap();
    differs::<f32>(&store, ["", "float32", "0.1"]);
    store.put("x", &((1i64 << 53) + 1)).unwrap();
    differs::<f64>(&store, ["", "float64", "9007199254740993, which is none"]);
    store.put("x", &vec![(1u64 << 24) + 1; 500]).unwrap();
    differs::<Vec<f32>>(&store, ["[0]", "float32", "16777217, which is none"]);
    store.put("x", &Part::One(arr1(&[1]))).unwrap();
    differs::<Other2>(&store, [".One", "float64", "uint8 of shape [1]"]);
}

#[test]
fn options_nest_exactly() {
    let dir = Dir::new();
    let store = dir.store();
    same(&store, &None::<Option<()>>);
    same(&store, &Some(None::<()>));
    same(&store, &Some(Some(())));
    same(&store, &vec![None, Some(None), Some(Some(None)), Some(Some(Some(7)))]);
    same(&store, &Some(Some(ramp(2, 2))));
    store.put("x", &Some(None::<u8>)).unwrap();
    assert_eq!(tree(&store), Tree::Tagged(Tag::Some, vec![Tree::Nil]));
}

#[test]
fn numbers_and_texts_of_every_kind_are_exact() {
    let dir = Dir::new();
    let store = dir.store();
    same(&store, &[i128::MIN, i128::from(i64::MIN) - 1, -1, 0, i128::from(u64::MAX) + 1, i128::MAX]);
    same(&store, &[u128::MAX, u128::from(u64::MAX), 1 << 127, 0, u128::from(u64::MAX) + 1]);
    same(&store, &(i8::MIN, i64::MIN, u64::MAX, u16::MAX, true, 'x', '\u{1f980}', ()));
    same(&store, &[f32::MIN_POSITIVE, f32::MAX, 0.1, -0.0, f32::INFINITY]);
    same(&store, &[f64::MIN_POSITIVE, f64::MAX, 0.1, 5e-324, f64::NEG_INFINITY]);
    assert!(round(&store, &f32::NAN).is_nan() && round(&store, &-0.0_f64).is_sign_negative());
    same(&store, &("", "text\0".to_owned()).1);
    same(&store, &HashMap::from([(1u8, "one".to_owned()), (2, String::new())]));
    same(&store, &BTreeMap::from([((1, 'a'), Some(1.5)), ((2, 'b'), None)]));
    same(&store, &HashSet::from([1u64, u64::MAX]));
}

#[test]
fn a_number_is_read_as_a_float_that_is_the_same_number() {
    let dir = Dir::new();
    let store = dir.store();
    let halves = [0.5, -1.5, 2048.0];
    store.put("x", &Array1::from_iter(halves.map(f16::from_f64))).unwrap();
    assert_eq!(store.get::<Vec<f64>>("x").unwrap().unwrap(), halves);
    store.put("x", &arr1(&[bf16::from_f64(-1.5)])).unwrap();
    assert_eq!(store.get::<Vec<f32>>("x").unwrap().unwrap(), [-1.5]);
    store.put("x", &vec![u64::MAX - 2047; 500]).unwrap();
    assert_eq!(store.get::<Vec<f64>>("x").unwrap().unwrap(), [18_446_744_073_709_549_568.0; 500]);
    store.put("x", &(-3, u64::MAX - 2047)).unwrap();
    assert_eq!(store.get::<(f32, f64)>("x").unwrap().unwrap(), (-3.0, 18_446_744_073_709_549_568.0));
}

#[test]
fn every_form_of_enum_and_buffering_of_serde_round_trips() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Inside {
        Field { values: Array2<f64>, list: Vec<f64> },
        Empty,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", content = "content")]
    enum Beside {
        Field(Array2<f64>),
        Empty,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum None_ {
        Array(Array2<f32>),
        List(Vec<i64>),
        Text(String),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        weights: Array2<f64>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outer {
        name: String,
        #[serde(flatten)]
        inner: Inner,
        #[serde(flatten)]
        others: BTreeMap<String, Array1<u16>>,
    }
    let dir = Dir::new();
    let store = dir.store();
    let fortran = ramp(20, 30).t().to_owned();
    same(&store, &vec![Inside::Field { values: fortran.clone(), list: vec![0.5; 1000] }, Inside::Empty]);
    assert_eq!(store.info("x").unwrap().unwrap().arrays().len(), 2);
    same(&store, &vec![Beside::Field(fortran.clone()), Beside::Empty]);
    same(&store, &(None_::Array(arr2(&[[1.5]])), None_::List((0..500).collect()), None_::Text("t".into())));
    let others = BTreeMap::from([("more".to_owned(), arr1(&[1u16, 2]))]);
    same(&store, &Outer { name: "n".into(), inner: Inner { weights: fortran }, others });
    assert_eq!(store.info("x").unwrap().unwrap().arrays().len(), 2);
}

#[test]
fn usize_fortran_empty_and_scalar_arrays_keep_type_order_and_shape() {
    let dir = Dir::new();
    let store = dir.store();
    same(&store, &arr2(&[[0usize, usize::MAX]]));
    same(&store, &arr1(&[isize::MIN]));
    let fortran: Array2<f32> = Array::from_shape_fn((4, 3), |(i, j)| (i + 10 * j) as f32).t().to_owned();
    let back = round(&store, &fortran);
    assert_eq!((&back, back.strides()), (&fortran, fortran.strides()));
    for dtype in [DType::Float32, DType::Int8] {
        if dtype == DType::Float32 {
            same(&store, &Array2::<f32>::zeros((0, 7)));
        } else {
            same(&store, &Array2::<i8>::zeros((0, 7)));
        }
        let entry = store.entry("x").unwrap().unwrap();
        assert_eq!((entry.array().unwrap().dtype(), entry.array().unwrap().shape()), (dtype, &[0, 7][..]));
    }
    assert_error!(store.get::<Array2<f32>>("x"), Error::WrongType { .. });
    same(&store, &Array0::from_elem((), -1i16));
    same(&store, &ArrayD::<u8>::from_elem(IxDyn(&[1; 10]), 3));
}

#[test]
fn arrays_of_texts_structs_and_newtypes_round_trip_too() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Point {
        x: f64,
        y: f64,
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Meters(f64);
    let dir = Dir::new();
    let store = dir.store();
    same(&store, &arr2(&[["a".to_owned(), "b".to_owned()]]));
    same(&store, &arr1(&[Point { x: 1.0, y: 2.0 }]));
    same(&store, &arr1(&[Some(1), None]));
    same(&store, &arr1(&[arr1(&[1u8]), arr1(&[])]));
    let meters = Array2::from_shape_fn((5, 4), |(i, j)| Meters((i * j) as f64)).t().to_owned();
    same(&store, &meters);
    let entry = store.entry("x").unwrap().unwrap();
    assert_eq!(entry.array().unwrap().dtype(), DType::Float64, "structs around numbers are kept as numbers");
    assert_eq!(store.get::<Array2<f64>>("x").unwrap().unwrap(), meters.mapv(|meters| meters.0));
    same(&store, &vec![Meters(1.5); 1000]);
    assert!(matches!(tree(&store), Tree::Sequence(_)));
}

#[test]
fn a_struct_of_the_users_that_is_also_called_array_is_what_it_was() {
    mod own {
        use serde::{Deserialize, Serialize};
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        pub(super) struct Array {
            pub(super) v: u8,
            pub(super) dim: (usize, usize),
            pub(super) data: Vec<f64>,
        }
    }
    mod other {
        use serde::{Deserialize, Serialize};
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        pub(super) struct Array {
            pub(super) v: u8,
            pub(super) dim: Vec<u32>,
            pub(super) data: std::collections::VecDeque<i16>,
        }
    }
    mod third {
        use serde::{Deserialize, Serialize};
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        pub(super) struct Array {
            pub(super) data: String,
            pub(super) dim: Option<u8>,
            pub(super) v: Vec<u8>,
        }
    }
    let dir = Dir::new();
    let store = dir.store();
    for len in [0, 6, 7, 1000] {
        same(&store, &own::Array { v: 1, dim: (2, 3), data: vec![0.5; len] });
        same(&store, &other::Array { v: 1, dim: vec![2, 3], data: vec![5; len].into() });
        same(&store, &other::Array { v: 2, dim: vec![2, 3], data: vec![5; len].into() });
    }
    same(&store, &third::Array { data: "d".into(), dim: Some(1), v: vec![1] });
}

#[test]
fn a_borrowed_text_is_read_from_the_entry() {
    let dir = Dir::new();
    let store = dir.store();
    store.put("x", &("text", arr1(&[1u8]))).unwrap();
    let entry = store.entry("x").unwrap().unwrap();
    let (text, array): (&str, Array1<u8>) = entry.value().unwrap();
    assert_eq!((text, array[0]), ("text", 1));
}

#[test]
fn what_cannot_be_kept_is_refused_and_leaves_nothing() {
    struct Refuses;
    impl Serialize for Refuses {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }
    #[derive(Serialize)]
    struct Deep(Option<Box<Deep>>, u8);
    let dir = Dir::new();
    let store = dir.store();
    assert_error!(store.put("x", &(ramp(200, 200), Refuses)), Error::Invalid { what: "value", given, .. } if given == "not today");
    let deep = (0..1000).fold(Deep(None, 0), |deep, _| Deep(Some(Box::new(deep)), 0));
    let deep_value = (0..5000).fold(Value::Nil, |value, _| Value::List(vec![value]));
    let deep_option = (0..5000).fold(Value::Nil, |value, _| Value::Some(Box::new(value)));
    for refused in [store.put("x", &deep), store.put("x", &deep_value), store.put("x", &deep_option)] {
        assert_error!(refused, Error::Invalid { what: "value", reason, .. } if reason.contains("deep"));
    }
    let wrong = Tree::Tagged(Tag::Complex, vec![Tree::Nil]);
    assert_error!(store.writer().put("x", wrong.clone()), Error::Invalid { what: "tag", .. });
    let mut writer = store.writer();
    writer.meta("m", wrong);
    assert_error!(writer.put("x", Tree::Nil), Error::Invalid { what: "tag", .. });
    assert!(!store.contains("x").unwrap());
    assert_error!(dir.read_only().put("x", &1), Error::Unsupported { .. });
}

#[test]
fn any_value_is_read_without_knowing_its_type_and_put_again() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        value: Value,
        more: Vec<Value>,
    }
    let dir = Dir::new();
    let store = dir.blobs_only();
    store.put("x", &model()).unwrap();
    let value: Value = store.get("x").unwrap().unwrap();
    assert_eq!(store.entry("x").unwrap().unwrap().to_value(), value);
    let weights = value.get("layers").unwrap().items().unwrap()[0].get("weights").unwrap().as_array().unwrap();
    assert_eq!(weights.to_array::<f64, Ix2>().unwrap(), ramp(30, 20));
    assert_error!(weights.to_array::<f32, Ix2>(), Error::WrongType { .. });
    assert!(format!("{value:?}").len() < 4000, "elements are not printed");
    let report = store.put("again", &value).unwrap();
    assert_eq!((report.new_blobs, report.inline_bytes), (0, 0));
    assert_eq!(store.get::<Model>("again").unwrap().unwrap(), model());
    same(&store, &Holder { value, more: (0..2000).map(Value::Int).collect() });
}

#[test]
fn values_that_rust_does_not_have_keep_their_kind() {
    let dir = Dir::new();
    let store = dir.store();
    let array = ndstash::AnyArray::of(&ramp(200, 100).t());
    let raw = ndstash::AnyArray::from_bytes(DType::UInt8, &[5], Order::C, *b"bytes").unwrap();
    assert_error!(ndstash::AnyArray::from_bytes(DType::UInt16, &[5], Order::C, *b"bytes"), Error::WrongType { .. });
    let value = Value::Tuple(vec![
        Value::Set(vec![Value::Int(1), "a".into()]),
        Value::FrozenSet(vec![Value::Tuple(vec![])]),
        Value::Complex(1.5, -0.0),
        Value::Integer([vec![0; 20], vec![0x80, 0]].concat()),
        Value::Some(Box::new(Value::Nil)),
        Value::Map(vec![(Value::Tuple(vec![Value::Bool(true)]), Value::List(vec![Value::UInt(u64::MAX)]))]),
        Value::Array(array.clone()),
        Value::Payload(raw.clone()),
        Value::Sequence(raw),
        Value::Bytes(vec![1, 2]),
        Value::Float(0.5),
        Value::Omitted { dtype: DType::Bool, shape: vec![3, u64::MAX], digest: ndstash::Digest::of(b"x") },
    ]);
    same(&store, &value);
    let Value::Tuple(items) = store.get::<Value>("x").unwrap().unwrap() else { panic!() };
    assert_eq!(items[6].as_array().unwrap().order(), Order::F);
    assert_eq!(items[7].to_bytes().unwrap().unwrap(), &b"bytes"[..]);
    assert_eq!(store.entry("x").unwrap().unwrap().stored_arrays()[0].digest(), array.digest());
    // An integer that fits has one form only.
    store.put("x", &Value::Integer(vec![5, 0, 0])).unwrap();
    assert_eq!(tree(&store), Tree::Int(5));
    assert_error!(store.put("x", &Value::Integer(vec![])), Error::Invalid { .. });
    // Other formats get the plainest form.
    let json = serde_json::to_value(Value::List(vec![items[0].clone(), items[6].clone(), items[8].clone()])).unwrap();
    assert_eq!((&json[0], &json[1]["dim"]), (&serde_json::json!([1, "a"]), &serde_json::json!([100, 200])));
    assert_eq!(json[2], serde_json::json!(b"bytes"));
    let back: Value = serde_json::from_value(serde_json::json!({"a": [1, null, "x"]})).unwrap();
    assert_eq!(back.get("a").unwrap().items().unwrap()[0].as_i64(), Some(1));
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Node {
    Unit,
    Number(i64),
    Big(i128),
    Float(f32),
    Text(String),
    Option(Option<Option<Box<Node>>>),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
    Pair(Box<Node>, Box<Node>),
    Struct { left: Box<Node>, right: Option<Box<Node>> },
    Vector(Vec<u16>),
    Array(Array2<i32>),
    Dynamic(ArrayD<f64>),
    Bytes(Vec<u8>),
}

fn nodes() -> impl Strategy<Value = Node> {
    let size = 0..40usize;
    let leaf = prop_oneof![
        Just(Node::Unit),
        any::<i64>().prop_map(Node::Number),
        any::<i128>().prop_map(Node::Big),
        any::<f32>().prop_filter("NaN is no other", |float| !float.is_nan()).prop_map(Node::Float),
        "\\PC{0,9}".prop_map(Node::Text),
        prop::collection::vec(any::<u16>(), 0..1500).prop_map(Node::Vector),
        prop::collection::vec(any::<u8>(), 0..3000).prop_map(Node::Bytes),
        (size.clone(), size.clone(), any::<bool>()).prop_map(|(rows, columns, flip)| {
            let array = Array2::from_shape_fn((rows, columns), |(i, j)| (i * 100 + j) as i32);
            Node::Array(if flip { array.t().to_owned() } else { array })
        }),
        prop::collection::vec(0..4usize, 0..8)
            .prop_map(|shape| Node::Dynamic(ArrayD::from_elem(IxDyn(&shape), shape.len() as f64))),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            prop::option::of(prop::option::of(boxed())).prop_map(Node::Option),
            prop::collection::vec(inner.clone(), 0..6).prop_map(Node::List),
            prop::collection::btree_map("[a-z]{0,3}", inner.clone(), 0..4).prop_map(Node::Map),
            (boxed(), boxed()).prop_map(|(left, right)| Node::Pair(left, right)),
            (boxed(), prop::option::of(boxed())).prop_map(|(left, right)| Node::Struct { left, right }),
        ]
    })
}

#[test]
fn random_nested_values_round_trip() {
    let dir = Dir::new();
    let store = dir.open(&StoreOptions::new().inline_limits(2000, 8000));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(100));
    let outcome = runner.run(&nodes(), |node| {
        store.put("x", &node).unwrap();
        let value: Value = store.get("x").unwrap().unwrap();
        store.put("y", &value).unwrap();
        for name in ["x", "y"] {
            prop_assert_eq!(&store.get::<Node>(name).unwrap().unwrap(), &node);
        }
        Ok(())
    });
    outcome.unwrap();
}
