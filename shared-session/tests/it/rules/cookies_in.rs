//! The effects of a cookie. `cookie` tests the byte-exact reading of the header.

use std::time::Duration;

use shared_session::{
    ErrorKind, Lifetime, Outcome, Session,
    cookie::{CookieConfig, RequestUrl},
    store::SessionStore,
    testing::Fault,
};

use super::{ABSOLUTE, Browser, Fleet, IDLE, kind, user};

const URL: RequestUrl<'static> = RequestUrl::new(Some("app.example.com"), "/account/login");

/// Two visitors, signed in as 1 and 2, and the header of a browser with both cookies.
async fn twins(fleet: &Fleet) -> (Browser, Browser, Browser) {
    let (mut one, mut other) = (Browser::default(), Browser::default());
    fleet.serve(&mut one, |session| session.login_as(user("1")).unwrap()).await;
    fleet.serve(&mut other, |session| session.login_as(user("2")).unwrap()).await;
    let both = Browser(Some(format!("{}; {}", one.0.as_ref().unwrap(), other.0.as_ref().unwrap())));
    (one, other, both)
}

fn expires_the_others(outcome: &Outcome) {
    let headers = outcome.set_cookies(&URL);
    let (last, expired) = headers.split_last().unwrap();
    assert_eq!(Some(last.as_str()), outcome.set_cookie());
    for scope in ["Path=/; Domain=example.com;", "Path=/account;", "Path=/account/login; Domain=app.example.com;"] {
        assert!(expired.iter().any(|line| line.contains(scope) && line.contains("Max-Age=0")), "{scope}: {expired:?}");
    }
}

#[tokio::test]
async fn reading_under_conflicting_cookies_sets_and_expires_nothing() {
    let fleet = Fleet::new();
    let (one, _, both) = twins(&fleet).await;
    let equal = Browser(Some(format!("{0}; {0}", one.0.as_ref().unwrap())));
    for (mut browser, user) in [(both.clone(), None), (equal, Some("1"))] {
        assert_eq!(fleet.user_id(&browser).await.as_deref(), user);
        let outcome = fleet.serve(&mut browser, |_| {}).await;
        assert!(outcome.set_cookies(&URL).is_empty());
    }
    let failed = fleet.load(&both).await;
    failed.1.insert("a", &1).unwrap();
    let outcome = fleet.finish_with(&failed.0, shared_session::Ending::Failed).await;
    assert!(outcome.set_cookies(&URL).is_empty(), "nor does a failure");
}

#[tokio::test]
async fn a_sign_in_under_conflicting_cookies_works() {
    let fleet = Fleet::new();
    let (one, other, mut both) = twins(&fleet).await;
    let outcome = fleet.serve(&mut both, |session| session.login_as(user("3")).unwrap()).await;
    assert_eq!(kind(&outcome), None);
    expires_the_others(&outcome);
    assert_eq!(fleet.user_id(&both).await.as_deref(), Some("3"));
    for (browser, id) in [(one, "1"), (other, "2")] {
        assert_eq!(fleet.user_id(&browser).await.as_deref(), Some(id), "the presented cookie stays unchanged");
    }
}

#[tokio::test]
async fn a_write_under_conflicting_cookies_starts_one_session_that_is_then_the_only_one() {
    let fleet = Fleet::new();
    let (_, _, mut both) = twins(&fleet).await;
    let outcome = fleet.serve(&mut both, |session| session.insert("a", &1).unwrap()).await;
    expires_the_others(&outcome);
    assert_eq!(fleet.get(&both, "a").await, Some(1.into()));
}

#[tokio::test]
async fn equal_twins_are_expired_when_the_cookie_is_replaced() {
    let fleet = Fleet::new();
    let (one, _, _) = twins(&fleet).await;
    let edits: [fn(&Session); 2] = [|session| session.rotate().unwrap(), |session| session.logout().unwrap()];
    let mut cookie = one.0.unwrap();
    for edit in edits {
        let mut equal = Browser(Some(format!("{cookie}; {cookie}")));
        expires_the_others(&fleet.serve(&mut equal, edit).await);
        cookie = equal.0.unwrap_or_default();
    }
}

