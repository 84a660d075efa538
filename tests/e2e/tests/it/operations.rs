//! The statements of docs/operations.md are true: the services have the metrics that it names, and the permissions that
//! it lists are sufficient.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use serde_json::json;
use test_servers::{Cluster, Proxy, Redis, RedisKind, Sentinel, Trouble};

use harness::{
    Backend, Browser, Kind, Pair, Service, eventually,
    pair::{SECRET_KEY, owned},
};

const GUIDE: &str = include_str!("../../../../docs/operations.md");
const DASHBOARD: &str = include_str!("../../../../docs/grafana/shared-session.json");
const ALERTS: &str = include_str!("../../../../docs/grafana/alerts.yml");

/// The metrics of a service, with their values.
async fn metrics(service: &Service) -> BTreeMap<String, f64> {
    let metrics = service.get("/metrics").send().await;
    let lines = metrics.assert_status(200).body.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// All words of `text` that are names of our metrics.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    words.filter(|word| is_metric(word)).collect()
}

fn is_metric(word: &str) -> bool {
    let is_ours = word.starts_with("shared_session_");
    is_ours
        && ["_total", "_seconds", "_bucket", "_count", "_sum", "_connections", "_calls", "_info"]
            .iter()
            .any(|end| word.ends_with(end))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_of_the_dashboard_the_alerts_and_the_guide_is_served_from_the_start() {
    let pair = Pair::start(Backend::Embedded);
    for service in pair.both() {
        let metrics = metrics(service).await;
        let served: BTreeSet<_> = metrics.keys().map(|series| series.split('{').next().unwrap()).collect();
        for (what, text) in [("the dashboard", DASHBOARD), ("the alerts", ALERTS), ("the guide", GUIDE)] {
            let asked = names(text);
            assert!(asked.len() > 4, "{what}: {asked:?}");
            for name in asked {
                let found = served.contains(name) || served.contains(&*format!("{name}_bucket"));
                assert!(found, "{what} asks for {name}, which {} does not serve: {served:?}", service.kind().name());
            }
        }
        let documented = names(GUIDE);
        for name in served {
            let base = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            assert!(documented.contains(base), "the guide does not name {name}");
        }
        let mut labels = metrics.keys().filter_map(|series| Some(series.split_once('{')?.1.trim_end_matches('}')));
        let bounded = |label: &str| {
            ["le=", "reason=", "outcome=", "store=", "profile="].iter().any(|known| label.starts_with(known))
        };
        assert!(labels.all(|labels| labels.split(',').all(bounded)), "{metrics:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_show_the_work_of_the_services_and_the_loss_of_redis() {
    let pair = Pair::start(Backend::Redis(RedisKind::New));
    let browser = Browser::new();
    browser.set_preference(&pair, "theme", &json!("dark")).await;
    browser.get(&pair.api, "/api/session").await.assert_status(200);
    let before = metrics(&pair.api).await;
    for (series, least) in [
        ("shared_session_commits_total", 1.0),
        ("shared_session_loads_total", 1.0),
        (r#"shared_session_load_seconds_count{outcome="ok"}"#, 1.0),
        (r#"shared_session_load_seconds_bucket{outcome="ok",le="+Inf"}"#, 1.0),
        (r#"shared_session_commit_seconds_count{outcome="ok"}"#, 1.0),
        (r#"shared_session_redis_connects_total{outcome="ok"}"#, 1.0),
        ("shared_session_redis_connections", 1.0),
        (r#"shared_session_info{store="redis",profile="native"}"#, 1.0),
    ] {
        assert!(before.get(series).is_some_and(|value| *value >= least), "{series} in {before:?}");
    }
    for quiet in ["shared_session_unavailable_total", "shared_session_redis_calls"] {
        assert_eq!(before[quiet], 0.0, "{quiet}");
    }

    pair.redis().kill();
    browser.get(&pair.api, "/api/me").await.assert_status(503);
    browser.get(&pair.api, "/api/me").await.assert_status(503);
    let after = metrics(&pair.api).await;
    assert_eq!(after["shared_session_unavailable_total"], 2.0, "{after:?}");
    assert_eq!(after["shared_session_redis_connections"], 0.0, "{after:?}");
    assert_eq!(after["shared_session_redis_calls"], 0.0, "{after:?}");
    assert!(after[r#"shared_session_redis_connects_total{outcome="error"}"#] >= 1.0, "{after:?}");
    assert!(after[r#"shared_session_load_seconds_count{outcome="error"}"#] >= 2.0, "{after:?}");
    pair.redis().restart();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_after_is_the_configured_time() {
    let pair = Pair::with(Backend::Redis(RedisKind::Old), &[("SESSION_RETRY_AFTER", "7")]);
    let browser = Browser::new();
    browser.set_preference(&pair, "theme", &json!("dark")).await;
    pair.redis().kill();
    for request in [
        pair.api.get("/api/preferences"),
        pair.api.post("/api/visits"),
        pair.site.get("/"),
        pair.api.get("/readyz"),
        pair.site.get("/readyz"),
    ] {
        let answer = browser.prepare(request).send().await;
        assert_eq!(answer.assert_status(503).header("retry-after"), "7", "{}", answer.shown);
    }
}

/// By default a Redis whose replies take a second counts as down; with a longer time-out it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_redis_gets_the_configured_time() {
    let redis = Redis::start(RedisKind::New);
    let proxy = Proxy::to(redis.port());
    let url = proxy.redis_url();
    let settings = [("SESSION_URL", &*url), ("SESSION_TIMEOUT_MS", "60000")];
    let pair = Pair::over(Some(redis), &owned(&settings));
    let hasty = pair.one_more_with(Kind::Api, &[("SESSION_TIMEOUT_MS", "")]);
    let browser = Browser::new();
    browser.set_preference(&pair, "theme", &json!("dark")).await;
    browser.get(&hasty, "/api/preferences").await.assert_status(200);
    proxy.set(Trouble::Slow(Duration::from_secs(1)));
    browser.get(&hasty, "/api/preferences").await.assert_status(503);
    for request in [pair.api.get("/api/preferences"), pair.site.get("/profile")] {
        let answer = browser.prepare(request).send().await;
        assert_ne!(answer.status, 503, "{}", answer.shown);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_permissions_in_the_guide_are_enough_and_no_more() {
    let rules =
        GUIDE.lines().find_map(|line| line.strip_prefix("ACL SETUSER sessions ")).expect("the guide has the ACL");
    for redis in Redis::all() {
        let mut setuser = vec!["ACL", "SETUSER", "sessions"];
        setuser.extend(rules.split(' '));
        assert_eq!(redis.cli(&setuser), "OK", "{setuser:?}");
        let password = rules.split(' ').find_map(|rule| rule.strip_prefix('>')).unwrap();
        let url = format!("redis://sessions:{password}@127.0.0.1:{}/", redis.port());
        let pair = Pair::over(None, &owned(&[("SESSION_URL", &url), ("SECRET_KEY", SECRET_KEY)]));
        pair.superuser("root");
        let (browser, other) = (Browser::new(), Browser::new());
        browser.set_preference(&pair, "theme", &json!("dark")).await;
        browser.signs_in(&pair, "root").await;
        other.signs_in(&pair, "root").await;
        browser.send(pair.api.post("/api/visits")).await.assert_status(200);
        assert_eq!(
            browser.get(&pair.api, "/api/sessions").await.assert_status(200).json().as_array().unwrap().len(),
            2
        );
        browser.get(&pair.site, "/admin/sessions").await.assert_status(200);
        browser.send(pair.api.delete("/api/sessions")).await.assert_status(204);
        assert_eq!(other.who(&pair).await, None);
        browser.sign_out_at_site(&pair).await.assert_status(303);
        for service in pair.both() {
            service.get("/readyz").send().await.assert_status(200);
            assert!(!service.output().contains("permission"), "{}", service.output());
        }
        // Only the name of the client library is refused.
        let refused = redis.cli(&["ACL", "LOG"]);
        let objects = refused.lines().zip(refused.lines().skip(1)).filter(|(what, _)| *what == "object");
        for (_, object) in objects {
            assert!(object.starts_with("client"), "{:?}: {refused}", redis.kind());
        }

        // Every other command is forbidden.
        for more in ["KEYS *", "CONFIG GET maxmemory", "FLUSHALL", "GET another:key", "SET another:key 1"] {
            let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
            write!(stream, "AUTH sessions {password}\r\n{more}\r\nQUIT\r\n").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).unwrap();
            assert!(said.starts_with("+OK\r\n-NOPERM"), "{more}: {said}");
        }
    }
}

/// A setting works with the permissions that the guide lists for it, and the log names a missing one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setting_needs_the_permissions_that_the_guide_lists_for_it() {
    for redis in Redis::all() {
        let url = allow(&[&redis], &[]);
        let numbered = [("SESSION_URL", &*format!("{url}1")), ("SECRET_KEY", SECRET_KEY)];
        let second = Pair::over(None, &owned(&numbered));
        second.api.post("/api/visits").send().await.assert_status(503);
        second.site.get("/readyz").send().await.assert_status(503);
        assert_missing(&second, "+select").await;
        allow(&[&redis], &rights_for("a database number other than 0"));
        works(&second).await;

        let settings = [("SESSION_URL", &*url), ("SECRET_KEY", SECRET_KEY), ("NEAR_CACHE", "on")];
        let near = Pair::over(None, &owned(&settings));
        let visitor = works(&near).await;
        let read = async || visitor.get(&near.api, "/api/session").await.assert_status(200).json();
        let said_so = async || {
            read().await;
            near.api.output().contains("the near cache is off").then_some(())
        };
        eventually("a word about the near cache", said_so).await;
        assert!(near.api.output().contains("lacks the permission (ACL) +client"), "{}", near.api.output());
        assert_eq!(metrics(&near.api).await["shared_session_near_hits_total"], 0.0);
        allow(&[&redis], &rights_for("the near cache"));
        let kept = async || {
            read().await;
            (metrics(&near.api).await["shared_session_near_hits_total"] > 0.0).then_some(())
        };
        eventually("a kept session", kept).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinel_and_a_cluster_need_the_permissions_that_the_guide_lists_for_them() {
    let (sentinel, cluster) = (Sentinel::start(RedisKind::New), Cluster::start(RedisKind::New));
    let sentinels = (sentinel.servers().iter().collect::<Vec<_>>(), sentinel.url(), "Sentinel", "+role");
    let nodes = (cluster.nodes().iter().collect::<Vec<_>>(), cluster.url(), "a cluster", "+cluster|slots");
    for (servers, url, what, missing) in [sentinels, nodes] {
        allow(&servers, &[]);
        let url = url.replacen("://", &format!("://sessions:{PASSWORD}@"), 1);
        let pair = Pair::over(None, &owned(&[("SESSION_URL", &url), ("SECRET_KEY", SECRET_KEY)]));
        for service in pair.both() {
            service.get("/readyz").send().await.assert_status(503);
        }
        assert_missing(&pair, missing).await;
        allow(&servers, &rights_for(what));
        works(&pair).await;
    }
}

const PASSWORD: &str = "a-long-password";

/// Gives the guide's user the guide's permissions and `more`. Returns that user's URL of the first server.
fn allow(servers: &[&Redis], more: &[String]) -> String {
    let rules = GUIDE.lines().find_map(|line| line.strip_prefix("ACL SETUSER sessions ")).unwrap();
    assert!(rules.contains(&format!(">{PASSWORD} ")), "{rules}");
    for server in servers {
        let mut setuser = vec!["ACL", "SETUSER", "sessions", "reset"];
        setuser.extend(rules.split(' ').chain(more.iter().map(String::as_str)));
        assert_eq!(server.cli(&setuser), "OK", "{setuser:?}");
    }
    format!("redis://sessions:{PASSWORD}@127.0.0.1:{}/", servers[0].port())
}

fn rights_for(what: &str) -> Vec<String> {
    let row = GUIDE.lines().find_map(|line| line.strip_prefix(&format!("| {what} | "))).expect(what);
    let words = row.split(|c: char| c.is_whitespace() || c == '`');
    words.filter(|word| word.starts_with('+')).map(|word| word.replace('\\', "")).collect()
}

/// A visitor comes, stores data, signs in and out, and continues.
async fn works(pair: &Pair) -> Browser {
    for service in pair.both() {
        let ready = async || (service.get("/readyz").send().await.status == 200).then_some(());
        eventually("ready", ready).await;
    }
    let browser = Browser::new();
    browser.sign_in_at_api(pair, "demo", "demo-password").await.assert_status(200);
    assert_eq!(browser.who(pair).await.as_deref(), Some("demo"));
    browser.sign_out_at_site(pair).await.assert_status(303);
    browser.set_preference(pair, "theme", &json!("dark")).await;
    browser
}

async fn assert_missing(pair: &Pair, permission: &str) {
    for service in pair.both() {
        let named = format!("lacks the permission (ACL) {permission}");
        eventually(&named, async || service.output().contains(&named).then_some(())).await;
    }
}
