//! The cross-origin decision, without any HTTP type.

mod spelling;

use std::{error::Error as StdError, fmt, sync::Arc};

use crate::error::{Error, ErrorKind};
use spelling::normalise;
#[cfg(any(fuzzing, test))]
pub(super) use spelling::normalise as normalised;

/// Decides whether another site may have caused an unsafe request.
///
/// GET, HEAD and OPTIONS are safe, unless they upgrade the connection. All other requests are unsafe. For those:
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
/// Browsers send no `Sec-Fetch-Site` to plain `http` hosts other than the local one, so on such a host a service must
/// list the origin of its own pages too. `http://localhost` and `http://127.0.0.1` are two sites: a page of one cannot
/// call the other.
///
/// See the [module](crate::csrf) for an example. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossOrigin {
    origins: Arc<[String]>,
    bearer: bool,
}

impl CrossOrigin {
    /// Allows the pages of `origins`. List every service that shares the session, including this one.
    ///
    /// An origin is `http` or `https`, a host and optionally a port, as in `https://app.example:8443`. Upper case and
    /// default ports are normalised. Write an international host in its `xn--` form, as browsers do. An empty list is
    /// valid: then only `Sec-Fetch-Site` lets a browser pass.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the first invalid value: one with a path (also a lone `/`), a user, a wildcard,
    /// surrounding space, or an address that browsers spell differently.
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
        Ok(Self { origins, bearer: false })
    }

    /// Accepts requests that have one `Authorization: Bearer` header and no `Cookie` header at all, regardless of the
    /// page that made them. Default: off. For services with [bearer tokens](crate::SessionManager::with_bearer_tokens):
    /// no browser adds that header by itself, and a script of another site can add it only if the service's CORS
    /// headers allow that.
    ///
    /// ```
    /// use shared_session::csrf::{CrossOrigin, CrossOriginCheck};
    ///
    /// let check = CrossOriginCheck::new(CrossOrigin::new(["https://app.example"])?.with_bearer_tokens());
    /// let app = |name| match name {
    ///     "authorization" => Some(&b"Bearer token"[..]),
    ///     "origin" => Some(&b"capacitor://localhost"[..]),
    ///     _ => None,
    /// };
    /// assert!(check.refuse("POST", "/orders", app).is_none());
    /// assert!(check.refuse("POST", "/orders", |name| if name == "cookie" { Some(&b"a=1"[..]) } else { app(name) }).is_some());
    /// # Ok::<(), shared_session::Error>(())
    /// ```
    #[must_use]
    pub fn with_bearer_tokens(self) -> Self {
        Self { bearer: true, ..self }
    }

    pub(super) fn takes_bearer(&self) -> bool {
        self.bearer
    }

    /// The decision on one request. Pure; it allocates nothing.
    pub(super) fn check(&self, request: OriginHeaders<'_>) -> Result<(), OriginRefusal> {
        if request.bearer || !request.upgrade && matches!(request.method, "GET" | "HEAD" | "OPTIONS") {
            return Ok(());
        }
        match (request.sec_fetch_site, request.origin) {
            (Field::Repeated, _) | (_, Field::Repeated) => Err(OriginRefusal::RepeatedHeader),
            (Field::One(b"same-origin" | b"none"), _) | (Field::Absent, Field::Absent) => Ok(()),
            (Field::One(b"cross-site"), _) => Err(OriginRefusal::CrossSite),
            (Field::One(b"same-site"), Field::Absent) => Err(OriginRefusal::MissingOrigin),
            (Field::One(b"same-site") | Field::Absent, Field::One(origin)) => self.check_origin(origin),
            (Field::One(_), _) => Err(OriginRefusal::UnknownSite),
        }
    }

    /// `null` needs no special case: it is never in the list.
    fn check_origin(&self, origin: &[u8]) -> Result<(), OriginRefusal> {
        if self.origins.iter().any(|allowed| allowed.as_bytes() == origin) {
            Ok(())
        } else {
            Err(OriginRefusal::ForeignOrigin)
        }
    }
}

/// The parts of a request that [`CrossOrigin::check`] uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct OriginHeaders<'a> {
    method: &'a str,
    sec_fetch_site: Field<'a>,
    origin: Field<'a>,
    upgrade: bool,
    bearer: bool,
}

impl<'a> OriginHeaders<'a> {
    /// The method, and **all** values of the `Sec-Fetch-Site` and of the `Origin` header. Pass an `Option` if a header
    /// cannot be repeated.
    ///
    /// Methods are case-sensitive (RFC 9110, section 9.1): `get` is not GET and counts as unsafe.
    pub(super) fn new(
        method: &'a str,
        sec_fetch_site: impl IntoIterator<Item = &'a [u8]>,
        origin: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        Self {
            method,
            sec_fetch_site: Field::of(sec_fetch_site),
            origin: Field::of(origin),
            upgrade: false,
            bearer: false,
        }
    }

    /// Whether the request cannot come from a browser alone: it has a bearer token, if those are accepted, and no
    /// cookie.
    pub(super) const fn with_bearer(mut self, bearer: bool) -> Self {
        self.bearer = bearer;
        self
    }

