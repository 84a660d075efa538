//! A posted form: its token, and its fields.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::{
    error::{Error, ErrorKind},
    percent, type_name,
};

/// The token that a page puts into its forms. In handlers take the wrapper of the same name of your adapter:
/// [`shared_session_axum::FormToken`](https://docs.rs/shared-session-axum/latest/shared_session_axum/struct.FormToken.html)
/// or [`shared_session_actix::FormToken`](https://docs.rs/shared-session-actix/latest/shared_session_actix/struct.FormToken.html).
/// This type is no extractor; without an adapter call [`LazySession::form_token`](crate::LazySession::form_token).
///
/// `Display` gives the value, which needs no escaping in HTML. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct FormToken(String);

impl FormToken {
    /// The name of the hidden field: `csrfmiddlewaretoken`. It is Django's, so that forms can move between services
    /// unchanged.
    pub const FIELD: &str = "csrfmiddlewaretoken";

    /// The name of the header that scripts may send instead of the field: `x-csrftoken`.
    pub const HEADER: &str = "x-csrftoken";

    pub(crate) fn new(token: String) -> Self {
        Self(token)
    }

    /// The value of the field.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The whole field, `<input type="hidden" name="csrfmiddlewaretoken" value="…">`: put it into each posted form of
    /// the page, without escaping it again.
    #[must_use]
    pub fn input(&self) -> String {
        format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", Self::FIELD, self.0)
    }
}

impl fmt::Display for FormToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FormToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormToken").finish_non_exhaustive()
    }
}

/// A form as received in a request, for [`LazySession::protected_form`](crate::LazySession::protected_form).
#[derive(Clone, Copy, Default)]
pub struct PostedForm<'a> {
    content_type: Option<&'a [u8]>,
    token: Option<&'a [u8]>,
    body: &'a [u8],
}

impl<'a> PostedForm<'a> {
    /// The form in `body`, with the values of the headers `content-type` and [`FormToken::HEADER`].
    #[must_use]
    pub fn new(content_type: Option<&'a [u8]>, token: Option<&'a [u8]>, body: &'a [u8]) -> Self {
        Self { content_type, token, body }
    }

    /// Separates the token from the fields. The field takes precedence over the header.
    pub(crate) fn parse(self) -> Result<Fields<'a>, Error> {
        // A form without fields may have no content type.
        let is_typed = self.content_type.is_some() || !self.body.is_empty();
        if is_typed && !self.content_type.is_some_and(is_url_encoded) {
            return Err(ErrorKind::NotAForm.into());
        }
        let text = std::str::from_utf8(self.body).map_err(|_| ErrorKind::MalformedForm)?;
        // Replacing invalid UTF-8 silently could make two passwords equal.
        String::from_utf8(percent::decoded_bytes(text)).map_err(|_| ErrorKind::MalformedForm)?;
        let value_of = |pair: &'a str| pair.strip_prefix(FormToken::FIELD)?.strip_prefix('=');
        let in_header = self.token.and_then(|token| std::str::from_utf8(token).ok());
        let token = text.split('&').find_map(value_of).or(in_header).unwrap_or_default();
        let others: Vec<_> = text.split('&').filter(|pair| value_of(pair).is_none()).collect();
        Ok(Fields { token, others: others.join("&") })
    }
}

impl fmt::Debug for PostedForm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostedForm").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// The fields of a form.
pub(crate) struct Fields<'a> {
    pub(crate) token: &'a str,
    /// All fields except the token, encoded.
    others: String,
}

impl Fields<'_> {
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // The decoder's error is dropped: it may contain the typed values.
        serde_urlencoded::from_str(&self.others).map_err(|_| {
            let name = type_name::short::<T>();
            Error::new(ErrorKind::MalformedForm, format!("the form does not have the fields of {name}"))
        })
    }
}

/// A refused form.
#[non_exhaustive]
pub struct RefusedForm<T> {
    /// The reason: [`ErrorKind::StaleForm`] for a missing or wrong token; else [`ErrorKind::MalformedForm`],
    /// [`ErrorKind::NotAForm`], or a failure of the session.
    pub error: Error,
    /// The typed fields, if only the token is wrong: to fill the form again. Do nothing else with them, because another
    /// site may have sent them.
    pub fields: Option<T>,
}

