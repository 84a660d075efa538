use proptest::{option, prelude::*};

use super::*;

const ORIGIN: Origin = Origin { host: "app.example.com", https: true };

const SAME_SITES: [SameSite; 3] = [SameSite::Strict, SameSite::Lax, SameSite::None];

#[derive(Clone, Copy)]
struct Origin {
    host: &'static str,
    https: bool,
}

#[derive(Debug)]
struct Kept {
    name: String,
    value: String,
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
    partition: Option<&'static str>,
}

impl Kept {
    fn replaces(&self, other: &Self) -> bool {
        let key =
            |kept: &Self| (kept.name.clone(), kept.domain.clone(), kept.host_only, kept.path.clone(), kept.partition);
        key(self) == key(other)
    }
}

/// A browser's cookie store, with the relevant parts of RFC 6265bis, 5.6 to 5.8 and of CHIPS. The user looks at one
/// site.
#[derive(Debug, Default)]
struct Jar {
    kept: Vec<Kept>,
}

impl Jar {
    const SITE: &str = "https://example.com";

    /// Whether the browser accepts this `Set-Cookie` value.
    fn receive(&mut self, from: Origin, set_cookie: &str) -> bool {
        if set_cookie.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return false;
        }
        let blank = |c| c == ' ' || c == '\t';
        let mut parts = set_cookie.split(';');
        let pair = parts.next().unwrap();
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        let (name, value) = (name.trim_matches(blank), value.trim_matches(blank));
        if name.len() + value.len() > 4096 || name.len() + value.len() == 0 {
            return false;
        }
        let attributes: Vec<(String, &str)> = parts
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .map(|(key, value)| (key.trim_matches(blank).to_ascii_lowercase(), value.trim_matches(blank)))
            .filter(|(_, value)| value.len() <= 1024)
            .collect();
        let last = |key: &str| attributes.iter().rev().find(|(name, _)| name == key).map(|(_, value)| *value);
        let domain = last("domain").map(|domain| domain.strip_prefix('.').unwrap_or(domain)).unwrap_or_default();
        let kept = Kept {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: if domain.is_empty() { from.host.to_owned() } else { domain.to_ascii_lowercase() },
            host_only: domain.is_empty(),
            path: last("path").filter(|path| path.starts_with('/')).unwrap_or("/").to_owned(),
            secure: last("secure").is_some(),
            partition: last("partitioned").map(|_| Self::SITE),
        };
        let named = |prefix: &str| name.to_ascii_lowercase().starts_with(prefix);
        let disguised = |prefix: &str| name.is_empty() && value.to_ascii_lowercase().starts_with(prefix);
        let refused = !domain_matches(from.host, &kept.domain)
            || (kept.secure && !from.https)
            || (!from.https && self.kept.iter().any(|old| old.secure && old.name == name))
            || (!kept.secure && (kept.partition.is_some() || last("samesite") == Some("None")))
            || (!kept.secure && (named("__secure-") || named("__http-")))
            || (named("__http-") && last("httponly").is_none())
            || (named("__host-") && !(kept.secure && kept.host_only && last("path") == Some("/")))
            || disguised("__secure-")
            || disguised("__host-");
        if refused {
            return false;
        }
        let expired = match (last("max-age"), last("expires")) {
            (Some(seconds), _) => seconds.parse::<i64>().is_ok_and(|seconds| seconds <= 0),
            (None, Some(date)) => date.contains(" 1970 "),
            (None, None) => false,
        };
        self.kept.retain(|old| !kept.replaces(old));
        if !expired {
            self.kept.push(kept);
        }
        true
    }

    /// The `Cookie` header of a request: longer paths first.
    fn header(&self, to: Origin, path: &str) -> String {
        let sent = |kept: &&Kept| {
            (if kept.host_only { to.host == kept.domain } else { domain_matches(to.host, &kept.domain) })
                && path_matches(path, &kept.path)
                && (to.https || !kept.secure)
        };
        let mut sent: Vec<&Kept> = self.kept.iter().filter(sent).collect();
        sent.sort_by_key(|kept| std::cmp::Reverse(kept.path.len()));
        sent.iter().map(|kept| format!("{}={}", kept.name, kept.value)).collect::<Vec<_>>().join("; ")
    }
}

fn domain_matches(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|below| below.ends_with('.'))
}

fn path_matches(path: &str, cookie_path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|below| below.is_empty() || cookie_path.ends_with('/') || below.starts_with('/'))
}

