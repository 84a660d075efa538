//! Verifying and changing passwords.

use shared_session::{
    SecretKeys,
    users::{AuthUser, ManageUsers, PasswordHasher, User, Users},
};

use super::{Database, KEY, add};

on_both! {
    only_the_right_password_of_an_active_user_verifies
    verifying_never_rewrites_the_hash
    a_new_password_makes_a_new_session_auth_hash
    of_simultaneous_changes_of_a_password_exactly_one_succeeds
}

async fn only_the_right_password_of_an_active_user_verifies(database: &Database) {
    let users = database.migrated().await;
    let ann = add(&users, "ann").await;
    assert_eq!(users.verify("ann", "right").await.unwrap(), Some(ann.clone()));
    assert_eq!(users.verify("ann", "wrong").await.unwrap(), None);
    assert_eq!(users.verify("bob", "right").await.unwrap(), None);
    assert!(users.set_active(&ann.id, false).await.unwrap());
    assert_eq!(users.verify("ann", "right").await.unwrap(), None);
}

async fn verifying_never_rewrites_the_hash(database: &Database) {
    let users = database.migrated().await;
    let ann = add(&users, "ann").await;
    // The hasher's settings were raised later.
    let costlier = users.clone().with_hasher(PasswordHasher::pbkdf2_sha256(20).unwrap());
    assert!(costlier.verify("ann", "right").await.unwrap().is_some());
    assert_eq!(users.find(&ann.id).await.unwrap().unwrap().encoded_password(), ann.encoded_password());
}

async fn a_new_password_makes_a_new_session_auth_hash(database: &Database) {
    let users = database.migrated().await;
    let keys = SecretKeys::new(KEY).unwrap();
    let before = add(&users, "ann").await;
    let bob = add(&users, "bob").await;
    let hash = before.session_auth_hash(&keys);
    let after = users.set_password(&before.id, "new").await.unwrap().unwrap();
    assert!(!after.verify_session_auth_hash(&keys, &hash));
    assert!(users.verify("ann", "new").await.unwrap().is_some());
    assert!(users.verify("ann", "right").await.unwrap().is_none());
    // Even with the same password, because the salt is new.
    let again = users.set_password(&before.id, "new").await.unwrap().unwrap();
    assert!(!again.verify_session_auth_hash(&keys, &after.session_auth_hash(&keys)));
    assert_eq!(users.find(&bob.id).await.unwrap(), Some(bob));
}

async fn of_simultaneous_changes_of_a_password_exactly_one_succeeds(database: &Database) {
    let users = database.migrated().await;
    let (ann, bob) = (add(&users, "ann").await, add(&users, "bob").await);
    let mut changes = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (users, ann, new) = (users.clone(), ann.clone(), format!("new {number}"));
        changes.spawn(async move { users.change_password(&ann, &new).await.unwrap().map(|user| (user, new)) });
    }
    let mut changed: Vec<_> = changes.join_all().await.into_iter().flatten().collect();
    let (now, new) = changed.pop().expect("one succeeds");
    assert_eq!(changed, []);
    assert_eq!(users.verify("ann", &new).await.unwrap().as_ref(), Some(&now));
    assert!(users.verify("ann", "right").await.unwrap().is_none());
    assert_eq!(users.find(&bob.id).await.unwrap(), Some(bob));
    assert_eq!(users.change_password(&User::new("99", "nobody"), "new").await.unwrap(), None);
}