impl<T> From<Error> for RefusedForm<T> {
    fn from(error: Error) -> Self {
        Self { error, fields: None }
    }
}

impl<T> fmt::Debug for RefusedForm<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_fields = self.fields.is_some();
        f.debug_struct("RefusedForm").field("error", &self.error).field("has_fields", &has_fields).finish()
    }
}

fn is_url_encoded(content_type: &[u8]) -> bool {
    let essence = content_type.split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    const TYPE: Option<&[u8]> = Some(b"application/x-www-form-urlencoded");

    fn kind<T>(result: Result<T, Error>) -> Result<T, ErrorKind> {
        result.map_err(|error| error.kind())
    }

    fn parsed(body: &str, header: Option<&str>) -> (String, BTreeMap<String, String>) {
        let fields = PostedForm::new(TYPE, header.map(str::as_bytes), body.as_bytes()).parse().unwrap();
        (fields.token.to_owned(), fields.decode().unwrap())
    }

    #[test]
    fn the_token_is_taken_out_of_the_field_or_else_of_the_header() {
        let expected = BTreeMap::from([("a".to_owned(), "1 é".to_owned()), ("b".to_owned(), String::new())]);
        let rest = "a=1+%C3%A9&b=";
        for (body, header, token) in [
            (format!("csrfmiddlewaretoken=t&{rest}"), None, "t"),
            ("a=1+%C3%A9&csrfmiddlewaretoken=t&b=".to_owned(), Some("h"), "t"),
            (format!("{rest}&csrfmiddlewaretoken="), Some("h"), ""),
            (rest.to_owned(), Some("h"), "h"),
            (rest.to_owned(), None, ""),
        ] {
            assert_eq!(parsed(&body, header), (token.to_owned(), expected.clone()), "{body}");
        }
        let (token, fields) = parsed("csrfmiddlewaretokens=x&xcsrfmiddlewaretoken=y", None);
        assert_eq!((token.as_str(), fields.len()), ("", 2), "other names are other fields");
    }

    #[test]
    fn only_bodies_that_browsers_send_are_forms() {
        for (content_type, body, expected) in [
            (TYPE, "a=1", Ok(())),
            (Some(&b"Application/X-WWW-Form-URLEncoded; charset=UTF-8"[..]), "a=1", Ok(())),
            (None, "", Ok(())),
            (TYPE, "", Ok(())),
            (None, "a=1", Err(ErrorKind::NotAForm)),
            (Some(b"application/json"), "{}", Err(ErrorKind::NotAForm)),
            (Some(b"text/plain"), "", Err(ErrorKind::NotAForm)),
            (Some(b"multipart/form-data; boundary=application/x-www-form-urlencoded"), "", Err(ErrorKind::NotAForm)),
            (TYPE, "a=%FF", Err(ErrorKind::MalformedForm)),
        ] {
            let posted = PostedForm::new(content_type, None, body.as_bytes());
            assert_eq!(kind(posted.parse().map(drop)), expected, "{content_type:?} {body}");
        }
        assert_eq!(kind(PostedForm::new(TYPE, None, b"a=\xff").parse().map(drop)), Err(ErrorKind::MalformedForm));
    }

    #[test]
    fn a_handler_may_refuse_unknown_fields_and_errors_show_nothing_that_was_typed() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Known {
            a: u8,
        }
        let decode = |body: &str| PostedForm::new(TYPE, None, body.as_bytes()).parse().unwrap().decode::<Known>();
        assert_eq!(decode("a=1&csrfmiddlewaretoken=t").unwrap().a, 1);
        for body in ["a=hunter2", "a=1&hunter2=x", ""] {
            let error = decode(body).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MalformedForm);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn a_token_is_shown_only_where_it_belongs() {
        let token = FormToken::new("abc".into());
        assert_eq!(token.input(), r#"<input type="hidden" name="csrfmiddlewaretoken" value="abc">"#);
        assert_eq!((token.to_string().as_str(), token.as_str()), ("abc", "abc"));
        assert!(!format!("{token:?}").contains("abc"));
    }
}
