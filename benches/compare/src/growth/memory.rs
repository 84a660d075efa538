//! The memory of sessions, users and connections in Redis.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::TcpStream,
};

use test_servers::Redis;
use tokio::runtime::Runtime;

use super::{PREFIX, Scene, copy, example, fill, table};
use crate::{
    process::cpu_of,
    server::{Server, memory_of},
};

/// The sizes of sessions, and how many of each are stored to measure the memory of one.
const SIZES: [(usize, usize); 3] = [(200, 200_000), (2_000, 50_000), (20_000, 5_000)];

pub fn of_redis(runtime: &Runtime, _rounds: usize) -> String {
    let mut text = "### Memory in Redis\n\n`INFO memory` before and after, divided by their number: with the key, the \
                    expiry, and what the tables of keys take.\n\n"
        .to_owned();
    table(&mut text, &["entries of a session, bytes", "record, bytes", "in Redis, bytes", "`MEMORY USAGE`"]);
    for (size, count) in SIZES {
        let scene = Scene::new();
        let redis = &scene.server.redis;
        let (key, _) = example(runtime, &scene, size, true);
        let (record, usage) = (redis.cli(&["STRLEN", &key]), redis.cli(&["MEMORY", "USAGE", &key]));
        let each = added(redis, count, || copy(redis, &key, count));
        _ = writeln!(text, "| {size} | {record} | {each:.0} | {usage} |");
    }
    text.push('\n');
    table(&mut text, &["sessions of each user", "index of a user, bytes", "for a session"]);
    for devices in [1, 3, 10, 100, 1_000] {
        let redis = Server::native().redis;
        let users = (200_000 / devices).min(20_000);
        let each = added(&redis, users, || index(&redis, users, devices));
        _ = writeln!(text, "| {devices} | {each:.0} | {:.0} |", each / devices as f64);
    }
    let (bytes, micros) = connection();
    _ = writeln!(text, "\nAn idle connection takes {:.1} KB, and greeting it {micros:.0} µs of Redis.", bytes / 1000.0);
    text
}

fn added(redis: &Redis, count: usize, fill: impl FnOnce()) -> f64 {
    let before = memory_of(redis);
    fill();
    (memory_of(redis) - before) / count as f64
}

/// Creates an index for each of `users` users with `devices` sessions, like a sign-in does.
fn index(redis: &Redis, users: usize, devices: usize) {
    const DEADLINE: usize = 1_900_000_000;
    fill(redis, users, |pipe, user| {
        let key = format!("{PREFIX}user:{user}");
        let members = (1..=devices).map(|device| (DEADLINE + device, format!("{user:012}{device:012}")));
        pipe.zadd_multiple(&key, &members.collect::<Vec<_>>()).expire_at(&key, DEADLINE as i64);
    });
}

/// The bytes and the microseconds of one connection.
fn connection() -> (f64, f64) {
    const COUNT: usize = 500;
    let redis = Server::native().redis;
    let process = redis.id().expect("a server that runs");
    let (memory, cpu) = (memory_of(&redis), cpu_of(process));
    let greeted = || {
        let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
        stream.write_all(b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n").unwrap();
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
        stream
    };
    let connections: Vec<TcpStream> = (0..COUNT).map(|_| greeted()).collect();
    let taken = (memory_of(&redis) - memory, cpu_of(process) - cpu);
    drop(connections);
    (taken.0 / COUNT as f64, taken.1 / COUNT as f64)
}
