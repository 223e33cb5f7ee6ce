//! The pieces of a request: what they find and hold, and what they count, which is what they are told to.

use std::thread;
use std::time::{Duration, Instant};

use ndstash::{
    Cache, CacheOptions, CacheStats, CallKey, Entry, Error, Expect, Flight, Lookup, PutReport, Tree, Trouble,
};

use super::{cache, cache_with};
use crate::common::{Dir, assert_error, bytes_array, rot, warnings};

const HOUR: Duration = Duration::from_secs(3600);

fn key(cache: &Cache, n: i64) -> CallKey {
    cache.key("f").version("1").arg("n", &n).finish().unwrap()
}

/// Puts a value that ends so many hours from now.
fn put(cache: &Cache, key: &CallKey, value: i64, hours: Option<i64>) -> PutReport {
    let mut writer = cache.writer(key);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    writer.expires(hours.map(|hours| i64::try_from(now.as_nanos()).unwrap() + hours * 3_600_000_000_000));
    writer.compute_time(Duration::from_millis(5));
    let array = writer.array(&bytes_array(2000, value.unsigned_abs())).unwrap();
    writer.put(key.key(), Tree::List(vec![Tree::Int(value), array])).unwrap()
}

fn number(entry: &Entry) -> Option<i64> {
    match entry.tree() {
        Tree::List(items) => {
            if let [Tree::Int(value), _] = items[..] {
                Some(value)
            } else {
                None
            }
        }
        _ => None,
    }
}

fn fresh(cache: &Cache, key: &CallKey) -> Option<i64> {
    if let Lookup::Fresh(entry) = cache.look(key, Duration::ZERO) { number(&entry) } else { None }
}

#[test]
fn looking_counts_nothing_and_each_thing_is_counted_when_it_is_told() {
    let dir = Dir::new();
    for cache in [cache(&dir), cache_with(&dir, &CacheOptions::new().memory(1 << 20))] {
        let (there, none) = (key(&cache, 1), key(&cache, 2));
        let report = put(&cache, &there, 7, None);
        let before = cache.stats();
        assert_eq!((fresh(&cache, &there), fresh(&cache, &there)), (Some(7), Some(7)));
        assert!(matches!(cache.look(&none, HOUR), Lookup::Missing));
        assert!(cache.flight(&none, None).unwrap().is_some());
        assert_eq!(cache.stats(), before);

        let Lookup::Fresh(entry) = cache.look(&there, Duration::ZERO) else { panic!("it was put") };
        cache.note_hit(&entry);
        cache.note_miss();
        cache.note_refused();
        cache.note_computed(Duration::from_nanos(9));
        cache.stored(&report);
        let ((), told) = warnings(|| {
            cache.note_damaged(&there, &"no such class");
            cache.note_failure(Trouble::Store, Some("f"), &"the disk is gone");
            cache.note_failure(Trouble::Refused, None, &"too large");
            cache.note_failure(Trouble::Refused, None, &"too large");
        });
        assert_eq!(told.len(), 3, "of each kind the first: {told:?}");
        assert!(told[0].contains("no such class") && told[1].contains("the disk is gone"), "{told:?}");
        let mut after = before;
        after.hits += 1;
        after.saved_ns += 5_000_000;
        after.misses += 1;
        after.refused += 3;
        after.computed_ns += 9;
        after.damaged += 1;
        after.failures += 1;
        after.new_bytes += report.new_bytes;
        after.shared_bytes += report.shared_bytes;
        assert_eq!(cache.stats(), after);
        cache.clear().unwrap();
    }
}

