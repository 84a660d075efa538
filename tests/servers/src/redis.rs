//! Redis and Valkey servers.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::directory;
use crate::process::{Launch, Process, wait_until};
use crate::proxy::Proxy;
use crate::resp::{self, Reply};
use crate::{environment, port};

/// A read that takes longer means that the server hangs.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
const ATTEMPTS: u32 = 10;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedisKind {
    /// Redis 6.2 to 7: a compare-and-set needs Lua.
    Old,
    /// Redis 8 or newer: supports `SET … IFEQ` since 8.4.
    New,
    /// Valkey 9 or newer: supports `SET … IFEQ`.
    Valkey,
}

impl RedisKind {
    /// Every kind, for tests that must hold on all of them.
    pub const ALL: [Self; 3] = [Self::Old, Self::New, Self::Valkey];

    pub(crate) fn program(self) -> PathBuf {
        environment::server(match self {
            Self::Old => "REDIS_OLD",
            Self::New => "REDIS_NEW",
            Self::Valkey => "VALKEY",
        })
    }
}

/// A Redis or Valkey server for one test, on 127.0.0.1 and on a Unix socket. It keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    // Drop order: the process ends before its directory is removed.
    process: Mutex<Process>,
    kind: RedisKind,
    port: u16,
    args: Vec<String>,
    password: Option<String>,
    way: Option<Proxy>,
    directory: TempDir,
}

