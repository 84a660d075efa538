//! Access to metrics and readiness.

use std::net::SocketAddr;

use super::{Secret, SettingsError, reader::Reader};

const MIN_TOKEN_BYTES: usize = 16;

/// Access to `/metrics` and `/readyz`; see [`crate::operations`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operations {
    /// `OPERATIONS_ADDR`, default none: only this address answers them, no longer the visitors' listener.
    pub addr: Option<SocketAddr>,
    /// `OPERATIONS_TOKEN`, default none: the token that clients must send.
    pub token: Option<Secret>,
}

impl Operations {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, SettingsError> {
        Ok(Self {
            addr: reader.optional_address("OPERATIONS_ADDR")?,
            token: reader.secret("OPERATIONS_TOKEN", MIN_TOKEN_BYTES)?,
        })
    }
}
