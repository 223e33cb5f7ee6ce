//! Limits hold, whoever puts; what is removed is what the policy says, and never what came just now.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ndarray::Array1;
use ndstash::seam::{Flow, Verb};
use ndstash::{CullOptions, Error, EvictReason, GcOptions, Limits, Policy, Query, Store, StoreOptions};

use crate::common::{Child, Dir, Noise, assert_error, bytes_array, files_in, seam};

const KIB: usize = 1024;

fn array(len: usize, seed: u64) -> Array1<u8> {
    bytes_array(len, seed)
}

fn names(store: &Store) -> Vec<String> {
    let mut names: Vec<String> = store.entries("").map(|info| info.unwrap().label()).collect();
    names.sort();
    names
}

fn limited(store: &Store, bytes: usize, policy: Policy) {
    store.set_limits(|limits| (limits.bytes, limits.policy) = (Some(bytes as u64), policy)).unwrap();
}

/// Bytes of the files themselves.
fn bytes_in(dir: &Dir, part: &str) -> u64 {
    let listed = files_in(&dir.inside(part));
    listed.iter().map(|name| dir.inside(&format!("{part}/{}/{name}", &name[..2])).metadata().unwrap().len()).sum()
}

#[test]
fn limits_persist_and_are_seen_by_handles_that_are_open() {
    let dir = Dir::new();
    let store = dir.store();
    let other = dir.store();
    assert_eq!(other.limits().unwrap(), Limits::default());
    limited(&store, 5000, Policy::Cost);
    let expected = store.limits().unwrap();
    assert_eq!((expected.bytes, expected.policy), (Some(5000), Policy::Cost));
    assert_eq!(other.limits().unwrap(), expected);
    other.set_limits(|limits| limits.entries = Some(7)).unwrap();
    assert_eq!((store.limits().unwrap().bytes, store.limits().unwrap().entries), (Some(5000), Some(7)));
    drop((store, other));
    assert_eq!(dir.read_only().limits().unwrap().entries, Some(7));
    assert_error!(dir.store().set_limits(|limits| limits.age = Some(u64::MAX)), Error::Invalid { what: "limit", .. });
    assert_error!(dir.read_only().set_limits(|_| ()), Error::Unsupported { .. });
}

#[test]
fn byte_limit_near_the_size_of_one_value_newcomer_kept() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    limited(&store, 110 * KIB, Policy::Lfu);
    for n in 0..5 {
        store.put(&format!("v{n}"), &array(100 * KIB, n)).unwrap();
        assert_eq!(names(&store), [format!("v{n}")], "the one before went, the newcomer stayed");
    }
    assert_eq!(dir.blob_names().len(), 1);
}

#[test]
fn one_value_larger_than_the_limit_is_refused_visibly_and_nothing_is_lost() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    store.put("small", &array(KIB, 1)).unwrap();
    limited(&store, 50 * KIB, Policy::Lru);
    assert_error!(
        store.put("large", &array(51 * KIB, 2)),
        Error::TooLarge { what: "the size of the value in bytes", .. }
    );
    let mut writer = store.writer();
    writer.array(&array(30 * KIB, 3)).unwrap();
    assert_error!(writer.array(&array(30 * KIB, 4)), Error::TooLarge { what: "the size of the value in bytes", .. });
    drop(writer);
    assert_eq!((names(&store), dir.leftovers().len()), (vec!["small".to_owned()], 0));
}

