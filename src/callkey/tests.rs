//! What Rust values are encoded as, and how they are shown.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use half::{bf16, f16};
use ndarray::{Array2, arr0, arr2};
use num_complex::{Complex32, Complex64};
use serde::Serialize;

use super::encode::{Flaw, How, encode};
use super::{CallKey, KeyBuilder, Rounding};
use crate::digest::Digest;
use crate::dtype::DType;
use crate::error::Error;
use crate::format::canonical::{Canonical, Container, Content};
use crate::format::tree::{Tag, Tree};

fn of<T: Serialize + ?Sized>(value: &T) -> Canonical {
    let mut out = Canonical::new();
    encode(value, How::PLAIN, &mut out).unwrap();
    out
}

fn rounded<T: Serialize + ?Sized>(value: &T, rounding: Rounding) -> Canonical {
    let mut out = Canonical::new();
    encode(value, How::of(Some(rounding)), &mut out).unwrap();
    out
}

fn made(make: impl FnOnce(&mut Canonical)) -> Canonical {
    let mut out = Canonical::new();
    make(&mut out);
    out
}

fn array(dtype: DType, shape: &[u64], elements: &[u8]) -> Canonical {
    made(|out| out.array(dtype, shape, Content::of(elements)))
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Newtype(f64);

#[derive(Serialize)]
struct Point {
    y: i32,
    x: i32,
}

#[derive(Serialize)]
enum Shape {
    Empty,
    Circle(f64),
    Line(i8, i8),
    Box { width: u8 },
}

#[test]
fn all_integers_are_one_type_and_floats_another() {
    let one = made(|out| out.integer(1));
    for encoding in [of(&1_i8), of(&1_u8), of(&1_i64), of(&1_u64), of(&1_usize), of(&1_i128), of(&1_u128), of(&&1_i32)]
    {
        assert_eq!(encoding, one);
    }
    assert_eq!(of(&u128::MAX), made(|out| out.unsigned(u128::MAX)));
    assert_eq!(of(&1.0), made(|out| out.float(1.0)));
    assert_eq!(of(&true), made(|out| out.bool(true)));
    assert_eq!(of("1"), made(|out| out.text("1")));
    assert_eq!(of(&'1'), of("1"));
}

#[test]
fn numbers_of_other_sizes_are_arrays_without_dimensions() {
    assert_eq!(of(&0.5_f32), array(DType::Float32, &[], &0.5_f32.to_le_bytes()));
    assert_eq!(of(&0.5_f32), of(&arr0(0.5_f32)));
    assert_ne!(of(&0.5_f32), of(&0.5_f64));
    assert_eq!(of(&f16::ONE), of(&arr0(f16::ONE)));
    assert_eq!(of(&bf16::ONE), of(&arr0(bf16::ONE)));
    assert_eq!(of(&Complex32::new(1.0, -2.0)), of(&arr0(Complex32::new(1.0, -2.0))));
    let complex = Complex64::new(1.0, -2.0);
    assert_eq!(of(&complex), made(|out| out.complex(1.0, -2.0)));
    assert_ne!(of(&complex), of(&(1.0, -2.0)), "a pair of numbers is another thing");
    for behind in [of(&&complex), of(&Box::new(complex)), of(&Some(complex))] {
        assert_eq!(behind, of(&complex));
    }
    assert_eq!(
        of(&vec![Some(f16::ONE)]),
        made(|out| {
            let at = out.begin(Container::List);
            out.array(DType::Float16, &[], Content::of(&f16::ONE.to_le_bytes()));
            out.end(at, 1);
        })
    );
}

#[test]
fn vectors_of_numbers_are_arrays_of_one_dimension_and_others_are_lists() {
    let expected = array(DType::Int16, &[2], &[1, 0, 2, 0]);
    let vector = vec![1_i16, 2];
    assert_eq!(of(&vector), expected);
    assert_eq!(of(&vector[..]), expected);
    assert_eq!(of(&vector.clone().into_boxed_slice()), expected);
    assert_eq!(of(&Some(&vector)), expected);
    assert_eq!(of(&Vec::<i16>::new()), array(DType::Int16, &[0], &[]));
    let listed = |kind| {
        made(|out| {
            let at = out.begin(kind);
            out.text("a");
            out.text("b");
            out.end(at, 2);
        })
    };
    assert_eq!(of(&vec!["a", "b"]), listed(Container::List));
    assert_eq!(of(&("a", "b")), listed(Container::Tuple));
    assert_eq!(of(&["a", "b"]), listed(Container::Tuple));
}

#[test]
fn what_may_be_absent_is_told_from_what_is_there_and_empty() {
    let nil = made(Canonical::nil);
    assert_eq!((of(&None::<i32>), of(&()), of(&Unit)), (nil.clone(), nil.clone(), nil));
    assert_eq!(of(&Some(1)), of(&1));
    let options = [None, Some(None), Some(Some(None)), Some(Some(Some(())))];
    let encodings: Vec<_> = options.iter().map(of).collect();
    assert_eq!(encodings.iter().map(Canonical::as_bytes).collect::<HashSet<_>>().len(), 4);
    assert_eq!(
        encodings[1],
        made(|out| {
            out.named("some");
            out.nil();
        })
    );
}

#[test]
fn structs_are_maps_and_variants_are_named() {
    assert_eq!(of(&Point { y: 2, x: 1 }), of(&BTreeMap::from([("x", 1), ("y", 2)])));
    assert_eq!(of(&Newtype(0.5)), of(&0.5));
    let named = |name: &str, inside: &Canonical| {
        made(|out| {
            out.named(name);
            out.append(inside);
        })
    };
    assert_eq!(of(&Shape::Empty), named("Empty", &of(&())));
    assert_eq!(of(&Shape::Circle(0.5)), named("Circle", &of(&0.5)));
    assert_eq!(of(&Shape::Line(1, 2)), named("Line", &of(&(1, 2))));
    assert_eq!(of(&Shape::Box { width: 3 }), named("Box", &of(&BTreeMap::from([("width", 3)]))));
}

#[test]
fn the_order_of_maps_and_sets_does_not_count() {
    let pairs: Vec<(String, i32)> = (0..50).map(|at| (at.to_string(), at)).collect();
    let ordered: BTreeMap<_, _> = pairs.iter().cloned().collect();
    let maps: Vec<HashMap<_, _>> = (0..5).map(|_| pairs.iter().rev().cloned().collect()).collect();
    assert!(maps.iter().all(|map| of(map) == of(&ordered)));
    let sets: Vec<HashSet<_>> = (0..5).map(|_| ordered.keys().cloned().collect()).collect();
    let ordered: BTreeSet<_> = ordered.into_keys().collect();
    assert!(sets.iter().all(|set| of(set) == of(&ordered)));
    assert_eq!(of(&Box::new(sets[0].clone())), of(&ordered));
    assert_ne!(of(&ordered), of(&ordered.iter().collect::<Vec<_>>()), "a set is no list");
}

#[test]
fn rounding_is_shallow_unless_told() {
    let shallow = Rounding::decimals(1);
    assert_eq!(rounded(&0.14, shallow), of(&0.1));
    assert_eq!(rounded(&0.14_f32, shallow), of(&0.1_f32));
    assert_eq!(rounded(&f16::from_f64(0.14), shallow), of(&f16::from_f64(0.1)));
    assert_eq!(rounded(&Complex64::new(0.14, -0.01), shallow), of(&Complex64::new(0.1, 0.0)));
    assert_eq!(rounded(&Complex32::new(0.14, -0.01), shallow), of(&Complex32::new(0.1, 0.0)));
    assert_eq!(rounded(&Some(Newtype(0.14)), shallow), of(&0.1));
    let table = BTreeMap::from([("a", (0.14, vec![0.14]))]);
    assert_eq!(rounded(&table, shallow), of(&table));
    assert_eq!(rounded(&arr0(0.14), shallow), of(&arr0(0.14)));
    assert_eq!(rounded(&Shape::Circle(0.14), shallow), of(&Shape::Circle(0.14)));
    let deep = shallow.deep();
    assert_eq!(rounded(&table, deep), of(&BTreeMap::from([("a", (0.1, vec![0.1]))])));
    assert_eq!(rounded(&arr2(&[[0.14], [-0.01]]), deep), of(&arr2(&[[0.1], [0.0]])));
    assert_eq!(rounded(&Shape::Circle(0.14), deep), of(&Shape::Circle(0.1)));
    let large = Array2::from_elem((300, 7), 0.14);
    assert_eq!(rounded(&large, deep), of(&Array2::from_elem((300, 7), 0.1)));
    assert_eq!(rounded(&large.t(), deep), of(&Array2::from_elem((7, 300), 0.1)));
    assert_eq!(rounded(&vec![1_i64, 2], deep), of(&vec![1_i64, 2]));
}

#[test]
fn what_has_no_encoding_is_refused_by_name() {
    struct Twice;
    impl Serialize for Twice {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_map([("a", 1), ("a", 2)])
        }
    }
    struct Refuses;
    impl Serialize for Refuses {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("never"))
        }
    }
    #[derive(Serialize)]
    struct Chain(Option<Box<Chain>>);
    let chain = |len: u32| (0..len).fold(Chain(None), |chain, _| Chain(Some(Box::new(chain))));
    let flaw = |value: &dyn Fn(&mut Canonical) -> Result<(), Flaw>| value(&mut Canonical::new()).unwrap_err();
    assert_eq!(flaw(&|out| encode(&Twice, How::PLAIN, out)), Flaw::EqualKeys);
    assert_eq!(flaw(&|out| encode(&chain(1000), How::PLAIN, out)), Flaw::TooDeep);
    assert!(encode(&chain(50), How::PLAIN, &mut Canonical::new()).is_ok());
    let error = |builder: KeyBuilder| builder.finish().unwrap_err().to_string();
    let refused = error(KeyBuilder::new("n").arg("ok", &1).arg("bad", &Refuses).arg("worse", &Twice));
    assert!(refused.contains("bad: never"), "{refused}");
    assert!(error(KeyBuilder::new("n").arg("bad", &Twice)).contains("\"bad\""));
    assert!(KeyBuilder::new("n").ignored("bad", &Refuses).finish().is_ok());
}

