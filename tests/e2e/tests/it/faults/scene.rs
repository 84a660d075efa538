//! Two signed-in visitors, and the rules for each of their requests during a fault.

use std::time::Duration;

use serde_json::json;
use test_servers::{Proxy, Redis};

use harness::{
    Answer, Browser, Pair, Request, all,
    browser::{login_at_api, owner_of},
    eventually, html,
    pair::owned,
};

/// Every answer must come within this time. A service that waited for a hanging server would never answer. The limit is
/// generous, because the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(15);

/// For tests that do not test time-outs, because the machine may be busy.
pub(super) const PATIENT: (&str, &str) = ("SESSION_TIMEOUT_MS", "10000");

/// A server that keeps acknowledged data when it is killed.
pub(super) const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// Both services, and visitors who are signed in as `demo` and have one preference.
pub(super) struct Scene {
    // Drop order: the services end before the path to their store.
    pub(super) pair: Pair,
    /// Reads and writes. A write answered with 503 may still be applied; none of her requests ends a session.
    pub(super) ann: Browser,
    /// Signs out.
    bob: Browser,
    /// The token of the sign-out button on bob's pages.
    token: String,
}

impl Scene {
    pub(super) async fn over(redis: Redis) -> Self {
        Self::with(redis, &[]).await
    }

    /// For tests that do not test time-outs.
    pub(super) async fn patient(redis: Redis) -> Self {
        Self::with(redis, &[PATIENT]).await
    }

    /// The services connect to the server through the proxy.
    pub(super) async fn behind_proxy(redis: Redis) -> (Self, Proxy) {
        Self::behind_proxy_with(redis, &[]).await
    }

    pub(super) async fn behind_proxy_with(redis: Redis, settings: &[(&str, &str)]) -> (Self, Proxy) {
        let proxy = Proxy::to(redis.port());
        let url = proxy.redis_url();
        let scene = Self::with(redis, &[&[("SESSION_URL", &*url)], settings].concat()).await;
        (scene, proxy)
    }

    pub(super) async fn with(redis: Redis, settings: &[(&str, &str)]) -> Self {
        Self::on(Pair::over(Some(redis), &owned(settings))).await
    }

    pub(super) async fn on(pair: Pair) -> Self {
        let (ann, bob) = (signed_in(&pair).await, signed_in(&pair).await);
        let token = html::form(&bob.get(&pair.site, "/profile").await.body, "/logout").remove(0).1;
        Self { pair, ann, bob, token }
    }

    pub(super) fn redis(&self) -> &Redis {
        self.pair.redis()
    }

    /// Requests that need no session: routes that never use it, and visitors without a session who store nothing.
    pub(super) async fn rest_works(&self) {
        let (api, site) = (&self.pair.api, &self.pair.site);
        let untouched = [api.get("/api/public"), api.get("/healthz"), api.get("/openapi.json"), site.get("/healthz")];
        let anonymous = [(api.get("/api/me"), 401), (api.get("/api/preferences"), 200), (api.get("/api/session"), 200)];
        let pages = [(site.get("/"), 200), (site.get("/login"), 200), (site.get("/profile"), 303)];
        let mut wanted: Vec<_> = untouched.into_iter().map(|request| (self.ann.prepare(request), 200)).collect();
        wanted.extend(anonymous.into_iter().chain(pages));
        // An invalid cookie is not looked up.
        wanted.push((api.get("/api/me").session("x"), 401));
        let (requests, statuses): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
        for (answer, status) in answers(requests).await.iter().zip(statuses) {
            answer.assert_status(status).assert_no_session_cookie();
        }
    }

    fn reads(&self) -> Vec<Request> {
        let (api, site) = (&self.pair.api, &self.pair.site);
        let reads = [api.get("/api/me"), api.get("/api/session"), api.get("/api/preferences"), site.get("/profile")];
        reads.into_iter().chain([site.get("/sessions")]).map(|request| self.ann.prepare(request)).collect()
    }

    pub(super) async fn reads_work(&self) {
        for answer in answers(self.reads()).await {
            answer.assert_status(200).assert_no_session_cookie();
        }
        assert_eq!(self.ann.who(&self.pair).await.as_deref(), Some("demo"));
        assert_eq!(self.ann.preferences(&self.pair).await["a"], 1);
    }

    pub(super) async fn reads_fail(&self) {
        unavailable(self.reads()).await;
    }

    /// Changes to a session, and the first write of a visitor.
    pub(super) async fn writes_fail(&self) {
        let api = &self.pair.api;
        let ann = [api.put("/api/preferences/b").json(&json!(2)), api.post("/api/visits"), self.pair.site.get("/")];
        let mut requests: Vec<_> = ann.into_iter().map(|request| self.ann.prepare(request)).collect();
        requests.push(api.post("/api/visits"));
        requests.push(api.put("/api/preferences/b").json(&json!(2)));
        unavailable(requests).await;
    }

    /// Sign-ins without a session, at both services. No cookie is set, and the user remains signed out.
    pub(super) async fn logins_fail(&self) {
        unavailable([login_at_api(&self.pair.api, "demo", "demo-password")]).await;
        let visitor = Browser::new();
        assert_unavailable(&visitor.sign_in_at_site(&self.pair, "demo", "demo-password").await);
        assert_eq!(visitor.session(), None);
    }

    /// Sign-outs at both services. A sign-out is confirmed only if it certainly happened.
    pub(super) async fn logouts_fail(&self) {
        let at_site = self.pair.site.post("/logout").form(&[("csrfmiddlewaretoken", &self.token)]);
        let requests = [self.pair.api.post("/api/logout"), at_site];
        unavailable(requests.map(|request| self.bob.prepare(request))).await;
    }

