//! The path under which visitors see `site`: `https://example.com/accounts`.

use std::fmt;

/// The path that a proxy puts in front of every path of `site`; empty, or a path such as `/accounts`.
///
/// Every link starts with it. A proxy may remove it from a request or leave it on: [`strip`](Self::strip) removes it if
/// it is there.
///
/// ```
/// use shared_session_examples::prefix::Prefix;
///
/// let prefix = Prefix::parse("/accounts").unwrap();
/// assert_eq!(format!("{prefix}/login"), "/accounts/login");
/// assert_eq!(prefix.strip("/accounts/login?next=/").as_deref(), Some("/login?next=/"));
/// assert_eq!(prefix.strip("/login"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefix(String);

const MAX_LEN: usize = 200;

/// The first segments of the paths of `site`. A prefix that starts with one could not be distinguished from a page.
const PAGES: [&str; 11] = [
    "admin", "healthz", "login", "logout", "metrics", "password", "profile", "readyz", "register", "sessions", "static",
];

impl Prefix {
    /// A path of one segment or more: letters, digits and `-._~`, without a slash at the end. It must not start like a
    /// page of `site`.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let mut segments = path.strip_prefix('/')?.split('/').peekable();
        let is_page = segments.peek().is_some_and(|first| PAGES.contains(first));
        let is_segment = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
        };
        (path.len() <= MAX_LEN && !is_page && segments.all(is_segment)).then(|| Self(path.to_owned()))
    }

    /// The prefix that the `X-Forwarded-Prefix` headers of a trusted proxy name, with or without a slash at the end.
    ///
    /// `None` if the headers are missing, for a lone slash and for an invalid prefix; also for several prefixes,
    /// because a client may have made up one of them.
    #[must_use]
    pub fn forwarded<'a>(headers: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut named = headers.into_iter();
        let first = named.next()?;
        let path = str::from_utf8(first).ok().filter(|_| named.all(|other| other == first))?.trim();
        Self::parse(path.strip_suffix('/').unwrap_or(path))
    }

    /// The text in front of a path: empty, or a path without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A path and query without this prefix; `None` if it has none.
    #[must_use]
    pub fn strip(&self, path_and_query: &str) -> Option<String> {
        let rest = path_and_query.strip_prefix(&self.0).filter(|_| !self.0.is_empty())?;
        match rest.bytes().next() {
            Some(b'/') => Some(rest.to_owned()),
            None | Some(b'?' | b'#') => Some(format!("/{rest}")),
            Some(_) => None,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_path() {
        for good in ["/accounts", "/a/b", "/v1.2/x-y_z~", "/Accounts", "/admin2/x", "/x/admin"] {
            assert_eq!(Prefix::parse(good).unwrap().as_str(), good);
        }
        let long = format!("/{}", "a".repeat(MAX_LEN));
        for bad in [
            "",
            "/",
            "accounts",
            "//",
            "//evil.example",
            "/a/",
            "/a//b",
            "/.",
            "/..",
            "/a/../b",
            "/a/.",
            "/a b",
            "/a\\b",
            "/a?b",
            "/a#b",
            "/a;b",
            "/a%2e",
            "/é",
            "/a\n",
            "/a\0",
            "\\a",
            "https://evil.example",
            "/a\"b",
            "/a<b",
            &long,
        ] {
            assert_eq!(Prefix::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_prefix_does_not_begin_like_a_page() {
        for page in PAGES {
            assert_eq!(Prefix::parse(&format!("/{page}")), None);
            assert_eq!(Prefix::parse(&format!("/{page}/x")), None);
        }
    }

    #[test]
    fn only_one_prefix_of_a_proxy_is_believed() {
        let forwarded = |headers: &[&str]| {
            Prefix::forwarded(headers.iter().map(|header| header.as_bytes())).map(|prefix| prefix.as_str().to_owned())
        };
        for named in [&["/accounts"][..], &["/accounts/"], &[" /accounts "], &["/accounts", "/accounts"]] {
            assert_eq!(forwarded(named).as_deref(), Some("/accounts"), "{named:?}");
        }
        for none in [
            &[][..],
            &[""],
            &["/"],
            &["/a, /b"],
            &["/a,/a"],
            &["/a", "/b"],
            &["/a", ""],
            &["//evil.example"],
            &["/a//"],
        ] {
            assert_eq!(forwarded(none), None, "{none:?}");
        }
        assert_eq!(Prefix::forwarded([&b"/\xff"[..]]), None);
    }

    #[test]
    fn a_prefix_comes_off_whole_segments() {
        let prefix = Prefix::parse("/a/b").unwrap();
        for (path, rest) in [
            ("/a/b", Some("/")),
            ("/a/b/", Some("/")),
            ("/a/b?x=1", Some("/?x=1")),
            ("/a/b/login?next=/a/b/", Some("/login?next=/a/b/")),
            ("/a/b//evil", Some("//evil")),
            ("/a/bc", None),
            ("/a", None),
            ("/login", None),
            ("/A/b", None),
        ] {
            assert_eq!(prefix.strip(path).as_deref(), rest, "{path}");
        }
        assert_eq!(Prefix::default().strip("/a"), None);
    }
}
