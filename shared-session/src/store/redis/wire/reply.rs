//! Numbers and texts in the forms of Redis.

use std::time::Duration;

use redis::Value;

use crate::decimal::Decimal;

/// The longest lifetime in milliseconds and the latest deadline: what a double holds exactly, because scores and Lua
/// numbers are doubles. It is 285,000 years, and far from where Redis' own sums overflow.
pub(crate) const MAX_MILLIS: u64 = (1 << 53) - 1;

/// A lifetime, as commands say it.
pub(crate) fn millis(ttl: Duration) -> Decimal {
    Decimal::of(u64::try_from(ttl.as_millis()).unwrap_or(MAX_MILLIS).clamp(1, MAX_MILLIS))
}

/// The text of a reply; `None` if we cannot have written it.
pub(crate) fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        _ => None,
    }
}
