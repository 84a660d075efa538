//! Faults: stores that are down, hang, are full, refuse, or hold garbage, and the services' reactions.
//!
//! One test for each fault, named after it. `make faults` runs all, `cargo test` the quick ones. During the fault:
//!
//! - routes without a session, and visitors without a session who store nothing, are not affected
//! - requests that need a session get 503 with `Retry-After`, `no-store` and no cookie, in time
//! - nobody is signed out, and a sign-out is confirmed only if it certainly happened
//!
//! Afterwards everything works again without a restart of a service.

mod away;
mod data;
mod near_cache;
mod network;
mod refusals;
mod scene;
mod setup;
mod topologies;
mod users;
