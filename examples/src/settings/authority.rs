//! Hosts, ports and origins.

use std::{net::Ipv6Addr, str::FromStr};

/// An origin as browsers write it: without the scheme's default port.
pub(super) fn origin(scheme: &str, host: &str, port: Option<u16>) -> String {
    match (scheme, port) {
        (_, None) | ("http", Some(80)) | ("https", Some(443)) => format!("{scheme}://{host}"),
        (_, Some(port)) => format!("{scheme}://{host}:{port}"),
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port` without the port.
pub(super) fn without_port(authority: &str) -> &str {
    let after_brackets = authority.rfind(']').map_or(0, |end| end + 1);
    match authority[after_brackets..].find(':') {
        Some(colon) => &authority[..after_brackets + colon],
        None => authority,
    }
}

/// `host[:port]`: `None` unless the host is a name or an address and the port is 1 to 65535.
pub(super) fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let host = without_port(authority);
    let port = match &authority[host.len()..] {
        "" => None,
        port => Some(digits(&port[1..]).filter(|port| *port != 0)?),
    };
    let valid = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
    };
    valid.then_some((host, port))
}

/// A number in digits only, without a sign.
pub(super) fn digits<T: FromStr>(value: &str) -> Option<T> {
    if value.bytes().all(|b| b.is_ascii_digit()) { value.parse().ok() } else { None }
}
