//! Bytes that arrive in pieces: read and hashed here while another thread writes them.

use std::io::Read;
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use crate::digest::Hasher;
use crate::disk::PrivateFile;
use crate::error::{At, Result};
use crate::format::head::BlobRef;

/// How much of a stream is one piece. The kernel keeps what is written in pieces of 2 MiB and more in large folios.
const PIECE: usize = 4 << 20;

/// How much is asked for first: most files are shorter, and take one read and another that finds the end.
const FIRST: usize = 4 << 10;

/// How many pieces are in memory at a time: one that is filled, one that waits, one that is written.
const PIECES: usize = 3;

/// Hashes what a reader yields.
pub(crate) fn hash(reader: &mut (impl Read + ?Sized)) -> Result<BlobRef> {
    let (mut hasher, mut len) = (Hasher::new(), 0);
    for_each_piece(reader, |piece| {
        hasher.update(piece);
        len += piece.len() as u64;
        Ok(())
    })?;
    Ok(BlobRef { digest: hasher.finish(), len })
}

/// Reads to the end in pieces that are as large as they can be.
pub(crate) fn for_each_piece(
    reader: &mut (impl Read + ?Sized),
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut buffer = Vec::new();
    loop {
        fill(&mut buffer, reader)?;
        if !buffer.is_empty() {
            take(&buffer)?;
        }
        if buffer.len() < PIECE {
            return Ok(());
        }
    }
}

/// Writes what a reader yields into a private file, and names it by what was written.
pub(super) fn write_hashed(file: &mut PrivateFile, reader: &mut dyn Read) -> Result<BlobRef> {
    let (mut hasher, mut first) = (Hasher::new(), Vec::new());
    fill(&mut first, reader)?;
    hasher.update(&first);
    if first.len() < PIECE {
        file.write(&first)?;
    } else {
        write_beside(file, first, |buffer| {
            fill(buffer, reader)?;
            hasher.update(buffer);
            Ok(())
        })?;
    }
    Ok(BlobRef { digest: hasher.finish(), len: file.len() })
}

/// Writes a full piece and all that follow it, by a thread of its own, while this one gets the next: until one is not full.
fn write_beside(
    file: &mut PrivateFile,
    first: Vec<u8>,
    mut next: impl FnMut(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let (full, to_write) = sync_channel::<Vec<u8>>(1);
    let (empty, to_fill) = channel();
    for _ in 1..PIECES {
        drop(empty.send(Vec::new()));
    }
    thread::scope(|scope| {
        let write = move || {
            for piece in to_write {
                file.write(&piece)?;
                // Nobody fills it again once the last one is there.
                drop(empty.send(piece));
            }
            Ok(())
        };
        let writer =
            thread::Builder::new().spawn_scoped(scope, write).at("start a thread to write", "a private file")?;
        let read = move || {
            let mut piece = first;
            loop {
                let more = piece.len() == PIECE;
                // A writer that takes nothing any more has failed, and says so itself.
                if full.send(piece).is_err() || !more {
                    return Ok(());
                }
                let Ok(buffer) = to_fill.recv() else { return Ok(()) };
                piece = buffer;
                next(&mut piece)?;
            }
        };
        let read: Result<()> = read();
        let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        read.and(written)
    })
}

/// Fills a buffer: with a whole piece, or with what is left.
fn fill(buffer: &mut Vec<u8>, reader: &mut (impl Read + ?Sized)) -> Result<()> {
    buffer.clear();
    buffer.reserve(FIRST);
    reader.take(PIECE as u64).read_to_end(buffer).at("read", "the input")?;
    Ok(())
}
