//! The client that started a session.

use std::net::IpAddr;

/// The browser that started a session, for the list of devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Client {
    /// The network address.
    pub address: Option<IpAddr>,
    /// The `User-Agent` header, at most 256 bytes.
    pub user_agent: Option<String>,
}

impl Client {
    /// A client with `address` and `user_agent`; the latter is cut to 256 bytes.
    #[must_use]
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        Self { address, user_agent: user_agent.map(|agent| agent[..agent.floor_char_boundary(256)].to_owned()) }
    }

    /// A client as it is stored. A text that is not an address is ignored.
    pub(crate) fn from_stored(address: Option<String>, user_agent: Option<String>) -> Self {
        Self { address: address.and_then(|text| text.parse().ok()), user_agent }
    }

    /// The address as it is stored.
    pub(crate) fn stored_address(&self) -> Option<String> {
        self.address.map(|address| address.to_string())
    }
}

/// The network address of the client.
///
/// Adapters use the peer's address. Behind a proxy that is the address of the proxy: put this value into the request's
/// extensions before the session is loaded, and the adapters use it instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);
