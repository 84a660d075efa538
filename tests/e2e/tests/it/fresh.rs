//! Staff whose sign-in is old must enter the password again before they give others power.

use serde_json::json;
use test_servers::RedisKind;

use harness::{Answer, Backend, Browser, Pair, eventually, html};

/// Moves the sign-in of every session into the past. Only the time in the record changes.
fn age(pair: &Pair) {
    let script = r#"local record = redis.call('GET', KEYS[1])
        local aged, times = string.gsub(record, '"at":%d+', '"at":1000000000000')
        redis.call('SET', KEYS[1], aged, 'KEEPTTL')
        return times"#;
    for key in pair.session_keys() {
        pair.redis().cli(&["EVAL", script, "1", &key]);
    }
}

async fn pair_with_root(settings: &[(&str, &str)]) -> (Pair, Browser, String) {
    let pair = Pair::with(Backend::Redis(RedisKind::Old), settings);
    pair.user("ann").await;
    pair.superuser("root");
    let (ann, root) = (Browser::new(), Browser::new());
    ann.signs_in(&pair, "ann").await;
    root.signs_in(&pair, "root").await;
    let id = ann.get(&pair.api, "/api/me").await.json()["id"].as_str().unwrap().to_owned();
    (pair, root, format!("/admin/users/{id}"))
}

fn assert_asked(answer: &Answer, page: &str) {
    assert_eq!(answer.assert_status(303).redirect(), format!("/confirm?next={page}"));
    answer.assert_no_session_cookie();
}

