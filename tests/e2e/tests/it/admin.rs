//! The pages of administrators.

use test_servers::RedisKind;

use harness::{Backend, Browser, Pair, html};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admin_pages_are_for_staff_only() {
    let pair = with_superuser(Backend::Embedded).await;
    let (ann, root) = (Browser::new(), Browser::new());
    ann.signs_in(&pair, "ann").await;
    root.signs_in(&pair, "root").await;
    let id = id_of(&pair, &ann).await;
    let token = html::form(&ann.get(&pair.site, "/profile").await.body, "/logout").remove(0).1;

    for path in ["/admin/", "/admin/users", &format!("/admin/users/{id}"), "/admin/sessions"] {
        root.get(&pair.site, path).await.assert_status(200);
        let refused = ann.get(&pair.site, path).await;
        refused.assert_status(403);
        assert!(!refused.body.contains("/active"), "{}", refused.body);
        let anonymous = Browser::new().get(&pair.site, path).await;
        assert!(anonymous.status == 403 || anonymous.redirect().starts_with("/login"), "{path}: {}", anonymous.status);
    }
    let handle = root.handle(&pair).await;
    for action in [
        format!("/admin/users/{id}/staff"),
        format!("/admin/users/{id}/active"),
        format!("/admin/users/{id}/sign-out"),
        format!("/admin/sessions/{handle}/revoke"),
    ] {
        let form = [("csrfmiddlewaretoken", &*token), ("on", "true")];
        ann.send(pair.site.post(&action).form(&form)).await.assert_status(403);
    }
    ann.get(&pair.site, "/admin/").await.assert_status(403);
    assert_eq!(root.who(&pair).await.as_deref(), Some("root"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_superuser_is_made_on_the_command_line() {
    let pair = with_superuser(Backend::RedisAndPostgres(RedisKind::Old)).await;
    let root = Browser::new();
    root.sign_in_at_site(&pair, "root", &Pair::password_of("root")).await.assert_status(303);
    let me = root.get(&pair.api, "/api/me").await.assert_status(200).json();
    assert_eq!((&me["is_staff"], &me["is_superuser"]), (&true.into(), &true.into()));
    assert_eq!(me["email"], "root@example.org");
    root.get(&pair.site, "/admin/").await.assert_status(200);

    let again = ["create-superuser", "--username", "root", "--email", "other@example.org"];
    let ended = pair.run_site(&again, &[("SUPERUSER_PASSWORD", "another password of root")]);
    assert!(!ended.status.success(), "a taken name is refused: {ended:?}");
    assert_eq!(root.who(&pair).await.as_deref(), Some("root"), "and nothing changed");
    let ended = pair.run_site(&["create-superuser", "--username", "sue"], &[("SUPERUSER_PASSWORD", "short")]);
    assert!(!ended.status.success(), "a short password is refused: {ended:?}");
    assert!(pair.run_site(&["migrate"], &[]).status.success(), "tables that are there are no mistake");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_searched() {
    let pair = with_superuser(Backend::Embedded).await;
    let root = Browser::new();
    root.signs_in(&pair, "root").await;
    let all = root.get(&pair.site, "/admin/users").await.body;
    assert!([">ann<", ">demo<", ">root<"].iter().all(|name| all.contains(name)), "{all}");
    let found = root.get(&pair.site, "/admin/users?q=ANN%40example").await.body;
    assert!(found.contains(">ann<") && !found.contains(">demo<"), "{found}");
    let found = root.get(&pair.site, "/admin/users?q=dem").await.body;
    assert!(found.contains(">demo<") && !found.contains(">ann<"), "{found}");
    for odd in ["?q=%25", "?q=_", "?q='", "?page=99", "?q=%3Cscript%3E"] {
        let page = root.get(&pair.site, &format!("/admin/users{odd}")).await;
        page.assert_status(200);
        assert!(!page.body.contains("<script>"), "{}", page.body);
        assert!(odd.starts_with("?page") || !page.body.contains(">ann<"), "{odd} is taken literally: {}", page.body);
    }
    root.get(&pair.site, "/admin/users/999999").await.assert_status(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_deactivates_a_user_and_activates_again() {
    for backend in [Backend::Embedded, Backend::Redis(RedisKind::New)] {
        let pair = with_superuser(backend).await;
        let (ann, root) = (Browser::new(), Browser::new());
        ann.signs_in(&pair, "ann").await;
        root.signs_in(&pair, "root").await;
        let page = format!("/admin/users/{}", id_of(&pair, &ann).await);
        let action = format!("{page}/active");

        root.open_and_submit(&pair.site, &page, &action, &[]).await.assert_status(303);
        assert_eq!(ann.who(&pair).await, None, "signed out at once, everywhere");
        let password = Pair::password_of("ann");
        Browser::new().sign_in_at_api(&pair, "ann", &password).await.assert_status(401);
        Browser::new().sign_in_at_site(&pair, "ann", &password).await.assert_status(401);

        root.open_and_submit(&pair.site, &page, &action, &[]).await.assert_status(303);
        Browser::new().signs_in(&pair, "ann").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_makes_staff_and_takes_it_away() {
    let pair = with_superuser(Backend::Embedded).await;
    let (ann, root) = (Browser::new(), Browser::new());
    ann.signs_in(&pair, "ann").await;
    root.signs_in(&pair, "root").await;
    let page = format!("/admin/users/{}", id_of(&pair, &ann).await);
    let action = format!("{page}/staff");
    for status in [200, 403] {
        root.open_and_submit(&pair.site, &page, &action, &[]).await.assert_status(303);
        // A change of rights may or may not end the user's sessions.
        if ann.who(&pair).await.is_none() {
            ann.signs_in(&pair, "ann").await;
        }
        ann.get(&pair.site, "/admin/").await.assert_status(status);
        assert_eq!(ann.get(&pair.api, "/api/me").await.json()["is_staff"], status == 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_ends_one_session_or_all_of_a_user() {
    for backend in [Backend::Embedded, Backend::Redis(RedisKind::Old)] {
        let pair = with_superuser(backend).await;
        let [phone, laptop, desk, root] = [Browser::new(), Browser::new(), Browser::new(), Browser::new()];
        for browser in [&phone, &laptop, &desk] {
            browser.signs_in(&pair, "ann").await;
        }
        root.signs_in(&pair, "root").await;
        let action = format!("/admin/sessions/{}/revoke", phone.handle(&pair).await);
        root.open_and_submit(&pair.site, "/admin/sessions", &action, &[]).await.assert_status(303);
        assert_eq!(phone.who(&pair).await, None);
        assert_eq!(laptop.who(&pair).await.as_deref(), Some("ann"));

        let page = format!("/admin/users/{}", id_of(&pair, &laptop).await);
        root.open_and_submit(&pair.site, &page, &format!("{page}/sign-out"), &[]).await.assert_status(303);
        assert_eq!(laptop.who(&pair).await, None);
        assert_eq!(desk.who(&pair).await, None);
        assert_eq!(root.who(&pair).await.as_deref(), Some("root"));
        phone.signs_in(&pair, "ann").await;
        assert_eq!(phone.who(&pair).await.as_deref(), Some("ann"));
    }
}

async fn with_superuser(backend: Backend) -> Pair {
    let pair = Pair::start(backend);
    pair.superuser("root");
    pair.user("ann").await;
    pair
}

async fn id_of(pair: &Pair, browser: &Browser) -> String {
    browser.get(&pair.api, "/api/me").await.json()["id"].as_str().unwrap().to_owned()
}
