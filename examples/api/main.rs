//! `api`: JSON on Axum.
//!
//! - [`app`]: the routes, and the layers around them in their order
//! - [`account`], [`session`], [`preferences`], [`devices`], [`operations`]: the handlers
//! - [`json`] and [`problem`]: what comes in, and what is said when it cannot be used
//! - [`docs`]: the OpenAPI document and the page that shows it

mod account;
mod app;
mod devices;
mod docs;
mod json;
mod operations;
mod preferences;
mod problem;
mod session;

use std::{fmt::Display, io, net::SocketAddr, process::ExitCode, time::Duration};

use axum::serve::ListenerExt;
use shared_session::{Error, ErrorKind, OnError};
use shared_session_examples::{
    settings::{Service, Settings},
    setup::{self, Setup},
};
use tokio::{net::TcpListener, sync::watch};

/// How long requests that run may go on when the service is asked to stop.
const GRACE: Duration = Duration::from_secs(10);
/// The exit code of a service whose settings cannot be used; every other failure is 1.
const BAD_SETTINGS: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = match Settings::load(Service::Api) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error, BAD_SETTINGS),
    };
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::Config => refuse(&error, BAD_SETTINGS),
        Err(error) => refuse(&error, 1),
    }
}

fn refuse(error: &dyn Display, code: u8) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}

async fn run(settings: Settings) -> Result<(), Error> {
    setup::start_logging(&settings)?;
    let listener = bind(settings.listen_addr()).await?;
    let bound = listener.local_addr().map_err(|source| failed("the bound address is unknown", &source))?;
    let setup = Setup::open(settings, OnError::default()).await?;
    let app = app::app(setup, bound)?;
    println!("listening on http://{bound}");

    let listener = listener.tap_io(|stream| {
        // Else a small answer may wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
    });
    let (stopping, mut stopped) = watch::channel(());
    let server = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move {
            asked_to_stop().await;
            tracing::info!("stopping");
            drop(stopping);
        })
        .into_future();
    tokio::select! {
        served = server => served.map_err(|source| failed("the service failed", &source)),
        () = async {
            // An error: the sender is gone, which is the sign.
            let _ = stopped.changed().await;
            tokio::time::sleep(GRACE).await;
        } => {
            tracing::warn!("requests that took too long were dropped");
            Ok(())
        }
    }
}

async fn bind(addr: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(addr).await.map_err(|source| failed(&format!("cannot listen on {addr}"), &source))
}

fn failed(what: &str, source: &io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what}: {source}"))
}

/// SIGTERM, or Ctrl-C.
async fn asked_to_stop() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}
