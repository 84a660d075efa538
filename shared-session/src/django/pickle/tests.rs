#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod properties;

use std::collections::BTreeMap;

use super::*;

/// Made by Django 3.0 to 6.1 on CPython 3.8 to 3.13.
fn django() -> BTreeMap<String, Vec<u8>> {
    fixture(include_str!("../../../tests/fixtures/pickle/django.json"))
}

/// Made by CPython 3.11.
fn cpython() -> BTreeMap<String, Vec<u8>> {
    fixture(include_str!("../../../tests/fixtures/pickle/cpython.json"))
}

/// Inputs that would make a naive reader run code, allocate, or recurse; and damaged ones.
fn hostile() -> BTreeMap<String, Vec<u8>> {
    let mut all = fixture(include_str!("../../../tests/fixtures/pickle/hostile.json"));
    let nines = "9".repeat(100_000);
    all.insert("int_text_of_100k_digits".into(), format!("(dVa\nI{nines}\ns.").into_bytes());
    all.insert("long_text_of_100k_digits".into(), format!("(dVa\nL{nines}L\ns.").into_bytes());
    all.insert("marks".into(), [&b"\x80\x05"[..], &b"(".repeat(100_000), b"."].concat());
    all.insert("two_mebibytes".into(), [&b"\x80\x05}\x8c\x01kX\0\0\x20\0"[..], &vec![b'a'; 2 << 20], b"s."].concat());
    let deep = [b"\x80\x05".to_vec(), b"}\x8c\x01a".repeat(5000), b"}".to_vec(), b"s".repeat(5000), b".".to_vec()];
    all.insert("deep_dict".into(), deep.concat());
    // Tuples of the previous tuple twice; a list of one long string many times; many operations.
    let doubling = (0..40u8).flat_map(|index| [b'h', index, b'h', index, 0x86, 0x94]).collect::<Vec<_>>();
    all.insert("memo_bomb".into(), [&b"\x80\x05}\x8c\x01k)\x85\x94"[..], &doubling, b"s."].concat());
    let long = [&b"\x80\x05}\x8c\x01k](X\0\0\x08\0"[..], &vec![b'a'; 1 << 19], b"\x94", &b"h\0".repeat(50_000), b"es."];
    all.insert("string_bomb".into(), long.concat());
    all.insert("ops".into(), [&b"\x80\x05}\x8c\x01k]"[..], &b"Na".repeat(100_000), b"s."].concat());
    all.insert("waiting".into(), [&b"\x80\x05}\x8c\x01k]("[..], &b"N".repeat(140_000), b"es."].concat());
    all.insert("nodes".into(), [&b"\x80\x05}\x8c\x01k]("[..], &b"]".repeat(150_000), b"es."].concat());
    all.insert("memo_index".into(), b"\x80\x05}r\xff\xff\xff\x7f.".to_vec());
    all.insert("late_protocol".into(), b"}\x80\x05.".to_vec());
    all.insert("nested_frame".into(), b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x95\0\0\0\0\0\0\0\0}.".to_vec());
    all.insert("duplicate_key".into(), b"\x80\x05}(\x8c\x01aK\x01\x8c\x01aK\x02u.".to_vec());
    all.insert("unhashable_in_tuple".into(), b"\x80\x05}]\x85K\x01s.".to_vec());
    all.insert("popped_call".into(), b"\x80\x05}\x8c\x04uuid\x8c\x04UUID\x93)R0.".to_vec());
    all.insert("changed_after_use".into(), b"\x80\x05}\x8c\x01a]\x94s\x8c\x01bh\0K\x01as.".to_vec());
    all.insert("eval".into(), b"\x80\x05}\x8c\x01a\x8c\x08builtins\x8c\x04eval\x93s.".to_vec());
    all.insert("getattr_as_data".into(), b"\x80\x05}\x8c\x01a\x8c\x08builtins\x8c\x07getattr\x93s.".to_vec());
    let getattr =
        b"\x80\x05}\x8c\x01a\x8c\x08builtins\x8c\x07getattr\x93\x8c\x03app\x8c\x01C\x93\x8c\x09_unpickle\x86Rs.";
    all.insert("getattr_of_another_class".into(), getattr.to_vec());
    all.insert("attribute_of_a_class".into(), b"\x80\x05}\x8c\x01a\x8c\x03app\x8c\x0aC.__init__\x93s.".to_vec());
    let line = b"\x80\x02}X\x01\0\0\0aX\x09\0\0\0os\nsystemX\x01\0\0\0x\x93s.";
    all.insert("line_break_in_a_name".into(), line.to_vec());
    all
}

