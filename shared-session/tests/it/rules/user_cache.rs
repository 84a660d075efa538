//! The user cache: the requests that it may answer, and the changes that cached rows must not outlive.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use proptest::prelude::*;
use shared_session::{
    Error, ErrorKind, LazySession, SecretKeys,
    users::{Guard, ManageUsers, NewUser, PasswordHasher, SqlUsers, UnauthenticatedReason, User, UserCache, Users},
};
use sqlx::{SqlitePool, sqlite::SqlitePoolOptions};
use tokio::sync::Notify;

use super::{Browser, Fleet, current_user::KEY};

const AGE: Duration = Duration::from_secs(5);

/// A table of users in memory that other processes can change too. Clones share it.
#[derive(Clone)]
struct Table(Arc<Inner>);

struct Inner {
    rows: Mutex<Vec<User>>,
    asked: AtomicUsize,
    is_down: Mutex<bool>,
    /// If set, a query waits for this after it has read its row.
    gate: Mutex<Option<Arc<Notify>>>,
    at_gate: Notify,
    cache: UserCache,
}

impl Table {
    fn new() -> Self {
        let rows = ["ann", "bob"].into_iter().zip(["1", "2"]);
        let rows = rows.map(|(name, id)| User::new(id, name).with_encoded_password(format!("password of {name}")));
        Self(Arc::new(Inner {
            rows: Mutex::new(rows.collect()),
            asked: AtomicUsize::new(0),
            is_down: Mutex::new(false),
            gate: Mutex::new(None),
            at_gate: Notify::new(),
            cache: UserCache::new(),
        }))
    }

    fn ann(&self) -> User {
        self.0.rows.lock().unwrap()[0].clone()
    }

    /// A change by another process.
    fn change_elsewhere(&self, change: impl FnOnce(&mut User)) {
        change(&mut self.0.rows.lock().unwrap()[0]);
    }

    /// A change by this process.
    fn change_here(&self, change: impl FnOnce(&mut User)) {
        self.change_elsewhere(change);
        self.0.cache.forget("1");
    }

    fn asked(&self) -> usize {
        self.0.asked.swap(0, SeqCst)
    }

    fn set_down(&self, down: bool) {
        *self.0.is_down.lock().unwrap() = down;
    }

    fn row(&self, found: impl Fn(&User) -> bool) -> Result<Option<User>, Error> {
        self.0.asked.fetch_add(1, SeqCst);
        if *self.0.is_down.lock().unwrap() {
            return Err(ErrorKind::Unavailable.into());
        }
        Ok(self.0.rows.lock().unwrap().iter().find(|user| found(user)).cloned())
    }
}

impl Users for Table {
    type User = User;

    async fn find(&self, id: &str) -> Result<Option<User>, Error> {
        let row = self.row(|user| user.id == id);
        let gate = self.0.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            self.0.at_gate.notify_one();
            gate.notified().await;
        }
        row
    }

    async fn find_by_name(&self, name: &str) -> Result<Option<User>, Error> {
        self.row(|user| user.username == name)
    }

    async fn permissions(&self, user: &User) -> Result<BTreeSet<String>, Error> {
        Ok(if user.is_active { ["blog.add_post".to_owned()].into() } else { BTreeSet::new() })
    }

    async fn raise_epoch(&self, id: &str) -> Result<Option<i64>, Error> {
        let mut rows = self.0.rows.lock().unwrap();
        Ok(rows.iter_mut().find(|user| user.id == id).map(|user| {
            user.epoch += 1;
            user.epoch
        }))
    }

    fn cache(&self) -> Option<&UserCache> {
        Some(&self.0.cache)
    }
}

fn fleet_of(users: impl Users) -> Fleet {
    let fleet = Fleet::new();
    Fleet { manager: fleet.manager.clone().with_users(users, SecretKeys::new(KEY).unwrap()), ..fleet }
}

async fn signed_in(fleet: &Fleet, user: &User) -> Browser {
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login(user).unwrap()).await;
    browser
}

