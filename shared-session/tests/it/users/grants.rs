//! Groups and permissions, on both databases.

use std::collections::BTreeSet;

use shared_session::{
    ErrorKind,
    users::{ManageUsers, SqlUsers, User, Users},
};

use super::{Database, add};

on_both! {
    groups_and_permissions_are_listed_given_and_taken
    nobody_else_loses_anything
    who_is_not_there_gets_nothing
    changes_at_once_all_count
    a_custom_model_may_have_groups_or_none
    a_group_is_made_once_and_keeps_its_members
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Users, and two groups and three permissions to assign.
async fn with_groups(database: &Database) -> SqlUsers {
    let users = database.migrated().await;
    for (codename, title) in [("add_post", "Can add post"), ("change_post", "Can change post")] {
        users.add_permission("blog", "post", codename, title).await.unwrap();
    }
    users.add_permission("auth", "user", "change_user", "Can change user").await.unwrap();
    users.save_group("writers", &names(&["blog.add_post", "blog.change_post"])).await.unwrap();
    users.save_group("o'neil's \"group\"", &names(&[])).await.unwrap();
    users
}

async fn groups_and_permissions_are_listed_given_and_taken(database: &Database) {
    let users = with_groups(database).await;
    let ann = add(&users, "ann").await;
    let all = users.all_permissions().await.unwrap();
    let found: Vec<_> = all.iter().map(|one| (one.name.as_str(), one.title.as_str())).collect();
    let expected = [
        ("auth.change_user", "Can change user"),
        ("blog.add_post", "Can add post"),
        ("blog.change_post", "Can change post"),
    ];
    assert_eq!(found, expected);
    let groups = users.all_groups().await.unwrap();
    let found: Vec<_> = groups.iter().map(|group| (group.name.as_str(), group.permissions.len())).collect();
    assert_eq!(found, [("o'neil's \"group\"", 0), ("writers", 2)]);

    let odd = "o'neil's \"group\"";
    for (add, remove, now) in [
        (&["writers"][..], &[][..], &["writers"][..]),
        (&["writers", odd], &[], &[odd, "writers"]),
        (&["no such group"], &["no such group either"], &[odd, "writers"]),
        (&[], &["writers"], &[odd]),
        (&["writers"], &["writers", odd], &[]),
    ] {
        assert!(users.change_groups(&ann.id, &names(add), &names(remove)).await.unwrap());
        assert_eq!(users.groups(&ann).await.unwrap(), now);
    }
    let (user, post) = ("auth.change_user", "blog.add_post");
    for (add, remove, now) in [
        (&[user][..], &[][..], &[user][..]),
        (&[post, "blog.no_such"], &["blog.change_post", "blog.no_such"], &[user, post]),
        (&[], &[user], &[post]),
        (&[], &[], &[post]),
        (&[user, post], &[post], &[user]),
        (&[], &[user], &[]),
    ] {
        assert!(users.change_permissions(&ann.id, &names(add), &names(remove)).await.unwrap());
        assert_eq!(users.own_permissions(&ann).await.unwrap(), names(now));
        assert_eq!(users.permissions(&ann).await.unwrap(), names(now));
    }
    users.change_groups(&ann.id, &names(&["writers"]), &names(&[])).await.unwrap();
    users.change_permissions(&ann.id, &names(&[user]), &names(&[])).await.unwrap();
    assert_eq!(users.permissions(&ann).await.unwrap().len(), 3);
    assert_eq!(users.own_permissions(&ann).await.unwrap().len(), 1, "without those of the group");
}

async fn nobody_else_loses_anything(database: &Database) {
    let users = with_groups(database).await;
    let (ann, bob) = (add(&users, "ann").await, add(&users, "bob").await);
    users.change_groups(&bob.id, &names(&["writers"]), &names(&[])).await.unwrap();
    users.change_permissions(&bob.id, &names(&["blog.add_post"]), &names(&[])).await.unwrap();
    users.change_groups(&ann.id, &names(&["writers"]), &names(&[])).await.unwrap();
    users.change_groups(&ann.id, &names(&[]), &names(&["writers"])).await.unwrap();
    users.change_permissions(&ann.id, &names(&[]), &names(&["blog.add_post"])).await.unwrap();
    assert!(users.groups(&ann).await.unwrap().is_empty());
    assert_eq!(users.groups(&bob).await.unwrap(), ["writers"]);
    assert_eq!(users.own_permissions(&bob).await.unwrap(), names(&["blog.add_post"]));
    let mut off = bob.clone();
    assert!(users.set_active(&bob.id, false).await.unwrap());
    off.is_active = false;
    assert!(users.permissions(&off).await.unwrap().is_empty());
    assert_eq!(users.own_permissions(&off).await.unwrap().len(), 1, "granted, even if without effect now");
}

async fn who_is_not_there_gets_nothing(database: &Database) {
    let users = with_groups(database).await;
    for id in ["99", "x", "", "01", "1 OR 1=1", "\0"] {
        assert!(!users.change_groups(id, &names(&["writers"]), &names(&[])).await.unwrap(), "{id:?}");
        assert!(!users.change_permissions(id, &names(&["blog.add_post"]), &names(&[])).await.unwrap(), "{id:?}");
        assert!(users.own_permissions(&User::new(id, "nobody")).await.unwrap().is_empty(), "{id:?}");
    }
    let rows = "SELECT (SELECT COUNT(*) FROM auth_user_groups) + (SELECT COUNT(*) FROM auth_user_user_permissions)";
    assert_eq!(database.number(rows).await, 0);
}

/// Each task grants or revokes its own, and none restores another's revocation.
async fn changes_at_once_all_count(database: &Database) {
    let users = with_groups(database).await;
    let ann = add(&users, "ann").await;
    let codenames: Vec<_> = (0..16).map(|number| format!("right_{number}")).collect();
    for codename in &codenames {
        users.add_permission("blog", "post", codename, codename).await.unwrap();
    }
    let rights: Vec<_> = codenames.iter().map(|codename| format!("blog.{codename}")).collect();
    users.change_permissions(&ann.id, &rights[..8].iter().cloned().collect(), &names(&[])).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, right) in rights.iter().enumerate() {
        let (users, id, right) = (users.clone(), ann.id.clone(), names(&[right]));
        let (add, remove) = if number < 8 { (names(&[]), right) } else { (right, names(&[])) };
        tasks.spawn(async move { users.change_permissions(&id, &add, &remove).await });
    }
    for done in tasks.join_all().await {
        assert!(done.unwrap());
    }
    assert_eq!(users.own_permissions(&ann).await.unwrap(), rights[8..].iter().cloned().collect());
}

