//! What every verb shares: which store, where the output goes, and how the run ends.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use ndstash::{Address, Durability, Key, Store, StoreOptions};
use serde_json::Value;

use crate::cli::failure::{Failure, Result};
use crate::cli::format::Report;

/// How a run ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// Something was not found or is damaged.
    Problems,
}

impl Verdict {
    pub(crate) fn fine_if(fine: bool) -> Self {
        if fine { Verdict::Fine } else { Verdict::Problems }
    }
}

/// The run of one verb.
pub(crate) struct App {
    store: Option<PathBuf>,
    pub(crate) json: bool,
    pub(crate) out: BufWriter<Stdout>,
    durability: Durability,
    /// The store that was opened to be changed: at the end all that was put is on disk.
    opened: OnceCell<Store>,
}

impl App {
    pub(crate) fn new(store: Option<OsString>, json: bool, durability: Durability) -> Self {
        let store = store.filter(|dir| !dir.is_empty()).map(PathBuf::from);
        App { store, json, out: BufWriter::new(io::stdout()), durability, opened: OnceCell::new() }
    }

    /// The directory that `--store` or the environment names.
    pub(crate) fn dir(&self) -> Result<&Path> {
        let missing = || Failure::new("no store is given: say --store DIR, or set NDSTASH_DIR");
        self.store.as_deref().ok_or_else(missing)
    }

    pub(crate) fn open(&self) -> Result<Store> {
        if let Some(store) = self.opened.get() {
            return Ok(store.clone());
        }
        let store = StoreOptions::new().durability(self.durability).open(self.dir()?)?;
        Ok(self.opened.get_or_init(|| store).clone())
    }

    /// Opens the store so that nothing is written, not even the time of last use.
    pub(crate) fn open_to_read(&self) -> Result<Store> {
        Ok(StoreOptions::new().read_only(true).open(self.dir()?)?)
    }

    /// Prints a report: for programs if they asked, else for people.
    pub(crate) fn report(&mut self, json: &Value, people: &Report) -> Result<()> {
        if self.json {
            serde_json::to_writer_pretty(&mut self.out, json).map_err(io::Error::from)?;
            writeln!(self.out)?;
        } else {
            write!(self.out, "{people}")?;
        }
        Ok(())
    }

    /// Also after a failure: what was put before it is put on disk.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.opened.get().map_or(Ok(()), Store::flush)?;
        Ok(self.out.flush()?)
    }
}

/// Says something to the person at the terminal. That nobody listens is no failure.
pub(crate) fn say(what: impl fmt::Display) {
    drop(writeln!(io::stderr(), "ndstash: {what}"));
}

/// How many hex digits of a key are enough to mean it.
const ENOUGH: usize = 8;

/// How a text of the command line addresses an entry: as its name or, if there is none of that name, as its key in hex
/// or how that begins.
pub(crate) fn address<'a>(store: &Store, text: &'a str) -> Result<Address<'a>> {
    let is_name = !may_be_key(text) || store.info(text)?.is_some();
    let key = if is_name { None } else { find_key(store, text)? };
    Ok(key.map_or(Address::Name(text), Address::Key))
}

/// The key that a text is, or the one that begins with it. Reads no entry.
pub(crate) fn find_key(store: &Store, text: &str) -> Result<Option<Key>> {
    if let Ok(key) = text.parse() {
        return Ok(Some(key));
    }
    let found = if may_be_key(text) { store.resolve_key(&text.to_ascii_lowercase())? } else { Vec::new() };
    match found[..] {
        [] => Ok(None),
        [key] => Ok(Some(key)),
        _ => Err(Failure::new(format!("{} keys begin with {text}; say more of it", found.len()))),
    }
}

fn may_be_key(text: &str) -> bool {
    (ENOUGH..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Says that there is no such entry, or why it cannot be had.
pub(crate) fn say_absent(store: &Store, name: &str) -> Result<Verdict> {
    match store.info(address(store, name)?)? {
        None => say(format_args!("there is no entry {name:?}")),
        Some(_) => {
            say(format_args!(
                "entry {name:?} is there, but a blob that it needs is missing; `ndstash verify` tells more"
            ));
        }
    }
    Ok(Verdict::Problems)
}
