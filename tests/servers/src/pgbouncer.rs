//! PgBouncer in front of PostgreSQL.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::directory::{self, User};
use crate::postgres::{Postgres, is_reachable, unprivileged_user};
use crate::process::{Launch, Process};
use crate::{environment, port, postgres_protocol};

const ATTEMPTS: u32 = 10;

/// A PgBouncer on 127.0.0.1 for one test, which assigns each transaction to one of a few server connections. All other
/// settings are PgBouncer's defaults.
#[derive(Debug)]
pub struct PgBouncer {
    // Drop order: the process ends before its directory is removed.
    _process: Process,
    port: u16,
    _directory: TempDir,
}

impl PgBouncer {
    /// Starts one in front of `server`, with more settings, such as `pool_mode=session`, which take precedence.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn in_front_of(server: &Postgres, settings: &[&str]) -> Self {
        let program = environment::server_that("PGBOUNCER", "install PgBouncer (apt-get install pgbouncer) and");
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let (directory, port) = (directory::temporary(), port::free());
            // It refuses to run as root.
            let user = unprivileged_user(&directory);
            let program = reachable(&program, &directory, user);
            let path = |name: &str| directory.path().join(name);
            let text = format!(
                "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\n\
                 default_pool_size = 4\nserver_login_retry = 0.2\n{}\n",
                server.port(),
                path("users").display(),
                settings.join("\n"),
            );
            for (name, text) in [("pgbouncer.ini", text.as_str()), ("users", "\"postgres\" \"\"\n")] {
                fs::write(path(name), text).unwrap();
                if let Some(user) = user {
                    chown(path(name), Some(user.uid), Some(user.gid)).unwrap();
                }
            }
            let args = [path("pgbouncer.ini").display().to_string()];
            let launch =
                Launch { program: &program, args: &args, directory: directory.path(), user, end_signal: "TERM" };
            match Process::start(&launch, || postgres_protocol::query(port, "postgres", "SELECT 1").is_ok()) {
                Ok(process) => return Self { _process: process, port, _directory: directory },
                Err(log) => last = log,
            }
        }
        panic!("{last}");
    }

    /// The URL of a database of the server, through PgBouncer.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let name = database.rsplit('/').next().unwrap_or(database);
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }
}

/// The program; if the other user cannot reach it, a copy of its directory that this user can reach.
fn reachable(program: &Path, directory: &TempDir, user: Option<User>) -> PathBuf {
    if user.is_none() || is_reachable(program) {
        return program.to_owned();
    }
    let copy = directory.path().join("programs");
    directory::copy(program.parent().expect("the program is in a directory"), &copy, user);
    copy.join(program.file_name().expect("the program has a name"))
}
