//! PostgreSQL for sessions and users: opening connections, and running an operation on them.
//!
//! - On direct connections statements are named and kept: each is parsed and planned once for each connection.
//! - A pooler such as PgBouncer may send every transaction to another server, which does not have our statements. There
//!   each operation is a separate transaction, and its statements are unnamed. Connecting detects the pooler.
//! - A kept statement that the server has forgotten, or that a migration has made unusable, is prepared again. A
//!   connection that a restart has broken is replaced. The caller notices neither, unless a write may have been
//!   applied.

use std::{ops::ControlFlow, time::Duration};

use sqlx::{
    Connection, PgConnection, PgPool, Postgres as Driver, Row, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::error::Error;

mod failure;
mod target;

use failure::{Next, another_mode_may_do, next, refuses_parameters};
pub(crate) use failure::{Work, explain, is_stale_plan};
use target::Target;

/// How long a caller waits for a free connection.
const ACQUIRE: Duration = Duration::from_secs(2);
const CONNECTIONS: u32 = 10;
/// A connection that was used within this time is assumed to be alive; others are tested first.
const FRESH: Duration = Duration::from_secs(1);
/// The maximum number of restarts of one operation.
const AGAIN: u8 = 2;
/// Sent with every connection. A pooler refuses it or does not forward it, so the server then does not have it.
const MARK: &str = "shared_session.direct";
const IS_MARKED: &str = "SELECT current_setting('shared_session.direct', true)";

/// A pool, and the mode in which to use it.
#[derive(Clone)]
pub(crate) struct Postgres {
    pub(crate) pool: PgPool,
    way: Way,
    /// Whether a connection has to be tested before a write.
    asks: bool,
}

/// The path between this process and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Direct,
    /// A pooler that may switch servers between transactions.
    Pooler,
}

/// An error of an operation, as the two callers of this module represent it.
pub(crate) trait Failed: From<sqlx::Error> {
    /// The driver's error.
    fn driver(&self) -> Option<&sqlx::Error>;
    /// The driver's error, if certainly nothing was written.
    fn not_written(self) -> Self;
}

impl Postgres {
    /// Connects a pool to a `postgres:` URL. Detects whether there is a pooler; `docs/operations.md` describes both
    /// cases.
    pub(crate) async fn connect(url: &str) -> Result<Self, Error> {
        let target = Target::read(url)?;
        let mut modes = target.modes.iter().copied().peekable();
        while let Some(mode) = modes.next() {
            match Self::open(target.options.clone().ssl_mode(mode)).await {
                Ok(postgres) => return Ok(postgres),
                Err(error) if modes.peek().is_some() && another_mode_may_do(&error) => {
                    tracing::warn!(sslmode = ?mode, "PostgreSQL cannot be reached in this way: trying the next");
                }
                Err(error) => return Err(failure::cannot_connect(error)),
            }
        }
        Err(failure::cannot_connect(sqlx::Error::PoolClosed))
    }

    async fn open(options: PgConnectOptions) -> Result<Self, sqlx::Error> {
        match pool(options.clone().options([(MARK, "on")])).await {
            Ok(pool) if is_marked(&pool).await? => return Ok(Self { pool, way: Way::Direct, asks: true }),
            Ok(pool) => pool.close().await,
            Err(error) if refuses_parameters(&error) => {}
            Err(error) => return Err(error),
        }
        tracing::info!("PostgreSQL is behind a pooler: every operation is a transaction");
        Ok(Self { pool: pool(options.extra_float_digits(None)).await?, way: Way::Pooler, asks: false })
    }

    /// The caller's pool, connected directly.
    pub(crate) fn of(pool: PgPool) -> Self {
        Self { pool, way: Way::Direct, asks: false }
    }

    /// Declares that there is a pooler in between.
    pub(crate) fn behind_pooler(self) -> Self {
        Self { way: Way::Pooler, ..self }
    }

    /// Begins an operation.
    pub(crate) fn attempts(&self, work: Work) -> Attempts<'_> {
        Attempts { postgres: self, work, asks: self.asks && work == Work::Write, kept: None, left: AGAIN }
    }
}

async fn pool(options: PgConnectOptions) -> Result<PgPool, sqlx::Error> {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await
}

/// Tested without a named statement, so nothing is left on a server that may serve another client next.
async fn is_marked(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let mark: Option<String> = sqlx::raw_sql(IS_MARKED).fetch_one(pool).await?.try_get(0)?;
    Ok(mark.as_deref() == Some("on"))
}

