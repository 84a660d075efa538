//! `API_BEARER_TOKENS`: whether `api` accepts sessions from clients other than browsers.

use super::{SettingsError, reader::Reader};

/// Default: off. All code that handles a token can read it, and a browser does not need one.
pub(super) fn read(reader: &Reader<'_>) -> Result<bool, SettingsError> {
    reader.switch("API_BEARER_TOKENS", false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_tokens_are_off_until_they_are_turned_on() {
        let read = |value: &'static str| {
            super::read(&Reader::new(&|name: &str| (name == "API_BEARER_TOKENS").then(|| value.to_owned())))
        };
        assert_eq!((read(""), read("off"), read("on")), (Ok(false), Ok(false), Ok(true)));
        assert!(read("perhaps").unwrap_err().to_string().starts_with("API_BEARER_TOKENS is \"perhaps\"; expected "));
    }
}
