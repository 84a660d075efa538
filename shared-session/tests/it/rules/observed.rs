//! The traces of a session for operators: counts, metrics and spans, without secrets.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::{self, Write as _},
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use shared_session::{
    Close, Ending, ErrorKind, Identity, Profile, Stats,
    django::Django,
    store::{Deleted, Replaced, Seen, SessionStore},
    testing::Fault,
    users::NewUser,
};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt as _},
};

use super::{Browser, Fleet, IDLE, current_user::fleet_with_users, kind};

const NAME: &str = "canary-of-a-name";
const VALUE: &str = "canary-of-a-value";
const USER: &str = "canary-of-a-user";

/// Triggers every counted event once. Returns every secret that was used.
async fn story() -> (Fleet, Vec<String>) {
    let (fleet, users, _) = fleet_with_users().await;
    let user = users.create_user(NewUser::new(USER, "correct horse")).await.unwrap();
    let mut browser = Browser::default();
    let mut secrets = vec![NAME.to_owned(), VALUE.to_owned(), USER.to_owned()];
    let mut note = |browser: &Browser| {
        let cookie = browser.0.clone().unwrap();
        secrets.extend([cookie["sid=".len()..][24..].to_owned(), browser.handle().to_string()]);
    };

    fleet.serve(&mut browser, |session| session.insert(NAME, VALUE).unwrap()).await;
    note(&browser);
    fleet.serve(&mut browser, |session| session.login(&user).unwrap()).await;
    note(&browser);
    assert!(fleet.request(&browser).load().await.unwrap().user().await.unwrap().is_some());
    fleet.memory.advance(IDLE / 2);
    fleet.serve(&mut browser, |_| {}).await;

    let (merged, session) = fleet.load(&browser).await;
    session.insert("a", VALUE).unwrap();
    fleet.serve(&mut browser, |session| session.insert(NAME, "b").unwrap()).await;
    assert_eq!(kind(&fleet.finish(&merged).await), None);

    let (stale, session) = fleet.load(&browser).await;
    session.insert(NAME, VALUE).unwrap();
    fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
    note(&browser);
    assert_eq!(kind(&fleet.finish(&stale).await), Some(ErrorKind::Stale));

    let (gone, session) = fleet.load(&browser).await;
    session.insert(NAME, VALUE).unwrap();
    let old = browser.clone();
    fleet.serve(&mut browser, |session| session.logout().unwrap()).await;
    assert_eq!(kind(&fleet.finish(&gone).await), Some(ErrorKind::Gone));
    assert_eq!(fleet.get(&old, NAME).await, None);

    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert(NAME, VALUE).unwrap()).await;
    note(&browser);
    let tossed = format!("{}; sid={}", browser.0.clone().unwrap(), "A".repeat(56));
    fleet.manager.open([tossed.as_bytes()]).load().await.unwrap();
    fleet.faults().set_down(true);
    let down = fleet.request(&browser);
    down.load().await.unwrap_err();
    assert_eq!(kind(&fleet.finish(&down).await), Some(ErrorKind::Unavailable));
    fleet.faults().set_down(false);
    fleet.memory.delete(&browser.key(), None).await.unwrap();
    fleet.memory.create(&browser.key(), VALUE.into(), IDLE).await.unwrap();
    fleet.load(&browser).await.1.names().unwrap_err();
    (fleet, secrets)
}

#[tokio::test]
async fn every_count_is_a_metric_and_every_metric_is_there_from_the_start() {
    let recorder = Recorded::default();
    let _installed = metrics::set_default_local_recorder(&recorder);
    shared_session::metrics::describe();
    let at_start = recorder.values();
    assert!(at_start.values().all(|value| *value == 0), "{at_start:?}");

    let stats = story().await.0.manager.stats();
    let mut expected = Stats::default();
    (expected.loads, expected.misses, expected.conflicting_cookies) = (12, 1, 1);
    (expected.commits, expected.merged, expected.touches) = (6, 1, 1);
    (expected.refused, expected.stale, expected.gone) = (2, 1, 1);
    (expected.unavailable, expected.unreadable) = (1, 1);
    assert_eq!(stats, expected);
    let values = recorder.values();
    for (metric, count) in [
        ("loads_total", stats.loads),
        ("misses_total", stats.misses),
        ("conflicting_cookies_total", stats.conflicting_cookies),
        ("commits_total", stats.commits),
        ("merged_total", stats.merged),
        ("touches_total", stats.touches),
        ("refused_total reason=stale", stats.stale),
        ("refused_total reason=gone", stats.gone),
        ("unavailable_total", stats.unavailable),
        ("unreadable_total", stats.unreadable),
        ("load_seconds outcome=ok", stats.loads - 1),
        ("load_seconds outcome=error", 1),
        ("commit_seconds outcome=ok", stats.commits + stats.touches + 1),
        ("commit_seconds outcome=refused", 2),
        ("commit_seconds outcome=error", 0),
    ] {
        assert_eq!(values.get(&format!("shared_session_{metric}")), Some(&count), "{metric}: {values:?}");
    }
    assert!(values.keys().eq(at_start.keys()), "{values:?}");
}

