//! `site`: server-rendered pages on Actix Web.
//!
//! - [`routes`]: the routes
//! - [`page`] and [`notice`]: the request for a page, the page, and the message on the next one
//! - [`form`]: forms, also from outdated pages
//! - [`errors`]: error responses
//! - [`live`]: the event stream of the home page
//! - [`place`] and [`viewer`]: the addresses of the services, and the language and theme, for the pages of a request
//! - [`edge`]: the first and last step of every request
//! - [`commands`]: the commands besides serving

mod commands;
mod edge;
mod errors;
mod form;
mod live;
mod notice;
mod page;
mod place;
mod routes;
mod viewer;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    num::NonZero,
    process::ExitCode,
    thread::available_parallelism,
};

use actix_web::{App, HttpServer, middleware::from_fn, web};
use clap::Parser as _;
use shared_session_actix::{CrossOriginMiddleware, SessionMiddleware};
use shared_session_examples::{
    check,
    cli::{self, Failure, Healthcheck, Site, SiteCommand},
    health, logging,
    operations::{self, Listener},
    serving,
    settings::{Service, Settings},
    setup::Setup,
    staff_log::StaffLog,
};

/// The longest time for running requests after the stop signal.
const SHUTDOWN_SECONDS: u64 = 10;

#[actix_web::main]
async fn main() -> ExitCode {
    let command = Site::parse().command.unwrap_or(SiteCommand::Serve);
    cli::exit_code(run(command).await)
}

async fn run(command: SiteCommand) -> Result<(), Failure> {
    if let SiteCommand::Completions { shell } = command {
        return cli::print_completions(shell);
    }
    let settings = Settings::load(Service::Site);
    if let SiteCommand::Check = command {
        return check::check(settings).await.print();
    }
    let settings = settings?;
    if let SiteCommand::Healthcheck(Healthcheck { addr }) = command {
        return health::ask(addr.unwrap_or_else(|| settings.listen_addr())).map_err(Failure::failed);
    }
    logging::start(&settings)?;
    match command {
        SiteCommand::Migrate => commands::migrate(settings).await,
        SiteCommand::CreateSuperuser(new) => commands::create_superuser(&settings, &new).await,
        SiteCommand::Sessions(command) => commands::sessions::run(settings, command).await,
        _ => serve(settings).await,
    }
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let setup = Setup::open(settings).await?;
    let (listener, bound) = bind(setup.settings.listen_addr(), "SITE_ADDR")?;
    let cross_origin = setup.cross_origin(bound)?;

    let limits = setup.settings.http;
    // The number that Actix Web would start.
    let workers = available_parallelism().map_or(1, NonZero::get);
    let setup = web::Data::new(setup);
    let staff_log = StaffLog::open(&setup.settings).await?;
    let staff_log = web::Data::new(staff_log);
    let live = web::Data::new(live::Live::new());
    let streams = live.clone();
    serve_operations(&setup)?;
    let server = HttpServer::new(move || {
        let manager = setup.manager.clone();
        let guard = CrossOriginMiddleware::new(cross_origin.clone());
        // The last one wrapped is the outermost.
        App::new()
            .app_data(setup.clone())
            .app_data(live.clone())
            .app_data(staff_log.clone())
            .app_data(web::PayloadConfig::new(form::LIMIT))
            .configure(routes::all)
            .wrap(from_fn(viewer::record_viewer))
            .wrap(SessionMiddleware::new(manager))
            .wrap(guard)
            .wrap(from_fn(edge::pass))
    })
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .client_request_timeout(limits.idle)
    .keep_alive(limits.idle)
    .workers(workers)
    .max_connections(serving::connections(&limits).div_ceil(workers))
    .shutdown_signal(async move {
        serving::stop_signal().await;
        streams.stop();
    })
    .listen(listener)
    .map_err(server_failed)?
    .run();
    cli::print(&format!("listening on http://{bound}\n"))?;
    server.await.map_err(server_failed)?;
    tracing::info!("stopped");
    Ok(())
}

/// Answers operators' requests at an address of their own, if one is set, until the process ends.
fn serve_operations(setup: &web::Data<Setup>) -> Result<(), Failure> {
    operations::warn_if_open(&setup.settings);
    let Some(addr) = setup.settings.operations.addr else { return Ok(()) };
    let (listener, bound) = bind(addr, "OPERATIONS_ADDR")?;
    let (setup, limits) = (setup.clone(), setup.settings.http);
    let app = move || App::new().app_data(setup.clone()).app_data(Listener::Own).configure(routes::operations::all);
    let server = HttpServer::new(app).client_request_timeout(limits.idle).keep_alive(limits.idle).workers(1);
    let server = server.disable_signals().listen(listener).map_err(server_failed)?.run();
    actix_web::rt::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the listener for operators has stopped");
        }
    });
    cli::print(&format!("for operators: http://{bound}\n"))
}

/// Listens on `addr`. Returns the bound address too, because the system picks the port if that is 0.
fn bind(addr: SocketAddr, setting: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error| Failure::failed(format!("cannot listen on {addr} ({setting}): {error}"));
    let listener = TcpListener::bind(addr).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn server_failed(error: io::Error) -> Failure {
    Failure::failed(format!("the server failed: {error}"))
}
