//! The near cache during faults: it never serves a replaced or ended session for longer than its bound.

use shared_session::Session;
use test_servers::{Cluster, Sentinel};

use super::{
    proxy::{Fault, Proxy},
    *,
};
use crate::rules::{
    Browser,
    near_cache::{Service, is_follower, soon},
    user,
};

/// The bound of `NearCache`.
const BOUND: Duration = Duration::from_secs(1);

/// Reads until `n` is seen. Failed reads are ignored.
async fn converges(near: &Service, browser: &Browser, n: u64, acknowledged: Instant) {
    loop {
        let started = Instant::now();
        if let Ok(session) = near.request(browser).load().await {
            if session.get::<u64>("n").unwrap() == Some(n) {
                return;
            }
            let late = started.saturating_duration_since(acknowledged);
            assert!(late <= BOUND, "a read that started {late:?} after the write did not see it");
        }
        assert!(acknowledged.elapsed() < MINUTE, "the store did not come back");
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_write_into_a_large_session_is_announced() {
    for redis in Redis::all() {
        let (near, far) = (Service::near(&redis.url()), Service::far(&redis.url()));
        let mut browser = far.start().await;
        let grow = |session: &Session| {
            session.login_as(user("1")).unwrap();
            session.insert("large", &"x".repeat(20_000)).unwrap();
        };
        far.serve(&mut browser, grow).await;
        far.write(&mut browser, 10).await;
        for n in 11..30 {
            near.keep(&browser).await;
            far.write(&mut browser, n).await;
            converges(&near, &browser, n, Instant::now()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_races_of_a_write_with_reads_leave_nothing_stale() {
    const SESSIONS: u64 = 20;
    const ROUNDS: u64 = 500;
    for redis in Redis::all() {
        let near = Arc::new(Service::near(&redis.url()));
        let far = Arc::new(Service::far(&redis.url()));
        near.keep(&far.start().await).await;
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|session| {
                let (near, far) = (near.clone(), far.clone());
                tokio::spawn(async move {
                    let mut browser = far.start().await;
                    for n in 1..=ROUNDS {
                        let write = async {
                            far.write(&mut browser.clone(), n).await;
                            Instant::now()
                        };
                        let reads = async {
                            for pause in 0..(n + session) % 4 {
                                near.read(&browser).await;
                                for _ in 0..pause {
                                    tokio::task::yield_now().await;
                                }
                            }
                        };
                        let (acknowledged, ()) = futures_util::future::join(write, reads).await;
                        converges(&near, &browser, n, acknowledged).await;
                        assert_eq!(near.read(&browser).await, Some(n), "no older value comes back");
                    }
                    browser.take(&shared_session::Outcome::default());
                })
            })
            .collect();
        for session in sessions {
            session.await.unwrap();
        }
        let hits = near.manager.stats().near_hits;
        assert!(hits > SESSIONS * ROUNDS / 10, "{hits} hits: too few for a race");
    }
}

/// The test checks each read of the history at the end: a version may be seen until its successor was acknowledged,
/// plus the bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_history_with_lost_connections_holds_the_bound() {
    for redis in Redis::all() {
        let proxy = Proxy::start(&redis).await;
        let near = Arc::new(Service::near_with(&proxy.url, &impatient(), |near| near));
        let far = Arc::new(Service::far(&redis.url()));
        let mut browser = far.start().await;
        near.keep(&browser).await;
        let until = Instant::now() + Duration::from_secs(4);
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (near, browser) = (near.clone(), browser.clone());
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    while Instant::now() < until {
                        let started = Instant::now();
                        if let Ok(session) = near.request(&browser).load().await {
                            seen.push((started, session.get::<u64>("n").unwrap().unwrap()));
                        }
                        tokio::time::sleep(Duration::from_micros(300)).await;
                    }
                    seen
                })
            })
            .collect();
        let mut acknowledged = vec![Instant::now()];
        let mut kills = 0;
        while Instant::now() < until {
            let n = acknowledged.len() as u64;
            far.write(&mut browser, n).await;
            acknowledged.push(Instant::now());
            tokio::time::sleep(Duration::from_millis(2)).await;
            if n.is_multiple_of(100) {
                kills += kill_followers(&redis);
            } else if n % 100 == 50 {
                proxy.set(Fault::CutOnce);
            }
        }
        let hits = near.manager.stats().near_hits;
        let mut reads = 0;
        for reader in readers {
            for (started, n) in reader.await.unwrap() {
                reads += 1;
                let Some(replaced) = acknowledged.get(n as usize + 1) else { continue };
                let late = started.saturating_duration_since(*replaced);
                assert!(late <= BOUND, "version {n} was read {late:?} after it was replaced");
            }
        }
        assert!(kills > 0 && hits > 0 && reads > hits, "{kills} kills, {hits} hits of {reads} reads");
        proxy.set(Fault::None);
        near.keep(&browser).await;
    }
}

fn kill_followers(redis: &Redis) -> usize {
    let clients = redis.cli(&["CLIENT", "LIST"]);
    let ids = clients
        .lines()
        .filter(|line| is_follower(line))
        .filter_map(|line| line.split(' ').find_map(|field| field.strip_prefix("id=")));
    ids.filter(|id| redis.cli(&["CLIENT", "KILL", "ID", id]) == "1").count()
}

