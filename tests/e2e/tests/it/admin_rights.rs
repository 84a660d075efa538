//! The pages that change groups and permissions of a user.

use test_servers::RedisKind;

use harness::{Answer, Backend, Browser, Pair, eventually, html};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_superuser_gives_and_takes_groups_and_permissions() {
    for backend in [Backend::Embedded, Backend::RedisAndPostgres(RedisKind::New)] {
        let (pair, ann, root) = ann_and_root(backend).await;
        let page = format!("/admin/users/{}/rights", id_of(&pair, &ann).await);
        let embedded = matches!(backend, Backend::Embedded);

        let first = root.get(&pair.site, &page).await;
        first.assert_status(200);
        assert_eq!(first.body.contains("value=\"Support\""), embedded, "{}", first.body);
        let chosen = [("permission", "auth.change_user"), ("permission", "auth.view_user")];
        let asked = choose(&pair, &root, &page, &chosen).await;
        assert!(asked.body.contains("Gets these permissions") && !asked.body.contains("Loses"), "{}", asked.body);
        assert_eq!(rights(&pair, &ann).await, (vec![], vec![]), "not yet confirmed");

        root.submit(&pair.site, &asked, &page, &[]).await.assert_status(303);
        assert_eq!(rights(&pair, &ann).await.1, ["auth.change_user", "auth.view_user"]);
        assert_eq!(ann.who(&pair).await.as_deref(), Some("ann"), "nobody is signed out");

        // Boxes that are not ticked are removed; the same again changes nothing and asks for nothing.
        let asked = choose(&pair, &root, &page, &chosen[..1]).await;
        assert!(asked.body.contains("Loses these permissions") && !asked.body.contains("Gets"), "{}", asked.body);
        root.submit(&pair.site, &asked, &page, &[]).await.assert_status(303);
        assert_eq!(rights(&pair, &ann).await.1, ["auth.change_user"]);
        choose(&pair, &root, &page, &chosen[..1]).await.assert_status(303);

        if embedded {
            let asked = choose(&pair, &root, &page, &[("group", "Support")]).await;
            assert!(asked.body.contains("Joins these groups") && asked.body.contains("Loses"), "{}", asked.body);
            root.submit(&pair.site, &asked, &page, &[]).await.assert_status(303);
            let permissions = vec!["auth.change_user".to_owned(), "auth.view_user".to_owned()];
            assert_eq!(rights(&pair, &ann).await, (vec!["Support".to_owned()], permissions));
            let asked = choose(&pair, &root, &page, &[]).await;
            root.submit(&pair.site, &asked, &page, &[]).await.assert_status(303);
            assert_eq!(rights(&pair, &ann).await, (vec![], vec![]));
            let log = root.get(&pair.site, "/admin/log").await.body;
            for said in
                ["ann: auth.change_user, auth.view_user", "ann: Support", "gave permissions", "removed from groups"]
            {
                assert!(log.contains(said), "{said}: {log}");
            }
        }
    }
}

/// A user and a superuser, signed in.
async fn ann_and_root(backend: Backend) -> (Pair, Browser, Browser) {
    let pair = Pair::start(backend);
    pair.user("ann").await;
    pair.superuser("root");
    let [ann, root] = [(); 2].map(|()| Browser::new());
    ann.signs_in(&pair, "ann").await;
    root.signs_in(&pair, "root").await;
    (pair, ann, root)
}

