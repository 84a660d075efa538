//! The rules in Django's cache engine, where the key is the secret and Django writes without comparing.

use std::time::Duration;

use bytes::Bytes;
use shared_session::{
    Client, ErrorKind, Expiry, LoadOptions, Profile, SecretKeys, Session, SessionManager,
    django::{
        Django,
        pickle::{Pickle, PyValue},
    },
    store::{SessionStore, StoreTime},
    testing::Fault,
};

mod fleet_check;
mod handles;
mod moves;
mod own_users;
mod time_zones;

use super::{Browser, Fleet, IDLE, current_user, kind, user};

const PREFIX: &str = ":1:django.contrib.sessions.cache";
const KEY: &str = "abcdefghijklmnopqrstuvwxyz012345";

fn fleet() -> Fleet {
    let fleet = Fleet::new();
    let manager = fleet.manager.clone().with_profile(Profile::django(Django::cache()));
    Fleet { manager, ..fleet }
}

fn session_key(browser: &Browser) -> String {
    format!("{PREFIX}{}", &browser.0.as_ref().unwrap()["sid=".len()..])
}

/// Writes like Django: an unconditional SET.
async fn set(fleet: &Fleet, key: &str, value: Bytes) {
    let _ = fleet.memory.delete(key, None).await.unwrap();
    assert!(fleet.memory.create(key, value, IDLE).await.unwrap());
}

async fn stored(fleet: &Fleet, key: &str) -> Option<Bytes> {
    fleet.memory.load(key).await.unwrap()
}

/// A session that Django created, and its browser.
async fn made_by_django(fleet: &Fleet, entries: &[(&str, &str)]) -> Browser {
    let mut pickle = Pickle::new(5);
    for (name, json) in entries {
        pickle.set_json(name, json).unwrap();
    }
    set(fleet, &format!("{PREFIX}{KEY}"), pickle.to_bytes().unwrap()).await;
    Browser(Some(format!("sid={KEY}")))
}

const MODEL_BACKEND: &str = "django.contrib.auth.backends.ModelBackend";

fn signed_in(id: &str) -> [(&'static str, String); 3] {
    [
        ("_auth_user_id", format!("\"{id}\"")),
        ("_auth_user_backend", format!("\"{MODEL_BACKEND}\"")),
        ("_auth_user_hash", "\"hash\"".to_owned()),
    ]
}

#[tokio::test]
async fn an_edit_changes_one_entry_of_a_session_that_django_made_and_no_other_byte() {
    let fleet = fleet();
    let browser = made_by_django(&fleet, &[("a", "1"), ("cart", "[1, 2]"), ("z", "\"end\"")]).await;
    fleet.serve(&mut browser.clone(), |session| session.insert("cart", &[3]).unwrap()).await;
    let mut expected = Pickle::new(5);
    for (name, json) in [("a", "1"), ("cart", "[3]"), ("z", "\"end\"")] {
        expected.set_json(name, json).unwrap();
    }
    assert_eq!(stored(&fleet, &session_key(&browser)).await, Some(expected.to_bytes().unwrap()));
}

#[tokio::test]
async fn python_values_are_read_by_type_and_written_as_python_values() {
    let fleet = fleet();
    let mut pickle = Pickle::new(5);
    let pair = PyValue::Tuple(vec![PyValue::from(1), PyValue::from("x")]);
    pickle.set("price", PyValue::Decimal("1.50".into())).unwrap();
    pickle.set("pair", pair.clone()).unwrap();
    set(&fleet, &format!("{PREFIX}{KEY}"), pickle.to_bytes().unwrap()).await;
    let mut browser = Browser(Some(format!("sid={KEY}")));
    let session = fleet.load(&browser).await.1;
    assert_eq!(session.get::<String>("price").unwrap().as_deref(), Some("1.50"));
    assert_eq!(session.get::<(u8, String)>("pair").unwrap(), Some((1, "x".to_owned())));
    assert_eq!(session.get_python("pair").unwrap(), Some(pair.clone()));
    fleet
        .serve(&mut browser, |session| {
            session.insert_python("again", session.get_python("pair").unwrap().unwrap()).unwrap();
        })
        .await;
    pickle.set("again", pair).unwrap();
    assert_eq!(stored(&fleet, &session_key(&browser)).await, Some(pickle.to_bytes().unwrap()));
}

#[tokio::test]
async fn the_user_of_a_django_session_is_read_and_its_entries_are_hidden() {
    let fleet = fleet();
    let entries = signed_in("7");
    let entries: Vec<_> = entries.iter().map(|(name, json)| (*name, json.as_str())).chain([("a", "1")]).collect();
    let browser = made_by_django(&fleet, &entries).await;
    let session = fleet.load(&browser).await.1;
    assert_eq!(session.identity().unwrap().unwrap().user_id, "7");
    assert_eq!(session.names().unwrap(), ["a"]);
    session.insert("_auth_user_id", "1").unwrap();
    let outcome = fleet.finish(&fleet.load(&browser).await.0).await;
    assert!(outcome.error().is_none());
}

#[tokio::test]
async fn a_handler_cannot_sign_in_by_writing_an_entry() {
    let fleet = fleet();
    let browser = made_by_django(&fleet, &[("a", "1")]).await;
    let outcome = fleet.serve(&mut browser.clone(), |session| session.insert("_auth_user_id", "1").unwrap()).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Value));
}

