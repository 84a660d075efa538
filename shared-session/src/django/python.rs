//! Python values, independent of their format: the types, and their text form in Python.

pub(super) mod int;
pub(super) mod make;
pub(super) mod surrogates;
pub(super) mod text;
mod value;

pub use value::{PyDate, PyDateTime, PyInt, PyObject, PyOffset, PyStr, PyTime, PyTimeDelta, PyValue};
