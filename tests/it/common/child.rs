//! Running one test of this binary again, in a process of its own: as another user, or with fewer resources.

use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The user and group that nobody is.
const NOBODY: u32 = 65534;

/// How a child is told of a directory.
const ROOM: &str = "NDSTASH_TEST_ROOM";

/// One test to be run in a process of its own. The test is marked `ignored`, so that it runs only so.
pub(crate) struct Child(Command);

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Child {
    fn new(mut command: Command, test: &str) -> Self {
        command.args(["--exact", test, "--ignored", "--test-threads=1"]).stdin(Stdio::null());
        Child(command)
    }

    /// As this user, told of a directory: see [`room`](Self::room).
    pub(crate) fn alone(test: &str, room: &Path) -> Self {
        Self::new(Command::new(std::env::current_exe().unwrap()), test).env(ROOM, room)
    }

    /// In the child: the directory that it was told of.
    pub(crate) fn room() -> PathBuf {
        std::env::var_os(ROOM).expect("the test that runs this one sets it").into()
    }

    /// Through a shell that lowers the number of files that may be open.
    pub(crate) fn with_few_files(test: &str, files: u32) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {files}; exec \"$@\""), "sh"]).arg(std::env::current_exe().unwrap());
        Self::new(shell, test)
    }

    /// Through a shell that lowers how much memory may be asked for, where the system has such a limit.
    pub(crate) fn with_little_memory(test: &str, kib: u64) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -v {kib}; exec \"$@\""), "sh"]).arg(std::env::current_exe().unwrap());
        Self::new(shell, test)
    }

    /// From a copy of this binary in `room`, which everybody may read, as a user with no rights. Only root can.
    pub(crate) fn as_nobody(test: &str, room: &Path) -> Self {
        Self::as_user(test, room, NOBODY, NOBODY)
    }

    pub(crate) fn as_user(test: &str, room: &Path, user: u32, group: u32) -> Self {
        let copy = room.join("test-binary");
        if !copy.exists() {
            std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
            super::chmod(&copy, 0o755);
        }
        super::chmod(room, 0o755);
        let mut command = Command::new(copy);
        command.uid(user).gid(group);
        Self::new(command, test)
    }

    /// Forks this process, which goes on; the child does its work and ends, with code 1 if that panics, and after two
    /// minutes in any case.
    pub(crate) fn fork(work: impl FnOnce()) {
        if raw::fork() == 0 {
            std::thread::spawn(|| {
                std::thread::sleep(Duration::from_secs(120));
                raw::exit(2);
            });
            let failed = catch_unwind(AssertUnwindSafe(work)).is_err();
            raw::exit(i32::from(failed));
        }
    }

    /// Tells the child a path through the environment.
    pub(crate) fn env(mut self, name: &str, path: &Path) -> Self {
        self.0.env(name, path);
        self
    }

    pub(crate) fn spawn(mut self) -> std::process::Child {
        self.0.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs it, and expects that the test was found and passed.
    pub(crate) fn passes(self) {
        let output = self.spawn().wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{:?}\n{text}", output.status);
    }
}

/// What the standard library does not offer.
#[expect(unsafe_code, reason = "forking has no safe form")]
mod raw {
    mod c {
        unsafe extern "C" {
            pub(super) safe fn fork() -> i32;
            pub(super) safe fn _exit(code: i32) -> !;
        }
    }

    /// Returns 0 in the child. No other thread goes on there.
    pub(super) fn fork() -> i32 {
        c::fork()
    }

    /// Ends this process at once: nothing is dropped, no handler runs.
    pub(super) fn exit(code: i32) -> ! {
        c::_exit(code)
    }
}