fn shared() -> CookieConfig {
    CookieConfig::new("__Secure-session").with_domain("example.com")
}

#[test]
fn a_browser_keeps_the_default_cookie_and_forgets_it_when_told() {
    let cookie = CookieConfig::default().build().unwrap();
    let mut jar = Jar::default();
    assert!(jar.receive(ORIGIN, &cookie.set("abc")));
    let header = jar.header(ORIGIN, "/api/session");
    assert_eq!(cookie.read([header.as_bytes()]), Presented::One(b"abc"));
    assert_eq!(jar.header(Origin { host: "www.example.com", ..ORIGIN }, "/"), "");
    assert_eq!(jar.header(Origin { https: false, ..ORIGIN }, "/"), "");

    assert!(jar.receive(ORIGIN, &cookie.set("xyz")));
    assert_eq!(jar.header(ORIGIN, "/"), "__Host-session=xyz", "a new value replaces the old one");

    assert!(jar.receive(ORIGIN, &cookie.delete()));
    assert!(jar.kept.is_empty(), "{jar:?}");
}

#[test]
fn a_deletion_carries_every_attribute_of_the_cookie() {
    let config = CookieConfig::new("__Secure-session")
        .with_domain("example.com")
        .with_path("/app")
        .with_same_site(SameSite::None)
        .with_partitioned(true)
        .with_max_age(Some(StdDuration::from_secs(60)));
    let cookie = config.build().unwrap();
    let attributes = "; HttpOnly; SameSite=None; Partitioned; Secure; Path=/app; Domain=example.com; Max-Age=";
    assert_eq!(cookie.set("abc"), format!("__Secure-session=abc{attributes}60"));
    let end = "0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    assert_eq!(cookie.delete(), format!("__Secure-session={attributes}{end}"));
}

#[test]
fn a_deletion_that_lacks_an_attribute_leaves_the_cookie() {
    let embedded = shared().with_path("/app").with_same_site(SameSite::None).with_partitioned(true);
    let cases = [
        (CookieConfig::default(), "; Secure"),
        (CookieConfig::default(), "; Path=/"),
        (shared(), "; Secure"),
        (shared(), "; Domain=example.com"),
        (embedded.clone(), "; Path=/app"),
        (embedded, "; Partitioned"),
    ];
    for (config, attribute) in cases {
        let cookie = config.build().unwrap();
        let mut jar = Jar::default();
        assert!(jar.receive(ORIGIN, &cookie.set("abc")));
        let partial = cookie.delete().replacen(attribute, "", 1);
        assert_ne!(partial, cookie.delete(), "{attribute}");
        jar.receive(ORIGIN, &partial);
        assert_eq!(jar.kept.len(), 1, "the model must notice a missing {attribute}");
        jar.receive(ORIGIN, &cookie.delete());
        assert!(jar.kept.is_empty());
    }
}

/// The cookies of a browser at `host` that got the cookie in each of the scopes in turn, then sent them all to `path`
/// and received the response.
fn after(
    scopes: &[CookieConfig],
    now: &CookieConfig,
    path: &str,
    change: impl Fn(&SessionCookie, Sent) -> SetCookie,
) -> Jar {
    let mut jar = Jar::default();
    for (n, scope) in scopes.iter().enumerate() {
        assert!(jar.receive(ORIGIN, &scope.clone().build().unwrap().set(&format!("old{n}"))), "{scope:?}");
    }
    let cookie = now.clone().build().unwrap();
    let header = jar.header(ORIGIN, path);
    for line in
        change(&cookie, cookie.read([header.as_bytes()]).sent()).headers(&RequestUrl::new(Some(ORIGIN.host), path))
    {
        assert!(jar.receive(ORIGIN, &line), "{line}");
    }
    jar
}

fn scopes() -> Vec<CookieConfig> {
    let named = || CookieConfig::new("__Secure-session");
    let mut scopes = Vec::new();
    for domain in [None, Some("example.com"), Some("app.example.com")] {
        for path in ["/", "/shop", "/shop/", "/shop/account"] {
            let config = named().with_path(path);
            scopes.push(match domain {
                None => config,
                Some(domain) => config.with_domain(domain),
            });
        }
    }
    scopes
}

