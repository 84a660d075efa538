use std::{error::Error as StdError, fmt, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, ResponseError, http::StatusCode};
use shared_session::{Error, ErrorKind, Failure, Rejected, Reply};

use crate::reply::into_response;

/// An error of a session as a response: extractors fail with it, and handlers can return it.
///
/// The hook given to [`SessionManager::with_on_error`](crate::SessionManager::with_on_error) makes the response. The
/// default response has the kind's status and `application/problem+json` (RFC 9457). The body reveals nothing internal.
/// Your own error type also goes through the hook if it responds with the
/// [`error_response`](ResponseError::error_response) of this one.
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
