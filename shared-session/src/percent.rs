//! Percent-encoding as in the queries of URLs.

/// `text` with all but unreserved characters and slashes (RFC 3986) encoded.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// Decodes `text`. A `%` that does not begin a code stays, a `+` becomes a space.
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&decoded_bytes(text)).into_owned()
}

/// As `decoded`, for bytes that need not be UTF-8.
pub(crate) fn decoded_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let digit = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let escaped = digit(0).zip(digit(1)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    bytes
}

#[cfg(all(test, any(feature = "postgres", feature = "redis")))]
mod tests {
    use super::*;

    #[test]
    fn codes_and_pluses_are_decoded_and_anything_else_stays() {
        for (encoded, text) in
            [("", ""), ("a%20b+c", "a b c"), ("%C3%A9%2B", "é+"), ("100%", "100%"), ("%2", "%2"), ("%zz", "%zz")]
        {
            assert_eq!(decoded(encoded), text);
        }
    }
}
