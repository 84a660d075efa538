//! Who may ask for metrics and readiness.

use std::net::SocketAddr;

use super::{Secret, SettingsError, reader::Reader};

const MIN_TOKEN_BYTES: usize = 16;

/// Who may ask for `/metrics` and `/readyz`; see [`crate::operations`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operations {
    /// `OPERATIONS_ADDR`, default none: they are answered there and no longer where visitors come in.
    pub addr: Option<SocketAddr>,
    /// `OPERATIONS_TOKEN`, default none: what whoever asks must show.
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
