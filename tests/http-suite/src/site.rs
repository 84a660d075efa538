use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use reqwest::{
    Client, Method, RequestBuilder,
    header::{COOKIE as COOKIE_HEADER, HeaderMap, SET_COOKIE},
};
use serde_json::Value;
use shared_session::{ErrorKind, Failure, Reply};

use crate::{Step, World};

/// The name of the session cookie.
pub const COOKIE: &str = "__Host-session";

/// The attributes of the session cookie.
const ATTRIBUTES: &str = "; HttpOnly; SameSite=Lax; Secure; Path=/";

/// Texts that no answer to a failed request may contain.
const INTERNAL: [&str; 5] = ["shared_session:", "127.0.0.1", "store", "a test ordered", COOKIE];

/// The apps under test, which share a world. Requests go to each in turn.
#[derive(Debug)]
pub struct Site {
    world: World,
    urls: Vec<String>,
    next: AtomicUsize,
    client: Client,
}

impl Site {
    /// Apps at these addresses, such as `http://127.0.0.1:8000`. The first request goes to the first app.
    #[must_use]
    pub fn new(world: World, urls: impl IntoIterator<Item = String>) -> Self {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { world, urls: urls.into_iter().collect(), next: AtomicUsize::new(0), client }
    }

    /// The shared world of the apps.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// A request without a cookie.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let url = &self.urls[self.next.fetch_add(1, Ordering::Relaxed) % self.urls.len()];
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Request { builder: self.client.request(method, format!("{url}{path}")), secret: None }
    }

    /// A visitor without a cookie.
    #[must_use]
    pub fn visitor(&self) -> Browser<'_> {
        Browser { site: self, cookie: Mutex::default() }
    }

    /// A visitor whose session has the entry `a` = 1.
    pub async fn visitor_with_session(&self) -> Browser<'_> {
        let visitor = self.visitor();
        visitor.run(&[Step::Insert("a".into(), 1.into())]).await.assert_ok();
        assert!(visitor.cookie().is_some());
        self.world.calls().clear();
        visitor
    }

    /// A visitor who is signed in as `name`.
    pub async fn signed_in(&self, name: &str) -> Browser<'_> {
        let visitor = self.visitor();
        visitor.run(&[Step::Login(name.into())]).await.assert_ok();
        self.world.calls().clear();
        visitor
    }
}

/// A request to be sent.
#[derive(Debug)]
#[must_use]
pub struct Request {
    builder: RequestBuilder,
    secret: Option<String>,
}

impl Request {
    /// Adds a header.
    pub fn header(self, name: &str, value: &str) -> Self {
        Self { builder: self.builder.header(name, value), ..self }
    }

    /// Adds a `Cookie` header.
    pub fn cookie(self, value: &str) -> Self {
        let secret = value.strip_prefix(COOKIE).map(|value| value[1..].to_owned()).filter(|value| value.len() > 20);
        Self { builder: self.builder.header(COOKIE_HEADER, value), secret: secret.or(self.secret) }
    }

    /// Adds a script for the handler.
    pub fn script(self, steps: &[Step]) -> Self {
        self.header("x-script", &serde_json::to_string(steps).unwrap())
    }

    /// Adds a form, encoded as by a browser.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        Self { builder: self.builder.form(fields), ..self }
    }

    /// Adds a body.
    pub fn body(self, content_type: &str, body: impl Into<String>) -> Self {
        Self { builder: self.builder.header("content-type", content_type).body(body.into()), ..self }
    }

    /// Sends the request.
    ///
    /// # Panics
    /// If there is no answer, or an error's answer reveals internals.
    pub async fn send(self) -> Answer {
        self.try_send().await.expect("the app answers")
    }

    /// Sends the request and returns its body as a stream.
    ///
    /// # Panics
    /// Unless the answer is 200.
    pub async fn open(self) -> Events {
        let response = self.builder.send().await.expect("the app answers");
        assert_eq!(response.status().as_u16(), 200);
        Events(response)
    }

    /// Sends the request, and returns `None` if the connection broke.
    ///
    /// # Panics
    /// If an error's answer reveals internals.
    pub async fn try_send(self) -> Option<Answer> {
        let response = self.builder.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let answer = Answer { status, headers, body: response.text().await.ok()? };
        if status >= 400 && !answer.body.starts_with('[') {
            let secrets = self.secret.iter().flat_map(|secret| [&secret[..16], &secret[secret.len() - 16..]]);
            for internal in INTERNAL.into_iter().chain(secrets) {
                assert!(!answer.body.contains(internal), "{}", answer.body);
            }
        }
        Some(answer)
    }
}

/// A streamed body.
#[derive(Debug)]
pub struct Events(reqwest::Response);

impl Events {
    /// Reads until a line equals `wanted`.
    ///
    /// # Panics
    /// If the body ends first.
    pub async fn wait_for(&mut self, wanted: &str) {
        loop {
            let chunk = self.0.chunk().await.unwrap().expect("the body goes on");
            if std::str::from_utf8(&chunk).unwrap().lines().any(|line| line == wanted) {
                return;
            }
        }
    }

    /// Reads until the body ends.
    ///
    /// # Panics
    /// If the connection breaks.
    pub async fn wait_for_end(mut self) {
        while self.0.chunk().await.unwrap().is_some() {}
    }
}

