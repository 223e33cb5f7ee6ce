//! Which bytes of a file are locked.

use std::fs::File;
use std::path::Path;

/// Whether somebody has locked some.
#[cfg(target_os = "linux")]
pub(crate) fn has_locked_bytes(file: &Path) -> bool {
    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};

    let Ok(file) = File::options().read(true).write(true).open(file) else { return false };
    let all = libc::flock {
        l_type: libc::c_short::try_from(libc::F_WRLCK).unwrap(),
        l_whence: libc::c_short::try_from(libc::SEEK_SET).unwrap(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&all)) {
        Ok(_) => false,
        Err(Errno::EAGAIN | Errno::EACCES) => true,
        Err(error) => panic!("{error}"),
    }
}

/// There are no such locks here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn has_locked_bytes(_: &Path) -> bool {
    false
}
