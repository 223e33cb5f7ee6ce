//! `evict`: entries are removed by what they say of themselves.

use std::collections::{HashMap, HashSet};
use std::io::{self, IsTerminal};

use ndstash::{Address, Digest, EntryInfo, GcReport, Key, Query, Store};
use serde_json::json;

use crate::cli::app::{App, Verdict, address, say};
use crate::cli::args::LockArgs;
use crate::cli::failure::{Context, Failure, Result};
use crate::cli::format::{Report, clean, count, size};
use crate::cli::gc;
use crate::cli::policy_args::{EvictArgs, Filters};
use crate::cli::select::now;

pub(crate) fn run(app: &mut App, args: &EvictArgs) -> Result<Verdict> {
    let store = if args.dry_run { app.open_to_read()? } else { app.open()? };
    confirm(args)?;
    let (named, absent, unreadable) = find_named(&store, &args.names);
    let mut choice = Choice::new(&args.filters, (!args.names.is_empty()).then_some(named));
    choice.choose(&store);
    let evicted = remove(&store, &choice.victims, args.dry_run)?;
    let gc = if args.gc && !args.dry_run { Some(collect(&store, evicted.len())?) } else { None };
    absent.iter().for_each(|name| say(format_args!("there is no entry {name:?}")));
    let json = json!({
        "dry_run": args.dry_run,
        "evicted": evicted,
        "absent": absent,
        "spared": choice.spared,
        "bytes_to_free": choice.bytes_to_free(),
        "gc": gc.as_ref().map(gc::json),
    });
    app.report(&json, &people(&evicted, &choice, args.dry_run, gc.as_ref()))?;
    Ok(Verdict::fine_if(absent.is_empty() && unreadable + choice.unreadable == 0))
}

/// Asks the person at the terminal whether everything is meant, if nothing says what is.
fn confirm(args: &EvictArgs) -> Result<()> {
    if args.yes || args.dry_run || !args.names.is_empty() || !args.filters.is_empty() {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::new("neither names nor filters are given: --yes evicts every entry that is not pinned"));
    }
    say("evict every entry that is not pinned? (yes or no)");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if means_yes(&answer) { Ok(()) } else { Err(Failure::new("nothing was evicted: the answer was not yes")) }
}

fn means_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
}

/// The keys of the entries that are named, which names have none, and how many entries cannot be read.
fn find_named(store: &Store, names: &[String]) -> (HashSet<Key>, Vec<String>, u64) {
    let (mut keys, mut absent, mut unreadable) = (HashSet::new(), Vec::new(), 0);
    for name in names {
        let found = address(store, name).and_then(|address: Address<'_>| Ok(store.info(address)?));
        match found.context(|| format!("cannot judge {name:?}; `ndstash rm` removes an entry unread")) {
            Ok(Some(info)) => drop(keys.insert(info.key())),
            Ok(None) => absent.push(name.clone()),
            Err(failure) => {
                say(failure);
                unreadable += 1;
            }
        }
    }
    (keys, absent, unreadable)
}

/// Which entries go, and what the others keep.
struct Choice<'a> {
    filters: &'a Filters,
    query: Query,
    named: Option<HashSet<Key>>,
    victims: Vec<EntryInfo>,
    /// How many would have to go but for being pinned.
    spared: u64,
    unreadable: u64,
    /// Blobs of entries that stay.
    kept: HashSet<Digest>,
}

impl<'a> Choice<'a> {
    fn new(filters: &'a Filters, named: Option<HashSet<Key>>) -> Self {
        let (victims, kept) = (Vec::new(), HashSet::new());
        Choice { filters, query: filters.query(now()), named, victims, spared: 0, unreadable: 0, kept }
    }

    fn choose(&mut self, store: &Store) {
        for info in store.entries("") {
            match info {
                Ok(info) if self.is_meant(&info) => self.victims.push(info),
                Ok(info) => self.kept.extend(info.blobs().map(|(digest, _)| digest)),
                // Who names entries has been told of those among them.
                Err(error) if self.named.is_none() => {
                    say(Failure::from(error));
                    self.unreadable += 1;
                }
                Err(_) => {}
            }
        }
        self.victims.sort_by_cached_key(EntryInfo::label);
    }

    /// A pinned entry goes only if it is named, or pinned ones are asked for.
    fn is_meant(&mut self, info: &EntryInfo) -> bool {
        let named = self.named.as_ref().is_none_or(|named| named.contains(&info.key()));
        if !named || !self.query.matches(info) {
            return false;
        }
        let spared = info.is_pinned() && self.named.is_none() && !self.filters.pinned;
        self.spared += u64::from(spared);
        !spared
    }

    /// Bytes of blobs that nobody else names.
    fn bytes_to_free(&self) -> u64 {
        let blobs: HashMap<Digest, u64> = self.victims.iter().flat_map(EntryInfo::blobs).collect();
        blobs.iter().filter(|(digest, _)| !self.kept.contains(digest)).map(|(_, len)| len).sum()
    }
}

/// An entry that others put anew after it was chosen stays.
fn remove(store: &Store, victims: &[EntryInfo], dry_run: bool) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for info in victims {
        if dry_run || store.remove_if(info).context(|| format!("cannot remove {:?}", info.label()))? {
            removed.push(info.label());
        }
    }
    Ok(removed)
}

fn collect(store: &Store, evicted: usize) -> Result<GcReport> {
    let done = || format!("{} evicted, and not collected", count(evicted as u64, "entry"));
    gc::collect(store, &LockArgs::default()).context(done)
}

fn people(evicted: &[String], choice: &Choice<'_>, dry_run: bool, gc: Option<&GcReport>) -> Report {
    let mut lines = Report::new();
    let what = if dry_run { "would evict" } else { "evicted" };
    evicted.iter().for_each(|name| lines.line(format_args!("{what} {}", clean(name))));
    lines.line(format_args!("{what} {}", count(evicted.len() as u64, "entry")));
    if choice.spared > 0 {
        lines.line(format_args!("spared {} (--pinned, or a name, means it)", count(choice.spared, "pinned entry")));
    }
    match gc {
        Some(report) => lines.line(gc::people(report).to_string().trim_end()),
        None if evicted.is_empty() => {}
        None => {
            let bytes = size(choice.bytes_to_free());
            lines.line(format_args!("that alone frees no arrays: `ndstash gc` then frees {bytes} of them at most"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::means_yes;

    #[test]
    fn only_yes_means_yes() {
        assert!(means_yes("y\n") && means_yes("Yes\r\n") && means_yes(" YES "));
        assert!(!means_yes("") && !means_yes("\n") && !means_yes("n\n") && !means_yes("yes?"));
    }
}
