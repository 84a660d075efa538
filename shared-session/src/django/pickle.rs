//! Python pickles as inert data.
//!
//! Django keeps a session in its cache as the pickle of a dict. This module reads and writes such pickles:
//!
//! - It never imports or calls anything. A Python object is kept as its description, so editing one entry of a session
//!   preserves the others.
//! - Unchanged values of Django are written back byte for byte, in the protocol found.
//! - Input is bounded: 1 MiB, 200,000 opcodes, 131,072 values, 65,536 entries of a dict, 128 levels, 1 KiB for an
//!   integer, 256 KiB for the names of classes, 4 MiB with all sharing expanded. Reading takes linear time and less
//!   than 16 MiB.
//! - It refuses cycles, truncation, trailing bytes, values other than a dict, Python 2 strings, and names that run
//!   code.
//!
//! ```
//! use shared_session::django::pickle::Pickle;
//!
//! let mut session = Pickle::read(b"\x80\x05}\x94\x8c\x01a\x94K\x01s.")?;
//! assert_eq!(session.get("a").and_then(|value| value.to_json()).as_deref(), Some("1"));
//! session.set_json("cart", r#"{"A-1": 2}"#)?;
//! assert_eq!(session.keys().collect::<Vec<_>>(), ["a", "cart"]);
//! let bytes = session.to_bytes()?;
//! # Ok::<(), shared_session::Error>(())
//! ```

mod arena;
mod build;
mod guard;
mod input;
mod json;
mod node;
mod read;
mod shape;
mod text;
mod write;

use std::fmt;

use bytes::Bytes;

use super::json as python_json;
pub use super::python::{PyDate, PyDateTime, PyInt, PyObject, PyOffset, PyStr, PyTime, PyTimeDelta, PyValue};
use crate::error::{Error, ErrorKind};
use arena::Arena;
use build::Builder;
use node::{Id, MAX_BYTES, Node, Reason};

/// The pickle of a dict.
///
/// `Debug` shows no content.
#[derive(Clone)]
pub struct Pickle {
    arena: Arena,
    root: Id,
    protocol: u8,
}

impl Pickle {
    /// An empty dict, to be written in `protocol`: Django uses 5 (`HIGHEST_PROTOCOL`), django-redis 4. Other numbers
    /// become the nearest of 2 to 5.
    #[must_use]
    pub fn new(protocol: u8) -> Self {
        let mut arena = Arena::new(Bytes::new());
        // A new arena has room for one node.
        let root = arena.add(Node::Dict(node::Pairs::new())).unwrap_or(Id::NONE);
        Self { arena, root, protocol: protocol.clamp(2, 5) }
    }

