//! The cross-origin check of a middleware: the headers that it reads, and its response.

use std::error::Error as _;

use super::cross_origin::{CrossOrigin, OriginHeaders};
use crate::{
    authorization::{self, Authorization},
    error::Error,
    reply::{Failure, OnError, Rejected, Reply},
};

/// The check of a middleware: [`CrossOrigin`], and the response to refused requests. Both adapters hold one.
#[derive(Clone, Debug)]
pub struct CrossOriginCheck {
    cross_origin: CrossOrigin,
    on_error: Option<OnError>,
}

impl CrossOriginCheck {
    /// Accepts the requests that `cross_origin` allows.
    #[must_use]
    pub fn new(cross_origin: CrossOrigin) -> Self {
        Self { cross_origin, on_error: None }
    }

    /// Sets the hook that makes the response. Default: the hook of the session layer around this one, if there is one,
    /// else [`Reply::problem`].
    #[must_use]
    pub fn with_on_error(mut self, on_error: impl Into<OnError>) -> Self {
        self.on_error = Some(on_error.into());
        self
    }

    /// The response to a request that must not reach its handler; `None` if the request may continue. `values` finds
    /// all values of a header by its name in lower case: `sec-fetch-site`, `origin` and `upgrade`, and, if bearer
    /// tokens are accepted, `authorization` and `cookie`. Pure, except for a line in the log.
    #[must_use]
    pub fn refuse<'a, V>(
        &self,
        method: &'a str,
        path_and_query: &str,
        values: impl Fn(&'static str) -> V,
    ) -> Option<Refused>
    where
        V: IntoIterator<Item = &'a [u8]>,
    {
        let headers = OriginHeaders::new(method, values("sec-fetch-site"), values("origin"))
            .with_upgrade(values("upgrade").into_iter().next().is_some())
            .with_bearer(self.cross_origin.takes_bearer() && is_bearer_alone(&values));
        let error = self.cross_origin.check(headers).err()?.into_error();
        tracing::debug!(reason = error.source().map(tracing::field::display), "cross-origin request refused");
        let failure = Failure::new(&error, method, path_and_query);
        Some(match &self.on_error {
            Some(hook) => Refused { reply: hook.reply(&failure), rejected: None, error },
            None => Refused { reply: Reply::problem(&failure), rejected: Some(Rejected::new(error.clone())), error },
        })
    }
}

/// Whether the request has one bearer token and no cookie of any name.
fn is_bearer_alone<'a, V: IntoIterator<Item = &'a [u8]>>(values: impl Fn(&'static str) -> V) -> bool {
    let authorization = authorization::read(values("authorization"));
    matches!(authorization, Authorization::Bearer(_)) && values("cookie").into_iter().next().is_none()
}

/// The response to a request that [`CrossOriginCheck::refuse`] refuses. Put both [`error`](Self::error) and
/// [`rejected`](Self::rejected) into the extensions of the response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refused {
    /// The response.
    pub reply: Reply,
    /// The reason.
    pub error: Error,
    /// Lets an outer session layer respond with its manager's hook instead, unless this layer has its own hook.
    pub rejected: Option<Rejected>,
}
