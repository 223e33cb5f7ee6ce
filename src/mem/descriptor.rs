//! File descriptors that are known by their number alone.

use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Lends out a descriptor by its number, without closing it after. The caller has got the number from the file that
/// owns it, which is open still.
pub(crate) fn with_descriptor(number: RawFd, work: impl FnOnce(&mut OwnedFd)) {
    // SAFETY: the descriptor is open, as the caller knows. It is not closed here: the one made of it is never dropped.
    let mut descriptor = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
    work(&mut descriptor);
}
