//! Our own tables, and Django's, with their time zone and their keys.

use shared_session::{
    ErrorKind,
    django::TimeZone,
    users::{ManageUsers, NewUser, PasswordHasher, SqlUsers, UserTable, Users},
};

use super::{Database, add};

on_both! {
    many_services_migrate_an_empty_database_at_once
    migrating_keeps_what_is_there
    the_tables_of_a_django_site_are_used_as_they_are
    a_missing_django_table_is_named_and_nothing_is_created
    local_times_of_a_django_site_are_those_of_its_zone
    times_with_an_offset_do_not_depend_on_the_zone
    a_custom_user_table_may_have_uuids_for_keys
}

async fn many_services_migrate_an_empty_database_at_once(database: &Database) {
    let url = database.url();
    let start = std::sync::Arc::new(tokio::sync::Barrier::new(20));
    let mut starts = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (url, start) = (url.clone(), start.clone());
        starts.spawn(async move {
            start.wait().await;
            let users = SqlUsers::connect(&url).await.expect("connect");
            let users = users.with_hasher(PasswordHasher::pbkdf2_sha256(10).unwrap());
            users.migrate().await.expect("migrate");
            users.create_user(NewUser::new(format!("user{number}"), "p")).await.expect("create");
        });
    }
    starts.join_all().await;
    assert_eq!(database.connect().await.count("").await.unwrap(), 20);
}

async fn migrating_keeps_what_is_there(database: &Database) {
    let users = database.migrated().await;
    let ann = add(&users, "ann").await;
    users.raise_epoch(&ann.id).await.unwrap();
    users.migrate().await.unwrap();
    assert_eq!(users.find(&ann.id).await.unwrap().unwrap().epoch, 1);
}

async fn the_tables_of_a_django_site_are_used_as_they_are(database: &Database) {
    let ours = database.migrated().await;
    let ann = add(&ours, "ann").await;
    ours.raise_epoch(&ann.id).await.unwrap();
    let users = ours.with_django_tables("auth_user").await.unwrap();
    assert_eq!(users.find(&ann.id).await.unwrap().unwrap().epoch, 0, "an existing epoch table is not used");
    assert_eq!(users.raise_epoch(&ann.id).await.unwrap(), None);

    database.run("DROP TABLE shared_session_epoch").await;
    let bob = add(&users, "bob").await;
    assert_eq!(users.verify("bob", "right").await.unwrap(), Some(bob.clone()));
    assert!(users.record_login(&bob.id).await.unwrap());
    assert!(users.set_password(&bob.id, "new").await.unwrap().is_some());
    assert_eq!(users.list("", 0, 9).await.unwrap().len(), 2);
    assert!(users.permissions(&bob).await.unwrap().is_empty());
}

async fn a_missing_django_table_is_named_and_nothing_is_created(database: &Database) {
    let users = database.connect().await;
    let error = users.clone().with_django_tables("auth_user").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("manage.py migrate"), "{error}");
    // No table was created: the migration still has to create all of them.
    users.migrate().await.unwrap();
    for (statement, name) in [
        ("DROP TABLE auth_user_groups", "auth_user_groups"),
        ("ALTER TABLE auth_user DROP COLUMN password", "password"),
    ] {
        database.run(statement).await;
        let error = database.connect().await.with_django_tables("auth_user").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(name), "{error}");
        // A migration would not create the missing column.
        assert_eq!(error.to_string().contains("manage.py migrate"), name == "auth_user_groups", "{error}");
        database
            .run("CREATE TABLE IF NOT EXISTS auth_user_groups (id integer, user_id integer, group_id integer)")
            .await;
    }
    for name in ["", "a\"b", "a.b", "a b", "ä"] {
        let error = database.connect().await.with_django_tables(name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{name}");
    }
}

const KATHMANDU: i64 = (5 * 60 + 45) * 60;

fn kathmandu() -> TimeZone {
    TimeZone::named("Asia/Kathmandu").unwrap()
}

fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs().try_into().unwrap()
}

