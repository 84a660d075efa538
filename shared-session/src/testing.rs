//! For those who write a [`SessionStore`](crate::store::SessionStore), and for tests that need one to misbehave. Feature `testing`.
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

mod contract;
mod fault;
mod operations;
mod spy;

pub use contract::{rules, store_contract, store_contract_where};
pub use fault::{Fault, FaultStore};
pub use operations::OPERATIONS;
pub use spy::SpyStore;
