//! Properties that hold for any bytes: one function for each kind of hostile input.
//!
//! The fuzz targets in `fuzz/` call them with what libFuzzer makes up, the tests here with what is known.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    reason = "it is for tests alone"
)]

use bytes::Bytes;

#[cfg(fuzzing)]
pub use crate::django::fuzzing::*;
use crate::{
    authorization::{self, Authorization},
    cookie::{self, CookieConfig, Presented},
    csrf::FormTokens,
    keys::SecretKeys,
    record::{
        Content, Format as _, Record, Stamp,
        entries::{Changes, Json},
        id::Token,
        lifetime::Lifetime,
        native,
    },
    store::StoreTime,
};

const NOW: StoreTime = StoreTime(1_700_000_000_000);

/// A native record: the same head and entries come back, and an edit keeps the other entries.
pub fn native_record(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let Ok(found) = native::decode(&bytes) else { return };
    let content = |record: &Record| Content { head: record.head.clone(), entries: record.entries.clone() };
    let lifetime = Lifetime::default();
    let stamp = Stamp { tag: "abcdefghijklmnopqrstuvwx", now: NOW, lifetime: &lifetime };
    let touched = native::touched(&found, &stamp, content(&found)).expect("what was read is written");
    let next = native::next(&found, None, &stamp, content(&found)).expect("what was read is written");
    assert!(touched.version().part() == found.version().part() || !is_canonical(&found));
    assert!(next.is_of(stamp.tag));
    for written in [touched, next] {
        let again = native::decode(written.bytes()).expect("what was written is read");
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

/// A stored value where records are sealed: nothing that was made up opens, and what was sealed opens as it was sealed.
#[cfg(feature = "encryption")]
pub fn sealed_record(bytes: &[u8]) {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    const KEY: &str = "shared_session:AAAAAAAAAAAAAAAAAAAAAAAA";
    let lifetime = Lifetime::default();
    let keys = SecretKeys::new("a secret key of at least thirty-two bytes").unwrap();
    let profile = |sealing: crate::record::Sealing| crate::record::Profile::sealed("shared_session:", sealing).0;
    let sealed = profile(crate::record::Sealing::new(&keys).unwrap());
    let bytes = Bytes::copy_from_slice(bytes);
    assert!(sealed.decode(KEY, &bytes, &lifetime, NOW).is_err(), "made up, and it opens");
    // Deeper: the form is kept, and what is sealed is made up.
    let (head, text) = bytes.split_at(bytes.len().min(97));
    let framed = [br#"{"v":2,"n":""#, head, br#"","b":""#, URL_SAFE_NO_PAD.encode(text).as_bytes(), br#""}"#].concat();
    assert!(sealed.decode(KEY, &framed.into(), &lifetime, NOW).is_err(), "made up, and it opens");

    let accepting = profile(crate::record::Sealing::new(&keys).unwrap().accept_plain());
    let found = accepting.decode(KEY, &bytes, &lifetime, NOW);
    assert_eq!(found.is_ok(), native::decode(&bytes).is_ok());
    let Ok(found) = found else { return };
    let stamp = Stamp { tag: "", now: NOW, lifetime: &lifetime };
    let written = sealed.touched(KEY, &found, found.head.clone(), &stamp).expect("what was read is sealed");
    let again = sealed.decode(KEY, written.bytes(), &lifetime, NOW).expect("what was sealed opens");
    assert!(again.head == found.head && again.entries == found.entries);
    assert!(sealed.decode("another key", written.bytes(), &lifetime, NOW).is_err());
    let mut forged = written.bytes().to_vec();
    let at =
        bytes.iter().fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte))) % forged.len();
    forged[at] ^= 1;
    assert!(sealed.decode(KEY, &forged.into(), &lifetime, NOW).is_err(), "changed at {at}, and it opens");
}

/// Whether the commit counter is as we write it: capitals are read, too.
fn is_canonical(record: &Record) -> bool {
    record
        .bytes()
        .get(12..28)
        .is_some_and(|counter| counter.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f')))
}

/// Lines: the `Cookie` headers of a request, and its `Authorization` headers as well; the last line the token of a
/// form.
pub fn cookies(bytes: &[u8]) {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let token = String::from_utf8_lossy(lines.pop().unwrap_or_default());
    let headers = || lines.iter().copied();
    let ours = |line: &&[u8]| line.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"));
    match authorization::read(headers()) {
        Authorization::Other => {}
        Authorization::Bearer(token) => assert!(lines.len() == 1 && ours(&lines[0]) && lines[0].ends_with(token)),
        Authorization::Several => assert!(lines.len() > 1 && lines.iter().any(ours)),
    }
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

/// [`cookie::read`], in other words.
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
        let record = concat!(
            r#"{"v":1,"n":"000000000000002a","t":"TTTTTTTTTTTTTTTTTTTTTTTT","#,
            r#""s":"SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS","r":0,"c":1700000000000,"k":1700000001000,"#,
            r#""i":60000,"x":1700000900000,"u":{"id":"1","hash":"hash","epoch":3},"#,
            r#""d":{"address":"127.0.0.1","agent":"curl/8"},"e":{"a":[1,2],"b":"two"}}"#
        );
        assert!(native::decode(&record.into()).is_ok());
        native_record(record.as_bytes());
        #[cfg(feature = "encryption")]
        for bytes in [record.as_bytes(), &record.as_bytes()[12..], b"{}"] {
            sealed_record(bytes);
        }
        native_record(record.replace("2a", "2A").as_bytes());
        native_record(b"{}");
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
