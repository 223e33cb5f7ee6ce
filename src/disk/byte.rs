//! Locks of bytes that belong to an open file, like those of whole files: not to a process, which would lose all of them
//! with the first descriptor that it closes. Where there are none, every call says so.

use std::fs::File;
use std::io;

pub(super) use system::{try_lock, unlock};

#[cfg(target_os = "linux")]
mod system {
    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};

    use super::{File, io};

    pub(in super::super) fn try_lock(file: &File, at: u64) -> io::Result<bool> {
        match set(file, at, libc::F_WRLCK) {
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            set => Ok(set.map(|_| true)?),
        }
    }

    pub(in super::super) fn unlock(file: &File, at: u64) -> io::Result<()> {
        set(file, at, libc::F_UNLCK)?;
        Ok(())
    }

    #[allow(clippy::cast_possible_truncation, clippy::unnecessary_cast, reason = "the types differ by platform")]
    fn set(file: &File, at: u64, kind: libc::c_int) -> nix::Result<libc::c_int> {
        let start = at.try_into().map_err(|_| Errno::EOVERFLOW)?;
        let (l_type, l_whence) = (kind as libc::c_short, libc::SEEK_SET as libc::c_short);
        fcntl(file, FcntlArg::F_OFD_SETLK(&libc::flock { l_type, l_whence, l_start: start, l_len: 1, l_pid: 0 }))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{File, io};

    pub(in super::super) fn try_lock(_: &File, _: u64) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in super::super) fn unlock(_: &File, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
