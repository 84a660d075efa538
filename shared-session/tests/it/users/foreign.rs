//! Rows from other programs: names that break our rules, NULLs, unreadable values, types with their own comparison.

use shared_session::{
    ErrorKind, SecretKeys,
    users::{CreateUserError, ManageUsers, NewUser, SqlUsers, User, Users},
};
use sqlx::PgPool;

use super::{Database, KEY, add};

on_both! {
    whoever_is_in_the_table_signs_in_whatever_the_name
    a_password_is_asked_of_the_user_at_hand_and_not_of_a_namesake
    a_name_of_several_users_signs_in_none_of_them
    nulls_are_empty_and_say_no
    names_of_groups_and_permissions_may_be_null
}

async fn whoever_is_in_the_table_signs_in_whatever_the_name(database: &Database) {
    let users = database.migrated().await;
    if let Database::Postgres { .. } = database {
        database.run("ALTER TABLE auth_user ALTER username TYPE varchar(254)").await;
    }
    let long = "n".repeat(200);
    let wide = "ﬀ".repeat(180);
    // The last names are not normalized: a program other than Django's forms wrote them.
    let names = [
        "ann lee",
        "a|b",
        "o'neil",
        r"back\slash",
        "a:b",
        "x\u{301}",
        "a\"b",
        "a;b",
        "tab\there",
        "50%",
        "\u{200b}",
        &*long,
        "ﬁ",
        "e\u{301}",
        " spaced ",
        &*wide,
    ];
    let hash = users.hasher().hash("right").await.unwrap();
    for (number, name) in names.iter().enumerate() {
        database
            .run(&format!(
                "INSERT INTO auth_user (id, password, is_superuser, username, first_name, last_name, email, is_staff,
                    is_active, date_joined)
                VALUES ({}, '{hash}', false, '{}', '', '', '', false, true, '2024-01-01')",
                number + 10,
                name.replace('\'', "''")
            ))
            .await;
    }
    for (number, name) in names.iter().enumerate() {
        let user = users.verify(name, "right").await.unwrap().unwrap_or_else(|| panic!("{name:?}"));
        assert_eq!((user.id, user.username), ((number + 10).to_string(), (*name).to_owned()));
        assert!(users.verify(name, "wrong").await.unwrap().is_none(), "{name:?}");
        let refused = users.create_user(NewUser::new(*name, "p")).await;
        assert!(refused.is_err(), "{name:?} may not be registered");
    }
    assert_eq!(users.count("back\\").await.unwrap(), 1);
    assert_eq!(users.list(&long, 0, 9).await.unwrap().len(), 1);
    for nobody in ["", "\0", "ann lee\0", "spaced"] {
        assert!(users.verify(nobody, "right").await.unwrap().is_none(), "{nobody:?}");
    }
}

async fn a_password_is_asked_of_the_user_at_hand_and_not_of_a_namesake(database: &Database) {
    let users = database.migrated().await;
    let normal = add(&users, "fi").await;
    let other = add(&users, "other").await;
    database.run(&format!("UPDATE auth_user SET username = 'ﬁ' WHERE id = {}", other.id)).await;
    let other = users.set_password(&other.id, "another").await.unwrap().unwrap();
    assert!(users.check_password(&other, "another").await.unwrap());
    assert!(!users.check_password(&other, "right").await.unwrap());
    assert!(users.check_password(&normal, "right").await.unwrap());
    let mut inactive = normal;
    inactive.is_active = false;
    assert!(!users.check_password(&inactive, "right").await.unwrap());
}

async fn a_name_of_several_users_signs_in_none_of_them(database: &Database) {
    make_members(database, "").await;
    let hash = database.connect().await.hasher().hash("right").await.unwrap();
    database
        .run(&format!(
            "INSERT INTO member (username, password, is_active) VALUES ('ann', '{hash}', true), ('ann', '{hash}', true)"
        ))
        .await;
    let users = database.connect().await.with_django_tables("member").await.unwrap();
    assert_eq!(users.verify("ann", "right").await.unwrap(), None);
    assert_eq!(users.count("").await.unwrap(), 2);
    let pages = [users.list("", 0, 1).await.unwrap(), users.list("", 1, 1).await.unwrap()].concat();
    assert_eq!((pages[0].id.as_str(), pages[1].id.as_str()), ("1", "2"), "pages do not overlap");
}

