//! Slow refills, slow writers, lost fences, and processes that die half-way.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use sqlx::PgPool;
use tokio::task::JoinHandle;

use super::{gate::Gate, *};

/// A session with a copy, in the store of a service, and another service whose path to PostgreSQL can be delayed.
async fn race() -> (Site, TieredStore, Gate, TieredStore) {
    let site = Site::new();
    let store = site.with_copy().await;
    let (gate, slow) = slow(&site).await;
    (site, store, gate, slow)
}

/// A service whose path to PostgreSQL can be delayed. It has run every statement once.
async fn slow(site: &Site) -> (Gate, TieredStore) {
    let gate = Gate::new(&site.url).await;
    let store = site.over(gate.rows.clone()).await;
    let key = "session:warm";
    assert!(store.create(key, ONE.into(), HOUR).await.unwrap());
    assert!(store.load(key).await.unwrap().is_some());
    assert_eq!(store.replace(key, &seen(ONE), TWO.into(), HOUR).await.unwrap(), Replaced::Stored);
    assert_eq!(store.delete(key, Some(&seen(TWO))).await.unwrap(), Deleted::Done);
    assert!(store.load(key).await.unwrap().is_none());
    gate.close();
    (gate, store)
}

fn spawn_load(store: &TieredStore) -> JoinHandle<Option<String>> {
    let store = store.clone();
    tokio::spawn(async move { load(&store).await })
}

fn spawn_replace(store: &TieredStore, old: &'static str, new: &'static str) -> JoinHandle<Replaced> {
    let store = store.clone();
    tokio::spawn(async move { replace(&store, old, new).await })
}

fn spawn_delete(store: &TieredStore) -> JoinHandle<Deleted> {
    let store = store.clone();
    tokio::spawn(async move { store.delete(KEY, Some(&seen(ONE))).await.unwrap() })
}

#[tokio::test]
async fn a_refill_loses_against_the_fence_of_a_logout() {
    let (site, store, gate, slow) = race().await;
    site.flush();
    let refill = spawn_load(&slow);
    gate.holds(1).await;
    assert_eq!(store.delete(KEY, Some(&seen(ONE))).await.unwrap(), Deleted::Done);
    gate.pass_one();
    // The session was alive when this load began. The load lost, so it does not query again, which would wait at the
    // gate.
    let read = tokio::time::timeout(Duration::from_secs(60), refill).await.expect("the refill lost");
    assert_eq!(read.unwrap().as_deref(), Some(ONE));
    assert_ne!(site.copy(), ONE);
    assert_eq!(load(&store).await, None);
}

#[tokio::test]
async fn a_refill_that_got_in_because_a_fence_was_lost_is_withdrawn() {
    let (site, store, gate, slow) = race().await;
    site.flush();
    let refill = spawn_load(&slow);
    gate.holds(1).await;
    assert_eq!(store.delete(KEY, Some(&seen(ONE))).await.unwrap(), Deleted::Done);
    site.flush();
    gate.pass_one();
    gate.holds(2).await;
    assert_eq!(site.copy(), ONE, "the refill got in");
    let left: u64 = site.redis.cli(&["PTTL", KEY]).parse().unwrap();
    assert!(left <= 10_000, "a copy that is not confirmed does not live for {left} ms");
    gate.pass_one();
    assert_eq!(refill.await.unwrap(), None);
    assert_ne!(site.copy(), ONE);
    assert_eq!(load(&store).await, None);
}

/// A touch changes the row and not the compared part, so a write that saw the row before still succeeds.
#[tokio::test]
async fn a_slow_writer_leaves_no_copy_over_that_of_a_later_write() {
    for (slow_write, seen_by_the_later) in [(TWO, TWO), (TOUCHED, ONE)] {
        let (site, store, gate, slow) = race().await;
        let first = spawn_replace(&slow, ONE, slow_write);
        gate.holds(1).await;
        assert_eq!(load(&store).await.as_deref(), Some(slow_write), "it is committed");
        assert_eq!(replace(&store, seen_by_the_later, THREE).await, Replaced::Stored);
        gate.pass_one();
        assert_eq!(first.await.unwrap(), Replaced::Stored);
        assert_eq!(load(&store).await.as_deref(), Some(THREE));
        assert_ne!(site.copy(), slow_write);
    }
}

