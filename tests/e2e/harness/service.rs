//! One process of `site` or `api`.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use reqwest::{Client, redirect::Policy};

use super::{PATIENCE, Request};

/// Ends the service if this process ends first, because `read` then fails.
const WATCHDOG: &str = r#"read -r _ || kill -KILL "$1""#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Site,
    Api,
}

impl Kind {
    pub const BOTH: [Self; 2] = [Self::Site, Self::Api];

    pub fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Api => "api",
        }
    }

    pub fn address_variable(self) -> &'static str {
        match self {
            Self::Site => "SITE_ADDR",
            Self::Api => "API_ADDR",
        }
    }

    /// The origin of its pages in a browser. The name is never resolved: services know their origins from settings.
    pub fn origin(self) -> &'static str {
        match self {
            Self::Site => "http://site.test:8000",
            Self::Api => "http://api.test:8001",
        }
    }

    fn program(self) -> PathBuf {
        let test = env::current_exe().unwrap();
        let program = test.parent().unwrap().parent().unwrap().join("examples").join(self.name());
        assert!(
            program.is_file(),
            "{} is missing: run `cargo build --workspace --all-features --examples` first, as `make test` does",
            program.display()
        );
        program
    }

    /// The program with only `PATH` from this process' environment.
    pub fn command(self, directory: &Path, env: &[(String, String)]) -> Command {
        let mut command = Command::new(self.program());
        command.env_clear().current_dir(directory).stdin(Stdio::null());
        command.env("PATH", env::var_os("PATH").unwrap_or_default());
        command.envs(env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program to its end.
    pub fn run(self, directory: &Path, env: &[(String, String)], args: &[&str]) -> Ended {
        let mut child =
            self.command(directory, env).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let [stdout, stderr] = [collect(child.stdout.take().unwrap()), collect(child.stderr.take().unwrap())];
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    let _ = child.kill();
                    let _ = child.wait();
                    panic!("{} {args:?} with {env:?} did not end:\n{}{}", self.name(), stdout.text(), stderr.text());
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        Ended { status, stdout: stdout.whole(), stderr: stderr.whole() }
    }
}

/// The output and the status of a program.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// A running service. It is killed when this is dropped.
#[derive(Debug)]
pub struct Service {
    kind: Kind,
    process: Child,
    watchdog: Child,
    url: String,
    stdout: Output,
    stderr: Output,
    client: Client,
}

impl Service {
    /// Starts a service on a port that the system picks.
    pub fn start(kind: Kind, directory: &Path, env: &[(String, String)]) -> Self {
        let mut service = Self::spawn(kind, directory, env);
        service.wait_until_ready();
        service
    }

    /// Starts the process without waiting for it.
    pub fn spawn(kind: Kind, directory: &Path, env: &[(String, String)]) -> Self {
        let mut command = kind.command(directory, env);
        if !env.iter().any(|(name, _)| name == kind.address_variable()) {
            command.env(kind.address_variable(), "127.0.0.1:0");
        }
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &process.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let [stdout, stderr] = [collect(process.stdout.take().unwrap()), collect(process.stderr.take().unwrap())];
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            // Shorter than the servers' keep-alive, so that requests do not use a connection that is closing.
            .pool_idle_timeout(Duration::from_secs(1))
            .build()
            .unwrap();
        Self { kind, process, watchdog, url: String::new(), stdout, stderr, client }
    }

    /// Waits for the line with the service's address.
    pub fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.url.is_empty() {
            let line = self.stdout.text().lines().find_map(|line| Some(line.split_once("listening on ")?.1.to_owned()));
            match line {
                Some(url) => self.url = url.split_whitespace().next().unwrap().trim_end_matches('/').to_owned(),
                None => {
                    let ended = self.process.try_wait().unwrap();
                    let late = Instant::now() > deadline;
                    assert!(
                        ended.is_none() && !late,
                        "{} did not start ({ended:?}):\n{}",
                        self.kind.name(),
                        self.output()
                    );
                    thread::sleep(Duration::from_millis(10));
                }
            }
        }
        assert!(self.url.starts_with("http://127.0.0.1:"), "{}", self.url);
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// `127.0.0.1:port`
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// The output so far, of both streams.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout.text(), self.stderr.text())
    }

    /// A request from a page of this service.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.client.clone(), self.kind, method, &self.url, path)
    }

    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    pub fn put(&self, path: &str) -> Request {
        self.request("PUT", path)
    }

    pub fn delete(&self, path: &str) -> Request {
        self.request("DELETE", path)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(mut pipe) = self.watchdog.stdin.take() {
            let _ = pipe.write_all(b"ended\n");
        }
        let _ = self.watchdog.wait();
        if thread::panicking() {
            let output = self.output();
            let end: Vec<_> = output.lines().rev().take(30).collect();
            eprintln!("-- the last lines of {}:", self.kind.name());
            end.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// The output of a process, read as it comes.
#[derive(Debug)]
struct Output {
    text: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Output {
    fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The whole output, once the process has ended.
    fn whole(mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text()
    }
}

fn collect(pipe: impl Read + Send + 'static) -> Output {
    let text = Arc::<Mutex<String>>::default();
    let reader = thread::spawn({
        let text = Arc::clone(&text);
        move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                text.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        }
    });
    Output { text, reader: Some(reader) }
}