#[test]
fn of_cookies_in_several_scopes_only_the_new_one_is_left() {
    const PATH: &str = "/shop/account/login";
    let set = |cookie: &SessionCookie, sent| cookie.setting("new", None, sent);
    for now in scopes() {
        for one in scopes() {
            for other in scopes().into_iter().filter(|other| *other != one) {
                let jar = after(&[one.clone(), other], &now, PATH, set);
                assert_eq!(jar.header(ORIGIN, PATH), "__Secure-session=new", "{now:?} after {one:?}: {jar:?}");
                assert_eq!(jar.kept.len(), 1, "{jar:?}");
            }
        }
        let jar = after(&scopes(), &now, PATH, set);
        assert_eq!(jar.kept.len(), 1, "all at once: {jar:?}");
        let jar = after(&scopes(), &now, PATH, |cookie, sent| cookie.deleting(sent));
        assert!(jar.kept.is_empty(), "a sign-out: {jar:?}");
    }
}

#[test]
fn another_domain_leaves_no_twin_even_at_the_first_answer() {
    let set = |cookie: &SessionCookie, sent| cookie.setting("new", None, sent);
    for now in scopes() {
        for before in scopes().into_iter().filter(|before| before.path == now.path) {
            let jar = after(&[before], &now, "/shop/account", set);
            assert_eq!(jar.kept.len(), 1, "{now:?}: {jar:?}");
        }
    }
    let moved = shared().with_path("/shop");
    let now = shared().with_former_path("/shop");
    assert_eq!(after(&[moved], &now, "/shop", set).kept.len(), 1, "nor does a path configured as former");
}

#[test]
fn a_partitioned_cookie_and_one_that_is_not_are_twins_too() {
    let open = CookieConfig::default().with_same_site(SameSite::None);
    let partitioned = open.clone().with_partitioned(true);
    let both = [open.clone(), partitioned.clone()];
    for now in [open, partitioned] {
        let jar = after(&both, &now, "/", |cookie, sent| cookie.setting("new", None, sent));
        assert_eq!(jar.header(ORIGIN, "/"), "__Host-session=new");
    }
}

#[test]
fn the_configured_scope_is_set_last_and_never_expired() {
    let url = RequestUrl::new(Some("a.b.app.example.com:443"), "/shop/account/login");
    for config in scopes().into_iter().chain([shared(), CookieConfig::default()]) {
        let cookie = config.build().unwrap();
        for sent in [Sent::Nothing, Sent::Once, Sent::Several] {
            let set = cookie.setting("new", None, sent);
            let headers = set.headers(&url);
            let (last, expired) = headers.split_last().unwrap();
            assert_eq!(last, set.own());
            let scope = |line: &str| line.split_once("; HttpOnly").unwrap().1.replace("; Max-Age=0", "");
            assert!(expired.iter().all(|line| line.contains("Max-Age=0") && scope(line) != scope(last)), "{headers:?}");
            let size: usize = headers.iter().map(|line| "set-cookie: \r\n".len() + line.len()).sum();
            assert!(size < 3800, "{size} bytes");
        }
    }
}

#[test]
fn a_host_cannot_add_to_a_header() {
    let cookie = CookieConfig::new("sid").build().unwrap();
    for (host, path) in [
        ("a.com; Secure", "/"),
        ("a.com\r\nSet-Cookie: x=y", "/"),
        ("ä.com", "/"),
        ("x.com", "/a;Domain=evil.com/b"),
        ("x.com", "/a\r\nb"),
    ] {
        for line in cookie.setting("v", None, Sent::Several).headers(&RequestUrl::new(Some(host), path)) {
            assert!(!line.contains(['\r', '\n', 'ä']) && !line.contains("evil") && !line.contains("a.com"), "{line}");
        }
    }
}

#[test]
fn a_deletion_works_for_browsers_that_know_only_expires() {
    let cookie = CookieConfig::default().build().unwrap();
    let mut jar = Jar::default();
    jar.receive(ORIGIN, &cookie.set("abc"));
    assert!(jar.receive(ORIGIN, &cookie.delete().replace("; Max-Age=0", "")));
    assert!(jar.kept.is_empty());
}

