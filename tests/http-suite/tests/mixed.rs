//! The suite over both apps at once: requests alternate between Axum and Actix Web, which share only the store.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation must fail the test")]

#[path = "../../../shared-session-actix/tests/it/app.rs"]
mod on_actix;
#[path = "../../../shared-session-axum/tests/it/app.rs"]
mod on_axum;

mod axum_first {
    use super::{on_actix, on_axum};

    http_suite::tests!(start);

    async fn start() -> http_suite::Site {
        let world = http_suite::World::new();
        let urls = [on_axum::serve(&world).await, on_actix::serve(&world).await];
        http_suite::Site::new(world, urls)
    }
}

mod actix_first {
    use super::{on_actix, on_axum};

    http_suite::tests!(start);

    async fn start() -> http_suite::Site {
        let world = http_suite::World::new();
        let urls = [on_actix::serve(&world).await, on_axum::serve(&world).await];
        http_suite::Site::new(world, urls)
    }
}
