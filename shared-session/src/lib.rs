//! One login, many services: a session that every service behind one cookie shares.
//!
//! - **Nothing is lost, nothing comes back.** Concurrent writes from several services are merged; a session that was
//!   signed out cannot be revived by a slow request; an outage is never mistaken for a sign-out.
//! - **One round trip to read, two to write, none for a request that does not ask.**
//! - **Any framework.** This crate holds the engine and a Tower layer; `shared-session-axum` and
//!   `shared-session-actix` add extractors. The stored format is documented and readable from any language.
//!
//! # How it flows
//!
//! ```text
//! Cookie header ──SessionManager::open──▶ LazySession      no I/O
//! LazySession ──load().await──▶ Session                    one round trip, only if a handler asks
//! Session ──get, insert, update, remove, login…──▶           edits on a draft, no I/O
//! LazySession ──SessionManager::close──▶ Commit            the decision; nothing changed: nothing to do
//! Commit ──SessionManager::commit().await──▶ Outcome         one atomic write, before the response is sent
//! Outcome ──▶ Set-Cookie, Vary, Cache-Control
//! ```
//!
//! # Example
//!
//! A service on any Tower stack; with Axum or Actix Web use their adapters instead.
//!
//! ```
//! # #[cfg(feature = "tower")] {
//! use http::{Request, Response};
//! use shared_session::{Error, LazySession, SessionLayer, SessionManager, store::MemoryStore};
//! use tower::{Layer, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
//! let service = tower::service_fn(|request: Request<()>| async move {
//!     let handle = request.extensions().get::<LazySession>().ok_or(shared_session::ErrorKind::Config)?;
//!     let session = handle.load().await?;
//!     let visits = session.update_or("visits", 0, |visits: u64| visits + 1)?;
//!     Ok::<_, Error>(Response::new(format!("{visits}")))
//! });
//! let service = SessionLayer::new(SessionManager::new(MemoryStore::new())).layer(service);
//! let response = service.oneshot(Request::new(())).await?;
//! assert!(response.headers().contains_key("set-cookie"));
//! # Ok(()) }
//! # }
//! ```
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `tower` | yes | [`SessionLayer`] and [`csrf::CrossOriginLayer`] |
//! | `redis` | yes | [`store::RedisStore`] |
//! | `memory` | yes | [`store::MemoryStore`] |
//! | `redis-tls` | no | `rediss://` with rustls and ring |
//! | `deadpool` | no | a `deadpool-redis` pool as connection |
//! | `postgres`, `sqlite` | no | [`store::SqlStore`], with Redis in front [`store::TieredStore`], and users in those databases |
//! | `postgres-tls` | no | `sslmode` in `postgres://` URLs, with rustls and ring |
//! | `users` | no | [`users`]: Django's user tables and password formats, sign-in |
//! | `django` | no | [`django`]: Django's session formats; [`django::pickle`]: Python pickles as inert data |
//! | `django-redis` | no | what django-redis adds: MessagePack; LZ4, xz and Zstandard |
//! | `metrics` | no | [`metrics`]: counters and latencies through the `metrics` facade |
//! | `testing` | no | [`testing`]: the store contract as tests, a spy store, a fault store |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

pub mod cookie;
pub mod csrf;
#[cfg(feature = "django")]
pub mod django;
mod engine;
mod error;
#[cfg(all(doc, not(doctest)))]
pub mod guide;
mod keys;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(not(feature = "metrics"))]
mod metrics;
mod percent;
#[cfg(any(feature = "django", feature = "users"))]
mod random;
mod record;
mod reply;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
mod stderr;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "users")]
pub mod users;

pub use cookie::{CookieConfig, SessionCookie};
#[cfg(feature = "redis")]
pub use engine::near::NearCache;
pub use engine::{
    commit::{Close, Commit},
    devices::{SessionInfo, SessionPage},
    fleet::FleetCheck,
    key::{EntryName, EntryOf, Key},
    manager::SessionManager,
    options::LoadOptions,
    outcome::{Ending, Outcome},
    request::RequestGuard,
    session::{LazySession, Session},
    standing::Standing,
    stats::Stats,
};
pub use error::{Error, ErrorKind};
pub use keys::SecretKeys;
#[cfg(all(fuzzing, feature = "django-redis"))]
pub use record::fuzzing;
pub use record::{
    Identity, Profile,
    client::{Client, ClientAddress},
    expiry::Expiry,
    id::Handle,
    lifetime::Lifetime,
};
pub use reply::{Failure, OnError, Rejected, Reply};
#[cfg(feature = "tower")]
pub use tower::SessionLayer;
#[cfg(feature = "users")]
pub use users::login_options::LoginOptions;
