//! Properties that hold for any bytes: one function for each kind of hostile input.
//!
//! The fuzz targets in `fuzz/` call them with inputs of libFuzzer, the tests here with known inputs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    reason = "for tests only"
)]

use std::sync::LazyLock;

use bytes::Bytes;

#[cfg(all(fuzzing, feature = "encryption"))]
pub use crate::record::sealed::fuzzing::*;
#[cfg(all(fuzzing, feature = "redis"))]
pub use crate::store::redis::fuzzing::*;
#[cfg(all(fuzzing, feature = "users"))]
pub use crate::users::password::fuzzing::*;
use crate::{
    authorization::{self, Authorization},
    cookie::{self, CookieConfig, Presented, SignedCookies},
    csrf::FormTokens,
    engine::{manager::SessionManager, request::credentials::Carrier},
    keys::SecretKeys,
    record::{
        Content, Record, Stamp, WireFormat as _,
        entries::{Changes, Json},
        id::Token,
        lifetime::Lifetime,
        native,
    },
    store::{MemoryStore, StoreTime},
};
#[cfg(fuzzing)]
pub use crate::{csrf::fuzzing::*, django::fuzzing::*, record::native::fuzzing::previous_secret, throttle::fuzzing::*};

const NOW: StoreTime = StoreTime(1_700_000_000_000);

/// A native record: the same head and entries come back, and an edit keeps the other entries.
pub fn native_record(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let Some(found) = native::fuzzing::read(&bytes) else { return };
    let content = |record: &Record| Content { head: record.head.clone(), entries: record.entries.clone() };
    let lifetime = Lifetime::default();
    let stamp = Stamp { tag: "abcdefghijklmnopqrstuvwx", now: NOW, lifetime: &lifetime };
    let touched = native::touched(&found, &stamp, content(&found)).expect("a read record can be written");
    let next = native::next(&found, None, &stamp, content(&found)).expect("a read record can be written");
    assert!(touched.version().part() == found.version().part() || !is_canonical(&found));
    assert!(next.is_of(stamp.tag));
    for written in [touched, next] {
        let again = native::decode(written.bytes()).expect("a written record can be read");
        assert!(again.head == found.head && again.entries == found.entries);
        assert!(again.ownership().seen().map(|seen| seen.part()) == found.ownership().seen().map(|seen| seen.part()));
    }
    let names: Vec<_> = found.entries.iter().map(|(name, _)| name.to_owned()).collect();
    for name in names.iter().map(String::as_str).chain(["edited"]).take(3) {
        let value = Json::from_text(Bytes::from_static(b"[1]"));
        let changes = Changes::from([(name, Some(value))]);
        let edited = Content { entries: found.entries.with(&changes), ..content(&found) };
        let written = native::next(&found, None, &stamp, edited.clone()).expect("an edit is written");
        let again = native::decode(written.bytes()).expect("an edit is read");
        assert!(again.entries == edited.entries && again.entries.get(name).unwrap().decode::<[u8; 1]>().is_ok());
        assert!(names.iter().filter(|other| *other != name).all(|n| again.entries.get(n) == found.entries.get(n)));
    }
}

static SIGNED: LazyLock<SignedCookies> = LazyLock::new(|| {
    let keys = SecretKeys::new("a secret key of at least thirty-two bytes").unwrap();
    SignedCookies::new(&keys).unwrap()
});
static UNSIGNED: LazyLock<SessionManager> = LazyLock::new(|| {
    let cookie = CookieConfig::new("id").with_secure(false).build().unwrap();
    SessionManager::new(MemoryStore::new()).with_cookie(cookie).with_bearer_tokens()
});
static SIGNING: LazyLock<SessionManager> =
    LazyLock::new(|| UNSIGNED.clone().with_signed_cookies(SIGNED.clone()).unwrap());

