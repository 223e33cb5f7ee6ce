//! Numbers that keep their type, moments and spans of time: back as they were, under the keys of the format, and what
//! is none of them refused by the library and by the reader.

use std::time::Duration;

use half::{bf16, f16};
use ndstash::{CallKey, DType, Error, Tag, Tree, Value};
use num_complex::{Complex32, Complex64};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::common::{Dir, assert_error, read_store, rewrite_body, text};
use crate::reader::agree;

fn date_time(text: &str, fold: bool) -> Value {
    Value::DateTime { text: text.into(), fold }
}

fn time(text: &str, fold: bool) -> Value {
    Value::Time { text: text.into(), fold }
}

fn span(days: i32, seconds: u32, microseconds: u32) -> Value {
    Value::TimeDelta { days, seconds, microseconds }
}

fn ticks(dtype: &str, count: i64) -> Value {
    Value::Ticks { dtype: dtype.into(), count }
}

/// One of every kind, and those at the bounds.
fn all() -> Vec<Value> {
    vec![
        Value::scalar(true),
        Value::scalar(i8::MIN),
        Value::scalar(u64::MAX),
        Value::scalar(f16::from_f32(1.5)),
        Value::scalar(bf16::from_f32(-2.0)),
        Value::scalar(0.1_f32),
        Value::scalar(f64::from_bits(0x7ff8_0000_0000_0001)),
        Value::scalar(Complex32::new(1.5, -0.0)),
        Value::scalar(Complex64::new(0.1, f64::INFINITY)),
        date_time("0001-01-01T00:00:00", false),
        date_time("9999-12-31T23:59:59.999999-23:59:59.999999", true),
        date_time("2024-10-27T02:30:00+05:45", true),
        Value::Date("2024-02-29".into()),
        time("07:08:09.000010", false),
        time("00:00:00-00:00:00.000001", true),
        span(-999_999_999, 0, 0),
        span(999_999_999, 86_399, 999_999),
        ticks("datetime64[25ns]", -1),
        ticks("timedelta64", i64::MIN),
    ]
}

#[test]
fn they_come_back_as_they_were_everywhere_in_a_value() {
    let dir = Dir::new();
    let store = dir.store();
    let pairs = || all().into_iter().map(|value| (value.clone(), value)).collect();
    for value in all().into_iter().chain([Value::List(all()), Value::Set(all()), Value::Map(pairs())]) {
        store.put("x", &value).unwrap();
        assert_eq!(store.get::<Value>("x").unwrap(), Some(value.clone()));
        let entry = store.entry("x").unwrap().unwrap();
        assert_eq!((entry.to_value(), entry.stored_arrays().len()), (value, 0));
    }
    agree(&dir);
    let mut writer = store.writer();
    writer.meta("when", Tree::Tagged(Tag::DateTime, vec!["2024-05-06T07:08:09+00:00".into(), Tree::Int(1)]));
    writer.meta("x", Tree::Tagged(Tag::Scalar, vec!["float32".into(), Tree::Bytes(1.5_f32.to_le_bytes().into())]));
    writer.put("x", Tree::Nil).unwrap();
    agree(&dir);
}

