//! PostgreSQL servers.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::directory::{self, User};
use crate::process::{Launch, Process};
use crate::{environment, port, postgres_protocol};

const ATTEMPTS: u32 = 10;

/// A PostgreSQL server for one test, on 127.0.0.1, with the superuser `postgres` and no password.
///
/// Its data is not safe if the machine crashes (`fsync` is off). PostgreSQL refuses to run as root: then it runs as the
/// user `postgres`, otherwise `nobody`.
#[derive(Debug)]
pub struct Postgres {
    // Drop order: the process ends before its directory is removed.
    process: Mutex<Process>,
    port: u16,
    programs: PathBuf,
    user: Option<User>,
    settings: Vec<String>,
    directory: TempDir,
}

impl Postgres {
    /// Starts a server with an empty database. For most tests [`shared`](Self::shared) is the better choice.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        Self::with_settings(&[], &[], "")
    }

    /// Starts a server with more settings, such as `ssl=on`, with `files` (name and text) in its data directory, and
    /// with the lines `hba` in `pg_hba.conf` before the default ones, which accept every user.
    ///
    /// # Panics
    /// If it cannot be started, for instance because `hba` refuses the user `postgres` without TLS.
    #[must_use]
    pub fn with_settings(settings: &[&str], files: &[(&str, &str)], hba: &str) -> Self {
        let directory = directory::temporary();
        let user = unprivileged_user(&directory);
        let programs = usable_programs(&directory, user);
        create_cluster(&programs, &directory, user);
        let data = directory.path().join("data");
        for (name, text) in files {
            write_private(&data.join(name), text, user);
        }
        let own = fs::read_to_string(data.join("pg_hba.conf")).unwrap();
        write_private(&data.join("pg_hba.conf"), &format!("{hba}\n{own}"), user);
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let port = port::free();
            match launch(&programs, port, &settings, &directory, user) {
                Ok(process) => {
                    return Self { process: Mutex::new(process), port, programs, user, settings, directory };
                }
                Err(log) => last = log,
            }
        }
        panic!("{last}");
    }

    /// The one server that all tests of this process share. It ends with the process. Use a separate database from
    /// [`create_database`](Self::create_database), and never stop the server.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Creates an empty database and returns its URL.
    ///
    /// # Panics
    /// If the server does not answer.
    #[must_use]
    pub fn create_database(&self) -> String {
        static COUNTER: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url_of(&name)
    }

    /// The URL of the database `postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The port on 127.0.0.1, which stays the same after [`restart`](Self::restart).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id, if the server is running.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process().id()
    }

    /// Runs statements in `database` (a name, or a URL of this server) and returns their rows: one per line, columns
    /// separated by a tab.
    ///
    /// # Panics
    /// If the server does not answer, or answers with an error.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let name = database.rsplit('/').next().unwrap_or(database);
        postgres_protocol::query(self.port, name, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Ends the server like a crash: connections break, new ones are refused. Committed data stays.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Ends the server if it is running, and starts it on the same port with the same data.
    ///
    /// # Panics
    /// If it cannot be started, for instance because another process took the port.
    pub fn restart(&self) {
        let mut process = self.process();
        process.kill();
        for attempt in 1.. {
            match launch(&self.programs, self.port, &self.settings, &self.directory, self.user) {
                Ok(started) => {
                    *process = started;
                    return;
                }
                Err(log) if attempt == ATTEMPTS => panic!("{log}"),
                Err(_) => thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a file with the permissions that PostgreSQL requires for a private key.
fn write_private(path: &Path, text: &str, user: Option<User>) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    if let Some(user) = user {
        chown(path, Some(user.uid), Some(user.gid)).unwrap();
    }
}

fn launch(
    programs: &Path,
    port: u16,
    more: &[String],
    directory: &TempDir,
    user: Option<User>,
) -> Result<Process, String> {
    let data = directory.path().join("data");
    let mut args = vec!["-D".to_owned(), data.display().to_string(), "-p".to_owned(), port.to_string()];
    let settings = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "full_page_writes=off",
        "max_connections=200",
        "shared_buffers=32MB",
        "jit=off",
    ];
    let settings = settings.into_iter().chain(more.iter().map(String::as_str));
    args.extend(settings.flat_map(|setting| ["-c".to_owned(), setting.to_owned()]));
    let launch = Launch {
        program: &programs.join("postgres"),
        args: &args,
        directory: directory.path(),
        user,
        // An immediate shutdown. SIGKILL would leave shared memory and orphaned backends behind.
        end_signal: "QUIT",
    };
    let pid_file = data.join("postmaster.pid");
    // Reads the status from the file, which only this server writes: another server may have taken the port.
    Process::start(&launch, || {
        let text = fs::read_to_string(&pid_file).unwrap_or_default();
        let is_ready = text.lines().nth(7).is_some_and(|status| status.trim() == "ready");
        is_ready && postgres_protocol::query(port, "postgres", "SELECT 1").is_ok()
    })
}

/// The user to run as if this process is root: `postgres`, otherwise `nobody`. That user becomes the owner of the
/// directory.
pub(crate) fn unprivileged_user(directory: &TempDir) -> Option<User> {
    if directory::owner(directory).uid != 0 {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let user = ["postgres", "nobody"].into_iter().find_map(|name| user_named(name, &passwd));
    let user = user.expect("PostgreSQL cannot run as root: a user `postgres` or `nobody` in /etc/passwd");
    chown(directory.path(), Some(user.uid), Some(user.gid)).unwrap();
    Some(user)
}

fn user_named(name: &str, passwd: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_named = fields.next() == Some(name);
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        is_named.then_some(User { uid, gid })
    })
}

/// Whether every user may run `program`.
pub(crate) fn is_reachable(program: &Path) -> bool {
    program.ancestors().all(|path| {
        let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
        mode & 0o001 != 0
    })
}

/// The directory of the programs; if the other user cannot reach it, a copy of the installation that this user can
/// reach.
fn usable_programs(directory: &TempDir, user: Option<User>) -> PathBuf {
    let programs = environment::server("POSTGRES_BIN");
    if user.is_none() || is_reachable(&programs.join("postgres")) {
        return programs;
    }
    // Copies the whole wheel: its libraries are beside the installation and are found by a relative path.
    let wheels = environment::directory();
    let wheel = programs.strip_prefix(&wheels).ok().and_then(|path| path.components().next());
    let root = match wheel {
        Some(wheel) => wheels.join(wheel),
        None => programs.parent().expect("an installation directory").to_owned(),
    };
    let copy = directory.path().join("programs");
    directory::copy(&root, &copy, user);
    copy.join(programs.strip_prefix(&root).expect("a path below its own ancestor"))
}

/// Creates the data directory as a copy of one that `initdb` made once, because `initdb` takes a second.
fn create_cluster(programs: &Path, directory: &TempDir, user: Option<User>) {
    let data = directory.path().join("data");
    let version = output(Command::new(programs.join("postgres")).arg("--version"));
    let version: String = version.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
    // Named after the user too: another one could not read it.
    let uid = user.map_or(directory::owner(directory).uid, |user| user.uid);
    let template = environment::directory().join(format!("template-{version}-{uid}"));
    if template.is_dir() {
        return directory::copy(&template, &data, user);
    }
    let mut initdb = Command::new(programs.join("initdb"));
    initdb.args(["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust", "--username=postgres"]);
    initdb.args(["--wal-segsize=1", "-D"]).arg(&data).current_dir(directory.path());
    if let Some(user) = user {
        initdb.gid(user.gid).uid(user.uid);
    }
    output(&mut initdb);
    keep_template(&data, &template);
}

/// Keeps a copy for the next start. The rename is atomic: a reader never sees half a copy, and the second of two
/// writers loses. Each writer copies into a directory of its own, also in one process. If the directory cannot be
/// written, this only costs time.
fn keep_template(data: &Path, template: &Path) {
    let Ok(unfinished) = tempfile::Builder::new().prefix("unfinished-").tempdir_in(environment::directory()) else {
        return;
    };
    let copy = unfinished.path().join("data");
    let _ = directory::try_copy(data, &copy, None).and_then(|()| fs::rename(&copy, template));
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd = "postgres2:x:7:8::/:/bin/sh\npostgres:x:102:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(user_named("postgres", passwd), Some(User { uid: 102, gid: 104 }));
        assert_eq!(user_named("nobody", passwd), None);
    }
}
