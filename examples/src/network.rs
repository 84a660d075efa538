//! The address of the client, also behind proxies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network in CIDR notation, `10.0.0.0/8` or `fd00::/8`; a single address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads CIDR notation. `None` also if the address has bits set beyond the prefix, which is usually a slip.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) if prefix.bytes().all(|b| b.is_ascii_digit()) => (address, prefix.parse().ok()?),
            Some(_) => return None,
            None => (text, if text.contains(':') { 128 } else { 32 }),
        };
        let network = match address.parse().ok()? {
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() && prefix >= 96 => {
                Self { address: v6.to_canonical(), prefix: prefix - 96 }
            }
            address => Self { address, prefix },
        };
        (network.first()? == network.address).then_some(network)
    }

    /// Whether `address` is in this network. IPv4 addresses inside IPv6 (`::ffff:10.0.0.1`) count as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let same_family = Self { address: address.to_canonical(), prefix: self.prefix };
        same_family.address.is_ipv4() == self.address.is_ipv4() && same_family.first() == Some(self.address)
    }

    /// The lowest address of the network, `None` if the prefix is longer than the address.
    fn first(&self) -> Option<IpAddr> {
        let prefix = u32::from(self.prefix);
        Some(match self.address {
            IpAddr::V4(v4) => {
                let host_bits = 32_u32.checked_sub(prefix)?;
                Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(host_bits).unwrap_or(0)).into()
            }
            IpAddr::V6(v6) => {
                let host_bits = 128_u32.checked_sub(prefix)?;
                Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(host_bits).unwrap_or(0)).into()
            }
        })
    }
}

/// The address of the client: the rightmost address that is not a trusted proxy's.
///
/// `forwarded_for` are the values of the `X-Forwarded-For` headers in their order. Each proxy appends the address that
/// it saw, so only the part right of the first untrusted address is reliable; a client can write any bytes to the left
/// of it. If the peer is not trusted, the header is ignored.
///
/// ```
/// use shared_session_examples::network::{Network, client_address};
///
/// let trusted: Vec<_> = Network::parse("10.0.0.0/8").into_iter().collect();
/// let (proxy, stranger, client) = ("10.0.0.1".parse()?, "198.51.100.7".parse()?, "203.0.113.9");
/// let forged_then_real = [&b"1.1.1.1, 203.0.113.9"[..]];
/// assert_eq!(client_address(proxy, forged_then_real, &trusted).to_string(), client);
/// assert_eq!(client_address(stranger, forged_then_real, &trusted), stranger);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn client_address<'a>(
    peer: IpAddr,
    forwarded_for: impl IntoIterator<Item = &'a [u8]>,
    trusted: &[Network],
) -> IpAddr {
    let headers: Vec<_> = forwarded_for.into_iter().collect();
    let mut client = peer.to_canonical();
    for hop in headers.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b',')) {
        if !trusted.iter().any(|network| network.contains(client)) {
            break;
        }
        match parse_hop(hop) {
            Some(address) => client = address,
            // An entry is invalid, so nothing left of it can be trusted.
            None => break,
        }
    }
    client
}

/// An address, with or without a port.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = str::from_utf8(hop).ok()?.trim();
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().or_else(|_| hop.parse().map(|with_port: std::net::SocketAddr| with_port.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(list: &[&str]) -> Vec<Network> {
        list.iter().map(|text| Network::parse(text).unwrap()).collect()
    }

    fn client(peer: &str, forwarded_for: &[&str], trusted: &[&str]) -> String {
        let headers = forwarded_for.iter().map(|header| header.as_bytes());
        client_address(peer.parse().unwrap(), headers, &networks(trusted)).to_string()
    }

    #[test]
    fn a_network_contains_its_first_and_last_address_and_no_neighbour() {
        let v4 = Network::parse("192.168.4.0/22").unwrap();
        for (address, inside) in
            [("192.168.4.0", true), ("192.168.7.255", true), ("192.168.8.0", false), ("192.168.3.255", false)]
        {
            assert_eq!(v4.contains(address.parse().unwrap()), inside, "{address}");
        }
        let v6 = Network::parse("fd00::/8").unwrap();
        assert!(v6.contains("fdff::1".parse().unwrap()) && !v6.contains("fe00::".parse().unwrap()));
        assert!(!v6.contains("10.0.0.1".parse().unwrap()) && !v4.contains("fd00::1".parse().unwrap()));
    }

    #[test]
    fn a_network_may_be_everything_or_one_address() {
        assert!(Network::parse("0.0.0.0/0").unwrap().contains("203.0.113.1".parse().unwrap()));
        assert!(Network::parse("::/0").unwrap().contains("2001:db8::1".parse().unwrap()));
        let one = Network::parse("::1").unwrap();
        assert!(one.contains("::1".parse().unwrap()) && !one.contains("::2".parse().unwrap()));
    }

    #[test]
    fn ipv4_inside_ipv6_is_ipv4() {
        assert_eq!(Network::parse("::ffff:10.0.0.0/104"), Network::parse("10.0.0.0/8"));
        assert!(Network::parse("10.0.0.0/8").unwrap().contains("::ffff:10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn malformed_networks_are_refused() {
        for text in
            ["", "10.0.0.0/33", "::/129", "10.0.0.1/8", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "host/8", "::1/64"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_claims() {
        assert_eq!(client("203.0.113.9", &["1.1.1.1"], &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(client("203.0.113.9", &["1.1.1.1"], &[]), "203.0.113.9");
    }

    #[test]
    fn the_rightmost_untrusted_address_is_the_client() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.2"], &trusted), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "203.0.113.9", "fd00::2"], &trusted), "203.0.113.9");
        assert_eq!(client("::ffff:10.0.0.1", &["::ffff:203.0.113.9"], &trusted), "203.0.113.9");
    }

    #[test]
    fn without_an_untrusted_address_the_leftmost_is_the_client() {
        assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"], &["10.0.0.0/8"]), "10.0.0.3");
        assert_eq!(client("10.0.0.1", &[], &["10.0.0.0/8"]), "10.0.0.1");
    }

    #[test]
    fn addresses_left_of_an_invalid_entry_are_not_trusted() {
        for bad in ["unknown", "", "10.0.0.2 ; x", "_hidden"] {
            assert_eq!(client("10.0.0.1", &[&format!("1.1.1.1, {bad}")], &["10.0.0.0/8"]), "10.0.0.1", "{bad}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_hide_nothing_right_of_them() {
        let of = |header: &[u8]| client_address([10, 0, 0, 1].into(), [header], &networks(&["10.0.0.0/8"])).to_string();
        assert_eq!(of(b"\xff, 203.0.113.9"), "203.0.113.9");
        assert_eq!(of(b"203.0.113.9, \xff"), "10.0.0.1");
    }

    #[test]
    fn ports_and_brackets_are_dropped() {
        for (hop, address) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(client("10.0.0.1", &[hop], &["10.0.0.0/8"]), address);
        }
    }
}
