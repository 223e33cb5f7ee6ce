//! `ls`: which entries there are.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use ndstash::{EntryInfo, Key, Store};
use serde_json::Value;

use crate::cli::amount::{ago, span};
use crate::cli::app::{App, Verdict, say};
use crate::cli::args::LsArgs;
use crate::cli::describe;
use crate::cli::failure::{Failure, Result};
use crate::cli::format::{Report, clean, size};
use crate::cli::policy_args::Sort;
use crate::cli::select::now;

/// How often caches handed out each entry.
pub(crate) type Hits = BTreeMap<Key, u64>;

pub(crate) fn run(app: &mut App, args: &LsArgs) -> Result<Verdict> {
    let store = app.open_to_read()?;
    let (mut infos, damaged) = list(&store, args);
    let hits = store.hits();
    sort(&mut infos, args.sort, &hits);
    if args.reverse {
        infos.reverse();
    }
    let entry = |info| describe::entry(info, describe::hits_of(info, &hits));
    let json: Vec<Value> = if app.json { infos.iter().map(entry).collect() } else { Vec::new() };
    app.report(&Value::Array(json), &people(&infos, args.long, &hits))?;
    Ok(Verdict::fine_if(damaged == 0))
}

/// The entries whose name begins with the prefix and that pass the filters. One that cannot be read is told of and
/// counted.
fn list(store: &Store, args: &LsArgs) -> (Vec<EntryInfo>, u64) {
    let (mut infos, mut damaged) = (Vec::new(), 0);
    for info in store.find(&args.filters.query(now()).prefix(&args.prefix)) {
        match info {
            Ok(info) => infos.push(info),
            Err(error) => {
                say(Failure::from(error));
                damaged += 1;
            }
        }
    }
    (infos, damaged)
}

/// Entries that are alike in what is sorted by stay in the order of their names.
fn sort(infos: &mut [EntryInfo], by: Sort, hits: &Hits) {
    infos.sort_by_cached_key(EntryInfo::label);
    match by {
        Sort::Name => {}
        Sort::Created => infos.sort_by_key(|info| Reverse(info.created())),
        Sort::Used => infos.sort_by_key(|info| Reverse(info.last_used())),
        Sort::Size => infos.sort_by_key(|info| Reverse(info.logical_bytes())),
        Sort::Time => infos.sort_by_key(|info| Reverse(info.compute_time())),
        Sort::Hits => infos.sort_by_key(|info| Reverse(describe::hits_of(info, hits))),
        Sort::Order => infos.sort_by_key(EntryInfo::sequence),
    }
}

fn people(infos: &[EntryInfo], long: bool, hits: &Hits) -> Report {
    let mut report = Report::new();
    if long {
        table(&mut report, infos, hits);
    } else {
        infos.iter().for_each(|info| report.line(clean(&info.label())));
    }
    report
}

/// A column of the table: its head, whether it holds numbers, and what it says of an entry.
type Column = (&'static str, bool, fn(&EntryInfo, &Context<'_>) -> String);

/// What the columns look at besides the entry.
struct Context<'a> {
    now: i128,
    hits: &'a Hits,
}

const COLUMNS: [Column; 11] = [
    ("name", false, |info, _| info.name().map_or_else(|| short(&info.key()), str::to_owned)),
    ("function", false, |info, _| info.function().unwrap_or_default().to_owned()),
    ("call", false, |info, _| describe::call(info)),
    ("holds", false, |info, _| describe::holds(info)),
    ("size", true, |info, _| size(info.logical_bytes())),
    ("age", true, |info, context| ago(context.now - describe::created(info))),
    ("unused", true, |info, context| ago(context.now - describe::last_used(info))),
    ("took", true, |info, _| info.compute_time().map(span).unwrap_or_default()),
    ("hits", true, |info, context| match describe::hits_of(info, context.hits) {
        0 => String::new(),
        hits => hits.to_string(),
    }),
    ("pinned", false, |info, _| if info.is_pinned() { "pinned" } else { "" }.to_owned()),
    ("tags", false, |info, _| info.tags().join(", ")),
];

/// How a key begins: enough of it to mean it.
fn short(key: &Key) -> String {
    key.to_string()[..16].to_owned()
}

/// The table of `ls -l`. Columns that say nothing of any entry are left out.
pub(crate) fn table(report: &mut Report, infos: &[EntryInfo], hits: &Hits) {
    let context = Context { now: i128::from(now()), hits };
    let cells = |(head, right, cell): Column| {
        let cells: Vec<String> = infos.iter().map(|info| cell(info, &context)).collect();
        (head, right, cells)
    };
    let columns: Vec<_> = COLUMNS.into_iter().map(cells).filter(|(_, _, cells)| !cells.concat().is_empty()).collect();
    let head: Vec<&str> = columns.iter().map(|(head, _, _)| *head).collect();
    let right: Vec<usize> = (0..columns.len()).filter(|&at| columns[at].1).collect();
    let row = |at: usize| columns.iter().map(|(_, _, cells)| cells[at].clone()).collect();
    if !infos.is_empty() {
        report.table(&head, &right, (0..infos.len()).map(row));
    }
}
