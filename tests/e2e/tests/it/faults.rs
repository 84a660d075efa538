//! Faults: stores that are down, hang, are full, refuse, or hold garbage, and what the services make of them.
//!
//! One test for each fault, named after it. `make faults` runs all, `cargo test` those that are quick. While the fault
//! lasts:
//!
//! - routes that touch no session, and visitors who have none and store nothing, notice nothing
//! - who needs a session gets 503 with `Retry-After`, `no-store` and no cookie, in time
//! - nobody is signed out, and nobody is told to have signed out who may not have
//!
//! After it everybody goes on, and no service was restarted.

mod away;
mod data;
mod near_cache;
mod network;
mod refusals;
mod scene;
mod setup;
mod topologies;
mod users;
