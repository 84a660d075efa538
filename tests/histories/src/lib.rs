//! Histories: what many clients asked of the services under random faults, what they were told, and whether that can be.
//!
//! The method is Jepsen's. Clients share few sessions and write down every operation when they invoke it and when it
//! completes: `ok` with what was answered, `fail` if it was certainly not done, `info` if nobody knows (503, a time-out,
//! a broken connection). Meanwhile a nemesis breaks things. Afterwards checkers, which know nothing of how the services
//! work, look for answers that contradict each other.
//!
//! - [`history`]: the operations, and the file they are kept in
//! - [`check`]: the checkers, pure functions from operations to violations
//! - [`workload`]: the clients
//! - [`nemesis`]: the faults
//! - [`plan`]: what to run
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
