//! Every interleaving of small sets of processes on a model of the store: the commit gate, the
//! collector and its journal, the culler, repair, quarantine and readers that retry, crashes at every step.
//!
//! [`state`] is the store and what each process remembers, [`turn`] one step of one process; the
//! operations have a file each; [`scenarios`] says who meets whom; [`explore`] visits every
//! reachable state. [`sound`] shows that the protocol keeps its promises, [`weakened`] that each
//! of its rules is needed, because without it a promise is broken.
//!
//! What is left out: durability (a step that is done is on disk, so nothing is synced between the two
//! gate sections of a put), damage to private files, listing the blobs (whatever is not live counts as
//! listed, the widest a listing can be), unlinking what is in the trash, and how a policy chooses: a culler
//! may take any entries that are neither pinned nor new. Collectors remember what they read in the scenarios that say so,
//! where numbers of files tell nothing: every new file has been given the number of the one before.

#![expect(clippy::unnecessary_wraps, reason = "every step has the type of one that may have to wait")]

mod collect;
mod commit;
mod cull;
mod derive;
mod explore;
mod put;
mod read;
mod remove;
mod repair;
mod scenarios;
mod sound;
mod state;
mod turn;
mod weakened;
