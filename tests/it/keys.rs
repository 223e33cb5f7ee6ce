//! Keys of calls: what makes them differ, what does not, and that two programs agree on them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;

use ndarray::{Array1, Array2, ArrayD, Axis, Ix2, IxDyn, Slice, s};
use ndstash::{AnyArray, CallKey, Digest, Element, Error, Key, KeyBuilder, Rounding, Value};
use num_complex::Complex64;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::Serialize;

use crate::common::python;
use crate::common::{Dir, assert_error, hex, noise};

fn key<T: Serialize + ?Sized>(value: &T) -> Key {
    CallKey::of("test", value).unwrap().key()
}

/// A key of two parts.
fn two<T: Serialize + ?Sized, U: Serialize + ?Sized>(one: &T, other: &U) -> Key {
    KeyBuilder::new("test").arg("one", one).arg("two", other).finish().unwrap().key()
}

/// An array whose elements all differ.
fn field(rows: u32, columns: u32) -> Array2<f64> {
    let elements = (0..rows * columns).map(f64::from).collect();
    Array2::from_shape_vec((rows as usize, columns as usize), elements).unwrap()
}

fn all_differ(keys: &[Key]) {
    for (at, one) in keys.iter().enumerate() {
        assert!(!keys[..at].contains(one), "key {at} is another's, too");
    }
}

#[test]
fn large_arrays_that_differ_only_in_the_middle_have_different_keys() {
    let mut array = Array1::from(noise(3 << 20, 1));
    let before = key(&array);
    array[(3 << 19) + 1] ^= 1;
    let after = key(&array);
    assert_ne!(before, after);
    array[(3 << 19) + 1] ^= 1;
    assert_eq!(key(&array), before);
}

#[test]
fn equal_arrays_have_one_key_in_c_order_fortran_order_strided_and_copied() {
    let array = field(300, 200);
    let mut fortran = Array2::zeros((200, 300)).reversed_axes();
    fortran.assign(&array);
    let mut wide = Array2::from_elem((600, 400), f64::NAN);
    wide.slice_mut(s![..;2, 1..;2]).assign(&array);
    let backwards = array.slice(s![..;-1, ..]).to_owned();
    assert!(!fortran.is_standard_layout());
    let same = [
        key(&array.clone()),
        key(&fortran),
        key(&wide.slice(s![..;2, 1..;2])),
        key(&backwards.slice(s![..;-1, ..])),
        key(&array.view()),
        key(&array.to_shared()),
        key(&array.clone().into_dyn()),
        key(&Box::new(array.clone())),
    ];
    assert!(same.iter().all(|other| *other == key(&array)));
    assert_ne!(key(&array.t()), key(&array));
}

#[test]
fn equal_bytes_of_another_type_or_shape_have_different_keys() {
    let bytes = noise(960, 1);
    let words: Vec<u64> = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let signed: Vec<i64> = words.iter().map(|word| word.cast_signed()).collect();
    let floats: Vec<f64> = words.iter().map(|word| f64::from_bits(*word)).collect();
    let shaped = |shape: &[usize]| ArrayD::from_shape_vec(IxDyn(shape), words.clone()).unwrap();
    all_differ(&[
        key(&bytes),
        key(&words),
        key(&signed),
        key(&floats),
        key(&shaped(&[2, 60])),
        key(&shaped(&[60, 2])),
        key(&shaped(&[120, 1])),
        key(&shaped(&[1, 120])),
        key(&Array2::<u64>::zeros((0, 2))),
        key(&Array2::<u64>::zeros((2, 0))),
        key(&Array2::<i64>::zeros((2, 0))),
    ]);
}

#[test]
fn numbers_that_hash_alike_elsewhere_have_different_keys() {
    all_differ(&[key(&-1), key(&-2), key(&0), key(&(u64::MAX)), key(&(1_i128 << 61)), key(&((1_i128 << 61) - 1))]);
    all_differ(&[key(&0.0), key(&-0.0), key(&f64::NAN), key(&f64::INFINITY), key(&f64::MIN_POSITIVE)]);
    assert_eq!(key(&f64::NAN), key(&-f64::NAN));
    assert_eq!(key(&f64::NAN), key(&f64::from_bits(f64::NAN.to_bits() | 1)));
}

#[test]
fn one_in_every_type_has_different_keys() {
    all_differ(&[
        key(&1),
        key(&1.0),
        key(&1.0_f32),
        key(&true),
        key("1"),
        key(&b"1"),
        key(&(1,)),
        key(&vec![1]),
        key(&vec![Some(1)]),
        key(&BTreeMap::from([(1, 1)])),
        key(&()),
    ]);
    assert_eq!(key("1"), key(&'1'));
}

