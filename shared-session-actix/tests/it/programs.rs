//! The programs in `examples/`, for the tests that serve them.
#![allow(dead_code, reason = "a test does not call `main`")]

#[path = "../../examples/actix_counter.rs"]
pub(crate) mod counter;
#[path = "../../examples/actix_forms.rs"]
pub(crate) mod forms;
#[path = "../../examples/actix_login.rs"]
pub(crate) mod login;
#[path = "../../examples/actix_sse.rs"]
pub(crate) mod sse;
#[path = "../../examples/actix_websocket.rs"]
pub(crate) mod websocket;
