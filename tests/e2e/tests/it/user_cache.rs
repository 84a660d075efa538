//! `USER_CACHE=on`.

use test_servers::RedisKind;

use harness::{Backend, Browser, Pair, Service, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_kept_and_a_change_in_the_table_is_seen() {
    for backend in [Backend::Embedded, Backend::RedisAndPostgres(RedisKind::New)] {
        let pair = Pair::with(backend, &[("USER_CACHE", "on")]);
        pair.user("ann").await;
        let ann = Browser::new();
        ann.signs_in(&pair, "ann").await;
        for (service, path) in [(&pair.site, "/profile"), (&pair.api, "/api/me")] {
            let is_kept = async || {
                ann.get(service, path).await.assert_status(200);
                (hits(service).await > 0).then_some(())
            };
            eventually("a kept user", is_kept).await;
        }
        let Backend::Embedded = backend else { continue };
        pair.sqlite("UPDATE auth_user SET is_active = 0 WHERE username = 'ann'");
        // A change reads the table; pages may show the old row for a few more seconds.
        ann.prepare(pair.api.delete("/api/sessions")).send().await.assert_status(401);
        for (service, path, signed_out) in [(&pair.site, "/profile", 303), (&pair.api, "/api/me", 401)] {
            let asked = async || ann.prepare(service.get(path)).send().await.status;
            eventually("a signed-out user", async || (asked().await == signed_out).then_some(())).await;
        }
    }
}

/// Staff decide about others, so their rights never come from the cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_for_staff_read_past_it() {
    let pair = Pair::with(Backend::Embedded, &[("USER_CACHE", "on")]);
    pair.superuser("root");
    let root = Browser::new();
    root.signs_in(&pair, "root").await;
    for path in ["/admin/", "/admin/users", "/admin/groups", "/admin/sessions", "/admin/log"] {
        let is_kept = async || {
            let before = hits(&pair.site).await;
            root.get(&pair.site, "/profile").await.assert_status(200);
            (hits(&pair.site).await > before).then_some(())
        };
        eventually("a kept user", is_kept).await;
        let before = hits(&pair.site).await;
        root.get(&pair.site, path).await.assert_status(200);
        assert_eq!(hits(&pair.site).await, before, "{path}");
    }
    pair.sqlite("UPDATE auth_user SET is_staff = 0 WHERE username = 'root'");
    root.get(&pair.site, "/admin/users").await.assert_status(403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_user_is_kept_unless_it_is_set() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let ann = Browser::new();
    ann.signs_in(&pair, "ann").await;
    for (service, path) in [(&pair.site, "/profile"), (&pair.api, "/api/me")] {
        for _ in 0..2 {
            ann.get(service, path).await.assert_status(200);
        }
        assert_eq!(hits(service).await, 0);
    }
}

async fn hits(service: &Service) -> u64 {
    let metrics = service.get("/metrics").send().await.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("shared_session_user_cache_hits_total "));
    line.and_then(|value| value.parse().ok()).expect("the count is shown")
}
