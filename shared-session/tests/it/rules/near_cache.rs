//! The near cache. `redis/near.rs` tests it while connections break.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use shared_session::{
    Close, Ending, ErrorKind, LazySession, Lifetime, LoadOptions, NearCache, Profile, Session, SessionManager,
    cookie::CookieConfig,
    store::{MemoryStore, RedisConfig, RedisStore, SessionStore},
    testing::{Fault, FaultStore, SpyStore},
};
use test_servers::{Redis, RedisKind};

use super::{Browser, user};

/// One service over Redis.
pub(crate) struct Service {
    pub(crate) manager: SessionManager,
    pub(crate) store: SpyStore<FaultStore<RedisStore>>,
}

impl Service {
    /// Creates a service without a near cache.
    pub(crate) fn far(url: &str) -> Self {
        Self::far_with(url, &RedisConfig::new().with_response_timeout(Duration::from_secs(30)))
    }

    pub(crate) fn far_with(url: &str, config: &RedisConfig) -> Self {
        Self::lazy(url, config)
    }

    /// Creates a service with a near cache.
    pub(crate) fn near(url: &str) -> Self {
        Self::near_with(url, &RedisConfig::new().with_response_timeout(Duration::from_secs(30)), |near| near)
    }

    pub(crate) fn near_with(url: &str, config: &RedisConfig, with: impl FnOnce(NearCache) -> NearCache) -> Self {
        let service = Self::lazy(url, config);
        let manager = service.manager.with_near_cache(with(NearCache::new())).unwrap();
        Self { manager, ..service }
    }

    fn lazy(url: &str, config: &RedisConfig) -> Self {
        let redis = RedisStore::connect_lazy(url, config).unwrap();
        let store = SpyStore::new(FaultStore::new(redis));
        let manager = SessionManager::new(store.clone())
            .with_profile(super::profile())
            .with_cookie(CookieConfig::new("sid").build().unwrap());
        Self { manager, store }
    }

    pub(crate) fn request(&self, browser: &Browser) -> LazySession {
        self.manager.open(browser.0.as_ref().map(|cookie| cookie.as_bytes()))
    }

    pub(crate) async fn serve(&self, browser: &mut Browser, edit: impl FnOnce(&Session)) {
        let handle = self.request(browser);
        edit(&handle.load().await.unwrap());
        let outcome = match self.manager.close(&handle, Ending::Completed) {
            Close::Done(outcome) => outcome,
            Close::Commit(commit) => self.manager.commit(commit).await,
        };
        assert!(outcome.error().is_none(), "{:?}", outcome.error());
        browser.take(&outcome);
    }

    /// Stores `n`.
    pub(crate) async fn write(&self, browser: &mut Browser, n: u64) {
        self.serve(browser, |session| session.insert("n", &n).unwrap()).await;
    }

    /// The value stored by [`write`](Self::write).
    pub(crate) async fn read(&self, browser: &Browser) -> Option<u64> {
        self.request(browser).load().await.unwrap().get("n").unwrap()
    }

    /// A browser whose session contains 0.
    pub(crate) async fn start(&self) -> Browser {
        let mut browser = Browser::default();
        self.write(&mut browser, 0).await;
        browser
    }

    /// Reads until a read needs no store call.
    pub(crate) async fn keep(&self, browser: &Browser) {
        soon("the session is kept", async || {
            let before = self.manager.stats().near_hits;
            let _ = self.request(browser).load().await;
            self.manager.stats().near_hits > before
        })
        .await;
    }

    fn loads(&self) -> usize {
        self.store.take_calls().iter().filter(|call| **call == "load").count()
    }
}

