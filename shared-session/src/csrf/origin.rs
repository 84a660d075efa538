//! The cross-origin decision, without any HTTP type.

use std::{
    error::Error as StdError,
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use crate::{Error, ErrorKind};

/// Decides whether another site may have caused an unsafe request.
///
/// Unsafe are all methods except GET, HEAD and OPTIONS, and all requests that upgrade their connection. For those:
///
/// | `Sec-Fetch-Site` | `Origin` | |
/// |---|---|---|
/// | `same-origin`, `none` | any | allowed |
/// | `same-site` or absent | equal to a configured origin | allowed |
/// | absent | absent | allowed: not a browser |
/// | `same-site` | absent | refused |
/// | `same-site` or absent | `null` or any other | refused |
/// | `cross-site` or any other value | any, also a configured one | refused |
///
/// A request that repeats one of the headers is refused. `Host` and `X-Forwarded-*` are never used: the origins are
/// settings. Sources: OWASP CSRF Prevention Cheat Sheet, "Fetch Metadata headers"; OWASP ASVS 5.0, 3.5.1 to 3.5.3; RFC
/// 6454, section 7.
///
/// Browsers send no `Sec-Fetch-Site` to plain `http` hosts other than the local one, so there even a service's own
/// pages need their origin in the list. `http://localhost` and `http://127.0.0.1` are two sites: a page of one cannot
/// call the other.
///
/// See the [module](crate::csrf) for an example. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossOrigin {
    origins: Arc<[String]>,
}

impl CrossOrigin {
    /// Allows the pages of `origins`, which should name every service that shares the session, this one included.
    ///
    /// An origin is `http` or `https`, a host and perhaps a port, as in `https://app.example:8443`. Upper case and
    /// default ports are normalised. Write an international host in its `xn--` form, as browsers do. An empty list is
    /// valid: then only `Sec-Fetch-Site` lets a browser pass.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the first value that is not an origin: one with a path (also a lone `/`), a user,
    /// a wildcard, surrounding space, or an address that browsers spell differently.
    pub fn new<I>(origins: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let origins = origins
            .into_iter()
            .map(|origin| {
                let origin = origin.as_ref();
                normalise(origin).ok_or_else(|| {
                    let message = format!("{origin:?} is not an origin; write it as https://host or https://host:port");
                    Error::new(ErrorKind::Config, message)
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { origins })
    }

    /// The configured origins as browsers write them, for example for a CORS layer.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.origins.iter().map(String::as_str)
    }

    /// The decision on one request. Pure; it allocates nothing.
    pub fn check(&self, request: OriginHeaders<'_>) -> Verdict {
        if !request.upgrade && matches!(request.method, "GET" | "HEAD" | "OPTIONS") {
            return Verdict::Allowed;
        }
        match (request.sec_fetch_site, request.origin) {
            (Field::Repeated, _) | (_, Field::Repeated) => Verdict::Refused(Refusal::RepeatedHeader),
            (Field::One(b"same-origin" | b"none"), _) | (Field::Absent, Field::Absent) => Verdict::Allowed,
            (Field::One(b"cross-site"), _) => Verdict::Refused(Refusal::CrossSite),
            (Field::One(b"same-site"), Field::Absent) => Verdict::Refused(Refusal::MissingOrigin),
            (Field::One(b"same-site") | Field::Absent, Field::One(origin)) => self.check_origin(origin),
            (Field::One(_), _) => Verdict::Refused(Refusal::UnknownSite),
        }
    }

    /// `null` needs no case of its own: it is never in the list.
    fn check_origin(&self, origin: &[u8]) -> Verdict {
        if self.origins.iter().any(|allowed| allowed.as_bytes() == origin) {
            Verdict::Allowed
        } else {
            Verdict::Refused(Refusal::ForeignOrigin)
        }
    }
}

/// The parts of a request that [`CrossOrigin::check`] uses.
#[derive(Clone, Copy, Debug)]
pub struct OriginHeaders<'a> {
    method: &'a str,
    sec_fetch_site: Field<'a>,
    origin: Field<'a>,
    upgrade: bool,
}

impl<'a> OriginHeaders<'a> {
    /// The method, and **all** values of the `Sec-Fetch-Site` and of the `Origin` header. Pass an `Option` if a header
    /// cannot be repeated.
    ///
    /// Methods are case-sensitive (RFC 9110, section 9.1): `get` is not GET and counts as unsafe.
    #[must_use]
    pub fn new(
        method: &'a str,
        sec_fetch_site: impl IntoIterator<Item = &'a [u8]>,
        origin: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        Self { method, sec_fetch_site: Field::of(sec_fetch_site), origin: Field::of(origin), upgrade: false }
    }