async fn confirm(pair: &Pair, browser: &Browser, page: &str, password: &str) -> Answer {
    browser.open_and_submit(&pair.site, page, "/confirm", &[("password", password)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_with_an_old_sign_in_confirm_the_password_before_they_extend_rights() {
    let (pair, root, page) = pair_with_root(&[]).await;
    root.set_preference(&pair, "a", &json!("kept")).await;
    let submit = async |what: &str, fields: &[(&str, &str)]| {
        root.open_and_submit(&pair.site, &page, &format!("{page}/{what}"), fields).await
    };
    submit("staff", &[]).await.assert_status(303);
    assert_eq!(root.get(&pair.site, &page).await.assert_status(200).body.matches("notice").count(), 1, "changed");
    submit("staff", &[]).await.assert_status(303);

    age(&pair);
    let new = [("new_password1", "a pass phrase of seven"), ("new_password2", "a pass phrase of seven")];
    assert_asked(&submit("staff", &[]).await, &page);
    assert_asked(&submit("superuser", &[]).await, &page);
    assert_asked(&submit("password", &new).await, &page);
    // The rights form is not even shown, because the ticks would be lost.
    let rights = format!("{page}/rights");
    assert_asked(&root.get(&pair.site, &rights).await, &rights);
    let token = html::form(&root.get(&pair.site, "/profile").await.body, "/logout").remove(0).1;
    for more in [("permission", "auth.view_user"), ("confirmed", "yes")] {
        let fields = [("csrfmiddlewaretoken", &*token), ("add-permission", "auth.view_user"), more];
        assert_asked(&root.send(pair.site.post(&rights).form(&fields)).await, &rights);
    }
    Browser::new().signs_in(&pair, "ann").await;
    // Deactivating takes power away; activating gives it back.
    let switch = async |on: &str| submit("active", &[("on", on)]).await;
    assert_eq!(switch("false").await.assert_status(303).redirect(), page);
    root.get(&pair.site, &page).await.assert_status(200);
    assert_asked(&switch("true").await, &page);
    Browser::new().sign_in_at_api(&pair, "ann", &Pair::password_of("ann")).await.assert_status(401);
    // Pages that only read, and the end of a session, do not ask for the password.
    submit("sign-out", &[]).await.assert_status(303);
    root.get(&pair.site, "/password").await.assert_status(200);

    let (handle, cookie) = (root.handle(&pair).await, root.session());
    let ask = format!("/confirm?next={page}");
    let wrong = confirm(&pair, &root, &ask, "wrong").await;
    assert!(wrong.assert_status(401).body.contains("This is not your current password."), "{}", wrong.body);
    assert_asked(&submit("staff", &[]).await, &page);
    let confirmed = confirm(&pair, &root, &ask, &Pair::password_of("root")).await;
    assert_eq!(confirmed.assert_status(303).redirect(), page);
    assert_eq!((root.handle(&pair).await, root.preferences(&pair).await), (handle, json!({ "a": "kept" })));
    let old = cookie.unwrap();
    assert_ne!(root.session().as_ref(), Some(&old));
    assert_eq!(harness::browser::owner_of(&pair, &old).await, None, "the old cookie is invalid");
    assert!(root.get(&pair.site, &page).await.body.contains("do it once more"));

    assert_eq!(switch("true").await.assert_status(303).redirect(), page);
    root.get(&pair.site, &rights).await.assert_status(200);
    assert_eq!(submit("staff", &[]).await.assert_status(303).redirect(), page);
    let staff = root.get(&pair.site, "/admin/users?is=staff").await.body;
    assert!(staff.contains(">ann<"), "{staff}");
    assert_eq!(submit("password", &new).await.assert_status(303).redirect(), page);
    Browser::new().sign_in_at_api(&pair, "ann", "a pass phrase of seven").await.assert_status(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_with_an_old_sign_in_confirm_the_password_before_they_change_groups() {
    let (pair, root, _) = pair_with_root(&[]).await;
    pair.superuser("sue");
    let sue = Browser::new();
    sue.signs_in(&pair, "sue").await;
    pair.sqlite("UPDATE auth_user SET is_superuser = 0 WHERE username = 'sue'");
    let groups = "/admin/groups";
    let added = root.open_and_submit(&pair.site, groups, groups, &[("name", "editors")]).await;
    let page = added.assert_status(303).redirect();
    let token = html::form(&root.get(&pair.site, "/profile").await.body, "/logout").remove(0).1;

    age(&pair);
    let send = async |path: &str, fields: &[(&str, &str)]| {
        let fields = [&[("csrfmiddlewaretoken", &*token)], fields].concat();
        root.send(pair.site.post(path).form(&fields)).await
    };
    assert_asked(&send(groups, &[("name", "more")]).await, groups);
    // The permissions form is not even shown, because the ticks would be lost.
    assert_asked(&root.get(&pair.site, &page).await, &page);
    for (what, fields) in [
        ("name", vec![("name", "writers")]),
        ("delete", vec![]),
        ("permissions", vec![("permission", "auth.view_user")]),
        ("permissions", vec![("confirmed", "yes"), ("add-permission", "auth.view_user")]),
    ] {
        assert_asked(&send(&format!("{page}/{what}"), &fields).await, &page);
    }
    let list = root.get(&pair.site, groups).await;
    let list = &list.assert_status(200).body;
    assert!(list.contains(">editors</a></th><td>0<") && !list.contains(">more<"), "nothing changed: {list}");
    // Staff who may only look are not asked for the password.
    sue.get(&pair.site, &page).await.assert_status(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_confirm_page_leads_back_within_the_site_and_needs_a_sign_in() {
    let (pair, root, page) = pair_with_root(&[]).await;
    let password = Pair::password_of("root");
    for (next, goes_to) in [
        ("//evil.example", "/profile"),
        ("https://evil.example/", "/profile"),
        ("/confirm", "/profile"),
        ("", "/profile"),
        ("/sessions?page=2", "/sessions?page=2"),
    ] {
        let answer = confirm(&pair, &root, &format!("/confirm?next={next}"), &password).await;
        assert_eq!(answer.assert_status(303).redirect(), goes_to, "{next}");
    }
    let anonymous = Browser::new().get(&pair.site, "/confirm").await;
    assert_eq!(anonymous.redirect(), "/login");
    // Without a form token, and from another site.
    let fields = [("password", &*password), ("next", &*page)];
    root.send(pair.site.post("/confirm").form(&fields)).await.assert_status(403).assert_no_session_cookie();
    let foreign = pair.site.post("/confirm").header("sec-fetch-site", "cross-site").form(&fields);
    root.send(foreign).await.assert_status(403).assert_no_session_cookie();
}

/// An embedded start has no proxy, so the count is for the session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_the_password_in_a_stolen_session_has_to_wait() {
    let (pair, root, page) = pair_with_root(&[]).await;
    age(&pair);
    for _ in 0..10 {
        confirm(&pair, &root, "/confirm", "wrong").await.assert_status(401);
    }
    let refused = async || (confirm(&pair, &root, "/confirm", "wrong").await.status == 429).then_some(());
    eventually("a wait", refused).await;
    let right = confirm(&pair, &root, "/confirm", &Pair::password_of("root")).await;
    assert!(right.status == 429 || right.status == 303, "{}", right.status);
    assert_eq!(root.get(&pair.site, &page).await.status, 200, "the session stays");
    let trace = async || pair.site.output().lines().find(|line| line.contains("password check failed")).map(drop);
    eventually("a trace", trace).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_is_asked_for_if_the_age_does_not_matter() {
    let (pair, root, page) = pair_with_root(&[("SESSION_FRESH", "0")]).await;
    age(&pair);
    let answer = root.open_and_submit(&pair.site, &page, &format!("{page}/staff"), &[]).await;
    assert_eq!(answer.assert_status(303).redirect(), page);
}

/// The log entry, with the ids of both users.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_names_actor_action_and_subject() {
    let (pair, root, page) = pair_with_root(&[]).await;
    root.open_and_submit(&pair.site, &page, &format!("{page}/staff"), &[]).await.assert_status(303);
    let me = root.get(&pair.api, "/api/me").await.json()["id"].as_str().unwrap().to_owned();
    let id = page.rsplit('/').next().unwrap().to_owned();
    let expected = [
        (&pair.api, format!("event=\"sign-in\" user=\"{me}\" address=127.0.0.1")),
        (&pair.site, format!("event=\"make-staff\" user=\"{id}\" actor=\"{me}\" address=127.0.0.1")),
    ];
    for (service, text) in expected {
        let found = async || {
            let output = service.output();
            let line = output.lines().find(|line| line.contains("shared_session::audit") && line.contains(&text));
            line.map(drop)
        };
        eventually(&text, found).await;
        assert!(!service.output().contains(&Pair::password_of("root")));
    }
}
