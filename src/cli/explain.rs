//! `explain`: which stored calls come nearest to one, and what differs.

use ndstash::{Difference, EntryInfo, Neighbour, Query, Store, Tree};
use serde_json::{Map, Value, json};

use crate::cli::app::{App, Verdict, address, say, say_absent};
use crate::cli::describe::{brief, from_json, key_text, tree};
use crate::cli::failure::Result;
use crate::cli::format::{Report, clean, count};
use crate::cli::policy_args::ExplainArgs;

/// The call that neighbours are looked for.
struct Asked {
    /// The entry it was taken from, which is no neighbour of its own.
    entry: Option<EntryInfo>,
    function: Option<String>,
    namespace: Option<String>,
    version: Option<String>,
    parts: Tree,
}

pub(crate) fn run(app: &mut App, args: &ExplainArgs) -> Result<Verdict> {
    let store = app.open_to_read()?;
    let asked = match &args.name {
        None => Some(Asked::call(args)),
        Some(name) => match store.info(address(&store, name)?)? {
            None => return say_missing(&store, name),
            Some(info) => Asked::entry(info),
        },
    };
    let Some(asked) = asked else {
        say("the entry keeps no parts of its key: no cache computed it");
        return Ok(Verdict::Problems);
    };
    let found = asked.neighbours(&store, args.count)?;
    app.report(&asked.json(&found), &asked.people(&found))?;
    Ok(Verdict::fine_if(!found.is_empty()))
}

fn say_missing(store: &Store, name: &str) -> Result<Verdict> {
    let verdict = say_absent(store, name)?;
    say("what such a key was made of is not known; --function and --part say what was asked for");
    Ok(verdict)
}

impl Asked {
    fn call(args: &ExplainArgs) -> Self {
        let parts = args.parts.iter().map(|(name, value)| (Tree::Str(name.clone()), from_json(value)));
        Asked {
            entry: None,
            function: args.function.clone(),
            namespace: args.namespace.clone(),
            version: args.code_version.clone(),
            parts: Tree::Map(parts.collect()),
        }
    }

    /// `None` if the entry keeps no parts.
    fn entry(info: EntryInfo) -> Option<Self> {
        let parts = info.plain_key_parts()?;
        let [function, namespace, version] =
            [info.function(), info.namespace(), info.version()].map(|text| text.map(str::to_owned));
        Some(Asked { entry: Some(info), function, namespace, version, parts })
    }

    fn neighbours(&self, store: &Store, count: usize) -> Result<Vec<Neighbour>> {
        let mut query = Query::new();
        if let Some(function) = &self.function {
            query = query.function(function);
        }
        if let Some(namespace) = &self.namespace {
            query = query.namespace(namespace);
        }
        let mut found = store.explain(&query, &self.parts, count.saturating_add(1))?;
        let own = self.entry.as_ref().map(EntryInfo::key);
        found.retain(|neighbour| Some(neighbour.info.key()) != own);
        found.truncate(count);
        if own.is_none() {
            found.iter_mut().for_each(|neighbour| neighbour.differences.retain(|difference| !is_unsaid(difference)));
        }
        Ok(found)
    }

    /// The versions, stored and asked for, if they are known and differ.
    fn versions<'a>(&'a self, neighbour: &'a Neighbour) -> Option<(&'a str, &'a str)> {
        let (stored, asked) = (neighbour.info.version().unwrap_or("none"), self.version.as_deref()?);
        (stored != asked).then_some((stored, asked))
    }

    fn json(&self, found: &[Neighbour]) -> Value {
        let neighbour = |neighbour: &Neighbour| {
            let info = &neighbour.info;
            json!({
                "name": info.name(),
                "key": info.key().to_string(),
                "namespace": info.namespace(),
                "function": info.function(),
                "version": info.version(),
                "same_version": self.versions(neighbour).is_none(),
                "differences": neighbour.differences.iter().map(difference_json).collect::<Vec<_>>(),
            })
        };
        json!({
            "asked": {
                "key": self.entry.as_ref().map(|info| info.key().to_string()),
                "namespace": self.namespace,
                "function": self.function,
                "version": self.version,
                "parts": tree(&self.parts),
            },
            "neighbours": found.iter().map(neighbour).collect::<Vec<_>>(),
        })
    }

    fn people(&self, found: &[Neighbour]) -> Report {
        let mut report = Report::new();
        let what = if self.entry.is_some() { "other entry" } else { "entry" };
        if found.is_empty() {
            let function = self.function.as_deref().unwrap_or("none");
            report.line(format_args!("no {what} of function {} keeps the parts of its key", clean(function)));
        }
        for neighbour in found {
            report.line(self.headline(neighbour));
            if let Some((stored, asked)) = self.versions(neighbour) {
                report.line(format_args!("  version of the code: {} -> {}", clean(stored), clean(asked)));
            }
            neighbour.differences.iter().for_each(|difference| tell(&mut report, difference, &part_name(difference)));
        }
        report
    }

    fn headline(&self, neighbour: &Neighbour) -> String {
        let differing = match (neighbour.differences.len() as u64, self.versions(neighbour)) {
            (0, None) => "has the same parts".to_owned(),
            (0, Some(_)) => "has the same parts, of another version".to_owned(),
            (1, _) => "1 part differs".to_owned(),
            (number, _) => format!("{} differ", count(number, "part")),
        };
        format!("{}: {differing}", clean(&neighbour.info.label()))
    }
}

/// Whether it is a part that the attribute adds to what a function is given, and nobody has said: where the function
/// lies, and its type parameters.
fn is_unsaid(difference: &Difference) -> bool {
    difference.asked.is_none() && part_name(difference).starts_with('<')
}

/// What is not there is left out: null is a value.
fn difference_json(difference: &Difference) -> Value {
    let mut json = Map::new();
    json.insert("part".into(), part_name(difference).into());
    for (side, value) in [("stored", &difference.stored), ("asked", &difference.asked)] {
        json.extend(value.as_ref().map(|value| (side.to_owned(), tree(value))));
    }
    Value::Object(json)
}

/// One line, or one for each difference inside, `path` being how it is called.
fn tell(report: &mut Report, difference: &Difference, path: &str) {
    let inside = difference.inside();
    for inner in &inside {
        tell(report, inner, &format!("{path}.{}", part_name(inner)));
    }
    if inside.is_empty() {
        let shown = |value: &Option<Tree>| value.as_ref().map_or_else(|| "nothing".to_owned(), brief);
        let (stored, asked) = (shown(&difference.stored), shown(&difference.asked));
        report.line(clean(&format!("  {path}: {stored} -> {asked}")));
    }
}

/// A key that is no map, or of one value, has one part without a name.
fn part_name(difference: &Difference) -> String {
    match &difference.part {
        Tree::Nil => "the key".to_owned(),
        Tree::Str(name) if name.is_empty() => "the key".to_owned(),
        part => key_text(part),
    }
}
