//! Whose a SQLite file is.

/// What to do about a SQLite file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum File {
    /// It is ours: create it where it is missing, switch it to WAL.
    Own,
    /// It is another application's: take it as it is.
    #[cfg(feature = "django")]
    Foreign,
}
