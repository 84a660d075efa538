//! A session may have its own expiry, which is stored with it and limits its cookie.

use std::time::Duration;

use shared_session::{
    ErrorKind, Expiry, LoginOptions, Outcome, Session,
    cookie::CookieConfig,
    store::{SessionStore, StoreTime},
    users::{NewUser, Users},
};

use super::{ABSOLUTE, Browser, Fleet, IDLE, current_user::fleet_with_users, kind, user};

const DAY: Duration = Duration::from_secs(86_400);

/// `None`: no cookie is set. `Some("")`: a cookie that lasts until the browser is closed.
fn max_age(outcome: &Outcome) -> Option<&str> {
    let cookie = outcome.set_cookie()?;
    Some(cookie.rsplit_once("; Max-Age=").map_or("", |(_, seconds)| seconds))
}

fn set(expiry: Expiry) -> impl Fn(&Session) {
    move |session| session.set_expiry(expiry).unwrap()
}

fn start(session: &Session) {
    session.insert("a", &1).unwrap();
}

fn login(session: &Session) {
    session.login_as(user("1")).unwrap();
}

fn with_max_age(max_age: Option<Duration>) -> Fleet {
    let fleet = Fleet::new();
    let cookie = CookieConfig::new("sid").with_max_age(max_age).build().unwrap();
    Fleet { manager: fleet.manager.clone().with_cookie(cookie), ..fleet }
}

async fn expiry(fleet: &Fleet, browser: &Browser) -> Expiry {
    fleet.load(browser).await.1.expiry().unwrap()
}

/// Whether the session still exists after this time without use; advances the clock.
async fn lives(fleet: &Fleet, browser: &Browser, unused: Duration) -> bool {
    fleet.memory.advance(unused);
    fleet.load(browser).await.1.handle().is_some()
}

#[tokio::test]
async fn an_expiry_that_was_set_before_a_sign_out_is_not_that_of_the_next_session() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, login).await;
    let edit = |session: &Session| {
        session.set_expiry(Expiry::OnBrowserClose).unwrap();
        session.logout().unwrap();
        start(session);
    };
    fleet.serve(&mut browser, edit).await;
    assert_eq!(expiry(&fleet, &browser).await, Expiry::default());
}

#[tokio::test]
async fn an_expiry_stays_through_writes_uses_and_rotations() {
    for asked in [Expiry::OnBrowserClose, Expiry::OnInactivity(2 * IDLE), Expiry::OnInactivity(IDLE / 2)] {
        let fleet = with_max_age(Some(ABSOLUTE));
        let mut browser = Browser::default();
        fleet.serve(&mut browser, start).await;
        fleet.serve(&mut browser, set(asked)).await;
        for edit in [start, |_: &Session| {}, |session: &Session| session.rotate().unwrap()] {
            fleet.memory.advance(IDLE / 4);
            fleet.serve(&mut browser, edit).await;
            assert_eq!(expiry(&fleet, &browser).await, asked);
        }
        fleet.serve(&mut browser, set(Expiry::Configured)).await;
        assert_eq!(expiry(&fleet, &browser).await, Expiry::Configured);
        assert!(lives(&fleet, &browser, IDLE * 9 / 10).await && !lives(&fleet, &browser, IDLE / 5).await);
    }
}

