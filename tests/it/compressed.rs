//! Compressed manifests: read back as they were put, by both programs; damaged, cut and exploding ones are refused.

use std::path::Path;

use ndstash::{Store, Tree};
use serde_json::{Value, json};

use crate::common::{
    Child, Dir, Noise, bytes_array, hex, noise, read_store, read_store_within, reader_code, rewrite_body, rewrite_head,
    rot, text, tree_map, verify,
};
use crate::reader::{agree, splice, tree_json};

const CODEC: usize = 12;
const LIMIT: usize = 64 << 20;

fn codec(dir: &Dir, name: &str) -> u8 {
    std::fs::read(dir.entry_named(name)).unwrap()[CODEC]
}

fn file_len(dir: &Dir, name: &str) -> u64 {
    dir.entry_named(name).metadata().unwrap().len()
}

/// A value that says the same many times.
fn repetitive() -> Tree {
    let item = tree_map([("x", Tree::Float(0.25)), ("label", "the same again".into()), ("of", Tree::UInt(u64::MAX))]);
    tree_map([("text", Tree::Str("all work and no play ".repeat(500))), ("items", Tree::List(vec![item; 1000]))])
}

/// Makes the codec of a manifest zstd, and its body what `change` makes of a frame of it.
fn reframe(path: &Path, change: impl FnOnce(&[u8]) -> Vec<u8>) {
    rewrite_body(path, |body| *body = change(body));
    rewrite_head(path, |head| head[CODEC] = 1);
}

fn frame(body: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(body, 3).unwrap()
}

#[test]
fn what_repeats_is_compressed_and_comes_back() {
    let dir = Dir::new();
    let store = dir.store();
    store.writer().put("tree", repetitive()).unwrap();
    let mut writer = store.writer();
    let parts = Tree::List((0..2000).map(|_| writer.array(&bytes_array(16, 1)).unwrap()).collect());
    writer.meta("note", Tree::Str("to be ".repeat(2000))).tag("t");
    writer.put("arrays", parts).unwrap();
    let mut writer = dir.blobs_only().writer();
    let parts = Tree::List((0..300).map(|seed| writer.array(&bytes_array(20, seed % 3)).unwrap()).collect());
    writer.put("blobs", parts).unwrap();
    store.put("small", &bytes_array(3, 1)).unwrap();
    store.writer().put("noise", Tree::Bytes(noise(50_000, 1))).unwrap();
    assert_eq!(["tree", "arrays", "blobs"].map(|name| codec(&dir, name)), [1; 3]);
    assert_eq!(["small", "noise"].map(|name| codec(&dir, name)), [0; 2], "where there is nothing to gain");
    assert!(file_len(&dir, "tree") < 2000, "{} bytes", file_len(&dir, "tree"));
    assert_eq!(store.info("tree").unwrap().unwrap().tree(), &repetitive());
    assert_eq!(store.info("tree").unwrap().unwrap().manifest_bytes(), file_len(&dir, "tree"));
    agree(&dir);
}

#[test]
fn relabelling_renaming_copying_and_collecting_go_on_as_with_others() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let mut writer = store.writer();
    let array = writer.array(&bytes_array(500, 1)).unwrap();
    writer.put("a", Tree::List(vec![repetitive(), array])).unwrap();
    assert!(store.copy("a", "b", false).unwrap() && store.rename("a", "c", false).unwrap());
    assert!(store.relabel("c", |labels| labels.tags.push("t".into())).unwrap());
    assert_eq!(["b", "c"].map(|name| codec(&dir, name)), [1; 2]);
    assert_eq!(store.gc(&ndstash::GcOptions::new()).unwrap().blobs_kept, 1);
    assert_eq!(store.info("b").unwrap().unwrap().tree(), store.info("c").unwrap().unwrap().tree());
    assert!(store.relabel("c", |labels| drop(labels.meta.insert("n".into(), Tree::Bytes(noise(9000, 2))))).unwrap());
    agree(&dir);
}