#[tokio::test]
async fn a_sign_out_under_conflicting_cookies_ends_every_session_that_one_of_them_opens() {
    let fleet = Fleet::new();
    let (one, other, both) = twins(&fleet).await;
    let mut third = Browser::default();
    fleet.serve(&mut third, |session| session.login_as(user("3")).unwrap()).await;
    let unknown = "A".repeat(56);
    let wrong_secret = format!("{}{}", third.handle(), "B".repeat(32));
    let mut all = Browser(Some(format!("{}; sid={unknown}; sid=x; sid={wrong_secret}", both.0.unwrap())));
    let outcome = fleet.serve(&mut all, |session| session.logout().unwrap()).await;
    assert_eq!(kind(&outcome), None);
    expires_the_others(&outcome);
    assert!(outcome.set_cookie().unwrap().contains("Max-Age=0"));
    for (browser, id) in [(&one, "1"), (&other, "2")] {
        assert_eq!(fleet.user_id(browser).await, None);
        assert!(fleet.memory.index_list(&format!("shared_session:user:{id}")).await.unwrap().is_empty());
    }
    assert_eq!(fleet.user_id(&third).await.as_deref(), Some("3"), "a wrong secret ends nothing");
    assert_eq!(fleet.memory.len(), 1);
}

#[tokio::test]
async fn a_sign_out_under_conflicting_cookies_is_acknowledged_only_when_all_have_ended() {
    let fleet = Fleet::new();
    let (one, _, mut both) = twins(&fleet).await;
    fleet.faults().fail_next("delete", Fault::Fails(ErrorKind::Unavailable));
    let outcome = fleet.serve(&mut both, |session| session.logout().unwrap()).await;
    assert_eq!((kind(&outcome), outcome.set_cookies(&URL).len()), (Some(ErrorKind::Unavailable), 0));
    assert_eq!(fleet.user_id(&one).await.as_deref(), Some("1"));
    fleet.serve(&mut both, |session| session.logout().unwrap()).await;
    assert_eq!(fleet.user_id(&one).await, None);
}

#[tokio::test]
async fn a_sign_out_looks_for_eight_sessions_at_most() {
    let fleet = Fleet::new();
    let cookies: Vec<String> = (0..100).map(|n| format!("sid={n:056}")).collect();
    let mut browser = Browser(Some(cookies.join("; ")));
    fleet.store.take_calls();
    fleet.serve(&mut browser, |session| session.logout().unwrap()).await;
    assert_eq!(fleet.store.take_calls().iter().filter(|call| **call == "load").count(), 8);
}

/// If a session outlives its cookie, every extension of the session sends the cookie again.
#[tokio::test]
async fn a_cookie_that_would_end_before_its_session_is_extended_with_it() {
    let mut fleet = Fleet::new();
    let cookie = CookieConfig::new("sid").with_max_age(Some(IDLE)).build().unwrap();
    fleet.manager = fleet.manager.with_cookie(cookie);
    let mut browser = Browser::default();
    let first = fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    assert!(first.set_cookie().unwrap().ends_with("; Max-Age=1000"));
    let before = browser.clone();
    let write = fleet.serve(&mut browser, |session| session.insert("a", &2).unwrap()).await;
    assert!(write.set_cookie().unwrap().ends_with("; Max-Age=1000"), "a write extends it");
    assert_eq!(browser.0, before.0, "the value stays");
    assert_eq!(write.set_cookies(&URL).len(), 1, "so no other cookie can conflict with it");
    let mut equal = Browser(browser.0.as_ref().map(|cookie| format!("{cookie}; {cookie}")));
    expires_the_others(&fleet.serve(&mut equal, |session| session.insert("a", &3).unwrap()).await);

    assert_eq!(fleet.serve(&mut browser, |_| {}).await.set_cookie(), None, "a read that extends nothing");
    fleet.memory.advance(IDLE / 2);
    let touch = fleet.serve(&mut browser, |_| {}).await;
    assert!(touch.set_cookie().unwrap().ends_with("; Max-Age=1000"), "a read that extends the session");
}

#[tokio::test]
async fn a_cookie_is_kept_no_longer_than_the_absolute_limit() {
    let mut fleet = Fleet::new();
    fleet.manager = fleet.manager.with_cookie(CookieConfig::new("sid").with_max_age(Some(ABSOLUTE)).build().unwrap());
    let mut browser = Browser::default();
    let max_age = |outcome: &Outcome| outcome.set_cookie().map(|cookie| cookie.rsplit_once('=').unwrap().1.to_owned());
    let first = fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    assert_eq!(max_age(&first).as_deref(), Some("5000"));
    fleet.memory.advance(IDLE / 2);
    let write = fleet.serve(&mut browser, |session| session.insert("a", &2).unwrap()).await;
    assert_eq!(write.set_cookie(), None, "the browser keeps it for as long as the session can last");
    let rotated = fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
    assert_eq!(max_age(&rotated).as_deref(), Some("4500"));
    let login = fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    assert_eq!(max_age(&login).as_deref(), Some("5000"), "a sign-in restarts the absolute limit");
}

