//! `site`: server-rendered pages on Actix Web.
//!
//! - [`routes`]: what is served where
//! - [`page`]: what each page shows of its visitor
//! - [`form`]: forms of pages that were too old
//! - [`errors`]: answers that are errors
//! - [`live`]: what follows the home page
//! - [`seen`]: what error pages know of their visitor
//! - [`edge`]: what happens to every request and every response
//! - [`commands`]: `migrate` and `create-superuser`

mod commands;
mod edge;
mod errors;
mod form;
mod live;
mod page;
mod routes;
mod seen;

use std::{net::TcpListener, num::NonZero, process::ExitCode, thread::available_parallelism};

use actix_web::{App, HttpServer, middleware::from_fn, web};
use shared_session::OnError;
use shared_session_actix::{CrossOriginMiddleware, SessionMiddleware};
use shared_session_examples::{
    args::{self, Command},
    operations::{self, Listener},
    serving,
    settings::{Service, Settings},
    setup::{Setup, start_logging},
    staff_log::StaffLog,
};

/// How long requests that are under way may take once the process is told to stop.
const SHUTDOWN_SECONDS: u64 = 10;

#[actix_web::main]
async fn main() -> ExitCode {
    let command = match args::parse(std::env::args().skip(1)) {
        Ok(Command::Help) => {
            println!("{}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Ok(command) => command,
        Err(message) => return refuse(&message),
    };
    let settings = match Settings::load(Service::Site) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error.to_string()),
    };
    if let Err(error) = start_logging(&settings) {
        return refuse(&error.to_string());
    }
    let result = match command {
        Command::Migrate => commands::migrate(settings).await,
        Command::CreateSuperuser { username, email } => commands::create_superuser(&settings, &username, &email).await,
        _ => serve(settings).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => refuse(&message),
    }
}

/// One line, and the status that shells use for wrong use.
fn refuse(message: &str) -> ExitCode {
    eprintln!("error: {}", message.replace('\n', " "));
    ExitCode::from(2)
}

/// Answers what operators ask for at an address of its own, where there is one, until the process ends.
fn serve_operations(setup: &web::Data<Setup>) -> Result<(), String> {
    operations::warn_if_open(&setup.settings);
    let Some(addr) = setup.settings.operations.addr else { return Ok(()) };
    let failed = |error| format!("cannot listen on {addr} (OPERATIONS_ADDR): {error}");
    let listener = TcpListener::bind(addr).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let (setup, limits) = (setup.clone(), setup.settings.http);
    let app = move || App::new().app_data(setup.clone()).app_data(Listener::Own).configure(routes::operations::all);
    let server = HttpServer::new(app).client_request_timeout(limits.idle).keep_alive(limits.idle).workers(1);
    let server = server.disable_signals().listen(listener).map_err(failed)?.run();
    actix_web::rt::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "operators are no longer answered");
        }
    });
    println!("for operators: http://{bound}");
    Ok(())
}

async fn serve(settings: Settings) -> Result<(), String> {
    // What it answers, the edge draws as pages.
    let setup = Setup::open(settings, OnError::default()).await.map_err(|error| error.to_string())?;
    let wanted = setup.settings.listen_addr();
    let listener = TcpListener::bind(wanted).map_err(|error| format!("cannot listen on {wanted}: {error}"))?;
    let bound = listener.local_addr().map_err(|error| format!("cannot listen on {wanted}: {error}"))?;
    let cross_origin = setup.cross_origin(bound).map_err(|error| error.to_string())?;

    let limits = setup.settings.http;
    // As many as Actix Web would start.
    let workers = available_parallelism().map_or(1, NonZero::get);
    let setup = web::Data::new(setup);
    let staff_log = StaffLog::open(&setup.settings).await.map_err(|error| error.to_string())?;
    let staff_log = web::Data::new(staff_log);
    let live = web::Data::new(live::Live::new());
    let followed = live.clone();
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
            .wrap(from_fn(seen::note))
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
        serving::asked_to_stop().await;
        followed.stop();
    })
    .listen(listener)
    .map_err(|error| format!("cannot listen on {bound}: {error}"))?
    .run();
    println!("listening on http://{bound}");
    server.await.map_err(|error| format!("the server failed: {error}"))?;
    tracing::info!("stopped");
    Ok(())
}
