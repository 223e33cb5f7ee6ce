//! Values whose time is over: computed anew by one, and meanwhile handed out to whoever takes stale ones.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use ndstash::{Cache, CacheOptions, Query, Store};

use super::{cache, cache_with, note, notes, wait_until};
use crate::common::{Child, Dir};

const LONG_TIME: Duration = Duration::from_secs(10_000);
const SHORT: Duration = Duration::from_millis(600);

/// Asks for a number that stays good for a short time; the value, and whether it was computed.
fn ask(cache: &Cache, number: u32) -> (u32, bool) {
    let mut computed = false;
    let value = cache.request(&1).expires_in(SHORT).get_or_insert_with(|| {
        computed = true;
        number
    });
    (value, computed)
}

#[test]
fn a_value_is_computed_anew_when_its_time_is_over() {
    let dir = Dir::new();
    for options in [CacheOptions::new(), CacheOptions::new().memory(1 << 20)] {
        let cache = cache_with(&dir, &options);
        cache.clear().unwrap();
        assert_eq!([ask(&cache, 1), ask(&cache, 2)], [(1, true), (1, false)]);
        thread::sleep(SHORT + Duration::from_millis(20));
        assert_eq!((cache.get::<u32>(&1).unwrap(), cache.contains(&1).unwrap()), (None, false));
        assert!(cache.info(&1).unwrap().is_some(), "it is there, its time is over");
        assert_eq!(cache.request::<u32>(&1).stale_for(LONG_TIME).get().unwrap(), Some(1));
        assert_eq!([ask(&cache, 3), ask(&cache, 4)], [(3, true), (3, false)]);
    }
}

#[test]
fn how_long_a_value_is_good_may_depend_on_it() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let insert = |value: i64| {
        let request =
            cache.request(&value).expires_with(|&value: &i64| u64::try_from(value).ok().map(Duration::from_secs));
        request.insert(&value).unwrap().unwrap();
        cache.info(&value).unwrap().unwrap().expires()
    };
    assert_eq!(insert(-1), None);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let hour = i64::try_from((now + Duration::from_secs(3600)).as_nanos()).unwrap();
    assert!((insert(3600).unwrap() - hour).abs() < 60_000_000_000);
    assert!(insert(0).is_some() && !cache.contains(&0).unwrap());
    cache.request(&7).expires_in(Duration::MAX).insert(&7).unwrap();
    assert!(cache.contains(&7).unwrap(), "a time beyond all times is for ever");
}

#[test]
fn one_computes_anew_and_the_others_get_the_stale_value_at_once() {
    let dir = Dir::new();
    for (options, hits) in [(CacheOptions::new(), 0), (CacheOptions::new().memory(1 << 20), 0)] {
        let cache = cache_with(&dir, &options);
        cache.clear().unwrap();
        let before = cache.stats();
        cache.request(&1).expires_in(Duration::ZERO).get_or_insert_with(|| {
            thread::sleep(Duration::from_millis(5));
            1
        });
        let (inside, done) = (Barrier::new(2), Barrier::new(2));
        let request = || cache.request(&1).stale_for(LONG_TIME);
        thread::scope(|scope| {
            let one = scope.spawn(|| {
                request().get_or_insert_with(|| {
                    inside.wait();
                    done.wait();
                    2
                })
            });
            inside.wait();
            let start = Instant::now();
            for _ in 0..5 {
                assert_eq!(request().get_or_insert_with(|| unreachable!("another computes")), 1);
            }
            assert!(start.elapsed() < Duration::from_secs(10));
            assert_eq!(request().get().unwrap(), Some(1));
            done.wait();
            assert_eq!(one.join().unwrap(), 2);
        });
        assert_eq!(request().get_or_insert_with(|| 3), 2);
        let stats = cache.stats();
        assert_eq!(
            (stats.stale - before.stale, stats.hits - before.hits - 7, stats.misses - before.misses),
            (6, hits, 2)
        );
        assert!(stats.saved_ns - before.saved_ns >= 6 * 5_000_000, "the stale ones saved time, too");
    }
}