#[tokio::test]
async fn a_sign_in_moves_the_session_to_a_new_key_and_ends_the_old_one() {
    let fleet = fleet();
    let before = made_by_django(&fleet, &[("cart", "[1]")]).await;
    let mut browser = before.clone();
    let outcome = fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    assert!(outcome.error().is_none(), "{outcome:?}");
    assert_ne!(browser.0, before.0);
    assert_eq!(stored(&fleet, &session_key(&before)).await, None);
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
    assert_eq!(fleet.manager.sessions_of("1").await.unwrap().len(), 1);
    assert_eq!(fleet.get(&browser, "cart").await, Some(serde_json::json!([1])));
    let written = Pickle::read(&stored(&fleet, &session_key(&browser)).await.unwrap()).unwrap();
    assert_eq!(written.get("_auth_user_backend").unwrap().as_str(), Some(MODEL_BACKEND));
}

#[tokio::test]
async fn a_sign_in_of_ours_tells_its_time_to_us_alone_and_one_of_django_tells_none() {
    let fleet = fleet();
    let theirs = made_by_django(&fleet, &signed_in("1").each_ref().map(|(name, json)| (*name, &**json))).await;
    assert_eq!(fleet.load(&theirs).await.1.authenticated_at(), None);
    let mut ours = theirs.clone();
    for minutes in [1, 2] {
        fleet.memory.advance(Duration::from_secs(60));
        let request = fleet.request(&ours);
        let firefox = LoadOptions::new().with_client(Client::new(None, Some("Firefox")));
        request.load_with(firefox).await.unwrap().login_as(user("1")).unwrap();
        ours.take(&fleet.finish(&request).await);
        fleet.serve(&mut ours, |session| session.insert("a", &minutes).unwrap()).await;
        let (_, session) = fleet.load(&ours).await;
        assert_eq!(session.authenticated_at(), Some(StoreTime(1_700_000_000_000 + minutes * 60_000)));
        assert_eq!(session.names().unwrap(), ["a"]);
    }
}

