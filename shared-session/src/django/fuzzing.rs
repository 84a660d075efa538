//! Properties that must hold for any bytes in Django's formats.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    reason = "only tests use it"
)]

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::{
    Codec, Compression, Django, Document, Layout, json,
    json::Rules,
    legacy,
    members::Members,
    messages,
    messages::{Level, Message},
    msgpack,
    pickle::Pickle,
    python::PyValue,
    refusal::Reason,
    signing::Signer,
};
use crate::{
    error::{Error, ErrorKind},
    keys::SecretKeys,
    record::{
        Content, Record, Stamp, WireFormat as _,
        entries::{Changes, Json},
        lifetime::Lifetime,
        time::StoreTime,
    },
};

const SECRET: &str = "test-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz-DO-NOT-USE";
const SALT: &str = "django.contrib.sessions.SessionStore";
const TIME: u64 = 1_700_000_000;
const NOW: StoreTime = StoreTime(TIME * 1000);
const MAX_BYTES: usize = 1 << 20;
/// A shorter unpacked value can always be written: pickles grow only through heavy sharing.
const SMALL: usize = 1 << 14;

fn keys() -> SecretKeys {
    SecretKeys::django(SECRET).unwrap()
}

fn is_same(a: &[(PyValue, PyValue)], b: &[(PyValue, PyValue)]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0.is_same(&b.0) && a.1.is_same(&b.1))
}

/// The pairs with `name` set to `value`, as a dict does it.
fn with(mut pairs: Vec<(PyValue, PyValue)>, name: &str, value: PyValue) -> Vec<(PyValue, PyValue)> {
    match pairs.iter_mut().find(|(key, _)| *key == name.into()) {
        Some(pair) => pair.1 = value,
        None => pairs.push((name.into(), value)),
    }
    pairs
}

fn written<T>(result: Result<T, Error>, len: usize) -> Option<T> {
    result.inspect_err(|error| assert!(error.kind() == ErrorKind::TooLarge && len > SMALL, "not written: {error}")).ok()
}

/// A pickle: an accepted value can be written and reads back equal, and an edit changes one entry.
pub fn pickle(bytes: &[u8]) {
    let Ok(mut found) = Pickle::read(bytes) else { return };
    assert!(bytes.len() <= MAX_BYTES);
    let pairs = found.to_pairs();
    assert_eq!(pairs.len(), found.len());
    let reads = |found: &Pickle, pairs: &[(PyValue, PyValue)]| {
        let Some(written) = written(found.to_bytes(), bytes.len()) else { return };
        assert!(written.len() <= MAX_BYTES);
        let again = match Pickle::read(&written) {
            Ok(again) => again,
            Err(error) => return assert!(bytes.len() > SMALL, "written, then refused: {error}"),
        };
        assert!(is_same(&again.to_pairs(), pairs), "something else was written");
        assert_eq!(again.protocol(), found.protocol().max(2));
        assert!(again.to_bytes().unwrap() == written, "not stable");
    };
    reads(&found, &pairs);
    for (_, value) in found.entries() {
        let Some(text) = value.to_json() else { continue };
        match json::exact_value(&text) {
            Ok(again) => assert!(again.is_same(&value.to_python()), "the JSON differs"),
            Err(reason) => assert!(matches!(reason, "weight" | "long"), "JSON is refused: {reason}"),
        }
    }
    let names: Vec<_> = found.keys().map(str::to_owned).collect();
    for name in names.iter().map(String::as_str).chain(["edited"]).take(3) {
        let mut edited = found.clone();
        match edited.set_json(name, "[1, {\"a\": null}]") {
            Ok(()) => {
                let value = json::value(b"[1, {\"a\": null}]").unwrap();
                reads(&edited, &with(pairs.clone(), name, value));
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TooLarge);
                assert!(is_same(&edited.to_pairs(), &pairs));
            }
        }
    }
    if let Some(name) = names.first() {
        assert!(found.remove(name) && !found.remove(name));
        let others = pairs.into_iter().filter(|(key, _)| *key != name.as_str().into());
        reads(&found, &others.collect::<Vec<_>>());
    }
}

