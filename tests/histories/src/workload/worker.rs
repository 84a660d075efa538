//! A client that uses a session, also after its end.

use reqwest::Method;

use super::{
    client::{Client, Request, preference},
    shared::Slot,
};
use crate::history::{Op, Phase, Value};

/// A session with this many entries gets no more.
const MOST_ENTRIES: u32 = 250;

pub(super) async fn work(mut client: Client, slot: Slot) {
    let (mut session, mut own) = (0, Vec::new());
    while !client.shared.is_over() {
        let current = slot.read().await;
        if current.cookies.is_empty() {
            drop(current);
            client.sleep(20, 40).await;
            continue;
        }
        if session != current.session {
            session = current.session;
            own.clear();
        }
        let newest = u32::try_from(current.cookies.len()).unwrap();
        let (session, number, cookie) = match (client.random.between(0, 100), &current.last) {
            (0..5, Some((session, number, cookie))) => (*session, *number, cookie.clone()),
            (5..12, _) => {
                let number = u32::try_from(client.random.between(1, u64::from(newest) + 1)).unwrap();
                (current.session, number, current.cookies[number as usize - 1].clone())
            }
            _ => (current.session, newest, current.cookies[newest as usize - 1].clone()),
        };
        let is_newest = session == current.session && number == newest;
        use_once(&mut client, session, number, &cookie, is_newest, &mut own).await;
        drop(current);
        client.sleep(2, 20).await;
    }
}

async fn use_once(client: &mut Client, session: u32, number: u32, cookie: &str, is_newest: bool, own: &mut Vec<u32>) {
    let cookie = Some(cookie);
    let (only_apis, op, request) = match client.random.between(0, 100) {
        0..30 if is_newest => {
            let entry = client.shared.next_entry(session);
            if entry > MOST_ENTRIES {
                return;
            }
            (true, Op::Add(entry), Request::put(entry, cookie))
        }
        30..36 if is_newest && !own.is_empty() => {
            let entry = own.swap_remove(usize::try_from(client.random.between(0, own.len() as u64)).unwrap());
            (true, Op::Remove(entry), Request::new(Method::DELETE, preference(entry), cookie))
        }
        0..50 => (true, Op::Increment, Request::new(Method::POST, "/api/visits", cookie)),
        50..62 => {
            let site = client.shared.fleet.services.iter().position(crate::service::Service::is_site).unwrap();
            let request = Request::new(Method::GET, "/", cookie);
            let _ = client.operate(site, session, number, Op::Increment, request).await;
            return;
        }
        62..80 => (true, Op::Read, Request::new(Method::GET, "/api/preferences", cookie)),
        80..90 => (true, Op::ReadCounter, Request::new(Method::GET, "/api/session", cookie)),
        _ => {
            let at = client.choose(false);
            let path = if client.service(at).is_site() { "/profile" } else { "/api/me" };
            let _ = client.operate(at, session, number, Op::Who, Request::new(Method::GET, path, cookie)).await;
            return;
        }
    };
    let at = client.choose(only_apis);
    let (phase, _) = client.operate(at, session, number, op.clone(), request).await;
    if let (Op::Add(entry), Phase::Ok(Value::Done)) = (op, phase) {
        own.push(entry);
    }
}
