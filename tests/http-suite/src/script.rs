use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared_session::{Error, ErrorKind, Expiry, LoginOptions, Session};

use crate::World;

/// One action of the handler of `/script`. Each has one result, `null` unless stated.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Reads an entry: its value.
    Get(String),
    /// Reads the names of all entries: an array.
    Names,
    /// Sets an entry.
    Insert(String, Value),
    /// Sets an entry to a text of this many bytes.
    Fill(String, usize),
    /// Adds to a number: the sum.
    Add(String, i64),
    /// Removes an entry.
    Remove(String),
    /// Takes an entry: its value.
    Take(String),
    /// Replaces the cookie's secret.
    CycleId,
    /// Signs a user in by name.
    Login(String),
    /// Signs a user in by name, remembered (`true`) or until the browser is closed.
    Remember(String, bool),
    /// Makes the session end after this many seconds without use.
    ExpireAfter(u64),
    /// Makes the answer return a bearer token instead of a cookie.
    AnswerWithBearer,
    /// Ends the session.
    Logout,
    /// Commits.
    Commit,
    /// Waits at a gate of the world.
    Wait(String),
    /// Panics.
    Panic,
    /// Answers with another status than 200.
    Status(u16),
    /// Adds a header to the answer.
    Header(String, String),
}

/// The form of `/form`.
#[derive(Clone, Debug, Deserialize)]
pub struct Comment {
    /// Its only field.
    pub text: String,
}

/// The answer of the handler of `/script`.
#[derive(Clone, Debug)]
pub struct Output {
    /// The status code.
    pub status: u16,
    /// Headers to add.
    pub headers: Vec<(String, String)>,
    /// The body: a JSON array with the result of each step.
    pub body: String,
}

impl World {
    /// Performs the steps of an `x-script` header, an array of [`Step`]s as JSON.
    ///
    /// # Errors
    /// Those of the session.
    ///
    /// # Panics
    /// If a step says so, and if `script` is invalid.
    pub async fn run(&self, session: &Session, script: Option<&[u8]>) -> Result<Output, Error> {
        let script: Vec<Step> = script.map_or_else(Vec::new, |script| serde_json::from_slice(script).unwrap());
        let (mut status, mut headers, mut results) = (200, Vec::new(), Vec::new());
        for step in script {
            results.push(match step {
                Step::Get(name) => json!(session.get::<Value>(&name)?),
                Step::Names => json!(session.names()?),
                Step::Insert(name, value) => json!(session.insert(&name, &value)?),
                Step::Fill(name, bytes) => json!(session.insert(&name, &"x".repeat(bytes))?),
                Step::Add(name, n) => json!(session.update(&name, move |old: Option<i64>| Some(old.unwrap_or(0) + n))?),
                Step::Remove(name) => json!(session.remove(&name)?),
                Step::Take(name) => json!(session.take::<Value>(&name)?),
                Step::CycleId => json!(session.rotate()?),
                Step::Login(name) => {
                    let user = self.users().named(&name).ok_or(ErrorKind::Unauthenticated)?;
                    json!(session.login(&user)?)
                }
                Step::Remember(name, remember) => {
                    let user = self.users().named(&name).ok_or(ErrorKind::Unauthenticated)?;
                    json!(session.login_with(&user, LoginOptions::new().with_remember_me(remember))?)
                }
                Step::ExpireAfter(seconds) => {
                    json!(session.set_expiry(Expiry::OnInactivity(Duration::from_secs(seconds)))?)
                }
                Step::AnswerWithBearer => json!(session.answer_with_bearer()?),
                Step::Logout => json!(session.logout()?),
                Step::Commit => json!(session.commit().await?),
                Step::Wait(gate) => {
                    self.gate(&gate).pass().await;
                    Value::Null
                }
                Step::Panic => panic!("a panic that a test ordered"),
                Step::Status(code) => {
                    status = code;
                    Value::Null
                }
                Step::Header(name, value) => {
                    headers.push((name, value));
                    Value::Null
                }
            });
        }
        Ok(Output { status, headers, body: Value::from(results).to_string() })
    }
}
