//! The integration tests of the core crate, in one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation must fail the test")]
#![allow(clippy::needless_pass_by_value, reason = "only the test runner calls them")]

mod architecture;
mod backends;
mod compare_page;
mod diagnostics;
mod django_stores;
mod examples;
mod late_logout;
mod postgres;
mod programs;
mod redis;
mod rules;
mod security_page;
mod session_limit;
mod stores;
mod throttle;
mod tiered;
mod tower;
mod users;
mod wire_format;
