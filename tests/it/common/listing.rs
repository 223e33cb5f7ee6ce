//! What lies in a directory, down to the last file.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// All that shows whether a file or directory was touched, but for its time of last access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) inode: u64,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) len: u64,
    pub(crate) modified: (i64, i64),
    /// Any change at all of content, mode, owner or names.
    pub(crate) changed: (i64, i64),
}

impl Facts {
    fn new(meta: &Metadata) -> Self {
        Facts {
            inode: meta.ino(),
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            len: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    pub(crate) fn of(path: &Path) -> Self {
        Self::new(&path.symlink_metadata().unwrap())
    }
}

/// Every file and directory below a directory, itself included.
pub(crate) fn listing(dir: &Path) -> BTreeMap<PathBuf, Facts> {
    let found = WalkDir::new(dir).into_iter().map(Result::unwrap);
    found.map(|entry| (entry.path().to_owned(), Facts::new(&entry.metadata().unwrap()))).collect()
}

/// The names of all files below a directory, ascending.
pub(crate) fn files_in(dir: &Path) -> Vec<String> {
    let found = WalkDir::new(dir).into_iter().map(Result::unwrap).filter(|entry| !entry.file_type().is_dir());
    let mut names: Vec<String> = found.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
