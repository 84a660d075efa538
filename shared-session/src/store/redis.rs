//! Sessions in Redis or Valkey.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use redis::Value;
use tokio::time::Instant;

use crate::{
    decimal::Decimal,
    error::{Error, ErrorKind},
    store::{
        Deleted, Page, Replaced, Seen, SessionStore, StoreTime,
        change_feed::{Announces, ChangeFeed, Follower, Watch},
    },
};

mod config;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
pub(crate) mod ifeq;
mod patch;
mod policy;
mod runtimes;
mod scan;
pub(crate) mod scripts;
pub(crate) mod wire;

pub use config::RedisConfig;
pub use policy::Persistence;
use runtimes::Runtimes;
use scan::Position;
use wire::{
    connection::{Connection, To},
    encode::{Command, MAX_MILLIS, millis},
    failure::{Effect, unexpected},
    frame::text,
    tracking::Tracking,
};

/// Sessions in Redis 6.2 or later, or Valkey.
///
/// Every write is one command on one key. Conditional writes are `SET … IFEQ` if the server has it (Valkey since 8.1,
/// Redis since 8.4) and the value is not over 8 KiB, else Lua scripts; the store tries the command instead of checking
/// the server's version. If a larger value keeps its length, only the changed bytes are sent. A read is one `GET`. All
/// clones share two connections, one for reads and one for writes, over which their commands are pipelined. Each worker
/// of Actix Web has its own two; see [`SessionManager::on_this_runtime`](crate::SessionManager::on_this_runtime).
///
/// - **Time-outs.** Every call ends within the [response timeout](RedisConfig::with_response_timeout), 300 ms by
///   default, whatever the server does.
/// - **Retries.** A read is sent once more if its connection was lost. A write is never sent again; if its reply is
///   lost the error is [`Error::undecided`], and if it takes too long [`Error::late`].
/// - **Reconnects.** The next call replaces a lost connection. While Redis is down calls fail at once.
/// - **Lifetimes** are relative, so the clocks of services do not matter.
///
/// Forbid eviction (`maxmemory-policy noeviction`): the eviction of a session signs its user out. A service can check
/// the [policy](Self::eviction_policy) when it starts.
///
/// ```no_run
/// use bytes::Bytes;
/// use std::time::Duration;
/// use shared_session::store::{RedisStore, SessionStore};
///
/// # async fn example() -> Result<(), shared_session::Error> {
/// let store = RedisStore::connect("redis://127.0.0.1:6379/0").await?;
/// assert!(store.create("session:a", Bytes::from("data"), Duration::from_secs(60)).await?);
/// assert!(!store.create("session:a", Bytes::from("other"), Duration::from_secs(60)).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore {
    connection: Arc<Connection>,
    /// `None` with a pool, whose connections belong to no runtime.
    runtimes: Option<Arc<Runtimes>>,
}