#[test]
fn whether_to_compress_is_the_writers_choice() {
    let dir = Dir::new();
    let store = dir.store();
    store.writer().put("plain", Tree::Int(7)).unwrap();
    store.put("array", &bytes_array(300, 1)).unwrap();
    for name in ["plain", "array"] {
        for level in [-7, 19] {
            rewrite_head(&dir.entry_named(name), |head| head[CODEC] = 0);
            let mut before = Vec::new();
            rewrite_body(&dir.entry_named(name), |body| before.clone_from(body));
            reframe(&dir.entry_named(name), |body| zstd::bulk::compress(body, level).unwrap());
            agree(&dir);
            rewrite_body(&dir.entry_named(name), |body| *body = before);
        }
        rewrite_head(&dir.entry_named(name), |head| head[CODEC] = 0);
        // A stream does not know its length, and blocks may come in any size.
        reframe(&dir.entry_named(name), |body| zstd::stream::encode_all(body, 3).unwrap());
        assert_eq!(codec(&dir, name), 1);
    }
    agree(&dir);
}

/// A value of text and numbers whose frame is small enough to damage every byte of it.
fn put_small(store: &Store) {
    let items = Tree::List((0..40).map(|at| Tree::Int(i64::from(at % 7) * 1000)).collect());
    store.writer().put("x", tree_map([("a", Tree::Str("abcabcabd".repeat(9))), ("b", items)])).unwrap();
}

#[test]
fn damage_to_any_byte_of_a_compressed_manifest_is_noticed() {
    let dir = Dir::new();
    let store = dir.store();
    store.writer().put("x", repetitive()).unwrap();
    assert_eq!(codec(&dir, "x"), 1);
    let (path, sound) = (dir.entry_named("x"), std::fs::read(dir.entry_named("x")).unwrap());
    for at in 0..sound.len() {
        for change in [|bytes: &mut Vec<u8>, at: usize| bytes[at] ^= 0x10, Vec::truncate] {
            rot(&path, |bytes| change(bytes, at));
            let error = store.entry("x").expect_err(&format!("byte {at}"));
            assert!(error.is_damage() || at < 12, "byte {at}: {error}");
            assert_eq!(verify(&store).problems.len(), 1, "byte {at}");
            rot(&path, |bytes| bytes.clone_from(&sound));
        }
    }
    agree(&dir);
}

/// Reads what Rust wrote: pairs of a manifest in hex and of what the library made of it, null for an error.
const READ_SAME: &str = r#"
import json, sys
sys.path.insert(0, sys.argv[1])
import read_store as r
with open(sys.argv[2]) as file:
    cases = json.load(file)
def read(data):
    try:
        head = r.read_manifest_head(data, data[16:48])
        body = r.read_manifest_body(data, head).body
        return [r.as_json(body.value, body.arrays), body.tags, r.map_as_json(body.meta, body.arrays)]
    except r.FormatError:
        return None
for data, expected in cases:
    found = read(bytes.fromhex(data))
    if json.dumps(found, sort_keys=True) != json.dumps(expected, sort_keys=True):
        sys.exit(f"{data}: the library says {expected}, found {found}")
print(len(cases))
"#;

/// What the library makes of the one entry of a store, in JSON.
fn library_says(store: &Store) -> Value {
    match store.info("x") {
        Ok(Some(info)) => json!([tree_json(&info, info.tree()), info.tags(), {}]),
        Ok(None) => panic!("the entry is there"),
        Err(error) if error.is_damage() => Value::Null,
        Err(error) => panic!("{error:?}"),
    }
}

