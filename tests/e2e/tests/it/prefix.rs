//! `site` under a path of its own, behind a proxy that removes the path from a request or leaves it on.

use harness::{Answer, Backend, Browser, Kind, Pair, Request, Service, html};

type Wrap = fn(Request) -> Request;

const PREFIX: &str = "/accounts";
const PAGES: [&str; 8] = ["/", "/login", "/register", "/profile", "/password", "/sessions", "/admin/", "/admin/users"];

/// The header of a proxy that has removed the path.
fn stripped(request: Request) -> Request {
    request.header("x-forwarded-prefix", PREFIX)
}

/// All addresses on a page of `site`.
fn addresses(page: &Answer) -> Vec<&str> {
    let values = |name| page.body.split(name).skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
    [" href=\"", " action=\"", " src=\""].into_iter().flat_map(values).collect()
}

#[track_caller]
fn all_under(prefix: &str, page: &Answer) {
    let addresses = addresses(page);
    assert!(addresses.len() > 4, "{}", page.body);
    for address in addresses.into_iter().filter(|address| !address.starts_with('#')) {
        let inside = address.starts_with(&format!("{prefix}/"))
            && (prefix.is_empty() || !address.starts_with(&format!("{prefix}{prefix}")));
        assert!(inside || address.starts_with(Kind::Api.origin()), "{}: {address}", page.shown);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_and_redirect_is_under_the_prefix_whether_or_not_a_proxy_removes_it() {
    let pair = Pair::start(Backend::Embedded);
    pair.superuser("root");
    let prefixed = pair.one_more_with(Kind::Site, &[("SITE_PREFIX", PREFIX)]);
    let trusting = pair.one_more_with(Kind::Site, &[("TRUSTED_PROXIES", "127.0.0.1")]);
    let root = Browser::new();
    root.signs_in(&pair, "root").await;
    for path in PAGES {
        let kept = format!("{PREFIX}{path}");
        for request in
            [prefixed.get(path), prefixed.get(&kept), stripped(trusting.get(path)), stripped(trusting.get(&kept))]
        {
            all_under(PREFIX, root.send(request.clone()).await.assert_status(200));
            let nobody = request.without("cookie").send().await;
            if nobody.status == 303 {
                assert_eq!(nobody.redirect(), format!("{PREFIX}/login?next={PREFIX}{path}"));
            } else {
                all_under(PREFIX, nobody.assert_status(200));
            }
        }
    }
    for file in ["/static/site.css", "/static/site.js", "/static/icon.svg"] {
        prefixed.get(&format!("{PREFIX}{file}")).send().await.assert_status(200);
    }
    for (path, status) in
        [("/accounts", 200), ("/accounts/healthz", 200), ("/accountsx", 404), ("/accounts/accounts/login", 404)]
    {
        let answer = prefixed.get(path).send().await;
        answer.assert_status(status);
        if status == 404 {
            all_under(PREFIX, &answer);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_signs_in_registers_and_signs_out_under_the_prefix() {
    let pair = Pair::start(Backend::Embedded);
    let prefixed = pair.one_more_with(Kind::Site, &[("SITE_PREFIX", PREFIX)]);
    let trusting = pair.one_more_with(Kind::Site, &[("TRUSTED_PROXIES", "127.0.0.1"), ("SITE_PREFIX", "/other")]);
    let wrap: [(&Service, Wrap); 2] = [(&prefixed, |request| request), (&trusting, stripped)];
    for (number, (site, wrap)) in wrap.into_iter().enumerate() {
        let browser = Browser::new();
        let submit = async |page: &Answer, action: &str, fields: &[(&str, &str)]| {
            let mut all = html::form(&page.body, action);
            all.retain(|(name, _)| !fields.iter().any(|(field, _)| field == name));
            let all: Vec<_> =
                all.iter().map(|(name, value)| (&**name, &**value)).chain(fields.iter().copied()).collect();
            browser.send(wrap(site.post(action).form(&all))).await
        };
        let next = "/accounts/admin/users?q=a%0Ab%5Cc";
        let login = browser.send(wrap(site.get("/accounts/admin/users?q=a%0Ab%5Cc"))).await.redirect();
        let page = browser.send(wrap(site.get(&login))).await;
        let cookie = page.set_cookies().concat();
        assert!(cookie.contains("_csrf=") && cookie.ends_with("; Path=/accounts"), "{cookie}");
        let wrong = submit(&page, "/accounts/login", &[("username", "demo"), ("password", "wrong")]).await;
        all_under(PREFIX, wrong.assert_status(401));
        let in_now = submit(&wrong, "/accounts/login", &[("username", "demo"), ("password", "demo-password")]).await;
        assert_eq!(in_now.redirect(), next);

        let profile = browser.send(wrap(site.get("/accounts/profile"))).await;
        let out = submit(&profile, "/accounts/logout", &[]).await;
        assert_eq!(out.redirect(), "/accounts/");

        let page = browser.send(wrap(site.get(&login))).await;
        let register = addresses(&page).into_iter().find(|address| address.starts_with("/accounts/register?")).unwrap();
        let page = browser.send(wrap(site.get(register))).await;
        let name = format!("ann{number}");
        let fields = [("username", &*name), ("email", ""), ("password1", "long enough"), ("password2", "another one")];
        let wrong = submit(&page, "/accounts/register", &fields).await;
        let fields = [("password1", "long enough"), ("password2", "long enough")];
        let registered = submit(wrong.assert_status(422), "/accounts/register", &fields).await;
        assert_eq!(registered.redirect(), next);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_counts_only_from_a_trusted_proxy_and_only_if_it_is_valid() {
    let pair = Pair::with(Backend::Embedded, &[("TRUSTED_PROXIES", "10.0.0.0/8")]);
    all_under("", &stripped(pair.site.get("/login")).send().await);
    let trusting = pair.one_more_with(Kind::Site, &[("TRUSTED_PROXIES", "127.0.0.1"), ("SITE_PREFIX", "/configured")]);
    for odd in ["//evil.example", "/a/../b", "https://evil.example", "/a, /b", "/a\"><script>", "/admin", "/", ""] {
        let page = trusting.get("/login").header("x-forwarded-prefix", odd).send().await;
        all_under("/configured", page.assert_status(200));
        let profile = trusting.get("/profile").header("x-forwarded-prefix", odd).send().await;
        assert_eq!(profile.redirect(), "/configured/login?next=/configured/profile");
    }
    all_under("/a/b", &trusting.get("/login").header("x-forwarded-prefix", "/a/b/").send().await);
    all_under("/configured", &trusting.get("/login").send().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_that_cannot_be_used_stops_the_start() {
    let pair = Pair::start(Backend::Embedded);
    for bad in ["accounts", "/accounts/", "/", "//accounts", "/a/../b", "/a b", "/admin", "/login/x"] {
        let ended = pair.run_site(&[], &[("SITE_PREFIX", bad)]);
        assert_eq!(ended.status.code(), Some(2), "{bad}: {ended:?}");
        assert!(
            ended.stderr.contains(&format!("SITE_PREFIX is {bad:?}; expected a path such as /accounts")),
            "{ended:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_and_a_registration_lead_to_the_requested_page() {
    let pair = Pair::start(Backend::Embedded);
    for (number, next) in ["/admin/users?q=a%0Ab%5Cc", "/sessions?x=%00%2F%2F&y=\\#%0D"].into_iter().enumerate() {
        let browser = Browser::new();
        let encoded: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/login?next={encoded}");
        let page = browser.get(&pair.site, &path).await;
        let wrong = browser.submit(&pair.site, &page, "/login", &[("username", "demo"), ("password", "no")]).await;
        let fields = [("username", "demo"), ("password", "demo-password")];
        let answer = browser.submit(&pair.site, wrong.assert_status(401), "/login", &fields).await;
        assert_eq!(answer.redirect(), next);
        let name = format!("bob{number}");
        let fields = [("username", &*name), ("email", ""), ("password1", "long enough"), ("password2", "long enough")];
        let page = Browser::new();
        let answer = page.open_and_submit(&pair.site, &format!("/register?next={encoded}"), "/register", &fields).await;
        assert_eq!(answer.redirect(), next);
    }
    for next in ["//evil.example", "/%5Cevil.example", "https://evil.example", "/login"] {
        let fields = [("username", "demo"), ("password", "demo-password"), ("next", next)];
        let answer = Browser::new().open_and_submit(&pair.site, "/login", "/login", &fields).await;
        assert_eq!(answer.redirect(), "/profile", "{next}");
    }
}
