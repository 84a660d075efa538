//! Reads the cookie from `Cookie` headers.

use std::{fmt, iter};

use memchr::memchr;

/// The cookies of one name in a request's `Cookie` headers.
///
/// The value comes from the client unchecked: check its length and alphabet before using it. `Debug` shows its length
/// only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presented<'a> {
    /// No cookie of this name. The request is anonymous.
    Absent,
    /// One cookie of this name.
    One(&'a [u8]),
    /// Several cookies of this name with the same value. It is valid; but once it is replaced, the cookies in other
    /// scopes would be [`Conflicting`](Self::Conflicting) with the new one.
    Repeated(&'a [u8]),
    /// Several cookies of this name with different values. Treat the request as anonymous and log it: a neighbouring
    /// host may have planted one of them (RFC 6265bis, 8.6), and nothing shows which.
    Conflicting,
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::One(value) => write!(f, "One({} bytes)", value.len()),
            Self::Repeated(value) => write!(f, "Repeated({} bytes)", value.len()),
            Self::Conflicting => f.write_str("Conflicting"),
        }
    }
}

impl<'a> Presented<'a> {
    /// The valid value, if there is one.
    pub(crate) fn value(&self) -> Option<&'a [u8]> {
        match *self {
            Self::One(value) | Self::Repeated(value) => Some(value),
            Self::Absent | Self::Conflicting => None,
        }
    }

    pub(crate) fn sent(&self) -> Sent {
        match self {
            Self::Absent => Sent::Nothing,
            Self::One(_) => Sent::Once,
            Self::Repeated(_) | Self::Conflicting => Sent::Several,
        }
    }
}

/// How often a request carries a cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sent {
    #[default]
    Nothing,
    Once,
    Several,
}

/// Finds the cookie called `name` in the values of all `Cookie` headers of one request.
pub(crate) fn read<'a>(headers: impl IntoIterator<Item = &'a [u8]>, name: &str) -> Presented<'a> {
    read_each(headers, name, |_| {})
}

/// As [`read`]; if the values differ, `conflicting` gets all of them, with repetitions.
pub(crate) fn read_each<'a>(
    headers: impl IntoIterator<Item = &'a [u8]>,
    name: &str,
    mut conflicting: impl FnMut(&'a [u8]),
) -> Presented<'a> {
    let pairs = headers.into_iter().flat_map(pairs);
    let mut presented = Presented::Absent;
    for value in pairs.filter_map(|pair| value_of(name.as_bytes(), pair)) {
        presented = match presented {
            Presented::Absent => Presented::One(value),
            Presented::One(first) | Presented::Repeated(first) if value == first => Presented::Repeated(first),
            Presented::One(first) | Presented::Repeated(first) => {
                conflicting(first);
                conflicting(value);
                Presented::Conflicting
            }
            Presented::Conflicting => {
                conflicting(value);
                Presented::Conflicting
            }
        };
    }
    presented
}

/// The parts between semicolons, as [`split`](slice::split) finds them, but many bytes at a time.
fn pairs(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(header);
    iter::from_fn(move || {
        let left = rest?;
        let (pair, after) = match memchr(b';', left) {
            Some(end) => (left.get(..end)?, left.get(end + 1..)),
            None => (left, None),
        };
        rest = after;
        Some(pair)
    })
}

fn value_of<'a>(name: &[u8], pair: &'a [u8]) -> Option<&'a [u8]> {
    // A name has no equals sign and no blank in it, so the first equals sign is the one after it.
    let value = trim(trim(pair).strip_prefix(name)?).strip_prefix(b"=")?;
    (!name.is_empty()).then(|| trim(value))
}

