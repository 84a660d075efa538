//! The reader. A mere check allocates no values: they are made only on request.

use std::sync::Arc;

use bytes::Bytes;

use super::rules::MAX_DEPTH;
use crate::django::{
    members::{MAX_MEMBERS, Member, Members},
    python::{PyInt, PyStr, PyValue, make::Make, surrogates},
    refusal::Reason,
};

/// The largest weight of a text: 32 for each value, the bytes of strings, and the square of long integers, whose
/// conversion takes quadratic time.
const MAX_WEIGHT: usize = 1 << 22;
/// Python itself does not read longer integers.
const MAX_DIGITS: usize = 4300;

pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: u8,
    weight: usize,
    /// No deviation from RFC 8259 so far.
    exact: bool,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a [u8]) -> Result<Self, Reason> {
        let text = std::str::from_utf8(text).map_err(|_| "utf8")?;
        let mut parser = Self { text, at: 0, depth: 0, weight: 0, exact: true };
        parser.skip_space();
        Ok(parser)
    }

    /// The value, and whether RFC 8259 allows all of it.
    pub(super) fn document<V: Make>(mut self) -> Result<(V, bool), Reason> {
        let value = self.value()?;
        self.end()?;
        Ok((value, self.exact))
    }

    pub(super) fn members(mut self, source: &Bytes) -> Result<Members, Reason> {
        if self.peek() != Some(b'{') {
            return Err("not_a_dict");
        }
        self.depth = 1;
        let mut room = MAX_MEMBERS;
        let found = self.items(b'{', b'}', |parser| {
            let start = parser.at;
            let key = parser.string()?;
            let raw_key = source.slice(start..parser.at);
            parser.colon()?;
            let start = parser.at;
            parser.value::<()>()?;
            // The value ends before the trailing space.
            let raw = source.slice_ref(source[start..parser.at].trim_ascii_end());
            room = room.checked_sub(1).ok_or("nodes")?;
            Ok(Member { name: key.name(), raw_key, raw })
        })?;
        self.end()?;
        Ok(Members::of(found))
    }

    fn value<V: Make>(&mut self) -> Result<V, Reason> {
        self.weigh(32)?;
        let value = match self.peek() {
            Some(b'"') => self.string().map(|text| V::plain(|| PyValue::Str(text.value())))?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'{') => self.nested(Self::object)?,
            Some(b'0'..=b'9') => self.number()?,
            _ if self.word("null") => V::plain(|| PyValue::None),
            _ if self.word("true") => V::plain(|| PyValue::Bool(true)),
            _ if self.word("false") => V::plain(|| PyValue::Bool(false)),
            _ if self.word("NaN") => self.beyond(f64::NAN),
            _ if self.word("Infinity") => self.beyond(f64::INFINITY),
            _ if self.word("-Infinity") => self.beyond(f64::NEG_INFINITY),
            _ => self.number()?,
        };
        self.skip_space();
        Ok(value)
    }

    fn beyond<V: Make>(&mut self, number: f64) -> V {
        self.exact = false;
        V::plain(|| PyValue::Float(number))
    }

    fn nested<V: Make>(&mut self, read: fn(&mut Self) -> Result<V, Reason>) -> Result<V, Reason> {
        if self.depth >= MAX_DEPTH {
            return Err("depth");
        }
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn array<V: Make>(&mut self) -> Result<V, Reason> {
        self.items(b'[', b']', Self::value).map(V::list)
    }

    fn object<V: Make>(&mut self) -> Result<V, Reason> {
        let pair = |parser: &mut Self| {
            let key = parser.string()?;
            parser.colon()?;
            Ok((V::plain(|| PyValue::Str(key.value())), parser.value()?))
        };
        self.items(b'{', b'}', pair).map(V::dict)
    }

    /// The items between brackets, separated by commas.
    fn items<T>(
        &mut self,
        first: u8,
        last: u8,
        mut item: impl FnMut(&mut Self) -> Result<T, Reason>,
    ) -> Result<Vec<T>, Reason> {
        let mut items = Vec::new();
        self.token(first);
        if self.token(last) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if !self.another(last)? {
                return Ok(items);
            }
        }
    }

    fn string(&mut self) -> Result<Text<'a>, Reason> {
        if self.next() != Some(b'"') {
            return Err("json");
        }
        let start = self.at;
        let mut escaped = false;
        loop {
            let end = self.rest().iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)).ok_or("json")?;
            self.at += end;
            match self.next() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => return Err("json"),
            }
            escaped = true;
        }
        self.weigh(self.at - start)?;
        Ok(Text { raw: self.text.get(start..self.at - 1).ok_or("json")?, escaped })
    }

    fn escape(&mut self) -> Result<(), Reason> {
        let (code, len) = unescape(self.rest()).ok_or("json")?;
        self.at += len;
        self.exact &= !(0xd800..=0xdfff).contains(&code);
        Ok(())
    }

    fn number<V: Make>(&mut self) -> Result<V, Reason> {
        let start = self.at;
        self.at += count(self.rest(), |byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
        let number = self.text.get(start..self.at).ok_or("json")?;
        let digits = number.strip_prefix('-').unwrap_or(number);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
                return Err("json");
            }
            if digits.len() > MAX_DIGITS {
                return Err("long");
            }
            self.weigh(digits.len() * digits.len() / 64)?;
            // The characters are digits.
            return Ok(V::plain(|| PyInt::from_decimal(number).map_or(PyValue::None, PyValue::Int)));
        }
        if !is_float(digits) {
            return Err("json");
        }
        let float: f64 = number.parse().map_err(|_| "json")?;
        self.exact &= float.is_finite();
        Ok(V::plain(|| PyValue::Float(float)))
    }

    // Tokens.

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    fn skip_space(&mut self) {
        self.at += count(self.rest(), |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// Skips `byte` and the space after it.
    fn token(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
            self.skip_space();
        }
        found
    }

    fn colon(&mut self) -> Result<(), Reason> {
        self.skip_space();
        if self.token(b':') { Ok(()) } else { Err("json") }
    }

    /// Whether a comma or the end of the array or object comes next.
    fn another(&mut self, end: u8) -> Result<bool, Reason> {
        match () {
            () if self.token(end) => Ok(false),
            () if self.token(b',') => Ok(true),
            () => Err("json"),
        }
    }

    fn end(&self) -> Result<(), Reason> {
        if self.rest().is_empty() { Ok(()) } else { Err("json") }
    }

    fn weigh(&mut self, weight: usize) -> Result<(), Reason> {
        self.weight += weight;
        if self.weight > MAX_WEIGHT { Err("weight") } else { Ok(()) }
    }
}

