//! Scans JSON without decoding it. Strict: accepts only the syntax that we write.
//!
//! All text that passes is JSON (RFC 8259). Not all JSON passes: if this scan rejects a text, serde decides.

/// The maximum depth of nested values: one bit for each level.
const DEEPEST: u32 = 64;

/// The highest bit of each byte.
const HIGHEST: u64 = each_byte(0x80);

const fn each_byte(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Marks the first of eight bytes that is special in a string, by its highest bit; no earlier byte is marked. Later
/// marks may be wrong, because the borrow of a subtraction propagates to later bytes.
const fn specials(chunk: u64) -> u64 {
    const fn zeros(chunk: u64) -> u64 {
        chunk.wrapping_sub(each_byte(1)) & !chunk
    }
    let controls = chunk.wrapping_sub(each_byte(b' ')) & !chunk;
    (controls | zeros(chunk ^ each_byte(b'"')) | zeros(chunk ^ each_byte(b'\\'))) & HIGHEST
}

/// Longer strings are searched this many bytes at a time.
const LONG: usize = 32;

/// Compiles to a few vector instructions.
fn is_plain_ascii(chunk: &[u8; LONG]) -> bool {
    chunk.iter().fold(0, |any, byte| any | u8::from(is_special(*byte)) | byte & 0x80) == 0
}

/// Whether a byte is special in a string.
const fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// A position in a text.
#[derive(Clone, Debug)]
pub(crate) struct Scan<'a> {
    text: &'a [u8],
    /// The text that is not scanned yet.
    rest: &'a [u8],
    /// The bitwise OR of all bytes of strings: a highest bit reveals non-ASCII characters, which are not checked here.
    seen: u64,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, rest: text, seen: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn is_before(&self, byte: u8) -> bool {
        self.peek() == Some(byte)
    }

    /// Whether the text, all of which was scanned, is UTF-8.
    pub(crate) fn is_utf8(&self) -> bool {
        self.seen & HIGHEST == 0 || std::str::from_utf8(self.text).is_ok()
    }

    /// Skips `expected`; returns whether it was there.
    #[inline]
    pub(crate) fn eat(&mut self, expected: &[u8]) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// As [`eat`](Self::eat); `None` if it is not there.
    #[inline]
    pub(crate) fn expect(&mut self, expected: &[u8]) -> Option<()> {
        self.eat(expected).then_some(())
    }

    /// The next `len` bytes.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    /// An unsigned integer without leading zeros, of at most 19 digits.
    pub(crate) fn natural(&mut self) -> Option<u64> {
        // A number of this many digits fits.
        const MOST: usize = 19;
        let mut number = 0;
        let mut rest = self.rest;
        while let Some((byte, after)) = rest.split_first()
            && byte.is_ascii_digit()
        {
            number = u64::wrapping_add(u64::wrapping_mul(number, 10), u64::from(byte - b'0'));
            rest = after;
        }
        let len = self.rest.len() - rest.len();
        let starts_with_zero = self.rest.first() == Some(&b'0');
        self.rest = rest;
        (len == 1 || ((2..=MOST).contains(&len) && !starts_with_zero)).then_some(number)
    }

    /// The text of a string without escapes.
    pub(crate) fn plain_string(&mut self) -> Option<&'a [u8]> {
        self.expect(b"\"")?;
        let start = self.rest;
        self.pass_plain();
        let text = start.get(..start.len() - self.rest.len())?;
        self.expect(b"\"")?;
        Some(text)
    }

    /// Skips one value, without the blanks around it.
    pub(crate) fn value(&mut self) -> Option<()> {
        // One bit for each open level: whether it is an object.
        let (mut levels, mut depth) = (0_u64, 0);
        loop {
            match self.next()? {
                b'"' => self.string_end()?,
                first @ (b'-' | b'0'..=b'9') => self.number_after(first)?,
                b't' => self.expect(b"rue")?,
                b'f' => self.expect(b"alse")?,
                b'n' => self.expect(b"ull")?,
                open @ (b'{' | b'[') => {
                    let is_object = open == b'{';
                    self.blanks();
                    if !self.eat(if is_object { b"}" } else { b"]" }) {
                        if depth == DEEPEST {
                            return None;
                        }
                        (levels, depth) = (levels << 1 | u64::from(is_object), depth + 1);
                        if is_object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                _ => return None,
            }
            // A value has ended, and perhaps also the values around it.
            loop {
                if depth == 0 {
                    return Some(());
                }
                self.blanks();
                match (self.next()?, levels & 1 == 1) {
                    (b',', is_object) => {
                        self.blanks();
                        if is_object {
                            self.name()?;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => (levels, depth) = (levels >> 1, depth - 1),
                    _ => return None,
                }
            }
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn blanks(&mut self) {
        while let [b' ' | b'\n' | b'\t' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// A name in an object, up to its value.
    fn name(&mut self) -> Option<()> {
        self.expect(b"\"")?;
        self.string_end()?;
        self.blanks();
        self.expect(b":")?;
        self.blanks();
        Some(())
    }

    /// Skips the plain bytes of a string.
    fn pass_plain(&mut self) {
        loop {
            // Most strings are short.
            for _ in 0..LONG / 8 {
                let Some((chunk, after)) = self.rest.split_first_chunk::<8>() else { return self.pass_plain_bytes() };
                let chunk = u64::from_le_bytes(*chunk);
                let special = specials(chunk);
                if special != 0 {
                    // All bits below the first special byte.
                    self.seen |= chunk & special.wrapping_sub(1) & !special;
                    self.rest = self.rest.get((special.trailing_zeros() / 8) as usize..).unwrap_or_default();
                    return;
                }
                self.seen |= chunk;
                self.rest = after;
            }
            while let Some((chunk, after)) = self.rest.split_first_chunk::<LONG>()
                && is_plain_ascii(chunk)
            {
                self.rest = after;
            }
        }
    }

    fn pass_plain_bytes(&mut self) {
        while let Some((byte, after)) = self.rest.split_first()
            && !is_special(*byte)
        {
            self.seen |= u64::from(*byte);
            self.rest = after;
        }
    }

    /// The rest of a string, after its first quote.
    fn string_end(&mut self) -> Option<()> {
        loop {
            self.pass_plain();
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' if self.take(4)?.iter().all(u8::is_ascii_hexdigit) => {}
                    _ => return None,
                },
                _ => return None,
            }
        }
    }

    fn number_after(&mut self, first: u8) -> Option<()> {
        match if first == b'-' { self.next()? } else { first } {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.eat(b".") {
            self.some_digits()?;
        }
        if let [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = if let [b'+' | b'-', rest @ ..] = rest { rest } else { rest };
            self.some_digits()?;
        }
        Some(())
    }

    fn some_digits(&mut self) -> Option<()> {
        let before = self.rest.len();
        self.digits();
        (self.rest.len() < before).then_some(())
    }

    fn digits(&mut self) {
        while let [b'0'..=b'9', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn passes(text: &[u8]) -> bool {
        let mut scan = Scan::new(text);
        scan.value().is_some() && scan.is_at_end() && scan.is_utf8()
    }

    #[test]
    fn values_pass_and_invalid_json_does_not() {
        let long = format!("\"{}\"", "é and more than sixteen characters ".repeat(9));
        for good in [
            "0",
            "-0",
            "10.5e+3",
            "1E-2",
            "true",
            "false",
            "null",
            r#""""#,
            r#""a\"\\\/\b\f\n\r\t\u00e9""#,
            "[]",
            "{}",
            "[1, [2 ,{\"a\" : [ ] , \"b\":{}}]\n]",
            &long,
            r#""exactly sixteen!""#,
            r#""seventeen chars !""#,
        ] {
            assert!(passes(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "01",
            "-",
            "+1",
            "1.",
            "1e",
            ".5",
            "tru",
            "nul",
            "\"",
            "\"a",
            r#""\x""#,
            r#""\u12g4""#,
            r#""\u123""#,
            "\"a\nb\"",
            "\"sixteen or more \u{1}\"",
            "[1,]",
            "[,1]",
            "[1",
            "[1}",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "{1:1}",
            "1 1",
            " 1",
            "1 ",
            "]",
            "NaN",
        ] {
            assert!(!passes(bad.as_bytes()), "{bad}");
        }
        assert!(!passes(b"\"\xff\"") && !passes(b"\"more than sixteen characters \xc3\""));
    }

    #[test]
    fn deep_nesting_is_left_to_the_other_reader() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(passes(nested(65).as_bytes()), "the innermost is empty");
        assert!(!passes(nested(66).as_bytes()));
    }

    #[test]
    fn numbers_are_read_as_they_are_written_shortest() {
        let natural = |text: &str| Scan::new(text.as_bytes()).natural();
        assert_eq!(
            (natural("0"), natural("7,"), natural("9999999999999999999")),
            (Some(0), Some(7), Some(10_u64.pow(19) - 1))
        );
        for bad in ["", "01", "00", "x", "-1", "10000000000000000000"] {
            assert_eq!(natural(bad), None, "{bad}");
        }
    }

    proptest! {
        /// On texts that are almost JSON: each text that passes here passes serde.
        #[test]
        fn text_that_passes_is_json(text in r#"[\[\]{},:"\\0-9eE.+\-a-u \nu00e9]{0,12}"#, bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            for text in [text.as_bytes(), &bytes, &[b"\"", &bytes[..], b"\""].concat()] {
                if passes(text) {
                    prop_assert!(serde_json::from_slice::<&RawValue>(text).is_ok(), "{:?}", text);
                }
            }
        }
    }
}