/// An answer.
#[derive(Clone, Debug)]
#[must_use]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Answer {
    /// All values of a header, joined by commas.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// All cookies set.
    #[must_use]
    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// The new session cookie in the form of a `Cookie` header, with its attributes checked; `None` if none is set.
    ///
    /// # Panics
    /// If there is more than one, or it differs from the default cookie.
    #[must_use]
    pub fn new_cookie(&self) -> Option<String> {
        let cookies = self.set_cookies();
        let mut ours = cookies.iter().filter(|cookie| cookie.starts_with(COOKIE));
        let cookie = *ours.next()?;
        assert_eq!(ours.next(), None, "two session cookies");
        let (kept, _) = with_max_age(cookie);
        let pair = kept.strip_suffix(ATTRIBUTES).unwrap_or_else(|| panic!("{cookie}"));
        let value = pair.strip_prefix(COOKIE).unwrap().strip_prefix('=').unwrap();
        let well_formed = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        assert!(value.len() == 56 && well_formed, "{cookie}");
        assert_eq!(self.header("cache-control").as_deref(), Some("no-store"), "a new cookie may be cached");
        Some(pair.to_owned())
    }

    /// The `Max-Age` of the new session cookie in seconds; `None`: until the browser is closed.
    ///
    /// # Panics
    /// If none is set.
    #[must_use]
    pub fn max_age(&self) -> Option<u64> {
        assert!(self.new_cookie().is_some(), "{self:?}");
        self.set_cookies().iter().filter(|cookie| cookie.starts_with(COOKIE)).find_map(|cookie| with_max_age(cookie).1)
    }

    /// Whether the session cookie is deleted, with the attributes with which it was set.
    #[must_use]
    pub fn deletes_cookie(&self) -> bool {
        let deletion = format!("{COOKIE}={ATTRIBUTES}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        self.set_cookies().contains(&deletion.as_str())
    }

    /// The results of the script.
    #[must_use]
    pub fn results(&self) -> Vec<Value> {
        self.assert_ok();
        serde_json::from_str(&self.body).unwrap()
    }

    /// # Panics
    /// Unless the status is 200.
    #[track_caller]
    pub fn assert_ok(&self) {
        assert_eq!(self.status, 200, "{}", self.body);
    }

    /// # Panics
    /// If a cookie is set.
    #[track_caller]
    pub fn assert_no_cookie(&self) {
        assert_eq!(self.set_cookies(), Vec::<&str>::new());
    }

    /// # Panics
    /// Unless this is the hook's answer to an error of `kind` in a loaded session, without a cookie.
    #[track_caller]
    pub fn assert_problem(&self, kind: ErrorKind) {
        self.assert_problem_without_layer(kind);
        assert_eq!(self.header("x-hook"), Some(format!("{kind:?}")));
        assert_eq!(self.header("vary").as_deref(), Some("Cookie"));
    }

    /// # Panics
    /// Unless this is the hook's answer to a form that was refused with `kind`.
    #[track_caller]
    pub fn assert_form_problem(&self, kind: ErrorKind) {
        self.assert_problem_without_layer(kind);
        assert_eq!(self.header("x-hook"), Some(format!("{kind:?}")));
    }

    /// # Panics
    /// Unless this is the default answer to an error of `kind`, without a cookie.
    #[track_caller]
    pub fn assert_problem_without_layer(&self, kind: ErrorKind) {
        let problem = |body: &str| {
            let mut problem: Value = serde_json::from_str(body).expect("a problem document");
            // A known reason makes the detail more specific than the kind.
            let detail = problem.as_object_mut().and_then(|problem| problem.remove("detail"));
            assert!(detail.is_some_and(|detail| detail.as_str().is_some_and(|detail| detail.ends_with('.'))), "{body}");
            problem
        };
        let expected = Reply::problem(&Failure::new(&kind.into(), "", ""));
        assert_eq!((self.status, problem(&self.body)), (kind.status(), problem(&expected.body)));
        assert_eq!(self.header("content-type").as_deref(), Some("application/problem+json"));
        assert_eq!(self.header("cache-control").as_deref(), Some("no-store"));
        assert_eq!(self.header("retry-after").as_deref(), (self.status == 503).then_some("7"));
        self.assert_no_cookie();
    }
}

/// A visitor who keeps the session cookie as a browser does.
#[derive(Debug)]
pub struct Browser<'a> {
    site: &'a Site,
    cookie: Mutex<Option<String>>,
}

impl Browser<'_> {
    /// The cookie as it is sent.
    #[must_use]
    pub fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap().clone()
    }

    /// The key of the session in the store.
    ///
    /// # Panics
    /// Without a cookie.
    #[must_use]
    pub fn key(&self) -> String {
        let cookie = self.cookie().unwrap();
        format!("shared_session:{}", &cookie[COOKIE.len() + 1..][..24])
    }

    /// A request with the cookie.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let request = self.site.request(method, path);
        match self.cookie() {
            Some(cookie) => request.cookie(&cookie),
            None => request,
        }
    }

    /// Sends a request with the cookie and keeps the cookie of the answer.
    pub async fn send(&self, method: &str, path: &str, steps: &[Step]) -> Answer {
        let answer = self.request(method, path).script(steps).send().await;
        if answer.deletes_cookie() {
            *self.cookie.lock().unwrap() = None;
        } else if let Some(new) = answer.new_cookie() {
            *self.cookie.lock().unwrap() = Some(new);
        }
        answer
    }

    /// Posts a script.
    pub async fn run(&self, steps: &[Step]) -> Answer {
        self.send("POST", "/script", steps).await
    }

    /// The value of an entry, by a separate request.
    pub async fn get(&self, name: &str) -> Value {
        let answer = self.send("GET", "/script", &[Step::Get(name.into())]).await;
        answer.assert_no_cookie();
        answer.results().remove(0)
    }
}

/// A cookie without its `Max-Age`, and the `Max-Age`.
fn with_max_age(cookie: &str) -> (&str, Option<u64>) {
    match cookie.rsplit_once("; Max-Age=").map(|(start, seconds)| (start, seconds.parse())) {
        Some((start, Ok(seconds))) => (start, Some(seconds)),
        _ => (cookie, None),
    }
}
