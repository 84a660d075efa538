//! Links between pages: redirect targets that stay on this site, and percent-encoding.

use std::borrow::Cow;

use shared_session::users;

use crate::prefix::Prefix;

/// Pages to which a sign-in does not lead back: after a form it would seem to have failed, and sign-out is not a page.
const NOT_BACK_TO: [&[u8]; 4] = [b"/login", b"/register", b"/logout", b"/confirm"];

/// The page after a login: `next` if it is a path of this host, byte for byte, otherwise the profile. `next` is the
/// path that the browser shows, so it already has the `prefix` of this site.
///
/// [`users::safe_next`] describes the paths that are refused.
///
/// ```
/// use shared_session_examples::{links::safe_next, prefix::Prefix};
///
/// let none = Prefix::default();
/// assert_eq!(safe_next("/admin/users?page=2", &none), "/admin/users?page=2");
/// assert_eq!(safe_next("/search?q=a%0Ab%5Cc", &none), "/search?q=a%0Ab%5Cc");
/// assert_eq!(safe_next("//evil.example", &none), "/profile");
/// ```
#[must_use]
pub fn safe_next<'a>(next: &'a str, prefix: &Prefix) -> Cow<'a, str> {
    if is_safe(next, prefix) { next.into() } else { format!("{prefix}/profile").into() }
}

fn is_safe(next: &str, prefix: &Prefix) -> bool {
    let decoded = percent_decoded(path_of(next));
    let page = decoded.strip_prefix(prefix.as_str().as_bytes()).unwrap_or_default();
    users::safe_next(next).is_some() && !NOT_BACK_TO.contains(&page)
}

fn path_of(next: &str) -> &str {
    next.split(['?', '#']).next().unwrap_or(next)
}

/// The link to reload the page at `path` (path and query, without the `prefix`). `None` if a browser may take it for
/// the page of another site.
#[must_use]
pub fn same_page(prefix: &Prefix, path: &str) -> Option<String> {
    Some(format!("{prefix}{path}")).filter(|link| users::safe_next(link).is_some())
}

/// The login page that leads back to `path` (path and query, without the `prefix`).
#[must_use]
pub fn login_url(prefix: &Prefix, path: &str) -> String {
    leading_back(prefix, "/login", path)
}

/// The page that asks for the password once more and leads back to `path`, as [`login_url`] does.
#[must_use]
pub fn confirm_url(prefix: &Prefix, path: &str) -> String {
    leading_back(prefix, "/confirm", path)
}

fn leading_back(prefix: &Prefix, page: &str, path: &str) -> String {
    let next = format!("{prefix}{path}");
    if is_safe(&next, prefix) { format!("{prefix}{page}?next={}", encoded(&next)) } else { format!("{prefix}{page}") }
}

/// Percent-encodes all but unreserved characters and slashes (RFC 3986).
#[must_use]
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~/".contains(&b) {
            out.push(b.into());
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

