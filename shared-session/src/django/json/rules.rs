//! The rules for writing JSON, and its depth limit.

/// The deepest nesting.
pub(super) const MAX_DEPTH: u8 = 128;

/// The separators between members, and between a key and its value.
pub(crate) type Style = (&'static str, &'static str);
/// The style of `json.dumps` in `django.core.signing`.
pub(crate) const COMPACT: Style = (",", ":");
/// The default style of `json.dumps`, in django-redis.
pub(crate) const SPACED: Style = (", ", ": ");

/// How to write a value without a JSON counterpart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Refuse it: write only values that read back as the same Python value.
    Exact,
    /// As Django's `DjangoJSONEncoder` does.
    Django,
    /// As Rust types expect it: dates and times in ISO 8601 with all digits (and `[Europe/Paris]` for a named zone),
    /// `timedelta` as seconds, `Decimal` and `UUID` as strings, sets as arrays, bytes as arrays of numbers, `NaN` and
    /// infinities as `null`.
    View,
}
