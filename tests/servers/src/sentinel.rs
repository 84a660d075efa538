//! A primary, its replicas, and the Sentinels that watch them.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use crate::directory;
use crate::port;
use crate::process::{Launch, Process, wait_until};
use crate::redis::{Redis, RedisKind, socket_in};
use crate::resp::{self, Reply};

const NAME: &str = "main";
const REPLICAS: usize = 2;
const SENTINELS: usize = 3;

/// One primary, two replicas and three Sentinels. A primary that is silent for a second is replaced.
#[derive(Debug)]
pub struct Sentinel {
    sentinels: Vec<Watcher>,
    servers: Vec<Redis>,
}

impl Sentinel {
    /// Starts all six, and returns when they know each other.
    ///
    /// # Panics
    /// If one of them cannot be started.
    #[must_use]
    pub fn start(kind: RedisKind) -> Self {
        Self::with_args(kind, &[])
    }

    /// Starts all six; the servers get more arguments. TLS arguments apply to the Sentinels too.
    ///
    /// # Panics
    /// If one of them cannot be started.
    #[must_use]
    pub fn with_args(kind: RedisKind, args: &[&str]) -> Self {
        Self::with_servers(kind, args, Redis::with_args)
    }

    /// The same, each server [behind a proxy](Redis::behind_proxy).
    ///
    /// # Panics
    /// If one of them cannot be started.
    #[must_use]
    pub fn behind_proxies(kind: RedisKind, args: &[&str]) -> Self {
        Self::with_servers(kind, args, Redis::behind_proxy)
    }

    fn with_servers(kind: RedisKind, args: &[&str], start: fn(RedisKind, &[&str]) -> Redis) -> Self {
        let quick = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];
        let args = [&quick, args].concat();
        let servers: Vec<_> = (0..=REPLICAS).map(|_| start(kind, &args)).collect();
        let primary = servers[0].announced_port();
        for replica in &servers[1..] {
            // Not an argument, because a promoted server must not come back as a replica.
            assert_eq!(replica.cli(&["REPLICAOF", "127.0.0.1", &primary.to_string()]), "OK");
            assert_eq!(replica.cli(&["CONFIG", "REWRITE"]), "OK");
        }
        wait_until("the replicas are in step", || servers[1..].iter().all(is_replica_in_step));
        let sentinels = (0..SENTINELS).map(|_| Watcher::start(kind, primary, &args)).collect();
        let cluster = Self { sentinels, servers };
        wait_until("the Sentinels know each other", || cluster.sentinels.iter().all(Watcher::knows_all));
        cluster
    }

    /// `redis+sentinel://127.0.0.1:port,127.0.0.1:port,127.0.0.1:port/main`, or `rediss+sentinel://…` with TLS
    #[must_use]
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.ports().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("{}+sentinel://{}/{NAME}", self.servers[0].scheme(), addresses.join(","))
    }

    /// The ports of the Sentinels.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.sentinels.iter().map(|sentinel| sentinel.port)
    }

    /// The servers; the first was the primary at the start.
    #[must_use]
    pub fn servers(&self) -> &[Redis] {
        &self.servers
    }

    /// The server that the Sentinels name.
    ///
    /// # Panics
    /// If none of them answers.
    #[must_use]
    pub fn primary(&self) -> &Redis {
        let port = self.sentinels.iter().find_map(Watcher::primary).expect("a Sentinel that answers");
        self.servers.iter().find(|server| server.announced_port() == port).expect("one of the servers")
    }

    /// Returns when all running Sentinels name a server other than `old`.
    ///
    /// # Panics
    /// If they do not.
    pub fn wait_for_another_than(&self, old: &Redis) {
        wait_until("the Sentinels name another primary", || {
            self.sentinels.iter().filter_map(Watcher::primary).all(|port| port != old.announced_port())
        });
    }

    /// Makes the Sentinels replace a healthy primary, and returns when they name another. The primary does not hold
    /// back writes meanwhile.
    ///
    /// # Panics
    /// If they refuse.
    pub fn fail_over(&self) {
        let old = self.primary();
        let first = &self.sentinels[0];
        wait_until("a Sentinel replaces the primary", || {
            let is_replaced = first.primary().is_some_and(|port| port != old.announced_port());
            if !is_replaced {
                // Repeated, because the Sentinel may have aborted. During a failover it refuses.
                let _ = ask(&first.directory, &[b"SENTINEL", b"FAILOVER", NAME.as_bytes()]);
            }
            is_replaced
        });
        self.wait_for_another_than(old);
    }

    /// The reason to wait, until all run and agree on the primary, and the others are its replicas, in step.
    ///
    /// # Panics
    /// If a server does not answer.
    #[must_use]
    pub fn lacks(&self) -> Option<String> {
        let primaries: Vec<_> = self.sentinels.iter().map(Watcher::primary).collect();
        let Some(port) = primaries[0].filter(|port| primaries.iter().all(|other| *other == Some(*port))) else {
            return Some(format!("the Sentinels name {primaries:?}"));
        };
        if let Some(what) = self.sentinels.iter().find_map(Watcher::misses) {
            return Some(format!("a Sentinel knows {what}"));
        }
        let upstream = format!("slave\n127.0.0.1\n{port}\nconnected\n");
        let wrong = self.servers.iter().find(|server| {
            // A Sentinel that changes the role of a server ends all its connections.
            let role = server.try_cli(&["ROLE"]).unwrap_or_default();
            if server.announced_port() == port { !role.starts_with("master\n") } else { !role.starts_with(&upstream) }
        });
        match wrong {
            Some(server) => Some(format!("the server on port {} has another role", server.port())),
            None if !self.primary().has_in_step(REPLICAS) => Some("a replica is not in step".to_owned()),
            None => None,
        }
    }

    /// Runs a command on every Sentinel, such as `ACL SETUSER default >secret`, which is equivalent to `requirepass
    /// secret`. Once they require a login, only [`url`](Self::url) and [`ports`](Self::ports) still work here.
    ///
    /// # Panics
    /// If one of them refuses.
    pub fn command(&self, args: &[&str]) {
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        for sentinel in &self.sentinels {
            match ask(&sentinel.directory, &args) {
                Some(Reply::Error(error)) => panic!("a Sentinel refused: {error}"),
                Some(_) => {}
                None => panic!("a Sentinel does not answer"),
            }
        }
    }

    /// Kills one Sentinel.
    pub fn kill_sentinel(&self, index: usize) {
        self.sentinels[index].process().kill();
    }

    /// Starts one Sentinel again, with its previous state.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart_sentinel(&self, index: usize) {
        self.sentinels[index].restart();
    }

    /// Suspends one Sentinel: connections stay open without answers.
    pub fn pause_sentinel(&self, index: usize) {
        self.sentinels[index].process().signal("STOP");
    }

    /// Undoes [`pause_sentinel`](Self::pause_sentinel).
    pub fn resume_sentinel(&self, index: usize) {
        self.sentinels[index].process().signal("CONT");
    }
}