    /// Bob signs out at site and another visitor at api.
    pub(super) async fn signs_out_at_both(&self, other: &Browser) {
        let sessions = [&self.bob, other].map(|browser| browser.session().unwrap());
        other.sign_out_at_api(&self.pair).await.assert_status(204);
        let at_site = self.pair.site.post("/logout").form(&[("csrfmiddlewaretoken", &self.token)]);
        self.bob.prepare(at_site).send().await.assert_status(303);
        for session in sessions {
            assert_eq!(owner_of(&self.pair, &session).await, None);
        }
    }

    /// Reads, writes, sign-ins and sign-outs get 503. The rest works.
    pub(super) async fn only_the_rest_works(&self) {
        self.reads_fail().await;
        self.writes_fail().await;
        self.logouts_fail().await;
        self.logins_fail().await;
        self.rest_works().await;
    }

    /// Reads work, and all changes fail.
    pub(super) async fn nothing_can_be_changed(&self) {
        self.reads_work().await;
        self.writes_fail().await;
        self.logouts_fail().await;
        self.logins_fail().await;
        self.rest_works().await;
        self.reads_work().await;
    }

    /// After the fault, without a restart: ann is signed in, has all acknowledged data, and can write; bob can sign
    /// out. Until then all answers are 200 or 503, because an outage is not a sign-out.
    pub(super) async fn recovers(&self) {
        self.recovers_reading().await;
        self.reads_work().await;
        let writes = [
            self.pair.api.put("/api/preferences/d").json(&json!(4)),
            self.pair.api.post("/api/visits"),
            self.pair.site.get("/"),
        ];
        for write in writes {
            let request = self.ann.prepare(write);
            eventually("a write", async || self.answered(request.clone()).await.map(drop)).await;
        }
        assert_eq!(self.ann.preferences(&self.pair).await["d"], 4);

        // The sign-out answered with 503 may have happened.
        let session = self.bob.session().unwrap();
        let signed_out = async || match self.bob.prepare(self.pair.api.post("/api/logout")).send().await {
            answer if answer.status == 503 => None,
            answer => {
                answer.assert_status(204);
                Some(())
            }
        };
        eventually("a sign-out", signed_out).await;
        self.is_over(&session).await;
        let newcomer = async || {
            let answer = login_at_api(&self.pair.api, "demo", "demo-password").send().await;
            assert!([200, 503].contains(&answer.status), "{}: {}", answer.shown, answer.status);
            (answer.status == 200).then_some(())
        };
        eventually("a sign-in", newcomer).await;
    }

    /// No user is signed in with this session. Replicas may have to confirm the end, which may take a while.
    async fn is_over(&self, session: &str) {
        for (request, status) in [(self.pair.api.get("/api/me"), 401), (self.pair.site.get("/profile"), 303)] {
            let request = request.session(session);
            let told = async || match request.clone().send().await {
                answer if answer.status == 503 => None,
                answer => {
                    answer.assert_status(status).assert_no_session_cookie();
                    Some(())
                }
            };
            eventually("a session that is over", told).await;
        }
    }

    /// Both services reach the sessions again.
    pub(super) async fn are_ready(&self) {
        for service in self.pair.both() {
            let ready = async || (service.get("/readyz").send().await.status == 200).then_some(());
            eventually("ready", ready).await;
        }
    }

    /// Both services answer requests with a session again.
    pub(super) async fn recovers_reading(&self) {
        self.are_ready().await;
        for request in self.reads() {
            eventually("an answer", async || self.answered(request.clone()).await.map(drop)).await;
        }
    }

    async fn answered(&self, request: Request) -> Option<Answer> {
        let answer = request.send().await;
        answer.assert_no_session_cookie();
        assert!([200, 204, 503].contains(&answer.status), "{}: {}\n{}", answer.shown, answer.status, answer.body);
        (answer.status != 503).then_some(answer)
    }

    /// The number of visits in ann's session.
    pub(super) async fn visits(&self) -> u64 {
        let answer = self.ann.get(&self.pair.api, "/api/session").await;
        answer.assert_status(200);
        answer.json()["visits"].as_u64().unwrap()
    }
}

/// A browser that is signed in as `demo` and has a preference.
pub(super) async fn signed_in(pair: &Pair) -> Browser {
    let browser = Browser::new();
    browser.sign_in_at_api(pair, "demo", "demo-password").await.assert_status(200);
    browser.set_preference(pair, "a", &json!(1)).await;
    browser
}

/// Sends all requests at once.
pub(super) async fn answers(requests: impl IntoIterator<Item = Request>) -> Vec<Answer> {
    all(requests.into_iter().map(answer)).await
}

async fn answer(request: Request) -> Answer {
    let shown = format!("{request:?}");
    tokio::time::timeout(DEADLINE, request.send()).await.unwrap_or_else(|_| panic!("no answer: {shown}"))
}

pub(super) async fn unavailable(requests: impl IntoIterator<Item = Request>) {
    for answer in answers(requests).await {
        assert_unavailable(&answer);
    }
}

/// 503 without a cookie, not stored by caches. `Retry-After` is checked on every answer.
#[track_caller]
pub(super) fn assert_unavailable(answer: &Answer) {
    answer.assert_status(503).assert_no_session_cookie();
    assert!(answer.header_has("cache-control", "no-store"), "{}: {:?}", answer.shown, answer.headers);
}
