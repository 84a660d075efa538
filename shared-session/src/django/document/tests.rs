#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod compression;
mod limits;
mod packages;
mod properties;
mod python;

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::django::python::text;

pub(in crate::django) const SECRET: &str = "test-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz-DO-NOT-USE";
pub(in crate::django) const OLD_SECRET: &str = "old-secret-key-9876543210-zyxwvutsrqponmlkjihgfedcba-DO-NOT-USE";
const TIME: u64 = 1_700_000_000;

pub(in crate::django) fn keys() -> SecretKeys {
    SecretKeys::django(SECRET).unwrap().with_fallback(OLD_SECRET).unwrap()
}

/// Bytes written by a real package, and the values that CPython reads from them.
#[derive(Deserialize)]
pub(in crate::django) struct Record {
    pub(in crate::django) id: String,
    pub(in crate::django) layout: String,
    hex: Option<String>,
    text: Option<String>,
    /// The entries in the notation of [`tree`].
    pub(in crate::django) reads: Option<Value>,
    refused: Option<String>,
}

impl Record {
    pub(in crate::django) fn bytes(&self) -> Bytes {
        match (&self.hex, &self.text) {
            (Some(hex), None) => unhex(hex).into(),
            (None, Some(text)) => text.clone().into(),
            _ => panic!("one of hex and text"),
        }
    }
}

pub(in crate::django) fn records() -> Vec<Record> {
    serde_json::from_str(include_str!("../../../tests/fixtures/django/documents.json")).unwrap()
}

fn record(id: &str) -> Record {
    records().into_iter().find(|record| record.id == id).unwrap()
}

pub(in crate::django) fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(in crate::django) fn cache() -> Layout {
    Layout::Cache(Codec::pickle())
}

pub(in crate::django) fn signed() -> Layout {
    Layout::Signed(keys(), Codec::json())
}

pub(in crate::django) fn layout(record: &Record) -> Option<Layout> {
    match &*record.layout {
        "cache" => Some(cache()),
        "signed" => Some(signed()),
        _ => None,
    }
}

/// A value in the notation of the fixtures.
pub(in crate::django) fn tree(value: &PyValue) -> Value {
    let all = |items: &[PyValue]| items.iter().map(tree).collect::<Vec<_>>();
    let sorted = |items: &[PyValue]| {
        let mut items = all(items);
        items.sort_by_key(Value::to_string);
        items
    };
    match value {
        PyValue::None => json!({"t": "none"}),
        PyValue::Bool(value) => json!({"t": "bool", "v": value}),
        PyValue::Int(number) => json!({"t": "int", "v": number.to_decimal()}),
        PyValue::Float(number) => json!({"t": "float", "v": hex(&number.to_be_bytes())}),
        PyValue::Str(text) => match text.as_str() {
            Some(text) => json!({"t": "str", "v": text}),
            None => json!({"t": "str", "hex": hex(text.as_bytes())}),
        },
        PyValue::Bytes(bytes) => json!({"t": "bytes", "v": hex(bytes)}),
        PyValue::ByteArray(bytes) => json!({"t": "bytearray", "v": hex(bytes)}),
        PyValue::List(items) => json!({"t": "list", "v": all(items)}),
        PyValue::Tuple(items) => json!({"t": "tuple", "v": all(items)}),
        PyValue::Set(items) => json!({"t": "set", "v": sorted(items)}),
        PyValue::FrozenSet(items) => json!({"t": "frozenset", "v": sorted(items)}),
        PyValue::Dict(pairs) => json!({"t": "dict", "v": tree_of(pairs)}),
        PyValue::DateTime(_) => json!({"t": "datetime", "v": text::view(value)}),
        PyValue::Date(_) => json!({"t": "date", "v": text::view(value)}),
        PyValue::Time(_) => json!({"t": "time", "v": text::view(value)}),
        PyValue::TimeDelta(delta) => json!({"t": "timedelta", "v": text::seconds(*delta)}),
        PyValue::Decimal(text) => json!({"t": "Decimal", "v": text}),
        PyValue::Uuid(_) => json!({"t": "UUID", "v": text::view(value)}),
        PyValue::Complex(re, im) => json!({"t": "complex", "v": [re, im]}),
        PyValue::Object(object) => {
            let mut out = json!({"t": "object", "v": format!("{}.{}", object.module, object.name)});
            if let Some(value) = &object.value {
                out["is"] = tree(value);
            }
            out
        }
    }
}

pub(in crate::django) fn tree_of(pairs: &[(PyValue, PyValue)]) -> Value {
    pairs.iter().map(|(key, value)| json!([tree(key), tree(value)])).collect()
}

pub(in crate::django) fn read(layout: &Layout, bytes: impl Into<Bytes>) -> Document {
    Document::read(layout, &bytes.into()).unwrap()
}

fn text_of(document: &Document, name: &str) -> String {
    String::from_utf8(document.get(name).unwrap().text().unwrap().to_vec()).unwrap()
}

fn json_text(text: &'static str) -> Json {
    Json::from_text(text.into())
}

/// The value in the bytes, unpacked.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    Compression::of(bytes).unwrap().unpack(bytes).unwrap()
}

