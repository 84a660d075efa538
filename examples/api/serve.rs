//! Serves connections. `axum::serve` has no time-outs: a client that sends nothing would keep its connection for ever.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::connect_info::IntoMakeServiceWithConnectInfo};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use shared_session_examples::{serving, settings::HttpLimits};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tower::{Service as _, ServiceExt as _};

/// The longest time for running requests after the stop signal.
const GRACE: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted, for example without free file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` completes, then lets running requests finish, for at most ten seconds. Idle connections are
/// closed at once.
pub(crate) async fn serve(listener: TcpListener, app: Router, limits: HttpLimits, stop: impl Future<Output = ()>) {
    let mut service = app.into_make_service_with_connect_info::<SocketAddr>();
    let free = Arc::new(Semaphore::new(serving::connections(&limits)));
    let mut http = http1::Builder::new();
    // Counted from the end of the previous answer, so this also limits idle connections.
    http.timer(TokioTimer::new()).header_read_timeout(limits.idle);
    let open = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &free) => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer, permit)) => connect(&mut service, &http, &open, stream, peer, permit).await,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    if timeout(GRACE, open.shutdown()).await.is_err() {
        tracing::warn!("requests that took too long were dropped");
    }
}

async fn accept(
    listener: &TcpListener,
    free: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(free).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Otherwise a small answer may wait for the acknowledgement of the previous one.
    let _ = stream.set_nodelay(true);
    Ok((stream, peer, permit))
}

async fn connect(
    service: &mut IntoMakeServiceWithConnectInfo<Router, SocketAddr>,
    http: &http1::Builder,
    open: &GracefulShutdown,
    stream: TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
) {
    let Ok(service) = service.call(peer).await;
    let service = service.map_request(|request: hyper::Request<Incoming>| request.map(Body::new));
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let connection = open.watch(connection);
    tokio::spawn(async move {
        // The client is at fault: it left, did not send HTTP, or took too long.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection failed");
        }
        drop(permit);
    });
}
