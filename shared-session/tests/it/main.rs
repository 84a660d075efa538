//! The integration tests of the core crate, in one binary.

mod redis;
mod rules;
mod stores;
mod users;