    /// Whether the request carries an `Upgrade` header. Default: no. Browsers send one only to open a WebSocket, by
    /// GET and from any site, so such a request is checked like an unsafe one (OWASP ASVS 5.0, 4.4.2).
    pub(super) const fn with_upgrade(mut self, upgrade: bool) -> Self {
        self.upgrade = upgrade;
        self
    }
}

/// The reason why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OriginRefusal {
    /// According to the browser, another site made the request.
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

impl OriginRefusal {
    /// The reason in `error`, if it is a refused cross-origin request. For hooks that explain it to the visitor.
    ///
    /// ```
    /// use shared_session::csrf::{CrossOrigin, CrossOriginCheck, OriginRefusal};
    ///
    /// let check = CrossOriginCheck::new(CrossOrigin::new(["https://app.example"])?);
    /// let origin = |name| (name == "origin").then_some(&b"https://evil.example"[..]);
    /// let refused = check.refuse("POST", "/orders", origin);
    /// assert_eq!(refused.and_then(|refused| OriginRefusal::of(&refused.error)), Some(OriginRefusal::ForeignOrigin));
    /// # Ok::<(), shared_session::Error>(())
    /// ```
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        error.source()?.downcast_ref().copied()
    }

    pub(super) fn into_error(self) -> Error {
        let error = Error::new(ErrorKind::CrossSite, "a cross-origin request was refused").with_source(self);
        match self {
            Self::CrossSite => error.with_public_message("A page of another site sent this request."),
            Self::ForeignOrigin | Self::MissingOrigin => {
                error.with_public_message("This service does not accept requests from that page.")
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

impl fmt::Display for OriginRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl StdError for OriginRefusal {}

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

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "http://localhost:8000";
    const OTHER_OWN: &str = "http://127.0.0.1:8001";

    fn cross_origin() -> CrossOrigin {
        CrossOrigin::new([OWN, OTHER_OWN, "https://app.example"]).unwrap()
    }

    fn check(method: &str, site: &[&str], origin: &[&str]) -> Result<(), OriginRefusal> {
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
                    assert_eq!(verdict.is_ok(), cell == '+', "{method} {site:?} {origin:?}: {verdict:?}");
                }
            }
        }
    }

    #[test]
    fn safe_methods_always_pass() {
        for method in ["GET", "HEAD", "OPTIONS"] {
            for (site, _) in TABLE {
                for origin in ORIGINS {
                    assert!(check(method, site, origin).is_ok(), "{method} {site:?} {origin:?}");
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
                assert_eq!(cross_origin().check(request).is_ok(), cell == '+');
            }
        }
    }

    #[test]
    fn both_services_may_call_each_other_on_one_host_but_not_across_sites() {
        assert!(check("POST", &["same-site"], &[OWN]).is_ok());
        assert!(check("POST", &[], &[OTHER_OWN]).is_ok());
        assert_eq!(check("POST", &["cross-site"], &[OWN]), Err(OriginRefusal::CrossSite));
    }

    #[test]
    fn a_client_is_told_why_where_that_says_nothing_of_the_service() {
        let told = |refusal: OriginRefusal| refusal.into_error().public_message();
        assert_eq!(told(OriginRefusal::CrossSite), "A page of another site sent this request.");
        assert_eq!(told(OriginRefusal::ForeignOrigin), told(OriginRefusal::MissingOrigin));
        assert!(told(OriginRefusal::ForeignOrigin).starts_with("This service does not accept requests"));
        for other in [OriginRefusal::UnknownSite, OriginRefusal::RepeatedHeader] {
            assert_eq!(told(other), ErrorKind::CrossSite.public_message());
        }
    }

    #[test]
    fn a_refusal_says_why_and_is_a_cross_site_error() {
        for (site, origin, refusal) in [
            (&["cross-site"][..], &[][..], OriginRefusal::CrossSite),
            (&["x"], &[OWN], OriginRefusal::UnknownSite),
            (&["same-site"], &["null"], OriginRefusal::ForeignOrigin),
            (&[], &["null"], OriginRefusal::ForeignOrigin),
            (&["same-site"], &[], OriginRefusal::MissingOrigin),
            (&[], &[OWN, OWN], OriginRefusal::RepeatedHeader),
            (&["same-origin", "same-origin"], &[], OriginRefusal::RepeatedHeader),
        ] {
            let verdict = check("POST", site, origin);
            assert_eq!(verdict, Err(refusal), "{site:?} {origin:?}");
            let error = refusal.into_error();
            assert_eq!((error.kind(), OriginRefusal::of(&error)), (ErrorKind::CrossSite, Some(refusal)));
        }
    }

    #[test]
    fn without_origins_only_fetch_metadata_lets_a_browser_pass() {
        let none = CrossOrigin::new([] as [&str; 0]).unwrap();
        let post = |site, origin| none.check(OriginHeaders::new("POST", site, origin)).is_ok();
        assert!(post(Some(&b"same-origin"[..]), Some(&b"http://localhost:8000"[..])));
        assert!(post(None, None));
        assert!(!post(None, Some(&b"http://localhost:8000"[..])));
    }
}
