//! Signing out with a cookie that was replaced moments ago.

use std::time::Duration;

use shared_session::{
    ErrorKind, Session,
    store::{SessionStore, StoreTime},
    testing::Fault,
};

use super::{Browser, Fleet, conflict::rewrite, kind, opened, user};

const GRACE: Duration = Duration::from_secs(60);

/// A request with the cookie in `late` signs out. Returns the error's kind, and whether the cookie is removed.
async fn sign_out(fleet: &Fleet, late: &Browser) -> (Option<ErrorKind>, bool) {
    let outcome = fleet.serve(&mut late.clone(), |session| session.logout().unwrap()).await;
    (kind(&outcome), outcome.set_cookie().is_some_and(|cookie| cookie.contains("Max-Age=0")))
}

const ENDED: (Option<ErrorKind>, bool) = (None, true);
const REFUSED: (Option<ErrorKind>, bool) = (Some(ErrorKind::Stale), false);

/// A session created by `before`, and its cookie before and after `rotation`.
async fn rotated(fleet: &Fleet, before: impl FnOnce(&Session), rotation: impl FnOnce(&Session)) -> [Browser; 2] {
    let mut browser = Browser::default();
    fleet.serve(&mut browser, before).await;
    let late = browser.clone();
    fleet.serve(&mut browser, rotation).await;
    assert_ne!(late.0, browser.0);
    [late, browser]
}

fn signs_in(id: &str) -> impl FnOnce(&Session) {
    move |session| session.login_as(user(id)).unwrap()
}

fn rotates(session: &Session) {
    session.rotate().unwrap();
}

async fn text(fleet: &Fleet, browser: &Browser) -> String {
    opened(&browser.key(), &fleet.memory.load(&browser.key()).await.unwrap().unwrap())
}

#[tokio::test]
async fn a_sign_out_with_the_cookie_before_a_rotation_ends_the_session_of_the_same_user() {
    let fleet = Fleet::new();
    for rotation in [rotates as fn(&Session), |session| session.login_as(user("1")).unwrap()] {
        let [late, browser] = rotated(&fleet, signs_in("1"), rotation).await;
        assert_eq!(sign_out(&fleet, &late).await, ENDED);
        assert!(fleet.memory.load(&browser.key()).await.unwrap().is_none());
        assert_eq!(fleet.user_id(&browser).await, None);
        assert!(fleet.memory.index_list("shared_session:user:1").await.unwrap().is_empty());
    }
}