fn fixture(json: &str) -> BTreeMap<String, Vec<u8>> {
    let texts: BTreeMap<String, String> = serde_json::from_str(json).unwrap();
    texts.into_iter().map(|(id, hex)| (id, unhex(&hex))).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn reason(bytes: &[u8]) -> String {
    let error = Pickle::read(bytes).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    error.to_string().strip_prefix("pickle refused: ").unwrap().to_owned()
}

fn python(pickle: &Pickle, key: &str) -> PyValue {
    pickle.get(key).unwrap().to_python()
}

fn json(pickle: &Pickle, key: &str) -> Option<String> {
    pickle.get(key).unwrap().to_json()
}

fn text(text: &str) -> PyValue {
    text.into()
}

fn int(number: i64) -> PyValue {
    number.into()
}

#[test]
fn decimal_integers_weigh_also_when_nothing_holds_them() {
    let integer = [b"I", &b"9".repeat(2400)[..], b"\n"].concat();
    let pickle = |count: usize| [b"}Va\n(", &integer.repeat(count)[..], b"ls."].concat();
    assert!(Pickle::read(&pickle(46)).is_ok());
    let cut = [b"}(", &integer.repeat(47)[..]].concat();
    assert_eq!(Pickle::read(&cut).unwrap_err().to_string(), "pickle refused: weight");
}

#[test]
fn what_django_wrote_is_written_back_byte_for_byte() {
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
fn what_cpython_wrote_in_protocol_2_to_5_is_written_back_byte_for_byte() {
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
            // Protocols 2 and 3 have lost it, and lose it again.
            first.time.fold |= kind == "built";
        }
        let mut pickle = Pickle::new(protocol);
        pickle.set("v", values).unwrap();
        assert!(pickle.to_bytes().unwrap() == expected, "{kind} in protocol {protocol}");
    }
}

#[test]
fn hostile_input_is_refused() {
    for (id, bytes) in hostile() {
        assert!(Pickle::read_with(&bytes, Objects::Known).is_err(), "{id}");
        // A model instance is what applications really keep; it stays inert.
        assert_eq!(Pickle::read(&bytes).is_ok(), id == "django_model_unpickle", "{id}");
    }
}

#[test]
fn each_limit_has_its_reason() {
    let all = hostile();
    let expected = [
        ("int_text_of_100k_digits", "long"),
        ("long_text_of_100k_digits", "long"),
        ("marks", "depth"),
        ("deep_dict", "depth"),
        ("deep_list_in_dict_1000", "depth"),
        ("two_mebibytes", "too_large"),
        ("memo_bomb", "weight"),
        ("string_bomb", "weight"),
        ("ops", "ops"),
        ("waiting", "nodes"),
        ("nodes", "nodes"),
        ("memo_index", "memo"),
        ("binunicode_beyond", "length"),
        ("binbytes8_2^62", "length"),
        ("frame_huge", "frame_length"),
        ("frame_splits_opcode", "frame_overrun"),
        ("nested_frame", "nested_frame"),
        ("late_protocol", "late_protocol"),
        ("trailing_garbage", "trailing_bytes"),
        ("top_list", "not_a_dict"),
        ("cycle_list", "cycle"),
        ("changed_after_use", "cycle"),
        ("unhashable_in_tuple", "unhashable_key"),
        ("duplicate_key", "duplicate_key"),
        ("popped_call", "pop"),
        ("os_system_in_dict", "global"),
        ("global_dotted_getattr", "global"),
        ("getattr_as_data", "global"),
        ("attribute_of_a_class", "global"),
        ("getattr_of_another_class", "global"),
        ("line_break_in_a_name", "global"),
        ("build_setstate", "state_class"),
    ];
    for (id, expected) in expected {
        assert_eq!(reason(&all[id]), expected, "{id}");
    }
}

/// A list of `head` and of `part`, `count` times, at the key `k`.
fn in_list(head: &[u8], part: &[u8], count: usize) -> Vec<u8> {
    [b"\x80\x05}\x8c\x01k](", head, &part.repeat(count), b"es."].concat()
}

