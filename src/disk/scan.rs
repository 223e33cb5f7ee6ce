//! Listing directories.

use rustix::fs::{Dir, FileType};
use walkdir::WalkDir;

use super::seam::{Flow, Step, Verb};
use super::{Root, open};
use crate::error::Result;
use crate::layout::Rel;

/// A name found in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The name; bytes that are not UTF-8 are replaced, which makes it a stray.
    pub(crate) name: String,
    /// It is a regular file, as far as the directory says.
    pub(crate) regular: bool,
    /// The number of the file, as the directory gives it: another's, once that file is gone and its number given again.
    pub(crate) inode: u64,
}

impl Root {
    /// The names in a directory, through the store's own descriptor: a store that is moved or swapped while it is
    /// listed cannot lead a collector to judge one directory and clean another.
    pub(crate) fn list(&self, rel: &Rel) -> Result<Vec<Listed>> {
        let step = Step { verb: Verb::List, path: rel.as_str(), from: None, file: None };
        self.run_seen(&step, |flow| {
            let dir = match rel.as_str() {
                "" => Dir::read_from(&self.0.fd)?,
                path => Dir::new(open::directory(&self.0.fd, path)?)?,
            };
            let mut found = Vec::new();
            for entry in dir {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if name != "." && name != ".." {
                    let regular = matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown);
                    let inode = if flow == Flow::Half { 0 } else { entry.ino() };
                    found.push(Listed { name, regular, inode });
                }
            }
            Ok(found)
        })
    }
}

/// Bytes and number of the files beneath a directory. For reports: what vanishes meanwhile is not counted.
pub(crate) fn tree_bytes(root: &Root, rel: &Rel) -> (u64, u64) {
    WalkDir::new(root.full(rel))
        .into_iter()
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .fold((0, 0), |(bytes, files), meta| (bytes + meta.len(), files + 1))
}