#[tokio::test]
async fn every_request_extends_session_and_cookie_where_that_is_asked_for() {
    let mut fleet = Fleet::new();
    let lifetime = Lifetime::default().with_idle(IDLE).with_absolute(ABSOLUTE).with_touch_after(0.0);
    let cookie = CookieConfig::new("sid").with_max_age(Some(ABSOLUTE)).build().unwrap();
    fleet.manager = fleet.manager.with_lifetime(lifetime).with_cookie(cookie);
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let edits: [fn(&Session); 2] = [|_| {}, |session| session.insert("a", &1).unwrap()];
    for (n, edit) in edits.into_iter().enumerate() {
        fleet.memory.advance(Duration::from_secs(10));
        let outcome = fleet.serve(&mut browser, edit).await;
        let left = format!("; Max-Age={}", 5000 - 10 * (n + 1));
        assert!(outcome.set_cookie().unwrap().ends_with(&left), "{outcome:?}");
        assert_eq!(fleet.load(&browser).await.1.expires_at(), Some(fleet.memory.time().await.unwrap().after(IDLE)));
    }
    fleet.memory.advance(Duration::from_secs(10));
    let (handle, _) = fleet.load(&browser).await;
    let failed = fleet.finish_with(&handle, shared_session::Ending::Failed).await;
    assert_eq!(failed.set_cookie(), None, "not with a 5xx");
    let untouched = fleet.request(&browser);
    assert_eq!(fleet.finish(&untouched).await.set_cookie(), None, "nor if the session was not loaded");
}

#[tokio::test]
async fn no_malformed_cookie_reaches_the_store_or_gets_an_answer() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let good = browser.0.unwrap();
    fleet.store.take_calls();
    for bad in [
        "sid=".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}A"),
        good.replace("sid=", "sid=\""),
        good.replace("sid=", "SID="),
        good.replace("sid=", "s%69d="),
        format!("{good}; sid=other"),
        format!("sid=*; x={good}"),
        "sid=../../etc/passwd".to_owned(),
        format!("sid={}", "{x}".repeat(18)),
    ] {
        let handle = fleet.manager.open([bad.as_bytes()]);
        let session = handle.load().await.unwrap();
        assert_eq!(session.get::<u64>("a").unwrap(), None, "{bad}");
        let outcome = fleet.finish(&handle).await;
        assert!(outcome.error().is_none() && outcome.set_cookie().is_none(), "{bad}");
    }
    fleet.store.assert_untouched();
}

#[tokio::test]
async fn an_unknown_cookie_is_anonymous_and_a_write_starts_another_handle() {
    let fleet = Fleet::new();
    let chosen = format!("sid={}", "A".repeat(56));
    let mut browser = Browser(Some(chosen.clone()));
    let outcome = fleet.serve(&mut browser, |session| assert_eq!(session.handle(), None)).await;
    assert_eq!(outcome.set_cookie(), None, "reading never sets a cookie");
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    assert_ne!(browser.0.as_deref(), Some(chosen.as_str()));
    assert_ne!(browser.handle().as_str(), "A".repeat(24), "a client does not choose its id");
    assert_eq!(fleet.memory.len(), 1);
}

#[tokio::test]
async fn a_wrong_secret_is_anonymous_and_harms_nothing() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let mut thief = Browser(Some(format!("sid={}{}", browser.handle(), "B".repeat(32))));
    assert_eq!(fleet.get(&thief, "a").await, None);
    let outcome = fleet.serve(&mut thief, |session| session.logout().unwrap()).await;
    assert!(outcome.error().is_none());
    fleet.serve(&mut thief, |session| session.insert("b", &1).unwrap()).await;
    assert_eq!(fleet.get(&browser, "a").await, Some(1.into()));
    assert_eq!(fleet.get(&browser, "b").await, None);
}

#[tokio::test]
async fn a_late_tab_writes_nothing_for_a_minute_after_a_rotation() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let mut late_tab = browser.clone();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;

    assert_eq!(fleet.get(&late_tab, "a").await, None, "anonymous for reads");
    let edits: [fn(&shared_session::Session); 2] = [|s| s.insert("b", &1).unwrap(), |s| s.logout().unwrap()];
    for edit in edits {
        let outcome = fleet.serve(&mut late_tab, edit).await;
        assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Stale), None));
    }
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));

    fleet.memory.advance(Duration::from_secs(61));
    fleet.serve(&mut late_tab, |session| session.insert("b", &1).unwrap()).await;
    assert_ne!(late_tab.handle(), browser.handle());
}

