//! Names of browsers.

use crate::translations::Text;

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

    fn english(text: &Text) -> String {
        text.in_language(Language::English)
    }

    #[test]
    fn browsers_are_named_for_what_they_are() {
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
