//! The faster writer wins: the other is merged, stale or gone.

use std::{sync::Mutex, time::Duration};

use bytes::Bytes;
use shared_session::{
    Error, ErrorKind, SessionManager,
    store::{Deleted, MemoryStore, Page, Replaced, Seen, SessionStore, StoreTime},
};

use super::{Browser, Fleet, Store, kind, user};

async fn started(fleet: &Fleet) -> Browser {
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("start", &1).unwrap()).await;
    browser
}

#[tokio::test]
async fn writes_to_different_entries_are_both_kept() {
    let fleet = Fleet::new();
    let browser = started(&fleet).await;
    let (slow, slow_session) = fleet.load(&browser).await;
    let (fast, fast_session) = fleet.load(&browser).await;
    slow_session.insert("slow", &1).unwrap();
    fast_session.insert("fast", &2).unwrap();
    assert!(fleet.finish(&fast).await.error().is_none());
    assert!(fleet.finish(&slow).await.error().is_none());
    assert_eq!(fleet.get(&browser, "slow").await, Some(1.into()));
    assert_eq!(fleet.get(&browser, "fast").await, Some(2.into()));
    assert_eq!(fleet.manager.stats().merged, 1);
}

#[tokio::test]
async fn of_two_inserts_of_one_entry_the_later_stands() {
    let fleet = Fleet::new();
    let browser = started(&fleet).await;
    let (first, a) = fleet.load(&browser).await;
    let (second, b) = fleet.load(&browser).await;
    a.insert("theme", "dark").unwrap();
    b.insert("theme", "light").unwrap();
    let _ = fleet.finish(&first).await;
    let _ = fleet.finish(&second).await;
    assert_eq!(fleet.get(&browser, "theme").await, Some("light".into()));
}

#[tokio::test]
async fn a_session_that_ended_meanwhile_is_gone_and_not_made_again() {
    let fleet = Fleet::new();
    let browser = started(&fleet).await;
    let (slow, session) = fleet.load(&browser).await;
    session.insert("late", &1).unwrap();
    fleet.serve(&mut browser.clone(), |session| session.logout().unwrap()).await;
    let outcome = fleet.finish(&slow).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Gone));
    assert_eq!(outcome.set_cookie(), None);
    assert_eq!(fleet.memory.len(), 0);
}

/// The attack: a cookie planted before the sign-in must not write into the victim's session.
#[tokio::test]
async fn a_write_begun_before_a_sign_in_never_lands_in_the_session_of_the_sign_in() {
    let fleet = Fleet::new();
    let planted = started(&fleet).await;
    let (attack, attacker) = fleet.load(&planted).await;
    attacker.insert("cart", "attacker's").unwrap();
    let mut victim = planted.clone();
    fleet.serve(&mut victim, |session| session.login_as(user("1")).unwrap()).await;

    let outcome = fleet.finish(&attack).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Stale));
    assert_eq!(outcome.set_cookie(), None);
    assert_eq!(fleet.get(&victim, "cart").await, None);
    assert_eq!(fleet.user_id(&victim).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_write_begun_before_a_rotation_is_stale() {
    let fleet = Fleet::new();
    let mut browser = started(&fleet).await;
    let (slow, session) = fleet.load(&browser).await;
    session.insert("late", &1).unwrap();
    fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
    assert_eq!(kind(&fleet.finish(&slow).await), Some(ErrorKind::Stale));
    assert_eq!(fleet.get(&browser, "late").await, None);
    assert_eq!(fleet.get(&browser, "start").await, Some(1.into()));
}

#[tokio::test]
async fn of_two_rotations_one_wins() {
    let fleet = Fleet::new();
    let browser = started(&fleet).await;
    let (one, a) = fleet.load(&browser).await;
    let (two, b) = fleet.load(&browser).await;
    a.rotate().unwrap();
    b.rotate().unwrap();
    assert!(fleet.finish(&one).await.set_cookie().is_some());
    let second = fleet.finish(&two).await;
    assert_eq!((kind(&second), second.set_cookie()), (Some(ErrorKind::Stale), None));
}

/// A write arrives late, after the look-up for its lost reply found nothing.
#[tokio::test]
async fn a_conflict_with_my_own_tag_is_my_own_write() {
    let fleet = Fleet::new();
    let late = LateWrite { store: fleet.store.clone(), held: Mutex::new(Vec::new()) };
    let manager =
        SessionManager::new(late).with_cookie(fleet.manager.cookie().clone()).with_lifetime(crate::rules::lifetime());
    let fleet = Fleet { manager, ..fleet };
    let browser = started(&fleet).await;
    let (handle, session) = fleet.load(&browser).await;
    session.update("n", |n: Option<u64>| Some(n.unwrap_or(0) + 1)).unwrap();
    assert!(fleet.finish(&handle).await.error().is_none());
    assert_eq!(fleet.get(&browser, "n").await, Some(1.into()));
}

/// A store whose first write arrives just before the second one.
struct LateWrite {
    store: Store,
    held: Mutex<Vec<(String, Seen, Bytes, Duration)>>,
}

impl SessionStore for LateWrite {
    async fn replace(&self, key: &str, seen: &Seen, value: Bytes, ttl: Duration) -> Result<Replaced, Error> {
        let held = self.held.lock().unwrap().pop();
        match held {
            None => {
                self.held.lock().unwrap().push((key.to_owned(), seen.clone(), value, ttl));
                Err(Error::new(ErrorKind::Unavailable, "no reply").undecided())
            }
            Some((held_key, held_seen, held_value, held_ttl)) => {
                let first = self.store.replace(&held_key, &held_seen, held_value, held_ttl).await?;
                assert_eq!(first, Replaced::Stored);
                self.store.replace(key, seen, value, ttl).await
            }
        }
    }
    async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.store.load(key).await
    }
    async fn create(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        self.store.create(key, value, ttl).await
    }
    async fn delete(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
        self.store.delete(key, seen).await
    }
    async fn scan(&self, prefix: &str, from: Option<&str>) -> Result<Page, Error> {
        self.store.scan(prefix, from).await
    }
    async fn index_add(&self, index: &str, member: &str, deadline: StoreTime) -> Result<(), Error> {
        self.store.index_add(index, member, deadline).await
    }
    async fn index_list(&self, index: &str) -> Result<Vec<String>, Error> {
        self.store.index_list(index).await
    }
    async fn index_remove(&self, index: &str, members: &[String]) -> Result<(), Error> {
        self.store.index_remove(index, members).await
    }
    async fn time(&self) -> Result<StoreTime, Error> {
        self.store.time().await
    }
}

