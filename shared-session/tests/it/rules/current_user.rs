//! The current user.

use std::sync::Arc;

use shared_session::{
    ErrorKind, SecretKeys, SessionManager,
    users::{CurrentUser, ManageUsers, NewUser, SqlUsers, User, Users},
};

use sqlx::{SqlitePool, sqlite::SqlitePoolOptions};

use super::{Browser, Fleet, kind};

pub(super) const KEY: &str = "a secret key of at least thirty-two bytes";

pub(super) async fn fleet_with_users() -> (Fleet, SqlUsers, SqlitePool) {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    let users = SqlUsers::from_sqlite(pool.clone());
    users.migrate().await.unwrap();
    (with_users(&users, SecretKeys::new(KEY).unwrap()), users, pool)
}

/// A Django deployment: its keys, and its tables without epochs.
pub(super) async fn fleet_with_users_of_django() -> (Fleet, SqlUsers) {
    let (_, users, pool) = fleet_with_users().await;
    let users = users.with_django_tables("auth_user").await.unwrap();
    sqlx::query("DROP TABLE shared_session_epoch").execute(&pool).await.unwrap();
    (with_users(&users, SecretKeys::django("the key of a Django site").unwrap()), users)
}

fn with_users(users: &SqlUsers, keys: SecretKeys) -> Fleet {
    let fleet = Fleet::new();
    let manager: SessionManager = fleet.manager.clone().with_users(users.clone(), keys);
    Fleet { manager, ..fleet }
}

pub(super) async fn signed_in(fleet: &Fleet, users: &SqlUsers, name: &str) -> Browser {
    let user = match users.find_by_name(name).await.unwrap() {
        Some(user) => user,
        None => users.create_user(NewUser::new(name, "correct horse")).await.unwrap(),
    };
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login(&user).unwrap()).await;
    browser
}

pub(super) async fn name(fleet: &Fleet, browser: &Browser) -> Option<String> {
    fleet.request(browser).load().await.unwrap().user().await.unwrap().map(|user| user.username)
}

#[tokio::test]
async fn a_new_password_a_raised_epoch_and_a_deactivated_user_end_sessions_and_delete_nothing() {
    let (fleet, users, _) = fleet_with_users().await;
    for end in ["password", "epoch", "inactive"] {
        let browser = signed_in(&fleet, &users, end).await;
        assert_eq!(name(&fleet, &browser).await.as_deref(), Some(end));
        let id = users.find_by_name(end).await.unwrap().unwrap().id;
        match end {
            "password" => drop(users.set_password(&id, "another horse").await.unwrap()),
            "epoch" => drop(users.raise_epoch(&id).await.unwrap()),
            _ => drop(users.set_active(&id, false).await.unwrap()),
        }
        assert_eq!(name(&fleet, &browser).await, None, "{end}");
        assert!(fleet.load(&browser).await.1.handle().is_some(), "nothing is deleted");
    }
}

#[tokio::test]
async fn a_session_of_a_django_deployment_carries_the_hash_of_django_and_no_epoch() {
    let (fleet, users) = fleet_with_users_of_django().await;
    let browser = signed_in(&fleet, &users, "ann").await;
    let identity = fleet.load(&browser).await.1.identity().unwrap().unwrap();
    assert_eq!((identity.auth_hash.len(), identity.epoch), (64, 0));
    assert_eq!(name(&fleet, &browser).await.as_deref(), Some("ann"));
    users.set_password(&identity.user_id, "another horse").await.unwrap();
    assert_eq!(name(&fleet, &browser).await, None);
}

#[tokio::test]
async fn a_session_under_an_earlier_key_of_django_still_holds() {
    let (fleet, users) = fleet_with_users_of_django().await;
    let browser = signed_in(&fleet, &users, "ann").await;
    let with_keys = |keys: SecretKeys| Fleet {
        manager: fleet.manager.clone().with_users(users.clone(), keys),
        store: fleet.store.clone(),
        memory: fleet.memory.clone(),
    };
    let next = SecretKeys::django("the next key").unwrap();
    assert_eq!(name(&with_keys(next.clone()), &browser).await, None);
    let next = next.with_fallback("the key of a Django site").unwrap();
    assert_eq!(name(&with_keys(next), &browser).await.as_deref(), Some("ann"));
}

