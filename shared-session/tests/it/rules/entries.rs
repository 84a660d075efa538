//! Names, typed keys, counters, and clearing, in the native profile and in Django's.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared_session::{ErrorKind, Key, Profile, SecretKeys, Session, django::Django, store::SessionStore};

use super::{Browser, Fleet, kind, user};

const VISITS: Key<u64> = Key::new("visits");
const CART: Key<Vec<u32>> = Key::new("cart");
const THEME: Key<String> = Key::new("pref.theme");

/// A service for each session layout.
fn fleets() -> impl Iterator<Item = Fleet> {
    let keys = SecretKeys::django("key").unwrap();
    let profiles = [
        Profile::default(),
        Profile::django(Django::cache()),
        Profile::django(Django::redis()),
        Profile::django(Django::db(keys)),
    ];
    profiles.into_iter().map(|profile| {
        let fleet = Fleet::new();
        Fleet { manager: fleet.manager.clone().with_profile(profile), ..fleet }
    })
}

#[tokio::test]
async fn a_key_and_a_text_name_the_same_entry() {
    for fleet in fleets() {
        let mut browser = Browser::default();
        fleet
            .serve(&mut browser, |session| {
                session.insert(CART, &vec![1, 2]).unwrap();
                session.insert("visits", &7).unwrap();
                session.insert(&format!("pref.{}", "theme"), "dark").unwrap();
            })
            .await;
        let (_, session) = fleet.load(&browser).await;
        assert_eq!(session.get(THEME).unwrap().as_deref(), Some("dark"));
        assert_eq!(session.get::<Vec<u32>>("cart").unwrap(), Some(vec![1, 2]));
        assert_eq!(session.get(VISITS).unwrap(), Some(7));
        assert_eq!(session.get::<u64>(&"visits".to_owned()).unwrap(), Some(7));
        assert_eq!(session.names().unwrap(), ["cart", "pref.theme", "visits"]);
        assert_eq!(session.take(CART).unwrap(), Some(vec![1, 2]));
        assert_eq!(session.update(VISITS, |visits| visits.map(|visits| visits + 1)).unwrap(), Some(8));
        session.remove(VISITS).unwrap();
        assert!(!session.contains(VISITS).unwrap() && !session.contains("cart").unwrap());
        assert!(session.contains("pref.theme").unwrap());
    }
}

#[tokio::test]
async fn a_key_accepts_its_type_and_the_borrowed_form() {
    for fleet in fleets() {
        let (_, session) = fleet.load(&Browser::default()).await;
        session.insert(THEME, "dark").unwrap();
        assert_eq!(session.take(THEME).unwrap().as_deref(), Some("dark"));
        session.insert(THEME, &"dark".to_owned()).unwrap();
        session.insert(CART, [1, 2].as_slice()).unwrap();
        session.insert(VISITS, &Default::default()).unwrap();
        let seen = (session.get(THEME).unwrap(), session.get(CART).unwrap(), session.get(VISITS).unwrap());
        assert_eq!(seen, (Some("dark".to_owned()), Some(vec![1, 2]), Some(0)));
    }
}