impl RedisStore {
    /// Connects to one of these; with the feature `redis-tls` also with TLS, as `rediss://…`, `rediss+sentinel://…` and
    /// `rediss+cluster://…`:
    ///
    /// - `redis://[user:password@]host[:port][/database]`
    /// - `redis+unix:///path[?db=…&user=…&pass=…]`, or `unix:///path` for short
    /// - `redis+sentinel://[user:password@]host[:port],host[:port]/primary[/database]`: the primary with this name
    ///   according to these Sentinels. User and password are for the primary and never sent to a Sentinel. For a login
    ///   to the Sentinels add `?sentinel_username=…&sentinel_password=…`, or the password alone, with percent-encoding,
    ///   or see [`RedisConfig::with_sentinel_login`].
    /// - `redis+cluster://[user:password@]host[:port],host[:port]`: the cluster of these nodes. Each operation touches
    ///   one key, so all guarantees are the same, and hash tags are not needed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the URL is not valid or Redis has no database of its number,
    /// [`ErrorKind::Unavailable`] if Redis cannot be reached or refuses the login. No error quotes the login.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::connect_with(url, &RedisConfig::new()).await
    }

    /// As [`connect`](Self::connect), with options.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, config: &RedisConfig) -> Result<Self, Error> {
        let until = Instant::now() + config.connect_timeout;
        let store = Self::connect_lazy(url, config)?;
        store.connection.connect_now(until).await?;
        Ok(store)
    }

    /// As [`connect_with`](Self::connect_with), but connects on the first call, for services that must start while
    /// Redis is down. Call it on the runtime that has to drive the connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the URL is not valid.
    pub fn connect_lazy(url: &str, config: &RedisConfig) -> Result<Self, Error> {
        let (connection, runtimes) = Runtimes::new(wire::address::parse(url)?, config)?;
        Ok(Self { connection: Arc::new(connection), runtimes: Some(Arc::new(runtimes)) })
    }

    /// Uses an existing pool of the service. A pooled connection carries one call at a time and is tested at every
    /// check-out, so this is several times slower than [`connect`](Self::connect). Options for connecting have no
    /// effect, because the pool connects.
    #[cfg(feature = "deadpool")]
    #[must_use]
    pub fn from_pool(pool: deadpool_redis::Pool, config: &RedisConfig) -> Self {
        Self { connection: Arc::new(Connection::pool(pool, config)), runtimes: None }
    }

    /// Stores `value` unconditionally: for caches in front of another store.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Error> {
        let ttl = millis(ttl);
        let set: Command<'_> = &[b"SET", key.as_bytes(), value, b"PX", ttl.as_bytes()];
        match self.send(To::Key(key), set, Effect::Write).await? {
            Value::Okay => Ok(()),
            _ => Err(unexpected(Effect::Write)),
        }
    }

    async fn send(&self, to: To<'_>, command: Command<'_>, effect: Effect) -> Result<Value, Error> {
        let deadline = self.connection.deadline();
        self.connection.send(to, command, effect, deadline).await.map_err(|failure| failure.into_error(effect))
    }

    /// If writes wait for replicas, so does the reply that a key is absent: another service may have deleted it without
    /// confirmation from the replicas, and a failover would bring it back. `WAIT` alone is not enough, because it
    /// covers only the writes of its own connection.
    async fn confirm_absent(&self, key: &str) -> Result<(), Error> {
        if self.connection.waits() {
            self.call(&scripts::CONFIRM_ABSENT, key, &[]).await?;
        }
        Ok(())
    }

    async fn call(&self, script: &scripts::Script, key: &str, args: &[&[u8]]) -> Result<Value, Error> {
        script.call(&self.connection, key, args).await.map_err(|failure| failure.into_error(Effect::Write))
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

impl Announces for RedisStore {
    /// [`ErrorKind::Config`] with a pool, whose connections the store does not manage.
    fn follow(&self, prefix: &str, follower: Arc<dyn Follower>) -> Result<Box<dyn Watch>, Error> {
        Ok(Box::new(Tracking::new(self.connection.source()?, prefix, follower)))
    }
}

impl SessionStore for RedisStore {
    fn change_feed(&self) -> Option<ChangeFeed> {
        Some(ChangeFeed::of(self.clone()))
    }

    fn on_this_runtime(&self) -> Option<Self> {
        let connection = self.runtimes.as_ref()?.connection_here(&self.connection)?;
        Some(Self { connection, runtimes: self.runtimes.clone() })
    }

    async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let found = self.connection.get(key, self.connection.deadline()).await?;
        if found.is_none() && self.connection.waits() {
            // Boxed, because it is rare and larger.
            Box::pin(self.confirm_absent(key)).await?;
        }
        Ok(found)
    }

    async fn create(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        let ttl = millis(ttl);
        let set: Command<'_> = &[b"SET", key.as_bytes(), &value, b"NX", b"PX", ttl.as_bytes()];
        match self.send(To::Key(key), set, Effect::Write).await? {
            Value::Okay => Ok(true),
            Value::Nil => Ok(false),
            _ => Err(unexpected(Effect::Write)),
        }
    }

    async fn replace(&self, key: &str, seen: &Seen, value: Bytes, ttl: Duration) -> Result<Replaced, Error> {
        let len = seen.whole().len();
        if len <= ifeq::MOST
            && self.connection.capabilities().ifeq.may_be_used()
            && let Some(replaced) = ifeq::replace(&self.connection, key, seen, &value, ttl).await?
        {
            return Ok(replaced);
        }
        // Boxed, because it is rarer and larger.
        if len >= patch::LEAST
            && let Some(replaced) = Box::pin(patch::replace(&self.connection, key, seen, &value, ttl)).await?
        {
            return Ok(replaced);
        }
        scripts::replace_whole(&self.connection, key, seen, &value, ttl).await
    }

    async fn delete(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
        let reply = match seen {
            Some(seen) => {
                let offset = Decimal::of(seen.offset() as u64);
                self.call(&scripts::DELETE, key, &[offset.as_bytes(), seen.part()]).await?
            }
            None => self.send(To::Key(key), &[b"DEL", key.as_bytes()], Effect::Write).await?,
        };
        match reply {
            Value::Int(1) => Ok(Deleted::Done),
            Value::Int(0) => {
                Box::pin(self.confirm_absent(key)).await?;
                Ok(Deleted::Gone)
            }
            Value::BulkString(current) => Ok(Deleted::Conflict(current.into())),
            _ => Err(unexpected(Effect::Write)),
        }
    }

    async fn scan(&self, prefix: &str, from: Option<&str>) -> Result<Page, Error> {
        const KEYS_PER_CALL: &[u8] = b"1000";
        let not_ours = || Error::new(ErrorKind::Config, "the position to scan from was not made by this store");
        let position = from.map_or(Some(Position::default()), Position::read).ok_or_else(not_ours)?;
        let deadline = self.connection.deadline();
        let pattern = pattern(prefix);
        let ask = async |to, cursor: u64| {
            let cursor = Decimal::of(cursor);
            let scan: Command<'_> =
                &[b"SCAN", cursor.as_bytes(), b"MATCH", pattern.as_bytes(), b"COUNT", KEYS_PER_CALL];
            let reply = self.connection.send(to, scan, Effect::Read, deadline).await;
            read_scan(reply.map_err(|failure| failure.into_error(Effect::Read))?)
        };
        let primaries =
            self.connection.primaries(deadline).await.map_err(|failure| failure.into_error(Effect::Read))?;
        let (keys, next) = match primaries {
            None => {
                let (cursor, keys) = ask(To::Key(""), position.only().ok_or_else(not_ours)?).await?;
                (keys, Position::after_only(cursor))
            }
            Some(primaries) => {
                let (node, cursor) = position.within(&primaries).ok_or_else(not_ours)?;
                let (cursor, keys) = ask(To::Node(node), cursor).await?;
                (keys, Position::after(cursor, node, &primaries))
            }
        };
        Ok(Page::new(keys, next.map(|position| position.write())))
    }

    async fn index_add(&self, index: &str, member: &str, deadline: StoreTime) -> Result<(), Error> {
        let deadline = Decimal::of(deadline.0.min(MAX_MILLIS));
        match self.call(&scripts::INDEX_ADD, index, &[member.as_bytes(), deadline.as_bytes()]).await? {
            Value::Int(_) => Ok(()),
            _ => Err(unexpected(Effect::Write)),
        }
    }

    /// Two round trips: the time comes from the store.
    async fn index_list(&self, index: &str) -> Result<Vec<String>, Error> {
        let after = format!("({}", self.time().await?.0);
        let list: Command<'_> = &[b"ZRANGEBYSCORE", index.as_bytes(), after.as_bytes(), b"+inf"];
        match self.send(To::Key(index), list, Effect::Read).await? {
            Value::Array(members) => Ok(members.into_iter().filter_map(text).collect()),
            _ => Err(unexpected(Effect::Read)),
        }
    }

    async fn index_remove(&self, index: &str, members: &[String]) -> Result<(), Error> {
        if members.is_empty() {
            return Ok(());
        }
        let mut remove: Vec<&[u8]> = vec![b"ZREM", index.as_bytes()];
        remove.extend(members.iter().map(String::as_bytes));
        match self.send(To::Key(index), &remove, Effect::Write).await? {
            Value::Int(_) => Ok(()),
            _ => Err(unexpected(Effect::Write)),
        }
    }

    /// In a cluster this is the clock of the primary of the first slot, or of the next one that answers. Synchronize
    /// the clocks of the nodes (NTP): the node that holds an index prunes it and checks its deadlines.
    async fn time(&self) -> Result<StoreTime, Error> {
        let deadline = self.connection.deadline();
        let ask = async |to| {
            let reply = self.connection.send(to, &[b"TIME"], Effect::Read, deadline).await;
            reply.map_err(|failure| failure.into_error(Effect::Read)).and_then(read_time)
        };
        let primaries =
            self.connection.primaries(deadline).await.map_err(|failure| failure.into_error(Effect::Read))?;
        let mut time = Err(unexpected(Effect::Read));
        for (_, node) in primaries.iter().flatten() {
            time = ask(To::Node(node)).await;
            if time.is_ok() {
                return time;
            }
        }
        if primaries.is_some() { time } else { ask(To::Key("")).await }
    }
}

