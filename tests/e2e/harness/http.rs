//! Requests, and answers with checks of rules that always hold:
//!
//! - an answer that sets a cookie is not stored by caches, and cookies have a path
//! - an answer with 409 or 5xx sets no session cookie
//! - an error of `api` is a problem document (RFC 9457), and 503 has a `Retry-After`
//! - the body of an error contains no key and no address
//! - an answer of `api` is in its OpenAPI document

use reqwest::{
    Client, Method,
    header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE as COOKIE_HEADER, HeaderMap, HeaderName, HeaderValue, SET_COOKIE},
};
use serde_json::Value;

use super::{Kind, documented::assert_documented};

/// The name of the session cookie.
pub const COOKIE: &str = "shared_session_id";

/// A request to be sent. Unsafe requests have the headers that a browser adds for a page of the same service.
#[derive(Clone, Debug)]
#[must_use]
pub struct Request {
    client: Client,
    kind: Kind,
    method: Method,
    path: String,
    url: String,
    headers: HeaderMap,
    body: Body,
    /// Sent to the operators' address, which the OpenAPI document does not describe.
    for_operators: bool,
}

#[derive(Clone, Debug)]
enum Body {
    Nothing,
    Form(Vec<(String, String)>),
    Text(String),
}

impl Request {
    pub fn new(client: Client, kind: Kind, method: &str, base: &str, path: &str) -> Self {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        if !method.is_safe() {
            headers.insert("origin", HeaderValue::from_static(kind.origin()));
            headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
        }
        let (path, url) = (path.to_owned(), format!("{base}{path}"));
        Self { client, kind, method, path, url, headers, body: Body::Nothing, for_operators: false }
    }

    /// Sets a header in place of the browser's.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.insert(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// As sent by a program that is not a browser.
    pub fn not_a_browser(self) -> Self {
        self.without("origin").without("sec-fetch-site")
    }

    /// As a browser sends it for a page of another `origin`.
    pub fn on_page_of(self, origin: &str, site: &str) -> Self {
        self.header("origin", origin).header("sec-fetch-site", site)
    }

    /// Adds one `Cookie` header.
    pub fn cookies(mut self, value: &str) -> Self {
        if !value.is_empty() {
            self.headers.append(COOKIE_HEADER, HeaderValue::from_str(value).unwrap());
        }
        self
    }

    /// Adds a session cookie of this value.
    pub fn session(self, value: &str) -> Self {
        self.cookies(&format!("{COOKIE}={value}"))
    }

    pub fn json(self, value: &Value) -> Self {
        self.text("application/json", &value.to_string())
    }

    pub fn text(mut self, content_type: &str, body: &str) -> Self {
        self.body = Body::Text(body.to_owned());
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        self.body = Body::Form(fields.iter().map(owned).collect());
        self
    }

    /// Replaces one part of the path.
    pub fn renamed(mut self, from: &str, to: &str) -> Self {
        self.url = self.url.replace(from, to);
        self.path = self.path.replace(from, to);
        self
    }

    /// Sends the request to the operators' address `own` instead of `main`.
    pub fn for_operators(self, main: &str, own: &str) -> Self {
        Self { for_operators: true, ..self.renamed(main, own) }
    }

    pub async fn send(self) -> Answer {
        let shown = format!("{} {} {}", self.kind.name(), self.method, self.path);
        let base = self.url.strip_suffix(&*self.path).unwrap_or_default().to_owned();
        let method = self.method.to_string();
        let builder = self.client.request(self.method, self.url).headers(self.headers);
        let builder = match self.body {
            Body::Nothing => builder,
            Body::Form(fields) => builder.form(&fields),
            Body::Text(text) => builder.body(text),
        };
        let response = builder.send().await.unwrap_or_else(|error| panic!("{shown}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await.unwrap_or_else(|error| panic!("{shown}: {error:?}"));
        let answer = Answer { shown, status, headers, body };
        answer.keeps_the_rules(self.kind, &self.path);
        if self.kind == Kind::Api && !self.for_operators {
            assert_documented(&self.client, &base, &method, &self.path, status).await;
        }
        answer
    }
}

#[derive(Clone, Debug)]
#[must_use]
pub struct Answer {
    /// The request in short.
    pub shown: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// All values of a header, joined by commas; empty if there is none.
    pub fn header(&self, name: &str) -> String {
        let values: Vec<_> = self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
        values.join(", ")
    }

    /// Whether a list header has this member, ignoring case.
    pub fn header_has(&self, name: &str, member: &str) -> bool {
        self.header(name).split(',').any(|each| each.trim().eq_ignore_ascii_case(member))
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// The last `Set-Cookie` of the session cookie, including deletions: those before it may expire the cookie in other
    /// scopes.
    pub fn session_set_cookie(&self) -> Option<&str> {
        let cookies = self.set_cookies();
        let is_ours = |cookie: &&&str| cookie.strip_prefix(COOKIE).is_some_and(|rest| rest.starts_with('='));
        let set = cookies.iter().filter(is_ours).filter(|cookie| !cookie.contains("; Max-Age=0")).count();
        assert!(set <= 1, "{}: two session cookies", self.shown);
        cookies.iter().rfind(is_ours).copied()
    }

    /// The value of a new session cookie.
    pub fn new_session(&self) -> Option<String> {
        let pair = self.session_set_cookie()?.split(';').next()?;
        Some(pair.split_once('=')?.1.to_owned()).filter(|value| !value.is_empty())
    }

    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}: {} {:?}\n{}", self.shown, self.status, self.headers, self.body);
        self
    }

    #[track_caller]
    pub fn assert_no_session_cookie(&self) -> &Self {
        assert_eq!(self.session_set_cookie(), None, "{}: {}", self.shown, self.status);
        self
    }

    /// # Panics
    /// Unless this redirects the browser to a path, which is returned.
    #[track_caller]
    pub fn redirect(&self) -> String {
        self.assert_status(303);
        self.header("location")
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {}", self.shown, self.body))
    }

    fn keeps_the_rules(&self, kind: Kind, path: &str) {
        let shown = format!("{}: {} {:?}\n{}", self.shown, self.status, self.headers, self.body);
        let cookies = self.set_cookies();
        assert!(cookies.is_empty() || self.header(CACHE_CONTROL.as_str()).contains("no-store"), "no no-store: {shown}");
        for cookie in cookies {
            let has = |wanted: &str| cookie.split(';').skip(1).any(|part| part.trim().eq_ignore_ascii_case(wanted));
            // Scripts of a Django fleet read this cookie.
            let hidden = has("HttpOnly") != cookie.starts_with("csrftoken=");
            assert!(cookie.contains("; Path=/") && hidden && has("SameSite=Lax"), "{cookie}");
        }
        if self.status == 409 || self.status >= 500 {
            assert_eq!(self.session_set_cookie(), None, "{shown}");
        }
        if self.status < 400 || path == "/readyz" {
            return;
        }
        assert!(!self.body.contains("shared_session:"), "contains a key: {shown}");
        if self.status == 503 {
            assert!(self.header("retry-after").parse::<u32>().is_ok(), "no Retry-After: {shown}");
        }
        if kind == Kind::Api && self.shown.split(' ').nth(1) != Some("HEAD") {
            assert!(!self.body.contains("127.0.0.1"), "contains an address: {shown}");
            assert_eq!(self.header("content-type"), "application/problem+json", "{shown}");
            let problem = self.json();
            assert_eq!(problem["status"], self.status, "{shown}");
            assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{shown}");
        }
    }
}