#[tokio::test]
async fn a_session_ends_when_its_expiry_says_and_the_absolute_limit_holds() {
    let fleet = Fleet::new();
    let start_with = async |expiry| {
        let mut browser = Browser::default();
        let outcome = fleet
            .serve(&mut browser, |session| {
                start(session);
                session.set_expiry(expiry).unwrap();
            })
            .await;
        (browser, max_age(&outcome).map(str::to_owned))
    };
    let (browser, age) = start_with(Expiry::OnInactivity(2 * IDLE)).await;
    assert_eq!(age.as_deref(), Some("5000"), "the cookie is sent once and lasts as long as the session may");
    assert!(lives(&fleet, &browser, IDLE * 19 / 10).await && !lives(&fleet, &browser, IDLE / 5).await);

    let (browser, age) = start_with(Expiry::OnInactivity(2 * ABSOLUTE)).await;
    assert_eq!(age.as_deref(), Some("10000"));
    assert!(lives(&fleet, &browser, 2 * ABSOLUTE - IDLE).await && !lives(&fleet, &browser, IDLE).await);

    let now = fleet.memory.time().await.unwrap();
    let (browser, age) = start_with(Expiry::At(now.after(3 * ABSOLUTE).into())).await;
    assert_eq!(age.as_deref(), Some("15000"));
    assert!(lives(&fleet, &browser, 3 * ABSOLUTE - IDLE).await && !lives(&fleet, &browser, IDLE).await);

    let (mut browser, _) = start_with(Expiry::OnInactivity(2 * IDLE)).await;
    for _ in 0..4 {
        fleet.memory.advance(IDLE);
        fleet.serve(&mut browser, set(Expiry::OnInactivity(2 * IDLE))).await;
    }
    assert!(!lives(&fleet, &browser, IDLE).await, "setting it again does not postpone the absolute limit");
}

#[tokio::test]
async fn the_browser_is_told_when_the_cookie_is_to_be_kept_for_another_time() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    let now = StoreTime(1_700_000_000_000);
    assert_eq!(max_age(&fleet.serve(&mut browser, start).await), Some(""));
    let cookie = browser.0.clone();
    for (asked, told) in [
        (Expiry::OnBrowserClose, None),
        (Expiry::OnInactivity(IDLE), Some("5000")),
        (Expiry::OnInactivity(IDLE), None),
        (Expiry::At(now.after(IDLE).into()), Some("1000")),
        (Expiry::At(now.after(IDLE).into()), None),
        (Expiry::OnInactivity(1000 * DAY), Some("34560000")),
        (Expiry::Configured, Some("")),
    ] {
        assert_eq!(max_age(&fleet.serve(&mut browser, set(asked)).await), told, "{asked:?}");
        assert_eq!(browser.0, cookie, "it is the same cookie");
    }
}

#[tokio::test]
async fn an_expiry_alone_is_stored_but_starts_no_session() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    let outcome = fleet.serve(&mut browser, set(Expiry::OnBrowserClose)).await;
    assert!(outcome.set_cookie().is_none() && outcome.error().is_none());
    fleet.serve(&mut browser, start).await;
    fleet.store.take_calls();
    fleet.serve(&mut browser, set(Expiry::OnBrowserClose)).await;
    assert!(fleet.store.take_calls().contains(&"replace"));
    let (_, session) = fleet.load(&browser).await;
    session.set_expiry(Expiry::Configured).unwrap();
    session.commit().await.unwrap();
    assert_eq!(expiry(&fleet, &browser).await, Expiry::Configured);
}

#[tokio::test]
async fn of_two_expiries_the_later_commit_stands_and_entries_are_merged() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, start).await;
    let (first, one) = fleet.load(&browser).await;
    let (second, two) = fleet.load(&browser).await;
    let (third, three) = fleet.load(&browser).await;
    one.set_expiry(Expiry::OnBrowserClose).unwrap();
    one.insert("one", &1).unwrap();
    two.set_expiry(Expiry::OnInactivity(IDLE)).unwrap();
    three.insert("three", &3).unwrap();
    fleet.finish(&first).await;
    fleet.finish(&second).await;
    fleet.finish(&third).await;
    let (_, merged) = fleet.load(&browser).await;
    assert_eq!(merged.expiry().unwrap(), Expiry::OnInactivity(IDLE));
    assert_eq!(merged.names().unwrap(), ["a", "one", "three"]);
}

