//! JSON text from a pickle's values, and back.

use std::collections::{HashMap, hash_map::Entry};

use super::{
    int,
    node::{Arena, Id, MAX_DEPTH, MAX_LONG, Node, Reason},
    value::{PyInt, PyStr, PyValue},
};

/// Appends the value as JSON. False if it has none: another type, a lone surrogate, infinity, a key that is no string.
/// Recursive: the arena bounds the depth and the expanded size.
pub(super) fn write(arena: &Arena, id: Id, out: &mut Vec<u8>) -> bool {
    match arena.node(id) {
        Node::None => out.extend_from_slice(b"null"),
        Node::Bool(true) => out.extend_from_slice(b"true"),
        Node::Bool(false) => out.extend_from_slice(b"false"),
        Node::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Node::Long(span) => out.extend_from_slice(int::to_decimal(arena.bytes(*span)).as_bytes()),
        // `Debug` keeps the point or exponent that makes the number a float again.
        Node::Float(float) if float.is_finite() => out.extend_from_slice(format!("{float:?}").as_bytes()),
        Node::Str(_) => return string(arena, id, out),
        Node::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                if !write(arena, *item, out) {
                    return false;
                }
            }
            out.push(b']');
        }
        Node::Dict(pairs) => {
            out.push(b'{');
            for (index, [key, value]) in pairs.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                if !string(arena, *key, out) {
                    return false;
                }
                out.push(b':');
                if !write(arena, *value, out) {
                    return false;
                }
            }
            out.push(b'}');
        }
        _ => return false,
    }
    true
}

fn string(arena: &Arena, id: Id, out: &mut Vec<u8>) -> bool {
    arena.text(id).is_some_and(|text| serde_json::to_writer(out, text).is_ok())
}

/// Reads JSON text as Python's `json.loads` does: an integer of any size stays an integer, the last of equal keys wins.
pub(super) fn read(text: &str) -> Result<PyValue, Reason> {
    let mut parser = Parser { rest: text.trim_start_matches(SPACE), depth: 0 };
    let value = parser.value()?;
    if parser.rest.is_empty() { Ok(value) } else { Err("json") }
}

const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

struct Parser<'a> {
    rest: &'a str,
    depth: u8,
}

impl Parser<'_> {
    fn value(&mut self) -> Result<PyValue, Reason> {
        match self.rest.as_bytes().first() {
            Some(b'"') => Ok(PyValue::Str(PyStr::from(self.string()?.as_str()))),
            Some(b'[') => self.nested(Self::array),
            Some(b'{') => self.nested(Self::object),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.word("null") => Ok(PyValue::None),
            _ if self.word("true") => Ok(PyValue::Bool(true)),
            _ if self.word("false") => Ok(PyValue::Bool(false)),
            _ => Err("json"),
        }
    }

    /// Skips `word` and the space after it.
    fn word(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.map_or(self.rest, |rest| rest.trim_start_matches(SPACE));
        rest.is_some()
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<PyValue, Reason>) -> Result<PyValue, Reason> {
        if self.depth >= MAX_DEPTH {
            return Err("depth");
        }
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn array(&mut self) -> Result<PyValue, Reason> {
        let mut items = Vec::new();
        self.word("[");
        if self.word("]") {
            return Ok(PyValue::List(items));
        }
        loop {
            items.push(self.value()?);
            if self.word("]") {
                return Ok(PyValue::List(items));
            }
            if !self.word(",") {
                return Err("json");
            }
        }
    }

    fn object(&mut self) -> Result<PyValue, Reason> {
        let mut pairs: Vec<(PyValue, PyValue)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        self.word("{");
        if self.word("}") {
            return Ok(PyValue::Dict(pairs));
        }
        loop {
            let key = self.string()?;
            if !self.word(":") {
                return Err("json");
            }
            let value = self.value()?;
            let python_key = PyValue::Str(PyStr::from(key.as_str()));
            match places.entry(key) {
                Entry::Occupied(place) => pairs[*place.get()].1 = value,
                Entry::Vacant(place) => {
                    place.insert(pairs.len());
                    pairs.push((python_key, value));
                }
            }
            if self.word("}") {
                return Ok(PyValue::Dict(pairs));
            }
            if !self.word(",") {
                return Err("json");
            }
        }
    }

    fn string(&mut self) -> Result<String, Reason> {
        let bytes = self.rest.as_bytes();
        if bytes.first() != Some(&b'"') {
            return Err("json");
        }
        let mut end = 1;
        while *bytes.get(end).ok_or("json")? != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let (string, rest) = self.rest.split_at_checked(end + 1).ok_or("json")?;
        self.rest = rest.trim_start_matches(SPACE);
        serde_json::from_str(string).map_err(|_| "json")
    }

    fn number(&mut self) -> Result<PyValue, Reason> {
        let end = self.rest.find(|char: char| !char.is_ascii_digit() && !"+-.eE".contains(char));
        let (number, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.trim_start_matches(SPACE);
        let digits = number.strip_prefix('-').unwrap_or(number);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
                return Err("json");
            }
            if digits.len() > MAX_LONG * 5 / 2 {
                return Err("long");
            }
            return PyInt::from_decimal(number).map(PyValue::Int).ok_or("json");
        }
        // One checks the grammar, the other rounds to the nearest.
        serde_json::from_str::<f64>(number).map_err(|_| "json")?;
        number.parse().ok().filter(|float: &f64| float.is_finite()).map(PyValue::Float).ok_or("json")
    }
}
