//! `limit`: how much the store may hold.

use std::time::Duration;

use ndstash::Limits;
use serde_json::{Value, json};

use crate::cli::amount::{Bound, span};
use crate::cli::app::{App, Verdict};
use crate::cli::failure::{Context, Result};
use crate::cli::format::{Report, size};
use crate::cli::policy_args::LimitArgs;

pub(crate) fn run(app: &mut App, args: &LimitArgs) -> Result<Verdict> {
    let limits = if asks(args) { app.open_to_read()?.limits()? } else { set(app, args)? };
    let mut people = Report::new();
    people.facts(facts(&limits));
    if !asks(args) {
        people.line("what is over them stays until the next put, or `ndstash cull`");
    }
    app.report(&json(&limits), &people)?;
    Ok(Verdict::Fine)
}

fn asks(args: &LimitArgs) -> bool {
    args.bytes.is_none() && args.entries.is_none() && args.age.is_none() && args.policy.is_none()
}

fn set(app: &App, args: &LimitArgs) -> Result<Limits> {
    let store = app.open()?;
    let policy = args.policy.as_deref().map(str::parse).transpose()?;
    let changed = store.set_limits(|limits| {
        change(&mut limits.bytes, args.bytes);
        change(&mut limits.entries, args.entries);
        change(&mut limits.age, args.age);
        limits.policy = policy.unwrap_or(limits.policy);
    });
    changed.context(|| format!("cannot set the limits of {}", store.path().display()))
}

fn change(limit: &mut Option<u64>, to: Option<Bound>) {
    if let Some(Bound(bound)) = to {
        *limit = bound;
    }
}

pub(crate) fn json(limits: &Limits) -> Value {
    json!({
        "bytes": limits.bytes,
        "entries": limits.entries,
        "age_seconds": limits.age,
        "policy": limits.policy.name(),
    })
}

fn facts(limits: &Limits) -> [(&'static str, String); 4] {
    let or_none = |limit: Option<String>| limit.unwrap_or_else(|| "none".to_owned());
    [
        ("bytes", or_none(limits.bytes.map(size))),
        ("entries", or_none(limits.entries.map(|number| number.to_string()))),
        ("age", or_none(limits.age.map(|seconds| span(Duration::from_secs(seconds))))),
        ("policy", limits.policy.to_string()),
    ]
}
