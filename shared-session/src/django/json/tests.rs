#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::*;
use crate::django::python::{PyStr, text};

fn read(text: &str) -> Result<PyValue, Reason> {
    value(text.as_bytes())
}

fn written(text: &str) -> String {
    String::from_utf8(encode(&read(text).unwrap(), Rules::Django, SPACED).unwrap()).unwrap()
}

#[test]
fn python_reads_the_same() {
    for (text, expected) in [
        ("[]", "[]"),
        (" \t\r\n{ \"a\" :\n1 , \"b\":[ 1,2 ] } ", r#"{"a": 1, "b": [1, 2]}"#),
        ("[NaN, Infinity, -Infinity, 1e999]", "[NaN, Infinity, -Infinity, Infinity]"),
        (
            "[-0, 0, -0.0, 1E5, 1e-05, 0.1, 123456789012345680000]",
            "[0, 0, -0.0, 100000.0, 1e-05, 0.1, 123456789012345680000]",
        ),
        (
            r#""\ud83e\udd80 \ud83e \udd80 \uD800\u0041 \ud83e\ud83e\udd80""#,
            r#""\ud83e\udd80 \ud83e \udd80 \ud800A \ud83e\ud83e\udd80""#,
        ),
        (r#""\"\\\/\b\f\n\r\t\u00e9""#, r#""\"\\/\b\f\n\r\t\u00e9""#),
        ("\"\u{7f}é🦀\"", r#""\u007f\u00e9\ud83e\udd80""#),
        (r#"{"k": 1, "l": 2, "k": 3}"#, r#"{"k": 3, "l": 2}"#),
    ] {
        assert_eq!(written(text), expected);
    }
}

#[test]
fn input_that_python_refuses_is_refused() {
    for text in [
        "",
        "nul",
        "nullx",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{1:2}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "01",
        "-",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "--1",
        "1.5.5",
        "1e5e5",
        "nan",
        "-NaN",
        "infinity",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u+123\"",
        "\"\n\"",
        "[",
        "{",
        "1 1",
        "\"a\"b",
        "\u{a0}1",
        "'a'",
        "\u{feff}1",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    assert!(value(b"\"\xff\"").is_err());
    assert!(value(b"\"\xed\xa0\x80\"").is_err(), "a surrogate without escape");
}

#[test]
fn limits_hold() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(read(&nested(128)).is_ok());
    assert_eq!(read(&nested(129)).unwrap_err(), "depth");
    assert_eq!(read(&"[".repeat(1 << 20)).unwrap_err(), "depth");
    assert!(read(&"9".repeat(4300)).is_ok());
    assert_eq!(read(&"9".repeat(4301)).unwrap_err(), "long");
    let numbers = vec!["9".repeat(4300); 100].join(",");
    assert_eq!(read(&format!("[{numbers}]")).unwrap_err(), "weight");
    assert_eq!(read(&format!("[{}1]", "1,".repeat(1 << 17))).unwrap_err(), "weight");
    assert_eq!(read(&format!("\"{}\"", "a".repeat(5 << 20))).unwrap_err(), "weight");
}

#[test]
fn members_keep_their_text() {
    let text = Bytes::from_static(r#" { "a" : [1,  2.50] ,"é": "\u0041" ,"\u00e9" : NaN, "\ud800":1 } "#.as_bytes());
    let members = read_members(&text).unwrap();
    assert_eq!(members.get("a").unwrap(), "[1,  2.50]");
    assert_eq!(members.get("é").unwrap(), "NaN", "the last of equal keys");
    let expected = r#"{"a": [1,  2.50], "é": NaN, "\ud800": 1}"#;
    assert_eq!(String::from_utf8(write_members(&members, SPACED)).unwrap(), expected);
    for text in ["", "[]", "{", "{}x", r#"{"a":1"#, r#"{"a":1,}"#, r#"{"a" 1}"#] {
        assert!(read_members(&Bytes::from(text)).is_err(), "{text}");
    }
}

#[test]
fn floats_are_written_as_python_writes_them() {
    let floats = [1e16, 1e15, 123_456_789_012_345_680.0, 1e-4, 1e-5, 5e-324, -0.0, f64::MAX, 0.1, 1e100, -1.5e-7, 1e22];
    let expected = "1e+16 1000000000000000.0 1.2345678901234568e+17 0.0001 1e-05 5e-324 -0.0 1.7976931348623157e+308 0.1 1e+100 -1.5e-07 1e+22";
    assert_eq!(floats.map(text::float).join(" "), expected);
}

#[test]
fn only_values_that_read_back_are_exact() {
    let exact = |value: PyValue| encode(&value, Rules::Exact, COMPACT).is_ok();
    assert!(exact(PyValue::List(vec![PyValue::Dict(vec![("a".into(), 1.5.into())])])));
    for value in [
        PyValue::Tuple(vec![]),
        f64::NAN.into(),
        PyStr::from_bytes(b"\xed\xa0\x80").unwrap().into(),
        PyValue::Bytes(vec![]),
        PyValue::Dict(vec![(1.into(), 1.into())]),
        PyValue::Decimal("1".into()),
    ] {
        assert!(!exact(PyValue::List(vec![value])));
    }
    for text in ["NaN", "[-Infinity]", r#""\udc00""#, "1e999", r#"{"\ud800": 1}"#] {
        assert_eq!(exact_value(text).unwrap_err(), "json", "{text}");
        assert!(inexact_value(text.as_bytes()).unwrap().is_some(), "{text}");
    }
    assert!(inexact_value(br#"["\ud83e\udd80"]"#).unwrap().is_none());
}
