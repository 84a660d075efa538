//! The client that begins and ends sessions, one after the other.

use std::time::Duration;

use reqwest::Method;
use tokio::time::{Instant, sleep};

use super::{
    client::{Client, Request, handle_of},
    shared::{Current, MARK, Slot},
};
use crate::history::{Ending, Op, Phase, Value};

/// A session of a user, with the number of its newest cookie.
struct Session {
    number: u32,
    cookies: Vec<String>,
    /// A rotation may have happened, so the newest known cookie may be invalid.
    unsure: bool,
}

impl Session {
    fn newest(&self) -> u32 {
        u32::try_from(self.cookies.len()).unwrap()
    }

    fn cookie(&self) -> Option<&str> {
        self.cookies.last().map(String::as_str)
    }
}

/// Returns the sessions and their handles.
pub(super) async fn own(mut client: Client, keeper: Client, slot: Slot, user: String) -> Vec<(u32, String)> {
    let mut keeper = Keeper { client: keeper, user: user.clone(), cookie: None };
    let mut handles = Vec::new();
    while !client.shared.is_over() {
        let Some(mut session) = begin(&mut client, &user).await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        handles.push((session.number, session.cookie().map(handle_of).unwrap_or_default().to_owned()));
        publish(&slot, &session).await;
        let rotations = client.random.between(0, 3);
        for rotation in 0..=rotations {
            live(&mut client).await;
            if rotation < rotations && !session.unsure {
                rotate(&mut client, &mut session, &user).await;
                publish(&slot, &session).await;
            }
        }
        if !session.unsure {
            let alone = slot.write().await;
            look(&mut client, &session).await;
            drop(alone);
        }
        end(&mut client, &mut keeper, &session).await;
        // The workers keep using the ended session.
        client.sleep(300, 700).await;
    }
    // The lock is held, so no operation starts: the workers stop.
    handles
}

async fn live(client: &mut Client) {
    let until = Instant::now() + Duration::from_millis(client.random.between(800, 3000));
    while Instant::now() < until && !client.shared.is_over() {
        sleep(Duration::from_millis(20)).await;
    }
}

async fn publish(slot: &Slot, session: &Session) {
    let mut current = slot.write().await;
    let last = match current.cookies.last() {
        Some(cookie) if current.session != session.number => {
            Some((current.session, u32::try_from(current.cookies.len()).unwrap(), cookie.clone()))
        }
        _ => current.last.take(),
    };
    *current = Current { session: session.number, cookies: session.cookies.clone(), last };
}

/// Signs in, in half of the cases from an anonymous session. Every session has the mark.
async fn begin(client: &mut Client, user: &str) -> Option<Session> {
    let number = client.shared.sessions.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let as_visitor = client.random.chance(50);
    let request = if as_visitor { Request::put(MARK, None) } else { Request::login(user, None) };
    let at = client.choose(true);
    let (phase, answer) = client.operate(at, number, 1, Op::Begin, request).await;
    let cookie = answer?.cookie.filter(|_| phase == Phase::Ok(Value::Done))?;
    let mut session = Session { number, cookies: vec![cookie], unsure: false };
    if as_visitor {
        rotate(client, &mut session, user).await;
        return (session.newest() == 2).then_some(session);
    }
    insist(client, &session, Op::Mark, Request::put(MARK, session.cookie())).await.then_some(session)
}

async fn rotate(client: &mut Client, session: &mut Session, user: &str) {
    let at = client.choose(true);
    let request = Request::login(user, session.cookie());
    let (phase, answer) = client.operate(at, session.number, session.newest(), Op::Rotate, request).await;
    match (phase, answer.and_then(|answer| answer.cookie)) {
        (Phase::Ok(Value::Done), Some(cookie)) => session.cookies.push(cookie),
        _ => session.unsure = true,
    }
}

/// The last read of a session that no other client uses now.
async fn look(client: &mut Client, session: &Session) {
    for (op, path) in [(Op::Read, "/api/preferences"), (Op::ReadCounter, "/api/session")] {
        insist(client, session, op, Request::new(Method::GET, path, session.cookie())).await;
    }
}

/// Retries until the session has certainly ended.
async fn end(client: &mut Client, keeper: &mut Keeper, session: &Session) {
    let (number, newest) = (session.number, session.newest());
    let how = client.random.between(0, 4);
    if how < 2 && !session.unsure {
        let handle = session.cookie().map(handle_of).unwrap_or_default();
        let ending = if how == 0 { Ending::Revoke } else { Ending::Everywhere };
        if keeper.end(number, newest, handle, ending).await == Phase::Ok(Value::Done) {
            return;
        }
    }
    if how == 2
        && let Some((site, token)) = form_token(client, session).await
    {
        let request = Request::new(Method::POST, "/logout", session.cookie()).form(token);
        let op = Op::End(Ending::SignOut);
        if client.operate(site, number, newest, op, request).await.0 == Phase::Ok(Value::Done) {
            return;
        }
    }
    let request = Request::new(Method::POST, "/api/logout", session.cookie());
    insist(client, session, Op::End(Ending::SignOut), request).await;
}

/// The token of the sign-out button at `site`.
async fn form_token(client: &mut Client, session: &Session) -> Option<(usize, String)> {
    let site = client.shared.fleet.services.iter().position(crate::service::Service::is_site)?;
    let answer = client.send(site, Request::new(Method::GET, "/profile", session.cookie())).await?;
    let (_, form) = answer.body.split_once(r#"action="/logout""#)?;
    let (_, value) = form.split_once(r#"name="csrfmiddlewaretoken" value=""#)?;
    Some((site, value.split('"').next()?.to_owned()))
}

/// Asks each `api` in turn until the operation is done or certainly impossible; returns whether it was done.
async fn insist(client: &mut Client, session: &Session, op: Op, request: Request<'_>) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        let at = client.choose(true);
        match client.operate(at, session.number, session.newest(), op.clone(), request.clone()).await.0 {
            Phase::Ok(Value::Anonymous | Value::Unexpected(_)) | Phase::Fail => return false,
            Phase::Ok(_) => return true,
            Phase::Invoke | Phase::Info => client.sleep(20, 100).await,
        }
    }
    false
}

/// Another device of the same user, which ends sessions remotely.
struct Keeper {
    client: Client,
    user: String,
    cookie: Option<String>,
}

impl Keeper {
    async fn end(&mut self, number: u32, newest: u32, handle: &str, ending: Ending) -> Phase {
        let at = self.client.choose(true);
        if self.cookie.is_none() {
            let answer = self.client.send(at, Request::login(&self.user, None)).await;
            self.cookie = answer.filter(super::client::Answer::is_success).and_then(|answer| answer.cookie);
        }
        let Some(cookie) = self.cookie.clone() else { return Phase::Fail };
        let path = match ending {
            Ending::Everywhere => "/api/sessions".to_owned(),
            Ending::Revoke | Ending::SignOut => format!("/api/sessions/{handle}"),
        };
        let request = Request::new(Method::DELETE, path, Some(&cookie));
        let (phase, answer) = self.client.operate(at, number, newest, Op::End(ending), request).await;
        match (&phase, answer.and_then(|answer| answer.cookie)) {
            (_, Some(replaced)) => self.cookie = Some(replaced),
            (Phase::Ok(_), None) => {}
            // The cookie may still be valid, which does no harm.
            _ => self.cookie = None,
        }
        phase
    }
}
