//! Values without a JSON counterpart.

use super::*;
use crate::django::python::{PyDate, PyDateTime, PyOffset, PyStr, PyTime, PyTimeDelta};

/// One value of each type without a JSON counterpart.
fn python_values() -> Vec<(&'static str, PyValue)> {
    let date = PyDate { year: 2024, month: 2, day: 29 };
    let time = |offset| PyTime { hour: 12, minute: 34, second: 56, microsecond: 789_012, fold: false, offset };
    let at = |offset| PyValue::DateTime(PyDateTime { date, time: time(offset) });
    let delta = PyTimeDelta { days: -1, seconds: 5, microseconds: 7 };
    vec![
        ("utc", at(PyOffset::Fixed(0))),
        ("naive", at(PyOffset::None)),
        ("west", at(PyOffset::Fixed(-19_815))),
        ("date", PyDate { year: 7, month: 1, day: 2 }.into()),
        ("time", time(PyOffset::None).into()),
        ("delta", delta.into()),
        ("days", PyTimeDelta { days: 3, seconds: 18_000, microseconds: 0 }.into()),
        ("decimal", PyValue::Decimal("1E+400".into())),
        ("uuid", PyValue::Uuid(0x0123_4567_89ab_cdef_0011_2233_4455_6677u128.to_be_bytes())),
        ("tuple", PyValue::Tuple(vec![1.into(), PyValue::Tuple(vec![])])),
        ("keys", PyValue::Dict(vec![(1.into(), 1.into()), (PyValue::None, 2.into()), (true.into(), 3.into())])),
        ("nan", PyValue::List(vec![f64::NAN.into(), f64::NEG_INFINITY.into()])),
        ("bad", PyStr::from_bytes(b"\xed\xa0\x80").unwrap().into()),
    ]
}

#[test]
fn python_values_in_json_are_what_django_writes() {
    let mut document = Document::new(&Layout::Cache(Codec::json()));
    for (name, value) in python_values() {
        document.set(name, &Json::python(value)).unwrap();
    }
    let expected = r#"{"utc": "2024-02-29T12:34:56.789Z", "naive": "2024-02-29T12:34:56.789", "west": "2024-02-29T12:34:56.789-05:30:15", "date": "0007-01-02", "time": "12:34:56.789", "delta": "-P0DT23H59M54.999993S", "days": "P3DT05H00M00S", "decimal": "1E+400", "uuid": "01234567-89ab-cdef-0011-223344556677", "tuple": [1, []], "keys": {"1": 1, "null": 2, "true": 3}, "nan": [NaN, -Infinity], "bad": "\ud800"}"#;
    assert_eq!(document.write(TIME).unwrap(), expected);
    let named = PyTime {
        hour: 0,
        minute: 0,
        second: 0,
        microsecond: 0,
        fold: false,
        offset: PyOffset::Named("Europe/Paris".into()),
    };
    for value in [
        PyValue::Set(vec![]),
        PyValue::Bytes(vec![1]),
        PyValue::Complex(1.0, 2.0),
        PyDateTime { date: PyDate { year: 1, month: 1, day: 1 }, time: named.clone() }.into(),
        named.into(),
        PyValue::Dict(vec![(PyValue::Tuple(vec![]), PyValue::None)]),
    ] {
        let error = document.set("x", &Json::python(value)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value);
    }
    assert_eq!(document.write(TIME).unwrap(), expected, "unchanged");
}

#[test]
fn python_values_go_into_a_pickle_as_they_are() {
    let mut document = Document::new(&cache());
    for (name, value) in python_values() {
        document.set(name, &Json::python(value)).unwrap();
    }
    let again = read(&cache(), document.write(TIME).unwrap());
    for (name, value) in python_values() {
        assert!(again.get(name).unwrap().to_python().unwrap().is_same(&value), "{name}");
        assert!(again.get(name) == document.get(name), "{name}");
    }
}

#[test]
fn rust_types_read_python_values() {
    let mut document = Document::new(&cache());
    for (name, value) in python_values() {
        document.set(name, &Json::python(value)).unwrap();
    }
    let get = |name: &str| document.get(name).unwrap();
    let text = |name: &str| get(name).decode::<String>().unwrap();
    assert_eq!(text("utc"), "2024-02-29T12:34:56.789012+00:00");
    assert_eq!(text("west"), "2024-02-29T12:34:56.789012-05:30:15");
    assert_eq!(text("time"), "12:34:56.789012");
    assert_eq!(text("decimal"), "1E+400");
    assert_eq!(text("uuid"), "01234567-89ab-cdef-0011-223344556677");
    assert_eq!(get("delta").decode::<f64>().unwrap(), -86_394.999_993);
    assert_eq!(get("tuple").decode::<(u8, Vec<u8>)>().unwrap(), (1, vec![]));
    assert_eq!(get("nan").decode::<Vec<Option<f64>>>().unwrap(), [None, None]);
    assert_eq!(get("keys").decode::<Value>().unwrap(), json!({"1": 1, "null": 2, "true": 3}));
    assert_eq!(get("bad").decode::<String>().unwrap_err().kind(), ErrorKind::Value);
    let get = |id: &str, name: &str| read(&cache(), record(id).bytes()).get(name).unwrap();
    assert_eq!(get("builtin/bytes", "b").decode::<Vec<u8>>().unwrap(), [0, 1, 0xfe, 0xff]);
    assert_eq!(get("builtin/sets", "fs").decode::<Vec<String>>().unwrap(), ["x"]);
    assert_eq!(get("builtin/ordereddict_defaultdict", "dd").decode::<Value>().unwrap(), json!({"x": [1]}));
    let error = get("builtin/complex_fraction_range", "r").decode::<Value>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Value);
    assert!(error.to_string().contains("Python object"));
    let zone = PyOffset::Named("Europe/Paris".into());
    let time = PyTime { hour: 1, minute: 2, second: 3, microsecond: 0, fold: false, offset: zone };
    assert_eq!(Json::python(time.into()).decode::<String>().unwrap(), "01:02:03[Europe/Paris]");
}
