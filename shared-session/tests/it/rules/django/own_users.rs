//! Custom users beside Django's sessions: the sessions are Django's, the users' table is not.

use std::sync::{Arc, Mutex};

use shared_session::{
    Profile, SecretKeys,
    django::{Django, pickle::Pickle},
    users::UnauthenticatedReason,
};

use super::{made_by_django, session_key, stored};
use crate::rules::{
    Browser, Fleet,
    own_users::{Account, Accounts},
};

/// `make_password("right", "saltsaltsaltsalt")` with ten iterations.
const PASSWORD: &str = "pbkdf2_sha256$10$saltsaltsaltsalt$bFMwRwpZPtjGvst77bfkX6P1DEoEYRSYbSPgQqtMSkY=";

/// `salted_hmac` of that hash, as in `get_session_auth_hash`, under the key below.
const AUTH_HASH: &str = "9dd8dbbaf19d66e5bf126f76bc152292e423fece119ecc9cde6170767dae8cb3";

fn fleet_with_accounts() -> (Fleet, Accounts) {
    let account = |number, name| Account { number, name, password: PASSWORD.to_owned() };
    let accounts = Accounts(Arc::new(Mutex::new(vec![account(1, "ann"), account(2, "bob")])));
    let keys = SecretKeys::django("the key of a Django site").unwrap();
    let fleet = Fleet::new();
    let manager = fleet.manager.clone().with_profile(Profile::django(Django::cache()));
    (Fleet { manager: manager.with_users(accounts.clone(), keys), ..fleet }, accounts)
}

async fn name(fleet: &Fleet, browser: &Browser) -> Option<&'static str> {
    fleet.request(browser).load().await.unwrap().user_as::<Account>().await.unwrap().map(|account| account.name)
}

#[tokio::test]
async fn a_user_signed_in_by_django_is_found_in_an_own_user_table() {
    let (fleet, accounts) = fleet_with_accounts();
    let made = async |id: &str| {
        let (id, hash, backend) = (format!("{id:?}"), format!("{AUTH_HASH:?}"), format!("{:?}", super::MODEL_BACKEND));
        let entries = [("_auth_user_id", &*id), ("_auth_user_backend", &backend), ("_auth_user_hash", &hash)];
        made_by_django(&fleet, &entries).await
    };
    assert_eq!(name(&fleet, &made("7").await).await, None, "there is no such account");
    let ann = made("1").await;
    assert_eq!(name(&fleet, &ann).await, Some("ann"));
    accounts.0.lock().unwrap()[0].password = PASSWORD.replace("saltsalt", "pepper");
    let anonymous = fleet.load(&ann).await.1.require_user_as::<Account>().await.unwrap_err();
    assert_eq!(
        UnauthenticatedReason::of(&anonymous),
        Some(UnauthenticatedReason::Ended),
        "a new password ends the sessions"
    );
}

#[tokio::test]
async fn a_sign_in_with_an_own_user_table_is_valid_at_django() {
    let (fleet, _) = fleet_with_accounts();
    let mut ann = made_by_django(&fleet, &[("cart", "[1]")]).await;
    let (request, session) = fleet.load(&ann).await;
    let account = session.authenticate_as::<Account>("ann", "right").await.unwrap().unwrap();
    session.login(&account).unwrap();
    ann.take(&fleet.finish(&request).await);
    let written = Pickle::read(&stored(&fleet, &session_key(&ann)).await.unwrap()).unwrap();
    for (entry, value) in [("_auth_user_id", "1"), ("_auth_user_hash", AUTH_HASH)] {
        assert_eq!(written.get(entry).unwrap().as_str(), Some(value));
    }
    assert_eq!(name(&fleet, &ann).await, Some("ann"));

    // Without epochs, revoking deletes the sessions in the index.
    assert_eq!(fleet.manager.revoke_all("1").await.unwrap(), 1);
    assert_eq!(name(&fleet, &ann).await, None);
    assert_eq!(stored(&fleet, &session_key(&ann)).await, None);
}