fn read_time(reply: Value) -> Result<StoreTime, Error> {
    let time = match reply {
        Value::Array(time) => <[Value; 2]>::try_from(time).ok(),
        _ => None,
    };
    let number = |value| text(value)?.parse::<u64>().ok();
    time.and_then(|[seconds, micros]| Some((number(seconds)?, number(micros)?)))
        .map(|(seconds, micros)| StoreTime(seconds.saturating_mul(1000).saturating_add(micros / 1000)))
        .ok_or_else(|| unexpected(Effect::Read))
}

/// The next cursor, and the keys.
fn read_scan(reply: Value) -> Result<(u64, Vec<String>), Error> {
    let Value::Array(reply) = reply else { return Err(unexpected(Effect::Read)) };
    match <[Value; 2]>::try_from(reply) {
        Ok([cursor, Value::Array(keys)]) => {
            let cursor = text(cursor).and_then(|cursor| cursor.parse().ok());
            Ok((cursor.ok_or_else(|| unexpected(Effect::Read))?, keys.into_iter().filter_map(text).collect()))
        }
        _ => Err(unexpected(Effect::Read)),
    }
}

/// The glob pattern for keys that start with `prefix`, taken literally.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_at_least_a_millisecond_and_never_overflows() {
        let millis = |ttl| String::from_utf8(super::millis(ttl).as_bytes().to_vec()).unwrap();
        assert_eq!(millis(Duration::ZERO), "1");
        assert_eq!(millis(Duration::from_micros(1999)), "1");
        assert_eq!(millis(Duration::from_secs(60)), "60000");
        assert_eq!(millis(Duration::MAX), MAX_MILLIS.to_string());
    }

    #[test]
    fn glob_characters_in_a_prefix_are_literal() {
        assert_eq!(pattern(""), "*");
        assert_eq!(pattern(r"a*b?[c]\:"), r"a\*b\?\[c\]\\:*");
    }
}
