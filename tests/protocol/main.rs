//! The ordering rules and the collector's protocol, proved on the real code at the file-system seam.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "tests look at the files themselves")]
#![allow(clippy::unwrap_used, reason = "a test may")]
#![forbid(unsafe_code)]

/// A store to stop, damage and look into, and what must hold in it.
mod bench;
/// The process stops before every step of every operation.
mod crash;
/// Culls beside whatever changes what they have chosen, interleaved likewise.
mod cull;
/// Power loss while syncs are owed, and what is left on the next boot.
mod deferred;
/// Every interleaving of a few operations, within a bound on preemptions.
mod interleave;
/// Power loss, by what a trace says is surely and possibly on disk.
mod power;
/// Runs threads one step at a time, in every order.
mod schedule;
/// Seeded bugs: each makes the proof by interleaving fail.
mod weakened;
