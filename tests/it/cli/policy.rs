//! `evict`, `cull` and `limit`: what goes, what stays, and what is said of it.

use serde_json::{Value, json};

use super::filters::put_with;
use super::plant::{DAY, now_ns};
use super::{Dir, LARGE, npy_f64, npy_large};

fn len() -> u64 {
    LARGE as u64
}

/// Runs a dry run as JSON, and looks whether it changed anything.
#[track_caller]
fn dry(dir: &Dir, args: &[&str]) -> Value {
    let before = dir.snapshot();
    let report = dir.json([args, &["--dry-run"]].concat());
    assert_eq!(report["dry_run"], true);
    assert!(dir.snapshot() == before, "a dry run changes nothing");
    report
}

#[test]
fn evict_removes_what_is_named_and_says_what_that_frees() {
    let dir = Dir::new();
    dir.put("a", &npy_large(1)).fine();
    dir.put("b", &npy_large(1)).fine();
    dir.put("c", &npy_large(2)).fine();
    let plan = dry(&dir, &["evict", "a", "c"]);
    assert_eq!((&plan["evicted"], &plan["bytes_to_free"]), (&json!(["a", "c"]), &json!(len())), "b keeps the other");
    assert_eq!(dry(&dir, &["evict", "a", "b"])["bytes_to_free"], len(), "once, though two entries name it");
    let run = dir.run(["evict", "a", "none", "c"]).ends(1);
    assert_eq!(run.err, "ndstash: there is no entry \"none\"\n");
    let said = "evicted a\nevicted c\nevicted 2 entries\n\
        that alone frees no arrays: `ndstash gc` then frees 68.4 KiB of them at most\n";
    assert_eq!(run.text(), said);
    assert_eq!((dir.names(), dir.blobs().len()), (vec!["b".to_owned()], 2));
    assert_eq!(dir.json(["gc"])["bytes_freed"], len());
    let key = ndstash::Key::from_name("b").unwrap().to_string();
    assert_eq!(dir.json(["evict", &key])["evicted"], json!(["b"]), "a key will do");
}

#[test]
fn evict_removes_what_the_filters_let_pass_and_may_collect_at_once() {
    let dir = Dir::new();
    for (name, seed) in [("a", 1), ("b", 2), ("c", 3)] {
        dir.put(name, &npy_large(seed)).fine();
    }
    dir.leave_unused("a", 3 * DAY);
    dir.leave_unused("c", 3 * DAY);
    assert_eq!(dry(&dir, &["evict", "--unused", "1d"])["evicted"], json!(["a", "c"]));
    assert_eq!(dry(&dir, &["evict", "a", "b", "--unused", "1d"])["evicted"], json!(["a"]), "of those that are named");
    assert_eq!(dry(&dir, &["evict", "--unused", "1d", "--gc"])["gc"], Value::Null);
    let report = dir.json(["evict", "--unused", "1d", "--gc"]);
    assert_eq!((&report["evicted"], &report["gc"]["bytes_freed"]), (&json!(["a", "c"]), &json!(2 * len())));
    assert_eq!((dir.names(), dir.blobs().len()), (vec!["b".to_owned()], 1));
    let text = dir.run(["evict", "--larger", "1k", "--gc"]).fine();
    assert!(text.text().starts_with("evicted b\nevicted 1 entry\nremoved 1 blob (68.4 KiB) in "), "{}", text.text());
    assert_eq!(dir.run(["evict", "--larger", "1k"]).fine().text(), "evicted 0 entries\n");
}