#[test]
fn who_takes_no_stale_value_or_finds_it_too_old_waits() {
    let dir = Dir::new();
    let cache = cache(&dir);
    cache.request(&1).expires_in(Duration::ZERO).insert(&1).unwrap();
    thread::sleep(Duration::from_millis(30));
    let inside = Barrier::new(3);
    thread::scope(|scope| {
        scope.spawn(|| {
            cache.get_or_insert_with(&1, || {
                inside.wait();
                thread::sleep(Duration::from_millis(100));
                2
            })
        });
        for stale in [Duration::ZERO, Duration::from_millis(20)] {
            let (cache, inside) = (&cache, &inside);
            scope.spawn(move || {
                inside.wait();
                assert_eq!(cache.request(&1).stale_for(stale).get_or_insert_with(|| 3), 2);
            });
        }
    });
}

#[test]
fn over_processes_one_computes_and_the_others_get_the_stale_value() {
    let dir = Dir::new();
    let cache = cache(&dir);
    cache.request(&1).expires_in(Duration::ZERO).insert(&1).unwrap();
    let mut child = Child::alone("cache::stale::one_that_computes_anew", &dir.path()).spawn();
    wait_until("it computes", || !notes(&dir.beside("computes")).is_empty());
    let stale: i32 = cache.request(&1).stale_for(LONG_TIME).get_or_insert_with(|| unreachable!("another computes"));
    assert_eq!(stale, 1);
    note(&dir.beside("go"), "");
    assert!(child.wait().unwrap().success());
    assert_eq!(cache.get(&1).unwrap(), Some(2));
}

#[test]
#[ignore = "a process of the test above"]
fn one_that_computes_anew() {
    let room = Child::room();
    let beside = room.parent().unwrap();
    let cache = Cache::new(Store::open(&room).unwrap(), "test").unwrap();
    let value = cache.request(&1).stale_for(LONG_TIME).get_or_insert_with(|| {
        note(&beside.join("computes"), "");
        wait_until("told so", || beside.join("go").exists());
        2
    });
    assert_eq!(value, 2);
}

#[test]
fn refresh_computes_and_replaces_what_is_good() {
    let dir = Dir::new();
    for options in [CacheOptions::new(), CacheOptions::new().memory(1 << 20)] {
        let cache = cache_with(&dir, &options);
        cache.insert(&1, &1).unwrap();
        assert_eq!(cache.get(&1).unwrap(), Some(1));
        assert_eq!(cache.request(&1).refresh().get_or_insert_with(|| 2), 2);
        assert_eq!(cache.get(&1).unwrap(), Some(2));
        let failed: Result<i32, ()> = cache.request(&1).refresh().get_or_compute(|| Err(()));
        assert_eq!((failed, cache.get(&1).unwrap()), (Err(()), Some(2)), "what could not be computed replaces nothing");
    }
}

#[test]
fn expiring_by_query_ends_the_time_of_those_and_no_others() {
    let dir = Dir::new();
    for options in [CacheOptions::new(), CacheOptions::new().memory(1 << 20)] {
        let cache = cache_with(&dir, &options);
        let other = cache.sub("inner").unwrap();
        cache.clear().unwrap();
        cache.request(&1).tag("rates").insert(&1).unwrap();
        cache.insert(&2, &2).unwrap();
        other.request(&1).tag("rates").insert(&3).unwrap();
        let all = || [cache.get::<i32>(&1).unwrap(), cache.get(&2).unwrap(), other.get(&1).unwrap()];
        assert_eq!(all(), [Some(1), Some(2), Some(3)]);
        assert_eq!(other.expire(&Query::new().tag("rates")).unwrap(), 1);
        assert_eq!(all(), [Some(1), Some(2), None]);
        assert_eq!(cache.expire(&Query::new().tag("rates")).unwrap(), 1, "the other one's time was over");
        assert_eq!(all(), [None, Some(2), None]);
        assert_eq!(cache.request::<i32>(&1).stale_for(LONG_TIME).get().unwrap(), Some(1));
        assert!(cache.touch(&1, Some(LONG_TIME)).unwrap() && other.touch(&1, None).unwrap());
        assert_eq!(all(), [Some(1), Some(2), Some(3)], "touched, they are good again");
        assert!(!cache.touch("nothing", None).unwrap());
    }
}
