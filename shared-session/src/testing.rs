//! For those who write a [`SessionStore`], and for tests that need one to misbehave. Feature `testing`.
//!
//! - [`store_contract`] proves that a store keeps the [contract](crate::store).
//! - [`SpyStore`] records the operations that reach a store.
//! - [`FaultStore`] makes a store fail, hang, lose a reply, or change between two operations.
//!
//! Everything here panics where a test should fail. It is not covered by the semantic version of this crate.
//!
//! ```
//! use shared_session::{store::MemoryStore, testing};
//!
//! #[tokio::main]
//! async fn main() {
//!     testing::store_contract(MemoryStore::new()).await;
//! }
//! ```
#![allow(clippy::expect_used, clippy::panic, reason = "a failed expectation must fail the test")]

use crate::store::SessionStore;

pub mod contract;
mod fault;
mod operations;
mod spy;

pub use fault::{Fault, FaultStore};
pub use operations::OPERATIONS;
pub use spy::SpyStore;

/// Runs every rule of [`contract`] over `store`.
///
/// Needs a Tokio runtime with timers; the multi-threaded one finds more races. The keys have a random prefix, so
/// suites can share a server. It takes a few seconds, most of them spent waiting for lifetimes to pass: the clock of
/// `store` must run by itself.
///
/// # Panics
///
/// When a rule does not hold, with its name, or takes longer than two minutes.
pub async fn store_contract<S: SessionStore + Clone>(store: S) {
    contract::writes::all(&store).await;
    contract::races::all(&store).await;
    contract::lifetimes::all(&store).await;
    contract::values::all(&store).await;
    contract::index::all(&store).await;
}
