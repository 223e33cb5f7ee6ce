//! The command line of the verbs that choose entries, change what policies see, or set limits.

use std::time::Duration;

use clap::ValueEnum;
use ndstash::Policy;

use crate::cli::amount::{Bound, age, age_bound, byte_bound, bytes, count_bound};
use crate::cli::args::{LockArgs, printable};

/// Conditions on entries. All that are given must hold.
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct Filters {
    /// Only entries with this tag. May be given several times: entries with all of them.
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Only entries put longer ago than this: 30s, 5m, 12h, 7d, 2w.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) older: Option<Duration>,
    /// Only entries put since then.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) newer: Option<Duration>,
    /// Only entries last used longer ago than this. Use is noted once a minute at most.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) unused: Option<Duration>,
    /// Only entries whose arrays take this much or more: 500k, 1.5G, 20GiB. (k is 1024, kB is 1000.)
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) larger: Option<u64>,
    /// Only entries computed by this function.
    #[arg(long, value_name = "FUNCTION")]
    pub(crate) function: Option<String>,
    /// Only entries of this cache namespace, or of one nested in it.
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Only entries whose time is over.
    #[arg(long)]
    pub(crate) expired: bool,
    /// Only entries that are pinned.
    #[arg(long)]
    pub(crate) pinned: bool,
}

/// What `ls` sorts by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// By name, or key in hex.
    #[default]
    Name,
    /// What was put last first.
    Created,
    /// What was used last first.
    Used,
    /// The largest first.
    Size,
    /// What took longest to compute first.
    Time,
    /// What was handed out most often first.
    Hits,
    /// In the order in which the values were put.
    Order,
}

#[derive(Debug, clap::Args)]
pub(crate) struct EvictArgs {
    /// The names of the entries, or their keys in hex (the first 8 digits will do). With filters: of these, those that meet them.
    pub(crate) names: Vec<String>,
    /// Only tell what would be removed.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask whether every entry is meant, if neither names nor filters are given.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Collect right after.
    #[arg(long)]
    pub(crate) gc: bool,
    // Last: the heading counts for all that follows.
    #[command(flatten)]
    pub(crate) filters: Filters,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CullArgs {
    /// The size that the store must not be over, in the place of its own limit. If it is, it is brought to 90 % of it.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) to: Option<u64>,
    /// Which entries go first, in the place of the store's own policy.
    #[arg(long, value_name = "POLICY", value_parser = policy())]
    pub(crate) policy: Option<String>,
    /// Only tell what would be removed.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) locks: LockArgs,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true).args(["add", "remove"])))]
pub(crate) struct TagArgs {
    /// The names of the entries, or their keys in hex (the first 8 digits will do).
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
    /// Give them this tag. May be given several times.
    #[arg(long, value_name = "TAG", value_parser = printable)]
    pub(crate) add: Vec<String>,
    /// Take this tag from them. May be given several times.
    #[arg(long, value_name = "TAG")]
    pub(crate) remove: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct NamesArgs {
    /// The names of the entries, or their keys in hex (the first 8 digits will do).
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("when").required(true).args(["span", "never", "now"])))]
pub(crate) struct ExpireArgs {
    /// The names of the entries, or their keys in hex (the first 8 digits will do).
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
    /// From now on for so long: 30s, 5m, 12h, 7d, 2w.
    #[arg(long = "in", id = "span", value_name = "AGE", value_parser = age)]
    pub(crate) span: Option<Duration>,
    /// Not at all.
    #[arg(long)]
    pub(crate) never: bool,
    /// At once.
    #[arg(long)]
    pub(crate) now: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LimitArgs {
    /// How much blobs and manifests may take: 500M, 50G, 2TiB. (k is 1024, kB is 1000.)
    #[arg(long, value_name = "SIZE|none", value_parser = byte_bound)]
    pub(crate) bytes: Option<Bound>,
    /// How many entries there may be.
    #[arg(long, value_name = "NUMBER|none", value_parser = count_bound)]
    pub(crate) entries: Option<Bound>,
    /// How long after its last use an entry goes: 12h, 30d, 8w.
    #[arg(long, value_name = "AGE|none", value_parser = age_bound)]
    pub(crate) age: Option<Bound>,
    /// Which entries go first: least recently used, least frequently used, in the order they were put, or those that
    /// took the shortest to compute per byte that removing them frees.
    #[arg(long, value_name = "POLICY", value_parser = policy())]
    pub(crate) policy: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("call").required(true).args(["name", "function"])))]
pub(crate) struct ExplainArgs {
    /// The name of an entry, or its key in hex (the first 8 digits will do): what comes nearest to it?
    #[arg(conflicts_with_all = ["namespace", "code_version", "parts"])]
    pub(crate) name: Option<String>,
    /// The function of a call: why is it not stored?
    #[arg(long, value_name = "FUNCTION")]
    pub(crate) function: Option<String>,
    /// The cache namespace of the call; by default any.
    #[arg(long, value_name = "NAMESPACE", requires = "function")]
    pub(crate) namespace: Option<String>,
    /// The version of the function's code; by default any.
    #[arg(long, value_name = "VERSION", requires = "function")]
    pub(crate) code_version: Option<String>,
    /// A part of the call's key, its value as JSON: --part rate=0.1 --part 'mode="fast"'. May be given several times.
    #[arg(long = "part", value_name = "NAME=JSON", requires = "function", value_parser = part)]
    pub(crate) parts: Vec<(String, serde_json::Value)>,
    /// How many entries are told of.
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 3)]
    pub(crate) count: usize,
}

fn policy() -> clap::builder::PossibleValuesParser {
    Policy::ALL.map(Policy::name).into()
}

fn part(pair: &str) -> Result<(String, serde_json::Value), String> {
    let (name, json) = pair.split_once('=').ok_or("NAME=JSON is expected")?;
    let value = serde_json::from_str(json)
        .map_err(|error| format!("JSON is expected after '=' (text stands in double quotes): {error}"))?;
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_are_names_and_json() {
        assert_eq!(part("a=1").unwrap(), ("a".into(), json!(1)));
        assert_eq!(part("a={\"b\": [null, \"x=y\"]}").unwrap(), ("a".into(), json!({ "b": [null, "x=y"] })));
        assert!(part("a").unwrap_err().contains("NAME=JSON"));
        assert!(part("a=fast").unwrap_err().contains("double quotes"));
    }
}
