//! Running the independent reader, `tools/read_store.py`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The Python that has the packages of tools/requirements-test.txt.
pub(crate) fn python() -> PathBuf {
    let made = tools().join("../target/venv/bin/python");
    let chosen = std::env::var_os("NDSTASH_PYTHON").map_or(made, PathBuf::from);
    assert!(
        chosen.exists(),
        "{} is not there: run tools/setup, which makes it, or let NDSTASH_PYTHON name a Python that has its packages",
        chosen.display()
    );
    chosen
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools")
}

/// Runs the reader.
pub(crate) fn read_store(store: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(python());
    command.args(["-B", "-X", "utf8"]).arg(tools().join("read_store.py")).arg(store).args(args);
    command.output().unwrap()
}

/// The same with no more than so much memory to be had.
pub(crate) fn read_store_within(kib: u64, store: &Path, args: &[&str]) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -v {kib}; exec \"$@\""), "sh"]).arg(python());
    shell.args(["-B", "-X", "utf8"]).arg(tools().join("read_store.py")).arg(store).args(args);
    shell.output().unwrap()
}

/// Runs Python code that finds the folder of the reader in `sys.argv[1]`, and `path` behind it.
pub(crate) fn reader_code(code: &str, path: &Path) -> Output {
    let mut command = Command::new(python());
    command.args(["-B", "-X", "utf8", "-c", code]).arg(tools()).arg(path).output().unwrap()
}

/// What a command prints as JSON, and its exit code.
pub(crate) fn json_of(store: &Path, args: &[&str]) -> (Value, Option<i32>) {
    let output = read_store(store, args);
    let parsed = serde_json::from_slice(&output.stdout);
    (parsed.unwrap_or_else(|error| panic!("{error}\n{}", text(&output))), output.status.code())
}

/// All that a program printed.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
