//! Many concurrent requests, at both services.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use serde_json::json;
use test_servers::RedisKind;

use harness::{
    Answer, Backend, Browser, Kind, Pair, Request, all,
    browser::{login_at_api, owner_of},
    html,
};

const SIGN_OUTS: usize = 25;

/// Runs each race as a test of its own on each backend in its list.
macro_rules! races {
    ($($race:ident: $($place:ident $backend:expr),+;)+) => {$(
        mod $race {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $place() {
                super::$race($backend).await;
            })+
        }
    )+};
}

races! {
    eight_writers_at_two_services_lose_nothing:
        in_redis Backend::Redis(RedisKind::Old),
        in_valkey Backend::Redis(RedisKind::Valkey),
        in_an_embedded_database Backend::Embedded,
        in_postgresql Backend::Postgres;
    no_two_of_two_hundred_counts_are_equal:
        in_redis Backend::Redis(RedisKind::New),
        in_an_embedded_database Backend::Embedded,
        in_postgresql Backend::Postgres;
    sign_outs_that_race_with_writers_leave_nothing_alive:
        in_redis Backend::Redis(RedisKind::Old),
        in_an_embedded_database Backend::Embedded,
        in_postgresql Backend::Postgres;
    registrations_of_one_name_in_any_case_make_one_user:
        in_an_embedded_database Backend::Embedded,
        in_postgresql Backend::Postgres;
    a_write_from_before_a_login_never_lands_in_its_session:
        in_redis Backend::Redis(RedisKind::Old),
        in_an_embedded_database Backend::Embedded,
        in_postgresql Backend::Postgres;
}

/// Twenty browsers, at two processes, each with another spelling of the name.
async fn registrations_of_one_name_in_any_case_make_one_user(backend: Backend) {
    let pair = Pair::start(backend);
    let second = pair.one_more(Kind::Site);
    let password = Pair::password_of("ann");
    let mut registrations = Vec::new();
    for at in 0..20_usize {
        let (browser, site) = (Browser::new(), if at % 2 == 0 { &pair.site } else { &second });
        let page = browser.get(site, "/register").await;
        let token = html::form(&page.body, "/register").into_iter().find(|(name, _)| name == "csrfmiddlewaretoken");
        let upper =
            |(bit, letter): (usize, char)| if at >> bit & 1 == 1 { letter.to_ascii_uppercase() } else { letter };
        let name: String = "annelise".chars().enumerate().map(upper).collect();
        let (_, token) = token.unwrap();
        let fields =
            [("csrfmiddlewaretoken", &*token), ("username", &name), ("password1", &password), ("password2", &password)];
        registrations.push(browser.prepare(site.post("/register").form(&fields)));
    }
    let answers =
        all(registrations.into_iter().map(|request: Request| async move { request.send().await.status })).await;
    let made = answers.iter().filter(|status| **status == 303).count();
    assert_eq!((made, answers.iter().filter(|status| **status == 422).count()), (1, 19), "{answers:?}");
}

/// Four writers at each service: at api they set preferences and count, at site they count.
async fn eight_writers_at_two_services_lose_nothing(backend: Backend) {
    const ROUNDS: usize = 12;
    let pair = Pair::start(backend);
    let browser = Browser::new();
    pair.user("ann").await;
    browser.signs_in(&pair, "ann").await;

    let writers = (0..8).map(|writer| {
        let requests: Vec<_> = (0..ROUNDS)
            .flat_map(|round| match writer % 2 {
                0 => vec![
                    pair.api.put(&format!("/api/preferences/w{writer}-{round}")).json(&json!(round)),
                    pair.api.post("/api/visits"),
                ],
                _ => vec![pair.site.get("/"), pair.site.get("/")],
            })
            .map(|request| browser.prepare(request))
            .collect();
        async move {
            let mut answers = Vec::new();
            for request in requests {
                answers.push(request.send().await);
            }
            answers
        }
    });
    let answers: Vec<_> = all(writers).await.into_iter().flatten().collect();
    for answer in &answers {
        assert!([200, 204].contains(&answer.status), "{}: {} {}", answer.shown, answer.status, answer.body);
        answer.assert_no_session_cookie();
    }
    let stored = browser.preferences(&pair).await;
    let stored: BTreeSet<_> = stored.as_object().unwrap().keys().cloned().collect();
    let acknowledged: BTreeSet<_> = [0, 2, 4, 6]
        .into_iter()
        .flat_map(|writer| (0..ROUNDS).map(move |round| format!("w{writer}-{round}")))
        .collect();
    assert_eq!(stored, acknowledged);
    let counted = browser.get(&pair.api, "/api/session").await.json()["visits"].as_u64().unwrap();
    assert_eq!(counted, (4 * ROUNDS + 4 * 2 * ROUNDS) as u64, "each count counts once");
}