#[test]
fn entries_come_in_their_order_and_python_keys_stay() {
    let document = read(&cache(), record("builtin/int_and_mixed_keys").bytes());
    let names: Vec<_> = document.entries().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["2".into()] as [Box<str>; 1]);
    assert_eq!(document.pairs().len(), 5);
    assert_eq!(text_of(&document, "2"), r#""two""#);
    assert!(document.get("none").is_none());
}

#[test]
fn a_new_session_is_made_as_the_fleet_makes_its_own() {
    let made = |layout: &Layout| {
        let mut document = Document::new(layout);
        document.set("a", &json_text("1")).unwrap();
        String::from_utf8_lossy(&document.write(TIME).unwrap()).into_owned()
    };
    assert_eq!(made(&Layout::Cache(Codec::json())), r#"{"a": 1}"#);
    assert_eq!(made(&signed()), "eyJhIjoxfQ:1r31eq:4Lnc5rKKsw7Ob2VhjuzjHsykDmG-UyCCIFBfqistpvg");
    let pickled = Layout::Signed(keys(), Codec::pickle());
    assert_eq!(made(&pickled), "gAWVCgAAAAAAAAB9lIwBYZRLAXMu:1r31eq:lW8X9QUkcbV5JRiZOIM2HjllmoyIB-xxawbQ3ZYee-E");
    for (codec, bytes) in [(Codec::pickle(), b"\x80\x05}\x94."), (Codec::pickle_protocol(4), b"\x80\x04}\x94.")] {
        let document = Document::new(&Layout::Cache(codec));
        assert_eq!(document.write(TIME).unwrap(), &bytes[..]);
        assert_eq!(document.codec(), codec);
    }
    #[cfg(feature = "django-redis")]
    assert_eq!(Document::new(&Layout::Cache(Codec::msgpack())).write(TIME).unwrap(), &[0x80][..]);
}

#[test]
fn a_signature_of_another_key_is_told_from_another_format() {
    let other = Layout::Signed(SecretKeys::django("other").unwrap(), Codec::json());
    for id in ["db/small", "django30/legacy_db_json/auth"] {
        let refusal = Document::read(&other, &record(id).bytes()).unwrap_err();
        assert_eq!(refusal, Refusal::Signature);
        let error = Error::from(refusal);
        assert_eq!(error.kind(), ErrorKind::Unreadable);
        assert!(error.to_string().contains("signature"));
    }
    let refusal =
        |layout: &Layout, bytes: &'static [u8]| Document::read(layout, &Bytes::from_static(bytes)).unwrap_err();
    assert_eq!(refusal(&signed(), b"\x80\x05}\x94."), Refusal::Unknown);
    assert_eq!(refusal(&signed(), b"no base 64!"), Refusal::Base64);
    assert_eq!(refusal(&signed(), br#"{"a":1}"#), Refusal::Unknown);
    assert_eq!(refusal(&cache(), b"eyJhIjoxfQ:1r31eq:4Lnc5rKKsw7Ob2VhjuzjHsykDmG-UyCCIFBfqistpvg"), Refusal::Unknown);
    for text in [&b"5"[..], b" -41\n", b"+1", b"1_000"] {
        assert_eq!(refusal(&cache(), text), Refusal::Integer);
    }
    assert_eq!(refusal(&cache(), b""), Refusal::Unknown);
    let large = Bytes::from(vec![b' '; MAX_BYTES + 1]);
    assert_eq!(Document::read(&cache(), &large).unwrap_err(), Refusal::TooLarge);
}

#[test]
fn a_value_signed_under_a_fallback_is_written_under_the_current_key() {
    let old = SecretKeys::django(OLD_SECRET).unwrap();
    let new = SecretKeys::django(SECRET).unwrap();
    let found = Document::new(&Layout::Signed(old.clone(), Codec::json())).write(TIME).unwrap();
    let written = read(&signed(), found).write(TIME).unwrap();
    assert!(Document::read(&Layout::Signed(new, Codec::json()), &written).is_ok());
    assert_eq!(Document::read(&Layout::Signed(old, Codec::json()), &written).unwrap_err(), Refusal::Signature);
}

#[test]
fn the_others_are_found_after_a_removal() {
    let layouts = [Layout::Cache(Codec::json()), Layout::Cache(Codec::pickle()), signed()];
    for layout in layouts {
        let mut document = Document::new(&layout);
        for name in ["a", "b", "c"] {
            document.set(name, &Json::encode(name).unwrap()).unwrap();
        }
        document.remove("a");
        document.set("c", &Json::encode("new").unwrap()).unwrap();
        document.remove("b");
        assert_eq!(text_of(&document, "c"), r#""new""#);
        assert_eq!(document.entries().len(), 1);
    }
}

#[test]
fn no_content_is_shown() {
    let mut document = Document::new(&signed());
    document.set("key", &Json::encode("secret").unwrap()).unwrap();
    let value = Json::python(PyValue::Tuple(vec!["secret".into()]));
    let refused = Document::read(&cache(), &Bytes::from_static(b"secret"));
    let shown = format!("{document:?} {:?} {value:?} {refused:?} {:?}", document.get("key"), signed());
    assert!(!shown.contains("secret-key") && !shown.contains("\"secret") && !shown.contains(SECRET), "{shown}");
}
