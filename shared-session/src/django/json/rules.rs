//! How JSON is written, and how deep it may be.

/// The deepest nesting.
pub(super) const MAX_DEPTH: u8 = 128;

/// The separators between members, and between a key and its value.
pub(crate) type Style = (&'static str, &'static str);
/// `json.dumps` as `django.core.signing` calls it.
pub(crate) const COMPACT: Style = (",", ":");
/// `json.dumps` as it is, in django-redis.
pub(crate) const SPACED: Style = (", ", ": ");

/// What is written for a value that JSON does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Nothing: only what reads back as the same Python value is written.
    Exact,
    /// What Django's `DjangoJSONEncoder` writes.
    Django,
    /// What Rust types expect: dates and times in ISO 8601 with all digits (and `[Europe/Paris]` for a named zone),
    /// `timedelta` as seconds, `Decimal` and `UUID` as strings, sets as arrays, bytes as arrays of numbers, `NaN` and
    /// infinities as `null`.
    View,
}
