//! Clients that keep a connection without using it, and requests that do not name one host.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use harness::{Backend, Pair, Service};

/// Sends `head` at once, then one byte of `rest` every 100 ms, until the service closes the connection. Returns the
/// answer up to then.
fn trickle(service: &Service, head: &str, rest: &[u8]) -> String {
    let mut stream = TcpStream::connect(service.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let mut rest = rest.iter();
    for _ in 0..600 {
        match stream.read(&mut buffer) {
            Ok(0) => return String::from_utf8_lossy(&answer).into_owned(),
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if let Some(byte) = rest.next() {
                    // If the service has closed the connection, the next read shows it.
                    let _ = stream.write_all(&[*byte]);
                }
            }
            Err(_) => return String::from_utf8_lossy(&answer).into_owned(),
        }
    }
    panic!("{} still keeps the connection: {}", service.kind().name(), String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_lose_their_connection() {
    let pair = Pair::with(Backend::Embedded, &[("HTTP_IDLE_TIMEOUT", "1"), ("HTTP_REQUEST_TIMEOUT", "2")]);
    let endless = [b'a'; 1000];
    for service in pair.both() {
        trickle(service, "", b"");
        trickle(service, "GET /healthz HTTP/1.1\r\nhost: a\r\nx-slow: ", &endless);
        let kept = trickle(service, "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n", b"");
        assert!(kept.starts_with("HTTP/1.1 200"), "{kept}");
    }
    let form = "POST /login HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 999\r\n\r\n";
    let json = "POST /api/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n";
    for (service, head) in [(&pair.site, form), (&pair.api, json)] {
        let answer = trickle(service, head, &endless);
        assert!(answer.starts_with("HTTP/1.1 408"), "{}: {answer}", service.kind().name());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_do_not_keep_others_out() {
    let pair = Pair::with(Backend::Embedded, &[("HTTP_IDLE_TIMEOUT", "1"), ("HTTP_CONNECTIONS", "4")]);
    for service in pair.both() {
        let silent: Vec<_> = (0..12).map(|_| TcpStream::connect(service.address()).unwrap()).collect();
        let answer = service.get("/healthz").send().await;
        answer.assert_status(200);
        drop(silent);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_names_exactly_one_host() {
    let pair = Pair::start(Backend::Embedded);
    for service in pair.both() {
        for (hosts, expected) in [("", "400"), ("host: a\r\nhost: b\r\n", "400"), ("host: a\r\n", "200")] {
            let head = format!("GET /healthz HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
            let answer = trickle(service, &head, b"");
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {expected}")),
                "{}, {hosts:?}: {answer}",
                service.kind().name()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_may_be_framed() {
    let pair = Pair::start(Backend::Embedded);
    for (service, path) in
        [(&pair.site, "/"), (&pair.site, "/login"), (&pair.site, "/none"), (&pair.api, "/docs/"), (&pair.api, "/none")]
    {
        let answer = service.get(path).send().await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    }
}
