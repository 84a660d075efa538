//! Limits on the connections and the time that clients may use.

use std::time::Duration;

use super::{SettingsError, reader::Reader};

const MAX_SECONDS: u64 = 3600;
const MAX_CONNECTIONS: u32 = 1_000_000;

/// Limits on the connections and the time that clients may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// `HTTP_IDLE_TIMEOUT`, default 10 s: how long a connection may take to send the head of a request, or stay idle.
    pub idle: Duration,
    /// `HTTP_REQUEST_TIMEOUT`, default 30 s: how long a request may take, its body included, until its answer begins.
    /// After that the answer is 408.
    pub request: Duration,
    /// `HTTP_CONNECTIONS`, default 1024: how many connections may be open at a time. Others wait until one ends.
    pub connections: u32,
}

impl HttpLimits {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, SettingsError> {
        Ok(Self {
            idle: reader.seconds("HTTP_IDLE_TIMEOUT", 10, MAX_SECONDS)?,
            request: reader.seconds("HTTP_REQUEST_TIMEOUT", 30, MAX_SECONDS)?,
            connections: reader.count_from("HTTP_CONNECTIONS", 1024, 1, MAX_CONNECTIONS)?,
        })
    }
}
