//! The rules of the [store contract](crate::store), one function each. Every rule uses its own keys and panics if the
//! store breaks it.

use crate::store::SessionStore;

#[macro_use]
mod steps;

mod index;
mod lifetimes;
mod races;
mod values;
mod writes;

/// The names of the rules, such as `races::increments_are_not_lost`, in the order in which [`store_contract`] checks
/// them. No I/O.
pub fn rules() -> impl Iterator<Item = &'static str> {
    [writes::NAMES, races::NAMES, lifetimes::NAMES, values::NAMES, index::NAMES].into_iter().flatten().copied()
}

/// Checks that `store` keeps every rule of the [contract](crate::store).
///
/// Needs a Tokio runtime with timers; the multi-threaded one finds more races. The keys have a random prefix, so suites
/// can share a server. It takes a few seconds, most of them spent waiting for lifetimes to pass: the clock of `store`
/// must advance by itself.
///
/// # Panics
///
/// If a rule does not hold, or takes longer than two minutes. The output names the rule.
pub async fn store_contract<S: SessionStore + Clone>(store: S) {
    store_contract_where(store, |_| true).await;
}

/// As [`store_contract`], but only the [`rules`] whose name `which` accepts: for one test per rule, or for a store that
/// cannot keep all of them, such as one without an index.
///
/// ```
/// use shared_session::{store::MemoryStore, testing::store_contract_where};
///
/// # #[tokio::main] async fn main() {
/// store_contract_where(MemoryStore::new(), |rule| rule == "races::one_of_many_creates_wins").await;
/// # }
/// ```
///
/// # Panics
///
/// If a rule does not hold or takes longer than two minutes, or if `which` accepts none.
pub async fn store_contract_where<S: SessionStore + Clone>(store: S, which: impl Fn(&str) -> bool + Sync) {
    assert!(rules().any(&which), "no rule of the contract was chosen");
    writes::run(&store, &which).await;
    races::run(&store, &which).await;
    lifetimes::run(&store, &which).await;
    values::run(&store, &which).await;
    index::run(&store, &which).await;
}
