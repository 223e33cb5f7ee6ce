//! The program `ndstash`: keeps arrays in a store from the command line. It sees the public API only, under the name of
//! the crate.
//!
//! Data goes to standard output, words go to standard error. Exit codes: 0 fine, 1 something was not found or is
//! damaged, 2 failed.

#![deny(unsafe_code)]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the fence keeps the library's file system calls in one room; a program opens the files it is told to"
)]

mod amount;
mod app;
mod args;
mod cull;
mod demo;
mod describe;
mod doctor;
mod edit;
mod evict;
mod explain;
mod failure;
mod format;
mod gc;
mod get;
mod init;
mod labels;
mod limit;
mod ls;
mod merge;
mod npy;
mod npz;
mod policy_args;
mod progress;
mod put;
mod rm;
mod select;
mod show;
mod source;
mod stats;
mod summary;
mod target;
mod traffic;
mod verify;
mod why;

use std::ffi::OsString;

use clap::Parser;

use app::{App, Verdict, say};
use args::{Args, Verb};
use failure::Result;

/// Runs the program with these arguments, the first of which is its own name; returns its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(usage) => {
            // Help and version are no errors, and nothing is to be done if nobody reads them.
            drop(usage.print());
            return u8::try_from(usage.exit_code()).unwrap_or(2);
        }
    };
    let mut app = App::new(args.store, args.json, args.durability.into());
    let verdict = run(&mut app, &args.verb);
    let finished = app.finish();
    let verdict = verdict.and_then(|verdict| finished.map(|()| verdict));
    match verdict {
        Ok(Verdict::Fine) => 0,
        Ok(Verdict::Problems) => 1,
        // Who reads from us has seen enough.
        Err(failure) if failure.is_broken_pipe() => 0,
        Err(failure) => {
            say(&failure);
            2
        }
    }
}

fn run(app: &mut App, verb: &Verb) -> Result<Verdict> {
    match verb {
        Verb::Init(args) => init::run(app, args),
        Verb::Put(args) => put::run(app, args),
        Verb::Get(args) => get::run(app, args),
        Verb::Ls(args) => ls::run(app, args),
        Verb::Show(args) => show::run(app, args),
        Verb::Rm(args) => rm::run(app, args),
        Verb::Mv(args) => edit::rename(app, args),
        Verb::Cp(args) => edit::copy(app, args),
        Verb::Tag(args) => labels::tag(app, args),
        Verb::Pin(args) => labels::pin(app, args, true),
        Verb::Unpin(args) => labels::pin(app, args, false),
        Verb::Expire(args) => labels::expire(app, args),
        Verb::Evict(args) => evict::run(app, args),
        Verb::Cull(args) => cull::run(app, args),
        Verb::Merge(args) => merge::run(app, args),
        Verb::Limit(args) => limit::run(app, args),
        Verb::Gc(args) => gc::run(app, args),
        Verb::Verify(args) => verify::run(app, args),
        Verb::Why(args) => why::run(app, args),
        Verb::Explain(args) => explain::run(app, args),
        Verb::Stats => stats::run(app),
        Verb::Du(args) => stats::du(app, args),
        Verb::Doctor => doctor::run(app),
        Verb::Demo(args) => demo::run(app, args),
        Verb::Completions(args) => args::completions(app, args),
    }
}
