//! More than 4 GiB in one array: lengths that do not fit into 32 bits. Run by `tools/release`.

use std::io::Read;

use ndarray::Ix1;
use ndstash::{DType, GcOptions, MapPolicy, Order, Store, StoreOptions, VerifyOptions};

const BYTES: u64 = (4 << 30) + 4097;

/// A byte that tells where it stands, with a prime period.
fn byte_at(at: u64) -> u8 {
    u8::try_from(at % 251).unwrap()
}

struct Pattern(u64);

impl Read for Pattern {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        for (at, byte) in (self.0..).zip(bytes.iter_mut()) {
            *byte = byte_at(at);
        }
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }
}

#[test]
#[ignore = "writes more than 4 GiB; run by tools/release"]
#[expect(unsafe_code, reason = "maps are made only under a promise")]
fn an_array_of_more_than_4_gib_comes_back() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().join("store");
    let put = |store: &Store, name: &str| {
        let mut writer = store.writer();
        let source = Pattern(0).take(BYTES);
        let value = writer.array_from_reader(DType::UInt8, &[BYTES], Order::C, source).unwrap();
        writer.put(name, value).unwrap()
    };
    put(&Store::create(&path).unwrap(), "large");
    // SAFETY: the store lies in a directory of this test alone.
    let store = StoreOptions::new().mapping(unsafe { MapPolicy::trusted() }).open(&path).unwrap();
    let mapped = store.entry("large").unwrap().unwrap().array().unwrap().map::<u8, Ix1>().unwrap();
    assert_eq!(mapped.len() as u64, BYTES);
    for at in [0, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, BYTES - 1] {
        assert_eq!(mapped[usize::try_from(at).unwrap()], byte_at(at), "byte {at}");
    }
    put(&store, "again");
    assert_eq!(store.usage().unwrap().blob_bytes, BYTES, "stored once");
    let report = store.verify(&VerifyOptions::new(), &|_| ()).unwrap();
    assert!(report.problems.is_empty() && report.bytes == BYTES, "{report:?}");
    assert!(store.remove("large").unwrap() && store.remove("again").unwrap());
    assert_eq!(store.gc(&GcOptions::new()).unwrap().bytes_freed, BYTES);
}
