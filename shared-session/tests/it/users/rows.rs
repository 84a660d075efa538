//! Finding, listing, creating and changing users.

use std::collections::BTreeSet;

use shared_session::users::{AuthUser, CreateUserError, ManageUsers, NewUser, Users};

use super::{Database, add};

on_both! {
    a_user_is_found_by_id_and_by_exact_name
    ids_and_names_that_no_row_can_have_find_nobody
    a_name_is_known_in_any_case
    names_are_stored_and_looked_up_in_one_form
    the_list_is_searched_literally_and_comes_in_pages
    permissions_are_those_of_the_user_and_of_the_groups
    flags_and_logins_are_recorded
    every_raise_of_the_epoch_counts
    of_simultaneous_creations_with_one_name_exactly_one_succeeds
    a_creation_refuses_bad_names_and_addresses
}

async fn a_user_is_found_by_id_and_by_exact_name(database: &Database) {
    let users = database.migrated().await;
    let new = NewUser::new("Ann", "right").with_email("Ann@EXAMPLE.org").with_superuser();
    let ann = users.create_user(new).await.unwrap();
    assert_eq!((ann.username.as_str(), ann.email.as_str()), ("Ann", "Ann@example.org"));
    assert!(ann.is_active && ann.is_staff && ann.is_superuser);
    assert_eq!((ann.epoch, ann.last_login), (0, None));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
    assert!((now - 3600..=now + 3600).contains(&ann.date_joined.unwrap()));
    assert_eq!(users.find(&ann.id).await.unwrap().as_ref(), Some(&ann));
    assert_eq!(users.find_by_name("Ann").await.unwrap().as_ref(), Some(&ann));
    assert_eq!(users.find_by_name("ann").await.unwrap(), None);
    add(&users, "ann").await;
    users.ping().await.unwrap();
}

async fn ids_and_names_that_no_row_can_have_find_nobody(database: &Database) {
    let users = database.migrated().await;
    assert_eq!(add(&users, "ann").await.id, "1");
    for id in ["", "x", "01", "+1", " 1", "1.0", "1 OR 1=1", "2", "-1", "9223372036854775808", "1\0", "\0"] {
        assert_eq!(users.find(id).await.unwrap(), None, "{id:?}");
        assert_eq!(users.set_password(id, "new").await.unwrap(), None, "{id:?}");
        assert_eq!(users.raise_epoch(id).await.unwrap(), None, "{id:?}");
        assert!(!users.set_active(id, false).await.unwrap(), "{id:?}");
    }
    for name in ["", "ann ", "ann\0", "%", "' OR '1'='1"] {
        assert_eq!(users.verify(name, "right").await.unwrap(), None, "{name:?}");
    }
    assert!(users.verify("ann", "right").await.unwrap().unwrap().is_active);
}

async fn a_name_is_known_in_any_case(database: &Database) {
    let users = database.migrated().await;
    for name in ["Ann", "kIm", "Жанна", "a_b", "ﬁ", "strasse"] {
        add(&users, name).await;
    }
    // Filled by another program, which does not normalize.
    database.run("UPDATE auth_user SET username = 'Straße' WHERE username = 'strasse'").await;
    for taken in ["Ann", "ANN", "ａｎｎ", "KIM", "k\u{131}m", "жАННА", "STRAẞE", "FI", "A_b"] {
        assert!(users.has_name_in_any_case(taken).await.unwrap(), "{taken}");
    }
    for free in ["", "an", "anne", "a%", "_nn", "%", "\0", "ann\0", "жанн", "aXb", "strasse"] {
        assert!(!users.has_name_in_any_case(free).await.unwrap(), "{free:?}");
    }
}

/// Django does so in its forms and in `create_user`.
async fn names_are_stored_and_looked_up_in_one_form(database: &Database) {
    let users = database.migrated().await;
    let ann = add(&users, "ａｎｎé").await;
    assert_eq!(ann.username, "anné");
    for spelling in ["annｅ\u{301}", "anné", "ａnné"] {
        assert_eq!(users.verify(spelling, "right").await.unwrap(), Some(ann.clone()), "{spelling}");
        let again = users.create_user(NewUser::new(spelling, "p")).await;
        assert!(matches!(again, Err(CreateUserError::NameTaken)), "{spelling}");
    }
    assert_eq!(users.find_by_name("Anné").await.unwrap(), None);
    assert_eq!(users.find_by_name(&"ﷺ".repeat(151)).await.unwrap(), None);
}