#[test]
fn a_value_of_no_type_has_the_key_of_what_it_stands_for() {
    let items = || vec![Value::Int(1), Value::Str("a".into())];
    assert_eq!(key(&Value::Tuple(items())), key(&(1, "a")));
    assert_ne!(key(&Value::Tuple(items())), key(&Value::List(items())));
    let turned = || items().into_iter().rev().collect::<Vec<_>>();
    assert_eq!(key(&Value::Set(items())), key(&Value::Set(turned())));
    assert_eq!(key(&Value::FrozenSet(items())), key(&Value::FrozenSet(turned())));
    assert_eq!(key(&Value::Set(vec![Value::Int(2), Value::Int(1)])), key(&std::collections::BTreeSet::from([1, 2])));
    assert_ne!(key(&Value::Set(items())), key(&Value::FrozenSet(items())));
    assert_ne!(key(&Value::Set(items())), key(&Value::List(items())));
    let wide = || (0..40).collect::<Vec<u8>>();
    assert_ne!(key(&Value::Integer(wide())), key(&Value::Bytes(wide())));
    assert_eq!(key(&Value::Integer(vec![7])), key(&7));
    assert_eq!(key(&Value::Complex(1.5, -0.0)), key(&Complex64::new(1.5, -0.0)));
    assert_ne!(key(&Value::Complex(1.5, 2.0)), key(&(1.5, 2.0)));
    let integer = |bytes: &[u8]| Value::Integer(bytes.to_vec());
    assert_eq!(key(&integer(&i128::MIN.to_le_bytes())), key(&i128::MIN));
    assert_eq!(key(&integer(&[&u128::MAX.to_le_bytes()[..], &[0]].concat())), key(&u128::MAX));
    assert_eq!(key(&integer(&[0xff, 0xff])), key(&-1));
    assert_ne!(key(&integer(&[0; 17])), key(&Value::Bytes(vec![0; 17])));
    let array = field(30, 20);
    assert_eq!(key(&Value::Array(AnyArray::of(&array.t()))), key(&array.t()));
}

#[test]
fn texts_that_are_cut_elsewhere_have_different_keys() {
    assert_ne!(two("a b", "c"), two("a", "b c"));
    assert_ne!(two("", "ab"), two("ab", ""));
    assert_ne!(key(&("a b", "c")), key(&("a", "b c")));
    assert_ne!(key(&vec!["ab"]), key(&vec!["a", "b"]));
    assert_ne!(key(&(vec!["a"], vec!["b"])), key(&(vec!["a", "b"], Vec::<&str>::new())));
    assert_ne!(key("caf\u{e9}"), key("cafe\u{301}"));
}

#[test]
fn two_functions_or_versions_of_one_store_have_different_keys_for_equal_arguments() {
    let with = |namespace: &str| KeyBuilder::new(namespace).arg("x", &1);
    let keys = [
        with("a"),
        with("b"),
        with("a/b"),
        with("a").function("f"),
        with("a").function("g"),
        with("a").function("f").version("1"),
        with("a").function("f").version("2"),
        with("a").version("f"),
        with("a").function(""),
    ];
    all_differ(&keys.map(|builder| builder.finish().unwrap().key()));
}

#[test]
fn arguments_are_told_apart_by_name_and_not_by_order() {
    let built = |pairs: &[(&str, i32)]| {
        let builder = pairs.iter().fold(KeyBuilder::new("n"), |builder, (name, value)| builder.arg(name, value));
        builder.finish().unwrap().key()
    };
    assert_eq!(built(&[("a", 1), ("bb", 2), ("c", 3)]), built(&[("c", 3), ("a", 1), ("bb", 2)]));
    all_differ(&[built(&[("a", 1), ("b", 2)]), built(&[("a", 2), ("b", 1)]), built(&[("a", 1)]), built(&[])]);
    assert_error!(
        KeyBuilder::new("n").arg("a", &1).arg("a", &1).finish(),
        Error::Invalid { what: "key part", given, .. } if given == "a"
    );
}

#[test]
fn ignored_arguments_are_shown_and_do_not_count() {
    let with = |verbose: bool| KeyBuilder::new("n").arg("x", &1).ignored("verbose", &verbose).finish().unwrap();
    let plain = KeyBuilder::new("n").arg("x", &1).finish().unwrap();
    assert_eq!((with(true).key(), with(false).key()), (plain.key(), plain.key()));
    assert!(format!("{:?}", with(true).parts()).contains("verbose"));
    assert_eq!((plain.namespace(), plain.function(), plain.version()), ("n", None, None));
}

