//! What sessions and users in SQL share: connections to PostgreSQL, and what an error of a driver means.

pub(crate) mod error;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
