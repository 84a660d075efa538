//! The messages of a service, at its start and later, about sessions and settings that do not fit it.

use serde_json::json;
use test_servers::RedisKind;

use harness::{Backend, Browser, Kind, Pair, Service, TempDir, eventually, pair::owned};

const OTHER_HASHES: &str = "shared_session_other_hashes_total";
const ANOTHER_KEY: (&str, &str) = ("SECRET_KEY", "another secret key of the end-to-end tests 0123456789");

/// Waits until the service has written `text`, because its errors and its address come through different pipes.
async fn says(service: &Service, text: &str) {
    eventually(text, async || service.output().contains(text).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_with_different_secret_keys_warn_once_and_count() {
    let pair = Pair::start(Backend::RedisAndPostgres(RedisKind::New));
    let other = pair.one_more_with(Kind::Api, &[ANOTHER_KEY]);
    pair.user("ann").await;
    let browser = Browser::new();
    browser.sign_in_at_api(&pair, "ann", &Pair::password_of("ann")).await.assert_status(200);
    for _ in 0..3 {
        browser.get(&other, "/api/me").await.assert_status(401);
    }
    browser.get(&pair.site, "/profile").await.assert_status(200);
    says(&other, "different SECRET_KEYs").await;
    assert_eq!(other.output().matches("different SECRET_KEYs").count(), 1, "{}", other.output());
    assert!(other.get("/metrics").send().await.body.contains(&format!("{OTHER_HASHES} 3")));
    for service in pair.both() {
        assert!(!service.output().contains("different SECRET_KEYs"), "{}", service.output());
        assert!(service.get("/metrics").send().await.body.contains(&format!("{OTHER_HASHES} 0")));
    }
    let later = pair.one_more_with(Kind::Site, &[ANOTHER_KEY]);
    says(&later, "secret key or the user table does not match").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_is_no_sign_of_another_secret_key() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let (password, fields) = (Pair::password_of("ann"), ["old_password", "new_password1", "new_password2"]);
    let (desk, phone) = (Browser::new(), Browser::new());
    for browser in [&desk, &phone] {
        browser.sign_in_at_api(&pair, "ann", &password).await.assert_status(200);
    }
    let values = [password.as_str(), "another pass phrase of ann", "another pass phrase of ann"];
    let fields: Vec<_> = fields.into_iter().zip(values).collect();
    desk.open_and_submit(&pair.site, "/password", "/password", &fields).await.assert_status(303);
    for service in pair.both() {
        let path = if service.kind() == Kind::Site { "/profile" } else { "/api/me" };
        desk.get(service, path).await.assert_status(200);
        assert_ne!(phone.get(service, path).await.status, 200);
        assert!(!service.output().contains("different SECRET_KEYs"), "{}", service.output());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_start_logs_missing_sessions_and_other_prefixes() {
    for backend in [Backend::Embedded, Backend::Redis(RedisKind::New), Backend::Postgres] {
        let pair = Pair::start(backend);
        for service in pair.both() {
            says(service, "no session found under this key prefix").await;
        }
        Browser::new().set_preference(&pair, "theme", &json!("dark")).await;
        let same = pair.one_more(Kind::Api);
        says(&same, "this service fits the sessions in the store").await;
        assert!(!same.output().contains("no session found"), "{}", same.output());
        let other = pair.one_more_with(Kind::Api, &[("SESSION_KEY_PREFIX", "shop:")]);
        says(&other, r#"the key prefix is "shared_session:""#).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_variables_are_named_in_one_line_but_not_those_of_an_orchestrator() {
    let unknown = [("SITE_NAME", "x"), ("API_KEY", "hunter2"), ("AUTH_USER_MODEL", "x"), ("DJANGO_DEBUG", "1")];
    let set_by_others = [
        ("SITE_SERVICE_HOST", "10.0.0.1"),
        ("SITE_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("API_PORT", "tcp://10.0.0.2:8001"),
        ("SESSION_MANAGER", "local/desk:@/tmp/.ICE-unix/1"),
        ("DJANGO_SETTINGS_MODULE", "shop.settings"),
    ];
    let pair = Pair::with(Backend::Embedded, &[&unknown[..], &set_by_others[..]].concat());
    for service in pair.both() {
        says(service, "of no effect").await;
        let output = service.output();
        let lines: Vec<_> = output.lines().filter(|line| line.contains("of no effect")).collect();
        assert_eq!(lines.len(), 1, "{output}");
        assert!(lines[0].ends_with("API_KEY, AUTH_USER_MODEL, DJANGO_DEBUG, SITE_NAME"), "{output}");
        assert!(!output.contains("hunter2"), "{output}");
    }
}

#[test]
fn an_unknown_time_zone_stops_the_start() {
    for kind in Kind::BOTH {
        let directory = TempDir::new().unwrap();
        let env = owned(&[(kind.address_variable(), "127.0.0.1:0"), ("DJANGO_TIME_ZONE", "Chicago")]);
        let ended = kind.run(directory.path(), &env, &[]);
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        let line = r#"error: DJANGO_TIME_ZONE is "Chicago"; expected a time zone of the IANA database, such as"#;
        assert!(ended.stderr.starts_with(line), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
}
