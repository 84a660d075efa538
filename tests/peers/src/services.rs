//! The services under test. All have the same routes over different session layers:
//!
//! - `GET /read?name=` and `POST /write?name=&value=&ms=` for an entry; a write reads first and then takes `ms`
//! - `POST /big?size=` writes an entry of this many bytes
//! - `POST /login?user=`, `POST /logout`, `GET /whoami`
//! - `POST /password` gives every user of this process a new password
//! - `GET /sessions`, `POST /end-others` and `GET /fresh`, if the library supports it

mod actix_session;
mod axum_session;
mod ours;
mod tower_sessions;

use std::{
    io::{Read, stderr, stdin},
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use serde::Deserialize;
use tokio::net::TcpListener;

/// The answer for an anonymous visitor and for a missing entry.
pub const NOTHING: &str = "-";

/// The greatest age of a sign-in at `/fresh`.
pub const FRESH: Duration = Duration::from_secs(1);

/// The one key of all services, so that two processes understand each other's cookies.
const KEY: [u8; 64] = [7; 64];

/// A session layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    OursOnAxum,
    OursOnActix,
    TowerSessions,
    AxumSession,
    ActixSession,
}

impl Layer {
    pub const ALL: [Self; 5] =
        [Self::OursOnAxum, Self::OursOnActix, Self::TowerSessions, Self::AxumSession, Self::ActixSession];

    pub fn name(self) -> &'static str {
        match self {
            Self::OursOnAxum => "shared-session on Axum",
            Self::OursOnActix => "shared-session on Actix Web",
            Self::TowerSessions => "tower-sessions, axum-login",
            Self::AxumSession => "axum_session",
            Self::ActixSession => "actix-session, actix-identity",
        }
    }

    pub fn is_ours(self) -> bool {
        matches!(self, Self::OursOnAxum | Self::OursOnActix)
    }
}

/// The configuration of a layer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// With the settings that its documentation offers for more security, otherwise with its defaults.
    pub hardened: bool,
    /// The idle time-out; `None` is the default of the library.
    pub idle: Option<Duration>,
    /// The absolute time-out, if the library has one.
    pub absolute: Option<Duration>,
}

impl Setup {
    /// The arguments of a process.
    pub fn to_args(self) -> [String; 3] {
        let seconds = |time: Option<Duration>| time.unwrap_or_default().as_secs().to_string();
        [self.hardened.to_string(), seconds(self.idle), seconds(self.absolute)]
    }

    pub fn from_args(args: &[String]) -> Option<Self> {
        let [hardened, idle, absolute] = args else { return None };
        let time = |text: &str| Some(Duration::from_secs(text.parse().ok()?));
        let given = |time: Duration| (!time.is_zero()).then_some(time);
        Some(Self { hardened: hardened.parse().ok()?, idle: given(time(idle)?), absolute: given(time(absolute)?) })
    }
}

/// The parameters of a request.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Ask {
    name: String,
    value: String,
    user: String,
    size: usize,
    ms: u64,
}

impl Ask {
    async fn pause(&self) {
        if self.ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.ms)).await;
        }
    }
}

/// How many times the passwords of this process' users have changed.
static PASSWORDS: AtomicU32 = AtomicU32::new(0);

fn change_passwords() {
    PASSWORDS.fetch_add(1, Ordering::SeqCst);
}

/// Stands for the password column of a user table. No sign-in checks it here.
fn stored_password(user: &str) -> String {
    format!("password {} of {user}", PASSWORDS.load(Ordering::SeqCst))
}

fn or_nothing(value: Option<String>) -> String {
    value.unwrap_or_else(|| NOTHING.to_owned())
}

/// Prints the port, and serves until standard input ends, which happens when the parent process ends. Logs everything
/// to standard error, at the finest level.
pub fn serve(layer: Layer, url: &str, setup: Setup) {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(stderr)
        .init();
    thread::spawn(|| {
        let _ = stdin().read(&mut [0]);
        process::exit(0);
    });
    match layer {
        Layer::OursOnAxum => axum(ours::axum(url, setup)),
        Layer::OursOnActix => ours::actix(url, setup),
        Layer::TowerSessions => axum(tower_sessions::router(url, setup)),
        Layer::AxumSession => axum(axum_session::router(url, setup)),
        Layer::ActixSession => actix_session::serve(url, setup),
    }
}

fn axum(router: impl Future<Output = axum::Router>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(async {
        let router = router.await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        axum::serve(listener, router).await.unwrap();
    });
}

/// The server of an Actix app. A macro, because the argument of `HttpServer::new` has a type that cannot be named.
macro_rules! actix {
    ($configure:expr) => {{
        let server = actix_web::HttpServer::new($configure).workers(2).bind(("127.0.0.1", 0)).unwrap();
        println!("{}", server.addrs()[0].port());
        server.run().await.unwrap();
    }};
}
use actix;
