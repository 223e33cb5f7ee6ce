//! `tag`, `pin`, `unpin` and `expire`: what may change while the value stays.

use ndstash::{EntryInfo, Labels, Store};
use serde_json::json;

use crate::cli::app::{App, Verdict, address, say_absent};
use crate::cli::failure::{Context, Result};
use crate::cli::format::{Report, clean, count, local_time};
use crate::cli::policy_args::{ExpireArgs, NamesArgs, TagArgs};
use crate::cli::select::now;

pub(crate) fn tag(app: &mut App, args: &TagArgs) -> Result<Verdict> {
    relabel_all(app, &args.names, "tagged", |labels| {
        labels.tags.retain(|tag| !args.remove.contains(tag));
        for tag in &args.add {
            if !labels.tags.contains(tag) {
                labels.tags.push(tag.clone());
            }
        }
    })
}

pub(crate) fn pin(app: &mut App, args: &NamesArgs, pinned: bool) -> Result<Verdict> {
    relabel_all(app, &args.names, if pinned { "pinned" } else { "unpinned" }, |labels| labels.pinned = pinned)
}

pub(crate) fn expire(app: &mut App, args: &ExpireArgs) -> Result<Verdict> {
    let now = now();
    let after = |nanoseconds| now.saturating_add(i64::try_from(nanoseconds).unwrap_or(i64::MAX));
    let time = if args.never { None } else { Some(args.span.map_or(now, |span| after(span.as_nanos()))) };
    let done = time.map_or("set to never expire".into(), |time| format!("set to expire {}", local_time(time.into())));
    relabel_all(app, &args.names, &done, |labels| labels.expires = time)
}

/// Changes every entry that is there; what is like that already is left alone.
fn relabel_all(app: &mut App, names: &[String], done: &str, change: impl Fn(&mut Labels)) -> Result<Verdict> {
    let store = app.open()?;
    let (mut changed, mut unchanged, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        let outcome = relabel(&store, name, &change).context(|| format!("cannot change the labels of {name:?}"))?;
        match outcome {
            Some(true) => changed.push(name),
            Some(false) => unchanged.push(name),
            None => absent.push(name),
        }
    }
    for name in &absent {
        say_absent(&store, name)?;
    }
    let mut people = Report::new();
    changed.iter().for_each(|name| people.line(format_args!("{done}: {}", clean(name))));
    unchanged.iter().for_each(|name| people.line(format_args!("unchanged: {}", clean(name))));
    if names.len() > 1 {
        people.line(format_args!("{done}: {}", count(changed.len() as u64, "entry")));
    }
    app.report(&json!({ "changed": changed, "unchanged": unchanged, "absent": absent }), &people)?;
    Ok(Verdict::fine_if(absent.is_empty()))
}

/// Whether the entry was changed; `None` if it cannot be had.
fn relabel(store: &Store, name: &str, change: &impl Fn(&mut Labels)) -> Result<Option<bool>> {
    let address = address(store, name)?;
    let Some(info) = store.info(address)? else { return Ok(None) };
    let before = labels(&info);
    let mut after = before.clone();
    change(&mut after);
    if after == before {
        return Ok(Some(false));
    }
    Ok(store.relabel(address, change)?.then_some(true))
}

fn labels(info: &EntryInfo) -> Labels {
    Labels { tags: info.tags().to_vec(), expires: info.expires(), pinned: info.is_pinned(), ..Labels::default() }
}
