//! Bad input: each a clear error that names the path and what is expected, with nothing lost or half made.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use tempfile::TempDir;
use zip::CompressionMethod;

use super::{Dir, Run, npy, npy_f64, npy_large, npy_of, npz};

/// Puts a bad file of this name; nothing may be left of it.
#[track_caller]
fn refused(dir: &Dir, file: &str, bytes: &[u8], words: &[&str]) {
    dir.file(file, bytes);
    dir.run(["put", "a", file]).fails_saying(words);
    assert_eq!((dir.names().len(), dir.blobs().len()), (0, 0));
}

#[test]
fn a_file_that_is_missing_or_of_another_kind() {
    let dir = Dir::new();
    dir.run(["put", "a", "none.npy"]).fails_saying(&["none.npy", "No such file"]);
    refused(&dir, "a.csv", b"1,2", &["a.csv", "ends neither in .npy nor in .npz", "--raw"]);
    refused(&dir, "a.npy", b"", &["a.npy", "it is empty"]);
    refused(&dir, "a.npy", b"\x7fELF\x02\x01\x01", &["a.npy", "\\x7fELF", "\\x93NUMPY"]);
    refused(&dir, "a.npy", &npz(&[], CompressionMethod::Stored), &["a.npy", "begins with \"PK"]);
    refused(&dir, "a.npz", &npy_f64(&[1.0]), &["a.npz", "zip archive"]);
    dir.run(["put", "a", "store", "--raw"]).fails_saying(&["store is a folder"]);
}

#[test]
fn element_types_that_are_not_stored() {
    let dir = Dir::new();
    refused(&dir, "a.npy", &npy("'|O'", "(1,)", b"pickle"), &["a.npy", "'|O'", "Python objects", "float64"]);
    refused(&dir, "a.npy", &npy("'<U3'", "(1,)", &[0; 12]), &["a.npy", "'<U3'", "strings"]);
    refused(&dir, "a.npy", &npy("'|S3'", "(1,)", b"abc"), &["'|S3'", "strings"]);
    refused(&dir, "a.npy", &npy("'<M8[ns]'", "(1,)", &[0; 8]), &["'<M8[ns]'", "int64"]);
    refused(
        &dir,
        "a.npy",
        &npy("[('x', '<f4'), ('y', '<i4')]", "(1,)", &[0; 8]),
        &["a structured type", "('x', '<f4')"],
    );
    refused(&dir, "a.npy", &npy("'<f16'", "(1,)", &[0; 16]), &["'<f16'", "width"]);
    refused(&dir, "a.npy", &npy("'<z9'", "(1,)", &[0; 9]), &["a.npy"]);
    let members = [("good.npy", npy_large(0)), ("bad.npy", npy("'|O'", "(1,)", b"pickle"))];
    refused(&dir, "a.npz", &npz(&members, CompressionMethod::Deflated), &["a.npz", "\"bad.npy\"", "'|O'"]);
}

#[test]
fn values_and_shapes_that_cannot_be() {
    let dir = Dir::new();
    refused(&dir, "a.npy", &npy("'|b1'", "(3,)", &[0, 1, 2]), &["a.npy", "a bool is stored as 2"]);
    refused(&dir, "a.npy", &npy("'<f8'", "(4294967296, 4294967296)", &[]), &["a.npy", "than can be counted"]);
    refused(&dir, "a.npy", &npy("'<f8'", "(-1,)", &[]), &["a.npy", "negative"]);
    let many = format!("({})", "1, ".repeat(65));
    refused(&dir, "a.npy", &npy("'|u1'", &many, &[1]), &["a.npy", "number of dimensions is 65"]);
    refused(&dir, "a.npy", &npy("'<f8'", "(0, 99999999999999999999)", &[]), &["a.npy", "than can be counted"]);
    let hidden = "{'''a'b''': 0, 'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }";
    refused(&dir, "a.npy", &npy_of(hidden, &[]), &["a.npy", "three quotes"]);
    let deep = format!("{{'descr': {}'<f8'{}, }}", "(".repeat(20_000), ")".repeat(20_000));
    refused(&dir, "a.npy", &npy_of(&deep, &[]), &["a.npy", "nests deeper"]);
}

#[test]
fn files_that_were_cut_or_grew() {
    let dir = Dir::new();
    for whole in [npy_f64(&[1.0, 2.0]), npy_large(1)] {
        for len in [1, 7, 9, 40, whole.len() - 1] {
            refused(&dir, "a.npy", &whole[..len], &["a.npy"]);
        }
        refused(&dir, "a.npy", &whole[..whole.len() - 1], &["it is truncated"]);
        refused(&dir, "a.npy", &[&whole[..], &whole].concat(), &["something follows the array"]);
    }
    let members = [("x.npy", npy_large(1)), ("y.npy", npy_f64(&[1.0]))];
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let whole = npz(&members, method);
        for len in [1, 4, 100, whole.len() / 2, whole.len() - 1] {
            refused(&dir, "a.npz", &whole[..len], &["a.npz"]);
        }
        let mut flipped = whole.clone();
        flipped[200] ^= 1;
        refused(&dir, "a.npz", &flipped, &["a.npz"]);
    }
    let cut = npy_large(1);
    let inside = npz(&[("x.npy", cut[..cut.len() - 5].to_vec())], CompressionMethod::Stored);
    refused(&dir, "a.npz", &inside, &["a.npz", "\"x.npy\"", "it is truncated"]);
    refused(&dir, "a.npz", &npz(&[("readme.txt", b"hello".to_vec())], CompressionMethod::Stored), &["readme.txt"]);
}

