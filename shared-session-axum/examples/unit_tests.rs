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
        let send = async |request: Request<Body>| app(spy.clone()).oneshot(request).await.unwrap();
        send(Request::get("/about").body(Body::empty()).unwrap()).await;
        send(Request::get("/theme").body(Body::empty()).unwrap()).await;
        spy.assert_untouched();

        let answer = send(Request::post("/theme").body("dark".into()).unwrap()).await;
        assert!(spy.take_calls().contains(&"create"));
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap();
        let answer = send(Request::get("/theme").header("cookie", cookie).body(Body::empty()).unwrap()).await;
        assert_eq!(axum::body::to_bytes(answer.into_body(), 100).await.unwrap(), "dark");
        let calls = spy.take_calls();
        assert_eq!(calls.iter().filter(|call| **call != "time").collect::<Vec<_>>(), [&"load"], "and writes nothing");
    }

    #[tokio::test]
    async fn a_handler_is_a_function_of_the_session() {
        let session = SessionManager::new(MemoryStore::new()).open([]).load().await.unwrap();
        set_theme(session.clone().into(), "dark".to_owned()).await.unwrap();
        assert_eq!(theme(session.into()).await.unwrap(), "dark");
    }

    #[tokio::test]
    async fn a_visitor_with_a_session_sees_its_values() {
        let store = MemoryStore::new();
        let manager = SessionManager::new(store.clone());
        let cookie = cookie_of(&manager, |session| session.insert("theme", "dark")).await;
        let request = Request::get("/theme").header("cookie", cookie).body(Body::empty()).unwrap();
        let answer = app(store).oneshot(request).await.unwrap();
        assert_eq!(axum::body::to_bytes(answer.into_body(), 100).await.unwrap(), "dark");
    }
}
