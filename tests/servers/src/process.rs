//! A server process that cannot outlive the test process.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{fmt, fs};

use crate::directory::User;

/// Long enough for a loaded machine; a healthy server takes a fraction of a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// Waits for a line (the server has ended, nothing to do) or the end of the pipe (this process has ended), then ends
/// the server `$1` with signal `$2` and removes its directory `$3`. PostgreSQL ends its backends first. Its lock file
/// shows when it is done; the process table does not, because the orphan may never be reaped.
const WATCHDOG: &str = r#"
read -r line && exit 0
kill -s CONT "$1"
kill -s "$2" "$1"
tries=0
while [ -e "$3/data/postmaster.pid" ] && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
kill -s KILL "$1"
rm -rf "$3"
"#;

/// Returns when `is_so` returns true.
///
/// # Panics
/// If that takes more than a minute.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(POLL);
    }
}

/// The parameters to start a server.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) program: &'a Path,
    pub(crate) args: &'a [String],
    /// The working directory, removed if this process is killed. The log is `server.log` in it.
    pub(crate) directory: &'a Path,
    /// The user to run as; `None` is the user of this process.
    pub(crate) user: Option<User>,
    /// The signal that ends the server at once and leaves nothing behind.
    pub(crate) end_signal: &'static str,
}

/// A process that is running, paused or ended.
#[derive(Debug)]
pub(crate) struct Process(Mutex<State>);

#[derive(Debug)]
enum State {
    Running(Running),
    Ended,
}

struct Running {
    server: Child,
    watchdog: Child,
    end_signal: &'static str,
}

impl Process {
    /// Starts the server and its watchdog. Returns when `is_ready` returns true.
    ///
    /// # Errors
    /// The log of a server that ended instead, most likely because its port was taken.
    pub(crate) fn start(launch: &Launch<'_>, is_ready: impl Fn() -> bool) -> Result<Self, String> {
        let log = launch.directory.join("server.log");
        let output = File::create(&log).unwrap();
        let mut command = Command::new(launch.program);
        // A separate process group: Ctrl-C reaches only the test process, and the watchdog ends the server.
        command.args(launch.args).current_dir(launch.directory).process_group(0);
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        if let Some(user) = launch.user {
            command.gid(user.gid).uid(user.uid);
        }
        let server = command.spawn().unwrap_or_else(|error| panic!("start {}: {error}", launch.program.display()));
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &server.id().to_string(), launch.end_signal])
            .arg(launch.directory)
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start sh");
        let mut running = Running { server, watchdog, end_signal: launch.end_signal };

        let read_log = || fs::read_to_string(&log).unwrap_or_default();
        let deadline = Instant::now() + PATIENCE;
        while !is_ready() {
            if let Some(status) = running.server.try_wait().unwrap() {
                return Err(format!("{} ended with {status}:\n{}", launch.program.display(), read_log()));
            }
            assert!(Instant::now() < deadline, "{} does not answer:\n{}", launch.program.display(), read_log());
            thread::sleep(POLL);
        }
        Ok(Self(Mutex::new(State::Running(running))))
    }

    /// Ends the server at once, like a crash. Does nothing if it has already ended.
    pub(crate) fn kill(&self) {
        *self.state() = State::Ended;
    }

    pub(crate) fn signal(&self, signal: &str) {
        match &*self.state() {
            State::Running(running) => running.signal(signal),
            State::Ended => panic!("the server is not running"),
        }
    }

    /// The id of the running process.
    pub(crate) fn id(&self) -> Option<u32> {
        match &*self.state() {
            State::Running(running) => Some(running.server.id()),
            State::Ended => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Uses the shell's `kill`, because std can only send SIGKILL.
    fn signal(&self, signal: &str) {
        let id = self.server.id().to_string();
        let _ = Command::new("sh").args(["-c", r#"kill -s "$1" "$2""#, "kill", signal, &id]).status();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.end_signal != "KILL" {
            self.signal("CONT");
            self.signal(self.end_signal);
            let deadline = Instant::now() + PATIENCE;
            while matches!(self.server.try_wait(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(POLL);
            }
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
        if let Some(mut pipe) = self.watchdog.stdin.take() {
            let _ = pipe.write_all(b"ended\n");
        }
        let _ = self.watchdog.wait();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("id", &self.server.id()).finish_non_exhaustive()
    }
}