#[tokio::test]
async fn a_late_tab_under_the_moved_cookie_is_anonymous_and_its_write_is_stale() {
    let fleet = fleet();
    let before = made_by_django(&fleet, &[("cart", "[1]")]).await;
    fleet.serve(&mut before.clone(), |session| session.login_as(user("1")).unwrap()).await;
    assert_eq!(fleet.user_id(&before).await, None);
    let late = fleet.serve(&mut before.clone(), |session| session.insert("a", &1).unwrap()).await;
    assert_eq!((kind(&late), late.set_cookie()), (Some(ErrorKind::Stale), None));
    let end = fleet.serve(&mut before.clone(), |session| session.logout().unwrap()).await;
    assert_eq!(
        (kind(&end), end.set_cookie()),
        (Some(ErrorKind::Stale), None),
        "the refusal does not reveal the new session key"
    );
    fleet.memory.advance(Duration::from_secs(61));
    let later = fleet.serve(&mut before.clone(), |session| session.insert("a", &1).unwrap()).await;
    assert!(later.error().is_none(), "after a minute it is an ordinary visitor");
}

/// Another program stores the entry after the session was copied to its new key, before the old one is deleted.
fn write_while_it_moves(fleet: &Fleet, browser: &Browser, name: &'static str, json: &'static str) {
    let (memory, key) = (fleet.memory.clone(), session_key(browser));
    fleet.faults().before_next("delete", move |_| async move {
        let mut pickle = Pickle::read(&memory.load(&key).await.unwrap().unwrap()).unwrap();
        pickle.set_json(name, json).unwrap();
        let _ = memory.delete(&key, None).await.unwrap();
        memory.create(&key, pickle.to_bytes().unwrap(), IDLE).await.unwrap();
    });
}

#[tokio::test]
async fn a_write_during_the_move_of_a_session_is_not_lost() {
    let fleet = fleet();
    let mut browser = made_by_django(&fleet, &[("cart", "[1]")]).await;
    write_while_it_moves(&fleet, &browser, "added", "true");
    let outcome = fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
    assert!(outcome.error().is_none());
    assert_eq!(fleet.get(&browser, "added").await, Some(true.into()));
    let sessions = fleet.manager.all_sessions(None).await.unwrap().sessions.len();
    assert_eq!(sessions, 1, "the superfluous new session is gone");
}

#[tokio::test]
async fn an_update_is_made_of_what_is_written_while_the_session_moves() {
    let fleet = fleet();
    let mut browser = made_by_django(&fleet, &[("count", "1")]).await;
    write_while_it_moves(&fleet, &browser, "count", "10");
    let outcome = fleet
        .serve(&mut browser, |session| {
            session.update_or("count", 0, |count: u32| count + 1).unwrap();
            session.rotate().unwrap();
        })
        .await;
    assert!(outcome.error().is_none());
    assert_eq!(fleet.get(&browser, "count").await, Some(11.into()));
}

#[tokio::test]
async fn a_session_that_ends_while_it_moves_stays_ended() {
    let fleet = fleet();
    let mut browser = made_by_django(&fleet, &[("cart", "[1]")]).await;
    let (memory, key) = (fleet.memory.clone(), session_key(&browser));
    fleet.faults().before_next("delete", move |_| async move { drop(memory.delete(&key, None).await.unwrap()) });
    let outcome = fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
    assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Gone), None));
    assert!(fleet.manager.all_sessions(None).await.unwrap().sessions.is_empty());
}

#[tokio::test]
async fn a_session_that_django_revives_after_a_sign_out_is_not_opened_and_deleted_again() {
    let fleet = fleet();
    let browser = made_by_django(&fleet, &[("a", "1")]).await;
    let revived = stored(&fleet, &session_key(&browser)).await.unwrap();
    fleet.serve(&mut browser.clone(), |session| session.logout().unwrap()).await;
    set(&fleet, &session_key(&browser), revived.clone()).await;
    assert!(fleet.manager.all_sessions(None).await.unwrap().sessions.is_empty());
    assert_eq!(fleet.get(&browser, "a").await, None);
    assert_eq!(stored(&fleet, &session_key(&browser)).await, None);
    assert_eq!(fleet.manager.stats().ended_again, 1);
    // Also when the sign-out was long ago.
    fleet.memory.advance(IDLE);
    set(&fleet, &session_key(&browser), revived).await;
    assert_eq!(fleet.get(&browser, "a").await, None);
}