/// A password change writes SQL first and the session second. A request between the two must not be signed out.
#[tokio::test]
async fn a_request_amid_a_password_change_looks_once_more() {
    let (fleet, users, _) = fleet_with_users().await;
    let browser = signed_in(&fleet, &users, "ann").await;
    let (between, session) = fleet.load(&browser).await;
    let user = users.find_by_name("ann").await.unwrap().unwrap();
    let changed = users.set_password(&user.id, "another horse").await.unwrap().unwrap();
    // Another service renews the marks under the same cookie.
    renew(&fleet, &browser, &changed).await;
    assert_eq!(session.user().await.unwrap().map(|user| user.username).as_deref(), Some("ann"));
    let marks = session.identity().unwrap().unwrap();
    assert_eq!(marks.auth_hash, changed.session_auth_hash(&SecretKeys::new(KEY).unwrap()), "the newer ones");
    assert!(fleet.finish(&between).await.error().is_none());
}

async fn renew(fleet: &Fleet, browser: &Browser, user: &shared_session::users::User) {
    use shared_session::store::{Seen, SessionStore};
    let keys = SecretKeys::new(KEY).unwrap();
    let bytes = fleet.memory.load(&browser.key()).await.unwrap().unwrap();
    let mut record: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let old = record["u"]["hash"].as_str().unwrap().to_owned();
    record["u"]["hash"] = user.session_auth_hash(&keys).into();
    let text = String::from_utf8(bytes.to_vec()).unwrap().replace(&old, record["u"]["hash"].as_str().unwrap());
    let _ = fleet.memory.replace(&browser.key(), &Seen::new(bytes, 0..0), text.into(), super::IDLE).await.unwrap();
}

#[tokio::test]
async fn the_database_is_asked_once_a_request_and_only_for_signed_in_visitors() {
    let (fleet, users, pool) = fleet_with_users().await;
    let browser = signed_in(&fleet, &users, "ann").await;
    let (_, session) = fleet.load(&browser).await;
    assert!(session.user().await.unwrap().is_some());
    pool.close().await;
    assert!(session.user().await.unwrap().is_some(), "the first answer is kept");
    assert!(
        fleet.request(&Browser::default()).load().await.unwrap().user().await.unwrap().is_none(),
        "there is no user to look up"
    );
}

#[tokio::test]
async fn a_database_that_is_down_is_503_and_never_anonymous() {
    let (fleet, users, pool) = fleet_with_users().await;
    let browser = signed_in(&fleet, &users, "ann").await;
    pool.close().await;
    let handle = fleet.request(&browser);
    assert_eq!(handle.load().await.unwrap().user().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(kind(&fleet.finish(&handle).await), Some(ErrorKind::Unavailable), "even if the handler swallows it");
}

#[tokio::test]
async fn a_session_store_that_is_down_is_503_and_never_anonymous() {
    let (fleet, users, _) = fleet_with_users().await;
    let browser = signed_in(&fleet, &users, "ann").await;
    fleet.faults().set_down(true);
    let handle = fleet.request(&browser);
    assert_eq!(handle.load().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let outcome = fleet.finish(&handle).await;
    assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Unavailable), None));
    let other = Arc::new(fleet.request(&Browser::default()));
    assert!(other.load().await.unwrap().user().await.unwrap().is_none(), "visitors without a cookie are unaffected");
}

#[tokio::test]
async fn a_session_of_a_service_with_another_secret_key_is_counted() {
    for django in [false, true] {
        let (fleet, users) = if django {
            fleet_with_users_of_django().await
        } else {
            let (fleet, users, _) = fleet_with_users().await;
            (fleet, users)
        };
        let other = |key: &str| {
            let keys = if django { SecretKeys::django(key) } else { SecretKeys::new(key) };
            let manager = fleet.manager.clone().with_users(users.clone(), keys.unwrap());
            Fleet { manager, store: fleet.store.clone(), memory: fleet.memory.clone() }
        };
        let browser = signed_in(&fleet, &users, "ann").await;
        let other = other("another secret key of at least thirty-two bytes");
        let before = other.manager.stats().other_hashes;
        assert_eq!(name(&other, &browser).await, None);
        assert_eq!(name(&other, &browser).await, None);
        assert_eq!(other.manager.stats().other_hashes, before + 2);
        assert_eq!(name(&fleet, &browser).await.as_deref(), Some("ann"), "nothing is deleted");
        assert_eq!(fleet.manager.stats().other_hashes, before + 2, "a valid session is not counted");
    }
}