/// A frame with one byte changed in many ways, cut at every length, and changed at random.
fn damaged(sound: &[u8]) -> Vec<Vec<u8>> {
    let masks = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff, 0x5a];
    let flipped = |at: usize, mask: u8| {
        let mut bytes = sound.to_vec();
        bytes[at] ^= mask;
        bytes
    };
    let places = 0..sound.len();
    let mut all: Vec<_> = places
        .clone()
        .flat_map(|at| masks.map(|mask| flipped(at, mask)))
        .chain(places.map(|at| sound[..at].to_vec()))
        .collect();
    let mut random = Noise::new(1);
    for _ in 0..500 {
        let mut bytes = sound.to_vec();
        (0..3).for_each(|_| bytes[random.below(sound.len())] = u8::try_from(random.below(256)).unwrap());
        all.push(bytes);
    }
    all
}

/// The bodies of an entry, as they are and in a frame.
fn plain_and_framed(dir: &Dir) -> (Vec<u8>, Vec<u8>) {
    put_small(&dir.store());
    let mut plain = Vec::new();
    rewrite_body(&dir.entry_named("x"), |body| plain.clone_from(body));
    reframe(&dir.entry_named("x"), frame);
    let framed = frame(&plain);
    (plain, framed)
}

#[test]
fn a_damaged_frame_below_sound_checksums_is_judged_alike_by_both() {
    let dir = Dir::new();
    let (plain, framed) = plain_and_framed(&dir);
    let (store, path) = (dir.store(), dir.entry_named("x"));
    let says = |bytes: Vec<u8>| {
        rewrite_body(&path, |body| *body = bytes);
        json!([hex(&std::fs::read(&path).unwrap()), library_says(&store)])
    };
    let mut cases = vec![says(framed.clone())];
    assert!(!cases[0][1].is_null());
    cases.extend(damaged(&framed).into_iter().map(says));
    assert!(cases.iter().filter(|case| case[1].is_null()).count() > cases.len() / 2);
    // Windows of every size that can be said; those up to 64 MiB are good.
    for window in 0..=255 {
        let mut bytes = silent(17, &raw_block(&plain));
        bytes[5] = window;
        cases.push(says(bytes));
        assert_eq!(cases.last().unwrap()[1].is_null(), window > (26 - 10) << 3, "{window}");
    }
    let list = dir.beside("cases.json");
    std::fs::write(&list, serde_json::to_vec(&cases).unwrap()).unwrap();
    let output = reader_code(READ_SAME, &list);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), cases.len().to_string());
}

/// A frame that says how long its content is.
fn claiming(len: u64, blocks: &[u8]) -> Vec<u8> {
    // Eight bytes of length, a window of 128 KiB, no checksum, no dictionary.
    [&[0x28, 0xb5, 0x2f, 0xfd, 0xc0, 7 << 3][..], &len.to_le_bytes(), blocks].concat()
}

/// Blocks that stand for so many zeros, 128 KiB for each four bytes.
fn zeros(mut len: usize) -> Vec<u8> {
    let mut blocks = Vec::new();
    while len > 0 {
        let part = len.min(128 << 10);
        len -= part;
        let header = u32::try_from(part << 3 | 1 << 1).unwrap() | u32::from(len == 0);
        blocks.extend_from_slice(&header.to_le_bytes()[..3]);
        blocks.push(0);
    }
    blocks
}

/// A frame of a window of so many bytes, a power of two from 1 KiB, that does not say how long its content is.
fn silent(window_log: u8, blocks: &[u8]) -> Vec<u8> {
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, (window_log - 10) << 3][..], blocks].concat()
}

/// One block of these bytes as they are, the last.
fn raw_block(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len() << 3 | 1).unwrap().to_le_bytes()[..3], bytes].concat()
}

/// What becomes of a body.
type Reframe = fn(&[u8]) -> Vec<u8>;