async fn nulls_are_empty_and_say_no(database: &Database) {
    make_members(database, "").await;
    database
        .run("INSERT INTO member (username) VALUES ('null'); INSERT INTO member (email) VALUES ('a@b.example')")
        .await;
    let users = database.connect().await.with_django_tables("member").await.unwrap();
    let found = users.find_by_name("null").await.unwrap().unwrap();
    assert_eq!((&*found.email, &*found.first_name, &*found.last_name), ("", "", ""));
    assert_eq!((found.is_active, found.is_staff, found.is_superuser), (false, false, false));
    assert_eq!((found.date_joined, found.last_login), (None, None));
    assert_eq!(users.find("2").await.unwrap().unwrap().username, "");
    for name in ["null", ""] {
        for password in ["", "None", "null"] {
            assert_eq!(users.verify(name, password).await.unwrap(), None);
        }
    }
    // As in Django: hmac(force_bytes(None)).
    let keys = SecretKeys::new(KEY).unwrap();
    let as_text = User::new("1", "null").with_encoded_password("None").session_auth_hash(&keys);
    assert!(found.verify_session_auth_hash(&keys, &as_text));

    assert_eq!(users.count("").await.unwrap(), 2);
    assert_eq!(users.list("", 0, 9).await.unwrap().len(), 2);
    assert_eq!(users.list("B.EXAMPLE", 0, 9).await.unwrap().len(), 1);
    assert!(users.set_active("1", true).await.unwrap() && users.set_staff("1", true).await.unwrap());
    users.set_password("1", "right").await.unwrap().unwrap();
    assert!(users.verify("null", "right").await.unwrap().unwrap().is_staff);
}

