//! The program, run as people and scripts run it.

mod bad_input;
mod caches;
mod damage;
mod entries;
mod files;
mod filters;
mod labels;
mod merge;
mod plant;
mod policy;
mod round_trip;
mod session;
mod space;

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// More bytes than lie inside an entry.
const LARGE: usize = 70_000;

/// A temporary directory with a store in it, and the program at hand.
struct Dir {
    temp: TempDir,
}

impl Dir {
    fn new() -> Self {
        let dir = Dir { temp: TempDir::new().unwrap() };
        dir.run(["init"]).fine();
        dir
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Makes a file, and the folders it is in.
    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The program with this directory's store, in this directory.
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ndstash"));
        command.current_dir(self.temp.path()).env_remove("NDSTASH_DIR").arg("--store").arg("store");
        command
    }

    fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        Run::of(self.command().args(args).stdin(Stdio::null()))
    }

    fn run_with_input<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, input: &[u8]) -> Run {
        let mut command = self.command();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Who does not read it all has a reason, which the test will look at.
        drop(child.stdin.take().unwrap().write_all(input));
        Run::from(child.wait_with_output().unwrap())
    }

    /// Puts a .npy under a name.
    fn put(&self, name: &str, npy: &[u8]) -> Run {
        self.file("put.npy", npy);
        self.run(["put", name, "put.npy"])
    }

    fn json<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Value {
        Run::of(self.command().arg("--json").args(args)).json()
    }

    /// The names that `ls` lists.
    fn names(&self) -> Vec<String> {
        self.run(["ls"]).fine().text().lines().map(str::to_owned).collect()
    }

    /// The one array of an entry, as `show --json` tells of it.
    fn array(&self, name: &str) -> Value {
        let arrays = self.json(["show", name])["arrays"].clone();
        assert_eq!(arrays.as_array().unwrap().len(), 1);
        arrays[0].clone()
    }

    fn blobs(&self) -> Vec<PathBuf> {
        files_below(&self.store().join("blobs"))
    }
}

/// Every file below a directory.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap);
    walk.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}

/// How a run ended, and what it said.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    out: Vec<u8>,
    err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(!err.contains("panicked"), "{err}");
        Run { code: output.status.code(), out: output.stdout, err }
    }
}

impl Run {
    fn of(command: &mut Command) -> Self {
        Run::from(command.output().unwrap())
    }

    #[track_caller]
    fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    #[track_caller]
    fn fine(self) -> Self {
        self.ends(0)
    }

    /// Failed, with each of these on standard error, no cause told twice, and nothing on standard output.
    #[track_caller]
    fn fails_saying(self, words: &[&str]) {
        let run = self.ends(2);
        assert!(run.out.is_empty(), "{run:?}");
        assert!(run.err.starts_with("ndstash: "), "{run:?}");
        for word in words {
            assert!(run.err.contains(word), "{word:?} in {}", run.err);
        }
        let mut causes: Vec<&str> = run.err.lines().map(|line| line.trim_start_matches("  because: ")).collect();
        causes.sort_unstable();
        assert!(causes.windows(2).all(|pair| pair[0] != pair[1]), "{}", run.err);
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A .npy of version 1, as numpy writes it.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    npy_of(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"), data)
}

fn npy_fortran(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    npy_of(&format!("{{'descr': {descr}, 'fortran_order': True, 'shape': {shape}, }}"), data)
}

fn npy_of(header: &str, data: &[u8]) -> Vec<u8> {
    let padded = (10 + header.len() + 1).next_multiple_of(64);
    let text = format!("{header:width$}\n", width = padded - 11);
    let len = u16::try_from(text.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &len[..], text.as_bytes(), data].concat()
}

/// One-dimensional `float64`.
fn npy_f64(values: &[f64]) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    npy("'<f8'", &format!("({},)", values.len()), &data)
}

/// One-dimensional `uint8`, large enough to be a blob, other bytes for another seed.
fn npy_large(seed: u8) -> Vec<u8> {
    npy("'|u1'", &format!("({LARGE},)"), &large(seed))
}

fn large(seed: u8) -> Vec<u8> {
    (0..LARGE).map(|at| u8::try_from(at % 251).unwrap() ^ seed).collect()
}

/// Splits a .npy into its header's text and its data.
fn split_npy(file: &[u8]) -> (String, Vec<u8>) {
    assert_eq!(&file[..8], b"\x93NUMPY\x01\x00");
    let len = usize::from(u16::from_le_bytes([file[8], file[9]]));
    let (header, data) = file[10..].split_at(len);
    (String::from_utf8(header.to_vec()).unwrap(), data.to_vec())
}

/// A .npz, compressed or not.
fn npz(members: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
