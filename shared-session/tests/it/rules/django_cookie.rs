//! The browser keeps the cookie of a Django session for as long as under Django.

use std::time::Duration;

use shared_session::{
    Ending, Expiry, Lifetime, Outcome, Profile, SecretKeys, Session,
    cookie::CookieConfig,
    django::{Codec, Django},
    store::StoreTime,
};

use super::{ABSOLUTE, Browser, Fleet, IDLE, user};

const DEFAULT: Option<&str> = Some("1000");

/// A service for each engine, whose `SESSION_COOKIE_AGE` is the idle time.
fn fleets(max_age: Option<Duration>) -> impl Iterator<Item = Fleet> {
    let keys = SecretKeys::django("key").unwrap();
    let engines = [
        Django::cache(),
        Django::redis().with_codec(Codec::json()),
        Django::db(keys.clone()),
        Django::cached_db(keys.clone()),
        Django::redis_sessions(keys),
    ];
    engines.into_iter().map(move |engine| {
        let fleet = Fleet::new();
        let cookie = CookieConfig::new("sid").with_max_age(max_age).build().unwrap();
        let manager = fleet.manager.clone().with_profile(Profile::django(engine)).with_cookie(cookie);
        Fleet { manager, ..fleet }
    })
}

/// `None`: no cookie is set. `Some("")`: a cookie that lasts until the browser is closed.
fn max_age(outcome: &Outcome) -> Option<&str> {
    let cookie = outcome.set_cookie()?;
    assert!(!cookie.contains("Expires"), "{cookie}");
    Some(cookie.rsplit_once("; Max-Age=").map_or("", |(_, seconds)| seconds))
}

fn start(session: &Session) {
    session.insert("a", &1).unwrap();
}

fn expire(seconds: u64) -> impl FnOnce(&Session) {
    set(Expiry::OnInactivity(Duration::from_secs(seconds)))
}

fn set(expiry: Expiry) -> impl FnOnce(&Session) {
    move |session| session.set_expiry(expiry).unwrap()
}

fn login(session: &Session) {
    session.login_as(user("1")).unwrap();
}

fn write(session: &Session) {
    session.update("n", |n: Option<u64>| Some(n.unwrap_or(0) + 1)).unwrap();
}

#[tokio::test]
async fn the_cookie_is_sent_with_every_write_because_every_write_extends_the_session() {
    for fleet in fleets(Some(IDLE)) {
        let mut browser = Browser::default();
        assert_eq!(max_age(&fleet.serve(&mut browser, login).await), DEFAULT);
        let cookie = browser.0.clone();
        fleet.memory.advance(IDLE / 2);
        assert_eq!(max_age(&fleet.serve(&mut browser, |_| {}).await), None, "reading extends nothing");
        assert_eq!(max_age(&fleet.serve(&mut browser, write).await), DEFAULT);
        assert_eq!(browser.0, cookie, "it is the same cookie");
        fleet.memory.advance(IDLE / 4 * 3);
        assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"), "and the session lives as long");
    }
}

#[tokio::test]
async fn an_expiry_in_seconds_is_that_of_the_cookie_through_every_rotation() {
    for fleet in fleets(Some(IDLE)) {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, start).await;
        assert_eq!(max_age(&fleet.serve(&mut browser, expire(77)).await), Some("77"));
        for edit in [login, |session: &Session| session.rotate().unwrap(), write, login] {
            fleet.memory.advance(Duration::from_secs(7));
            assert_eq!(max_age(&fleet.serve(&mut browser, edit).await), Some("77"));
        }
        assert_eq!(max_age(&fleet.serve(&mut browser, expire(7_776_000)).await), Some("7776000"), "also a long one");
        let reset = fleet.serve(&mut browser, set(Expiry::Configured)).await;
        assert_eq!(max_age(&reset), DEFAULT);
    }
}

#[tokio::test]
async fn an_expiry_of_zero_is_a_cookie_for_as_long_as_the_browser_runs() {
    for fleet in fleets(Some(IDLE)) {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, start).await;
        assert_eq!(max_age(&fleet.serve(&mut browser, set(Expiry::OnBrowserClose)).await), Some(""));
        for rotation in [login, |session: &Session| session.rotate().unwrap()] {
            assert_eq!(max_age(&fleet.serve(&mut browser, rotation).await), Some(""));
        }
        assert_eq!(max_age(&fleet.serve(&mut browser, write).await), None, "it cannot change");
        assert_eq!(max_age(&fleet.serve(&mut browser, expire(60)).await), Some("60"));
        let closing = fleet.serve(&mut browser, set(Expiry::OnBrowserClose)).await;
        assert_eq!(max_age(&closing), Some(""), "the browser needs a new cookie");
    }
}

#[tokio::test]
async fn an_expiry_at_a_time_ends_the_cookie_then() {
    for fleet in fleets(Some(IDLE)) {
        let mut browser = Browser::default();
        let end = StoreTime(1_700_000_100_000).into();
        fleet.serve(&mut browser, start).await;
        assert_eq!(max_age(&fleet.serve(&mut browser, set(Expiry::At(end))).await), Some("100"));
        fleet.memory.advance(Duration::from_secs(40));
        assert_eq!(max_age(&fleet.serve(&mut browser, login).await), Some("60"));
        assert_eq!(max_age(&fleet.serve(&mut browser, write).await), Some("60"), "a write does not postpone it");
    }
}

#[tokio::test]
async fn without_a_maximum_age_only_an_expiry_of_its_own_gives_the_cookie_one() {
    for fleet in fleets(None) {
        let mut browser = Browser::default();
        assert_eq!(max_age(&fleet.serve(&mut browser, login).await), Some(""));
        assert_eq!(max_age(&fleet.serve(&mut browser, write).await), None);
        assert_eq!(max_age(&fleet.serve(&mut browser, expire(77)).await), Some("77"));
        assert_eq!(max_age(&fleet.serve(&mut browser, write).await), Some("77"));
    }
}

#[tokio::test]
async fn another_user_who_signs_in_does_not_inherit_the_expiry() {
    for fleet in fleets(Some(IDLE)) {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, login).await;
        fleet.serve(&mut browser, set(Expiry::OnBrowserClose)).await;
        let other = fleet.serve(&mut browser, |session| session.login_as(user("2")).unwrap()).await;
        assert_eq!(max_age(&other), DEFAULT);
    }
}

#[tokio::test]
async fn with_every_request_saved_reading_extends_session_and_cookie_but_not_with_a_5xx() {
    for mut fleet in fleets(Some(IDLE)) {
        let lifetime = Lifetime::default().with_idle(IDLE).with_absolute(ABSOLUTE).with_touch_after(0.0);
        fleet.manager = fleet.manager.with_lifetime(lifetime);
        let mut browser = Browser::default();
        fleet.serve(&mut browser, login).await;
        for _ in 0..3 {
            fleet.memory.advance(IDLE / 4 * 3);
            assert_eq!(max_age(&fleet.serve(&mut browser, |_| {}).await), DEFAULT);
        }
        let (handle, _) = fleet.load(&browser).await;
        assert_eq!(max_age(&fleet.finish_with(&handle, Ending::Failed).await), None);
        fleet.serve(&mut browser, expire(60)).await;
        fleet.memory.advance(Duration::from_secs(50));
        assert_eq!(max_age(&fleet.serve(&mut browser, |_| {}).await), Some("60"));
        fleet.memory.advance(Duration::from_secs(50));
        assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
    }
}
