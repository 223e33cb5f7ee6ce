//! `ls`: which entries there are.

use ndstash::{EntryInfo, Store};
use serde_json::Value;

use crate::app::{App, Verdict, say};
use crate::args::LsArgs;
use crate::describe;
use crate::failure::{Failure, Result};
use crate::format::{Report, clean, local_time, size};

pub(crate) const HEAD: [&str; 5] = ["name", "holds", "size", "created", "tags"];
/// The columns that hold numbers.
pub(crate) const NUMBERS: [usize; 1] = [2];

pub(crate) fn run(app: &mut App, args: &LsArgs) -> Result<Verdict> {
    let (infos, damaged) = list(&app.open_to_read()?, &args.prefix, &args.tags);
    let json: Vec<Value> = if app.json { infos.iter().map(describe::entry).collect() } else { Vec::new() };
    app.report(&Value::Array(json), &people(&infos, args.long))?;
    Ok(Verdict::fine_if(damaged == 0))
}

/// The entries whose name begins with `prefix` and that have all the tags, in the order of their names. One that
/// cannot be read is told of and counted.
fn list(store: &Store, prefix: &str, tags: &[String]) -> (Vec<EntryInfo>, u64) {
    let (mut infos, mut damaged) = (Vec::new(), 0);
    for info in store.entries(prefix) {
        match info {
            Ok(info) if tags.iter().all(|tag| info.tags().contains(tag)) => infos.push(info),
            Ok(_) => {}
            Err(error) => {
                say(Failure::from(error));
                damaged += 1;
            }
        }
    }
    infos.sort_by_cached_key(EntryInfo::label);
    (infos, damaged)
}

fn people(infos: &[EntryInfo], long: bool) -> Report {
    let mut report = Report::new();
    if !long {
        for info in infos {
            report.line(clean(&info.label()));
        }
    } else if !infos.is_empty() {
        report.table(&HEAD, &NUMBERS, infos.iter().map(row));
    }
    report
}

pub(crate) fn row(info: &EntryInfo) -> Vec<String> {
    vec![
        info.label(),
        describe::holds(info),
        size(info.logical_bytes()),
        local_time(describe::created(info)),
        info.tags().join(", "),
    ]
}
