//! Access to metrics and readiness.

use harness::{Backend, Pair, Service};

const TOKEN: &str = "the token of the operators";
const FOR_OPERATORS: [&str; 2] = ["/readyz", "/metrics"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_an_operators_address_only_that_address_answers_operators() {
    let pair = Pair::with(Backend::Embedded, &[("OPERATIONS_ADDR", "127.0.0.1:0")]);
    for service in pair.both() {
        let own = own_address(service);
        for path in FOR_OPERATORS {
            service.get(path).send().await.assert_status(404);
            let there = service.get(path).for_operators(service.address(), &own).send().await;
            there.assert_status(200).assert_no_session_cookie();
        }
        service.get("/healthz").send().await.assert_status(200);
        service.get("/healthz").for_operators(service.address(), &own).send().await.assert_status(200);
        for path in ["/", "/login", "/api/me", "/docs", "/admin/"] {
            service.get(path).for_operators(service.address(), &own).send().await.assert_status(404);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_token_operators_must_show_it() {
    let pair = Pair::with(Backend::Embedded, &[("OPERATIONS_TOKEN", TOKEN)]);
    for service in pair.both() {
        for path in FOR_OPERATORS {
            for wrong in ["", "Bearer", "Bearer x", "Basic dTpw", TOKEN, &format!("Bearer {TOKEN}x"), "Bearer  "] {
                let request = service.get(path);
                let request = if wrong.is_empty() { request } else { request.header("authorization", wrong) };
                let refused = request.send().await;
                refused.assert_status(401);
                assert_eq!(refused.header("www-authenticate"), "Bearer", "{wrong:?}");
                assert!(!refused.body.contains("shared_session_"), "{wrong:?}: {}", refused.body);
            }
            let shown = format!("Bearer {TOKEN}");
            service.get(path).header("authorization", &shown).send().await.assert_status(200);
        }
        service.get("/healthz").send().await.assert_status(200);
        assert!(!service.output().contains(TOKEN));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_service_warns_that_its_metrics_are_open() {
    let open = [("SITE_ADDR", "0.0.0.0:0"), ("API_ADDR", "0.0.0.0:0")];
    for (more, warned) in [(None, true), (Some(("OPERATIONS_TOKEN", TOKEN)), false)] {
        let settings: Vec<_> = open.into_iter().chain(more).collect();
        for kind in harness::Kind::BOTH {
            let directory = harness::TempDir::new().unwrap();
            let mut env = harness::pair::basic_settings(directory.path());
            env.extend(harness::pair::owned(&settings));
            let service = Service::spawn(kind, directory.path(), &env);
            let started = async || service.output().contains("listening on ").then_some(());
            harness::eventually("the start", started).await;
            assert_eq!(service.output().contains("OPERATIONS_ADDR"), warned, "{}", service.output());
        }
    }
}

/// The operators' address, from the output of a service.
fn own_address(service: &Service) -> String {
    let output = service.output();
    let line = output.lines().find_map(|line| line.strip_prefix("for operators: http://")).expect("an address");
    line.to_owned()
}