    /// Whether the request carries an `Upgrade` header. Default: no. Browsers send one only to open a WebSocket, by
    /// GET and from any site, so such a request is checked like an unsafe one (OWASP ASVS 5.0, 4.4.2).
    #[must_use]
    pub const fn with_upgrade(mut self, upgrade: bool) -> Self {
        self.upgrade = upgrade;
        self
    }
}

/// The answer of [`CrossOrigin::check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a refused request must not reach its handler"]
#[non_exhaustive]
pub enum Verdict {
    /// The request is safe, comes from an allowed page, or not from a browser.
    Allowed,
    /// The request must be answered with 403.
    Refused(Refusal),
}

impl Verdict {
    /// Whether the request may go on.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed)
    }

    /// The verdict as a result.
    ///
    /// # Errors
    /// [`ErrorKind::CrossSite`] if the request is refused; its source is the [`Refusal`], which contains nothing of the
    /// request.
    pub fn into_result(self) -> Result<(), Error> {
        match self {
            Self::Allowed => Ok(()),
            Self::Refused(refusal) => Err(refusal.into_error()),
        }
    }
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The browser says that another site made the request.
    CrossSite,
    /// `Sec-Fetch-Site` has an unknown value.
    UnknownSite,
    /// `Origin` is `null` or not one of the configured origins.
    ForeignOrigin,
    /// Another host of the same site made the request, without an `Origin`.
    MissingOrigin,
    /// `Sec-Fetch-Site` or `Origin` was sent more than once.
    RepeatedHeader,
}