#[tokio::test]
async fn the_error_of_a_value_of_another_type_names_the_entry_and_the_type() {
    const NAME: Key<u64> = Key::new("name");
    for fleet in fleets() {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("name", "canary").unwrap()).await;
        let (_, session) = fleet.load(&browser).await;
        let errors = [
            session.get(NAME).unwrap_err(),
            session.take(NAME).unwrap_err(),
            session.update(NAME, |n| n).unwrap_err(),
            session.update_or(NAME, 0, |n| n + 1).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Value);
            let text = format!("{error} {error:?}");
            assert!(text.contains(r#"the entry "name""#) && text.contains("u64"), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
        let error = session.insert("ratio", &f64::NAN).unwrap_err().to_string();
        assert!(error.contains(r#"the entry "ratio""#) && error.contains("f64"), "{error}");
        assert_eq!(session.get::<String>("name").unwrap().as_deref(), Some("canary"), "it stays");
    }
}

#[tokio::test]
async fn a_counter_starts_from_its_default_and_returns_a_number() {
    for fleet in fleets() {
        let mut browser = Browser::default();
        fleet
            .serve(&mut browser, |session| {
                assert_eq!(session.update_or(VISITS, 10, |n| n + 1).unwrap(), 11);
                assert_eq!(session.update_or(VISITS, 10, |n| n + 1).unwrap(), 12);
                session.insert("nothing", &()).unwrap();
                assert_eq!(session.update_or("nothing", 5, |n: u8| n).unwrap(), 5, "null is not a number");
            })
            .await;
        assert_eq!(fleet.get(&browser, "visits").await, Some(12.into()));
        assert_eq!(fleet.get(&browser, "nothing").await, Some(5.into()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_with_a_default_counts_every_request() {
    for fleet in fleets().map(Arc::new) {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let (fleet, browser) = (fleet.clone(), browser.clone());
                tokio::spawn(async move {
                    for _ in 0..10 {
                        let (handle, session) = fleet.load(&browser).await;
                        session.update_or(VISITS, 0, |n| n + 1).unwrap();
                        assert_eq!(kind(&fleet.finish(&handle).await), None);
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(fleet.get(&browser, "visits").await, Some(40.into()));
    }
}

#[tokio::test]
async fn clearing_removes_the_entries_and_keeps_the_session_and_its_user() {
    for fleet in fleets() {
        let mut browser = Browser::default();
        fleet
            .serve(&mut browser, |session| {
                session.login_as(user("1")).unwrap();
                session.insert("a", &1).unwrap();
                session.insert(CART, &vec![1]).unwrap();
            })
            .await;
        let before = browser.clone();
        fleet
            .serve(&mut browser, |session| {
                session.insert("b", &2).unwrap();
                assert!(!session.is_empty().unwrap());
                session.clear().unwrap();
                assert!(session.is_empty().unwrap() && session.names().unwrap().is_empty());
                assert_eq!(session.get::<u64>("a").unwrap(), None);
                session.insert("c", &3).unwrap();
            })
            .await;
        let (_, session) = fleet.load(&browser).await;
        assert_eq!(session.names().unwrap(), ["c"]);
        assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
        assert_eq!(browser.0, before.0, "the cookie stays");
    }
}

#[tokio::test]
async fn clearing_leaves_what_another_request_adds_and_removes_what_it_changes() {
    for fleet in fleets() {
        let mut browser = Browser::default();
        fleet
            .serve(&mut browser, |session| {
                session.insert("seen", &1).unwrap();
                session.insert("counted", &1).unwrap();
            })
            .await;
        let (slow, session) = fleet.load(&browser).await;
        session.clear().unwrap();
        fleet
            .serve(&mut browser, |session| {
                session.insert("added", &1).unwrap();
                session.update_or("counted", 0, |n: u64| n + 1).unwrap();
            })
            .await;
        assert_eq!(kind(&fleet.finish(&slow).await), None);
        assert_eq!(fleet.load(&browser).await.1.names().unwrap(), ["added"]);
    }
}

#[tokio::test]
async fn clearing_nothing_stores_nothing() {
    for fleet in fleets() {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.clear().unwrap()).await;
        assert!(browser.0.is_none(), "a visitor gets no session");
        fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
        fleet.serve(&mut browser, |session| session.clear().unwrap()).await;
        fleet.store.take_calls();
        let outcome = fleet.serve(&mut browser, |session| session.clear().unwrap()).await;
        assert!(outcome.error().is_none());
        assert!(!fleet.store.take_calls().contains(&"replace"), "the session is empty already");
    }
}

#[tokio::test]
async fn an_unreadable_session_is_neither_empty_nor_cleared() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let _ = fleet.memory.delete(&browser.key(), None).await.unwrap();
    assert!(fleet.memory.create(&browser.key(), "broken".into(), super::IDLE).await.unwrap());
    let (_, session) = fleet.load(&browser).await;
    let errors = [session.clear().err(), session.is_empty().err(), session.contains("a").err()];
    assert!(errors.iter().flatten().all(|error| error.kind() == ErrorKind::Unreadable));
    assert_eq!(errors.iter().flatten().count(), 3);
}

/// A new version of a service can read an old version's entries, and the reverse.
#[tokio::test]
async fn a_stored_struct_may_get_new_fields_with_a_default() {
    #[derive(Serialize, Deserialize)]
    struct Old {
        items: Vec<u32>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct New {
        items: Vec<u32>,
        #[serde(default)]
        voucher: Option<String>,
    }
    #[derive(Debug, Deserialize)]
    struct Strict {
        #[expect(dead_code, reason = "only its absence matters")]
        owner: String,
    }
    for fleet in fleets() {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("cart", &Old { items: vec![1] }).unwrap()).await;
        let (_, session) = fleet.load(&browser).await;
        let new = session.get::<New>("cart").unwrap().unwrap();
        assert_eq!(new, New { items: vec![1], voucher: None });
        session.insert("cart", &new).unwrap();
        assert_eq!(session.get::<Old>("cart").unwrap().unwrap().items, [1]);
        let error = session.get::<Strict>("cart").unwrap_err().to_string();
        assert!(error.contains("cart") && error.contains("Strict"), "{error}");
    }
}

thread_local! {
    static SESSION: std::cell::RefCell<Option<Session>> = const { std::cell::RefCell::new(None) };
}

/// Reads the session while it is read from the session.
struct Reader;

impl<'de> serde::Deserialize<'de> for Reader {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(input)?;
        SESSION.with_borrow(|session| assert_eq!(session.as_ref().unwrap().names().unwrap(), ["a"]));
        Ok(Self)
    }
}

#[tokio::test]
async fn a_value_that_reads_its_own_session_can_be_read_and_taken() {
    let fleet = Fleet::new();
    let (_handle, session) = fleet.load(&Browser::default()).await;
    session.insert("a", &1).unwrap();
    SESSION.set(Some(session.clone()));
    assert!(session.get::<Reader>("a").unwrap().is_some());
    assert!(session.take::<Reader>("a").unwrap().is_some());
    assert!(!session.contains("a").unwrap());
}
