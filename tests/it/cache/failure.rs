//! Whatever is wrong with the store, the value is computed and handed out; one warning is given, and a counter moves.

use std::collections::BTreeMap;
use std::io;

use ndarray::Array1;
use ndstash::seam::{Flow, Verb};
use ndstash::{Cache, CacheOptions, CacheStats, Error, Store, StoreOptions};
use serde::{Deserialize, Serialize, Serializer};

use super::{LONG, cache, computes};
use crate::common::{Child, Dir, assert_error, bytes_array, listing, rewrite_head, seam, warnings};

/// A cache whose store meets an error wherever `fails` says so.
fn failing(dir: &Dir, error: rustix::io::Errno, fails: fn(Verb, &str) -> bool) -> Cache {
    drop(dir.blobs_only());
    let seam = seam(move |step| if fails(step.verb, step.path) { Err(error.into()) } else { Ok(Flow::Go) });
    Cache::new(StoreOptions::new().seam(seam).open(dir.path()).unwrap(), "test").unwrap()
}

fn writes(verb: Verb) -> bool {
    matches!(verb, Verb::MakeDir | Verb::Create | Verb::Reserve | Verb::Write | Verb::Link | Verb::Rename)
}

/// Each of three values is computed and handed out, with so many warnings in all.
fn all_are_handed_out(cache: &Cache, expected: usize) -> CacheStats {
    let ((), warned) = warnings(|| (0..3).for_each(|key| assert!(computes(cache, key))));
    assert_eq!(warned.len(), expected, "{warned:?}");
    assert!(warned.iter().all(|line| line.contains("namespace=test")), "{warned:?}");
    cache.stats()
}

#[test]
fn disk_full_value_returned_one_warning() {
    let dir = Dir::new();
    let cache = failing(&dir, rustix::io::Errno::NOSPC, |verb, _| writes(verb));
    let stats = all_are_handed_out(&cache, 1);
    assert_eq!((stats.misses, stats.failures, stats.hits), (3, 3, 0));
    assert_eq!((dir.blob_names(), dir.leftovers(), dir.flights()), (vec![], vec![], vec![]));
}

/// Not a byte can be written any more, counters included.
#[test]
fn disk_full_to_the_last_byte_value_returned_and_counted_where_it_was_asked_for() {
    let dir = Dir::new();
    let cache = failing(&dir, rustix::io::Errno::NOSPC, |verb, _| writes(verb) || verb == Verb::Amend);
    let stats = all_are_handed_out(&cache, 1);
    assert_eq!((stats.misses, stats.failures), (3, 3));
}

#[test]
fn folder_read_only_value_returned_one_warning_of_each_kind() {
    let dir = Dir::new();
    let cache = failing(&dir, rustix::io::Errno::ROFS, |verb, _| {
        writes(verb) || matches!(verb, Verb::Amend | Verb::LockExclusive | Verb::LockShared | Verb::Unlink)
    });
    let stats = all_are_handed_out(&cache, 2);
    assert_eq!((stats.misses, stats.failures), (3, 6));
}

#[test]
fn path_too_long_value_returned_one_warning() {
    let dir = Dir::new();
    let cache = failing(&dir, rustix::io::Errno::NAMETOOLONG, |verb, path| {
        matches!(verb, Verb::Link | Verb::Rename) && path.starts_with("entries")
    });
    assert_eq!(all_are_handed_out(&cache, 1).failures, 3);
}

#[test]
fn nothing_can_be_locked_value_returned_and_stored_one_warning() {
    let dir = Dir::new();
    let cache = cache(&dir);
    std::fs::create_dir(dir.inside("flights.lock")).unwrap();
    let stats = all_are_handed_out(&cache, 1);
    assert_eq!((stats.misses, stats.failures), (3, 3));
    assert!((0..3).all(|key| !computes(&cache, key)), "they were stored all the same");
    let both: Vec<u64> =
        cache.get_or_compute_many(&[7, 8], |keys| Ok::<_, ()>(keys.iter().map(|&&key| key).collect())).unwrap();
    assert_eq!((both, cache.stats().failures), (vec![7, 8], 5));
}

#[test]
fn entries_that_cannot_be_read_are_computed_and_not_taken_for_missing() {
    let dir = Dir::new();
    let cache = failing(&dir, rustix::io::Errno::IO, |verb, path| verb == Verb::Open && path.starts_with("entries"));
    let stats = all_are_handed_out(&cache, 1);
    assert_eq!((stats.misses, stats.damaged), (3, 0));
    assert!(stats.failures >= 3);
}