#[tokio::test]
async fn a_write_that_lands_on_a_revived_session_is_gone_and_the_session_deleted() {
    let fleet = fleet();
    let browser = made_by_django(&fleet, &[("a", "1")]).await;
    let revived = stored(&fleet, &session_key(&browser)).await.unwrap();
    let (slow, session) = fleet.load(&browser).await;
    session.insert("late", &1).unwrap();
    fleet.serve(&mut browser.clone(), |session| session.logout().unwrap()).await;
    set(&fleet, &session_key(&browser), revived).await;
    assert_eq!(kind(&fleet.finish(&slow).await), Some(ErrorKind::Gone));
    assert_eq!(stored(&fleet, &session_key(&browser)).await, None);
}

#[tokio::test]
async fn a_store_that_takes_no_tombstone_still_signs_out() {
    let fleet = fleet();
    let browser = made_by_django(&fleet, &[("a", "1")]).await;
    fleet.faults().fail_next("create", Fault::Fails(ErrorKind::Unavailable));
    let outcome = fleet.serve(&mut browser.clone(), |session| session.logout().unwrap()).await;
    assert!(outcome.error().is_none());
    assert_eq!(stored(&fleet, &session_key(&browser)).await, None);
}

/// Records carry no tag, so equal bytes do not identify their writer.
#[tokio::test]
async fn of_two_writers_of_equal_bytes_both_count() {
    let fleet = fleet();
    let browser = made_by_django(&fleet, &[("n", "1")]).await;
    let (first, a) = fleet.load(&browser).await;
    let (second, b) = fleet.load(&browser).await;
    for session in [a, b] {
        session.update("n", |n: Option<u64>| Some(n.unwrap_or(0) + 1)).unwrap();
    }
    assert!(fleet.finish(&first).await.error().is_none());
    assert!(fleet.finish(&second).await.error().is_none());
    assert_eq!(fleet.get(&browser, "n").await, Some(3.into()));
}

#[tokio::test]
async fn a_lost_reply_is_an_outage_and_nothing_is_tried_again() {
    let fleet = fleet();
    let browser = made_by_django(&fleet, &[("n", "1")]).await;
    for fault in [Fault::LostReply, Fault::LostRequest] {
        let (request, session) = fleet.load(&browser).await;
        session.update("n", |n: Option<u64>| Some(n.unwrap_or(0) + 1)).unwrap();
        fleet.faults().fail_next("replace", fault);
        fleet.store.take_calls();
        assert_eq!(kind(&fleet.finish(&request).await), Some(ErrorKind::Unavailable));
        assert_eq!(fleet.store.take_calls().iter().filter(|call| **call == "replace").count(), 1);
    }
    assert_eq!(fleet.get(&browser, "n").await, Some(2.into()), "one of the two had been applied");
}

#[tokio::test]
async fn reading_writes_nothing_and_extends_nothing() {
    let fleet = fleet();
    let browser = made_by_django(&fleet, &[("a", "1")]).await;
    fleet.memory.advance(IDLE / 2);
    fleet.store.take_calls();
    fleet.serve(&mut browser.clone(), |session| drop(session.get::<u8>("a"))).await;
    assert!(fleet.store.take_calls().iter().all(|call| ["load", "time"].contains(call)));
    fleet.memory.advance(IDLE / 2);
    assert_eq!(fleet.get(&browser, "a").await, None);
}

#[tokio::test]
async fn a_session_with_an_expiry_of_its_own_lives_as_long_as_that_says() {
    let fleet = fleet();
    let mut browser = Browser::default();
    let start = |session: &Session| {
        session.insert("start", &1).unwrap();
        session.set_expiry(Expiry::OnInactivity(Duration::from_secs(60))).unwrap();
    };
    fleet.serve(&mut browser, start).await;
    assert_eq!(fleet.load(&browser).await.1.names().unwrap(), ["start"], "the expiry is not an entry");
    fleet.memory.advance(Duration::from_secs(59));
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    fleet.memory.advance(Duration::from_secs(59));
    assert_eq!(fleet.get(&browser, "a").await, Some(1.into()));
    fleet.memory.advance(Duration::from_secs(2));
    assert_eq!(fleet.get(&browser, "a").await, None);
}