async fn names_of_groups_and_permissions_may_be_null(database: &Database) {
    let users = database.migrated().await;
    let ann = add(&users, "ann").await;
    let names = match database {
        Database::Sqlite { .. } => {
            "DROP TABLE auth_group; DROP TABLE auth_permission;
            CREATE TABLE auth_group (id integer, name text);
            CREATE TABLE auth_permission (id integer, content_type_id integer, codename text);"
        }
        Database::Postgres { .. } => {
            "ALTER TABLE auth_group ALTER name DROP NOT NULL;
            ALTER TABLE auth_permission ALTER codename DROP NOT NULL, ALTER name DROP NOT NULL;"
        }
    };
    let rows = "INSERT INTO django_content_type (id, app_label, model) VALUES (1, 'blog', 'post');
        INSERT INTO auth_group (id, name) VALUES (1, NULL), (2, 'writers');
        INSERT INTO auth_permission (id, content_type_id, codename) VALUES (1, 1, NULL), (2, 1, 'add_post');
        INSERT INTO auth_user_groups (user_id, group_id) VALUES (1, 1), (1, 2);
        INSERT INTO auth_user_user_permissions (user_id, permission_id) VALUES (1, 1), (1, 2);";
    database
        .run(
            &format!("PRAGMA_OR_NOTHING{names}{rows}")
                .replace("PRAGMA_OR_NOTHING", database.pick("PRAGMA foreign_keys = OFF; ", "")),
        )
        .await;
    assert_eq!(users.groups(&ann).await.unwrap(), ["writers"]);
    assert_eq!(users.permissions(&ann).await.unwrap(), ["blog.add_post".to_owned()].into());
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_left_out_of_the_list() {
    let database = Database::sqlite();
    let users = database.migrated().await;
    let (ann, bob) = (add(&users, "ann").await, add(&users, "bob").await);
    database.run(&format!("UPDATE auth_user SET first_name = CAST(x'ff' AS TEXT) WHERE id = {}", bob.id)).await;
    assert_eq!(users.find(&bob.id).await.unwrap_err().kind(), ErrorKind::Unreadable);
    assert_eq!(users.verify("ann", "right").await.unwrap().as_ref(), Some(&ann));
    assert_eq!(users.list("", 0, 9).await.unwrap(), [ann]);
}

#[tokio::test]
async fn a_time_that_is_no_time_is_none() {
    let database = Database::postgres().await;
    let users = database.migrated().await;
    add(&users, "ann").await;
    database.run("UPDATE auth_user SET date_joined = '-infinity', last_login = 'infinity'").await;
    let ann = users.find_by_name("ann").await.unwrap().unwrap();
    assert_eq!((ann.date_joined, ann.last_login), (None, None));
    assert_eq!(users.list("", 0, 9).await.unwrap(), [ann]);
}

/// The column's comparison decides, in Django's tables and in ours; `ann` equals `Ann` in each of them.
async fn compares_without_case(users: &SqlUsers) {
    assert_eq!(users.find_by_name("aNN").await.unwrap().unwrap().username, "Ann");
    assert!(users.verify("ann", "right").await.unwrap().is_some());
    for name in ["ANN", "ann"] {
        let again = users.create_user(NewUser::new(name, "p")).await;
        assert!(matches!(again, Err(CreateUserError::NameTaken)), "{again:?}");
    }
    assert_eq!(users.list("", 0, 9).await.unwrap().len(), 2);
    assert_eq!(users.list("NN", 0, 9).await.unwrap()[0].username, "Ann");
    assert_eq!((users.count("OB").await.unwrap(), users.count("%").await.unwrap()), (1, 0));
}

#[tokio::test]
async fn a_name_in_citext_is_compared_as_citext() {
    let database = Database::postgres().await;
    let Database::Postgres { url } = &database else { return };
    let pool = PgPool::connect(url).await.unwrap();
    let available = "SELECT COUNT(*) FROM pg_available_extensions WHERE name = 'citext'";
    if sqlx::query_scalar::<_, i64>(available).fetch_one(&pool).await.unwrap() == 0 {
        eprintln!("this PostgreSQL has no citext; what a collation does is tested below");
        return;
    }
    for (schema, column) in [("public", "citext"), ("ext", "ext.citext"), ("public", "letters")] {
        let database = Database::postgres().await;
        let users = database.migrated().await;
        add(&users, "Ann").await;
        add(&users, "bob").await;
        let alter = format!(
            "CREATE SCHEMA IF NOT EXISTS {schema}; CREATE EXTENSION citext SCHEMA {schema};
            SET search_path TO public, {schema};
            CREATE DOMAIN letters AS citext CHECK (length(VALUE) < 20);
            ALTER TABLE auth_user ALTER username TYPE {column}, ALTER email TYPE citext"
        );
        database.run(&alter).await;
        if schema != "public" {
            let Database::Postgres { url } = &database else { return };
            let name = url.rsplit('/').next().unwrap();
            database.run(&format!("ALTER DATABASE {name} SET search_path TO public, {schema}")).await;
        }
        let users = database.connect().await;
        users.migrate().await.unwrap();
        compares_without_case(&users).await;
        compares_without_case(&database.connect().await.with_django_tables("auth_user").await.unwrap()).await;
        // The name is longer than the domain allows: it is unknown, and not an error.
        assert_eq!(users.find_by_name("a name of more than twenty letters").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_collation_that_is_not_deterministic_can_be_listed_and_searched() {
    let database = Database::postgres().await;
    let users = database.migrated().await;
    add(&users, "Ann").await;
    add(&users, "bob").await;
    database
        .run(
            "CREATE COLLATION letters (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
            DROP INDEX auth_user_username_6821ab7c_like;
            ALTER TABLE auth_user ALTER username TYPE varchar(150) COLLATE letters,
                ALTER email TYPE varchar(254) COLLATE letters",
        )
        .await;
    compares_without_case(&database.migrated().await).await;
    compares_without_case(&database.connect().await.with_django_tables("auth_user").await.unwrap()).await;
}

#[tokio::test]
async fn a_collation_of_sqlite_decides_too() {
    let database = Database::sqlite();
    make_members(&database, "COLLATE NOCASE UNIQUE").await;
    let users = database.connect().await.with_django_tables("member").await.unwrap();
    add(&users, "Ann").await;
    add(&users, "bob").await;
    compares_without_case(&users).await;
}

#[tokio::test]
async fn an_error_that_the_database_would_repeat_is_never_unavailable() {
    let database = Database::postgres().await;
    let users = database.migrated().await;
    let ann = add(&users, "ann").await;
    database.run("ALTER TABLE auth_user RENAME TO gone").await;
    assert_eq!(users.find(&ann.id).await.unwrap_err().kind(), ErrorKind::Database);
    assert_eq!(users.list("", 0, 9).await.unwrap_err().kind(), ErrorKind::Database);
    assert_eq!(ErrorKind::Database.status(), 500);
}

/// `member`: a table in which all columns may be NULL.
async fn make_members(database: &Database, username: &str) {
    let (key, time) = match database {
        Database::Sqlite { .. } => ("integer PRIMARY KEY AUTOINCREMENT", "datetime"),
        Database::Postgres { .. } => {
            ("integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY", "timestamp with time zone")
        }
    };
    database
        .run(&format!(
            "CREATE TABLE member (id {key}, password varchar(128), last_login {time}, is_superuser boolean,
                username varchar(150) {username}, first_name varchar(150), last_name varchar(150), email varchar(254),
                is_staff boolean, is_active boolean, date_joined {time})"
        ))
        .await;
}
