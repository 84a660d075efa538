//! `api`: JSON on Axum.
//!
//! - [`app`]: the routes, and the layers around them in their order
//! - [`serve`]: connections and their limits
//! - [`edge`]: what happens to every request and every response
//! - [`account`], [`session`], [`preferences`], [`devices`], [`operations`]: the handlers
//! - [`json`] and [`problem`]: what comes in, and what is said when it cannot be used
//! - [`docs`]: the OpenAPI document and the page that shows it

mod account;
mod app;
mod devices;
mod docs;
mod edge;
mod json;
mod operations;
mod preferences;
mod problem;
mod serve;
mod session;

use std::{fmt::Display, io, net::SocketAddr, process::ExitCode};

use shared_session::{Error, ErrorKind, OnError};
use shared_session_examples::{
    serving,
    settings::{Service, Settings},
    setup::{self, Setup},
};
use tokio::net::TcpListener;

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
    let limits = settings.http;
    let setup = Setup::open(settings, OnError::default()).await?;
    serve_operations(&setup).await?;
    let app = app::app(setup, bound)?;
    println!("listening on http://{bound}");

    serve::serve(listener, app, limits, serving::asked_to_stop()).await;
    Ok(())
}

/// Answers what operators ask for at an address of its own, where there is one, until the process ends.
async fn serve_operations(setup: &Setup) -> Result<(), Error> {
    shared_session_examples::operations::warn_if_open(&setup.settings);
    let Some(addr) = setup.settings.operations.addr else { return Ok(()) };
    let listener = bind(addr).await?;
    let bound = listener.local_addr().map_err(|source| failed("the bound address is unknown", &source))?;
    let (app, limits) = (app::of_operators(setup.clone()), setup.settings.http);
    tokio::spawn(serve::serve(listener, app, limits, std::future::pending()));
    println!("for operators: http://{bound}");
    Ok(())
}

async fn bind(addr: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(addr).await.map_err(|source| failed(&format!("cannot listen on {addr}"), &source))
}

fn failed(what: &str, source: &io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what}: {source}"))
}
