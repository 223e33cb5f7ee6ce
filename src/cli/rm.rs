//! `rm`: entries are removed by name, or by what their names begin with.

use ndstash::{Address, EntryInfo, Store};
use serde_json::json;

use crate::cli::app::{App, Verdict, find_key, say};
use crate::cli::args::RmArgs;
use crate::cli::failure::{Context, Result};
use crate::cli::format::{Report, clean, count};

pub(crate) fn run(app: &mut App, args: &RmArgs) -> Result<Verdict> {
    let store = if args.dry_run { app.open_to_read()? } else { app.open()? };
    let (mut removed, mut absent) = (Vec::new(), Vec::new());
    match &args.prefix {
        Some(prefix) => remove_prefix(&store, prefix, args.dry_run, &mut removed)?,
        None => {
            for name in &args.names {
                let was_there = remove(&store, name, args.dry_run).context(|| format!("cannot remove {name:?}"))?;
                if was_there { &mut removed } else { &mut absent }.push(name.clone());
            }
        }
    }
    for name in &absent {
        say(format_args!("there is no entry {name:?}"));
    }
    let json = json!({ "dry_run": args.dry_run, "removed": removed, "absent": absent });
    app.report(&json, &people(&removed, args.dry_run))?;
    Ok(Verdict::fine_if(absent.is_empty()))
}

/// Removes what has this name or, if there is none, this key. A damaged entry can be removed too: it is not read.
fn remove(store: &Store, name: &str, dry_run: bool) -> Result<bool> {
    let remove =
        |address: Address<'_>| if dry_run { Ok(store.info(address)?.is_some()) } else { store.remove(address) };
    if remove(Address::Name(name))? {
        return Ok(true);
    }
    match find_key(store, name)? {
        Some(key) => Ok(remove(Address::Key(key))?),
        None => Ok(false),
    }
}

/// An entry that others put anew after it was listed stays.
fn remove_prefix(store: &Store, prefix: &str, dry_run: bool, removed: &mut Vec<String>) -> Result<()> {
    let mut infos = store.entries(prefix).collect::<Result<Vec<EntryInfo>, _>>()?;
    infos.sort_by_cached_key(EntryInfo::label);
    for info in infos {
        if dry_run || store.remove_if(&info).context(|| format!("cannot remove {:?}", info.label()))? {
            removed.push(info.label());
        }
    }
    Ok(())
}

fn people(removed: &[String], dry_run: bool) -> Report {
    let mut report = Report::new();
    let what = if dry_run { "would remove" } else { "removed" };
    for name in removed {
        report.line(format_args!("{what} {}", clean(name)));
    }
    if removed.len() != 1 {
        report.line(format_args!("{what} {}", count(removed.len() as u64, "entry")));
    }
    report
}
