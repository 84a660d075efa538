//! A form that no other site can send: `cargo run -p shared-session-axum --example forms`.
use axum::{
    Router,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use shared_session::{SecretKeys, csrf::FormTokens, store::MemoryStore};
use shared_session_axum::{FormRejection, FormToken, ProtectedForm, SessionLayer, SessionManager};

#[derive(Deserialize)]
struct Order {
    amount: u32,
}

pub(crate) fn app(secret_key: &str) -> Result<Router, shared_session::Error> {
    let tokens = FormTokens::new(SecretKeys::new(secret_key)?);
    let manager = SessionManager::new(MemoryStore::new()).with_form_tokens(tokens);
    Ok(Router::new().route("/", get(show).post(order)).layer(SessionLayer::new(manager)))
}

fn page(token: &FormToken, amount: u32, note: &str) -> Html<String> {
    let field = format!("<input name=\"amount\" type=\"number\" value=\"{amount}\">");
    Html(format!("<p>{note}</p><form method=\"post\">{}{field}<button>Order</button></form>", token.input()))
}

async fn show(token: FormToken) -> Html<String> {
    page(&token, 1, "How many?")
}

/// With `ProtectedForm<Order>` alone an outdated page gets a plain 403. Here the form is offered again.
async fn order(
    token: FormToken,
    form: Result<ProtectedForm<Order>, FormRejection<Order>>,
) -> Result<Response, FormRejection<Order>> {
    match form {
        Ok(ProtectedForm(order)) => Ok(format!("{} ordered", order.amount).into_response()),
        Err(rejection) => {
            let order = rejection.into_fields()?;
            Ok((StatusCode::FORBIDDEN, page(&token, order.amount, "Please try again.")).into_response())
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = app("a secret key of at least thirty-two bytes, the same after a restart")?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://localhost:3000/");
    Ok(axum::serve(listener, app).await?)
}