/// The value of a cache. The first byte selects the compression of the rest, or none.
pub fn cached_value(bytes: &[u8]) {
    let Some((how, data)) = bytes.split_first() else { return };
    let data = Bytes::copy_from_slice(data);
    let compressions = [Compression::Zlib, Compression::Gzip, Compression::Lzma, Compression::Lz4, Compression::Zstd];
    let bytes = match compressions.get(usize::from(*how % 16)) {
        Some(compression) => {
            let packed = compression.pack(data.clone());
            if data.len() > compression.threshold() {
                assert_eq!(Compression::of(&packed), Ok(*compression));
                assert!(compression.unpack(&packed).is_ok_and(|found| found == data));
            } else {
                assert!(packed == data);
            }
            packed
        }
        None => data,
    };
    let unpacked = Compression::of(&bytes).and_then(|compression| compression.unpack(&bytes));
    let codec = if how % 2 == 0 { Codec::pickle() } else { Codec::json().with_compression(Compression::Zlib) };
    let layout = Layout::Cache(codec);
    document(&layout, &bytes, unpacked.map_or(0, |data| data.len()));
    record(&Django::cache().with_codec(codec), &bytes);
}

/// A signed value. The first byte selects whether it is already signed.
pub fn signed_value(bytes: &[u8]) {
    let Some((how, data)) = bytes.split_first() else { return };
    let keys = keys();
    let signer = Signer::new(&keys, SALT);
    let bytes: Bytes = match how % 3 {
        0 => Bytes::copy_from_slice(data),
        1 => {
            let signed = signer.sign_data(data, TIME);
            assert!(signer.unsign_data(&signed).is_ok_and(|found| found == data) || data.len() > MAX_BYTES);
            signed.into()
        }
        _ => {
            let signed = legacy::sign(&keys, data);
            assert!(legacy::unsign(&keys, &signed).is_ok_and(|found| found == data));
            signed.into()
        }
    };
    document(&Layout::Signed(keys.clone(), Codec::json()), &bytes, bytes.len());
    record(&Django::db(keys), &bytes);
}

