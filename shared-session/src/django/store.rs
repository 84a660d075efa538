//! The stores of Django's engines `db` and `cached_db`.

#[cfg(feature = "redis")]
pub(crate) mod cached_db;
pub(crate) mod db;
