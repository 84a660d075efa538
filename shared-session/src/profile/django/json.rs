//! JSON as Python reads and writes it.
//!
//! Python's `json` module is not quite RFC 8259: integers have any size, `NaN` and `Infinity` are numbers, a `\ud800`
//! without its other half is a string, and of equal keys the last counts. Everything it writes is ASCII.

use std::fmt::Write as _;

use bytes::Bytes;

use super::{
    Reason,
    make::Make,
    members::{MAX_MEMBERS, Member, Members},
    pickle::{PyInt, PyOffset, PyStr, PyValue, push_code_point},
    text,
};
use crate::{Error, ErrorKind};

/// The deepest nesting.
const MAX_DEPTH: u8 = 128;
/// What a text may weigh: 32 for each value, the bytes of strings, and the square of long integers, whose conversion
/// takes quadratic time.
const MAX_WEIGHT: usize = 1 << 22;
/// Python itself reads no longer integers.
const MAX_DIGITS: usize = 4300;

/// The separators between members, and between a key and its value.
pub(crate) type Style = (&'static str, &'static str);
/// `json.dumps` as `django.core.signing` calls it.
pub(crate) const COMPACT: Style = (",", ":");
/// `json.dumps` as it is, in django-redis.
pub(crate) const SPACED: Style = (", ", ": ");

/// What is written for a value that JSON does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Nothing: only what reads back as the same Python value is written.
    Exact,
    /// What Django's `DjangoJSONEncoder` writes.
    Django,
    /// What Rust types expect: dates and times in ISO 8601 with all digits (and `[Europe/Paris]` for a named zone),
    /// `timedelta` as seconds, `Decimal` and `UUID` as strings, sets as arrays, bytes as arrays of numbers, `NaN` and
    /// infinities as `null`.
    View,
}

/// The value of a JSON text.
pub(crate) fn value(text: &[u8]) -> Result<PyValue, Reason> {
    Parser::new(text)?.document().map(|(value, _)| value)
}

/// The value of a JSON text, unless the text is one that RFC 8259 allows too.
pub(crate) fn inexact_value(text: &[u8]) -> Result<Option<PyValue>, Reason> {
    // Most are exact: for those nothing is made.
    let ((), exact) = Parser::new(text)?.document()?;
    if exact { Ok(None) } else { value(text).map(Some) }
}

/// The value of a JSON text that RFC 8259 allows too.
pub(crate) fn exact_value(text: &str) -> Result<PyValue, Reason> {
    match Parser::new(text.as_bytes())?.document()? {
        (value, true) => Ok(value),
        (_, false) => Err("json"),
    }
}

/// The members of a JSON object, each as it was written.
pub(super) fn read_members(text: &Bytes) -> Result<Members, Reason> {
    Parser::new(text)?.members(text)
}

/// A JSON object of these members.
pub(super) fn write_members(members: &Members, (comma, colon): Style) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (at, member) in members.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(comma.as_bytes());
        }
        out.extend_from_slice(&member.raw_key);
        out.extend_from_slice(colon.as_bytes());
        out.extend_from_slice(&member.raw);
    }
    out.push(b'}');
    out
}

/// A member, with what [`Rules::Django`] makes of its key and value.
pub(super) fn member(key: &PyValue, value: &PyValue, style: Style) -> Result<Member, Reason> {
    // It is one level deeper in the object.
    let mut writer = Writer { out: String::new(), rules: Rules::Django, style, depth: 1 };
    writer.value(value)?;
    let raw = std::mem::take(&mut writer.out).into();
    writer.key(key)?;
    let raw_key = Bytes::from(writer.out);
    let name = match self::value(&raw_key)? {
        PyValue::Str(name) => name.as_str().map(Into::into),
        _ => None,
    };
    Ok(Member { name, raw_key, raw })
}

/// JSON text of a value, in ASCII.
pub(crate) fn encode(value: &PyValue, rules: Rules, style: Style) -> Result<Vec<u8>, Reason> {
    let mut writer = Writer { out: String::new(), rules, style, depth: 0 };
    writer.value(value)?;
    Ok(writer.out.into_bytes())
}

/// Why a value cannot be written.
pub(crate) fn not_written(reason: Reason) -> Error {
    let kind = match reason {
        "too_large" | "nodes" | "weight" | "depth" | "long" => ErrorKind::TooLarge,
        _ => ErrorKind::Value,
    };
    Error::new(kind, format!("the value cannot be kept in this session: {reason}"))
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: u8,
    weight: usize,
    /// Nothing yet that RFC 8259 does not have.
    exact: bool,
}

