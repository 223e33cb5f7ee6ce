//! Limits: what is too large, too deep or too much is refused with an error, on disk and in calls.

use ndarray::{Array1, ArrayD, Ix1, IxDyn};
use ndstash::{DType, Error, GcOptions, Key, Order, Store, StoreOptions, Tree};

use crate::common::{Child, Dir, assert_error, bytes_array, find, load, noise, rewrite_body, rot, verify};

#[test]
fn arrays_of_64_dimensions_work_and_of_65_are_refused() {
    let dir = Dir::new();
    let store = dir.store();
    let mut shape = vec![1; 64];
    (shape[0], shape[63]) = (2, 3);
    let array = ArrayD::from_shape_fn(IxDyn(&shape), |index| u8::try_from(index[0] * 3 + index[63]).unwrap());
    store.put("x", &array).unwrap();
    let back = store.entry("x").unwrap().unwrap().array().unwrap().to_array::<u8, IxDyn>().unwrap();
    assert_eq!(back, array);

    let refused = store.put("x", &ArrayD::<u8>::zeros(IxDyn(&[1; 65])));
    assert_error!(refused, Error::TooLarge { what: "the number of dimensions", size: 65, limit: 64 });
    let mut writer = store.writer();
    assert_error!(writer.raw_array(DType::Bool, &[1; 65], Order::C, &[0]), Error::TooLarge { .. });
    assert_error!(writer.array_from_reader(DType::Bool, &[1; 65], Order::C, &[0_u8][..]), Error::TooLarge { .. });
}

#[test]
fn shapes_that_overflow_are_refused_before_anything_is_read() {
    struct Unread;
    impl std::io::Read for Unread {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("the stream is read")
        }
    }
    let dir = Dir::new();
    let mut writer = dir.store().writer();
    let shapes: [&[u64]; 6] =
        [&[u64::MAX], &[1 << 60, 1], &[1 << 32, 1 << 32], &[0, u64::MAX], &[u64::MAX, 0], &[1 << 40, 0, 1 << 40]];
    for shape in shapes {
        let raw = writer.raw_array(DType::Complex128, shape, Order::C, &[]);
        assert_error!(raw, Error::TooLarge { what: "the size of the array in bytes", .. });
        let streamed = writer.array_from_reader(DType::Complex128, shape, Order::C, Unread);
        assert_error!(streamed, Error::TooLarge { what: "the size of the array in bytes", .. });
    }
    // The largest that do not overflow: without elements they are as good as any other.
    let huge = [0, i64::MAX.cast_unsigned()];
    let value = writer.raw_array(DType::UInt8, &huge, Order::C, &[]).unwrap();
    writer.put("huge", value).unwrap();
    let entry = dir.store().entry("huge").unwrap().unwrap();
    assert_eq!(entry.array().unwrap().to_array::<u8, IxDyn>().unwrap().shape(), [0, usize::MAX >> 1]);
    let mut writer = dir.store().writer();
    assert_error!(writer.raw_array(DType::UInt8, &[1 << 62], Order::C, &[1]), Error::WrongType { .. });
}

#[test]
fn the_same_shapes_in_a_manifest_are_refused_as_malformed() {
    let shapes: [&[u8]; 3] = [
        b"\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x92\x00\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x92\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00",
    ];
    for shape in shapes {
        let dir = Dir::new();
        let store = dir.store();
        store.put("x", &Array1::<u16>::zeros(0)).unwrap();
        rewrite_body(&dir.entry_named("x"), |body| {
            let at = find(body, b"\xa5shape\x91\x00") + 6;
            body.splice(at..at + 2, shape.iter().copied());
        });
        assert_error!(store.entry("x"), Error::Malformed { field: "shape", .. });
    }
    let dir = Dir::new();
    let store = dir.store();
    store.put("x", &Array1::<u16>::zeros(1)).unwrap();
    rewrite_body(&dir.entry_named("x"), |body| {
        let at = find(body, b"\xa5shape\x91\x01") + 6;
        body.splice(at..at + 2, [&[0xdc, 0, 65][..], &[1; 65]].concat());
    });
    assert_error!(store.entry("x"), Error::Malformed { field: "shape", reason, .. } if reason.contains("65"));
}

