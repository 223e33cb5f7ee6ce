//! `doctor`: do machine and file system keep what the store relies on?

use ndstash::{Finding, FindingStatus};
use serde_json::{Value, json};

use crate::cli::app::{App, Verdict};
use crate::cli::failure::Result;
use crate::cli::format::Report;

pub(crate) fn run(app: &mut App) -> Result<Verdict> {
    let findings = app.open()?.doctor();
    let json: Value = findings.iter().map(json).collect();
    let mut people = Report::new();
    people.table(&["looked at", "", "found"], &[], findings.iter().map(row));
    app.report(&json, &people)?;
    Ok(Verdict::fine_if(findings.iter().all(|finding| finding.status != FindingStatus::Bad)))
}

fn json(finding: &Finding) -> Value {
    json!({ "name": finding.name, "status": status(finding.status), "detail": finding.detail })
}

fn row(finding: &Finding) -> Vec<String> {
    vec![finding.name.to_owned(), status(finding.status).to_owned(), finding.detail.clone()]
}

fn status(status: FindingStatus) -> &'static str {
    match status {
        FindingStatus::Good => "good",
        FindingStatus::Note => "note",
        _ => "bad",
    }
}
