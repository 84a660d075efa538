//! A visitor with a browser.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::{Answer, COOKIE, Pair, Request, Service, html};

/// A browser: it keeps the cookies of one host, for all ports (RFC 6265, section 8.5). Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    jar: Arc<Mutex<BTreeMap<String, String>>>,
    name: &'static str,
}

impl Browser {
    pub fn new() -> Self {
        Self::default()
    }

    /// A browser that sends this `User-Agent`.
    pub fn named(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// The value of the session cookie.
    pub fn session(&self) -> Option<String> {
        self.jar.lock().unwrap().get(COOKIE).cloned()
    }

    /// The `Cookie` header that it would send.
    pub fn cookies(&self) -> String {
        let jar = self.jar.lock().unwrap();
        jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// The request as this browser sends it.
    pub fn prepare(&self, request: Request) -> Request {
        let request = request.cookies(&self.cookies());
        if self.name.is_empty() { request } else { request.header("user-agent", self.name) }
    }

    /// Keeps the cookies of an answer.
    pub fn keep(&self, answer: &Answer) {
        let mut jar = self.jar.lock().unwrap();
        for cookie in answer.set_cookies() {
            let mut parts = cookie.split(';').map(str::trim);
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            if parts.any(|part| part.eq_ignore_ascii_case("Max-Age=0")) {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Sends a request and keeps the cookies of the answer. Redirects are not followed.
    pub async fn send(&self, request: Request) -> Answer {
        let answer = self.prepare(request).send().await;
        self.keep(&answer);
        answer
    }

    pub async fn get(&self, service: &Service, path: &str) -> Answer {
        self.send(service.get(path)).await
    }

    /// Fills in the form of `page` that posts to `action`, and sends it.
    pub async fn submit(&self, site: &Service, page: &Answer, action: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = html::form(&page.body, action);
        all.retain(|(name, _)| !fields.iter().any(|(field, _)| field == name));
        let hidden = all.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let filled: Vec<_> = hidden.chain(fields.iter().copied()).collect();
        self.send(site.post(action).form(&filled)).await
    }

    /// Opens a page of `site` and sends its form that posts to `action`.
    pub async fn open_and_submit(&self, site: &Service, path: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(site, path).await;
        page.assert_status(200);
        self.submit(site, &page, action, fields).await
    }

    pub async fn sign_in_at_site(&self, pair: &Pair, name: &str, password: &str) -> Answer {
        self.open_and_submit(&pair.site, "/login", "/login", &[("username", name), ("password", password)]).await
    }

    pub async fn sign_in_at_api(&self, pair: &Pair, name: &str, password: &str) -> Answer {
        self.send(login_at_api(&pair.api, name, password)).await
    }

    /// Signs in at `api` and expects success.
    #[track_caller]
    pub fn signs_in(&self, pair: &Pair, name: &str) -> impl Future<Output = ()> {
        let request = login_at_api(&pair.api, name, &Pair::password_of(name));
        async {
            self.send(request).await.assert_status(200);
        }
    }

    pub async fn sign_out_at_site(&self, pair: &Pair) -> Answer {
        self.open_and_submit(&pair.site, "/", "/logout", &[]).await
    }

    pub async fn sign_out_at_api(&self, pair: &Pair) -> Answer {
        self.send(pair.api.post("/api/logout")).await
    }

    /// The user, as reported by both services.
    ///
    /// # Panics
    /// If they disagree.
    pub async fn who(&self, pair: &Pair) -> Option<String> {
        let at_api = user_at_api(&self.get(&pair.api, "/api/me").await);
        let at_site = user_at_site(&self.get(&pair.site, "/profile").await);
        assert_eq!(at_api, at_site, "the services disagree");
        at_api
    }

    /// The public handle of the session.
    pub async fn handle(&self, pair: &Pair) -> String {
        let answer = self.get(&pair.api, "/api/session").await;
        answer.assert_status(200);
        answer.json()["handle"].as_str().expect("a session").to_owned()
    }

    pub async fn set_preference(&self, pair: &Pair, name: &str, value: &Value) {
        self.send(pair.api.put(&format!("/api/preferences/{name}")).json(value)).await.assert_status(204);
    }

    pub async fn preferences(&self, pair: &Pair) -> Value {
        let answer = self.get(&pair.api, "/api/preferences").await;
        answer.assert_status(200);
        answer.json()
    }
}

/// The user of a session cookie, as reported by both services.
///
/// # Panics
/// If the services disagree, or an answer sets a cookie.
pub async fn owner_of(pair: &Pair, session: &str) -> Option<String> {
    let at_api = pair.api.get("/api/me").session(session).send().await;
    let at_site = pair.site.get("/profile").session(session).send().await;
    at_api.assert_no_session_cookie();
    at_site.assert_no_session_cookie();
    let owner = user_at_api(&at_api);
    assert_eq!(owner, user_at_site(&at_site), "the services disagree");
    owner
}

pub fn login_at_api(api: &Service, name: &str, password: &str) -> Request {
    api.post("/api/login").json(&json!({ "username": name, "password": password }))
}

#[track_caller]
fn user_at_api(me: &Answer) -> Option<String> {
    match me.status {
        401 => None,
        _ => {
            me.assert_status(200);
            Some(me.json()["username"].as_str().unwrap().to_owned())
        }
    }
}

#[track_caller]
fn user_at_site(profile: &Answer) -> Option<String> {
    match profile.status {
        303 => {
            assert_eq!(profile.redirect(), "/login?next=/profile");
            None
        }
        _ => {
            profile.assert_status(200);
            Some(html::between(&profile.body, "<h1>", "</h1>").unwrap().to_owned())
        }
    }
}