#[test]
fn a_scalar_is_loaded_as_what_can_be_the_number() {
    #[derive(Debug, Deserialize)]
    struct Steps(#[expect(dead_code, reason = "it is not loaded")] u16);
    let dir = Dir::new();
    let store = dir.store();
    let load = |value: Value| {
        store.put("x", &value).unwrap();
        store.entry("x").unwrap().unwrap()
    };
    assert_eq!(load(Value::scalar(0.1_f32)).value::<f32>().unwrap().to_bits(), 0.1_f32.to_bits());
    assert_eq!(load(Value::scalar(0.1_f32)).value::<f64>().unwrap().to_bits(), f64::from(0.1_f32).to_bits());
    assert_error!(load(Value::scalar(0.1_f64)).value::<f32>(), Error::WrongType { .. });
    assert_error!(load(Value::scalar(0.1_f64)).value::<i32>(), Error::WrongType { .. });
    assert_eq!(load(Value::scalar(-3_i16)).value::<(i8, f32, i128, Option<i64>)>().ok(), None);
    for whole in [Value::scalar(3_u8), Value::scalar(3_i64)] {
        let entry = load(whole);
        assert_eq!(entry.value::<u8>().unwrap(), 3);
        assert_eq!(entry.value::<i128>().unwrap(), 3);
        assert_eq!(entry.value::<f64>().unwrap().to_bits(), 3.0_f64.to_bits());
        assert_eq!(entry.value::<Option<u64>>().unwrap(), Some(3));
        assert_error!(entry.value::<bool>(), Error::WrongType { .. });
        assert_error!(entry.value::<String>(), Error::WrongType { .. });
        assert_error!(entry.value::<Vec<u8>>(), Error::WrongType { .. });
    }
    assert_error!(load(Value::scalar(300_u16)).value::<u8>(), Error::WrongType { .. });
    assert!(load(Value::scalar(true)).value::<bool>().unwrap());
    let half = load(Value::scalar(f16::from_f32(1.5)));
    assert_eq!(half.value::<f16>().unwrap(), f16::from_f32(1.5));
    assert_eq!(half.value::<f32>().unwrap().to_bits(), 1.5_f32.to_bits());
    assert_error!(half.value::<u16>(), Error::WrongType { .. });
    assert_error!(half.value::<Steps>(), Error::WrongType { .. });
    assert_eq!(load(Value::scalar(bf16::from_f32(-2.0))).value::<bf16>().unwrap(), bf16::from_f32(-2.0));
    let complex = Complex32::new(1.5, -2.5);
    assert_eq!(load(Value::scalar(complex)).value::<Complex32>().unwrap(), complex);
    assert_eq!(load(Value::scalar(complex)).value::<Complex64>().unwrap(), Complex64::new(1.5, -2.5));
    assert_error!(load(Value::scalar(complex)).value::<f64>(), Error::WrongType { .. });
}

#[test]
fn a_value_tells_the_number_of_a_scalar_without_its_type() {
    assert_eq!(Value::scalar(0.5_f32).number(), Some(Value::Float(0.5)));
    assert_eq!(Value::scalar(f16::from_f32(0.5)).as_f64(), Some(0.5));
    assert_eq!((Value::scalar(-5_i8).as_i64(), Value::scalar(-5_i8).as_u64()), (Some(-5), None));
    assert_eq!((Value::scalar(u64::MAX).as_u64(), Value::scalar(u64::MAX).as_i64()), (Some(u64::MAX), None));
    assert_eq!((Value::scalar(true).as_bool(), Value::scalar(1_u8).as_bool()), (Some(true), None));
    assert_eq!(Value::scalar(Complex32::new(1.0, 2.0)).number(), Some(Value::Complex(1.0, 2.0)));
    assert_eq!(Value::scalar(5_i8).as_f64(), None);
    assert_eq!((Value::Int(1).number(), Value::Scalar { dtype: DType::Int8, bytes: vec![] }.as_i64()), (None, None));
    assert_eq!(date_time("2024-05-06T07:08:09", true).as_iso(), Some("2024-05-06T07:08:09"));
    assert_eq!((time("07:08:09", false).as_iso(), span(1, 2, 3).as_iso()), (Some("07:08:09"), None));
}

#[test]
fn times_are_loaded_as_text_and_spans_as_their_parts() {
    fn load<T: DeserializeOwned>(dir: &Dir, value: &Value) -> Result<T, Error> {
        let store = dir.store();
        store.put("x", value).unwrap();
        store.entry("x").unwrap().unwrap().value()
    }
    let dir = Dir::new();
    let moment = date_time("2024-05-06T07:08:09+02:00", true);
    assert_eq!(load::<String>(&dir, &moment).unwrap(), "2024-05-06T07:08:09+02:00");
    assert_eq!(load::<Option<String>>(&dir, &Value::Date("2024-05-06".into())).unwrap().unwrap(), "2024-05-06");
    assert_error!(load::<i64>(&dir, &moment), Error::WrongType { found, .. } if found.contains("2024-05-06T07"));
    assert_error!(load::<Vec<String>>(&dir, &moment), Error::WrongType { found, .. } if found.contains("2024-05-06T07"));
    assert_eq!(load::<(i32, u32, u32)>(&dir, &span(-1, 2, 3)).unwrap(), (-1, 2, 3));
    assert_eq!(load::<Duration>(&dir, &span(1, 2, 3)).unwrap(), Duration::new(86_402, 3000));
    assert_eq!(load::<Duration>(&dir, &span(999_999_999, 86_399, 999_999)).unwrap().subsec_micros(), 999_999);
    assert_error!(load::<Duration>(&dir, &span(-1, 86_399, 999_999)), Error::WrongType { .. });
    assert_error!(load::<Duration>(&dir, &Value::Tuple(vec![1.into(), 2.into(), 3.into()])), Error::WrongType { .. });
    assert_eq!(load::<(String, i64)>(&dir, &ticks("datetime64[s]", 7)).unwrap(), ("datetime64[s]".into(), 7));
    assert_error!(load::<i64>(&dir, &ticks("datetime64[s]", 7)), Error::WrongType { .. });
}

#[test]
fn other_formats_get_the_plainest_form() {
    let form = |value: Value| serde_json::to_value(value).unwrap();
    assert_eq!(form(Value::scalar(-3_i8)), json!(-3));
    assert_eq!(form(Value::scalar(0.5_f32)), json!(0.5));
    assert_eq!(form(Value::scalar(true)), json!(true));
    assert_eq!(form(Value::scalar(Complex32::new(1.0, 2.0))), json!([1.0, 2.0]));
    assert_eq!(form(date_time("2024-05-06T07:08:09", true)), json!("2024-05-06T07:08:09"));
    assert_eq!(form(span(1, 2, 3)), json!([1, 2, 3]));
    assert_eq!(form(ticks("datetime64[s]", 7)), json!(["datetime64[s]", 7]));
    let error = serde_json::to_value(Value::Date("1 May".into())).unwrap_err();
    assert!(error.to_string().contains("1 May"), "{error}");
}

/// The keys that programs in Python make of the same values: those of tests/vectors/keys.json.
#[test]
fn their_keys_are_those_of_the_format() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/keys.json");
    let vectors: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let listed = |name: &str| {
        let found = vectors["values"].as_array().unwrap().iter().find(|case| case["name"] == name);
        found.unwrap_or_else(|| panic!("there is no vector {name:?}"))["key"].as_str().unwrap().to_owned()
    };
    let same = [
        ("date", Value::Date("2024-02-29".into())),
        ("date and time", date_time("2024-05-06T07:08:09.000010", false)),
        ("date and time, UTC", date_time("2024-05-06T07:08:09+00:00", false)),
        ("date and time, ahead", date_time("0001-01-01T00:00:00+05:45", false)),
        ("date and time, behind", date_time("9999-12-31T23:59:59.999999-00:00:00.000001", true)),
        ("date and time, shown again", date_time("2024-10-27T02:30:00", true)),
        ("time", time("07:08:09", false)),
        ("time, behind", time("07:08:09.500000-03:30:07", false)),
        ("span of time", span(1, 2, 3)),
        ("span of time, negative", span(-999_999_999, 0, 0)),
        ("count of nanoseconds", ticks("datetime64[ns]", 1_700_000_000_123_456_789)),
        ("no count", ticks("timedelta64", i64::MIN)),
        ("array, no dimensions", Value::Scalar { dtype: DType::Float32, bytes: vec![0, 1, 2, 3] }),
    ];
    let key = |value: &Value| CallKey::of("vectors", value).unwrap().key();
    for (name, value) in same {
        assert_eq!(key(&value).to_string(), listed(name), "{name}");
    }
    let scalar = |dtype| Value::Scalar { dtype, bytes: vec![0; 8] };
    assert_eq!(key(&Value::scalar(0.1_f32)), CallKey::of("vectors", &0.1_f32).unwrap().key());
    assert_ne!(key(&scalar(DType::Int64)), key(&Value::Int(0)));
    assert_ne!(key(&scalar(DType::Int64)), key(&scalar(DType::Float64)));
    assert_ne!(key(&Value::scalar(f64::NAN)), key(&Value::scalar(f64::from_bits(0x7ff8_0000_0000_0001))));
    assert_error!(CallKey::of("vectors", &Value::Date("1 May".into())), Error::Invalid { given, .. } if given.contains("1 May"));
}

