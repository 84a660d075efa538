//! Code shared by sessions and users in SQL: connections to PostgreSQL, and the classification of driver errors.

pub(crate) mod error;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
