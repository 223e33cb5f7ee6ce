//! Counters: they add up over processes, tell what was saved, and cost nothing when they are lost.

use std::thread;
use std::time::Duration;

use ndarray::Array1;
use ndstash::{Cache, CullOptions, Policy, Store};

use super::{LONG, cache, computes};
use crate::common::{Child, Dir, bytes_array, rewrite_head};

#[test]
fn hits_misses_time_and_bytes_are_counted() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let ask = |key: u8| -> Array1<u8> {
        cache.get_or_insert_with(&key, || {
            thread::sleep(Duration::from_millis(20));
            bytes_array(LONG, 7)
        })
    };
    drop((ask(1), ask(2), ask(1), ask(1)));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.new_bytes, stats.shared_bytes), (2, 2, LONG as u64, LONG as u64));
    let computed = stats.time_computed();
    assert!(computed >= Duration::from_millis(40) && computed < Duration::from_secs(5), "{computed:?}");
    assert!(stats.time_saved() >= Duration::from_millis(40) && stats.time_saved() < Duration::from_secs(5));
    assert_eq!(cache.get::<u8>(&"nothing").unwrap(), None);
    assert_eq!(cache.stats().misses, 3);
}

#[test]
fn namespaces_are_counted_apart_and_added_up() {
    let dir = Dir::new();
    let outer = cache(&dir);
    let (one, two) = (outer.sub("one").unwrap(), outer.sub("two").unwrap());
    assert!(computes(&one, 1) && computes(&one, 2) && computes(&two, 1) && computes(&outer, 1));
    let misses = [&one, &two, &outer].map(|cache| cache.stats().misses);
    assert_eq!(misses, [2, 1, 4]);
    assert_eq!(Cache::new(dir.store(), "tes").unwrap().stats().misses, 0);
    let by_name = outer.store().cache_stats();
    assert_eq!(by_name.keys().collect::<Vec<_>>(), ["test", "test/one", "test/two"]);
}

#[test]
fn counts_of_all_processes_add_up() {
    let dir = Dir::new();
    let mine = cache(&dir);
    assert!(computes(&mine, 1));
    let children: Vec<_> = (0..4).map(|_| Child::alone("cache::stats::one_that_hits", &dir.path()).spawn()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    assert!(!computes(&mine, 1));
    let stats = mine.stats();
    assert_eq!((stats.hits, stats.misses), (4 * 100 + 1, 1));
    assert_eq!(mine.store().hits().values().copied().collect::<Vec<_>>(), [401]);
}

#[test]
#[ignore = "a process of the test above"]
fn one_that_hits() {
    let cache = Cache::new(Store::open(Child::room()).unwrap(), "test").unwrap();
    assert!((0..100).all(|_| !computes(&cache, 1)));
}

#[test]
fn a_lost_or_damaged_counters_file_costs_nothing_but_what_was_counted() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert!(computes(&cache, 1) && cache.stats().misses == 1);
    std::fs::remove_file(dir.inside("counters")).unwrap();
    assert!(!computes(&cache, 1));
    assert_eq!((cache.stats().hits, cache.stats().misses), (1, 0));
    let damages: [fn(&mut Vec<u8>); 3] =
        [|bytes| bytes[30] ^= 1, |bytes| bytes.truncate(40), |bytes| *bytes = b"NDC0 no".to_vec()];
    for damage in damages {
        let mut bytes = std::fs::read(dir.inside("counters")).unwrap();
        damage(&mut bytes);
        std::fs::write(dir.inside("counters"), bytes).unwrap();
        let before = cache.stats().hits;
        assert!(!computes(&cache, 1));
        assert_eq!(cache.stats().hits, before + 1, "what is counted from now on is seen");
    }
    std::fs::remove_file(dir.inside("counters")).unwrap();
    std::fs::create_dir(dir.inside("counters")).unwrap();
    assert!(!computes(&cache, 1) && cache.stats().hits > 0, "even where nothing can be written");
}

#[test]
fn hits_decide_what_goes_where_the_least_frequently_used_do() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert!((0..6).all(|key| computes(&cache, key)));
    for key in [0, 2, 4, 0, 2, 4] {
        assert!(!computes(&cache, key));
    }
    cache.stats();
    // A policy spares for some seconds what came just now.
    for entry in cache.entries() {
        rewrite_head(&dir.entry(entry.unwrap().key()), |head| head[136..144].copy_from_slice(&1_i64.to_le_bytes()));
    }
    let mut limits = cache.store().limits().unwrap();
    (limits.entries, limits.policy) = (Some(3), Policy::Lfu);
    assert_eq!(cache.store().cull(&CullOptions::new().limits(limits)).unwrap().evicted.len(), 4);
    let kept: Vec<u64> = (0..6).filter(|key| cache.contains(key).unwrap()).collect();
    assert!(kept.len() == 2 && kept.iter().all(|key| key % 2 == 0), "{kept:?}");
}

#[test]
fn hits_in_memory_are_counted_like_others() {
    let dir = Dir::new();
    let cache = super::cache_with(&dir, &ndstash::CacheOptions::new().memory(10 << 20));
    assert!(computes(&cache, 1));
    assert!((0..50).all(|_| !computes(&cache, 1)));
    assert_eq!((cache.stats().hits, cache.store().hits().values().sum::<u64>()), (50, 50));
}