fn is_replica_in_step(server: &Redis) -> bool {
    server.cli(&["INFO", "replication"]).contains("master_link_status:up")
}

/// One Sentinel.
#[derive(Debug)]
struct Watcher {
    // Drop order: the process ends before its directory is removed.
    process: Mutex<Process>,
    kind: RedisKind,
    port: u16,
    directory: TempDir,
}

impl Watcher {
    fn start(kind: RedisKind, primary: u16, args: &[&str]) -> Self {
        let tls: Vec<_> = args.chunks(2).filter(|option| option[0].starts_with("--tls-")).collect();
        for _ in 0..10 {
            let (directory, port) = (directory::temporary(), port::free());
            let ports = if tls.is_empty() { format!("port {port}") } else { format!("port 0\ntls-port {port}") };
            let tls: String = tls.iter().map(|option| format!("{} {}\n", &option[0][2..], option[1])).collect();
            let text = format!(
                "{ports}\n{tls}bind 127.0.0.1\ndir {}\nunixsocket {}\n\
                 sentinel monitor {NAME} 127.0.0.1 {primary} 2\n\
                 sentinel down-after-milliseconds {NAME} 1000\n\
                 sentinel failover-timeout {NAME} 3000\n",
                directory.path().display(),
                socket_in(&directory).display(),
            );
            fs::write(config_in(&directory), text).unwrap();
            if let Ok(process) = launch(kind, &directory) {
                return Self { process: Mutex::new(process), kind, port, directory };
            }
        }
        panic!("no Sentinel could be started");
    }

    fn restart(&self) {
        let mut process = self.process();
        process.kill();
        *process = launch(self.kind, &self.directory).unwrap_or_else(|log| panic!("{log}"));
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn primary(&self) -> Option<u16> {
        match ask(&self.directory, &[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", NAME.as_bytes()])? {
            Reply::Array(address) => address.get(1)?.to_string().parse().ok(),
            _ => None,
        }
    }

    fn knows_all(&self) -> bool {
        let Some(primary) = ask(&self.directory, &[b"SENTINEL", b"MASTER", NAME.as_bytes()]) else { return false };
        has(&primary, "num-slaves", &REPLICAS.to_string())
            && has(&primary, "num-other-sentinels", &(SENTINELS - 1).to_string())
    }

    /// The reason to wait, until it knows all servers, sees none as down, and no failover runs.
    fn misses(&self) -> Option<String> {
        let about = |what: &[u8]| ask(&self.directory, &[b"SENTINEL", what, NAME.as_bytes()]);
        let mut known: Vec<Reply> = about(b"MASTER").into_iter().collect();
        for what in [&b"REPLICAS"[..], b"SENTINELS"] {
            match about(what) {
                Some(Reply::Array(others)) => known.extend(others),
                _ => return Some("nothing".to_owned()),
            }
        }
        let is_well = |one: &&Reply| ["master", "slave", "sentinel"].iter().any(|flags| has(one, "flags", flags));
        match known.iter().find(|one| !is_well(one)) {
            Some(unwell) => Some(unwell.to_string().replace('\n', " ")),
            None if known.len() != REPLICAS + SENTINELS => Some(format!("{} others", known.len())),
            None => None,
        }
    }
}

/// Whether the flat list of names and values has this value.
fn has(fields: &Reply, name: &str, value: &str) -> bool {
    let Reply::Array(fields) = fields else { return false };
    fields.chunks(2).any(|field| matches!(field, [known, is] if known.to_string() == name && is.to_string() == value))
}

fn config_in(directory: &TempDir) -> PathBuf {
    directory.path().join("sentinel.conf")
}

fn launch(kind: RedisKind, directory: &TempDir) -> Result<Process, String> {
    let launch = Launch {
        program: &kind.program(),
        args: &[config_in(directory).display().to_string(), "--sentinel".into()],
        directory: directory.path(),
        user: None,
        end_signal: "KILL",
    };
    Process::start(&launch, || matches!(ask(directory, &[b"PING"]), Some(Reply::Bytes(_))))
}

/// Asks the Sentinel in `directory`, on its socket. `None` if it does not answer in time.
fn ask(directory: &TempDir, args: &[&[u8]]) -> Option<Reply> {
    let mut stream = UnixStream::connect(socket_in(directory)).ok()?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(1))).ok()?;
    resp::send(&mut stream, args).ok()
}
