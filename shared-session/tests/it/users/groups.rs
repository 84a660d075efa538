//! Creating, renaming, changing and deleting groups, on both databases.

use std::collections::BTreeSet;

use shared_session::{
    ErrorKind,
    users::{Group, Renamed, SqlUsers, Users},
};

use super::{Database, add};

on_both! {
    a_name_is_for_one_group
    a_group_keeps_its_members_under_another_name
    one_of_many_makes_the_group
    permissions_are_given_and_taken_one_by_one
    a_deleted_group_leaves_nothing_behind
    what_refers_to_a_group_keeps_it
    a_model_without_groups_has_none_to_change
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn group(users: &SqlUsers, id: i64) -> Option<Group> {
    users.all_groups().await.unwrap().into_iter().find(|group| group.id == id)
}

/// Two groups; ann is a member of the first, which has the permission to add posts.
async fn writers_and_readers(database: &Database) -> (SqlUsers, [i64; 2]) {
    let users = database.migrated().await;
    for what in ["add", "change", "delete"] {
        users.add_permission("blog", "post", &format!("{what}_post"), "Can").await.unwrap();
    }
    let writers = users.create_group("writers").await.unwrap().unwrap();
    let readers = users.create_group("readers").await.unwrap().unwrap();
    assert!(users.change_group_permissions(writers, &names(&["blog.add_post"]), &names(&[])).await.unwrap());
    let ann = add(&users, "ann").await;
    users.change_groups(&ann.id, &names(&["writers"]), &names(&[])).await.unwrap();
    (users, [writers, readers])
}

async fn a_name_is_for_one_group(database: &Database) {
    let (users, [writers, readers]) = writers_and_readers(database).await;
    assert_eq!(users.create_group("writers").await.unwrap(), None);
    assert_eq!(users.rename_group(readers, "writers").await.unwrap(), Renamed::NameTaken);
    assert_eq!(users.rename_group(writers, "writers").await.unwrap(), Renamed::Done, "its own");
    assert_eq!(users.rename_group(writers + 100, "others").await.unwrap(), Renamed::NoSuchGroup);
    assert!(users.create_group("Writers").await.unwrap().is_some(), "case-sensitive, as in Django");
    for bad in ["", "a\0", &"x".repeat(151)] {
        assert_eq!(users.create_group(bad).await.unwrap_err().kind(), ErrorKind::Config, "{bad:?}");
        assert_eq!(users.rename_group(readers, bad).await.unwrap_err().kind(), ErrorKind::Config, "{bad:?}");
    }
    let longest = "ä".repeat(150);
    assert_eq!(users.rename_group(readers, &longest).await.unwrap(), Renamed::Done);
    assert_eq!(group(&users, readers).await.unwrap().name, longest);
    assert_eq!(database.number("SELECT COUNT(*) FROM auth_group").await, 3);
}

async fn a_group_keeps_its_members_under_another_name(database: &Database) {
    let (users, [writers, _]) = writers_and_readers(database).await;
    assert_eq!(users.rename_group(writers, "o'neil's \"group\"").await.unwrap(), Renamed::Done);
    let ann = users.find_by_name("ann").await.unwrap().unwrap();
    assert_eq!(users.groups(&ann).await.unwrap(), ["o'neil's \"group\""]);
    assert_eq!(users.permissions(&ann).await.unwrap(), names(&["blog.add_post"]));
    assert_eq!(users.count_members(writers).await.unwrap(), 1);
}

async fn one_of_many_makes_the_group(database: &Database) {
    let users = database.migrated().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let users = users.clone();
        tasks.spawn(async move { users.create_group("one").await.unwrap() });
    }
    let made: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(database.number("SELECT COUNT(*) FROM auth_group").await, 1);
}

async fn permissions_are_given_and_taken_one_by_one(database: &Database) {
    let (users, [writers, readers]) = writers_and_readers(database).await;
    users.change_group_permissions(readers, &names(&["blog.add_post"]), &names(&[])).await.unwrap();
    let [append, change, delete] = ["blog.add_post", "blog.change_post", "blog.delete_post"];
    for (add, remove, now) in [
        (&[change][..], &[][..], &[append, change][..]),
        (&[change, "no.such"], &["no.such"], &[append, change]),
        (&[delete], &[append, delete], &[change]),
        (&[], &[change], &[]),
    ] {
        assert!(users.change_group_permissions(writers, &names(add), &names(remove)).await.unwrap());
        assert_eq!(group(&users, writers).await.unwrap().permissions, names(now), "{add:?} {remove:?}");
    }
    assert_eq!(group(&users, readers).await.unwrap().permissions, names(&[append]), "another group's stay");
    for id in [0, -1, writers + 100, i64::MAX] {
        assert!(!users.change_group_permissions(id, &names(&[append]), &names(&[])).await.unwrap(), "{id}");
    }
    assert_eq!(database.number("SELECT COUNT(*) FROM auth_group_permissions").await, 1);
}

async fn a_deleted_group_leaves_nothing_behind(database: &Database) {
    let (users, [writers, readers]) = writers_and_readers(database).await;
    let ann = users.find_by_name("ann").await.unwrap().unwrap();
    users.change_groups(&ann.id, &names(&["readers"]), &names(&[])).await.unwrap();
    users.change_permissions(&ann.id, &names(&["blog.delete_post"]), &names(&[])).await.unwrap();
    assert!(users.delete_group(writers).await.unwrap());
    assert!(!users.delete_group(writers).await.unwrap() && !users.delete_group(i64::MAX).await.unwrap());
    assert_eq!(users.groups(&ann).await.unwrap(), ["readers"]);
    assert_eq!(users.permissions(&ann).await.unwrap(), names(&["blog.delete_post"]));
    assert_eq!(users.count_members(writers).await.unwrap(), 0);
    assert_eq!(database.number("SELECT COUNT(*) FROM auth_user_groups").await, 1);
    assert_eq!(database.number("SELECT COUNT(*) FROM auth_group_permissions").await, 0);
    let again = users.create_group("writers").await.unwrap().unwrap();
    assert!(group(&users, again).await.unwrap().permissions.is_empty());
    assert!(again != readers);
}

/// Apps of a Django site may store data for each group.
async fn what_refers_to_a_group_keeps_it(database: &Database) {
    let (users, [writers, _]) = writers_and_readers(database).await;
    let table = "CREATE TABLE shop_discount (group_id integer NOT NULL
        REFERENCES auth_group (id) DEFERRABLE INITIALLY DEFERRED)";
    database.run(table).await;
    database.run(&format!("INSERT INTO shop_discount VALUES ({writers})")).await;
    assert_eq!(users.delete_group(writers).await.unwrap_err().kind(), ErrorKind::Database);
    assert_eq!(group(&users, writers).await.unwrap().permissions, names(&["blog.add_post"]));
    assert_eq!(users.count_members(writers).await.unwrap(), 1);
}

async fn a_model_without_groups_has_none_to_change(database: &Database) {
    let users = database.migrated().await;
    let key = database.pick("integer PRIMARY KEY AUTOINCREMENT", "serial PRIMARY KEY");
    let table = format!("CREATE TABLE plain_member (id {key}, password varchar(128), username varchar(150))");
    database.run(&table).await;
    let plain = users.with_django_tables("plain_member").await.unwrap();
    assert_eq!(plain.create_group("x").await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(plain.rename_group(1, "x").await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(plain.delete_group(1).await.unwrap_err().kind(), ErrorKind::Config);
    let none = names(&[]);
    assert_eq!(plain.change_group_permissions(1, &none, &none).await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(plain.count_members(1).await.unwrap(), 0);
}
