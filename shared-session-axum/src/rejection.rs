//! The error of handlers and extractors, as Axum's `IntoResponse`.

use std::{error::Error as StdError, fmt, sync::Arc};

use axum_core::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::request::Parts;
use shared_session::{Error, ErrorKind, Failure, Rejected, Reply};

/// An error of a session as a response: extractors reject with it, and handlers can return it.
///
/// The hook given to [`SessionManager::with_on_error`](crate::SessionManager::with_on_error) makes the response. The
/// default response has the kind's status and `application/problem+json` (RFC 9457). The body reveals nothing internal.
///
/// ```
/// use axum_core::response::IntoResponse;
/// use shared_session_axum::{ErrorKind, Rejection, Session};
///
/// async fn comment(session: Session) -> Result<&'static str, Rejection> {
///     if session.get::<bool>("muted")? == Some(true) {
///         return Err(ErrorKind::Forbidden.into());
///     }
///     Ok("Thank you")
/// }
///
/// assert_eq!(Rejection::from(ErrorKind::Forbidden).into_response().status(), 403);
/// ```
///
/// # With errors of your own
///
/// A handler that also queries a database returns an error type of your own, with a `From` for each error, so that `?`
/// takes both. Let it respond with the `Rejection`: then the hook applies, and a 5xx stores no edits.
///
/// ```
/// # mod sqlx {
/// #     pub struct Error;
/// # }
/// # async fn save_order(_: &str) -> Result<(), sqlx::Error> { Err(sqlx::Error) }
/// use axum::{http::StatusCode, response::{IntoResponse, Response}};
/// use shared_session_axum::{Rejection, Session};
///
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
/// impl IntoResponse for AppError {
///     fn into_response(self) -> Response {
///         match self {
///             Self::Session(rejection) => rejection.into_response(),
///             // Log the error here; the client learns nothing internal.
///             Self::Database(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
///         }
///     }
/// }
///
/// async fn order(session: Session) -> Result<&'static str, AppError> {
///     let cart: String = session.take("cart")?.unwrap_or_default();
///     save_order(&cart).await?;
///     Ok("Thank you")
/// }
/// # let _: axum::Router = axum::Router::new().route("/order", axum::routing::post(order));
/// # assert_eq!(AppError::from(sqlx::Error).into_response().status(), 500);
/// # let full = shared_session::Error::from(shared_session::ErrorKind::TooLarge);
/// # assert_eq!(AppError::from(full).into_response().status(), 413);
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

    pub(crate) fn missing_layer(parts: &Parts) -> Self {
        let error = Error::new(
            ErrorKind::Config,
            "this route has no sessions; add SessionLayer to its router, and put guards inside of it: call \
             route_layer(guard) before layer(…)",
        );
        // Without the layer, nothing else logs the error.
        Failure::new(&error, parts.method.as_str(), parts.uri.path()).log();
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

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let reply = Reply::from(&*self.0);
        let mut response = shared_session::tower::into_response::<Body>(reply);
        response.extensions_mut().insert(Rejected::new(self.0));
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
