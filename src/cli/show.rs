//! `show`: what an entry says of itself, and on request what its numbers are like.

use ndstash::{Entry, EntryInfo, Store};
use serde_json::{Value, json};

use crate::cli::amount::span;
use crate::cli::app::{App, Verdict, address, say_absent};
use crate::cli::args::ShowArgs;
use crate::cli::describe::{self, Leaf, leaves, order, text};
use crate::cli::failure::{Context, Result};
use crate::cli::format::{Report, local_time, shape, size};
use crate::cli::select::now;
use crate::cli::summary::{Figures, Summary};

/// The encoding of a value that is the tree itself.
const PLAIN: &str = "tree";

pub(crate) fn run(app: &mut App, args: &ShowArgs) -> Result<Verdict> {
    let store = app.open_to_read()?;
    let Some(info) = store.info(address(&store, &args.name)?)? else { return say_absent(&store, &args.name) };
    let hits = describe::hits_of(&info, &store.hits());
    if !args.stats {
        app.report(&describe::entry(&info, hits), &people(&info, hits, None))?;
        return Ok(Verdict::Fine);
    }
    let Some(entry) = store.entry(info.key())? else { return say_absent(&store, &args.name) };
    let figures = all_figures(&store, &entry)?;
    app.report(&with_figures(&entry, hits, &figures), &people(&entry, hits, Some(&figures)))?;
    Ok(Verdict::Fine)
}

/// The figures of each array, in the order of the tree; `None` for what is not numeric.
fn all_figures(store: &Store, entry: &Entry) -> Result<Vec<Option<Figures>>> {
    leaves(entry)
        .iter()
        .map(|leaf| figures(entry, leaf))
        .collect::<Result<_>>()
        .context(|| format!("cannot read the arrays of {:?} in {}", entry.label(), store.path().display()))
}

fn figures(entry: &Entry, leaf: &Leaf<'_>) -> Result<Option<Figures>> {
    match (entry.resolve(leaf.node), Summary::new(leaf.info.dtype)) {
        (Some(array), Some(mut summary)) if !describe::is_bytes(leaf.node) => {
            array.write_to(&mut summary)?;
            Ok(Some(summary.finish()))
        }
        _ => Ok(None),
    }
}

fn with_figures(info: &EntryInfo, hits: u64, figures: &[Option<Figures>]) -> Value {
    let mut entry = describe::entry(info, hits);
    for (array, figures) in entry["arrays"].as_array_mut().into_iter().flatten().zip(figures) {
        array["stats"] = figures.as_ref().map_or(
            Value::Null,
            |figures| json!({ "min": figures.min, "max": figures.max, "mean": figures.mean, "nan": figures.nan }),
        );
    }
    entry
}

fn people(info: &EntryInfo, hits: u64, figures: Option<&[Option<Figures>]>) -> Report {
    let mut facts = identity(info);
    facts.extend(life(info, hits));
    facts.extend(origin(info));
    facts.extend(info.meta().iter().map(|(key, value)| ("meta", format!("{key} = {}", text(value)))));
    facts.retain(|(_, value)| !value.is_empty());
    let mut report = Report::new();
    report.facts(facts);
    let found = leaves(info);
    if !found.is_empty() {
        report.line("");
        arrays(&mut report, &found, figures);
    }
    report
}

/// What is said, and its value; an empty one is left out.
type Fact = (&'static str, String);

fn identity(info: &EntryInfo) -> Vec<Fact> {
    vec![
        ("name", info.name().unwrap_or("none").to_owned()),
        ("key", info.key().to_string()),
        ("sequence", info.sequence().to_string()),
        ("holds", describe::holds(info)),
        ("size", size(info.logical_bytes())),
        ("encoding", Some(info.encoding()).filter(|&word| word != PLAIN).unwrap_or_default().to_owned()),
        ("tags", info.tags().join(", ")),
    ]
}

/// How an entry came to be, and how long it is going to stay.
fn life(info: &EntryInfo, hits: u64) -> Vec<Fact> {
    let over = if info.is_expired_at(now()) { " (over)" } else { "" };
    vec![
        ("created", local_time(describe::created(info))),
        ("took", info.compute_time().map(span).unwrap_or_default()),
        ("last used", local_time(describe::last_used(info))),
        ("hits", if hits > 0 { hits.to_string() } else { String::new() }),
        ("expires", info.expires().map(|time| local_time(time.into()) + over).unwrap_or_default()),
        ("pinned", if info.is_pinned() { "yes" } else { "" }.to_owned()),
    ]
}

/// What was asked for when the value was computed.
fn origin(info: &EntryInfo) -> Vec<Fact> {
    let said = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let mut facts = vec![
        ("namespace", said(info.namespace())),
        ("function", said(info.function())),
        ("version", said(info.version())),
        ("host", said(info.host())),
        ("user", said(info.user())),
    ];
    facts.extend(describe::parts(info).into_iter().map(part));
    facts
}

/// A part of the key, or of what was noted with it.
fn part((name, value): (String, String)) -> Fact {
    match name.strip_prefix("(ignored).") {
        Some(name) => ("ignored", format!("{name} = {value}")),
        None if name.is_empty() => ("part", value),
        None => ("part", format!("{name} = {value}")),
    }
}

fn arrays(report: &mut Report, leaves: &[Leaf<'_>], figures: Option<&[Option<Figures>]>) {
    let mut head = vec!["array", "dtype", "shape", "order", "size", "where", "digest"];
    if figures.is_some() {
        head.splice(6..6, ["min", "max", "mean", "nan"]);
    }
    let rows = leaves.iter().enumerate().map(|(at, leaf)| {
        let mut row = row(leaf);
        if let Some(figures) = figures {
            row.splice(6..6, figures[at].as_ref().map_or_else(|| [const { String::new() }; 4], Figures::cells));
        }
        row
    });
    report.table(&head, &[4], rows);
}

fn row(leaf: &Leaf<'_>) -> Vec<String> {
    let info = &leaf.info;
    vec![
        if leaf.path.is_empty() { "the value".into() } else { leaf.path.clone() },
        if describe::is_bytes(leaf.node) { "bytes".into() } else { info.dtype.to_string() },
        shape(&info.shape),
        order(info.order).into(),
        size(info.bytes),
        if info.inline { "inline" } else { "blob" }.into(),
        info.digest.to_string(),
    ]
}
