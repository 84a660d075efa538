//! Faults of the machine or the settings.

use std::{
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use test_servers::{Redis, RedisKind};

use super::scene::{PATIENT, Scene, unavailable};
use harness::{
    Backend, Browser, Kind, Pair, Service, TempDir,
    browser::login_at_api,
    pair::{SECRET_KEY, owned},
};

/// A service never falls back from TLS to plain text, with any settings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_does_not_fit() {
    let redis = Redis::start(RedisKind::Old);
    let url = redis.url().replace("redis://", "rediss://");
    let pair = Pair::over(None, &owned(&[("SESSION_URL", &url), ("SECRET_KEY", SECRET_KEY)]));
    unavailable([login_at_api(&pair.api, "demo", "demo-password"), pair.api.post("/api/visits")]).await;
    unavailable([pair.api.get("/api/me").session(&"A".repeat(56))]).await;
    for service in pair.both() {
        service.get("/readyz").send().await.assert_status(503);
    }
    assert_eq!(redis.cli(&["DBSIZE"]), "0");
    let stats = redis.cli(&["INFO", "commandstats"]);
    assert!(["get", "set", "hello", "auth"].iter().all(|name| !stats.contains(&format!("_{name}:"))), "{stats}");

    let ended = pair.run_site(&[], &[("SESSION_URL", &format!("{url}#insecure"))]);
    assert!(!ended.status.success());
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("SESSION_URL") && !ended.stderr.contains("127.0.0.1"), "{}", ended.stderr);
}

/// The wall clock of one service is wrong by hours; only the store's time matters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_is_skewed() {
    const HOURS: i64 = 2;
    let directory = TempDir::new().unwrap();
    let library = directory.path().join("skew.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/faults/skew.c");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
    assert!(compiled.expect("a C compiler, which linking needs too").success());

    let settings = [("SESSION_IDLE", "3600"), ("SESSION_ABSOLUTE", "7200"), ("RUST_LOG", "debug"), PATIENT];
    let mut pair = Pair::with(Backend::Redis(RedisKind::Old), &settings);
    for hours in [HOURS, -HOURS] {
        let shift = (hours * 3600).to_string();
        let skewed = [("LD_PRELOAD", &*library.display().to_string()), ("WALL_CLOCK_SHIFT", &shift)];
        let wrong = pair.one_more_with(Kind::Api, &skewed);
        let right = std::mem::replace(&mut pair.api, wrong);
        assert_is_skewed(&pair.api, hours).await;
        let now = unix_time();

        // Created by the service with the wrong clock and used by the others, and the other way round.
        for maker in [&pair.api, &right] {
            let ann = Browser::new();
            ann.send(login_at_api(maker, "demo", "demo-password")).await.assert_status(200);
            assert_eq!(ann.who(&pair).await.as_deref(), Some("demo"), "{hours} hours");
            for service in [&pair.api, &right] {
                ann.send(service.put("/api/preferences/a").json(&json!(hours))).await.assert_status(204);
                let state = ann.get(service, "/api/session").await.json();
                for (time, wanted) in [("created_at", now), ("expires_at", now + 3600)] {
                    let is = state[time].as_str().unwrap();
                    let around = [wanted - 60, wanted + 300].map(rfc3339);
                    assert!(
                        (&*around[0]..&*around[1]).contains(&is),
                        "{hours} hours: {time} is {is}, wanted {around:?}"
                    );
                }
            }
            let key = format!("shared_session:{}", &ann.session().unwrap()[..24]);
            let left: i64 = pair.redis().cli(&["TTL", &key]).parse().unwrap();
            assert!((3000..=3600).contains(&left), "{hours} hours: {left} s left");
            ann.sign_out_at_api(&pair).await.assert_status(204);
        }
        pair.api = right;
    }
    Scene::on(pair).await.recovers().await;
}

/// Without this check the test would pass if the library is not loaded.
async fn assert_is_skewed(service: &Service, hours: i64) {
    // The service logs a line at this level.
    service.get("/api/me").session(&"A".repeat(56)).send().await.assert_status(401);
    let hour = rfc3339(unix_time() + hours * 3600);
    let now = &hour[..13];
    let last = rfc3339(unix_time() + hours * 3600 - 300);
    let output = service.output();
    assert!(output.contains(now) || output.contains(&last[..13]), "no line of about {hour}:\n{output}");
}

fn unix_time() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

fn rfc3339(time: i64) -> String {
    shared_session_examples::times::rfc3339(time)
}
