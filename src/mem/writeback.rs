//! Telling the kernel to begin with the writing.

use std::fs::File;

/// Has the kernel begin to write a part of a file to the disk, so that a sync that comes later has less to wait for. It
/// promises nothing: that the part is on disk, only a sync does, which also tells whether this has failed.
#[cfg(target_os = "linux")]
pub(crate) fn start_writeback(file: &File, from: u64, len: u64) {
    use std::os::fd::AsRawFd;
    let (Ok(from), Ok(len)) = (i64::try_from(from), i64::try_from(len)) else { return };
    // SAFETY: the descriptor is open, and the call takes no pointer.
    unsafe { libc::sync_file_range(file.as_raw_fd(), from, len, libc::SYNC_FILE_RANGE_WRITE) };
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn start_writeback(_: &File, _: u64, _: u64) {}
