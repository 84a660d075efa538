use shared_session::ErrorKind;

use super::login;
use crate::{Browser, Site};

const FIELD: &str = "csrfmiddlewaretoken";

/// The token of a page, and the cookies that are sent back with its form.
struct Page {
    token: String,
    cookies: String,
}

async fn page(visitor: &Browser<'_>) -> Page {
    let answer = visitor.request("GET", "/form").send().await;
    answer.assert_ok();
    assert_eq!(answer.header("vary").as_deref(), Some("Cookie"));
    let field = format!("<input type=\"hidden\" name=\"{FIELD}\" value=\"");
    let token = answer.body.strip_prefix(&field).and_then(|rest| rest.strip_suffix("\">")).expect("a field").to_owned();
    let of_form = answer.set_cookies().into_iter().find_map(|cookie| {
        let pair = cookie.strip_suffix("; HttpOnly; SameSite=Lax; Secure; Path=/")?;
        pair.starts_with("__Host-csrf=").then(|| pair.to_owned())
    });
    let expected = if of_form.is_some() { "no-store" } else { "private" };
    assert_eq!(answer.header("cache-control").as_deref(), Some(expected));
    let cookies: Vec<_> = visitor.cookie().into_iter().chain(of_form).collect();
    Page { token, cookies: cookies.join("; ") }
}

pub async fn a_form_is_taken_from_a_page_of_this_visitor_only(site: &Site) {
    let (new, known, ann) = (site.visitor(), site.visitor_with_session().await, site.signed_in("ann").await);
    let pages = [page(&new).await, page(&known).await, page(&ann).await];
    assert_eq!(site.world().calls(), Vec::<&str>::new(), "a token costs no I/O");
    for (of_token, Page { token, .. }) in pages.iter().enumerate() {
        for (of_cookie, Page { cookies, .. }) in pages.iter().enumerate() {
            let fields = [(FIELD, token.as_str()), ("text", "hi")];
            let answer = site.request("POST", "/form/strict").cookie(cookies).form(&fields).send().await;
            if of_token == of_cookie {
                answer.assert_ok();
                assert_eq!(answer.body, "hi");
            } else {
                answer.assert_form_problem(ErrorKind::StaleForm);
            }
        }
    }
    for fields in [&[("text", "hi")][..], &[(FIELD, ""), ("text", "hi")]] {
        let cookies = &pages[1].cookies;
        let answer = site.request("POST", "/form/strict").cookie(cookies).form(fields).send().await;
        answer.assert_form_problem(ErrorKind::StaleForm);
    }
}

pub async fn the_token_may_come_in_a_header(site: &Site) {
    let Page { token, cookies } = page(&site.visitor()).await;
    let request = || site.request("POST", "/form/strict").cookie(&cookies).form(&[("text", "by a script")]);
    let answer = request().header("x-csrftoken", &token).send().await;
    answer.assert_ok();
    assert_eq!(answer.body, "by a script");
    request().header("x-csrftoken", "another").send().await.assert_form_problem(ErrorKind::StaleForm);
}

pub async fn a_sign_in_ends_the_forms_of_earlier_pages(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let Page { token, .. } = page(&visitor).await;
    let send = async || visitor.request("POST", "/form/strict").form(&[(FIELD, &token), ("text", "hi")]).send().await;
    send().await.assert_ok();
    visitor.run(&[login("ann")]).await.assert_ok();
    send().await.assert_form_problem(ErrorKind::StaleForm);
}

pub async fn a_refused_form_can_be_offered_again(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let Page { token, .. } = page(&visitor).await;
    let send = async |token: &str| {
        let answer = visitor.request("POST", "/form").form(&[(FIELD, token), ("text", "typed")]).send().await;
        (answer.status, answer.body)
    };
    assert_eq!(send(&token).await, (200, "typed".to_owned()));
    assert_eq!(send("old").await, (403, "refused: typed".to_owned()));
    let without_fields = visitor.request("POST", "/form").form(&[(FIELD, "old")]).send().await;
    without_fields.assert_form_problem(ErrorKind::StaleForm);
}

pub async fn a_body_that_is_no_form_is_refused_as_such(site: &Site) {
    let Page { token, cookies } = page(&site.visitor()).await;
    let form = "application/x-www-form-urlencoded";
    for (content_type, body, kind) in [
        ("application/json", format!("{{\"text\":\"hi\",\"{FIELD}\":\"{token}\"}}"), ErrorKind::NotAForm),
        (form, format!("{FIELD}={token}&other=hi"), ErrorKind::MalformedForm),
        (form, format!("{FIELD}={token}&text=%FF"), ErrorKind::MalformedForm),
        (form, format!("{FIELD}={token}&text={}", "x".repeat(3 << 20)), ErrorKind::FormTooLarge),
    ] {
        let request = site.request("POST", "/form/strict").cookie(&cookies).body(content_type, body);
        request.send().await.assert_form_problem(kind);
    }
}