/// A writer in another language signs a user in under the same secret.
#[tokio::test]
async fn a_write_begun_before_another_user_was_set_is_stale() {
    let fleet = Fleet::new();
    let browser = started(&fleet).await;
    let (handle, session) = fleet.load(&browser).await;
    session.insert("late", &1).unwrap();
    let key = browser.key();
    let signed_in = r#""u":{"id":"9","hash":"hash","epoch":0}"#;
    rewrite(&fleet.memory, &key, |text| {
        text.replace_range(35..59, &"R".repeat(24));
        *text = text.replacen(r#""u":null"#, signed_in, 1);
    })
    .await;
    assert_eq!(kind(&fleet.finish(&handle).await), Some(ErrorKind::Stale));
    assert_eq!(fleet.get(&browser, "late").await, None);
}

#[tokio::test]
async fn endless_conflicts_end_in_503() {
    let fleet = Fleet::new();
    let browser = started(&fleet).await;
    let (handle, session) = fleet.load(&browser).await;
    session.insert("mine", &1).unwrap();
    for round in 0..100 {
        let key = browser.key();
        fleet.faults().before_next("replace", move |memory| async move {
            rewrite(&memory, &key, |text| text.replace_range(35..59, &format!("{round:024}"))).await;
        });
    }
    assert_eq!(kind(&fleet.finish(&handle).await), Some(ErrorKind::Unavailable));
}

/// Two writes were overtaken. One of them continues; the other waits for it and then reads the stored record.
#[tokio::test]
async fn a_session_that_ends_while_a_write_waits_for_its_turn_is_gone() {
    let fleet = Fleet::new();
    let browser = started(&fleet).await;
    let ((first, one), (second, two)) = (fleet.load(&browser).await, fleet.load(&browser).await);
    one.insert("one", &1).unwrap();
    two.insert("two", &2).unwrap();
    let key = browser.key();
    fleet.faults().before_next("replace", {
        let key = key.clone();
        move |memory| async move { rewrite(&memory, &key, |text| text.replace_range(35..59, &"R".repeat(24))).await }
    });
    let (go_on, told) = tokio::sync::oneshot::channel();
    fleet.faults().before_next("replace", move |_| async move { told.await.unwrap() });
    fleet.faults().before_next("load", move |memory| async move {
        assert_eq!(memory.delete(&key, None).await.unwrap(), Deleted::Done);
    });
    let (first, second, told) = tokio::join!(fleet.finish(&first), fleet.finish(&second), async { go_on.send(()) });
    told.unwrap();
    assert_eq!((kind(&first), kind(&second)), (None, Some(ErrorKind::Gone)));
    assert_eq!(fleet.memory.len(), 0);
}

/// Another writer, which bypasses all faults.
pub(super) async fn rewrite(memory: &MemoryStore, key: &str, edit: impl FnOnce(&mut String)) {
    let bytes = memory.load(key).await.unwrap().unwrap();
    let mut text = super::opened(key, &bytes);
    edit(&mut text);
    let stored = memory.replace(key, &Seen::new(bytes, 0..12), super::stored(key, text), super::IDLE).await.unwrap();
    assert_eq!(stored, Replaced::Stored);
}
