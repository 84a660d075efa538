//! Origins as browsers write them.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The origin as a browser would serialise it (RFC 6454, section 6.2), or `None` if it is invalid.
pub(in crate::csrf) fn normalise(origin: &str) -> Option<String> {
    let (scheme, authority) = origin.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    // The colons of an IPv6 address are inside brackets; the port follows the last bracket.
    let colon = match authority.rfind(']') {
        Some(bracket) => authority[bracket..].find(':').map(|at| bracket + at),
        None => authority.find(':'),
    };
    let (host, port) = match colon {
        Some(at) => (&authority[..at], parse_port(&authority[at + 1..])?),
        None => (authority, default_port),
    };
    let host = normalise_host(host)?;
    Some(if port == default_port { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") })
}

fn parse_port(port: &str) -> Option<u16> {
    // `parse` alone would accept "+80".
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    port.parse().ok().filter(|port| *port != 0)
}

fn normalise_host(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        // Browsers and Rust may spell an embedded IPv4 address differently.
        let embeds_ipv4 = address.to_ipv4().is_some() && !address.is_loopback() && !address.is_unspecified();
        return (!embeds_ipv4).then(|| format!("[{address}]"));
    }
    let host = host.to_ascii_lowercase();
    let labels = host.strip_suffix('.').unwrap_or(&host);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if host.len() > 255 || !labels.split('.').all(is_label) {
        return None;
    }
    // A host whose last label is a number is an IPv4 address to browsers, however short (WHATWG URL, "host parsing").
    let last = labels.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    (!is_number || host.parse::<Ipv4Addr>().is_ok()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{csrf::CrossOrigin, error::ErrorKind};

    #[test]
    fn origins_are_normalised_as_browsers_write_them() {
        for (written, normalised) in [
            ("http://localhost:8000", "http://localhost:8000"),
            ("HTTPS://App.Example", "https://app.example"),
            ("https://app.example:443", "https://app.example"),
            ("http://app.example:80", "http://app.example"),
            ("http://app.example:443", "http://app.example:443"),
            ("https://app.example:0443", "https://app.example"),
            ("https://app.example:08443", "https://app.example:8443"),
            ("https://my_app.example.", "https://my_app.example."),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
            ("http://[::1]:80", "http://[::1]"),
            ("http://[0:0:0:0:0:0:0:1]:8000", "http://[::1]:8000"),
            ("http://[2001:DB8::A]", "http://[2001:db8::a]"),
        ] {
            assert_eq!(normalise(written).as_deref(), Some(normalised));
        }
        let of_len = |len: usize| format!("https://{}.example", "a".repeat(len - ".example".len()));
        assert_eq!(normalise(&of_len(255)), Some(of_len(255)));
        assert_eq!(normalise(&of_len(256)), None);
    }

    #[test]
    fn an_invalid_origin_is_a_config_error_that_names_it() {
        for bad in [
            "",
            "*",
            "null",
            "localhost:8000",
            "//localhost",
            "ftp://localhost",
            "ws://localhost",
            "http://",
            "http://*.example",
            "http://localhost/",
            "http://localhost:8000/path",
            "http://localhost?q",
            "http://localhost#f",
            "http://user@localhost",
            "http://user:password@localhost",
            " http://localhost",
            "http://localhost ",
            "http://localhost:",
            "http://localhost:0",
            "http://localhost:+80",
            "http://localhost:65536",
            "http://localhost:80:80",
            "http://a..b",
            "http://.example",
            "http://b\u{fc}cher.example",
            "http://127.1",
            "http://0x7f.1",
            "http://127.0.0.0x1",
            "http://127.0.0.1.",
            "http://256.0.0.1",
            "http://[::1",
            "http://::1",
            "http://[::1]x",
            "http://[::1]x:80",
            "http://[::ffff:127.0.0.1]",
            "http://[fe80::1%25eth0]",
            "http://a\nb",
        ] {
            let error = CrossOrigin::new(["http://localhost:8000", bad]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{bad:?}");
            assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
        }
    }
}
