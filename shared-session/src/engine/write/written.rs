//! The result of a write: the session, and the change to the browser's cookie.

use std::{sync::Arc, time::Duration};

use crate::{
    engine::{draft::Loaded, outcome::CookieAction},
    error::Error,
    record::{Record, id::Token},
};

/// The result of a write, complete or not.
#[derive(Debug)]
pub(crate) struct Written {
    /// What the request has stored, or kept.
    pub(crate) session: Option<(Token, Arc<Record>)>,
    /// The browser needs it even if the request fails.
    pub(crate) cookie: CookieAction,
    /// Why the request fails although a part of its write was applied.
    /// Boxed, because few writes have one and all are moved.
    pub(crate) failure: Option<Box<Error>>,
}

impl Written {
    pub(crate) fn kept(token: &Token, record: Arc<Record>) -> Self {
        Self { session: Some((token.clone(), record)), cookie: CookieAction::Keep, failure: None }
    }

    pub(crate) fn under_new_cookie(token: Token, record: Arc<Record>, max_age: Option<Duration>) -> Self {
        Self { cookie: CookieAction::Set(token.clone(), max_age), session: Some((token, record)), failure: None }
    }

    /// Nothing was stored, but the browser's cookie may have to change.
    pub(crate) fn nothing(cookie: CookieAction, failure: Option<Error>) -> Self {
        Self { session: None, cookie, failure: failure.map(Box::new) }
    }

    pub(crate) fn loaded(&self) -> Loaded {
        match &self.session {
            Some((token, record)) => Loaded::Record(token.clone(), Arc::clone(record)),
            None => Loaded::Nothing { refused: false },
        }
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.session.as_ref().is_some_and(|(_, record)| record.head.user.is_some())
    }
}
