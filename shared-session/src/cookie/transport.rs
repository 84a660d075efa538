//! Whether a browser can keep a `Secure` cookie: over HTTPS, and from its own host.

use std::{net::IpAddr, sync::atomic::AtomicBool};

use crate::stderr;

/// The browser's connection, as far as the request shows it, for
/// [`RequestUrl::with_transport`](super::RequestUrl::with_transport).
///
/// It only affects a warning: browsers drop a `Secure` cookie that comes over plain HTTP, so each request of such a
/// visitor starts another session, and a counter stays at 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// The request does not show it, or it does not matter.
    #[default]
    Unknown,
    /// HTTPS, or the browser's own host.
    Trustworthy,
    /// Plain HTTP to another host.
    Plain,
}

impl Transport {
    /// Derived from `Sec-Fetch-Site`, `Origin`, `Referer`, `X-Forwarded-Proto`, the `scheme` and `User-Agent`, in this
    /// order.
    pub(crate) fn told_by<'a>(
        scheme: Option<&str>,
        host: Option<&str>,
        header: impl Fn(&'static str) -> Option<&'a [u8]>,
    ) -> Self {
        let Some(host) = host else { return Self::Unknown };
        // Browsers send `Sec-Fetch-Site` over HTTPS and to the local host only.
        if is_local(name_of(host)) || header("sec-fetch-site").is_some() {
            return Self::Trustworthy;
        }
        let text = |name| header(name).and_then(|value| std::str::from_utf8(value).ok());
        let scheme_of_page = |name| {
            let (scheme, rest) = text(name)?.split_once("://")?;
            let authority = rest.split('/').next().unwrap_or(rest);
            authority.eq_ignore_ascii_case(host).then_some(scheme)
        };
        let forwarded = || text("x-forwarded-proto").and_then(|value| value.split(',').next()).map(str::trim);
        // A browser that does not send `Sec-Fetch-Site`, at a port that TLS proxies rarely use.
        let is_browser = || text("user-agent").is_some_and(|agent| agent.starts_with("Mozilla/"));
        let has_odd_port = || !name_of(host).eq(host) && !host.ends_with(":443");
        let told = scheme_of_page("origin").or_else(|| scheme_of_page("referer")).or_else(forwarded).or(scheme);
        match told {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => Self::Trustworthy,
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => Self::Plain,
            _ if has_odd_port() && is_browser() => Self::Plain,
            _ => Self::Unknown,
        }
    }
}

/// The host without its port, and an IPv6 address without its brackets.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

/// Whether browsers trust the host without TLS (Secure Contexts, 3.1).
fn is_local(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Warns, once per process, that browsers drop the cookie.
pub(super) fn warn_of_plain_http() {
    const WARNING: &str = "a Secure cookie was sent over plain HTTP to a host that is not local: browsers drop it, so each \
        request of such a visitor starts another session. Serve over HTTPS; behind a proxy that ends TLS, have it send \
        X-Forwarded-Proto; to try the service over plain HTTP, build the cookie with CookieConfig::with_secure(false) and \
        a name without __Host-";
    static WARNED: AtomicBool = AtomicBool::new(false);
    stderr::warn_once(&WARNED, WARNING);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_by(scheme: Option<&str>, host: &str, headers: &[(&str, &'static str)]) -> Transport {
        Transport::told_by(scheme, Some(host), |name| {
            headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_bytes())
        })
    }

    #[test]
    fn the_scheme_is_the_one_that_the_browser_or_the_proxy_tells() {
        for (scheme, host, headers, transport) in [
            (None, "app.example", &[][..], Transport::Unknown),
            (Some("http"), "app.example", &[], Transport::Plain),
            (Some("https"), "app.example", &[], Transport::Trustworthy),
            (Some("http"), "app.example", &[("x-forwarded-proto", "https")], Transport::Trustworthy),
            (Some("http"), "app.example", &[("x-forwarded-proto", "HTTPS, http")], Transport::Trustworthy),
            (None, "app.example", &[("x-forwarded-proto", "http")], Transport::Plain),
            (None, "app.example", &[("origin", "http://app.example")], Transport::Plain),
            (None, "app.example", &[("origin", "http://other.example")], Transport::Unknown),
            (None, "app.example", &[("origin", "null")], Transport::Unknown),
            (None, "app.example:8000", &[("referer", "http://app.example:8000/page?a")], Transport::Plain),
            (None, "app.example", &[("referer", "https://app.example/")], Transport::Trustworthy),
            (Some("http"), "app.example", &[("sec-fetch-site", "none")], Transport::Trustworthy),
            (None, "192.168.1.5:8000", &[("user-agent", "Mozilla/5.0 (X11)")], Transport::Plain),
            (None, "192.168.1.5:8000", &[("user-agent", "curl/8.5.0")], Transport::Unknown),
            (None, "app.example", &[("user-agent", "Mozilla/5.0 (compatible; a bot)")], Transport::Unknown),
            (None, "app.example:443", &[("user-agent", "Mozilla/5.0")], Transport::Unknown),
            (Some("ws"), "app.example", &[], Transport::Unknown),
        ] {
            assert_eq!(told_by(scheme, host, headers), transport, "{scheme:?} {host} {headers:?}");
        }
    }

    #[test]
    fn the_local_host_needs_no_tls() {
        for host in
            ["localhost", "LOCALHOST:8000", "app.localhost:8000", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000", "[::1]"]
        {
            assert_eq!(told_by(Some("http"), host, &[]), Transport::Trustworthy, "{host}");
        }
        for host in ["localhost.example", "notlocalhost", "10.0.0.1", "[2001:db8::1]:8000", "[::ffff:10.0.0.1]"] {
            assert_eq!(told_by(Some("http"), host, &[]), Transport::Plain, "{host}");
        }
    }
}
