//! `mv` and `cp`: an entry gets another name, or a second one.

use ndstash::{Address, Store};
use serde_json::json;

use crate::cli::app::{App, Verdict, address, say_absent};
use crate::cli::args::TransferArgs;
use crate::cli::failure::{Context, Result};
use crate::cli::format::{Report, clean};

type Transfer = for<'a, 'b> fn(&Store, Address<'a>, &'b str, bool) -> ndstash::Result<bool>;

pub(crate) fn rename(app: &mut App, args: &TransferArgs) -> Result<Verdict> {
    transfer(app, args, "renamed", |store, from, to, force| store.rename(from, to, force))
}

pub(crate) fn copy(app: &mut App, args: &TransferArgs) -> Result<Verdict> {
    transfer(app, args, "copied", |store, from, to, force| store.copy(from, to, force))
}

fn transfer(app: &mut App, args: &TransferArgs, done: &str, act: Transfer) -> Result<Verdict> {
    let store = app.open()?;
    let from = address(&store, &args.from)?;
    let hint = if args.force { "" } else { " (--force replaces an entry)" };
    let found = act(&store, from, &args.to, args.force)
        .context(|| format!("cannot have {:?} {done} to {:?}{hint}", args.from, args.to))?;
    if !found {
        return say_absent(&store, &args.from);
    }
    let mut people = Report::new();
    people.line(format_args!("{done} {} to {}", clean(&args.from), clean(&args.to)));
    app.report(&json!({ "from": args.from, "to": args.to }), &people)?;
    Ok(Verdict::Fine)
}