/// Opens a request with and without signed cookies. Each line is an `Authorization` header, or a `Cookie` header if it
/// begins with `Cookie: `. A tilde stands for the tag of the 56 bytes before it.
pub fn bearer(bytes: &[u8]) {
    let mut tagged = Vec::with_capacity(bytes.len());
    for byte in bytes {
        let value = tagged.len().checked_sub(56).and_then(|start| std::str::from_utf8(&tagged[start..]).ok());
        match value.filter(|_| *byte == b'~') {
            Some(value) => {
                let signed = SIGNED.sign("id", value.to_owned());
                tagged.extend_from_slice(&signed.as_bytes()[56..]);
            }
            None => tagged.push(*byte),
        }
    }
    let bytes = &tagged[..];
    let (mut authorization, mut cookies) = (Vec::new(), Vec::new());
    for line in bytes.split(|byte| *byte == b'\n') {
        match line.strip_prefix(b"Cookie: ") {
            Some(cookie) => cookies.push(cookie),
            None => authorization.push(line),
        }
    }
    let expected = bearer_token(&authorization);
    match (authorization::read(authorization.iter().copied()), expected) {
        (Authorization::Other, None) => {}
        (Authorization::Bearer(token), Some(Ok(expected))) => assert_eq!(token, expected),
        (Authorization::Several, Some(Err(()))) => {}
        (reading, _) => panic!("another reading: {reading:?}"),
    }
    for signed in [None, Some(SIGNED.clone())] {
        let manager = if signed.is_some() { &*SIGNING } else { &*UNSIGNED };
        let request = manager.open_request("POST", |name| match name {
            "authorization" => authorization.clone(),
            _ => cookies.clone(),
        });
        let in_cookies = presented(&cookies, "id");
        let (carrier, value) = match (expected, in_cookies) {
            (None, _) => (Carrier::Cookie, in_cookies.value()),
            (Some(Ok(token)), Presented::Absent) => (Carrier::Bearer, Some(token)),
            (Some(_), _) => (Carrier::Ambiguous, None),
        };
        assert_eq!(request.0.carrier(), carrier);
        let is_chars = |value: &[u8]| value.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
        let token = value.and_then(|value| {
            let (token, tag) = value.split_at_checked(56).filter(|(token, _)| is_chars(token))?;
            let text = String::from_utf8(token.to_vec()).unwrap();
            let genuine = signed.as_ref().map_or(text.clone(), |signed| signed.sign("id", text));
            (genuine.as_bytes()[56..] == *tag).then_some(token)
        });
        let found = request.0.presented().map(Token::cookie_value);
        assert_eq!(found.as_deref().map(str::as_bytes), token);
    }
}

/// A second implementation of [`authorization::read`]: `Err` if there are several headers, one of them `Bearer`.
fn bearer_token<'a>(headers: &[&'a [u8]]) -> Option<Result<&'a [u8], ()>> {
    let of = |header: &'a [u8]| {
        let end = header.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(header.len());
        let is_ours = header[..end].eq_ignore_ascii_case(b"bearer");
        is_ours.then(|| if header[end..].first() == Some(&b' ') { &header[end + 1..] } else { &header[end..] })
    };
    let token = headers.iter().find_map(|header| of(header))?;
    Some(if headers.len() == 1 { Ok(token) } else { Err(()) })
}

/// The value of a signed cookie: the first line is the value to sign; the second is a forged cookie, or changes the
/// signed one by pairs of a position and a character.
pub fn signed_cookie(bytes: &[u8]) {
    const NAME: &str = "sid";
    let (value, bends) = bytes.iter().position(|byte| *byte == b'\n').map_or((bytes, &[][..]), |at| {
        let (value, bends) = bytes.split_at(at);
        (value, &bends[1..])
    });
    let key = |key: &str| SecretKeys::new(key.repeat(32)).unwrap();
    let cookies = SignedCookies::new(&key("a")).unwrap();
    let rotated = SignedCookies::new(&key("b").with_fallback("a".repeat(32)).unwrap()).unwrap();
    let other = SignedCookies::new(&key("b")).unwrap();
    for made_up in [value, bends] {
        for cookies in [&cookies, &rotated] {
            // A corpus may contain genuine cookies, as long as they have one spelling.
            let Some(found) = cookies.verified(NAME, made_up) else { continue };
            let again = SignedCookies::new(&key("a")).unwrap().sign(NAME, String::from_utf8(found.to_vec()).unwrap());
            assert_eq!(again.as_bytes(), made_up, "a second spelling");
        }
        for accepting in [cookies.clone().accept_unsigned(), cookies.clone().write_unsigned()] {
            let found = accepting.verified(NAME, made_up);
            assert!(found == cookies.verified(NAME, made_up) || found == Some(made_up));
        }
    }
    let Ok(value) = std::str::from_utf8(value) else { return };
    let signed = cookies.sign(NAME, value.to_owned());
    for verifying in [&cookies, &rotated, &cookies.clone().accept_unsigned(), &cookies.clone().write_unsigned()] {
        assert_eq!(verifying.verified(NAME, signed.as_bytes()), Some(value.as_bytes()));
    }
    assert_eq!(other.verified(NAME, signed.as_bytes()), None);
    for name in ["", "si", "sid\0", "sidx", "SID"] {
        assert_eq!(cookies.verified(name, signed.as_bytes()), None, "{name}");
    }
    assert_eq!(cookies.verified("si", ["d", &signed].concat().as_bytes()), None);
    let mut bent = signed.clone().into_bytes();
    for pair in bends.chunks(2) {
        let (len, at) = (bent.len(), usize::from(pair[0]));
        match pair.get(1) {
            Some(to) => bent[at % len] = *to,
            // A single byte at the end cuts the text.
            None => bent.truncate(at % (len + 1)),
        }
    }
    // The rest may be genuine: a corpus may contain the tag of a prefix of the value.
    let is_genuine = |bent: &[u8]| {
        let value = bent.split_last_chunk::<22>().and_then(|(value, _)| String::from_utf8(value.to_vec()).ok());
        value.is_some_and(|value| cookies.sign(NAME, value).as_bytes() == bent)
    };
    assert_eq!(cookies.verified(NAME, &bent).is_some(), is_genuine(&bent), "a changed cookie is accepted");
    bent.push(b'A');
    assert_eq!(cookies.verified(NAME, &bent).is_some(), is_genuine(&bent));
}

