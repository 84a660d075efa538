//! Properties of arbitrary values and bytes.

use proptest::prelude::*;

use super::{hostile::hostile, *};

/// Python values that are equal after writing and reading.
fn tree(protocol: u8) -> impl Strategy<Value = PyValue> {
    let number = prop_oneof![
        any::<i64>().prop_map(PyValue::from),
        (-300..70_000i64).prop_map(PyValue::from),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| PyInt::from_le_bytes(&bytes).into()),
    ];
    let date = (1..=9999u16, 1..=12u8, 1..=28u8).prop_map(|(year, month, day)| PyDate { year, month, day });
    let offset = prop_oneof![
        Just(PyOffset::None),
        (-86_399..86_400).prop_map(PyOffset::Fixed),
        "[A-Z][a-z]{1,5}/[A-Z]{1,5}".prop_map(PyOffset::Named),
    ];
    let time = (0..24u8, 0..60u8, 0..60u8, 0..1_000_000u32, any::<bool>(), offset).prop_map(
        move |(hour, minute, second, microsecond, fold, offset)| {
            let fold = fold && protocol >= 4;
            PyTime { hour, minute, second, microsecond, fold, offset }
        },
    );
    let delta = (-999_999_999..=999_999_999, 0..86_400u32, 0..1_000_000u32)
        .prop_map(|(days, seconds, microseconds)| PyTimeDelta { days, seconds, microseconds });
    let hashable = prop_oneof![
        Just(PyValue::None),
        any::<bool>().prop_map(PyValue::from),
        number,
        ".{0,20}".prop_map(PyValue::from),
        "[a]{250,260}".prop_map(PyValue::from),
        Just(PyStr::from_bytes(b"\xed\xb0\x80a").unwrap().into()),
        prop::collection::vec(any::<u8>(), 0..10).prop_map(PyValue::Bytes),
        date.clone().prop_map(PyValue::from),
        (date, time.clone()).prop_map(|(date, time)| PyDateTime { date, time }.into()),
        time.prop_map(PyValue::from),
        delta.prop_map(PyValue::from),
        any::<[u8; 16]>().prop_map(PyValue::Uuid),
        "-?[0-9]{1,9}(\\.[0-9]{1,9})?".prop_map(PyValue::Decimal),
    ]
    .boxed();
    let leaf = prop_oneof![
        4 => hashable.clone(),
        1 => (-1e300..1e300f64).prop_map(PyValue::from),
        1 => (-1e3..1e3f64, -1e3..1e3f64).prop_map(|(re, im)| PyValue::Complex(re, im)),
        1 => prop::collection::vec(any::<u8>(), 0..10).prop_map(PyValue::ByteArray),
        1 => prop::collection::vec(hashable.clone(), 0..5).prop_map(PyValue::Set),
        1 => prop::collection::vec(hashable, 0..5).prop_map(PyValue::FrozenSet),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(PyValue::List),
            prop::collection::vec(inner.clone(), 0..5).prop_map(PyValue::Tuple),
            prop::collection::btree_map(".{0,5}", inner, 0..8).prop_map(|pairs| {
                PyValue::Dict(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
            }),
        ]
    })
}

/// An accepted pickle is written as an accepted pickle, which then stays unchanged.
fn check_any(bytes: &[u8]) {
    if let Ok(mut pickle) = Pickle::read(bytes) {
        for (_, value) in pickle.entries() {
            let _ = (value.to_json(), value.to_python());
        }
        let written = pickle.to_bytes().unwrap();
        assert_eq!(Pickle::read(&written).unwrap().to_bytes().unwrap(), written);
        pickle.set("edited", true).unwrap();
        assert!(Pickle::read(&pickle.to_bytes().unwrap()).unwrap().get("edited").is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_written_value_reads_back((protocol, value) in (2..=5u8).prop_flat_map(|protocol| (Just(protocol), tree(protocol)))) {
        let mut pickle = Pickle::new(protocol);
        pickle.set("other", "stays").unwrap();
        pickle.set("key", value.clone()).unwrap();
        let bytes = pickle.to_bytes().unwrap();
        let again = Pickle::read(&bytes).unwrap();
        prop_assert_eq!(again.protocol(), protocol);
        prop_assert!(python(&again, "key") == value);
        prop_assert_eq!(again.to_bytes().unwrap(), bytes);
        if let Some(json) = again.get("key").unwrap().to_json() {
            pickle.set_json("key", &json).unwrap();
            prop_assert!(python(&pickle, "key") == value);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_any(&bytes);
        check_any(&[&b"\x80\x05}"[..], &bytes, b"."].concat());
    }

    #[test]
    fn random_opcodes_never_panic(ops in prop::collection::vec(prop::sample::select(OPS), 0..60)) {
        check_any(&[&b"\x80\x05}"[..], &ops.concat(), b"."].concat());
    }

    #[test]
    fn mutated_pickles_never_panic(
        pick in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..4),
    ) {
        let all: Vec<_> = django().into_values().chain(cpython().into_values()).chain(hostile().into_values())
            .filter(|bytes| (3..5000).contains(&bytes.len())).collect();
        let mut bytes = pick.get(&all).clone();
        for (at, byte, how) in edits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                break;
            }
        }
        check_any(&bytes);
    }
}

/// Opcodes with small arguments, so that random programs run for long.
#[rustfmt::skip]
const OPS: &[&[u8]] = &[
    b"(", b"N", b"\x88", b"K\x01", b"\x8c\x01a", b"\x8c\x01b", b"C\x01x", b"]", b"}", b")", b"\x8f", b"\x85", b"\x86",
    b"\x87", b"t", b"l", b"d", b"\x91", b"a", b"e", b"\x90", b"s", b"u", b"s", b"u", b"\x94", b"h\0", b"h\x01", b"q\0",
    b"\x8c\x04uuid\x8c\x04UUID\x93", b"cdatetime\ndate\n", b"R", b"\x81", b"\x92", b"b", b"\x8a\x02\x01\x80", b"I7\n",
    b"Vx\\u00e9\n", b"F1.5\n", b"L5L\n", b"p0\n", b"g0\n", b"0", b"1",
];
