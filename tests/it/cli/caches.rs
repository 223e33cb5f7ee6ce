//! What caches leave in a store, shown: origins, counters, and why a call is a miss.

use std::time::Duration;

use ndarray::Array2;
use ndstash::{Cache, Digest, Store};
use serde_json::{Value, json};

use super::filters::put_with;
use super::plant::origin;
use super::{Dir, npy_f64};

const SECOND: u64 = 1_000_000_000;

#[test]
fn show_tells_where_an_entry_comes_from() {
    let dir = Dir::new();
    put_with(&dir, "a", |writer| writer.compute_time(Duration::from_secs(90)).encoding("other").unwrap());
    dir.originate("a", &origin("lab/ann", "simulate", "v7", &json!({ "rate": 0.5, "steps": [1, 2] })));
    dir.count(&[], &[("a", 12)]);
    let shown = dir.json(["show", "a"]);
    let expected = json!({
        "namespace": "lab/ann", "function": "simulate", "version": "v7", "host": "node7", "user": "ann",
        "key_parts": { "rate": 0.5, "steps": [1, 2] }, "hits": 12, "compute_seconds": 90.0, "encoding": "other",
        "expires": null, "expired": false, "pinned": false,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}");
    }
    assert!(shown["sequence"].as_u64().unwrap() > 0);
    let text = dir.run(["show", "a"]).fine();
    for word in ["lab/ann", "simulate", "v7", "node7", "ann", "rate = 0.5", "steps = [1,2]", "90.0s", "12", "other"] {
        assert!(text.text().contains(word), "{word}: {}", text.text());
    }
    dir.put("plain", &npy_f64(&[1.0])).fine();
    let plain = dir.json(["show", "plain"]);
    for name in ["namespace", "function", "version", "host", "user", "key_parts", "compute_seconds"] {
        assert_eq!(plain[name], Value::Null, "{name}");
    }
    assert_eq!((&plain["hits"], &plain["encoding"]), (&json!(0), &json!("tree")));
}

#[test]
fn stats_tells_what_caches_did() {
    let dir = Dir::new();
    let quiet = dir.json(["stats"])["cache"].clone();
    assert_eq!((&quiet["hits"], &quiet["hit_ratio"], &quiet["namespaces"]), (&json!(0), &Value::Null, &json!({})));
    assert!(!dir.run(["stats"]).fine().text().contains("namespace"));
    let ann = [30, 10, 1, 2, 3, 4, 5 * SECOND, 7200 * SECOND, 1 << 20, 3 << 20];
    let bob = [0, 10, 0, 0, 0, 0, SECOND, 0, 0, 0];
    dir.count(&[("ann", ann), ("bob", bob)], &[]);
    let cache = dir.json(["stats"])["cache"].clone();
    assert_eq!((&cache["hits"], &cache["misses"], &cache["hit_ratio"]), (&json!(30), &json!(20), &json!(0.6)));
    assert_eq!((&cache["seconds_saved"], &cache["seconds_computed"]), (&json!(7200.0), &json!(6.0)));
    let expected = json!({
        "hits": 30, "misses": 10, "hit_ratio": 0.75, "stale": 1, "damaged": 2, "failures": 3, "refused": 4,
        "seconds_computed": 5.0, "seconds_saved": 7200.0, "new_bytes": 1 << 20, "shared_bytes": 3 << 20,
    });
    assert_eq!(cache["namespaces"]["ann"], expected);
    assert_eq!(cache["namespaces"]["bob"]["hit_ratio"], 0.0);
    let text = dir.run(["stats"]).fine();
    let line = |begin: &str| text.text().lines().find(|line| line.trim_start().starts_with(begin)).unwrap().to_owned();
    for word in ["30", "10", "75 %", "2.0h", "5.0s", "1.0 MiB", "3.0 MiB"] {
        assert!(line("ann").contains(word), "{word}: {}", text.text());
    }
    assert!(line("all").contains("60 %"), "{}", text.text());
    let troubles = ["stale", "damaged", "failures", "refused"];
    assert!(troubles.iter().all(|trouble| line("namespace").contains(trouble)), "{}", text.text());
    assert!(line("ann").ends_with("1         2          3         4"), "{:?}", line("ann"));
    dir.count(&[("bob", bob)], &[]);
    let text = dir.run(["stats"]).fine();
    assert!(!troubles.iter().any(|trouble| text.text().contains(trouble)), "{}", text.text());
}

