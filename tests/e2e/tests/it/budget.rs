//! The cost of requests: commands, as counted by Redis, and memory.

use std::collections::BTreeMap;

use serde_json::json;
use test_servers::{Redis, RedisKind};

use harness::{Backend, Browser, Pair, Request, browser::login_at_api};

/// The commands inside our scripts. Redis counts them in addition to the script call; they cost no round trip.
const IN_SCRIPTS: [&str; 7] = ["getrange", "del", "time", "zadd", "pttl", "pexpireat", "zremrangebyscore"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_cost_the_promised_round_trips() {
    let pair = Pair::start(Backend::Redis(RedisKind::Old));
    let (api, site) = (&pair.api, &pair.site);
    pair.user("ann").await;
    let ann = Browser::new();
    // So that connections exist, and the scripts and the store's time are cached.
    for _ in 0..2 {
        ann.signs_in(&pair, "ann").await;
        ann.set_preference(&pair, "a", &json!(0)).await;
        ann.get(site, "/").await.assert_status(200);
    }

    // No cookie: nothing.
    for request in [api.get("/api/me"), api.get("/api/preferences"), api.get("/api/session"), site.get("/")] {
        assert_eq!(cost(&pair, request).await, Cost::default());
    }
    // An invalid cookie: nothing.
    assert_eq!(cost(&pair, api.get("/api/me").session("x")).await, Cost::default());
    // The session is not touched: nothing.
    for request in [api.get("/api/public"), api.get("/healthz"), site.get("/healthz"), api.get("/openapi.json")] {
        assert_eq!(cost(&pair, ann.prepare(request)).await, Cost::default());
    }
    // A read: one GET.
    let read = Cost { get: 1, ..Cost::default() };
    for request in [
        api.get("/api/me"),
        api.get("/api/preferences"),
        api.get("/api/preferences/a"),
        api.get("/api/session"),
        site.get("/profile"),
    ] {
        assert_eq!(cost(&pair, ann.prepare(request)).await, read);
    }
    // A cookie without a session: one GET.
    assert_eq!(cost(&pair, api.get("/api/me").session(&"A".repeat(56))).await, read);
    // A write: one GET and one script.
    let write = Cost { get: 1, scripts: 1, ..Cost::default() };
    for request in [
        api.put("/api/preferences/a").json(&json!(1)),
        api.delete("/api/preferences/a"),
        api.post("/api/visits"),
        site.get("/"),
    ] {
        assert_eq!(cost(&pair, ann.prepare(request)).await, write);
    }
    // A write that changes nothing is a read.
    assert_eq!(cost(&pair, ann.prepare(api.delete("/api/preferences/none"))).await, read);

    // A new session: one SET.
    let create = Cost { set: 1, ..Cost::default() };
    assert_eq!(cost(&pair, api.post("/api/visits")).await, create);
    // A sign-in counts its attempt with one SET, removes the count with one DEL, and reads how many sessions the user
    // has.
    let besides = || BTreeMap::from([("zrangebyscore".to_owned(), 1)]);
    // A login from an anonymous session: one GET, the session and the list of the user's sessions.
    let visitor = Browser::new();
    visitor.set_preference(&pair, "a", &json!(1)).await;
    let login = login_at_api(api, "ann", &Pair::password_of("ann"));
    let signed_in = Cost { get: 1, set: 1, scripts: 2, others: besides() };
    assert_eq!(cost(&pair, visitor.prepare(login.clone())).await, signed_in);
    // A login without a session: the session and the list.
    assert_eq!(cost(&pair, login).await, Cost { get: 0, set: 2, scripts: 1, others: besides() });
}

/// Argon2 takes 19 MiB for each password, and at most one is computed for each core at a time.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sign_ins_at_once_leave_little_memory_behind() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..24 {
        let request = login_at_api(&pair.api, "ann", &Pair::password_of("ann"));
        clients.spawn(async move { request.send().await.assert_status(200).status });
    }
    clients.join_all().await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", pair.api.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB")).unwrap();
    let mib = resident.trim().parse::<usize>().unwrap() / 1024;
    let cores = std::thread::available_parallelism().unwrap().get();
    assert!(mib < 64 + 20 * cores, "{mib} MiB are in use");
}

/// The commands that services sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cost {
    get: u64,
    /// `SET` outside of scripts.
    set: u64,
    scripts: u64,
    /// All other commands, by name.
    others: BTreeMap<String, u64>,
}

async fn cost(pair: &Pair, request: Request) -> Cost {
    let before = counts(pair.redis());
    let answer = request.send().await;
    assert!(answer.status < 300 || answer.status == 401, "{}: {}", answer.shown, answer.status);
    let mut after = counts(pair.redis());
    for (command, count) in before {
        *after.get_mut(&command).unwrap() -= count;
    }
    after.retain(|_, count| *count > 0);
    let mut take = |name: &str| after.remove(name).unwrap_or_default();
    let (get, scripts) = (take("get"), take("eval") + take("evalsha"));
    // The script that replaces a session calls GETRANGE and SET once each.
    let set = take("set").saturating_sub(after.get("getrange").copied().unwrap_or_default());
    if scripts > 0 {
        after.retain(|command, _| !IN_SCRIPTS.contains(&command.as_str()));
    }
    Cost { get, set, scripts, others: after }
}

/// How often each command was called, except those of this test.
fn counts(redis: &Redis) -> BTreeMap<String, u64> {
    let info = redis.cli(&["INFO", "commandstats"]);
    let lines = info.lines().filter_map(|line| line.trim().strip_prefix("cmdstat_"));
    lines
        .map(|line| {
            let (command, rest) = line.split_once(":calls=").unwrap();
            (command.to_owned(), rest.split(',').next().unwrap().parse().unwrap())
        })
        .filter(|(command, _)| command != "info")
        .collect()
}