    /// Reads a pickle of protocol 0 to 5.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unreadable`] with a short reason code, without any of the content.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        Self::load(&Bytes::copy_from_slice(bytes)).map_err(|reason| refused(ErrorKind::Unreadable, reason))
    }

    pub(super) fn load(bytes: &Bytes) -> Result<Self, Reason> {
        let loaded = read::read(bytes)?;
        Ok(Self { arena: loaded.arena, root: loaded.root, protocol: loaded.protocol })
    }

    /// The pickle of a dict.
    pub(super) fn from_pairs(protocol: u8, pairs: Vec<(PyValue, PyValue)>) -> Result<Self, Error> {
        let mut pickle = Self::new(protocol);
        let mut builder = Builder::new(&mut pickle.arena, pickle.protocol);
        pickle.root = builder.value(&PyValue::Dict(pairs)).map_err(not_written)?;
        Ok(pickle)
    }

    /// All entries, including those with a key that is not a string.
    pub(super) fn to_pairs(&self) -> Vec<(PyValue, PyValue)> {
        let value = |id: Id| shape::value(&self.arena, id);
        self.pairs().iter().map(|[key, id]| (value(*key), value(*id))).collect()
    }

    /// The protocol found. [`Pickle::to_bytes`] writes the same one, but protocol 2 instead of 0 and 1.
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        self.protocol
    }

    /// The number of entries, including those with a key that is not a string.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs().len()
    }

    /// Whether the dict is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs().is_empty()
    }

    /// The keys that are strings without lone surrogates, in insertion order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries().map(|(key, _)| key)
    }

    /// The entries of [`Pickle::keys`].
    pub fn entries(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        let arena = &self.arena;
        self.pairs().iter().filter_map(move |[key, id]| Some((arena.text(*key)?, Value { arena, id: *id })))
    }

    /// The value at `key`. Takes time linear in the number of entries, like all access by key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value<'_>> {
        let at = self.position(key)?;
        Some(Value { arena: &self.arena, id: self.pairs()[at][1] })
    }

    /// Sets `key`: in place if it exists, else at the end, as in Python.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`] for a value that cannot be written: an object, a date out of range, an unhashable key.
    /// [`ErrorKind::TooLarge`] beyond the limits of this module. The pickle is then unchanged.
    pub fn set(&mut self, key: &str, value: impl Into<PyValue>) -> Result<(), Error> {
        self.put(key, &value.into()).map_err(not_written)
    }

    /// Sets `key` to a value given as JSON text; see [`Pickle::set`]. Integers keep their size.
    ///
    /// # Errors
    ///
    /// As [`Pickle::set`]; also [`ErrorKind::Value`] if the text is not JSON.
    pub fn set_json(&mut self, key: &str, json: &str) -> Result<(), Error> {
        python_json::exact_value(json).and_then(|value| self.put(key, &value)).map_err(not_written)
    }

    /// Removes `key`; returns whether it existed.
    pub fn remove(&mut self, key: &str) -> bool {
        let at = self.position(key);
        if let Some(at) = at {
            self.arena.remove(self.root, at);
        }
        at.is_some()
    }

    /// The pickle, in CPython's own layout.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] above the 1 MiB limit of [`Pickle::read`].
    pub fn to_bytes(&self) -> Result<Bytes, Error> {
        let bytes = write::write(&self.arena, self.root, self.written_protocol());
        if bytes.len() > MAX_BYTES { Err(refused(ErrorKind::TooLarge, "too_large")) } else { Ok(bytes.into()) }
    }

    fn put(&mut self, key: &str, value: &PyValue) -> Result<(), Reason> {
        let protocol = self.written_protocol();
        let at = self.position(key);
        let mut builder = Builder::new(&mut self.arena, protocol);
        let value = builder.value(value)?;
        let key = if at.is_some() { Id::NONE } else { builder.string(key.as_bytes())? };
        self.arena.replace(self.root, at, key, value)
    }

    fn written_protocol(&self) -> u8 {
        self.protocol.max(2)
    }

    fn pairs(&self) -> &[[Id; 2]] {
        match self.arena.node(self.root) {
            Node::Dict(pairs) => pairs,
            _ => &[],
        }
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.pairs().iter().position(|pair| self.arena.str_bytes(pair[0]) == Some(key.as_bytes()))
    }
}

impl fmt::Debug for Pickle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pickle").field("protocol", &self.protocol).field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A value within a [`Pickle`].
///
/// `Debug` names the kind and shows no content.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    arena: &'a Arena,
    id: Id,
}

impl<'a> Value<'a> {
    /// The value as JSON text, if it consists of `None`, booleans, integers, finite floats, strings without lone
    /// surrogates, lists, and dicts with such strings as keys. A tuple is not converted: it would come back as a list.
    #[must_use]
    pub fn to_json(self) -> Option<String> {
        let mut out = Vec::new();
        if json::write(self.arena, self.id, &mut out) { String::from_utf8(out).ok() } else { None }
    }

    /// The whole value; shared parts are copied.
    #[must_use]
    pub fn to_python(self) -> PyValue {
        shape::value(self.arena, self.id)
    }

    /// The text of a string without lone surrogates.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        self.arena.text(self.id)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(..)")
    }
}

fn refused(kind: ErrorKind, reason: Reason) -> Error {
    Error::new(kind, format!("pickle refused: {reason}"))
}

fn not_written(reason: Reason) -> Error {
    let kind = match reason {
        "too_large" | "nodes" | "weight" | "depth" | "long" => ErrorKind::TooLarge,
        _ => ErrorKind::Value,
    };
    refused(kind, reason)
}

#[cfg(test)]
mod tests;
