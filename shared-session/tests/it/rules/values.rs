//! Values that JSON or a Rust type cannot represent: a refused edit changes nothing, and reading changes no value.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use shared_session::{
    ErrorKind, Profile, Session,
    django::{
        Codec, Django,
        pickle::{Pickle, PyInt, PyValue},
    },
    store::SessionStore,
};

use super::{Browser, Fleet, IDLE, kind};

const KEY: &str = "abcdefghijklmnopqrstuvwxyz012345";
const PREFIX: &str = ":1:django.contrib.sessions.cache";

fn django(codec: Codec) -> Fleet {
    let fleet = Fleet::new();
    let profile = Profile::django(Django::cache().with_codec(codec));
    Fleet { manager: fleet.manager.clone().with_profile(profile), ..fleet }
}

fn fleets() -> [Fleet; 4] {
    [Fleet::new(), django(Codec::pickle()), django(Codec::json()), django(Codec::msgpack())]
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

#[derive(Serialize, Deserialize)]
struct Point {
    x: f64,
    y: Option<f32>,
}

#[tokio::test]
async fn a_value_that_json_lacks_is_refused_by_name_and_type_and_edits_nothing() {
    for fleet in fleets() {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("x", &1.5).unwrap()).await;
        let (handle, session) = fleet.load(&browser).await;
        for beyond in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let errors = [
                session.insert("x", &beyond).unwrap_err(),
                session.insert("x", &(beyond as f32)).unwrap_err(),
                session.insert("x", &vec![1.0, beyond]).unwrap_err(),
                session.insert("x", &Point { x: 1.0, y: Some(beyond as f32) }).unwrap_err(),
                session.insert("x", &HashMap::from([("a", [beyond as f32])])).unwrap_err(),
                session.insert("x", &BTreeMap::from([((1, 2), 3)])).unwrap_err(),
                session.update("x", move |_: Option<f64>| Some(beyond)).unwrap_err(),
                session.update("new", move |_: Option<Vec<f64>>| Some(vec![beyond])).unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.kind(), ErrorKind::Value);
                let text = error.to_string();
                assert!(text.contains("\"x\"") || text.contains("\"new\""), "{text}");
            }
            assert!(session.insert("x", &beyond).unwrap_err().to_string().contains("f64"));
        }
        assert_eq!(session.get::<f64>("x").unwrap(), Some(1.5));
        assert_eq!(session.names().unwrap(), ["x"]);
        assert_eq!((kind(&fleet.finish(&handle).await), fleet.get(&browser, "x").await), (None, Some(json!(1.5))));
    }
}

/// A type that writes itself as a number and reads itself from a text.
#[derive(Debug, Clone, PartialEq)]
struct OneWay;

impl Serialize for OneWay {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|_| Self)
    }
}

#[tokio::test]
async fn an_update_to_what_would_not_read_back_edits_nothing() {
    for fleet in fleets() {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("x", "text").unwrap()).await;
        let (handle, session) = fleet.load(&browser).await;
        assert_eq!(session.update("x", |_: Option<OneWay>| Some(OneWay)).unwrap_err().kind(), ErrorKind::Value);
        assert_eq!(session.get::<String>("x").unwrap().as_deref(), Some("text"));
        assert_eq!(kind(&fleet.finish(&handle).await), None);
        assert_eq!(fleet.get(&browser, "x").await, Some(json!("text")));
    }
}

#[tokio::test]
async fn a_null_is_none() {
    for fleet in fleets() {
        let mut browser = Browser::default();
        let read = |session: &Session| {
            assert_eq!(session.get::<u32>("x").unwrap(), None);
            assert_eq!(session.get::<f64>("x").unwrap(), None);
            assert_eq!(session.get::<Option<u32>>("x").unwrap(), Some(None));
            assert_eq!(session.get::<Value>("x").unwrap(), Some(Value::Null));
        };
        fleet
            .serve(&mut browser, |session| {
                session.insert("x", &None::<u32>).unwrap();
                read(session);
            })
            .await;
        let session = fleet.load(&browser).await.1;
        read(&session);
        assert_eq!(session.update("x", |n: Option<u32>| Some(n.map_or(7, |n| n + 1))).unwrap(), Some(7));
        let session = fleet.load(&browser).await.1;
        assert_eq!(session.take::<u32>("x").unwrap(), None);
        assert!(session.names().unwrap().is_empty());
    }
}