#[tokio::test]
async fn a_change_of_the_password_that_a_service_has_seen_is_no_sign_of_another_key() {
    let (fleet, users) = fleet_with_users_of_django().await;
    let (phone, desk) = (signed_in(&fleet, &users, "ann").await, signed_in(&fleet, &users, "ann").await);
    assert_eq!(name(&fleet, &phone).await.as_deref(), Some("ann"));
    users.set_password("1", "another horse").await.unwrap();
    assert_eq!(name(&fleet, &phone).await, None);
    let renewed = signed_in(&fleet, &users, "ann").await;
    assert_eq!(name(&fleet, &renewed).await.as_deref(), Some("ann"));
    assert_eq!(name(&fleet, &desk).await, None);
    assert_eq!(fleet.manager.stats().other_hashes, 0);
}

/// A sign-in shows the process the current password of the user.
#[tokio::test]
async fn a_change_of_the_password_between_two_sign_ins_is_no_sign_of_another_key() {
    let (fleet, users) = fleet_with_users_of_django().await;
    let phone = signed_in(&fleet, &users, "ann").await;
    users.set_password("1", "another horse").await.unwrap();
    assert_eq!(name(&fleet, &phone).await, None);
    assert_eq!(fleet.manager.stats().other_hashes, 0);
}

#[tokio::test]
async fn only_staff_passes_as_staff_and_rights_are_read_from_the_tables() {
    let (fleet, users, _) = fleet_with_users().await;
    users.add_permission("blog", "post", "add_post", "Can").await.unwrap();
    users.create_group("writers").await.unwrap();
    let ann = users.create_user(NewUser::new("ann", "correct horse")).await.unwrap();
    users.change_groups(&ann.id, &["writers".to_owned()].into(), &[].into()).await.unwrap();
    let root = users.create_user(NewUser::new("root", "correct horse").with_superuser()).await.unwrap();
    let of = async |user: &User| {
        let browser = signed_in(&fleet, &users, &user.username).await;
        let staff = CurrentUser::<User>::staff_of(fleet.load(&browser).await.1).await;
        let user = CurrentUser::<User>::of(fleet.load(&browser).await.1).await.unwrap();
        let may = user.require_perm("blog.add_post").await.map_err(|error| error.kind());
        let (permissions, groups) = (user.permissions().await.unwrap(), user.groups().await.unwrap());
        (staff.err().map(|error| error.kind()), may, permissions.contains("blog.add_post"), groups)
    };
    let forbidden = ErrorKind::Forbidden;
    assert_eq!(of(&ann).await, (Some(forbidden), Err(forbidden), false, vec!["writers".to_owned()]));
    assert_eq!(of(&root).await, (None, Ok(()), true, vec![]));
}

/// Such a service does not accept the marks that it loaded, and finds newer ones.
#[tokio::test]
async fn an_update_is_not_lost_when_the_session_is_loaded_again_for_its_user() {
    let (fleet, users, _) = fleet_with_users().await;
    let with_keys = |keys: SecretKeys| {
        let manager = fleet.manager.clone().with_users(users.clone(), keys);
        Fleet { manager, store: fleet.store.clone(), memory: fleet.memory.clone() }
    };
    let new_key = || SecretKeys::new("another secret key of at least thirty-two bytes").unwrap();
    let (renews, new) = (with_keys(new_key().with_fallback(KEY).unwrap()), with_keys(new_key()));
    let browser = signed_in(&fleet, &users, "ann").await;
    let (slow, counted) = new.load(&browser).await;
    counted.update_or("visits", 0, |visits: u64| visits + 1).unwrap();

    let (renewing, session) = renews.load(&browser).await;
    session.update_or("visits", 0, |visits: u64| visits + 1).unwrap();
    assert!(session.user().await.unwrap().is_some());
    assert!(renews.finish(&renewing).await.error().is_none());

    assert!(counted.user().await.unwrap().is_some());
    assert!(new.finish(&slow).await.error().is_none());
    assert_eq!(new.get(&browser, "visits").await, Some(2.into()));
    assert_eq!(name(&new, &browser).await.as_deref(), Some("ann"));
}
