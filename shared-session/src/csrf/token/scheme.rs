//! The schemes that make and check form tokens: our own and Django's.

use std::{fmt, sync::Arc};

use crate::{
    cookie::{CookieConfig, SetCookie},
    error::Error,
};

/// One scheme of form tokens. The methods are those of [`FormTokens`](super::FormTokens).
pub(crate) trait TokenScheme: fmt::Debug + Send + Sync {
    fn with_cookie(&self, cookie: CookieConfig) -> Result<Arc<dyn TokenScheme>, Error>;

    fn issue(&self, cookie_headers: &mut Headers<'_, '_>, session: Option<&str>) -> Result<Issued, Error>;

    fn verify(&self, cookie_headers: &mut Headers<'_, '_>, session: Option<&str>, token: &str) -> Result<(), Error>;

    fn rotate(&self, cookie_headers: &mut Headers<'_, '_>) -> Result<Option<SetCookie>, Error>;
}

/// The values of all `Cookie` headers of a request.
pub(crate) type Headers<'i, 'a> = dyn Iterator<Item = &'a [u8]> + 'i;

/// A token and its cookie, from [`FormTokens::issue`](super::FormTokens::issue).
#[derive(Clone)]
pub(crate) struct Issued {
    /// The value of the form's hidden field: 64 characters that need no escaping.
    pub(crate) token: String,
    /// The cookie that the same response must set.
    pub(crate) set_cookie: Option<SetCookie>,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("sets_cookie", &self.set_cookie.is_some()).finish_non_exhaustive()
    }
}
