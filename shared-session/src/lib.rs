//! One login, many services: a session that every service behind one cookie shares.
//!
//! - **Nothing is lost.** When several services write to one session at the same time, their changes are merged, entry
//!   by entry; counters stay exact.
//! - **Nothing comes back.** A slow request cannot revive a session that was signed out.
//! - **An outage is not a sign-out.** The response is 503, and the cookie stays.
//! - **It is cheap.** No round trip if the session is not used, one to read it, two to read and change it.
//! - **Any framework, any language.** This crate holds the engine and a Tower layer; with Axum use
//!   [`shared-session-axum`](https://docs.rs/shared-session-axum), with Actix Web
//!   [`shared-session-actix`](https://docs.rs/shared-session-actix). The stored format is
//!   [specified](guide::wire_format), and a [Django site](guide::django) may share it.
//!
//! [Each of these guarantees has its
//! tests](https://github.com/shared-session/shared-session/blob/main/ARCHITECTURE.md#guarantees).
//!
//! # A complete program
//!
//! A service on Tower, and a browser that visits it twice:
//!
//! ```
//! use http::{Request, Response};
//! use shared_session::{Error, ErrorKind, LazySession, SessionLayer, SessionManager, store::MemoryStore};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! async fn count(request: Request<()>) -> Result<Response<String>, Error> {
//!     let session = request.extensions().get::<LazySession>().ok_or(ErrorKind::Config)?.load().await?;
//!     let visits = session.update_or("visits", 0, |visits: u64| visits + 1)?;
//!     Ok(Response::new(format!("visit {visits}")))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let manager = SessionManager::new(MemoryStore::new());
//!     let service = SessionLayer::new(manager).layer(service_fn(count));
//!
//!     let first = service.clone().oneshot(Request::new(())).await?;
//!     let cookie = first.headers()["set-cookie"].to_str()?.split(';').next().unwrap_or_default();
//!     let second = service.oneshot(Request::get("/").header("cookie", cookie).body(())?).await?;
//!     assert_eq!(second.into_body().into_inner().as_deref(), Some("visit 2"));
//!     Ok(())
//! }
//! ```
//!
//! [This crate's README](https://github.com/shared-session/shared-session/tree/main/shared-session#readme) serves it
//! over HTTP with hyper. For several services replace `MemoryStore::new()` by
//! [`RedisStore::connect(url).await?`](store::RedisStore::connect).
//!
//! # Concepts
//!
//! | type | what it is |
//! |---|---|
//! | [`SessionManager`] | a store, a profile, a cookie, lifetimes and users: made once, when the service starts |
//! | [`store::SessionStore`] | the storage of sessions: Redis, PostgreSQL, SQLite, memory, or your own store |
//! | [`Profile`] | the layout of a session in the store: our own format, or one of Django's |
//! | [`LazySession`] | the session of one request before it is loaded; an extension of the request |
//! | [`Session`] | its entries, by name, and the signed-in user; edits wait for the commit |
//! | [`Error`], [`ErrorKind`] | the failure, with an HTTP status; [`OnError`] renders the response |
//!
//! A request goes through them in this order:
//!
//! ```text
//! Cookie header ──SessionManager::open──▶ LazySession      no I/O
//! LazySession ──load().await──▶ Session                    one round trip, only if a handler asks
//! Session ──get, insert, update, remove, login…──▶           edits on a draft, no I/O
//! LazySession ──SessionManager::close──▶ Close             the decision: Done(Outcome), or a Commit
//! Commit ──SessionManager::commit().await──▶ Outcome         one atomic write, before the response is sent
//! Outcome ──▶ Set-Cookie, Vary, Cache-Control
//! ```
//!
//! The Tower layer and the adapters make these calls. They store the edits when the handler returns any status below
//! 500, but never for HEAD and OPTIONS. [`Session::commit`] stores them earlier.
//!
//! # Cookbook
//!
//! The snippets are the inside of a handler, and `session` is its [`Session`].
//!
//! **Give an entry a type.** A [`Key`] declares its name and its type once:
//!
//! ```
//! # use shared_session::{Key, Session, SessionManager, store::MemoryStore};
//! const THEME: Key<String> = Key::new("theme");
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
//! # let session = SessionManager::new(MemoryStore::new()).open([]).load().await?;
//! session.insert(THEME, "dark")?;
//! assert_eq!(session.get(THEME)?.as_deref(), Some("dark"));
//! # Ok(()) }
//! ```
//!
//! **Change a struct that is stored.** Give each new field a `#[serde(default)]`, because existing sessions do not have
//! it; [`Key`] explains the other rules while old and new versions run:
//!
//! ```
//! # use shared_session::{Key, Session, SessionManager, store::MemoryStore};
//! #[derive(serde::Deserialize, serde::Serialize)]
//! struct Cart {
//!     items: Vec<u64>,
//!     #[serde(default)]
//!     voucher: Option<String>,
//! }
//!
//! const CART: Key<Cart> = Key::new("cart");
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
//! # let session = SessionManager::new(MemoryStore::new()).open([]).load().await?;
//! # #[derive(serde::Serialize)] struct Old { items: Vec<u64> }
//! # session.insert("cart", &Old { items: vec![7] })?;
//!
//! // Stored before there were vouchers:
//! assert!(session.get(CART)?.is_some_and(|cart| cart.items == [7] && cart.voucher.is_none()));
//! # Ok(()) }
//! ```
//!
//! **Compute an entry from its old value.** [`Session::update`] and [`Session::update_or`] take a closure, which runs
//! again if another request has changed the entry meanwhile. With `get` and `insert`, the change of the other request
//! would be lost.
//!
//! **Sign in, and remember the user.** [`Session::authenticate`] checks the name and the password; [`LoginOptions`]
//! sets the lifetime of the session. The feature is `users`:
//!
//! ```
//! # #[cfg(feature = "users")] mod users {
//! # use shared_session::{Error, LoginOptions, Session};
//! async fn sign_in(session: &Session, name: &str, password: &str, remember: bool) -> Result<bool, Error> {
//!     let Some(user) = session.authenticate(name, password).await? else { return Ok(false) };
//!     session.login_with(&user, LoginOptions::new().with_remember_me(remember))?;
//!     Ok(true)
//! }
//! # }
//! ```
//!
//! **Slow down password guessing.** [`throttle`] counts attempts per account, address and device.
//!
//! **Record sign-ins and failed sign-ins.** [`audit`] events go to the log and to your closure.
//!
//! **Use your own user type.** Implement [`users::AuthUser`] for it and [`users::Users`] for your table, two methods
//! each: [a complete example](users#your-own-table). Handlers then take `CurrentUser<Account>` from the adapters, or
//! call [`Session::require_user_as`].
//!
//! **Protect forms.** Give the manager [`csrf::FormTokens`]; put the token into the page and check it when the form is
//! posted. The extractors `FormToken` and `ProtectedForm` of the adapters do both:
//!
//! ```
//! # use shared_session::{SecretKeys, SessionManager, csrf::FormTokens, store::MemoryStore};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
//! let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
//! let manager = SessionManager::new(MemoryStore::new()).with_form_tokens(FormTokens::new(keys));
//! # let request = manager.open([]);
//! let page = format!("<form method=\"post\">{}<button>Send</button></form>", request.form_token()?.input());
//! # assert!(page.contains("csrfmiddlewaretoken"));
//! # Ok(()) }
//! ```
//!
//! **Use the session after the response.** [`Session::reopen`] follows the request's session into a background
//! job, a WebSocket or a stream of events; [`Session::status`] checks whether the session is still valid:
//!
//! ```
//! # use shared_session::{Close, Ending, Error, Session, SessionManager, store::MemoryStore};
//! fn start(session: &Session) -> tokio::task::JoinHandle<Result<(), Error>> {
//!     let session = session.reopen();
//!     tokio::spawn(async move {
//!         // Waits until the request is answered. A visitor who has signed out meanwhile is an error here.
//!         let session = session.load().await?;
//!         session.insert("report", "ready")?;
//!         session.commit().await
//!     })
//! }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
//! # let manager = SessionManager::new(MemoryStore::new());
//! # let request = manager.open([]);
//! # let session = request.load().await?;
//! # session.insert("report", "under way")?;
//! # let job = start(&session);
//! # let Close::Commit(commit) = manager.close(&request, Ending::Completed) else { return Ok(()) };
//! # let outcome = manager.commit(commit).await;
//! # let cookie = outcome.set_cookie().unwrap_or_default().split(';').next().unwrap_or_default();
//! # assert!(job.await.is_ok_and(|done| done.is_ok()));
//! # assert_eq!(manager.open([cookie.as_bytes()]).load().await?.get::<String>("report")?.as_deref(), Some("ready"));
//! # Ok(()) }
//! ```
//!
//! **List devices, sign out elsewhere.** [`SessionManager::sessions_of`], [`revoke`](SessionManager::revoke),
//! [`revoke_others`](SessionManager::revoke_others) and [`revoke_all`](SessionManager::revoke_all), after which
//! [`Session::logout`] removes this browser's cookie.
//!
//! **Serve clients other than browsers.** [`SessionManager::with_bearer_tokens`] takes the value of the cookie in an
//! `Authorization` header; [`Session::answer_with_bearer`] sends it at a sign-in.
//!
//! **Answer failures your way.** [`SessionManager::with_on_error`] takes a closure for every failure, in every adapter.
//!
//! **Call the store less often.** [`NearCache`] keeps sessions in the process and drops them when they change.
//!
//! **Survive a lost Redis.** [`store::TieredStore`] keeps sessions in SQL, with Redis in front.
//!
//! **Test.** [`store::MemoryStore`] needs no server; [`testing`] has a spy and a store that fails on demand.
//!
//! The [guides](guide) cover operation in production, [security](guide::security), migration from other libraries, and
//! use beside Django. Small programs are in the `examples/` of [this
//! crate](https://github.com/shared-session/shared-session/tree/main/shared-session/examples) and of the adapters.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `tower` | yes | [`SessionLayer`] and [`tower::CrossOriginLayer`] |
//! | `redis` | yes | [`store::RedisStore`] and [`NearCache`] |
//! | `memory` | yes | [`store::MemoryStore`] |
//! | `redis-tls` | no | `rediss://` with rustls and ring |
//! | `deadpool` | no | a `deadpool-redis` pool as connection |
//! | `postgres`, `sqlite` | no | [`store::SqlStore`], with Redis in front [`store::TieredStore`], and users in those databases |
//! | `postgres-tls` | no | `sslmode` in `postgres://` URLs, with rustls and ring |
//! | `users` | no | [`users`]: Django's user tables and password formats, sign-in |
//! | `django` | no | [`django`]: Django's session formats; [`django::pickle`]: Python pickles as inert data |
//! | `django-redis` | no | the formats of django-redis: MessagePack; LZ4, xz and Zstandard |
//! | `encryption` | no | [`Profile::sealed`]: records that are unreadable in the store without the keys |
//! | `metrics` | no | [`metrics`]: counters and latencies through the `metrics` facade |
//! | `testing` | no | [`testing`]: the store contract as tests, a spy store, a fault store |
//!
//! # What is stored and sent
//!
//! - **In the browser**: one cookie, by default `__Host-session` with `Secure`, `HttpOnly` and `SameSite=Lax`, until
//!   the browser is closed. It holds random characters and no data. Form tokens need a second cookie before there is a
//!   session.
//! - **In the store**: one record under `shared_session:` and a random handle, and for each signed-in user an index of
//!   the user's sessions. The record holds your entries as JSON, times, the user's id, a keyed hash of their stored
//!   password, and the address and `User-Agent` of the browser that started the session or signed in. It holds only a
//!   hash of the cookie's secret, so a copy of the store opens no session. Values are not encrypted, unless the profile
//!   is [sealed](Profile::sealed).
//! - **How much**: at most 4 KiB while nobody is signed in
//!   ([`with_anonymous_max_size`](SessionManager::with_anonymous_max_size)), else 512 KiB
//!   ([`with_max_size`](SessionManager::with_max_size)). A commit beyond that stores nothing and answers 413.
//! - **How long**: by default, a session ends after 14 days without use and after 90 days at the latest; an anonymous
//!   session ends after a day without use ([`Lifetime`]). Every key expires.
//! - **In responses**: `Set-Cookie` when the cookie changes; `Vary: Cookie` and `Cache-Control` when the response
//!   depends on the session. Clients with [bearer tokens](SessionManager::with_bearer_tokens) get the value in a
//!   `Session-Token` header instead of `Set-Cookie`.
//! - **In logs, errors, `Debug` and metrics**: neither values nor secrets.
//!
//! # What it does not do
//!
//! - It keeps no session data in the cookie: only a server-side store makes a sign-out final.
//! - It starts no session for a request that only reads. A visitor without stored data gets no cookie.
//! - It does not merge within an entry: if two requests `insert` the same entry, the later one wins. Use
//!   [`Session::update`], or several entries.
//! - It has no transaction over several sessions, or over a session and your database.
//! - It gives nobody the entries of another user's session. A job can read and edit the session of the request that
//!   started it ([`Session::reopen`]), and list or end the others. Keep in your database what a job needs.
//! - [`SessionManager::check_fleet`] compares a service with the store, where cookies have no names. Give all services
//!   the same cookie name yourself.
//! - It does not register users, send mail, or speak OAuth and SAML.
//! - Its guarantees are weaker beside programs that write without comparing, such as [Django](guide::django), and after
//!   a failover that loses writes (see [the settings](guide::operations)).