#[test]
fn a_tuple_has_as_many_items_as_may_wait() {
    let tuple = |items: usize| [&b"\x80\x05}\x8c\x01k("[..], &b"N".repeat(items), b"ts."].concat();
    // The dict and the key wait too.
    assert!(Pickle::read(&tuple(131_070)).is_ok());
    assert_eq!(reason(&tuple(131_071)), "nodes");
}

#[test]
fn a_dict_has_65_536_entries_at_most() {
    let batches =
        |more: &[u8]| [&b"\x80\x05}"[..], &[b"(", &b"NN".repeat(32_768)[..], b"u"].concat().repeat(2), more].concat();
    let mut pickle = Pickle::read(&batches(b".")).unwrap();
    assert_eq!(pickle.len(), 65_536);
    assert_eq!(reason(&batches(b"NNs.")), "nodes");
    assert_eq!(pickle.set("a", "b").unwrap_err().kind(), ErrorKind::TooLarge);
    let large = PyValue::Dict((0..65_537).map(|key| (int(key), PyValue::None)).collect());
    assert_eq!(Pickle::new(5).set("a", large).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn names_of_classes_are_looked_at_so_often_only() {
    let names = |head: &[u8], part: &[u8], limit: usize| {
        assert!(Pickle::read(&in_list(head, part, limit)).is_ok());
        assert_eq!(reason(&in_list(head, part, limit + 1)), "names");
    };
    // Of 256 KiB, each time takes 64 and the lengths.
    names(b"", b"cab\nc\n", 3912);
    names(b"\x8c\x01a\x94", b"h\0h\0\x93", 3971);
    let long = [&b"X\x10\x27\0\0"[..], &b"a".repeat(10_000), b"\x94"].concat();
    names(&long, b"h\0h\0\x93", 13);
    // The name of `getattr` takes 79, the owner's 20,064, and each call 20,065: one more than is counted.
    let member = [&long[..], b"h\0h\0\x93\x8c\x01b\x86\x94cbuiltins\ngetattr\n\x94h\x01R"].concat();
    names(&member, b"h\x02h\x01R", 11);
}

#[test]
fn no_state_changes_the_class_of_an_object() {
    let built = |state: &[u8]| [b"\x80\x05}\x8c\x01k(capp\nC\n)\x81", state, b"bls."].concat();
    let class = b"\x8c\x09__class__N";
    let dict = [b"}(\x8c\x01aN", &class[..], b"u"].concat();
    for state in [
        dict.clone(),
        [b"N", &dict[..], b"\x86"].concat(),
        [&dict[..], b"N\x86"].concat(),
        [b"ccollections\nOrderedDict\n)R", &class[..], b"s"].concat(),
    ] {
        assert_eq!(reason(&built(&state)), "state_class");
    }
    // Two levels down it is data.
    for state in [&b"}\x8c\x01aNs"[..], b"N}\x8c\x01aNs\x86", &[b"N", &dict[..], b"\x86\x85"].concat()] {
        assert!(Pickle::read(&built(state)).is_ok());
    }
}

#[test]
fn a_key_that_comes_twice_is_found_in_dicts_of_any_length() {
    let keys = |count: usize| (0..count).flat_map(|key| [b"\x8c\x05", format!("{key:05}").as_bytes(), b"N"].concat());
    for count in [1, 2, 7, 8, 9, 10_000] {
        let dict =
            |again: &[u8]| in_list(&[b"}(", &keys(count).collect::<Vec<_>>()[..], again, b"u"].concat(), b"]", 1);
        assert!(Pickle::read(&dict(b"")).is_ok());
        assert_eq!(reason(&dict(b"\x8c\x0500000N")), "duplicate_key", "{count}");
        assert_eq!(reason(&dict(format!("\u{58}\u{5}\0\0\0{:05}N", count - 1).as_bytes())), "duplicate_key", "{count}");
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

#[test]
fn truncation_is_refused_at_every_length() {
    for bytes in [&django()["builtin/nested_cart"], &cpython()["protocol0"], &cpython()["protocol2"]] {
        for len in 0..bytes.len() {
            reason(&bytes[..len]);
        }
    }
}

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
fn what_is_not_json_is_refused() {
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