#[tokio::test]
async fn edits_without_effect_start_no_session() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    let outcome = fleet
        .serve(&mut browser, |session| {
            session.update("visits", |n: Option<u64>| n.map(|n| n + 1)).unwrap();
            session.remove("x").unwrap();
            session.rotate().unwrap();
        })
        .await;
    assert_eq!(outcome.set_cookie(), None);
    assert_eq!(fleet.memory.len(), 0);
}

/// Stored as a list in Redis.
#[tokio::test]
async fn a_value_of_another_type_counts_as_an_unreadable_record() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let before = browser.handle();
    fleet.faults().fail_next_n("load", 2, Fault::Fails(ErrorKind::Unreadable));
    let (_, session) = fleet.load(&browser).await;
    assert_eq!(session.get::<u64>("a").unwrap_err().kind(), ErrorKind::Unreadable);
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    assert_ne!(browser.handle(), before, "a sign-in takes a new handle");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_an_error_and_is_not_overwritten() {
    use shared_session::store::{Seen, SessionStore};
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let good = fleet.memory.load(&browser.key()).await.unwrap().unwrap();
    let newer = String::from_utf8(good.to_vec()).unwrap().replacen("\"v\":1", "\"v\":2", 1);
    let _ =
        fleet.memory.replace(&browser.key(), &Seen::new(good, 0..0), newer.clone().into(), super::IDLE).await.unwrap();

    let (handle, session) = fleet.load(&browser).await;
    assert_eq!(session.get::<u64>("a").unwrap_err().kind(), ErrorKind::Unreadable);
    assert_eq!(session.insert("a", &2).unwrap_err().kind(), ErrorKind::Unreadable);
    assert!(fleet.finish(&handle).await.set_cookie().is_none());
    assert_eq!(fleet.memory.load(&browser.key()).await.unwrap().unwrap(), newer.as_bytes());

    let mut signing_in = browser.clone();
    fleet
        .serve(&mut signing_in, |session| {
            session.login_as(user("1")).unwrap();
            session.insert("b", &2).unwrap();
        })
        .await;
    assert_ne!(signing_in.handle(), browser.handle(), "a sign-in takes a new handle");
    assert_eq!(fleet.get(&signing_in, "b").await, Some(2.into()));
    assert_eq!(fleet.memory.load(&browser.key()).await.unwrap().unwrap(), newer.as_bytes());

    let mut thief = Browser(Some(format!("sid={}{}", browser.handle(), "B".repeat(32))));
    fleet.serve(&mut thief, |session| session.logout().unwrap()).await;
    assert!(fleet.memory.load(&browser.key()).await.unwrap().is_some(), "only its owner ends it");
    let outcome = fleet.serve(&mut browser.clone(), |session| session.logout().unwrap()).await;
    assert!(outcome.error().is_none(), "a sign-out works");
    assert!(fleet.memory.load(&browser.key()).await.unwrap().is_none(), "the owner can end it");
}

/// Another service can read it, and replaces its cookie.
#[tokio::test]
async fn a_sign_out_of_an_unreadable_session_whose_cookie_is_replaced_meanwhile_is_no_success() {
    use shared_session::store::{Seen, SessionStore};
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let write = |from: &'static str, to: String| {
        let key = browser.key();
        move |memory: std::sync::Arc<shared_session::store::MemoryStore>| async move {
            let stored = memory.load(&key).await.unwrap().unwrap();
            let at = std::str::from_utf8(&stored).unwrap().find(from).unwrap() + from.len();
            let mut text = String::from_utf8(stored.to_vec()).unwrap();
            text.replace_range(at..at + to.len(), &to);
            let _ = memory.replace(&key, &Seen::new(stored, 0..0), text.into(), super::IDLE).await.unwrap();
        }
    };
    write("\"v\":", "2".to_owned())(fleet.memory.clone().into()).await;
    fleet.faults().before_next("delete", write("\"s\":\"", "S".repeat(43)));
    let outcome = fleet.serve(&mut browser.clone(), |session| session.logout().unwrap()).await;
    assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Stale), None));
    assert!(fleet.memory.load(&browser.key()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_sign_out_after_a_sign_in_of_the_same_request_ends_an_unreadable_session() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let stored = fleet.memory.load(&browser.key()).await.unwrap().unwrap();
    let newer = String::from_utf8(stored.to_vec()).unwrap().replacen("\"v\":1", "\"v\":2", 1);
    let any = shared_session::store::Seen::new(stored, 0..0);
    let _ = fleet.memory.replace(&browser.key(), &any, newer.into(), IDLE).await.unwrap();
    let both = |session: &Session| {
        session.login_as(user("1")).unwrap();
        session.logout().unwrap();
    };
    assert!(fleet.serve(&mut browser.clone(), both).await.error().is_none());
    assert!(fleet.memory.load(&browser.key()).await.unwrap().is_none());
}
