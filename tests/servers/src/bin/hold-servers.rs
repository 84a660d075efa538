//! Starts two Redis servers, one of them paused, and a PostgreSQL server, prints their ports and a data directory, and
//! holds them until it is killed. Used to test that the servers do not outlive this process.
#![allow(clippy::expect_used, reason = "test support: a failure is a panic")]

use std::thread;

use test_servers::{Postgres, Redis, RedisKind};

fn main() {
    let redis = Redis::start(RedisKind::Old);
    let paused = Redis::start(RedisKind::Valkey);
    let postgres = Postgres::shared();
    let reply = redis.cli(&["CONFIG", "GET", "dir"]);
    let directory = reply.lines().nth(1).expect("a directory");
    paused.pause();
    println!("{} {} {} {directory}", redis.port(), paused.port(), postgres.port());
    loop {
        thread::park();
    }
}
