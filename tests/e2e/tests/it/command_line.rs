//! The command lines of the two services, as operators and containers use them.

use std::process::Stdio;

use test_servers::{Postgres, RedisKind};

use harness::{
    Backend, Browser, Kind, Pair, TempDir,
    pair::{SECRET_KEY, basic_settings, owned},
    service::Ended,
};

#[track_caller]
fn assert_code(ended: &Ended, code: i32) {
    assert_eq!(ended.status.code(), Some(code), "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
}

/// The lines of `check` for one part.
fn about<'a>(ended: &'a Ended, part: &str) -> Vec<&'a str> {
    let of_part = |line: &&str| line.split_whitespace().nth(1) == Some(part);
    ended.stdout.lines().filter(of_part).collect()
}

#[test]
fn the_help_explains_every_command_and_exit_code() {
    let directory = TempDir::new().unwrap();
    for (kind, commands) in [
        (Kind::Site, &["serve", "migrate", "create-superuser", "check", "sessions", "healthcheck", "completions"][..]),
        (Kind::Api, &["serve", "check", "healthcheck"]),
    ] {
        for help in ["--help", "-h", "help"] {
            let ended = kind.run(directory.path(), &[], &[help]);
            assert_code(&ended, 0);
            for word in commands.iter().chain(&["Examples:", "Exit codes:", ".env"]) {
                assert!(ended.stdout.contains(word), "{word}: {ended:?}");
            }
            assert_eq!(ended.stdout.contains("SESSION_RETRY_AFTER"), help != "-h", "every setting: {ended:?}");
        }
        for command in commands {
            let ended = kind.run(directory.path(), &[], &[command, "--help"]);
            assert_code(&ended, 0);
            assert!(ended.stdout.contains(&format!("Usage: {} {command}", kind.name())), "{ended:?}");
        }
        let ended = kind.run(directory.path(), &[], &["--version"]);
        assert_code(&ended, 0);
        assert_eq!(ended.stdout.trim_end(), format!("{} {}", kind.name(), env!("CARGO_PKG_VERSION")));
        for wrong in [&["serv"][..], &["serve", "now"], &["--port", "80"], &["healthcheck", "localhost"]] {
            let ended = kind.run(directory.path(), &[], wrong);
            assert_code(&ended, 2);
            assert!(ended.stderr.contains(wrong[wrong.len() - 1]) || wrong[0] == "--port", "{ended:?}");
        }
    }
    assert!(!directory.path().join(".data").exists(), "help creates no files");
}

