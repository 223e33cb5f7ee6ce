//! Whether anybody may still be writing to a file.

use std::fs::File;

/// Whether nobody has the file open for writing, or mapped so: neither this process nor another, a forked child say. The
/// file must be open for reading alone. `false` where that cannot be found out.
#[cfg(target_os = "linux")]
pub(crate) fn nobody_writes(file: &File) -> bool {
    use std::os::fd::AsRawFd;
    let lease = |kind: libc::c_int| {
        // SAFETY: the descriptor is open, and the call takes no pointer. A lease for reading is refused while the file is
        // open for writing; one that is given up at once is broken by nobody.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) == 0 }
    };
    lease(libc::F_RDLCK) && lease(libc::F_UNLCK)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn nobody_writes(_: &File) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no leases")]
    fn a_writer_shows_for_as_long_as_it_is_open() {
        let writer = tempfile::NamedTempFile::new().unwrap();
        let reader = File::open(writer.path()).unwrap();
        assert!(!nobody_writes(&reader));
        let path = writer.into_temp_path();
        assert!(nobody_writes(&reader));
        drop(path);
    }
}
