//! The programs in `examples/` work as documented.

use std::time::Duration;

use axum::{Router, body::Body, http::Request};
use futures_util::{SinkExt, StreamExt};
use http_suite::programs::{self, Opened, Sent, Visitor};
use shared_session::{
    Profile, SecretKeys, SessionManager,
    cookie::CookieConfig,
    django::Django,
    store::MemoryStore,
    users::{NewUser, SqlUsers},
};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tower::ServiceExt;

const KEY: &str = "a secret key of at least thirty-two bytes";
const SOON: Duration = Duration::from_millis(5);

fn browser(app: Router) -> Visitor<impl AsyncFn(Sent) -> Opened> {
    Visitor::new(async move |sent: Sent| {
        let request = Request::builder().method(&*sent.method).uri(sent.path).header("cookie", sent.cookie);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = app.clone().oneshot(request.body(Body::from(sent.form)).unwrap()).await.unwrap();
        let set_cookies = response.headers().get_all("set-cookie").into_iter();
        Opened {
            status: response.status().as_u16(),
            set_cookies: set_cookies.map(|cookie| cookie.to_str().unwrap().to_owned()).collect(),
            body: response.into_body().into_data_stream().map(Result::unwrap).boxed_local(),
        }
    })
}

#[tokio::test]
async fn counter() {
    let app = crate::programs::counter::app();
    programs::counter(browser(app.clone()), browser(app)).await;
}

