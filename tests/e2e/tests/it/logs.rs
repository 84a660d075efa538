//! The content of logs, and the secrets that they must not contain.

use serde_json::json;
use test_servers::{Postgres, Redis, RedisKind};

use harness::{
    Backend, Browser, Pair,
    pair::{SECRET_KEY, owned},
};

const REDIS_PASSWORD: &str = "canary-of-the-redis-password";
const POSTGRES_PASSWORD: &str = "canary-of-the-postgres-password";
const WRONG_PASSWORD: &str = "canary-of-a-mistyped-password";
const NEW_PASSWORD: &str = "canary-of-a-changed-password";
const VALUE: &str = "canary-of-a-preference";
const MADE_UP: &str = "canary-of-a-token-that-is-none";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_logged_even_at_the_finest_level() {
    let redis = Redis::with_args(RedisKind::New, &["--requirepass", REDIS_PASSWORD]);
    let database = Postgres::shared().create_database().replacen('@', &format!(":{POSTGRES_PASSWORD}@"), 1);
    assert!(database.contains(POSTGRES_PASSWORD), "{database}");
    let pair = Pair::over(
        Some(redis),
        &owned(&[("DATABASE_URL", &database), ("RUST_LOG", "trace"), ("API_BEARER_TOKENS", "on")]),
    );
    pair.user("ann").await;
    let browser = Browser::new();
    let mut secrets = owned(&[
        ("the secret key", SECRET_KEY),
        ("the password of Redis", REDIS_PASSWORD),
        ("the password of PostgreSQL", POSTGRES_PASSWORD),
        ("a password", &Pair::password_of("ann")),
        ("a wrong password", WRONG_PASSWORD),
        ("a new password", NEW_PASSWORD),
        ("a value", VALUE),
        ("a made-up token", MADE_UP),
    ]);
    let mut collect = async |browser: &Browser| {
        for cookie in browser.cookies().split("; ").filter_map(|cookie| Some(cookie.split_once('=')?.1.to_owned())) {
            secrets.push(("the secret half of a cookie".into(), cookie[24..].to_owned()));
            secrets.push(("a cookie".into(), cookie));
        }
    };

    browser.set_preference(&pair, "a", &json!(VALUE)).await;
    collect(&browser).await;
    browser.sign_in_at_api(&pair, "ann", WRONG_PASSWORD).await.assert_status(401);
    browser.sign_in_at_site(&pair, "ann", WRONG_PASSWORD).await.assert_status(401);
    browser.sign_in_at_site(&pair, "ann", &Pair::password_of("ann")).await.assert_status(303);
    collect(&browser).await;
    browser.who(&pair).await;
    browser.get(&pair.site, "/").await.assert_status(200);
    browser.send(pair.api.post("/api/visits")).await.assert_status(200);
    let fields = [
        ("old_password", &*Pair::password_of("ann")),
        ("new_password1", NEW_PASSWORD),
        ("new_password2", NEW_PASSWORD),
    ];
    browser.open_and_submit(&pair.site, "/password", "/password", &fields).await.assert_status(303);
    collect(&browser).await;
    browser.sign_out_at_api(&pair).await.assert_status(204);
    browser.sign_in_at_api(&pair, "ann", NEW_PASSWORD).await.assert_status(200);
    collect(&browser).await;
    for (token, cookie) in bearer_tokens(&pair, &browser.session().unwrap()).await {
        secrets.push(("the secret half of a bearer token".into(), token[24..].to_owned()));
        secrets.push(("a cookie beside it".into(), cookie));
    }
    // Errors are logged with their causes.
    pair.redis().kill();
    browser.get(&pair.api, "/api/me").await.assert_status(503);
    browser.get(&pair.site, "/profile").await.assert_status(503);
    browser.send(pair.api.put("/api/preferences/a").json(&json!(VALUE))).await.assert_status(503);
    pair.site.get("/readyz").send().await.assert_status(503);
    pair.api.get("/readyz").send().await.assert_status(503);
    pair.redis().restart();

    for service in pair.both() {
        let log = service.output();
        assert!(log.contains("DEBUG"), "{} does not log in detail", service.kind().name());
        for (what, secret) in &secrets {
            if let Some(at) = log.find(secret.as_str()) {
                let start = log[..at].rfind('\n').map_or(0, |start| start + 1);
                let line = log[start..].lines().next().unwrap_or_default();
                panic!("{} logs {what}: {line}", service.kind().name());
            }
        }
    }
}

