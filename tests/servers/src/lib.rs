//! Real Redis, Valkey, PostgreSQL and PgBouncer servers for tests, started in milliseconds and removed with the test.
//!
//! - The server programs are those that `scripts/test-env` found or installed (`make test` runs it), or those that the
//!   variables `REDIS_OLD`, `REDIS_NEW`, `VALKEY`, `POSTGRES_BIN` and `PGBOUNCER` name. Without them the tests fail;
//!   they are never skipped.
//! - Every server has its own port on 127.0.0.1 and its own directory, and ends when its value is dropped.
//! - A killed test process leaves nothing behind: a watchdog per server waits for the end of a pipe that only the test
//!   process holds open, then ends the server and removes its directory.
//! - A failure is a panic with the server's log.
//!
//! ```
//! use test_servers::{Redis, RedisKind};
//!
//! let redis = Redis::start(RedisKind::Old);
//! assert_eq!(redis.cli(&["SET", "key", "value"]), "OK");
//! redis.restart();
//! assert_eq!(redis.cli(&["GET", "key"]), "(nil)");
//! ```
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "test support: a failure is a panic")]

mod cluster;
mod directory;
mod environment;
mod pgbouncer;
mod port;
mod postgres;
mod postgres_protocol;
mod process;
mod proxy;
mod redis;
mod resp;
mod sentinel;
#[cfg(feature = "tls")]
mod tls;

pub use cluster::Cluster;
pub use pgbouncer::PgBouncer;
pub use postgres::Postgres;
pub use proxy::{Proxy, Trouble};
pub use redis::{Redis, RedisKind};
pub use resp::Reply;
pub use sentinel::Sentinel;
#[cfg(feature = "tls")]
pub use tls::Authority;
