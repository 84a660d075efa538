//! A cart under a typed key: `cargo run -p shared-session-axum --example cart`.
//!
//! The session of a visitor who is not signed in holds at most 4 KiB; a larger cart is refused with 413.
//! `SessionManager::with_anonymous_max_size` sets another limit.
use std::collections::BTreeMap;

use axum::{
    Json, Router,
    extract::Path,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use shared_session::{Key, store::MemoryStore};
use shared_session_axum::{Rejection, Session, SessionLayer, SessionManager};

/// The name of the entry and its type, declared once.
const CART: Key<Cart> = Key::new("cart");

#[derive(Clone, Default, Deserialize, Serialize)]
struct Cart {
    items: BTreeMap<String, u32>,
    /// Sessions outlive deployments: a new field has a default.
    #[serde(default)]
    voucher: Option<String>,
}

pub(crate) fn app() -> Router {
    let manager = SessionManager::new(MemoryStore::new());
    Router::new()
        .route("/cart", get(show).delete(empty))
        .route("/cart/{item}", post(add))
        .layer(SessionLayer::new(manager))
}

async fn show(session: Session) -> Result<Json<Cart>, Rejection> {
    Ok(Json(session.get(CART)?.unwrap_or_default()))
}

async fn add(session: Session, Path(item): Path<String>) -> Result<Json<Cart>, Rejection> {
    let cart = session.update_or(CART, Cart::default(), move |mut cart| {
        *cart.items.entry(item.clone()).or_default() += 1;
        cart
    })?;
    Ok(Json(cart))
}

async fn empty(session: Session) -> Result<(), Rejection> {
    Ok(session.remove(CART)?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app()).await?)
}