impl<'a> Parser<'a> {
    fn new(text: &'a [u8]) -> Result<Self, Reason> {
        let text = std::str::from_utf8(text).map_err(|_| "utf8")?;
        let mut parser = Self { text, at: 0, depth: 0, weight: 0, exact: true };
        parser.skip_space();
        Ok(parser)
    }

    fn document<V: Make>(mut self) -> Result<(V, bool), Reason> {
        let value = self.value()?;
        self.end()?;
        Ok((value, self.exact))
    }

    fn members(mut self, source: &Bytes) -> Result<Members, Reason> {
        let mut members = Members::default();
        self.depth = 1;
        if !self.token(b'{') {
            return Err("not_a_dict");
        }
        if !self.token(b'}') {
            loop {
                let start = self.at;
                let key = self.string()?;
                let raw_key = source.slice(start..self.at);
                self.colon()?;
                let start = self.at;
                self.value::<()>()?;
                // The value ends before the space after it.
                let raw = source.slice_ref(source[start..self.at].trim_ascii_end());
                members.add(Member { name: key.as_str().map(Into::into), raw_key, raw });
                if members.len() > MAX_MEMBERS {
                    return Err("nodes");
                }
                if !self.another(b'}')? {
                    break;
                }
            }
        }
        self.end()?;
        Ok(members)
    }

    fn value<V: Make>(&mut self) -> Result<V, Reason> {
        self.weigh(32)?;
        let value = match self.peek() {
            Some(b'"') => self.string().map(|text| V::plain(|| PyValue::Str(text)))?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'{') => self.nested(Self::object)?,
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
        let mut items = Vec::new();
        self.token(b'[');
        if self.token(b']') {
            return Ok(V::list(items));
        }
        loop {
            items.push(self.value()?);
            if !self.another(b']')? {
                return Ok(V::list(items));
            }
        }
    }

    fn object<V: Make>(&mut self) -> Result<V, Reason> {
        let mut pairs = Vec::new();
        self.token(b'{');
        if self.token(b'}') {
            return Ok(V::dict(pairs));
        }
        loop {
            let key = self.string()?;
            self.colon()?;
            pairs.push((V::plain(|| PyValue::Str(key)), self.value()?));
            if !self.another(b'}')? {
                return Ok(V::dict(pairs));
            }
        }
    }