#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

pub mod audit;
mod authorization;
pub mod cookie;
pub mod csrf;
mod decimal;
#[cfg(feature = "django")]
pub mod django;
mod engine;
mod error;
#[cfg(all(any(fuzzing, test), feature = "django-redis", feature = "memory"))]
pub mod fuzzing;
#[cfg(all(doc, not(doctest)))]
pub mod guide;
mod keyed_semaphore;
mod keys;
mod log_limit;
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
pub mod throttle;
#[cfg(feature = "tower")]
pub mod tower;
mod type_name;
#[cfg(feature = "users")]
pub mod users;

#[cfg(feature = "redis")]
pub use engine::near::NearCache;
pub use engine::{
    core::{session_limit::SessionLimit, stats::Stats},
    manager::{
        SessionManager,
        check_fleet::FleetCheck,
        session_list::{SessionInfo, SessionPage},
    },
    outcome::{Ending, Outcome},
    request::{
        commit::{Close, Commit},
        end::RequestGuard,
    },
    session::{
        Session,
        key::{EntryFor, EntryName, EntryOf, Key},
        lazy::LazySession,
        load_options::LoadOptions,
        status::SessionStatus,
    },
};
pub use error::{Error, ErrorKind};
pub use keys::SecretKeys;
#[cfg(feature = "encryption")]
pub use record::Sealing;
pub use record::{
    Identity, Profile,
    client::{Client, ClientAddress},
    expiry::Expiry,
    id::Handle,
    lifetime::Lifetime,
};
pub use reply::{Failure, OnError, Rejected, Reply};
#[cfg(feature = "tower")]
pub use tower::layer::SessionLayer;
#[cfg(feature = "users")]
pub use users::login_options::LoginOptions;
