//! Settings that stop the start: one clear line that names the variable, and exit code 2.

use harness::{
    Kind, TempDir,
    pair::{SECRET_KEY, owned},
    service::Ended,
};

/// Part of all values that must not be shown.
const CANARY: &str = "hunter2";

#[test]
fn bad_values_are_named() {
    let key = ("SECRET_KEY", SECRET_KEY);
    let redis = ("SESSION_URL", "redis://127.0.0.1:1/");
    let short_fallback = format!("{SECRET_KEY},{CANARY}");
    for (named, settings) in [
        ("SITE_ADDR", vec![("SITE_ADDR", "8000")]),
        ("API_ADDR", vec![("API_ADDR", "127.0.0.1:65536")]),
        ("SESSION_URL", vec![("SESSION_URL", "hunter2"), key]),
        ("SESSION_URL", vec![("SESSION_URL", "redis://u:hunter2@h:port/"), key]),
        ("SESSION_URL", vec![("SESSION_URL", "mysql://u:hunter2@h/db"), key]),
        ("REDIS_URL", vec![("REDIS_URL", "http://:hunter2@h"), key]),
        ("DATABASE_URL", vec![("DATABASE_URL", "redis://:hunter2@h"), key]),
        ("DATABASE_URL", vec![("DATABASE_URL", "postgres://u:hunter2@h:0/app"), key]),
        ("SECRET_KEY", vec![("SECRET_KEY", "hunter2-hunter2")]),
        ("SECRET_KEY_FALLBACKS", vec![key, ("SECRET_KEY_FALLBACKS", &short_fallback)]),
        ("SESSION_PROFILE", vec![("SESSION_PROFILE", "flask")]),
        ("SESSION_KEY_PREFIX", vec![redis, key, ("SESSION_KEY_PREFIX", "a b")]),
        ("SESSION_KEY_VERSION", vec![redis, key, ("SESSION_KEY_VERSION", "one")]),
        ("DJANGO_CODEC", vec![("DJANGO_CODEC", "yaml")]),
        ("AUTH_USER_TABLE", vec![("AUTH_USER_TABLE", "users; drop table x")]),
        ("SESSION_COOKIE_NAME", vec![("SESSION_COOKIE_NAME", "a b")]),
        ("SESSION_COOKIE_NAME", vec![("SESSION_COOKIE_NAME", "__Host-sid")]),
        ("SESSION_COOKIE_DOMAIN", vec![("SESSION_COOKIE_DOMAIN", "-x-")]),
        ("SESSION_COOKIE_SECURE", vec![("SESSION_COOKIE_SECURE", "maybe")]),
        ("SESSION_COOKIE_SAMESITE", vec![("SESSION_COOKIE_SAMESITE", "lazy")]),
        ("SESSION_COOKIE_SAMESITE", vec![("SESSION_COOKIE_SAMESITE", "None")]),
        ("SESSION_COOKIE_SIGNED", vec![("SESSION_COOKIE_SIGNED", "rsa")]),
        ("API_BEARER_TOKENS", vec![("API_BEARER_TOKENS", "perhaps")]),
        ("SITE_ORIGIN", vec![("SITE_ORIGIN", "https://www.example.com/path")]),
        ("API_ORIGIN", vec![("API_ORIGIN", "*")]),
        ("TRUSTED_PROXIES", vec![("TRUSTED_PROXIES", "10.0.0.0/33")]),
        ("SESSION_IDLE", vec![("SESSION_IDLE", "0")]),
        ("SESSION_ABSOLUTE", vec![("SESSION_ABSOLUTE", "-1")]),
        ("SESSION_IDLE", vec![("SESSION_IDLE", "10"), ("SESSION_ABSOLUTE", "9")]),
        ("SESSION_REPLICAS", vec![("SESSION_REPLICAS", "11")]),
        ("SESSION_REPLICAS", vec![("SESSION_REPLICAS", "1")]),
        ("SESSION_FENCED_READS", vec![("SESSION_FENCED_READS", "on")]),
        ("NEAR_CACHE", vec![("NEAR_CACHE", "perhaps")]),
        ("NEAR_CACHE", vec![("NEAR_CACHE", "on")]),
        ("USER_CACHE", vec![("USER_CACHE", "5s")]),
        ("SESSION_DURABLE", vec![("SESSION_DURABLE", "on")]),
        ("SESSION_DURABLE", vec![redis, key, ("SESSION_DURABLE", "on"), ("NEAR_CACHE", "on")]),
        ("SESSION_ANONYMOUS_AGE", vec![("SESSION_IDLE", "10"), ("SESSION_ANONYMOUS_AGE", "11")]),
        ("SESSION_ANONYMOUS_SIZE", vec![("SESSION_ANONYMOUS_SIZE", "4k")]),
        ("SESSION_ANONYMOUS_RATE", vec![("SESSION_ANONYMOUS_RATE", "-1")]),
        ("SESSION_MAX_PER_USER", vec![("SESSION_MAX_PER_USER", "all")]),
        ("SESSION_FRESH", vec![("SESSION_FRESH", "15m")]),
        ("SIGN_IN_LIMIT", vec![("SIGN_IN_LIMIT", "5")]),
        ("SESSION_ENCRYPTION", vec![("SESSION_ENCRYPTION", "aes")]),
        ("SESSION_TIMEOUT_MS", vec![("SESSION_TIMEOUT_MS", "0.3")]),
        ("SESSION_RETRY_AFTER", vec![("SESSION_RETRY_AFTER", "0")]),
        ("OPERATIONS_ADDR", vec![("OPERATIONS_ADDR", "9000")]),
        ("OPERATIONS_TOKEN", vec![("OPERATIONS_TOKEN", "hunter2")]),
        ("OPERATIONS_TOKENS", vec![("OPERATIONS_TOKENS", "hunter2")]),
        ("RUST_LOG", vec![("RUST_LOG", "a=b=c")]),
        ("SESSION_COOKIE_NAEM", vec![("SESSION_COOKIE_NAEM", "x")]),
        ("SESSION_TIMEOUT", vec![("SESSION_TIMEOUT", "60")]),
    ] {
        for kind in Kind::BOTH {
            assert_refused(&run(kind, &settings), kind, named);
        }
    }
}

