//! No session layer: the cookie is the key, and Redis is called by hand. No conflict is noticed and nothing is checked.

use actix_web::{HttpRequest, HttpResponse, web};
use axum::{
    Router,
    extract::State,
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

async fn do_start(redis: &mut MultiplexedConnection, large: bool) -> String {
    let id = new_id();
    store(redis, &format!("by-hand:{id}"), &Visitor { visits: 1, text: super::text(large) }).await;
    set_cookie(&id)
}

async fn do_increment(redis: &mut MultiplexedConnection, key: &str) -> String {
    let mut visitor = load(redis, key).await;
    visitor.visits += 1;
    store(redis, key, &visitor).await;
    visitor.visits.to_string()
}

/// A new key, and an entry in an index of the user's sessions.
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

fn cookie_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::COOKIE)?.to_str().ok()
}

type Redis = State<MultiplexedConnection>;

pub async fn axum(url: &str) -> Router {
    let cookie = |cookie| (AppendHeaders([(header::SET_COOKIE, cookie)]), "done");
    let start =
        move |large| async move |State(mut redis): Redis| cookie(do_start(&mut redis, large).await).into_response();
    Router::new()
        .route("/start", post(start(false)))
        .route("/start-large", post(start(true)))
        .route("/untouched", post(async || "done"))
        .route(
            "/read",
            post(async |State(mut redis): Redis, headers: HeaderMap| {
                load(&mut redis, &key(cookie_of(&headers))).await.visits.to_string()
            }),
        )
        .route(
            "/increment",
            post(async |State(mut redis): Redis, headers: HeaderMap| {
                do_increment(&mut redis, &key(cookie_of(&headers))).await
            }),
        )
        .route(
            "/rotation",
            post(async move |State(mut redis): Redis, headers: HeaderMap| {
                cookie(do_rotation(&mut redis, &key(cookie_of(&headers))).await).into_response()
            }),
        )
        .with_state(connect(url).await)
}

fn cookie_in(request: &HttpRequest) -> Option<&str> {
    request.headers().get("cookie")?.to_str().ok()
}

type Data = web::Data<MultiplexedConnection>;

async fn start(redis: Data, large: bool) -> HttpResponse {
    let cookie = do_start(&mut redis.get_ref().clone(), large).await;
    HttpResponse::Ok().append_header(("set-cookie", cookie)).body("done")
}

async fn read(redis: Data, request: HttpRequest) -> String {
    load(&mut redis.get_ref().clone(), &key(cookie_in(&request))).await.visits.to_string()
}

async fn increment(redis: Data, request: HttpRequest) -> String {
    do_increment(&mut redis.get_ref().clone(), &key(cookie_in(&request))).await
}

async fn rotation(redis: Data, request: HttpRequest) -> HttpResponse {
    let cookie = do_rotation(&mut redis.get_ref().clone(), &key(cookie_in(&request))).await;
    HttpResponse::Ok().append_header(("set-cookie", cookie)).body("done")
}

pub fn actix(url: &str) {
    actix_web::rt::System::new().block_on(async {
        let redis = web::Data::new(connect(url).await);
        super::actix!(move || {
            actix_web::App::new()
                .app_data(redis.clone())
                .route("/start", web::post().to(async |redis| start(redis, false).await))
                .route("/start-large", web::post().to(async |redis| start(redis, true).await))
                .route("/untouched", web::post().to(async || "done"))
                .route("/read", web::post().to(read))
                .route("/increment", web::post().to(increment))
                .route("/rotation", web::post().to(rotation))
        });
    });
}