fn list(tag: Tag, items: &[Tree]) -> Tree {
    Tree::Tagged(tag, items.into())
}

/// What no writer makes.
fn malformed() -> Vec<Tree> {
    let scalar = |dtype: &str, bytes: &[u8]| list(Tag::Scalar, &[dtype.into(), Tree::Bytes(bytes.into())]);
    let of = |tag: Tag, text: &str| list(tag, &[text.into()]);
    let moment = "2024-05-06T07:08:09";
    let ticks = |dtype: &str| list(Tag::Ticks, &[dtype.into(), Tree::Int(1)]);
    let span = |parts: [i64; 3]| list(Tag::TimeDelta, &parts.map(Tree::Int));
    let mut malformed = vec![
        scalar("float32", &[0; 3]),
        scalar("float32", &[0; 5]),
        scalar("float32", &[]),
        scalar("bool", &[2]),
        scalar("float128", &[0; 16]),
        scalar("datetime64[s]", &[0; 8]),
        list(Tag::Scalar, &["float32".into()]),
        list(Tag::Scalar, &["float32".into(), "1.50".into()]),
        list(Tag::Scalar, &["float32".into(), Tree::Bytes(vec![0; 4]), Tree::Nil]),
        list(Tag::Scalar, &[Tree::Bytes(vec![0; 4]), "float32".into()]),
        list(Tag::DateTime, &[]),
        list(Tag::DateTime, &[Tree::Int(0)]),
        list(Tag::DateTime, &[moment.into(), Tree::Int(0)]),
        list(Tag::DateTime, &[moment.into(), Tree::Int(2)]),
        list(Tag::DateTime, &[moment.into(), true.into()]),
        list(Tag::DateTime, &[moment.into(), 1.0.into()]),
        list(Tag::DateTime, &[moment.into(), Tree::Int(1), Tree::Int(1)]),
        list(Tag::Date, &["2024-05-06".into(), Tree::Int(1)]),
        list(Tag::Date, &[Tree::Bytes(b"2024-05-06".to_vec())]),
        list(Tag::TimeDelta, &[Tree::Int(1), Tree::Int(1)]),
        list(Tag::TimeDelta, &[Tree::Int(1), Tree::Int(1), Tree::Float(1.0)]),
        list(Tag::TimeDelta, &[true.into(), Tree::Int(1), Tree::Int(1)]),
        list(Tag::Ticks, &["datetime64[s]".into(), Tree::UInt(1 << 63)]),
        list(Tag::Ticks, &["datetime64[s]".into(), Tree::Float(1.0)]),
        list(Tag::Ticks, &["datetime64[s]".into()]),
    ];
    for parts in [[1_000_000_000, 0, 0], [-1_000_000_000, 0, 0], [0, 86_400, 0], [0, -1, 0], [0, 0, 1_000_000]] {
        malformed.push(span(parts));
    }
    malformed.extend([span([0, 0, -1]), span([i64::MIN, 0, 0]), span([i64::MAX, 0, 0])]);
    let dates = ["", "2024-5-6", "0000-01-01", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-01", "2024-04-31"];
    malformed.extend(dates.map(|text| of(Tag::Date, text)));
    malformed.extend(
        ["2024-05-06 ", "2024-05-06\n", "20240506", moment, "\u{662}024-05-06"].map(|text| of(Tag::Date, text)),
    );
    let times = [
        "",
        "07:08",
        "7:08:09",
        "24:00:00",
        "07:60:00",
        "07:08:60",
        "07:08:09.5",
        "07:08:09.000000",
        "07:08:09.1234567",
        "07:08:09Z",
        "07:08:09+02",
        "07:08:09+0200",
        "07:08:09-00:00",
        "07:08:09+24:00",
        "07:08:09+02:60",
        "07:08:09+02:00:00",
        "07:08:09+02:00:60",
        "07:08:09+02:00:00.000000",
        "07:08:09+02:00:01.5",
        "07:08:09+02:00\n",
        " 07:08:09",
        "07:08:09+02:00:00.0000001",
        "07:08:0\u{669}",
    ];
    malformed.extend(times.map(|text| of(Tag::Time, text)));
    malformed.extend(times.map(|text| of(Tag::DateTime, &format!("2024-05-06T{text}"))));
    let moments = ["2024-05-06 07:08:09", "2024-05-06t07:08:09", "2024-02-30T07:08:09", "07:08:09", "2024-05-06"];
    malformed.extend(moments.map(|text| of(Tag::DateTime, text)));
    let units = [
        "",
        "datetime64[]",
        "datetime64[generic]",
        "datetime64[1s]",
        "datetime64[0s]",
        "datetime64[02s]",
        "timedelta64[B]",
        "timedelta64[2147483648s]",
        "timedelta64[99999999999999999999s]",
        "datetime64[s",
        "datetime64[s] ",
        "int64",
        "timedelta64[-2s]",
        "datetime64[\u{662}s]",
    ];
    malformed.extend(units.map(ticks));
    malformed
}

#[test]
fn what_is_none_of_them_is_neither_written_nor_read() {
    let dir = Dir::new();
    let store = dir.store();
    let mut names = Vec::new();
    for (at, tree) in malformed().into_iter().enumerate() {
        let Tree::Tagged(tag, items) = &tree else { panic!() };
        assert!(!tag.takes(items), "{tree:?}");
        assert_error!(store.writer().put("x", tree.clone()), Error::Invalid { what: "tag", .. });
        let name = format!("{at:03}");
        store.put(&name, &()).unwrap();
        rewrite_body(&dir.entry_named(&name), |body| {
            assert_eq!(body.pop(), Some(0xc0), "nil is the value, and the last");
            body.extend(rmp_serde::to_vec(&tree).unwrap());
        });
        match store.entry(&name) {
            Err(error) => assert!(error.is_damage(), "{tree:?}: {error}"),
            Ok(_) => panic!("the library takes {tree:?}"),
        }
        names.push((name, tree));
    }
    let output = read_store(&dir.path(), &["verify"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let found = text(&output);
    for (name, tree) in names {
        let key = ndstash::Key::from_name(&name).unwrap().to_string();
        assert!(found.contains(&key), "the reader takes {tree:?}");
    }
}

#[test]
fn a_value_out_of_range_is_refused_before_it_is_written() {
    let dir = Dir::new();
    let store = dir.store();
    let wrong = [
        Value::Scalar { dtype: DType::Float32, bytes: vec![0; 8] },
        Value::Scalar { dtype: DType::Bool, bytes: vec![2] },
        date_time("2024-05-06 07:08:09", false),
        Value::Date("2023-02-29".into()),
        time("07:08:09Z", false),
        span(1_000_000_000, 0, 0),
        span(0, 86_400, 0),
        span(0, 0, 1_000_000),
        ticks("datetime64[1s]", 0),
    ];
    for value in wrong {
        assert_error!(store.put("x", &value), Error::Invalid { what: "value", .. });
        assert_error!(store.put("x", &Value::List(vec![Value::Nil, value.clone()])), Error::Invalid { .. });
    }
    let error = store.put("x", &Value::Date("2023-02-29".into())).unwrap_err().to_string();
    assert!(error.contains("2023-02-29") && error.contains("YYYY-MM-DD"), "{error}");
    assert!(!store.contains("x").unwrap());
}
