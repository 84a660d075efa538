//! Setting and removing entries.

use super::*;

#[test]
fn an_entry_is_edited_and_the_others_stay() {
    let mut pickle = Pickle::read(&cpython()["protocol5"]).unwrap();
    let mut keys: Vec<_> = pickle.keys().map(str::to_owned).collect();
    let safe = b"\x8c\x0aSafeString\x94\x93\x94\x8c\x03<b>\x94\x85\x94\x81\x94";
    pickle.set_json("txt", r#"{"a": [1, 1.0, null]}"#).unwrap();
    assert!(pickle.remove("dec") && !pickle.remove("dec"));
    pickle.set("new", "value").unwrap();
    keys.retain(|key| key != "dec");
    keys.push("new".into());
    let bytes = pickle.to_bytes().unwrap();
    assert!(bytes.windows(safe.len()).any(|part| part == safe));
    let again = Pickle::read(&bytes).unwrap();
    assert!(again.keys().eq(keys.iter().map(String::as_str)));
    assert_eq!(json(&again, "txt").as_deref(), Some(r#"{"a":[1,1.0,null]}"#));
    assert_eq!(again.get("new").and_then(Value::as_str), Some("value"));
    let original = Pickle::read(&cpython()["protocol5"]).unwrap();
    for key in keys.iter().filter(|key| !matches!(&***key, "txt" | "new")) {
        assert!(python(&again, key) == python(&original, key), "{key}");
    }
}

#[test]
fn an_edited_part_is_not_shared_any_more_and_the_other_part_stays() {
    let mut pickle = Pickle::read(&django()["builtin/shared_reference"]).unwrap();
    assert_eq!(json(&pickle, "b"), json(&pickle, "a"));
    pickle.set_json("a", "1").unwrap();
    let again = Pickle::read(&pickle.to_bytes().unwrap()).unwrap();
    assert_eq!((json(&again, "a"), json(&again, "b")), (Some("1".into()), Some(r#"["shared"]"#.into())));
}

#[test]
fn a_new_session_has_djangos_bytes() {
    let mut pickle = Pickle::new(5);
    assert_eq!(pickle.to_bytes().unwrap(), django()["builtin/empty_dict"]);
    pickle.set_json("a", "1").unwrap();
    pickle.set_json("b", "\"two\"").unwrap();
    assert_eq!(pickle.to_bytes().unwrap(), django()["builtin/two_keys"]);
    assert_eq!((pickle.len(), pickle.is_empty(), pickle.protocol()), (2, false, 5));
}

#[test]
fn other_keys_than_strings_stay() {
    let mut pickle = Pickle::read(&django()["builtin/int_and_mixed_keys"]).unwrap();
    assert!(pickle.keys().eq(["2"]));
    assert_eq!(pickle.len(), 5);
    pickle.remove("2");
    assert_eq!(Pickle::read(&pickle.to_bytes().unwrap()).unwrap().len(), 4);
}

#[test]
fn long_strings_are_written_outside_frames() {
    let at = |len: usize| {
        let mut pickle = Pickle::new(5);
        pickle.set("a", "x".repeat(len)).unwrap();
        pickle.set_json("b", "1").unwrap();
        pickle.to_bytes().unwrap()
    };
    let head = b"\x80\x05\x95\x07\0\0\0\0\0\0\0}\x94(\x8c\x01a\x94";
    let tail = b"\x95\x09\0\0\0\0\0\0\0\x94\x8c\x01b\x94K\x01u.";
    let outside = [&head[..], b"X\0\0\x01\0", &[b'x'; 65_536], &tail[..5]].concat();
    assert!(at(65_536).starts_with(&outside));
    assert!(at(65_535).starts_with(b"\x80\x05\x95\x0c\0\x01\0"));
    for len in [65_535, 65_536] {
        assert!(Pickle::read(&at(len)).unwrap().to_bytes().unwrap() == at(len));
    }
}

#[test]
fn json_keeps_integers_of_any_size_and_floats_apart() {
    let big = "-123456789012345678901234567890";
    let mut pickle = Pickle::new(5);
    let text = format!(r#"[{big}, 9223372036854775808, -0, 0, 1.0, -0.0, 1e16, 1e-7, "\u00e9\n", {{}}, [], true]"#);
    pickle.set_json("a", &text).unwrap();
    let expected = format!(r#"[{big},9223372036854775808,0,0,1.0,-0.0,1e16,1e-7,"é\n",{{}},[],true]"#);
    assert_eq!(json(&pickle, "a"), Some(expected.clone()));
    assert_eq!(json(&Pickle::read(&pickle.to_bytes().unwrap()).unwrap(), "a"), Some(expected));
    pickle.set_json("a", r#" {"k": 1, "l": 2, "k": 3} "#).unwrap();
    assert_eq!(json(&pickle, "a").as_deref(), Some(r#"{"k":3,"l":2}"#));
    for digits in ["1000000000000000000000", "-18446744073709551616", "99999999999999999999000000001"] {
        pickle.set_json("a", digits).unwrap();
        assert_eq!(json(&pickle, "a").as_deref(), Some(digits));
        assert_eq!(PyInt::from_decimal(digits).unwrap().to_decimal(), digits);
    }
    assert_eq!(PyInt::from_decimal("4294967296").unwrap().as_le_bytes(), [0, 0, 0, 0, 1]);
}

#[test]
fn invalid_json_is_refused() {
    let mut pickle = Pickle::new(5);
    for text in [
        "",
        "nul",
        "nullx",
        "[1,]",
        "[1 2]",
        "{1:2}",
        "{\"a\"}",
        "{\"a\":}",
        "01",
        "-",
        "1.",
        ".5",
        "1e400",
        "+1",
        "NaN",
        "\"",
        "\"\\",
        "\"\\ud800\"",
        "\"\n\"",
        "[",
        "1 1",
        "\"a\"b",
        "\"é",
    ] {
        let error = pickle.set_json("a", text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Value, "{text}");
    }
    assert!(pickle.is_empty());
}

#[test]
fn limits_hold_for_edits_too() {
    let mut pickle = Pickle::new(5);
    pickle.set_json("a", "1").unwrap();
    let before = pickle.to_bytes().unwrap();
    let deep = "[".repeat(100_000);
    let wide = format!("[{}1]", "[],".repeat(140_000));
    for text in [&deep, &wide, &"9".repeat(100_000), &format!("\"{}\"", "x".repeat(5 << 20))] {
        assert_eq!(pickle.set_json("a", text).expect_err("too large").kind(), ErrorKind::TooLarge);
    }
    assert_eq!(pickle.to_bytes().unwrap(), before);
    let mut nested = PyValue::List(vec![]);
    for _ in 0..1000 {
        nested = PyValue::List(vec![nested]);
    }
    assert_eq!(Pickle::new(5).set("a", nested).expect_err("deep").kind(), ErrorKind::TooLarge);
    let mut long = Pickle::new(5);
    long.set("a", "x".repeat(2 << 20)).unwrap();
    assert_eq!(long.to_bytes().expect_err("long").kind(), ErrorKind::TooLarge);
}

#[test]
fn replaced_values_do_not_count() {
    let mut pickle = Pickle::new(5);
    for _ in 0..20 {
        pickle.set("a", "x".repeat(500_000)).unwrap();
        pickle.set("b", "x".repeat(300_000)).unwrap();
        pickle.remove("b");
    }
    assert!(pickle.to_bytes().unwrap().len() < 600_000);
}

#[test]
fn values_that_python_could_not_load_are_refused() {
    let date = PyDate { year: 2023, month: 2, day: 29 };
    let list = PyValue::List(vec![]);
    let twice = PyValue::Dict(vec![(text("k"), int(1)), (text("k"), int(2))]);
    let object = python(&Pickle::read(&cpython()["protocol5"]).unwrap(), "safe");
    let bad = [date.into(), PyValue::Set(vec![list.clone()]), PyValue::Dict(vec![(list, int(1))]), twice, object];
    for value in bad {
        assert_eq!(Pickle::new(5).set("a", value).expect_err("refused").kind(), ErrorKind::Value);
    }
}

#[test]
fn debug_and_errors_show_no_content() {
    let mut pickle = Pickle::new(5);
    pickle.set("key", "secret").unwrap();
    let value = python(&pickle, "key");
    let refused = pickle.set_json("a", "secret");
    let shown = format!("{pickle:?} {:?} {value:?} {refused:?}", pickle.get("key").unwrap());
    assert!(!shown.contains("secret") && !shown.contains("key"), "{shown}");
    assert_eq!(format!("{}", Pickle::read(b"\x80\x05\xffsecret").unwrap_err()), "pickle refused: unknown_opcode");
}
