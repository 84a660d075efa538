//! Attempts are counted exactly, in every store and under any concurrency.

use std::{pin::pin, time::Duration};

use futures_util::{FutureExt as _, future::join_all};
use shared_session::{
    ErrorKind, SecretKeys, SessionManager,
    store::{MemoryStore, SessionStore, StoreTime},
    testing::{Fault, FaultStore},
    throttle::{Policy, Subject, Throttle, Verdict},
    users::{NewUser, PasswordHasher, SqlUsers, Users as _},
};
use test_servers::Redis;

use crate::{backends::in_memory_and_sql, redis::connect};

const HOUR: Duration = Duration::from_secs(3600);

fn keys() -> SecretKeys {
    SecretKeys::new([7; 32]).unwrap()
}

fn patient(free: u32) -> Policy {
    Policy::new(free).with_waits(HOUR, HOUR).with_recovery(24 * HOUR)
}

fn ann() -> Subject {
    Subject::account("sign-in", "ann").with_policy(patient(6))
}

/// Makes an attempt that then fails; returns whether it was allowed.
async fn fails(throttle: &Throttle, subject: Subject) -> bool {
    matches!(throttle.attempt([subject]).await.unwrap(), Verdict::Go(_))
}

async fn succeeds(throttle: &Throttle, subject: Subject) -> bool {
    match throttle.attempt([subject]).await.unwrap() {
        Verdict::Go(attempt) => {
            attempt.succeeded().await;
            true
        }
        Verdict::Wait(_) => false,
    }
}

