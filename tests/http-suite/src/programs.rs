//! Tests of the small programs in the `examples/` of both adapters: in this process, through a browser's requests.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use futures_util::{StreamExt, stream::LocalBoxStream};

/// A request of the browser.
#[derive(Debug)]
pub struct Sent {
    /// The method, such as `POST`.
    pub method: String,
    /// The path, without a query.
    pub path: String,
    /// The `Cookie` header.
    pub cookie: String,
    /// The body, URL-encoded.
    pub form: String,
}

/// An answer with a streamed body.
pub struct Opened {
    /// The status code.
    pub status: u16,
    /// The values of all `Set-Cookie` headers.
    pub set_cookies: Vec<String>,
    /// The parts of the body.
    pub body: LocalBoxStream<'static, Bytes>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("status", &self.status).finish_non_exhaustive()
    }
}

/// A browser that keeps the cookies of one program.
#[derive(Debug)]
pub struct Visitor<F> {
    program: F,
    cookies: BTreeMap<String, String>,
}

impl<F: AsyncFn(Sent) -> Opened> Visitor<F> {
    /// A browser without cookies. `program` answers its requests.
    pub fn new(program: F) -> Self {
        Self { program, cookies: BTreeMap::new() }
    }

    /// The `Cookie` header.
    pub fn cookie(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// Sends a request and keeps the cookies of the answer.
    pub async fn open(&mut self, method: &str, path: &str, form: &str) -> Opened {
        let sent = Sent { method: method.into(), path: path.into(), cookie: self.cookie(), form: form.into() };
        let answer = (self.program)(sent).await;
        for cookie in &answer.set_cookies {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.remove(name);
            if !value.is_empty() {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Sends a request and reads the answer: its status and body.
    pub async fn send(&mut self, method: &str, path: &str, form: &str) -> (u16, String) {
        let answer = self.open(method, path, form).await;
        let parts: Vec<_> = answer.body.collect().await;
        (answer.status, String::from_utf8(parts.concat()).unwrap())
    }

    /// The page at `path`.
    ///
    /// # Panics
    /// Unless the status is 200.
    pub async fn get(&mut self, path: &str) -> String {
        let (status, body) = self.send("GET", path, "").await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// The status of the answer to an empty form.
    pub async fn post(&mut self, path: &str) -> u16 {
        self.send("POST", path, "").await.0
    }

    /// The hidden field of the form at `path`, as sent.
    pub async fn token(&mut self, path: &str) -> String {
        let page = self.get(path).await;
        let field = page.split("<input type=\"hidden\" name=\"").nth(1).unwrap().split("\">").next().unwrap();
        field.replace("\" value=\"", "=")
    }
}

/// The program counts the visits of each visitor.
pub async fn counter(
    mut visitor: Visitor<impl AsyncFn(Sent) -> Opened>,
    mut other: Visitor<impl AsyncFn(Sent) -> Opened>,
) {
    assert_eq!(visitor.get("/").await, "visit number 1");
    assert_eq!(visitor.get("/").await, "visit number 2");
    assert_eq!(other.get("/").await, "visit number 1");
}

/// The program accepts a form only from its own page, and offers it again otherwise.
pub async fn forms(mut visitor: Visitor<impl AsyncFn(Sent) -> Opened>) {
    let token = visitor.token("/").await;
    let ordered = visitor.send("POST", "/", &format!("{token}&amount=3")).await;
    assert_eq!(ordered, (200, "3 ordered".to_owned()));
    let (status, page) = visitor.send("POST", "/", "amount=4").await;
    assert!(status == 403 && page.contains("value=\"4\"") && page.contains("try again"), "{page}");
    assert_eq!(visitor.send("POST", "/", &format!("{token}&amount=many")).await.0, 400);
}

/// The program signs `ada` in and out.
pub async fn login(mut visitor: Visitor<impl AsyncFn(Sent) -> Opened>) {
    assert_eq!(visitor.send("GET", "/", "").await.0, 401);
    let token = visitor.token("/login").await;
    for (form, status) in [
        ("username=ada&password=wrong".to_owned(), 403),
        (format!("{token}&username=ada&password=wrong"), 401),
        (format!("{token}&username=ada&password=correct+horse"), 303),
    ] {
        assert_eq!(visitor.send("POST", "/login", &form).await.0, status, "{form}");
    }
    assert_eq!(visitor.get("/").await, "Hello, ada");
    assert_eq!(visitor.post("/logout").await, 200);
    assert_eq!(visitor.send("GET", "/", "").await.0, 401);
}

/// The program sends events that survive a rotation and end with a sign-out.
pub async fn sse(mut visitor: Visitor<impl AsyncFn(Sent) -> Opened>) {
    assert_eq!(visitor.send("GET", "/events", "").await.0, 401);
    assert_eq!(visitor.post("/login").await, 200);
    let mut events = visitor.open("GET", "/events", "").await.body;
    assert_eq!(events.next().await.unwrap(), "data: news\n\n");
    assert_eq!(visitor.post("/login").await, 200, "the cookie is new");
    assert_eq!(events.next().await.unwrap(), "data: news\n\n");
    assert_eq!(visitor.post("/logout").await, 200);
    while events.next().await.is_some() {}
}
