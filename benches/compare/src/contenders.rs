//! The contenders. Each serves the same routes: `/start` and `/start-large` begin a session, `/untouched` leaves it
//! alone, `/read` reads its counter, `/increment` adds one to it, and `/rotation` signs a user in under a new cookie.

mod by_hand;
mod ours;
mod peers;

use std::future::Future;

use tokio::net::TcpListener;

/// In the order of the tables; the first of each framework is its floor.
pub const CONTENDERS: &[&str] = &[
    "Axum by hand",
    "ours on Axum",
    "ours on Axum, near cache",
    "tower-sessions",
    "Actix Web by hand",
    "ours on Actix Web",
    "actix-session",
];

/// The floor of a contender's framework.
pub fn floor_of(name: &str) -> &'static str {
    if name.to_lowercase().contains("actix") { CONTENDERS[4] } else { CONTENDERS[0] }
}

/// What a session holds besides its counter: so many characters.
pub fn text(large: bool) -> String {
    "x".repeat(if large { 20_000 } else { 180 })
}

/// Serves until it is killed, and prints its port first.
pub fn serve(name: &str, url: &str) {
    match name {
        "Axum by hand" => axum(by_hand::axum(url)),
        "ours on Axum" => axum(ours::axum(url, false)),
        "ours on Axum, near cache" => axum(ours::axum(url, true)),
        "tower-sessions" => axum(peers::tower_sessions(url)),
        "Actix Web by hand" => by_hand::actix(url),
        "ours on Actix Web" => ours::actix(url),
        "actix-session" => peers::actix_session(url),
        _ => panic!("no contender {name}"),
    }
}

const WORKERS: usize = 2;

fn axum(router: impl Future<Output = axum::Router>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap();
    runtime.block_on(async {
        let router = router.await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| stream.set_nodelay(true).unwrap());
        axum::serve(listener, router).await.unwrap();
    });
}

/// The macro of an Actix service: what `HttpServer::new` takes has no name.
macro_rules! actix {
    ($configure:expr) => {{
        let server = actix_web::HttpServer::new($configure).workers(super::WORKERS).bind(("127.0.0.1", 0)).unwrap();
        println!("{}", server.addrs()[0].port());
        server.run().await.unwrap();
    }};
}
use actix;
