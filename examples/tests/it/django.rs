//! What only a Django fleet has: its form tokens.

use test_servers::RedisKind;

use crate::harness::{Backend, Browser, Pair, TempDir, html};

/// Both services in the profile `django-cache`, with the user `ann`.
async fn pair(directory: &TempDir) -> Pair {
    let users = format!("sqlite://{}", directory.path().join("users.sqlite3").display());
    // The tables are made as Django makes them; then Django is there.
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
    let directory = TempDir::new();
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
    // As a script does, which reads the cookie.
    let unmasked = pair.site.post("/logout").form(&[("csrfmiddlewaretoken", &after)]);
    browser.send(unmasked).await.assert_status(303);
    assert_eq!(browser.who(&pair).await, None);

    browser.sign_in_at_api(&pair, "ann", &password).await.assert_status(200);
    assert_ne!(form_secret(&browser).expect("and so does a login at api"), after);
    browser.submit(&pair.site, &signed_in, "/logout", &[]).await.assert_status(403);
    assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));
}