#[test]
fn a_secret_key_must_be_given_outside_an_embedded_start() {
    for setting in [
        ("SESSION_URL", "redis://127.0.0.1:1/"),
        ("REDIS_URL", "redis://127.0.0.1:1/"),
        ("DATABASE_URL", "postgres://u@127.0.0.1:1/app"),
    ] {
        for kind in Kind::BOTH {
            let ended = run(kind, &[setting]);
            assert_refused(&ended, kind, "SECRET_KEY");
            assert!(ended.stderr.contains(setting.0), "does not say why: {}", ended.stderr);
        }
    }
}

#[test]
fn a_bad_line_in_the_settings_file_is_refused_and_not_shown() {
    for kind in Kind::BOTH {
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join(".env"), "SECRET KEY = hunter2\n").unwrap();
        let ended = kind.run(directory.path(), &owned(&[(kind.address_variable(), "127.0.0.1:0")]), &[]);
        assert_refused(&ended, kind, ".env");
    }
}

#[test]
fn a_user_database_that_cannot_be_used_stops_the_start() {
    for kind in Kind::BOTH {
        for url in ["postgres://u:hunter2@127.0.0.1:1/app", "sqlite:///nowhere/at/all/users.db"] {
            let ended = run(kind, &[("DATABASE_URL", url), ("SECRET_KEY", SECRET_KEY)]);
            assert!(!ended.status.success(), "{ended:?}");
            assert!(ended.stderr.contains("DATABASE_URL"), "{ended:?}");
            assert!(!ended.stderr.contains(CANARY) && !ended.stderr.contains("panicked"), "{ended:?}");
        }
    }
}

#[test]
fn mistakes_on_the_command_line_are_named() {
    for args in [&["migrat"][..], &["create-superuser"], &["create-superuser", "--username"], &["migrate", "now"]] {
        let directory = TempDir::new().unwrap();
        let ended = Kind::Site.run(directory.path(), &[], args);
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(!ended.stderr.trim().is_empty() && !ended.stderr.contains("panicked"), "{ended:?}");
    }
}

fn run(kind: Kind, settings: &[(&str, &str)]) -> Ended {
    let directory = TempDir::new().unwrap();
    let mut env = owned(&[("SITE_ADDR", "127.0.0.1:0"), ("API_ADDR", "127.0.0.1:0"), ("DATA_DIR", "data")]);
    env.extend(owned(settings));
    kind.run(directory.path(), &env, &[])
}

#[track_caller]
fn assert_refused(ended: &Ended, kind: Kind, named: &str) {
    let kind = kind.name();
    assert_eq!(ended.status.code(), Some(2), "{kind}, {named}: {ended:?}");
    assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{kind}, {named}: {ended:?}");
    assert!(ended.stderr.contains(named), "{kind} does not name {named}: {ended:?}");
    assert!(!ended.stderr.contains(CANARY) && !ended.stdout.contains(CANARY), "{kind} shows a secret: {ended:?}");
    assert!(!ended.stdout.contains("listening on"), "{kind}, {named}: {ended:?}");
}