impl Refusal {
    /// The reason in `error`, if it is that of a refused cross-origin request. For hooks that explain it to the
    /// visitor.
    ///
    /// ```
    /// use shared_session::csrf::{CrossOrigin, OriginHeaders, Refusal};
    ///
    /// let guard = CrossOrigin::new(["https://app.example"])?;
    /// let foreign = OriginHeaders::new("POST", None, Some(&b"https://evil.example"[..]));
    /// let error = guard.check(foreign).into_result().unwrap_err();
    /// assert_eq!(Refusal::of(&error), Some(Refusal::ForeignOrigin));
    /// # Ok::<(), shared_session::Error>(())
    /// ```
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        error.source()?.downcast_ref().copied()
    }

    fn into_error(self) -> Error {
        let error = Error::new(ErrorKind::CrossSite, "a cross-origin request was refused").with_source(self);
        match self {
            Self::CrossSite => error.with_public_message("A page of another site asked for this."),
            Self::ForeignOrigin | Self::MissingOrigin => {
                error.with_public_message("This service does not accept requests from the page that asked for this.")
            }
            Self::UnknownSite | Self::RepeatedHeader => error,
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::CrossSite => "the request was made by another site",
            Self::UnknownSite => "the Sec-Fetch-Site header has an unknown value",
            Self::ForeignOrigin => "the Origin header is not one of the configured origins",
            Self::MissingOrigin => "the request was made by another host and has no Origin header",
            Self::RepeatedHeader => "the Sec-Fetch-Site or Origin header was sent more than once",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl StdError for Refusal {}

#[derive(Clone, Copy, Debug)]
enum Field<'a> {
    Absent,
    One(&'a [u8]),
    Repeated,
}

impl<'a> Field<'a> {
    fn of(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::One(value),
            (Some(_), Some(_)) => Self::Repeated,
        }
    }
}

/// The origin as a browser would serialise it (RFC 6454, section 6.2), or `None` if it is invalid.
fn normalise(origin: &str) -> Option<String> {
    let (scheme, authority) = origin.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    // The colons of an IPv6 address are inside brackets; what follows the last bracket is the port.
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

    const OWN: &str = "http://localhost:8000";
    const OTHER_OWN: &str = "http://127.0.0.1:8001";

    fn cross_origin() -> CrossOrigin {
        CrossOrigin::new([OWN, OTHER_OWN, "https://app.example"]).unwrap()
    }

    fn check(method: &str, site: &[&str], origin: &[&str]) -> Verdict {
        let site = site.iter().map(|value| value.as_bytes());
        let origin = origin.iter().map(|value| value.as_bytes());
        cross_origin().check(OriginHeaders::new(method, site, origin))
    }

    const ORIGINS: [&[&str]; 15] = [
        &[],
        &[OWN],
        &[OTHER_OWN],
        &["https://app.example"],
        &["null"],
        &["https://evil.example"],
        &["http://app.example"],
        &["http://localhost"],
        &["http://localhost:8001"],
        &["http://localhost:8000/"],
        &["HTTP://LOCALHOST:8000"],
        &["http://localhost:8000.evil.example"],
        &[""],
        &[OWN, OWN],
        &[OWN, "https://evil.example"],
    ];

    /// One row per value of `Sec-Fetch-Site`, one column per entry of `ORIGINS`; `+` passes.
    const TABLE: [(&[&str], &str); 13] = [
        (&[], "++++-----------"),
        (&["same-origin"], "+++++++++++++--"),
        (&["none"], "+++++++++++++--"),
        (&["same-site"], "-+++-----------"),
        (&["cross-site"], "---------------"),
        (&["Same-Origin"], "---------------"),
        (&["same-origin "], "---------------"),
        (&["same-origin, same-origin"], "---------------"),
        (&["unheard-of"], "---------------"),
        (&[""], "---------------"),
        (&["same-origin", "same-origin"], "---------------"),
        (&["none", "cross-site"], "---------------"),
        (&["same-site", "same-site"], "---------------"),
    ];

    #[test]
    fn unsafe_methods_follow_the_table() {
        for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "QUERY", "get", ""] {
            for (site, row) in TABLE {
                assert_eq!(row.len(), ORIGINS.len());
                for (origin, cell) in ORIGINS.iter().zip(row.chars()) {
                    let verdict = check(method, site, origin);
                    assert_eq!(verdict.is_allowed(), cell == '+', "{method} {site:?} {origin:?}: {verdict:?}");
                }
            }
        }
    }

    #[test]
    fn safe_methods_always_pass() {
        for method in ["GET", "HEAD", "OPTIONS"] {
            for (site, _) in TABLE {
                for origin in ORIGINS {
                    assert!(check(method, site, origin).is_allowed(), "{method} {site:?} {origin:?}");
                }
            }
        }
    }

    #[test]
    fn a_websocket_handshake_follows_the_table_although_it_is_a_get() {
        for (site, row) in TABLE {
            for (origin, cell) in ORIGINS.iter().zip(row.chars()) {
                let site = site.iter().map(|value| value.as_bytes());
                let origin = origin.iter().map(|value| value.as_bytes());
                let request = OriginHeaders::new("GET", site, origin).with_upgrade(true);
                assert_eq!(cross_origin().check(request).is_allowed(), cell == '+');
            }
        }
    }

    #[test]
    fn both_services_may_call_each_other_on_one_host_but_not_across_sites() {
        assert!(check("POST", &["same-site"], &[OWN]).is_allowed());
        assert!(check("POST", &[], &[OTHER_OWN]).is_allowed());
        assert_eq!(check("POST", &["cross-site"], &[OWN]), Verdict::Refused(Refusal::CrossSite));
    }

    #[test]
    fn a_client_is_told_why_where_that_says_nothing_of_the_service() {
        let told = |refusal: Refusal| refusal.into_error().public_message();
        assert_eq!(told(Refusal::CrossSite), "A page of another site asked for this.");
        assert_eq!(told(Refusal::ForeignOrigin), told(Refusal::MissingOrigin));
        assert!(told(Refusal::ForeignOrigin).starts_with("This service does not accept requests"));
        for other in [Refusal::UnknownSite, Refusal::RepeatedHeader] {
            assert_eq!(told(other), ErrorKind::CrossSite.public_message());
        }
    }

    #[test]
    fn a_refusal_says_why_and_is_a_cross_site_error() {
        for (site, origin, refusal) in [
            (&["cross-site"][..], &[][..], Refusal::CrossSite),
            (&["x"], &[OWN], Refusal::UnknownSite),
            (&["same-site"], &["null"], Refusal::ForeignOrigin),
            (&[], &["null"], Refusal::ForeignOrigin),
            (&["same-site"], &[], Refusal::MissingOrigin),
            (&[], &[OWN, OWN], Refusal::RepeatedHeader),
            (&["same-origin", "same-origin"], &[], Refusal::RepeatedHeader),
        ] {
            let verdict = check("POST", site, origin);
            assert_eq!(verdict, Verdict::Refused(refusal), "{site:?} {origin:?}");
            let error = verdict.into_result().unwrap_err();
            assert_eq!((error.kind(), Refusal::of(&error)), (ErrorKind::CrossSite, Some(refusal)));
        }
        assert!(Verdict::Allowed.into_result().is_ok());
    }

    #[test]
    fn without_origins_only_fetch_metadata_lets_a_browser_pass() {
        let none = CrossOrigin::new([] as [&str; 0]).unwrap();
        let post = |site, origin| none.check(OriginHeaders::new("POST", site, origin)).is_allowed();
        assert!(post(Some(&b"same-origin"[..]), Some(&b"http://localhost:8000"[..])));
        assert!(post(None, None));
        assert!(!post(None, Some(&b"http://localhost:8000"[..])));
    }

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
            let cross_origin = CrossOrigin::new([written]).unwrap();
            assert_eq!(cross_origin.origins().collect::<Vec<_>>(), [normalised]);
        }
    }

    #[test]
    fn what_is_not_an_origin_is_a_config_error_that_names_it() {
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