#[tokio::test]
async fn integers_of_any_size_and_other_keys_read_back() {
    for fleet in [Fleet::new(), django(Codec::pickle()), django(Codec::json())] {
        let mut browser = Browser::default();
        let map = BTreeMap::from([(u128::MAX, true), (1, false)]);
        fleet
            .serve(&mut browser, |session| {
                session.insert("u", &u128::MAX).unwrap();
                session.insert("i", &[i128::MIN]).unwrap();
                session.insert("map", &map).unwrap();
                session.insert("zero", &-0.0).unwrap();
            })
            .await;
        let (handle, session) = fleet.load(&browser).await;
        assert_eq!(session.get("u").unwrap(), Some(u128::MAX));
        assert_eq!(session.get("i").unwrap(), Some([i128::MIN]));
        assert_eq!(session.get("map").unwrap(), Some(map));
        assert_eq!(session.get::<f64>("zero").unwrap().map(f64::is_sign_negative), Some(true));
        assert_eq!(session.update("u", |n: Option<u128>| n.map(|n| n - 1)).unwrap(), Some(u128::MAX - 1));
        // A type that holds the number as a float keeps it unchanged, or is refused.
        session.update("i", |list: Option<Value>| list).unwrap();
        let error = session.update("i", |_: Option<Value>| Some(json!([0, 1]))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value);
        assert_eq!(kind(&fleet.finish(&handle).await), None);
        let session = fleet.load(&browser).await.1;
        assert_eq!(session.get("u").unwrap(), Some(u128::MAX - 1));
        assert_eq!(session.get("i").unwrap(), Some([i128::MIN]));
    }
    // MessagePack integers have at most 64 bits.
    let fleet = django(Codec::msgpack());
    let outcome = fleet.serve(&mut Browser::default(), |session| session.insert("u", &u128::MAX).unwrap()).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Value));
    assert!(outcome.error().unwrap().to_string().contains("\"u\""));
    fleet.serve(&mut Browser::default(), |session| session.insert("u", &u64::MAX).unwrap()).await;
}

#[tokio::test]
async fn a_number_that_a_python_float_rounds_is_refused_where_python_reads_it() {
    for text in ["1e400", "-1e400", "1e-400", "12345678901234567890.5", "[{\"a\":0.1000000000000000055}]"] {
        let native = Fleet::new();
        let mut browser = Browser::default();
        native.serve(&mut browser, |session| session.insert("x", &raw(text)).unwrap()).await;
        let session = native.load(&browser).await.1;
        assert_eq!(session.get::<Box<RawValue>>("x").unwrap().unwrap().get(), text, "all digits");
        session.update("x", |x: Option<Box<RawValue>>| x).unwrap();
        for fleet in [django(Codec::pickle()), django(Codec::json()), django(Codec::msgpack())] {
            let (handle, session) = fleet.load(&Browser::default()).await;
            let value = raw(text);
            assert_eq!(session.insert("x", &value).unwrap_err().kind(), ErrorKind::Value);
            let update = session.update("x", move |_: Option<Box<RawValue>>| Some(value.clone()));
            assert_eq!(update.unwrap_err().kind(), ErrorKind::Value);
            assert!(session.names().unwrap().is_empty());
            assert_eq!(kind(&fleet.finish(&handle).await), None);
            assert_eq!(fleet.memory.len(), 0);
        }
    }
    assert_eq!(Pickle::new(5).set_json("x", "12345678901234567890.5").unwrap_err().kind(), ErrorKind::Value);
}

