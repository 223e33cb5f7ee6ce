//! Other forms of input and output: .npz, folders, standard input and output, raw bytes.

use std::io::{Cursor, Read};
use std::process::Stdio;

use serde_json::json;
use zip::CompressionMethod;

use super::{Dir, Run, files_below, large, npy, npy_f64, npy_large, npz, split_npy};

fn members() -> Vec<(&'static str, Vec<u8>)> {
    vec![("small.npy", npy_f64(&[1.0, 2.0])), ("large.npy", npy_large(0)), ("in/side.npy", npy("'>i2'", "()", &[1, 2]))]
}

/// Name, header and data of each member.
fn read_npz(file: Vec<u8>) -> Vec<(String, String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(file)).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut member = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).unwrap();
            let (header, data) = split_npy(&bytes);
            assert_eq!((header.len() + 10) % 64, 0);
            (member.name().unwrap().into_owned(), header, data)
        })
        .collect()
}

#[test]
fn an_npz_is_one_entry_with_its_arrays_by_name() {
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let dir = Dir::new();
        dir.file("a.npz", &npz(&members(), method));
        let run = dir.run(["put", "a", "a.npz"]).fine();
        assert_eq!(run.err, "ndstash: a.npz: \"in/side\" is big-endian: converted to little-endian\n");
        let shown = dir.json(["show", "a"]);
        assert_eq!((&shown["kind"], &shown["arrays"][1]["field"]), (&json!("map"), &json!("large")));
        for output in ["b.npz", "-"] {
            let run = dir.run(["get", "a", "-o", output]).fine();
            let file = if output == "-" { run.out } else { dir.read(output) };
            let found = read_npz(file);
            let names: Vec<&str> = found.iter().map(|(name, ..)| &**name).collect();
            assert_eq!(names, ["small.npy", "large.npy", "in/side.npy"]);
            assert_eq!(found[0].2, split_npy(&members()[0].1).1);
            assert!(found[1].2 == large(0));
            assert_eq!(found[2].2, [2, 1]);
        }
        dir.run(["get", "a", "--field", "in/side", "-o", "side.npy"]).fine();
        assert_eq!(split_npy(&dir.read("side.npy")).1, [2, 1]);
    }
}

#[test]
fn a_field_that_is_not_there_and_a_map_in_one_array_are_refused() {
    let dir = Dir::new();
    dir.file("a.npz", &npz(&members(), CompressionMethod::Stored));
    dir.run(["put", "a", "a.npz"]).fine();
    let run = dir.run(["get", "a", "--field", "none", "-o", "x.npy"]).ends(1);
    assert!(run.err.contains("small, large, in/side"), "{}", run.err);
    dir.run(["get", "a", "-o", "x.npy"]).fails_saying(&["map of arrays", "--field", "x.npy"]);
    assert!(!dir.path("x.npy").exists());
    dir.put("one", &npy_f64(&[5.0])).fine();
    dir.run(["get", "one", "-o", "one.npz"]).fine();
    assert_eq!(read_npz(dir.read("one.npz"))[0].0, "arr_0.npy");
}

#[test]
fn a_folder_becomes_one_entry_a_file() {
    let dir = Dir::new();
    dir.file("data/x.npy", &npy_f64(&[1.0]));
    dir.file("data/deep/er/y.npy", &npy_f64(&[2.0]));
    dir.file("data/deep/z.v2.npz", &npz(&[("k.npy", npy_f64(&[3.0]))], CompressionMethod::Stored));
    dir.file("data/README", b"no array");
    let run = dir.run(["put", "all/", "data", "--tag", "t"]).fine();
    assert_eq!(run.err, "ndstash: passed over 1 file: neither .npy nor .npz\n");
    assert_eq!(dir.names(), ["all/deep/er/y", "all/deep/z.v2", "all/x"]);
    assert_eq!(dir.json(["ls", "--tag", "t"]).as_array().unwrap().len(), 3);
    dir.run(["get", "all/deep/er/y", "-o", "-"]).fine();
}

#[test]
fn a_folder_with_one_bad_file_puts_nothing() {
    let dir = Dir::new();
    dir.file("data/a.npy", &npy_large(1));
    dir.file("data/b.npy", b"not one");
    dir.run(["put", "all", "data"]).fails_saying(&["data/b.npy", "NUMPY"]);
    assert_eq!(dir.names(), [""; 0]);
    assert_eq!(dir.blobs().len(), 0);
}

#[test]
fn two_files_of_one_name_and_an_empty_folder_are_refused() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("data")).unwrap();
    dir.run(["put", "all", "data"]).fails_saying(&["no .npy or .npz below data"]);
    dir.file("data/a.npy", &npy_f64(&[1.0]));
    dir.file("data/a.npz", &npz(&[("k.npy", npy_f64(&[3.0]))], CompressionMethod::Stored));
    dir.run(["put", "all", "data"]).fails_saying(&["\"all/a\""]);
    assert_eq!(dir.names(), [""; 0]);
}