#[test]
fn every_shell_can_complete_the_command_line() {
    let directory = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = Kind::Site.run(directory.path(), &[], &["completions", shell]);
        assert_code(&ended, 0);
        assert!(ended.stdout.contains("create-superuser") && ended.stdout.contains("revoke"), "{shell}");
    }
    assert_code(&Kind::Site.run(directory.path(), &[], &["completions", "tcsh"]), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_check_asks_the_running_service() {
    let pair = Pair::start(Backend::Embedded);
    for service in pair.both() {
        let kind = service.kind();
        let addr = service.address();
        let ended = kind.run(pair.directory(), &owned(&[(kind.address_variable(), addr)]), &["healthcheck"]);
        assert_code(&ended, 0);
        let everywhere = addr.replace("127.0.0.1", "0.0.0.0");
        assert_code(&kind.run(pair.directory(), &[], &["healthcheck", &everywhere]), 0);
        let ended = kind.run(pair.directory(), &owned(&[(kind.address_variable(), "127.0.0.1:1")]), &["healthcheck"]);
        assert_code(&ended, 1);
        assert!(ended.stderr.starts_with("error: no answer from 127.0.0.1:1"), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_before_the_first_start_creates_nothing_and_lists_the_missing_parts() {
    for kind in Kind::BOTH {
        let directory = TempDir::new().unwrap();
        let ended = kind.run(directory.path(), &basic_settings(directory.path()), &["check"]);
        assert_code(&ended, 0);
        assert!(about(&ended, "store")[0].contains("the first start makes"), "{ended:?}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "{ended:?}");

        let database = Postgres::shared().create_database();
        let settings = owned(&[("DATABASE_URL", &database), ("SESSION_URL", &database), ("SECRET_KEY", SECRET_KEY)]);
        let ended = kind.run(directory.path(), &settings, &["check"]);
        assert_code(&ended, 0);
        assert!(about(&ended, "users")[0].contains("no tables yet: auth_user"), "{ended:?}");
        let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
        assert_eq!(Postgres::shared().sql(&database, tables).trim(), "0");
    }
}

#[test]
fn a_check_checks_existing_parts_even_if_others_are_missing() {
    let of = |prepare: &dyn Fn(&std::path::Path), settings: &[(&str, &str)], part: &str, said: &str| {
        for kind in Kind::BOTH {
            let directory = TempDir::new().unwrap();
            let mut env = basic_settings(directory.path());
            env.extend(owned(settings));
            prepare(directory.path());
            let ended = kind.run(directory.path(), &env, &["check"]);
            assert_code(&ended, 1);
            let failed: Vec<_> = about(&ended, part).into_iter().filter(|line| line.starts_with("failed ")).collect();
            assert!(failed.len() == 1 && failed[0].contains(said), "{settings:?}: {ended:?}");
        }
    };
    let nothing = |_: &std::path::Path| {};
    let dead = ("SESSION_URL", "redis://127.0.0.1:1/0");
    of(&nothing, &[dead, ("SECRET_KEY", SECRET_KEY)], "store", "SESSION_URL");
    of(&nothing, &[("DATABASE_URL", "sqlite://no/such/users.sqlite3")], "store", "no/such cannot be written");
    of(&|directory| std::fs::write(directory.join("data"), "").unwrap(), &[], "store", "data cannot be written");
    let write = |name: &'static str, content: &'static [u8]| {
        move |directory: &std::path::Path| {
            std::fs::create_dir_all(directory.join("data")).unwrap();
            std::fs::write(directory.join("data").join(name), content).unwrap();
        }
    };
    of(&write("shared-session.sqlite3", &[b'x'; 8192]), &[], "users", "DATABASE_URL");
    for key in [&b"short"[..], &[0xff; 64]] {
        of(&write("secret_key", key), &[], "settings", "the secret key in DATA_DIR cannot be used");
    }
    let django =
        [("SESSION_PROFILE", "django-db"), ("DATABASE_URL", "sqlite://users.sqlite3"), ("SECRET_KEY", "short")];
    of(&nothing, &django, "users", "manage.py migrate");
    let database = Postgres::shared().create_database();
    of(&nothing, &[dead, ("DATABASE_URL", &database), ("SECRET_KEY", SECRET_KEY)], "store", "SESSION_URL");
}

#[test]
fn in_another_folder_there_are_no_sessions_and_nothing_is_created() {
    let directory = TempDir::new().unwrap();
    let handle = "A".repeat(24);
    for args in [&["sessions", "list"][..], &["sessions", "revoke", &handle]] {
        let ended = Kind::Site.run(directory.path(), &[], args);
        assert_code(&ended, 1);
        assert!(ended.stderr.starts_with("error: .data/") && ended.stderr.contains("does not exist"), "{ended:?}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "{ended:?}");
    }
}

#[test]
fn a_closed_pipe_ends_a_command_quietly_and_a_full_device_is_an_error() {
    let directory = TempDir::new().unwrap();
    let run = |args: &[&str], stdout: Stdio| {
        let mut command = Kind::Site.command(directory.path(), &basic_settings(directory.path()));
        command.args(args).stdout(stdout).stderr(Stdio::piped()).output().unwrap()
    };
    for args in [&["completions", "bash"][..], &["check"], &["migrate"], &["sessions", "list"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = run(args, writer.into());
        assert_eq!(ended.status.code(), Some(0), "{args:?}: {ended:?}");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!said.contains("panicked") && !said.contains("error"), "{args:?}: {said}");
    }
    for args in [&["completions", "bash"][..], &["check"], &["migrate"], &["sessions", "list"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = run(args, full.into());
        assert_eq!(ended.status.code(), Some(1), "{args:?}: {ended:?}");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!said.contains("panicked") && said.lines().any(|line| line.starts_with("error: ")), "{args:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_of_a_fleet_that_fits_passes_and_leaves_nothing_behind() {
    for backend in [Backend::Embedded, Backend::RedisAndPostgres(RedisKind::New), Backend::Postgres] {
        let pair = Pair::start(backend);
        pair.user("ann").await;
        Browser::new().signs_in(&pair, "ann").await;
        let listed = pair.run_site(&["sessions", "list"], &[]).stdout;
        if let Backend::RedisAndPostgres(_) = backend {
            pair.redis().cli(&["CONFIG", "SET", "appendonly", "yes"]);
        }
        for kind in Kind::BOTH {
            let ended = pair.run(kind, &["check"], &[]);
            assert_code(&ended, 0);
            assert!(ended.stdout.lines().all(|line| line.starts_with("ok ")), "{ended:?}");
            assert!(about(&ended, "settings")[0].contains("there is no "), "{ended:?}");
            assert!(about(&ended, "fleet")[0].contains("1 users confirm"), "{ended:?}");
            assert!(about(&ended, "store")[1].contains("stored, read and ended"), "{ended:?}");
            assert!(!ended.stdout.contains("SECRET_KEY") && !ended.stdout.contains("://"), "{ended:?}");
        }
        assert_eq!(pair.run_site(&["sessions", "list"], &[]).stdout, listed, "{backend:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_names_the_settings_that_do_not_fit() {
    let pair = Pair::start(Backend::RedisAndPostgres(RedisKind::New));
    pair.user("ann").await;
    Browser::new().signs_in(&pair, "ann").await;
    for (settings, part, said) in [
        (&[("SESSION_IDLE", "1h")][..], "settings", "SESSION_IDLE is \"1h\"; expected whole seconds"),
        (
            &[("SECRET_KEY", "another secret key of the end-to-end tests 0123456789")],
            "fleet",
            "secret key or the user table",
        ),
        (&[("SESSION_KEY_PREFIX", "shop:")], "fleet", "another key prefix"),
        (&[("SESSION_URL", "redis://127.0.0.1:1/")], "store", "SESSION_URL"),
        (&[("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/app")], "users", "DATABASE_URL"),
    ] {
        for kind in Kind::BOTH {
            let ended = pair.run(kind, &["check"], settings);
            assert_code(&ended, 1);
            let failed: Vec<_> = about(&ended, part).into_iter().filter(|line| line.starts_with("failed ")).collect();
            assert!(failed.len() == 1 && failed[0].contains(said), "{part}: {ended:?}");
            assert!(!ended.stdout.contains("hunter2") && !ended.stderr.contains("hunter2"), "{ended:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_names_the_settings_file_and_warns_of_risks() {
    let pair = Pair::start(Backend::Redis(RedisKind::New));
    let file = pair.directory().join(".env");
    std::fs::write(&file, "SITE_ADDR=0.0.0.0:8000\nSITE_NAME=x\n").unwrap();
    pair.redis().cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let ended = pair.run_site(&["check"], &[]);
    assert_code(&ended, 0);
    assert!(about(&ended, "settings")[0].contains(&format!("{}", file.display())), "{ended:?}");
    for warned in ["of no effect: SITE_NAME", "OPERATIONS_ADDR", "maxmemory-policy to noeviction (it is allkeys-lru)"] {
        let warnings: Vec<_> = ended.stdout.lines().filter(|line| line.starts_with("warning ")).collect();
        assert!(warnings.iter().any(|line| line.contains(warned)), "{warned}: {ended:?}");
    }
    let forgets = || {
        [Kind::Site, Kind::Api].map(|kind| {
            let ended = pair.run(kind, &["check"], &[]);
            assert_code(&ended, 0);
            let lines = about(&ended, "store").into_iter().filter(|line| line.starts_with("warning "));
            lines.filter(|line| line.contains("nothing on disk") && line.contains("appendonly to yes")).count()
        })
    };
    for (setting, on, off) in [("appendonly", "yes", "no"), ("save", "3600 1", "")] {
        assert_eq!(forgets(), [1, 1], "neither is on");
        pair.redis().cli(&["CONFIG", "SET", setting, on]);
        assert_eq!(forgets(), [0, 0], "{setting}");
        pair.redis().cli(&["CONFIG", "SET", setting, off]);
    }
    pair.redis().cli(&["ACL", "SETUSER", "default", "-config|get"]);
    let ended = pair.run_site(&["check"], &[]);
    assert_code(&ended, 0);
    assert!(ended.stdout.contains("does not report whether it keeps its data on disk"), "{ended:?}");
    pair.redis().cli(&["CONFIG", "SET", "maxmemory", "1"]);
    pair.redis().cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let ended = pair.run_site(&["check"], &[]);
    assert_code(&ended, 1);
    assert!(about(&ended, "store").iter().any(|line| line.starts_with("failed ")), "a full Redis: {ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_listed_and_ended_from_the_command_line() {
    for backend in [Backend::Embedded, Backend::Redis(RedisKind::Old)] {
        let pair = Pair::start(backend);
        for name in ["ann", "bob"] {
            pair.user(name).await;
        }
        pair.superuser("root");
        let [desk, phone, bob, root] = [(); 4].map(|()| Browser::new());
        for (browser, name) in [(&desk, "ann"), (&phone, "ann"), (&bob, "bob"), (&root, "root")] {
            browser.signs_in(&pair, name).await;
        }
        let handle = desk.handle(&pair).await;
        let list = pair.run_site(&["sessions", "list"], &[]);
        assert_code(&list, 0);
        assert_eq!(list.stdout.lines().count(), 5, "a head and four: {list:?}");
        let line = list.stdout.lines().find(|line| line.starts_with(&handle)).unwrap();
        assert!(line.contains("  ann  ") && line.contains("127.0.0.1"), "{line}");
        let cookie = desk.session().unwrap();
        assert!(!list.stdout.contains(&cookie), "the list opens no session");
        let list = pair.run_site(&["sessions", "list", "--user", "ann"], &[]);
        assert!(list.stdout.lines().count() == 3 && !list.stdout.contains("bob"), "{list:?}");

        assert_code(&pair.run_site(&["sessions", "revoke", &handle], &[]), 0);
        assert_eq!(desk.who(&pair).await, None);
        assert_eq!(phone.who(&pair).await.as_deref(), Some("ann"));
        let again = pair.run_site(&["sessions", "revoke", &handle], &[]);
        assert_code(&again, 1);
        assert!(again.stderr.contains(&handle), "{again:?}");

        let asks = pair.run_site(&["sessions", "revoke", "--user", "ann"], &[]);
        assert_code(&asks, 2);
        assert!(asks.stderr.contains("--yes"), "{asks:?}");
        assert_eq!(phone.who(&pair).await.as_deref(), Some("ann"), "without a terminal no confirmation is possible");
        assert_code(&pair.run_site(&["sessions", "revoke", "--user", "ann", "--yes"], &[]), 0);
        assert_eq!(phone.who(&pair).await, None);
        assert_eq!(bob.who(&pair).await.as_deref(), Some("bob"));
        for args in
            [&["sessions", "list", "--user", "no-such"][..], &["sessions", "revoke", "--user", "no-such", "--yes"]]
        {
            let ended = pair.run_site(args, &[]);
            assert_code(&ended, 1);
            assert!(ended.stderr.contains("there is no user no-such"), "{ended:?}");
        }
        let log = root.get(&pair.site, "/admin/log").await.body;
        assert_eq!(log.matches("(command line)").count(), 2, "{log}");
        assert!(log.contains(&handle) && log.contains("signed out everywhere"), "{log}");
    }
}

#[test]
fn containers_set_only_known_settings() {
    const COMPOSE: &str = include_str!("../../../../docker-compose.yml");
    const KUBERNETES: &str = include_str!("../../../../deploy/kubernetes/config.env");
    let environment = COMPOSE.split_once("x-environment:").unwrap().1.split_once("\nservices:").unwrap().0;
    let names = environment.lines().filter_map(|line| line.trim().split_once(':')).map(|(name, _)| name);
    let names: Vec<_> = names.filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')).collect();
    assert!(names.len() > 20, "{names:?}");
    let configured: Vec<_> = KUBERNETES.lines().filter_map(|line| line.split_once('=')).collect();
    assert!(configured.len() > 3, "{configured:?}");
    for kind in Kind::BOTH {
        let directory = TempDir::new().unwrap();
        let mut env = owned(&names.iter().map(|name| (*name, "")).collect::<Vec<_>>());
        env.extend(owned(&configured));
        let ended = kind.run(directory.path(), &env, &["check"]);
        assert_code(&ended, 0);
        assert!(!ended.stdout.contains("of no effect"), "{ended:?}");
    }
}
