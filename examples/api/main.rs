//! `api`: JSON on Axum.
//!
//! - [`app`]: the routes and the layers around them, in order
//! - [`serve`]: connections and their limits
//! - [`edge`]: the first and last step of every request
//! - [`account`], [`session`], [`preferences`], [`devices`], [`operations`]: the handlers
//! - [`json`] and [`problem`]: request bodies, and error responses
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

use std::{io, net::SocketAddr, process::ExitCode};

use clap::Parser as _;
use shared_session::{Error, ErrorKind, OnError};
use shared_session_examples::{
    check,
    cli::{self, Api, ApiCommand, Failure, Healthcheck},
    health, logging, serving,
    settings::{Service, Settings},
    setup::Setup,
};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    let command = Api::parse().command.unwrap_or(ApiCommand::Serve);
    cli::exit_code(run(command).await)
}

async fn run(command: ApiCommand) -> Result<(), Failure> {
    let settings = Settings::load(Service::Api);
    match command {
        ApiCommand::Check => check::check(settings).await.print(),
        ApiCommand::Healthcheck(Healthcheck { addr }) => {
            let configured = settings?.listen_addr();
            health::ask(addr.unwrap_or(configured)).map_err(Failure::failed)
        }
        ApiCommand::Serve => serve(settings?).await,
    }
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    logging::start(&settings)?;
    let listener = bind(settings.listen_addr()).await?;
    let bound = listener.local_addr().map_err(|source| failed("the bound address is unknown", &source))?;
    let limits = settings.http;
    let setup = Setup::open(settings, OnError::default()).await?;
    serve_operations(&setup).await?;
    let app = app::app(setup, bound)?;
    cli::print(&format!("listening on http://{bound}\n"))?;

    serve::serve(listener, app, limits, serving::asked_to_stop()).await;
    Ok(())
}

/// Answers operators' requests at an address of their own, if one is set, until the process ends.
async fn serve_operations(setup: &Setup) -> Result<(), Failure> {
    shared_session_examples::operations::warn_if_open(&setup.settings);
    let Some(addr) = setup.settings.operations.addr else { return Ok(()) };
    let listener = bind(addr).await?;
    let bound = listener.local_addr().map_err(|source| failed("the bound address is unknown", &source))?;
    let (app, limits) = (app::of_operators(setup.clone()), setup.settings.http);
    tokio::spawn(serve::serve(listener, app, limits, std::future::pending()));
    cli::print(&format!("for operators: http://{bound}\n"))
}

async fn bind(addr: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(addr).await.map_err(|source| failed(&format!("cannot listen on {addr}"), &source))
}

fn failed(what: &str, source: &io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what}: {source}"))
}
