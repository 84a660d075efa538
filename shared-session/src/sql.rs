//! The code that sessions and users in SQL share: connections to PostgreSQL, and the meaning of a driver's errors.

pub(crate) mod error;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