#[test]
fn names_that_cannot_be_are_refused() {
    assert!(KeyBuilder::new("").finish().is_ok());
    for namespace in ["/", "a//b", "a/", "/a", "a\nb", &"x".repeat(1025)] {
        assert!(
            matches!(KeyBuilder::new(namespace).finish(), Err(Error::Invalid { what: "namespace", .. })),
            "{namespace}"
        );
    }
    let twice = KeyBuilder::new("n").arg("a", &1).ignored("a", &1).finish();
    assert!(matches!(twice, Err(Error::Invalid { what: "key part", given, .. }) if given == "a"));
    assert!(KeyBuilder::new("n").arg("", &1).finish().is_err());
    assert!(KeyBuilder::new("n").arg("(ignored)", &1).finish().is_err());
    assert!(CallKey::of("a//b", &1).is_err());
}

#[test]
fn parts_are_shown_to_people() {
    let large = Array2::<f64>::zeros((30, 20));
    let key = KeyBuilder::new("n")
        .arg("int", &-3)
        .arg("small", &vec![1.5, 2.5])
        .arg("single", &0.5_f32)
        .arg("large", &large.t())
        .arg("pair", &("a", Complex64::new(1.0, 2.0)))
        .arg("shape", &Shape::Box { width: 3 })
        .arg("wide", &u128::MAX)
        .arg("option", &Some(None::<i32>))
        .digest("input", Digest::of(b"x"))
        .ignored("verbose", &true)
        .ignored("data", &large)
        .finish()
        .unwrap();
    let shown = |name: &str| key.parts().get(name).cloned().unwrap();
    assert_eq!(shown("int"), Tree::Int(-3));
    assert_eq!(shown("small"), Tree::List(vec![Tree::Float(1.5), Tree::Float(2.5)]));
    assert_eq!(shown("single"), Tree::Float(0.5));
    let digest = Digest::of(&[0; 30 * 20 * 8]).as_bytes().to_vec();
    let shape = Tree::List(vec![Tree::Int(20), Tree::Int(30)]);
    assert_eq!(shown("large"), Tree::Tagged(Tag::Omitted, vec!["float64".into(), shape, Tree::Bytes(digest)]));
    let complex = Tree::Tagged(Tag::Complex, vec![Tree::Float(1.0), Tree::Float(2.0)]);
    assert_eq!(shown("pair"), Tree::Tagged(Tag::Tuple, vec!["a".into(), complex]));
    assert_eq!(shown("shape").get("Box").unwrap().get("width"), Some(&Tree::Int(3)));
    let wide = [vec![0xff; 16], vec![0]].concat();
    assert_eq!(shown("wide"), Tree::Tagged(Tag::Integer, vec![Tree::Bytes(wide)]));
    assert_eq!(shown("option"), Tree::Tagged(Tag::Some, vec![Tree::Nil]));
    assert_eq!(shown("input").get("content"), Some(&Tree::Str(Digest::of(b"x").to_string())));
    assert_eq!(shown("(ignored)").get("verbose"), Some(&Tree::Bool(true)));
    assert_eq!(shown("(ignored)").get("data"), Some(&"float64 array of shape [30, 20]".into()));
}

