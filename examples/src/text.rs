//! Small pure helpers: redirect targets, times, browser names, preference names.

use std::borrow::Cow;

use shared_session::users;

use crate::{prefix::Prefix, translations::Text};

/// Pages to which a sign-in does not lead back: after a form it would seem to have failed, and sign-out is not a page.
const NOT_BACK_TO: [&[u8]; 4] = [b"/login", b"/register", b"/logout", b"/confirm"];

/// The page after a login: `next` if it is a path of this host, byte for byte, otherwise the profile. `next` is the
/// path that the browser shows, so it already has the `prefix` of this site.
///
/// [`users::safe_next`] describes the paths that are refused.
///
/// ```
/// use shared_session_examples::{prefix::Prefix, text::safe_next};
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
#[must_use]
pub fn percent_decoded(text: &str) -> Vec<u8> {
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

/// Whether `name` can name a preference: 1 to 64 of `A-Z a-z 0-9 _ . -`.
#[must_use]
pub fn is_preference_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// The search term of a search field: without the space around it and without control characters, which PostgreSQL
/// refuses; at most 150 characters.
#[must_use]
pub fn search_term(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(150).collect()
}

/// The distance between two times, in seconds: "3 minutes ago", "in 2 days".
///
/// ```
/// use shared_session_examples::{language::Language, text::relative_time};
///
/// assert_eq!(relative_time(1_000, 1_180).in_language(Language::English), "3 minutes ago");
/// assert_eq!(relative_time(1_000 + 2 * 86_400, 1_000).in_language(Language::Chinese), "2 天后");
/// ```
#[must_use]
pub fn relative_time(then: i64, now: i64) -> Text {
    const UNITS: [(u64, Text, Text); 5] = [
        (31_557_600, Text::new("time-years-ago"), Text::new("time-years-ahead")),
        (2_629_800, Text::new("time-months-ago"), Text::new("time-months-ahead")),
        (86_400, Text::new("time-days-ago"), Text::new("time-days-ahead")),
        (3_600, Text::new("time-hours-ago"), Text::new("time-hours-ahead")),
        (60, Text::new("time-minutes-ago"), Text::new("time-minutes-ahead")),
    ];
    let seconds = now.abs_diff(then);
    let Some((size, ago, ahead)) = UNITS.into_iter().find(|(size, ..)| seconds >= *size) else {
        return if then > now { Text::new("time-soon") } else { Text::new("time-now") };
    };
    let text = if then > now { ahead } else { ago };
    text.with_count(seconds / size)
}

/// A time in the format of RFC 3339, from seconds since 1970: `2026-03-01T12:00:00Z`.
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years begin in March, so that the leap day is the last one; an era is 400 years, 146 097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A browser by its `User-Agent` header, short enough for a list: "Firefox on Linux".
///
/// For an unknown browser this is the first word of the header; for an empty header it is "Unknown browser".
#[must_use]
pub fn browser_name(user_agent: &str) -> Text {
    // Browsers claim to be older browsers: the names at the end of this list are in the headers of those before.
    const BROWSERS: [(&str, &str); 11] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Vivaldi/", "Vivaldi"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("HeadlessChrome/", "Chrome"),
        ("Chromium/", "Chromium"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 8] = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("CrOS", "ChromeOS"),
        ("Windows", "Windows"),
        ("Macintosh", "macOS"),
        ("Linux", "Linux"),
        ("BSD", "BSD"),
    ];
    let named = |names: &[(&str, &'static str)]| {
        names.iter().find(|(token, _)| user_agent.contains(token)).map(|(_, name)| *name)
    };
    let first_word = || -> String {
        let product = user_agent.split(['/', ' ', ';', '(']).find(|word| !word.is_empty()).unwrap_or_default();
        product.chars().filter(|c| !c.is_control()).take(40).collect()
    };
    match (named(&BROWSERS), named(&SYSTEMS)) {
        (Some(browser), Some(system)) => Text::new("browser-on").with("browser", browser).with("system", system),
        (Some(browser), None) => Text::new("browser-named").with("browser", browser),
        (None, _) => match first_word() {
            word if word.is_empty() => Text::new("browser-unknown"),
            word => Text::new("browser-named").with("browser", word),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

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

    fn english(text: &Text) -> String {
        text.in_language(Language::English)
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

    #[test]
    fn preference_names_are_short_and_plain() {
        for name in ["theme", "A-z_0.9", &"x".repeat(64)] {
            assert!(is_preference_name(name), "{name}");
        }
        for name in ["", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert!(!is_preference_name(name), "{name:?}");
        }
    }

    #[test]
    fn search_terms_hold_nothing_that_a_database_refuses() {
        assert_eq!(search_term("  a\0b\n "), "ab");
        assert_eq!(search_term(&"ä".repeat(200)).chars().count(), 150);
    }

    #[test]
    fn times_are_told_in_their_largest_unit() {
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (3_599, "59 minutes ago"),
            (3_600, "1 hour ago"),
            (86_400, "1 day ago"),
            (29 * 86_400, "29 days ago"),
            (31 * 86_400, "1 month ago"),
            (800 * 86_400, "2 years ago"),
            (-1, "in a moment"),
            (-7_200, "in 2 hours"),
        ] {
            assert_eq!(english(&relative_time(1_000_000 - seconds, 1_000_000)), text);
        }
        assert!(english(&relative_time(i64::MIN, i64::MAX)).ends_with("years ago"));
    }

    #[test]
    fn dates_are_right_around_leap_days_and_before_1970() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_210_096, "2024-02-29T12:34:56Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    #[test]
    fn browsers_are_named_correctly() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (agent, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                &format!("Mozilla/5.0 (Windows NT 10.0) {webkit} Chrome/140.0 Safari/537.36 Edg/140.0"),
                "Edge on Windows",
            ),
            (&format!("Mozilla/5.0 (Macintosh; Intel) {webkit} Chrome/140.0 Safari/537.36"), "Chrome on macOS"),
            (&format!("Mozilla/5.0 (Linux; Android 15) {webkit} Chrome/140 Mobile Safari/537.36"), "Chrome on Android"),
            ("Mozilla/5.0 (iPhone; like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604", "Safari on iPhone"),
            ("Mozilla/5.0 (iPad; like Mac OS X) AppleWebKit/605 CriOS/140.0 Safari/604", "Chrome on iPad"),
            ("curl/8.14.1", "curl"),
            ("python-requests/2.32", "python-requests"),
            ("", "Unknown browser"),
            ("\u{1}/", "Unknown browser"),
        ] {
            assert_eq!(english(&browser_name(agent)), name, "{agent}");
        }
        assert_eq!(english(&browser_name(&"x".repeat(500))).len(), 40);
    }
}
