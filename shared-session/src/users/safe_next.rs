//! The target of the redirect after a login.

use crate::percent;

/// Links of real pages are shorter.
const MAX_LEN: usize = 2048;

/// `next` if it is a path of this site, byte for byte; else `None`. A login page that was [redirected
/// to](super::Guard::redirect_to) continues there. An attacker can make a link to the login page with a `next` that
/// leads to another site (OWASP: Unvalidated Redirects and Forwards).
///
/// Browsers read `//host`, `/\host` and paths with tabs or line breaks as other sites, so these are refused, as is any
/// character other than visible ASCII. In the path they are also refused percent-encoded, because servers on the way
/// may decode them; the segments `.` and `..` are refused in both forms. A query is only data.
///
/// ```
/// use shared_session::users::safe_next;
///
/// assert_eq!(safe_next("/notes?page=2"), Some("/notes?page=2"));
/// for elsewhere in ["https://evil.example", "//evil.example", r"/\evil.example", "/\t/evil.example", "/%5Cevil.example"] {
///     assert_eq!(safe_next(elsewhere), None);
/// }
/// ```
#[doc(alias = "url_has_allowed_host_and_scheme")]
#[must_use]
pub fn safe_next(next: &str) -> Option<&str> {
    let path = next.split(['?', '#']).next().unwrap_or(next);
    let decoded = percent::decoded_bytes(path);
    let is_of_this_site = next.len() <= MAX_LEN
        && next.bytes().all(|byte| byte.is_ascii_graphic())
        && path.starts_with('/')
        && !decoded.starts_with(b"//")
        && decoded.iter().all(|byte| *byte >= b' ' && !matches!(byte, 0x7f | b'\\'))
        && decoded.split(|byte| *byte == b'/').all(|segment| segment != b"." && segment != b"..");
    is_of_this_site.then_some(next)
}

#[cfg(test)]
mod tests {
    use super::safe_next;

    #[test]
    fn paths_of_this_site_stay_as_they_are() {
        for next in [
            "/",
            "/admin/users?q=a%20b&page=2",
            "/a//b",
            "/sessions#x",
            "/?u=//x",
            "/search?q=%00%0D%0A%09%7F&r=%2F%2Fevil.example",
            "/search?q=a\\b",
            "/user:secret@evil.example",
            "/a;b=c,d'(e)!$*+",
            "/caf%C3%A9?q=%E2%80%A8",
            "/%252Fevil.example",
            "/100%",
            "/...",
            "/a.b/.well-known/x",
        ] {
            assert_eq!(safe_next(next), Some(next));
        }
        assert!(safe_next(&format!("/{}", "a".repeat(MAX_PATH))).is_some());
    }

    const MAX_PATH: usize = super::MAX_LEN - 1;

    #[test]
    fn a_path_that_a_browser_may_read_as_another_site_is_refused() {
        for next in [
            "",
            "profile",
            "https://evil.example",
            "javascript:alert(1)",
            "?next=/x",
            "@evil.example",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a\\b?q=1",
            "/\t/evil.example",
            "\t//evil.example",
            "/\n/evil.example",
            "/search?q=a\r\nSet-Cookie: x=y",
            " /profile",
            "/a?b c",
            "/\u{7f}",
            "/é",
            "/%2Fevil.example",
            "/%5Cevil.example",
            "/a%0D%0AX: y",
            "/..//evil.example",
            "/a/%2e%2e/%2e",
        ] {
            assert_eq!(safe_next(next), None, "{next:?}");
        }
        assert_eq!(safe_next(&format!("/{}", "a".repeat(MAX_PATH + 1))), None);
    }
}