async fn no_two_of_two_hundred_counts_are_equal(backend: Backend) {
    let pair = Pair::start(backend);
    let second = pair.one_more(Kind::Api);
    let browser = Browser::new();
    browser.set_preference(&pair, "a", &json!(1)).await;
    let requests = (0..200).map(|number| {
        let api = if number % 2 == 0 { &pair.api } else { &second };
        let tries: Vec<_> = (0..20).map(|_| browser.prepare(api.post("/api/visits"))).collect();
        until_available(tries)
    });
    let answers = all(requests).await;
    // On a busy machine a request may miss its deadline; its outcome is then unknown.
    let unknown: u64 = answers.iter().map(|(_, unavailable)| unavailable).sum();
    let count = |answer: &Answer| answer.assert_status(200).json()["visits"].as_u64().unwrap();
    let distinct: BTreeSet<_> = answers.iter().map(|(answer, _)| count(answer)).collect();
    assert_eq!(distinct.len(), 200, "each number is returned once");
    assert!((200..=200 + unknown).contains(distinct.last().unwrap()), "{distinct:?}");
}

/// The first answer that is not 503, and the number of 503s before it.
async fn until_available(tries: Vec<Request>) -> (Answer, u64) {
    for (unavailable, request) in (0..).zip(tries) {
        let answer = request.send().await;
        if answer.status != 503 {
            return (answer, unavailable);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the service does not recover");
}

async fn sign_outs_that_race_with_writers_leave_nothing_alive(backend: Backend) {
    let pair = Pair::start(backend);
    pair.user("ann").await;
    for round in 0..SIGN_OUTS {
        let browser = Browser::new();
        browser.signs_in(&pair, "ann").await;
        let session = browser.session().unwrap();
        let token = html::form(&browser.get(&pair.site, "/").await.body, "/logout").remove(0).1;
        let sign_out = match round % 2 {
            0 => pair.api.post("/api/logout"),
            _ => pair.site.post("/logout").form(&[("csrfmiddlewaretoken", &token)]),
        };
        let writes = [
            pair.api.put("/api/preferences/late").json(&json!(round)),
            pair.api.post("/api/visits"),
            pair.site.get("/"),
            pair.api.put("/api/preferences/later").json(&json!(round)),
        ];
        let ended = Arc::new(AtomicBool::new(false));
        let writers = writes.map(|write| until(Arc::clone(&ended), browser.prepare(write)));
        let signing_out = tokio::spawn(amid_writes(browser.prepare(sign_out), Arc::clone(&ended)));
        let written: Vec<_> = all(writers).await.into_iter().flatten().collect();
        let signed_out = signing_out.await.unwrap();
        assert!([204, 303].contains(&signed_out.status), "{}: {}", signed_out.shown, signed_out.status);
        assert_eq!(signed_out.new_session(), None);
        assert_eq!(owner_of(&pair, &session).await, None, "round {round}: the old cookie is still valid");

        // A write after the end starts an anonymous session of its own, without other data.
        let mut handles = Vec::new();
        for answer in &written {
            assert!([200, 204, 409].contains(&answer.status), "{}: {} {}", answer.shown, answer.status, answer.body);
            let Some(new) = answer.new_session() else { continue };
            assert_ne!(new[..24], session[..24], "the ended session is back");
            assert_eq!(owner_of(&pair, &new).await, None, "round {round}: a signed-in cookie was handed out");
            handles.push(new[..24].to_owned());
        }
        if let Backend::Redis(_) = backend {
            let keys = pair.session_keys();
            let left: Vec<_> = keys.iter().filter(|key| !handles.iter().any(|handle| key.ends_with(handle))).collect();
            assert_eq!(left, [""; 0], "round {round}: a session was left behind");
            pair.redis().cli(&["FLUSHALL"]);
        }
    }
}

/// Sends the request during other writes, and sets `answered` with the answer.
async fn amid_writes(request: Request, answered: Arc<AtomicBool>) -> Answer {
    tokio::time::sleep(std::time::Duration::from_millis(4)).await;
    let answer = request.send().await;
    answered.store(true, Ordering::SeqCst);
    answer
}

/// Sends the request repeatedly until `ended`, and twice more.
async fn until(ended: Arc<AtomicBool>, request: Request) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut more = 2;
    while more > 0 {
        if ended.load(Ordering::SeqCst) {
            more -= 1;
        }
        answers.push(request.clone().send().await);
    }
    answers
}

/// Writers keep using an anonymous cookie while its visitor signs in. The login keeps the entries stored before it;
/// later writes are refused. So the login's session holds exactly the acknowledged entries.
async fn a_write_from_before_a_login_never_lands_in_its_session(backend: Backend) {
    let pair = Pair::start(backend);
    pair.user("ann").await;
    let mut refusals = 0;
    for round in 0..8 {
        let browser = Browser::new();
        browser.set_preference(&pair, "first", &json!(1)).await;
        let page = browser.get(&pair.site, "/login").await;
        let token = html::form(&page.body, "/login").remove(0).1;
        let password = Pair::password_of("ann");
        let login = match round % 2 {
            0 => login_at_api(&pair.api, "ann", &password),
            _ => pair.site.post("/login").form(&[
                ("username", "ann"),
                ("password", &password),
                ("csrfmiddlewaretoken", &token),
            ]),
        };
        let signed_in = Arc::new(AtomicBool::new(false));
        let counter = Arc::new(AtomicU64::new(0));
        let writers = (0..4).map(|_| {
            let (signed_in, counter, browser) = (Arc::clone(&signed_in), Arc::clone(&counter), browser.clone());
            let put = browser.prepare(pair.api.put("/api/preferences/NAME"));
            async move {
                let mut written = Vec::new();
                let mut late = 0;
                while late < 3 {
                    let is_late = signed_in.load(Ordering::SeqCst);
                    late += u32::from(is_late);
                    let name = format!("p{}", counter.fetch_add(1, Ordering::Relaxed));
                    let answer = put.clone().renamed("NAME", &name).json(&json!(1)).send().await;
                    written.push((name, is_late, answer));
                }
                written
            }
        });
        let login = tokio::spawn(amid_writes(browser.prepare(login), Arc::clone(&signed_in)));
        let written: Vec<_> = all(writers).await.into_iter().flatten().collect();
        let login = login.await.unwrap();
        assert!([200, 303].contains(&login.status), "{}: {}", login.shown, login.status);
        browser.keep(&login);
        assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));

        let mut expected = BTreeSet::from(["first".to_owned()]);
        for (name, is_late, answer) in written {
            answer.assert_no_session_cookie();
            match answer.status {
                204 => {
                    assert!(!is_late, "{name} was accepted under a cookie that the login had replaced");
                    expected.insert(name);
                }
                _ => {
                    answer.assert_status(409);
                    refusals += 1;
                }
            }
        }
        let present: BTreeSet<_> = browser.preferences(&pair).await.as_object().unwrap().keys().cloned().collect();
        assert_eq!(present, expected, "round {round}");
    }
    assert!(refusals >= 8 * 4 * 3, "too few writes were late: {refusals}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_logins_one_gets_the_session_and_the_others_start_new_ones() {
    for backend in [Backend::Embedded, Backend::Redis(RedisKind::Valkey)] {
        let pair = Pair::start(backend);
        let second = pair.one_more(Kind::Api);
        pair.user("ann").await;
        for _ in 0..5 {
            let visitor = Browser::new();
            visitor.set_preference(&pair, "mine", &json!(1)).await;
            let before = visitor.session().unwrap();
            let password = Pair::password_of("ann");
            let logins = [&pair.api, &second, &pair.api, &second]
                .map(|api| visitor.prepare(login_at_api(api, "ann", &password)).send());
            let mut handles = BTreeSet::new();
            let mut heirs = 0;
            for answer in all(logins).await {
                let session = answer.assert_status(200).new_session().expect("a cookie");
                assert_eq!(owner_of(&pair, &session).await.as_deref(), Some("ann"));
                handles.insert(session[..24].to_owned());
                let preferences = pair.api.get("/api/preferences").session(&session).send().await.json();
                heirs += preferences.as_object().unwrap().len();
            }
            assert_eq!(handles.len(), 4, "each login has a session of its own");
            assert!(handles.contains(&before[..24]), "one continues the visitor's session");
            assert_eq!(heirs, 1, "one session has the visitor's data");
            assert_eq!(owner_of(&pair, &before).await, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_at_both_services_at_once_leave_no_open_cookie_behind() {
    let pair = Pair::start(Backend::Redis(RedisKind::New));
    pair.user("ann").await;
    for _ in 0..5 {
        let visitor = Browser::new();
        visitor.set_preference(&pair, "mine", &json!(1)).await;
        let before = visitor.session().unwrap();
        let password = Pair::password_of("ann");
        let token = html::form(&visitor.get(&pair.site, "/login").await.body, "/login").remove(0).1;
        let at_site = [("username", "ann"), ("password", &*password), ("csrfmiddlewaretoken", &*token)];
        let at_site = visitor.prepare(pair.site.post("/login").form(&at_site)).send();
        let at_api = visitor.prepare(login_at_api(&pair.api, "ann", &password)).send();
        let answers = all([at_site, at_api]).await;
        answers[1].assert_status(200);
        // The form belongs to the visitor's session; if api was faster, the form is stale.
        assert!([303, 403].contains(&answers[0].status), "{}", answers[0].status);
        for answer in &answers {
            if answer.status == 403 {
                answer.assert_no_session_cookie();
                continue;
            }
            let session = answer.new_session().expect("a cookie");
            assert_eq!(owner_of(&pair, &session).await.as_deref(), Some("ann"));
        }
        assert_eq!(owner_of(&pair, &before).await, None);
    }
}

/// Redis delays writes and answers reads, so the order is certain: both requests read the session, then the login is
/// written, then the other write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_in_progress_is_refused_when_a_login_is_stored_first() {
    for kind in RedisKind::ALL {
        // Without the count of attempts, which a sign-in writes first.
        let pair = Pair::with(Backend::Redis(kind), &[("SIGN_IN_LIMIT", "off")]);
        let second = pair.one_more(Kind::Api);
        pair.user("ann").await;
        let browser = overtaken(&pair, async |pair| {
            let browser = Browser::new();
            // Twice, so that Redis has cached the script that replaces a session.
            browser.set_preference(pair, "before", &json!(0)).await;
            browser.set_preference(pair, "before", &json!(1)).await;
            let login = browser.prepare(login_at_api(&pair.api, "ann", &Pair::password_of("ann")));
            let late = browser.prepare(second.put("/api/preferences/late").json(&json!(1)));
            (browser, login, late)
        })
        .await;
        assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));
        assert_eq!(
            browser.preferences(&pair).await,
            json!({ "before": 1 }),
            "{kind:?}: a late write is in the session"
        );
    }
}

/// The same with a sign-out that is stored first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_in_progress_when_a_session_ends_is_refused_and_leaves_nothing() {
    for kind in RedisKind::ALL {
        let pair = Pair::start(Backend::Redis(kind));
        let second = pair.one_more(Kind::Api);
        pair.user("ann").await;
        let mut cookie = String::new();
        overtaken(&pair, async |pair| {
            let browser = Browser::new();
            browser.signs_in(pair, "ann").await;
            browser.set_preference(pair, "before", &json!(1)).await;
            cookie = browser.session().unwrap();
            let logout = browser.prepare(pair.api.post("/api/logout"));
            let late = browser.prepare(second.put("/api/preferences/late").json(&json!(1)));
            (browser, logout, late)
        })
        .await;
        assert_eq!(owner_of(&pair, &cookie).await, None);
        assert_eq!(pair.redis().cli(&["EXISTS", &format!("shared_session:{}", &cookie[..24])]), "0", "{kind:?}");
    }
}

