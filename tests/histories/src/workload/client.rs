//! One client, which makes one request at a time and records the answer.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use reqwest::{Method, header::SET_COOKIE, redirect::Policy};
use serde_json::{Value as Json, json};

use super::shared::{MARK, Shared};
use crate::{
    fleet::password,
    history::{Call, Ending, Op, Phase, Process, Value},
    random::Random,
    service::Service,
};

const COOKIE: &str = "shared_session_id";
/// The first characters of a cookie, which are the session's handle.
const HANDLE: usize = 24;
const TIMEOUT: Duration = Duration::from_secs(3);

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) shared: Arc<Shared>,
    pub(super) random: Random,
    process: Process,
    http: reqwest::Client,
}

/// The answer.
pub(super) struct Answer {
    status: u16,
    /// The session cookie that it sets.
    pub(super) cookie: Option<String>,
    pub(super) body: String,
}

/// The parameters of a request.
#[derive(Clone)]
pub(super) struct Request<'a> {
    method: Method,
    path: String,
    cookie: Option<&'a str>,
    json: Option<Json>,
    form: Option<[(&'static str, String); 1]>,
}

impl<'a> Request<'a> {
    pub(super) fn new(method: Method, path: impl Into<String>, cookie: Option<&'a str>) -> Self {
        Self { method, path: path.into(), cookie, json: None, form: None }
    }

    pub(super) fn login(user: &str, cookie: Option<&'a str>) -> Self {
        let json = Some(json!({ "username": user, "password": password(user) }));
        Self { json, ..Self::new(Method::POST, "/api/login", cookie) }
    }

    pub(super) fn put(entry: u32, cookie: Option<&'a str>) -> Self {
        Self { json: Some(json!(entry)), ..Self::new(Method::PUT, preference(entry), cookie) }
    }

    pub(super) fn form(mut self, token: String) -> Self {
        self.form = Some([("csrfmiddlewaretoken", token)]);
        self
    }
}

pub(super) fn preference(entry: u32) -> String {
    format!("/api/preferences/e{entry}")
}

/// The public handle in a cookie.
pub(super) fn handle_of(cookie: &str) -> &str {
    cookie.get(..HANDLE).unwrap_or_default()
}

impl Client {
    pub(super) fn new(shared: Arc<Shared>, process: Process, random: Random) -> Self {
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            // Shorter than the servers' keep-alive, so that requests do not use a connection that is closing.
            .pool_idle_timeout(Duration::from_secs(1))
            .build()
            .unwrap();
        Self { shared, random, process, http }
    }

    /// A random service, or a random `api`.
    pub(super) fn choose(&mut self, only_apis: bool) -> usize {
        let services = self.shared.fleet.services.iter().enumerate();
        let fit: Vec<_> = services.filter(|(_, service)| !(only_apis && service.is_site())).map(|(at, _)| at).collect();
        *self.random.pick(&fit)
    }

    pub(super) fn service(&self, at: usize) -> &Service {
        &self.shared.fleet.services[at]
    }

    /// Performs an operation, and records when it began and how it ended.
    pub(super) async fn operate(
        &self,
        at: usize,
        session: u32,
        cookie: u32,
        op: Op,
        request: Request<'_>,
    ) -> (Phase, Option<Answer>) {
        let had = request.cookie.map(|cookie| handle_of(cookie).to_owned());
        let call = Call { service: self.service(at).name().to_owned(), session, cookie, op };
        self.shared.recorder.note(self.process, Phase::Invoke, call.clone());
        let answer = self.send(at, request).await;
        let phase = answer.as_ref().map_or(Phase::Info, |answer| meaning(&call.op, had.as_deref(), answer));
        self.shared.recorder.note(self.process, phase.clone(), call);
        (phase, answer)
    }

    /// Sends a request that is not part of the history. `None`: no answer.
    pub(super) async fn send(&self, at: usize, request: Request<'_>) -> Option<Answer> {
        let mut builder = self.http.request(request.method, self.service(at).url(&request.path));
        if let Some(cookie) = request.cookie {
            builder = builder.header("cookie", format!("{COOKIE}={cookie}"));
        }
        if let Some(json) = &request.json {
            builder = builder.json(json);
        }
        if let Some(form) = &request.form {
            builder = builder.form(form);
        }
        let response = builder.send().await.ok()?;
        let status = response.status().as_u16();
        let cookies = response.headers().get_all(SET_COOKIE).iter();
        let cookie = cookies
            .filter_map(|value| value.to_str().ok()?.split(';').next()?.strip_prefix(COOKIE)?.strip_prefix('='))
            .find(|value| !value.is_empty())
            .map(str::to_owned);
        Some(Answer { status, cookie, body: response.text().await.ok()? })
    }

    pub(super) async fn sleep(&mut self, from: u64, to: u64) {
        let millis = self.random.between(from, to);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The outcome of an operation, from the answer to a request with a cookie of this handle.
fn meaning(op: &Op, handle: Option<&str>, answer: &Answer) -> Phase {
    let json = || serde_json::from_str::<Json>(&answer.body).unwrap_or_default();
    let moved = answer.cookie.as_deref().map(handle_of).is_some_and(|new| handle.is_some_and(|had| had != new));
    let or_anonymous = |is: bool, value: Value| Phase::Ok(if is { value } else { Value::Anonymous });
    match (op, answer.status) {
        // An unreadable record, or a handler that panicked.
        (_, 500) => Phase::Ok(Value::Unexpected(500)),
        (_, 501..) => Phase::Info,
        // The user row may already have the new epoch.
        (Op::End(Ending::Everywhere), 409) => Phase::Info,
        (_, 409) | (Op::End(_), 401 | 404) => Phase::Fail,
        (Op::Begin, 200 | 204) if answer.cookie.is_some() => Phase::Ok(Value::Done),
        (Op::Rotate, 200) if answer.cookie.is_some() => or_anonymous(!moved, Value::Done),
        (Op::Mark | Op::Add(_), 204) => or_anonymous(answer.cookie.is_none(), Value::Done),
        (Op::Remove(_) | Op::End(_), 204) | (Op::End(_), 303) => Phase::Ok(Value::Done),
        (Op::Who, 200) => Phase::Ok(Value::Done),
        (Op::Who, 303 | 401) => Phase::Ok(Value::Anonymous),
        (Op::Increment, 200) => match number_in(&answer.body) {
            Some(number) if answer.cookie.is_none() => Phase::Ok(Value::Number(number)),
            _ => Phase::Ok(Value::Anonymous),
        },
        (Op::ReadCounter, 200) => {
            let state = json();
            let visits = state["visits"].as_i64().unwrap_or(-1);
            or_anonymous(!state["handle"].is_null(), Value::Number(visits))
        }
        (Op::Read, 200) => {
            let entries = entries_in(&answer.body);
            or_anonymous(entries.contains(&MARK), Value::Entries(entries.into_iter().filter(|e| *e != MARK).collect()))
        }
        (_, status) => Phase::Ok(Value::Unexpected(status)),
    }
}

/// The visits in an answer of `api` or on a page of `site`; `None` if the page shows none.
fn number_in(body: &str) -> Option<i64> {
    match body.split_once(r#"id="visits">"#) {
        Some((_, rest)) => rest.split('<').next()?.parse().ok(),
        None => serde_json::from_str::<Json>(body).ok()?["visits"].as_i64(),
    }
}

fn entries_in(body: &str) -> Vec<u32> {
    let preferences: BTreeMap<String, Json> = serde_json::from_str(body).unwrap_or_default();
    let mut entries: Vec<u32> = preferences
        .iter()
        .filter_map(|(name, value)| {
            let entry = name.strip_prefix('e')?.parse().ok()?;
            // An entry with the value of another one does not count.
            (value.as_u64() == Some(u64::from(entry))).then_some(entry)
        })
        .collect();
    entries.sort_unstable();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, cookie: Option<&str>, body: &str) -> Answer {
        Answer { status, cookie: cookie.map(str::to_owned), body: body.to_owned() }
    }

    #[test]
    fn answers_are_interpreted_by_status_and_handle() {
        let (handle, other) = ("a".repeat(HANDLE), "b".repeat(HANDLE));
        let says = |op: Op, answer: Answer| meaning(&op, Some(&handle), &answer);
        let anonymous = || Phase::Ok(Value::Anonymous);
        assert_eq!(says(Op::Add(1), answer(204, None, "")), Phase::Ok(Value::Done));
        assert_eq!(says(Op::Add(1), answer(204, Some(&other), "")), anonymous());
        assert_eq!(says(Op::Add(1), answer(409, None, "")), Phase::Fail);
        assert_eq!(says(Op::Add(1), answer(503, None, "")), Phase::Info);
        assert_eq!(says(Op::Add(1), answer(500, None, "")), Phase::Ok(Value::Unexpected(500)));
        assert_eq!(says(Op::Rotate, answer(200, Some(&format!("{handle}new")), "")), Phase::Ok(Value::Done));
        assert_eq!(says(Op::Rotate, answer(200, Some(&other), "")), anonymous());
        assert_eq!(says(Op::Increment, answer(200, None, r#"{"visits":3}"#)), Phase::Ok(Value::Number(3)));
        assert_eq!(says(Op::Increment, answer(200, Some(&other), r#"{"visits":1}"#)), anonymous());
        let page = |visits: &str| answer(200, None, &format!(r#"<p class="number" id="visits">{visits}</p>"#));
        assert_eq!(says(Op::Increment, page("12")), Phase::Ok(Value::Number(12)));
        assert_eq!(says(Op::Increment, page("–")), anonymous());
        let entries = answer(200, None, r#"{"e0":0,"e7":7,"e8":9,"theme":"dark"}"#);
        assert_eq!(says(Op::Read, entries), Phase::Ok(Value::Entries(vec![7])));
        assert_eq!(says(Op::Read, answer(200, None, "{}")), anonymous());
        let state = |handle: &str| answer(200, None, &format!(r#"{{"handle":{handle},"visits":2}}"#));
        assert_eq!(says(Op::ReadCounter, state(r#""h""#)), Phase::Ok(Value::Number(2)));
        assert_eq!(says(Op::ReadCounter, state("null")), anonymous());
        assert_eq!(says(Op::Who, answer(401, None, "")), anonymous());
        assert_eq!(says(Op::End(Ending::Revoke), answer(404, None, "")), Phase::Fail);
        assert_eq!(says(Op::End(Ending::Everywhere), answer(409, None, "")), Phase::Info);
    }
}