impl Redis {
    /// Starts a server.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(kind: RedisKind) -> Self {
        Self::with_args(kind, &[])
    }

    /// Starts a server with more arguments, such as `&["--maxmemory", "4mb"]`, which take precedence.
    /// [`url`](Self::url) and [`cli`](Self::cli) use a password given by `--requirepass`. With `--tls-cert-file` its
    /// port accepts only TLS.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn with_args(kind: RedisKind, args: &[&str]) -> Self {
        let directory = directory::temporary();
        fs::write(config_in(&directory), "").unwrap();
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let password = args.iter().skip_while(|arg| *arg != "--requirepass").nth(1).cloned();
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let port = port::free();
            match launch(kind, port, &args, &directory) {
                Ok(process) => {
                    return Self { process: Mutex::new(process), kind, port, args, password, way: None, directory };
                }
                Err(log) => last = log,
            }
        }
        panic!("{last}");
    }

    /// Starts a server that announces a proxy as its address to its replicas, to Sentinels, to the nodes of its
    /// cluster, and to clients that ask any of these. Only [`cli`](Self::cli) and the cluster's own traffic go to it
    /// directly.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn behind_proxy(kind: RedisKind, args: &[&str]) -> Self {
        // The server needs the address of the proxy when it starts.
        let way = Proxy::to(0);
        let port = way.port().to_string();
        let announced = ["--replica-announce-port", &port, "--cluster-announce-port", &port];
        let server = Self::with_args(kind, &[&announced, args].concat());
        way.lead_to(server.port);
        Self { way: Some(way), ..server }
    }

    /// One running server of each kind, for tests that must hold on all of them.
    pub fn all() -> impl Iterator<Item = Self> {
        RedisKind::ALL.into_iter().map(Self::start)
    }

    /// The kind of this server.
    #[must_use]
    pub fn kind(&self) -> RedisKind {
        self.kind
    }

    /// The first two numbers of its Redis version, or of the version with which it claims to be compatible.
    ///
    /// # Panics
    /// If the server does not report it.
    #[must_use]
    pub fn version(&self) -> (u32, u32) {
        let info = self.cli(&["INFO", "server"]);
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).expect("a version");
        let mut numbers = version.split('.').map(|number| number.parse().expect("a number"));
        (numbers.next().expect("a major version"), numbers.next().expect("a minor version"))
    }

    /// `redis://127.0.0.1:port/`, or `rediss://…` with TLS
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("{}://{password}127.0.0.1:{}/", self.scheme(), self.port)
    }

    /// `redis+unix:///path/of/the/socket`
    #[must_use]
    pub fn unix_url(&self) -> String {
        let password = self.password.as_ref().map(|password| format!("?pass={password}")).unwrap_or_default();
        format!("redis+unix://{}{password}", self.socket().display())
    }

    /// The scheme of its [`url`](Self::url): `redis` or `rediss`.
    pub(crate) fn scheme(&self) -> &'static str {
        if has_certificate(&self.args) { "rediss" } else { "redis" }
    }

    /// The port on 127.0.0.1, which stays the same after [`restart`](Self::restart).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The proxy in front of it, if it was started behind one.
    #[must_use]
    pub fn way(&self) -> Option<&Proxy> {
        self.way.as_ref()
    }

    /// The port that other servers use for it.
    #[must_use]
    pub fn announced_port(&self) -> u16 {
        self.way.as_ref().map_or(self.port, Proxy::port)
    }

    /// Whether this many replicas confirm within two seconds that they have all data of this server. They report once a
    /// second. `WAIT` is not enough, because it covers only the writes of its own connection.
    ///
    /// # Panics
    /// If the server does not answer.
    #[must_use]
    pub fn has_in_step(&self, replicas: usize) -> bool {
        let offset = |line: &str, name: &str| line.split_once(name)?.1.split(',').next()?.trim().parse::<u64>().ok();
        let ask = || self.cli(&["INFO", "replication"]);
        let written = ask().lines().find_map(|line| offset(line, "master_repl_offset:")).expect("an offset");
        let deadline = Instant::now() + Duration::from_secs(2);
        loop {
            let info = ask();
            let replica = info.lines().filter(|line| line.contains("state=online"));
            let in_step = replica.filter(|line| offset(line, ",offset=").is_some_and(|has| has >= written)).count();
            if in_step >= replicas || Instant::now() > deadline {
                return in_step >= replicas;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process id, if the server is running.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process().id()
    }

    /// Kills the server (SIGKILL): connections break, new ones are refused. All data is lost.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Kills the server if it is running, and starts an empty one on the same port.
    ///
    /// # Panics
    /// If it cannot be started, for instance because another process took the port.
    pub fn restart(&self) {
        let mut process = self.process();
        process.kill();
        for attempt in 1.. {
            match launch(self.kind, self.port, &self.args, &self.directory) {
                Ok(started) => {
                    *process = started;
                    return;
                }
                Err(log) if attempt == ATTEMPTS => panic!("{log}"),
                Err(_) => thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    /// Suspends the server (SIGSTOP): connections stay open without answers.
    ///
    /// # Panics
    /// If the server was killed.
    pub fn pause(&self) {
        self.process().signal("STOP");
    }

    /// Undoes [`pause`](Self::pause): requests sent meanwhile are answered now.
    ///
    /// # Panics
    /// If the server was killed.
    pub fn resume(&self) {
        self.process().signal("CONT");
    }

    /// Sends one command on a separate connection and returns the reply in the format of `redis-cli` in a pipe: an
    /// array is one element per line, an error starts with `(error) `, nothing is `(nil)`.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn cli(&self, args: &[&str]) -> String {
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        self.command(&args).to_string()
    }

    /// [`cli`](Self::cli) to a server that may be down, or ends its connections because its role changes.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn try_cli(&self, args: &[&str]) -> std::io::Result<String> {
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        self.try_command(&args).map(|reply| reply.to_string())
    }

    /// Returns when this many replicas have all writes so far.
    ///
    /// # Panics
    /// If they do not get them.
    pub fn wait_for_replicas(&self, replicas: usize) {
        wait_until("the replicas have what was written", || self.has_in_step(replicas));
    }

    /// [`cli`](Self::cli) for bytes.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn command(&self, args: &[&[u8]]) -> Reply {
        self.try_command(args).unwrap_or_else(|error| panic!("redis on port {}: {error}", self.port))
    }

    fn try_command(&self, args: &[&[u8]]) -> std::io::Result<Reply> {
        if has_certificate(&self.args) {
            // Over the socket, because this client does not support TLS.
            let stream = UnixStream::connect(self.socket())?;
            stream.set_read_timeout(Some(READ_TIMEOUT))?;
            return self.ask(stream, args);
        }
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        self.ask(stream, args)
    }

    fn ask(&self, mut stream: impl Read + Write, args: &[&[u8]]) -> std::io::Result<Reply> {
        if let Some(password) = &self.password {
            resp::send(&mut stream, &[b"AUTH", password.as_bytes()])?;
        }
        resp::send(&mut stream, args)
    }

    fn socket(&self) -> PathBuf {
        socket_in(&self.directory)
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the server has a certificate, and then uses TLS.
fn has_certificate(args: &[String]) -> bool {
    args.iter().any(|arg| arg == "--tls-cert-file")
}

pub(crate) fn socket_in(directory: &TempDir) -> PathBuf {
    directory.path().join("redis.sock")
}

/// The file in which `CONFIG REWRITE` stores the configuration for a restart, as Sentinels request.
fn config_in(directory: &TempDir) -> PathBuf {
    directory.path().join("redis.conf")
}

fn launch(kind: RedisKind, port: u16, args: &[String], directory: &TempDir) -> Result<Process, String> {
    let socket = socket_in(directory);
    let mut all = vec![config_in(directory).display().to_string()];
    all.extend(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"].map(String::from));
    if has_certificate(args) {
        all.extend(["--port".into(), "0".into(), "--tls-port".into(), port.to_string()]);
    } else {
        all.extend(["--port".into(), port.to_string()]);
    }
    all.extend(["--dir".into(), directory.path().display().to_string()]);
    all.extend(["--unixsocket".into(), socket.display().to_string()]);
    all.extend_from_slice(args);
    let launch =
        Launch { program: &kind.program(), args: &all, directory: directory.path(), user: None, end_signal: "KILL" };
    // Asks on the socket, which only this server has: another server may have taken the port.
    Process::start(&launch, || match UnixStream::connect(&socket) {
        Ok(mut stream) => {
            let timeout = stream.set_read_timeout(Some(READ_TIMEOUT));
            let reply = timeout.and_then(|()| resp::send(&mut stream, &[b"PING"]));
            reply.is_ok_and(|reply| !matches!(reply, Reply::Error(message) if message.starts_with("LOADING")))
        }
        Err(_) => false,
    })
}