#[test]
fn what_is_not_one_whole_frame_without_a_dictionary_is_refused() {
    const SKIPPABLE: &[u8] = b"\x50\x2a\x4d\x18\x03\0\0\0abc";
    let cases: [(&str, Reframe); 17] = [
        ("no byte", |_| Vec::new()),
        ("no frame", <[u8]>::to_vec),
        ("a magic and no more", |_| b"\x28\xb5\x2f\xfd".to_vec()),
        ("a frame without content", |_| frame(b"")),
        ("a byte behind it", |body| [frame(body), vec![0]].concat()),
        ("two frames", |body| [frame(&body[..9]), frame(&body[9..])].concat()),
        ("a frame and one without content", |body| [frame(body), frame(b"")].concat()),
        ("a skippable frame", |_| SKIPPABLE.to_vec()),
        ("a skippable frame before it", |body| [SKIPPABLE, &frame(body)].concat()),
        ("a skippable frame behind it", |body| [&frame(body), SKIPPABLE].concat()),
        ("no last block", |body| {
            let mut block = raw_block(body);
            block[0] &= !1;
            silent(17, &block)
        }),
        ("less content than it claims", |body| claiming(body.len() as u64 + 1, &raw_block(body))),
        ("more content than it claims", |body| claiming(body.len() as u64 - 1, &raw_block(body))),
        ("a reserved kind of block", |body| {
            let mut block = raw_block(body);
            block[0] |= 3 << 1;
            silent(17, &block)
        }),
        ("a reserved bit of the frame", |body| {
            let mut bytes = silent(17, &raw_block(body));
            bytes[4] |= 1 << 3;
            bytes
        }),
        ("the number of a dictionary", |body| {
            [&[0x28, 0xb5, 0x2f, 0xfd, 0x01, 7 << 3, 5][..], &raw_block(body)].concat()
        }),
        ("a checksum that is wrong", |body| {
            let mut bytes = silent(17, &raw_block(body));
            bytes[4] |= 1 << 2;
            [bytes, vec![1, 2, 3, 4]].concat()
        }),
    ];
    for (what, change) in cases {
        let dir = Dir::new();
        let store = dir.store();
        put_small(&store);
        reframe(&dir.entry_named("x"), change);
        both_refuse(&dir, &store, what);
    }
    let dir = Dir::new();
    put_small(&dir.store());
    reframe(&dir.entry_named("x"), |body| silent(17, &raw_block(body)));
    agree(&dir);
    reframe(&dir.entry_named("x"), |frame| {
        let body = &frame[9..];
        claiming(body.len() as u64, &raw_block(body))
    });
    agree(&dir);
}

fn both_refuse(dir: &Dir, store: &Store, what: &str) {
    match store.info("x") {
        Err(error) => assert!(error.is_damage(), "{what}: {error}"),
        Ok(_) => panic!("{what}: the library takes it"),
    }
    let output = read_store(&dir.path(), &["verify"]);
    assert_eq!(output.status.code(), Some(1), "{what}: {}", text(&output));
}

/// The memory that either program may ask for: enough for itself, a manifest and its body, and no bomb.
const KIB: u64 = 1 << 20;

