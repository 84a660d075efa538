use std::time::Duration;

use super::*;
use crate::{
    keys::SecretKeys,
    record::{
        client::Client,
        entries::{Changes, Entries},
        expiry::Expiry,
        identity::Identity,
        lifetime::Limits,
    },
};

const KEY: &str = "shared_session:AAAAAAAAAAAAAAAAAAAAAAAA";
const OLD: &str = "an old key, at least thirty-two bytes long";
const NEW: &str = "a new key of at least thirty-two bytes";
const NOW: StoreTime = StoreTime(1_700_000_000_000);

fn token() -> Token {
    Token::parse(&[[b'A'; 24].as_slice(), &[b'B'; 32]].concat()).unwrap()
}

fn sealing(keys: &[&str]) -> Sealing {
    let current = SecretKeys::new(keys[0]).unwrap();
    Sealing::new(&keys[1..].iter().fold(current, |keys, key| keys.with_fallback(key).unwrap())).unwrap()
}

fn format(sealing: Sealing) -> Sealed {
    Sealed { native: Native::new("shared_session:".into()), sealing }
}

fn content() -> Content {
    let limits = Limits::start(&Lifetime::default(), Expiry::default(), NOW);
    let head = Head { limits, user: Some(Identity::new("7", "the-hash", 3)), client: Client::default() };
    let visits = Some(Json::from_text(Bytes::from_static(b"3")));
    Content { head, entries: Entries::empty().with(&Changes::from([("visits", visits)])) }
}

/// Only the bytes of a record differ.
#[test]
fn places_and_rules_are_those_of_the_native_format() {
    let sealed = format(sealing(&[NEW]));
    let native = Native::new("shared_session:".into());
    let (token, place) = (token(), native.place(&token()));
    assert!(sealed.parse_cookie(sealed.cookie_value(&token).as_bytes()) == Some(token.clone()));
    assert_eq!(sealed.cookie_value(&token), native.cookie_value(&token));
    assert_eq!(sealed.place(&token), place);
    assert_eq!(sealed.place_of_member(place.member()), Some(place.clone()));
    assert_eq!(sealed.place_of_handle(&token.handle), Some(place.clone()));
    assert_eq!(sealed.session_prefix(), native.session_prefix());
    assert_eq!(sealed.index_key("7"), native.index_key("7"));
    assert_eq!(sealed.throttle_prefix(), native.throttle_prefix());
    assert_eq!(sealed.tombstone_key(&place), native.tombstone_key(&place));
    let rules = |format: &dyn WireFormat| {
        [format.may_sign_cookies(), format.cookie_rolls(), format.sign_in_keeps_expiry(), format.rotation_moves()]
    };
    assert_eq!(rules(&sealed), rules(&native));
    #[cfg(feature = "redis")]
    assert_eq!(sealed.says_expiry(), native.says_expiry());
    let bytes = first(&sealed).bytes;
    assert_eq!(sealed.written(&bytes), native.written(&bytes));
    assert!(sealed.elsewhere(KEY).is_some());
    assert_eq!(sealed.elsewhere(KEY), native.elsewhere(KEY));
    let owned = |format: &dyn WireFormat| Some(format.owned(&token, &bytes)?.seen()?.part().to_vec());
    assert!(owned(&sealed).is_some() && owned(&sealed) == owned(&native));
}

fn first(format: &Sealed) -> Record {
    let lifetime = Lifetime::default();
    format
        .first(&token(), &Stamp { tag: "TTTTTTTTTTTTTTTTTTTTTTTT", now: NOW, lifetime: &lifetime }, content())
        .unwrap()
}

fn next(format: &Sealed, base: &Record) -> Record {
    let lifetime = Lifetime::default();
    let stamp = Stamp { tag: "UUUUUUUUUUUUUUUUUUUUUUUU", now: NOW, lifetime: &lifetime };
    format.next(KEY, base, None, &stamp, content()).unwrap()
}

fn refusal(format: &Sealed, key: &str, bytes: &[u8]) -> String {
    let error = format.open(key, &Bytes::copy_from_slice(bytes)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    error.to_string()
}

#[test]
fn a_sealed_record_opens_with_the_head_at_the_places_of_version_1() {
    let format = format(sealing(&[NEW]));
    let record = first(&format);
    let opened = format.open(KEY, record.bytes()).unwrap();
    assert!(opened.head == content().head && opened.entries == content().entries);
    let plain = native::first(&token(), &stamp(&Lifetime::default()), content()).unwrap();
    for record in [&record, &opened] {
        assert_eq!(record.version().part(), plain.version().part());
        assert_eq!(record.ownership().seen().unwrap().part(), plain.ownership().seen().unwrap().part());
        assert!(record.opens_for(&token()) && record.is_of("TTTTTTTTTTTTTTTTTTTTTTTT"));
        assert_eq!(record.form.unsealed, plain.bytes().len());
    }
    assert_eq!(&*format.opened(KEY, record.bytes()).unwrap(), &**plain.bytes());
    assert!(native::owned(&token(), record.bytes()).is_some());
}

fn stamp(lifetime: &Lifetime) -> Stamp<'_> {
    Stamp { tag: "TTTTTTTTTTTTTTTTTTTTTTTT", now: NOW, lifetime }
}

