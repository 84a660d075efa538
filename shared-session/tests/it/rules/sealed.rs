//! The same rules, in a fleet with sealed records. Other writers seal according to `docs/wire-format.md`, with code
//! independent of the library's.

#![allow(clippy::duplicate_mod, reason = "the same rules hold for another profile")]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use chacha20poly1305::{AeadInOut as _, KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use shared_session::{
    ErrorKind, Profile, Sealing, SecretKeys, SessionManager, django::pickle::PyValue, store::SessionStore as _,
};

use super::{ABSOLUTE, Browser, FleetOf, IDLE, Store, current_user, kind, user};

#[path = "conflict.rs"]
mod conflict;
#[path = "late_logout.rs"]
mod late_logout;
#[path = "late_write.rs"]
mod late_write;
#[path = "login.rs"]
mod login;
#[path = "logout.rs"]
mod logout;
#[path = "lost_reply.rs"]
mod lost_reply;
#[path = "near_cache.rs"]
mod near_cache;
#[path = "own_commits.rs"]
mod own_commits;
#[path = "reopened.rs"]
mod reopened;
#[path = "revocation.rs"]
mod revocation;
#[path = "round_trips.rs"]
mod round_trips;
#[path = "update.rs"]
mod update;

type Fleet = FleetOf<true>;

pub(super) fn profile() -> Profile {
    of_keys(SECRET, &[])
}

fn of_keys(current: &str, fallbacks: &[&str]) -> Profile {
    let keys = fallbacks
        .iter()
        .fold(SecretKeys::new(current).unwrap(), |keys, fallback| keys.with_fallback(fallback).unwrap());
    Profile::sealed("shared_session:", Sealing::new(&keys).unwrap())
}

const SECRET: &str = "a secret key of at least thirty-two bytes";
const LATER: &str = "a later key, at least thirty-two bytes long";
const HEAD: usize = 110;

fn derived(what: &[u8]) -> [u8; 32] {
    let key = Sha256::digest([b"session-record\0", SECRET.as_bytes()].concat());
    Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(what).finalize().into_bytes().into()
}

/// The record of format version 1 that is sealed in `bytes`.
fn opened(key: &str, bytes: &[u8]) -> String {
    let (head, rest) = bytes.split_at(HEAD);
    let text = rest.strip_prefix(br#","b":""#).and_then(|rest| rest.strip_suffix(br#""}"#)).unwrap();
    let mut sealed = URL_SAFE_NO_PAD.decode(text).unwrap();
    assert_eq!(sealed[..4], derived(b"id")[..4]);
    let nonce = XNonce::try_from(&sealed[4..28]).unwrap();
    let tag = Tag::try_from(&sealed[sealed.len() - 16..]).unwrap();
    let end = sealed.len() - 16;
    let bound = [key.as_bytes(), head].concat();
    let cipher = XChaCha20Poly1305::new(&derived(b"key").into());
    cipher.decrypt_inout_detached(&nonce, &bound, (&mut sealed[28..end]).into(), &tag).unwrap();
    let head = std::str::from_utf8(head).unwrap().replacen(r#""v":2"#, r#""v":1"#, 1);
    head + std::str::from_utf8(&sealed[28..end]).unwrap()
}

/// The record of format version 1 in `text`, sealed.
fn stored(key: &str, text: String) -> Bytes {
    let (head, rest) = text.split_at(HEAD);
    let head = head.replacen(r#""v":1"#, r#""v":2"#, 1);
    let nonce = [7; 24];
    let mut sealed = rest.as_bytes().to_vec();
    let bound = [key, &head].concat();
    let cipher = XChaCha20Poly1305::new(&derived(b"key").into());
    let tag = cipher.encrypt_inout_detached(&XNonce::from(nonce), bound.as_bytes(), (&mut sealed[..]).into()).unwrap();
    let sealed = [&derived(b"id")[..4], &nonce, &sealed, &tag].concat();
    format!(r#"{head},"b":"{}"}}"#, URL_SAFE_NO_PAD.encode(sealed)).into()
}

async fn started(fleet: &Fleet) -> Browser {
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("cart", "a book").unwrap()).await;
    browser
}

#[tokio::test]
async fn the_store_holds_nothing_that_can_be_read() {
    let fleet = Fleet::new();
    let browser = started(&fleet).await;
    let bytes = fleet.memory.load(&browser.key()).await.unwrap().unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.starts_with(r#"{"v":2,"#) && !text.contains("cart") && !text.contains("book"), "{text}");
    assert!(opened(&browser.key(), &bytes).contains(r#""e":{"cart":"a book"}"#));
}

#[tokio::test]
async fn a_value_that_no_record_can_hold_is_refused_when_it_is_given() {
    let session = Fleet::new().request(&Browser::default()).load().await.unwrap();
    let refused = session.insert_python("at", PyValue::Tuple(Vec::new())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Value);
}

/// Two sessions of an attacker who can write to the store: the content of one under the cookie of the other.
#[tokio::test]
async fn a_value_copied_to_another_session_is_an_error_and_not_an_empty_session() {
    let fleet = Fleet::new();
    let (mine, theirs) = (started(&fleet).await, started(&fleet).await);
    let (mine_bytes, theirs_bytes) = (
        fleet.memory.load(&mine.key()).await.unwrap().unwrap(),
        fleet.memory.load(&theirs.key()).await.unwrap().unwrap(),
    );
    let with_my_head = [&mine_bytes[..HEAD], &theirs_bytes[HEAD..]].concat();
    for forged in [theirs_bytes, with_my_head.into()] {
        fleet.memory.delete(&mine.key(), None).await.unwrap();
        fleet.memory.create(&mine.key(), forged, IDLE).await.unwrap();
        let session = fleet.request(&mine).load().await.unwrap();
        assert_eq!(session.get::<String>("cart").unwrap_err().kind(), ErrorKind::Unreadable);
    }
}

#[tokio::test]
async fn a_change_of_keys_signs_nobody_out_and_the_next_write_seals_under_the_current_key() {
    let fleet = Fleet::new();
    let mut browser = started(&fleet).await;
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let with = |profile| Fleet {
        manager: fleet.manager.clone().with_profile(profile),
        store: fleet.store.clone(),
        memory: fleet.memory.clone(),
    };
    let (rotated, later) = (with(of_keys(LATER, &[SECRET])), with(of_keys(LATER, &[])));
    assert_eq!(rotated.user_id(&browser).await.as_deref(), Some("1"));
    assert!(fleet.user_id(&browser).await.is_some(), "a read seals nothing anew");
    rotated.serve(&mut browser, |session| session.insert("cart", "two books").unwrap()).await;
    assert_eq!(later.user_id(&browser).await.as_deref(), Some("1"));
    let lost = fleet.request(&browser).load().await.unwrap();
    assert_eq!(lost.get::<String>("cart").unwrap_err().kind(), ErrorKind::Unreadable);
}

#[tokio::test]
async fn a_service_with_other_keys_or_none_is_told_before_it_starts() {
    let fleet = Fleet::new();
    started(&fleet).await;
    let with = |profile| SessionManager::new(fleet.memory.clone()).with_profile(profile);
    assert_eq!(with(profile()).check_fleet().await.unwrap().sessions, 1);
    for (profile, says) in
        [(of_keys(LATER, &[]), "a key that this service does not have"), (Profile::default(), "Profile::sealed")]
    {
        let error = with(profile).check_fleet().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(says), "{error}");
    }
}
