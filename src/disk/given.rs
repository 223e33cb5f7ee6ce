//! Files that the caller names, which lie anywhere: read, never written.

use std::fs::File;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags};

use crate::error::{At, Result};

/// Opens a regular file for reading; its path may lead through links. Never blocks, whatever lies there.
pub(crate) fn open_given(path: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(CWD, path, flags, Mode::empty()).at("open", path)?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd).at("look at", path)?.st_mode);
    let regular = if kind == FileType::RegularFile { Ok(()) } else { Err(std::io::Error::other("not a regular file")) };
    regular.at("read", path)?;
    Ok(File::from(fd))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_opened_through_links_and_nothing_else_is_taken_for_one() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), b"x").unwrap();
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
        rustix::fs::mknodat(CWD, dir.path().join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(open_given(&dir.path().join("link")).is_ok());
        for other in ["pipe", "none", "."] {
            assert!(open_given(&dir.path().join(other)).is_err(), "{other}");
        }
    }
}