/// The attack: an attacker who planted the cookie knows its secret, and must not end the session of the user who signed
/// in under it.
#[tokio::test]
async fn a_cookie_that_was_planted_before_a_sign_in_ends_nothing() {
    let fleet = Fleet::new();
    let [planted, victim] = rotated(&fleet, |session| session.insert("a", &1).unwrap(), signs_in("1")).await;
    assert!(!text(&fleet, &victim).await.contains(r#""p":"#), "the secret is not even kept");
    assert_eq!(sign_out(&fleet, &planted).await, REFUSED);
    assert_eq!(fleet.user_id(&victim).await.as_deref(), Some("1"));

    // The same holds after a rotation by the victim: the secret before that one was the victim's.
    let mut browser = victim.clone();
    fleet.serve(&mut browser, rotates).await;
    assert_eq!(sign_out(&fleet, &planted).await, REFUSED);
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
    assert_eq!(sign_out(&fleet, &victim).await, ENDED);
}

#[tokio::test]
async fn of_a_session_that_another_user_took_over_nothing_is_left_to_end() {
    let fleet = Fleet::new();
    let [late, browser] = rotated(&fleet, signs_in("1"), signs_in("2")).await;
    assert_ne!(late.handle(), browser.handle());
    assert_eq!(sign_out(&fleet, &late).await, ENDED, "their own session ended with the other's sign-in");
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("2"));
}

/// A service may sign its users in by an entry of its own and rotate the secret: that rotation counts as the sign-in.
#[tokio::test]
async fn a_session_that_nobody_is_signed_in_to_is_not_ended_by_the_cookie_before() {
    let fleet = Fleet::new();
    let [late, browser] = rotated(&fleet, |session| session.insert("a", &1).unwrap(), rotates).await;
    assert_eq!(sign_out(&fleet, &late).await, REFUSED);
    assert_eq!(fleet.get(&browser, "a").await, Some(1.into()));
}

#[tokio::test]
async fn after_a_minute_it_counts_no_more_and_the_next_write_drops_it() {
    let fleet = Fleet::new();
    let [late, mut browser] = rotated(&fleet, signs_in("1"), rotates).await;
    fleet.memory.advance(GRACE - Duration::from_millis(1));
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    assert!(text(&fleet, &browser).await.contains(r#""p":"#), "a write within the minute keeps it");
    fleet.memory.advance(Duration::from_millis(1));
    // A later client counts as foreign: it is already signed out and can do no harm.
    assert_eq!(sign_out(&fleet, &late).await, ENDED);
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
    fleet.serve(&mut browser, |session| session.insert("a", &2).unwrap()).await;
    assert!(!text(&fleet, &browser).await.contains(r#""p":"#));
}

#[tokio::test]
async fn only_the_last_of_several_cookies_counts() {
    let fleet = Fleet::new();
    let [first, mut browser] = rotated(&fleet, signs_in("1"), rotates).await;
    let second = browser.clone();
    fleet.serve(&mut browser, rotates).await;
    assert_eq!(sign_out(&fleet, &first).await, REFUSED);
    let mut forged = second.clone();
    forged.0.as_mut().unwrap().replace_range("sid=".len() + 24.., &"A".repeat(32));
    assert_eq!(sign_out(&fleet, &forged).await, REFUSED);
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
    assert_eq!(sign_out(&fleet, &second).await, ENDED);
}

#[tokio::test]
async fn it_reads_nothing_and_writes_nothing() {
    let fleet = Fleet::new();
    let before = |session: &Session| {
        session.login_as(user("1")).unwrap();
        session.insert("secret", &1).unwrap();
    };
    let [late, browser] = rotated(&fleet, before, rotates).await;
    let (request, session) = fleet.load(&late).await;
    assert!(session.identity().unwrap().is_none() && session.handle().is_none());
    assert!(session.names().unwrap().is_empty());
    session.insert("secret", &2).unwrap();
    let outcome = fleet.finish(&request).await;
    assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Stale), None));
    for edit in [
        rotates as fn(&Session),
        |session| session.remove("secret").unwrap(),
        |session| {
            session.set_expiry(shared_session::Expiry::OnBrowserClose).unwrap();
        },
    ] {
        assert_eq!(fleet.serve(&mut late.clone(), edit).await.set_cookie(), None);
    }
    assert_eq!(fleet.get(&browser, "secret").await, Some(1.into()));
}

#[tokio::test]
async fn a_sign_in_with_it_starts_another_session() {
    let fleet = Fleet::new();
    let [late, browser] = rotated(&fleet, signs_in("1"), rotates).await;
    let mut other = late.clone();
    assert!(fleet.serve(&mut other, signs_in("1")).await.error().is_none());
    assert_ne!(other.handle(), browser.handle());
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn edits_after_the_sign_out_belong_to_a_new_session() {
    let fleet = Fleet::new();
    let [late, browser] = rotated(&fleet, signs_in("1"), rotates).await;
    let mut other = late.clone();
    fleet
        .serve(&mut other, |session| {
            session.logout().unwrap();
            session.insert("flash", "signed out").unwrap();
        })
        .await;
    assert_ne!(other.handle(), browser.handle());
    assert_eq!(fleet.get(&other, "flash").await, Some("signed out".into()));
    assert_eq!((fleet.user_id(&other).await, fleet.user_id(&browser).await), (None, None));
}

/// The session belongs to the user who was signed in when the sign-out read it.
#[tokio::test]
async fn a_rotation_that_overtakes_the_sign_out_does_not_keep_the_session() {
    let fleet = Fleet::new();
    let [late, mut browser] = rotated(&fleet, signs_in("1"), rotates).await;
    let (request, session) = fleet.load(&late).await;
    session.logout().unwrap();
    fleet.serve(&mut browser, rotates).await;
    assert_eq!(kind(&fleet.finish(&request).await), None);
    assert_eq!(fleet.user_id(&browser).await, None);

    let [late, mut browser] = rotated(&fleet, signs_in("1"), rotates).await;
    let (request, session) = fleet.load(&late).await;
    session.logout().unwrap();
    fleet.serve(&mut browser, signs_in("2")).await;
    assert_eq!(kind(&fleet.finish(&request).await), None, "that session is gone");
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_writer_that_does_not_know_the_member_makes_it_count_no_more() {
    let fleet = Fleet::new();
    let [late, browser] = rotated(&fleet, signs_in("1"), rotates).await;
    let StoreTime(now) = fleet.memory.time().await.unwrap();
    rewrite(&fleet.memory, &browser.key(), |text| {
        // The service signs in under a new secret and keeps all unknown members.
        text.replace_range(66..109, &"S".repeat(43));
        *text = text.replacen(&format!(r#""r":{now}"#), &format!(r#""r":{}"#, now + 1), 1);
    })
    .await;
    assert_eq!(sign_out(&fleet, &late).await, REFUSED);
}

#[tokio::test]
async fn a_sign_out_with_twin_cookies_ends_each_session_that_one_opens() {
    let fleet = Fleet::new();
    let [late, browser] = rotated(&fleet, signs_in("1"), rotates).await;
    let twins = Browser(Some(format!("{}; sid={}", late.0.as_ref().unwrap(), "A".repeat(56))));
    assert_eq!(sign_out(&fleet, &twins).await, ENDED);
    assert_eq!(fleet.user_id(&browser).await, None);
}

#[tokio::test]
async fn a_store_that_fails_is_no_sign_out() {
    let fleet = Fleet::new();
    let [late, browser] = rotated(&fleet, signs_in("1"), rotates).await;
    let (request, session) = fleet.load(&late).await;
    session.logout().unwrap();
    fleet.faults().fail_next("delete", Fault::Refused);
    assert_eq!(kind(&fleet.finish(&request).await), Some(ErrorKind::Unavailable));
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
}
