//! Around the verbs: which store, exit codes, pipes, help, completions, the demo.

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use serde_json::json;

use super::{Dir, Run, npy_f64, npy_large};

fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ndstash"));
    command.env_remove("NDSTASH_DIR").stdin(Stdio::null());
    command
}

#[test]
fn the_environment_names_the_default_store() {
    let dir = Dir::new();
    dir.put("a", &npy_f64(&[1.0])).fine();
    assert_eq!(Run::of(bare().env("NDSTASH_DIR", dir.store()).arg("ls")).fine().text(), "a\n");
    let other = dir.path("other");
    Run::of(bare().arg("init").arg(&other)).fine();
    let run = Run::of(bare().env("NDSTASH_DIR", dir.store()).args(["ls", "--store"]).arg(&other)).fine();
    assert_eq!(run.text(), "", "--store goes before the environment, and may stand after the verb");
    Run::of(bare().env("NDSTASH_DIR", dir.path("third")).arg("init")).fine();
    assert!(dir.path("third/ndstash.toml").exists());
    Run::of(bare().arg("ls")).fails_saying(&["--store", "NDSTASH_DIR"]);
    Run::of(bare().env("NDSTASH_DIR", "").arg("ls")).fails_saying(&["--store", "NDSTASH_DIR"]);
    Run::of(bare().arg("init")).fails_saying(&["--store", "NDSTASH_DIR"]);
}

#[test]
fn a_shared_store_is_made_for_a_group() {
    let dir = Dir::new();
    let made = dir.json(["init", "shared", "--shared"]);
    assert_eq!(made["shared"], true);
    let stat = std::fs::metadata(dir.path("shared")).unwrap();
    assert_eq!(stat.mode() & 0o7777, 0o2770);
    dir.run(["init", "own", &format!("--shared={}", stat.gid())]).fine();
    assert_eq!(std::fs::metadata(dir.path("own")).unwrap().gid(), stat.gid());
    let run = dir.run(["init", "with", "--shared=no-such-group"]);
    run.fails_saying(&["no-such-group", "/etc/group"]);
    assert!(!dir.path("with").exists());
    dir.run(["--store", "shared", "ls"]).ends(2);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let dir = Dir::new();
    dir.put("a", &npy_large(1)).fine();
    for args in [&["ls"][..], &["get", "a", "-o", "-"], &["stats", "--json"], &["completions", "bash"], &["gc"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = Run::of(dir.command().args(args).stdout(writer)).fine();
        assert_eq!(run.err, "", "{args:?}");
    }
}

#[test]
fn exit_codes_tell_what_happened() {
    let dir = Dir::new();
    dir.run(["ls"]).fine();
    for args in [&["show", "none"][..], &["get", "none", "-o", "x"], &["rm", "none"], &["why", "00"]] {
        let run = dir.run(args).ends(1);
        assert!(run.err.starts_with("ndstash: ") && run.err.lines().count() == 1, "{}", run.err);
    }
    for args in [&[][..], &["nonsense"], &["put", "a"], &["ls", "--nonsense"], &["gc", "--wait", "-1"]] {
        dir.run(args).ends(2);
    }
    assert!(dir.run(["--help"]).fine().text().contains("completions"));
    assert!(dir.run(["--version"]).fine().text().starts_with("ndstash 0."));
}

#[test]
fn every_report_is_json_on_request() {
    let dir = Dir::new();
    dir.file("a.npy", &npy_large(1));
    let reports = [
        &["put", "a", "a.npy"][..],
        &["cp", "a", "b"],
        &["mv", "b", "c"],
        &["ls"],
        &["ls", "-l"],
        &["show", "a"],
        &["show", "a", "--stats"],
        &["stats"],
        &["du"],
        &["why", &ndstash::Digest::of(&super::large(1)).to_string()],
        &["doctor"],
        &["tag", "a", "--add", "t"],
        &["pin", "a"],
        &["unpin", "a"],
        &["expire", "a", "--never"],
        &["limit"],
        &["limit", "--policy", "lru"],
        &["evict", "--expired"],
        &["cull", "--dry-run"],
        &["cull"],
        &["gc", "--dry-run"],
        &["gc"],
        &["verify"],
        &["verify", "--repair"],
        &["rm", "a"],
        &["init", "another"],
    ];
    for args in reports {
        let run = Run::of(dir.command().args(args).arg("--json"));
        assert!(run.json().is_object() || run.json().is_array(), "{args:?}");
        assert_eq!(run.err, "", "{args:?}");
        let text = dir.run(args);
        assert!(serde_json::from_slice::<serde_json::Value>(&text.out).is_err(), "{args:?} without it is for people");
    }
}

#[test]
fn doctor_looks_at_the_place() {
    let dir = Dir::new();
    let findings = dir.json(["doctor"]);
    let of =
        |name: &str| findings.as_array().unwrap().iter().find(|found| found["name"] == name).unwrap()["status"].clone();
    assert_eq!((of("locks"), of("access")), (json!("good"), json!("good")));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(dir.store(), mode).unwrap();
    let run = dir.run(["doctor"]).ends(1);
    assert!(run.text().contains("bad"), "{}", run.text());
}

#[test]
fn completions_are_scripts_that_know_the_verbs() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = Run::of(bare().args(["completions", shell])).fine();
        assert!(run.text().contains("ndstash") && run.text().contains("verify"), "{shell}");
    }
}

#[test]
fn the_demo_tells_its_story_on_any_arrays() {
    let dir = Dir::new();
    let picture: Vec<u8> = (0..300 * 200 * 3).map(|at| u8::try_from(at % 253).unwrap()).collect();
    dir.file("data/images/picture.npy", &super::npy("'|u1'", "(300, 200, 3)", &picture));
    dir.file("data/tables/table.npy", &super::npy("'<f8'", "(3, 2)", &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f].repeat(6)));
    let facts = Run::of(bare().current_dir(dir.temp.path()).args(["demo", "data", "--json"])).fine().json();
    assert_eq!((&facts["originals"], &facts["planned_bytes"]), (&json!(2), &facts["freed_bytes"]));
    assert!(facts["saved_bytes"].as_u64().unwrap() >= 2 * 180_000, "{facts}");
    let told = Run::of(bare().current_dir(dir.temp.path()).args(["demo", "data", "--keep", "kept"])).fine();
    assert!(told.text().contains("7. Verified"), "{}", told.text());
    assert_eq!(told.err, "");
    let names = dir.run(["--store", "kept", "ls"]);
    names.ends(2);
    let kept = Run::of(bare().arg("--store").arg(dir.path("kept")).arg("ls")).fine();
    assert_eq!(kept.text(), "data/images/picture\ndata/tables/table\nruns/2\nruns/latest\n");
    Run::of(bare().args(["demo", "/nonexistent"])).fails_saying(&["/nonexistent", "tools/demo"]);
}