/// Sixty simultaneous attempts in five services, of which six are free.
async fn exact<S: SessionStore + Clone>(store: S) {
    let services: Vec<_> = (0..5).map(|_| Throttle::new(store.clone(), keys())).collect();
    let made = join_all((0..60).map(|n| fails(&services[n % 5], ann()))).await;
    assert_eq!(made.into_iter().filter(|made| *made).count(), 6);
    assert!(!fails(&services[0], ann()).await);
    // None of this counts for other subjects, or after it is forgotten.
    let bob = || Subject::account("sign-in", "bob").with_policy(patient(6));
    let signed_in = join_all((0..20).map(|_| succeeds(&services[1], bob()))).await;
    assert!(signed_in.into_iter().all(|signed_in| signed_in), "people who sign in at once do not hinder each other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn as_many_attempts_are_made_as_are_free_in_memory_and_sql() {
    in_memory_and_sql!(exact);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attempts_never_exceed_the_limit_in_redis_and_every_key_expires() {
    for redis in Redis::all() {
        exact(connect(&redis).await).await;
        let found = redis.cli(&["KEYS", "*"]);
        assert!(found.starts_with("shared_session:throttle:") && found.lines().count() == 1, "{found}");
        assert!(redis.cli(&["PTTL", &found]).parse::<i64>().unwrap() > 0);
        assert!(!redis.cli(&["GET", &found]).contains("ann"));
    }
}

#[tokio::test]
async fn a_subject_that_is_named_twice_counts_once_and_does_not_wait_for_itself() {
    let throttle = Throttle::new(MemoryStore::new(), keys());
    let [a, b] = ["a", "b"].map(|name| Subject::account("sign-in", name).with_policy(patient(2)));
    for subjects in [[&a, &b, &a], [&b, &a, &b]] {
        let attempt = throttle.attempt(subjects.map(Clone::clone)).now_or_never();
        assert!(matches!(attempt.expect("it waits for itself").unwrap(), Verdict::Go(_)));
    }
    assert!(!fails(&throttle, a).await && !fails(&throttle, b).await);
}

#[tokio::test]
async fn an_attempt_waits_for_those_on_its_subject_that_have_not_ended() {
    let throttle = Throttle::new(MemoryStore::new(), keys());
    let mut under_way = Vec::new();
    for _ in 0..2 {
        let Verdict::Go(attempt) = throttle.attempt([ann()]).await.unwrap() else { panic!("it is free") };
        under_way.push(attempt);
    }
    let mut third = pin!(throttle.attempt([ann()]));
    assert!(third.as_mut().now_or_never().is_none());
    under_way.pop().unwrap().succeeded().await;
    assert!(matches!(third.await.unwrap(), Verdict::Go(_)));
}

#[tokio::test]
async fn an_attempt_counts_no_longer_though_another_came_between() {
    for (earlier, operation) in [(0, "delete"), (1, "replace")] {
        let memory = MemoryStore::new();
        let store = FaultStore::new(memory.clone());
        let [slow, fast] = [Throttle::new(store.clone(), keys()), Throttle::new(memory, keys())];
        let subject = || Subject::account("sign-in", "ann").with_policy(patient(earlier + 2));
        for _ in 0..earlier {
            assert!(fails(&fast, subject()).await);
        }
        let Verdict::Go(attempt) = slow.attempt([subject()]).await.unwrap() else { panic!("it is free") };
        store.fail_next(operation, Fault::Hangs);
        let mut withdrawn = pin!(attempt.withdraw());
        assert!(withdrawn.as_mut().now_or_never().is_none());
        assert!(fails(&fast, subject()).await);
        store.release();
        withdrawn.await;
        assert!(fails(&fast, subject()).await, "{operation}");
        assert!(!fails(&fast, subject()).await, "{operation}");
    }
}

fn on_a_clock() -> (MemoryStore, Throttle) {
    let store = MemoryStore::with_clock(StoreTime(1_000_000_000));
    let manager = SessionManager::new(store.clone()).with_clock_refresh(Duration::ZERO);
    (store, Throttle::of(&manager, keys()))
}

#[tokio::test]
async fn the_wait_that_is_told_is_long_enough() {
    let (store, throttle) = on_a_clock();
    let subject = || Subject::account("sign-in", "ann");
    let mut longest = Duration::ZERO;
    for _ in 0..30 {
        match throttle.attempt([subject()]).await.unwrap() {
            Verdict::Go(_) => {}
            Verdict::Wait(wait) => {
                longest = longest.max(wait);
                // If a failure is forgotten meanwhile, the wait is shorter than announced. A process estimates the
                // store's time, so it may be off by some milliseconds.
                let off = Duration::from_millis(200);
                let early = if longest < Duration::from_secs(60) { wait.saturating_sub(off) } else { Duration::ZERO };
                store.advance(early);
                assert!(early.is_zero() || !fails(&throttle, subject()).await);
                store.advance(wait - early + off);
                assert!(fails(&throttle, subject()).await);
            }
        }
    }
    assert!(longest >= Duration::from_secs(60), "{longest:?}");
    store.advance(24 * HOUR);
    assert!(store.is_empty(), "attempts that no longer count are not kept");
}

#[tokio::test]
async fn a_success_forgets_the_failures_of_the_account_and_none_of_the_address() {
    let (_, throttle) = on_a_clock();
    let address = || Subject::address("sign-in", "192.0.2.1".parse().unwrap()).with_policy(patient(3));
    for n in 0..2 {
        let both = [ann().with_policy(patient(3)), address()];
        assert!(matches!(throttle.attempt(both).await.unwrap(), Verdict::Go(_)), "{n}");
    }
    let Verdict::Go(attempt) = throttle.attempt([ann().with_policy(patient(3)), address()]).await.unwrap() else {
        panic!("three are free")
    };
    attempt.succeeded().await;
    for n in 0..3 {
        assert!(fails(&throttle, ann().with_policy(patient(3))).await, "{n}");
    }
    assert!(fails(&throttle, address()).await, "the success was given back");
    assert!(!fails(&throttle, address()).await, "and no failure was");
}

#[tokio::test]
async fn an_attempt_that_waits_for_one_subject_counts_for_none() {
    let (store, throttle) = on_a_clock();
    while fails(&throttle, ann()).await {}
    let before = store.len();
    let cat = || Subject::account("sign-in", "cat").with_policy(patient(1));
    assert!(matches!(throttle.attempt([ann(), cat()]).await.unwrap(), Verdict::Wait(wait) if wait == HOUR));
    assert_eq!(store.len(), before);
    assert!(fails(&throttle, cat()).await);
}

#[tokio::test]
async fn a_device_that_signed_in_before_is_not_locked_out_by_strangers() {
    let (_, throttle) = on_a_clock();
    let cookie = throttle.device_cookie("Ann").unwrap();
    while fails(&throttle, ann()).await {}
    let device = throttle.known_device("ann", &cookie).expect("it is Ann's");
    let known = || Subject::device("sign-in", &device).with_policy(patient(2));
    assert!(succeeds(&throttle, known()).await);
    assert!(fails(&throttle, known()).await && fails(&throttle, known()).await);
    assert!(!fails(&throttle, known()).await, "a stolen device cannot continue to guess");
    assert!(throttle.known_device("bob", &cookie).is_none());
}

#[tokio::test]
async fn an_attempt_that_was_not_made_counts_for_nothing() {
    let (store, throttle) = on_a_clock();
    for _ in 0..10 {
        let Verdict::Go(attempt) = throttle.attempt([ann()]).await.unwrap() else { panic!("none was made") };
        attempt.withdraw().await;
    }
    assert!(store.is_empty());
}

#[tokio::test]
async fn registrations_count_though_they_succeed() {
    let (_, throttle) = on_a_clock();
    let here =
        || Subject::address("register", "192.0.2.1".parse().unwrap()).with_policy(patient(2)).counting_successes();
    assert!(succeeds(&throttle, here()).await && succeeds(&throttle, here()).await);
    assert!(!succeeds(&throttle, here()).await);
}

#[tokio::test]
async fn an_attempt_that_cannot_be_counted_is_not_made() {
    let store = FaultStore::new(MemoryStore::new());
    let throttle = Throttle::new(store.clone(), keys());
    assert!(fails(&throttle, ann()).await);
    store.set_down(true);
    assert_eq!(throttle.attempt([ann()]).await.unwrap_err().kind(), ErrorKind::Unavailable);
    store.set_down(false);
    assert!(fails(&throttle, ann()).await);
}

/// Otherwise each spelling would have guesses of its own.
#[tokio::test]
async fn every_spelling_with_which_an_account_can_sign_in_counts_for_that_account() {
    let users = SqlUsers::connect("sqlite::memory:").await.unwrap();
    users.migrate().await.unwrap();
    let users = users.with_hasher(PasswordHasher::pbkdf2_sha256(10).unwrap());
    users.create_user(NewUser::new("ann", "correct horse")).await.unwrap();
    let throttle = Throttle::new(MemoryStore::new(), keys());
    let mut guesses = 0;
    for spelling in ["ann", "\u{ff41}nn", "a\u{ff4e}n", "\u{1d41a}\u{1d427}\u{1d427}", "\u{24d0}nn"] {
        assert!(users.verify(spelling, "correct horse").await.unwrap().is_some(), "{spelling}");
        let subject = || Subject::account("sign-in", spelling).with_policy(patient(6));
        for _ in 0..6 {
            guesses += u32::from(fails(&throttle, subject()).await);
        }
    }
    assert_eq!(guesses, 6);
}

/// Otherwise one locked account would lock its whole address.
#[tokio::test]
async fn an_attempt_that_does_not_count_starts_no_new_wait() {
    for ends_with in ["a refusal", "a withdrawal", "a success"] {
        let (store, throttle) = on_a_clock();
        let grows = Policy::new(2).with_waits(HOUR, 8 * HOUR).with_recovery(1000 * HOUR);
        let address = || Subject::address("sign-in", "192.0.2.1".parse().unwrap()).with_policy(grows);
        for n in 0..2 {
            assert!(fails(&throttle, address()).await, "{n}");
        }
        store.advance(HOUR);
        match ends_with {
            "a refusal" => {
                while fails(&throttle, ann()).await {}
                let refused = throttle.attempt([ann(), address()]).await.unwrap();
                assert!(matches!(refused, Verdict::Wait(wait) if wait == HOUR));
            }
            "a withdrawal" => {
                let Verdict::Go(attempt) = throttle.attempt([address()]).await.unwrap() else { panic!("it waited") };
                attempt.withdraw().await;
            }
            _ => assert!(succeeds(&throttle, address()).await),
        }
        assert!(fails(&throttle, address()).await, "after {ends_with} the wait is still over");
        assert!(!fails(&throttle, address()).await, "after {ends_with} both failures still count");
    }
}

#[tokio::test]
async fn a_wait_that_is_longer_than_the_recovery_is_kept_to() {
    let (store, throttle) = on_a_clock();
    let subject = || Subject::account("sign-in", "ann").with_policy(Policy::new(3).with_waits(HOUR, 24 * HOUR));
    for n in 0..3 {
        assert!(fails(&throttle, subject()).await, "{n}");
    }
    let Verdict::Wait(wait) = throttle.attempt([subject()]).await.unwrap() else { panic!("three are free") };
    assert_eq!(wait, HOUR);
    store.advance(HOUR / 2);
    assert!(!fails(&throttle, subject()).await, "half of the wait is left");
}

#[tokio::test]
async fn an_attempt_that_waits_is_answered_with_429_and_the_time() {
    let (_, throttle) = on_a_clock();
    let subject = || Subject::account("sign-in", "ann").with_policy(Policy::new(1).with_waits(HOUR / 2, HOUR));
    assert!(throttle.attempt([subject()]).await.unwrap().into_attempt().is_ok());
    let error = throttle.attempt([subject()]).await.unwrap().into_attempt().unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::TooManyAttempts, Some(HOUR / 2)));
    let reply = shared_session::Reply::from(&error);
    assert_eq!(reply.status, 429);
    assert!(reply.headers.contains(&("retry-after", "1800".to_owned())), "{reply:?}");
}