/// Sends the first request, and the second while Redis delays the write of the first; then both are written, in this
/// order. Services soon give up on Redis, so on a slow machine this takes some attempts.
///
/// # Panics
/// Unless the first request succeeds and the second gets 409.
async fn overtaken(pair: &Pair, mut prepare: impl AsyncFnMut(&Pair) -> (Browser, Request, Request)) -> Browser {
    for _ in 0..20 {
        let (browser, first, second) = prepare(pair).await;
        assert_eq!(pair.redis().cli(&["CLIENT", "PAUSE", "20000", "WRITE"]), "OK");
        let first = tokio::spawn(first.send());
        wait_for_blocked(pair, 1).await;
        let second = tokio::spawn(second.send());
        wait_for_blocked(pair, 2).await;
        assert_eq!(pair.redis().cli(&["CLIENT", "UNPAUSE"]), "OK");
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        if first.status == 503 || second.status == 503 {
            continue;
        }
        assert!(first.status < 300, "{}: {} {}", first.shown, first.status, first.body);
        second.assert_status(409).assert_no_session_cookie();
        browser.keep(&first);
        return browser;
    }
    panic!("the services never waited for Redis");
}

/// Waits until Redis delays the writes of this many connections, but no longer than a service would.
async fn wait_for_blocked(pair: &Pair, connections: usize) {
    for _ in 0..200 {
        let info = pair.redis().cli(&["INFO", "clients"]);
        let blocked = info.lines().find_map(|line| line.trim().strip_prefix("blocked_clients:")?.parse::<usize>().ok());
        if blocked >= Some(connections) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}
