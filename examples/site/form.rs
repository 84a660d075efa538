//! Forms, and what happens to those of pages that were too old.

use serde::Deserialize;
use shared_session::Error;
use shared_session_actix::{FormRejection, ProtectedForm};
use shared_session_examples::translations::Text;

use crate::errors::{self, Failure};

/// The largest body of a form, in bytes.
pub(crate) const LIMIT: usize = 64 * 1024;

/// A form that was posted.
pub(crate) type Form<T> = Result<ProtectedForm<T>, FormRejection<T>>;

/// A form without the token of a page that this visitor has now: most often the page is older than the session. The
/// handler offers the form again, with 403; `?` tells the visitor that the page was too old.
pub(crate) struct Stale<T> {
    /// What was typed, to fill the form again; nothing else may be done with it.
    pub(crate) fields: T,
    error: Error,
}

impl<T> Stale<T> {
    /// What to tell the visitor.
    pub(crate) fn message(&self) -> Text {
        errors::stale(&self.error)
    }
}

/// The fields of a form that is only a button.
#[derive(Deserialize)]
pub(crate) struct Button {}

/// The fields, if the form came from a page that this visitor has now.
pub(crate) fn current<T>(form: Form<T>) -> Result<Result<T, Stale<T>>, Failure> {
    match form {
        Ok(ProtectedForm(fields)) => Ok(Ok(fields)),
        Err(rejection) => {
            let error = rejection.error().clone();
            let fields = rejection.into_fields().map_err(|_| error.clone())?;
            Ok(Err(Stale { fields, error }))
        }
    }
}

impl<T> From<Stale<T>> for Failure {
    fn from(stale: Stale<T>) -> Self {
        stale.error.into()
    }
}
