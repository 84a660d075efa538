//! The home page follows its session: changes at `api` appear at `site` without a reload.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

use harness::{Backend, Browser, PATIENCE, Pair};

/// The events of one open page.
struct Events(BufReader<TcpStream>);

impl Events {
    async fn open(pair: &Pair, browser: &Browser) -> Self {
        let address = pair.site.address();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let cookies = browser.cookies();
        let request = format!("GET /events HTTP/1.1\r\nHost: {address}\r\nCookie: {cookies}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self(BufReader::new(stream))
    }

    /// The next line that starts with `start`; `None` at the end.
    async fn line(&mut self, start: &str) -> Option<String> {
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("an event or the end").unwrap();
            if read == 0 {
                return None;
            }
            if let Some(rest) = line.trim_end().strip_prefix(start) {
                return Some(rest.to_owned());
            }
        }
    }

    async fn view(&mut self) -> Value {
        serde_json::from_str(&self.line("data: ").await.expect("an event")).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_at_api_shows_on_the_open_page_of_site() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let ann = Browser::new();
    ann.signs_in(&pair, "ann").await;
    let mut events = Events::open(&pair, &ann).await;
    assert_eq!(events.line("x-accel-buffering: ").await.as_deref(), Some("no"), "a proxy passes each event on");
    let first = events.view().await;
    let session = ann.get(&pair.api, "/api/session").await.json();
    assert_eq!(first["user"], "ann");
    for (ours, theirs) in [("handle", "handle"), ("created", "created_at"), ("expires", "expires_at")] {
        assert_eq!(first[ours], session[theirs], "both services see the same session");
    }
    ann.set_preference(&pair, "note", &json!("hello")).await;
    let second = events.view().await;
    let entry = json!({ "name": "pref.note", "value": "\"hello\"" });
    assert!(second["entries"].as_array().unwrap().contains(&entry), "{second}");

    ann.sign_out_at_api(&pair).await.assert_status(204);
    let third = events.view().await;
    assert_eq!((&third["user"], &third["handle"]), (&json!(null), &json!(null)), "{third}");
    assert_eq!(third["entries"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_shows_no_secret_and_ends_when_the_service_stops() {
    let mut pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let ann = Browser::new();
    ann.signs_in(&pair, "ann").await;
    let mut events = Events::open(&pair, &ann).await;
    let kind = events.line("content-type: ").await;
    assert_eq!(kind.as_deref(), Some("text/event-stream"));
    let shown = events.view().await.to_string();
    let cookie = ann.session().unwrap();
    let secret = cookie.strip_prefix(&ann.handle(&pair).await).unwrap();
    assert!(!shown.contains(secret) && !shown.contains("argon2"), "{shown}");
    pair.restart(&[]);
    while events.line("").await.is_some() {}
    assert_eq!(ann.who(&pair).await.as_deref(), Some("ann"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_home_page_shows_the_session_and_works_without_a_script() {
    let pair = Pair::start(Backend::Embedded);
    let nobody = Browser::new().get(&pair.site, "/").await;
    assert!(nobody.assert_status(200).body.contains("<svg"), "{}", nobody.body);
    pair.user("ann").await;
    let ann = Browser::new();
    ann.signs_in(&pair, "ann").await;
    let home = ann.get(&pair.site, "/").await;
    assert!(home.body.contains(&ann.handle(&pair).await), "{}", home.body);
    let policy = home.header("content-security-policy");
    assert!(!policy.contains("unsafe") && policy.contains("connect-src 'self' "), "{policy}");
    // The forms that post to `api`, as a browser sends them.
    for (path, status) in [("/api/visits", 200), ("/api/logout", 204)] {
        assert!(home.body.contains(&format!("action=\"{}{path}\"", harness::Kind::Api.origin())), "{}", home.body);
        let request = pair.api.post(path).form(&[]).on_page_of(harness::Kind::Site.origin(), "same-site");
        ann.send(request).await.assert_status(status);
    }
    assert_eq!(ann.who(&pair).await, None);
}
