//! One process of `site` or `api`, which can be killed, stopped and started again.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Ends the service if this process ends first, because `read` then fails.
const WATCHDOG: &str = r#"read -r _ || kill -KILL "$1""#;
const PATIENCE: Duration = Duration::from_secs(60);

/// A service with a fixed port.
#[derive(Debug)]
pub struct Service {
    name: String,
    kind: &'static str,
    env: Vec<(String, String)>,
    log: PathBuf,
    port: u16,
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    watchdog: Child,
    pipe: Option<ChildStdin>,
}

impl Service {
    /// Starts `kind` (`site` or `api`) with only these settings in its environment. Its output is appended to a file
    /// with its name.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(kind: &'static str, name: &str, env: &[(String, String)], logs: &Path) -> Self {
        let log = logs.join(format!("{name}.log"));
        let _ = std::fs::remove_file(&log);
        let (env, name) = (env.to_vec(), name.to_owned());
        let mut service = Self { name, kind, env, log, port: 0, process: Mutex::new(None) };
        let (process, port) = service.launch().unwrap_or_else(|| panic!("{kind} did not start: see {:?}", service.log));
        service.port = port;
        *service.process() = Some(process);
        service
    }

    /// Its name in histories.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is `site`.
    #[must_use]
    pub fn is_site(&self) -> bool {
        self.kind == "site"
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Ends the process like a crash.
    pub fn kill(&self) {
        *self.process() = None;
    }

    /// Starts it again on its port, unless it is running.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&self) {
        let mut process = self.process();
        let deadline = Instant::now() + PATIENCE;
        while process.is_none() {
            *process = self.launch().map(|(process, _)| process);
            assert!(Instant::now() < deadline, "{} does not start again: see {:?}", self.name, self.log);
        }
    }

    /// Suspends the process; connections stay open.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Undoes [`pause`](Self::pause).
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        if let Some(process) = &*self.process() {
            let id = process.child.id().to_string();
            let _ = Command::new("sh").args(["-c", r#"kill -s "$1" "$2""#, "kill", signal, &id]).status();
        }
    }

    fn launch(&self) -> Option<(Process, u16)> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let mut child = self.command(log).spawn().unwrap();
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let pipe = watchdog.stdin.take();
        let process = Process { child, watchdog, pipe };
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, url) = line.split_once("listening on http://127.0.0.1:")?;
            url.split_whitespace().next()?.trim_end_matches('/').parse().ok()
        })?;
        thread::spawn(move || lines.for_each(drop));
        Some((process, port))
    }

    fn command(&self, log: File) -> Command {
        let mut command = Command::new(program(self.kind));
        command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let address = if self.kind == "site" { "SITE_ADDR" } else { "API_ADDR" };
        command.env(address, format!("127.0.0.1:{}", self.port));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        command
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(b"ended\n");
        }
        let _ = self.watchdog.wait();
    }
}

/// The built example of that name, in a directory above this program.
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let this = env::current_exe().unwrap();
    this.ancestors()
        .map(|directory| directory.join("examples").join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run `cargo build -p shared-session-examples --examples` first"))
}