#[tokio::test]
async fn a_slow_writer_leaves_no_copy_after_a_logout() {
    let (_site, store, gate, slow) = race().await;
    let write = spawn_replace(&slow, ONE, TWO);
    gate.holds(1).await;
    assert_eq!(store.delete(KEY, None).await.unwrap(), Deleted::Done);
    gate.pass_one();
    assert_eq!(write.await.unwrap(), Replaced::Stored);
    assert_eq!(load(&store).await, None);
}

#[tokio::test]
async fn a_writer_leaves_no_copy_while_another_is_under_way() {
    let (site, store, gate, slow) = race().await;
    let other = site.store().await;
    let touch = spawn_replace(&slow, ONE, TOUCHED);
    gate.holds(1).await;
    let pool = PgPool::connect(&site.url).await.unwrap();
    let lock = lock(&pool).await;
    let write = spawn_replace(&other, ONE, TWO);
    wait_for_a_waiter(&pool).await;
    gate.pass_one();
    assert_eq!(touch.await.unwrap(), Replaced::Stored);
    assert_ne!(site.copy(), TOUCHED, "another write is under way");
    lock.rollback().await.unwrap();
    assert_eq!(write.await.unwrap(), Replaced::Stored);
    assert_eq!(load(&store).await.as_deref(), Some(TWO));
}

async fn lock(pool: &PgPool) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut transaction = pool.begin().await.unwrap();
    let lock = sqlx::query("SELECT 1 FROM shared_session WHERE session_key = $1 FOR UPDATE").bind(KEY);
    lock.execute(&mut *transaction).await.unwrap();
    transaction
}

async fn wait_for_a_waiter(pool: &PgPool) {
    let waiters = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
        AND datname = current_database()";
    while sqlx::query_scalar::<_, i64>(waiters).fetch_one(pool).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Loses the fence of the write that `begin` starts, and allows a refill, before the row is written.
async fn with_a_lost_fence<T>(
    begin: impl FnOnce(&TieredStore) -> JoinHandle<T>,
    lose: impl AsyncFnOnce(&Site),
) -> (Site, T) {
    let site = Site::new();
    let store = site.with_copy().await;
    let pool = PgPool::connect(&site.url).await.unwrap();
    let lock = lock(&pool).await;
    let writing = begin(&store);
    wait_for_a_waiter(&pool).await;
    lose(&site).await;
    lock.rollback().await.unwrap();
    let written = writing.await.unwrap();
    (site, written)
}

async fn flush_and_refill(site: &Site) {
    assert_ne!(site.copy(), ONE, "a fence stands while a write is under way");
    site.flush();
    assert_eq!(load(&site.store().await).await.as_deref(), Some(ONE));
    assert_eq!(site.copy(), ONE);
}

#[tokio::test]
async fn a_write_whose_fence_was_lost_leaves_no_old_copy() {
    let (site, replaced) = with_a_lost_fence(|store| spawn_replace(store, ONE, TWO), flush_and_refill).await;
    assert_eq!(replaced, Replaced::Stored);
    assert_eq!(load(&site.store().await).await.as_deref(), Some(TWO));
}

#[tokio::test]
async fn a_logout_whose_fence_was_lost_leaves_no_old_copy() {
    let (site, deleted) = with_a_lost_fence(spawn_delete, flush_and_refill).await;
    assert_eq!(deleted, Deleted::Done);
    assert_eq!(load(&site.store().await).await, None);
}

#[tokio::test]
async fn a_redis_that_dies_in_the_middle_of_a_write_leaves_it_undecided() {
    let begin = |store: &TieredStore| {
        let store = store.clone();
        tokio::spawn(async move {
            (store.replace(KEY, &seen(ONE), TWO.into(), HOUR).await.map(drop), store.delete(KEY, None).await.map(drop))
        })
    };
    let (site, (replaced, deleted)) = with_a_lost_fence(begin, async |site| site.redis.kill()).await;
    let error = replaced.unwrap_err();
    assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, true));
    assert_eq!(deleted.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(site.rows().await.load(KEY).await.unwrap(), Some(TWO.into()));

    let begin = |store: &TieredStore| {
        let store = store.clone();
        tokio::spawn(async move { store.delete(KEY, None).await.unwrap_err() })
    };
    let (_site, error) = with_a_lost_fence(begin, async |site| site.redis.kill()).await;
    assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, true));
}

