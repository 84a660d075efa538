//! The names of a store's operations.

use std::panic::Location;

/// The operation names in [`SpyStore`](super::SpyStore) and [`FaultStore`](super::FaultStore).
const OPERATIONS: [&str; 10] =
    ["load", "create", "replace", "delete", "scan", "purge_expired", "index_add", "index_list", "index_remove", "time"];

#[track_caller]
pub(super) fn known(operation: &str) -> &'static str {
    OPERATIONS
        .into_iter()
        .find(|name| *name == operation)
        .unwrap_or_else(|| panic!("no operation `{operation}` (at {})", Location::caller()))
}
