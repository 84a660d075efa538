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

/// A read past this means that the server hangs.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
const ATTEMPTS: u32 = 10;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedisKind {
    /// Redis 6.2 to 7: Lua is the only compare-and-set.
    Old,
    /// Redis 8 or newer: `SET … IFEQ` is answered since 8.4.
    New,
    /// Valkey 9 or newer: `SET … IFEQ` is answered.
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

/// A Redis or Valkey server of its own, on 127.0.0.1 and on a Unix socket. It keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    // Dropped in this order: the process goes before its directory.
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

    /// Starts a server with more arguments, such as `&["--maxmemory", "4mb"]`. They win over ours.
    /// A password given by `--requirepass` is used by [`url`](Self::url) and [`cli`](Self::cli). With `--tls-cert-file`
    /// its port speaks TLS and nothing else.
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

    /// Starts a server that names a proxy as its address to its replicas, to Sentinels, to the nodes of its cluster,
    /// and to clients that ask any of these. Only [`cli`](Self::cli) goes to it directly, and what the nodes of a
    /// cluster tell each other.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn behind_proxy(kind: RedisKind, args: &[&str]) -> Self {
        // It must be known before the server is.
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

    /// Which server this is.
    #[must_use]
    pub fn kind(&self) -> RedisKind {
        self.kind
    }

    /// The first two numbers of its version of Redis, or of that which it claims to be.
    ///
    /// # Panics
    /// If the server does not tell.
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

    /// The port on 127.0.0.1, kept over [`restart`](Self::restart).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The proxy in front of it, if it was started behind one.
    #[must_use]
    pub fn way(&self) -> Option<&Proxy> {
        self.way.as_ref()
    }

    /// The port by which other servers know it.
    #[must_use]
    pub fn announced_port(&self) -> u16 {
        self.way.as_ref().map_or(self.port, Proxy::port)
    }

    /// Whether this many replicas confirm within two seconds that they have all data of this server. They report once a
    /// second. `WAIT` is not enough, because it covers only its own connection's writes.
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
    /// If it cannot be started, for instance because the port was taken meanwhile.
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

    /// Stops the server from running (SIGSTOP): connections stay open, and nothing answers.
    ///
    /// # Panics
    /// If the server was killed.
    pub fn pause(&self) {
        self.process().signal("STOP");
    }

    /// Undoes [`pause`](Self::pause): what was sent meanwhile is answered now.
    ///
    /// # Panics
    /// If the server was killed.
    pub fn resume(&self) {
        self.process().signal("CONT");
    }

    /// Sends one command on a connection of its own and returns the reply as `redis-cli` prints it to a pipe: an array
    /// is one element per line, an error starts with `(error) `, nothing is `(nil)`.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn cli(&self, args: &[&str]) -> String {
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        self.command(&args).to_string()
    }

    /// [`cli`](Self::cli) to a server that may be away, or ends its connections because it gets another role.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn try_cli(&self, args: &[&str]) -> std::io::Result<String> {
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        self.try_command(&args).map(|reply| reply.to_string())
    }

    /// Returns when this many replicas have everything written so far.
    ///
    /// # Panics
    /// If they do not get it.
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
            // Not by way of TLS, of which nothing is known here.
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

/// A server that has a certificate uses it.
fn has_certificate(args: &[String]) -> bool {
    args.iter().any(|arg| arg == "--tls-cert-file")
}

pub(crate) fn socket_in(directory: &TempDir) -> PathBuf {
    directory.path().join("redis.sock")
}

/// What `CONFIG REWRITE` keeps over a restart, as Sentinels have it do.
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
    // Asked on the socket, which is this server's alone: another server may have taken the port.
    Process::start(&launch, || match UnixStream::connect(&socket) {
        Ok(mut stream) => {
            let timeout = stream.set_read_timeout(Some(READ_TIMEOUT));
            let reply = timeout.and_then(|()| resp::send(&mut stream, &[b"PING"]));
            reply.is_ok_and(|reply| !matches!(reply, Reply::Error(message) if message.starts_with("LOADING")))
        }
        Err(_) => false,
    })
}