#[test]
fn rounding_gives_noise_one_key_and_leaves_what_differs_apart() {
    let rounded = |value: f64, rounding| KeyBuilder::new("n").rounded("x", &value, rounding).finish().unwrap().key();
    for rounding in [Rounding::decimals(6), Rounding::significant(6)] {
        assert_eq!(rounded(0.1 + 0.2, rounding), rounded(0.3, rounding));
        assert_ne!(rounded(0.300_001, rounding), rounded(0.3, rounding));
        assert_eq!(rounded(-0.0, rounding), rounded(0.0, rounding));
        assert_eq!(rounded(0.25, rounding), KeyBuilder::new("n").arg("x", &0.25).finish().unwrap().key());
    }
    let deep = |noise: f64| {
        let array = field(400, 300) + noise;
        let value = BTreeMap::from([("field", (array, 0.5 + noise))]);
        KeyBuilder::new("n").rounded("x", &value, Rounding::decimals(3).deep()).finish().unwrap().key()
    };
    assert_eq!(deep(1e-5), deep(-1e-5));
    assert_ne!(deep(2e-3), deep(0.0));
}

#[test]
fn a_file_counts_by_its_content() {
    let dir = Dir::new();
    let (one, other) = (dir.beside("one"), dir.beside("other"));
    let content = noise(9 << 20, 1);
    std::fs::write(&one, &content).unwrap();
    std::fs::write(&other, &content).unwrap();
    let of = |path: &Path| KeyBuilder::new("n").file("input", path).finish().map(|key| key.key());
    let before = of(&one).unwrap();
    assert_eq!(of(&other).unwrap(), before);
    let known = KeyBuilder::new("n").digest("input", Digest::of(&content)).finish().unwrap().key();
    assert_eq!(known, before);
    std::fs::write(&other, &content[1..]).unwrap();
    assert_ne!(of(&other).unwrap(), before);
    assert_error!(of(&dir.beside("none")), Error::Io { path, .. } if path == dir.beside("none"));
}

#[test]
fn a_mapped_array_has_the_key_of_its_values() {
    let dir = Dir::new();
    drop(dir.store());
    let store = dir.mapped();
    let array = Array2::from_shape_vec((8 << 10, 1 << 10), noise(8 << 20, 3)).unwrap();
    let expected = key(&array);
    store.put("c", &array).unwrap();
    store.put("f", &array.t()).unwrap();
    let map = |name: &str| store.entry(name).unwrap().unwrap().array().unwrap().map::<u8, Ix2>().unwrap();
    let mapped = map("c");
    assert!(mapped.is_mapped());
    assert_eq!(key(&mapped), expected);
    assert_eq!(key(&mapped.clone()), expected);
    assert_eq!(key(&mapped.view().to_owned()), expected);
    assert_eq!(key(&map("f")), key(&array.t()));
    assert_ne!(key(&mapped.slice(s![1.., ..])), expected);
}

#[test]
fn both_programs_make_the_vectors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = canonical_key("check", &root.join("tests/vectors/keys.json"));
    assert_eq!(output, "101 values 9 calls 240 rounding\n");
}

#[test]
fn keys_are_those_of_another_program() {
    let dir = Dir::new();
    let array = Array2::from_shape_vec((7, 9), (0..63).collect::<Vec<i32>>()).unwrap();
    let elements: Vec<u8> = array.iter().flat_map(|element| element.to_le_bytes()).collect();
    let options: HashMap<String, (bool, f64)> = (0..20).map(|at| (at.to_string(), (at % 2 == 0, 0.1))).collect();
    let built = KeyBuilder::new("simulate/fluid")
        .function("step")
        .version("3")
        .arg("field", &array.t().as_standard_layout().t())
        .arg("options", &options)
        .ignored("verbose", &true)
        .finish()
        .unwrap();
    let float = |value: f64| serde_json::json!({ "$float": format!("{:016x}", value.to_bits()) });
    let pair =
        |(name, (even, value)): (&String, &(bool, f64))| serde_json::json!([name, { "$tuple": [even, float(*value)] }]);
    let parts: serde_json::Value = serde_json::json!([
        ["options", { "$map": options.iter().map(pair).collect::<Vec<_>>() }],
        ["field", { "$array": { "dtype": "int32", "shape": [7, 9], "elements": hex(&elements) } }],
    ]);
    let call = serde_json::json!({ "namespace": "simulate/fluid", "function": "step", "version": "3", "parts": parts });
    let file = dir.beside("calls.json");
    std::fs::write(&file, serde_json::json!({ "calls": [call] }).to_string()).unwrap();
    assert_eq!(canonical_key("key", &file), format!("{}\n", built.key()));
}

