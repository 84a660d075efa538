//! Documents for operators and programmers.

use harness::{Backend, Browser, Pair, html};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_readiness_and_metrics_are_there() {
    let pair = Pair::start(Backend::Embedded);
    Browser::new().sign_in_at_api(&pair, "demo", "demo-password").await.assert_status(200);
    for service in pair.both() {
        for path in ["/healthz", "/readyz", "/metrics"] {
            service.get(path).send().await.assert_status(200).assert_no_session_cookie();
        }
        let metrics = service.get("/metrics").send().await;
        assert!(metrics.header("content-type").starts_with("text/plain"), "{:?}", metrics.headers);
        let values = metrics.body.lines().filter(|line| !line.starts_with('#'));
        let parsed: Vec<_> = values.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).collect();
        assert!(!parsed.is_empty(), "{}", metrics.body);
        assert!(metrics.body.contains("# TYPE "), "{}", metrics.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openapi_names_every_route() {
    let pair = Pair::start(Backend::Embedded);
    let document = pair.api.get("/openapi.json").send().await.assert_status(200).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    for (path, methods) in [
        ("/api/login", &["post"][..]),
        ("/api/logout", &["post"]),
        ("/api/me", &["get"]),
        ("/api/session", &["get"]),
        ("/api/visits", &["post"]),
        ("/api/preferences", &["get"]),
        ("/api/preferences/{name}", &["get", "put", "delete"]),
        ("/api/sessions", &["get", "delete"]),
        ("/api/sessions/{handle}", &["delete"]),
        ("/api/public", &["get"]),
    ] {
        for method in methods {
            let operation = &document["paths"][path][method];
            assert!(operation["responses"].is_object(), "{method} {path} is missing");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documentation_works_offline() {
    let pair = Pair::start(Backend::Embedded);
    let mut page = pair.api.get("/docs").send().await;
    let mut base = "/docs".to_owned();
    if (300..400).contains(&page.status) {
        base = page.header("location");
        page = pair.api.get(&base).send().await;
    }
    page.assert_status(200);
    assert!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
    let sources: Vec<_> = page.body.split("src=\"").skip(1).chain(page.body.split("href=\"").skip(1)).collect();
    assert!(!sources.is_empty(), "{}", page.body);
    for source in sources {
        let source = source.split('"').next().unwrap();
        assert!(!source.contains("//"), "loaded from another host: {source}");
        let path = match source.strip_prefix('/') {
            Some(_) => source.to_owned(),
            None => format!("{}/{}", base.rsplit_once('/').unwrap().0, source.trim_start_matches("./")),
        };
        pair.api.get(&path).send().await.assert_status(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_load_nothing_from_elsewhere_and_forbid_it() {
    let pair = Pair::start(Backend::Embedded);
    for path in ["/", "/login", "/register"] {
        let page = pair.site.get(path).send().await;
        let policy = page.assert_status(200).header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        let stylesheet = html::between(&page.body, r#"rel="stylesheet" href=""#, "\"").unwrap();
        pair.site.get(stylesheet).send().await.assert_status(200);
    }
}