/// The bytes of a percent-encoded text (RFC 3986); an invalid `%` stands for itself.
fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let hex = |b: &u8| char::from(*b).to_digit(16);
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(high).is_some() && hex(low).is_some() => {
                out.extend(hex(high).zip(hex(low)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok()));
                rest = after;
            }
            _ => out.push(*first),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `next` is followed on a site without a prefix, and on one under `/accounts`.
    fn followed(next: &str) -> [bool; 2] {
        [Prefix::default(), accounts()].map(|prefix| match &*safe_next(next, &prefix) {
            same if same == next => true,
            other => {
                assert_eq!(other, format!("{prefix}/profile"), "{next:?}");
                false
            }
        })
    }

    fn accounts() -> Prefix {
        Prefix::parse("/accounts").unwrap()
    }

    #[test]
    fn paths_of_this_host_are_followed_byte_for_byte() {
        for next in [
            "/",
            "/admin/users?q=a%20b&page=2",
            "/a//b",
            "/sessions#x",
            "/login-history",
            "/?u=//x",
            "/search?q=a%0Ab%5Cc",
            "/search?q=a%0ab%5cc",
            "/search?q=%00%0D%0A%09%7F&r=%2F%2Fevil.example",
            "/search?q=a\\b",
            "/search?next=https://evil.example/\\x",
            "/search#%5C\\%0A",
            "/?%5C",
            "/@evil.example",
            "/a@b:c",
            "/user:secret@evil.example",
            "/a;b=c,d'(e)!$*+",
            "/\"<script>",
            "/caf%C3%A9?q=%E2%80%A8",
            "/%252Fevil.example",
            "/100%",
            "/a?b?c#d#e",
            "/...",
            "/a.b/.well-known/x",
        ] {
            assert_eq!(followed(next), [true; 2], "{next:?}");
        }
        assert_eq!(followed(&format!("/{}", "a".repeat(2047))), [true; 2]);
    }

    #[test]
    fn other_targets_lead_to_the_profile() {
        for next in [
            "",
            "profile",
            "https://evil.example",
            "HTTPS:evil.example",
            "javascript:alert(1)",
            "?next=/x",
            "#x",
            "@evil.example",
            "//evil.example",
            "///evil.example",
            "//user@evil.example",
            "//?x",
            "/\\evil.example",
            "\\/evil.example",
            "\\\\evil.example",
            "/a\\b",
            "/a\\b?q=1",
            "/\t/evil.example",
            "\t//evil.example",
            "/\n/evil.example",
            "/search?q=a\tb",
            "/search?q=a\nb",
            "/search?q=a\r\nSet-Cookie: x=y",
            " /profile/x",
            "/a b",
            "/a?b c",
            "/a\r\nSet-Cookie: x=y",
            "/a\0",
            "/\u{7f}",
            "/é",
            "/?é",
            "/\u{2028}",
            "/%0d%0aSet-Cookie:x=y",
            "/%0D",
            "/%09/evil.example",
            "/%00",
            "/%7f",
            "/%2fevil.example",
            "/%2F/evil.example",
            "/%5cevil.example",
            "/a%5Cb",
            "/.//evil.example",
            "/..//evil.example",
            "/a/../..//evil.example",
            "/%2e%2e//evil.example",
            "/.",
            "%2f%2fevil.example",
        ] {
            assert_eq!(followed(next), [false; 2], "{next:?}");
        }
        assert_eq!(followed(&format!("/{}", "a".repeat(2048))), [false; 2]);
    }

    #[test]
    fn signing_in_does_not_lead_back_to_its_own_forms() {
        for page in ["/login", "/login?next=/login", "/logout", "/register#x", "/%6cogin"] {
            assert_eq!(followed(page), [false, true], "{page}");
            assert_eq!(followed(&format!("/accounts{page}")), [true, false], "{page}");
        }
    }

    #[test]
    fn the_login_page_leads_back() {
        let (none, accounts) = (Prefix::default(), accounts());
        assert_eq!(login_url(&none, "/profile"), "/login?next=/profile");
        assert_eq!(login_url(&none, "/admin/users?q=a&page=2"), "/login?next=/admin/users%3Fq%3Da%26page%3D2");
        assert_eq!(login_url(&none, "/admin/users?q=a%0Ab%5Cc"), "/login?next=/admin/users%3Fq%3Da%250Ab%255Cc");
        assert_eq!(login_url(&none, "//evil.example"), "/login");
        assert_eq!(login_url(&accounts, "/profile"), "/accounts/login?next=/accounts/profile");
        assert_eq!(login_url(&accounts, "/login"), "/accounts/login");
    }

    #[test]
    fn the_same_page_is_offered_again_if_it_is_of_this_host() {
        let (none, accounts) = (Prefix::default(), Prefix::parse("/accounts").unwrap());
        assert_eq!(same_page(&none, "/login?next=/a").as_deref(), Some("/login?next=/a"));
        assert_eq!(same_page(&accounts, "/profile").as_deref(), Some("/accounts/profile"));
        for path in ["//evil.example", "/%2fevil.example", "/\\evil.example", "evil.example"] {
            assert_eq!(same_page(&none, path), None, "{path}");
        }
    }

    #[test]
    fn broken_percent_signs_are_not_decoded() {
        assert_eq!(percent_decoded("%41%4%zz%"), b"A%4%zz%");
    }
}
