//! Limits on sign-ins and password checks.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::header::{COOKIE, HeaderValue, RETRY_AFTER, SET_COOKIE},
};
use shared_session::{Error, audit::AuditKind, throttle::Verdict, users::Users as _};
use shared_session_actix::CurrentUser;
use shared_session_examples::{throttles::retry_after, translations::Text};

use super::{Answer, Visit};

/// The result of a password check of a signed-in user.
pub(crate) enum PasswordCheck {
    Right,
    Wrong,
    /// There were too many attempts: the password was not checked, and the user must wait.
    TooMany(Duration),
}

impl Visit {
    /// Whether another sign-in attempt is allowed under the name that was `typed`.
    pub(crate) async fn may_sign_in(&self, typed: &str) -> Result<Verdict, Error> {
        let cookies = self.request.headers().get_all(COOKIE).map(HeaderValue::as_bytes);
        self.setup.throttles.sign_in(typed, self.client_address(), cookies).await
    }

    /// Marks the browser that gets `answer` as one that has signed in under this name.
    pub(crate) fn remember_device(&self, typed: &str, mut answer: HttpResponse) -> Answer {
        let cookies = self.request.headers().get_all(COOKIE).map(HeaderValue::as_bytes);
        let cookie = self.setup.throttles.remember(typed, cookies)?;
        if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
        Ok(answer)
    }

    /// Checks the password of the signed-in user, unless there were too many attempts.
    pub(crate) async fn check_password(&self, user: &CurrentUser, password: &str) -> Result<PasswordCheck, Error> {
        let attempt = match self.setup.throttles.password_check(&user.id, self.client_address()).await? {
            Verdict::Go(attempt) => attempt,
            Verdict::Wait(wait) => return Ok(PasswordCheck::TooMany(wait)),
        };
        match self.setup.users.check_password(user, password).await {
            Ok(true) => {
                attempt.succeeded().await;
                Ok(PasswordCheck::Right)
            }
            Ok(false) => {
                user.session().audit(AuditKind::PasswordCheckFailed);
                Ok(PasswordCheck::Wrong)
            }
            Err(error) => {
                attempt.withdraw().await;
                Err(error)
            }
        }
    }
}

/// The message after too many attempts: the minutes until the next one counts.
pub(crate) fn too_many_attempts(wait: Duration) -> Text {
    Text::new("login-too-many").with_count(wait.as_millis().div_ceil(60_000).max(1))
}

/// Adds `Retry-After` to the page of a form that was refused for this long.
pub(crate) fn with_retry_after(mut page: HttpResponse, wait: Duration) -> HttpResponse {
    page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after(wait)));
    page
}
