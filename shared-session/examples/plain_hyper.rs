//! Sessions without a framework, on hyper alone: `cargo run -p shared-session --example plain_hyper`.
use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use shared_session::{Error, ErrorKind, LazySession, Rejected, SessionLayer, SessionManager, store::MemoryStore};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, service_fn};

async fn count(request: &Request<Incoming>) -> Result<u64, Error> {
    let session = request.extensions().get::<LazySession>().ok_or(ErrorKind::Config)?;
    session.load().await?.update_or("visits", 0, |visits| visits + 1)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    match count(&request).await {
        Ok(visits) => *response.body_mut() = format!("visit number {visits}").into(),
        // The session layer answers with the status of the error, or with your `with_on_error` hook.
        Err(error) => drop(response.extensions_mut().insert(Rejected::new(error))),
    }
    Ok(response)
}

/// Serves until the listener fails.
pub(crate) async fn serve(listener: TcpListener, manager: SessionManager) -> std::io::Result<()> {
    let service = ServiceBuilder::new().layer(SessionLayer::new(manager)).service(service_fn(answer));
    loop {
        let (stream, _) = listener.accept().await?;
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone()));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("a connection failed: {error}");
            }
        });
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:3002").await?;
    println!("http://localhost:3002/");
    serve(listener, SessionManager::new(MemoryStore::new())).await
}
