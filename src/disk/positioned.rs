//! Reading and writing open files at places of one's own, so that one open file serves many threads.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

/// Reads a file from a place of its own, so that one open file serves many readers at the same time.
pub(crate) struct Positioned<'a> {
    file: &'a File,
    at: u64,
}

impl<'a> Positioned<'a> {
    pub(crate) fn new(file: &'a File) -> Self {
        Positioned::from(file, 0)
    }

    /// The same, that begins elsewhere.
    pub(crate) fn from(file: &'a File, at: u64) -> Self {
        Positioned { file, at }
    }
}

impl Read for Positioned<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let taken = self.file.read_at(bytes, self.at)?;
        self.at += taken as u64;
        Ok(taken)
    }
}

/// Writes a file from a place on.
pub(crate) struct WriterAt<'a> {
    file: &'a File,
    at: u64,
}

impl<'a> WriterAt<'a> {
    pub(crate) fn new(file: &'a File, at: u64) -> Self {
        WriterAt { file, at }
    }
}

impl Write for WriterAt<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.file.write_at(bytes, self.at)?;
        self.at += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Copies the first `len` bytes of one file into another from `offset` on: inside the kernel where it can, which on
/// file systems with shared blocks copies nothing.
pub(crate) fn copy_range(from: &File, to: &File, offset: u64, len: u64) -> io::Result<()> {
    let done = copy_in_kernel(from, to, offset, len)?;
    let mut source = Positioned { file: from, at: done };
    let copied = io::copy(&mut (&mut source).take(len - done), &mut WriterAt::new(to, offset + done))?;
    if copied == len - done { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Returns how many bytes were copied: none, where the kernel or the file systems cannot.
#[cfg(target_os = "linux")]
fn copy_in_kernel(from: &File, to: &File, offset: u64, len: u64) -> io::Result<u64> {
    use rustix::io::Errno;
    let (mut source, mut target) = (0, offset);
    while source < len {
        let left = usize::try_from(len - source).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(from, Some(&mut source), to, Some(&mut target), left) {
            Ok(taken) if taken > 0 => {}
            Err(Errno::INTR) => {}
            // The end came early, or this pair of files cannot be copied so: reading and writing will tell.
            Ok(_) | Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM | Errno::BADF) => {
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(source)
}

#[cfg(not(target_os = "linux"))]
fn copy_in_kernel(_: &File, _: &File, _: u64, _: u64) -> io::Result<u64> {
    Ok(0)
}