/// The length of a tree in a manifest, which can be read back.
fn stored_len(tree: &Tree) -> usize {
    let bytes = rmp_serde::to_vec_named(tree).unwrap();
    assert_eq!(crate::format::decode::tree(&bytes).unwrap(), *tree);
    bytes.len()
}

#[test]
fn what_is_shown_stays_small_and_says_where_it_was_cut() {
    #[derive(Serialize)]
    struct Deep(Vec<Option<Deep>>);
    let deep = (0..40).fold(Deep(vec![]), |deep, _| Deep(vec![Some(deep), None]));
    let text = "caf\u{e9} ".repeat(10_000);
    let list: Vec<String> = (0..10_000).map(|at| at.to_string()).collect();
    let map: BTreeMap<i32, (&str, &str)> = (0..10_000).map(|at| (at, ("a", &text[..999]))).collect();
    let bytes: Vec<Option<Array2<u8>>> = vec![Some(Array2::zeros((9, 9))); 1000];
    let mut builder = KeyBuilder::new("n").arg("text", &text).arg("list", &list).arg("map", &map);
    let key = builder.finish().unwrap();
    assert!((1000..4400).contains(&stored_len(key.parts())), "{}", stored_len(key.parts()));
    assert!(format!("{:?}", key.parts().get("text")).contains("... (60000 bytes)"));
    for name in ["list", "map"] {
        assert!(format!("{:?}", key.parts().get(name)).contains(" more"), "{name}");
    }
    builder = KeyBuilder::new("n").arg("deep", &deep).arg("bytes", &bytes);
    for at in 0..500 {
        builder = builder.arg(&format!("part {at}"), &list);
    }
    let key = builder.finish().unwrap();
    assert!(stored_len(key.parts()) < 4400, "{}", stored_len(key.parts()));
    assert!(key.parts().get("(more)").is_some());
}