#[test]
fn every_configuration_that_builds_is_kept_and_deleted_by_a_browser() {
    let names =
        ["session", "__Host-s", "__HOST-s", "__host-s", "__Secure-s", "__sEcUrE-s", "__Http-s", "__Host-Http-s", "a b"];
    let domains = [None, Some("example.com"), Some(".app.example.com"), Some("a..b")];
    let ages = [None, Some(0), Some(1), Some(34_560_000), Some(34_560_001)].map(|age| age.map(StdDuration::from_secs));
    let configs = names
        .into_iter()
        .map(CookieConfig::new)
        .flat_map(|config| [true, false].map(|secure| config.clone().with_secure(secure)))
        .flat_map(|config| domains.map(|domain| domain.into_iter().fold(config.clone(), CookieConfig::with_domain)))
        .flat_map(|config| ["/", "/app", "app", "/;"].map(|path| config.clone().with_path(path)))
        .flat_map(|config| SAME_SITES.map(|same_site| config.clone().with_same_site(same_site)))
        .flat_map(|config| [true, false].map(|partitioned| config.clone().with_partitioned(partitioned)))
        .flat_map(|config| ages.map(|age| config.clone().with_max_age(age)));

    let (mut built, mut refused) = (0, 0);
    for config in configs {
        let CookieConfig { name, secure, path, .. } = config.clone();
        match config.clone().build() {
            Ok(cookie) => {
                built += 1;
                let mut jar = Jar::default();
                let origin = Origin { https: secure, ..ORIGIN };
                assert!(jar.receive(origin, &cookie.set("abc")), "{config:?}");
                assert_eq!(jar.header(origin, &path), format!("{name}=abc"), "{config:?}");
                assert!(jar.receive(origin, &cookie.delete()), "{config:?}");
                assert!(jar.kept.is_empty(), "{config:?}");
            }
            Err(error) => {
                refused += 1;
                assert_eq!(error.kind(), crate::error::ErrorKind::Config);
            }
        }
    }
    // Three ages are in range. SameSite and Partitioned go together in four ways with Secure and in two without.
    // A `__Host-` name (4) has one path and no domain; with another prefix (3) or none (1), 2 paths and 3 domains.
    assert_eq!(built, 3 * (4 * 4 + 4 * 6 * 4 + 6 * 2));
    assert_eq!(built + refused, 9 * 2 * 4 * 4 * 3 * 2 * 5);
}

#[test]
fn a_neighbouring_host_cannot_plant_a_host_cookie() {
    let evil = Origin { host: "evil.example.com", https: true };
    let cookie = CookieConfig::default().build().unwrap();
    let mut jar = Jar::default();
    jar.receive(ORIGIN, &cookie.set("abc"));

    let everywhere = "Domain=example.com; Path=/; Secure";
    for name in ["__Host-session", "__HOST-SESSION", " __Host-session ", "=__Host-session", "=__hOST-session"] {
        assert!(!jar.receive(evil, &format!("{name}=evil; {everywhere}")), "{name:?}");
    }
    // Browsers treat these as different names; the reader must too.
    let disguises = ["__%48ost-session", "\u{2003}__Host-session", "\u{a0}__Host-session", "\"__Host-session", "x"];
    for name in disguises {
        assert!(jar.receive(evil, &format!("{name}=evil; {everywhere}")), "{name:?}");
    }
    let header = jar.header(ORIGIN, "/");
    assert_eq!(header.matches("evil").count(), disguises.len());
    assert_eq!(cookie.read([header.as_bytes()]), Presented::One(b"abc"));
}

#[test]
fn a_cookie_that_a_neighbouring_host_planted_beside_ours_is_noticed() {
    let evil = Origin { host: "evil.example.com", https: true };
    let cookie = shared().build().unwrap();
    let mut jar = Jar::default();
    jar.receive(ORIGIN, &cookie.set("abc"));
    assert!(jar.receive(evil, "__Secure-session=evil; Domain=example.com; Path=/api; Secure"));
    assert_eq!(cookie.read([jar.header(ORIGIN, "/").as_bytes()]), Presented::One(b"abc"));
    assert_eq!(cookie.read([jar.header(ORIGIN, "/api/login").as_bytes()]), Presented::Conflicting);
}

#[test]
fn no_value_can_end_the_cookie_or_the_header() {
    let cookie = CookieConfig::default().build().unwrap();
    let set = |value| cookie.set(value).split_once("; HttpOnly").unwrap().0.to_owned();
    assert_eq!(set("AZaz09-_.~+/=!%"), "__Host-session=AZaz09-_.~+/=!%");
    assert_eq!(set("a; Domain=x"), "__Host-session=a%3B%20Domain=x");
    assert_eq!(set("a\r\nX: y\0\u{7f}"), "__Host-session=a%0D%0AX:%20y%00%7F");
    assert_eq!(set("\"a\\,\""), "__Host-session=%22a%5C%2C%22");
    assert_eq!(set("é"), "__Host-session=%C3%A9");
}

