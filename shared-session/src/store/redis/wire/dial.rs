//! Making a connection: name lookup, TCP or a Unix socket, TLS, login.

use std::{io, sync::Arc, time::Duration};

use futures_util::future::{select_ok, try_join_all};
use redis::{
    AsyncConnectionConfig, ErrorKind as RedisErrorKind, ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError,
    aio::{AsyncPushSender, MultiplexedConnection},
    io::tcp::socket2::{SockRef, TcpKeepalive},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    sync::broadcast,
    time::timeout,
};

#[cfg(feature = "redis-tls")]
use crate::store::redis::wire::tls::Tls;
use crate::store::redis::wire::{
    address::Address,
    call_limit::CallLimit,
    capabilities::Capabilities,
    driver::Calls,
    failure::{NO_ANSWER, Unsent},
    greeting::Overheard,
    link::{Lane, Link},
    reconnect::Reconnecting,
    trust::Trusts,
};

/// The number of pushes that wait for a slow receiver; it is notified if it has missed some.
const PUSHES: usize = 1024;

/// Everything needed to connect to any server of one deployment.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) login: RedisConnectionInfo,
    /// TLS for TCP connections.
    #[cfg(feature = "redis-tls")]
    pub(crate) tls: Option<Tls>,
    /// For one whole attempt: lookup, TLS and login included.
    pub(crate) timeout: Duration,
    /// Reset with every new connection.
    pub(crate) capabilities: Capabilities,
    /// The calls of the whole store.
    pub(crate) calls: Arc<CallLimit>,
    /// Shared by the whole store, too.
    pub(crate) trusts: Trusts,
    /// The number of connections of a link.
    pub(crate) lanes: usize,
    /// Receives the server's pushes at once. Needs RESP3.
    pub(crate) listener: Option<Arc<dyn AsyncPushSender>>,
}

impl Dialer {
    /// One link to the server at `address` for everyone.
    pub(crate) fn supply(&self, address: Address) -> Reconnecting<Link> {
        let dialer = self.clone();
        Reconnecting::new(Link::is_good, move || {
            let (dialer, address) = (dialer.clone(), address.clone());
            Box::pin(async move { dialer.dial(&address).await })
        })
    }

    /// Connects to the server at `address`. A task on the current runtime drives each connection.
    pub(crate) async fn dial(&self, address: &Address) -> Result<Link, Unsent> {
        let link = timeout(self.timeout, self.dial_patiently(address))
            .await
            .unwrap_or_else(|_| Err(Unsent::timeout(NO_ANSWER)))
            .map_err(|unsent| unsent.at(address))
            .inspect_err(|_| crate::metrics::REDIS_CONNECTS_ERROR.add_one())?;
        crate::metrics::REDIS_CONNECTS_OK.add_one();
        tracing::debug!("connected to Redis");
        self.capabilities.connected();
        Ok(link)
    }