#[test]
fn the_pinned_stay_and_that_the_store_is_still_over_is_said() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    for n in 0..4 {
        store.put(&format!("v{n}"), &array(10 * KIB, n)).unwrap();
        store.relabel(&format!("v{n}"), |labels| labels.pinned = n < 3).unwrap();
    }
    let mut limits = Limits::default();
    limits.bytes = Some(20 * KIB as u64);
    let plan = store.plan_cull(&CullOptions::new().limits(limits)).unwrap();
    assert_eq!((plan.evicted.len(), plan.still_over, names(&store).len()), (1, true, 4), "a plan removes nothing");
    let report = store.cull(&CullOptions::new().limits(limits)).unwrap();
    assert_eq!((report.evicted.len(), report.still_over), (1, true));
    assert_eq!(report.evicted[0].reason, EvictReason::Limit);
    assert_eq!((report.bytes_before, report.bytes_after), (plan.bytes_before, plan.bytes_after));
    assert_eq!(names(&store), ["v0", "v1", "v2"]);
    assert_eq!(report.bytes_after, bytes_in(&dir, "blobs") + bytes_in(&dir, "entries"));
    assert_eq!(store.limits().unwrap(), Limits::default(), "limits for one run are not kept");
}

#[test]
fn what_came_during_a_cull_and_left_the_store_over_its_limit_is_seen_by_its_own_put() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    limited(&store, 100 * KIB, Policy::Lru);
    store.put("old", &array(50 * KIB, 1)).unwrap();
    let (armed, other) = (AtomicBool::new(true), dir.store());
    let late = Arc::new(Mutex::new(None));
    let putter = Arc::clone(&late);
    // Between the put that is over the limit and the count of the cull that it calls, another comes.
    let store = dir.open(&StoreOptions::new().inline_limits(0, 0).seam(seam(move |step| {
        if step.verb == Verb::List && step.path.starts_with("entries/") && armed.swap(false, Ordering::Relaxed) {
            let (store, seen) = (other.clone(), other.clone());
            let put = move || store.put("late", &array(60 * KIB, 3)).map(drop);
            *putter.lock().unwrap() = Some(std::thread::spawn(put));
            while !seen.contains("late").unwrap() {
                std::thread::yield_now();
            }
        }
        Ok(Flow::Go)
    })));
    store.put("first", &array(60 * KIB, 2)).unwrap();
    late.lock().unwrap().take().expect("the put has called a cull").join().unwrap().unwrap();
    assert_eq!(names(&store), ["late"], "the cull spared both, as both came after it was called for");
    assert!(store.plan_cull(&CullOptions::new()).unwrap().bytes_before <= 100 * KIB as u64);
}

#[test]
fn a_store_that_was_full_of_what_is_pinned_keeps_its_limit_once_that_has_gone() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    for n in 0..4 {
        store.put(&format!("pinned {n}"), &array(40 * KIB, n)).unwrap();
        store.relabel(&format!("pinned {n}"), |labels| labels.pinned = true).unwrap();
    }
    limited(&store, 100 * KIB, Policy::Lru);
    assert!(store.cull(&CullOptions::new()).unwrap().still_over);
    for n in 1..4 {
        assert!(store.remove(&format!("pinned {n}")).unwrap());
    }
    store.gc(&GcOptions::new()).unwrap();
    for n in 0..20 {
        store.put(&format!("new {n}"), &array(10 * KIB, 10 + n)).unwrap();
        let bytes = store.plan_cull(&CullOptions::new()).unwrap().bytes_before;
        assert!(bytes <= 100 * KIB as u64, "{bytes} after put {n}");
    }
}

#[test]
fn what_has_expired_or_was_not_used_for_long_goes_at_the_next_cull() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    for name in ["expired", "old", "fresh", "pinned"] {
        store.put(name, &array(KIB, 1)).unwrap();
    }
    store.relabel("expired", |labels| labels.expires = Some(1)).unwrap();
    store.relabel("pinned", |labels| (labels.expires, labels.pinned) = (Some(1), true)).unwrap();
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(10_000);
    std::fs::File::open(dir.entry_named("old")).unwrap().set_modified(long_ago).unwrap();
    store.set_limits(|limits| limits.age = Some(5000)).unwrap();
    assert_eq!(store.find(&Query::new().expired()).count(), 2);
    let mut report = store.cull(&CullOptions::new()).unwrap();
    report.evicted.sort_by_key(|victim| victim.reason);
    let gone: Vec<_> = report.evicted.iter().map(|victim| victim.reason).collect();
    assert_eq!(gone, [EvictReason::Expired, EvictReason::Unused]);
    assert_eq!(names(&store), ["fresh", "pinned"]);
}

