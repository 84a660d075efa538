//! Forms, and the handling of those from outdated pages.

use serde::Deserialize;
use shared_session::Error;
use shared_session_actix::{FormRejection, ProtectedForm};
use shared_session_examples::translations::Text;

use crate::errors::{self, Failure};

/// The largest body of a form, in bytes.
pub(crate) const LIMIT: usize = 64 * 1024;

/// A posted form.
pub(crate) type Form<T> = Result<ProtectedForm<T>, FormRejection<T>>;

/// A form in which a name may appear several times, once for each ticked box.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The values of the fields with this name, in the order of the form.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Whether the form comes from a page that asks to confirm the change.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.values("confirmed").next().is_some()
    }
}

/// A form whose token does not belong to a current page of this visitor, most often because the page is older than the
/// session. The handler offers the form again, with 403; `?` shows the visitor that the page was too old.
pub(crate) struct Stale<T> {
    /// The typed values, to fill the form again; they must not be used for anything else.
    pub(crate) fields: T,
    error: Error,
}

impl<T> Stale<T> {
    /// The message for the visitor.
    pub(crate) fn message(&self) -> Text {
        errors::stale_form(&self.error)
    }
}

/// A form without fields, only a button.
#[derive(Deserialize)]
pub(crate) struct Button {}

/// The fields, if the token belongs to a current page of this visitor.
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
