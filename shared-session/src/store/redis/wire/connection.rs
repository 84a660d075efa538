//! Sends commands to Redis, and reports what is known about their outcome. Other modules use only [`Connection::send`].

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use redis::Value;
use tokio::time::Instant;

use super::{
    address::{Address, Servers, Target},
    call_limit::CallLimit,
    capabilities::Capabilities,
    cluster::Cluster,
    dial::Dialer,
    encode::Command,
    failure::{CallFailure, Effect, Unsent, unexpected},
    link::{Link, READS},
    reconnect::Reconnecting,
    send_options::{SendOptions, Wait},
    sentinel::Sentinels,
    slots::slot,
    tracking::Tracked,
    trust::Trusts,
};
use crate::{error::Error, store::redis::RedisConfig};

/// The target of a command, by which a cluster routes it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum To<'a> {
    /// A key.
    Key(&'a str),
    /// A node, if there is more than one.
    Node(&'a Address),
}

/// A connection to Redis. Clones share it.
#[derive(Clone)]
pub(crate) struct Connection {
    route: Route,
    response_timeout: Duration,
    capabilities: Capabilities,
    calls: Arc<CallLimit>,
    /// Whether to use reads that a primary refuses when it must not write.
    fenced_reads: bool,
    /// Required for every write.
    wait: Option<Wait>,
    /// The store's connection, if this one belongs to another runtime: calls go there while this one is being made.
    home: Option<Arc<Self>>,
}

/// The number of lanes for writes that wait for replicas, because a connection does nothing else while it waits. Other
/// writes need only one.
const WAITING_LANES: u16 = 4;

#[derive(Clone)]
enum Route {
    /// The only server.
    One(Arc<Reconnecting<Link>>, Dialer),
    Cluster(Arc<Cluster>),
    #[cfg(feature = "deadpool")]
    Pool(deadpool_redis::Pool),
}

impl Connection {
    /// Counts its calls in `calls`, and shares its trust through `trusts`.
    pub(crate) fn new(
        target: Target,
        config: &RedisConfig,
        calls: Arc<CallLimit>,
        trusts: Trusts,
    ) -> Result<Self, Error> {
        let Target { login, sentinel_login, tls, place } = target;
        let capabilities = Capabilities::default();
        let lanes = READS + 1 + usize::from(write_lanes(config.wait));
        let dialer =
            Dialer { lanes, calls: Arc::clone(&calls), trusts, ..config.dialer(login, tls, capabilities.clone())? };
        let route = match place {
            Servers::Single(address) => Route::One(Arc::new(dialer.supply(address)), dialer),
            Servers::Sentinel(addresses, name) => {
                let sentinel_dialer = config.sentinel_dialer(sentinel_login, tls)?;
                let sentinels = Sentinels { addresses, name, dialer: sentinel_dialer, primary: dialer.clone() };
                Route::One(Arc::new(sentinels.supply()), dialer)
            }
            Servers::Cluster(seeds) => Route::Cluster(Arc::new(Cluster::new(dialer, seeds))),
        };
        Ok(Self::over(route, config, capabilities, calls))
    }

    #[cfg(feature = "deadpool")]
    pub(crate) fn pool(pool: deadpool_redis::Pool, config: &RedisConfig) -> Self {
        Self::over(Route::Pool(pool), config, Capabilities::default(), Arc::new(CallLimit::new(config.max_calls)))
    }

    fn over(route: Route, config: &RedisConfig, capabilities: Capabilities, calls: Arc<CallLimit>) -> Self {
        Self {
            route,
            response_timeout: config.response_timeout,
            capabilities,
            calls,
            wait: config.wait,
            fenced_reads: config.fenced_reads,
            home: None,
        }
    }

    /// Makes it a runtime's own connection, beside `home`. `None` for a cluster, which would need one to each node.
    pub(crate) fn beside(self, home: &Arc<Self>) -> Option<Self> {
        let home = home.home.as_ref().unwrap_or(home);
        matches!(self.route, Route::One(..)).then(|| Self { home: Some(Arc::clone(home)), ..self })
    }

    /// Whether it is connected. If not, it starts to connect.
    fn is_made(&self) -> bool {
        let Route::One(link, _) = &self.route else { return true };
        let is_made = link.in_use().is_some();
        if !is_made {
            link.renew();
        }
        is_made
    }

    /// Connects now.
    pub(crate) async fn connect_now(&self, deadline: Instant) -> Result<(), Error> {
        let proved = match &self.route {
            Route::One(link, _) => link.get(deadline).await.map(drop),
            Route::Cluster(cluster) => cluster.primaries(deadline).await.map(drop),
            #[cfg(feature = "deadpool")]
            Route::Pool(pool) => self::pool::checkout(pool, deadline).await.map(drop),
        };
        proved.map_err(CallFailure::into_first_error)
    }

    /// The features of the server.
    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Whether writes wait for replicas.
    pub(crate) fn waits(&self) -> bool {
        self.wait.is_some()
    }

    /// The value under `key`. All reads of values go through this.
    pub(crate) async fn get(&self, key: &str, deadline: Instant) -> Result<Option<Bytes>, Error> {
        let name: &[u8] = if self.fenced_reads { b"GETEX" } else { b"GET" };
        match self.send(To::Key(key), &[name, key.as_bytes()], Effect::Read, deadline).await {
            Ok(Value::Nil) => Ok(None),
            Ok(Value::BulkString(value)) => Ok(Some(value.into())),
            Ok(_) => Err(unexpected(Effect::Read)),
            Err(failure) => Err(failure.into_error(Effect::Read)),
        }
    }

    /// The source of the announcements of changes.
    pub(crate) fn source(&self) -> Result<Tracked, Error> {
        match &self.route {
            Route::One(link, dialer) => Ok(Tracked::One(link.clone(), dialer.clone())),
            Route::Cluster(cluster) => Ok(Tracked::Cluster(cluster.clone())),
            #[cfg(feature = "deadpool")]
            Route::Pool(_) => Err(Error::new(
                crate::error::ErrorKind::Config,
                "a near cache cannot follow changes through a pool of connections: connect the store by its URL",
            )),
        }
    }

    /// The deadline of a call that starts now.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.response_timeout
    }

    /// Sends `command` and waits for its reply until `deadline`. A read is sent once more if its connection is lost; a
    /// write never is. Fails at once if too many calls are running.
    pub(crate) async fn send(
        &self,
        to: To<'_>,
        command: Command<'_>,
        effect: Effect,
        deadline: Instant,
    ) -> Result<Value, CallFailure> {
        if let Some(home) = &self.home
            && !self.is_made()
            && home.is_made()
        {
            return Box::pin(home.send(to, command, effect, deadline)).await;
        }
        let Some(_call) = self.calls.begin() else {
            return Err(CallFailure::Unsent(Unsent::new("too many calls are waiting for Redis")));
        };
        let _under_way = crate::metrics::REDIS_CALLS.enter();
        let sent = self.send_once(to, command, effect, deadline).await;
        match (effect, sent) {
            (Effect::Read, Err(CallFailure::Lost(_))) => Box::pin(self.send_once(to, command, effect, deadline)).await,
            (Effect::Write, Err(CallFailure::Lost(_) | CallFailure::TimedOut | CallFailure::Unexpected))
                if self.waits() =>
            {
                Err(CallFailure::Unreplicated(None))
            }
            (_, sent) => sent,
        }
    }

    /// The primaries of a cluster, each with its lowest slot and sorted by it; `None` if there is only one server.
    pub(crate) async fn primaries(&self, deadline: Instant) -> Result<Option<Vec<(u16, Address)>>, CallFailure> {
        match &self.route {
            Route::Cluster(cluster) => cluster.primaries(deadline).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn send_once(
        &self,
        to: To<'_>,
        command: Command<'_>,
        effect: Effect,
        deadline: Instant,
    ) -> Result<Value, CallFailure> {
        let (lane, wait) = match effect {
            Effect::Read => (READS, None),
            Effect::Write => (self.lane(to), self.wait),
        };
        match &self.route {
            Route::One(link, _) => {
                link.get(deadline).await?.send(lane, command, SendOptions { asking: false, wait }, deadline).await
            }
            // Boxed, because they are several times larger than the future above.
            Route::Cluster(cluster) => match to {
                To::Key(key) => Box::pin(cluster.send(key, lane, command, wait, deadline)).await,
                To::Node(node) => Box::pin(cluster.send_to(node, command, deadline)).await,
            },
            #[cfg(feature = "deadpool")]
            Route::Pool(pool) => Box::pin(self::pool::send(pool, command, wait, deadline)).await,
        }
    }

    /// Writes to a key always use the same lane. If they wait for replicas, deleting an absent key waits only for the
    /// connection's earlier writes; when a delete is tried again, the first attempt has to be among them.
    fn lane(&self, to: To<'_>) -> usize {
        match (to, write_lanes(self.wait)) {
            (To::Node(_), _) | (_, 1) => READS + 1,
            (To::Key(key), lanes) => READS + 1 + usize::from(slot(key) % lanes),
        }
    }
}

fn write_lanes(wait: Option<Wait>) -> u16 {
    if wait.is_some() { WAITING_LANES } else { 1 }
}

#[cfg(feature = "deadpool")]
mod pool {
    use deadpool_redis::{Connection, Pool, PoolError};
    use redis::{Cmd, Pipeline, Value};
    use tokio::time::{Instant, timeout_at};

    use crate::store::redis::wire::{
        encode::Command,
        failure::{CallFailure, Unsent},
        link,
        send_options::{SendOptions, Wait},
    };

    pub(crate) async fn send(
        pool: &Pool,
        command: Command<'_>,
        wait: Option<Wait>,
        deadline: Instant,
    ) -> Result<Value, CallFailure> {
        let mut connection = checkout(pool, deadline).await?;
        let how = SendOptions { asking: false, wait };
        let sent = async {
            if how == SendOptions::PLAIN {
                return link::reply(connection.send_packed_command(&packed(command)).await);
            }
            let together = how.with(command, |all| {
                all.iter().fold(Pipeline::new(), |mut together, command| {
                    together.add_command(packed(command));
                    together
                })
            });
            how.reply(connection.send_packed_commands(&together, 0, together.len()).await)
        };
        let reply = timeout_at(deadline + how.extra_time(), sent).await.unwrap_or(Err(CallFailure::TimedOut));
        if matches!(&reply, Err(failure) if is_spoiled(failure)) {
            drop(Connection::take(connection));
        }
        reply
    }

    fn packed(command: Command<'_>) -> Cmd {
        command.iter().fold(Cmd::new(), |mut packed, word| {
            packed.arg(*word);
            packed
        })
    }

    fn is_spoiled(failure: &CallFailure) -> bool {
        match failure {
            CallFailure::Lost(_) | CallFailure::TimedOut => true,
            CallFailure::Answered(answer) => answer.is("READONLY"),
            CallFailure::Unsent(_) | CallFailure::Unexpected | CallFailure::Unreplicated(_) => false,
        }
    }

    pub(crate) async fn checkout(pool: &Pool, deadline: Instant) -> Result<Connection, CallFailure> {
        let unsent = match timeout_at(deadline, pool.get()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(PoolError::Backend(error))) => error.into(),
            Ok(Err(PoolError::Closed)) => Unsent::new("the Redis pool is closed"),
            Ok(Err(_)) | Err(_) => Unsent::new("the Redis pool had no connection in time"),
        };
        Err(CallFailure::Unsent(unsent))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::redis::wire::address;

    fn lanes(config: &RedisConfig) -> BTreeSet<usize> {
        let calls = Arc::new(CallLimit::new(config.max_calls));
        let target = address::parse("redis://127.0.0.1:1").unwrap();
        let connection = Connection::new(target, config, calls, Trusts::default()).unwrap();
        let node = Address::Tcp("node".into(), 1);
        assert_eq!(connection.lane(To::Node(&node)), READS + 1);
        (0..100)
            .map(|n| {
                let key = format!("key-{n}");
                let lane = connection.lane(To::Key(&key));
                assert_eq!(connection.lane(To::Key(&key)), lane, "writes to a key share a lane");
                lane
            })
            .collect()
    }

    #[tokio::test]
    async fn writes_have_one_lane_and_several_where_they_wait_for_replicas() {
        assert_eq!(lanes(&RedisConfig::new()), [READS + 1].into());
        let waiting = RedisConfig::new().with_replicas(1, Duration::from_secs(1));
        assert_eq!(lanes(&waiting), (1..=usize::from(WAITING_LANES)).map(|lane| READS + lane).collect());
    }
}
