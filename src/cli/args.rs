//! The command line as clap reads it.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::cli::app::{App, Verdict};
use crate::cli::failure::Result;
use crate::cli::policy_args::{
    CullArgs, EvictArgs, ExpireArgs, ExplainArgs, Filters, LimitArgs, NamesArgs, Sort, TagArgs,
};

/// Keeps arrays in a store: every array once, mapped back instead of read, collected exactly.
///
/// Exit codes: 0 fine, 1 something was not found or is damaged, 2 failed.
#[derive(Debug, Parser)]
#[command(name = "ndstash", version, max_term_width = 100)]
pub(crate) struct Args {
    /// The directory of the store.
    // An empty variable is as good as none: the parser of paths would refuse it, for verbs that need no store as well.
    #[arg(long, global = true, env = "NDSTASH_DIR", value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) store: Option<OsString>,
    /// Print reports as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When each thing put is on disk.
    #[arg(long, global = true, value_enum, default_value_t, env = "NDSTASH_DURABILITY", value_name = "WHEN")]
    pub(crate) durability: DurabilityArg,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The durabilities, as the command line names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityArg {
    /// Before the next is put.
    #[default]
    Full,
    /// Together with others, at the end of the command at the latest: much faster for many small things.
    Deferred,
}

impl From<DurabilityArg> for ndstash::Durability {
    fn from(arg: DurabilityArg) -> Self {
        match arg {
            DurabilityArg::Full => ndstash::Durability::Full,
            DurabilityArg::Deferred => ndstash::Durability::Deferred,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a store.
    Init(InitArgs),
    /// Put arrays from files, folders or standard input under a name.
    Put(PutArgs),
    /// Write what an entry holds to a file or standard output.
    Get(GetArgs),
    /// List entries.
    Ls(LsArgs),
    /// Show what an entry says of itself.
    Show(ShowArgs),
    /// Remove entries. Their blobs stay until they are collected.
    Rm(RmArgs),
    /// Give an entry another name.
    Mv(TransferArgs),
    /// Put the value of an entry under a second name, without copying arrays.
    Cp(TransferArgs),
    /// Tag entries, or take tags from them.
    Tag(TagArgs),
    /// Keep every policy from removing entries.
    Pin(NamesArgs),
    /// Let policies remove entries again.
    Unpin(NamesArgs),
    /// Say when caches stop handing entries out, and culling removes them.
    Expire(ExpireArgs),
    /// Remove entries by age, use, size, tag or origin. Their blobs stay until they are collected.
    Evict(EvictArgs),
    /// Remove what has expired and what is over the limits, and collect.
    Cull(CullArgs),
    /// Show or set how much the store may hold. Every put keeps to it.
    Limit(LimitArgs),
    /// Collect: remove the blobs that no entry names. Safe while others write.
    Gc(GcArgs),
    /// Take over the entries of another store, with what they need. Exits with 1 if some are damaged and were left behind.
    Merge(MergeArgs),
    /// Check every blob against its name, and every entry. Exits with 1 if problems were found.
    Verify(VerifyArgs),
    /// Tell which entries keep a blob.
    Why(WhyArgs),
    /// Tell which stored calls come nearest to one, and what differs.
    Explain(ExplainArgs),
    /// Tell how much is stored, what storing equal arrays once saves, and what caches saved.
    Stats,
    /// Tell how much space each entry takes.
    Du(PrefixArgs),
    /// Check whether this machine and file system keep what the store relies on. Exits with 1 if they do not.
    Doctor,
    /// Tell the whole story on real arrays, in a temporary store.
    Demo(DemoArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// The directory: one that does not exist or is empty. By default that of --store.
    pub(crate) dir: Option<PathBuf>,
    /// Let the directory's group, or this one (a name or a number), read and write.
    #[arg(long, value_name = "GROUP", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "clap's form of an option whose value may be left out")]
    pub(crate) shared: Option<Option<String>>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PutArgs {
    /// The name of the entry; for a folder, what the names of its entries begin with.
    pub(crate) name: String,
    /// A .npy or .npz file, a folder of them, or - for standard input.
    pub(crate) file: PathBuf,
    /// Tag the entry. May be given several times.
    #[arg(long = "tag", value_name = "TAG", value_parser = printable)]
    pub(crate) tags: Vec<String>,
    /// Keep a text with the entry. May be given several times.
    #[arg(long = "meta", value_name = "KEY=TEXT", value_parser = key_and_text)]
    pub(crate) meta: Vec<(String, String)>,
    /// Fail if there is an entry of that name.
    #[arg(long)]
    pub(crate) new: bool,
    /// Store the file as the bytes it is, whatever they are.
    #[arg(long)]
    pub(crate) raw: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct MergeArgs {
    /// The directory of the other store. Nothing is written there.
    #[arg(value_hint = clap::ValueHint::DirPath)]
    pub(crate) from: PathBuf,
    /// Only entries whose names begin so.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Option<String>,
    /// Replace entries of this store that have the same name and other content; without this they stay.
    #[arg(long)]
    pub(crate) replace: bool,
}

/// What `get` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileFormat {
    /// One array, as numpy saves it.
    Npy,
    /// Arrays by name, as numpy saves them, not compressed.
    Npz,
    /// The bytes alone.
    Raw,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GetArgs {
    /// The name of the entry, or its key in hex (the first 8 digits will do).
    pub(crate) name: String,
    /// The file to write; - is standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The format; by default as FILE ends, else as the value is.
    #[arg(long, value_enum)]
    pub(crate) format: Option<FileFormat>,
    /// One array of a map of arrays.
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Option<String>,
    /// Replace FILE if it is there.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LsArgs {
    /// What the names begin with.
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// A table: what each entry holds, its size, ages, tags and what else is known of it.
    #[arg(short, long)]
    pub(crate) long: bool,
    /// What to sort by.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) sort: Sort,
    /// The other way round.
    #[arg(long)]
    pub(crate) reverse: bool,
    // Last: the heading counts for all that follows.
    #[command(flatten)]
    pub(crate) filters: Filters,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// The name of the entry, or its key in hex (the first 8 digits will do).
    pub(crate) name: String,
    /// Read the arrays and tell least, greatest and mean value of the numeric ones.
    #[arg(long)]
    pub(crate) stats: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RmArgs {
    /// The names of the entries, or their keys in hex (the first 8 digits will do).
    #[arg(required_unless_present = "prefix")]
    pub(crate) names: Vec<String>,
    /// Remove every entry whose name begins with this.
    #[arg(long, conflicts_with = "names", value_name = "PREFIX", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) prefix: Option<String>,
    /// Only tell what would be removed.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TransferArgs {
    /// The name of the entry, or its key in hex (the first 8 digits will do).
    pub(crate) from: String,
    /// The new name.
    pub(crate) to: String,
    /// Replace the entry that has the new name.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GcArgs {
    /// Only tell what would be removed.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) locks: LockArgs,
}

/// How whoever collects goes about locks.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct LockArgs {
    /// How long to wait for each lock.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) wait: Option<std::time::Duration>,
    /// Promise that nobody else uses the store: needed on file systems whose locks are not to be trusted.
    #[arg(long)]
    pub(crate) alone: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// Move what is damaged into quarantine, and drop the entries that needed it, after saying so.
    #[arg(long)]
    pub(crate) repair: bool,
    /// For a repair: promise that nobody else uses the store, as with `gc --alone`.
    #[arg(long, requires = "repair")]
    pub(crate) alone: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct WhyArgs {
    /// The digest of the blob, or how it begins.
    pub(crate) digest: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PrefixArgs {
    /// What the names begin with.
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// The folder with the arrays, which tools/demo fetches.
    #[arg(default_value = "target/demo-data")]
    pub(crate) data_dir: PathBuf,
    /// Make the store here, and keep it.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: Shell,
}

pub(crate) fn printable(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("at least one character is expected"),
        text if text.contains(char::is_control) => Err("control characters are not allowed"),
        text => Ok(text.to_owned()),
    }
}

fn key_and_text(pair: &str) -> Result<(String, String), &'static str> {
    let (key, text) = pair.split_once('=').ok_or("KEY=TEXT is expected")?;
    Ok((printable(key)?, text.to_owned()))
}

fn seconds(text: &str) -> Result<std::time::Duration, &'static str> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds is expected")?;
    std::time::Duration::try_from_secs_f64(seconds).map_err(|_| "a number of seconds from 0 on is expected")
}

/// Prints the completion script.
pub(crate) fn completions(app: &mut App, args: &CompletionsArgs) -> Result<Verdict> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "ndstash", &mut script);
    app.out.write_all(&script)?;
    Ok(Verdict::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn init_takes_a_group_only_after_an_equals_sign() {
        let shared = |words: &[&str]| match Args::try_parse_from(words).unwrap().verb {
            Verb::Init(args) => (args.dir, args.shared),
            verb => panic!("{verb:?}"),
        };
        assert_eq!(shared(&["ndstash", "init", "--shared", "d"]), (Some("d".into()), Some(None)));
        assert_eq!(shared(&["ndstash", "init", "--shared=lab"]), (None, Some(Some("lab".into()))));
    }

    #[test]
    fn metadata_and_seconds_are_checked() {
        assert_eq!(key_and_text("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(key_and_text("a").is_err() && key_and_text("=b").is_err() && key_and_text("a\n=b").is_err());
        assert_eq!(seconds("0.5"), Ok(std::time::Duration::from_millis(500)));
        assert!(seconds("-1").is_err() && seconds("nan").is_err() && seconds("soon").is_err());
    }
}
