//! Detection of stored sessions that do not fit the configuration.

use shared_session::{
    Error, ErrorKind, Profile, SecretKeys,
    django::Django,
    users::{ManageUsers, User, Users},
};

use super::{KEY, fleet, set};
use crate::rules::{Browser, Fleet, current_user};

#[tokio::test]
async fn a_service_with_another_prefix_version_or_key_does_not_fit() {
    let (fleet, users) = current_user::fleet_with_users_of_django().await;
    let with = |django: Django, keys: &str| {
        let keys = SecretKeys::django(keys).unwrap();
        fleet.manager.clone().with_users(users.clone(), keys).with_profile(Profile::django(django))
    };
    let ours = with(Django::cache(), "key");
    assert_eq!(ours.check_fleet().await.unwrap().sessions, 0, "an empty store fits every configuration");
    let fleet = Fleet { manager: ours.clone(), store: fleet.store.clone(), memory: fleet.memory.clone() };
    current_user::signed_in(&fleet, &users, "ann").await;
    let found = ours.check_fleet().await.unwrap();
    assert_eq!((found.sessions, found.users), (1, 1));
    users.set_active("1", false).await.unwrap();
    assert_eq!(ours.check_fleet().await.unwrap().users, 0, "sessions of a deactivated user prove nothing");
    users.set_active("1", true).await.unwrap();
    for (other, says) in [
        (with(Django::cache().with_key_prefix("shop"), "key"), r#"key prefix is "" and the version 1"#),
        (with(Django::cache().with_version(2), "key"), r#"key prefix is "" and the version 1"#),
        (with(Django::cache(), "another key"), "secret key"),
    ] {
        let error = other.check_fleet().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn keys_of_a_key_function_are_named() {
    let fleet = fleet();
    set(&fleet, &format!("shop-django.contrib.sessions.cache{KEY}"), "text".into()).await;
    let error = fleet.manager.check_fleet().await.unwrap_err().to_string();
    assert!(error.contains("KEY_FUNCTION") && error.contains(r#""shop-""#), "{error}");
}

#[tokio::test]
async fn native_sessions_under_another_prefix_are_named_and_similar_values_are_not() {
    let fleet = Fleet::new();
    let shop = fleet.manager.clone().with_profile(Profile::native("shop:"));
    set(&fleet, "cache:abcdefghijklmnopqrstuvwx", "text".into()).await;
    let found = shop.check_fleet().await.unwrap();
    assert!(found.unchecked().is_some_and(|line| line.starts_with("no session found")));
    fleet.serve(&mut Browser::default(), |session| session.insert("a", &1).unwrap()).await;
    let error = shop.check_fleet().await.unwrap_err();
    assert!(error.to_string().contains(r#"the key prefix is "shared_session:""#), "{error}");
    assert_eq!(fleet.manager.check_fleet().await.unwrap().sessions, 1);
}

#[tokio::test]
async fn twenty_sessions_are_looked_at_however_many_other_keys_come_first() {
    let fleet = Fleet::new();
    for _ in 0..30 {
        fleet.serve(&mut Browser::default(), |session| session.insert("a", &1).unwrap()).await;
    }
    // A page has 500 keys.
    for n in 0..1_000 + 490 {
        set(&fleet, &format!("shared_session:!{n:05}"), "text".into()).await;
    }
    fleet.store.take_calls();
    assert_eq!(fleet.manager.check_fleet().await.unwrap().sessions, 20);
    assert_eq!(fleet.store.take_calls().iter().filter(|call| **call == "scan").count(), 4);
}

#[tokio::test]
async fn no_more_is_asked_for_than_it_takes() {
    let fleet = Fleet::new();
    for _ in 0..20 {
        fleet.serve(&mut Browser::default(), |session| session.insert("a", &1).unwrap()).await;
    }
    for n in 0..1_000 {
        set(&fleet, &format!("shared_session:~{n:05}"), "text".into()).await;
    }
    fleet.store.take_calls();
    assert_eq!(fleet.manager.check_fleet().await.unwrap().sessions, 20);
    assert_eq!(fleet.store.take_calls().iter().filter(|call| **call == "scan").count(), 1);
}

struct Broken(ErrorKind);

impl Users for Broken {
    type User = User;

    async fn find(&self, _: &str) -> Result<Option<User>, Error> {
        Err(self.0.into())
    }

    async fn find_by_name(&self, _: &str) -> Result<Option<User>, Error> {
        Err(self.0.into())
    }
}

#[tokio::test]
async fn a_user_whose_row_cannot_be_read_says_nothing_about_the_fleet_and_an_outage_is_one() {
    let fleet = Fleet::new();
    fleet.serve(&mut Browser::default(), |session| session.login_as(crate::rules::user("1")).unwrap()).await;
    let check = async |kind: ErrorKind| {
        let manager = fleet.manager.clone().with_users(Broken(kind), SecretKeys::new(current_user::KEY).unwrap());
        manager.check_fleet().await.map_err(|error| error.kind())
    };
    let found = check(ErrorKind::Unreadable).await.unwrap();
    assert_eq!((found.sessions, found.users), (1, 0));
    assert_eq!(check(ErrorKind::Unavailable).await, Err(ErrorKind::Unavailable));
}
