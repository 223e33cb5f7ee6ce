//! `demo`: the whole story on real arrays, told and checked step by step.

mod place;
mod runs;
mod story;

use std::path::Path;
use std::time::Instant;

use ndstash::Store;

use crate::cli::app::{App, Verdict};
use crate::cli::args::DemoArgs;
use crate::cli::failure::{Context, Failure, Result};
use crate::cli::source::{self, Item};
use place::Place;
use story::Story;

/// What the names of the originals begin with.
const DATA: &str = "data";

pub(crate) fn run(app: &mut App, args: &DemoArgs) -> Result<Verdict> {
    let items = samples(&args.data_dir)?;
    let place = Place::new(args.keep.as_deref())?;
    let started = Instant::now();
    let mut story = Story::new(app, Store::create(place.store())?);
    story.originals(&items)?;
    story.runs()?;
    story.list()?;
    story.map()?;
    let reader = story.replace()?;
    story.collect(&reader)?;
    story.end(&items, started, args.keep.as_deref())?;
    Ok(Verdict::Fine)
}

fn samples(dir: &Path) -> Result<Vec<Item>> {
    let fetch = || format!("the demo needs arrays in {}: `tools/demo` fetches them", dir.display());
    if !dir.is_dir() {
        return Err(Failure::new(fetch()));
    }
    let items = source::plan(DATA, dir, false).context(fetch)?.items;
    items.iter().try_for_each(Item::check)?;
    Ok(items)
}
