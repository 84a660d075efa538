//! Connections to Redis: finding the server ([`address`], [`sentinel`], [`cluster`]), connecting to it ([`dial`],
//! [`greeting`], [`link`], [`reconnect`]), sharing a connection ([`driver`], [`command`], [`frame`]), and the outcome of a
//! command ([`connection`], [`send_options`], [`failure`]). [`tracking`] follows the keys that the server announces as
//! changed.

pub(crate) mod address;
pub(crate) mod call_limit;
pub(crate) mod capabilities;
pub(crate) mod cluster;
pub(crate) mod connection;
pub(crate) mod dial;
mod driver;
pub(crate) mod encode;
pub(crate) mod failure;
pub(crate) mod frame;
pub(crate) mod greeting;
pub(crate) mod link;
pub(crate) mod reconnect;
pub(crate) mod send_options;
pub(crate) mod sentinel;
pub(crate) mod slots;
#[cfg(feature = "redis-tls")]
pub(crate) mod tls;
pub(crate) mod tracking;
pub(crate) mod trust;
