//! Running one test of this binary again, in a process of its own: as another user, or with fewer resources.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The user and group that nobody is.
const NOBODY: u32 = 65534;

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

    /// With all that this process has.
    pub(crate) fn again(test: &str) -> Self {
        Self::new(Command::new(std::env::current_exe().unwrap()), test)
    }

    /// Through a shell that lowers the number of files that may be open.
    pub(crate) fn with_few_files(test: &str, files: u32) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {files}; exec \"$@\""), "sh"]).arg(std::env::current_exe().unwrap());
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
