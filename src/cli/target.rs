//! A file that is there whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::failure::{Context, Failure, Result};

/// A file being written beside its final name. Dropped before it is published, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) file: File,
    private: PathBuf,
    path: PathBuf,
    replace: bool,
}

impl Target {
    /// Starts a file that is going to be at `path`.
    pub(crate) fn create(path: &Path, replace: bool) -> Result<Self> {
        check(path, replace)?;
        let private = private_name(path)?;
        let made = File::options().read(true).write(true).create_new(true).open(&private);
        let file = made.context(|| format!("cannot create {}", private.display()))?;
        Ok(Target { file, private, path: path.to_owned(), replace })
    }

    /// Gives the file its name.
    pub(crate) fn publish(self) -> Result<()> {
        if self.replace {
            return fs::rename(&self.private, &self.path)
                .context(|| format!("cannot rename {} to {}", self.private.display(), self.path.display()));
        }
        // A link, unlike a rename, fails where somebody else has made the file meanwhile.
        match fs::hard_link(&self.private, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(there(&self.path)),
            Err(_) => {
                check(&self.path, false)?;
                fs::rename(&self.private, &self.path).context(|| format!("cannot create {}", self.path.display()))
            }
            Ok(()) => Ok(()),
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        drop(fs::remove_file(&self.private));
    }
}

fn check(path: &Path, replace: bool) -> Result<()> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).context(|| format!("cannot look at {}", path.display())),
        Ok(stat) if !stat.is_file() => {
            Err(Failure::new(format!("{} is no regular file; -o - writes to standard output", path.display())))
        }
        Ok(_) if !replace => Err(there(path)),
        Ok(_) => Ok(()),
    }
}

fn there(path: &Path) -> Failure {
    Failure::new(format!("{} is there already; --force replaces it", path.display()))
}

fn private_name(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| Failure::new(format!("{} is no name of a file", path.display())))?;
    let mut private = std::ffi::OsString::from(".");
    private.push(name);
    private.push(format!(".ndstash-{}", std::process::id()));
    Ok(path.with_file_name(private))
}
