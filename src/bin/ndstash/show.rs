//! `show`: what an entry says of itself, and on request what its numbers are like.

use ndstash::{Entry, EntryInfo, Store};
use serde_json::{Value, json};

use crate::app::{App, Verdict, address, say_absent};
use crate::args::ShowArgs;
use crate::describe::{self, Leaf, leaves, order, text};
use crate::failure::{Context, Result};
use crate::format::{Report, local_time, shape, size};
use crate::summary::{Figures, Summary};

pub(crate) fn run(app: &mut App, args: &ShowArgs) -> Result<Verdict> {
    let store = app.open_to_read()?;
    let Some(info) = store.info(address(&store, &args.name)?)? else { return say_absent(&store, &args.name) };
    if !args.stats {
        app.report(&describe::entry(&info), &people(&info, None))?;
        return Ok(Verdict::Fine);
    }
    let Some(entry) = store.entry(info.key())? else { return say_absent(&store, &args.name) };
    let figures = all_figures(&store, &entry)?;
    app.report(&with_figures(&entry, &figures), &people(&entry, Some(&figures)))?;
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

fn with_figures(info: &EntryInfo, figures: &[Option<Figures>]) -> Value {
    let mut entry = describe::entry(info);
    for (array, figures) in entry["arrays"].as_array_mut().into_iter().flatten().zip(figures) {
        array["stats"] = figures.as_ref().map_or(
            Value::Null,
            |figures| json!({ "min": figures.min, "max": figures.max, "mean": figures.mean, "nan": figures.nan }),
        );
    }
    entry
}

fn people(info: &EntryInfo, figures: Option<&[Option<Figures>]>) -> Report {
    let mut facts = vec![
        ("name", info.name().unwrap_or("none").to_owned()),
        ("key", info.key().to_string()),
        ("holds", describe::holds(info)),
        ("size", size(info.logical_bytes())),
        ("created", local_time(describe::created(info))),
        ("last used", local_time(describe::last_used(info))),
        ("tags", info.tags().join(", ")),
    ];
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