#[test]
fn an_entry_whose_time_is_over_is_stale_for_as_long_as_was_asked_for() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let key = key(&cache, 1);
    put(&cache, &key, 7, Some(-1));
    let stale = |for_: Duration| matches!(cache.look(&key, for_), Lookup::Stale(_));
    assert!(matches!(cache.look(&key, Duration::ZERO), Lookup::Missing));
    assert!(!stale(HOUR) && stale(2 * HOUR));
    let Lookup::Stale(entry) = cache.look(&key, 2 * HOUR) else { panic!("it is stale") };
    cache.note_hit(&entry);
    assert_eq!((cache.stats().hits, cache.stats().stale, cache.stats().misses), (1, 1, 0));
    put(&cache, &key, 8, Some(1));
    assert_eq!(fresh(&cache, &key), Some(8));
}

#[test]
fn what_cannot_be_used_is_counted_and_told_once() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let key = key(&cache, 1);
    put(&cache, &key, 7, None);
    cache.store().flush().unwrap();
    rot(&dir.entry(key.key()), |bytes| bytes[100] ^= 1);
    let ((), told) = warnings(|| {
        assert!(matches!(cache.look(&key, HOUR), Lookup::Unusable));
        assert!(matches!(cache.look_again(&key, HOUR), Lookup::Unusable));
    });
    let mut expected = CacheStats::default();
    expected.damaged = 1;
    assert_eq!((told.len(), cache.stats()), (1, expected));
    put(&cache, &key, 8, None);
    assert!(matches!(cache.look_again(&key, HOUR), Lookup::Fresh(entry) if number(&entry) == Some(8)));
}

#[test]
fn an_entry_says_where_it_comes_from_and_a_bare_key_does_not_know() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let made = key(&cache, 1);
    put(&cache, &made, 7, None);
    let info = cache.info(made.clone()).unwrap().unwrap();
    assert_eq!((info.namespace(), info.function(), info.version()), (Some("test"), Some("f"), Some("1")));
    assert_eq!(info.key_parts().unwrap().get("n"), Some(&Tree::Int(1)));
    assert!(info.user().is_some());

    let bare = CallKey::bare("test", made.key()).unwrap();
    assert_eq!((bare.key(), fresh(&cache, &bare), bare.parts()), (made.key(), Some(7), &Tree::Nil));
    put(&cache, &bare, 8, None);
    let info = cache.info(made).unwrap().unwrap();
    assert_eq!((info.namespace(), info.function(), info.key_parts()), (Some("test"), None, None));
    assert_error!(CallKey::bare("a//b", bare.key()), Error::Invalid { .. });
}

#[test]
fn memory_forgets_what_was_stored_over_or_removed() {
    let dir = Dir::new();
    let cache = cache_with(&dir, &CacheOptions::new().memory(1 << 20).memory_trust(HOUR));
    let key = key(&cache, 1);
    put(&cache, &key, 7, None);
    let held = || cache.get::<(i64, ndarray::Array1<u8>)>(key.clone()).unwrap().map(|(number, _)| number);
    let Lookup::Fresh(first) = cache.look(&key, Duration::ZERO) else { panic!("it was put") };
    assert_eq!(held(), Some(7));
    let report = put(&cache, &key, 8, None);
    assert_eq!((held(), fresh(&cache, &key)), (Some(7), Some(8)), "memory was not told, and `look` passes it by");
    cache.stored(&report);
    assert_eq!(held(), Some(8));
    assert!(!cache.forget_if(&first).unwrap(), "it is another entry by now");
    let Lookup::Fresh(second) = cache.look(&key, Duration::ZERO) else { panic!("it was put") };
    assert!(cache.forget_if(&second).unwrap());
    assert_eq!((held(), matches!(cache.look(&key, HOUR), Lookup::Missing)), (None, true));
}

#[test]
fn a_put_may_depend_on_what_was_found() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let key = key(&cache, 1);
    put(&cache, &key, 7, None);
    let Lookup::Fresh(found) = cache.look(&key, Duration::ZERO) else { panic!("it was put") };
    let put_if = |value: i64| cache.writer(&key).put_if(key.key(), Tree::Int(value), Expect::Same(&found)).unwrap();
    assert!(put_if(1).is_some() && put_if(2).is_none());
    assert_eq!(cache.get::<i64>(key).unwrap(), Some(1));
}

