//! The load: many connections, each with the cookies of a visitor of its own.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use test_servers::Redis;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

const CONNECTIONS: usize = 32;
const WARM_UP: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Untouched,
    Read,
    Increment,
    Rotation,
    /// Of 20 KB.
    LargeRead,
    LargeIncrement,
}

impl Kind {
    pub const ALL: [Self; 6] =
        [Self::Untouched, Self::Read, Self::Increment, Self::Rotation, Self::LargeRead, Self::LargeIncrement];

    pub fn name(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::Read => "read",
            Self::Increment => "increment",
            Self::Rotation => "rotation",
            Self::LargeRead => "read 20 KB",
            Self::LargeIncrement => "increment 20 KB",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Untouched => "/untouched",
            Self::Read | Self::LargeRead => "/read",
            Self::Increment | Self::LargeIncrement => "/increment",
            Self::Rotation => "/rotation",
        }
    }

    fn start(self) -> &'static str {
        match self {
            Self::LargeRead | Self::LargeIncrement => "/start-large",
            _ => "/start",
        }
    }
}

/// One round of one kind of request at one contender.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub per_second: f64,
    /// Microseconds.
    pub p50: f64,
    pub p99: f64,
    /// Microseconds of processor time of the service for a request.
    pub cpu: f64,
    /// Commands of Redis for a request.
    pub commands: f64,
}

pub async fn run(port: u16, process: u32, kind: Kind, milliseconds: u64, redis: &Redis) -> Sample {
    let mut visitors = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut visitor = Visitor::new(port).await;
        visitor.ask(kind.start()).await;
        visitors.push(visitor);
    }
    let (mut visitors, _) = all(visitors, kind, WARM_UP).await;
    let (cpu, commands) = (cpu_of(process), commands_of(redis));
    let started = Instant::now();
    let times;
    (visitors, times) = all(visitors, kind, Duration::from_millis(milliseconds)).await;
    let elapsed = started.elapsed();
    drop(visitors);
    let mut times = times;
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    let count = times.len() as f64;
    Sample {
        per_second: count / elapsed.as_secs_f64(),
        p50: at(0.5),
        p99: at(0.99),
        cpu: (cpu_of(process) - cpu).as_secs_f64() * 1e6 / count,
        commands: (commands_of(redis) - commands) / count,
    }
}

/// Every visitor asks again and again for so long.
async fn all(visitors: Vec<Visitor>, kind: Kind, time: Duration) -> (Vec<Visitor>, Vec<Duration>) {
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for mut visitor in visitors {
        tasks.spawn(async move {
            let mut times = Vec::new();
            while Instant::now() < end {
                let asked = Instant::now();
                visitor.ask(kind.path()).await;
                times.push(asked.elapsed());
            }
            (visitor, times)
        });
    }
    let done = tasks.join_all().await;
    let (visitors, times): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    (visitors, times.concat())
}

/// One connection and its cookies.
struct Visitor {
    stream: TcpStream,
    cookies: BTreeMap<String, String>,
    buffer: Vec<u8>,
}

impl Visitor {
    async fn new(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, cookies: BTreeMap::new(), buffer: Vec::new() }
    }

    async fn ask(&mut self, path: &str) {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookie = if cookies.is_empty() { String::new() } else { format!("Cookie: {}\r\n", cookies.join("; ")) };
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n{cookie}Content-Length: 0\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.buffer.clear();
        let head = loop {
            let before = self.buffer.len().saturating_sub(3);
            assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "the service closed the connection");
            let end = self.buffer[before..].windows(4).position(|end| end == b"\r\n\r\n");
            if let Some(end) = end {
                break before + end + 4;
            }
        };
        let text = String::from_utf8(self.buffer[..head].to_vec()).unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{path}: {text}");
        let mut length = 0;
        for (name, value) in text.lines().filter_map(|line| line.split_once(": ")) {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().unwrap();
            } else if name.eq_ignore_ascii_case("set-cookie") {
                let (name, value) = value.split(';').next().unwrap().split_once('=').unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        while self.buffer.len() < head + length {
            self.stream.read_buf(&mut self.buffer).await.unwrap();
        }
    }
}

/// The processor time that the process has had.
fn cpu_of(process: u32) -> Duration {
    const TICKS_A_SECOND: u64 = 100;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1000 / TICKS_A_SECOND)
}

/// How many commands Redis has done, those within scripts too.
fn commands_of(redis: &Redis) -> f64 {
    let stats = redis.cli(&["INFO", "stats"]);
    let count = stats.lines().find_map(|line| line.trim().strip_prefix("total_commands_processed:"));
    count.unwrap().parse().unwrap()
}