async fn the_list_is_searched_literally_and_comes_in_pages(database: &Database) {
    let users = database.migrated().await;
    for name in ["bob_1", "bobx1", "Cleo"] {
        add(&users, name).await;
    }
    users.create_user(NewUser::new("ann", "p").with_email("ann@mail.example")).await.unwrap();
    let names = async |search: &str, offset, limit| -> Vec<String> {
        let found = users.list(search, offset, limit).await.unwrap();
        let mut names: Vec<String> = found.into_iter().map(|user| user.username).collect();
        names.sort();
        names
    };
    assert_eq!(names("bob_1", 0, 9).await, ["bob_1"]);
    assert_eq!(names("cleo", 0, 9).await, ["Cleo"]);
    assert_eq!(names("MAIL.ex", 0, 9).await, ["ann"]);
    for nobody in ["%", "\\", "'", "\0"] {
        assert!(names(nobody, 0, 9).await.is_empty(), "{nobody:?}");
        assert_eq!(users.count(nobody).await.unwrap(), 0, "{nobody:?}");
    }
    assert_eq!(users.count("bob").await.unwrap(), 2);
    assert_eq!(users.count("").await.unwrap(), 4);
    let pages = [names("", 0, 3).await, names("", 3, 3).await].concat();
    assert_eq!(pages.iter().collect::<BTreeSet<_>>().len(), 4);
    assert!(names("", 4, 3).await.is_empty());
}

async fn permissions_are_those_of_the_user_and_of_the_groups(database: &Database) {
    let users = database.migrated().await;
    let mut ann = add(&users, "ann").await;
    let bob = add(&users, "bob").await;
    database
        .run(
            "INSERT INTO django_content_type (id, app_label, model) VALUES (1, 'blog', 'post');
            INSERT INTO auth_permission (id, name, content_type_id, codename) VALUES
                (1, '', 1, 'add_post'), (2, '', 1, 'change_post'), (3, '', 1, 'delete_post');
            INSERT INTO auth_group (id, name) VALUES (1, 'writers'), (2, 'editors'), (3, 'others');
            INSERT INTO auth_group_permissions (group_id, permission_id) VALUES (1, 1), (2, 1), (3, 3);
            INSERT INTO auth_user_groups (user_id, group_id) VALUES (1, 1), (1, 2);
            INSERT INTO auth_user_user_permissions (user_id, permission_id) VALUES (1, 2);",
        )
        .await;
    let granted = users.permissions(&ann).await.unwrap();
    assert_eq!(granted.iter().collect::<Vec<_>>(), ["blog.add_post", "blog.change_post"]);
    assert!(!ann.has_perm(&granted, "blog.delete_post"));
    assert_eq!(users.groups(&ann).await.unwrap(), ["editors", "writers"]);
    assert!(users.permissions(&bob).await.unwrap().is_empty());
    assert!(users.groups(&bob).await.unwrap().is_empty());
    ann.is_superuser = true;
    assert_eq!(users.permissions(&ann).await.unwrap().len(), 3);
    ann.is_active = false;
    assert!(users.permissions(&ann).await.unwrap().is_empty());
}

async fn flags_and_logins_are_recorded(database: &Database) {
    let users = database.migrated().await;
    let (ann, bob) = (add(&users, "ann").await, add(&users, "bob").await);
    assert!(users.set_staff(&ann.id, true).await.unwrap());
    assert!(users.set_superuser(&ann.id, true).await.unwrap());
    assert!(users.set_active(&ann.id, false).await.unwrap());
    assert!(users.record_login(&ann.id).await.unwrap());
    let found = users.find(&ann.id).await.unwrap().unwrap();
    assert!(found.is_staff && found.is_superuser && !found.is_active);
    assert!(found.last_login >= found.date_joined);
    assert_eq!(users.find(&bob.id).await.unwrap(), Some(bob));
}

async fn every_raise_of_the_epoch_counts(database: &Database) {
    let users = database.migrated().await;
    let (ann, bob) = (add(&users, "ann").await, add(&users, "bob").await);
    let mut raises = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (users, id) = (users.clone(), ann.id.clone());
        raises.spawn(async move { users.raise_epoch(&id).await.unwrap().unwrap() });
    }
    let raised: BTreeSet<i64> = raises.join_all().await.into_iter().collect();
    assert_eq!(raised, (1..=20).collect());
    assert_eq!(users.find(&ann.id).await.unwrap().unwrap().epoch, 20);
    assert_eq!(users.find_by_name("bob").await.unwrap(), Some(bob));
}

async fn of_simultaneous_creations_with_one_name_exactly_one_succeeds(database: &Database) {
    let users = database.migrated().await;
    let mut creations = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let users = users.clone();
        creations.spawn(async move { users.create_user(NewUser::new("demo", "demo-password")).await });
    }
    let mut made = 0;
    for outcome in creations.join_all().await {
        match outcome {
            Ok(_) => made += 1,
            Err(CreateUserError::NameTaken) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(made, 1);
    assert_eq!(users.count("").await.unwrap(), 1);
}

async fn a_creation_refuses_bad_names_and_addresses(database: &Database) {
    let users = database.migrated().await;
    for name in ["", "a b", "a\0b", "<i>", &"x".repeat(151)] {
        let outcome = users.create_user(NewUser::new(name, "p")).await;
        assert!(matches!(outcome, Err(CreateUserError::InvalidName)), "{name:?}");
    }
    for address in ["a\0@b.example", &format!("{}@b.example", "x".repeat(250))] {
        let outcome = users.create_user(NewUser::new("ann", "p").with_email(address)).await;
        assert!(matches!(outcome, Err(CreateUserError::InvalidEmail)), "{address:?}");
    }
    let longest = "ż".repeat(150);
    assert_eq!(add(&users, &longest).await.username, longest);
    assert_eq!(users.count("").await.unwrap(), 1);
}
