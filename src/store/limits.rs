//! The limits of a store: kept in its settings, changed for everybody, seen by handles that are open.

use std::sync::Arc;

use super::{LOCK_WAIT, Store};
use crate::disk::{PrivateDir, Time};
use crate::error::{At, Error, Result};
use crate::format::settings::{Limits, MAX_SETTINGS_LEN, Settings};
use crate::layout;

#[expect(clippy::disallowed_types, reason = "a file that `disk` opened")]
type File = std::fs::File;

/// The limits as they were when the settings were last read, and the file they were read from.
#[derive(Clone, Debug)]
pub(super) struct Known {
    file: Option<Arc<File>>,
    limits: Limits,
}

impl Known {
    /// Those of settings that were just read. Looked at again before they are first used.
    pub(super) fn new(limits: Limits) -> Self {
        Known { file: None, limits }
    }
}

impl Store {
    /// The limits in force: those in the settings now, whoever set them.
    ///
    /// # Errors
    /// [`Error`] if the settings cannot be read any more.
    pub fn limits(&self) -> Result<Limits> {
        let known = || self.inner.limits.lock(|| Known::new(self.inner.settings.limits));
        let Known { file, limits } = known().clone();
        // Replaced settings are another file, and the old one's inode is not given away while it is open here.
        if let Some(file) = file
            && self.root().leads_to(&layout::SETTINGS, &file)?
        {
            return Ok(limits);
        }
        let (file, settings) = self.read_settings()?;
        *known() = Known { file: Some(Arc::new(file)), limits: settings.limits };
        Ok(settings.limits)
    }

    fn read_settings(&self) -> Result<(File, Settings)> {
        let path = || self.root().full(&layout::SETTINGS);
        let gone = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let file = self.root().open_file(&layout::SETTINGS)?.ok_or_else(gone).at("open", path())?;
        let bytes = self.root().read_opened(&file, &layout::SETTINGS, MAX_SETTINGS_LEN)?;
        Ok((file, Settings::parse(&bytes).map_err(|fault| fault.at(path()))?))
    }

    /// Changes the limits, for every process that uses the store, and for good. What is over them stays until the
    /// next put or cull.
    ///
    /// `change` is shown the limits in force; changes by others are not lost.
    ///
    /// # Errors
    /// [`Error::Busy`] while a collector runs, for longer than the handle waits for locks; [`Error::Invalid`] for a
    /// limit that settings cannot hold.
    pub fn set_limits(&self, change: impl FnOnce(&mut Limits)) -> Result<Limits> {
        self.check_writable()?;
        let guard = self.root().lock_exclusive(&layout::COLLECTOR, self.inner.lock_wait.min(LOCK_WAIT))?;
        let (_, mut settings) = self.read_settings()?;
        change(&mut settings.limits);
        check(&settings.limits)?;
        let mut file = PrivateDir::create(self.root())?.file()?;
        file.write(settings.encode().as_bytes())?;
        drop(file.seal(Time::Now)?.rename_over(&layout::SETTINGS)?);
        self.root().sync_dir(&layout::ROOT)?;
        drop(guard);
        // The next put looks whether it is over the new ones.
        self.amend_ledger(|ledger| (ledger.counted_bytes, ledger.counted_entries) = (0, 0));
        Ok(settings.limits)
    }
}

fn check(limits: &Limits) -> Result<()> {
    let reason = "at most 2^63 - 1 is possible";
    let numbers = [limits.bytes, limits.entries, limits.age];
    match numbers.into_iter().flatten().find(|&number| i64::try_from(number).is_err()) {
        None => Ok(()),
        Some(number) => Err(Error::Invalid { what: "limit", given: number.to_string(), reason }),
    }
}