/// Waits until `condition` holds, but less than the time after which a cached session is read again.
pub(crate) async fn soon<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < Duration::from_secs(30), "not in half a minute: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_session_is_read_without_the_store() {
    for redis in Redis::all() {
        let service = Service::near(&redis.url());
        let browser = service.start().await;
        service.keep(&browser).await;
        let before = service.manager.stats();
        service.store.take_calls();
        for _ in 0..10 {
            assert_eq!(service.read(&browser).await, Some(0));
        }
        service.store.assert_untouched();
        let after = service.manager.stats();
        assert_eq!((after.near_hits - before.near_hits, after.near_misses - before.near_misses), (10, 0));
        assert_eq!(after.loads, before.loads);
        let (name, _) = browser.0.as_ref().unwrap().split_once('=').unwrap();
        let unknown = Browser(Some(format!("{name}={}", "A".repeat(56))));
        assert_eq!(service.read(&unknown).await, None);
        assert_eq!(service.manager.stats().near_misses, after.near_misses + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_near_cache_sees_changes_by_another_service() {
    for redis in Redis::all() {
        let (near, far) = (Service::near(&redis.url()), Service::far(&redis.url()));
        let mut browser = near.start().await;
        near.keep(&browser).await;
        far.write(&mut browser, 1).await;
        soon("the change is seen", async || near.read(&browser).await == Some(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_elsewhere_is_not_answered_any_more() {
    for redis in Redis::all() {
        let (near, far) = (Service::near(&redis.url()), Service::far(&redis.url()));
        for end in ["logout", "revoke", "revoke anybody's", "flushall", "del"] {
            let mut browser = Browser::default();
            near.serve(&mut browser, |session| {
                session.insert("n", &0).unwrap();
                session.login_as(user("1")).unwrap();
            })
            .await;
            near.keep(&browser).await;
            match end {
                "logout" => far.serve(&mut browser.clone(), |session| session.logout().unwrap()).await,
                "revoke" => assert!(far.manager.revoke(Some("1"), &browser.handle()).await.unwrap()),
                "revoke anybody's" => assert!(far.manager.revoke(None, &browser.handle()).await.unwrap()),
                "flushall" => assert_eq!(redis.cli(&["FLUSHALL"]), "OK"),
                _ => assert_eq!(redis.cli(&["DEL", &browser.key()]), "1"),
            }
            soon(end, async || near.read(&browser).await.is_none()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_reads_its_own_writes_and_endings() {
    let redis = Redis::start(RedisKind::New);
    let service = Service::near(&redis.url());
    let mut browser = service.start().await;
    for n in 1..=300 {
        service.keep(&browser).await;
        service.write(&mut browser, n).await;
        assert_eq!(service.read(&browser).await, Some(n));
    }
    service.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    for end in ["logout", "revoke"] {
        let mut browser = Browser::default();
        service
            .serve(&mut browser, |session| {
                session.insert("n", &0).unwrap();
                session.login_as(user("1")).unwrap();
            })
            .await;
        service.keep(&browser).await;
        match end {
            "logout" => service.serve(&mut browser.clone(), |session| session.logout().unwrap()).await,
            _ => assert!(service.manager.revoke(Some("1"), &browser.handle()).await.unwrap()),
        }
        assert_eq!(service.read(&browser).await, None, "{end}");
    }
}

/// The announcements are held back, so that only the write itself can have dropped the session.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_drops_the_kept_session_whatever_its_outcome() {
    let redis = Redis::start(RedisKind::New);
    let service = Service::near(&redis.url());
    let browser = service.start().await;
    for fault in [Fault::Refused, Fault::LostReply] {
        service.keep(&browser).await;
        service.store.inner().fail_next_n("replace", 5, fault);
        service.store.inner().fail_next_n("delete", 5, fault);
        let handle = service.request(&browser);
        handle.load().await.unwrap().insert("n", &1).unwrap();
        let Close::Commit(commit) = service.manager.close(&handle, Ending::Completed) else { panic!("an edit") };
        let _ = service.manager.commit(commit).await;
        service.store.take_calls();
        assert!(service.read(&browser).await.is_some());
        assert_eq!(service.loads(), 1, "{fault:?}");
        service.store.inner().clear();
    }
}

/// Redis gets no write, so there is no announcement.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_drops_the_kept_session_whatever_its_outcome() {
    let redis = Redis::start(RedisKind::New);
    let service = Service::near(&redis.url());
    let mut browser = Browser::default();
    service.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    for end in ["logout", "revoke"] {
        service.keep(&browser).await;
        service.store.inner().fail_next_n("delete", 5, Fault::Refused);
        match end {
            "logout" => {
                let handle = service.request(&browser);
                handle.load().await.unwrap().logout().unwrap();
                let Close::Commit(commit) = service.manager.close(&handle, Ending::Completed) else { panic!("an end") };
                assert!(service.manager.commit(commit).await.error().is_some());
            }
            _ => drop(service.manager.revoke(Some("1"), &browser.handle()).await.unwrap_err()),
        }
        service.loads();
        service.read(&browser).await;
        assert_eq!(service.loads(), 1, "{end}");
        service.store.inner().clear();
    }
}

/// A request that reads during another's write may get the older version.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_read_during_a_write_is_dropped_after_it() {
    let redis = Redis::start(RedisKind::New);
    let service = Arc::new(Service::near(&redis.url()));
    let browser = service.start().await;
    service.keep(&browser).await;
    let handle = service.request(&browser);
    handle.load().await.unwrap().insert("n", &1).unwrap();
    let (reader, visitor) = (service.clone(), browser.clone());
    service.store.inner().before_next("replace", |_| async move { reader.keep(&visitor).await });
    // The write never arrives, so there is no announcement.
    service.store.inner().fail_next("replace", Fault::Refused);
    let Close::Commit(commit) = service.manager.close(&handle, Ending::Completed) else { panic!("an edit") };
    assert!(service.manager.commit(commit).await.error().is_some());
    service.loads();
    assert_eq!(service.read(&browser).await, Some(0));
    assert_eq!(service.loads(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_own_cookie_opens_a_kept_session() {
    let redis = Redis::start(RedisKind::New);
    let service = Service::near(&redis.url());
    let browser = service.start().await;
    service.keep(&browser).await;
    let cookie = browser.0.clone().unwrap();
    let other = Browser(Some(format!("{}{}", &cookie[..cookie.len() - 32], "A".repeat(32))));
    assert_eq!(other.handle(), browser.handle());
    service.loads();
    assert_eq!(service.read(&other).await, None);
    assert_eq!(service.loads(), 1, "another secret may be a newer one: the store is asked");
    assert_eq!(service.read(&browser).await, Some(0));
    assert_eq!(service.loads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_there_is_no_session_is_not_remembered() {
    let redis = Redis::start(RedisKind::New);
    let (near, far) = (Service::near(&redis.url()), Service::far(&redis.url()));
    near.keep(&near.start().await).await;
    let browser = far.start().await;
    let record = redis.command(&[b"DUMP", browser.key().as_bytes()]);
    redis.cli(&["DEL", &browser.key()]);
    assert_eq!(near.read(&browser).await, None);
    let test_servers::Reply::Bytes(record) = record else { panic!("{record}") };
    redis.command(&[b"RESTORE", browser.key().as_bytes(), b"60000", &record]);
    assert_eq!(near.read(&browser).await, Some(0));
}

/// The announcement of a write may arrive before the reply to a read that the server answered earlier.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_a_write_overtook_is_not_kept() {
    for redis in Redis::all() {
        let near = Service::near(&redis.url());
        let far = Arc::new(Service::far(&redis.url()));
        let (mut browser, mut later) = (near.start().await, near.start().await);
        near.keep(&later).await;
        far.write(&mut browser, 1).await;
        let (answered, write) = tokio::sync::oneshot::channel();
        let (written, go_on) = tokio::sync::oneshot::channel::<()>();
        near.store.inner().after_next("load", |_| async {
            answered.send(()).unwrap();
            go_on.await.unwrap();
        });
        let read = near.read(&browser);
        let overtake = async {
            write.await.unwrap();
            far.write(&mut browser.clone(), 2).await;
            // Announcements arrive in order: after that of a later write, that of the first has arrived too.
            far.write(&mut later, 1).await;
            soon("the later write is seen", async || near.read(&later).await == Some(1)).await;
            written.send(()).unwrap();
        };
        let (read, ()) = futures_util::future::join(read, overtake).await;
        assert_eq!(read, Some(1));
        assert_eq!(near.read(&browser).await, Some(2));
    }
}

/// Redis announces an expired key only when it finds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_expires_is_not_answered_though_redis_has_said_nothing() {
    let redis = Redis::with_args(RedisKind::New, &["--enable-debug-command", "yes"]);
    assert_eq!(redis.cli(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]), "OK");
    let service = Service::near(&redis.url());
    let second = Duration::from_secs(1);
    let lifetime = Lifetime::default().with_idle(2 * second).with_touch_after(1.0);
    let service = Service { manager: service.manager.with_lifetime(lifetime), ..service };
    let browser = service.start().await;
    service.keep(&browser).await;
    let other = service.start().await;
    tokio::time::sleep(2 * second).await;
    assert_eq!(service.read(&browser).await, None);
    assert_eq!(redis.cli(&["DBSIZE"]), "1", "{}: Redis has not found the other", other.key());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_sessions_are_kept_than_may_be() {
    let redis = Redis::start(RedisKind::New);
    let config = RedisConfig::new().with_response_timeout(Duration::from_secs(30));
    for (bounds, most) in [
        (Box::new(|near: NearCache| near.with_max_sessions(10)) as Box<dyn FnOnce(NearCache) -> NearCache>, 10),
        (Box::new(|near: NearCache| near.with_max_bytes(10_000)), 11),
        (Box::new(|near: NearCache| near.with_max_sessions(0)), 0),
    ] {
        let service = Service::near_with(&redis.url(), &config, bounds);
        let mut browsers = Vec::new();
        for _ in 0..50 {
            browsers.push(service.start().await);
        }
        if most > 0 {
            service.keep(&browsers[0]).await;
        }
        for browser in &browsers {
            assert_eq!(service.read(browser).await, Some(0));
        }
        let before = service.manager.stats().near_hits;
        // Backwards, so that reading uncached sessions does not evict cached ones.
        for browser in browsers.iter().rev() {
            assert_eq!(service.read(browser).await, Some(0));
        }
        let kept = service.manager.stats().near_hits - before;
        assert!(kept <= most && (kept > 0) == (most > 0), "{kept} of {most}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_can_read_past_it() {
    let redis = Redis::start(RedisKind::New);
    let service = Service::near(&redis.url());
    let browser = service.start().await;
    service.keep(&browser).await;
    service.loads();
    let session = service.request(&browser).load_with(LoadOptions::new().past_near_cache()).await.unwrap();
    assert_eq!((session.get::<u64>("n").unwrap(), service.loads()), (Some(0), 1));
    let before = service.manager.stats();
    service.manager.sessions_of("1").await.unwrap();
    service.manager.all_sessions(None).await.unwrap();
    assert_eq!(service.manager.stats().near_hits, before.near_hits, "lists read the store");
}

/// A new password is written to SQL first, and then to the session, so the cached session may be older.
#[tokio::test(flavor = "multi_thread")]
async fn marks_that_do_not_match_are_looked_up_in_the_store() {
    use shared_session::{
        SecretKeys,
        users::{ManageUsers, NewUser, SqlUsers},
    };
    let redis = Redis::start(RedisKind::New);
    let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    let users = SqlUsers::from_sqlite(pool);
    users.migrate().await.unwrap();
    let ann = users.create_user(NewUser::new("ann", "correct horse")).await.unwrap();
    let keys = || SecretKeys::new(super::current_user::KEY).unwrap();
    let service = Service::near(&redis.url());
    let service = Service { manager: service.manager.with_users(users.clone(), keys()), ..service };
    let mut browser = Browser::default();
    service.serve(&mut browser, |session| session.login(&ann).unwrap()).await;
    service.keep(&browser).await;
    users.set_password(&ann.id, "another horse").await.unwrap();
    service.loads();
    assert!(service.request(&browser).load().await.unwrap().user().await.unwrap().is_none());
    assert_eq!(service.loads(), 1, "once more, past the near cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_near_cache_follows_the_prefix_of_the_profile_whichever_is_set_first() {
    let redis = Redis::start(RedisKind::New);
    for prefix in ["a{b}*?[c]:", ""] {
        let near = Service::near(&redis.url());
        let near = Service { manager: near.manager.with_profile(Profile::native(prefix)), ..near };
        let far = Service::far(&redis.url());
        let far = Service { manager: far.manager.with_profile(Profile::native(prefix)), ..far };
        let mut browser = near.start().await;
        near.keep(&browser).await;
        far.write(&mut browser, 1).await;
        soon("the change is seen", async || near.read(&browser).await == Some(1)).await;
    }
}

#[tokio::test]
async fn a_near_cache_without_announcements_or_expiry_is_refused() {
    use shared_session::django::Django;
    let redis = Redis::start(RedisKind::New);
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    let manager = || SessionManager::new(store.clone());
    let django = || Profile::django(Django::cache());
    let refused = manager().with_profile(django()).with_near_cache(NearCache::new()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
    let refused = SessionManager::new(MemoryStore::new()).with_near_cache(NearCache::new()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
    let pool = deadpool_redis::Config::from_url(redis.url()).builder().unwrap().build().unwrap();
    let pooled = RedisStore::from_pool(pool, &RedisConfig::new());
    let refused = SessionManager::new(pooled).with_near_cache(NearCache::new()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_later_profile_that_it_does_not_fit_fails_every_request() {
    use shared_session::django::Django;
    let redis = Redis::start(RedisKind::New);
    let manager = SessionManager::new(RedisStore::connect(&redis.url()).await.unwrap());
    let manager = manager.with_near_cache(NearCache::new()).unwrap().with_profile(Profile::django(Django::cache()));
    let handle = manager.open([]);
    assert_eq!(handle.load().await.unwrap_err().kind(), ErrorKind::Config);
    let Close::Done(outcome) = manager.close(&handle, Ending::Completed) else { panic!("it stores something") };
    assert_eq!(outcome.error().unwrap().kind(), ErrorKind::Config);
    assert_eq!(manager.ping().await.unwrap_err().kind(), ErrorKind::Config);

    let manager = manager.with_profile(Profile::native("other:"));
    manager.ping().await.unwrap();
    assert!(manager.open([]).load().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn its_connection_ends_with_the_manager() {
    let redis = Redis::start(RedisKind::New);
    let service = Service::near(&redis.url());
    service.keep(&service.start().await).await;
    let followers = || redis.cli(&["CLIENT", "LIST"]).lines().filter(|line| is_follower(line)).count();
    assert_eq!(followers(), 1);
    let store = service.store.clone();
    drop(service);
    soon("the connection ends", async || followers() == 0).await;
    assert!(store.time().await.is_ok());
}

/// Whether a line of `CLIENT LIST` belongs to a tracking connection.
pub(crate) fn is_follower(line: &str) -> bool {
    line.split(' ').any(|field| field.strip_prefix("flags=").is_some_and(|flags| flags.contains('t')))
}