#[test]
fn a_manifest_of_more_than_250000_blobs_is_refused_without_reading_them() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    store.put("x", &bytes_array(9, 1)).unwrap();
    rot(&dir.entry_named("x"), |bytes| bytes[88..92].copy_from_slice(&250_001_u32.to_le_bytes()));
    let refused = |error: Error| {
        let text = error.to_string();
        assert!(text.contains("250001") && text.contains("250000"), "{text}");
        assert_error!(Err::<(), _>(error), Error::Malformed { field: "number of blobs", .. });
    };
    refused(store.entry("x").unwrap_err());
    refused(store.info("x").unwrap_err());
    refused(store.gc(&GcOptions::new()).unwrap_err());
    assert_eq!(verify(&store).problems.len(), 1);
}

#[test]
fn a_manifest_that_claims_more_or_less_than_it_has_is_refused() {
    for (what, change) in [
        ("body", (|bytes: &mut Vec<u8>| bytes[80..88].copy_from_slice(&u64::MAX.to_le_bytes())) as fn(&mut Vec<u8>)),
        ("blobs", |bytes| bytes[88..92].copy_from_slice(&249_999_u32.to_le_bytes())),
        ("nothing", Vec::clear),
    ] {
        let dir = Dir::new();
        let store = dir.blobs_only();
        store.put("x", &bytes_array(9, 1)).unwrap();
        rot(&dir.entry_named("x"), change);
        assert!(store.entry("x").unwrap_err().is_damage(), "{what}");
    }
    let dir = Dir::new();
    let store = dir.blobs_only();
    store.put("x", &bytes_array(9, 1)).unwrap();
    crate::common::chmod(&dir.entry_named("x"), 0o644);
    let file = std::fs::File::options().write(true).open(dir.entry_named("x")).unwrap();
    file.set_len(1 << 40).unwrap(); // a terabyte of zeros, which take no room
    assert!(store.entry("x").unwrap_err().is_damage());
    assert_eq!(store.gc(&GcOptions::new()).unwrap().entries, 1);
}

/// A list in a list in a list ..., `depth` of them, with a number inside the innermost or nothing.
fn nested(depth: usize, filled: bool) -> Tree {
    let inside = if filled { vec![Tree::Int(1)] } else { Vec::new() };
    (1..depth).fold(Tree::List(inside), |tree, _| Tree::List(vec![tree]))
}

#[test]
fn trees_nest_63_deep_inside_the_map_of_the_body_and_no_deeper() {
    let dir = Dir::new();
    let store = dir.store();
    for filled in [true, false] {
        store.writer().put("x", nested(63, filled)).unwrap();
        assert_eq!(store.info("x").unwrap().unwrap().tree(), &nested(63, filled));
        for depth in [64, 65, 1000, 5000] {
            let refused = store.writer().put("x", nested(depth, filled));
            assert_error!(refused, Error::Invalid { given, reason, .. } if given == "x" && reason.contains("deep"));
            // Metadata begin one level further in.
            let relabelled =
                store.relabel("x", |labels| drop(labels.meta.insert("k".into(), nested(depth - 1, filled))));
            assert_error!(relabelled, Error::Invalid { reason, .. } if reason.contains("deep"));
        }
        assert!(store.relabel("x", |labels| drop(labels.meta.insert("k".into(), nested(62, filled)))).unwrap());
        assert_eq!(store.info("x").unwrap().unwrap().meta()["k"], nested(62, filled));
    }
}