#[test]
fn the_store_sees_nothing_of_the_content() {
    let record = first(&format(sealing(&[NEW])));
    let stored = std::str::from_utf8(record.bytes()).unwrap();
    for secret in ["visits", "the-hash", "17000"] {
        assert!(!stored.contains(secret), "{secret} in {stored}");
    }
    assert!(serde_json::from_str::<serde_json::Value>(stored).is_ok());
}

#[test]
fn a_record_that_was_changed_anywhere_is_unreadable() {
    let format = format(sealing(&[NEW]));
    let record = first(&format);
    for at in 0..record.bytes().len() {
        let mut other = record.bytes().to_vec();
        other[at] ^= 1;
        refusal(&format, KEY, &other);
        refusal(&format, KEY, &record.bytes()[..at]);
    }
}

#[test]
fn a_record_does_not_open_under_another_key_or_with_another_head() {
    let format = format(sealing(&[NEW]));
    let (one, two) = (first(&format), next(&format, &first(&format)));
    assert!(refusal(&format, "shared_session:BAAAAAAAAAAAAAAAAAAAAAAA", one.bytes()).contains("copied from elsewhere"));
    let mixed = [&two.bytes()[..HEAD.end], &one.bytes()[HEAD.end..]].concat();
    assert!(refusal(&format, KEY, &mixed).contains("copied from elsewhere"));
}

#[test]
fn a_write_seals_under_the_current_key_and_a_key_that_is_gone_is_named() {
    let old = first(&format(sealing(&[OLD])));
    let rotated = format(sealing(&[NEW, OLD]));
    let written = next(&rotated, &rotated.open(KEY, old.bytes()).unwrap());
    let new = format(sealing(&[NEW]));
    assert!(new.open(KEY, written.bytes()).is_ok());
    assert!(refusal(&new, KEY, old.bytes()).contains("under a key that this service does not have"));
    let head = old.head.clone();
    let touched = rotated.touched(KEY, &old, head, &stamp(&Lifetime::default())).unwrap();
    assert!(new.open(KEY, touched.bytes()).is_ok() && touched.version().part() == old.version().part());
}

#[test]
fn plain_records_are_refused_unless_sealing_is_being_introduced() {
    let plain = native::first(&token(), &stamp(&Lifetime::default()), content()).unwrap();
    assert!(refusal(&format(sealing(&[NEW])), KEY, plain.bytes()).contains("Sealing::accept_plain"));
    let accepting = format(sealing(&[NEW]).accept_plain());
    let sealed = next(&accepting, &accepting.open(KEY, plain.bytes()).unwrap());
    assert!(sealed.bytes().starts_with(SEALED_START));

    let writing = format(sealing(&[NEW]).write_plain());
    let unsealed = next(&writing, &writing.open(KEY, sealed.bytes()).unwrap());
    assert!(unsealed.bytes().starts_with(START) && native::decode(unsealed.bytes()).is_ok());
    assert!(writing.open(KEY, plain.bytes()).is_ok());
}

#[test]
fn a_service_without_the_keys_is_told_what_to_set() {
    let sealed = first(&format(sealing(&[NEW])));
    assert!(native::decode(sealed.bytes()).unwrap_err().to_string().contains("Profile::sealed"));
    let other_form = Bytes::from_static(br#"{"v":3,"n":"#);
    assert!(refusal(&format(sealing(&[NEW])), KEY, &other_form).contains("format version 1 or 2"));
}

#[test]
fn a_sealed_record_is_recognized_under_any_prefix() {
    let format = format(sealing(&[NEW]));
    assert!(format.recognizes(first(&format).bytes()));
    assert!(!format.recognizes(&Bytes::from_static(b"{}")));
}

#[cfg(feature = "django")]
#[test]
fn short_keys_seal_nothing() {
    let error = Sealing::new(&SecretKeys::django("short").unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let fallback = SecretKeys::django(NEW).unwrap().with_fallback("short").unwrap();
    assert_eq!(Sealing::new(&fallback).unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn keys_are_not_printed() {
    let shown = format!("{:?}", format(sealing(&[NEW]).accept_plain()));
    assert!(shown.contains("Accepted") && !shown.contains("key of"), "{shown}");
}

/// The vector of `docs/wire-format.md`: a nonce of 24 zero bytes.
#[test]
fn the_bytes_are_golden() {
    let format = format(sealing(&["the secret key that all services share"]));
    let head = br#"{"v":2,"n":"0000000000000001","t":"TTTTTTTTTTTTTTTTTTTTTTTT","s":"Ql7U5KNrMOohuQ4hxxLGSeghTCm36vaAidEDnG5VOEw""#;
    let text = br#","r":0,"c":1700000000000,"k":1700000001000,"i":1209600000,"x":1707776000000,"u":null,"d":{},"e":{"visits":3}}"#;
    let sealed = format.sealing.ring.seal_with([0; 24], text, &[KEY.as_bytes(), head]).unwrap();
    let bytes = joined(head.to_vec(), &sealed).unwrap();
    assert!(include_str!("../../../docs/wire-format.md").contains(std::str::from_utf8(&bytes).unwrap()), "{bytes:?}");
    let record = format.open(KEY, &bytes).unwrap();
    assert_eq!(record.head.limits.idle, Duration::from_millis(1_209_600_000));
}