#[test]
fn the_default_cookie_with_the_longest_value_fits_into_a_browser() {
    let cookie = CookieConfig::new("n".repeat(3072)).build().unwrap();
    assert!(Jar::default().receive(ORIGIN, &cookie.set(&"v".repeat(SessionCookie::MAX_VALUE_LEN))));
    assert!(!Jar::default().receive(ORIGIN, &cookie.set(&"v".repeat(SessionCookie::MAX_VALUE_LEN + 1))));
}

fn any_config() -> impl Strategy<Value = CookieConfig> {
    let name = prop_oneof![".{0,12}", "(?i:__host-|__secure-|__http-|__host-http-)?[a-z%~]{0,8}"];
    let domain = option::of(prop_oneof![".{0,12}", "(app[.])?example[.]com"]);
    let path = prop_oneof![Just("/".to_owned()), ".{0,12}", "/[!-~]{0,12}"];
    let max_age = option::of((0..40_000_000_000_u64).prop_map(StdDuration::from_millis));
    (name, domain, path, prop::sample::select(&SAME_SITES[..]), any::<bool>(), any::<bool>(), max_age).prop_map(
        |(name, domain, path, same_site, secure, partitioned, max_age)| {
            let config = CookieConfig::new(name)
                .with_secure(secure)
                .with_path(path)
                .with_same_site(same_site)
                .with_partitioned(partitioned)
                .with_max_age(max_age);
            domain.into_iter().fold(config, CookieConfig::with_domain)
        },
    )
}

proptest! {
    #[test]
    fn a_built_cookie_never_violates_a_prefix_rule(config in any_config(), value in ".{0,80}") {
        let Ok(cookie) = config.build() else { return Ok(()) };
        let name = cookie.name().to_ascii_lowercase();
        for written in [cookie.set(&value), cookie.delete()] {
            prop_assert!(written.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
            let (pair, attributes) = written.split_once("; ").expect("attributes");
            let attributes: Vec<&str> = attributes.split("; ").collect();
            let has = |attribute: &str| attributes.contains(&attribute);
            let domain = attributes.iter().any(|attribute| attribute.starts_with("Domain"));
            prop_assert_eq!(pair.split_once('=').map(|(name, _)| name), Some(cookie.name()));
            prop_assert!(has("HttpOnly"));
            prop_assert_eq!(attributes.iter().filter(|attribute| attribute.starts_with("Path=/")).count(), 1);
            if name.starts_with("__host-") {
                prop_assert!(has("Secure") && has("Path=/") && !domain);
            }
            if name.starts_with("__secure-") || name.starts_with("__http-") || has("SameSite=None") {
                prop_assert!(has("Secure"));
            }
            if has("Partitioned") {
                prop_assert!(has("Secure") && has("SameSite=None"));
            }
        }
    }

    #[test]
    fn a_cookie_is_written_as_the_crate_cookie_writes_it(config in any_config(), value in "[a-zA-Z0-9_.-]{0,80}") {
        let Ok(cookie) = config.build() else { return Ok(()) };
        let mut expected = in_scope(cookie.config(), &value, &Scope::of(cookie.config()));
        if let Some(max_age) = cookie.max_age() {
            expected.set_max_age(Duration::seconds(i64::try_from(max_age.as_secs()).unwrap()));
        }
        prop_assert_eq!(cookie.set(&value), expected.to_string());
    }

    #[test]
    fn a_browser_sends_back_the_value_that_was_set(config in any_config(), value in ".{0,80}") {
        let CookieConfig { secure, domain, path, .. } = config.clone();
        let Ok(cookie) = config.build() else { return Ok(()) };
        prop_assume!(domain.is_none_or(|domain| domain_matches(ORIGIN.host, &domain.to_ascii_lowercase())));
        let origin = Origin { https: secure, ..ORIGIN };
        let mut jar = Jar::default();
        prop_assert!(jar.receive(origin, &cookie.set(&value)));
        let header = jar.header(origin, &path);
        let written = cookie_octets(&value);
        prop_assert_eq!(cookie.read([header.as_bytes()]), Presented::One(written.as_bytes()));
        prop_assert!(jar.receive(origin, &cookie.delete()));
        prop_assert!(jar.kept.is_empty());
    }
}