#[tokio::test]
async fn a_commit_that_the_request_is_to_blame_for_is_no_error() {
    let recorder = Recorded::default();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert(NAME, VALUE).unwrap()).await;
    let large = "x".repeat(5000);
    let outcome = fleet.serve(&mut browser, |session| session.insert(NAME, &large).unwrap()).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::TooLarge));
    let (slow, session) = fleet.load(&browser).await;
    session.take::<String>(NAME).unwrap();
    fleet.serve(&mut browser, |session| session.remove(NAME).unwrap()).await;
    assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::AlreadyTaken);
    drop(slow);
    let values = recorder.values();
    for (outcome, count) in [("ok", 2), ("refused", 2), ("error", 0)] {
        let metric = format!("shared_session_commit_seconds outcome={outcome}");
        assert_eq!(values.get(&metric).copied().unwrap_or_default(), count, "{metric}: {values:?}");
    }
}

#[tokio::test]
async fn every_cookie_that_opens_nothing_is_a_miss() {
    let misses = async |fleet: &Fleet, browser: &Browser| {
        let before = fleet.manager.stats();
        assert_eq!(fleet.get(browser, NAME).await, None);
        let after = fleet.manager.stats();
        (after.misses - before.misses, after.ended_again - before.ended_again)
    };
    let native = Fleet::new();
    let mut browser = Browser::default();
    native.serve(&mut browser, |session| session.insert(NAME, VALUE).unwrap()).await;
    let replaced = browser.clone();
    native.serve(&mut browser, |session| session.rotate().unwrap()).await;
    assert_eq!(misses(&native, &replaced).await, (1, 0), "a cookie that was replaced");

    // A store with a slow clock keeps it for longer than its record says.
    let kept = native.memory.load(&browser.key()).await.unwrap().unwrap();
    native.memory.advance(IDLE + Duration::from_secs(1));
    assert!(native.memory.create(&browser.key(), kept, IDLE).await.unwrap());
    assert_eq!(misses(&native, &browser).await, (1, 0), "a session whose time is over");

    let fleet = Fleet::new();
    let django = Fleet { manager: fleet.manager.clone().with_profile(Profile::django(Django::cache())), ..fleet };
    let mut browser = Browser::default();
    django.serve(&mut browser, |session| session.insert(NAME, VALUE).unwrap()).await;
    let ended = browser.clone();
    django.serve(&mut browser, |session| session.logout().unwrap()).await;
    assert_eq!(misses(&django, &ended).await, (1, 0), "a session that has a tombstone");
}

#[tokio::test]
async fn the_span_of_a_commit_counts_the_attempts_of_a_move() {
    watch();
    let fleet = Fleet::new();
    let django = Fleet { manager: fleet.manager.clone().with_profile(Profile::django(Django::cache())), ..fleet };
    let mut browser = Browser::default();
    django.serve(&mut browser, |session| session.insert(NAME, VALUE).unwrap()).await;
    SEEN.set(Some(String::new()));
    django.serve(&mut browser, |session| session.rotate().unwrap()).await;
    let seen = SEEN.take().unwrap();
    assert!(seen.contains("attempts=1"), "{seen}");
}

#[tokio::test]
async fn spans_tell_the_outcome_of_a_session_and_not_its_content() {
    watch();
    SEEN.set(Some(String::new()));
    let (_, secrets) = story().await;
    let seen = SEEN.take().unwrap();
    for expected in [
        "session.load",
        "outcome=found",
        "outcome=absent",
        "outcome=unreadable",
        "outcome=error",
        "session.commit",
        "outcome=stored",
        "outcome=stale",
        "outcome=gone",
        "attempts=1",
        "attempts=2",
        "store.load",
        "store.replace",
        "store.create",
        "store.delete",
        "several different session cookies",
        "cookie=sid",
        "event=sign-in user=1",
        "event=rotation user=1",
        "event=sign-out user=1",
    ] {
        assert!(seen.contains(expected), "{expected} is missing in {seen}");
    }
    for secret in secrets {
        assert!(!seen.contains(&secret), "{secret} is in {seen}");
    }
}

