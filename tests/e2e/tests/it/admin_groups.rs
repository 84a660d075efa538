//! The pages that add, rename, change and delete groups.

use test_servers::RedisKind;

use harness::{Answer, Backend, Browser, Pair, all, eventually, html};

const GROUPS: &str = "/admin/groups";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_superuser_adds_changes_renames_and_deletes_a_group() {
    for backend in [Backend::Embedded, Backend::RedisAndPostgres(RedisKind::New)] {
        let pair = Pair::start(backend);
        let [ann, root] = ann_and(&pair, "root").await;
        let added = root.open_and_submit(&pair.site, GROUPS, GROUPS, &[("name", " o'neil & <sons> ")]).await;
        let page = added.assert_status(303).redirect();
        let shown = root.get(&pair.site, &page).await.assert_status(200).body.clone();
        assert!(shown.contains("o&#39;neil &#38; &#60;sons&#62;") && shown.contains("Nobody is a member"), "{shown}");
        assert!(shown.contains("auth.add_group"), "Django's permissions for groups can be given: {shown}");

        let chosen = [("permission", "auth.view_user"), ("permission", "auth.view_group")];
        let asked = ticks(&pair, &root, &page, &chosen).await;
        assert!(asked.body.contains("Gets these permissions") && !asked.body.contains("Loses"), "{}", asked.body);
        let form = format!("{page}/permissions");
        root.submit(&pair.site, &asked, &form, &[]).await.assert_status(303);
        join(&pair, &root, &ann, "o'neil & <sons>").await;
        assert_eq!(rights(&pair, &ann).await.1, ["auth.view_group", "auth.view_user"]);

        // Boxes that are not ticked are removed, after a confirmation; the same again asks for nothing.
        let asked = ticks(&pair, &root, &page, &chosen[..1]).await;
        assert!(asked.body.contains("Loses these permissions"), "{}", asked.body);
        assert_eq!(rights(&pair, &ann).await.1.len(), 2, "not yet confirmed");
        root.submit(&pair.site, &asked, &form, &[]).await.assert_status(303);
        assert_eq!(rights(&pair, &ann).await.1, ["auth.view_user"]);
        ticks(&pair, &root, &page, &chosen[..1]).await.assert_status(303);

        let rename = format!("{page}/name");
        root.open_and_submit(&pair.site, &page, &rename, &[("name", "editors")]).await.assert_status(303);
        assert_eq!(rights(&pair, &ann).await, (vec!["editors".to_owned()], vec!["auth.view_user".to_owned()]));
        let shown = root.get(&pair.site, &page).await.body;
        assert!(shown.contains("1 user is a member") && shown.contains("1 user leaves it"), "{shown}");

        let delete = format!("{page}/delete");
        let deleted = root.open_and_submit(&pair.site, &page, &delete, &[]).await;
        assert_eq!(deleted.assert_status(303).redirect(), GROUPS);
        assert_eq!(rights(&pair, &ann).await, (vec![], vec![]));
        assert_eq!(ann.who(&pair).await.as_deref(), Some("ann"), "nobody is signed out");
        for path in [&page, "/admin/groups/999999", "/admin/groups/99999999999999999999", "/admin/groups/x"] {
            root.get(&pair.site, path).await.assert_status(404);
        }
        let log = root.get(&pair.site, "/admin/log").await.body;
        let arrow = "o&#39;neil &#38; &#60;sons&#62; → editors";
        for said in ["added the group", arrow, "gave the group", "took permissions from", "deleted the group"] {
            assert!(log.contains(said), "{said}: {log}");
        }
        for event in ["add-group", "rename-group", "change-group-permissions", "delete-group"] {
            let line = format!("event=\"{event}\" actor=");
            let told = async || pair.site.output().contains(&line).then_some(());
            eventually(event, told).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_given_once_and_is_one_that_django_takes() {
    let pair = Pair::start(Backend::Embedded);
    let [_, root] = ann_and(&pair, "root").await;
    let add = async |name: &str| root.open_and_submit(&pair.site, GROUPS, GROUPS, &[("name", name)]).await;
    let page = add("editors").await.assert_status(303).redirect().to_owned();
    let rename =
        async |name: &str| root.open_and_submit(&pair.site, &page, &format!("{page}/name"), &[("name", name)]).await;
    let longest = "ä".repeat(150);
    for (name, said) in [
        ("Support", "There is a group of this name already"),
        (" Support ", "There is a group of this name already"),
        ("", "Please give the group a name"),
        ("  ", "Please give the group a name"),
        ("a\u{7}b", "cannot be shown"),
        (&format!("{longest}a"), "more than 150 characters"),
    ] {
        for answer in [add(name).await, rename(name).await] {
            let answer = answer.assert_status(422);
            assert!(answer.body.contains(said) && answer.body.contains("aria-invalid"), "{name:?}: {}", answer.body);
        }
    }
    assert!(add("editors").await.body.contains("of this name already"));
    rename("editors").await.assert_status(303);
    rename(&longest).await.assert_status(303);
    assert_eq!(groups(&pair), [("Support".to_owned(), 2), (longest, 0)]);
    let log = root.get(&pair.site, "/admin/log").await.body;
    assert_eq!(log.matches("added the group").count(), 1, "what was refused is not in the log: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_need_djangos_permissions_and_give_only_their_own() {
    let pair = Pair::start(Backend::Embedded);
    let [ann, sue] = ann_and(&pair, "sue").await;
    pair.sqlite(
        "INSERT INTO auth_group (name) VALUES ('editors');
         UPDATE auth_user SET is_staff = 1, is_superuser = 0 WHERE username = 'sue';",
    );
    let [support, editors] = ["Support", "editors"].map(|name| id_of(&pair, name));
    let of = |id: &str, what: &str| format!("/admin/groups/{id}/{what}");
    let give = |name: &'static str| [("confirmed", "yes"), ("add-permission", name)];
    // A user who is not staff, and staff without a permission.
    for (browser, looks) in [(&ann, 403), (&sue, 200)] {
        browser.get(&pair.site, GROUPS).await.assert_status(looks);
        browser.get(&pair.site, &format!("/admin/groups/{editors}")).await.assert_status(looks);
        forces(&pair, browser, GROUPS, &[("name", "mine")]).await.assert_status(403);
        for (what, fields) in [("name", vec![("name", "x")]), ("delete", vec![]), ("permissions", give("a").to_vec())] {
            forces(&pair, browser, &of(&editors, what), &fields).await.assert_status(403);
        }
    }
    let list = sue.get(&pair.site, GROUPS).await.body;
    let page = sue.get(&pair.site, &format!("/admin/groups/{editors}")).await.body;
    assert!(!list.contains("Add a group") && !page.contains("Rename") && !page.contains("Delete"), "{page}");
    let untouched = [("Support".to_owned(), 2), ("editors".to_owned(), 0)];
    assert_eq!(groups(&pair), untouched);
    let anonymous = Browser::new().get(&pair.site, GROUPS).await;
    assert!(anonymous.redirect().starts_with("/login"), "{}", anonymous.status);

    // Each permission allows one action.
    grant(&pair, "sue", "add_group");
    forces(&pair, &sue, GROUPS, &[("name", "new")]).await.assert_status(303);
    forces(&pair, &sue, &of(&editors, "delete"), &[]).await.assert_status(403);
    // She can give her own permission to a user; to a group only with the permission to change groups.
    grant(&pair, "sue", "view_user");
    forces(&pair, &sue, &of(&editors, "permissions"), &give("auth.view_user")).await.assert_status(403);
    grant(&pair, "sue", "change_group");
    forces(&pair, &sue, &of(&editors, "name"), &[("name", "writers")]).await.assert_status(303);
    forces(&pair, &sue, &of(&editors, "permissions"), &give("auth.view_user")).await.assert_status(303);
    for not_hers in ["auth.change_user", "no.such"] {
        forces(&pair, &sue, &of(&editors, "permissions"), &give(not_hers)).await.assert_status(403);
    }
    // The other group has permissions that she lacks.
    forces(&pair, &sue, &of(&support, "name"), &[("name", "mine")]).await.assert_status(403);
    let takes = |name: &'static str| [("confirmed", "yes"), ("remove-permission", name)];
    forces(&pair, &sue, &of(&support, "permissions"), &takes("auth.change_user")).await.assert_status(403);
    forces(&pair, &sue, &of(&support, "permissions"), &takes("auth.view_user")).await.assert_status(303);
    grant(&pair, "sue", "delete_group");
    forces(&pair, &sue, &of(&support, "delete"), &[]).await.assert_status(403);
    forces(&pair, &sue, &of(&editors, "delete"), &[]).await.assert_status(303);
    assert_eq!(groups(&pair), [("Support".to_owned(), 1), ("new".to_owned(), 0)]);
}

/// Another request took the permission while the confirmation page was open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_changes_by_others_are_not_undone() {
    let pair = Pair::start(Backend::Embedded);
    let [_, root] = ann_and(&pair, "root").await;
    let page = format!("/admin/groups/{}", id_of(&pair, "Support"));
    let kept = [("permission", "auth.change_user"), ("permission", "auth.view_user")];
    let asked = ticks(&pair, &root, &page, &[&kept[..], &[("permission", "auth.add_user")]].concat()).await;
    pair.sqlite("DELETE FROM auth_group_permissions;");
    root.submit(&pair.site, &asked, &format!("{page}/permissions"), &[]).await.assert_status(303);
    let name = "SELECT p.codename FROM auth_group_permissions g JOIN auth_permission p ON p.id = g.permission_id";
    assert_eq!(query(&pair, name), "add_user");

    let asked = ticks(&pair, &root, &page, &kept).await;
    pair.sqlite("DELETE FROM auth_group_permissions; DELETE FROM auth_group;");
    root.submit(&pair.site, &asked, &format!("{page}/permissions"), &[]).await.assert_status(404);
}

/// All requests read before one of them is done, at least in some of the rounds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_equal_actions_at_once_one_is_done() {
    for backend in [Backend::Embedded, Backend::RedisAndPostgres(RedisKind::New)] {
        let pair = Pair::start(backend);
        let [_, root] = ann_and(&pair, "root").await;
        let token = html::form(&root.get(&pair.site, "/profile").await.body, "/logout").remove(0).1;
        let at_once = async |requests: [(String, &str); 4]| {
            let requests = requests.map(|(path, name)| {
                root.prepare(pair.site.post(&path).form(&[("csrfmiddlewaretoken", &*token), ("name", name)]))
            });
            let answers = all(requests.map(|request| request.send())).await;
            let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
            statuses.sort_unstable();
            let done = answers.into_iter().find(|answer| answer.status == 303);
            (statuses, done.expect("one that is done").redirect())
        };
        for round in 0..6 {
            let added = format!("added {round}");
            let (statuses, page) = at_once([(); 4].map(|()| (GROUPS.to_owned(), &*added))).await;
            assert_eq!(statuses, [303, 422, 422, 422], "{backend:?}");

            let mut pages = Vec::new();
            for number in 0..4 {
                let name = format!("group {round}-{number}");
                let answer = root.open_and_submit(&pair.site, GROUPS, GROUPS, &[("name", &name)]).await;
                pages.push(answer.assert_status(303).redirect());
            }
            let renamed = format!("renamed {round}");
            let renames = [0, 1, 2, 3].map(|number: usize| (format!("{}/name", pages[number]), &*renamed));
            let (statuses, _) = at_once(renames).await;
            assert_eq!(statuses, [303, 422, 422, 422], "{backend:?}");

            let (statuses, _) = at_once([(); 4].map(|()| (format!("{page}/delete"), ""))).await;
            assert_eq!(statuses, [303, 404, 404, 404], "{backend:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_of_an_old_page_changes_no_group() {
    let pair = Pair::start(Backend::Embedded);
    let [_, root] = ann_and(&pair, "root").await;
    let page = format!("/admin/groups/{}", id_of(&pair, "Support"));
    let old = ("csrfmiddlewaretoken", "old");
    for (path, fields, again) in [
        (GROUPS.to_owned(), vec![old, ("name", "typed")], "value=\"typed\""),
        (format!("{page}/name"), vec![old, ("name", "typed")], "value=\"typed\""),
        (format!("{page}/delete"), vec![old], "Permissions of the group"),
        (format!("{page}/permissions"), vec![old, ("confirmed", "yes")], "Permissions of the group"),
    ] {
        let answer = root.send(pair.site.post(&path).form(&fields)).await;
        assert!(answer.assert_status(403).body.contains(again), "{path}: {}", answer.body);
    }
    assert_eq!(groups(&pair), [("Support".to_owned(), 2)]);
}

/// Another app refers to the group, as an app of a Django site may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_another_table_needs_is_not_deleted() {
    let pair = Pair::start(Backend::Embedded);
    let [ann, root] = ann_and(&pair, "root").await;
    join(&pair, &root, &ann, "Support").await;
    let id = id_of(&pair, "Support");
    pair.sqlite(&format!(
        "CREATE TABLE shop_discount (group_id integer NOT NULL REFERENCES auth_group (id) DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO shop_discount VALUES ({id});"
    ));
    let page = format!("/admin/groups/{id}");
    let refused = root.open_and_submit(&pair.site, &page, &format!("{page}/delete"), &[]).await;
    assert!(refused.assert_status(409).body.contains("may depend on it"), "{}", refused.body);
    assert_eq!(rights(&pair, &ann).await.0, ["Support"]);
    assert_eq!(groups(&pair), [("Support".to_owned(), 2)]);
}

/// `ann`, and a superuser of this name; both are signed in.
async fn ann_and(pair: &Pair, superuser: &str) -> [Browser; 2] {
    pair.user("ann").await;
    pair.superuser(superuser);
    let browsers = [(); 2].map(|()| Browser::new());
    browsers[0].signs_in(pair, "ann").await;
    browsers[1].signs_in(pair, superuser).await;
    browsers
}

fn grant(pair: &Pair, username: &str, codename: &str) {
    pair.sqlite(&format!(
        "INSERT INTO auth_user_user_permissions (user_id, permission_id) SELECT u.id, p.id FROM auth_user u, auth_permission p
            WHERE u.username = '{username}' AND p.codename = '{codename}';"
    ));
}

/// Makes the user of `member` a member of the group, on the user's page.
async fn join(pair: &Pair, root: &Browser, member: &Browser, group: &str) {
    let me = member.get(&pair.api, "/api/me").await.assert_status(200).json();
    let page = format!("/admin/users/{}/rights", me["id"].as_str().unwrap());
    let token = html::form(&root.get(&pair.site, &page).await.body, &page).remove(0).1;
    let fields = [("csrfmiddlewaretoken", &*token), ("confirmed", "yes"), ("add-group", group)];
    root.send(pair.site.post(&page).form(&fields)).await.assert_status(303);
}

/// The groups and permissions of the signed-in user, as reported by `api`.
async fn rights(pair: &Pair, browser: &Browser) -> (Vec<String>, Vec<String>) {
    let me = browser.get(&pair.api, "/api/me").await.assert_status(200).json();
    let names = |field: &str| {
        let names = me[field].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    (names("groups"), names("permissions"))
}

/// Submits the form of the group's page with only these boxes ticked.
async fn ticks(pair: &Pair, browser: &Browser, page: &str, chosen: &[(&str, &str)]) -> Answer {
    let action = format!("{page}/permissions");
    let token = html::form(&browser.get(&pair.site, page).await.body, &action).remove(0).1;
    let fields = [&[("csrfmiddlewaretoken", &*token)], chosen].concat();
    browser.send(pair.site.post(&action).form(&fields)).await
}

/// Posts without the form, with a token of some page.
async fn forces(pair: &Pair, browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Answer {
    let token = html::form(&browser.get(&pair.site, "/profile").await.body, "/logout").remove(0).1;
    let fields = [&[("csrfmiddlewaretoken", &*token)], fields].concat();
    browser.send(pair.site.post(path).form(&fields)).await
}

/// The names and the number of permissions of groups, from Django's tables.
fn groups(pair: &Pair) -> Vec<(String, usize)> {
    let sql = "SELECT g.name || '=' || COUNT(p.id) FROM auth_group g LEFT JOIN auth_group_permissions p \
               ON p.group_id = g.id GROUP BY g.id ORDER BY g.name";
    let rows = query(pair, sql);
    let row = |row: &str| {
        let (name, count) = row.rsplit_once('=').unwrap();
        (name.to_owned(), count.parse().unwrap())
    };
    rows.lines().map(row).collect()
}

fn id_of(pair: &Pair, group: &str) -> String {
    query(pair, &format!("SELECT id FROM auth_group WHERE name = '{group}'"))
}

/// The first column of a query on the SQLite file of an embedded start, one line for each row.
fn query(pair: &Pair, sql: &str) -> String {
    let script = "import sqlite3, sys\nfor row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print(row[0])";
    let database = pair.directory().join("data").join("shared-session.sqlite3");
    let ran = std::process::Command::new("python3").args(["-c", script]).arg(&database).arg(sql).output().unwrap();
    assert!(ran.status.success(), "{sql}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim_end().to_owned()
}