#[test]
fn evict_spares_what_is_pinned_unless_that_is_meant() {
    let dir = Dir::new();
    for name in ["a", "b", "c"] {
        put_with(&dir, name, |writer| writer.pin(name != "c"));
    }
    let run = dir.run(["evict", "--newer", "1h"]).fine();
    assert!(run.text().contains("evicted c\n") && run.text().contains("spared 2 pinned entries"), "{}", run.text());
    assert_eq!(dir.names(), ["a", "b"]);
    assert_eq!(dir.json(["evict", "--newer", "1h"])["spared"], 2);
    dir.run(["evict", "a"]).fine();
    assert_eq!(dir.names(), ["b"], "who names an entry means it");
    dir.run(["evict", "--pinned"]).fine();
    assert_eq!(dir.names(), [""; 0]);
}

#[test]
fn evict_of_everything_has_to_be_meant() {
    let dir = Dir::new();
    dir.put("a", &npy_f64(&[1.0])).fine();
    dir.put("b", &npy_f64(&[2.0])).fine();
    dir.run(["evict"]).fails_saying(&["neither names nor filters", "--yes"]);
    dir.run_with_input(["evict"], b"yes\n").fails_saying(&["--yes"]);
    assert_eq!(dry(&dir, &["evict"])["evicted"], json!(["a", "b"]));
    dir.run(["evict", "--yes"]).fine();
    assert_eq!(dir.names(), [""; 0]);
}

#[test]
fn evict_goes_on_beside_damage_and_says_so() {
    let dir = Dir::new();
    put_with(&dir, "good", |writer| writer);
    put_with(&dir, "bad", |writer| writer);
    let key = ndstash::Key::from_name("bad").unwrap().to_string();
    crate::common::rot(&dir.store().join("entries").join(&key[..2]).join(&key), |bytes| bytes[100] ^= 1);
    let run = dir.run(["evict", "bad"]).ends(1);
    assert!(run.err.contains("\"bad\"") && run.err.contains("`ndstash rm`"), "{}", run.err);
    let run = dir.run(["evict", "--newer", "1h"]).ends(1);
    assert!(run.err.contains("damaged") && run.text().contains("evicted good"), "{run:?}");
    put_with(&dir, "good", |writer| writer);
    dir.run(["evict", "good", "--gc"]).fails_saying(&["1 entry evicted, and not collected", "no blob was removed"]);
    assert!(!dir.run(["ls"]).ends(1).text().contains("good"));
    dir.run(["rm", "bad"]).fine();
}

#[test]
fn limits_are_shown_set_and_kept() {
    let dir = Dir::new();
    let none = json!({ "bytes": null, "entries": null, "age_seconds": null, "policy": "lru" });
    assert_eq!(dir.json(["limit"]), none);
    let set = dir.json(["limit", "--bytes", "50G", "--entries", "1000", "--age", "30d", "--policy", "cost"]);
    let all = json!({ "bytes": 50u64 << 30, "entries": 1000, "age_seconds": 30 * 86_400, "policy": "cost" });
    assert_eq!((&set, &dir.json(["limit"])), (&all, &all));
    let text = dir.run(["limit"]).fine();
    for word in ["50.0 GiB", "1000", "30.0d", "cost"] {
        assert!(text.text().contains(word), "{word}: {}", text.text());
    }
    let text = dir.run(["limit", "--bytes", "none", "--policy", "lru"]).fine();
    assert!(text.text().contains("`ndstash cull`"), "{}", text.text());
    assert_eq!(dir.json(["limit"])["entries"], 1000, "what is not said stays");
    dir.run(["limit", "--entries", "none", "--age", "none"]).fine();
    assert_eq!(dir.json(["limit"]), none);
    for (option, value) in [("--bytes", "lots"), ("--entries", "1k"), ("--age", "30"), ("--policy", "random")] {
        let run = dir.run(["limit", option, value]).ends(2);
        assert!(run.err.contains(option) && run.err.contains(value), "{}", run.err);
    }
    dir.run(["limit", "--bytes", "15E"]).fails_saying(&["limit", "2^63"]);
    assert_eq!(dir.json(["limit"]), none);
}

