//! A form that no other site can send: `cargo run -p shared-session-actix --example actix_forms`.
use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Deserialize;
use shared_session::{SecretKeys, csrf::FormTokens, store::MemoryStore};
use shared_session_actix::{FormRejection, FormToken, ProtectedForm, SessionManager, SessionMiddleware};

#[derive(Deserialize)]
struct Order {
    amount: u32,
}

pub(crate) fn manager(secret_key: &str) -> Result<SessionManager, shared_session::Error> {
    let tokens = FormTokens::new(SecretKeys::new(secret_key)?);
    Ok(SessionManager::new(MemoryStore::new()).with_form_tokens(tokens))
}

pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/").get(show).post(order));
}

fn page(token: &FormToken, amount: u32, note: &str) -> String {
    let field = format!("<input name=\"amount\" type=\"number\" value=\"{amount}\">");
    format!("<p>{note}</p><form method=\"post\">{}{field}<button>Order</button></form>", token.input())
}

async fn show(token: FormToken) -> web::Html {
    web::Html::new(page(&token, 1, "How many?"))
}

/// With `ProtectedForm<Order>` alone an outdated page gets a plain 403. Here the form is offered again.
async fn order(
    token: FormToken,
    form: Result<ProtectedForm<Order>, FormRejection<Order>>,
) -> Result<HttpResponse, FormRejection<Order>> {
    match form {
        Ok(ProtectedForm(order)) => Ok(HttpResponse::Ok().body(format!("{} ordered", order.amount))),
        Err(rejection) => {
            let page = page(&token, rejection.into_fields()?.amount, "Please try again.");
            Ok(HttpResponse::Forbidden().content_type("text/html; charset=utf-8").body(page))
        }
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let manager = manager("a secret key of at least thirty-two bytes, the same after a restart")?;
    let app = move || App::new().configure(routes).wrap(SessionMiddleware::new(manager.clone()));
    println!("http://localhost:3001/");
    Ok(HttpServer::new(app).bind("127.0.0.1:3001")?.run().await?)
}
