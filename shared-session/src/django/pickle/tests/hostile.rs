//! Refused input, and each limit.

use super::*;

/// Inputs that would make a naive reader run code, allocate, or recurse, and damaged inputs.
pub(super) fn hostile() -> BTreeMap<String, Vec<u8>> {
    let mut all = fixture(include_str!("../../../../tests/fixtures/pickle/hostile.json"));
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

#[test]
fn hostile_input_is_refused() {
    for (id, bytes) in hostile() {
        // Real applications store model instances; they stay inert.
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

/// At the key `k`: a list of `head` and `count` times `part`.
fn in_list(head: &[u8], part: &[u8], count: usize) -> Vec<u8> {
    [b"\x80\x05}\x8c\x01k](", head, &part.repeat(count), b"es."].concat()
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
fn a_tuple_has_as_many_items_as_may_wait() {
    let tuple = |items: usize| [&b"\x80\x05}\x8c\x01k("[..], &b"N".repeat(items), b"ts."].concat();
    // The dict and the key also wait on the stack.
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
    // Of 256 KiB, each use takes 64 plus the lengths.
    names(b"", b"cab\nc\n", 3912);
    names(b"\x8c\x01a\x94", b"h\0h\0\x93", 3971);
    let long = [&b"X\x10\x27\0\0"[..], &b"a".repeat(10_000), b"\x94"].concat();
    names(&long, b"h\0h\0\x93", 13);
    // The name of `getattr` takes 79, the owner's 20,064, and each call 20,065: one more than the limit holds.
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
    // Two levels down it is plain data.
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
fn truncation_is_refused_at_every_length() {
    for bytes in [&django()["builtin/nested_cart"], &cpython()["protocol0"], &cpython()["protocol2"]] {
        for len in 0..bytes.len() {
            reason(&bytes[..len]);
        }
    }
}
