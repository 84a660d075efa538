//! The rules of the [store contract](crate::store), one function each; [`store_contract`](super::store_contract)
//! runs them all.
//!
//! Every rule uses keys of its own and panics when the store breaks it.

#[macro_use]
mod steps;

pub mod index;
pub mod lifetimes;
pub mod races;
pub mod values;
pub mod writes;
