//! Passwords. The formats are tested in `users`.

use shared_session::users::{AuthUser, ManageUsers, Users};

use super::current_user::{fleet_with_users, name, signed_in};

/// To the user's sessions, a rewritten hash looks like a new password.
#[tokio::test]
async fn verifying_never_rewrites_a_hash_and_so_ends_no_session() {
    let (fleet, users, pool) = fleet_with_users().await;
    signed_in(&fleet, &users, "ann").await;
    let old = "pbkdf2_sha256$1000$saltsaltsaltsaltsalt22$gO2QBfDGYVYjWMWu8/Vd5fKzH8Jg+zluhGr0LyKkkY0=";
    sqlx::query("UPDATE auth_user SET password = $1").bind(old).execute(&pool).await.unwrap();
    let browser = signed_in(&fleet, &users, "ann").await;
    assert!(users.verify("ann", "correct horse").await.unwrap().is_some());
    assert_eq!(users.find_by_name("ann").await.unwrap().unwrap().encoded_password(), old);
    assert_eq!(name(&fleet, &browser).await.as_deref(), Some("ann"));
}

#[tokio::test]
async fn new_hashes_are_argon2id_and_an_inactive_user_is_not_verified() {
    let (fleet, users, _) = fleet_with_users().await;
    signed_in(&fleet, &users, "ann").await;
    let user = users.verify("ann", "correct horse").await.unwrap().unwrap();
    assert!(user.encoded_password().starts_with("argon2$argon2id$"));
    assert!(users.verify("ann", "wrong horse").await.unwrap().is_none());
    users.set_active(&user.id, false).await.unwrap();
    assert!(users.verify("ann", "correct horse").await.unwrap().is_none());
}
