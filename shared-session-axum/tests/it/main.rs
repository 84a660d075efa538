//! The HTTP suite on Axum, and tests specific to Axum.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation must fail the test")]

mod app;
mod examples;
mod extractors;
mod missing_layer;
mod programs;

http_suite::tests!(start);

async fn start() -> http_suite::Site {
    let world = http_suite::World::new();
    let url = app::serve(&world).await;
    http_suite::Site::new(world, [url])
}
