//! `init`: a store is made.

use std::path::PathBuf;

use ndstash::StoreOptions;
use serde_json::json;

use crate::cli::app::{App, Verdict};
use crate::cli::args::InitArgs;
use crate::cli::failure::{Context, Failure, Result};
use crate::cli::format::Report;

const GROUPS: &str = "/etc/group";

pub(crate) fn run(app: &mut App, args: &InitArgs) -> Result<Verdict> {
    let dir = directory(app, args)?;
    let mut options = StoreOptions::new();
    if let Some(group) = &args.shared {
        options = options.shared(group.as_deref().map(group_id).transpose()?);
    }
    let store = options.create(&dir)?;
    let mut people = Report::new();
    let with = if store.is_shared() { ", shared with its group" } else { "" };
    people.line(format_args!("made a store in {}{with}", store.path().display()));
    app.report(&json!({ "path": store.path().to_string_lossy(), "shared": store.is_shared() }), &people)?;
    Ok(Verdict::Fine)
}

fn directory(app: &App, args: &InitArgs) -> Result<PathBuf> {
    match &args.dir {
        Some(dir) => Ok(dir.clone()),
        None => match app.dir() {
            Ok(dir) => Ok(dir.to_owned()),
            Err(_) => Err(Failure::new("no directory is given: say init DIR or --store DIR, or set NDSTASH_DIR")),
        },
    }
}

/// A group by its number, or by its name in the group file.
fn group_id(group: &str) -> Result<u32> {
    if let Ok(id) = group.parse() {
        return Ok(id);
    }
    let file = std::fs::read(GROUPS).context(|| format!("cannot read {GROUPS}"))?;
    find_group(&String::from_utf8_lossy(&file), group).ok_or_else(|| {
        Failure::new(format!("there is no group {group:?} in {GROUPS}; its number may be given instead"))
    })
}

/// Lines are `name:password:number:members`.
fn find_group(file: &str, group: &str) -> Option<u32> {
    let mut lines = file.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| if fields.next() == Some(group) { fields.nth(1)?.parse().ok() } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_name_or_number() {
        let file = "root:x:0:\n\nbroken\nlab:x:1234:ann,bob\nlabs:x:7:\n";
        assert_eq!(find_group(file, "lab"), Some(1234));
        assert_eq!(find_group(file, "ann"), None);
        assert_eq!(find_group(file, "broken"), None);
        assert_eq!(group_id("77").unwrap(), 77);
        assert!(group_id("no such group, surely").unwrap_err().to_string().contains("/etc/group"));
    }
}
