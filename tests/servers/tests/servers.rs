//! Tests of the servers: they start, answer, stop, and never outlive the test process.
#![allow(clippy::expect_used, reason = "a test helper that fails is a test that fails")]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use test_servers::{Cluster, Postgres, Redis, RedisKind, Reply, Sentinel, Trouble};

const PATIENCE: Duration = Duration::from_secs(60);

fn is_listening(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_kind_of_redis_starts_and_answers() {
    for redis in Redis::all() {
        assert_eq!(redis.cli(&["SET", "key", "value"]), "OK", "{:?}", redis.kind());
        assert_eq!(redis.cli(&["GET", "key"]), "value");
        assert_eq!(redis.cli(&["MGET", "key", "absent"]), "value\n(nil)");
        assert_eq!(redis.command(&[b"APPEND", b"bytes", b"\x00\xff\r\n"]), Reply::Integer(4));
        assert_eq!(redis.command(&[b"GET", b"bytes"]), Reply::Bytes(b"\x00\xff\r\n".to_vec()));
        assert!(redis.cli(&["INCR", "key"]).starts_with("(error) ERR"));
        assert!(redis.cli(&["INFO", "commandstats"]).contains("cmdstat_append:calls=1,"));
    }
}

#[test]
fn each_kind_is_the_server_it_says() {
    let set_if_equal = |kind| Redis::start(kind).cli(&["SET", "key", "new", "IFEQ", "old"]);
    assert!(set_if_equal(RedisKind::Old).starts_with("(error) ERR syntax error"));
    assert_eq!(set_if_equal(RedisKind::Valkey), "(nil)");

    assert!(((6, 2)..(8, 0)).contains(&Redis::start(RedisKind::Old).version()));
    let new = Redis::start(RedisKind::New).version();
    assert!(new >= (8, 0));
    assert_eq!(set_if_equal(RedisKind::New) == "(nil)", new >= (8, 4));
}

#[test]
fn sentinels_replace_a_primary_that_is_killed() {
    for kind in RedisKind::ALL {
        let sentinel = Sentinel::start(kind);
        let old = sentinel.primary();
        assert_eq!(old.port(), sentinel.servers()[0].port());
        old.kill();
        sentinel.wait_for_another_than(old);
        assert!(sentinel.primary().cli(&["ROLE"]).starts_with("master"), "{kind:?}");
    }
}

#[test]
fn a_cluster_moves_slots_and_replaces_a_primary_that_is_killed() {
    for kind in RedisKind::ALL {
        let cluster = Cluster::start(kind);
        assert_eq!(cluster.slot("foo"), 12_182);
        let old = cluster.owner("foo");
        assert_eq!(old.cli(&["SET", "foo", "bar"]), "OK");
        let new = cluster.begin_moving("foo");
        cluster.finish_moving("foo", new);
        wait_until("the slot is moved", || cluster.owner("foo").port() == new.port());
        assert_eq!(new.cli(&["GET", "foo"]), "bar");
        new.wait_for_replicas(1);
        cluster.fail_over("foo");
        assert_ne!(cluster.owner("foo").port(), new.port());
        assert_eq!(cluster.owner("foo").cli(&["GET", "foo"]), "bar", "{kind:?}");
    }
}

#[test]
fn sentinels_and_servers_behind_proxies_are_cut_off_and_become_whole_again() {
    let sentinel = Sentinel::behind_proxies(RedisKind::Old, &[]);
    let is_whole = || wait_until("it is whole", || sentinel.lacks().is_none());
    is_whole();
    sentinel.kill_sentinel(0);
    assert!(sentinel.lacks().is_some());
    sentinel.restart_sentinel(0);
    sentinel.pause_sentinel(1);
    assert!(sentinel.lacks().is_some());
    sentinel.resume_sentinel(1);
    is_whole();
    let follow = |old: &Redis| {
        let port = sentinel.primary().announced_port().to_string();
        assert_eq!(old.cli(&["REPLICAOF", "127.0.0.1", &port]), "OK");
        is_whole();
    };
    let first = sentinel.primary();
    sentinel.fail_over();
    follow(first);
    // The Sentinels have stored its primary in its configuration.
    let second = sentinel.primary();
    second.restart();
    is_whole();
    assert_eq!(sentinel.primary().port(), second.port());
    second.way().unwrap().set(Trouble::Hold);
    sentinel.wait_for_another_than(second);
    second.way().unwrap().set(Trouble::None);
    follow(second);
}

#[test]
fn a_cluster_behind_proxies_promotes_a_replica_as_planned() {
    let cluster = Cluster::behind_proxies(RedisKind::Old, &[]);
    assert_eq!(cluster.lacks(), None);
    let old = cluster.owner("foo");
    let follows_old =
        |node: &&Redis| node.cli(&["ROLE"]).starts_with(&format!("slave\n127.0.0.1\n{}\n", old.announced_port()));
    let replica = cluster.nodes().iter().find(follows_old).unwrap();
    cluster.promote(replica);
    wait_until("it is whole", || cluster.lacks().is_none());
    assert_eq!(cluster.owner("foo").port(), replica.port());
    assert!(cluster.primaries().iter().all(|primary| primary.port() != old.port()));
}

#[test]
fn servers_are_apart() {
    let one = Redis::start(RedisKind::Old);
    let other = Redis::start(RedisKind::Old);
    one.cli(&["SET", "key", "value"]);
    assert_eq!(other.cli(&["GET", "key"]), "(nil)");
}

#[test]
fn arguments_are_passed_on_and_the_password_is_used() {
    for kind in RedisKind::ALL {
        let redis = Redis::with_args(kind, &["--maxmemory", "5mb", "--requirepass", "sesame"]);
        assert_eq!(redis.cli(&["CONFIG", "GET", "maxmemory"]), "maxmemory\n5242880");
        assert_eq!(redis.url(), format!("redis://:sesame@127.0.0.1:{}/", redis.port()));
    }
}

#[test]
fn a_wrong_argument_shows_the_servers_log() {
    let failed = std::panic::catch_unwind(|| Redis::with_args(RedisKind::Old, &["--no-such-option", "1"]));
    let message = failed.expect_err("a server that cannot start").downcast::<String>().expect("a message");
    assert!(message.contains("no-such-option"), "{message}");
}

#[test]
fn a_redis_listens_on_a_unix_socket_too() {
    let redis = Redis::start(RedisKind::New);
    let path = redis.unix_url().strip_prefix("redis+unix://").expect("a redis+unix URL").to_owned();
    UnixStream::connect(path).expect("a connection");
}

#[test]
fn a_killed_redis_refuses_connections_and_comes_back_empty_on_its_port() {
    for redis in Redis::all() {
        let port = redis.port();
        redis.cli(&["SET", "key", "value"]);
        redis.kill();
        assert!(!is_listening(port));
        assert_eq!(redis.id(), None);
        redis.kill();
        redis.restart();
        assert_eq!(redis.port(), port);
        assert_eq!(redis.cli(&["GET", "key"]), "(nil)");
        redis.cli(&["SET", "key", "value"]);
        redis.restart();
        assert_eq!(redis.cli(&["GET", "key"]), "(nil)");
    }
}

#[test]
fn a_paused_redis_answers_only_after_it_is_resumed() {
    let redis = Redis::start(RedisKind::Valkey);
    redis.pause();
    thread::scope(|scope| {
        let answer = scope.spawn(|| redis.cli(&["PING"]));
        thread::sleep(Duration::from_millis(300));
        assert!(!answer.is_finished());
        redis.resume();
        assert_eq!(answer.join().expect("an answer"), "PONG");
    });
    redis.pause();
}

#[test]
fn a_dropped_server_is_gone_with_its_directory() {
    let redis = Redis::start(RedisKind::Old);
    let postgres = Postgres::start();
    let (redis_port, postgres_port) = (redis.port(), postgres.port());
    let directory = data_directory(&redis);
    assert!(is_listening(redis_port) && is_listening(postgres_port) && Path::new(&directory).exists());
    drop((redis, postgres));
    assert!(!is_listening(redis_port) && !is_listening(postgres_port) && !Path::new(&directory).exists());
}

#[test]
fn a_panicking_test_leaves_no_server() {
    let thread = thread::spawn(|| {
        let redis = Redis::start(RedisKind::Old);
        std::panic::panic_any(redis.port());
    });
    let port = *thread.join().expect_err("a panic").downcast::<u16>().expect("the port");
    assert!(!is_listening(port));
}

#[test]
fn postgres_starts_and_answers() {
    let postgres = Postgres::shared();
    let (one, other) = (postgres.create_database(), postgres.create_database());
    assert_ne!(one, other);
    postgres.sql(&one, "CREATE TABLE word (id int PRIMARY KEY, text text)");
    postgres.sql(&one, "INSERT INTO word VALUES (1, 'né'), (2, NULL)");
    assert_eq!(postgres.sql(&one, "SELECT id, text FROM word ORDER BY id"), "1\tné\n2\t");
    assert_eq!(postgres.sql(&other, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    assert!(postgres.url().ends_with(&format!("@127.0.0.1:{}/postgres", postgres.port())));
}

#[test]
fn a_killed_postgres_refuses_connections_and_comes_back_with_its_data() {
    let postgres = Postgres::start();
    let database = postgres.create_database();
    postgres.sql(&database, "CREATE TABLE kept AS SELECT 7 AS number");
    postgres.kill();
    assert!(!is_listening(postgres.port()));
    postgres.restart();
    assert_eq!(postgres.sql(&database, "SELECT number FROM kept"), "7");
}

#[test]
fn a_killed_process_leaves_no_server_and_no_directory() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hold-servers"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("a second process with servers");
    let mut report = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut report).expect("a report of the servers");
    let [redis, paused, postgres, directory] =
        report.trim().split(' ').collect::<Vec<_>>().try_into().expect("three ports and a directory");
    let ports = [redis, paused, postgres].map(|port| port.parse().expect("a port"));
    assert!(ports.into_iter().all(is_listening) && Path::new(directory).exists());
    child.kill().expect("a kill");
    child.wait().expect("its end");
    for port in ports {
        wait_until("the server is gone", || !is_listening(port));
    }
    wait_until("the directory is gone", || !Path::new(directory).exists());
}

fn data_directory(redis: &Redis) -> String {
    redis.cli(&["CONFIG", "GET", "dir"]).lines().nth(1).expect("a directory").to_owned()
}

#[test]
fn a_stopped_replica_lacks_the_writes() {
    for kind in RedisKind::ALL {
        let primary = Redis::start(kind);
        let replica = Redis::with_args(kind, &["--replicaof", "127.0.0.1", &primary.port().to_string()]);
        primary.wait_for_replicas(1);
        replica.pause();
        primary.cli(&["SET", "key", "value"]);
        assert!(!primary.has_in_step(1), "{kind:?}");
        replica.resume();
        primary.wait_for_replicas(1);
        assert!(!primary.has_in_step(2), "{kind:?}");
    }
}
