//! The owner of a SQLite file.

/// How to treat a SQLite file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum File {
    /// Our own file: create it if it is missing, and switch it to WAL.
    Own,
    /// The file of another application: change nothing.
    #[cfg(feature = "django")]
    Foreign,
}