/// No connection closes and no data arrives any more: only the time limit applies.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_partition_holds_the_bound() {
    let redis = Redis::start(RedisKind::New);
    let proxy = Proxy::start(&redis).await;
    let config = RedisConfig::new().with_response_timeout(Duration::from_millis(200));
    let near = Service::near_with(&proxy.url, &config, |near| near);
    let far = Service::far(&redis.url());
    let mut browser = far.start().await;
    for (round, pause) in [(1, 0), (2, 150), (3, 400)] {
        near.keep(&browser).await;
        proxy.set(Fault::Silence);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        far.write(&mut browser, round).await;
        let acknowledged = Instant::now();
        while acknowledged.elapsed() < 2 * BOUND {
            let started = Instant::now();
            if let Ok(session) = near.request(&browser).load().await {
                let late = started - acknowledged;
                assert!(late <= BOUND || session.get("n").unwrap() == Some(round), "stale after {late:?}");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        proxy.set(Fault::None);
        converges(&near, &browser, round, Instant::now() + MINUTE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_is_followed_again() {
    let redis = Redis::start(RedisKind::New);
    let (near, far) = (Service::near(&redis.url()), Service::far(&redis.url()));
    let browser = far.start().await;
    near.keep(&browser).await;
    redis.restart();
    soon("the session is gone with the server", async || {
        near.request(&browser).load().await.is_ok_and(|session| session.get::<u64>("n").unwrap().is_none())
    })
    .await;
    soon("the other service is back", async || far.manager.ping().await.is_ok()).await;
    let mut browser = far.start().await;
    near.keep(&browser).await;
    far.write(&mut browser, 1).await;
    converges(&near, &browser, 1, Instant::now()).await;
}

/// From now on commands go to another server, so the store must not serve data read from the previous one.
#[tokio::test(flavor = "multi_thread")]
async fn kept_sessions_are_dropped_when_commands_go_to_another_server() {
    let redis = Redis::start(RedisKind::New);
    let (near, far) = (Service::near(&redis.url()), Service::far(&redis.url()));
    let mut browser = far.start().await;
    near.keep(&browser).await;
    let commands = |line: &&str| line.contains("cmd=get") && !is_follower(line);
    for n in 1..=3 {
        near.store.take_calls();
        let clients = redis.cli(&["CLIENT", "LIST"]);
        for line in clients.lines().filter(commands) {
            let id = line.split(' ').find_map(|field| field.strip_prefix("id=")).unwrap();
            redis.cli(&["CLIENT", "KILL", "ID", id]);
        }
        soon("it is read anew", async || {
            let _ = near.request(&browser).load().await;
            near.store.calls().contains(&"load")
        })
        .await;
        near.keep(&browser).await;
        far.write(&mut browser, n).await;
        converges(&near, &browser, n, Instant::now()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_permission_to_follow_every_read_asks_the_store() {
    let redis = Redis::start(RedisKind::New);
    redis.cli(&["ACL", "SETUSER", "app", "on", ">hunter2", "~*", "+@all", "-client|tracking"]);
    let near = Service::near(&redis.url().replace("redis://", "redis://app:hunter2@"));
    let mut browser = near.start().await;
    soon("it has tried", async || {
        near.read(&browser).await;
        redis.cli(&["ACL", "LOG"]).contains("client|tracking")
    })
    .await;
    for n in 1..=20 {
        near.write(&mut browser, n).await;
        assert_eq!(near.read(&browser).await, Some(n));
    }
    assert_eq!(near.manager.stats().near_hits, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_primary_of_a_cluster_is_followed() {
    for kind in RedisKind::ALL {
        let cluster = Cluster::start(kind);
        let (near, far) = (Service::near(&cluster.url()), Service::far(&cluster.url()));
        for n in 1..=30 {
            let mut browser = far.start().await;
            near.keep(&browser).await;
            far.write(&mut browser, n).await;
            converges(&near, &browser, n, Instant::now()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_between_nodes_holds_the_bound() {
    for kind in RedisKind::ALL {
        let cluster = Cluster::start(kind);
        let (near, far) = (Service::near(&cluster.url()), Service::far(&cluster.url()));
        let mut browser = far.start().await;
        near.keep(&browser).await;
        let key = browser.key();
        let to = cluster.begin_moving(&key);
        far.write(&mut browser, 1).await;
        converges(&near, &browser, 1, Instant::now()).await;
        cluster.finish_moving(&key, to);
        far.write(&mut browser, 2).await;
        converges(&near, &browser, 2, Instant::now()).await;
        near.keep(&browser).await;
        far.write(&mut browser, 3).await;
        converges(&near, &browser, 3, Instant::now()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_takes_over_is_followed() {
    let cluster = Cluster::start(RedisKind::New);
    let (near, far) = (Service::near(&cluster.url()), Service::far(&cluster.url()));
    let mut browser = far.start().await;
    near.keep(&browser).await;
    cluster.fail_over(&browser.key());
    soon("the other service writes again", async || {
        far.request(&browser).load().await.is_ok_and(|session| session.get::<u64>("n").unwrap().is_some())
    })
    .await;
    near.keep(&browser).await;
    far.write(&mut browser, 1).await;
    converges(&near, &browser, 1, Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_that_the_sentinels_name_is_followed() {
    let sentinel = Sentinel::start(RedisKind::New);
    let near = Service::near_with(&sentinel.url(), &impatient(), |near| near);
    // A running call waits for its deadline when the Sentinels name another primary.
    let far = Service::far_with(&sentinel.url(), &impatient());
    let before = far.start().await;
    near.keep(&before).await;
    let old = sentinel.primary();
    old.pause();
    sentinel.wait_for_another_than(old);
    soon("the other service is back", async || far.manager.ping().await.is_ok()).await;
    let mut browser = far.start().await;
    near.keep(&browser).await;
    old.resume();
    for n in 1..=20 {
        far.write(&mut browser, n).await;
        converges(&near, &browser, n, Instant::now()).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
