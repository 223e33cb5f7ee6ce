//! Doing to files of a store what ndstash never does.

use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Changes the content of a file in place, as failing hardware does: mode and time stay as they were.
pub(crate) fn rot(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let (mode, time) = (mode_of(path), modified_ns(path));
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    chmod(path, 0o600);
    std::fs::write(path, bytes).unwrap();
    set_modified_ns(path, time);
    chmod(path, mode);
}

/// Changes the content of a file in place, as somebody with an editor does: the time tells.
pub(crate) fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    rot(path, change);
    chmod(path, 0o644);
    set_modified_ns(path, SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap());
}

/// Cuts a file short, with mode and time kept.
pub(crate) fn truncate(path: &Path, len: usize) {
    rot(path, |bytes| bytes.truncate(len));
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The permission bits.
pub(crate) fn mode_of(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

pub(crate) fn modified_ns(path: &Path) -> i64 {
    let meta = path.symlink_metadata().unwrap();
    meta.mtime() * 1_000_000_000 + meta.mtime_nsec()
}

pub(crate) fn set_modified_ns(path: &Path, time: i64) {
    let file = File::open(path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_nanos(time.try_into().unwrap())).unwrap();
}
