//! A primary, its replicas, and the Sentinels that watch them.

use std::fs;
use std::os::unix::net::UnixStream;

use crate::directory::TempDir;
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

    /// Starts all six, the servers with more arguments. Those about TLS are for the Sentinels too.
    ///
    /// # Panics
    /// If one of them cannot be started.
    #[must_use]
    pub fn with_args(kind: RedisKind, args: &[&str]) -> Self {
        let quick = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];
        let args = [&quick, args].concat();
        let mut servers = vec![Redis::with_args(kind, &args)];
        let primary = servers[0].port();
        let port = primary.to_string();
        servers.extend(
            (0..REPLICAS).map(|_| Redis::with_args(kind, &[&args[..], &["--replicaof", "127.0.0.1", &port]].concat())),
        );
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
        self.servers.iter().find(|server| server.port() == port).expect("one of the servers")
    }

    /// Returns when all running Sentinels name another server than `old`.
    ///
    /// # Panics
    /// If they do not.
    pub fn wait_for_another_than(&self, old: &Redis) {
        wait_until("the Sentinels name another primary", || {
            self.sentinels.iter().filter_map(Watcher::primary).all(|port| port != old.port())
        });
    }

    /// Kills one Sentinel.
    pub fn kill_sentinel(&self, index: usize) {
        self.sentinels[index].process.kill();
    }

    /// Stops one Sentinel from running: connections stay open, and nothing answers. It stays so.
    pub fn pause_sentinel(&self, index: usize) {
        self.sentinels[index].process.signal("STOP");
    }
}

fn is_replica_in_step(server: &Redis) -> bool {
    server.cli(&["INFO", "replication"]).contains("master_link_status:up")
}

/// One Sentinel.
#[derive(Debug)]
struct Watcher {
    // Dropped in this order: the process goes before its directory.
    process: Process,
    port: u16,
    directory: TempDir,
}

impl Watcher {
    fn start(kind: RedisKind, primary: u16, args: &[&str]) -> Self {
        let tls: Vec<_> = args.chunks(2).filter(|option| option[0].starts_with("--tls-")).collect();
        for _ in 0..10 {
            let (directory, port) = (TempDir::new(), port::free());
            let config = directory.path().join("sentinel.conf");
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
            fs::write(&config, text).unwrap();
            let launch = Launch {
                program: &kind.program(),
                args: &[config.display().to_string(), "--sentinel".into()],
                directory: directory.path(),
                user: None,
                end_signal: "KILL",
            };
            if let Ok(process) =
                Process::start(&launch, || matches!(ask(&directory, &[b"PING"]), Some(Reply::Bytes(_))))
            {
                return Self { process, port, directory };
            }
        }
        panic!("no Sentinel could be started");
    }

    fn primary(&self) -> Option<u16> {
        match ask(&self.directory, &[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", NAME.as_bytes()])? {
            Reply::Array(address) => address.get(1)?.to_string().parse().ok(),
            _ => None,
        }
    }

    fn knows_all(&self) -> bool {
        let Some(Reply::Array(fields)) = ask(&self.directory, &[b"SENTINEL", b"MASTER", NAME.as_bytes()]) else {
            return false;
        };
        let fields: Vec<_> = fields.iter().map(Reply::to_string).collect();
        let is = |name: &str, value: usize| fields.chunks(2).any(|field| field == [name, &value.to_string()]);
        is("num-slaves", REPLICAS) && is("num-other-sentinels", SENTINELS - 1)
    }
}

/// Asks the Sentinel in `directory`, on its socket. `None` if it does not answer in time.
fn ask(directory: &TempDir, args: &[&[u8]]) -> Option<Reply> {
    let mut stream = UnixStream::connect(socket_in(directory)).ok()?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(1))).ok()?;
    resp::send(&mut stream, args).ok()
}