#[test]
fn a_store_with_a_limit_keeps_to_it_and_stats_says_how_full_it_is() {
    let dir = Dir::new();
    dir.run(["limit", "--bytes", "300k"]).fine();
    for seed in 0..6 {
        dir.put(&format!("n{seed}"), &npy_large(seed)).fine();
    }
    let names = dir.names();
    assert!(names.contains(&"n5".to_owned()) && !names.contains(&"n0".to_owned()), "{names:?}");
    let stats = dir.json(["stats"]);
    let counted = stats["counted_bytes"].as_u64().unwrap();
    assert!(counted <= 300 << 10 && counted >= 2 * len(), "{stats}");
    assert_eq!(stats["limit"]["bytes"], 300 << 10);
    let text = dir.run(["stats"]).fine();
    assert!(text.text().contains("300.0 KiB by lru, ") && text.text().contains("% full"), "{}", text.text());
}

#[test]
fn cull_tells_what_went_and_why() {
    let dir = Dir::new();
    dir.put("big", &npy_large(1)).fine();
    dir.put("kept", &npy_large(2)).fine();
    put_with(&dir, "over", |writer| writer.expires(Some(now_ns() - 1)));
    put_with(&dir, "idle", |writer| writer);
    dir.leave_unused("idle", 3 * DAY);
    dir.leave_unused("big", DAY / 2);
    dir.run(["limit", "--age", "2d"]).fine();
    let plan = dry(&dir, &["cull", "--to", "100k"]);
    let reasons = |report: &Value| {
        let evicted = report["evicted"].as_array().unwrap().iter();
        let mut said: Vec<String> = evicted.map(|one| format!("{}: {}", one["name"], one["reason"])).collect();
        said.sort();
        said
    };
    let expected = ["\"big\": \"limit\"", "\"idle\": \"unused\"", "\"over\": \"expired\""];
    assert_eq!(reasons(&plan), expected);
    assert_eq!((&plan["entries_before"], &plan["still_over"]), (&json!(4), &json!(false)));
    let text = dir.run(["cull", "--to", "100k", "--dry-run"]).fine();
    assert!(text.text().contains("would evict 3 entries of 4") && text.text().contains("expired"), "{}", text.text());
    let report = dir.json(["cull", "--to", "100k"]);
    assert_eq!(reasons(&report), expected);
    assert_eq!(report["bytes_after"], plan["bytes_after"]);
    assert_eq!(report["gc"]["bytes_freed"], len());
    assert_eq!((dir.names(), dir.blobs().len()), (vec!["kept".to_owned()], 1));
    assert_eq!(dir.json(["limit"])["bytes"], Value::Null, "--to is for one run");
    let again = dir.run(["cull"]).fine();
    assert!(again.text().starts_with("evicted 0 entries of 1\n"), "{}", again.text());
}

#[test]
fn cull_goes_by_the_policy_asked_for_and_says_when_it_was_not_enough() {
    let dir = Dir::new();
    for (name, seconds) in [("dear", 1000), ("cheap", 1)] {
        put_with(&dir, name, |writer| writer.compute_time(std::time::Duration::from_secs(seconds)));
    }
    let bytes = dir.json(["stats"])["counted_bytes"].as_u64().unwrap();
    let to = (bytes - 1).to_string();
    let first = |policy: &str| dry(&dir, &["cull", "--to", &to, "--policy", policy])["evicted"][0]["name"].clone();
    assert_eq!((first("cost"), first("oldest")), (json!("cheap"), json!("dear")));
    dir.run(["pin", "dear", "cheap"]).fine();
    let run = dir.run(["cull", "--to", &to]).fine();
    assert!(run.text().contains("still over the limit"), "{}", run.text());
    assert_eq!(dir.json(["cull", "--to", &to])["still_over"], true);
    assert_eq!(dir.names(), ["cheap", "dear"]);
    for args in [["--to", "all"], ["--policy", "random"], ["--wait", "-1"]] {
        dir.run(["cull", &args.join("=")]).ends(2);
    }
}