/// Bearer tokens that were used, and refused in every way, each with a cookie that was sent with it.
async fn bearer_tokens(pair: &Pair, cookie: &str) -> Vec<(String, String)> {
    let login = json!({ "username": "ann", "password": NEW_PASSWORD, "bearer": true });
    let answer = pair.api.post("/api/login").not_a_browser().json(&login).send().await;
    answer.assert_status(200);
    let first = answer.header("session-token");
    let with = |request: harness::Request, token: &str| request.header("authorization", &format!("Bearer {token}"));
    let answer = with(pair.api.delete("/api/sessions"), &first).send().await;
    answer.assert_status(204);
    let second = answer.header("session-token");
    with(pair.api.get("/api/me"), &second).send().await.assert_status(200);
    for refused in [&first, MADE_UP, &format!(" {second}"), &format!("{second}, Basic {MADE_UP}")] {
        with(pair.api.get("/api/me"), refused).send().await.assert_status(401);
    }
    with(pair.api.get("/api/me"), &second).session(cookie).send().await.assert_status(400);
    with(pair.site.get("/profile"), &second).send().await.assert_status(303);
    vec![(first, cookie.to_owned()), (second, cookie.to_owned())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_leave_a_trace_without_name_and_password() {
    let pair = Pair::with(Backend::Embedded, &[("TRUSTED_PROXIES", "127.0.0.0/8")]);
    pair.user("ann").await;
    let ann = Browser::new();
    ann.signs_in(&pair, "ann").await;
    for service in pair.both() {
        assert!(!service.output().contains("failed"), "{}", service.output());
    }
    let at_api = harness::browser::login_at_api(&pair.api, "ann", WRONG_PASSWORD);
    Browser::new().send(at_api.header("x-forwarded-for", "203.0.113.9")).await.assert_status(401);
    Browser::new().sign_in_at_site(&pair, "ann", WRONG_PASSWORD).await.assert_status(401);
    let fields = [("old_password", WRONG_PASSWORD), ("new_password1", NEW_PASSWORD), ("new_password2", NEW_PASSWORD)];
    ann.open_and_submit(&pair.site, "/password", "/password", &fields).await.assert_status(422);
    for (service, event, address) in [
        (&pair.api, "sign-in failed", "203.0.113.9"),
        (&pair.site, "sign-in failed", "127.0.0.1"),
        (&pair.site, "password check failed", "127.0.0.1"),
    ] {
        let trace = async || service.output().lines().find(|line| line.contains(event)).map(str::to_owned);
        let line = harness::eventually(event, trace).await;
        assert!(line.contains("INFO") && line.contains(address), "{line}");
        assert!(!line.contains("ann") && !line.contains("canary"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_content_of_redis_opens_no_session() {
    let pair = Pair::start(Backend::RedisAndPostgres(RedisKind::Old));
    pair.user("ann").await;
    let browser = Browser::new();
    let mut cookies = Vec::new();
    browser.set_preference(&pair, "theme", &json!("dark")).await;
    cookies.push(browser.session().unwrap());
    browser.signs_in(&pair, "ann").await;
    cookies.push(browser.session().unwrap());
    browser.get(&pair.site, "/").await.assert_status(200);
    let handle = browser.handle(&pair).await;

    let mut held = String::new();
    for key in pair.redis().cli(&["KEYS", "*"]).lines() {
        let value = match &*pair.redis().cli(&["TYPE", key]) {
            "string" => pair.redis().cli(&["GET", key]),
            "zset" => pair.redis().cli(&["ZRANGE", key, "0", "-1", "WITHSCORES"]),
            other => panic!("{key} is a {other}"),
        };
        held.push_str(&format!("{key}\n{value}\n"));
    }
    assert!(held.contains(&handle) && held.contains("dark"), "{held}");
    assert!(!held.contains(&Pair::password_of("ann")) && !held.contains("argon2"), "{held}");
    for cookie in cookies {
        let secret = cookie.strip_prefix(&handle).expect("one handle for the whole life of a session");
        assert!(!held.contains(secret), "{held}");
        assert!(!held.contains(&secret[..16]) && !held.contains(&secret[16..]), "{held}");
    }
}
