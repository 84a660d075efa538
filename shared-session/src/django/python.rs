//! Python's values, in whichever format they are stored: the types, and how Python writes them as text.

pub(super) mod int;
pub(super) mod make;
pub(super) mod surrogates;
pub(super) mod text;
mod value;

pub use value::{PyDate, PyDateTime, PyInt, PyObject, PyOffset, PyStr, PyTime, PyTimeDelta, PyValue};
