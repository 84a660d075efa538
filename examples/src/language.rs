//! The language of a visitor: the stored preference, otherwise the browser's request, otherwise English.

/// A language that every page and message of `site` has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, the reference for all other languages.
    #[default]
    English,
    /// Chinese in simplified characters.
    Chinese,
}

impl Language {
    /// All languages, in the order in which they are offered.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The tag for `lang`, `Content-Language` and the preference `language` (RFC 5646).
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// The name of the language in the language itself.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "简体中文",
        }
    }

    /// The language of a tag, whatever its region and script: `zh`, `zh-Hans-SG` and `zh-TW` are all Chinese.
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split('-').next().unwrap_or_default();
        match () {
            () if primary.eq_ignore_ascii_case("en") => Some(Self::English),
            () if primary.eq_ignore_ascii_case("zh") => Some(Self::Chinese),
            () => None,
        }
    }

    /// The language of `preference` if it names one, otherwise the preferred one of `accept_language`.
    ///
    /// Of several with the same quality the first wins; `*` is English, and a quality of 0 excludes a language (RFC
    /// 9110, 12.5.4). Invalid ranges are ignored.
    ///
    /// ```
    /// use shared_session_examples::language::Language;
    ///
    /// assert_eq!(Language::choose(None, "de, zh-CN;q=0.9, en;q=0.8"), Language::Chinese);
    /// assert_eq!(Language::choose(Some("en"), "zh"), Language::English);
    /// assert_eq!(Language::choose(Some("auto"), ""), Language::English);
    /// ```
    #[must_use]
    pub fn choose(preference: Option<&str>, accept_language: &str) -> Self {
        preference.and_then(Self::of_tag).unwrap_or_else(|| Self::accepted(accept_language))
    }

    fn accepted(accept_language: &str) -> Self {
        let mut best = (0.0, Self::default());
        for (language, quality) in accept_language.split(',').filter_map(range) {
            if quality > best.0 {
                best = (quality, language);
            }
        }
        best.1
    }
}

/// One range of the header, and its quality.
fn range(text: &str) -> Option<(Language, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let tag = parts.next()?;
    let language = if tag == "*" { Language::default() } else { Language::of_tag(tag)? };
    let quality = match parts.next() {
        None => 1.0,
        Some(weight) => {
            let (name, value) = weight.split_once('=')?;
            let value = value.trim();
            let is_number = value.len() <= 5 && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            value.parse().ok().filter(|_| is_number && name.trim().eq_ignore_ascii_case("q"))?
        }
    };
    (0.0..=1.0).contains(&quality).then_some((language, quality))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_preferred_by_the_browser_is_used() {
        for (header, language) in [
            ("", Language::English),
            ("zh", Language::Chinese),
            ("ZH-hans-cn", Language::Chinese),
            ("zh-TW,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en-US,en;q=0.9,zh-CN;q=0.8", Language::English),
            ("en;q=0.5, zh-CN;q=0.9", Language::Chinese),
            ("zh;q=0.5, en;q=0.5", Language::Chinese),
            ("fr, de;q=0.9, zh;q=0.1", Language::Chinese),
            ("fr, *;q=0.5, zh;q=0.4", Language::English),
            ("zh;q=0", Language::English),
            ("zh;q=0, *", Language::English),
            ("zh ; q = 1.000", Language::Chinese),
            ("zho", Language::English),
        ] {
            assert_eq!(Language::choose(None, header), language, "{header:?}");
        }
    }

    #[test]
    fn ranges_that_cannot_be_read_are_left_out() {
        for header in ["zh;q", "zh;q=", "zh;q=x", "zh;q=2", "zh;q=-1", "zh;q=NaN", "zh;q=1e0", "zh;level=1", ";;,,;q=1"]
        {
            assert_eq!(Language::choose(None, header), Language::English, "{header:?}");
        }
    }

    #[test]
    fn a_preference_wins_if_it_names_a_language() {
        assert_eq!(Language::choose(Some("zh-CN"), "en"), Language::Chinese);
        assert_eq!(Language::choose(Some("en"), "zh"), Language::English);
        for other in ["", "auto", "de", "-", "<script>"] {
            assert_eq!(Language::choose(Some(other), "zh"), Language::Chinese, "{other:?}");
        }
        for language in Language::ALL {
            assert_eq!(Language::of_tag(language.tag()), Some(language));
        }
    }
}
