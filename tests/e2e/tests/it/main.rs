//! Black-box tests of the two example services: real processes, real servers, HTTP as browsers send it.
//!
//! The tests do not depend on the implementation of the services. They check every answer for the rules that always
//! hold (see [`harness::http`]).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation must fail the test")]

mod accounts;
mod admin;
mod admin_groups;
mod admin_rights;
mod bearer;
mod budget;
mod command_line;
mod connections;
mod cookie_scopes;
mod cross_site;
mod devices;
mod django;
mod documentation;
mod durable;
mod faults;
mod fits;
mod fresh;
mod headers;
mod images;
mod languages;
mod limits;
mod live;
mod logs;
mod near_cache;
mod operations;
mod operators;
mod postgres;
mod prefix;
mod problems;
mod races;
mod readme;
mod redis_tls;
mod remember;
mod settings;
mod stale_forms;
mod start;
mod story;
mod user_cache;
mod user_tables;