    fn string(&mut self) -> Result<PyStr, Reason> {
        if self.peek() != Some(b'"') {
            return Err("json");
        }
        self.at += 1;
        let start = self.at;
        let mut out = Vec::new();
        loop {
            let plain = self.rest().bytes().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..0x20)).count();
            out.extend_from_slice(&self.rest().as_bytes()[..plain]);
            self.at += plain;
            match self.next() {
                Some(b'"') => break,
                Some(b'\\') => self.escape(&mut out)?,
                _ => return Err("json"),
            }
        }
        self.weigh(self.at - start)?;
        PyStr::from_bytes(&out).ok_or("json")
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), Reason> {
        let plain = match self.next() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.code_point(out),
            _ => return Err("json"),
        };
        out.push(plain);
        Ok(())
    }

    fn code_point(&mut self, out: &mut Vec<u8>) -> Result<(), Reason> {
        let high = self.hex()?;
        if let 0xd800..=0xdbff = high
            && self.rest().starts_with("\\u")
        {
            let back = self.at;
            self.at += 2;
            if let low @ 0xdc00..=0xdfff = self.hex()? {
                return push_code_point(out, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            }
            self.at = back;
        }
        self.exact &= !(0xd800..=0xdfff).contains(&high);
        push_code_point(out, high)
    }

    fn hex(&mut self) -> Result<u32, Reason> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        self.at += 4;
        u32::from_str_radix(digits.ok_or("json")?, 16).map_err(|_| "json")
    }

    fn number<V: Make>(&mut self) -> Result<V, Reason> {
        let end = self.rest().bytes().take_while(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte)).count();
        let number = &self.rest()[..end];
        self.at += end;
        let digits = number.strip_prefix('-').unwrap_or(number);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
                return Err("json");
            }
            if digits.len() > MAX_DIGITS {
                return Err("long");
            }
            self.weigh(digits.len() * digits.len() / 64)?;
            // They are digits.
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

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.rest().bytes().next()
    }

    fn next(&mut self) -> Option<u8> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    fn skip_space(&mut self) {
        self.at += self.rest().bytes().take_while(|byte| b" \t\n\r".contains(byte)).count();
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
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

struct Writer {
    out: String,
    rules: Rules,
    style: Style,
    depth: u8,
}

impl Writer {
    fn value(&mut self, value: &PyValue) -> Result<(), Reason> {
        match value {
            PyValue::Str(text) => self.string(text),
            PyValue::List(items) => self.array(items),
            PyValue::Dict(pairs) => self.object(pairs),
            PyValue::Tuple(items) if self.rules != Rules::Exact => self.array(items),
            PyValue::Set(items) | PyValue::FrozenSet(items) if self.rules == Rules::View => self.array(items),
            PyValue::Bytes(bytes) | PyValue::ByteArray(bytes) if self.rules == Rules::View => {
                let numbers: Vec<_> = bytes.iter().map(|byte| PyValue::from(i64::from(*byte))).collect();
                self.array(&numbers)
            }
            PyValue::Object(object) if self.rules != Rules::Exact => {
                self.value(object.value.as_deref().ok_or("object")?)
            }
            _ => {
                if let Some(text) = self.plain(value) {
                    self.out.push_str(&text);
                    return Ok(());
                }
                let text = self.quoted(value).ok_or("not_json")?;
                self.string(&text.as_str().into())
            }
        }
    }

    /// A value without quotation marks.
    fn plain(&self, value: &PyValue) -> Option<String> {
        match value {
            PyValue::None => Some("null".to_owned()),
            PyValue::Bool(value) => Some(value.to_string()),
            PyValue::Int(number) => Some(number.to_decimal()),
            PyValue::Float(number) if number.is_finite() => Some(text::float(*number)),
            PyValue::Float(number) => match self.rules {
                Rules::Exact => None,
                Rules::Django => Some(text::beyond(*number).to_owned()),
                Rules::View => Some("null".to_owned()),
            },
            PyValue::TimeDelta(delta) if self.rules == Rules::View => Some(text::float(text::seconds(*delta))),
            _ => None,
        }
    }

    /// A value of another type as a string.
    fn quoted(&self, value: &PyValue) -> Option<String> {
        match self.rules {
            Rules::Exact => None,
            Rules::Django => text::django(value),
            Rules::View => text::view(value),
        }
    }

    fn array(&mut self, items: &[PyValue]) -> Result<(), Reason> {
        self.deeper()?;
        self.out.push('[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push_str(self.style.0);
            }
            self.value(item)?;
        }
        self.out.push(']');
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self, pairs: &[(PyValue, PyValue)]) -> Result<(), Reason> {
        self.deeper()?;
        self.out.push('{');
        for (at, (key, value)) in pairs.iter().enumerate() {
            if at > 0 {
                self.out.push_str(self.style.0);
            }
            self.key(key)?;
            self.out.push_str(self.style.1);
            self.value(value)?;
        }
        self.out.push('}');
        self.depth -= 1;
        Ok(())
    }

    /// A key, which JSON has only as a string.
    fn key(&mut self, key: &PyValue) -> Result<(), Reason> {
        let text = match key {
            PyValue::Str(text) => return self.string(text),
            PyValue::Object(object) if self.rules != Rules::Exact => {
                return self.key(object.value.as_deref().ok_or("key")?);
            }
            _ if self.rules == Rules::Exact => None,
            _ => self.plain(key).or_else(|| if self.rules == Rules::View { text::view(key) } else { None }),
        };
        self.string(&text.ok_or("key")?.as_str().into())
    }

    fn deeper(&mut self) -> Result<(), Reason> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err("depth") } else { Ok(()) }
    }

    fn string(&mut self, text: &PyStr) -> Result<(), Reason> {
        if self.rules == Rules::Exact && text.as_str().is_none() {
            return Err("surrogate");
        }
        self.out.push('"');
        for code in text.code_units() {
            match code {
                0x22 => self.out.push_str("\\\""),
                0x5c => self.out.push_str("\\\\"),
                0x0a => self.out.push_str("\\n"),
                0x0d => self.out.push_str("\\r"),
                0x09 => self.out.push_str("\\t"),
                0x0c => self.out.push_str("\\f"),
                0x08 => self.out.push_str("\\b"),
                0x20..=0x7e => self.out.push(char::from(code as u8)),
                _ => write!(self.out, "\\u{code:04x}").map_err(|_| "json")?,
            }
        }
        self.out.push('"');
        Ok(())
    }
}

impl PyOffset {
    /// As `isoformat` writes it; that of a named zone is not known here.
    pub(super) fn iso(&self) -> Option<String> {
        match self {
            Self::None => Some(String::new()),
            Self::Named(_) => None,
            Self::Fixed(east) => {
                let (sign, by) = (if *east < 0 { '-' } else { '+' }, east.unsigned_abs());
                let mut out = format!("{sign}{:02}:{:02}", by / 3600, by / 60 % 60);
                if by % 60 != 0 {
                    let _ = write!(out, ":{:02}", by % 60);
                }
                Some(out)
            }
        }
    }
}

#[cfg(test)]
mod tests;
