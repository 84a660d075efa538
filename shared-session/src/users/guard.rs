//! The rule of a guard: which users may pass.

use std::{sync::Arc, time::Duration};

use crate::{engine::session::Session, error::Error, reply::Rejected};

/// Decides which users reach the routes behind it. `login_required` and `require` of the adapters use it.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
/// use shared_session::{ErrorKind, SecretKeys, SessionManager, store::MemoryStore, users::{Guard, SqlUsers}};
///
/// # let users = SqlUsers::connect("sqlite::memory:").await?;
/// # let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
/// let manager = SessionManager::new(MemoryStore::new()).with_users(users, keys);
/// let anonymous = manager.open(std::iter::empty()).load().await?;
/// let guard = Guard::login_required().redirect_to("/login");
/// let refused = guard.check(&anonymous).await.unwrap_err();
/// assert_eq!(refused.error().kind(), ErrorKind::Unauthenticated);
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct Guard {
    permission: Option<Arc<str>>,
    max_age: Option<Duration>,
    login_page: Option<Arc<str>>,
}

impl Guard {
    /// Lets every signed-in user through.
    #[must_use]
    pub fn login_required() -> Self {
        Self { permission: None, max_age: None, login_page: None }
    }

    /// Lets signed-in users with `permission`, such as `blog.add_post`, through. Superusers have every permission.
    #[must_use]
    pub fn require(permission: impl Into<Arc<str>>) -> Self {
        Self { permission: Some(permission.into()), ..Self::login_required() }
    }

    /// Lets users who signed in within `max_age` through, as [`Session::require_fresh`] does.
    #[must_use]
    pub fn require_fresh(max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..Self::login_required() }
    }

    /// Redirects visitors who are not signed in to this page of the site: with 303, on GET and HEAD, and with the path
    /// and query of the request in the parameter `next`. Default: they get 401. Before a login redirects to `next`,
    /// check it with [`safe_next`](super::safe_next()).
    #[must_use]
    pub fn redirect_to(self, login_page: impl Into<Arc<str>>) -> Self {
        Self { login_page: Some(login_page.into()), ..self }
    }

    /// Whether the user of `session` may pass. One SELECT, which extractors of the same request do not repeat, and
    /// another for a permission. A [user cache](super::UserCache) may replace the first SELECT, unless the guard checks
    /// a permission or the time of the sign-in.
    ///
    /// # Errors
    /// The response: [`ErrorKind::Unauthenticated`](crate::ErrorKind::Unauthenticated) if the session has no signed-in
    /// user or the sign-in is too old, [`ErrorKind::Forbidden`](crate::ErrorKind::Forbidden) without the permission,
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the manager has no users, and the errors of [`Session::user`](crate::Session::user).
    pub async fn check(&self, session: &Session) -> Result<(), Rejected> {
        self.passes(session).await.map_err(|error| Rejected::new(error).with_login_page(self.login_page.clone()))
    }

    async fn passes(&self, session: &Session) -> Result<(), Error> {
        let user = session.signed_in().await?;
        if let Some(max_age) = self.max_age {
            session.require_fresh(max_age).await?;
        }
        match &self.permission {
            Some(permission) => session.permit(&*user, permission).await,
            None => Ok(()),
        }
    }
}