#[test]
fn the_parts_of_a_key_are_told_one_by_one_however_they_were_given() {
    let dir = Dir::new();
    let cache = Cache::new(Store::open(dir.store()).unwrap(), "lab").unwrap();
    let put = |dt: f64, mode: &str, verbose: bool| {
        let key = cache.key("simulate").arg("params", &json!({ "dt": dt, "mode": mode })).arg("size", &(3, 4));
        let key = key.arg("field", &Array2::<f64>::zeros((20, 30))).ignored("verbose", &verbose);
        cache.insert(key, &dt).unwrap().unwrap().key.to_string()
    };
    let keys = [put(0.1, "fast", false), put(0.2, "fast", true), put(0.3, "slow", false)];
    let shown = dir.run(["show", &keys[0]]).fine();
    let digest = Digest::of(&[0; 4800]).to_string();
    for fact in [
        " part       field = float64 (20, 30) ".to_owned() + &digest[..12],
        " part       params.dt = 0.1\n part       params.mode = \"fast\"\n".to_owned(),
        " part       size = [3,4]\n ignored    verbose = false\n".to_owned(),
    ] {
        assert!(shown.text().contains(&fact), "{fact}: {}", shown.text());
    }
    let explained = dir.run(["explain", &keys[0]]).fine();
    let [_, near, far] = keys;
    let said = format!(
        "{near}: 1 part differs\n  params.dt: 0.2 -> 0.1\n\
        {far}: 1 part differs\n  params.dt: 0.3 -> 0.1\n  params.mode: \"slow\" -> \"fast\"\n"
    );
    assert_eq!(explained.text(), said, "the nearest first, what was ignored not told");
    let bare = cache.sub("bare").unwrap();
    let keys = [0.1, 0.2].map(|dt| bare.insert(&(500, dt), &dt).unwrap().unwrap().key.to_string());
    let explained = dir.run(["explain", &keys[0]]).fine();
    assert_eq!(explained.text(), format!("{}: 1 part differs\n  the key.1: 0.2 -> 0.1\n", keys[1]));
    assert!(dir.run(["show", &keys[0]]).fine().text().contains(" part       [500,0.1]\n"));
}

#[test]
fn explain_does_not_tell_of_what_the_attribute_adds_unless_both_sides_have_it() {
    let dir = Dir::new();
    let cache = Cache::new(Store::open(dir.store()).unwrap(), "lab").unwrap();
    let put = |place: &str| cache.insert(cache.key("f").arg("<in>", place).arg("n", &1), &1).unwrap().unwrap().key;
    let keys = [put("here"), put("there")];
    let asked = dir.json(["explain", "--function", "f", "--part", "n=2", "-n", "1"]);
    assert_eq!(asked["neighbours"][0]["differences"], json!([{ "part": "n", "stored": 1, "asked": 2 }]));
    let moved = dir.json(["explain", &keys[0].to_string()]);
    let expected = json!([{ "part": "<in>", "stored": "there", "asked": "here" }]);
    assert_eq!(moved["neighbours"][0]["differences"], expected);
}

/// Three calls of one function, and one of another.
fn dir_with_calls() -> Dir {
    let dir = Dir::new();
    let calls = [
        ("near", "lab", "simulate", "1", json!({ "rate": 0.5, "steps": 10, "mode": "fast" })),
        ("far", "lab", "simulate", "1", json!({ "rate": 0.1, "steps": 20, "mode": "fast" })),
        ("other version", "lab", "simulate", "2", json!({ "rate": 0.5, "steps": 11, "mode": "fast" })),
        ("other function", "lab", "plot", "1", json!({ "rate": 0.5, "steps": 11, "mode": "fast" })),
    ];
    for (name, namespace, function, version, key) in calls {
        put_with(&dir, name, |writer| writer);
        dir.originate(name, &origin(namespace, function, version, &key));
    }
    dir
}