/// One operation, and its remaining restarts.
pub(crate) struct Attempts<'a> {
    postgres: &'a Postgres,
    work: Work,
    /// Whether the next connection has to be tested first.
    asks: bool,
    /// The connection for the next attempt: statements kept on the others may be outdated too.
    kept: Option<PoolConnection<Driver>>,
    left: u8,
}

/// A connection reserved for the operation.
pub(crate) enum Held {
    Direct(PoolConnection<Driver>),
    /// In a transaction, and therefore on one server.
    Pooler(Transaction<'static, Driver>),
}

impl Held {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::Direct(connection) => connection,
            Self::Pooler(transaction) => transaction,
        }
    }

    /// Whether statements get a name and are kept: the value for `persistent` of sqlx.
    pub(crate) fn keeps_statements(&self) -> bool {
        matches!(self, Self::Direct(_))
    }
}

impl Attempts<'_> {
    /// The connection for the next attempt. Nothing of the operation has been sent when this fails.
    pub(crate) async fn connection(&mut self) -> Result<Held, sqlx::Error> {
        let pool = &self.postgres.pool;
        if let Some(connection) = self.kept.take() {
            return Ok(Held::Direct(connection));
        }
        let mut dead = 0;
        loop {
            match self.hold(pool.acquire().await?).await {
                // A restart of the server has broken all connections. Each dead one is removed from the pool.
                Err(error) if failure::is_lost(&error) && dead < pool.options().get_max_connections() => dead += 1,
                held => return held,
            }
        }
    }

    async fn hold(&self, mut connection: PoolConnection<Driver>) -> Result<Held, sqlx::Error> {
        match self.postgres.way {
            Way::Direct if self.asks => connection.ping().await.map(|()| Held::Direct(connection)),
            Way::Direct => Ok(Held::Direct(connection)),
            // Like `begin` of the pool.
            Way::Pooler => Transaction::begin(connection, None).await.map(Held::Pooler),
        }
    }

    /// Ends an attempt: returns the result of the operation, or starts it again.
    pub(crate) async fn settle<T, F: Failed>(&mut self, held: Held, result: Result<T, F>) -> ControlFlow<Result<T, F>> {
        match (result, held) {
            (Ok(value), Held::Pooler(transaction)) if self.work == Work::Write => {
                ControlFlow::Break(transaction.commit().await.map(|()| value).map_err(F::from))
            }
            // A read needs no commit: the pool rolls back.
            (Ok(value), _) => ControlFlow::Break(Ok(value)),
            (Err(failed), Held::Pooler(_)) => self.again(failed.not_written(), Work::Read, None).await,
            (Err(failed), Held::Direct(connection)) => self.again(failed, self.work, Some(connection)).await,
        }
    }

    async fn again<T, F: Failed>(
        &mut self,
        failed: F,
        work: Work,
        connection: Option<PoolConnection<Driver>>,
    ) -> ControlFlow<Result<T, F>> {
        match failed.driver().map_or(Next::GiveUp, |error| next(error, work)) {
            Next::GiveUp => return ControlFlow::Break(Err(failed)),
            _ if self.left == 0 => return ControlFlow::Break(Err(failed)),
            Next::Afresh => {
                if let Some(mut connection) = connection
                    && connection.clear_cached_statements().await.is_ok()
                {
                    self.kept = Some(connection);
                }
            }
            Next::Elsewhere => {}
        }
        self.left -= 1;
        self.asks = true;
        ControlFlow::Continue(())
    }
}

impl Failed for sqlx::Error {
    fn driver(&self) -> Option<&sqlx::Error> {
        Some(self)
    }

    fn not_written(self) -> Self {
        self
    }
}

/// Runs `$body` on a connection of `$postgres`, and again if that is certainly harmless; so it must not consume its
/// inputs. `$keeps` is for `persistent`. Its value is a `Result`.
macro_rules! attempt {
    ($postgres:expr, $work:expr, |$connection:ident, $keeps:ident| $body:expr) => {{
        let mut attempts = $postgres.attempts($work);
        loop {
            let mut held = match attempts.connection().await {
                Ok(held) => held,
                Err(error) => break Err($crate::sql::postgres::Failed::not_written(error.into())),
            };
            let $keeps = held.keeps_statements();
            let result = {
                let $connection = held.connection();
                async { $body }.await
            };
            match attempts.settle(held, result).await {
                std::ops::ControlFlow::Break(result) => break result,
                std::ops::ControlFlow::Continue(()) => {}
            }
        }
    }};
}
pub(crate) use attempt;