/// Whether the commit counter has the form that we write: capitals can be read, too.
fn is_canonical(record: &Record) -> bool {
    record
        .bytes()
        .get(12..28)
        .is_some_and(|counter| counter.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f')))
}

/// Each line is a `Cookie` header of a request; the last line is the token of a form.
pub fn cookies(bytes: &[u8]) {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let token = String::from_utf8_lossy(lines.pop().unwrap_or_default());
    let headers = || lines.iter().copied();
    for name in ["id", "csrftoken"] {
        let found = cookie::read(headers(), name);
        assert_eq!(found, presented(&lines, name));
        let Some(value) = found.value() else { continue };
        if let Some(token) = Token::parse(value) {
            assert_eq!(token.cookie_value().as_bytes(), value);
        }
        if let Some(token) = crate::django::Django::cache().parse_cookie(value) {
            assert_eq!(token.secret.as_str().as_bytes(), value);
            assert!(value.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9')) && value.len() == 32);
        }
    }
    let keys = SecretKeys::new("a secret key of at least thirty-two bytes").unwrap();
    let tokens = [
        FormTokens::new(keys).with_cookie(CookieConfig::new("csrftoken")).unwrap(),
        FormTokens::django(FormTokens::django_cookie()).unwrap(),
    ];
    for tokens in tokens {
        let verdict = tokens.verify(headers(), None, &token);
        let issued = tokens.issue(headers(), None).unwrap();
        match &issued.set_cookie {
            None => assert!(tokens.verify(headers(), None, &issued.token).is_ok()),
            Some(cookie) => {
                assert!(verdict.is_err(), "a token was accepted without a cookie");
                let pair = cookie.own().split(';').next().unwrap_or_default();
                assert!(tokens.verify([pair.as_bytes()], None, &issued.token).is_ok());
            }
        }
    }
}

/// A second implementation of [`cookie::read`].
fn presented<'a>(headers: &[&'a [u8]], name: &str) -> Presented<'a> {
    let trimmed = |bytes: &'a [u8]| {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
        let end = bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
        &bytes[start..end]
    };
    let mut values = Vec::new();
    for pair in headers.iter().flat_map(|header| header.split(|byte| *byte == b';')) {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        if let (Some(key), Some(value)) = (parts.next(), parts.next())
            && trimmed(key) == name.as_bytes()
        {
            values.push(trimmed(value));
        }
    }
    match values[..] {
        [] => Presented::Absent,
        [value] => Presented::One(value),
        [first, ..] if values.iter().all(|value| *value == first) => Presented::Repeated(first),
        _ => Presented::Conflicting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_native_record_keeps_its_promises() {
        let record = native::fuzzing::RECORD;
        native_record(record.as_bytes());
        native_record(record.replace("2a", "2A").as_bytes());
        native_record(b"{}");
    }

    #[test]
    fn bearer_tokens_keep_their_promises() {
        let token = "A".repeat(56);
        let signed = SIGNED.sign("id", token.clone());
        for text in [
            String::new(),
            format!("Bearer {token}"),
            format!("bearer {signed}"),
            format!("Bearer  {token}"),
            format!("Basic eDp5\nBEARER\t{token}"),
            format!("Bearer {token}\nCookie: id={token}"),
            format!("Basic eDp5\nCookie: id={token}; id={token}"),
            format!("Cookie: id={signed}"),
            format!("Bearer {token}~\nCookie: i={token}~~"),
            format!("Bearer {}", "A".repeat(2000)),
        ] {
            bearer(text.as_bytes());
        }
    }

    #[test]
    fn signed_cookies_keep_their_promises() {
        let value = "A".repeat(56);
        let signed = SIGNED.sign("id", value.clone());
        for text in [String::new(), value.clone(), signed, format!("{value}\n\u{8}B"), format!("{value}\n\u{5}")] {
            signed_cookie(text.as_bytes());
        }
        // Cut off after the tag of an empty value.
        signed_cookie(b"fcFZssHrJn375DkGF-uhMwcxeuF-iZ8ggVrvwX5BNCfg?\n\xe2");
    }

    #[test]
    fn cookies_and_tokens_keep_their_promises() {
        let secret = "abcdefghijklmnopqrstuvwxyzABCDEF";
        for text in [
            format!("csrftoken={secret}; id=0123456789abcdefghijklmnopqrstuv\n{secret}"),
            format!("csrftoken={secret}\ncsrftoken={secret}; csrftoken=x\n{secret}"),
            format!(" csrftoken =\t{secret} \n{secret}{secret}"),
            format!("id={}", "A".repeat(56)),
            String::new(),
        ] {
            cookies(text.as_bytes());
        }
    }
}
