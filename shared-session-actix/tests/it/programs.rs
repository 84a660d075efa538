//! The small programs in `examples/`, for the tests that serve them.
#![allow(dead_code, reason = "a test does not call `main`")]

#[path = "../../examples/counter.rs"]
pub(crate) mod counter;
#[path = "../../examples/forms.rs"]
pub(crate) mod forms;
#[path = "../../examples/login.rs"]
pub(crate) mod login;
#[path = "../../examples/sse.rs"]
pub(crate) mod sse;
