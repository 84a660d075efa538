//! Histories: the requests of many clients under random faults, the answers, and a check for contradictions.
//!
//! The method is Jepsen's. Clients share few sessions and record every operation when they invoke it and when it
//! completes: `ok` with the answer, `fail` if it was certainly not done, `info` if the outcome is unknown (503, a
//! time-out, a broken connection). Meanwhile a nemesis causes faults. Afterwards checkers, which do not depend on the
//! services' implementation, look for contradictions between answers.
//!
//! - [`history`]: the operations, and the file they are kept in
//! - [`check`]: the checkers, pure functions from operations to violations
//! - [`workload`]: the clients
//! - [`nemesis`]: the faults
//! - [`plan`]: the parameters of a run
//! - [`fleet`], [`service`] and [`servers`]: the processes
//! - [`report`]: the figures
//!
//! `make histories` runs the nemesis on one Redis, with Sentinels and in a cluster;
//! `cargo run -p shared-session-histories -- --help` tells more.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "test support: a failure is a panic")]

pub mod check;
pub mod fleet;
pub mod history;
pub mod nemesis;
pub mod plan;
pub mod random;
pub mod report;
pub mod run;
pub mod servers;
pub mod service;
pub mod workload;
