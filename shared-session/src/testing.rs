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

use std::{panic::Location, time::Duration};

use crate::store::SessionStore;

pub mod contract;
mod fault;
mod spy;

pub use fault::{Fault, FaultStore};
pub use spy::SpyStore;

/// The names by which [`SpyStore`] and [`FaultStore`] know the operations of a store.
pub const OPERATIONS: [&str; 10] =
    ["load", "create", "replace", "delete", "scan", "purge_expired", "index_add", "index_list", "index_remove", "time"];

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
    macro_rules! run {
        ($($module:ident :: $rule:ident),+ $(,)?) => {
            // Boxed: of a store that is made of stores the rules together would fill a test's stack.
            $(within_limit(stringify!($rule), Box::pin(contract::$module::$rule(&store))).await;)+
        };
    }
    run!(
        writes::an_absent_key_loads_as_none,
        writes::create_stores_only_if_absent,
        writes::replace_stores_a_new_value,
        writes::replace_never_creates,
        writes::replace_with_a_stale_part_answers_the_current_bytes,
        writes::the_part_is_compared_at_its_place,
        writes::replace_by_equal_bytes_is_stored,
        writes::delete_removes_once,
        writes::delete_with_a_wrong_part_refuses,
        writes::delete_compares_the_part_alone,
        races::one_of_many_creates_wins,
        races::one_of_many_creates_over_an_expired_key_wins,
        races::one_of_many_replaces_wins,
        races::one_of_many_deletes_wins,
        races::increments_are_not_lost,
        races::an_acknowledged_delete_is_final,
        races::replace_or_delete_wins_but_not_both,
        lifetimes::an_expired_key_is_absent,
        lifetimes::replace_renews_the_lifetime,
        lifetimes::replace_can_shorten_the_lifetime,
        lifetimes::load_does_not_renew_the_lifetime,
        lifetimes::lifetimes_below_a_second_work,
        lifetimes::a_lifetime_of_zero_is_a_millisecond,
        lifetimes::a_lifetime_of_a_hundred_years_works,
        lifetimes::purging_keeps_what_lives,
        lifetimes::time_is_the_time_of_day_and_goes_on,
        values::any_bytes_survive,
        values::an_empty_value_is_a_value,
        values::a_mebibyte_survives,
        values::odd_keys_stay_apart,
        values::scan_takes_the_prefix_literally,
        values::scan_reaches_every_page,
        values::scan_of_nothing_ends,
        index::members_are_added_listed_and_removed,
        index::indexes_stay_apart,
        index::absent_members_are_no_error,
        index::a_deadline_only_grows,
        index::members_past_their_deadline_are_not_listed,
        index::a_short_member_does_not_shorten_the_index,
        index::an_index_holds_hundreds_of_members,
        index::odd_members_survive,
    );
}

async fn within_limit(rule: &'static str, run: impl Future<Output = ()>) {
    // Printed only when the test fails: the panic itself names a line, this names the rule.
    eprintln!("rule: {rule}");
    assert!(tokio::time::timeout(Duration::from_secs(120), run).await.is_ok(), "the rule `{rule}` did not end");
}

#[track_caller]
fn known(operation: &str) -> &'static str {
    OPERATIONS
        .into_iter()
        .find(|name| *name == operation)
        .unwrap_or_else(|| panic!("no operation `{operation}` (at {})", Location::caller()))
}