/// All values available to handlers, middleware and stores.
#[tokio::test]
async fn printed_text_opens_no_session_and_shows_no_content() {
    let fleet = Fleet::new();
    let handle = fleet.request(&Browser::default());
    let session = handle.load().await.unwrap();
    session.insert(NAME, VALUE).unwrap();
    session.login_as(Identity::new("1", "canary-of-a-hash", 0)).unwrap();
    let mut printed = format!("{handle:?} {session:?} {:?}", session.identity().unwrap());
    let close = fleet.manager.close(&handle, Ending::Completed);
    write!(printed, "{close:?}").unwrap();
    let Close::Commit(commit) = close else { panic!("an edit") };
    let outcome = fleet.manager.commit(commit).await;
    let mut browser = Browser::default();
    browser.take(&outcome);
    let bytes = fleet.memory.load(&browser.key()).await.unwrap().unwrap();
    let (replaced, deleted) = (Replaced::Conflict(bytes.clone()), Deleted::Conflict(bytes.clone()));
    let (seen, page) = (Seen::new(bytes.clone(), 66..109), fleet.memory.scan("", None).await.unwrap());
    write!(printed, "{outcome:?} {replaced:?} {deleted:?} {seen:?} {page:?} {:?} {:?}", fleet.manager, fleet.store)
        .unwrap();

    let secret_hash = std::str::from_utf8(&bytes[66..109]).unwrap();
    let cookie = browser.0.clone().unwrap();
    for secret in [&cookie["sid=".len()..][24..], &browser.key(), secret_hash, NAME, VALUE, "canary-of-a-hash"] {
        assert!(!printed.contains(secret), "{secret} is in {printed}");
    }
}

/// Records the values by `name label=value`.
#[derive(Default)]
struct Recorded(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Recorded {
    fn values(&self) -> BTreeMap<String, u64> {
        let series = self.0.lock().unwrap();
        series.iter().map(|(key, value)| (key.clone(), value.load(Ordering::SeqCst))).collect()
    }

    fn series(&self, key: &Key) -> Arc<AtomicU64> {
        let mut name = key.name().to_owned();
        for label in key.labels() {
            write!(name, " {}={}", label.key(), label.value()).unwrap();
        }
        Arc::clone(self.0.lock().unwrap().entry(name).or_default())
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.series(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Samples(self.series(key))))
    }
}

/// Counts the samples.
struct Samples(Arc<AtomicU64>);

impl HistogramFn for Samples {
    fn record(&self, seconds: f64) {
        assert!((0.0..60.0).contains(&seconds), "{seconds}");
        CounterFn::increment(&*self.0, 1);
    }
}

thread_local! {
    /// The log records of this thread, which runs the whole test, since recording began.
    static SEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Enables recording for the whole process, because a callsite caches the interest of a thread without a subscriber for
/// all threads.
fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        tracing::subscriber::set_global_default(Registry::default().with(Everything)).unwrap();
        tracing::callsite::rebuild_interest_cache();
    });
}

/// Records every span, field and event of every level.
struct Everything;

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {field}={value}").unwrap();
    }
}

impl Everything {
    fn write(what: &str, record: impl FnOnce(&mut Line<'_>)) {
        SEEN.with_borrow_mut(|seen| {
            let Some(text) = seen else { return };
            write!(text, "{what}").unwrap();
            record(&mut Line(text));
            text.push('\n');
        });
    }
}

impl<S: Subscriber> Layer<S> for Everything {
    fn on_new_span(&self, span: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        Self::write(span.metadata().name(), |line| span.record(line));
    }
    fn on_record(&self, _: &span::Id, values: &span::Record<'_>, _: Context<'_, S>) {
        Self::write("", |line| values.record(line));
    }
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        Self::write(event.metadata().name(), |line| event.record(line));
    }
}

#[tokio::test]
async fn a_refused_write_is_told_until_one_is_taken() {
    let fleet = Fleet::new();
    let (store, manager) = (fleet.faults(), &fleet.manager);
    let write = async || {
        let session = manager.open([]).load().await?;
        session.insert("a", &1)?;
        session.commit().await
    };
    write().await.unwrap();
    store.fail_next("create", Fault::Refused);
    manager.check_writes().await.unwrap();
    write().await.unwrap_err();
    store.fail_next("create", Fault::Refused);
    assert_eq!(manager.check_writes().await.unwrap_err().kind(), ErrorKind::Unavailable);
    manager.check_writes().await.unwrap();
    store.fail_next("create", Fault::Refused);
    manager.check_writes().await.unwrap();
    write().await.unwrap_err();
    write().await.unwrap();
    store.fail_next("create", Fault::Refused);
    manager.check_writes().await.expect("a write succeeded since");
}
