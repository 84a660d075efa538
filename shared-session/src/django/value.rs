//! Python values in session entries.

use std::any::Any;

use crate::{
    django::{
        json::{self, Rules},
        python::PyValue,
    },
    engine::session::{Session, key::EntryName},
    error::{Error, ErrorKind},
    record::entries::{Foreign, Json},
};

impl Session {
    /// The value of `name` as a Python value, including types without a JSON counterpart: a datetime, a tuple, bytes.
    /// For Django profiles; in the native profile values are JSON. No I/O.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_python(&self, name: impl EntryName) -> Result<Option<PyValue>, Error> {
        self.value(name.entry_name())?.as_ref().map(Json::to_python).transpose()
    }

    /// Sets `name` to a Python value, for Django to read. A value that the session's codec does not support is written
    /// as by Django's own JSON encoder.
    ///
    /// # Errors
    /// [`ErrorKind::Value`], here or at the commit, if the session's format has no such value. If this method returns
    /// it, nothing is edited.
    pub fn insert_python(&self, name: impl EntryName, value: PyValue) -> Result<(), Error> {
        self.set_value(name.entry_name(), Json::python(value))
    }
}

/// Used only for values without a JSON counterpart.
impl Foreign for PyValue {
    /// See [`Rules::View`].
    fn view(&self) -> Result<Vec<u8>, Error> {
        json::encode(self, Rules::View, json::COMPACT)
            .map_err(|_| Error::new(ErrorKind::Value, "a session value is a Python object that Rust cannot read"))
    }

    fn is_same(&self, other: &dyn Foreign) -> bool {
        (other as &dyn Any).downcast_ref().is_some_and(|other| self.is_same(other))
    }
}

impl Json {
    /// A Python value, stored as JSON text if that is equivalent.
    pub(crate) fn python(value: PyValue) -> Self {
        match json::encode(&value, Rules::Exact, json::COMPACT) {
            Ok(text) => Self::from_text(text.into()),
            Err(_) => Self::from_foreign(value),
        }
    }

    /// The value as a Python value.
    pub(crate) fn to_python(&self) -> Result<PyValue, Error> {
        match self.foreign::<PyValue>() {
            Some(value) => Ok(value.clone()),
            None => json::value(self.text().unwrap_or_default()).map_err(json::not_written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::django::python::PyObject;

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
        // The base of an object, such as the dict of a `defaultdict`.
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
