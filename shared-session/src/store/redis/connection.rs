//! How a command gets to Redis and how much of its fate is known. All else asks for no more than
//! [`Connection::send`].

use std::{sync::Arc, time::Duration};

use redis::{Cmd, Value};
use tokio::{sync::Semaphore, time::Instant};

use super::{
    RedisConfig,
    cluster::Cluster,
    dial::{Address, Dialer},
    failure::{Failure, Unsent},
    link::Link,
    native::Native,
    sentinel::Sentinels,
    supply::Supply,
    tracking::Source,
    url::{Place, Target},
};
use crate::{Error, ErrorKind};

/// Whether a command that may have run can be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It changes nothing.
    Read,
    /// It may change something, so it is sent once.
    Write,
}

/// What a command concerns, by which a cluster knows where it has to go.
#[derive(Clone, Copy, Debug)]
pub(super) enum To<'a> {
    /// A key.
    Key(&'a str),
    /// A node, where there is more than one.
    Node(&'a Address),
}

/// A way to Redis. Clones share it.
#[derive(Clone)]
pub(super) struct Connection {
    route: Route,
    response_timeout: Duration,
    native: Native,
    /// One permit for each call that may be under way.
    calls: Arc<Semaphore>,
}

#[derive(Clone)]
enum Route {
    /// One connection to the one server that counts.
    One(Arc<Supply<Link>>, Dialer),
    Cluster(Arc<Cluster>),
    #[cfg(feature = "deadpool")]
    Pool(deadpool_redis::Pool),
}

impl Connection {
    pub(super) fn new(target: Target, config: &RedisConfig) -> Result<Self, Error> {
        let Target { login, tls, place } = target;
        let native = Native::default();
        let dialer = config.dialer(login, tls, native.clone())?;
        let route = match place {
            Place::Single(address) => Route::One(Arc::new(dialer.supply(address)), dialer),
            Place::Sentinel(addresses, name) => {
                let sentinels =
                    Sentinels { addresses, name, dialer: config.sentinel_dialer(tls)?, primary: dialer.clone() };
                Route::One(Arc::new(sentinels.supply()), dialer)
            }
            Place::Cluster(seeds) => Route::Cluster(Arc::new(Cluster::new(dialer, seeds))),
        };
        Ok(Self::over(route, config, native))
    }

    #[cfg(feature = "deadpool")]
    pub(super) fn pool(pool: deadpool_redis::Pool, config: &RedisConfig) -> Self {
        Self::over(Route::Pool(pool), config, Native::default())
    }

    fn over(route: Route, config: &RedisConfig, native: Native) -> Self {
        let calls = Arc::new(Semaphore::new(config.max_calls));
        Self { route, response_timeout: config.response_timeout, native, calls }
    }

    /// Connects now.
    pub(super) async fn prove(&self, deadline: Instant) -> Result<(), Error> {
        let proved = match &self.route {
            Route::One(link, _) => link.get(deadline).await.map(drop),
            Route::Cluster(cluster) => cluster.primaries(deadline).await.map(drop),
            #[cfg(feature = "deadpool")]
            Route::Pool(pool) => self::pool::checkout(pool, deadline).await.map(drop),
        };
        proved.map_err(|failure| failure.into_error(Effect::Read))
    }

    /// Whether the server has native compare-and-set.
    pub(super) fn native(&self) -> &Native {
        &self.native
    }

    /// Where the changes can be followed that the commands make.
    pub(super) fn source(&self) -> Result<Source, Error> {
        match &self.route {
            Route::One(link, dialer) => Ok(Source::One(link.clone(), dialer.clone())),
            Route::Cluster(cluster) => Ok(Source::Cluster(cluster.clone())),
            #[cfg(feature = "deadpool")]
            Route::Pool(_) => Err(Error::new(
                ErrorKind::Config,
                "a near cache cannot follow changes through a pool of connections: connect the store by its URL",
            )),
        }
    }

    /// When a call that starts now has to be over.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.response_timeout
    }

    /// Sends `command` and waits for its reply until `deadline`. A read is sent once more when its connection turns out
    /// to be gone; a write never is. It fails at once when too many calls are under way.
    pub(super) async fn send(
        &self,
        to: To<'_>,
        command: &Cmd,
        effect: Effect,
        deadline: Instant,
    ) -> Result<Value, Failure> {
        let Ok(_permit) = self.calls.try_acquire() else {
            return Err(Failure::Unsent(Unsent::new("too many calls are waiting for Redis")));
        };
        match self.send_once(to, command, deadline).await {
            Err(Failure::Lost(_)) if effect == Effect::Read => self.send_once(to, command, deadline).await,
            done => done,
        }
    }

    /// The primaries of a cluster, each with its lowest slot and in the order of these; `None` where there is but one
    /// server.
    pub(super) async fn primaries(&self, deadline: Instant) -> Result<Option<Vec<(u16, Address)>>, Failure> {
        match &self.route {
            Route::Cluster(cluster) => cluster.primaries(deadline).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn send_once(&self, to: To<'_>, command: &Cmd, deadline: Instant) -> Result<Value, Failure> {
        match &self.route {
            Route::One(link, _) => link.get(deadline).await?.send(command, deadline).await,
            // Boxed, because they are several times larger than the way above.
            Route::Cluster(cluster) => match to {
                To::Key(key) => Box::pin(cluster.send(key, command, deadline)).await,
                To::Node(node) => Box::pin(cluster.send_to(node, command, deadline)).await,
            },
            #[cfg(feature = "deadpool")]
            Route::Pool(pool) => Box::pin(self::pool::send(pool, command, deadline)).await,
        }
    }
}

#[cfg(feature = "deadpool")]
mod pool {
    use deadpool_redis::{Connection, Pool, PoolError};
    use redis::{Cmd, Value};
    use tokio::time::{Instant, timeout_at};

    use crate::store::redis::{
        failure::{Failure, Unsent},
        link,
    };

    pub(super) async fn send(pool: &Pool, command: &Cmd, deadline: Instant) -> Result<Value, Failure> {
        let mut connection = checkout(pool, deadline).await?;
        let reply = match timeout_at(deadline, connection.send_packed_command(command)).await {
            Ok(outcome) => link::reply(outcome),
            Err(_) => Err(Failure::TimedOut),
        };
        if matches!(&reply, Err(failure) if is_spoiled(failure)) {
            drop(Connection::take(connection));
        }
        reply
    }

    fn is_spoiled(failure: &Failure) -> bool {
        match failure {
            Failure::Lost(_) | Failure::TimedOut => true,
            Failure::Answered(answer) => answer.is("READONLY"),
            Failure::Unsent(_) | Failure::Unexpected => false,
        }
    }

    pub(super) async fn checkout(pool: &Pool, deadline: Instant) -> Result<Connection, Failure> {
        let unsent = match timeout_at(deadline, pool.get()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(PoolError::Backend(error))) => error.into(),
            Ok(Err(PoolError::Closed)) => Unsent::new("the Redis pool is closed"),
            Ok(Err(_)) | Err(_) => Unsent::new("the Redis pool had no connection in time"),
        };
        Err(Failure::Unsent(unsent))
    }
}
