//! `SqlUsers` on SQLite and PostgreSQL: the same tests on both.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use shared_session::{
    ErrorKind, SecretKeys,
    django::TimeZone,
    users::{
        AuthUser, CreateUserError, ManageUsers, NewUser, SqlUsers, User, UserTable, Users, password::PasswordHasher,
    },
};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};

mod custom;
mod foreign;

const KEY: &str = "a secret key of at least thirty-two bytes";

/// An empty database that no other test uses.
enum Database {
    Sqlite { directory: PathBuf },
    Postgres { url: String },
}

impl Database {
    fn sqlite() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let name = format!("shared-session-users-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        Self::Sqlite { directory }
    }

    async fn postgres() -> Self {
        let create = || test_servers::Postgres::shared().create_database();
        Self::Postgres { url: tokio::task::spawn_blocking(create).await.unwrap() }
    }

    fn url(&self) -> String {
        match self {
            Self::Sqlite { directory } => format!("sqlite://{}/users.sqlite3", directory.display()),
            Self::Postgres { url } => url.clone(),
        }
    }

    /// Connected, with the cheapest hasher.
    async fn connect(&self) -> SqlUsers {
        let cheap = PasswordHasher::pbkdf2_sha256(10).unwrap();
        SqlUsers::connect(&self.url()).await.expect("connect").with_hasher(cheap)
    }

    async fn migrated(&self) -> SqlUsers {
        let users = self.connect().await;
        users.migrate().await.expect("migrate");
        users
    }

    /// Runs statements that both databases know.
    async fn run(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite { .. } => {
                let pool = SqlitePool::connect(&format!("{}?mode=rwc", self.url())).await.unwrap();
                sqlx::raw_sql(sql).execute(&pool).await.unwrap();
                pool.close().await;
            }
            Self::Postgres { url } => {
                let pool = PgPool::connect(url).await.unwrap();
                sqlx::raw_sql(sql).execute(&pool).await.unwrap();
                pool.close().await;
            }
        }
    }

    /// The part that is specific to one of the two.
    fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite { .. } => sqlite,
            Self::Postgres { .. } => postgres,
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Self::Sqlite { directory } = self {
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

async fn add(users: &SqlUsers, name: &str) -> User {
    users.create_user(NewUser::new(name, "right")).await.unwrap()
}

/// Every function `async fn(&Database)` of this file, on both databases.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(&super::Database::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test(&super::Database::postgres().await).await;
            })*
        }
    };
}

on_both! {
    a_user_is_found_by_id_and_by_exact_name
    ids_and_names_that_no_row_can_have_find_nobody
    only_the_right_password_of_an_active_user_verifies
    verifying_never_rewrites_the_hash
    a_new_password_makes_a_new_session_auth_hash
    of_simultaneous_changes_of_a_password_exactly_one_succeeds
    a_name_is_known_in_any_case
    every_raise_of_the_epoch_counts
    permissions_are_those_of_the_user_and_of_the_groups
    of_simultaneous_creations_with_one_name_exactly_one_succeeds
    a_creation_refuses_bad_names_and_addresses
    the_list_is_searched_literally_and_comes_in_pages
    flags_and_logins_are_recorded
    many_services_migrate_an_empty_database_at_once
    migrating_keeps_what_is_there
    the_tables_of_a_django_site_are_used_as_they_are
    local_times_of_a_django_site_are_those_of_its_zone
    times_with_an_offset_do_not_depend_on_the_zone
    names_are_stored_and_looked_up_in_one_form
    a_missing_django_table_is_named_and_nothing_is_created
    a_custom_user_table_may_have_uuids_for_keys
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
    // As when the hasher's settings are raised later.
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
    // Even if it is the same password again: the salt is new.
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
    assert_eq!(users.find(&ann.id).await.unwrap().unwrap().epoch, 0, "a table that is there is not looked at");
    assert_eq!(users.raise_epoch(&ann.id).await.unwrap(), None);

    database.run("DROP TABLE shared_session_epoch").await;
    let bob = add(&users, "bob").await;
    assert_eq!(users.verify("bob", "right").await.unwrap(), Some(bob.clone()));
    assert!(users.record_login(&bob.id).await.unwrap());
    assert!(users.set_password(&bob.id, "new").await.unwrap().is_some());
    assert_eq!(users.list("", 0, 9).await.unwrap().len(), 2);
    assert!(users.permissions(&bob).await.unwrap().is_empty());
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

async fn a_missing_django_table_is_named_and_nothing_is_created(database: &Database) {
    let users = database.connect().await;
    let error = users.clone().with_django_tables("auth_user").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("manage.py migrate"), "{error}");
    // Nothing was made: the migration still has everything to do.
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
        assert!((now() + KATHMANDU - shown.unwrap()).abs() < 60, "what is stored is what clocks show there");
    }
    // As Django writes it; 06:15:00.5 in UTC.
    database.run("UPDATE auth_user SET date_joined = '2024-02-29 12:00:00.500000', last_login = NULL").await;
    let ann = &users.list("", 0, 9).await.unwrap()[0];
    assert_eq!((ann.date_joined, ann.last_login), (Some(1_709_187_300), None));
}

async fn times_with_an_offset_do_not_depend_on_the_zone(database: &Database) {
    // In SQLite there are none.
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

#[tokio::test]
async fn a_database_that_does_not_answer_is_an_error_and_never_an_absent_user() {
    let database = Database::sqlite();
    let users = database.connect().await;
    // No tables: the query fails, and will fail again.
    assert_eq!(users.find("1").await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(users.verify("ann", "p").await.unwrap_err().kind(), ErrorKind::Refused);

    // Nothing listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = SqlUsers::connect(&format!("postgres://postgres@127.0.0.1:{port}/postgres")).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn urls_of_other_databases_are_refused() {
    for url in ["", "mysql://localhost/users", "users.sqlite3", "postgres:///users?sslmode=perhaps"] {
        assert_eq!(SqlUsers::connect(url).await.unwrap_err().kind(), ErrorKind::Config, "{url}");
    }
}

#[tokio::test]
async fn errors_about_data_do_not_quote_it() {
    let database = Database::postgres().await;
    let users = database.migrated().await;
    database.run("ALTER TABLE auth_user ADD CONSTRAINT no_ann CHECK (username <> 'ann')").await;
    let refused = users.create_user(NewUser::new("ann", "p")).await.unwrap_err();
    let shown = format!("{refused} {refused:?}");
    assert!(shown.contains("23514") && !shown.contains("ann"), "{shown}");
}
