//! The scopes, besides the configured one, in which a browser may hold a cookie.
//!
//! A browser distinguishes cookies of one name by domain, by "this host only", by path and by partition, and sends all
//! that match. So after a change of scope the old cookie lives on beside its successor. A deletion must name the
//! cookie's scope, and a request does not contain it, so this module lists the possible ones.

use std::net::IpAddr;

use super::{CookieConfig, Transport, read::Sent};

/// The URL of a request as its browser wrote it, which limits the scopes of its cookies.
///
/// The URL need not be trusted. Browsers ignore a deletion for another domain, so a forged host deletes nothing; an
/// invalid host name or path is left out.
///
/// ```
/// use shared_session::cookie::RequestUrl;
///
/// let url = RequestUrl::new(Some("app.example.com:8443"), "/account/login");
/// # let _ = url;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestUrl<'a> {
    host: Option<&'a str>,
    path: &'a str,
    transport: Transport,
}

impl<'a> RequestUrl<'a> {
    /// The `Host` header or the `:authority` of a request, with or without a port, and its path without the query.
    #[must_use]
    pub const fn new(host: Option<&'a str>, path: &'a str) -> Self {
        Self { host, path, transport: Transport::Unknown }
    }

    /// Sets the browser's connection, if it is known. Default: [`Transport::Unknown`].
    #[must_use]
    pub const fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    pub(super) fn is_plain(&self) -> bool {
        self.transport == Transport::Plain
    }

    /// The host, if a cookie can have it as its domain: not an address, and not a single label such as `localhost`, for
    /// which browsers keep a cookie with a domain as one without.
    fn domain(&self) -> Option<&'a str> {
        let host = self.host?;
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        (is_shared(name) && super::config::is_host_name(name)).then_some(name)
    }
}

/// The attributes that distinguish two cookies of one name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) domain: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) partitioned: bool,
}

impl PartialEq for Scope<'_> {
    fn eq(&self, other: &Self) -> bool {
        same_domain(self.domain, other.domain) && (self.path, self.partitioned) == (other.path, other.partitioned)
    }
}

/// The most scopes that one response expires. Each costs about 100 bytes of the head, which proxies limit: nginx to 4
/// KiB by default. The configured ones come first and always fit.
const MOST: usize = 32;

impl<'a> Scope<'a> {
    pub(super) fn of(config: &'a CookieConfig) -> Self {
        Self { domain: config.domain.as_deref(), path: &config.path, partitioned: config.partitioned }
    }

    /// The other scopes under which a browser that sent the cookie this often to `url` may hold it; never that of
    /// `config`.
    ///
    /// - None sent: no scopes.
    /// - One sent: that cookie may come from an earlier configuration and would then exist beside the new one. Few
    ///   scopes are possible: other domains for the same path, and the configured former ones.
    /// - Several sent: each combination of the matching domains and paths.
    pub(super) fn others(config: &'a CookieConfig, sent: Sent, url: &RequestUrl<'a>) -> Vec<Self> {
        let own = Self::of(config);
        let mut others = Others { own, found: Vec::new() };
        // Browsers hold a cookie with the prefix `__Host-` in one scope only.
        if sent != Sent::Nothing && !config.is_host_only() {
            let domains = Domains::of(config, url);
            let former = config.former_paths.iter().map(String::as_str);
            let declared: Vec<&str> = [own.path].into_iter().chain(former).collect();
            others.pairs(&domains.declared, &declared);
            if sent == Sent::Several {
                let paths: Vec<&str> =
                    declared.iter().copied().chain(prefixes(own.path)).chain(prefixes(url.path)).collect();
                others.pairs(&domains.all, &paths);
            } else {
                others.pairs(&domains.all, &[own.path]);
                others.pairs(&[own.domain], &prefixes(own.path));
            }
        }
        if sent == Sent::Several && config.secure {
            others.add(Self { partitioned: !own.partitioned, ..own });
        }
        others.found
    }
}

struct Others<'a> {
    own: Scope<'a>,
    found: Vec<Scope<'a>>,
}

impl<'a> Others<'a> {
    fn pairs(&mut self, domains: &[Option<&'a str>], paths: &[&'a str]) {
        for path in paths {
            for domain in domains {
                self.add(Scope { domain: *domain, path, partitioned: self.own.partitioned });
            }
        }
    }

    fn add(&mut self, scope: Scope<'a>) {
        if self.found.len() < MOST && scope != self.own && !self.found.contains(&scope) {
            self.found.push(scope);
        }
    }
}

/// `None` is the cookie of a single host.
struct Domains<'a> {
    /// The domains in the configuration.
    declared: Vec<Option<&'a str>>,
    all: Vec<Option<&'a str>>,
}

impl<'a> Domains<'a> {
    fn of(config: &'a CookieConfig, url: &RequestUrl<'a>) -> Self {
        let own = config.domain.as_deref();
        let former = config.former_domains.iter().map(|domain| Some(domain.as_str()));
        let declared: Vec<_> = [None, own].into_iter().chain(former).collect();
        let parents = url.domain().into_iter().chain(own).flat_map(with_parents).map(Some);
        Self { all: declared.iter().copied().chain(parents).collect(), declared }
    }
}

/// `a.b.example.com`, `b.example.com`, `example.com`: single labels are public suffixes, which browsers refuse.
fn with_parents(domain: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(domain), |domain| domain.split_once('.').map(|(_, parent)| parent))
        .take_while(|domain| is_shared(domain))
}

/// Whether a cookie with the domain `name` differs from the cookie of the host `name` alone.
fn is_shared(name: &str) -> bool {
    name.contains('.') && name.parse::<IpAddr>().is_err()
}

