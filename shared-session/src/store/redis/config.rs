//! The options of [`RedisStore`](super::RedisStore).

use std::{fmt, sync::Arc, time::Duration};

use redis::RedisConnectionInfo;

#[cfg(feature = "redis-tls")]
use super::wire::tls::{Certificates, Tls};
use super::wire::{
    address as url, call_limit::CallLimit, capabilities::Capabilities, dial::Dialer, send_options::Wait, trust::Trusts,
};
use crate::error::{Error, ErrorKind};

/// Options of [`RedisStore`](super::RedisStore).
///
/// ```
/// use std::time::Duration;
/// use shared_session::store::RedisConfig;
///
/// let config = RedisConfig::new().with_response_timeout(Duration::from_millis(150));
/// # let _ = config;
/// ```
#[derive(Clone)]
#[must_use]
pub struct RedisConfig {
    pub(super) connect_timeout: Duration,
    pub(super) response_timeout: Duration,
    pub(super) max_calls: usize,
    pub(super) wait: Option<Wait>,
    pub(super) fenced_reads: bool,
    sentinel_login: Option<RedisConnectionInfo>,
    #[cfg(feature = "redis-tls")]
    certificates: Certificates,
}

impl RedisConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            connect_timeout: Duration::from_millis(800),
            response_timeout: Duration::from_millis(300),
            max_calls: 4096,
            wait: None,
            fenced_reads: false,
            sentinel_login: None,
            #[cfg(feature = "redis-tls")]
            certificates: Certificates::default(),
        }
    }

    /// The time-out of one attempt to connect, including name lookup, TLS and login. Default: 800 ms, enough for all of
    /// them across regions. With the pause of at most 150 ms after a failed attempt, a server is found within a second
    /// of its return.
    ///
    /// Connecting runs in the background, so no call waits for longer than the [response
    /// timeout](Self::with_response_timeout).
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The time-out of one call of the store: the connection, the reply, and for reads one repetition on a new
    /// connection. Default: 300 ms, so that an outage causes an error, not a wait.
    pub fn with_response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// The maximum number of concurrent calls; further ones fail immediately. Default: 4096, which a healthy Redis
    /// answers within 50 ms. It limits the memory of waiting requests during an outage.
    pub fn with_max_calls(mut self, calls: usize) -> Self {
        self.max_calls = calls.min(tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// Has every write wait until `replicas` replicas have it too, for at most `timeout` beyond the [response
    /// timeout](Self::with_response_timeout). Default: off, because it costs each write the round trip to a replica,
    /// and four connections for writes instead of one.
    ///
    /// Without it a failover can lose the last acknowledged writes: a signed-out session lives again, a rotated one
    /// opens with its old cookie. With it a write that too few replicas confirmed fails with
    /// [`ErrorKind::Unavailable`], so no user gets a confirmation of a sign-out that may be lost; the primary still has
    /// the write. A failover can still promote a replica that did not confirm. So every acknowledged write is safe only
    /// if `replicas` is the number of all replicas of a primary; a missing replica is then an outage of all writes. The
    /// store cannot tell which writes are logins, logouts and rotations, so all writes wait. So does the reply that a
    /// session is absent, which costs one more call.
    pub fn with_replicas(mut self, replicas: u32, timeout: Duration) -> Self {
        self.wait = (replicas > 0).then_some(Wait { replicas, timeout });
        self
    }

    /// Reads with `GETEX`, which Redis treats as a write although it changes nothing, so a primary that must not write
    /// refuses it. With `min-replicas-to-write 1`, a primary that resumes after a pause stops giving outdated answers
    /// once it notices that its replicas have left. Default: off, because such reads fail whenever writes do (a full
    /// disk, too few replicas), and each costs the server a little more. It has no effect on a [near
    /// cache](crate::NearCache), which answers without Redis.
    pub fn with_fenced_reads(mut self, fenced: bool) -> Self {
        self.fenced_reads = fenced;
        self
    }

    /// Trusts exactly the certificate authorities in `pem`, for `rediss://`. Default: those of the Mozilla root
    /// program.
    #[cfg(feature = "redis-tls")]
    pub fn with_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.roots = Some(pem.into());
        self
    }

    /// Shows this certificate chain to the server, for `rediss://`; both in PEM. Default: none.
    #[cfg(feature = "redis-tls")]
    pub fn with_client_certificate(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.certificates.client = Some((chain.into(), key.into()));
        self
    }

    /// Logs in to the Sentinels as `user`, for `redis+sentinel://`; an empty `user` is the default user
    /// (`requirepass`). Default: no login, because the user in front of the hosts in the URL belongs to the servers
    /// behind the Sentinels. The URL may contain this login instead, as `?sentinel_username=…&sentinel_password=…`.
    pub fn with_sentinel_login(mut self, user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        let login = RedisConnectionInfo::default().set_password(password);
        self.sentinel_login = Some(match user.as_ref() {
            "" => login,
            user => login.set_username(user),
        });
        self
    }

    /// Connects to Sentinels, with the login of the URL or the one set here.
    pub(super) fn sentinel_dialer(&self, login: Option<RedisConnectionInfo>, tls: bool) -> Result<Dialer, Error> {
        let login = match (login, &self.sentinel_login) {
            (Some(_), Some(_)) => {
                let message = "the login to the Sentinels is both in the Redis URL and in the options: keep one";
                return Err(Error::new(ErrorKind::Config, message));
            }
            (login, own) => login.or_else(|| own.clone()).unwrap_or_default(),
        };
        self.dialer(url::named(login), tls, Capabilities::default())
    }

    /// Connects to servers with this `login`, with or without TLS.
    pub(super) fn dialer(
        &self,
        login: RedisConnectionInfo,
        tls: bool,
        capabilities: Capabilities,
    ) -> Result<Dialer, Error> {
        #[cfg(not(feature = "redis-tls"))]
        if tls {
            return Err(Error::new(
                ErrorKind::Config,
                "the Redis URL asks for TLS, which needs the feature `redis-tls`",
            ));
        }
        Ok(Dialer {
            login,
            #[cfg(feature = "redis-tls")]
            tls: match tls {
                true => Some(Tls::new(&self.certificates).map_err(|why| Error::new(ErrorKind::Config, why))?),
                false => None,
            },
            timeout: self.connect_timeout,
            capabilities,
            calls: Arc::new(CallLimit::new(self.max_calls)),
            trusts: Trusts::default(),
            lanes: 1,
            listener: None,
        })
    }
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("max_calls", &self.max_calls)
            .field("wait", &self.wait)
            .field("fenced_reads", &self.fenced_reads)
            .finish_non_exhaustive()
    }
}
