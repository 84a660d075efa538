//! The commands of each operation, and its handling of bytes and lifetimes.

use shared_session::{Close, Ending, LazySession, Outcome, SessionManager};

use super::*;
use crate::rules::{Browser, user};

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_one_command() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        for _ in 0..2 {
            // The first round loads the scripts into the server.
            every_write(&store).await.into_iter().collect::<Result<(), _>>().unwrap();
        }
        commands(&redis);

        store.create(KEY, value(), MINUTE).await.unwrap();
        assert_eq!(commands(&redis), counts([("set", 1)]));
        store.load(KEY).await.unwrap();
        assert_eq!(commands(&redis), counts([("get", 1)]));
        assert_eq!(store.replace(KEY, &seen(), value(), MINUTE).await.unwrap(), Replaced::Stored);
        assert_eq!(commands(&redis), a_replace(&redis));
        let stale = Seen::new(Bytes::from("00:"), 0..3);
        assert!(store.replace(KEY, &stale, value(), MINUTE).await.unwrap() == Replaced::Conflict(value()));
        let in_lua = counts([("evalsha", 1), ("getrange", 1), ("get", 1)]);
        assert_eq!(commands(&redis), if is_native(&redis) { counts([("set", 1), ("get", 1)]) } else { in_lua });
        assert_eq!(store.delete(KEY, Some(&seen())).await.unwrap(), Deleted::Done);
        assert_eq!(commands(&redis), counts([("evalsha", 1), ("getrange", 1), ("del", 1)]));
        let _ = store.delete(KEY, None).await.unwrap();
        assert_eq!(commands(&redis), counts([("del", 1)]));
        store.scan("test:", None).await.unwrap();
        assert_eq!(commands(&redis), counts([("scan", 1)]));
        store.time().await.unwrap();
        assert_eq!(commands(&redis), counts([("time", 1)]));

        let soon = store.time().await.unwrap().after(MINUTE);
        commands(&redis);
        store.index_add("test:index", "member", soon).await.unwrap();
        let inside = [("time", 1), ("zadd", 1), ("pttl", 1), ("pexpireat", 1), ("zremrangebyscore", 1)];
        assert_eq!(commands(&redis), [counts([("evalsha", 1)]), counts(inside)].into_iter().flatten().collect());
        assert_eq!(store.index_list("test:index").await.unwrap(), ["member"]);
        assert_eq!(commands(&redis), counts([("time", 1), ("zrangebyscore", 1)]));
        store.index_remove("test:index", &["member".to_owned(), "other".to_owned()]).await.unwrap();
        assert_eq!(commands(&redis), counts([("zrem", 1)]));
        store.index_remove("test:index", &[]).await.unwrap();
        assert_eq!(commands(&redis), counts([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_are_sent_again_when_the_server_forgot_them() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        every_write(&store).await.into_iter().collect::<Result<(), _>>().unwrap();
        store.create(KEY, value(), MINUTE).await.unwrap();
        redis.cli(&["SCRIPT", "FLUSH"]);
        commands(&redis);
        assert_eq!(store.replace(KEY, &seen(), value(), MINUTE).await.unwrap(), Replaced::Stored);
        let ran = commands(&redis);
        let evals = (!is_native(&redis)).then_some(&1);
        assert_eq!((ran.get("eval"), ran.get("set")), (evals, Some(&1)), "{ran:?}");
        assert_eq!(store.delete(KEY, Some(&seen())).await.unwrap(), Deleted::Done);
        assert_eq!(commands(&redis).get("eval"), Some(&1), "each script is its own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_connection_asks_once_for_native_compare_and_set() {
    let redis = Redis::start(RedisKind::Old);
    let store = connect(&redis).await;
    store.create(KEY, value(), MINUTE).await.unwrap();
    for _ in 0..2 {
        let refused = errors(&redis);
        for _ in 0..3 {
            assert_eq!(store.replace(KEY, &seen(), value(), MINUTE).await.unwrap(), Replaced::Stored);
        }
        assert_eq!(errors(&redis) - refused, 1);
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        assert!(store.load(KEY).await.unwrap().is_some());
    }
}

/// The number of commands that the server did not support.
fn errors(redis: &Redis) -> i64 {
    let stats = redis.cli(&["INFO", "errorstats"]);
    stats.lines().find_map(|line| line.trim().strip_prefix("errorstat_ERR:count=")).map_or(0, number)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replace_compares_and_stores_any_bytes() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        let old = Bytes::from((0..=255).chain(*b"\r\n$-1\r\n\"\\x00").collect::<Vec<u8>>());
        let new = Bytes::from_static(b"\xff\0\r\n IFEQ PX 1");
        store.create(KEY, old.clone(), MINUTE).await.unwrap();
        let seen = Seen::new(old, 0..32);
        assert_eq!(store.replace(KEY, &seen, new.clone(), MINUTE).await.unwrap(), Replaced::Stored);
        assert_eq!(store.load(KEY).await.unwrap(), Some(new.clone()));
        assert!(store.replace(KEY, &seen, value(), MINUTE).await.unwrap() == Replaced::Conflict(new));
    }
}

/// The longest value that the server compares as a whole.
const COMPARED_WHOLE: usize = 8 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_value_is_compared_by_a_script_on_every_server() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        for (len, is_large) in [(COMPARED_WHOLE + 1, true), (COMPARED_WHOLE, false), (COMPARED_WHOLE + 1, true)] {
            let [old, new] = [b"01:", b"02:"].map(|head| Bytes::from([head, &vec![b'x'; len - 3][..]].concat()));
            let seen = Seen::new(old.clone(), 0..3);
            assert_eq!(store.replace(KEY, &seen, new.clone(), MINUTE).await.unwrap(), Replaced::Gone);
            store.create(KEY, old, MINUTE).await.unwrap();
            commands(&redis);
            assert_eq!(store.replace(KEY, &seen, new.clone(), MINUTE).await.unwrap(), Replaced::Stored);
            let by_script = is_large || !is_native(&redis);
            assert_eq!(commands(&redis).get("evalsha"), by_script.then_some(&1), "{len} bytes, {:?}", redis.kind());
            assert!(store.replace(KEY, &seen, value(), MINUTE).await.unwrap() == Replaced::Conflict(new.clone()));
            assert!(store.load(KEY).await.unwrap() == Some(new));
            assert_eq!(store.delete(KEY, None).await.unwrap(), Deleted::Done);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_of_a_large_session_are_merged_on_every_server() {
    for redis in Redis::all() {
        let large = LargeSession::start(&redis, COMPARED_WHOLE, &[]).await;
        let (slow, fast) = (large.open(), large.open());
        slow.load().await.unwrap().insert("slow", &1).unwrap();
        fast.load().await.unwrap().insert("fast", &2).unwrap();
        let _ = large.finish(&fast).await;
        let _ = large.finish(&slow).await;
        assert_eq!(large.manager.stats().merged, 1);
        let session = large.open().load().await.unwrap();
        let kept = ["slow", "fast"].map(|name| session.get::<u8>(name).unwrap());
        assert_eq!(kept, [Some(1), Some(2)], "{:?}", redis.kind());
    }
}

/// A service, and the browser of a user with a large session.
struct LargeSession {
    manager: SessionManager,
    browser: Browser,
}

impl LargeSession {
    /// A service whose session has an entry of `len` characters, and `counters` with the value 10.
    async fn start(redis: &Redis, len: usize, counters: &[&str]) -> Self {
        let mut large = Self { manager: SessionManager::new(connect(redis).await), browser: Browser::default() };
        let first = large.open();
        let session = first.load().await.unwrap();
        session.login_as(user("1")).unwrap();
        session.insert("large", &"x".repeat(len)).unwrap();
        for name in counters {
            session.insert(*name, &10).unwrap();
        }
        let outcome = large.finish(&first).await;
        large.browser.take(&outcome);
        large
    }

    fn open(&self) -> LazySession {
        self.manager.open(self.browser.0.as_ref().map(|cookie| cookie.as_bytes()))
    }

    async fn finish(&self, request: &LazySession) -> Outcome {
        let Close::Commit(commit) = self.manager.close(request, Ending::Completed) else { panic!("nothing to commit") };
        let outcome = self.manager.commit(commit).await;
        assert!(outcome.error().is_none(), "{outcome:?}");
        outcome
    }
}

/// A large value with `head` at its start and `tail` at its end.
fn large(head: &str, tail: &str) -> Bytes {
    [head, &"x".repeat(20_000), tail].concat().into()
}

/// The version of [`large`] in its first three bytes.
fn large_seen(head: &str, tail: &str) -> Seen {
    Seen::new(large(head, tail), 0..3)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_large_value_that_keeps_its_length_only_what_changes_is_sent() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        let replace = async |from: Seen, to: Bytes| store.replace(KEY, &from, to, 60 * MINUTE).await.unwrap();
        assert_eq!(replace(large_seen("01:", "a"), large("02:", "b")).await, Replaced::Gone);
        assert_eq!(redis.cli(&["EXISTS", KEY]), "0");
        store.create(KEY, large("01:", "a"), MINUTE).await.unwrap();
        commands(&redis);
        let received = received(&redis);
        assert_eq!(replace(large_seen("01:", "a"), large("02:", "b")).await, Replaced::Stored);
        assert!(self::received(&redis) - received < 2000);
        let inside = [("strlen", 1), ("getrange", 2), ("setrange", 2), ("pexpire", 1)];
        let ran = commands(&redis);
        assert!(
            inside.iter().all(|(name, calls)| ran.get(*name) == Some(calls)) && !ran.contains_key("set"),
            "{ran:?}"
        );
        assert!(store.load(KEY).await.unwrap() == Some(large("02:", "b")));
        assert!(number(&redis.cli(&["PTTL", KEY])) > 59 * 60_000, "it has the new lifetime");
        // A value of another length is sent as a whole.
        assert_eq!(replace(large_seen("02:", "b"), large("03:", "cc")).await, Replaced::Stored);
        assert_eq!(commands(&redis).get("set"), Some(&1));
        assert!(store.load(KEY).await.unwrap() == Some(large("03:", "cc")));
    }
}

/// The number of bytes that the server has read from connections.
fn received(redis: &Redis) -> i64 {
    let stats = redis.cli(&["INFO", "stats"]);
    number(stats.lines().find_map(|line| line.trim().strip_prefix("total_net_input_bytes:")).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_value_is_not_changed_unless_it_is_as_it_was_seen() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        for (stored, why) in [
            (large("00:", "a"), "another version"),
            (large("01:", "z"), "the bytes that would be overwritten"),
            (large("01:", "aa"), "a longer value"),
            (large("01:", ""), "a shorter value"),
        ] {
            store.create(KEY, stored.clone(), MINUTE).await.unwrap();
            let replaced = store.replace(KEY, &large_seen("01:", "a"), large("02:", "b"), 60 * MINUTE).await.unwrap();
            assert!(replaced == Replaced::Conflict(stored.clone()), "{why}: {replaced:?}");
            // Another length is detected even if nothing is written at the end.
            if stored.len() != large("01:", "a").len() {
                let at_start =
                    store.replace(KEY, &large_seen("01:", "a"), large("02:", "a"), 60 * MINUTE).await.unwrap();
                assert!(at_start == Replaced::Conflict(stored.clone()), "{why}: {at_start:?}");
            }
            assert!(store.load(KEY).await.unwrap() == Some(stored), "{why}");
            assert!(number(&redis.cli(&["PTTL", KEY])) <= 60_000, "{why}");
            assert_eq!(store.delete(KEY, None).await.unwrap(), Deleted::Done);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_of_a_large_value_is_compared_wherever_it_is_and_whether_it_changes_or_not() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        for (part, at) in [(10_000..10_003, 10_001), (60..130, 129)] {
            let mut newer = large("01:", "a").to_vec();
            newer[at] = b'n';
            store.create(KEY, newer.clone().into(), MINUTE).await.unwrap();
            let seen = Seen::new(large("01:", "a"), part);
            let replaced = store.replace(KEY, &seen, large("02:", "a"), MINUTE).await.unwrap();
            assert!(replaced == Replaced::Conflict(newer.into()), "{at}: {replaced:?}");
            assert_eq!(store.delete(KEY, None).await.unwrap(), Deleted::Done);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_into_a_large_value_leaves_all_other_bytes_as_stored() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        store.create(KEY, large("01:", "a"), MINUTE).await.unwrap();
        redis.cli(&["SETRANGE", KEY, "10000", "noted"]);
        let replaced = store.replace(KEY, &large_seen("01:", "a"), large("02:", "b"), MINUTE).await.unwrap();
        assert_eq!(replaced, Replaced::Stored);
        let mut expected = large("02:", "b").to_vec();
        expected[10_000..10_005].copy_from_slice(b"noted");
        assert!(store.load(KEY).await.unwrap() == Some(expected.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn increments_in_a_large_session_are_never_lost() {
    for redis in Redis::all() {
        let large = LargeSession::start(&redis, 20_000, &["a", "visits"]).await;
        commands(&redis);
        let rounds = async |name| {
            for _ in 0..30 {
                let request = large.open();
                request.load().await.unwrap().update_or(name, 0, |count: u32| count + 1).unwrap();
                let _ = large.finish(&request).await;
            }
        };
        tokio::join!(rounds("a"), rounds("visits"), rounds("visits"));
        let session = large.open().load().await.unwrap();
        let counted = ["a", "visits"].map(|name| session.get::<u32>(name).unwrap());
        assert_eq!(counted, [Some(40), Some(70)], "{:?}", redis.kind());
        assert_eq!(session.get::<String>("large").unwrap().map(|text| text.len()), Some(20_000));
        let ran = commands(&redis);
        assert!(ran.get("setrange") > Some(&90) && !ran.contains_key("set"), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_clones_share_one_connection() {
    let redis = Redis::start(RedisKind::New);
    let store = connect(&redis).await;
    let calls = (0..64).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.load(KEY).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let clients = redis.cli(&["CLIENT", "LIST"]);
    assert_eq!(clients.matches("cmd=get").count(), 1, "{clients}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_may_be_empty_or_lie_beyond_the_value() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        let empty = Seen::new(Bytes::new(), 0..0);
        assert_eq!(store.replace(KEY, &empty, value(), MINUTE).await.unwrap(), Replaced::Gone);
        assert_eq!(store.delete(KEY, Some(&empty)).await.unwrap(), Deleted::Gone);

        store.create(KEY, Bytes::new(), MINUTE).await.unwrap();
        let nothing = Bytes::new();
        let beyond = Seen::new(value(), 2..2);
        for seen in [seen(), beyond] {
            let conflict = store.replace(KEY, &seen, value(), MINUTE).await.unwrap();
            assert!(conflict == Replaced::Conflict(nothing.clone()), "absent and empty must not be mixed up");
            assert!(store.delete(KEY, Some(&seen)).await.unwrap() == Deleted::Conflict(nothing.clone()));
        }
        assert_eq!(store.replace(KEY, &empty, value(), MINUTE).await.unwrap(), Replaced::Stored);
        assert_eq!(store.load(KEY).await.unwrap(), Some(value()));
        assert_eq!(store.delete(KEY, Some(&empty)).await.unwrap(), Deleted::Done);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn extreme_lifetimes_neither_overflow_nor_vanish() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        assert!(store.create(KEY, value(), Duration::MAX).await.unwrap());
        assert_eq!(store.replace(KEY, &seen(), value(), Duration::MAX).await.unwrap(), Replaced::Stored);
        assert!(store.load(KEY).await.unwrap().is_some());
        store.index_add("test:index", "member", StoreTime(u64::MAX)).await.unwrap();
        assert_eq!(store.index_list("test:index").await.unwrap(), ["member"]);
        for key in [KEY, "test:index"] {
            let ttl: i64 = number(&redis.cli(&["PTTL", key]));
            assert!(ttl > 0, "{key} has no lifetime: {ttl}");
        }
        store.create("test:short", value(), Duration::ZERO).await.unwrap();
        assert_ne!(number(&redis.cli(&["PTTL", "test:short"])), -1, "a key without a lifetime");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_lives_as_long_as_its_longest_member_and_forgets_the_others() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        let now = store.time().await.unwrap();
        store.index_add("test:index", "long", now.after(10 * MINUTE)).await.unwrap();
        store.index_add("test:index", "short", now.after(Duration::from_millis(200))).await.unwrap();
        store.index_add("test:index", "long", now.after(Duration::from_millis(200))).await.unwrap();
        let ttl = number(&redis.cli(&["PTTL", "test:index"]));
        assert!(ttl > 5 * 60_000, "the lifetime has shrunk: {ttl}");
        assert_eq!(number(&redis.cli(&["ZCARD", "test:index"])), 2);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(store.index_list("test:index").await.unwrap(), ["long"]);
        store.index_add("test:index", "past", now).await.unwrap();
        store.index_add("test:index", "next", now.after(10 * MINUTE)).await.unwrap();
        assert_eq!(redis.cli(&["ZRANGE", "test:index", "0", "-1"]).trim(), "long\nnext");
    }
}

fn number(reply: &str) -> i64 {
    reply.trim().trim_start_matches("(integer) ").parse().unwrap_or_else(|_| panic!("not a number: {reply}"))
}
