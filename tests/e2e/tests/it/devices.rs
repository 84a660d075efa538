//! "My devices": a user's own sessions.

use serde_json::Value;
use test_servers::RedisKind;

use harness::{Backend, Browser, Pair, html};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const SAFARI: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                      Version/18.0 Safari/605.1.15";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_sees_only_their_own_sessions() {
    for backend in [Backend::Embedded, Backend::Redis(RedisKind::New)] {
        let pair = Pair::start(backend);
        let [firefox, safari] = two_devices_of_ann(&pair).await;
        pair.user("bob").await;
        Browser::new().signs_in(&pair, "bob").await;

        let list = devices(&pair, &firefox).await;
        assert_eq!(list.len(), 2, "{list:?}");
        let this: Vec<_> = list.iter().filter(|device| device["current"] == true).collect();
        assert_eq!(this.len(), 1, "{list:?}");
        assert_eq!(this[0]["handle"], firefox.handle(&pair).await);
        assert_eq!(this[0]["user_agent"], FIREFOX);
        assert_eq!(this[0]["address"], "127.0.0.1");
        assert!(!this[0]["created_at"].is_null() && !this[0]["last_seen_at"].is_null(), "{list:?}");
        let other = list.iter().find(|device| device["current"] == false).unwrap();
        assert_eq!((&other["handle"], &other["user_agent"]), (&safari.handle(&pair).await.into(), &SAFARI.into()));

        let page = firefox.get(&pair.site, "/sessions").await;
        page.assert_status(200);
        assert!(page.body.contains("Firefox") && page.body.contains("Safari"), "{}", page.body);
        let mut revocable = html::actions(&page.body);
        revocable.retain(|action| action.ends_with("/revoke"));
        assert_eq!(revocable.len(), 2, "{revocable:?}");
        for browser in [&firefox, &safari] {
            let cookie = browser.session().unwrap();
            let secret = cookie.strip_prefix(&browser.handle(&pair).await).unwrap();
            assert!(!page.body.contains(secret) && !format!("{list:?}").contains(secret), "a secret is shown");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_with_a_cookie_that_was_just_replaced_ends_the_session() {
    for backend in [Backend::Embedded, Backend::Redis(RedisKind::New)] {
        let pair = Pair::start(backend);
        let [firefox, _] = two_devices_of_ann(&pair).await;
        for at_site in [true, false] {
            firefox.signs_in(&pair, "ann").await;
            let late = firefox.session().unwrap();
            // Sent before the answer to it arrives.
            let sign_out = match at_site {
                true => {
                    let home = firefox.get(&pair.site, "/").await;
                    let fields = html::form(&home.body, "/logout");
                    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                    firefox.prepare(pair.site.post("/logout").form(&fields))
                }
                false => firefox.prepare(pair.api.post("/api/logout")),
            };
            // Ending the others renews the own cookie.
            firefox.send(pair.api.delete("/api/sessions")).await.assert_status(204);
            assert_ne!(firefox.session().unwrap(), late);
            let answer = sign_out.send().await;
            answer.assert_status(if at_site { 303 } else { 204 });
            assert!(answer.session_set_cookie().is_some_and(|cookie| cookie.contains("Max-Age=0")), "{answer:?}");
            assert_eq!(firefox.who(&pair).await, None, "at site: {at_site}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoking_one_device_signs_out_that_one_only() {
    let pair = Pair::start(Backend::Redis(RedisKind::Old));
    let [firefox, safari] = two_devices_of_ann(&pair).await;
    let third = Browser::new();
    third.signs_in(&pair, "ann").await;

    let action = format!("/sessions/{}/revoke", safari.handle(&pair).await);
    firefox.open_and_submit(&pair.site, "/sessions", &action, &[]).await.assert_status(303);
    assert_eq!(safari.who(&pair).await, None);
    assert_eq!(third.who(&pair).await.as_deref(), Some("ann"));

    let path = format!("/api/sessions/{}", third.handle(&pair).await);
    firefox.send(pair.api.delete(&path)).await.assert_status(204);
    assert_eq!(third.who(&pair).await, None);
    firefox.send(pair.api.delete(&path)).await.assert_status(404);

    assert_eq!(firefox.who(&pair).await.as_deref(), Some("ann"));
    assert_eq!(devices(&pair, &firefox).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoking_all_others_keeps_this_one() {
    for backend in [Backend::Embedded, Backend::Redis(RedisKind::Valkey)] {
        let pair = Pair::start(backend);
        let [firefox, safari] = two_devices_of_ann(&pair).await;
        firefox.open_and_submit(&pair.site, "/sessions", "/sessions/revoke-others", &[]).await.assert_status(303);
        assert_eq!(safari.who(&pair).await, None);
        assert_eq!(firefox.who(&pair).await.as_deref(), Some("ann"));

        safari.signs_in(&pair, "ann").await;
        safari.send(pair.api.delete("/api/sessions")).await.assert_status(204);
        assert_eq!(firefox.who(&pair).await, None);
        assert_eq!(safari.who(&pair).await.as_deref(), Some("ann"));
        assert_eq!(devices(&pair, &safari).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_of_another_user_is_not_found() {
    for backend in [Backend::Embedded, Backend::Redis(RedisKind::Old)] {
        let pair = Pair::start(backend);
        let [ann, _] = two_devices_of_ann(&pair).await;
        pair.user("bob").await;
        let (bob, anonymous) = (Browser::new(), Browser::new());
        bob.signs_in(&pair, "bob").await;
        anonymous.set_preference(&pair, "a", &1.into()).await;
        let page = bob.get(&pair.site, "/sessions").await;
        let token = html::form(&page.body, "/logout").remove(0).1;

        let unknown = "A".repeat(24);
        for handle in [&ann.handle(&pair).await, &anonymous.handle(&pair).await, &unknown, "x", "..%2F.."] {
            bob.send(pair.api.delete(&format!("/api/sessions/{handle}"))).await.assert_status(404);
            let revoke = pair.site.post(&format!("/sessions/{handle}/revoke"));
            bob.send(revoke.form(&[("csrfmiddlewaretoken", &token)])).await.assert_status(404);
        }
        assert_eq!(ann.who(&pair).await.as_deref(), Some("ann"));
        assert_eq!(anonymous.preferences(&pair).await, serde_json::json!({ "a": 1 }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_behind_a_proxy_is_believed_from_trusted_proxies_only() {
    for (trusted, shown) in [("", "127.0.0.1"), ("127.0.0.0/8", "203.0.113.9"), ("10.0.0.0/8", "127.0.0.1")] {
        let pair = Pair::with(Backend::Embedded, &[("TRUSTED_PROXIES", trusted)]);
        let at_api = Browser::new();
        let login = harness::browser::login_at_api(&pair.api, "demo", "demo-password");
        at_api.send(login.header("x-forwarded-for", "198.51.100.1, 203.0.113.9")).await.assert_status(200);
        assert_eq!(devices(&pair, &at_api).await[0]["address"], shown, "api trusts {trusted:?}");

        let at_site = Browser::new();
        let page = at_site.get(&pair.site, "/login").await;
        let mut fields = html::form(&page.body, "/login");
        fields.retain(|(name, _)| name == "csrfmiddlewaretoken");
        let fields = [("username", "demo"), ("password", "demo-password"), ("csrfmiddlewaretoken", &*fields[0].1)];
        let login = pair.site.post("/login").form(&fields).header("x-forwarded-for", "198.51.100.1, 203.0.113.9");
        at_site.send(login).await.assert_status(303);
        let list = devices(&pair, &at_site).await;
        let this = list.iter().find(|device| device["current"] == true).unwrap();
        assert_eq!(this["address"], shown, "site trusts {trusted:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_devices_are_listed_fifty_at_a_time() {
    let pair = Pair::start(Backend::Redis(RedisKind::New));
    pair.superuser("root");
    let root = Browser::new();
    root.signs_in(&pair, "root").await;
    pair.user("ann").await;
    let ann = Browser::new();
    ann.signs_in(&pair, "ann").await;
    let id = ann.get(&pair.api, "/api/me").await.json()["id"].as_str().unwrap().to_owned();
    for _ in 0..50 {
        Browser::new().signs_in(&pair, "ann").await;
    }
    let of_admin = format!("/admin/users/{id}");
    for (browser, path) in [(&ann, "/sessions"), (&root, &*of_admin)] {
        let mut listed = std::collections::BTreeSet::new();
        for (page, count) in [("", 50), ("?page=2", 1), ("?page=3", 1), ("?page=x", 50)] {
            let answer = browser.get(&pair.site, &format!("{path}{page}")).await;
            let mut actions = html::actions(&answer.assert_status(200).body);
            actions.retain(|action| action.contains("/sessions/") && action.ends_with("/revoke"));
            assert_eq!(actions.len(), count, "{path}{page}");
            listed.extend(actions);
            assert!(answer.body.contains(&format!(r#"href="{path}?page="#)), "{}", answer.body);
        }
        assert_eq!(listed.len(), 51, "{path}");
    }
    let first = ann.get(&pair.site, "/sessions").await;
    assert!(first.body.contains("this one"), "{}", first.body);

    let first = ann.get(&pair.api, "/api/sessions").await;
    assert_eq!(first.header("link"), r#"</api/sessions?page=2>; rel="next""#);
    assert_eq!(first.json().as_array().unwrap().len(), 50);
    let second = ann.get(&pair.api, "/api/sessions?page=2").await;
    assert_eq!((second.header("link"), second.json().as_array().unwrap().len()), (String::new(), 1));
    ann.get(&pair.api, "/api/sessions?page=x").await.assert_status(400);
}

async fn two_devices_of_ann(pair: &Pair) -> [Browser; 2] {
    pair.user("ann").await;
    let [firefox, safari] = [Browser::named(FIREFOX), Browser::named(SAFARI)];
    firefox.signs_in(pair, "ann").await;
    safari.sign_in_at_site(pair, "ann", &Pair::password_of("ann")).await.assert_status(303);
    [firefox, safari]
}

async fn devices(pair: &Pair, browser: &Browser) -> Vec<Value> {
    let answer = browser.get(&pair.api, "/api/sessions").await;
    answer.assert_status(200);
    answer.json().as_array().unwrap().clone()
}
