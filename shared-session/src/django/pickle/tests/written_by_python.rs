//! Pickles written by Django and CPython, and ours, which must equal theirs.

use super::*;

#[test]
fn pickles_of_django_are_written_back_byte_for_byte() {
    let mut refused = Vec::new();
    for (id, bytes) in django() {
        match Pickle::read(&bytes) {
            Ok(pickle) => assert!(pickle.to_bytes().unwrap() == bytes, "{id}"),
            Err(error) => refused.push((id, error.to_string())),
        }
    }
    let cycle = ("builtin/self_recursive_list".to_owned(), "pickle refused: cycle".to_owned());
    assert_eq!((django().len(), refused), (66, vec![cycle]));
}

#[test]
fn pickles_of_cpython_in_protocol_2_to_5_are_written_back_byte_for_byte() {
    for (id, bytes) in cpython() {
        let pickle = Pickle::read(&bytes).unwrap();
        if pickle.protocol() >= 2 {
            assert!(pickle.to_bytes().unwrap() == bytes, "{id}");
        }
    }
}

#[test]
fn every_protocol_holds_the_same_values() {
    let all = cpython();
    let newest = Pickle::read(&all["protocol5"]).unwrap();
    for protocol in 0..=5u8 {
        let pickle = Pickle::read(&all[&format!("protocol{protocol}")]).unwrap();
        assert_eq!(pickle.protocol(), protocol);
        assert!(pickle.keys().eq(newest.keys()));
        for key in newest.keys() {
            let mut expected = python(&newest, key);
            if let PyValue::DateTime(time) = &mut expected {
                time.time.fold &= protocol >= 4;
            }
            assert!(python(&pickle, key) == expected, "{key} in protocol {protocol}");
        }
        assert!(pickle.to_bytes().unwrap().starts_with(&[0x80, protocol.max(2)]));
    }
}

#[test]
fn python_values_are_recognised() {
    let pickle = Pickle::read(&cpython()["protocol5"]).unwrap();
    let date = PyDate { year: 2024, month: 2, day: 29 };
    let time = PyTime {
        hour: 1,
        minute: 2,
        second: 3,
        microsecond: 4,
        fold: true,
        offset: PyOffset::Named("Europe/Paris".into()),
    };
    let mut uuid = [0; 16];
    (uuid[0], uuid[15]) = (0x80, 5);
    let clock = PyTime { hour: 23, minute: 59, second: 59, microsecond: 999_999, fold: false, offset: PyOffset::None };
    let expected = [
        ("dt", PyDateTime { date, time: time.clone() }.into()),
        ("tz", PyDateTime { date, time: PyTime { fold: false, offset: PyOffset::Fixed(-18_000), ..time } }.into()),
        ("d", date.into()),
        ("t", clock.into()),
        ("td", PyTimeDelta { days: -1, seconds: 5, microseconds: 7 }.into()),
        ("dec", PyValue::Decimal("1.10".into())),
        ("u", PyValue::Uuid(uuid)),
        ("c", PyValue::Complex(1.0, -2.5)),
        ("b", PyValue::Bytes(vec![0, 255])),
        ("e", PyValue::Bytes(vec![])),
        ("ba", PyValue::ByteArray(b"xy".to_vec())),
        ("s", PyValue::Set(vec![int(1)])),
        ("f", PyValue::FrozenSet(vec![text("a")])),
        ("i", PyInt::from_decimal("-1180591620717411303424").unwrap().into()),
        ("tup", PyValue::Tuple(vec![int(1)])),
        ("sur", PyStr::from_bytes(b"\xed\xa0\x80").unwrap().into()),
    ];
    for (key, value) in expected {
        assert!(python(&pickle, key) == value, "{key}");
        assert_eq!(json(&pickle, key).is_some(), key == "i", "{key} as JSON");
    }
    let PyValue::Object(object) = python(&pickle, "safe") else { panic!("an object") };
    assert_eq!((&*object.module, &*object.name), ("django.utils.safestring", "SafeString"));
}

#[test]
fn new_values_are_written_as_cpython_writes_them() {
    for (kind, protocol) in ["built", "zone"].into_iter().flat_map(|kind| (2..=5).map(move |protocol| (kind, protocol)))
    {
        let expected = cpython()[&format!("{kind}{protocol}")].clone();
        let PyValue::List(mut values) = python(&Pickle::read(&expected).unwrap(), "v") else { panic!("a list") };
        assert!(!values.iter().any(|value| matches!(value, PyValue::Object(_))));
        if let PyValue::DateTime(first) = &mut values[0] {
            // Protocols 2 and 3 do not store it.
            first.time.fold |= kind == "built";
        }
        let mut pickle = Pickle::new(protocol);
        pickle.set("v", values).unwrap();
        assert!(pickle.to_bytes().unwrap() == expected, "{kind} in protocol {protocol}");
    }
}

#[test]
fn a_shape_that_no_type_of_ours_holds_stays_an_object() {
    let utc = &django()["builtin/datetime_utc"];
    let at = utc.windows(7).position(|part| part == b"K\0K\0K\0\x87").unwrap();
    let mut fraction = utc.clone();
    fraction[at + 5] = 7;
    let mut thirteenth = utc.clone();
    let month = utc.windows(2).position(|part| part == b"C\x0a").unwrap() + 4;
    thirteenth[month] = 13;
    for bytes in [fraction, thirteenth] {
        let pickle = Pickle::read(&bytes).unwrap();
        assert!(matches!(python(&pickle, "at"), PyValue::Object(_)));
        assert_eq!(pickle.to_bytes().unwrap(), bytes);
    }
}

#[test]
fn short_decimal_integers_are_read_as_long_ones() {
    let digits = "123456789012345678901234567890";
    let longest = (1..=30).flat_map(|len| [digits[..len].to_owned(), format!("-{}", &digits[..len])]);
    let odd = ["0", "-0", "007", "-007", "000000000000000000000001", "-000000000000000000"].map(str::to_owned);
    for text in longest.chain(odd) {
        let pickle = Pickle::read(format!("(dVa\nI{text}\ns.").as_bytes()).unwrap();
        assert!(python(&pickle, "a") == PyValue::Int(PyInt::from_decimal(&text).unwrap()), "{text}");
    }
    for text in ["", "-", "+1", "1-", "1 ", " 1", "0x1", "1_0", "--1"] {
        assert_eq!(reason(format!("(dVa\nI{text}\ns.").as_bytes()), "integer", "{text:?}");
    }
}
