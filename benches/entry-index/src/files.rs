//! A file for each entry and nothing else: the floor of what any store of files can do. No locks, no checksums.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sample;
use crate::way::{ALL, Way};

/// How files that were written together are synced.
#[derive(Clone, Copy, PartialEq)]
pub enum Together {
    /// One after another.
    Each,
    /// From [`THREADS`] threads, so that the disk's flushes are shared.
    Threads,
    /// By one `syncfs`, which also waits for whatever else is being written to the file system.
    Whole,
}

/// How many threads sync what was written together.
const THREADS: usize = 16;

/// How many of these were opened by this process.
static OPENED: AtomicU64 = AtomicU64::new(0);

pub struct Files {
    dir: PathBuf,
    together: Together,
    /// Whether manifests are read in the order of their inodes, which is about that on the disk, or as they are listed.
    pub by_inode: bool,
    entries: File,
    tmp: File,
    next: AtomicU64,
    count: u64,
}

impl Files {
    pub fn open(dir: &Path, count: u64, together: Together) -> Self {
        let opened = OPENED.fetch_add(1, Ordering::Relaxed);
        let private = dir.join(format!("tmp/{}.{opened}", std::process::id()));
        fs::create_dir_all(&private).expect("a directory");
        for shard in 0..=u8::MAX {
            fs::create_dir_all(dir.join(format!("entries/{shard:02x}"))).expect("a directory");
        }
        let entries = File::open(dir.join("entries")).expect("a directory");
        let tmp = File::open(private).expect("a directory");
        Files { dir: dir.to_owned(), together, by_inode: false, entries, tmp, next: AtomicU64::new(0), count }
    }

    /// Writes a private file; it has its last mode and is not synced.
    fn write(&self, i: u64) -> (CString, File) {
        let private = CString::new(self.next.fetch_add(1, Ordering::Relaxed).to_string()).expect("no zero byte");
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR;
        let file = open(&self.tmp, &private, flags).expect("a new file");
        io::Write::write_all(&mut &file, &sample::manifest(i, self.count)).expect("space");
        // SAFETY: the descriptor is open.
        check(unsafe { libc::fchmod(file.as_raw_fd(), 0o444) });
        (private, file)
    }

    fn publish(&self, private: &CString, i: u64) {
        let name = file_name(i);
        // SAFETY: both descriptors are open, both names end in a zero byte.
        check(unsafe {
            libc::renameat(self.tmp.as_raw_fd(), private.as_ptr(), self.entries.as_raw_fd(), name.as_ptr())
        });
    }

    fn sync_shard(&self, shard: u8) {
        let name = CString::new(format!("{shard:02x}")).expect("no zero byte");
        open(&self.entries, &name, libc::O_RDONLY | libc::O_DIRECTORY).and_then(|dir| dir.sync_all()).expect("a sync");
    }

    fn sync_files(&self, files: &[&File]) {
        match self.together {
            Together::Whole => self.sync_whole(),
            Together::Each => {
                files.iter().for_each(|file| hand_over(file));
                files.iter().for_each(|file| file.sync_all().expect("a sync"));
            }
            Together::Threads => {
                files.iter().for_each(|file| hand_over(file));
                spread(files, |file| file.sync_all().expect("a sync"));
            }
        }
    }

    fn sync_shards(&self, shards: &[u8]) {
        match self.together {
            Together::Whole => self.sync_whole(),
            Together::Each => shards.iter().for_each(|shard| self.sync_shard(*shard)),
            Together::Threads => spread(shards, |shard| self.sync_shard(*shard)),
        }
    }

    fn sync_whole(&self) {
        // SAFETY: the descriptor is open.
        check(unsafe { libc::syncfs(self.entries.as_raw_fd()) });
    }

    /// Calls `f` with the start of every manifest.
    fn scan(&self, shards: u16, mut f: impl FnMut(&[u8])) {
        let mut bytes = [0; 2048];
        for (shard, name) in self.in_order(shards) {
            let name = CString::new(format!("{shard}/{name}")).expect("no zero byte");
            let file = open(&self.entries, &name, libc::O_RDONLY).expect("it is there");
            let len = io::Read::read(&mut &file, &mut bytes).expect("a read");
            f(&bytes[..len]);
        }
    }