fn is_taken(cache: &Cache, key: &CallKey) -> bool {
    let taken =
        thread::scope(|scope| scope.spawn(|| cache.flight(key, Some(Duration::ZERO)).map(drop)).join().unwrap());
    match taken {
        Err(error) if error.is_busy() => true,
        taken => {
            taken.unwrap();
            false
        }
    }
}

#[test]
fn a_flight_may_be_dropped_in_another_thread_than_it_was_taken_in() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let key = key(&cache, 1);
    let take = || cache.flight(&key, Some(Duration::ZERO));
    for _ in 0..2 {
        let flight = take().unwrap().expect("it is free");
        assert!(is_taken(&cache, &key));
        assert!(take().unwrap().is_none(), "this thread has it already");
        thread::scope(|scope| scope.spawn(move || drop(flight)).join().unwrap());
        assert!(!is_taken(&cache, &key));
        assert!(dir.flights().is_empty());
    }
    let flight = thread::scope(|scope| scope.spawn(take).join().unwrap()).unwrap().expect("it is free");
    assert_error!(take(), Error::Busy { .. });
    drop(flight);
    assert!(take().unwrap().is_some());
}

#[test]
fn a_detached_flight_belongs_to_no_thread() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let key = key(&cache, 1);
    let mut flight = cache.flight(&key, None).unwrap().unwrap();
    flight.detach();
    assert_error!(cache.flight(&key, Some(Duration::ZERO)), Error::Busy { .. });
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(50));
            drop(flight);
        });
        assert!(cache.flight(&key, None).unwrap().is_some(), "it waits like any other");
    });
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[test]
fn a_wait_ends_when_the_program_gives_up() {
    thread_local! {
        static GIVES_UP: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    ndstash::on_wait(|| GIVES_UP.get());
    let dir = Dir::new();
    let cache = cache(&dir);
    let key = key(&cache, 1);
    let flight: Option<Flight> =
        thread::scope(|scope| scope.spawn(|| cache.flight(&key, None)).join().unwrap()).unwrap();
    GIVES_UP.set(true);
    let start = Instant::now();
    assert_error!(cache.flight(&key, Some(HOUR)), Error::Busy { waited_ms, .. } if (50..10_000).contains(&waited_ms));
    assert!(start.elapsed() < Duration::from_secs(10));
    GIVES_UP.set(false);
    assert_error!(cache.flight(&key, Some(Duration::from_millis(200))), Error::Busy { waited_ms: 200.., .. });
    drop(flight);
}

#[test]
fn a_cache_that_is_off_finds_takes_and_counts_nothing() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let key = key(&cache, 1);
    let report = put(&cache, &key, 7, None);
    let Lookup::Fresh(entry) = cache.look(&key, Duration::ZERO) else { panic!("it was put") };
    cache.set_enabled(false);
    assert!(
        matches!(cache.look(&key, HOUR), Lookup::Missing) && matches!(cache.look_again(&key, HOUR), Lookup::Missing)
    );
    assert!(cache.flight(&key, None).unwrap().is_none());
    let ((), told) = warnings(|| {
        cache.note_hit(&entry);
        cache.note_miss();
        cache.note_damaged(&key, &"x");
        cache.note_refused();
        cache.note_failure(Trouble::Lock, None, &"x");
        cache.note_computed(HOUR);
        cache.stored(&report);
    });
    assert!(told.is_empty());
    assert_eq!(cache.stats(), CacheStats::default());
}

#[test]
fn who_may_not_write_takes_no_flight() {
    let dir = Dir::new();
    drop(dir.blobs_only());
    let cache = Cache::new(dir.read_only(), "test").unwrap();
    assert!(cache.flight(&key(&cache, 1), None).unwrap().is_none());
}
