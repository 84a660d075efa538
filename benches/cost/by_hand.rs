//! The same service without a session layer: the cookie is the key, and the handlers call Redis directly.
//!
//! It hashes no secret, detects no conflict, has no lifetime except that of Redis, and panics in an outage. The cells
//! without Redis have no session at all.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, header},
    response::{AppendHeaders, IntoResponse},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use redis::{AsyncCommands, AsyncConnectionConfig, Client, SetExpiry, SetOptions, aio::MultiplexedConnection};
use serde::{Deserialize, Serialize};

use crate::cell::{Cell, Store, What};

const LIFETIME: u64 = 14 * 86_400;

#[derive(Deserialize, Serialize)]
struct Visitor {
    visits: u64,
    text: String,
}

/// The service, and the cookie of a session.
pub(crate) async fn service(cell: &Cell, url: &str) -> (Router, String) {
    let cookie = "sid=0123456789012345678901234567890123456789";
    if cell.store == Store::Memory || matches!(cell.what, What::Untouched | What::Near) {
        let done = || post(async || "done");
        let router = ["/untouched", "/read", "/increment", "/rotation"]
            .into_iter()
            .fold(Router::new(), |router, path| router.route(path, done()));
        return (router, cookie.to_owned());
    }
    let client = Client::open(url).unwrap();
    // Everything is slow under Callgrind.
    let patience = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
    let connection = client.get_multiplexed_async_connection_with_config(&patience).await.unwrap();
    let visitor = Visitor { visits: 1, text: "x".repeat(cell.what.size()) };
    store(&mut connection.clone(), &key_in(cookie), &visitor).await;
    let router = Router::new()
        .route("/read", post(read))
        .route("/increment", post(increment))
        .route("/rotation", post(rotation))
        .with_state(Arc::new(connection));
    (router, cookie.to_owned())
}

fn key_in(cookie: &str) -> String {
    let id = cookie.split(';').find_map(|pair| pair.trim().strip_prefix("sid=")).unwrap_or_default();
    ["session:", id].concat()
}

fn key(headers: &HeaderMap) -> String {
    key_in(headers.get(header::COOKIE).and_then(|cookie| cookie.to_str().ok()).unwrap_or_default())
}

async fn load(connection: &mut MultiplexedConnection, key: &str) -> Visitor {
    let value: Vec<u8> = connection.get(key).await.unwrap();
    serde_json::from_slice(&value).unwrap()
}

async fn store(connection: &mut MultiplexedConnection, key: &str, visitor: &Visitor) {
    let expiry = SetOptions::default().with_expiration(SetExpiry::EX(LIFETIME));
    let value = serde_json::to_vec(visitor).unwrap();
    let _: () = connection.set_options(key, value, expiry).await.unwrap();
}

async fn read(State(connection): State<Arc<MultiplexedConnection>>, headers: HeaderMap) -> String {
    let mut connection = (*connection).clone();
    load(&mut connection, &key(&headers)).await.visits.to_string()
}

async fn increment(State(connection): State<Arc<MultiplexedConnection>>, headers: HeaderMap) -> String {
    let (mut connection, key) = ((*connection).clone(), key(&headers));
    let mut visitor = load(&mut connection, &key).await;
    visitor.visits += 1;
    store(&mut connection, &key, &visitor).await;
    visitor.visits.to_string()
}

async fn rotation(State(connection): State<Arc<MultiplexedConnection>>, headers: HeaderMap) -> impl IntoResponse {
    let (mut connection, old) = ((*connection).clone(), key(&headers));
    let visitor = load(&mut connection, &old).await;
    let mut random = [0; 20];
    getrandom::fill(&mut random).unwrap();
    let id = URL_SAFE_NO_PAD.encode(random);
    let value = serde_json::to_vec(&visitor).unwrap();
    let (new, index) = (["session:", &id].concat(), "session:user:42");
    let _: () = redis::pipe()
        .set_ex(&new, value, LIFETIME)
        .ignore()
        .del(&old)
        .ignore()
        .zrem(index, &old)
        .ignore()
        .zadd(index, &new, 1_900_000_000)
        .ignore()
        .query_async(&mut connection)
        .await
        .unwrap();
    let cookie = ["sid=", &id, "; HttpOnly; SameSite=Lax; Secure; Path=/"].concat();
    (AppendHeaders([(header::SET_COOKIE, cookie)]), "done")
}
