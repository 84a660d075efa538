//! Where a session comes from.

use std::net::IpAddr;

/// The browser a session was started from, for the list of devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Client {
    /// The network address.
    pub address: Option<String>,
    /// The `User-Agent` header, at most 256 bytes.
    pub user_agent: Option<String>,
}

impl Client {
    /// A client with `address` and `user_agent`; the latter is cut to 256 bytes.
    #[must_use]
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        Self {
            address: address.map(|address| address.to_string()),
            user_agent: user_agent.map(|agent| agent[..agent.floor_char_boundary(256)].to_owned()),
        }
    }
}

/// The network address of the client.
///
/// Adapters use the peer's address. Behind a proxy that is the proxy's: put this into the request's extensions, before
/// the session is loaded, and they use it instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);
