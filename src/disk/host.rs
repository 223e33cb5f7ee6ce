//! Facts about this machine: clock, randomness, boot, file system.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Root;
use crate::digest::Digest;
use crate::error::{At, Result};

/// The length of what tells a file from every other.
pub(super) const IDENTITY_LEN: usize = 36;

/// Nanoseconds since 1970, for people: no safety rests on it.
pub(crate) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// 128 bits from the system's generator.
pub(crate) fn random_bits() -> [u8; 16] {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).expect("the system's generator does not fail once the system is up");
    bits
}

/// Which boot of which machine this is, and which mounting of the file system: what was written and not synced is there
/// as long as both last. Zeros where that is not known. blobs-format.md section 5.3 says how it is made.
pub(crate) fn boot_id(root: &Root) -> [u8; 16] {
    #[cfg(feature = "seam")]
    if let Some(boot) = root.0.seam.boot() {
        return boot;
    }
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> = text.bytes().filter_map(|byte| char::from(byte).to_digit(16)?.try_into().ok()).collect();
    let mut id = [0; 16];
    if digits.len() != 32 {
        return id;
    }
    let mut parts: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    parts.extend_from_slice(&mount_id(&root.0.fd).to_le_bytes());
    id.copy_from_slice(&Digest::of(&parts).as_bytes()[..16]);
    id
}

/// What tells one mounting of a file system from all others of this boot; 0 where the kernel does not tell.
#[cfg(target_os = "linux")]
fn mount_id(dir: &OwnedFd) -> u64 {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    // Since Linux 6.8. Numbers of the older kind are given again after a file system was unmounted.
    const UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);
    match statx(dir, "", AtFlags::EMPTY_PATH, UNIQUE) {
        Ok(found) if StatxFlags::from_bits_retain(found.stx_mask).contains(UNIQUE) => found.stx_mnt_id,
        _ => 0,
    }
}

#[cfg(not(target_os = "linux"))]
fn mount_id(_: &OwnedFd) -> u64 {
    0
}

/// Why a file system is not one where what was published may be synced later; `None` where it is. One that others
/// write to as well, or that is pulled out, loses what was not synced without a new boot.
pub(crate) fn forbids_deferring(root: &Root) -> Result<Option<String>> {
    if let Some(name) = untrusted_file_system(root)? {
        return Ok(Some(format!("it lies on {name}")));
    }
    if boot_id(root) == [0; 16] {
        return Ok(Some("this system does not tell one boot from another".into()));
    }
    let stat = rustix::fs::fstat(&root.0.fd).at("look at", root.path())?;
    Ok(is_removable(rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev))
        .then(|| "its disk can be pulled out".into()))
}

/// Whether a device can be pulled out while the machine runs: as the kernel says, or because it hangs on a cable for such.
fn is_removable(major: u32, minor: u32) -> bool {
    let Ok(device) = std::fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")) else { return false };
    let path = device.to_string_lossy();
    // A partition has no such file; the disk that it is part of has.
    let says =
        |dir: &std::path::Path| std::fs::read_to_string(dir.join("removable")).is_ok_and(|text| text.trim() == "1");
    path.contains("/usb") || says(&device) || device.parent().is_some_and(says)
}

/// How many files this process may have open.
pub(crate) fn open_files_limit() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The name of this machine; `None` where it has none.
pub(crate) fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Some(name).filter(|name| !name.is_empty())
}

/// The name of the user, as the environment has it, else the number.
pub(crate) fn user_name() -> Option<String> {
    let named = ["USER", "LOGNAME"].iter().filter_map(|name| std::env::var(name).ok()).find(|name| !name.is_empty());
    named.or_else(|| Some(rustix::process::getuid().as_raw().to_string()))
}

/// The owner that new files are given to: that of the directory, if this is root and it is another's.
pub(super) fn other_owner(dir: &OwnedFd) -> io::Result<Option<(rustix::fs::Uid, rustix::fs::Gid)>> {
    let stat = rustix::fs::fstat(dir)?;
    let foreign = rustix::process::geteuid().is_root() && stat.st_uid != 0;
    Ok(foreign.then(|| (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid))))
}