#[test]
fn names_that_cannot_be() {
    let dir = Dir::new();
    dir.file("a.npy", &npy_large(1));
    dir.run(["put", "", "a.npy"]).fails_saying(&["one character"]);
    dir.run(["put", "a\tb", "a.npy"]).fails_saying(&["\"a\\tb\"", "control characters"]);
    dir.run(["put", &"x".repeat(1025), "a.npy"]).fails_saying(&["1024"]);
    dir.run(["put", "a", "a.npy", "--tag", "t\u{7}"]).ends(2);
    dir.run(["put", "a", "a.npy", "--meta", "novalue"]).ends(2);
    assert_eq!((dir.names().len(), dir.blobs().len()), (0, 0));
}

#[test]
fn stores_that_are_none() {
    let dir = Dir::new();
    dir.file("file", b"precious");
    dir.file("full/data", b"precious");
    let with = |store: &str, verb: &[&str]| {
        Run::of(
            Command::new(env!("CARGO_BIN_EXE_ndstash"))
                .current_dir(dir.temp.path())
                .args(["--store", store])
                .args(verb),
        )
    };
    with("none", &["ls"]).fails_saying(&["\"none\"", "there is no such directory"]);
    with("file", &["ls"]).fails_saying(&["\"file\"", "this is a file"]);
    with("full", &["ls"]).fails_saying(&["\"full\"", "ndstash.toml"]);
    with("file", &["init"]).fails_saying(&["\"file\"", "this is a file"]);
    with("full", &["init"]).fails_saying(&["\"full\"", "holds other files"]);
    with("store", &["init"]).fails_saying(&["\"store\"", "there is a store already"]);
    assert_eq!((dir.read("file"), dir.read("full/data")), (b"precious".to_vec(), b"precious".to_vec()));
    assert_eq!(fs::read_dir(dir.path("full")).unwrap().count(), 1);
    dir.file("future/ndstash.toml", b"format = 99\n");
    with("future", &["ls"]).fails_saying(&["99", "not supported"]);
}

/// A user who owns nothing.
const NOBODY: u32 = 65534;

/// The program as a user who may not do everything.
fn unprivileged(command: &mut Command) -> &mut Command {
    // Root alone can give away what it made.
    let probe = TempDir::new().unwrap();
    let is_root = std::os::unix::fs::chown(probe.path(), Some(NOBODY), None).is_ok();
    if is_root { command.uid(NOBODY).gid(NOBODY) } else { command }
}

#[test]
fn files_and_stores_without_permission() {
    let temp = TempDir::new().unwrap();
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ndstash"));
        Run::of(unprivileged(command.current_dir(temp.path()).env("NDSTASH_DIR", "store").args(args)))
    };
    run(&["init"]).fine();
    fs::write(temp.path().join("a.npy"), npy_f64(&[1.0])).unwrap();
    fs::set_permissions(temp.path().join("a.npy"), fs::Permissions::from_mode(0o000)).unwrap();
    run(&["put", "a", "a.npy"]).fails_saying(&["cannot open a.npy", "Permission denied"]);
    fs::set_permissions(temp.path().join("a.npy"), fs::Permissions::from_mode(0o444)).unwrap();
    run(&["put", "a", "a.npy"]).fine();
    fs::set_permissions(temp.path().join("store"), fs::Permissions::from_mode(0o000)).unwrap();
    run(&["ls"]).fails_saying(&["cannot open store", "Permission denied"]);
    fs::set_permissions(temp.path().join("store"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::create_dir(temp.path().join("closed")).unwrap();
    fs::set_permissions(temp.path().join("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    run(&["get", "a", "-o", "closed/out.npy"]).fails_saying(&["Permission denied"]);
    run(&["init", "closed/store"]).fails_saying(&["closed/store", "Permission denied"]);
}

#[test]
fn a_store_that_may_only_be_read_can_be_read() {
    let temp = TempDir::new().unwrap();
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ndstash"));
        Run::of(unprivileged(command.current_dir(temp.path()).env("NDSTASH_DIR", "store").args(args)))
    };
    fs::write(temp.path().join("a.npy"), npy_large(1)).unwrap();
    run(&["init"]).fine();
    run(&["put", "a", "a.npy"]).fine();
    let directories = || walkdir::WalkDir::new(temp.path().join("store")).into_iter().map(Result::unwrap);
    for found in directories().filter(|found| found.file_type().is_dir()) {
        fs::set_permissions(found.path(), fs::Permissions::from_mode(0o555)).unwrap();
    }
    for args in [&["ls"][..], &["show", "a", "--stats"], &["stats"], &["du"], &["gc", "--dry-run"], &["verify"]] {
        run(args).fine();
    }
    for args in [&["limit"][..], &["cull", "--to", "1k", "--dry-run"], &["evict", "a", "--dry-run"]] {
        run(args).fine();
    }
    run(&["get", "a", "-o", "out.npy"]).fine();
    fs::write(temp.path().join("b.npy"), npy_large(2)).unwrap();
    run(&["put", "b", "b.npy"]).fails_saying(&["Permission denied"]);
    run(&["rm", "a"]).fails_saying(&["Permission denied"]);
    for found in directories().filter(|found| found.file_type().is_dir()) {
        fs::set_permissions(found.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_write_that_fails_in_the_middle_leaves_nothing() {
    let dir = Dir::new();
    dir.file("a.npy", &npy_large(1));
    let shell = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --store store put a a.npy";
    let mut command = Command::new("sh");
    command.args(["-c", shell, env!("CARGO_BIN_EXE_ndstash")]).current_dir(dir.temp.path());
    Run::of(&mut command).fails_saying(&["cannot put a.npy as \"a\"", "File too large"]);
    assert_eq!((dir.names().len(), dir.blobs().len()), (0, 0));
    assert_eq!(super::files_below(&dir.store().join("tmp")).len(), 0);
    dir.run(["put", "a", "a.npy"]).fine();
}