async fn local_times_of_a_django_site_are_those_of_its_zone(database: &Database) {
    database.migrated().await;
    if let Database::Postgres { .. } = database {
        let local = "ALTER TABLE auth_user ALTER date_joined TYPE timestamp, ALTER last_login TYPE timestamp";
        database.run(local).await;
    }
    let in_utc = database.connect().await.with_django_tables("auth_user").await.unwrap();
    let table = UserTable::new("auth_user").with_time_zone(kathmandu());
    let users = database.connect().await.with_django_tables(table).await.unwrap();
    let ann = add(&users, "ann").await;
    assert!(users.record_login(&ann.id).await.unwrap());
    let [local, shown] = [&users, &in_utc].map(async |users| users.find(&ann.id).await.unwrap().unwrap());
    let (local, shown) = (local.await, shown.await);
    for (local, shown) in [(local.date_joined, shown.date_joined), (local.last_login, shown.last_login)] {
        assert!((now() - local.unwrap()).abs() < 60);
        assert!((now() + KATHMANDU - shown.unwrap()).abs() < 60, "the stored time is the local time");
    }
    // In Django's format; 06:15:00.5 in UTC.
    database.run("UPDATE auth_user SET date_joined = '2024-02-29 12:00:00.500000', last_login = NULL").await;
    let ann = &users.list("", 0, 9).await.unwrap()[0];
    assert_eq!((ann.date_joined, ann.last_login), (Some(1_709_187_300), None));
}

async fn times_with_an_offset_do_not_depend_on_the_zone(database: &Database) {
    // SQLite has none.
    if let Database::Postgres { .. } = database {
        database.migrated().await;
        let table = UserTable::new("auth_user").with_time_zone(kathmandu());
        let users = database.connect().await.with_django_tables(table).await.unwrap();
        assert!((now() - add(&users, "ann").await.date_joined.unwrap()).abs() < 60);
    }
}

async fn a_custom_user_table_may_have_uuids_for_keys(database: &Database) {
    const ID: &str = "0189a7f3-0000-7000-8000-00000000abcd";
    let users = database.migrated().await;
    let stored = database.pick("0189a7f300007000800000000000abcd", ID);
    let key = database.pick("char(32)", "uuid");
    database
        .run(&format!(
            "CREATE TABLE accounts_member (id {key} NOT NULL PRIMARY KEY, password varchar(128) NOT NULL,
                last_login {time} NULL, is_superuser {flag} NOT NULL, username varchar(150) NOT NULL UNIQUE,
                first_name varchar(150) NOT NULL, last_name varchar(150) NOT NULL, email varchar(254) NOT NULL,
                is_staff {flag} NOT NULL, is_active {flag} NOT NULL, date_joined {time} NOT NULL);
            CREATE TABLE accounts_member_groups (id integer, member_id {key}, group_id integer);
            CREATE TABLE accounts_member_user_permissions (id integer, member_id {key}, permission_id integer);
            INSERT INTO accounts_member VALUES ('{stored}', '!', NULL, false, 'ann', '', '', '', false, true,
                '2024-02-29 12:00:00.5');
            INSERT INTO auth_group (id, name) VALUES (1, 'writers');
            INSERT INTO accounts_member_groups VALUES (1, '{stored}', 1);",
            time = database.pick("datetime", "timestamp with time zone"),
            flag = database.pick("bool", "boolean"),
        ))
        .await;
    let users = users.with_django_tables("accounts_member").await.unwrap();
    let ann = users.find_by_name("ann").await.unwrap().unwrap();
    assert_eq!(ann.id, ID);
    assert_eq!(users.groups(&ann).await.unwrap(), ["writers"]);
    assert!(users.permissions(&ann).await.unwrap().is_empty());
    assert!(users.record_login(ID).await.unwrap());
    assert_eq!(users.list("", 0, 9).await.unwrap()[0].id, ID);
    users.set_password(ID, "right").await.unwrap().unwrap();
    let verified = users.verify("ann", "right").await.unwrap().unwrap();
    assert_eq!(verified.id, ID);
    assert!(verified.last_login > verified.date_joined);
    for nobody in ["1", "0189a7f300007000800000000000abcd", "0189A7F3-0000-7000-8000-00000000ABCD", "ü"] {
        assert_eq!(users.find(nobody).await.unwrap(), None, "{nobody}");
    }
    let bob = add(&users, "bob").await;
    assert_eq!((bob.id.len(), users.find(&bob.id).await.unwrap()), (36, Some(bob)));
}