/// The same with another user.
async fn ann_sue_and_root() -> (Pair, [Browser; 3]) {
    let (pair, ann, root) = ann_and_root(Backend::Embedded).await;
    pair.user("sue").await;
    let sue = Browser::new();
    sue.signs_in(&pair, "sue").await;
    (pair, [ann, sue, root])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_give_and_take_only_their_own_permissions() {
    let (pair, [ann, sue, root]) = ann_sue_and_root().await;
    let of = async |browser: &Browser| format!("/admin/users/{}/rights", id_of(&pair, browser).await);
    let [of_ann, of_sue, of_root] = [of(&ann).await, of(&sue).await, of(&root).await];
    pair.sqlite(
        "UPDATE auth_user SET is_staff = 1 WHERE username = 'sue';
         INSERT INTO auth_user_user_permissions (user_id, permission_id) SELECT u.id, p.id FROM auth_user u, auth_permission p
            WHERE u.username = 'sue' AND p.codename = 'change_user' OR u.username = 'ann' AND p.codename = 'delete_user';",
    );
    for (path, [shown, sent]) in [(&of_ann, [200, 303]), (&of_sue, [403, 403]), (&of_root, [403, 403])] {
        sue.get(&pair.site, path).await.assert_status(shown);
        let fields = [("confirmed", "yes"), ("add-permission", "auth.change_user")];
        forces(&pair, &sue, path, &fields).await.assert_status(sent);
    }
    let both = vec!["auth.change_user".to_owned(), "auth.delete_user".to_owned()];
    assert_eq!(rights(&pair, &ann).await.1, both, "what sue does not have stays");
    let page = sue.get(&pair.site, &of_ann).await.body;
    for name in ["auth.delete_user", "Support"] {
        let input = html::between(&page, &format!("value=\"{name}\""), ">").unwrap();
        assert!(input.contains("disabled"), "{name}: {input}");
    }
    for more in [("permission", "auth.add_user"), ("group", "Support"), ("permission", "no.such"), ("group", "none")] {
        forces(&pair, &sue, &of_ann, &[("permission", "auth.change_user"), more]).await.assert_status(403);
    }
    for confirmed in [
        ("add-permission", "auth.add_user"),
        ("remove-permission", "auth.delete_user"),
        ("add-group", "Support"),
        ("remove-group", "none"),
    ] {
        let fields = [("confirmed", "yes"), ("remove-permission", "auth.change_user"), confirmed];
        forces(&pair, &sue, &of_ann, &fields).await.assert_status(403);
        assert_eq!(rights(&pair, &ann).await.1, both, "{confirmed:?}");
    }
    forces(&pair, &sue, &of_ann, &[("confirmed", "yes"), ("remove-permission", "auth.change_user")])
        .await
        .assert_status(303);
    assert_eq!(rights(&pair, &ann).await, (vec![], vec!["auth.delete_user".to_owned()]));
    assert_eq!(rights(&pair, &sue).await.1, ["auth.change_user"]);

    ann.get(&pair.site, &of_ann).await.assert_status(403);
    forces(&pair, &ann, &of_ann, &[("confirmed", "yes"), ("add-permission", "auth.add_user")]).await.assert_status(403);
    root.get(&pair.site, "/admin/users/999999/rights").await.assert_status(404);
    forces(&pair, &root, "/admin/users/999999/rights", &[]).await.assert_status(404);
}

/// Two members of staff have the form open at the same time: the later one confirms what the page showed, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_one_takes_before_another_confirms_stays_taken() {
    let (pair, [ann, sue, root]) = ann_sue_and_root().await;
    let page = format!("/admin/users/{}/rights", id_of(&pair, &ann).await);
    pair.sqlite(
        "UPDATE auth_user SET is_staff = 1 WHERE username = 'sue';
         INSERT INTO auth_user_groups (user_id, group_id) SELECT u.id, g.id FROM auth_user u, auth_group g
            WHERE u.username = 'ann' AND g.name = 'Support';
         INSERT INTO auth_user_user_permissions (user_id, permission_id) SELECT u.id, p.id FROM auth_user u, auth_permission p
            WHERE u.username = 'sue' AND p.codename IN ('change_user', 'view_user')
               OR u.username = 'ann' AND p.codename IN ('change_user', 'delete_user');",
    );
    // The clerk may not grant the permission to delete users, so the clerk's form does not send it; the superuser's
    // does.
    let kept = [("group", "Support"), ("permission", "auth.change_user"), ("permission", "auth.delete_user")];
    let by_sue = choose(&pair, &sue, &page, &[&kept[..2], &[("permission", "auth.view_user")]].concat()).await;
    let by_root = choose(&pair, &root, &page, &[&kept[..], &[("permission", "auth.add_user")]].concat()).await;
    for asked in [&by_sue, &by_root] {
        let asked = asked.assert_status(200);
        assert!(!asked.body.contains("auth.delete_user") && !asked.body.contains("Support"), "{}", asked.body);
    }
    // Another superuser removes everything meanwhile.
    pair.sqlite(
        "DELETE FROM auth_user_groups;
         DELETE FROM auth_user_user_permissions WHERE user_id = (SELECT id FROM auth_user WHERE username = 'ann');",
    );
    sue.submit(&pair.site, &by_sue, &page, &[]).await.assert_status(303);
    root.submit(&pair.site, &by_root, &page, &[]).await.assert_status(303);
    let now = rights(&pair, &ann).await;
    assert_eq!(now, (vec![], vec!["auth.add_user".to_owned(), "auth.view_user".to_owned()]));
    let log = root.get(&pair.site, "/admin/log").await.body;
    assert!(log.contains("ann: auth.view_user") && log.contains("ann: auth.add_user"), "{log}");
    assert!(!log.contains("auth.delete_user"), "{log}");
    // The same again changes nothing.
    root.submit(&pair.site, &by_root, &page, &[]).await.assert_status(303);
    assert_eq!(root.get(&pair.site, "/admin/log").await.body.matches("ann: auth.add_user").count(), 1);
}

