//! What is asked of single requests, and what is done with many entries at once: tags, pins, conditions, clearing.

use std::time::Duration;

use ndarray::Array1;
use ndstash::{Cache, CacheOptions, CullOptions, GcOptions, Query, Tree};

use super::{LONG, cache, cache_with, computes};
use crate::common::{Dir, bytes_array};

#[test]
fn an_entry_says_what_it_is_and_how_it_came() {
    let dir = Dir::new();
    let cache = cache(&dir).sub("inner").unwrap();
    let key = || cache.key("fit").version("3").arg("n", &7).ignored("verbose", &true);
    cache.request(key()).tag("a").tag("b").meta("note", "first").pin().get_or_insert_with(|| {
        std::thread::sleep(Duration::from_millis(10));
        bytes_array(LONG, 1)
    });
    let info = cache.info(key()).unwrap().unwrap();
    assert_eq!((info.namespace(), info.function(), info.version()), (Some("test/inner"), Some("fit"), Some("3")));
    assert_eq!(
        (info.tags(), &info.meta()["note"], info.is_pinned()),
        (&["a".into(), "b".into()][..], &Tree::from("first"), true)
    );
    assert!(info.compute_time().unwrap() >= Duration::from_millis(10));
    assert!(info.host().is_some() && info.expires().is_none());
    let parts = info.key_parts().unwrap();
    assert_eq!(
        (parts.get("n"), parts.get("(ignored)").unwrap().get("verbose")),
        (Some(&Tree::Int(7)), Some(&Tree::Bool(true)))
    );
}

#[test]
fn a_value_is_kept_only_if_the_condition_says_so() {
    let dir = Dir::new();
    let cache = cache(&dir);
    let ask = |value: i32| cache.request(&1).keep_if(|&value: &i32| value > 0).get_or_insert_with(|| value);
    assert_eq!([ask(-1), ask(-2), ask(3), ask(-4)], [-1, -2, 3, 3]);
    let stats = cache.stats();
    assert_eq!((stats.refused, stats.misses, stats.hits, stats.failures), (2, 3, 1, 0));
    assert!(cache.request(&2).keep_if(|&value: &i32| value > 0).insert(&-1).unwrap().is_none());
    assert!(!cache.contains(&2).unwrap());
}

#[test]
fn a_cache_that_is_off_finds_nothing_stores_nothing_and_computes_everything() {
    let dir = Dir::new();
    let cache = cache_with(&dir, &CacheOptions::new().enabled(false));
    let clone = cache.sub("inner").unwrap();
    assert!(computes(&cache, 1) && computes(&cache, 1) && !cache.is_enabled());
    assert!(cache.insert(&1, &1).unwrap().is_none());
    assert_eq!(cache.get::<i32>(&1).unwrap(), None);
    let many = cache.get_or_compute_many(&[1, 2, 1], |keys| Ok::<_, ()>(keys.iter().map(|&&key| key).collect()));
    assert_eq!(many, Ok(vec![1, 2, 1]));
    assert_eq!((cache.stats(), cache.entries().count()), (ndstash::CacheStats::default(), 0));
    clone.set_enabled(true);
    assert!(computes(&cache, 1) && !computes(&cache, 1), "it is one switch for all that share the tier and the counts");
    cache.set_enabled(false);
    assert!(!cache.contains(&1).unwrap() && computes(&cache, 1));
    assert!(cache.forget(&1).unwrap(), "what is there can be removed all the same");
}

#[test]
fn clear_a_function_its_unshared_blobs_become_collectable() {
    let dir = Dir::new();
    let (one, two) = (cache(&dir).sub("one").unwrap(), cache(&dir).sub("two").unwrap());
    assert!(computes(&one, 1) && computes(&one, 2) && computes(&two, 2));
    assert_eq!(dir.blob_names().len(), 2);
    assert_eq!(one.clear().unwrap(), 2);
    let report = one.store().gc(&GcOptions::new()).unwrap();
    assert_eq!((report.blobs_removed, report.bytes_freed, report.blobs_kept), (1, LONG as u64, 1));
    assert!(!computes(&two, 2) && computes(&one, 1) && computes(&one, 2));
}

#[test]
fn clearing_takes_nested_namespaces_and_leaves_the_others_and_what_was_just_put() {
    let dir = Dir::new();
    let caches = ["a", "a/b", "ab", "c"].map(|name| Cache::new(dir.store(), name).unwrap());
    for cache in &caches {
        cache.insert(&1, &1).unwrap();
        cache.request(cache.key("f").arg("x", &1)).tag("t").insert(&2).unwrap();
    }
    caches[0].store().put("mine", &Array1::<u8>::zeros(8)).unwrap();
    assert_eq!(caches[0].find(&Query::new().function("f")).count(), 2);
    assert_eq!(caches[0].evict(&Query::new().tag("t")).unwrap(), 2);
    assert_eq!(caches[0].entries().count(), 2);
    assert_eq!(caches[0].clear().unwrap(), 2);
    let left: Vec<usize> = caches.iter().map(|cache| cache.entries().count()).collect();
    assert_eq!(left, [0, 0, 2, 2]);
    assert_eq!(Cache::new(dir.store(), "").unwrap().clear().unwrap(), 4);
    assert!(caches[0].store().contains("mine").unwrap(), "what no cache computed is not the caches'");
}

#[test]
fn forgetting_removes_one() {
    let dir = Dir::new();
    for options in [CacheOptions::new(), CacheOptions::new().memory(1 << 20)] {
        let cache = cache_with(&dir, &options);
        assert!(computes(&cache, 1) && computes(&cache, 2));
        assert_eq!([cache.forget(&1).unwrap(), cache.forget(&1).unwrap()], [true, false]);
        assert!(computes(&cache, 1) && !computes(&cache, 2));
        cache.clear().unwrap();
    }
}

#[test]
fn the_pinned_stay_when_others_are_culled() {
    let dir = Dir::new();
    let cache = cache(&dir);
    assert!((0..4).all(|key| computes(&cache, key)));
    assert!(cache.pin(&0_u64, true).unwrap() && cache.pin(&1_u64, true).unwrap() && !cache.pin(&99_u64, true).unwrap());
    assert!(cache.pin(&1_u64, false).unwrap());
    let mut limits = cache.store().limits().unwrap();
    limits.entries = Some(1);
    let report = cache.store().cull(&CullOptions::new().limits(limits)).unwrap();
    assert_eq!(report.evicted.len(), 3);
    assert!(!computes(&cache, 0) && computes(&cache, 1));
}

#[test]
fn relabelling_is_seen_and_the_value_stays() {
    let dir = Dir::new();
    let cache = cache_with(&dir, &CacheOptions::new().memory(1 << 20));
    assert!(computes(&cache, 1) && !computes(&cache, 1));
    assert!(cache.relabel(&1_u64, |labels| labels.tags.push("new".into())).unwrap());
    assert_eq!(cache.find(&Query::new().tag("new")).count(), 1);
    assert!(!computes(&cache, 1));
}
