//! JSON as Python reads and writes it.
//!
//! Python's `json` module deviates from RFC 8259: integers have any size, `NaN` and `Infinity` are numbers, a lone
//! `\ud800` is a string, and the last of several equal keys wins. Its output is ASCII.

mod read;
mod rules;
mod write;

use bytes::Bytes;

use super::{
    members::{Member, Members},
    python::PyValue,
    refusal::Reason,
};
use crate::{
    error::{Error, ErrorKind},
    record::entries::has_rounded_float,
};
use read::Parser;
pub(crate) use rules::{COMPACT, Rules, SPACED, Style};
use write::Writer;

/// The value of a JSON text.
pub(crate) fn value(text: &[u8]) -> Result<PyValue, Reason> {
    Parser::new(text)?.document().map(|(value, _)| value)
}

/// The value of a JSON text, unless RFC 8259 allows the text as well.
pub(crate) fn inexact_value(text: &[u8]) -> Result<Option<PyValue>, Reason> {
    // Most texts are exact and need no work.
    let ((), exact) = Parser::new(text)?.document()?;
    if exact { Ok(None) } else { value(text).map(Some) }
}

/// The value of a JSON text, if RFC 8259 allows the text as well.
pub(crate) fn exact_value(text: &str) -> Result<PyValue, Reason> {
    match Parser::new(text.as_bytes())?.document()? {
        (_, false) => Err("json"),
        (_, true) if has_rounded_float(text.as_bytes()) => Err("rounded"),
        (value, true) => Ok(value),
    }
}

/// The members of a JSON object, each with its original bytes.
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

/// A member, with key and value written by [`Rules::Django`].
pub(super) fn member(key: &PyValue, value: &PyValue, style: Style) -> Result<Member, Reason> {
    // In the object the value is one level deeper.
    let mut writer = Writer::new(Rules::Django, style, 1);
    writer.value(value)?;
    let raw = writer.take().into();
    writer.key(key)?;
    let raw_key = Bytes::from(writer.take());
    let name = match self::value(&raw_key)? {
        PyValue::Str(name) => name.as_str().map(Into::into),
        _ => None,
    };
    Ok(Member { name, raw_key, raw })
}

/// JSON text of a value, in ASCII.
pub(crate) fn encode(value: &PyValue, rules: Rules, style: Style) -> Result<Vec<u8>, Reason> {
    let mut writer = Writer::new(rules, style, 0);
    writer.value(value)?;
    Ok(writer.take())
}

/// The error for a value that cannot be written.
pub(crate) fn not_written(reason: Reason) -> Error {
    let kind = match reason {
        "too_large" | "nodes" | "weight" | "depth" | "long" => ErrorKind::TooLarge,
        _ => ErrorKind::Value,
    };
    Error::new(kind, format!("the value cannot be kept in this session: {reason}"))
}

#[cfg(test)]
mod tests;
