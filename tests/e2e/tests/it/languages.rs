//! The language of `site`.

use serde_json::json;

use harness::{Answer, Backend, Browser, Pair};

const CHINESE: &str = "zh-CN,zh;q=0.9,en;q=0.8";

#[track_caller]
fn speaks(answer: &Answer, tag: &str) {
    assert_eq!(answer.header("content-language"), tag, "{}: {:?}", answer.shown, answer.headers);
    assert!(answer.header_has("vary", "accept-language"), "{}: {:?}", answer.shown, answer.headers);
    assert!(answer.body.contains(&format!("<html lang=\"{tag}\"")), "{}: {}", answer.shown, answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_browser_chooses_the_language_until_the_visitor_does() {
    let pair = Pair::start(Backend::Embedded);
    let browser = Browser::new();
    let ask = async |path: &str, languages: &str| {
        browser.send(pair.site.get(path).header("accept-language", languages)).await
    };
    for path in ["/", "/login", "/register", "/preferences", "/nowhere"] {
        speaks(&ask(path, CHINESE).await, "zh-CN");
        speaks(&ask(path, "de, en;q=0.1").await, "en");
        speaks(&browser.get(&pair.site, path).await, "en");
    }
    let page = ask("/preferences?next=/login", CHINESE).await;
    let saved = browser.submit(&pair.site, &page, "/preferences", &[("theme", "dark"), ("language", "en")]).await;
    assert_eq!(saved.redirect(), "/profile", "signing in is no page to go back to");
    assert_eq!(browser.preferences(&pair).await, json!({ "theme": "dark", "language": "en" }));
    let english = ask("/login", CHINESE).await;
    speaks(&english, "en");
    assert!(english.body.contains("data-theme=\"dark\"") && english.body.contains("Your preferences are saved."));

    // Both services can store it.
    browser.set_preference(&pair, "language", &json!("zh-CN")).await;
    speaks(&browser.get(&pair.site, "/").await, "zh-CN");
    let page = browser.get(&pair.site, "/preferences").await;
    let saved = browser.submit(&pair.site, &page, "/preferences", &[("theme", "?"), ("language", "auto")]).await;
    assert_eq!(saved.redirect(), "/preferences");
    assert_eq!(browser.preferences(&pair).await, json!({ "theme": "system" }));
    speaks(&ask("/", CHINESE).await, "zh-CN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_and_refusals_are_in_the_language_of_the_visitor() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let ann = Browser::new();
    ann.signs_in(&pair, "ann").await;
    ann.set_preference(&pair, "language", &json!("zh")).await;
    let refused = ann.get(&pair.site, "/admin/users?q=x").await;
    speaks(refused.assert_status(403), "zh-CN");
    assert!(refused.body.contains("您当前以 ann 的身份登录。"), "{}", refused.body);
    assert!(refused.body.contains("href=\"/login?next=/admin/users%3Fq%3Dx\""), "{}", refused.body);

    let browser = Browser::new();
    let page = browser.get(&pair.site, "/register").await;
    let fields = [("username", "a b"), ("email", "x"), ("password1", "short"), ("password2", "short")];
    let filled = browser.submit(&pair.site, &page, "/register", &fields).await;
    speaks(filled.assert_status(422), "en");
    browser.set_preference(&pair, "language", &json!("zh")).await;
    let page = browser.get(&pair.site, "/register").await;
    let filled = browser.submit(&pair.site, &page, "/register", &fields).await;
    speaks(filled.assert_status(422), "zh-CN");
    for said in ["用户名只能包含", "电子邮箱格式不正确", "密码太短"] {
        assert!(filled.body.contains(said), "{said}: {}", filled.body);
    }
    let evil = pair.site.post("/logout").on_page_of("https://evil.example", "cross-site");
    let refused = evil.header("accept-language", CHINESE).form(&[]).send().await;
    speaks(refused.assert_status(403), "zh-CN");
    assert!(refused.body.contains("该请求来自其他网站的页面。"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_for_machines_have_no_language() {
    let pair = Pair::start(Backend::Embedded);
    for path in ["/healthz", "/readyz", "/static/site.css"] {
        let answer = pair.site.get(path).header("accept-language", CHINESE).send().await;
        assert_eq!(answer.assert_status(200).header("content-language"), "", "{path}");
        assert!(!answer.header_has("vary", "accept-language"), "{path}: {:?}", answer.headers);
    }
}
