//! The error of handlers and extractors, as Actix Web's `ResponseError`.

use std::{error::Error as StdError, fmt, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, ResponseError, http::StatusCode};
use shared_session::{Error, ErrorKind, Failure, Rejected, Reply};

use crate::reply::into_response;

/// An error of a session as a response: extractors fail with it, and handlers can return it.
///
/// The hook given to [`SessionManager::with_on_error`](crate::SessionManager::with_on_error) makes the response. The
/// default response has the kind's status and `application/problem+json` (RFC 9457). The body reveals nothing internal.
///
/// ```
/// use actix_web::ResponseError;
/// use shared_session_actix::{ErrorKind, Rejection, Session};
///
/// async fn comment(session: Session) -> Result<&'static str, Rejection> {
///     if session.get::<bool>("muted")? == Some(true) {
///         return Err(ErrorKind::Forbidden.into());
///     }
///     Ok("Thank you")
/// }
///
/// assert_eq!(Rejection::from(ErrorKind::Forbidden).status_code(), 403);
/// ```
///
/// # With errors of your own
///
/// `shared_session::Error` is no [`ResponseError`]: the core does not depend on Actix Web, and this crate owns neither
/// the trait nor the type. So `?` turns it into a `Rejection`, but not into an [`actix_web::Error`].
///
/// A handler that also queries a database returns an error type of your own, with a `From` for each error, so that `?`
/// takes both. Let it respond with the [`error_response`](ResponseError::error_response) of the `Rejection`: then the
/// hook applies, and a 5xx stores no edits.
///
/// ```
/// # mod sqlx {
/// #     #[derive(Debug)]
/// #     pub struct Error;
/// # }
/// # async fn save_order(_: &str) -> Result<(), sqlx::Error> { Err(sqlx::Error) }
/// use std::fmt;
/// use actix_web::{HttpResponse, ResponseError};
/// use shared_session_actix::{Rejection, Session};
///
/// #[derive(Debug)]
/// enum AppError {
///     Session(Rejection),
///     Database(sqlx::Error),
/// }
///
/// impl From<shared_session::Error> for AppError {
///     fn from(error: shared_session::Error) -> Self {
///         Self::Session(error.into())
///     }
/// }
///
/// impl From<sqlx::Error> for AppError {
///     fn from(error: sqlx::Error) -> Self {
///         Self::Database(error)
///     }
/// }
///
/// impl fmt::Display for AppError {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         fmt::Debug::fmt(self, f)
///     }
/// }
///
/// impl ResponseError for AppError {
///     fn error_response(&self) -> HttpResponse {
///         match self {
///             Self::Session(rejection) => rejection.error_response(),
///             // Log the error here; the client learns nothing internal.
///             Self::Database(_) => HttpResponse::InternalServerError().finish(),
///         }
///     }
/// }
///
/// async fn order(session: Session) -> Result<&'static str, AppError> {
///     let cart: String = session.take("cart")?.unwrap_or_default();
///     save_order(&cart).await?;
///     Ok("Thank you")
/// }
/// # let _ = actix_web::web::get().to(order);
/// # assert_eq!(AppError::from(sqlx::Error).error_response().status(), 500);
/// # let full = shared_session::Error::from(shared_session::ErrorKind::TooLarge);
/// # assert_eq!(AppError::from(full).error_response().status(), 413);
/// ```
#[derive(Clone)]
pub struct Rejection(Arc<Error>);

impl Rejection {
    /// The error.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.0
    }

    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind()
    }

    #[cfg(feature = "users")]
    pub(crate) fn into_rejected(self) -> Rejected {
        Rejected::new(self.0)
    }

    pub(crate) fn missing_middleware(request: &HttpRequest) -> Self {
        let error = Error::new(
            ErrorKind::Config,
            "this route has no sessions; wrap its app in SessionMiddleware, and put guards inside of it: the last wrap(…) \
             is the outermost. Where the handler takes an Option, its visitors look anonymous",
        );
        // Without the middleware, nothing else logs the error.
        Failure::new(&error, request.method().as_str(), request.path()).log();
        Self::from(error)
    }
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        Self(Arc::new(error))
    }
}

impl From<ErrorKind> for Rejection {
    fn from(kind: ErrorKind) -> Self {
        Self::from(Error::from(kind))
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = into_response(Reply::from(&*self.0));
        response.extensions_mut().insert(Rejected::new(Arc::clone(&self.0)));
        response
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rejection").field(&self.0).finish()
    }
}

impl StdError for Rejection {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}