/// Whether no other machine writes to a file system: all that was written is then in the memory of this one.
#[cfg(target_os = "linux")]
pub(crate) fn is_local(root: &Root) -> bool {
    // ext2 to ext4, XFS, btrfs, F2FS, ZFS, bcachefs, tmpfs.
    const LOCAL: [u64; 7] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1, 0xca45_1a4e, 0x0102_1994];
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, reason = "the type differs by platform")]
    rustix::fs::fstatfs(&root.0.fd).is_ok_and(|stat| LOCAL.contains(&(stat.f_type as u64 & 0xffff_ffff)))
}

/// Whether no other machine writes to a file system. Not known on this platform.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_local(_: &Root) -> bool {
    false
}

/// What tells a file or directory from every other of this boot: the mounting of its file system, its device, number and
/// time of birth. A copy has others, whoever made it; so has a file system that was unmounted, which may have lost what
/// was not synced. `None` where the kernel or the file system does not tell.
#[cfg(target_os = "linux")]
pub(super) fn identity(dir: &OwnedFd, name: &str) -> rustix::io::Result<Option<[u8; IDENTITY_LEN]>> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    // Since Linux 6.8. Numbers of the older kind are given again.
    const UNIQUE_MOUNT: StatxFlags = StatxFlags::from_bits_retain(0x4000);
    let asked = StatxFlags::INO | StatxFlags::BTIME | UNIQUE_MOUNT;
    let found = statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, asked)?;
    if !StatxFlags::from_bits_retain(found.stx_mask).contains(asked) {
        return Ok(None);
    }
    let mut identity = Vec::with_capacity(IDENTITY_LEN);
    identity.extend_from_slice(&found.stx_mnt_id.to_le_bytes());
    identity.extend_from_slice(&found.stx_dev_major.to_le_bytes());
    identity.extend_from_slice(&found.stx_dev_minor.to_le_bytes());
    identity.extend_from_slice(&found.stx_ino.to_le_bytes());
    identity.extend_from_slice(&found.stx_btime.tv_sec.to_le_bytes());
    identity.extend_from_slice(&found.stx_btime.tv_nsec.to_le_bytes());
    Ok(identity.try_into().ok())
}

/// What tells a file or directory from every other. Not known on this platform.
#[cfg(not(target_os = "linux"))]
pub(super) fn identity(_: &OwnedFd, _: &str) -> rustix::io::Result<Option<[u8; IDENTITY_LEN]>> {
    Ok(None)
}

/// Bytes that an ordinary user may still write.
pub(crate) fn available_space(root: &Root) -> Result<u64> {
    fs2::available_space(root.path()).at("ask for the free space of", root.path())
}

/// The name of a file system on which locks between machines are not to be trusted; `None` on an ordinary one.
#[cfg(target_os = "linux")]
pub(crate) fn untrusted_file_system(root: &Root) -> Result<Option<&'static str>> {
    const UNTRUSTED: [(u64, &str); 11] = [
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "SMB"),
        (0xfe53_4d42, "SMB"),
        (0x6573_5546, "FUSE"),
        (0x0102_1997, "9p"),
        (0x0bd0_0bd0, "Lustre"),
        (0x4750_4653, "GPFS"),
        (0x00c3_6400, "Ceph"),
        (0x1983_0326, "BeeGFS"),
        (0x5346_414f, "AFS"),
    ];
    let stat = rustix::fs::fstatfs(&root.0.fd).at("ask for the file system of", root.path())?;
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, reason = "the type differs by platform")]
    let kind = stat.f_type as u64 & 0xffff_ffff;
    Ok(UNTRUSTED.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name))
}

/// The name of a file system on which locks between machines are not to be trusted. Not known on this platform.
#[cfg(not(target_os = "linux"))]
pub(crate) fn untrusted_file_system(_: &Root) -> Result<Option<&'static str>> {
    Ok(None)
}