#[tokio::test]
async fn a_python_value_is_not_an_entry_of_a_native_session() {
    let (_, session) = Fleet::new().load(&Browser::default()).await;
    for value in [PyValue::Float(f64::NAN), PyValue::Tuple(vec![])] {
        assert_eq!(session.insert_python("x", value).unwrap_err().kind(), ErrorKind::Value);
    }
    session.insert_python("x", PyValue::Float(1.5)).unwrap();
    assert_eq!(session.names().unwrap(), ["x"]);
}

async fn made_by_django(fleet: &Fleet, bytes: impl Into<bytes::Bytes>) -> Browser {
    assert!(fleet.memory.create(&format!("{PREFIX}{KEY}"), bytes.into(), IDLE).await.unwrap());
    Browser(Some(format!("sid={KEY}")))
}

/// Python values without a Rust counterpart are read as closely as possible, and never written back as other values.
#[tokio::test]
async fn a_value_that_rust_cannot_hold_is_never_rewritten_changed() {
    let json = r#"{"nan": NaN, "inf": [1, -Infinity], "big": 123456789012345678901234567890, "deep": {"d": 12345678901234567890.5, "n": 1}, "over": 1e400, "half": "\ud800", "twice": {"a": 1, "a": 2}, "zero": -0.0, "n": 1}"#;
    let mut pickle = Pickle::new(5);
    pickle.set("nan", PyValue::Float(f64::NAN)).unwrap();
    pickle.set("inf", PyValue::List(vec![1.into(), PyValue::Float(f64::NEG_INFINITY)])).unwrap();
    pickle.set("big", PyValue::Int(PyInt::from_decimal("123456789012345678901234567890").unwrap())).unwrap();
    pickle.set("deep", PyValue::Dict(vec![("d".into(), PyValue::Tuple(vec![])), ("n".into(), 1.into())])).unwrap();
    pickle.set("over", PyValue::Decimal("1E+400".into())).unwrap();
    pickle.set("zero", PyValue::Float(-0.0)).unwrap();
    pickle.set("n", PyValue::from(1)).unwrap();
    for (fleet, bytes) in
        [(django(Codec::json()), bytes::Bytes::from(json)), (django(Codec::pickle()), pickle.to_bytes().unwrap())]
    {
        let mut browser = made_by_django(&fleet, bytes.clone()).await;
        let outcome = fleet
            .serve(&mut browser, |session| {
                for name in session.names().unwrap() {
                    // Keeping a readable value unchanged is always allowed.
                    if session.get::<Value>(&name).is_ok() {
                        session.update(&name, |value: Option<Value>| value).unwrap();
                    }
                }
                for name in ["nan", "inf", "big", "deep", "over"] {
                    let error = session.update(name, |_: Option<Value>| Some(json!("changed"))).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Value, "{name}");
                }
                assert_eq!(session.get::<f64>("nan").unwrap_err().kind(), ErrorKind::Value);
            })
            .await;
        assert_eq!(kind(&outcome), None);
        let key = format!("{PREFIX}{KEY}");
        assert_eq!(fleet.memory.load(&key).await.unwrap().unwrap(), bytes, "not a byte changed");
        fleet
            .serve(&mut browser, |session| {
                session.update("n", |n: Option<u8>| n.map(|n| n + 1)).unwrap();
                session.update("nan", |_: Option<Value>| None).unwrap();
                session.insert("over", &0).unwrap();
            })
            .await;
        let session = fleet.load(&browser).await.1;
        assert_eq!(session.get::<u8>("n").unwrap(), Some(2));
        assert_eq!(session.get::<Value>("nan").unwrap(), None, "it can be removed, and replaced");
        assert_eq!(session.get::<u8>("over").unwrap(), Some(0));
        assert_eq!(session.get::<u128>("big").unwrap(), Some(123_456_789_012_345_678_901_234_567_890));
    }
}