#[tokio::test]
async fn a_process_that_dies_after_the_row_was_written_leaves_no_old_copy() {
    let (_site, store, gate, slow) = race().await;
    let write = spawn_replace(&slow, ONE, TWO);
    gate.holds(1).await;
    write.abort();
    assert!(write.await.unwrap_err().is_cancelled());
    assert_eq!(load(&store).await.as_deref(), Some(TWO));

    let (_site, store, gate, slow) = race().await;
    let deletion = spawn_delete(&slow);
    gate.holds(1).await;
    deletion.abort();
    assert!(deletion.await.unwrap_err().is_cancelled());
    assert_eq!(load(&store).await, None);
}

/// Writers, touches and readers, while Redis repeatedly loses all data.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_many_writes_and_flushes_nothing_is_lost_and_every_copy_equals_its_row() {
    const WRITERS: u32 = 6;
    const EACH: u32 = 20;
    let site = Site::new();
    let store = site.store().await;
    // The highest count with an acknowledged write.
    let acknowledged = Arc::new(AtomicU32::new(0));
    let version = |tag: u32, count: u32| Bytes::from(format!("{tag:024}{count}"));
    assert!(store.create(KEY, version(0, 0), HOUR).await.unwrap());
    let mut storm = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = if writer % 2 == 0 { store.clone() } else { site.store().await };
        let acknowledged = Arc::clone(&acknowledged);
        storm.spawn(async move {
            let mut current = store.load(KEY).await.unwrap().unwrap();
            for number in 0..EACH {
                loop {
                    let part = Seen::new(current.clone(), 0..24);
                    // A touch: the same version, other bytes.
                    let touched = Bytes::from([&current[..], b" "].concat());
                    let _ = store.replace(KEY, &part, touched, HOUR).await.unwrap();
                    let next = count(&current) + 1;
                    let new = version(1 + writer * EACH + number, next);
                    match store.replace(KEY, &part, new.clone(), HOUR).await.unwrap() {
                        Replaced::Stored => {
                            acknowledged.fetch_max(next, Ordering::SeqCst);
                            current = new;
                            break;
                        }
                        Replaced::Conflict(now) => current = now,
                        Replaced::Gone => panic!("it was not deleted"),
                    }
                }
            }
        });
    }
    while !storm.is_empty() {
        site.flush();
        for _ in 0..5 {
            let at_least = acknowledged.load(Ordering::SeqCst);
            let read = store.load(KEY).await.unwrap().unwrap();
            assert!(count(&read) >= at_least, "an old copy was read");
        }
        while storm.try_join_next().is_some() {}
    }
    let last = store.load(KEY).await.unwrap();
    assert_eq!(last, site.rows().await.load(KEY).await.unwrap());
    assert_eq!(count(&last.unwrap()), WRITERS * EACH);
}

/// The number behind the tag. A touch adds spaces.
fn count(value: &Bytes) -> u32 {
    std::str::from_utf8(&value[24..]).unwrap().trim().parse().unwrap()
}
