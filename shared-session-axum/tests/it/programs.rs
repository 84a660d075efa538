//! The programs in `examples/`, for the tests that serve them.
#![allow(dead_code, reason = "a test does not call `main`")]

#[path = "../../examples/background_job.rs"]
pub(crate) mod background_job;
#[path = "../../examples/bearer.rs"]
pub(crate) mod bearer;
#[path = "../../examples/cart.rs"]
pub(crate) mod cart;
#[path = "../../examples/counter.rs"]
pub(crate) mod counter;
#[path = "../../examples/django.rs"]
pub(crate) mod django;
#[path = "../../examples/flash.rs"]
pub(crate) mod flash;
#[path = "../../examples/forms.rs"]
pub(crate) mod forms;
#[path = "../../examples/login.rs"]
pub(crate) mod login;
#[path = "../../examples/own_user.rs"]
pub(crate) mod own_user;
#[path = "../../examples/remember_me.rs"]
pub(crate) mod remember_me;
#[path = "../../examples/sse.rs"]
pub(crate) mod sse;
#[path = "../../examples/unit_tests.rs"]
pub(crate) mod unit_tests;
#[path = "../../examples/websocket.rs"]
pub(crate) mod websocket;
