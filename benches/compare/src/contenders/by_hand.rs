//! No session layer: the cookie is the key, and the handlers call Redis directly. They detect no conflicts and check
//! nothing.

use actix_web::{HttpRequest, HttpResponse, web};
use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{AppendHeaders, IntoResponse},
    routing::post,
};
use redis::{AsyncCommands, Client, SetExpiry, SetOptions, aio::MultiplexedConnection};
use serde::{Deserialize, Serialize};

const LIFETIME: u64 = 14 * 86_400;

#[derive(Deserialize, Serialize)]
struct Visitor {
    visits: u64,
    text: String,
}

async fn connect(url: &str) -> MultiplexedConnection {
    Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

fn key(cookie: Option<&str>) -> String {
    let pairs = cookie.unwrap_or_default().split(';');
    let id = pairs.filter_map(|pair| pair.trim().strip_prefix("sid=")).next().unwrap_or_default();
    format!("by-hand:{id}")
}

async fn load(redis: &mut MultiplexedConnection, key: &str) -> Visitor {
    let value: Vec<u8> = redis.get(key).await.unwrap();
    serde_json::from_slice(&value).unwrap()
}

async fn store(redis: &mut MultiplexedConnection, key: &str, visitor: &Visitor) {
    let expiry = SetOptions::default().with_expiration(SetExpiry::EX(LIFETIME));
    let _: () = redis.set_options(key, serde_json::to_vec(visitor).unwrap(), expiry).await.unwrap();
}

fn new_id() -> String {
    let mut random = [0; 20];
    getrandom::fill(&mut random).unwrap();
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn set_cookie(id: &str) -> String {
    format!("sid={id}; HttpOnly; SameSite=Lax; Secure; Path=/")
}

async fn do_start(redis: &mut MultiplexedConnection, size: usize) -> String {
    let id = new_id();
    store(redis, &format!("by-hand:{id}"), &Visitor { visits: 1, text: super::text(size) }).await;
    set_cookie(&id)
}

async fn do_increment(redis: &mut MultiplexedConnection, key: &str) -> String {
    let mut visitor = load(redis, key).await;
    visitor.visits += 1;
    store(redis, key, &visitor).await;
    visitor.visits.to_string()
}

/// Stores the session under a new key, and adds an entry to an index of the user's sessions.
async fn do_rotation(redis: &mut MultiplexedConnection, old: &str) -> String {
    let visitor = load(redis, old).await;
    let id = new_id();
    let (new, index) = (format!("by-hand:{id}"), "by-hand:user:42");
    let _: () = redis::pipe()
        .set_ex(&new, serde_json::to_vec(&visitor).unwrap(), LIFETIME)
        .ignore()
        .del(old)
        .ignore()
        .zrem(index, old)
        .ignore()
        .zadd(index, &new, 1_900_000_000)
        .ignore()
        .query_async(redis)
        .await
        .unwrap();
    set_cookie(&id)
}

type Shared = State<MultiplexedConnection>;

fn cookie_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::COOKIE)?.to_str().ok()
}

fn with_cookie(cookie: String) -> impl IntoResponse {
    (AppendHeaders([(header::SET_COOKIE, cookie)]), "done")
}

pub async fn axum(url: &str) -> Router {
    Router::new()
        .route("/untouched", post(async || "done"))
        .route(
            "/start/{size}",
            post(async |State(mut redis): Shared, Path(size): Path<usize>| {
                with_cookie(do_start(&mut redis, size).await)
            }),
        )
        .route(
            "/read",
            post(async |State(mut redis): Shared, headers: HeaderMap| {
                load(&mut redis, &key(cookie_of(&headers))).await.visits.to_string()
            }),
        )
        .route(
            "/increment",
            post(async |State(mut redis): Shared, headers: HeaderMap| {
                do_increment(&mut redis, &key(cookie_of(&headers))).await
            }),
        )
        .route(
            "/rotation",
            post(async |State(mut redis): Shared, headers: HeaderMap| {
                with_cookie(do_rotation(&mut redis, &key(cookie_of(&headers))).await)
            }),
        )
        .with_state(connect(url).await)
}

type Data = web::Data<MultiplexedConnection>;

fn key_in(request: &HttpRequest) -> String {
    key(request.headers().get("cookie").and_then(|cookie| cookie.to_str().ok()))
}

fn answer(cookie: String) -> HttpResponse {
    HttpResponse::Ok().append_header(("set-cookie", cookie)).body("done")
}

async fn start(redis: Data, size: web::Path<usize>) -> HttpResponse {
    answer(do_start(&mut redis.get_ref().clone(), *size).await)
}

async fn read(redis: Data, request: HttpRequest) -> String {
    load(&mut redis.get_ref().clone(), &key_in(&request)).await.visits.to_string()
}

async fn increment(redis: Data, request: HttpRequest) -> String {
    do_increment(&mut redis.get_ref().clone(), &key_in(&request)).await
}

async fn rotation(redis: Data, request: HttpRequest) -> HttpResponse {
    answer(do_rotation(&mut redis.get_ref().clone(), &key_in(&request)).await)
}

pub fn actix(url: &str) {
    actix_web::rt::System::new().block_on(async {
        let redis = web::Data::new(connect(url).await);
        super::actix!(move || {
            actix_web::App::new()
                .app_data(redis.clone())
                .route("/untouched", web::post().to(async || "done"))
                .route("/start/{size}", web::post().to(start))
                .route("/read", web::post().to(read))
                .route("/increment", web::post().to(increment))
                .route("/rotation", web::post().to(rotation))
        });
    });
}
