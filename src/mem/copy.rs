//! Copying to memory wherever it begins.
//!
//! What allocators give large arrays begins 16 bytes behind a page, and what is copied there from the beginning of a page
//! goes three to five times slower on AMD's Zen 3 and Zen 4: their string instruction, by which the C library and the
//! kernel copy all that is long, stumbles over a target that is a little behind its source (glibc, bug 30994). So memory
//! of our own begins where it does not, and what goes elsewhere goes in steps that are too short for that instruction.

use std::io;

use super::Heap;

/// Where copying is quick.
pub(super) const LINE: usize = 64;

/// What the C library copies by vector instructions: a quarter of what it takes to be long.
const SHORT: usize = 512;

/// How much is read at a time on its way to elsewhere: it stays in the innermost cache but one.
const STOPOVER: usize = 64 << 10;

/// Whether memory begins where copying is quick.
fn is_lined_up(bytes: &[u8]) -> bool {
    bytes.as_ptr().align_offset(LINE) == 0
}

/// Copies bytes of which there are as many.
pub(crate) fn copy(from: &[u8], to: &mut [u8]) {
    if is_lined_up(to) {
        return to.copy_from_slice(from);
    }
    debug_assert_eq!(from.len(), to.len(), "they are as many");
    from.chunks(SHORT).zip(to.chunks_mut(SHORT)).for_each(|(from, to)| to.copy_from_slice(from));
}

/// Fills memory from where `read` brings the next bytes from, from the first to the last.
pub(crate) fn fill(to: &mut [u8], mut read: impl FnMut(&mut [u8]) -> io::Result<()>) -> io::Result<()> {
    // Of little, the way is not worth its memory.
    let stopover = if is_lined_up(to) || to.len() < STOPOVER { None } else { Heap::zeroed(STOPOVER) };
    let Some(mut stopover) = stopover else { return read(to) };
    to.chunks_mut(STOPOVER).try_for_each(|to| {
        let bytes = &mut stopover[..to.len()];
        read(bytes)?;
        copy(bytes, to);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does something with the same memory lined up and not, of lengths about those at which something changes.
    fn for_each_target(work: impl Fn(&[u8], &mut [u8])) {
        for len in [0, 1, SHORT, SHORT + 1, STOPOVER - 1, STOPOVER, 2 * STOPOVER + 77] {
            let from: Vec<u8> = (0..len).map(|i| u8::try_from(i * 7 % 251).expect("it is less")).collect();
            for skip in [0, 1, 16] {
                let mut to = Heap::zeroed(len + 16).unwrap();
                assert_eq!(is_lined_up(&to[skip..]), skip == 0);
                work(&from, &mut to[skip..skip + len]);
                assert!(to[skip..skip + len] == from, "{len} bytes, {skip} behind a line");
                assert!(to[..skip].iter().chain(&to[skip + len..]).all(|byte| *byte == 0), "nothing beside them");
            }
        }
    }

    #[test]
    fn bytes_are_copied_to_wherever_they_go() {
        for_each_target(copy);
    }

    #[test]
    fn bytes_are_read_to_wherever_they_go() {
        for_each_target(|from, to| {
            let mut left = from;
            fill(to, |next| io::Read::read_exact(&mut left, next)).unwrap();
            assert!(left.is_empty());
        });
    }

    #[test]
    fn what_cannot_be_read_is_an_error_wherever_it_goes() {
        for_each_target(|from, to| {
            let mut left = &from[..from.len() / 2];
            let read = fill(to, |next| io::Read::read_exact(&mut left, next));
            assert_eq!(read.is_err(), !from.is_empty());
            to.copy_from_slice(from);
        });
    }
}
