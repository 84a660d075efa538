//! How a user signs in.

use crate::record::{expiry::Expiry, lifetime::Lifetime};

/// How a user signs in, for [`Session::login_with`](crate::Session::login_with). By default as
/// [`login`](crate::Session::login) does.
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
    /// What [`login`](crate::Session::login) does.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the user stays signed in when the browser is closed: with `true` the session lives unused for the
    /// [remembered time](Lifetime::with_remembered) and the browser keeps the cookie as long, with `false` the browser
    /// drops the cookie when it is closed. Default: neither; the session and its cookie live as configured.
    #[must_use]
    #[doc(alias = "remember")]
    #[doc(alias = "permanent")]
    pub fn with_remember_me(self, remember: bool) -> Self {
        Self { stay: if remember { Stay::Remembered } else { Stay::Until(Expiry::OnBrowserClose) } }
    }

    /// When the session ends. Default: [`Expiry::Configured`]; in a Django profile the expiry that the session has,
    /// which Django's `login` keeps as well.
    #[must_use]
    pub fn with_expiry(self, expiry: Expiry) -> Self {
        Self { stay: Stay::Until(expiry) }
    }

    /// The expiry that this asks for, if any.
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