#[test]
fn standard_input_is_told_by_how_it_begins() {
    let dir = Dir::new();
    dir.run_with_input(["put", "npy", "-"], &npy_large(3)).fine();
    assert_eq!(dir.array("npy")["digest"], ndstash::Digest::of(&large(3)).to_string());
    let run = dir.run_with_input(["put", "npz", "-"], &npz(&members(), CompressionMethod::Deflated)).fine();
    assert!(run.err.contains("standard input: \"in/side\" is big-endian"), "{}", run.err);
    assert_eq!(dir.json(["show", "npz"])["arrays"][1]["digest"], ndstash::Digest::of(&large(0)).to_string());
    let run = dir.run_with_input(["put", "big", "-"], &npy("'>i2'", "()", &[1, 2])).fine();
    assert_eq!(run.err, "ndstash: standard input is big-endian: converted to little-endian\n");
    dir.run_with_input(["put", "other", "-"], b"text").fails_saying(&["standard input", "--raw"]);
    dir.run_with_input(["put", "other", "-"], b"").fails_saying(&["--raw"]);
    dir.run_with_input(["put", "raw", "-", "--raw"], b"text").fine();
    assert_eq!(dir.run(["get", "raw", "-o", "-"]).fine().out, b"text");
}

#[test]
fn streams_that_end_too_soon_or_go_on_are_refused() {
    let dir = Dir::new();
    for whole in [npy_large(1), npy_f64(&[1.0, 2.0])] {
        dir.run_with_input(["put", "a", "-"], &whole[..whole.len() - 1]).fails_saying(&["standard input", "expected"]);
        dir.run_with_input(["put", "a", "-"], &[&whole[..], b"x"].concat())
            .fails_saying(&["standard input", "or more"]);
    }
    assert_eq!((dir.names().len(), dir.blobs().len()), (0, 0));
}

#[test]
fn any_file_can_be_kept_as_the_bytes_it_is() {
    let dir = Dir::new();
    for bytes in [&b""[..], b"hello\x00world", &npy_f64(&[1.0]), &large(9)] {
        dir.file("notes.txt", bytes);
        dir.run(["put", "notes", "notes.txt", "--raw"]).fine();
        let shown = dir.json(["show", "notes"]);
        assert_eq!((&shown["kind"], &shown["bytes"]), (&json!("bytes"), &json!(bytes.len())));
        dir.run(["get", "notes", "-o", "out", "--force"]).fine();
        assert!(dir.read("out") == bytes);
    }
    let again = dir.json(["put", "again", "notes.txt", "--raw"]);
    assert_eq!(again["entries"][0]["new_blobs"], 0);
    assert_eq!(again["entries"][0]["shared_bytes"], large(9).len());
}

#[test]
fn a_pipe_takes_what_another_store_gives() {
    let (from, to) = (Dir::new(), Dir::new());
    from.put("a", &npy_large(5)).fine();
    let mut source = from.command().args(["get", "a", "-o", "-"]).stdout(Stdio::piped()).spawn().unwrap();
    Run::of(to.command().args(["put", "b", "-"]).stdin(source.stdout.take().unwrap())).fine();
    assert!(source.wait().unwrap().success());
    assert_eq!(from.array("a")["digest"], to.array("b")["digest"]);
}

#[test]
fn output_is_whole_or_not_there_and_replaced_only_if_asked() {
    let dir = Dir::new();
    dir.put("a", &npy_large(1)).fine();
    dir.file("out.npy", b"precious");
    dir.run(["get", "a", "-o", "out.npy"]).fails_saying(&["out.npy is there already", "--force"]);
    assert_eq!(dir.read("out.npy"), b"precious");
    dir.run(["get", "a", "-o", "none/out.npy"]).fails_saying(&["none", "No such file"]);
    std::fs::create_dir(dir.path("folder.npy")).unwrap();
    dir.run(["get", "a", "-o", "folder.npy", "--force"]).fails_saying(&["no regular file"]);
    dir.run(["get", "a", "-o", "out.npy", "--force"]).fine();
    assert!(split_npy(&dir.read("out.npy")).1 == large(1));
    let left = files_below(dir.temp.path()).into_iter().filter(|path| !path.starts_with(dir.store()));
    assert_eq!(left.count(), 2, "put.npy and out.npy");
}

#[test]
fn a_full_disk_at_the_output_is_a_clear_error() {
    let dir = Dir::new();
    dir.put("a", &npy_large(1)).fine();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let run = Run::of(dir.command().args(["get", "a", "-o", "-"]).stdout(full)).ends(2);
    assert!(run.err.contains("No space left"), "{}", run.err);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    Run::of(dir.command().arg("ls").stdout(full)).ends(2);
}
