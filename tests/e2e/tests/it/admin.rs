//! The pages of administrators.

use test_servers::RedisKind;

use harness::{Answer, Backend, Browser, Pair, html};

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
async fn a_superuser_is_created_on_the_command_line() {
    let pair = with_superuser(Backend::RedisAndPostgres(RedisKind::Old)).await;
    let root = Browser::new();
    root.sign_in_at_site(&pair, "root", &Pair::password_of("root")).await.assert_status(303);
    let me = root.get(&pair.api, "/api/me").await.assert_status(200).json();
    assert_eq!((&me["is_staff"], &me["is_superuser"]), (&true.into(), &true.into()));
    assert_eq!(me["email"], "root@example.org");
    root.get(&pair.site, "/admin/").await.assert_status(200);

    let again = ["create-superuser", "--username", "root", "--email", "other@example.org"];
    let ended = pair.run_site(&again, &[("SUPERUSER_PASSWORD", "another password of root")]);
    assert!(!ended.status.success(), "the name is taken: {ended:?}");
    assert_eq!(root.who(&pair).await.as_deref(), Some("root"), "the user is unchanged");
    let ended = pair.run_site(&["create-superuser", "--username", "sue"], &[("SUPERUSER_PASSWORD", "short")]);
    assert!(!ended.status.success(), "the password is too short: {ended:?}");
    assert!(pair.run_site(&["migrate"], &[]).status.success(), "existing tables are not an error");
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

    let names = async |query: &str| {
        let page = root.get(&pair.site, &format!("/admin/users{query}")).await.body;
        let rows = page.split("<th scope=\"row\">").skip(1);
        rows.map(|row| html::between(row, "\">", "</a>").unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("?is=superusers").await, ["root"]);
    assert_eq!(names("?is=inactive").await, [""; 0]);
    assert_eq!(names("?q=dem&is=active&sort=last-login").await, ["demo"]);
    assert_eq!(names("?sort=last-login").await[2], "demo", "users who never signed in come last");
    assert_eq!(names("?sort=email&page=7").await, ["ann", "demo", "root"]);
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
async fn an_administrator_grants_and_revokes_staff_status() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_without_the_permission_may_only_look() {
    let pair = with_superuser(Backend::Embedded).await;
    pair.user("sue").await;
    make_staff(&pair, "sue");
    let [ann, sue, phone, root, visitor] = [(); 5].map(|()| Browser::new());
    for (browser, name) in [(&ann, "ann"), (&sue, "sue"), (&phone, "sue"), (&root, "root")] {
        browser.signs_in(&pair, name).await;
    }
    visitor.set_preference(&pair, "theme", &"dark".into()).await;
    let handles =
        [ann.handle(&pair).await, root.handle(&pair).await, visitor.handle(&pair).await, phone.handle(&pair).await];
    for (browser, name) in [(&ann, "ann"), (&root, "root")] {
        let page = format!("/admin/users/{}", id_of(&pair, browser).await);
        assert_eq!(actions(&pair, &sue, &page).await, [""; 0], "{name}");
        for action in ["active", "staff", "sign-out"] {
            forces(&pair, &sue, &format!("{page}/{action}"), "false").await.assert_status(403);
        }
    }
    let shown = actions(&pair, &sue, "/admin/sessions").await;
    for handle in &handles[..3] {
        let action = format!("/admin/sessions/{handle}/revoke");
        assert!(!shown.contains(&action), "{shown:?}");
        forces(&pair, &sue, &action, "").await.assert_status(403);
    }
    assert_eq!(ann.who(&pair).await.as_deref(), Some("ann"));
    assert_eq!(root.who(&pair).await.as_deref(), Some("root"));
    assert_eq!(visitor.preferences(&pair).await["theme"], "dark");
    // She may end her own session.
    let own = format!("/admin/sessions/{}/revoke", handles[3]);
    sue.open_and_submit(&pair.site, "/admin/sessions", &own, &[]).await.assert_status(303);
    assert_eq!(phone.who(&pair).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_with_the_permission_change_users_but_no_superusers_and_no_staff_status() {
    let pair = with_superuser(Backend::Embedded).await;
    for name in ["sue", "bob"] {
        pair.user(name).await;
        make_staff(&pair, name);
    }
    let [ann, sue, bob, root] = [(); 4].map(|()| Browser::new());
    for (browser, name) in [(&ann, "ann"), (&sue, "sue"), (&bob, "bob"), (&root, "root")] {
        browser.signs_in(&pair, name).await;
    }
    let [of_ann, of_bob, of_root, of_sue] = [
        format!("/admin/users/{}", id_of(&pair, &ann).await),
        format!("/admin/users/{}", id_of(&pair, &bob).await),
        format!("/admin/users/{}", id_of(&pair, &root).await),
        format!("/admin/users/{}", id_of(&pair, &sue).await),
    ];
    let session_of_ann = format!("/admin/sessions/{}/revoke", ann.handle(&pair).await);
    let session_of_root = format!("/admin/sessions/{}/revoke", root.handle(&pair).await);
    forces(&pair, &sue, &session_of_ann, "").await.assert_status(403);
    pair.sqlite(
        "INSERT OR IGNORE INTO django_content_type (app_label, model) VALUES ('auth', 'user');
         INSERT OR IGNORE INTO auth_permission (content_type_id, codename, name)
            SELECT id, 'change_user', 'Can change user' FROM django_content_type WHERE model = 'user';
         INSERT INTO auth_user_user_permissions (user_id, permission_id)
            SELECT u.id, p.id FROM auth_user u, auth_permission p
            WHERE u.username = 'sue' AND p.codename = 'change_user';",
    );

    let expected = [session_of_ann.clone(), format!("{of_ann}/active"), format!("{of_ann}/sign-out")];
    let shown = actions(&pair, &sue, &of_ann).await;
    assert!(expected.iter().all(|action| shown.contains(action)) && shown.len() == 3, "{shown:?}");
    sue.open_and_submit(&pair.site, "/admin/sessions", &session_of_ann, &[]).await.assert_status(303);
    assert_eq!(ann.who(&pair).await, None);
    ann.signs_in(&pair, "ann").await;
    for _ in 0..2 {
        sue.open_and_submit(&pair.site, &of_ann, &format!("{of_ann}/active"), &[]).await.assert_status(303);
    }
    ann.signs_in(&pair, "ann").await;

    assert_eq!(actions(&pair, &sue, &of_root).await, [""; 0]);
    forces(&pair, &sue, &session_of_root, "").await.assert_status(403);
    for action in ["active", "staff", "sign-out"] {
        forces(&pair, &sue, &format!("{of_root}/{action}"), "false").await.assert_status(403);
        forces(&pair, &sue, &format!("{of_sue}/{action}"), "true").await.assert_status(403);
    }
    assert_eq!(root.who(&pair).await.as_deref(), Some("root"));
    for page in [&of_ann, &of_bob] {
        forces(&pair, &sue, &format!("{page}/staff"), "true").await.assert_status(403);
    }

    // An accomplice cannot restore what a superuser took away.
    root.open_and_submit(&pair.site, &of_bob, &format!("{of_bob}/active"), &[]).await.assert_status(303);
    forces(&pair, &sue, &format!("{of_bob}/active"), "true").await.assert_status(403);
    assert_eq!(bob.who(&pair).await, None);
    root.open_and_submit(&pair.site, &of_bob, &format!("{of_bob}/active"), &[]).await.assert_status(303);
    root.open_and_submit(&pair.site, &of_bob, &format!("{of_bob}/staff"), &[]).await.assert_status(303);
    forces(&pair, &sue, &format!("{of_bob}/staff"), "true").await.assert_status(403);
    bob.signs_in(&pair, "bob").await;
    bob.get(&pair.site, "/admin/").await.assert_status(403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_sessions_are_found_by_user_address_and_age_and_many_end_at_once() {
    let pair = with_superuser(Backend::Embedded).await;
    let [ann, phone, root, visitor] = [(); 4].map(|()| Browser::new());
    for (browser, name) in [(&ann, "ann"), (&phone, "ann"), (&root, "root")] {
        browser.signs_in(&pair, name).await;
    }
    visitor.set_preference(&pair, "theme", &"dark".into()).await;
    let handles = [ann.handle(&pair).await, phone.handle(&pair).await, visitor.handle(&pair).await];
    let found = async |query: &str| {
        let page = root.get(&pair.site, &format!("/admin/sessions{query}")).await;
        page.assert_status(200);
        handles.each_ref().map(|handle| page.body.contains(&format!("value=\"{handle}\"")))
    };
    for (query, expected) in [
        ("", [true, true, true]),
        ("?user=ann", [true, true, false]),
        ("?user=nobody", [false, false, false]),
        ("?address=127.", [true, true, true]),
        ("?address=10.", [false, false, false]),
        ("?age=hour", [true, true, true]),
        ("?age=over-day", [false, false, false]),
        ("?user=ann&address=127.&age=day", [true, true, false]),
        ("?user=%00&address=%27&age=x", [false, false, false]),
    ] {
        assert_eq!(found(query).await, expected, "{query}");
    }

    // A confirmation first; then all chosen sessions end.
    let page = root.get(&pair.site, "/admin/sessions").await;
    let mut fields: Vec<_> = html::form(&page.body, "/admin/sessions/revoke");
    fields.extend([&handles[0], &handles[2]].map(|handle| ("handle".to_owned(), handle.clone())));
    let post = async |fields: &[(String, String)]| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        root.send(pair.site.post("/admin/sessions/revoke").form(&fields)).await
    };
    let asked = post(&fields).await;
    assert!(asked.assert_status(200).body.contains("Sign out 2 sessions?"), "{}", asked.body);
    assert_eq!(ann.who(&pair).await.as_deref(), Some("ann"), "nothing happened yet");
    let confirmed = html::form(&asked.body, "/admin/sessions/revoke");
    assert_eq!(post(&confirmed).await.redirect(), "/admin/sessions");
    assert_eq!(ann.who(&pair).await, None);
    assert_eq!(visitor.preferences(&pair).await, serde_json::json!({}));
    assert_eq!(phone.who(&pair).await.as_deref(), Some("ann"));
    assert_eq!(root.who(&pair).await.as_deref(), Some("root"));
    for handle in ["", "x", "../../x"] {
        let fields = [fields[0].clone(), ("handle".to_owned(), handle.to_owned())];
        post(&fields).await.assert_status(400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_superusers_make_superusers_and_set_passwords() {
    let pair = with_superuser(Backend::Embedded).await;
    pair.user("sue").await;
    make_staff(&pair, "sue");
    let [ann, sue, root] = [(); 3].map(|()| Browser::new());
    for (browser, name) in [(&ann, "ann"), (&sue, "sue"), (&root, "root")] {
        browser.signs_in(&pair, name).await;
    }
    let page = format!("/admin/users/{}", id_of(&pair, &ann).await);
    let (superuser, password) = (format!("{page}/superuser"), format!("{page}/password"));
    for action in [&superuser, &password] {
        forces(&pair, &sue, action, "true").await.assert_status(403);
        forces(&pair, &ann, action, "true").await.assert_status(403);
    }
    let fields = [("new_password1", "short"), ("new_password2", "short")];
    let refused = root.open_and_submit(&pair.site, &page, &password, &fields).await;
    assert!(refused.assert_status(422).body.contains("too short"), "{}", refused.body);
    assert_eq!(ann.who(&pair).await.as_deref(), Some("ann"), "nothing happened");
    let new = "the next pass phrase";
    let fields = [("new_password1", new), ("new_password2", new)];
    assert_eq!(root.open_and_submit(&pair.site, &page, &password, &fields).await.redirect(), page);
    assert_eq!(ann.who(&pair).await, None, "signed out everywhere");
    ann.sign_in_at_site(&pair, "ann", &Pair::password_of("ann")).await.assert_status(401);
    ann.sign_in_at_site(&pair, "ann", new).await.assert_status(303);
    for is_superuser in [true, false] {
        root.open_and_submit(&pair.site, &page, &superuser, &[]).await.assert_status(303);
        assert_eq!(ann.get(&pair.api, "/api/me").await.json()["is_superuser"], is_superuser);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_actions_are_recorded() {
    for backend in [Backend::Embedded, Backend::RedisAndPostgres(RedisKind::New)] {
        let mut pair = with_superuser(backend).await;
        let [ann, root] = [(); 2].map(|()| Browser::new());
        ann.signs_in(&pair, "ann").await;
        root.signs_in(&pair, "root").await;
        let empty = root.get(&pair.site, "/admin/log").await;
        assert!(!empty.assert_status(200).body.contains("<tbody>"), "{}", empty.body);
        let handle = ann.handle(&pair).await;
        let page = format!("/admin/users/{}", id_of(&pair, &ann).await);
        let action = format!("/admin/sessions/{handle}/revoke");
        root.open_and_submit(&pair.site, "/admin/sessions", &action, &[]).await.assert_status(303);
        root.open_and_submit(&pair.site, &page, &format!("{page}/active"), &[]).await.assert_status(303);
        // Refused actions have no effect.
        forces(&pair, &root, "/admin/users/999999/active", "false").await.assert_status(404);
        pair.restart(&[]);
        let log = root.get(&pair.site, "/admin/log").await;
        let rows: Vec<_> = log.assert_status(200).body.split("<tr>").skip(2).collect();
        assert_eq!(rows.len(), 2, "{}", log.body);
        for (row, said) in rows.iter().zip([["deactivated", "ann"], ["ended a session", &*handle]]) {
            assert!(row.contains(">root<") && said.iter().all(|part| row.contains(part)), "{said:?}: {row}");
            assert!(row.contains("127.0.0.1"), "{row}");
        }
        Browser::new().get(&pair.site, "/admin/log").await.assert_status(303);
    }
}

fn make_staff(pair: &Pair, name: &str) {
    pair.sqlite(&format!("UPDATE auth_user SET is_staff = 1 WHERE username = '{name}'"));
}

/// The actions of the forms of a page that change another user.
async fn actions(pair: &Pair, browser: &Browser, page: &str) -> Vec<String> {
    let page = browser.get(&pair.site, page).await;
    let mut actions = html::actions(&page.assert_status(200).body);
    actions.retain(|action| action.starts_with("/admin/") && !action.ends_with("/users"));
    actions
}

/// Posts with a valid token but without a form of the page.
async fn forces(pair: &Pair, browser: &Browser, action: &str, on: &str) -> Answer {
    let token = html::form(&browser.get(&pair.site, "/profile").await.body, "/logout").remove(0).1;
    browser.send(pair.site.post(action).form(&[("csrfmiddlewaretoken", &*token), ("on", on)])).await
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
