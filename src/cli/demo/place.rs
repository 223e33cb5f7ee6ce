//! Where the demo's store lies: where it is to be kept, or in a directory that is gone when the demo is over.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cli::failure::{Context, Result};

#[derive(Debug)]
pub(super) struct Place {
    store: PathBuf,
    scratch: Option<PathBuf>,
}

impl Place {
    pub(super) fn new(keep: Option<&Path>) -> Result<Self> {
        if let Some(keep) = keep {
            return Ok(Place { store: keep.to_owned(), scratch: None });
        }
        let scratch = make_scratch()?;
        Ok(Place { store: scratch.join("store"), scratch: Some(scratch) })
    }

    pub(super) fn store(&self) -> &Path {
        &self.store
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(scratch) = &self.scratch {
            // What is left in the temporary directory is nobody's concern.
            drop(fs::remove_dir_all(scratch));
        }
    }
}

/// Makes a directory that was not there before and that nobody else can enter.
fn make_scratch() -> Result<PathBuf> {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    let path = std::env::temp_dir().join(format!("ndstash-demo-{}-{now}", std::process::id()));
    let made = fs::DirBuilder::new().mode(0o700).create(&path);
    made.context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}
