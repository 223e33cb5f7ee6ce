//! The README tells the truth: its console blocks are run by a shell, and its examples here. (Its Rust code is a
//! documentation test.)

#![cfg(unix)]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "tests make the files they need")]
#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps; helpers are part of tests")]

use std::path::Path;
use std::process::Command;

#[path = "../examples/bundle.rs"]
mod bundle;
#[path = "../examples/larger_than_memory.rs"]
mod larger_than_memory;
#[path = "../examples/quickstart.rs"]
mod quickstart;
#[path = "../examples/sweep.rs"]
mod sweep;

/// Printed by the shell after each command.
const MARK: &str = "\u{1}";

#[test]
fn the_quick_start_runs() {
    quickstart::main().unwrap();
}

#[test]
fn the_bundle_example_runs() {
    bundle::main().unwrap();
}

#[test]
fn the_larger_than_memory_example_runs() {
    larger_than_memory::main().unwrap();
}

#[test]
fn the_sweep_example_runs() {
    sweep::main().unwrap();
}

#[test]
fn the_console_blocks_print_what_they_say() {
    let dir = tempfile::tempdir().unwrap();
    write_field(&dir.path().join("field.npy"));
    let steps = console_steps(&std::fs::read_to_string("README.md").unwrap());
    assert!(steps.len() > 5, "{steps:?}");
    let outputs = run(dir.path(), steps.iter().map(|step| step.command.as_str()));
    for (step, output) in steps.iter().zip(&outputs) {
        assert!(
            agrees(&step.output, output),
            "$ {}\n-- the README has\n{}\n-- it prints\n{output}",
            step.command,
            step.output
        );
    }
    assert_eq!(steps.len(), outputs.len(), "the last command ended the shell:\n{}", outputs.last().unwrap());
}

/// A command of the README, and the output below it.
#[derive(Debug, PartialEq)]
struct Step {
    command: String,
    output: String,
}

fn console_steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match (inside, line.strip_prefix("$ ")) {
            _ if line.starts_with("```") => inside = line == "```console",
            (false, _) => {}
            (true, Some(command)) => steps.push(Step { command: command.into(), output: String::new() }),
            (true, None) => {
                let step = steps.last_mut().expect("a console block begins with a command");
                step.output = step.output.clone() + line + "\n";
            }
        }
    }
    steps
}

/// Runs all commands in one shell, so that one may set what the next one needs.
fn run<'a>(dir: &Path, commands: impl Iterator<Item = &'a str>) -> Vec<String> {
    let step = |command| format!("{command}\nstatus=$?; printf '{MARK}'; (exit $status)\n");
    let script: String = commands.map(step).collect();
    let programs = Path::new(env!("CARGO_BIN_EXE_ndstash")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let shell = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .current_dir(dir)
        .env("PATH", path)
        .env_remove("NDSTASH_DIR")
        .output()
        .unwrap();
    let all = String::from_utf8(shell.stdout).unwrap();
    all.split_terminator(MARK).map(str::to_owned).collect()
}

/// Whether text is as the README has it. There `...` stands for anything within a line, and alone on a line for any
/// number of lines. Spaces at the ends of lines do not count.
fn agrees(pattern: &str, text: &str) -> bool {
    let lines = |text: &'_ str| text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    lines_agree(&lines(pattern), &lines(text))
}

fn lines_agree(pattern: &[String], text: &[String]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (Some((any, rest)), _) if any == "..." => (0..=text.len()).any(|skip| lines_agree(rest, &text[skip..])),
        (Some((first, rest)), Some((line, others))) => line_agrees(first, line) && lines_agree(rest, others),
        (pattern, text) => pattern.is_none() && text.is_none(),
    }
}

fn line_agrees(pattern: &str, line: &str) -> bool {
    match pattern.split_once("...") {
        None => pattern == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|tail| {
            tail.char_indices().map(|(at, _)| at).chain([tail.len()]).any(|at| line_agrees(rest, &tail[at..]))
        }),
    }
}

/// Writes what `numpy.save("field.npy", numpy.arange(1e6).reshape(1000, 1000))` does.
fn write_field(path: &Path) {
    let head = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000, 1000), }";
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend(format!("{head:<117}\n").bytes());
    assert_eq!(file.len(), 128);
    file.extend((0..1_000_000_u32).flat_map(|value| f64::from(value).to_le_bytes()));
    std::fs::write(path, file).unwrap();
}

#[test]
fn commands_and_outputs_are_told_apart() {
    let readme = "$ no\n```console\n$ one 1\na\n\nb\n$ two\n```\n```sh\n$ no\n```\n";
    let step = |command: &str, output: &str| Step { command: command.into(), output: output.into() };
    assert_eq!(console_steps(readme), [step("one 1", "a\n\nb\n"), step("two", "")]);
}

#[test]
fn three_dots_stand_for_anything_and_the_rest_for_itself() {
    let cases = [
        ("a\nb\n", "a\nb\n", true),
        ("a\n", "a \n\n", true),
        ("a\n", "b\n", false),
        ("a\n", "a\nb\n", false),
        ("", "a\n", false),
        ("in ...ms, ... times\n", "in 1.5ms, 3 times\n", true),
        ("in ...ms\n", "in 1.5us\n", false),
        ("...\nc\n", "a\nb\nc\n", true),
        ("a\n...\n", "a\n", true),
        ("a\n...\nd\n", "a\nb\nc\n", false),
    ];
    for (pattern, text, expected) in cases {
        assert_eq!(agrees(pattern, text), expected, "{pattern:?} {text:?}");
    }
}

#[test]
fn a_shell_keeps_what_a_command_sets() {
    let outputs = run(Path::new("."), ["x=1", "echo $x", "echo word >&2", "false", "echo $?"].into_iter());
    assert_eq!(outputs, ["", "1\n", "word\n", "", "1\n"]);
}
