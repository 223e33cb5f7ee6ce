//! Opening beneath a directory descriptor: no link is followed, and only regular files and directories are opened.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// Opens a directory beneath `root`.
pub(super) fn directory(root: impl AsFd, path: &str) -> io::Result<OwnedFd> {
    Ok(beneath(root.as_fd(), path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?)
}

/// Opens a file beneath `root`, of whatever kind. Never blocks.
pub(super) fn any(root: impl AsFd, path: &str, flags: OFlags, mode: Mode) -> io::Result<File> {
    Ok(beneath(root.as_fd(), path, flags | OFlags::NONBLOCK | OFlags::NOCTTY, mode)?.into())
}

/// Opens a regular file beneath `root`.
pub(super) fn regular(root: impl AsFd, path: &str, flags: OFlags, mode: Mode) -> io::Result<File> {
    regular_and_stat(root, path, flags, mode).map(|(file, _)| file)
}

/// The same, with what a look at it shows.
pub(super) fn regular_and_stat(root: impl AsFd, path: &str, flags: OFlags, mode: Mode) -> io::Result<(File, Stat)> {
    let file = any(root, path, flags, mode)?;
    let stat = rustix::fs::fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((file, stat)),
        _ => Err(io::Error::other("not a regular file")),
    }
}

#[cfg(target_os = "linux")]
fn beneath(root: BorrowedFd<'_>, path: &str, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    // A path of the store goes down alone, so without links it stays beneath.
    match rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, mode, rustix::fs::ResolveFlags::NO_SYMLINKS) {
        // An old kernel, or a sandbox that filters the call.
        Err(Errno::NOSYS | Errno::PERM) => by_component(root, path, flags, mode),
        opened => opened,
    }
}

#[cfg(not(target_os = "linux"))]
fn beneath(root: BorrowedFd<'_>, path: &str, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    by_component(root, path, flags, mode)
}

/// The same without `openat2`: one component after the other, none of which may be a link.
fn by_component(root: BorrowedFd<'_>, path: &str, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    let step = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut dir: Option<OwnedFd> = None;
    for parent in parents.split('/').filter(|component| !component.is_empty()) {
        let at = dir.as_ref().map_or(root, AsFd::as_fd);
        dir = Some(rustix::fs::openat(at, parent, OFlags::RDONLY | OFlags::DIRECTORY | step, Mode::empty())?);
    }
    rustix::fs::openat(dir.as_ref().map_or(root, AsFd::as_fd), name, flags | step, mode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    type Opener = fn(BorrowedFd<'_>, &str, OFlags, Mode) -> rustix::io::Result<OwnedFd>;

    #[test]
    fn links_are_followed_by_neither_way_of_opening() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), b"x").unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        std::fs::write(dir.path().join("d/file"), b"x").unwrap();
        symlink(outside.path(), dir.path().join("link")).unwrap();
        symlink(outside.path().join("secret"), dir.path().join("d/link")).unwrap();
        let root = OwnedFd::from(File::open(dir.path()).unwrap());
        for open in [beneath as Opener, by_component as Opener] {
            assert!(open(root.as_fd(), "d/file", OFlags::RDONLY, Mode::empty()).is_ok());
            assert_eq!(open(root.as_fd(), "d/none", OFlags::RDONLY, Mode::empty()).unwrap_err(), Errno::NOENT);
            for planted in ["link/secret", "d/link"] {
                assert!(open(root.as_fd(), planted, OFlags::RDONLY, Mode::empty()).is_err(), "{planted}");
            }
        }
    }

    #[test]
    fn a_fifo_is_refused_and_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        let root = OwnedFd::from(File::open(dir.path()).unwrap());
        rustix::fs::mknodat(&root, "pipe", FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(regular(&root, "pipe", OFlags::RDONLY, Mode::empty()).is_err());
    }
}