/// What `tools/canonical_key.py` prints: a program that shares nothing with the library but blobs-format.md.
fn canonical_key(verb: &str, file: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/canonical_key.py");
    let output = Command::new(python()).args(["-B", "-X", "utf8"]).arg(script).arg(verb).arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The key in another process, which has other random hash seeds and addresses.
#[test]
fn keys_are_the_same_in_another_process() {
    let seeded: HashMap<String, i32> = (0..100).map(|at| (at.to_string(), at)).collect();
    let own = key(&seeded).to_string();
    if std::env::var_os("NDSTASH_TEST_KEY").is_some() {
        let path = std::env::var_os("NDSTASH_TEST_KEY").unwrap();
        return std::fs::write(path, own).unwrap();
    }
    let dir = Dir::new();
    let file = dir.beside("key");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "keys::keys_are_the_same_in_another_process"])
        .env("NDSTASH_TEST_KEY", &file)
        .output()
        .unwrap();
    assert!(status.status.success());
    assert_eq!(std::fs::read_to_string(file).unwrap(), own);
}

/// Lays an array out anew: its axes in another order in memory, each with a gap and in a direction of its own.
fn laid_out<A: Element + Default>(array: &ArrayD<A>, axes: &[usize], steps: &[isize]) -> (ArrayD<A>, Vec<Slice>) {
    let mut inverse = vec![0; axes.len()];
    axes.iter().enumerate().for_each(|(at, &axis)| inverse[axis] = at);
    let extents: Vec<usize> = axes.iter().map(|&axis| array.shape()[axis] * steps[axis].unsigned_abs()).collect();
    let mut wide = ArrayD::default(IxDyn(&extents)).permuted_axes(IxDyn(&inverse));
    let slices: Vec<Slice> = steps.iter().map(|&step| Slice::new(0, None, step)).collect();
    wide.slice_each_axis_mut(|axis| slices[axis.axis.index()]).assign(array);
    (wide, slices)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn layouts_do_not_count_and_values_do(
        shape in vec(1_usize..6, 0..5),
        order in any::<prop::sample::Index>(),
        steps in vec(prop::sample::select(vec![1_isize, 2, -1, -2]), 5),
        changed in any::<prop::sample::Index>(),
    ) {
        let len: usize = shape.iter().product();
        let mut array = ArrayD::from_shape_vec(IxDyn(&shape), (0..u32::try_from(len).unwrap()).collect()).unwrap();
        let mut axes: Vec<usize> = (0..shape.len()).collect();
        axes.rotate_left(if shape.is_empty() { 0 } else { order.index(shape.len()) });
        if order.index(2) == 0 {
            axes.reverse();
        }
        let (wide, slices) = laid_out(&array, &axes, &steps[..shape.len()]);
        let view = wide.slice_each_axis(|axis| slices[axis.axis.index()]);
        prop_assert_eq!(key(&view), key(&array));
        prop_assert_eq!(key(&view.to_owned()), key(&array));
        let flipped = array.view().insert_axis(Axis(0));
        prop_assert_ne!(key(&flipped), key(&array));
        let before = key(&array);
        let at = changed.index(len);
        *array.iter_mut().nth(at).unwrap() ^= 1 << 31;
        prop_assert_ne!(key(&array), before);
    }

    #[test]
    fn maps_have_one_key_in_every_order_and_different_ones_if_they_differ(
        one in btree_map("[ab]{0,3}", vec(any::<i16>(), 0..3), 0..6),
        other in btree_map("[ab]{0,3}", vec(any::<i16>(), 0..3), 0..6),
    ) {
        let hashed: HashMap<_, _> = one.iter().rev().collect();
        prop_assert_eq!(key(&hashed), key(&one));
        prop_assert_eq!(key(&one) == key(&other), one == other);
        let build = |map: &BTreeMap<String, Vec<i16>>, backwards: bool| {
            let mut pairs: Vec<_> = map.iter().collect();
            if backwards {
                pairs.reverse();
            }
            let named = |builder: KeyBuilder, (name, value): (&String, &Vec<i16>)| builder.arg(&format!("x{name}"), value);
            pairs.into_iter().fold(KeyBuilder::new("n"), named).finish().unwrap().key()
        };
        prop_assert_eq!(build(&one, true), build(&one, false));
        prop_assert_eq!(build(&one, true) == build(&other, false), one == other);
    }
}