fn names(report: &Value) -> Vec<&str> {
    report["neighbours"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[test]
fn explain_tells_in_what_a_call_differs_from_those_stored() {
    let dir = dir_with_calls();
    let call = ["--part", "rate=0.5", "--part", "steps=11", "--part", "mode=\"fast\""];
    let asked = [&["explain", "--function", "simulate"][..], &call].concat();
    let report = dir.json([&asked[..], &["--code-version", "1"]].concat());
    assert_eq!(names(&report), ["other version", "near", "far"]);
    let near = &report["neighbours"];
    assert_eq!((&near[0]["differences"], &near[0]["same_version"]), (&json!([]), &json!(false)));
    assert_eq!(near[1]["differences"], json!([{ "part": "steps", "stored": 10, "asked": 11 }]));
    assert_eq!(near[2]["differences"].as_array().unwrap().len(), 2);
    assert_eq!(report["asked"]["parts"], json!({ "rate": 0.5, "steps": 11, "mode": "fast" }));
    let text = dir.run([&asked[..], &["--code-version", "1"]].concat()).fine();
    let said = "other version: has the same parts, of another version\n  version of the code: 2 -> 1\n\
        near: 1 part differs\n  steps: 10 -> 11\n\
        far: 2 parts differ\n  rate: 0.1 -> 0.5\n  steps: 20 -> 11\n";
    assert_eq!(text.text(), said);
    assert_eq!(names(&dir.json([&asked[..], &["-n", "1"]].concat())), ["other version"]);
    assert_eq!(dir.run(&asked).fine().text().lines().next(), Some("other version: has the same parts"));
}

#[test]
fn explain_tells_of_parts_that_came_or_went_and_of_types() {
    let dir = dir_with_calls();
    let call = ["--part", "rate=0.5", "--part", "steps=10.0", "--part", "seed=null"];
    let report = dir.json([&["explain", "--function", "simulate", "-n", "1"][..], &call].concat());
    let expected = json!([
        { "part": "steps", "stored": 10, "asked": 10.0 },
        { "part": "seed", "asked": null },
        { "part": "mode", "stored": "fast" },
    ]);
    assert_eq!(names(&report), ["other version"], "of those equally near, what was put last");
    let report = dir.json([&["explain", "--function", "simulate"][..], &call].concat());
    let near = report["neighbours"].as_array().unwrap().iter().find(|one| one["name"] == "near").unwrap().clone();
    assert_eq!(near["differences"], expected);
    let text = dir.run([&["explain", "--function", "simulate"][..], &call].concat()).fine();
    assert!(text.text().contains("  seed: nothing -> null\n  mode: \"fast\" -> nothing\n"), "{}", text.text());
}

#[test]
fn explain_compares_an_entry_with_its_neighbours() {
    let dir = dir_with_calls();
    for name in ["near", &ndstash::Key::from_name("near").unwrap().to_string()] {
        let report = dir.json(["explain", name]);
        assert_eq!(names(&report), ["other version", "far"], "itself is no neighbour");
        assert_eq!(report["neighbours"][0]["differences"], json!([{ "part": "steps", "stored": 11, "asked": 10 }]));
        assert_eq!(report["asked"]["version"], "1");
    }
    let run = dir.run(["explain", "other function"]).ends(1);
    assert_eq!(run.text(), "no other entry of function plot keeps the parts of its key\n");
}

#[test]
fn explain_says_what_it_cannot_compare() {
    let dir = dir_with_calls();
    dir.put("plain", &npy_f64(&[1.0])).fine();
    let run = dir.run(["explain", "plain"]).ends(1);
    assert!(run.err.contains("no cache computed it"), "{}", run.err);
    for name in ["none", &"0".repeat(64)] {
        let run = dir.run(["explain", name]).ends(1);
        assert!(run.err.contains("there is no entry") && run.err.contains("--part"), "{}", run.err);
    }
    dir.run(["explain", "--function", "unheard of"]).ends(1);
    dir.run(["explain", "--function", "simulate", "--namespace", "elsewhere"]).ends(1);
    let run = dir.run(["explain", "--function", "simulate", "--part", "mode=fast"]).ends(2);
    assert!(run.err.contains("double quotes"), "{}", run.err);
    for args in [&["explain"][..], &["explain", "near", "--function", "f"], &["explain", "near", "--part", "a=1"]] {
        dir.run(args).ends(2);
    }
}
