use shared_session::ErrorKind;

use super::add;
use crate::{ORIGIN, Site};

pub async fn requests_of_other_sites_do_not_reach_the_handler(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let foreign = "https://evil.example";
    let mut allowed = 0;
    for (method, headers, passes) in [
        ("POST", vec![], true),
        ("POST", vec![("sec-fetch-site", "same-origin"), ("origin", "https://api.example")], true),
        ("POST", vec![("sec-fetch-site", "same-site"), ("origin", ORIGIN)], true),
        ("POST", vec![("origin", ORIGIN)], true),
        ("GET", vec![("sec-fetch-site", "cross-site"), ("origin", foreign)], true),
        ("POST", vec![("sec-fetch-site", "cross-site"), ("origin", ORIGIN)], false),
        ("POST", vec![("sec-fetch-site", "same-site")], false),
        ("DELETE", vec![("origin", foreign)], false),
        ("PUT", vec![("origin", "null")], false),
        ("POST", vec![("origin", ORIGIN), ("origin", foreign)], false),
        ("POST", vec![("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], false),
        // The headers with which browsers open a WebSocket.
        ("GET", vec![("upgrade", "websocket"), ("connection", "upgrade"), ("origin", foreign)], false),
    ] {
        let request = visitor.request(method, "/guarded/script").script(&[add("n", 1)]);
        let answer = headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send().await;
        if passes {
            allowed += 1;
            answer.assert_ok();
        } else {
            answer.assert_problem_without_layer(ErrorKind::CrossSite);
            assert_eq!(answer.header("x-hook").as_deref(), Some("CrossSite"), "{method} {headers:?}");
        }
    }
    assert_eq!(visitor.get("n").await, allowed);
}
