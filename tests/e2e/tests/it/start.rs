//! First starts.

use std::{path::Path, process::Command};

use serde_json::json;
use test_servers::{Postgres, Redis, RedisKind};

use harness::{
    Backend, Browser, Kind, Pair, Service, TempDir,
    browser::login_at_api,
    eventually, html,
    pair::{SECRET_KEY, basic_settings, owned},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_services_start_at_once_on_an_empty_directory_and_share_everything() {
    let directory = TempDir::new().unwrap();
    let env = basic_settings(directory.path());
    let services = start_twenty(directory.path(), &env);
    assert_one_fleet(&services).await;
    let told = services.iter().filter(|service| service.output().contains("demo-password")).count();
    assert_eq!(told, 1, "exactly one service reports the new user");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_services_start_at_once_on_empty_servers() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(RedisKind::Old);
    let database = Postgres::shared().create_database();
    let mut env = basic_settings(directory.path());
    env.extend(owned(&[("SESSION_URL", &redis.url()), ("DATABASE_URL", &database), ("SECRET_KEY", SECRET_KEY)]));
    let services = start_twenty(directory.path(), &env);
    assert!(services.iter().all(|service| !service.output().contains("demo-password")), "no demo user in production");
    let fields = [("username", "demo"), ("password1", "demo-password"), ("password2", "demo-password")];
    let browser = Browser::new();
    browser.open_and_submit(&services[0], "/register", "/register", &fields).await.assert_status(303);
    assert_one_fleet(&services).await;
}

fn start_twenty(directory: &Path, env: &[(String, String)]) -> Vec<Service> {
    let kinds = Kind::BOTH.into_iter().cycle().take(20);
    let mut services: Vec<_> = kinds.map(|kind| Service::spawn(kind, directory, env)).collect();
    services.iter_mut().for_each(Service::wait_until_ready);
    services
}

/// A login is valid at all services; each `site` accepts the forms of the others.
async fn assert_one_fleet(services: &[Service]) {
    let (site, api): (Vec<_>, Vec<_>) = services.iter().partition(|service| service.kind() == Kind::Site);
    let browser = Browser::new();
    browser.send(login_at_api(api[0], "demo", "demo-password")).await.assert_status(200);
    for service in services {
        let path = if service.kind() == Kind::Site { "/profile" } else { "/api/me" };
        browser.get(service, path).await.assert_status(200);
    }
    for (number, service) in api.iter().enumerate() {
        let answer = browser.send(service.post("/api/visits")).await;
        assert_eq!(answer.assert_status(200).json(), json!({ "visits": number + 1 }));
    }
    for sites in site.windows(2) {
        let other = Browser::new();
        let page = other.get(sites[0], "/login").await;
        let token = html::form(&page.body, "/login").remove(0).1;
        let fields = [("username", "demo"), ("password", "demo-password"), ("csrfmiddlewaretoken", &*token)];
        other.send(sites[1].post("/login").form(&fields)).await.assert_status(303);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_start_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let env = basic_settings(directory.path());
    let browser = Browser::new();
    let first = Service::start(Kind::Api, directory.path(), &env);
    browser.send(login_at_api(&first, "demo", "demo-password")).await.assert_status(200);
    drop(first);
    let later = Service::start(Kind::Site, directory.path(), &env);
    browser.get(&later, "/profile").await.assert_status(200);
    assert!(!later.output().contains("demo-password"), "the user exists already");
    for file in ["secret_key", "shared-session.sqlite3"] {
        assert!(directory.path().join("data").join(file).is_file(), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_user_that_was_renamed_or_deleted_does_not_come_back() {
    for change in ["UPDATE auth_user SET username = 'ann'", "DELETE FROM auth_user"] {
        let directory = TempDir::new().unwrap();
        let env = basic_settings(directory.path());
        drop(Service::start(Kind::Api, directory.path(), &env));
        let script = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as db: db.execute(sys.argv[2])";
        let database = directory.path().join("data").join("shared-session.sqlite3");
        let python = Command::new("python3").args(["-c", script]).arg(&database).arg(change).status().unwrap();
        assert!(python.success());
        let later = Service::start(Kind::Api, directory.path(), &env);
        Browser::new().send(login_at_api(&later, "demo", "demo-password")).await.assert_status(401);
        drop(later);

        for file in std::fs::read_dir(directory.path().join("data")).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        let anew = Service::start(Kind::Api, directory.path(), &env);
        Browser::new().send(login_at_api(&anew, "demo", "demo-password")).await.assert_status(200);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let pair = Pair::start(Backend::Embedded);
    Browser::new().sign_in_at_api(&pair, "demo", "demo-password").await.assert_status(200);
    let data = pair.directory().join("data");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let files: Vec<_> = std::fs::read_dir(&data).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 4, "the key, the database, its WAL and its index: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_env_file_of_a_parent_directory_is_not_read() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join(".env"), "SESSION_COOKIE_NAME=of_the_parent\n").unwrap();
    let below = directory.path().join("below");
    std::fs::create_dir(&below).unwrap();
    let api = Service::start(Kind::Api, &below, &owned(&[("API_ADDR", "127.0.0.1:0")]));
    let answer = api.post("/api/visits").send().await;
    assert!(answer.header("set-cookie").starts_with("shared_session_id="), "{:?}", answer.headers);
    assert!(!api.output().contains(".env"), "{}", api.output());
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let directory = TempDir::new().unwrap();
    let env = basic_settings(directory.path());
    let first = Service::start(Kind::Site, directory.path(), &env);
    for kind in Kind::BOTH {
        let mut env = env.clone();
        env.extend(owned(&[(kind.address_variable(), first.address())]));
        let ended = kind.run(directory.path(), &env, &[]);
        assert!(!ended.status.success(), "{ended:?}");
        let lines: Vec<_> = ended.stderr.lines().filter(|line| line.contains(first.address())).collect();
        assert_eq!(lines.len(), 1, "{ended:?}");
        assert!(!ended.stderr.contains("panicked") && !ended.stdout.contains("listening on"), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_read_from_a_file_and_the_environment_wins() {
    let directory = TempDir::new().unwrap();
    let file = "SESSION_COOKIE_NAME=from_the_file\nSESSION_COOKIE_SAMESITE=Lax\nDATA_DIR=data-of-the-file\n";
    std::fs::write(directory.path().join(".env"), file).unwrap();
    let api = Service::start(Kind::Api, directory.path(), &[]);
    let answer = api.post("/api/visits").send().await;
    assert!(answer.header("set-cookie").starts_with("from_the_file="), "{:?}", answer.headers);
    assert!(api.output().contains("read from .env in the working directory"), "{}", api.output());
    assert!(directory.path().join("data-of-the-file").is_dir());
    let api = Service::start(Kind::Api, directory.path(), &owned(&[("SESSION_COOKIE_NAME", "from_the_environment")]));
    let answer = api.post("/api/visits").send().await;
    assert!(answer.header("set-cookie").starts_with("from_the_environment="), "{:?}", answer.headers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_sessions_are_removed_from_a_database() {
    let database = Postgres::shared().create_database();
    let sql = |sql: &str| Postgres::shared().sql(&database, sql);
    let settings = [("SESSION_URL", &*database), ("DATABASE_URL", &database), ("SECRET_KEY", SECRET_KEY)];
    let pair = Pair::over(None, &owned(&settings));
    for _ in 0..2 {
        pair.api.post("/api/visits").send().await.assert_status(200);
    }
    sql("UPDATE shared_session SET expires_at = 1 WHERE session_key = (SELECT min(session_key) FROM shared_session)");
    assert_eq!(sql("SELECT count(*) FROM shared_session").trim(), "2");
    let _later = pair.one_more(Kind::Api);
    let gone = async || (sql("SELECT count(*) FROM shared_session").trim() == "1").then_some(());
    eventually("a row less", gone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_start_with_the_prefix_that_is_set() {
    let pair = Pair::with(Backend::Redis(RedisKind::Old), &[("SESSION_KEY_PREFIX", "shop:")]);
    Browser::new().sign_in_at_api(&pair, "demo", "demo-password").await.assert_status(200);
    let keys = pair.redis().cli(&["KEYS", "*"]);
    assert!(keys.lines().count() == 2 && keys.lines().all(|key| key.starts_with("shop:")), "{keys}");
}