#[tokio::test]
async fn cart() {
    let mut browser = browser(crate::programs::cart::app());
    for item in ["apple", "pear", "apple"] {
        assert_eq!(browser.post(&format!("/cart/{item}")).await, 200);
    }
    assert_eq!(browser.get("/cart").await, r#"{"items":{"apple":2,"pear":1},"voucher":null}"#);
    assert_eq!(browser.send("DELETE", "/cart", "").await.0, 200);
    assert_eq!(browser.get("/cart").await, r#"{"items":{},"voucher":null}"#);
}

#[tokio::test]
async fn flash() {
    let mut browser = browser(crate::programs::flash::app());
    assert_eq!(browser.post("/save").await, 303);
    assert_eq!(browser.send("HEAD", "/", "").await.0, 200);
    assert!(browser.get("/").await.contains("Saved."));
    assert!(!browser.get("/").await.contains("Saved."));
}

#[tokio::test]
async fn forms() {
    programs::forms(browser(crate::programs::forms::app(KEY).unwrap())).await;
}

#[tokio::test]
async fn login() {
    programs::login(browser(crate::programs::login::app("sqlite::memory:", KEY).await.unwrap())).await;
}

#[tokio::test]
async fn bearer() {
    let app = crate::programs::bearer::app("sqlite::memory:", KEY).await.unwrap();
    let send = async |method: &str, path: &str, token: &str, form: &str| {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        app.clone().oneshot(request.body(Body::from(form.to_owned())).unwrap()).await.unwrap()
    };
    assert_eq!(send("POST", "/token", "", "username=ada&password=wrong").await.status(), 401);
    let answer = send("POST", "/token", "", "username=ada&password=correct+horse").await;
    assert!(answer.headers().get("set-cookie").is_none());
    let token = answer.headers()["session-token"].to_str().unwrap();
    let home = send("GET", "/", token, "").await;
    assert_eq!(axum::body::to_bytes(home.into_body(), 100).await.unwrap(), "Hello, ada");
    assert_eq!(send("POST", "/logout", token, "").await.status(), 200);
    let refused = send("GET", "/", token, "").await;
    assert_eq!(refused.headers()["www-authenticate"], r#"Bearer realm="session", error="invalid_token""#);
    let browser = Request::post("/token").header("cookie", "__Host-session=any");
    let browser = browser.header("content-type", "application/x-www-form-urlencoded");
    let browser = browser.body(Body::from("username=ada&password=correct+horse")).unwrap();
    assert_eq!(app.oneshot(browser).await.unwrap().status(), 400, "its scripts get no token");
}

#[tokio::test]
async fn own_user() {
    let mut browser = browser(crate::programs::own_user::app().await.unwrap());
    assert_eq!(browser.send("GET", "/", "").await.0, 401);
    for (form, status) in [
        ("name=ann&password=wrong", 401),
        ("name=bob&password=correct+horse", 401),
        ("name=ann&password=correct+horse", 200),
    ] {
        assert_eq!(browser.send("POST", "/login", form).await.0, status, "{form}");
    }
    assert_eq!(browser.get("/").await, "ann of Basel\n");
}

#[tokio::test]
async fn remember_me() {
    let app = crate::programs::remember_me::app().await.unwrap();
    // The browser keeps a remembered cookie for as long as the session may live: 90 days.
    for (remember, attribute) in [("", None), ("&remember=on", Some("Max-Age=7776000"))] {
        let mut browser = browser(app.clone());
        assert_eq!(browser.send("POST", "/", "name=ann&password=wrong").await.0, 401);
        let response = browser.open("POST", "/", &format!("name=ann&password=correct+horse{remember}")).await;
        assert_eq!(response.status, 303);
        let cookie = &response.set_cookies[0];
        assert_eq!(cookie.split("; ").find(|attribute| attribute.starts_with("Max-Age")), attribute, "{cookie}");
        assert!(browser.get("/").await.contains("Signed in: ann"));
    }
}

#[tokio::test]
async fn background_job() {
    http_suite::within_limit(background_job_does_what_it_says()).await;
}

async fn background_job_does_what_it_says() {
    let mut browser = browser(crate::programs::background_job::app());
    assert_eq!(browser.get("/report").await, "none");
    assert_eq!(browser.post("/report").await, 202);
    while browser.get("/report").await != "20! = 2432902008176640000" {
        tokio::time::sleep(SOON).await;
    }
}

#[tokio::test]
async fn sse() {
    let app = crate::programs::sse::app(SessionManager::new(MemoryStore::new()), SOON);
    http_suite::within_limit(programs::sse(browser(app))).await;
}

#[tokio::test]
async fn websocket() {
    http_suite::within_limit(websocket_does_what_it_says()).await;
}

async fn websocket_does_what_it_says() {
    let app = crate::programs::websocket::app(SessionManager::new(MemoryStore::new()), SOON).unwrap();
    let mut browser = browser(app.clone());
    assert_eq!(browser.post("/login").await, 200);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/socket", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    let connect = async |cookie: &str, origin: &str| {
        let mut request = url.as_str().into_client_request().unwrap();
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        request.headers_mut().insert("origin", origin.parse().unwrap());
        tokio_tungstenite::connect_async(request).await
    };
    let own = "http://localhost:3000";
    assert!(connect("", own).await.is_err(), "no user is signed in");
    assert!(connect(&browser.cookie(), "https://evil.example").await.is_err(), "a page of another site");
    let (mut socket, _) = connect(&browser.cookie(), own).await.unwrap();
    // An answer means that it has loaded the session; between two answers it has checked it.
    for text in ["hello", "hello again", "and again"] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
        if text == "hello" {
            assert_eq!(browser.post("/login").await, 200, "the cookie has changed");
        }
    }
    assert_eq!(browser.post("/logout").await, 200);
    assert!(matches!(socket.next().await.unwrap().unwrap(), Message::Close(_)));
}

#[tokio::test]
async fn django() {
    let directory = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/db.sqlite3", directory.path().display());
    // As created by the site: its tables, and a session under its cookie.
    let users = SqlUsers::connect(&database).await.unwrap();
    users.migrate().await.unwrap();
    let ada = users.create_user(NewUser::new("ada", "correct horse")).await.unwrap();
    let store = MemoryStore::new();
    let site = SessionManager::new(store.clone())
        .with_profile(Profile::django(Django::cache()))
        .with_cookie(CookieConfig::new("sessionid").build().unwrap())
        .with_users(users, SecretKeys::django("short").unwrap());
    let request = site.open([]);
    let session = request.load().await.unwrap();
    session.login(&ada).unwrap();
    session.commit().await.unwrap();
    let shared_session::Close::Done(outcome) = site.close(&request, shared_session::Ending::Completed) else {
        panic!()
    };
    let cookie = outcome.set_cookie().unwrap().split(';').next().unwrap().to_owned();

    let app = crate::programs::django::app(store.clone(), &database, "short").await.unwrap();
    let request = Request::get("/whoami").header("cookie", cookie).body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(axum::body::to_bytes(response.into_body(), 100).await.unwrap(), "ada");
    let other_key = crate::programs::django::app(store, &database, "another").await.unwrap_err();
    assert!(other_key.to_string().contains("secret key"), "{other_key}");
}
