//! Whose work a file may be: who it belongs to, and who else may write it.

use std::sync::LazyLock;

use super::{Root, open};
use crate::error::{At, Result};
use crate::layout::Rel;

/// The bits of a mode that let others than the owner write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Who stands for users that this machine does not know, where the kernel does not say: Linux' own default.
const OVERFLOW: u32 = 65534;

/// Who a file or directory belongs to, and its permission bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    user: u32,
    mode: u32,
}

impl Owner {
    #[allow(clippy::useless_conversion, reason = "the types differ by platform")]
    pub(super) fn new(stat: &rustix::fs::Stat) -> Self {
        Owner { user: stat.st_uid, mode: u32::from(stat.st_mode) & 0o7777 }
    }

    /// The permission bits, and those for other users and groups.
    pub(super) fn mode(self) -> u32 {
        self.mode
    }

    /// Why what lies there may be the work of others; `None` if only this user and root may have written it.
    pub(crate) fn distrust(self) -> Option<String> {
        let Owner { user, mode } = self;
        let own = rustix::process::geteuid().as_raw();
        if user == overflow() {
            Some(format!("belongs to user {user}, who may be anybody"))
        } else if user != own && user != 0 {
            Some(format!("belongs to user {user}, this is user {own}"))
        } else if mode & WRITABLE_BY_OTHERS != 0 {
            Some(format!("may be written by others than its owner (mode {mode:04o})"))
        } else {
            None
        }
    }
}

impl Root {
    /// Who a directory belongs to.
    pub(crate) fn owner_of_dir(&self, rel: &Rel) -> Result<Owner> {
        let look = || match rel.as_str() {
            "" => Ok(rustix::fs::fstat(&self.0.fd)?),
            path => Ok(rustix::fs::fstat(open::directory(&self.0.fd, path)?)?),
        };
        let stat: std::io::Result<_> = look();
        stat.at("look at", self.full(rel)).map(|stat| Owner::new(&stat))
    }
}

/// The number that stands for every user whom this machine or container does not know.
fn overflow() -> u32 {
    static KNOWN: LazyLock<u32> = LazyLock::new(|| {
        let text = std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(OVERFLOW)
    });
    *KNOWN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_user_or_root_alone_may_write_is_trusted() {
        let own = rustix::process::geteuid().as_raw();
        let says = |user, mode| Owner { user, mode }.distrust();
        for (user, mode) in [(own, 0o444), (own, 0o700), (0, 0o755), (0, 0o4644)] {
            assert_eq!(says(user, mode), None, "{user} {mode:o}");
        }
        for (user, mode) in [(own, 0o2770), (0, 0o1777), (own, 0o646), (own + 1, 0o700), (overflow(), 0o444)] {
            assert!(says(user, mode).is_some(), "{user} {mode:o}");
        }
        assert_eq!(says(own, 0o2770).unwrap(), "may be written by others than its owner (mode 2770)");
    }
}