#[tokio::test]
async fn an_unreadable_session_is_an_error_and_stays_until_its_owner_signs_out() {
    let fleet = fleet();
    let browser = made_by_django(&fleet, &[("a", "1")]).await;
    let key = session_key(&browser);
    let readable = stored(&fleet, &key).await.unwrap();
    set(&fleet, &key, Bytes::from_static(b"{\"json\": 1}x")).await;
    let outcome = fleet.serve(&mut browser.clone(), |session| assert!(session.insert("a", &1).is_err())).await;
    assert!(outcome.error().is_none());
    let mut again = browser.clone();
    fleet.serve(&mut again, |session| session.login_as(user("1")).unwrap()).await;
    assert_eq!(fleet.user_id(&again).await.as_deref(), Some("1"));
    assert!(stored(&fleet, &key).await.is_some(), "a sign-in takes another key");
    fleet.serve(&mut browser.clone(), |session| session.logout().unwrap()).await;
    assert_eq!(stored(&fleet, &key).await, None);
    set(&fleet, &key, readable).await;
    assert_eq!(fleet.get(&browser, "a").await, None, "Django does not bring it back either");
}

/// Then it is unknown whether the session has ended.
#[tokio::test]
async fn a_tombstone_that_cannot_be_looked_for_is_an_outage() {
    let fleet = fleet();
    let browser = made_by_django(&fleet, &[("a", "1")]).await;
    let faults = fleet.faults().clone();
    fleet.faults().after_next("load", |_| async move { faults.fail_next("load", Fault::Refused) });
    assert_eq!(fleet.request(&browser).load().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn cookies_of_other_lengths_and_letters_cause_no_store_call() {
    let fleet = fleet();
    for value in ["", "short", &KEY[1..], &format!("{KEY}a"), &KEY.to_uppercase(), &KEY.replace('a', "*")] {
        fleet.store.take_calls();
        fleet.load(&Browser(Some(format!("sid={value}")))).await;
        fleet.store.assert_untouched();
    }
}

#[tokio::test]
async fn sessions_that_django_signed_in_are_listed_and_revoked_once_they_were_seen() {
    let (fleet, users) = current_user::fleet_with_users_of_django().await;
    let manager = fleet.manager.clone().with_profile(Profile::django(Django::cache()));
    let fleet = Fleet { manager, ..fleet };
    let ann = current_user::signed_in(&fleet, &users, "ann").await;
    let identity = fleet.load(&ann).await.1.identity().unwrap().unwrap();
    let [(id, id_json), (backend, backend_json), _] = signed_in(&identity.user_id);
    let hash = format!("\"{}\"", identity.auth_hash);
    let entries = [(id, id_json.as_str()), (backend, backend_json.as_str()), ("_auth_user_hash", hash.as_str())];
    let other = made_by_django(&fleet, &entries).await;
    fleet.faults().fail_next("index_add", Fault::Refused);
    assert!(
        fleet.request(&other).load().await.unwrap().user().await.unwrap().is_some(),
        "the next request repeats a failed operation"
    );
    assert_eq!(fleet.manager.sessions_of(&identity.user_id).await.unwrap().len(), 1);
    assert!(fleet.request(&other).load().await.unwrap().user().await.unwrap().is_some());
    let sessions = fleet.manager.sessions_of(&identity.user_id).await.unwrap();
    assert_eq!(sessions.len(), 2);
    fleet.store.take_calls();
    assert!(fleet.request(&other).load().await.unwrap().user().await.unwrap().is_some());
    assert!(!fleet.store.take_calls().contains(&"index_add"), "once is enough");

    let handle = fleet.load(&other).await.1.handle().unwrap();
    assert!(!fleet.manager.revoke(Some("999"), &handle).await.unwrap());
    assert!(fleet.manager.revoke(Some(&identity.user_id), &handle).await.unwrap());
    assert!(fleet.request(&other).load().await.unwrap().user().await.unwrap().is_none());
    let handle = fleet.load(&ann).await.1.handle().unwrap();
    assert!(fleet.manager.revoke(None, &handle).await.unwrap());
    assert!(fleet.request(&ann).load().await.unwrap().user().await.unwrap().is_none());
}

#[tokio::test]
async fn a_hash_under_an_earlier_key_is_renewed_in_place() {
    let (fleet, users) = current_user::fleet_with_users_of_django().await;
    let with_keys = |keys: SecretKeys| -> Fleet {
        let manager: SessionManager = fleet.manager.clone().with_users(users.clone(), keys);
        let manager = manager.with_profile(Profile::django(Django::cache()));
        Fleet { manager, store: fleet.store.clone(), memory: fleet.memory.clone() }
    };
    let old = with_keys(SecretKeys::django("old").unwrap());
    let browser = current_user::signed_in(&old, &users, "ann").await;
    let rotated = with_keys(SecretKeys::django("new").unwrap().with_fallback("old").unwrap());
    let (request, session) = rotated.load(&browser).await;
    assert!(session.user().await.unwrap().is_some());
    let outcome = rotated.finish(&request).await;
    assert_eq!((kind(&outcome), outcome.set_cookie()), (None, None));
    let new = with_keys(SecretKeys::django("new").unwrap());
    assert!(
        new.request(&browser).load().await.unwrap().user().await.unwrap().is_some(),
        "the earlier key is no longer needed"
    );
}

#[tokio::test]
async fn a_session_whose_request_was_dropped_before_it_was_listed_is_listed_by_the_next() {
    let (fleet, users) = current_user::fleet_with_users_of_django().await;
    let manager = fleet.manager.clone().with_profile(Profile::django(Django::cache()));
    let fleet = Fleet { manager, ..fleet };
    let browser = current_user::signed_in(&fleet, &users, "ann").await;
    let index = ":1:shared_session.user.1";
    // As if Django had signed the user in.
    let members = fleet.memory.index_list(index).await.unwrap();
    fleet.memory.index_remove(index, &members).await.unwrap();
    fleet.faults().fail_next("index_add", Fault::Hangs);
    {
        let request = fleet.request(&browser);
        let dropped = async { request.load().await.unwrap().user().await };
        tokio::select! {
            biased;
            _ = dropped => panic!("the request waits for the store"),
            () = fleet.faults().wait_for_hanging(1) => {}
        }
    }
    assert_eq!(current_user::name(&fleet, &browser).await.as_deref(), Some("ann"));
    assert_eq!(fleet.memory.index_list(index).await.unwrap(), members);
}

/// A client that names neither itself nor its address.
#[tokio::test]
async fn the_time_of_a_sign_in_is_known_although_its_client_is_not() {
    let fleet = fleet();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let at = fleet.load(&browser).await.1.authenticated_at();
    assert_eq!(at, Some(fleet.memory.time().await.unwrap()));
}

/// Django restores it with the lifetime that it had.
#[tokio::test]
async fn a_session_with_a_long_life_of_its_own_stays_ended_for_as_long() {
    let ends: [fn(&Session); 2] = [|session| session.rotate().unwrap(), |session| session.logout().unwrap()];
    for end in ends {
        let fleet = fleet();
        let browser = made_by_django(&fleet, &[("a", "1")]).await;
        let long = 10 * IDLE;
        fleet.serve(&mut browser.clone(), |session| session.set_expiry(Expiry::OnInactivity(long)).unwrap()).await;
        let key = session_key(&browser);
        let seen_by_django = stored(&fleet, &key).await.unwrap();
        fleet.serve(&mut browser.clone(), end).await;
        assert!(fleet.memory.create(&key, seen_by_django, long).await.unwrap());
        fleet.memory.advance(3 * IDLE);
        assert_eq!(fleet.get(&browser, "a").await, None);
    }
}