async fn a_custom_model_may_have_groups_or_none(database: &Database) {
    let users = with_groups(database).await;
    let key = database.pick("integer PRIMARY KEY AUTOINCREMENT", "bigserial PRIMARY KEY");
    let uuid = database.pick("char(32)", "uuid");
    let stored = database.pick("0189a7f3000070008000000000000001", "0189a7f3-0000-7000-8000-000000000001");
    database
        .run(&format!(
            "CREATE TABLE shop_member (uid {uuid} NOT NULL PRIMARY KEY, password varchar(128), username varchar(150));
            CREATE TABLE shop_member_groups (id {key}, member_id {uuid} NOT NULL, group_id integer NOT NULL);
            CREATE TABLE shop_member_user_permissions
                (id {key}, member_id {uuid} NOT NULL, permission_id integer NOT NULL);
            INSERT INTO shop_member VALUES ('{stored}', '!', 'ann');
            CREATE TABLE plain_member (id {key}, password varchar(128), username varchar(150));
            INSERT INTO plain_member (password, username) VALUES ('!', 'ann');"
        ))
        .await;
    let members = users.clone().with_django_tables("shop_member").await.unwrap();
    let ann = members.find_by_name("ann").await.unwrap().unwrap();
    assert_eq!(ann.id, "0189a7f3-0000-7000-8000-000000000001");
    for _ in 0..2 {
        assert!(members.change_groups(&ann.id, &names(&["writers"]), &names(&[])).await.unwrap());
        assert!(members.change_permissions(&ann.id, &names(&["auth.change_user"]), &names(&[])).await.unwrap());
    }
    assert_eq!(members.groups(&ann).await.unwrap(), ["writers"]);
    assert_eq!(members.permissions(&ann).await.unwrap().len(), 3);
    assert!(
        !members
            .change_groups("0189a7f3-0000-7000-8000-000000000002", &names(&["writers"]), &names(&[]))
            .await
            .unwrap()
    );

    let plain = users.with_django_tables("plain_member").await.unwrap();
    assert!(plain.all_groups().await.unwrap().is_empty() && plain.all_permissions().await.unwrap().is_empty());
    let refused = plain.change_groups("1", &names(&["writers"]), &names(&[])).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
}

async fn a_group_is_made_once_and_keeps_its_members(database: &Database) {
    let users = with_groups(database).await;
    let ann = add(&users, "ann").await;
    users.change_groups(&ann.id, &names(&["writers"]), &names(&[])).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let users = users.clone();
        tasks.spawn(async move {
            users.add_permission("blog", "post", "delete_post", "Can delete post").await?;
            users.save_group("writers", &names(&["blog.delete_post"])).await
        });
    }
    tasks.join_all().await.into_iter().for_each(|done| done.unwrap());
    assert_eq!(users.permissions(&ann).await.unwrap(), names(&["blog.delete_post"]));
    assert_eq!(database.number("SELECT COUNT(*) FROM auth_group").await, 2);
    assert_eq!(database.number("SELECT COUNT(*) FROM auth_permission").await, 4);
    for bad in ["", "a\0", &"x".repeat(151)] {
        assert_eq!(users.save_group(bad, &names(&[])).await.unwrap_err().kind(), ErrorKind::Config, "{bad:?}");
    }
}
