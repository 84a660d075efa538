//! Pickles that are as slow as possible to read: many small parts, and parts that are processed repeatedly. The valid
//! ones end with a dict that has one key twice, because the reader checks for that last.

use super::super::repeated;

/// A class, as the first entry of the memo.
const CLASS: &[u8] = b"\x80\x05}(cuuid\nUUID\n\x94";
/// A dict with one key twice.
const TWICE: &[u8] = b"}(\x8c\x01aN\x8c\x01aNu";

pub(super) fn all() -> Vec<(String, Vec<u8>)> {
    let shared = |len: u32, letter: u8| [&b"X"[..], &len.to_le_bytes(), &vec![letter; len as usize], b"\x94"].concat();
    let long = shared(500_000, b'a');
    let key = |at: usize| [b"\x8c\x05", format!("{at:05x}").as_bytes(), b"N"].concat();
    let keys = |count: usize| (0..count).flat_map(key).collect::<Vec<u8>>();
    let in_list = |head: &[u8], part: &[u8], count: usize| {
        [b"\x80\x05}\x8c\x01k](", head, &part.repeat(count), TWICE, b"es."].concat()
    };
    let state = [b"\x80\x05}(", &b"NN".repeat(40_000)[..], b"u\x94cuuid\nUUID\n\x94("].concat();
    let pair = [b"\x80\x05(", &b"N".repeat(100_000)[..], b"t\x94cuuid\nUUID\n\x94("].concat();
    let member = [b"\x80\x05cbuiltins\ngetattr\n\x94", &long[..], b"h\x01h\x01\x93\x94\x8c\x01x\x86\x94("].concat();
    let two = b"\x8c\x01a\x94\x8c\x01b\x94";
    let after_many = [b"}(", &keys(40_000)[..], b"u", two].concat();
    let nine: Vec<u8> = (b'a'..b'j').flat_map(|letter| [0x8c, 1, letter, 0x94]).collect();
    let of_nine = [b"}(", &(0..9).flat_map(|at| [b'h', at, b'N']).collect::<Vec<_>>()[..], b"u"].concat();
    let all: Vec<(&str, Vec<u8>)> = vec![
        ("a state again and again", repeated(&state, b"h\x01)\x81h\0b", b".")),
        ("a tuple as state again and again", repeated(&pair, b"h\x01)\x81h\0b", b".")),
        ("a long name again and again", repeated(&[b"\x80\x05", &long[..], b"("].concat(), b"h\0h\0\x93", b".")),
        ("a short name again and again", repeated(b"\x80\x05\x8c\x01a\x94(", b"h\0h\0\x93", b".")),
        ("short names", repeated(b"\x80\x05(", b"ca\nb\n", b".")),
        ("a member again and again", repeated(&member, b"h\0h\x03R", b".")),
        ("long keys again and again", in_list(&[long, shared(500_000, b'b')].concat(), b"}(h\0Nh\x01Nu", 1_000)),
        ("as many keys as can be", [b"\x80\x05}(", &keys(65_500)[..], b"\x8c\x0500000Nu."].concat()),
        ("small dicts after a large one", in_list(&after_many, b"}(h\0Nh\x01Nu", 13_000)),
        ("small dicts", in_list(two, b"}(h\0Nh\x01Nu", 24_000)),
        ("dicts of nine", in_list(&nine, &of_nine, 8_000)),
        ("integers", in_list(b"", b"K\x01", 131_000)),
        ("strings", in_list(b"", b"\x8c\x05abcde", 131_000)),
        ("lists of one", in_list(b"", b"]Na", 65_000)),
        ("lists of five", in_list(b"", b"](NNNNNe", 24_000)),
        ("objects", in_list(b"cuuid\nUUID\n\x94", b"h\0)R", 65_000)),
        ("objects with items", repeated(CLASS, b"h\0)RNaNNs", b"x")),
        ("objects with keywords", repeated(&[CLASS, b"}\x94"].concat(), b"h\0)h\x01\x92", b"x")),
        ("integers in decimal", repeated(b"\x80\x05}(", b"I1\n", b"x")),
        ("floats in decimal", repeated(b"\x80\x05}(", b"F1.7976931348623157e308\n", b"x")),
        ("escaped strings", repeated(b"\x80\x05}(", b"V\\ud800\n", b"x")),
        ("the last place of the memo", repeated(b"\x80\x05}(N", b"p131071\n", b"x")),
    ];
    all.into_iter().map(|(name, bytes)| (format!("pickle, {name}"), bytes)).collect()
}
