//! Python values among the entries.

use std::{fmt, sync::Arc};

use super::{Json, Repr};
use crate::{
    Error, ErrorKind,
    django::{json, json::Rules, pickle::PyValue},
};

/// A Python value that JSON does not have.
#[derive(Clone)]
pub(super) struct Shared(Arc<PyValue>);

impl Shared {
    /// The value as JSON, for reading only: see [`Rules::View`].
    pub(super) fn view(&self) -> Result<Vec<u8>, Error> {
        json::encode(&self.0, Rules::View, json::COMPACT)
            .map_err(|_| Error::new(ErrorKind::Value, "a session value is a Python object that Rust cannot read"))
    }
}

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_same(&other.0)
    }
}

impl Eq for Shared {}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Json {
    /// A Python value: as JSON text where that says the same.
    pub(crate) fn python(value: PyValue) -> Self {
        match json::encode(&value, Rules::Exact, json::COMPACT) {
            Ok(text) => Self::from_text(text.into()),
            Err(_) => Self(Repr::Python(Shared(Arc::new(value)))),
        }
    }

    /// The value that Python sees.
    pub(crate) fn to_python(&self) -> Result<PyValue, Error> {
        match &self.0 {
            Repr::Text(text) => json::value(text).map_err(json::not_written),
            Repr::Python(value) => Ok((*value.0).clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::django::pickle::PyObject;

    #[test]
    fn a_value_that_json_has_is_its_text() {
        let value = PyValue::List(vec![1.into(), "é".into()]);
        assert_eq!(Json::python(value.clone()).text(), Some(&br#"[1,"\u00e9"]"#[..]));
        assert!(Json::python(value.clone()).to_python().unwrap() == value);
        assert_eq!(Json::python(PyValue::Tuple(vec![])).text(), None);
    }

    #[test]
    fn equal_python_values_are_equal() {
        let nan = || Json::python(PyValue::Dict(vec![("a".into(), PyValue::Tuple(vec![f64::NAN.into()]))]));
        assert_eq!(nan(), nan());
        // What an object is a subclass of, such as the dict of a `defaultdict`.
        let of = |value: f64| {
            let value = Some(Box::new(PyValue::List(vec![value.into()])));
            Json::python(PyValue::Object(PyObject { module: "m".to_owned(), name: "n".to_owned(), value }))
        };
        assert_eq!(of(f64::NAN), of(f64::NAN));
        assert_ne!(of(f64::NAN), of(1.5));
        assert_ne!(nan(), Json::python(PyValue::Dict(vec![("a".into(), PyValue::Tuple(vec![1.5.into()]))])));
        assert_ne!(Json::python(PyValue::Tuple(vec![])), Json::python(PyValue::Set(vec![])));
    }
}