#[test]
fn a_limit_on_the_number_of_entries_holds_by_itself() {
    let dir = Dir::new();
    let store = dir.store();
    store.set_limits(|limits| limits.entries = Some(20)).unwrap();
    for n in 0..100_u64 {
        store.put(&format!("v{n:03}"), &array(8, n)).unwrap();
        assert!(store.count().unwrap() <= 21);
        assert!(store.contains(&format!("v{n:03}")).unwrap());
    }
    assert!(store.count().unwrap() >= 17);
}

#[test]
fn evicting_by_what_entries_say_removes_those_and_no_others() {
    let dir = Dir::new();
    let store = dir.store();
    for (name, tag, len) in [("a/1", "x", 10), ("a/2", "y", 2000), ("b/1", "x", 3000)] {
        let mut writer = store.writer();
        let value = writer.array(&array(len, 7)).unwrap();
        writer.tag(tag);
        writer.put(name, value).unwrap();
    }
    let count = |query: Query| store.find(&query).count();
    assert_eq!(count(Query::new().tag("x")), 2);
    assert_eq!(count(Query::new().tag("x").tag("y")), 0, "both are asked for");
    assert_eq!(count(Query::new().prefix("a/").at_least_bytes(2000)), 1);
    assert_eq!(count(Query::new().created_before(0)), 0);
    assert_eq!(count(Query::new().created_after(0).used_before(i64::MAX)), 3);
    assert_eq!(count(Query::new().pinned(true)), 0);
    assert_eq!(count(Query::new().namespace("")), 0, "nothing was computed by a cache");
    assert_eq!(store.evict(&Query::new().tag("x").prefix("b")).unwrap(), 1);
    assert_eq!(names(&store), ["a/1", "a/2"]);
}

#[test]
fn order_of_putting_is_kept_and_a_new_value_goes_to_the_end() {
    let dir = Dir::new();
    let store = dir.store();
    for name in ["c", "a", "b"] {
        store.put(name, &array(8, 1)).unwrap();
    }
    let order = || -> Vec<String> {
        let keys = store.keys_in_order().unwrap();
        keys.into_iter().map(|key| store.info(key).unwrap().unwrap().label()).collect()
    };
    assert_eq!(order(), ["c", "a", "b"]);
    store.relabel("c", |labels| labels.tags.push("t".into())).unwrap();
    store.rename("a", "z", false).unwrap();
    assert_eq!(order(), ["c", "z", "b"], "labels and names do not change it");
    store.put("c", &array(9, 1)).unwrap();
    assert_eq!(order(), ["z", "b", "c"]);
}

#[test]
fn a_lost_or_damaged_ledger_costs_nothing_but_a_count() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    let sequence = |name: &str| store.info(name).unwrap().unwrap().sequence();
    store.put("a", &array(KIB, 1)).unwrap();
    std::fs::remove_file(dir.inside("ledger")).unwrap();
    store.put("b", &array(KIB, 2)).unwrap();
    std::fs::write(dir.inside("ledger"), b"not a ledger at all").unwrap();
    store.put("c", &array(KIB, 3)).unwrap();
    assert!(sequence("a") < sequence("b") && sequence("b") < sequence("c"));
    std::fs::write(dir.inside("ledger"), b"").unwrap();
    limited(&store, 2 * KIB, Policy::Oldest);
    store.gc(&GcOptions::new()).unwrap();
    store.put("d", &array(KIB, 4)).unwrap();
    assert_eq!(names(&store), ["d"], "the collector counted, so the limit holds again");
}