/// Trims spaces and tabs on both sides. A browser trims only those (RFC 6265bis, 5.6). If we trimmed more, a browser
/// could store a cookie under another name than the one read here.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{Presented::*, *};

    const NAME: &str = "__Host-session";

    fn find(header: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        match read([header.as_ref()], NAME) {
            Absent => None,
            One(value) => Some(value.to_vec()),
            several => panic!("{several:?}"),
        }
    }

    fn id(header: &(impl AsRef<[u8]> + ?Sized)) -> Presented<'_> {
        read([header.as_ref()], "id")
    }

    #[test]
    fn names_and_values_are_never_percent_decoded() {
        assert_eq!(find("__%48ost-session=abc"), None);
        assert_eq!(find("%5F%5FHost-session=abc"), None);
        assert_eq!(find("__Host-session%20=abc"), None);
        assert_eq!(find("__Host-session=abc; __%48ost-session=bad").unwrap(), b"abc");
        assert_eq!(find("__%48ost-session=bad; __Host-session=abc").unwrap(), b"abc");
        assert_eq!(find("__Host-session=%61bc").unwrap(), b"%61bc");
        assert_eq!(find("__Host-session=a+c").unwrap(), b"a+c");
    }

    #[test]
    fn only_spaces_and_tabs_are_trimmed() {
        let others = [
            "\u{2000}", "\u{a0}", "\u{85}", "\u{feff}", "\u{3000}", "\u{2028}", "\u{0}", "\n", "\r", "\u{b}", "\u{c}",
            "\u{1c}", "\u{1f}", "\u{200b}", "\u{2060}", "\"", "$", "+",
        ];
        for other in others {
            assert_eq!(find(format!("{other}__Host-session=abc")), None, "{other:?} before the name");
            assert_eq!(find(format!("x=1; {other}__Host-session=abc")), None, "{other:?} after a separator");
            assert_eq!(find(format!("__Host-session{other}=abc")), None, "{other:?} after the name");
            let kept = format!("{other}abc{other}");
            assert_eq!(find(format!("__Host-session={kept}")).unwrap(), kept.as_bytes(), "{other:?} around the value");
        }
        for byte in (0..=255).filter(|byte| !b" \t;".contains(byte)) {
            assert_eq!(find([&[byte], NAME.as_bytes(), b"=abc"].concat()), None, "byte {byte:#x} before the name");
            if byte != b'=' {
                assert_eq!(find([NAME.as_bytes(), &[byte], b"=abc"].concat()), None, "byte {byte:#x} after the name");
            }
        }
        for blank in [" ", "\t", " \t  "] {
            let header = format!("{blank}__Host-session{blank}={blank}a{blank}c{blank};{blank}x=1");
            assert_eq!(find(header).unwrap(), format!("a{blank}c").as_bytes());
        }
    }

    #[test]
    fn a_nameless_cookie_is_not_ours() {
        assert_eq!(find("=__Host-session=abc"), None);
        assert_eq!(find(" = __Host-session=abc"), None);
        assert_eq!(find("__Host-session"), None);
        assert_eq!(find("==; =; ;=__Host-session"), None);
        assert_eq!(find("=__Host-session=bad; __Host-session=abc").unwrap(), b"abc");
        assert_eq!(read([&b"=abc; abc; ="[..]], ""), Absent);
    }

    #[test]
    fn names_are_case_sensitive() {
        assert_eq!(find("__HOST-SESSION=abc"), None);
        assert_eq!(find("__host-session=abc"), None);
        assert_eq!(find("__Host-Session=abc"), None);
        assert_eq!(find("__HOST-SESSION=bad; __Host-session=abc").unwrap(), b"abc");
    }

    #[test]
    fn several_cookie_headers_are_one_list() {
        let headers =
            |list: &[&'static str]| read(list.iter().map(|header| header.as_bytes()).collect::<Vec<_>>(), "id");
        assert_eq!(headers(&["x=1", "id=abc"]), One(b"abc"));
        assert_eq!(headers(&["id=abc", "x=1"]), One(b"abc"));
        assert_eq!(headers(&["", "x=1; id=abc", "", "y"]), One(b"abc"));
        assert_eq!(headers(&["id=abc", "id=abc"]), Repeated(b"abc"));
        assert_eq!(headers(&["id=abc", "id=xyz"]), Conflicting);
        assert_eq!(headers(&["id", "=abc"]), Absent, "a pair never spans two headers");
        assert_eq!(headers(&["id=ab", "c"]), One(b"ab"), "a pair never spans two headers");
        assert_eq!(headers(&[]), Absent);
    }

    #[test]
    fn different_values_are_refused_and_equal_ones_allowed() {
        assert_eq!(id("id=A; id=B"), Conflicting);
        assert_eq!(id("id=B; id=A"), Conflicting);
        assert_eq!(id("id=A; id=A; id=B"), Conflicting);
        assert_eq!(id("id=A; id=B; id=A"), Conflicting);
        assert_eq!(id("id=A; id="), Conflicting);
        assert_eq!(id("id=; id=A"), Conflicting);
        assert_eq!(id("id=A; id=a"), Conflicting);
        assert_eq!(id("id=A; id=\"A\""), Conflicting);
        assert_eq!(id(b"id=A; id=\xff"), Conflicting);
        assert_eq!(id("id=A; id=A"), Repeated(b"A"));
        assert_eq!(id("id=A; x=B; id= A ;id=A"), Repeated(b"A"));
    }

    #[test]
    fn a_malformed_sibling_never_hides_ours() {
        let siblings: [&[u8]; 14] = [
            b"x=\xff",
            b"x=\xc3\xa9",
            b"\xff\xfe=1",
            b"\"a b=;;=;$Version=1",
            b"x=\"",
            b"x=\"a",
            b"=",
            b"==",
            b"",
            b"x",
            b"\0=\0",
            b"x=\x7f\x01",
            b"x=%",
            b"x=a,b c",
        ];
        for sibling in siblings {
            let ours = b"__Host-session=abc";
            assert_eq!(find([sibling, b"; ", ours].concat()).unwrap(), b"abc", "after {sibling:?}");
            assert_eq!(find([ours, b"; ".as_slice(), sibling].concat()).unwrap(), b"abc", "before {sibling:?}");
            assert_eq!(read([sibling, ours], NAME), One(b"abc"), "in the header after {sibling:?}");
        }
    }

    #[test]
    fn the_value_is_handed_over_byte_for_byte_for_the_caller_to_check() {
        let values: [&[u8]; 12] = [
            b"",
            b"*",
            b"[a-z]",
            b"s:{x}",
            b"u:1",
            b"../../etc/passwd",
            b"abc=",
            b"a+/b",
            b"\x00\x01\x1f\x7f",
            b"\x80\xff",
            b"%0d%0aDEL%20x",
            b"a\r\nb",
        ];
        for value in values {
            assert_eq!(find([b"__Host-session=", value].concat()).unwrap(), value);
        }
        let bytes = b"\xff".repeat(4096);
        assert_eq!(find([b"__Host-session=", bytes.as_slice()].concat()).unwrap(), bytes);
        for length in [1, 21, 22, 23, 32, 36, 43, 64, 4096, 8192, 65_536, 1 << 20] {
            assert_eq!(find([b"__Host-session=", b"x".repeat(length).as_slice()].concat()).unwrap().len(), length);
        }
    }

    #[test]
    fn quotes_are_part_of_the_value() {
        assert_eq!(find("__Host-session=\"abc\"").unwrap(), b"\"abc\"");
        assert_eq!(find("__Host-session=\"abc").unwrap(), b"\"abc");
        assert_eq!(find("\"__Host-session\"=abc"), None);
        assert_eq!(find("x=\"a; __Host-session=abc; b\"").unwrap(), b"abc", "quotes do not protect a semicolon");
    }

    // A quadratic reader would need 10^12 steps and not return.
    #[test]
    fn huge_headers_are_read_in_one_pass() {
        let many = format!("{}__Host-session=abc; {}", "a=b; ".repeat(4000), "__Host-sessio=b; ".repeat(4000));
        let huge: [Vec<u8>; 6] = [
            many.into_bytes(),
            b";".repeat(1 << 20),
            b"=".repeat(1 << 20),
            b" ".repeat(1 << 20),
            b"__Host-session=a;".repeat(1 << 16),
            [b"__Host-session=".as_slice(), &b"\t".repeat(1 << 20), b"x", &b" ".repeat(1 << 20)].concat(),
        ];
        let expected = [One(b"abc"), Absent, Absent, Absent, Repeated(b"a"), One(b"x")];
        for (header, expected) in huge.iter().zip(expected) {
            assert_eq!(read([header.as_slice()], NAME), expected, "{} bytes", header.len());
        }
    }

    #[test]
    fn bad_cookie_headers_have_one_defined_reading_each() {
        let cases: &[(&str, Presented<'static>)] = &[
            ("", Absent),
            (" ", Absent),
            ("id", Absent),
            ("id=", One(b"")),
            ("=id=v", Absent),
            ("id==v", One(b"=v")),
            ("id=v=", One(b"v=")),
            ("id=\"v\"", One(b"\"v\"")),
            ("id=v;", One(b"v")),
            (";;;id=v", One(b"v")),
            ("x=1;id=v;y=2", One(b"v")),
            ("ID=v", Absent),
            ("Id=v", Absent),
            ("id =v", One(b"v")),
            ("id= v", One(b"v")),
            ("id\t=\tv\t", One(b"v")),
            ("i d=v", Absent),
            ("\u{2003}id=v", Absent),
            ("id\u{2003}=v", Absent),
            ("id=v\u{2003}", One(b"v\xe2\x80\x83")),
            ("%69d=v", Absent),
            ("id=v; id=v", Repeated(b"v")),
            ("id=v; id=w", Conflicting),
            ("id=v; id=v; id=v", Repeated(b"v")),
            ("id=v; id=w; id=v", Conflicting),
            ("$Version=1; id=v; $Path=/", One(b"v")),
            ("$Version=\"1\"; id=\"v\"; $Path=\"/\"", One(b"\"v\"")),
            ("x=1, id=v", Absent),
            ("id=v, id=w", One(b"v, id=w")),
            ("idd=v; xid=v; i=v", Absent),
            ("id[]=v; id.x=v; [id]=v", Absent),
            ("id=v\r\n id=w", One(b"v\r\n id=w")),
            ("x=1\r\nid=v", Absent),
            ("x=1\r\n;id=v", One(b"v")),
            ("id=%0d%0aDEL%20x", One(b"%0d%0aDEL%20x")),
            ("\0id=v", Absent),
            ("id\0=v", Absent),
            ("id=\0", One(b"\0")),
            ("id=v; secure; HttpOnly; Path=/", One(b"v")),
        ];
        for (header, expected) in cases {
            assert_eq!(id(header), *expected, "{header:?}");
        }
        assert_eq!(id(b"id=\x80\xff"), One(b"\x80\xff"));
        assert_eq!(id(b"\x80=\xff; id=v; \xff"), One(b"v"));
    }

    #[test]
    fn all_values_of_a_conflict_are_handed_over_and_none_otherwise() {
        let each = |header: &'static str| {
            let mut values = Vec::new();
            read_each([header.as_bytes()], "id", |value| values.push(value));
            values
        };
        assert_eq!(each("id=a; id=a; id=b; x=1; id=a"), [b"a", b"b", b"a"]);
        for header in ["", "id=a", "id=a; id=a; id=a"] {
            assert!(each(header).is_empty(), "{header}");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        assert_eq!(format!("{:?}", id("id=topsecret")), "One(9 bytes)");
        assert_eq!(format!("{:?} {:?}", id(""), id("id=a;id=b")), "Absent Conflicting");
        assert_eq!(format!("{:?}", id("id=topsecret; id=topsecret")), "Repeated(9 bytes)");
    }

    /// Bytes in which the significant characters are as frequent as all others together.
    fn header() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"id".to_vec()),
            Just(b"id=".to_vec()),
            Just(b"; ".to_vec()),
            "[=; \t\"%a]".prop_map(String::into_bytes),
            vec(any::<u8>(), 0..8),
        ];
        vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn ours_is_found_among_any_siblings(
            before in vec(vec(any::<u8>(), 0..60), 0..6),
            after in vec(vec(any::<u8>(), 0..60), 0..6),
            value in "[A-Za-z0-9_-]{1,64}",
            split in any::<bool>(),
        ) {
            let ours = [NAME.as_bytes(), b"=", value.as_bytes()].concat();
            let pairs: Vec<Vec<u8>> = before.into_iter().chain([ours]).chain(after).collect();
            let one = pairs.join(&b"; "[..]);
            let headers = if split { pairs.iter().map(Vec::as_slice).collect() } else { vec![one.as_slice()] };
            prop_assert_eq!(read(headers, NAME), One(value.as_bytes()));
        }

        #[test]
        fn any_bytes_are_read_without_panic_and_a_value_follows_its_name(header in header()) {
            if let Some(value) = id(&header).value() {
                let start = value.as_ptr() as usize - header.as_ptr() as usize;
                prop_assert_eq!(&header[start..start + value.len()], value);
                prop_assert!(!value.contains(&b';'));
                let before = header[..start].trim_ascii_end().strip_suffix(b"=").expect("an equals sign");
                let before = before.trim_ascii_end().strip_suffix(b"id").expect("the name");
                let blank = before.trim_ascii_end();
                prop_assert!(blank.is_empty() || blank.ends_with(b";"));
            }
        }

        #[test]
        fn the_reading_does_not_depend_on_how_the_list_is_cut_into_headers(header in header()) {
            prop_assert_eq!(id(&header), read(header.split(|&byte| byte == b';'), "id"));
        }
    }
}
