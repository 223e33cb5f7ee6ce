//! `verify`: is every blob what its name says, and every entry whole?

use indicatif::ProgressBar;
use ndstash::{Problem, Repair, VerifyEvent, VerifyOptions, VerifyReport};
use serde_json::{Value, json};

use crate::cli::app::{App, Verdict, say};
use crate::cli::args::VerifyArgs;
use crate::cli::failure::{Context, Result};
use crate::cli::format::{Report, clean, count, size};
use crate::cli::progress;

/// The verdict is that there were problems also when all of them were repaired: data was lost.
pub(crate) fn run(app: &mut App, args: &VerifyArgs) -> Result<Verdict> {
    let store = if args.repair { app.open()? } else { app.open_to_read()? };
    let bar = progress::bytes_to_come("verify");
    let options = VerifyOptions::new().repair(args.repair).alone(args.alone);
    let verified = store.verify(&options, &|event| observe(&bar, event));
    bar.finish_and_clear();
    let report = verified.context(|| format!("cannot verify {}", store.path().display()))?;
    app.report(&json(&report), &people(&report))?;
    Ok(Verdict::fine_if(report.problems.is_empty()))
}

/// Problems are told when they are found, and repairs before they are done.
fn observe(bar: &ProgressBar, event: VerifyEvent<'_>) {
    match event {
        VerifyEvent::Total { bytes, .. } => bar.set_length(bytes),
        VerifyEvent::Checked { bytes } => bar.inc(bytes),
        VerifyEvent::Problem(problem) => bar.suspend(|| say(told(problem))),
        VerifyEvent::Repairing(repair) => bar.suspend(|| say(format_args!("repair: {}", step(repair)))),
    }
}

fn told(problem: &Problem) -> String {
    let needed = match problem.entries.len() {
        0 => String::new(),
        _ => format!("; needed by {}", problem.entries.join(", ")),
    };
    clean(&format!("{}: {}: {}{needed}", problem.kind, problem.path.display(), problem.detail)).into_owned()
}

fn step(repair: &Repair) -> String {
    clean(&format!("{}: {}", repair.path.display(), repair.action)).into_owned()
}

pub(crate) fn json(report: &VerifyReport) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "kind": problem.kind.name(),
            "path": problem.path.to_string_lossy(),
            "detail": problem.detail,
            "entries": problem.entries,
        })
    };
    let repair = |repair: &Repair| json!({ "path": repair.path.to_string_lossy(), "action": repair.action });
    json!({
        "entries": report.entries,
        "blobs": report.blobs,
        "bytes": report.bytes,
        "problems": report.problems.iter().map(problem).collect::<Vec<_>>(),
        "repaired": report.repaired.iter().map(repair).collect::<Vec<_>>(),
        "left": report.left.iter().map(repair).collect::<Vec<_>>(),
    })
}

pub(crate) fn people(report: &VerifyReport) -> Report {
    let mut lines = Report::new();
    let (entries, blobs) = (count(report.entries, "entry"), count(report.blobs, "blob"));
    lines.line(format_args!("checked {entries} and {blobs} ({})", size(report.bytes)));
    match report.problems.len() as u64 {
        0 => lines.line("all is well"),
        problems => lines.line(format_args!("found {}", count(problems, "problem"))),
    }
    if !report.repaired.is_empty() {
        lines.line(format_args!("did {}", count(report.repaired.len() as u64, "step") + " of repair"));
    }
    for repair in &report.left {
        lines.line(format_args!("left as it is: {}", step(repair)));
    }
    lines
}
