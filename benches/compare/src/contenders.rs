//! The contenders. Each serves the same routes: `/start/{size}` begins a session with a text of this many bytes,
//! `/untouched` does not use it, `/read` reads its counter, `/increment` adds one to it, and `/rotation` signs a user
//! in with a new cookie. Ours also has `/devices`, which counts that user's sessions.

mod by_hand;
mod ours;
mod peers;

use std::{
    future::Future,
    io::{Read, stdin},
    process, thread,
};

use tokio::net::TcpListener;

/// The number of threads that serve.
const WORKERS: usize = 2;

/// The contenders, in the order of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    AxumByHand,
    OursOnAxum,
    NearOnAxum,
    TowerSessions,
    AxumSession,
    Ruts,
    ActixByHand,
    OursOnActix,
    NearOnActix,
    ActixSession,
}

impl Contender {
    pub const ALL: [Self; 10] = [
        Self::AxumByHand,
        Self::OursOnAxum,
        Self::NearOnAxum,
        Self::TowerSessions,
        Self::AxumSession,
        Self::Ruts,
        Self::ActixByHand,
        Self::OursOnActix,
        Self::NearOnActix,
        Self::ActixSession,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::AxumByHand => "Axum by hand",
            Self::OursOnAxum => "ours on Axum",
            Self::NearOnAxum => "ours on Axum, near cache",
            Self::TowerSessions => "tower-sessions",
            Self::AxumSession => "axum_session",
            Self::Ruts => "ruts",
            Self::ActixByHand => "Actix Web by hand",
            Self::OursOnActix => "ours on Actix Web",
            Self::NearOnActix => "ours on Actix Web, near cache",
            Self::ActixSession => "actix-session",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contender| contender.name() == name)
    }

    /// The contender without a session layer, on the same framework.
    pub fn floor(self) -> Self {
        if self < Self::ActixByHand { Self::AxumByHand } else { Self::ActixByHand }
    }

    /// Ours on the same framework, with its defaults.
    pub fn ours(self) -> Self {
        if self < Self::ActixByHand { Self::OursOnAxum } else { Self::OursOnActix }
    }

    pub fn is_ours(self) -> bool {
        matches!(self, Self::OursOnAxum | Self::NearOnAxum | Self::OursOnActix | Self::NearOnActix)
    }

    pub fn is_peer(self) -> bool {
        !self.is_ours() && self.floor() != self
    }
}

/// The data of a session besides its counter.
fn text(size: usize) -> String {
    // The counter and the names take the remaining bytes.
    "x".repeat(size.saturating_sub(20))
}

/// Prints the port, and serves until standard input ends, which happens when the parent process ends.
pub fn serve(contender: Contender, url: &str) {
    thread::spawn(|| {
        let _ = stdin().read(&mut [0]);
        process::exit(0);
    });
    match contender {
        Contender::AxumByHand => axum(by_hand::axum(url)),
        Contender::OursOnAxum => axum(ours::axum(url, None)),
        Contender::NearOnAxum => axum(ours::axum(url, Some("axum:"))),
        Contender::TowerSessions => axum(peers::tower_sessions(url)),
        Contender::AxumSession => axum(peers::axum_session(url)),
        Contender::Ruts => axum(peers::ruts(url)),
        Contender::ActixByHand => by_hand::actix(url),
        Contender::OursOnActix => ours::actix(url, None),
        Contender::NearOnActix => ours::actix(url, Some("actix:")),
        Contender::ActixSession => peers::actix_session(url),
    }
}

fn axum(router: impl Future<Output = axum::Router>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap();
    runtime.block_on(async {
        let router = router.await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        serve_axum(listener, router).await;
    });
}

async fn serve_axum(listener: TcpListener, router: axum::Router) {
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| stream.set_nodelay(true).unwrap());
    axum::serve(listener, router).await.unwrap();
}

/// Serves ours with its defaults in this process, and returns the port.
#[cfg(test)]
pub async fn start_ours(url: &str) -> u16 {
    let router = ours::axum(url, None).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve_axum(listener, router));
    port
}

/// The macro of an Actix service, because the argument of `HttpServer::new` has a type that cannot be named.
macro_rules! actix {
    ($configure:expr) => {{
        let server =
            actix_web::HttpServer::new($configure).workers(crate::contenders::WORKERS).bind(("127.0.0.1", 0)).unwrap();
        println!("{}", server.addrs()[0].port());
        server.run().await.unwrap();
    }};
}
use actix;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contender_has_the_floor_of_its_framework() {
        for contender in Contender::ALL {
            let is_actix = contender.name().to_lowercase().contains("actix");
            assert_eq!(contender.floor(), if is_actix { Contender::ActixByHand } else { Contender::AxumByHand });
            assert_eq!(contender.is_ours(), contender.name().starts_with("ours"));
            assert_eq!(Contender::named(contender.name()), Some(contender));
        }
        assert_eq!(Contender::ALL.into_iter().filter(|contender| contender.is_peer()).count(), 4);
    }
}
