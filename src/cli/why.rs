//! `why`: which entries keep a blob.

use ndstash::{Digest, EntryInfo, Store};
use serde_json::json;

use crate::cli::app::{App, Verdict, say};
use crate::cli::args::WhyArgs;
use crate::cli::failure::{Failure, Result};
use crate::cli::format::{Report, clean};

/// How many of the blobs that a short prefix may mean are listed.
const LISTED: usize = 8;

pub(crate) fn run(app: &mut App, args: &WhyArgs) -> Result<Verdict> {
    let store = app.open_to_read()?;
    let wanted = args.digest.to_ascii_lowercase();
    let Some(digest) = find(&store, &wanted)? else {
        say(format_args!("no blob's digest begins with {wanted} (small arrays lie inside their entries)"));
        return Ok(Verdict::Problems);
    };
    let mut keepers: Vec<String> = store.why(&digest)?.iter().map(EntryInfo::label).collect();
    keepers.sort();
    app.report(&json!({ "digest": digest.to_string(), "entries": keepers }), &people(&keepers))?;
    Ok(Verdict::Fine)
}

/// The one blob that is meant. A whole digest is taken as it is when entries name it: its blob may be missing.
fn find(store: &Store, wanted: &str) -> Result<Option<Digest>> {
    let found = store.resolve(wanted)?;
    match (&*found, wanted.parse::<Digest>()) {
        ([one], _) => Ok(Some(*one)),
        ([], Ok(whole)) if !store.why(&whole)?.is_empty() => Ok(Some(whole)),
        ([], _) => Ok(None),
        (many, _) => {
            let listed: Vec<String> = many.iter().take(LISTED).map(Digest::to_string).collect();
            let rest = if many.len() > LISTED { ", ..." } else { "" };
            let listed = listed.join(", ");
            Err(Failure::new(format!("{} blobs begin with {wanted}; say more of it: {listed}{rest}", many.len())))
        }
    }
}

fn people(keepers: &[String]) -> Report {
    let mut report = Report::new();
    if keepers.is_empty() {
        report.line("no entry names it: it is garbage");
    }
    for name in keepers {
        report.line(clean(name));
    }
    report
}
