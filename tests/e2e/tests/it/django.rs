//! Form tokens of a Django fleet.

use test_servers::RedisKind;

use harness::{Backend, Browser, Pair, TempDir, eventually, html};

/// Both services in the profile `django-cache`, with the user `ann`.
async fn pair(directory: &TempDir) -> Pair {
    let users = format!("sqlite://{}", directory.path().join("users.sqlite3").display());
    // Creates the tables as Django does; then uses the Django profile.
    let mut pair = Pair::with(Backend::Redis(RedisKind::Old), &[("DATABASE_URL", &users)]);
    pair.user("ann").await;
    pair.restart(&[("SESSION_PROFILE", "django-cache")]);
    pair
}

fn form_secret(browser: &Browser) -> Option<String> {
    let cookies = browser.cookies();
    let value = cookies.split("; ").find_map(|pair| pair.strip_prefix("csrftoken="))?;
    assert!(value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{value}");
    Some(value.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_carry_the_tokens_of_django_and_a_login_anywhere_ends_them() {
    let directory = TempDir::new().unwrap();
    let pair = pair(&directory).await;
    let password = Pair::password_of("ann");
    let browser = Browser::new();
    let page = browser.get(&pair.site, "/login").await;
    let before = form_secret(&browser).expect("the page of a form sets csrftoken");
    let cookie = page.set_cookies().concat();
    assert!(cookie.contains("SameSite=Lax") && !cookie.contains("HttpOnly"), "{cookie}");
    let fields = [("username", "ann"), ("password", password.as_str())];
    browser.submit(&pair.site, &page, "/login", &fields).await.assert_status(303);
    assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));
    let after = form_secret(&browser).expect("a login sets another csrftoken");
    assert_ne!(before, after);
    browser.submit(&pair.site, &page, "/login", &fields).await.assert_status(403);

    let signed_in = browser.get(&pair.site, "/profile").await;
    let token = html::form(&signed_in.body, "/logout").into_iter().find(|(name, _)| name == "csrfmiddlewaretoken");
    assert_eq!(token.expect("a token in the form").1.len(), 64);
    // As sent by a script, which reads the cookie.
    let unmasked = pair.site.post("/logout").form(&[("csrfmiddlewaretoken", &after)]);
    browser.send(unmasked).await.assert_status(303);
    assert_eq!(browser.who(&pair).await, None);

    browser.sign_in_at_api(&pair, "ann", &password).await.assert_status(200);
    assert_ne!(form_secret(&browser).expect("and so does a login at api"), after);
    browser.submit(&pair.site, &signed_in, "/logout", &[]).await.assert_status(403);
    assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_cookie_gives_no_new_guesses_of_the_password() {
    let directory = TempDir::new().unwrap();
    let pair = pair(&directory).await;
    let browser = Browser::new();
    browser.signs_in(&pair, "ann").await;
    let guess = async || {
        let page = browser.get(&pair.site, "/confirm").await;
        let before = browser.session();
        let token = form_secret(&browser).expect("the page of a form sets csrftoken");
        let renew = pair.site.post("/sessions/revoke-others").form(&[("csrfmiddlewaretoken", &token)]);
        browser.send(renew).await.assert_status(303);
        assert_ne!(browser.session(), before);
        browser.submit(&pair.site, &page, "/confirm", &[("password", "a guess")]).await.status
    };
    for _ in 0..10 {
        assert_eq!(guess().await, 401);
    }
    // A wait of a second may pass while a password is computed. Then the next one is longer.
    let waits = async || (guess().await == 429).then_some(());
    eventually("a wait", waits).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_stored_as_the_settings_require() {
    let directory = TempDir::new().unwrap();
    let mut pair = pair(&directory).await;
    for profile in ["django-cache", "django-redis"] {
        assert_eq!(pair.redis().cli(&["FLUSHALL"]), "OK");
        pair.restart(&[
            ("SESSION_PROFILE", profile),
            ("SESSION_KEY_PREFIX", "shop"),
            ("SESSION_KEY_VERSION", "7"),
            ("DJANGO_CODEC", "json"),
            ("AUTH_BACKEND", "our.auth.Backend"),
        ]);
        Browser::new().signs_in(&pair, "ann").await;
        let keys = pair.session_keys();
        let key = keys.iter().find(|key| key.starts_with("shop:7:django.contrib.sessions.cache"));
        let value = pair.redis().cli(&["GET", key.unwrap_or_else(|| panic!("{profile}: {keys:?}"))]);
        assert!(value.starts_with('{') && value.contains("our.auth.Backend"), "{profile}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_does_not_fit_the_fleet_does_not_start() {
    let directory = TempDir::new().unwrap();
    let pair = pair(&directory).await;
    Browser::new().signs_in(&pair, "ann").await;
    for misfit in [("DJANGO_CODEC", "json"), ("SESSION_KEY_PREFIX", "other")] {
        let ended = pair.run_site(&[], &[misfit]);
        assert_eq!(ended.status.code(), Some(2), "{misfit:?}: {ended:?}");
        assert!(ended.stderr.contains("must be those of the fleet"), "{ended:?}");
        assert!(!ended.stdout.contains("listening on"), "{ended:?}");
    }
}
