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

use std::{net::SocketAddr, process::ExitCode};

use clap::Parser as _;
use shared_session_examples::{
    check,
    cli::{self, Api, ApiCommand, Failure, Healthcheck},
    health, logging,
    operations::warn_if_open,
    serving,
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
    let limits = settings.http;
    let setup = Setup::open(settings).await?;
    let (listener, bound) = bind(setup.settings.listen_addr(), "API_ADDR").await?;
    serve_operations(&setup).await?;
    let app = app::app(setup, bound)?;
    cli::print(&format!("listening on http://{bound}\n"))?;

    serve::serve(listener, app, limits, serving::stop_signal()).await;
    Ok(())
}

/// Answers operators' requests at an address of their own, if one is set, until the process ends.
async fn serve_operations(setup: &Setup) -> Result<(), Failure> {
    warn_if_open(&setup.settings);
    let Some(addr) = setup.settings.operations.addr else { return Ok(()) };
    let (listener, bound) = bind(addr, "OPERATIONS_ADDR").await?;
    let (app, limits) = (app::of_operators(setup.clone()), setup.settings.http);
    tokio::spawn(serve::serve(listener, app, limits, std::future::pending()));
    cli::print(&format!("for operators: http://{bound}\n"))
}

/// Listens on `addr`. Returns the bound address too, because the system picks the port if that is 0.
async fn bind(addr: SocketAddr, setting: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error| Failure::failed(format!("cannot listen on {addr} ({setting}): {error}"));
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