#[test]
fn more_than_four_million_values_are_refused_and_what_was_there_stays() {
    let dir = Dir::new();
    let store = dir.store();
    // The map of the body, its seven keys, no name, the encoding, no origin, and three empty containers: 14 besides
    // the list's elements and the list itself.
    let most = 4_000_000 - 1 - 7 - 6 - 1;
    store.writer().put(Key::from_bytes([1; 32]), Tree::List(vec![Tree::Nil; most])).unwrap();
    assert!(store.writer().put("y", Tree::List(vec![Tree::Nil; most + 1])).is_err());
    let info = store.info(Key::from_bytes([1; 32])).unwrap().unwrap();
    assert!(matches!(info.tree(), Tree::List(items) if items.len() == most));
    assert_eq!(store.count().unwrap(), 1);
}

#[test]
fn a_body_of_more_than_64_mib_is_refused_and_what_was_there_stays() {
    let dir = Dir::on_disk();
    let store = dir.store();
    store.writer().put("x", Tree::Int(1)).unwrap();
    let refused = store.writer().put("x", Tree::Bytes(vec![0; 64 << 20]));
    assert_error!(refused, Error::TooLarge { what: "the size of the manifest in bytes", limit: 67_108_864, .. });
    assert_eq!(store.info("x").unwrap().unwrap().tree(), &Tree::Int(1));
    store.writer().put("x", Tree::Bytes(vec![7; (64 << 20) - 100])).unwrap();
    assert!(matches!(store.info("x").unwrap().unwrap().tree(), Tree::Bytes(bytes) if bytes.len() == (64 << 20) - 100));
}

#[test]
fn limits_for_inline_arrays_may_be_given_as_large_as_numbers_are() {
    const MOST: u64 = 32 << 20;
    let dir = Dir::new();
    for (at, (each, total)) in [(u64::MAX, u64::MAX), (0, u64::MAX), (MOST + 1, 0)].into_iter().enumerate() {
        let path = dir.beside(&format!("store{at}"));
        let store = StoreOptions::new().inline_limits(each, total).create(&path).unwrap();
        store.put("x", &bytes_array(100_000, 1)).unwrap();
        let inline = store.info("x").unwrap().unwrap().arrays()[0].inline;
        assert_eq!(inline, each > 100_000 && total > 100_000, "{each} {total}");
        assert_eq!(load(&Store::open(&path).unwrap(), "x").unwrap().unwrap(), noise(100_000, 1));
        let settings = std::fs::read_to_string(path.join("ndstash.toml")).unwrap();
        for (name, limit) in [("inline_max", each), ("inline_total", total)] {
            assert!(settings.contains(&format!("{name} = {}\n", limit.min(MOST))), "{settings}");
        }
    }
}

#[test]
fn names_from_hell_stay_names() {
    let dir = Dir::new();
    let store = dir.store();
    let names = [
        "../../../../tmp/x",
        "/etc/passwd",
        "C:\\x",
        "a//b/./../c",
        "$(rm -rf /)",
        "-rf",
        "\u{202e}txt.exe",
        "\u{feff}",
        "*",
        "%n%s",
        &"0".repeat(64),
        "ndstash.toml",
    ];
    store.put("first", &bytes_array(3, 1)).unwrap(); // makes the ledger
    assert!(store.remove("first").unwrap());
    let outside = crate::common::files_in(&dir.beside(""));
    for name in names {
        store.put(name, &bytes_array(3, 1)).unwrap();
        assert_eq!(store.info(name).unwrap().unwrap().name(), Some(name));
        assert!(store.rename(name, &format!("{name}!"), false).unwrap());
        assert!(store.remove(&format!("{name}!")).unwrap());
    }
    assert_eq!(crate::common::files_in(&dir.beside("")), outside, "the same files as before");
}