/// The second half fails: the log has the first half.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completed_changes_are_recorded_even_if_the_next_step_fails() {
    let (pair, ann, root) = ann_and_root(Backend::Embedded).await;
    let page = format!("/admin/users/{}/rights", id_of(&pair, &ann).await);
    pair.sqlite(
        "CREATE TRIGGER broken BEFORE INSERT ON auth_user_user_permissions BEGIN SELECT RAISE(ABORT, 'broken'); END;",
    );
    let asked = choose(&pair, &root, &page, &[("group", "Support"), ("permission", "auth.add_user")]).await;
    let failed = root.submit(&pair.site, &asked, &page, &[]).await;
    assert!(failed.status >= 500, "{}", failed.status);
    assert_eq!(rights(&pair, &ann).await.0, ["Support"]);
    let told = async || pair.site.output().contains("event=\"change-groups\"").then_some(());
    eventually("a trace", told).await;
    assert!(!pair.site.output().contains("event=\"change-permissions\""));
}

/// As many as on a site with hundreds of models.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_permissions_may_be_ticked() {
    let (pair, ann, root) = ann_and_root(Backend::Embedded).await;
    pair.sqlite(
        "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 3999)
         INSERT INTO auth_permission (content_type_id, codename, name)
            SELECT (SELECT MIN(id) FROM django_content_type), 'change_something_' || i, 'Can' FROM n;
         INSERT INTO auth_user_user_permissions (user_id, permission_id) SELECT u.id, p.id FROM auth_user u, auth_permission p
            WHERE u.username = 'ann';",
    );
    let page = format!("/admin/users/{}/rights", id_of(&pair, &ann).await);
    let shown = root.get(&pair.site, &page).await;
    let mut ticked = html::form(&shown.body, &page);
    ticked.retain(|(_, value)| !value.ends_with("change_something_1234"));
    let fields: Vec<_> = ticked.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert!(fields.len() > 3000);
    let asked = root.send(pair.site.post(&page).form(&fields)).await;
    assert_eq!(asked.assert_status(200).body.matches("name=\"remove-permission\"").count(), 1);
    root.submit(&pair.site, &asked, &page, &[]).await.assert_status(303);
    assert_eq!(rights(&pair, &ann).await.1.len(), fields.len() - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_of_an_old_page_changes_nothing() {
    let (pair, ann, root) = ann_and_root(Backend::Embedded).await;
    let page = format!("/admin/users/{}/rights", id_of(&pair, &ann).await);
    let fields = [("csrfmiddlewaretoken", "old"), ("add-permission", "auth.change_user"), ("confirmed", "yes")];
    let again = root.send(pair.site.post(&page).form(&fields)).await;
    again.assert_status(403);
    assert!(again.body.contains("Permissions of this user alone"), "the form is offered again: {}", again.body);
    assert_eq!(rights(&pair, &ann).await, (vec![], vec![]));
}

/// The groups and permissions of the signed-in user, as reported by `api`.
async fn rights(pair: &Pair, browser: &Browser) -> (Vec<String>, Vec<String>) {
    let me = browser.get(&pair.api, "/api/me").await.assert_status(200).json();
    let names = |field: &str| {
        let mut names: Vec<_> =
            me[field].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    (names("groups"), names("permissions"))
}

/// Submits the form of the page with only these boxes ticked.
async fn choose(pair: &Pair, browser: &Browser, page: &str, chosen: &[(&str, &str)]) -> Answer {
    let shown = browser.get(&pair.site, page).await;
    let token = html::form(&shown.body, page).remove(0).1;
    send(pair, browser, page, &token, chosen).await
}

/// Posts without the form, with a token of some page.
async fn forces(pair: &Pair, browser: &Browser, page: &str, chosen: &[(&str, &str)]) -> Answer {
    let token = html::form(&browser.get(&pair.site, "/profile").await.body, "/logout").remove(0).1;
    send(pair, browser, page, &token, chosen).await
}

async fn send(pair: &Pair, browser: &Browser, page: &str, token: &str, fields: &[(&str, &str)]) -> Answer {
    let fields = [&[("csrfmiddlewaretoken", token)], fields].concat();
    browser.send(pair.site.post(page).form(&fields)).await
}

async fn id_of(pair: &Pair, browser: &Browser) -> String {
    let me = browser.get(&pair.api, "/api/me").await.assert_status(200).json();
    me["id"].as_str().unwrap().to_owned()
}
