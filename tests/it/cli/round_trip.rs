//! What is put comes back: every element type, shape and order.

use super::{Dir, LARGE, npy, npy_fortran, split_npy};

const DTYPES: [(&str, &str, usize); 14] = [
    ("|b1", "bool", 1),
    ("|i1", "int8", 1),
    ("<i2", "int16", 2),
    ("<i4", "int32", 4),
    ("<i8", "int64", 8),
    ("|u1", "uint8", 1),
    ("<u2", "uint16", 2),
    ("<u4", "uint32", 4),
    ("<u8", "uint64", 8),
    ("<f2", "float16", 2),
    ("<f4", "float32", 4),
    ("<f8", "float64", 8),
    ("<c8", "complex64", 8),
    ("<c16", "complex128", 16),
];

/// Bytes that differ everywhere, and are truth values where they have to be.
fn pattern(dtype: &str, len: usize) -> Vec<u8> {
    let modulus = if dtype == "bool" { 2 } else { 251 };
    (0..len).map(|at| u8::try_from(at % modulus).unwrap()).collect()
}

#[test]
fn every_dtype_comes_back_small_and_large() {
    let dir = Dir::new();
    for (descr, dtype, item) in DTYPES {
        for (shape, count) in [("(3, 4)", 12), (&*format!("({LARGE},)"), LARGE)] {
            let data = pattern(dtype, count * item);
            dir.put("a", &npy(&format!("'{descr}'"), shape, &data)).fine();
            let array = dir.array("a");
            assert_eq!(array["dtype"], dtype);
            assert_eq!(array["inline"], count == 12);
            assert_eq!(array["digest"], ndstash::Digest::of(&data).to_string());
            dir.run(["get", "a", "-o", "out.npy", "--force"]).fine();
            let (header, found) = split_npy(&dir.read("out.npy"));
            assert_eq!(header.len(), 4096 - 10, "data begins on a block");
            assert!(
                header.starts_with(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }} "))
            );
            assert!(found == data, "{dtype} {shape}");
        }
    }
}

#[test]
fn shapes_and_orders_come_back() {
    let dir = Dir::new();
    for (shape, count) in [("()", 1), ("(0,)", 0), ("(2, 0, 3)", 0), ("(1,)", 1), ("(2, 3, 4, 5)", 120)] {
        for fortran in [false, true] {
            let data = pattern("uint16", count * 2);
            let file = if fortran { npy_fortran("'<u2'", shape, &data) } else { npy("'<u2'", shape, &data) };
            dir.put("a", &file).fine();
            dir.run(["get", "a", "-o", "out.npy", "--force"]).fine();
            let (header, found) = split_npy(&dir.read("out.npy"));
            assert!(header.contains(&format!("'shape': {shape}, }}")), "{header}");
            assert_eq!(header.contains("'fortran_order': True"), fortran, "{header}");
            assert_eq!(found, data);
        }
    }
    assert_eq!(dir.array("a")["order"], "F");
    assert_eq!(dir.array("a")["shape"], serde_json::json!([2, 3, 4, 5]));
}

#[test]
fn big_endian_is_converted_and_said() {
    let dir = Dir::new();
    let table: [(&str, &[u8], &[u8]); 4] = [
        (">i4", &[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe], &[1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff]),
        (">u2", &[1, 2, 3, 4], &[2, 1, 4, 3]),
        // Each half of a complex number is turned round by itself.
        (">c8", &[1, 2, 3, 4, 5, 6, 7, 8], &[4, 3, 2, 1, 8, 7, 6, 5]),
        (">f8", &[0x3f, 0xf0, 0, 0, 0, 0, 0, 0], &1.0f64.to_le_bytes()),
    ];
    for (descr, big, little) in table {
        let count = big.len() / descr[2..].parse::<usize>().unwrap();
        let run = dir.put("a", &npy(&format!("'{descr}'"), &format!("({count},)"), big)).fine();
        assert_eq!(run.err, "ndstash: put.npy is big-endian: converted to little-endian\n");
        dir.run(["get", "a", "-o", "out.npy", "--force"]).fine();
        let (header, data) = split_npy(&dir.read("out.npy"));
        assert!(header.contains(&format!("'descr': '<{}'", &descr[1..])), "{header}");
        assert_eq!(data, little, "{descr}");
    }
    let big: Vec<u8> = (0..40_000u32).flat_map(u32::to_be_bytes).collect();
    let little: Vec<u8> = (0..40_000u32).flat_map(u32::to_le_bytes).collect();
    dir.put("large", &npy("'>u4'", "(200, 200)", &big)).fine();
    assert_eq!(dir.array("large")["digest"], ndstash::Digest::of(&little).to_string());
}

#[test]
fn bfloat16_goes_out_as_its_bits_and_that_is_said() {
    let dir = Dir::new();
    let store = ndstash::Store::open(dir.store()).unwrap();
    store.put("b", &ndarray::arr1(&[half::bf16::from_f32(1.0), half::bf16::from_f32(-2.0)])).unwrap();
    let run = dir.run(["get", "b", "-o", "out.npy"]).fine();
    assert_eq!(run.err, "ndstash: numpy has no bfloat16: its bits are written as uint16\n");
    let (header, data) = split_npy(&dir.read("out.npy"));
    assert!(header.contains("'descr': '<u2'"), "{header}");
    assert_eq!(data, [0x80, 0x3f, 0x00, 0xc0]);
    let run = dir.run(["get", "b", "-o", "out.bin", "--format", "raw"]).fine();
    assert_eq!((run.err, dir.read("out.bin")), (String::new(), data));
}

#[test]
fn later_versions_of_npy_are_read() {
    let dir = Dir::new();
    for version in [2, 3] {
        let one = npy("'<i2'", "(2,)", &[1, 0, 2, 0]);
        let len = u32::from(u16::from_le_bytes([one[8], one[9]])).to_le_bytes();
        let file = [&one[..6], &[version, 0], &len, &one[10..]].concat();
        dir.put("a", &file).fine();
        assert_eq!(dir.array("a")["shape"], serde_json::json!([2]));
    }
}