#[test]
fn a_name_from_a_manifest_must_be_the_one_its_key_is_made_from() {
    let dir = Dir::new();
    let store = dir.store();
    store.put("abc", &bytes_array(3, 1)).unwrap();
    for (name, found) in [(&b"xyz"[..], "xyz"), (b"a\nb", "control"), (b"\xff\xfe\xfd", "utf-8")] {
        rewrite_body(&dir.entry_named("abc"), |body| {
            let at = body.windows(5).position(|bytes| bytes == b"\xa4name").unwrap() + 6;
            body[at..at + 3].copy_from_slice(name);
        });
        let error = store.entry("abc").unwrap_err();
        assert!(error.is_damage() && error.to_string().to_lowercase().contains(found), "{error}");
    }
}

#[test]
fn when_no_file_can_be_opened_any_more_the_error_says_so_and_nothing_leaks() {
    Child::with_few_files("limits::child_with_few_files", 200).passes();
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn child_with_few_files() {
    const MANY: u64 = 300;
    let dir = Dir::new();
    let store = dir.blobs_only();
    let put_many = |name: &str| {
        let mut writer = store.writer();
        let parts = (0..MANY).map(|seed| writer.array(&bytes_array(500, seed)).unwrap()).collect();
        writer.put(name, Tree::List(parts)).unwrap();
    };
    put_many("many"); // a writer holds only so many new files open
    store.put("one", &bytes_array(500, 0)).unwrap();
    let open = open_files();
    for _ in 0..3 {
        let error = store.entry("many").unwrap_err();
        assert!(is_out_of_files(&error), "{error:?}");
        assert!(error.path().unwrap().starts_with(dir.inside("blobs")), "{error}");
        assert_eq!(load(&store, "one").unwrap().unwrap(), noise(500, 0), "others work as before");
        assert_eq!(open_files(), open);
    }
    exhausted(&dir, &store);
    assert_eq!(open_files(), open);
    // Maps need no open files.
    let mapped = dir.mapped();
    let entry = mapped.entry("many").unwrap().unwrap();
    for (seed, stored) in (0..).zip(entry.stored_arrays()) {
        assert_eq!(stored.map::<u8, Ix1>().unwrap().to_vec(), noise(500, seed));
    }
    assert!(verify(&store).problems.is_empty());
    assert_eq!(store.gc(&GcOptions::new()).unwrap().blobs_kept, MANY);
}

#[test]
fn more_blobs_can_be_shared_than_files_can_be_open() {
    Child::with_few_files("limits::child_that_shares_many", 200).passes();
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn child_that_shares_many() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    for name in ["first", "second"] {
        let mut writer = store.writer();
        let parts = (0..300).map(|seed| writer.array(&bytes_array(500, seed)).unwrap()).collect();
        writer.put(name, Tree::List(parts)).unwrap();
        assert_eq!(dir.blob_names().len(), 300, "{name}");
    }
}

/// With no file left, everything fails with that error, and works again when there are files.
fn exhausted(dir: &Dir, store: &Store) {
    let before = crate::common::listing(&dir.path());
    let taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    assert!(taken.len() > 50);
    for error in [
        store.entry("one").unwrap_err(),
        store.info("one").unwrap_err(),
        store.put("new", &bytes_array(600, 1)).unwrap_err(),
        store.put("one", &bytes_array(500, 0)).unwrap_err(),
        store.remove("one").unwrap_err(),
        store.relabel("one", |_| ()).unwrap_err(),
        store.count().unwrap_err(),
        store.plan_gc().unwrap_err(),
        store.gc(&GcOptions::new()).unwrap_err(),
        Store::open(dir.path()).unwrap_err(),
    ] {
        assert!(is_out_of_files(&error) && error.path().is_some(), "{error:?}");
    }
    drop(taken);
    let after = crate::common::listing(&dir.path());
    let names =
        |listing: &std::collections::BTreeMap<_, _>| -> Vec<std::path::PathBuf> { listing.keys().cloned().collect() };
    assert_eq!(names(&after), names(&before));
    assert_eq!(load(store, "one").unwrap().unwrap(), noise(500, 0));
}

fn is_out_of_files(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()))
}

fn open_files() -> usize {
    let listed = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    std::fs::read_dir(listed).unwrap().count()
}
