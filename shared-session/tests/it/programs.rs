//! The programs in `examples/`, for the tests that serve them.
#![allow(dead_code, reason = "a test does not call `main`")]

#[path = "../../examples/custom_store.rs"]
pub(crate) mod custom_store;
#[path = "../../examples/plain_hyper.rs"]
pub(crate) mod plain_hyper;
#[path = "../../examples/tonic.rs"]
pub(crate) mod tonic;