#[test]
fn a_frame_that_grows_beyond_64_mib_is_refused_in_little_memory() {
    Child::with_little_memory("compressed::child_with_little_memory", KIB).passes();
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn child_with_little_memory() {
    let bombs: [(&str, Vec<u8>); 7] = [
        ("16 GiB of zeros", silent(17, &zeros(16 << 30))),
        ("16 GiB of zeros that say so", claiming(16 << 30, &zeros(16 << 30))),
        ("a petabyte that is not there", claiming(1 << 50, &zeros(100))),
        ("more than there are", claiming(u64::MAX, &zeros(100))),
        ("the largest that passes for a length", claiming(u64::MAX - 2, &zeros(100))),
        ("a window of a terabyte", silent(40, &zeros(16 << 30))),
        ("one byte more than 64 MiB", silent(17, &zeros(LIMIT + 1))),
    ];
    let dir = Dir::new();
    let store = dir.store();
    put_small(&store);
    for (what, bomb) in bombs {
        reframe(&dir.entry_named("x"), |_| bomb);
        match store.info("x") {
            Err(error) => assert!(error.is_damage(), "{what}: {error}"),
            Ok(_) => panic!("{what}: the library takes it"),
        }
        assert_eq!(verify(&store).problems.len(), 1, "{what}");
        assert_eq!(
            store.gc(&ndstash::GcOptions::new()).unwrap().entries,
            1,
            "{what}: a collector looks at heads alone"
        );
        let output = read_store_within(KIB, &dir.path(), &["verify"]);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        assert!(said.contains("problem: entries/") && !said.contains("Traceback"), "{what}: {said}");
    }
}

/// A number as MessagePack has it.
fn big_endian(number: u32) -> [u8; 4] {
    let mut bytes = number.to_le_bytes();
    bytes.reverse();
    bytes
}

/// Makes a body whose value is nil one of exactly so many bytes, most of them zeros of a byte string.
fn grow(body: &mut Vec<u8>, len: usize) {
    let zeros = u32::try_from(len - body.len() - 4).unwrap();
    splice(body, b"\xa5value\xc0", &[&b"\xa5value\xc6"[..], &big_endian(zeros)].concat());
    body.resize(len, 0);
}

#[test]
fn a_body_of_64_mib_may_come_out_of_a_frame_and_not_a_byte_more() {
    let dir = Dir::on_disk();
    let store = dir.store();
    for (len, good) in [(LIMIT, true), (LIMIT + 1, false)] {
        for says_so in [true, false] {
            store.writer().put("x", Tree::Nil).unwrap();
            reframe(&dir.entry_named("x"), |plain| {
                let mut body = plain.to_vec();
                grow(&mut body, len);
                assert_eq!(body.len(), len);
                if says_so { frame(&body) } else { zstd::stream::encode_all(&body[..], 1).unwrap() }
            });
            if good {
                let info = store.info("x").unwrap().unwrap();
                assert!(matches!(info.tree(), Tree::Bytes(bytes) if bytes.len() > LIMIT - 200), "{len}");
                let output = read_store(&dir.path(), &["verify"]);
                assert_eq!(output.status.code(), Some(0), "{len}: {}", text(&output));
            } else {
                both_refuse(&dir, &store, "a byte more");
            }
        }
    }
}

#[test]
fn limits_on_the_number_of_values_hold_for_what_comes_out() {
    let dir = Dir::new();
    let store = dir.store();
    store.writer().put("x", Tree::Nil).unwrap();
    // A frame of a few hundred bytes.
    reframe(&dir.entry_named("x"), |plain| {
        let mut body = plain.to_vec();
        splice(&mut body, b"\xa5value\xc0", &[&b"\xa5value\xdd"[..], &big_endian(5_000_000)].concat());
        body.resize(body.len() + 5_000_000, 0xc0);
        frame(&body)
    });
    assert!(file_len(&dir, "x") < 2000);
    both_refuse(&dir, &store, "5 million values");
}

#[test]
fn without_zstd_the_reader_says_what_it_needs_and_only_then() {
    const WITHOUT: &str = r#"
import sys
sys.path.insert(0, sys.argv[1])
for name in ("compression", "compression.zstd", "backports", "backports.zstd", "zstandard"):
    sys.modules[name] = None
import read_store
sys.exit(read_store.main([sys.argv[2], "verify"]))
"#;
    let dir = Dir::new();
    let store = dir.store();
    store.put("small", &bytes_array(3, 1)).unwrap();
    let output = reader_code(WITHOUT, &dir.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    store.writer().put("long", repetitive()).unwrap();
    let output = reader_code(WITHOUT, &dir.path());
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let entry = dir.entry_named("long");
    let file = entry.strip_prefix(dir.path()).unwrap().to_str().unwrap();
    assert!([file, "pip install zstandard", "Python 3.14"].iter().all(|part| text(&output).contains(part)));
    assert!(!text(&output).contains("Traceback"), "{}", text(&output));
}
