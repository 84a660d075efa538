//! How to test an application's use of its sessions: in this process, without a server, and with a spy that records the
//! store calls. `cargo run -p shared-session-axum --example unit_tests` serves the application.
use axum::{Router, routing::get};
use shared_session::store::{MemoryStore, SessionStore};
use shared_session_axum::{Rejection, Session, SessionLayer, SessionManager};

pub(crate) fn app(store: impl SessionStore) -> Router {
    Router::new()
        .route("/about", get(async || "about us"))
        .route("/theme", get(theme).post(set_theme))
        .layer(SessionLayer::new(SessionManager::new(store)))
}

async fn theme(session: Session) -> Result<String, Rejection> {
    Ok(session.get("theme")?.unwrap_or_else(|| "light".to_owned()))
}

async fn set_theme(session: Session, theme: String) -> Result<(), Rejection> {
    Ok(session.insert("theme", &theme)?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app(MemoryStore::new())).await?)
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use shared_session::testing::{SpyStore, cookie_of};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn only_pages_that_need_the_session_ask_the_store() {
        let spy = SpyStore::new(MemoryStore::new());
        let theme_of = |session: &shared_session::Session| session.insert("theme", "dark");
        let cookie = cookie_of(&SessionManager::new(spy.clone()), theme_of).await;
        let get = async |path: &str| {
            let request = Request::get(path).header("cookie", &cookie).body(Body::empty()).unwrap();
            let answer = app(spy.clone()).oneshot(request).await.unwrap();
            axum::body::to_bytes(answer.into_body(), 100).await.unwrap()
        };
        spy.take_calls();
        assert_eq!(get("/about").await, "about us");
        spy.assert_untouched();
        assert_eq!(get("/theme").await, "dark");
        assert_eq!(spy.take_calls().iter().filter(|call| **call != "time").collect::<Vec<_>>(), [&"load"]);
    }

    #[tokio::test]
    async fn a_handler_is_a_function_of_the_session() {
        let session = SessionManager::new(MemoryStore::new()).open([]).load().await.unwrap();
        set_theme(session.clone().into(), "dark".to_owned()).await.unwrap();
        assert_eq!(theme(session.into()).await.unwrap(), "dark");
    }
}
