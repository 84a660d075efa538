//! The small programs in `examples/` do what they say.

use std::{collections::BTreeMap, time::Duration};

use actix_web::{
    App,
    body::{BoxBody, EitherBody, MessageBody},
    dev::ServiceResponse,
    http::Method,
    test::{self, TestRequest},
    web,
};
use shared_session::{SessionManager, store::MemoryStore};
use shared_session_actix::SessionMiddleware;

const KEY: &str = "a secret key of at least thirty-two bytes";

type Answer = ServiceResponse<EitherBody<BoxBody>>;

/// A browser at an application in this process.
struct Browser<F> {
    call: F,
    cookies: BTreeMap<String, String>,
}

macro_rules! browser {
    ($app:expr) => {{
        let app = &$app;
        let call = async move |request: TestRequest| test::call_service(app, request.to_request()).await;
        Browser { call, cookies: BTreeMap::new() }
    }};
}

impl<F: AsyncFn(TestRequest) -> Answer> Browser<F> {
    async fn open(&mut self, method: &str, path: &str, form: &str) -> Answer {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = TestRequest::with_uri(path)
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .insert_header(("cookie", pairs.join("; ")))
            .insert_header(("content-type", "application/x-www-form-urlencoded"))
            .set_payload(form.to_owned());
        let response = (self.call)(request).await;
        for cookie in response.headers().get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.remove(name);
            if !value.is_empty() {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    async fn send(&mut self, method: &str, path: &str, form: &str) -> (u16, String) {
        let response = self.open(method, path, form).await;
        let status = response.status().as_u16();
        (status, String::from_utf8(test::read_body(response).await.to_vec()).unwrap())
    }

    async fn get(&mut self, path: &str) -> String {
        let (status, body) = self.send("GET", path, "").await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// The hidden field of the form at `path`, as it is sent.
    async fn token(&mut self, path: &str) -> String {
        let page = self.get(path).await;
        let field = page.split("<input type=\"hidden\" name=\"").nth(1).unwrap().split("\">").next().unwrap();
        field.replace("\" value=\"", "=")
    }
}

#[actix_web::test]
async fn counter() {
    let sessions = SessionMiddleware::new(SessionManager::new(MemoryStore::new()));
    let app = test::init_service(App::new().configure(crate::programs::counter::routes).wrap(sessions)).await;
    let mut browser = browser!(app);
    assert_eq!(browser.get("/").await, "visit number 1");
    assert_eq!(browser.get("/").await, "visit number 2");
    assert_eq!(browser!(app).get("/").await, "visit number 1");
}

#[actix_web::test]
async fn forms() {
    let sessions = SessionMiddleware::new(crate::programs::forms::manager(KEY).unwrap());
    let app = test::init_service(App::new().configure(crate::programs::forms::routes).wrap(sessions)).await;
    let mut browser = browser!(app);
    let token = browser.token("/").await;
    let ordered = browser.send("POST", "/", &format!("{token}&amount=3")).await;
    assert_eq!(ordered, (200, "3 ordered".to_owned()));
    let (status, page) = browser.send("POST", "/", "amount=4").await;
    assert!(status == 403 && page.contains("value=\"4\"") && page.contains("try again"), "{page}");
    assert_eq!(browser.send("POST", "/", &format!("{token}&amount=many")).await.0, 400);
}

#[actix_web::test]
async fn login() {
    let manager = crate::programs::login::open("sqlite::memory:", KEY).await.unwrap();
    let sessions = SessionMiddleware::new(manager);
    let app = App::new().configure(crate::programs::login::routes).wrap(sessions);
    let app = test::init_service(app).await;
    let mut browser = browser!(app);
    assert_eq!(browser.send("GET", "/", "").await.0, 401);
    let token = browser.token("/login").await;
    for (form, status) in [
        ("username=ada&password=wrong".to_owned(), 403),
        (format!("{token}&username=ada&password=wrong"), 401),
        (format!("{token}&username=ada&password=correct+horse"), 303),
    ] {
        assert_eq!(browser.send("POST", "/login", &form).await.0, status, "{form}");
    }
    assert_eq!(browser.get("/").await, "Hello, ada");
    assert_eq!(browser.send("POST", "/logout", "").await.0, 200);
    assert_eq!(browser.send("GET", "/", "").await.0, 401);
}

#[actix_web::test]
async fn sse() {
    http_suite::within_limit(sse_does_what_it_says()).await;
}

async fn sse_does_what_it_says() {
    let manager = SessionManager::new(MemoryStore::new());
    let app = App::new()
        .app_data(web::Data::new(manager.clone()))
        .app_data(web::Data::new(Duration::from_millis(5)))
        .configure(crate::programs::sse::routes)
        .wrap(SessionMiddleware::new(manager));
    let app = test::init_service(app).await;
    let mut browser = browser!(app);
    assert_eq!(browser.send("GET", "/events", "").await.0, 401);
    assert_eq!(browser.send("POST", "/login", "").await.0, 200);
    let mut events = Box::pin(browser.open("GET", "/events", "").await.into_body());
    let mut next = async || std::future::poll_fn(|cx| events.as_mut().poll_next(cx)).await.map(Result::unwrap);
    assert_eq!(next().await.unwrap(), "data: news\n\n");
    assert_eq!(browser.send("POST", "/login", "").await.0, 200, "the cookie is another one now");
    assert_eq!(next().await.unwrap(), "data: news\n\n");
    assert_eq!(browser.send("POST", "/logout", "").await.0, 200);
    while next().await.is_some() {}
}
