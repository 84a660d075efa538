//! The writer: ASCII only, as in Python.

use std::fmt::Write as _;

use super::rules::{MAX_DEPTH, Rules, Style};
use crate::django::{
    python::{PyStr, PyValue, text},
    refusal::Reason,
};

pub(super) struct Writer {
    out: String,
    rules: Rules,
    style: Style,
    depth: u8,
}

impl Writer {
    pub(super) fn new(rules: Rules, style: Style, depth: u8) -> Self {
        Self { out: String::new(), rules, style, depth }
    }

    /// The text written since the last call.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out).into_bytes()
    }

    pub(super) fn value(&mut self, value: &PyValue) -> Result<(), Reason> {
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

    /// A key, which must be a string in JSON.
    pub(super) fn key(&mut self, key: &PyValue) -> Result<(), Reason> {
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