    async fn dial_patiently(&self, address: &Address) -> Result<Link, Unsent> {
        match self.try_dial(address, &self.login).await? {
            Ok(link) => Ok(link),
            Err(error) if is_hello_unknown(&error) && self.listener.is_some() => {
                Err(Unsent::new("this Redis does not support RESP3, which is needed to announce changes"))
            }
            // Proxies and old servers do not support RESP3.
            Err(error) if is_hello_unknown(&error) => {
                let login = self.login.clone().set_protocol(ProtocolVersion::RESP2);
                Ok(self.try_dial(address, &login).await??)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The outer error means that there is no connection, the inner one that the server refuses the login.
    async fn try_dial(
        &self,
        address: &Address,
        login: &RedisConnectionInfo,
    ) -> Result<Result<Link, RedisError>, Unsent> {
        let trust = self.trusts.of(address);
        let lanes = match address {
            #[cfg(unix)]
            Address::Unix(path) => {
                let streams = (0..self.lanes).map(|_| tokio::net::UnixStream::connect(path));
                self.log_in_all(login, try_join_all(streams).await?).await
            }
            #[cfg(not(unix))]
            Address::Unix(_) => return Err(Unsent::new("Unix sockets are not available on this system")),
            Address::Tcp(host, port) => {
                let streams = connect_tcp(host, *port, self.lanes).await?;
                #[cfg(feature = "redis-tls")]
                let lanes = match &self.tls {
                    Some(tls) => {
                        let streams = streams.into_iter().map(|stream| tls.handshake(host, stream));
                        self.log_in_all(login, try_join_all(streams).await?).await
                    }
                    None => self.log_in_all(login, streams).await,
                };
                #[cfg(not(feature = "redis-tls"))]
                let lanes = self.log_in_all(login, streams).await;
                lanes
            }
        };
        Ok(lanes.map(|lanes| Link::new(address.clone(), lanes, trust)))
    }

    async fn log_in_all<S>(&self, login: &RedisConnectionInfo, streams: Vec<S>) -> Result<Vec<Lane>, RedisError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        try_join_all(streams.into_iter().map(|stream| self.log_in(login, stream))).await
    }

    async fn log_in<S>(&self, login: &RedisConnectionInfo, stream: S) -> Result<Lane, RedisError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // We have our own time-outs, one for each call; the driver's timers would duplicate them.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let (stream, lent, first_words) = Overheard::new(stream);
        let connection = MultiplexedConnection::new_with_config(login, stream, config).await;
        // `redis` does only the login. From here on our own driver owns the connection.
        connection.map(drop).map_err(|error| first_words.explain(error))?;
        let stream = lent.take_back().ok_or_else(|| io::Error::from(io::ErrorKind::ResourceBusy))?;
        let (sender, _) = broadcast::channel::<PushInfo>(PUSHES);
        let pushes = sender.downgrade();
        let listener = match (&self.listener, login.protocol()) {
            (Some(listener), _) => Some(Arc::clone(listener)),
            (None, ProtocolVersion::RESP2) => None,
            (None, _) => Some(Arc::new(sender) as Arc<dyn AsyncPushSender>),
        };
        let (calls, driver) = Calls::over(stream, listener, Arc::clone(&self.calls));
        Ok(Lane::new(calls, driver, pushes))
    }
}

/// The first address that accepts wins, so a dead address of a name costs nothing; all other lanes connect to the same
/// address.
async fn connect_tcp(host: &str, port: u16, count: usize) -> io::Result<Vec<TcpStream>> {
    let attempts: Vec<_> =
        lookup_host((host, port)).await?.map(|address| Box::pin(TcpStream::connect(address))).collect();
    if attempts.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let (first, _) = select_ok(attempts).await?;
    let address = first.peer_addr()?;
    let mut streams = try_join_all((1..count).map(|_| TcpStream::connect(address))).await?;
    streams.push(first);
    streams.iter().try_for_each(tune)?;
    Ok(streams)
}

/// Sends commands at once, and detects within seconds that a peer has silently gone, also while data is unacknowledged,
/// for which the system's own time-out is a quarter of an hour.
fn tune(stream: &TcpStream) -> io::Result<()> {
    const IDLE: Duration = Duration::from_secs(15);
    const PROBES: Duration = Duration::from_secs(5);
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(IDLE).with_interval(PROBES))?;
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(Duration::from_secs(1)))?;
    Ok(())
}

fn is_hello_unknown(error: &RedisError) -> bool {
    error.kind() == RedisErrorKind::RESP3NotSupported
        || error.code() == Some("NOPROTO")
        || error.detail().is_some_and(|detail| detail.starts_with("unknown command"))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_notices_that_its_peer_has_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let streams = connect_tcp("127.0.0.1", listener.local_addr().unwrap().port(), 2).await.unwrap();
        assert_eq!(streams.len(), 2);
        for stream in &streams {
            let socket = SockRef::from(stream);
            assert!(socket.tcp_nodelay().unwrap());
            assert!(socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(15));
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(5));
            #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(1)));
        }
    }
}
