//! Properties that must hold for any posted form, and for the headers that show the origin of a request.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, reason = "only tests use it")]

use super::{
    CrossOrigin, CrossOriginCheck,
    cross_origin::normalised,
    form::{FormToken, PostedForm},
};
use crate::{error::ErrorKind, percent};

/// A posted form: the first line is its content type, the second the header with the token, the rest its body.
pub fn posted_form(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (content_type, header, body) = (part(), part(), part());
    let present = |text: &'static [u8], value| Some(value).filter(|value| *value != text);
    let posted = PostedForm::new(present(b"-", content_type), present(b"-", header), body);
    let fields = match posted.parse() {
        Ok(fields) => fields,
        Err(error) => return assert!(matches!(error.kind(), ErrorKind::NotAForm | ErrorKind::MalformedForm)),
    };
    let text = std::str::from_utf8(body).expect("a form is a text");
    assert!(std::str::from_utf8(&percent::decoded_bytes(text)).is_ok());
    let is_token = |pair: &&str| pair.split_once('=').is_some_and(|(name, _)| name == FormToken::FIELD);
    let in_header = present(b"-", header).and_then(|header| std::str::from_utf8(header).ok());
    let token = text.split('&').find(is_token).map(|pair| &pair[FormToken::FIELD.len() + 1..]).or(in_header);
    assert_eq!(fields.token, token.unwrap_or_default());
    let decoded = |text| String::from_utf8(percent::decoded_bytes(text)).expect("the whole is UTF-8");
    let others: Vec<(String, String)> = text
        .split('&')
        .filter(|pair| !pair.is_empty() && !is_token(pair))
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    assert_eq!(fields.decode::<Vec<(String, String)>>().expect("pairs of texts"), others);
}

/// Lines: the method, the path, a configured origin, then values of `Origin` and, after `s:` and `u:`, of
/// `Sec-Fetch-Site` and `Upgrade`.
pub fn request_origin(bytes: &[u8]) {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let text = |at: usize| lines.get(at).and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let (method, path, configured) = (text(0), text(1), text(2));
    let known = normalised(configured);
    if let Some(known) = &known {
        assert_eq!(normalised(known).as_ref(), Some(known), "it is not stable");
        assert!(
            known.is_ascii() && known.matches('/').count() == 2 && !known.contains(['?', '#', '@', ' ', '*', '\\'])
        );
    }
    let (mut sites, mut upgrades, mut origins) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines.iter().skip(3) {
        match line {
            [b's', b':', value @ ..] => sites.push(value),
            [b'u', b':', value @ ..] => upgrades.push(value),
            value => origins.push(*value),
        }
    }
    let is_safe = matches!(method, "GET" | "HEAD" | "OPTIONS") && upgrades.is_empty();
    let is_ours = |origin: &[u8]| known.as_ref().is_some_and(|known| known.as_bytes() == origin);
    let may_pass = match (&sites[..], &origins[..]) {
        _ if is_safe => true,
        ([], []) | ([b"same-origin" | b"none"], [] | [_]) => true,
        ([] | [b"same-site"], [origin]) => is_ours(origin),
        _ => false,
    };
    let cross_origin = CrossOrigin::new(known.as_deref()).expect("it is an origin");
    let refused = CrossOriginCheck::new(cross_origin).refuse(method, path, |name| match name {
        "sec-fetch-site" => sites.clone(),
        "origin" => origins.clone(),
        "upgrade" => upgrades.clone(),
        _ => Vec::new(),
    });
    assert_eq!(refused.is_none(), may_pass);
    if let Some(refused) = refused {
        assert_eq!(refused.error.kind(), ErrorKind::CrossSite);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_forms_keep_their_promises() {
        for form in [
            "",
            "application/x-www-form-urlencoded\n-\na=1+%C3%A9&csrfmiddlewaretoken=t&&b&=c&csrfmiddlewaretoken=u",
            "application/x-www-form-urlencoded; charset=utf-8\nheader\na=%FF",
            "application/x-www-form-urlencoded\nheader\ncsrfmiddlewaretoke%6E=x&a=%zz%",
            "-\n-\n",
            "text/plain\n-\na=1",
        ] {
            posted_form(form.as_bytes());
        }
    }

    #[test]
    fn known_requests_keep_their_promises() {
        for request in [
            "",
            "POST\n/a?b\nhttps://App.example:443\nhttps://app.example",
            "POST\n/\nhttp://[::1]:80\ns:same-site\nhttp://[::1]",
            "POST\n/\nhttp://localhost\ns:same-origin\nnull\nnull",
            "POST\n/\nhttp://localhost\ns:cross-site\nhttp://localhost",
            "GET\n/\nhttp://a_b.\nu:websocket\nhttp://other",
        ] {
            request_origin(request.as_bytes());
        }
    }
}