#[test]
fn no_file_can_be_opened_value_returned() {
    Child::with_few_files("cache::failure::child_without_files", 100).passes();
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn child_without_files() {
    std::thread::spawn(|| {
        std::thread::sleep(std::time::Duration::from_secs(60));
        std::process::exit(2); // it waits for ever
    });
    let dir = Dir::new();
    let cache = cache(&dir);
    assert!(computes(&cache, 0));
    let mut taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    for left in 0..12 {
        assert!(computes(&cache, 100 + left) || left > 2, "{left} files can be opened");
        taken.pop();
    }
    drop(taken);
    assert!(!computes(&cache, 0) && computes(&cache, 1) && !computes(&cache, 1));
}

#[derive(Debug, PartialEq, Deserialize)]
struct Refuses;

impl Serialize for Refuses {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
}

#[test]
fn unserializable_value_returned_one_warning_naming_the_function() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let ask = |n: u8| cache.get_or_insert_with(cache.key("fit").version("2").arg("n", &n), || Refuses);
    let ((), warned) = warnings(|| (0..5).for_each(|n| assert_eq!(ask(n), Refuses)));
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("function=\"fit\"") && warned[0].contains("not today"), "{warned:?}");
    assert_eq!((cache.stats().failures, cache.entries().count(), dir.leftovers().len()), (5, 0, 0));
    assert_error!(cache.insert(&1, &Refuses), Error::Invalid { what: "value", .. });
}

/// A map that names one key twice, as no map does.
struct Twice;

impl Serialize for Twice {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map([("same", 1), ("same", 2)])
    }
}

#[test]
fn a_key_that_cannot_be_made_is_computed_each_time_one_warning() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let missing = dir.beside("missing");
    let ((), warned) = warnings(|| {
        assert_eq!(cache.get_or_insert_with(&Twice, || 1), 1);
        assert_eq!(cache.get_or_insert_with(&Refuses, || 2), 2);
        assert_eq!(cache.get_or_insert_with(cache.key("read").file("path", &missing), || 3), 3);
        let many = cache.get_or_compute_many(&[Twice, Twice], |keys| Ok::<_, ()>(vec![4; keys.len()]));
        assert_eq!(many, Ok(vec![4, 4]));
    });
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert_eq!((cache.stats().failures, cache.entries().count()), (5, 0));
    assert_error!(cache.get::<u8>(&Twice), Error::Invalid { .. });
    assert_error!(cache.insert(&Refuses, &1), Error::Invalid { .. });
    assert_error!(cache.forget(&Twice), Error::Invalid { .. });
    assert_error!(cache.contains(&Twice), Error::Invalid { .. });
}

#[test]
fn one_value_larger_than_the_limit_is_returned_and_refused_visibly() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert!(computes(&cache, 1));
    cache.store().set_limits(|limits| limits.bytes = Some(LONG as u64 * 3 / 2)).unwrap();
    let ask = || cache.get_or_insert_with("large", || bytes_array(2 * LONG, 2));
    let (values, warned) = warnings(|| [ask(), ask()]);
    assert!(values.iter().all(|value: &Array1<u8>| *value == bytes_array(2 * LONG, 2)));
    assert!(warned.len() == 1 && warned[0].contains("larger than the store's limit"), "{warned:?}");
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.refused, stats.failures), (3, 2, 0));
    assert!(!computes(&cache, 1), "what was there stays");
    assert_error!(cache.insert(&2, &bytes_array(2 * LONG, 2)), Error::TooLarge { .. });
}

#[test]
fn a_value_of_another_type_is_an_error_to_who_asks_and_a_miss_to_who_computes() {
    let dir = Dir::new();
    let cache = cache(&dir);
    cache.insert(&1, &"text").unwrap();
    assert_error!(cache.get::<u64>(&1), Error::WrongType { .. });
    let (value, warned) = warnings(|| cache.get_or_insert_with(&1, || 5_u64));
    assert_eq!((value, warned.len(), cache.get(&1).unwrap()), (5, 1, Some(5_u64)));
    assert!(warned[0].contains("damaged") || warned[0].contains("expected"), "{warned:?}");
}