fn same_domain(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (one, other) => one == other,
    }
}

/// The paths of cookies that browsers send to `path`, the shallow ones first: `/`, `/a`, `/a/`, `/a/b` for `/a/b`. They
/// end before the first character that a cookie path cannot contain, and before the length at which browsers ignore
/// them.
fn prefixes(path: &str) -> Vec<&str> {
    let end = path.bytes().take(super::config::MAX_ATTRIBUTES_LEN).take_while(super::config::is_path_byte).count();
    let whole = (end == path.len() && !path.ends_with('/')).then_some(path);
    let Some(path) = path.get(..end).filter(|path| path.starts_with('/')) else { return Vec::new() };
    let slashes = path.match_indices('/').map(|(at, _)| at);
    let cut = slashes.flat_map(|at| [&path[..at], &path[..=at]]);
    cut.chain(whole).filter(|path| !path.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others(config: &CookieConfig, sent: Sent, host: &str, path: &str) -> Vec<String> {
        let scopes = Scope::others(config, sent, &RequestUrl::new(Some(host), path));
        assert!(scopes.iter().all(|scope| *scope != Scope::of(config)), "the configured scope is among {scopes:?}");
        scopes
            .iter()
            .map(|scope| {
                let partition = if scope.partitioned { " partitioned" } else { "" };
                format!("{}{}{partition}", scope.domain.unwrap_or("-"), scope.path)
            })
            .collect()
    }

    fn plain() -> CookieConfig {
        CookieConfig::new("sid").with_secure(false)
    }

    #[test]
    fn of_one_cookie_the_other_domains_for_its_path_are_possible() {
        let once = |config, host| others(&config, Sent::Once, host, "/api/login");
        assert_eq!(once(plain(), "app.example.com:8000"), ["app.example.com/", "example.com/"]);
        assert_eq!(once(plain().with_domain("example.com"), "app.example.com"), ["-/", "app.example.com/"]);
        assert_eq!(once(plain().with_domain("app.example.com"), "app.example.com"), ["-/", "example.com/"]);
        for host in ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "", "a;b.com", "a..b", "-a.com"] {
            assert_eq!(once(plain(), host), [""; 0], "{host}");
        }
        assert_eq!(once(plain().with_path("/app/x"), "localhost"), ["-/", "-/app", "-/app/"]);
    }

    #[test]
    fn former_scopes_are_possible_whatever_the_request() {
        let config = plain().with_former_domain(".old.example").with_former_path("/old");
        let expected = ["old.example/", "-/old", "old.example/old"];
        assert_eq!(others(&config, Sent::Once, "localhost", "/"), expected);
        assert_eq!(others(&config, Sent::Nothing, "localhost", "/"), [""; 0]);
    }

    #[test]
    fn of_several_cookies_each_domain_and_path_that_matches_is_possible() {
        let found = others(&plain(), Sent::Several, "app.example.com", "/api/login");
        let mut expected = Vec::new();
        for path in ["/", "/api", "/api/", "/api/login"] {
            for domain in ["-", "app.example.com", "example.com"] {
                expected.push(format!("{domain}{path}"));
            }
        }
        assert_eq!(found, expected[1..], "all but the configured one");
        let shared = plain().with_domain("app.example.com").with_path("/app");
        let found = others(&shared, Sent::Several, "www.app.example.com", "/app/x");
        for possible in ["-/", "-/app", "-/app/x", "example.com/app/", "www.app.example.com/", "app.example.com/"] {
            assert!(found.iter().any(|scope| scope == possible), "{possible} is not in {found:?}");
        }
        assert_eq!(others(&plain(), Sent::Several, "EXAMPLE.com", "/"), ["EXAMPLE.com/"]);
        assert_eq!(others(&plain().with_domain("Example.com"), Sent::Several, "example.com", "/"), ["-/"]);
    }

    #[test]
    fn a_cookie_of_one_host_has_twins_in_another_partition_alone() {
        let config = CookieConfig::new("__Host-sid");
        assert_eq!(others(&config, Sent::Once, "app.example.com", "/a"), [""; 0]);
        assert_eq!(others(&config, Sent::Several, "app.example.com", "/a"), ["-/ partitioned"]);
        let embedded = config.with_same_site(super::super::SameSite::None).with_partitioned(true);
        assert_eq!(others(&embedded, Sent::Several, "app.example.com", "/a"), ["-/"]);
    }

    #[test]
    fn paths_that_no_cookie_can_have_are_left_out() {
        assert_eq!(prefixes("/a/b;v=1/c"), ["/", "/a", "/a/"]);
        assert_eq!(prefixes(""), [""; 0]);
        assert_eq!(prefixes("*"), [""; 0]);
        assert_eq!(prefixes("/ü/x"), ["/"]);
        assert_eq!(prefixes("/a/"), ["/", "/a", "/a/"]);
        assert_eq!(prefixes(&format!("/a/{}", "x".repeat(2000))), ["/", "/a", "/a/"]);
    }

    #[test]
    fn the_number_is_bounded_and_the_configured_ones_come_first() {
        let mut config = plain();
        for n in 0..4 {
            config = config.with_former_domain(format!("d{n}.example")).with_former_path(format!("/p{n}"));
        }
        let found = others(&config, Sent::Several, "a.b.c.d.e.f.example.com", &"/x".repeat(200));
        assert_eq!(found.len(), MOST);
        for n in 0..4 {
            assert!(found.contains(&format!("d{n}.example/p{n}")));
        }
    }
}
