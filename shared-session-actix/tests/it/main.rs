//! The HTTP suite on Actix Web, and tests specific to Actix Web.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation must fail the test")]

mod app;
mod errors;
mod examples;
mod missing_middleware;
mod programs;
mod workers;

http_suite::tests!(start);

async fn start() -> http_suite::Site {
    let world = http_suite::World::new();
    let url = app::serve(&world).await;
    http_suite::Site::new(world, [url])
}