#[tokio::test]
async fn a_sign_in_replaces_the_expiry_and_one_set_after_it_counts() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, start).await;
    fleet.serve(&mut browser, set(Expiry::OnInactivity(2 * IDLE))).await;
    let (request, session) = fleet.load(&browser).await;
    login(&session);
    assert_eq!(session.expiry().unwrap(), Expiry::Configured);
    browser.take(&fleet.finish(&request).await);
    assert_eq!(expiry(&fleet, &browser).await, Expiry::Configured);
    for id in ["1", "2"] {
        fleet
            .serve(&mut browser, |session| {
                session.login_as(user(id)).unwrap();
                session.set_expiry(Expiry::OnBrowserClose).unwrap();
            })
            .await;
        assert_eq!(expiry(&fleet, &browser).await, Expiry::OnBrowserClose);
    }
    let (_, session) = fleet.load(&browser).await;
    session.logout().unwrap();
    assert_eq!(session.expiry().unwrap(), Expiry::Configured);
}

#[tokio::test]
async fn a_time_that_has_passed_ends_the_session() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, start).await;
    let outcome = fleet.serve(&mut browser, set(Expiry::At(StoreTime(1_600_000_000_000).into()))).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Gone));
    assert!(fleet.memory.load(&browser.key()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_remembered_user_stays_signed_in_and_the_cookie_survives_the_browser() {
    let (fleet, users, _) = fleet_with_users().await;
    let ann = users.create_user(NewUser::new("ann", "correct horse")).await.unwrap();
    let mut browser = Browser::default();
    let asked = LoginOptions::new();
    for (options, age, stays) in [
        (asked.clone().with_remember_me(true), "5000", true),
        (asked.clone().with_remember_me(false), "", false),
        (asked, "", false),
    ] {
        let ann = users.find(&ann.id).await.unwrap().unwrap();
        let login = fleet.serve(&mut browser, |session| session.login_with(&ann, options.clone()).unwrap()).await;
        assert_eq!(max_age(&login), Some(age));
        let (request, session) = fleet.load(&browser).await;
        fleet.manager.revoke_others(&session).await.unwrap();
        let renewed = fleet.finish(&request).await;
        assert_eq!(max_age(&renewed), Some(age), "this is not a new sign-in");
        browser.take(&renewed);
        assert_eq!(lives(&fleet, &browser, IDLE * 2).await, stays, "{options:?}");
    }
}

#[tokio::test]
async fn a_session_with_a_later_end_stays_in_the_list_of_its_user_until_then() {
    let now = StoreTime(1_700_000_000_000);
    for signs_in_with in [Expiry::Configured, Expiry::At(now.after(IDLE).into())] {
        let fleet = Fleet::new();
        let mut browser = Browser::default();
        let sign_in = |session: &Session| {
            login(session);
            session.set_expiry(signs_in_with).unwrap();
        };
        fleet.serve(&mut browser, sign_in).await;
        fleet.serve(&mut browser, set(Expiry::At(now.after(3 * ABSOLUTE).into()))).await;
        fleet.memory.advance(2 * ABSOLUTE);
        assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"), "{signs_in_with:?}");
        assert_eq!(fleet.manager.sessions_of("1").await.unwrap().len(), 1, "{signs_in_with:?}");
        assert_eq!(fleet.manager.revoke_all("1").await.unwrap(), 1);
        assert_eq!(fleet.user_id(&browser).await, None, "{signs_in_with:?}");
    }
}

#[tokio::test]
async fn a_cookie_that_ends_early_lasts_as_long_as_its_session_is_used() {
    let (max_age, step) = (IDLE / 20, IDLE / 50);
    let fleet = with_max_age(Some(max_age));
    let mut browser = Browser::default();
    fleet.serve(&mut browser, login).await;
    let mut left = max_age;
    for n in 0..10 {
        assert!(step < left, "the browser has dropped the cookie before request {n}");
        fleet.memory.advance(step);
        let is_set = fleet.serve(&mut browser, |_| {}).await.set_cookie().is_some();
        left = if is_set { max_age } else { left - step };
    }
}
