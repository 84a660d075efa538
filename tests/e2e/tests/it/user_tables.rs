//! User tables that other programs filled or created: names against our rules, NULLs, collations, custom models of
//! Django.

use test_servers::{Postgres, RedisKind};

use harness::{Backend, Browser, Pair};

/// Both services over a database of the test, with Django's tables and the user `ann`.
struct Scene {
    pair: Pair,
    url: String,
}

impl Scene {
    async fn new() -> Self {
        let url = Postgres::shared().create_database();
        let pair = Pair::with(Backend::Redis(RedisKind::Old), &[("DATABASE_URL", &url)]);
        pair.user("ann").await;
        Self { pair, url }
    }

    fn sql(&self, sql: &str) -> String {
        Postgres::shared().sql(&self.url, sql)
    }

    /// The stored password of `ann`: an argon2 hash that Django can verify too.
    fn hash(&self) -> String {
        self.sql("SELECT password FROM auth_user WHERE username = 'ann'").trim().to_owned()
    }
}

/// Signs in at both services.
async fn signs_in(pair: &Pair, name: &str) -> Browser {
    let password = Pair::password_of("ann");
    let browser = Browser::new();
    let at_api = browser.sign_in_at_api(pair, name, &password).await;
    assert_eq!(at_api.status, 200, "{name:?} at api: {}", at_api.body);
    let at_site = browser.sign_in_at_site(pair, name, &password).await;
    assert_eq!(at_site.status, 303, "{name:?} at site");
    Browser::new().sign_in_at_api(pair, name, "another password").await.assert_status(401);
    browser
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_services_sign_in_every_user_of_the_table() {
    let scene = Scene::new().await;
    scene.sql("ALTER TABLE auth_user ALTER username TYPE varchar(254)");
    let (pair, hash) = (&scene.pair, scene.hash());
    let long = "n".repeat(200);
    for name in ["ann lee", "a|b", "o'neil", r"back\slash", "a:b", "x\u{301}", "<b>", "ﬁ", " spaced ", &long] {
        scene.sql(&format!(
            "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
                date_joined) VALUES ('{hash}', false, '{}', '', '', '', false, true, now())",
            name.replace('\'', "''")
        ));
        let browser = signs_in(pair, name).await;
        assert_eq!(browser.get(&pair.api, "/api/me").await.json()["username"], name);
        // The password check is for the signed-in user.
        let fields = [
            ("old_password", &*Pair::password_of("ann")),
            ("new_password1", "correct horse battery"),
            ("new_password2", "correct horse battery"),
        ];
        browser.open_and_submit(&pair.site, "/password", "/password", &fields).await.assert_status(303);
    }
    signs_in(pair, " ann\t").await;
    for nobody in ["", " ", "\0", "ann\0", "ann lee "] {
        let password = Pair::password_of("ann");
        if nobody != "ann lee " {
            Browser::new().sign_in_at_api(pair, nobody, &password).await.assert_status(401);
            Browser::new().sign_in_at_site(pair, nobody, &password).await.assert_status(401);
        }
    }
    for against_the_rules in ["ann lee", "a|b"] {
        let fields = [
            ("username", against_the_rules),
            ("password1", "correct horse battery"),
            ("password2", "correct horse battery"),
        ];
        let answer = Browser::new().open_and_submit(&pair.site, "/register", "/register", &fields).await;
        answer.assert_status(422);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_null_breaks_neither_the_start_nor_a_sign_in_nor_a_list() {
    let mut scene = Scene::new().await;
    scene.sql(
        "ALTER TABLE auth_user ALTER email DROP NOT NULL, ALTER first_name DROP NOT NULL, ALTER last_name DROP NOT NULL,
            ALTER is_staff DROP NOT NULL, ALTER date_joined DROP NOT NULL, ALTER is_active DROP NOT NULL;
        UPDATE auth_user SET email = NULL, first_name = NULL, last_name = NULL, is_staff = NULL, date_joined = NULL;",
    );
    scene.pair.superuser("root");
    scene.pair.restart(&[("SESSION_PROFILE", "django-cache")]);
    let ann = signs_in(&scene.pair, "ann").await;
    scene.pair.restart(&[]);
    let (pair, root) = (&scene.pair, Browser::new());
    assert_eq!(ann.who(pair).await.as_deref(), Some("ann"));
    let me = ann.get(&pair.api, "/api/me").await.json();
    assert_eq!((&me["email"], &me["is_staff"]), (&"".into(), &false.into()));
    root.signs_in(pair, "root").await;
    for path in ["/admin/users", "/admin/users?q=ann", "/admin/sessions", "/admin/users/1"] {
        let page = root.get(&pair.site, path).await;
        assert!(page.assert_status(200).body.contains(">ann<"), "{path}: {}", page.body);
    }
    scene.sql("UPDATE auth_user SET is_active = NULL, password = password WHERE username = 'ann'");
    assert_eq!(ann.who(pair).await, None, "NULL does not count as active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collation_decides_which_names_are_equal_and_breaks_no_list() {
    let mut scene = Scene::new().await;
    scene.pair.superuser("root");
    scene.sql(
        "CREATE COLLATION letters (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        DROP INDEX auth_user_username_6821ab7c_like;
        ALTER TABLE auth_user ALTER username TYPE varchar(150) COLLATE letters",
    );
    for profile in ["native", "django-cache"] {
        scene.pair.restart(&[("SESSION_PROFILE", profile)]);
        let (pair, root) = (&scene.pair, Browser::new());
        signs_in(pair, "ANN").await;
        root.signs_in(pair, "root").await;
        for path in ["/admin/users", "/admin/users?q=NN", "/admin/"] {
            root.get(&pair.site, path).await.assert_status(200);
        }
        let page = root.get(&pair.site, "/admin/users?q=NN").await.body;
        assert!(page.contains(">ann<") && page.contains("1 user found"), "{page}");
        let good = "correct horse battery";
        let fields = [("username", "Ann"), ("password1", good), ("password2", good)];
        let answer = Browser::new().open_and_submit(&pair.site, "/register", "/register", &fields).await;
        assert!(answer.assert_status(422).body.contains("taken"), "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permanent_error_of_the_database_is_no_outage() {
    let scene = Scene::new().await;
    let (pair, ann) = (&scene.pair, signs_in(&scene.pair, "ann").await);
    scene.sql("ALTER TABLE auth_user RENAME TO gone");
    for (service, path) in [(&pair.api, "/api/me"), (&pair.site, "/profile")] {
        let answer = ann.get(service, path).await;
        answer.assert_status(500).assert_no_session_cookie();
        assert_eq!(answer.header("retry-after"), "", "{path}");
        assert!(!answer.body.contains("auth_user"), "{}", answer.body);
    }
    scene.sql("ALTER TABLE gone RENAME TO auth_user");
    assert_eq!(ann.who(pair).await.as_deref(), Some("ann"));
}

/// `AbstractBaseUser` with `USERNAME_FIELD = "email"` and a UUID key that is not named `id`, in a schema.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_a_custom_model_sign_in_with_their_address() {
    let mut scene = Scene::new().await;
    let hash = scene.hash();
    scene.sql(&format!(
        "CREATE SCHEMA accounts;
        CREATE TABLE accounts.member (uid uuid PRIMARY KEY, password varchar(128) NOT NULL,
            last_login timestamp with time zone, email varchar(254) NOT NULL UNIQUE);
        INSERT INTO accounts.member VALUES ('0189a7f3-0000-7000-8000-00000000abcd', '{hash}', NULL, 'o''neil@mail.example')"
    ));
    let custom =
        [("SESSION_PROFILE", "django-cache"), ("AUTH_USER_TABLE", "accounts.member"), ("AUTH_USERNAME_FIELD", "email")];
    let misfit = scene.pair.run_site(&[], &custom[..2]);
    assert_eq!(misfit.status.code(), Some(2), "{misfit:?}");
    for named in ["accounts.member", "AUTH_USERNAME_FIELD", "email"] {
        assert!(misfit.stderr.contains(named) && !misfit.stderr.contains("migrate"), "{misfit:?}");
    }
    scene.pair.restart(&custom);
    let pair = &scene.pair;
    let browser = signs_in(pair, "o'neil@mail.example").await;
    let me = browser.get(&pair.api, "/api/me").await.json();
    assert_eq!(me["id"], "0189a7f3-0000-7000-8000-00000000abcd");
    assert_eq!((&me["username"], &me["email"]), (&"o'neil@mail.example".into(), &"o'neil@mail.example".into()));
    assert_eq!(me["groups"], serde_json::json!([]));
    browser.get(&pair.site, "/profile").await.assert_status(200);
    browser.get(&pair.api, "/api/sessions").await.assert_status(200);

    let good = "correct horse battery";
    let fields = [("username", "x"), ("email", "new@mail.example"), ("password1", good), ("password2", good)];
    let new = Browser::new();
    new.open_and_submit(&pair.site, "/register", "/register", &fields).await.assert_status(303);
    assert_eq!(new.get(&pair.api, "/api/me").await.json()["username"], "new@mail.example");
    for [name, email] in
        [["nobody", ""], ["y", "NEW@mail.example"], ["New@Mail.Example", ""], ["O'NEIL@mail.example", ""]]
    {
        let fields = [("username", name), ("email", email), ("password1", good), ("password2", good)];
        Browser::new().open_and_submit(&pair.site, "/register", "/register", &fields).await.assert_status(422);
    }

    scene.sql("ALTER TABLE accounts.member ADD phone varchar(20); UPDATE accounts.member SET phone = ''; ALTER TABLE accounts.member ALTER phone SET NOT NULL");
    scene.pair.restart(&[]);
    let fields = [("username", "b@mail.example"), ("password1", good), ("password2", good)];
    let answer = Browser::new().open_and_submit(&scene.pair.site, "/register", "/register", &fields).await;
    answer.assert_status(403);
    assert!(scene.pair.site.output().contains("phone"), "the log names the column");
}

/// `AbstractBaseUser` without `PermissionsMixin`, but with the column for staff.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_model_without_groups_shows_and_accepts_no_groups() {
    let mut scene = Scene::new().await;
    let hash = scene.hash();
    scene.sql(&format!(
        "CREATE SCHEMA accounts;
        CREATE TABLE accounts.member (id bigint PRIMARY KEY, password varchar(128) NOT NULL,
            username varchar(150) NOT NULL UNIQUE, is_staff boolean NOT NULL, is_superuser boolean NOT NULL);
        INSERT INTO accounts.member VALUES (1, '{hash}', 'root', true, true), (2, '{hash}', 'bob', false, false)"
    ));
    scene.pair.restart(&[("SESSION_PROFILE", "django-cache"), ("AUTH_USER_TABLE", "accounts.member")]);
    let (pair, root) = (&scene.pair, Browser::new());
    root.sign_in_at_api(pair, "root", &Pair::password_of("ann")).await.assert_status(200);
    for path in ["/admin/groups", "/admin/users/2", "/admin/users/2/rights"] {
        root.get(&pair.site, path).await.assert_status(200);
    }
    root.get(&pair.site, "/admin/groups/1").await.assert_status(404);
    let add = [("name", "editors")];
    let refused = root.open_and_submit(&pair.site, "/admin/groups", "/admin/groups", &add).await;
    let said = "The users of this site have no groups and no permissions.";
    assert!(refused.assert_status(409).body.contains(said), "{}", refused.body);
    // A column that the model lacks is a separate error.
    let off = [("on", "false")];
    let refused = root.open_and_submit(&pair.site, "/admin/users/2", "/admin/users/2/active", &off).await;
    assert!(refused.assert_status(409).body.contains("does not support this"), "{}", refused.body);
}
