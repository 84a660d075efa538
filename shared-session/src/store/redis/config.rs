//! What [`RedisStore`](super::RedisStore) can be told, and how a URL becomes a client.

use std::{fmt, time::Duration};

use redis::{Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, io::tcp::TcpSettings};

use crate::{Error, ErrorKind};

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
    #[cfg(feature = "redis-tls")]
    tls: Option<redis::TlsCertificates>,
}

impl RedisConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_millis(300),
            #[cfg(feature = "redis-tls")]
            tls: None,
        }
    }

    /// How long one attempt to connect may take, name lookup, TLS and login included. Default: 1 s, enough for all of
    /// them across regions.
    ///
    /// Connecting goes on in the background, so no call waits for longer than the
    /// [response timeout](Self::with_response_timeout).
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long one call of the store may take, with all that it needs: the connection, the reply, and for reads one
    /// repetition on a new connection. Default: 300 ms, so that an outage is answered by an error and not by a wait.
    pub fn with_response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Trusts exactly the certificate authorities in `pem`, for `rediss://`. Default: those of the Mozilla root
    /// program.
    #[cfg(feature = "redis-tls")]
    pub fn with_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls_mut().root_cert = Some(pem.into());
        self
    }

    /// Shows this certificate chain to the server, for `rediss://`; both in PEM. Default: none.
    #[cfg(feature = "redis-tls")]
    pub fn with_client_certificate(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        let identity = redis::ClientTlsConfig { client_cert: chain.into(), client_key: key.into() };
        self.tls_mut().client_tls = Some(identity);
        self
    }

    #[cfg(feature = "redis-tls")]
    fn tls_mut(&mut self) -> &mut redis::TlsCertificates {
        self.tls.get_or_insert(redis::TlsCertificates { client_tls: None, root_cert: None })
    }

    /// The client for `url`. It connects to nothing yet.
    pub(super) fn client(&self, url: &str) -> Result<Client, Error> {
        let info = connection_info(url)?;
        #[cfg(feature = "redis-tls")]
        if matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. }) {
            // rustls panics when it has to choose between no or several providers. One that the service has installed
            // stays in place.
            let _ = rustls::crypto::ring::default_provider().install_default();
            if let Some(certificates) = &self.tls {
                return Client::build_with_tls(info, certificates.clone())
                    .map_err(|error| config_error("the certificates for Redis cannot be read").with_source(error));
            }
        }
        Client::open(info).map_err(|_| config_error(BAD_URL))
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
            .finish_non_exhaustive()
    }
}

const BAD_URL: &str = "the Redis URL is not valid: write redis://[user:password@]host[:port][/database], rediss://… \
                       for TLS, or redis+unix:///path[?db=…]";

fn config_error(message: &'static str) -> Error {
    Error::new(ErrorKind::Config, message)
}

fn connection_info(url: &str) -> Result<ConnectionInfo, Error> {
    let tls = url.starts_with("rediss:") || url.starts_with("valkeys:");
    if tls && cfg!(not(feature = "redis-tls")) {
        return Err(config_error("the Redis URL asks for TLS, which needs the feature `redis-tls`"));
    }
    if tls && url.ends_with("#insecure") {
        return Err(config_error("the Redis URL asks for TLS without verification, which is not supported"));
    }
    // The driver's own error could quote the URL, and with it the password.
    let info = url.into_connection_info().map_err(|_| config_error(BAD_URL))?;
    // RESP3 brings news of a lost connection while nothing is being sent.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let settings = settings.set_lib_name("shared-session", env!("CARGO_PKG_VERSION"));
    Ok(info.set_redis_settings(settings).set_tcp_settings(tcp_settings()))
}

/// Commands leave at once, and a peer that has silently gone is noticed within seconds: also while data is under way,
/// for which the system's own patience is a quarter of an hour.
fn tcp_settings() -> TcpSettings {
    const IDLE: Duration = Duration::from_secs(15);
    const PROBES: Duration = Duration::from_secs(5);
    let keepalive = redis::io::tcp::socket2::TcpKeepalive::new().with_time(IDLE).with_interval(PROBES);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(Duration::from_secs(1));
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_every_kind_are_understood() {
        for url in ["redis://localhost", "redis://user:pw@[::1]:7000/3", "unix:///run/redis.sock", "valkey://h:1"] {
            assert!(RedisConfig::new().client(url).is_ok(), "{url}");
        }
        let client = RedisConfig::new().client("redis+unix:///run/redis.sock?db=4").unwrap();
        assert_eq!(client.get_connection_info().redis_settings().db(), 4);
    }

    #[test]
    fn a_bad_url_is_a_configuration_error_that_does_not_quote_it() {
        let bad = ["", "localhost:6379", "http://h", "redis://", "redis://:hunter2@h:99999", "redis://:hunter2@h/x"];
        for url in bad.into_iter().chain(["rediss://:hunter2@h/#insecure", "redis+cluster://:hunter2@h:1,j:2"]) {
            let error = RedisConfig::new().client(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn commands_are_not_held_back_by_nagle() {
        let client = RedisConfig::new().client("redis://h").unwrap();
        assert!(client.get_connection_info().tcp_settings().nodelay());
    }
}
