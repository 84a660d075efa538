//! The extractors of form tokens and of forms that carry one.

use std::{
    fmt,
    future::{Ready, ready},
    ops::Deref,
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, ResponseError,
    dev::Payload,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderValue},
    },
    web::Bytes,
};
use futures_util::future::LocalBoxFuture;
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
/// use actix_web::web::Html;
/// use shared_session_actix::FormToken;
///
/// async fn page(token: FormToken) -> Html {
///     Html::new(format!(r#"<form method="post">{}<input name="text"><button>Send</button></form>"#, token.input()))
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

impl FromRequest for FormToken {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = || Ok(Self(lazy_session(request)?.form_token()?));
        ready(token())
    }
}

/// The fields of a form that was posted from a page of this service: a form with the visitor's current [`FormToken`],
/// in the field `csrfmiddlewaretoken` or the header `X-CSRFToken`.
///
/// Fails with [`ErrorKind::StaleForm`] (403) if the token is missing or wrong: most often the page is older than the
/// last sign-in. `Result<ProtectedForm<T>, FormRejection<T>>` then gives the typed fields, to offer the form again.
/// Fails with 413 for a body larger than `web::PayloadConfig` allows (256 KiB by default), with 415 for a body other
/// than a URL-encoded form, and with 400 if the fields do not fit `T`.
///
/// Reads the body, so a handler can take it only once and no other extractor of a body. Multipart forms have another
/// body: check their token with `LazySession::check_form_token`. No I/O besides the body, except for a form of a page
/// from before the session, which loads the session.
///
/// ```
/// use actix_web::{App, test, web, web::Html};
/// use serde::Deserialize;
/// use shared_session::{SecretKeys, SessionManager, csrf::FormTokens, store::MemoryStore};
/// use shared_session_actix::{FormToken, ProtectedForm, SessionMiddleware};
///
/// #[derive(Deserialize)]
/// struct Comment {
///     text: String,
/// }
///
/// async fn show(token: FormToken) -> Html {
///     Html::new(format!(r#"<form method="post">{}<input name="text"><button>Send</button></form>"#, token.input()))
/// }
///
/// async fn send(ProtectedForm(comment): ProtectedForm<Comment>) -> String {
///     format!("you said {}", comment.text)
/// }
///
/// # #[actix_web::main] async fn main() -> Result<(), shared_session::Error> {
/// let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
/// let manager = SessionManager::new(MemoryStore::new()).with_form_tokens(FormTokens::new(keys));
/// let page = web::resource("/").get(show).post(send);
/// let app = test::init_service(App::new().service(page).wrap(SessionMiddleware::new(manager))).await;
///
/// let of_another_site = test::TestRequest::post().set_form([("text", "spam")]).to_request();
/// assert_eq!(test::call_service(&app, of_another_site).await.status(), 403);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ProtectedForm<T>(
    /// The fields.
    pub T,
);

impl<T: DeserializeOwned + 'static> FromRequest for ProtectedForm<T> {
    type Error = FormRejection<T>;
    type Future = LocalBoxFuture<'static, Result<Self, FormRejection<T>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, body) = (request.clone(), Bytes::from_request(request, payload));
        Box::pin(async move {
            let session = lazy_session(&request)?;
            let body = body.await.map_err(|error| {
                let is_too_large = error.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE;
                if is_too_large { ErrorKind::FormTooLarge } else { ErrorKind::MalformedForm }
            })?;
            let header = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
            let posted = PostedForm::new(header(CONTENT_TYPE.as_str()), header(csrf::FormToken::HEADER), &body);
            Ok(Self(session.protected_form(posted).await?))
        })
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
    /// use actix_web::HttpResponse;
    /// use serde::Deserialize;
    /// use shared_session_actix::{FormRejection, FormToken, ProtectedForm};
    ///
    /// #[derive(Deserialize)]
    /// struct Note {
    ///     count: u32,
    /// }
    ///
    /// async fn save(
    ///     token: FormToken,
    ///     form: Result<ProtectedForm<Note>, FormRejection<Note>>,
    /// ) -> Result<HttpResponse, FormRejection<Note>> {
    ///     let note = match form {
    ///         Ok(ProtectedForm(note)) => return Ok(HttpResponse::Ok().body(format!("{} saved", note.count))),
    ///         Err(rejection) => rejection.into_fields()?,
    ///     };
    ///     let field = format!(r#"<input name="count" value="{}">"#, note.count);
    ///     let page = format!(r#"Please try again. <form method="post">{}{field}</form>"#, token.input());
    ///     Ok(HttpResponse::Forbidden().content_type("text/html; charset=utf-8").body(page))
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

impl<T> ResponseError for FormRejection<T> {
    fn status_code(&self) -> StatusCode {
        self.rejection.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        self.rejection.error_response()
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
