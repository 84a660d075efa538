//! Redis answers with a refusal.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use test_servers::{Redis, RedisKind};
use tokio::{runtime::Handle, task::block_in_place};

use super::scene::{PATIENT, Scene, signed_in, unavailable};
use harness::{Pair, browser::login_at_api, eventually, pair::SECRET_KEY, pair::owned};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "loads data for some seconds: `make faults`"]
async fn redis_is_loading() {
    let slow = ["--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"];
    let scene = Scene::patient(Redis::with_args(RedisKind::New, &slow)).await;
    let fill = "for i = 1, 4000 do redis.call('SET', 'filler:' .. i, string.rep('x', 100)) end";
    scene.redis().cli(&["EVAL", fill, "0"]);
    assert_eq!(scene.redis().cli(&["SAVE"]), "OK");
    scene.redis().kill();
    let loading = async {
        let says_so = async || {
            let port = scene.redis().port();
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
            scene.redis().cli(&["GET", "x"]).starts_with("(error) LOADING").then_some(())
        };
        eventually("loading", says_so).await;
        scene.only_the_rest_works().await;
        assert!(scene.redis().cli(&["GET", "x"]).starts_with("(error) LOADING"), "it was loaded too soon");
    };
    block_in_place(|| {
        thread::scope(|scope| {
            scope.spawn(|| scene.redis().restart());
            Handle::current().block_on(loading);
        });
    });
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_became_a_replica() {
    for kind in RedisKind::ALL {
        let scene = Scene::patient(Redis::start(kind)).await;
        scene.redis().cli(&["REPLICAOF", "127.0.0.1", "1"]);
        scene.nothing_can_be_changed().await;
        scene.redis().cli(&["REPLICAOF", "NO", "ONE"]);
        scene.recovers().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_lost_its_primary() {
    let scene = Scene::patient(Redis::with_args(RedisKind::Old, &["--replica-serve-stale-data", "no"])).await;
    scene.redis().cli(&["REPLICAOF", "127.0.0.1", "1"]);
    scene.only_the_rest_works().await;
    scene.redis().cli(&["REPLICAOF", "NO", "ONE"]);
    scene.recovers().await;
}

/// A replica may not have the session yet, which looks like an ended session. The services must not delete the cookie
/// or store anything there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_not_in_sync() {
    let (scene, proxy) = Scene::behind_proxy_with(Redis::start(RedisKind::Old), &[PATIENT]).await;
    let replica = Redis::start(RedisKind::Old);
    replica.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    proxy.lead_to(replica.port());
    scene.ann.prepare(scene.pair.api.get("/api/me")).send().await.assert_status(401).assert_no_session_cookie();
    scene.ann.prepare(scene.pair.site.get("/profile")).send().await.assert_status(303).assert_no_session_cookie();
    let visits = scene.pair.api.post("/api/visits");
    unavailable([scene.ann.prepare(visits.clone()), visits]).await;
    scene.logins_fail().await;
    scene.rest_works().await;
    proxy.lead_to(scene.redis().port());
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_full() {
    for kind in RedisKind::ALL {
        let scene = Scene::patient(Redis::start(kind)).await;
        let other = signed_in(&scene.pair).await;
        assert_eq!(scene.redis().cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
        scene.reads_work().await;
        scene.writes_fail().await;
        scene.logins_fail().await;
        unavailable([other.prepare(login_at_api(&scene.pair.api, "demo", "demo-password"))]).await;
        scene.rest_works().await;

        // Sign-out works at both services.
        scene.signs_out_at_both(&other).await;
        scene.reads_work().await;
        assert_eq!(scene.pair.session_keys().len(), 1, "ann's alone");
        assert_eq!(scene.redis().cli(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
        scene.recovers().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "asks several servers in turn: `make faults`"]
async fn snapshots_fail() {
    for kind in RedisKind::ALL {
        let scene = Scene::patient(Redis::start(kind)).await;
        scene.redis().cli(&["CONFIG", "SET", "save", "3600 1"]);
        break_saving(scene.redis()).await;
        scene.nothing_can_be_changed().await;
        scene.redis().cli(&["CONFIG", "SET", "save", ""]);
        scene.recovers().await;
    }
}

/// Makes snapshots of the server fail, after which it refuses writes.
async fn break_saving(redis: &Redis) {
    let folder = redis.cli(&["CONFIG", "GET", "dir"]).lines().nth(1).unwrap().to_owned();
    fs::create_dir_all(format!("{folder}/dump.rdb/full")).unwrap();
    redis.cli(&["BGSAVE"]);
    let failed = async || redis.cli(&["INFO", "persistence"]).contains("rdb_last_bgsave_status:err").then_some(());
    eventually("a snapshot that fails", failed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "asks several servers in turn: `make faults`"]
async fn replicas_are_missing() {
    for kind in RedisKind::ALL {
        let scene = Scene::patient(Redis::start(kind)).await;
        scene.redis().cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
        scene.nothing_can_be_changed().await;
        scene.redis().cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
        scene.recovers().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "asks several servers in turn: `make faults`"]
async fn a_script_keeps_redis_busy() {
    for kind in RedisKind::ALL {
        let scene = Scene::patient(Redis::with_args(kind, &["--lua-time-limit", "100"])).await;
        let mut slow = Wire::to(scene.redis());
        slow.send(r#"EVAL "while true do end" 0"#);
        let busy = async || scene.redis().cli(&["GET", "x"]).starts_with("(error) BUSY").then_some(());
        eventually("busy", busy).await;
        scene.only_the_rest_works().await;
        assert_eq!(scene.redis().cli(&["SCRIPT", "KILL"]), "OK");
        scene.recovers().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_too_many_clients() {
    let scene = Scene::patient(Redis::start(RedisKind::Old)).await;
    let mut last = Wire::to(scene.redis());
    assert_eq!(last.ask("CONFIG SET maxclients 1"), "+OK");
    let start = Instant::now();
    last.send("CLIENT KILL TYPE normal");
    assert!(last.line().starts_with(':'));
    scene.only_the_rest_works().await;
    for _ in 0..5 {
        scene.reads_fail().await;
    }
    assert_logged(&scene.pair, "too many clients (maxclients)");
    // No flood: each of the two services, and each worker of `site`, tries at most once in 100 ms, with two
    // connections.
    let rejected = last.info("rejected_connections:");
    let workers = std::thread::available_parallelism().unwrap().get() as u128;
    let allowed = 2 * (2 + workers) * (1 + start.elapsed().as_millis() / 100);
    assert!(u128::from(rejected) <= allowed, "{rejected} connections, allowed {allowed}");
    assert!(rejected >= 2, "{rejected}");
    assert_eq!(last.ask("CONFIG SET maxclients 1000"), "+OK");
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_login_or_a_permission_is_refused() {
    let redis = Redis::start(RedisKind::Old);
    let acl = |rules: &[&str]| assert_eq!(redis.cli(&[&["ACL", "SETUSER"], rules].concat()), "OK");
    acl(&["app", "on", ">first", "~*", "+@all"]);
    let url = format!("redis://app:first@127.0.0.1:{}/", redis.port());
    let pair = Pair::over(None, &owned(&[("SESSION_URL", &url), ("SECRET_KEY", SECRET_KEY), PATIENT]));
    let scene = Scene::on(pair).await;
    // A missing permission differs from an empty session and from an outage.
    acl(&["app", "-get", "-set", "-evalsha", "-eval", "-del"]);
    scene.only_the_rest_works().await;
    assert_logged(&scene.pair, "lacks the permission (ACL)");
    acl(&["app", "+@all"]);
    scene.recovers().await;

    // The password was changed: existing connections continue, new ones are refused.
    acl(&["app", "resetpass", ">second"]);
    let scene = Scene::on(scene.pair).await;
    scene.reads_work().await;
    redis.cli(&["CLIENT", "KILL", "USER", "app"]);
    scene.only_the_rest_works().await;
    assert_logged(&scene.pair, "wrong user name or password");
    acl(&["app", ">first"]);
    scene.recovers().await;

    // The user was deleted, which ends the connections.
    let scene = Scene::on(scene.pair).await;
    redis.cli(&["ACL", "DELUSER", "app"]);
    scene.only_the_rest_works().await;
    acl(&["app", "on", ">first", "~*", "+@all"]);
    scene.recovers().await;
    for service in scene.pair.both() {
        for secret in ["first", "second"] {
            assert!(!service.output().contains(secret), "a password was logged");
        }
    }
}

#[track_caller]
fn assert_logged(pair: &Pair, what: &str) {
    for service in pair.both() {
        assert!(service.output().contains(what), "{:?} has not logged: {what}", service.kind());
    }
}

/// A connection for inline commands.
struct Wire(BufReader<TcpStream>);

impl Wire {
    fn to(redis: &Redis) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, command: &str) {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.line()
    }

    /// A number of `INFO stats`.
    fn info(&mut self, name: &str) -> u64 {
        let length: usize = self.ask("INFO stats").trim_start_matches('$').parse().unwrap();
        let mut text = vec![0; length + 2];
        self.0.read_exact(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
    }
}