/// The text between quotation marks, already checked.
struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl Text<'_> {
    fn value(&self) -> PyStr {
        if !self.escaped {
            return self.raw.into();
        }
        let mut out = Vec::with_capacity(self.raw.len());
        let mut rest = self.raw.as_bytes();
        while let Some(plain) = rest.iter().position(|byte| *byte == b'\\') {
            out.extend_from_slice(&rest[..plain]);
            rest = &rest[plain + 1..];
            let Some((code, len)) = unescape(rest) else { break };
            if surrogates::push(&mut out, code).is_err() {
                break;
            }
            rest = &rest[len..];
        }
        out.extend_from_slice(rest);
        // The bytes are UTF-8, with lone surrogates.
        PyStr::from_bytes(&out).unwrap_or_else(|| "".into())
    }

    /// The text, unless it contains lone surrogates.
    fn name(&self) -> Option<Arc<str>> {
        if self.escaped { self.value().as_str().map(Into::into) } else { Some(self.raw.into()) }
    }
}

/// The code point of the escape after a backslash, and its length in bytes. The two halves of a surrogate pair are one
/// code point.
fn unescape(rest: &[u8]) -> Option<(u32, usize)> {
    let plain = match rest.first()? {
        byte @ (b'"' | b'\\' | b'/') => *byte,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let high = hex(rest.get(1..5)?)?;
            let low = match rest.get(5..11) {
                Some([b'\\', b'u', digits @ ..]) if (0xd800..=0xdbff).contains(&high) => hex(digits)?,
                _ => 0,
            };
            return Some(match low {
                0xdc00..=0xdfff => (0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), 11),
                _ => (high, 5),
            });
        }
        _ => return None,
    };
    Some((plain.into(), 1))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| Some(sum << 4 | char::from(*digit).to_digit(16)?))
}

fn count(bytes: &[u8], of: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| of(**byte)).count()
}

/// Digits, then a fraction or an exponent or both: RFC 8259, section 6.
fn is_float(digits: &str) -> bool {
    let (mantissa, exponent) = digits.split_once(['e', 'E']).map_or((digits, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let some = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    some(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(some)
        && exponent.is_none_or(|exponent| some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}
