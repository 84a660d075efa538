//! Options for a sign-in.

use crate::record::{expiry::Expiry, lifetime::Lifetime};

/// Options for a sign-in with [`Session::login_with`](crate::Session::login_with). The default equals
/// [`login`](crate::Session::login).
///
/// ```
/// # use shared_session::{Error, LoginOptions, Session, users::User};
/// /// `remember` is the checkbox "Keep me signed in" of the form.
/// fn sign_in(session: &Session, user: &User, remember: bool) -> Result<(), Error> {
///     session.login_with(user, LoginOptions::new().with_remember_me(remember))
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginOptions {
    stay: Stay,
}

/// When the session ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stay {
    #[default]
    Unsaid,
    Remembered,
    Until(Expiry),
}

impl LoginOptions {
    /// The behaviour of [`login`](crate::Session::login).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the user stays signed in after the browser is closed. With `true` the session ends after the [remembered
    /// time](Lifetime::with_remembered) without use, and the browser keeps the cookie as long. With `false` the browser
    /// drops the cookie when it is closed. Default: neither; the session and its cookie live as configured.
    #[must_use]
    #[doc(alias = "remember")]
    #[doc(alias = "permanent")]
    pub fn with_remember_me(self, remember: bool) -> Self {
        Self { stay: if remember { Stay::Remembered } else { Stay::Until(Expiry::OnBrowserClose) } }
    }

    /// The end of the session. Default: [`Expiry::Configured`]; in a Django profile the session keeps its expiry, as in
    /// Django's `login`.
    #[must_use]
    pub fn with_expiry(self, expiry: Expiry) -> Self {
        Self { stay: Stay::Until(expiry) }
    }

    /// The requested expiry, if any.
    pub(crate) fn into_expiry(self, lifetime: &Lifetime) -> Option<Expiry> {
        match self.stay {
            Stay::Unsaid => None,
            Stay::Remembered => Some(Expiry::OnInactivity(lifetime.remembered()).rounded()),
            Stay::Until(expiry) => Some(expiry.rounded()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_remembered_session_lives_unused_for_the_remembered_time() {
        let lifetime = Lifetime::default().with_absolute(Duration::from_secs(50));
        let asked = |options: LoginOptions| options.into_expiry(&lifetime);
        let seconds = |seconds| Some(Expiry::OnInactivity(Duration::from_secs(seconds)));
        assert_eq!(asked(LoginOptions::new()), None);
        assert_eq!(asked(LoginOptions::new().with_remember_me(true)), seconds(50));
        assert_eq!(asked(LoginOptions::new().with_remember_me(false)), Some(Expiry::OnBrowserClose));
        let longer = lifetime.with_remembered(Duration::from_secs(70));
        assert_eq!(LoginOptions::new().with_remember_me(true).into_expiry(&longer), seconds(70));
        let last =
            LoginOptions::new().with_remember_me(true).with_expiry(Expiry::OnInactivity(Duration::from_millis(1)));
        assert_eq!(asked(last), seconds(1));
    }
}
