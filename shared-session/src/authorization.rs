//! The bearer token in the `Authorization` headers of a request (RFC 6750, 2.1; RFC 9110, 11.6.2).

const SCHEME: &[u8] = b"bearer";

/// The meaning of all `Authorization` headers of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authorization<'a> {
    /// No headers, or only other schemes, which this library ignores.
    Other,
    /// One header of the scheme: the text after its single space, unchecked and possibly empty.
    Bearer(&'a [u8]),
    /// Several headers, at least one of the scheme. Proxies and services differ in which of them they use.
    Several,
}

/// Reads the values of all `Authorization` headers. One pass, no allocation.
pub(crate) fn read<'a>(headers: impl IntoIterator<Item = &'a [u8]>) -> Authorization<'a> {
    let (mut count, mut token) = (0_usize, None);
    for header in headers {
        count += 1;
        token = token.or(token_of(header));
    }
    match token {
        None => Authorization::Other,
        Some(token) if count == 1 => Authorization::Bearer(token),
        Some(_) => Authorization::Several,
    }
}

/// The text after the scheme, if it is `Bearer` in any case. Strips only one space, so that a token has one spelling.
fn token_of(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked(SCHEME.len())?;
    let is_ours = scheme.eq_ignore_ascii_case(SCHEME) && matches!(rest, [] | [b' ' | b'\t', ..]);
    is_ours.then(|| rest.strip_prefix(b" ").unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of<const N: usize>(headers: [&str; N]) -> Authorization<'_> {
        read(headers.map(str::as_bytes))
    }

    #[test]
    fn every_header_has_one_reading() {
        use Authorization::{Bearer, Other, Several};
        for (header, reading) in [
            ("Bearer abc", Bearer(b"abc")),
            ("bearer abc", Bearer(b"abc")),
            ("BEARER abc", Bearer(b"abc")),
            ("Bearer  abc", Bearer(b" abc")),
            ("Bearer\tabc", Bearer(b"\tabc")),
            ("Bearer abc def", Bearer(b"abc def")),
            ("Bearer abc, Basic eDp5", Bearer(b"abc, Basic eDp5")),
            ("Bearer \"abc\"", Bearer(b"\"abc\"")),
            ("Bearer", Bearer(b"")),
            ("Bearer ", Bearer(b"")),
            ("Basic eDp5", Other),
            ("Basic eDp5, Bearer abc", Other),
            ("Bearer,abc", Other),
            ("Bearer=abc", Other),
            ("Bearerabc", Other),
            ("Bear", Other),
            (" Bearer abc", Other),
            ("\u{ff22}earer abc", Other),
            ("", Other),
        ] {
            assert_eq!(of([header]), reading, "{header:?}");
        }
        assert_eq!(of([]), Other);
        assert_eq!(of(["Basic eDp5", "Digest x"]), Other);
        for several in [["Bearer abc", "Bearer abc"], ["Basic eDp5", "Bearer abc"], ["Bearer", ""]] {
            assert_eq!(of(several), Several, "{several:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(
            headers in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..3),
        ) {
            let reading = read(headers.iter().map(Vec::as_slice));
            if let Authorization::Bearer(token) = reading {
                prop_assert!(headers.len() == 1 && headers[0].ends_with(token));
            }
        }
    }
}
