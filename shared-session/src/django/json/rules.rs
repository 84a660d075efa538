//! How JSON is written, and how deep it may be.

/// The deepest nesting.
pub(super) const MAX_DEPTH: u8 = 128;

/// The separators between members, and between a key and its value.
pub(crate) type Style = (&'static str, &'static str);
/// `json.dumps` as `django.core.signing` calls it.
pub(crate) const COMPACT: Style = (",", ":");
/// `json.dumps` with its defaults, in django-redis.
pub(crate) const SPACED: Style = (", ", ": ");

/// How to write a value that JSON does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Refuse it: write only what reads back as the same Python value.
    Exact,
    /// As Django's `DjangoJSONEncoder` does.
    Django,
    /// As Rust types expect it: dates and times in ISO 8601 with all digits (and `[Europe/Paris]` for a named zone),
    /// `timedelta` as seconds, `Decimal` and `UUID` as strings, sets as arrays, bytes as arrays of numbers, `NaN` and
    /// infinities as `null`.
    View,
}
