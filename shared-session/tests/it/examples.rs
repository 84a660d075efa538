//! The programs in `examples/` work as documented.

use std::{fs, path::Path};

use shared_session::{SessionManager, store::MemoryStore, testing::store_contract};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[test]
fn a_test_runs_every_small_program_and_none_has_more_than_60_lines() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = 0;
    for package in ["shared-session", "shared-session-axum", "shared-session-actix"] {
        let tests = fs::read_to_string(workspace.join(package).join("tests/it/examples.rs")).unwrap();
        let programs = fs::read_to_string(workspace.join(package).join("tests/it/programs.rs")).unwrap();
        for file in fs::read_dir(workspace.join(package).join("examples")).unwrap() {
            let path = file.unwrap().path();
            // The examples for Actix Web have a prefix that those for Axum lack.
            let name = path.file_stem().unwrap().to_str().unwrap();
            let name = name.strip_prefix("actix_").unwrap_or(name);
            let code = fs::read_to_string(&path).unwrap();
            let is_run = tests.contains(&format!("crate::programs::{name}::"))
                || programs.contains(&format!("mod {name};")) && code.contains("#[cfg(test)]");
            assert!(is_run, "no test runs {}", path.display());
            assert!(code.lines().count() <= 60, "{} is too long", path.display());
            found += 1;
        }
    }
    assert!(found >= 21, "{found} programs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn custom_store() {
    let store = MemoryStore::new();
    let shop = crate::programs::custom_store::OfTenant { tenant: "shop", store: store.clone() };
    store_contract(shop).await;
}

#[tokio::test]
async fn plain_hyper() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(crate::programs::plain_hyper::serve(listener, SessionManager::new(MemoryStore::new())));
    let get = async |cookie: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncookie: {cookie}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let first = get("").await;
    assert!(first.ends_with("visit number 1"), "{first}");
    let cookie = first.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap();
    assert!(get(cookie).await.ends_with("visit number 2"));
}

#[tokio::test]
async fn tonic() {
    use shared_session::{SessionLayer, tower::grpc};
    use tower::{Layer as _, ServiceExt as _};

    let manager = SessionManager::new(MemoryStore::new()).with_on_error(grpc::reply);
    let service = SessionLayer::new(manager).layer(crate::programs::tonic::Visits);
    let call = async |cookie: &str| {
        let request = http::Request::post("/example.Visits/Count").header("content-type", "application/grpc");
        // A message without fields.
        let body = ::tonic::body::Body::new(http_body_util::Full::from(&[0; 5][..]));
        let answer = service.clone().oneshot(request.header("cookie", cookie).body(body).unwrap()).await.unwrap();
        let cookie = answer.headers().get("set-cookie").and_then(|cookie| cookie.to_str().ok()?.split(';').next());
        let cookie = cookie.map(str::to_owned);
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
        assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
        (cookie, body.to_bytes())
    };
    let (cookie, first) = call("").await;
    // Field 1 is a number: the visits.
    assert_eq!(first[..], [0, 0, 0, 0, 2, 8, 1]);
    assert_eq!(call(&cookie.unwrap()).await.1[..], [0, 0, 0, 0, 2, 8, 2]);
}