#[test]
fn an_entry_of_a_newer_format_is_a_miss_and_never_garbage() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert!(computes(&cache, 1));
    let key = cache.entries().next().unwrap().unwrap().key();
    let path = dir.entry(key);
    let bytes = std::fs::read(&path).unwrap();
    rewrite_head(&path, |head| head[8..12].copy_from_slice(&9_u32.to_le_bytes()));
    assert_ne!(std::fs::read(&path).unwrap(), bytes);
    let ((), warned) = warnings(|| assert!(computes(&cache, 1)));
    assert_eq!((warned.len(), cache.stats().damaged > 0), (1, true), "{warned:?}");
    assert!(!computes(&cache, 1));
}

#[test]
fn read_only_open_no_writes_at_all() {
    let dir = Dir::new();
    let writer = cache(&dir);
    assert!(computes(&writer, 1));
    writer.request(&9).expires_in(std::time::Duration::ZERO).insert(&9).unwrap();
    drop(writer);
    let cache = CacheOptions::new().memory(1 << 20).open(dir.read_only(), "test").unwrap();
    let before = listing(&dir.path());
    let ((), warned) = warnings(|| {
        assert!(!computes(&cache, 1) && computes(&cache, 2) && computes(&cache, 2));
        let stale = cache.request(&9).stale_for(std::time::Duration::from_secs(1000)).get_or_insert_with(|| 10);
        assert_eq!(stale, 10, "nobody else computes");
        let both: Vec<u64> = cache.get_or_compute_many(&[7, 8], |keys| Ok::<_, ()>(vec![0; keys.len()])).unwrap();
        assert_eq!(both, [0, 0]);
    });
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert_error!(cache.insert(&3, &3), Error::Unsupported { .. });
    assert_error!(cache.forget(&1), Error::Unsupported { .. });
    assert_error!(cache.clear(), Error::Unsupported { .. });
    assert_error!(cache.touch(&1, None), Error::Unsupported { .. });
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.failures), (1, 1 + 2 + 1 + 2, 5), "{stats:?}");
    drop(cache);
    assert_eq!(listing(&dir.path()), before);
}

#[test]
fn cache_folder_removed_while_in_use_next_call_works() {
    let dir = Dir::new();
    let options = [CacheOptions::new(), CacheOptions::new().memory(1 << 20)];
    for options in options {
        let cache = options.open(dir.blobs_only(), "test").unwrap();
        assert!(computes(&cache, 1));
        std::fs::remove_dir_all(dir.path()).unwrap();
        let ((), warned) = warnings(|| (2..5).for_each(|key| assert!(computes(&cache, key))));
        assert_eq!(warned.len(), 2, "one for the lock, one for the value: {warned:?}");
        assert!(cache.stats().failures >= 6);
        let made_again = Cache::new(dir.blobs_only(), "test").unwrap();
        assert!(computes(&made_again, 1) && !computes(&made_again, 1));
        std::fs::remove_dir_all(dir.path()).unwrap();
    }
}

#[test]
fn errors_of_any_type_come_through_and_are_no_failures_of_the_cache() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let boxed = cache.get_or_compute(&1, || -> Result<u8, Box<dyn std::error::Error>> { Err("mine".into()) });
    assert_eq!(boxed.unwrap_err().to_string(), "mine");
    let io: io::Result<u8> = cache.get_or_compute(&1, || Err(io::Error::other("mine")));
    assert_eq!(io.unwrap_err().kind(), io::ErrorKind::Other);
    assert_eq!(cache.get_or_compute(&1, || Err::<u8, &str>("mine")), Err("mine"));
    let maps: BTreeMap<String, u8> = cache.get_or_insert_with(&2, || [("a".to_owned(), 1)].into());
    assert_eq!(maps["a"], 1);
    assert_eq!(cache.stats().failures, 0, "errors of the caller are no failures of the cache");
}

#[test]
fn a_namespace_that_cannot_be_is_refused_and_the_empty_one_is_that_of_all() {
    let dir = Dir::new();
    let store: Store = dir.store();
    for namespace in ["/", "a//b", "a/", "/a", "a\nb", &"x".repeat(257)] {
        assert_error!(Cache::new(store.clone(), namespace), Error::Invalid { what: "namespace", .. });
    }
    let all = Cache::new(store, "").unwrap();
    assert!(computes(&all, 1) && !computes(&all, 1));
    let inner = all.sub("a").unwrap().sub("b/c").unwrap();
    assert_eq!(inner.namespace(), "a/b/c");
    assert!(computes(&inner, 1), "keys of two namespaces never meet");
    assert_error!(inner.sub(""), Error::Invalid { .. });
    assert_eq!((all.entries().count(), inner.entries().count(), all.stats().misses), (2, 1, 2));
}
