//! Memory that an array is produced in through a pointer: others may look at it for as long as they like.

use std::fs::File;
use std::io::{self, Read};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use super::{MapPolicy, build};

type Address = *mut core::ffi::c_void;

const READ_WRITE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// Memory of a fixed address and length, writable through its pointer; from
/// [`RawArray::memory`](crate::RawArray::memory). It is there for as long as a clone of this lives, whatever becomes of
/// the array.
///
/// Until the array is sealed what is written to it becomes part of the array. After that, or after the array was dropped,
/// what it held stays readable, and what is written reaches nobody.
#[derive(Clone, Debug)]
pub struct RawMemory(Arc<Region>);

#[derive(Debug)]
struct Region {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: address and length of a region never change, and a map is the same for every thread. What is in it is reached
// through pointers alone, whose users see to it that they do not get in each other's way.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl RawMemory {
    /// Zeros in ordinary memory.
    pub(crate) fn anonymous(len: usize) -> io::Result<Self> {
        let memory = Self::mapped(len, || {
            // SAFETY: the system chooses where, so nothing that is in use is touched.
            unsafe { mmap_anonymous(ptr::null_mut(), len, READ_WRITE, MapFlags::PRIVATE) }
        })?;
        build::advise_huge(memory.as_mut_ptr(), len);
        Ok(memory)
    }

    /// A writable map of a file, which must be as long, and have space for all of it: a page that the disk has no room
    /// for kills the process that writes to it.
    pub(crate) fn on_file(file: &File, len: usize, policy: MapPolicy) -> io::Result<Self> {
        check_file(file, len, policy)?;
        Self::mapped(len, || {
            // SAFETY: the system chooses where, so nothing that is in use is touched. That nobody truncates the file
            // whoever constructed the policy has promised.
            unsafe { mmap(ptr::null_mut(), len, READ_WRITE, MapFlags::SHARED, file, 0) }
        })
    }

    fn mapped(len: usize, map: impl FnOnce() -> rustix::io::Result<Address>) -> io::Result<Self> {
        let start = match len {
            0 => NonNull::<u128>::dangling().cast(),
            _ => NonNull::new(map()?.cast()).ok_or(io::ErrorKind::OutOfMemory)?,
        };
        Ok(RawMemory(Arc::new(Region { start, len })))
    }

    /// Puts a private map of a file, which must be as long, where the memory lies: from now on it shows what the file
    /// holds, and what is written to it does not reach the file. Other threads see one or the other at every moment.
    pub(crate) fn detach(&self, file: &File, policy: MapPolicy) -> io::Result<()> {
        check_file(file, self.len(), policy)?;
        if self.is_empty() {
            return Ok(());
        }
        let flags = MapFlags::PRIVATE.union(MapFlags::FIXED).union(no_reserve());
        let put = |access| {
            // SAFETY: the region is a map of this length that only this value and its clones own, and no reference to
            // what is in it exists: all access is through pointers, which stay valid for the same bytes.
            unsafe { mmap(self.0.start.as_ptr().cast(), self.len(), access, flags, file, 0) }
        };
        // A system that promises memory for every page that could be written may have none left for these. Then whoever
        // still looks may read.
        put(READ_WRITE).or_else(|_| put(ProtFlags::READ))?;
        Ok(())
    }

    /// Where it begins: at a page, valid for reads and writes of [`len`](Self::len) bytes for as long as a clone lives.
    /// Two threads that write, or one that reads what another writes, have to take turns.
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.0.start.as_ptr()
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads what is in it, from the beginning. What others write meanwhile is seen or not.
    pub(crate) fn reader(&self) -> impl Read {
        Cursor { memory: self.clone(), at: 0 }
    }
}

struct Cursor {
    memory: RawMemory,
    at: usize,
}

impl Read for Cursor {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.memory.len() - self.at);
        let from = self.memory.as_mut_ptr().wrapping_add(self.at);
        // SAFETY: from here on at least as many bytes are mapped, and stay so while the memory is held. The target is
        // borrowed here alone, so the two do not overlap.
        unsafe { ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), taken) };
        self.at += taken;
        Ok(taken)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: the region is a map that nobody else owns, and no clone is left by which it could be reached.
            let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        }
    }
}

fn check_file(file: &File, len: usize, policy: MapPolicy) -> io::Result<()> {
    assert!(policy.allows_maps(), "maps are made only under the caller's promise");
    let found = file.metadata()?.len();
    if found == len as u64 { Ok(()) } else { Err(io::Error::other("the file is not as long as the array")) }
}

/// Asks for no promise of memory for pages that are never written.
#[cfg(target_os = "linux")]
const fn no_reserve() -> MapFlags {
    MapFlags::NORESERVE
}

#[cfg(not(target_os = "linux"))]
const fn no_reserve() -> MapFlags {
    MapFlags::empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_stays_where_it_is_until_the_last_clone_is_gone() {
        let memory = RawMemory::anonymous(5000).unwrap();
        let (clone, start) = (memory.clone(), memory.as_mut_ptr());
        drop(memory);
        assert_eq!((clone.as_mut_ptr(), clone.len()), (start, 5000));
        // SAFETY: the memory is there, and only this test has it.
        unsafe { start.wrapping_add(4999).write(7) };
        let mut bytes = Vec::new();
        clone.reader().read_to_end(&mut bytes).unwrap();
        assert_eq!((bytes.len(), bytes[0], bytes[4999]), (5000, 0, 7));
        let nothing = RawMemory::anonymous(0).unwrap();
        assert_eq!(nothing.reader().read_to_end(&mut bytes).unwrap(), 0);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri maps no files")]
    fn what_is_written_reaches_the_file_until_it_is_detached() {
        // SAFETY: the file has no name, and this test alone has it open.
        let policy = unsafe { MapPolicy::trusted() };
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(9000).unwrap();
        let memory = RawMemory::on_file(&file, 9000, policy).unwrap();
        let poke = |at, byte| {
            // SAFETY: the memory is 9000 bytes long, and only this test has it.
            unsafe { memory.as_mut_ptr().wrapping_add(at).write(byte) }
        };
        poke(8999, 1);
        memory.detach(&file, policy).unwrap();
        poke(0, 2);
        let (mut held, mut kept) = (Vec::new(), Vec::new());
        memory.reader().read_to_end(&mut held).unwrap();
        file.read_to_end(&mut kept).unwrap();
        assert_eq!((held[0], held[8999]), (2, 1), "what was there stays readable");
        assert_eq!((kept[0], kept[8999]), (0, 1), "and what is written since does not reach the file");
        assert!(RawMemory::on_file(&file, 9001, policy).is_err());
    }
}