/// An accepted value can be written and reads back equal; an edit changes one entry, and a refused edit changes
/// nothing.
fn document(layout: &Layout, bytes: &Bytes, len: usize) {
    let Ok(found) = Document::read(layout, bytes) else { return };
    assert!(bytes.len() <= MAX_BYTES);
    let len = len.max(bytes.len());
    let pairs = found.pairs();
    let reads = |found: &Document, pairs: &[(PyValue, PyValue)]| {
        let written = written(found.write(TIME), len)?;
        assert!(written.len() <= MAX_BYTES);
        let again = Document::read(layout, &written).expect("a written document is readable");
        assert!(is_same(&again.pairs(), pairs), "something else was written");
        assert!(again.write(TIME).unwrap() == written, "not stable");
        Some(())
    };
    reads(&found, &pairs);
    let entries = found.entries();
    for (at, (name, value)) in entries.iter().enumerate() {
        assert!(entries.len() > 100 || entries.iter().skip(at + 1).all(|(other, _)| other != name), "twice");
        assert!(entries.len() > 100 || found.get(name).as_ref() == Some(value));
    }
    for name in entries.iter().map(|(name, _)| &**name).chain(["edited"]).take(3) {
        let mut edited = found.clone();
        let value = Json::from_text(Bytes::from_static(br#"{"a": [1.5, "x"]}"#));
        match edited.set(name, &value) {
            Ok(()) => {
                reads(&edited, &with(pairs.clone(), name, value.to_python().unwrap()));
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TooLarge);
                assert!(is_same(&edited.pairs(), &pairs));
            }
        }
    }
    for codec in [Codec::pickle(), Codec::pickle_protocol(2), Codec::json(), Codec::msgpack()] {
        // A value without a counterpart in the other format is refused.
        let Ok(cached) = found.to_cache(codec) else { continue };
        let Ok(written) = cached.write(TIME) else { continue };
        assert!(Document::read(&Layout::Cache(codec), &written).is_ok());
    }
}

/// A session that is read, then written without an edit, and with one.
fn record(django: &Django, bytes: &Bytes) {
    let lifetime = Lifetime::default();
    let stamp = Stamp { tag: "", now: NOW, lifetime: &lifetime };
    let Ok(found) = django.decode("key", bytes, &lifetime, NOW) else { return };
    let content = |record: &Record| Content { head: record.head.clone(), entries: record.entries.clone() };
    let again = match django.next("key", &found, None, &stamp, content(&found)) {
        Ok(again) => again,
        Err(error) => return assert_eq!(error.kind(), ErrorKind::TooLarge, "not written: {error}"),
    };
    assert!(again.head == found.head && again.entries == found.entries);
    let changes = Changes::from([("edited", Some(Json::from_text(Bytes::from_static(b"1"))))]);
    let edited = Content { entries: found.entries.with(&changes), ..content(&found) };
    match django.next("key", &found, None, &stamp, edited.clone()) {
        Ok(written) => {
            let again = django.decode("key", written.bytes(), &lifetime, NOW).expect("a written session is readable");
            assert!(again.head == found.head && again.entries == edited.entries);
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::TooLarge, "not written: {error}"),
    }
}

/// JSON: it accepts the same texts as serde, and an accepted value can be written and reads back equal.
pub fn json_value(bytes: &[u8]) {
    let found = json::value(bytes);
    if let Err(reason) = found
        && !matches!(reason, "weight" | "depth" | "long")
    {
        let text = std::str::from_utf8(bytes).ok();
        assert!(text.is_none_or(|text| serde_json::from_str::<IgnoredAny>(text).is_err()), "refused: {reason}");
    }
    let source = Bytes::copy_from_slice(bytes);
    let is_object = bytes.trim_ascii_start().starts_with(b"{");
    let members = json::read_members(&source);
    let Ok(value) = found else {
        // The limits count one level and one value less.
        assert!(members.is_err() || matches!(found, Err("weight")));
        return;
    };
    assert_eq!(members.is_ok(), is_object);
    if json::inexact_value(bytes).unwrap().is_none() {
        assert!(serde_json::from_slice::<IgnoredAny>(bytes).is_ok(), "JSON of Python only");
        assert!(json::encode(&value, Rules::Exact, json::COMPACT).is_ok());
        assert!(Json::from_text(source).to_python().unwrap().is_same(&value));
    }
    for style in [json::COMPACT, json::SPACED] {
        let text = json::encode(&value, Rules::Django, style).expect("an accepted value can be written");
        assert!(text.is_ascii());
        match json::value(&text) {
            Ok(again) => assert!(again.is_same(&value)),
            Err(reason) => assert!(reason == "weight" && bytes.len() > SMALL, "written, then refused: {reason}"),
        }
    }
    let view = json::encode(&value, Rules::View, json::COMPACT).ok();
    assert!(view.is_none_or(|view| serde_json::from_slice::<IgnoredAny>(&view).is_ok()));
    if let (Ok(members), PyValue::Dict(pairs)) = (members, value) {
        same_members(&members, &pairs, json::value);
        let written = Bytes::from(json::write_members(&members, json::COMPACT));
        same_members(&json::read_members(&written).unwrap(), &pairs, json::value);
        assert!(json::write_members(&json::read_members(&written).unwrap(), json::COMPACT) == written);
    }
}

/// MessagePack: an accepted value can be written and reads back equal.
pub fn msgpack_value(bytes: &[u8]) {
    let source = Bytes::copy_from_slice(bytes);
    let members = msgpack::read_members(&source);
    let Ok(value) = msgpack::value(bytes) else { return assert!(members.is_err()) };
    let is_map = matches!(bytes, [0x80..=0x8f | 0xde | 0xdf, ..]);
    assert_eq!(members.is_ok(), is_map);
    match msgpack::member(&PyValue::None, &PyValue::List(vec![value.clone()])) {
        Ok(member) => {
            let again = msgpack::value(&member.raw).unwrap();
            assert!(again.is_same(&PyValue::List(vec![value.clone()])));
        }
        Err(reason) => assert!(matches!(reason, "object" | "depth"), "not written: {reason}"),
    }
    if let (Ok(members), PyValue::Dict(pairs)) = (members, value) {
        same_members(&members, &pairs, msgpack::value);
        let written = Bytes::from(msgpack::write_members(&members));
        same_members(&msgpack::read_members(&written).unwrap(), &pairs, msgpack::value);
    }
}

/// The members whose key is a string are those of the dict.
fn same_members(members: &Members, pairs: &[(PyValue, PyValue)], value: fn(&[u8]) -> Result<PyValue, Reason>) {
    for member in members.iter() {
        let Some(name) = &member.name else { continue };
        let key = PyValue::from(&**name);
        let of_dict = pairs.iter().rev().find(|(known, _)| *known == key).map(|(_, value)| value);
        assert!(of_dict.is_some_and(|of_dict| value(&member.raw).unwrap().is_same(of_dict)));
    }
}

/// Messages, as the entry of a session and as the data of a cookie.
pub fn message_list(bytes: &[u8]) {
    let keys = keys();
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(found) = messages::decode(text)
    {
        let text = messages::encode(&found);
        assert!(text.is_ascii() && messages::decode(&text).unwrap() == found);
        let (value, rest) = messages::write_cookie(&keys, &found, UNIX_EPOCH + Duration::from_secs(TIME));
        let read = messages::read_cookie(&keys, &value).expect("a written cookie is readable");
        assert!([&read.messages, rest].concat() == found && read.more_in_session != rest.is_empty());
        assert!(value.len() <= 2048);
    }
    let signed = Signer::of_cookies(&keys, "django.contrib.messages").sign_data(bytes, TIME);
    if let Some(mut read) = messages::read_cookie(&keys, &signed) {
        read.messages.push(Message::new(Level::INFO, "x"));
        assert!(messages::decode(&messages::encode(&read.messages)).unwrap() == read.messages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::django::document::tests::{records, unhex};

    fn pickles() -> impl Iterator<Item = Vec<u8>> {
        let files = [
            include_str!("../../tests/fixtures/pickle/cpython.json"),
            include_str!("../../tests/fixtures/pickle/django.json"),
            include_str!("../../tests/fixtures/pickle/hostile.json"),
        ];
        let maps = files.map(|file| serde_json::from_str::<std::collections::BTreeMap<String, String>>(file).unwrap());
        maps.into_iter().flat_map(|map| map.into_values().map(|hex| unhex(&hex)))
    }

    #[test]
    fn known_pickles_keep_their_promises() {
        for bytes in pickles() {
            pickle(&bytes);
        }
    }

    #[test]
    fn known_sessions_keep_their_promises() {
        for record in records() {
            let bytes = record.bytes();
            for how in [0, 1, 2, 3, 4, 6, 7] {
                cached_value(&[&[how][..], &bytes].concat());
            }
            for how in 0..3 {
                signed_value(&[&[how][..], &bytes].concat());
            }
            json_value(&bytes);
            msgpack_value(&bytes);
        }
    }

    #[test]
    fn known_messages_keep_their_promises() {
        let fixture = include_str!("../../tests/fixtures/django/messages.json");
        let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
        message_list(fixture["session"].as_str().unwrap().as_bytes());
        message_list(br#"["__messagesnotfinished__"]"#);
    }
}
