//! For tests: the contract of a [store](crate::store), and stores that report or fail.
//!
//! - [`store_contract`] checks that your own store keeps the contract, rule by rule, including races.
//! - [`SpyStore`] records the operations that reach a store.
//! - [`FaultStore`] makes a store fail, hang, lose a reply, or change between two operations.
//! - [`cookie_of`] makes a session and returns its cookie, for requests of a test.
//!
//! Everything here panics to fail the test.
//!
//! # Example
//!
//! ```
//! use shared_session::{ErrorKind, SessionManager, store::MemoryStore};
//! use shared_session::testing::{Fault, FaultStore, SpyStore, store_contract};
//!
//! #[tokio::main]
//! async fn main() {
//!     store_contract(MemoryStore::new()).await;
//!
//!     let store = SpyStore::new(FaultStore::new(MemoryStore::new()));
//!     let manager = SessionManager::new(store.clone());
//!     let session = manager.open([]).load().await.unwrap();
//!     store.assert_untouched();
//!
//!     store.inner().fail_next("create", Fault::Refused);
//!     session.insert("theme", "dark").unwrap();
//!     assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Unavailable);
//!     assert!(store.calls().contains(&"create"));
//! }
//! ```
//!
//! # Concepts
//!
//! Both test stores wrap any other store, and each other; clones share their records and orders. Operations have the
//! names of the store's methods, such as `load` or `index_add`.
//!
//! # Cookbook
//!
//! - **A request of a signed-in user**: `cookie_of(&manager, |session| session.login(&user)).await` is the value of its
//!   `Cookie` header.
//! - **A handler without a server**: call it with the adapter's `Session`, which is made from a session of the manager:
//!   `handler(manager.open([]).load().await?.into()).await`. Its edits are then in that session; nothing is stored.
//! - **One test per rule**, or all rules but some: [`store_contract_where`] and [`rules`].
//! - **An outage**: [`FaultStore::set_down`]. **A lost reply**: [`Fault::LostReply`].
//! - **A race, step by step**: [`FaultStore::before_next`] and [`FaultStore::after_next`] run the steps of the other
//!   request.
//! - **The number of store calls**: [`SpyStore::take_calls`].
//!
//! # What it does not do
//!
//! It is not covered by the semantic version of this crate: a minor version may add rules. It does not measure time,
//! and it starts no servers.
#![allow(clippy::expect_used, clippy::panic, reason = "a failed expectation must fail the test")]

mod contract;
mod cookie_of;
mod fault;
mod operations;
mod spy;

pub use contract::{rules, store_contract, store_contract_where};
pub use cookie_of::cookie_of;
pub use fault::{Fault, FaultStore};
pub use spy::SpyStore;
