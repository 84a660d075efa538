//! The extractors of form tokens and of forms that carry one.

use std::{error::Error as StdError, fmt, ops::Deref};

use axum_core::{
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE, request::Parts};
use serde::de::DeserializeOwned;
use shared_session::{
    ErrorKind,
    csrf::{self, PostedForm, RefusedForm},
};

use crate::{Rejection, extract::lazy_session};

/// The token for all forms of the response's page: a [`shared_session::csrf::FormToken`]. Put it into each posted form.
/// [`ProtectedForm`] checks the posted form.
///
/// The manager needs [`with_form_tokens`](crate::SessionManager::with_form_tokens). The session layer sends the cookie
/// that a token needs before a session exists. No I/O.
///
/// ```
/// use axum::response::Html;
/// use shared_session_axum::FormToken;
///
/// async fn page(token: FormToken) -> Html<String> {
///     Html(format!(r#"<form method="post">{}<input name="text"><button>Send</button></form>"#, token.input()))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FormToken(csrf::FormToken);

impl Deref for FormToken {
    type Target = csrf::FormToken;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Display for FormToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for FormToken {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Ok(Self(lazy_session(parts)?.form_token()?))
    }
}

/// The fields of a form that was posted from a page of this service: a form with the visitor's current [`FormToken`],
/// in the field `csrfmiddlewaretoken` or the header `X-CSRFToken`.
///
/// Rejects with [`ErrorKind::StaleForm`] (403) if the token is missing or wrong: most often the page is older than the
/// last sign-in. `Result<ProtectedForm<T>, FormRejection<T>>` then gives the typed fields, to offer the form again.
/// Rejects with 413 a body larger than `DefaultBodyLimit`, with 415 a body other than a URL-encoded form, and with 400
/// fields that do not fit `T`.
///
/// Reads the body, so it is the last parameter of a handler. Multipart forms have another body: check their token with
/// `LazySession::check_form_token`. No I/O besides the body, except for a form of a page from before the session, which
/// loads the session.
///
/// ```
/// use axum::{Router, body::Body, http::Request, response::Html, routing::get};
/// use serde::Deserialize;
/// use shared_session::{SecretKeys, SessionManager, csrf::FormTokens, store::MemoryStore};
/// use shared_session_axum::{FormToken, ProtectedForm, SessionLayer};
/// use tower::ServiceExt;
///
/// #[derive(Deserialize)]
/// struct Comment {
///     text: String,
/// }
///
/// async fn show(token: FormToken) -> Html<String> {
///     Html(format!(r#"<form method="post">{}<input name="text"><button>Send</button></form>"#, token.input()))
/// }
///
/// async fn send(ProtectedForm(comment): ProtectedForm<Comment>) -> String {
///     format!("you said {}", comment.text)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
/// let manager = SessionManager::new(MemoryStore::new()).with_form_tokens(FormTokens::new(keys));
/// let app: Router = Router::new().route("/", get(show).post(send)).layer(SessionLayer::new(manager));
///
/// let form = "application/x-www-form-urlencoded";
/// let of_another_site = Request::post("/").header("content-type", form).body(Body::from("text=spam"))?;
/// assert_eq!(app.oneshot(of_another_site).await?.status(), 403);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ProtectedForm<T>(
    /// The fields.
    pub T,
);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ProtectedForm<T> {
    type Rejection = FormRejection<T>;

    async fn from_request(request: Request, state: &S) -> Result<Self, FormRejection<T>> {
        let (mut parts, body) = request.into_parts();
        let session = lazy_session(&parts)?.clone();
        let headers = std::mem::take(&mut parts.headers);
        let header = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
        let body = Bytes::from_request(Request::from_parts(parts, body), state).await.map_err(|rejection| {
            let is_too_large = rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE;
            if is_too_large { ErrorKind::FormTooLarge } else { ErrorKind::MalformedForm }
        })?;
        let posted = PostedForm::new(header(CONTENT_TYPE.as_str()), header(csrf::FormToken::HEADER), &body);
        Ok(Self(session.protected_form(posted).await?))
    }
}

/// The reason why a [`ProtectedForm`] was refused. Its response is that of its [`Rejection`].
pub struct FormRejection<T> {
    rejection: Rejection,
    fields: Option<T>,
}

impl<T> FormRejection<T> {
    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.rejection.kind()
    }

    /// The error. `TokenRefusal::of` gives the reason for a refused token.
    #[must_use]
    pub fn error(&self) -> &shared_session::Error {
        self.rejection.error()
    }

    /// The typed fields, if only the token is wrong; else the rejection. Fill the form again, with a new token and
    /// without passwords. Do nothing else with them, because another site may have sent them.
    ///
    /// ```
    /// use axum::{http::StatusCode, response::{Html, IntoResponse, Response}};
    /// use serde::Deserialize;
    /// use shared_session_axum::{FormRejection, FormToken, ProtectedForm};
    ///
    /// #[derive(Deserialize)]
    /// struct Note {
    ///     count: u32,
    /// }
    ///
    /// async fn save(
    ///     token: FormToken,
    ///     form: Result<ProtectedForm<Note>, FormRejection<Note>>,
    /// ) -> Result<Response, FormRejection<Note>> {
    ///     let note = match form {
    ///         Ok(ProtectedForm(note)) => return Ok(format!("{} saved", note.count).into_response()),
    ///         Err(rejection) => rejection.into_fields()?,
    ///     };
    ///     let field = format!(r#"<input name="count" value="{}">"#, note.count);
    ///     let page = format!(r#"Please try again. <form method="post">{}{field}</form>"#, token.input());
    ///     Ok((StatusCode::FORBIDDEN, Html(page)).into_response())
    /// }
    /// ```
    ///
    /// # Errors
    /// This rejection, if something other than the token is wrong.
    pub fn into_fields(self) -> Result<T, Self> {
        match self.fields {
            Some(fields) => Ok(fields),
            None => Err(self),
        }
    }
}

impl<T> From<RefusedForm<T>> for FormRejection<T> {
    fn from(refused: RefusedForm<T>) -> Self {
        Self { rejection: refused.error.into(), fields: refused.fields }
    }
}

impl<T> From<Rejection> for FormRejection<T> {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, fields: None }
    }
}

impl<T> From<ErrorKind> for FormRejection<T> {
    fn from(kind: ErrorKind) -> Self {
        Rejection::from(kind).into()
    }
}

impl<T> From<FormRejection<T>> for Rejection {
    fn from(rejection: FormRejection<T>) -> Self {
        rejection.rejection
    }
}

impl<T> IntoResponse for FormRejection<T> {
    fn into_response(self) -> Response {
        self.rejection.into_response()
    }
}

impl<T> fmt::Display for FormRejection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rejection.fmt(f)
    }
}

impl<T> fmt::Debug for FormRejection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FormRejection").field(&self.rejection).finish()
    }
}

impl<T> StdError for FormRejection<T> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.rejection.source()
    }
}