fn request(fleet: &Fleet, browser: &Browser, method: &str) -> LazySession {
    let cookie = browser.0.as_ref().map(|cookie| cookie.as_bytes());
    fleet.manager.open_request(method, |name| cookie.filter(|_| name == "cookie"))
}

async fn name(fleet: &Fleet, browser: &Browser) -> Option<String> {
    request(fleet, browser, "GET").load().await.unwrap().user().await.unwrap().map(|user| user.username)
}

/// A fleet with a table, and a signed-in user whose row is cached.
async fn kept() -> (Fleet, Table, Browser) {
    let table = Table::new();
    let fleet = fleet_of(table.clone());
    let browser = signed_in(&fleet, &table.ann()).await;
    assert_eq!(name(&fleet, &browser).await.as_deref(), Some("ann"));
    assert_eq!(table.asked(), 1);
    (fleet, table, browser)
}

#[tokio::test(start_paused = true)]
async fn a_page_asks_the_table_once_in_five_seconds() {
    let (fleet, table, browser) = kept().await;
    let other = signed_in(&fleet, &table.ann()).await;
    for method in ["GET", "HEAD", "OPTIONS", "GET"] {
        for browser in [&browser, &other] {
            assert!(request(&fleet, browser, method).load().await.unwrap().user().await.unwrap().is_some(), "{method}");
        }
    }
    assert_eq!(table.asked(), 0);
    let stats = fleet.manager.stats();
    assert_eq!((stats.user_cache_hits, stats.user_cache_misses), (8, 1));
    tokio::time::advance(AGE).await;
    assert!(name(&fleet, &browser).await.is_some());
    assert_eq!(table.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_by_another_process_counts_when_the_row_is_too_old() {
    type Change = fn(&mut User);
    let changes: [Change; 3] =
        [|user| user.is_active = false, |user| user.epoch += 1, |user| user.clone_from(&another_password(user))];
    for change in changes {
        let (fleet, table, browser) = kept().await;
        tokio::time::advance(AGE / 2).await;
        assert!(name(&fleet, &browser).await.is_some());
        table.change_elsewhere(change);
        tokio::time::advance(AGE / 2 - Duration::from_millis(1)).await;
        assert!(name(&fleet, &browser).await.is_some(), "an answer does not change the age of a row");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(name(&fleet, &browser).await, None);
    }
}

fn another_password(user: &User) -> User {
    user.clone().with_encoded_password("another password")
}

#[tokio::test]
async fn a_change_by_this_process_counts_at_once() {
    let (fleet, table, browser) = kept().await;
    table.change_here(|user| user.is_active = false);
    assert_eq!(name(&fleet, &browser).await, None);
    table.change_here(|user| user.is_active = true);
    assert!(name(&fleet, &browser).await.is_some());
    fleet.manager.revoke_all("1").await.unwrap();
    assert_eq!(name(&fleet, &browser).await, None);
}

/// The session store may be down, or bring sessions back: then the epoch alone ends them.
#[tokio::test]
async fn a_revoked_session_that_comes_back_is_ended_by_the_epoch_at_once() {
    let (fleet, table, browser) = kept().await;
    let stored = {
        use shared_session::store::SessionStore;
        fleet.memory.load(&browser.key()).await.unwrap().unwrap()
    };
    fleet.manager.revoke_all("1").await.unwrap();
    let _ = {
        use shared_session::store::SessionStore;
        fleet.memory.create(&browser.key(), stored, super::IDLE).await.unwrap()
    };
    assert!(fleet.load(&browser).await.1.identity().unwrap().is_some(), "it is back");
    assert_eq!(name(&fleet, &browser).await, None);
    assert_eq!(table.ann().epoch, 1);
}

/// Signed in elsewhere after a change that this process has not seen.
#[tokio::test]
async fn a_session_that_is_newer_than_the_row_is_not_signed_out() {
    let (fleet, table, before) = kept().await;
    table.change_elsewhere(|user| *user = another_password(user));
    let after = signed_in(&fleet, &table.ann()).await;
    assert_eq!(name(&fleet, &after).await.as_deref(), Some("ann"));
    assert_eq!(table.asked(), 1, "the row did not confirm it");
    assert_eq!(name(&fleet, &before).await, None, "the row read for it has ended the others");
    table.change_elsewhere(|user| user.epoch += 1);
    let newest = signed_in(&fleet, &table.ann()).await;
    assert_eq!(name(&fleet, &newest).await.as_deref(), Some("ann"));
}

#[tokio::test]
async fn a_row_that_was_read_before_a_change_is_not_kept_after_it() {
    let table = Table::new();
    let fleet = Arc::new(fleet_of(table.clone()));
    let browser = signed_in(&fleet, &table.ann()).await;
    let gate = Arc::new(Notify::new());
    *table.0.gate.lock().unwrap() = Some(Arc::clone(&gate));
    let slow = {
        let (fleet, browser) = (Arc::clone(&fleet), browser.clone());
        tokio::spawn(async move { name(&fleet, &browser).await })
    };
    table.0.at_gate.notified().await;
    *table.0.gate.lock().unwrap() = None;
    table.change_here(|user| *user = another_password(user));
    gate.notify_one();
    assert_eq!(slow.await.unwrap().as_deref(), Some("ann"), "it asked before the change");
    assert_eq!(name(&fleet, &browser).await, None);
}

#[tokio::test]
async fn changes_and_checks_of_rights_read_the_table() {
    let (fleet, table, browser) = kept().await;
    table.change_elsewhere(|user| user.is_active = false);
    let is_out = |error: &Error| assert_eq!(UnauthenticatedReason::of(error), Some(UnauthenticatedReason::Ended));

    for method in ["POST", "PUT", "PATCH", "DELETE", "get", "BREW"] {
        table.0.cache.forget("1");
        table.change_elsewhere(|user| user.is_active = true);
        assert!(name(&fleet, &browser).await.is_some());
        table.change_elsewhere(|user| user.is_active = false);
        assert!(request(&fleet, &browser, method).load().await.unwrap().user().await.unwrap().is_none(), "{method}");
    }
    // A row read by one request counts for all.
    assert_eq!(name(&fleet, &browser).await, None);

    for what in 0..8 {
        table.change_here(|user| user.is_active = true);
        let session = request(&fleet, &browser, "GET").load().await.unwrap();
        // Already known, from the cache.
        assert!(name(&fleet, &browser).await.is_some());
        let ann = session.require_user().await.unwrap();
        table.change_elsewhere(|user| user.is_active = false);
        table.asked();
        match what {
            0 => is_out(&session.require_fresh(AGE).await.unwrap_err()),
            1 => is_out(&session.require_perm(&ann, "blog.add_post").await.unwrap_err()),
            2 => is_out(&session.permissions(&ann).await.unwrap_err()),
            3 => is_out(&session.groups(&ann).await.unwrap_err()),
            4 => is_out(&fleet.manager.revoke_others(&session).await.unwrap_err()),
            5 => is_out(Guard::require("blog.add_post").check(&session).await.unwrap_err().error()),
            6 => is_out(Guard::require_fresh(AGE).check(&session).await.unwrap_err().error()),
            _ => {
                session.past_user_cache();
                assert!(session.user().await.unwrap().is_none());
            }
        }
        assert_eq!(table.asked(), 1, "{what}");
        assert!(session.user().await.unwrap().is_none(), "the answer holds for the whole request");
        assert_eq!(table.asked(), 0, "{what}");
    }
}

#[tokio::test]
async fn a_former_superuser_has_no_rights_on_a_page_opened_before() {
    let (fleet, table, browser) = kept().await;
    table.change_here(|user| user.is_superuser = true);
    assert!(name(&fleet, &browser).await.is_some());
    let session = request(&fleet, &browser, "GET").load().await.unwrap();
    let ann = session.require_user().await.unwrap();
    assert!(ann.is_superuser);
    table.change_elsewhere(|user| user.is_superuser = false);
    assert_eq!(session.require_perm(&ann, "no.such").await.unwrap_err().kind(), ErrorKind::Forbidden);
    session.require_perm(&ann, "blog.add_post").await.unwrap();
    // A row of another user is accepted as it is.
    let mut bob = User::new("2", "bob");
    bob.is_superuser = true;
    session.require_perm(&bob, "no.such").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_database_is_noticed_when_the_row_is_too_old_and_is_never_a_sign_out() {
    let (fleet, table, browser) = kept().await;
    table.set_down(true);
    assert!(name(&fleet, &browser).await.is_some());
    let failed =
        async |method| request(&fleet, &browser, method).load().await.unwrap().user().await.unwrap_err().kind();
    assert_eq!(failed("POST").await, ErrorKind::Unavailable);
    tokio::time::advance(AGE).await;
    assert_eq!(failed("GET").await, ErrorKind::Unavailable);
    table.set_down(false);
    assert!(name(&fleet, &browser).await.is_some());
}

#[tokio::test]
async fn that_there_is_no_such_user_is_not_kept() {
    let (fleet, table, _) = kept().await;
    let carl = User::new("3", "carl").with_encoded_password("password of carl");
    let browser = signed_in(&fleet, &carl).await;
    assert_eq!(name(&fleet, &browser).await, None);
    table.0.rows.lock().unwrap().push(carl);
    assert_eq!(name(&fleet, &browser).await.as_deref(), Some("carl"));
}

async fn sql() -> (SqlUsers, SqlitePool) {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    let users = SqlUsers::from_sqlite(pool.clone()).with_hasher(PasswordHasher::pbkdf2_sha256(1).unwrap());
    users.migrate().await.unwrap();
    (users, pool)
}

#[tokio::test]
async fn every_change_through_sql_users_or_a_clone_counts_at_once() {
    let (users, _) = sql().await;
    let earlier = users.clone();
    let users = users.with_cache(UserCache::new());
    let fleet = fleet_of(users.clone());
    let ann = users.create_user(NewUser::new("ann", "correct horse")).await.unwrap();
    let id = &*ann.id;
    for by in [&users, &earlier] {
        let before = users.find(id).await.unwrap().unwrap();
        let browser = signed_in(&fleet, &before).await;
        let seen = async || request(&fleet, &browser, "GET").load().await.unwrap().user().await.unwrap();
        assert_eq!(seen().await, Some(before));
        by.set_staff(id, true).await.unwrap();
        assert!(seen().await.unwrap().is_staff);
        by.set_superuser(id, true).await.unwrap();
        assert!(seen().await.unwrap().is_superuser);
        by.set_staff(id, false).await.unwrap();
        by.set_superuser(id, false).await.unwrap();
        assert!(!seen().await.unwrap().is_staff);
        by.record_login(id).await.unwrap();
        assert_eq!(seen().await, users.find(id).await.unwrap());
        by.set_active(id, false).await.unwrap();
        assert_eq!(seen().await, None);
        by.set_active(id, true).await.unwrap();
        let now = seen().await.unwrap();
        assert!(by.change_password(&now, "battery staple").await.unwrap().is_some());
        assert_eq!(seen().await, None);

        let browser = signed_in(&fleet, &users.find(id).await.unwrap().unwrap()).await;
        assert!(name(&fleet, &browser).await.is_some());
        by.set_password(id, "correct horse").await.unwrap();
        assert_eq!(name(&fleet, &browser).await, None);

        let browser = signed_in(&fleet, &users.find(id).await.unwrap().unwrap()).await;
        assert!(name(&fleet, &browser).await.is_some());
        by.raise_epoch(id).await.unwrap();
        assert_eq!(name(&fleet, &browser).await, None);
    }
}

/// Text keys may be equal in the database even if they are spelled differently.
#[tokio::test]
async fn a_change_by_another_spelling_of_the_id_counts_at_once() {
    let (users, pool) = sql().await;
    for statement in [
        "CREATE TABLE people (login TEXT PRIMARY KEY COLLATE NOCASE, username TEXT, password TEXT, is_active BOOL)",
        "INSERT INTO people VALUES ('ann', 'ann', 'a password', TRUE)",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    let users = users.with_django_tables("people").await.unwrap().with_cache(UserCache::new());
    let fleet = fleet_of(users.clone());
    let browser = signed_in(&fleet, &users.find("ann").await.unwrap().unwrap()).await;
    assert!(name(&fleet, &browser).await.is_some());
    assert!(users.set_active("ANN", false).await.unwrap());
    assert_eq!(name(&fleet, &browser).await, None);
}

/// The events in one process, in order.
#[derive(Clone, Debug)]
enum Step {
    SignIn(usize),
    Ask(usize),
    SetPassword(usize),
    SetActive(usize, bool),
    SetSuperuser(usize, bool),
    RaiseEpoch(usize),
    RevokeAll(usize),
    RecordLogin(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let user = 0..2_usize;
    prop_oneof![
        2 => user.clone().prop_map(Step::SignIn),
        6 => (0..6_usize).prop_map(Step::Ask),
        1 => user.clone().prop_map(Step::SetPassword),
        1 => (user.clone(), any::<bool>()).prop_map(|(user, active)| Step::SetActive(user, active)),
        1 => (user.clone(), any::<bool>()).prop_map(|(user, active)| Step::SetSuperuser(user, active)),
        1 => user.clone().prop_map(Step::RaiseEpoch),
        1 => user.clone().prop_map(Step::RevokeAll),
        1 => user.prop_map(Step::RecordLogin),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_process_that_changes_users_gets_the_same_answers_with_and_without_a_cache(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(same_answers(steps));
    }
}

async fn same_answers(steps: Vec<Step>) {
    let (plain, pool) = sql().await;
    let hasher = PasswordHasher::pbkdf2_sha256(1).unwrap();
    let cached = SqlUsers::from_sqlite(pool).with_hasher(hasher).with_cache(UserCache::new());
    cached.migrate().await.unwrap();
    let with = fleet_of(cached.clone());
    let keys = SecretKeys::new(KEY).unwrap();
    let without = Fleet { manager: with.manager.clone().with_users(plain.clone(), keys), ..Fleet::new() };
    let mut ids = Vec::new();
    for name in ["ann", "bob"] {
        ids.push(cached.create_user(NewUser::new(name, "correct horse")).await.unwrap().id);
    }
    let mut browsers = Vec::new();
    for step in steps {
        match step {
            Step::SignIn(user) => {
                let user = plain.find(&ids[user]).await.unwrap().unwrap();
                browsers.push(signed_in(&with, &user).await);
            }
            Step::Ask(browser) => {
                let Some(browser) = browsers.iter().rev().nth(browser) else { continue };
                let answer = request(&with, browser, "GET").load().await.unwrap().user().await.unwrap();
                assert_eq!(answer, request(&without, browser, "GET").load().await.unwrap().user().await.unwrap());
            }
            Step::SetPassword(user) => drop(cached.set_password(&ids[user], "another").await.unwrap()),
            Step::SetActive(user, active) => drop(cached.set_active(&ids[user], active).await.unwrap()),
            Step::SetSuperuser(user, is) => drop(cached.set_superuser(&ids[user], is).await.unwrap()),
            Step::RaiseEpoch(user) => drop(cached.raise_epoch(&ids[user]).await.unwrap()),
            Step::RevokeAll(user) => drop(with.manager.revoke_all(&ids[user]).await.unwrap()),
            Step::RecordLogin(user) => drop(cached.record_login(&ids[user]).await.unwrap()),
        }
    }
}