    fn in_order(&self, shards: u16) -> Box<dyn Iterator<Item = (String, String)> + '_> {
        if !self.by_inode {
            return Box::new(self.names(shards));
        }
        let mut all: Vec<_> = self.listed(shards).collect();
        all.sort_unstable();
        Box::new(all.into_iter().map(|(_, shard, name)| (shard, name)))
    }

    fn names(&self, shards: u16) -> impl Iterator<Item = (String, String)> {
        self.listed(shards).map(|(_, shard, name)| (shard, name))
    }

    fn listed(&self, shards: u16) -> impl Iterator<Item = (u64, String, String)> {
        (0..shards).flat_map(|shard| {
            let shard = format!("{shard:02x}");
            let listed = fs::read_dir(self.dir.join("entries").join(&shard)).expect("a directory");
            listed.map(move |entry| {
                let entry = entry.expect("a name");
                (entry.ino(), shard.clone(), entry.file_name().into_string().expect("hex digits"))
            })
        })
    }
}

/// Has the kernel begin with the writing.
fn hand_over(file: &File) {
    // SAFETY: the descriptor is open.
    check(unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) });
}

fn spread<T: Sync>(all: &[T], work: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for some in all.chunks(all.len().div_ceil(THREADS)) {
            scope.spawn(|| some.iter().for_each(&work));
        }
    });
}

fn file_name(i: u64) -> CString {
    let key = sample::key(i);
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    CString::new(format!("{}/{hex}", &hex[..2])).expect("no zero byte")
}

fn open(dir: &File, name: &CString, flags: libc::c_int) -> io::Result<File> {
    // SAFETY: the descriptor is open, the name ends in a zero byte.
    let fd = unsafe { libc::openat(dir.as_raw_fd(), name.as_ptr(), flags | libc::O_CLOEXEC | libc::O_NOFOLLOW, 0o600) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is new, and nobody else's.
    Ok(unsafe { File::from_raw_fd(fd) })
}

fn check(result: libc::c_int) {
    assert!(result == 0, "{}", io::Error::last_os_error());
}

impl Way for Files {
    fn put(&self, numbers: Range<u64>, sync: bool) {
        for i in numbers {
            let (private, file) = self.write(i);
            if sync {
                file.sync_all().expect("a sync");
            }
            self.publish(&private, i);
            if sync {
                self.sync_shard(sample::key(i)[0]);
            }
        }
    }

    /// All are written, then all are handed to the disk, then each is waited for; each directory is synced once.
    fn put_together(&self, numbers: Range<u64>, sync: bool) -> bool {
        let written: Vec<_> = numbers.map(|i| (i, self.write(i))).collect();
        if sync {
            let files: Vec<&File> = written.iter().map(|(_, (_, file))| file).collect();
            self.sync_files(&files);
        }
        written.iter().for_each(|(i, (private, _))| self.publish(private, *i));
        if sync {
            let mut shards: Vec<_> = written.iter().map(|(i, _)| sample::key(*i)[0]).collect();
            shards.sort_unstable();
            shards.dedup();
            self.sync_shards(&shards);
        }
        true
    }

    fn hit(&self, i: u64) -> usize {
        let file = open(&self.entries, &file_name(i), libc::O_RDONLY).expect("it is there");
        let mut bytes = vec![0; 2048];
        let len = io::Read::read(&mut &file, &mut bytes).expect("a read");
        bytes.truncate(len);
        bytes.len()
    }

    fn keys(&self) -> u64 {
        self.names(ALL).map(|(_, name)| u64::from(name.len() == 64)).sum()
    }

    fn with_prefix(&self, prefix: &str) -> u64 {
        let mut found = 0;
        self.scan(ALL, |manifest| found += u64::from(sample::name_in(manifest).starts_with(prefix.as_bytes())));
        found
    }

    fn mark(&self, shards: u16) -> u64 {
        let mut live: Vec<[u8; 40]> = Vec::new();
        self.scan(shards, |manifest| live.push(manifest[sample::BLOBS].try_into().expect("its length")));
        live.len() as u64
    }

    fn remove_each(&self, limit: usize) {
        for (shard, name) in self.names(ALL).take(limit) {
            fs::remove_file(self.dir.join("entries").join(shard).join(name)).expect("it is there");
        }
    }
}
