//! The owner of a SQLite file.

/// How to treat a SQLite file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum File {
    /// It is ours: create it if it is missing, and switch it to WAL.
    Own,
    /// It belongs to another application: change nothing.
    #[cfg(feature = "django")]
    Foreign,
}
