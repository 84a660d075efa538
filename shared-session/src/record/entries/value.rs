//! One value of an entry.

use std::{any::Any, fmt, sync::Arc};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

#[cfg(feature = "django")]
use super::number::has_rounded_float;
use super::{
    finite::{self, Finite},
    number,
};
use crate::{
    error::{Error, ErrorKind},
    type_name,
};

/// One value, decoded on demand: JSON text, or a value of another language that JSON does not have.
#[derive(Clone)]
pub(crate) struct Json(Repr);

#[derive(Clone)]
enum Repr {
    Text(Bytes),
    #[cfg_attr(not(feature = "django"), expect(dead_code, reason = "only Python's values are foreign"))]
    Foreign(Arc<dyn Foreign>),
}

/// A value that JSON does not have. `Debug` shows nothing of it.
pub(crate) trait Foreign: Any + fmt::Debug + Send + Sync {
    /// The value as JSON, for reading only.
    fn view(&self) -> Result<Vec<u8>, Error>;

    /// Whether `other` is the same value.
    fn is_same(&self, other: &dyn Foreign) -> bool;
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::Text(text), Repr::Text(other)) => text == other,
            (Repr::Foreign(value), Repr::Foreign(other)) => value.is_same(&**other),
            _ => false,
        }
    }
}

impl Eq for Json {}

impl Json {
    /// `text` must be one JSON value.
    pub(crate) fn from_text(text: Bytes) -> Self {
        Self(Repr::Text(text))
    }

    #[cfg(feature = "django")]
    pub(crate) fn from_foreign(value: impl Foreign) -> Self {
        Self(Repr::Foreign(Arc::new(value)))
    }

    /// The foreign value of this type, if it is one.
    #[cfg(feature = "django")]
    pub(crate) fn foreign<T: Foreign>(&self) -> Option<&T> {
        match &self.0 {
            Repr::Text(_) => None,
            Repr::Foreign(value) => (&**value as &dyn Any).downcast_ref(),
        }
    }

    /// NaN and infinities are errors, because JSON does not have them.
    pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        serde_json::to_vec(&Finite(value)).map(|text| Self::from_text(text.into())).map_err(|source| {
            let (name, reason) = (type_name::short::<T>(), not_encoded(&source));
            Error::new(ErrorKind::Value, format!("a value of the type {name} cannot be stored: {reason}"))
                .with_source(without_value(&source))
        })
    }

    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let decoded = match &self.0 {
            Repr::Text(text) => serde_json::from_slice(text),
            Repr::Foreign(value) => serde_json::from_slice(&value.view()?),
        };
        decoded.map_err(|source| {
            let name = type_name::short::<T>();
            Error::new(ErrorKind::Value, format!("the stored value cannot be read as {name}"))
                .with_source(without_value(&source))
        })
    }

    /// As [`decode`](Self::decode); a stored `null` is `None` to types that have no `null`.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        match self.decode() {
            Ok(value) => Ok(Some(value)),
            Err(_) if self.text().is_some_and(|text| text.trim_ascii() == b"null") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a Rust type may change this by reading and writing it: a foreign value, or a number that does not fit in
    /// 64 bits.
    pub(crate) fn may_change_when_read(&self) -> bool {
        self.text().is_none_or(|text| number::beyond_64_bits(text).next().is_some())
    }

    /// Whether `read`, the value after a round trip through a Rust type, is still equal.
    pub(crate) fn survives_as(&self, read: &Self) -> bool {
        match (self.text(), read.text()) {
            (Some(text), Some(read)) => {
                let mut kept: Vec<_> = number::beyond_64_bits(read).collect();
                number::beyond_64_bits(text).all(|number| {
                    let at = kept.iter().position(|kept| *kept == number);
                    at.map(|at| kept.swap_remove(at)).is_some()
                })
            }
            _ => false,
        }
    }

    /// [`ErrorKind::Value`] if a Python float would round a number in this, or be infinite.
    #[cfg(feature = "django")]
    pub(crate) fn check_floats(&self) -> Result<(), Error> {
        if self.text().is_some_and(has_rounded_float) {
            return Err(Error::new(
                ErrorKind::Value,
                "the value holds a number that a Python float cannot keep; store it as a string",
            ));
        }
        Ok(())
    }

    /// The JSON text, unless this is a foreign value.
    pub(crate) fn text(&self) -> Option<&[u8]> {
        match &self.0 {
            Repr::Text(text) => Some(text),
            Repr::Foreign(_) => None,
        }
    }
}

/// The reason why a value cannot be JSON.
fn not_encoded(error: &serde_json::Error) -> &'static str {
    match &*error.to_string() {
        finite::NOT_FINITE => "it holds NaN or an infinity, which JSON does not have",
        "key must be a string" => "it holds a map with keys that are not strings, which JSON does not have",
        _ => "it cannot be written as JSON",
    }
}

/// The message without the value: serde's messages quote it, and logs must not. Only the name of a missing field passes,
/// because it comes from the program.
fn without_value(error: &serde_json::Error) -> String {
    match missing_field(&error.to_string()) {
        Some(name) => format!("missing field `{name}`: a new field needs #[serde(default)]"),
        None => format!("{:?} error", error.classify()),
    }
}

fn missing_field(message: &str) -> Option<&str> {
    let (name, rest) = message.strip_prefix("missing field `")?.split_once('`')?;
    let is_name = name.len() <= 64 && name.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    (is_name && (rest.is_empty() || rest.starts_with(" at line "))).then_some(name)
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Text(text) => write!(f, "Json({} bytes)", text.len()),
            Repr::Foreign(value) => write!(f, "Json({value:?})"),
        }
    }
}

/// The changes to a session, sorted by name: the new value of each changed entry, or `None` if it is removed.
pub(crate) type Changes<'a> = Vec<(&'a str, Option<Json>)>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_do_not_quote_the_value() {
        let error = Json::encode("hunter2").unwrap().decode::<u64>().unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }

    #[test]
    fn an_error_names_a_missing_field_and_its_cure_and_nothing_else_that_serde_says() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "never read")]
        struct Cart {
            items: Vec<Item>,
        }
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "never read")]
        enum Item {
            Bought { gift_wrap: bool },
        }
        let read = |text: &'static str| {
            let error = Json::from_text(text.into()).decode::<Cart>().unwrap_err();
            assert_eq!(error.to_string(), "the stored value cannot be read as Cart");
            std::error::Error::source(&error).unwrap().to_string()
        };
        let cure = "a new field needs #[serde(default)]";
        assert_eq!(read("{}"), format!("missing field `items`: {cure}"));
        assert_eq!(read(r#"{"items": [{"Bought": {}}]}"#), format!("missing field `gift_wrap`: {cure}"));
        for quoted in ["missing field `hunter2`", "hunter2"] {
            let value = Json::encode(&serde_json::json!({"items": [{quoted: {}}]})).unwrap();
            let error = value.decode::<Cart>().unwrap_err();
            assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "Data error");
        }
        assert_eq!(missing_field("missing field `a b`"), None);
        assert_eq!(missing_field("missing field `a` in hunter2"), None);
    }
}