#[test]
fn who_asks_for_a_cull_gets_one_without_a_ledger() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    for damage in [&b""[..], b"not a ledger at all"] {
        store.put("a", &array(KIB, 1)).unwrap();
        store.put("b", &array(KIB, 2)).unwrap();
        std::fs::write(dir.inside("ledger"), damage).unwrap();
        let mut limits = Limits::default();
        limits.entries = Some(1);
        let report = store.cull(&CullOptions::new().limits(limits)).unwrap();
        assert_eq!((report.evicted.len(), report.still_over, names(&store)), (2, false, vec![]));
    }
}

#[test]
fn a_cull_that_had_nothing_to_do_gives_puts_no_leave_to_pass_the_limit() {
    let dir = Dir::new();
    let store = dir.blobs_only();
    limited(&store, 100 * KIB, Policy::Oldest);
    let bytes = || store.plan_cull(&CullOptions::new()).unwrap().bytes_before;
    let (mut n, most) = (0, 100 * KIB as u64);
    for stop in [98 * KIB as u64, u64::MAX] {
        while bytes() < stop && n < 100 {
            store.put(&format!("v{n}"), &array(KIB, n)).unwrap();
            n += 1;
            assert!(bytes() <= most, "{} bytes after {n} puts", bytes());
        }
        assert_eq!(store.cull(&CullOptions::new()).unwrap().evicted, []);
    }
    assert_eq!(n, 100);
}

const PUTS: usize = 2500;
const LIMIT: usize = 2 << 20;
/// The largest value, manifest included. Each of four processes may have two in flight: one that is being put, and one
/// that came while somebody was counting.
const LARGEST: usize = 65 * KIB;

#[test]
#[ignore = "a process of the next test"]
fn one_that_puts() {
    let store = Store::open(Child::room()).unwrap();
    let process = u64::from(std::process::id());
    let mut noise = Noise::new(process);
    for n in 0..PUTS {
        // Four in five are shared with other entries of this and the other processes.
        let shared = noise.below(60);
        let content = if n % 5 == 0 { process << 32 | n as u64 } else { shared as u64 };
        let len = 8 * KIB + (shared % 7) * 8 * KIB;
        let name = format!("{process}/{}", noise.below(400));
        store.put(&name, &array(len, content)).unwrap();
        assert!(store.contains(&name).unwrap(), "the newcomer is there");
    }
}

#[test]
fn after_10000_puts_with_heavy_sharing_by_four_processes_the_store_is_within_its_limit() {
    let dir = Dir::new();
    let store = dir.open(&StoreOptions::new().inline_limits(0, 0));
    limited(&store, LIMIT, Policy::Lru);
    let child = || Child::alone("evict::one_that_puts", store.path()).spawn();
    let mut children: Vec<_> = (0..4).map(|_| child()).collect();
    let most = (LIMIT + 2 * 4 * LARGEST) as u64;
    let (mut looks, mut peak, mut least) = (0, 0, u64::MAX);
    while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        // Bytes of what entries name: garbage that a culler is just about to unlink is not the store's.
        let plan = store.plan_gc().unwrap();
        (looks, peak) = (looks + 1, peak.max(plan.live_bytes));
        if looks > 20 {
            least = least.min(plan.entries);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    assert!(peak <= most, "{peak} bytes at one time, {most} at most, in {looks} looks");
    assert!(least > 10, "it never empties itself: {least} entries at one time");
    store.gc(&GcOptions::new()).unwrap();
    let usage = store.usage().unwrap();
    assert!(usage.blob_bytes + usage.manifest_bytes <= most);
    assert!(usage.blob_bytes > (LIMIT / 2) as u64, "and it uses what it may: {}", usage.blob_bytes);
    assert_eq!(usage.blob_bytes, bytes_in(&dir, "blobs"), "as counted, so it lies on disk");
    assert_eq!(usage.manifest_bytes, bytes_in(&dir, "entries"));
}
